// SPDX-License-Identifier: Apache-2.0

package propagation_test

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	otelprop "go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/internal/testkit"
	"github.com/spandrel-go/spandrel/propagation"
)

const traceparent = "00-" + traceHex + "-" + spanHex + "-01"

// members returns n members of a tracestate, or all whose numbers are between.
func members(from, to int) string {
	var list []string
	for i := from; i <= to; i++ {
		list = append(list, fmt.Sprintf("k%d=%d", i, i))
	}
	return strings.Join(list, ",")
}

// What arrives travels on: into Remote as it is, into the span context as far as the API's TraceState
// takes it, and out again both through a span of this process and where none was made.
func TestTraceStateTravelsOn(t *testing.T) {
	t.Parallel()
	longKey, longValue := strings.Repeat("z", 256), strings.Repeat("v", 256)
	longest := make([]string, 32)
	for i := range longest {
		longest[i] = fmt.Sprintf("%02d%s=%s", i, longKey[2:], longValue)
	}
	tests := []struct {
		name  string
		lines []string
		list  string // what is sent
		held  string // of it in the span context
	}{
		{"none", nil, "", ""},
		{"one line", []string{"congo=t61rcWkgMzE,rojo=00f067aa0ba902b7"}, "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7", "="},
		{"several lines are one list", []string{"a=1,b=2", "c=3", "d=4,e=5"}, "a=1,b=2,c=3,d=4,e=5", "="},
		{"an empty line", []string{""}, "", ""},
		{"an empty line first", []string{"", "a=1"}, "a=1", "="},
		{"an empty line last", []string{"a=1", ""}, "a=1", "="},
		{"an empty line between", []string{"a=1,b=2", "", "c=3"}, "a=1,b=2,c=3", "="},
		{"white space around members", []string{" a=1 \t, \t b=2\t"}, "a=1,b=2", "="},
		{"white space in front of a value", []string{"a=  1"}, "a=  1", "="},
		{"empty members", []string{"a=1,, \t,b=2, "}, "a=1,b=2", "="},
		{"only white space", []string{" \t"}, "", ""},
		{"only commas", []string{",,", ","}, "", ""},
		{"all characters", []string{"0az_-*/@=" + visible()}, "0az_-*/@=" + visible(), ""},
		{"an at sign at the end", []string{"a@=1,b=2"}, "a@=1,b=2", "b=2"},
		{"two at signs side by side", []string{"b=2,a@@c=1"}, "b=2,a@@c=1", "b=2"},
		{"two at signs", []string{"a@b@c=1,d=2"}, "a@b@c=1,d=2", "d=2"},
		{"a key of level 1 with a tenant", []string{"0t@v=1"}, "0t@v=1", "="},
		{"a long system", []string{"t@" + longKey[:15] + "=1,b=2"}, "t@" + longKey[:15] + "=1,b=2", "b=2"},
		{"a digit first", []string{"0a=1,b=2"}, "0a=1,b=2", "b=2"},
		{"a key twice", []string{"a=1,b=2,a=3"}, "a=1,b=2,a=3", "a=1,b=2"},
		{"a member twice", []string{"a=1", "a=1"}, "a=1,a=1", "a=1"},
		{"only refused keys", []string{"a@=1", "0=2"}, "a@=1,0=2", ""},
		{"the longest key", []string{"a=1", longKey + "=1"}, "a=1," + longKey + "=1", "="},
		{"the longest value", []string{"a=" + longValue}, "a=" + longValue, "="},
		{"32 members", []string{members(1, 10), members(11, 31), "k32=32"}, members(1, 32), "="},
		{"32 members and empty ones", []string{members(1, 32), ",,,"}, members(1, 32), "="},
		{"the longest list", []string{strings.Join(longest, ",")}, strings.Join(longest, ","), ""},
		{"the longest list in lines", longest, strings.Join(longest, ","), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPropagator(t, propagation.Config{})
			held := tt.held
			if held == "=" {
				held = tt.list
			}
			values := map[string][]string{"traceparent": {traceparent}, "tracestate": tt.lines}
			for name, carrier := range map[string]otelprop.TextMapCarrier{
				"http.Header": carrierOf(values),
				"Values":      valuesCarrier(values),
				"one value":   otelprop.MapCarrier{"traceparent": traceparent, "tracestate": strings.Join(tt.lines, ",")},
			} {
				ctx := p.Extract(context.Background(), carrier)
				got, _ := propagation.RemoteFromContext(ctx)
				assert.Equal(t, tt.list, got.TraceState, name)
				assert.Equal(t, held, got.SpanContext.TraceState().String(), name)
				assert.Equal(t, tt.list, inject(ctx, p).Get("tracestate"), "%s: forwarded", name)
				assert.Equal(t, tt.list, inject(startSpan(t, ctx, true), p).Get("tracestate"), "%s: from a child", name)
			}
			assert.Empty(t, p.Stats().Malformed)
		})
	}
}

// visible returns all characters that a value may have.
func visible() string {
	var b strings.Builder
	for c := ' '; c <= '~'; c++ {
		if c != ',' && c != '=' {
			b.WriteRune(c)
		}
	}
	return b.String()
}

// One illegal member makes the whole list illegal; the traceparent stays good.
func TestTraceStateIsDropped(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("z", 257)
	for name, lines := range map[string][]string{
		"no equals sign":                {"a=1,b"},
		"two equals signs":              {"a=b=c"},
		"no key":                        {"a=1,=2"},
		"no value":                      {"a=,b=3"},
		"a value of white space":        {"a= \t"},
		"an upper-case key":             {"A=1,b=2"},
		"a space after the key":         {"a =1"},
		"a dot in the key":              {"a.b=1"},
		"an at sign first":              {"@a=1,b=2"},
		"an underscore first":           {"_a=1"},
		"a tab in a value":              {"a=1\t2"},
		"not ASCII":                     {"a=\u00e9"},
		"a delete":                      {"a=\x7f"},
		"a key that is too long":        {"a=1", long + "=1"},
		"a value that is too long":      {"a=1", "b=" + long},
		"33 members":                    {members(1, 10), members(11, 20), members(21, 33)},
		"33 members with the same key":  {strings.TrimSuffix(strings.Repeat("a=1,", 33), ",")},
		"longer than any legal list":    {"a=1" + strings.Repeat(" ", 16_445)},
		"longer in lines than any list": {"a=1", strings.Repeat(",", 16_444)},
	} {
		p := newPropagator(t, propagation.Config{})
		values := map[string][]string{"traceparent": {traceparent}, "tracestate": lines}
		for _, carrier := range []otelprop.TextMapCarrier{carrierOf(values), valuesCarrier(values)} {
			ctx := p.Extract(context.Background(), carrier)
			got, _ := propagation.RemoteFromContext(ctx)
			assert.Equal(t, traceHex, got.SpanContext.TraceID().String(), name)
			assert.Empty(t, got.TraceState, name)
			assert.Zero(t, got.SpanContext.TraceState().Len(), name)
			assert.NotContains(t, inject(startSpan(t, ctx, true), p), "Tracestate", name)
		}
		assert.Equal(t, []propagation.Malformed{{Format: "w3c", Reason: "tracestate", Count: 2}}, p.Stats().Malformed, name)
	}
}

// The longest list, in characters, is not refused for its length.
func TestTraceStateLengthIsBounded(t *testing.T) {
	t.Parallel()
	p := newPropagator(t, propagation.Config{})
	got := extract(p, headers("traceparent", traceparent, "tracestate", "a=1"+strings.Repeat(" ", 16_444)))
	assert.Equal(t, "a=1", got.TraceState)
}

func TestTraceStateThatWasChangedWins(t *testing.T) {
	t.Parallel()
	insert := func(key, value string) func(trace.TraceState) trace.TraceState {
		return func(s trace.TraceState) trace.TraceState {
			s, err := s.Insert(key, value)
			require.NoError(t, err)
			return s
		}
	}
	remove := func(key string) func(trace.TraceState) trace.TraceState {
		return func(s trace.TraceState) trace.TraceState { return s.Delete(key) }
	}
	empty := func(trace.TraceState) trace.TraceState { return trace.TraceState{} }
	tests := []struct {
		name, list string
		change     func(trace.TraceState) trace.TraceState
		want       string
	}{
		{"a new member", "a=1,b=2", insert("own", "x"), "own=x,a=1,b=2"},
		{"a removed member", "a=1,b=2", remove("a"), "b=2"},
		{"emptied", "a=1,b=2", empty, ""},
		{"a new member before refused ones", "a@=0,a=1,b@=2,b=2,c@=3", insert("own", "x"), "own=x,a@=0,a=1,b@=2,b=2,c@=3"},
		{"a new member where all were refused", "a@=0,b@=1", insert("own", "x"), "own=x,a@=0,b@=1"},
		{"a changed member", "a=1,b@=2,b=2,c=3", insert("b", "x"), "b=x,a=1,b@=2,c=3"},
		{"a member that only moved", "a=1,b@=2,b=2,c=3", insert("b", "2"), "b=2,a=1,b@=2,c=3"},
		{"a member removed beside refused ones", "a=1,b@=2,b=2", remove("a"), "b@=2,b=2"},
		{"the last one removed beside a refused one: emptied", "a=1,b@=2", remove("a"), ""},
		{"emptied beside refused ones", "a=1,b@=2", empty, ""},
		{"a changed key that was there twice is left once", "a=1,b=2,a=3", insert("a", "x"), "a=x,b=2"},
		{"so is one that was not changed", "a=1,b=2,a=1", insert("own", "x"), "own=x,a=1,b=2"},
		{"and one that was removed is gone", "a=1,b=2,a=3", remove("a"), "b=2"},
		{"the last of too many goes", "a@=0," + members(1, 31), insert("own", "x"), "own=x,a@=0," + members(1, 30)},
		{"the last of too many goes, refused or not", members(1, 31) + ",a@=0", insert("own", "x"), "own=x," + members(1, 31)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPropagator(t, propagation.Config{})
			ctx := p.Extract(context.Background(), headers("traceparent", traceparent, "tracestate", tt.list))
			arrived := trace.SpanContextFromContext(ctx)
			changed := arrived.WithTraceState(tt.change(arrived.TraceState()))
			assert.Equal(t, tt.want, inject(trace.ContextWithRemoteSpanContext(ctx, changed), p).Get("tracestate"), "forwarded")
			child := changed.WithSpanID(spanID(t, ownHex)).WithRemote(false)
			assert.Equal(t, tt.want, inject(trace.ContextWithSpanContext(ctx, child), p).Get("tracestate"), "from a child")
		})
	}
}

// A trace that this service started carries nothing of the one that arrived.
func TestTraceStateStaysWithItsTrace(t *testing.T) {
	t.Parallel()
	p := newPropagator(t, propagation.Config{})
	ctx := p.Extract(context.Background(), headers("traceparent", traceparent, "tracestate", "a@=1,b=2"))
	own := trace.NewSpanContext(trace.SpanContextConfig{TraceID: traceID(t, shortHex), SpanID: spanID(t, ownHex)})
	got := inject(trace.ContextWithSpanContext(ctx, own), p)
	assert.NotEmpty(t, got.Get("traceparent"))
	assert.NotContains(t, got, "Tracestate")
}

// A sampler may begin a trace state in a trace that arrived without one.
func TestTraceStateThatBeginsHereIsSent(t *testing.T) {
	t.Parallel()
	state, err := trace.ParseTraceState("ot=th:8")
	require.NoError(t, err)
	for _, cfg := range []propagation.Config{{Inject: []string{"w3c"}}, {Inject: []string{"preserve"}}, {}} {
		p := newPropagator(t, cfg)
		ctx := p.Extract(context.Background(), headers("traceparent", "00-"+traceHex+"-"+spanHex+"-01"))
		sc := trace.SpanContextFromContext(ctx).WithTraceState(state)
		assert.Equal(t, []string{"ot=th:8"}, inject(trace.ContextWithRemoteSpanContext(ctx, sc), p)["Tracestate"])
		sc = sc.WithRemote(false).WithSpanID(spanID(t, ownHex))
		assert.Equal(t, []string{"ot=th:8"}, inject(trace.ContextWithSpanContext(ctx, sc), p)["Tracestate"])
	}
}

// What arrived is sent again without being rendered anew. Not parallel, as testkit asks.
func TestInjectTraceStateAllocates(t *testing.T) {
	p := newPropagator(t, propagation.Config{})
	ctx := startSpan(t, p.Extract(context.Background(), headers("traceparent", traceparent, "tracestate", "congo=t61,rojo=00f")), true)
	carrier := otelprop.HeaderCarrier{}
	testkit.MaxMallocs(t, 1_000, 2, func() { p.Inject(ctx, carrier) })
}

var (
	memberPattern  = regexp.MustCompile(`^([a-z0-9][a-z0-9_\-*/@]{0,255})=([\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e])$`)
	commaPattern   = regexp.MustCompile(`[ \t]*,[ \t]*`)
	outsidePattern = regexp.MustCompile(`^[ \t]+|[ \t]+$`)
)

// simpleTraceState reads lines by regular expressions: the list, what the API takes of it, and whether
// it is legal.
func simpleTraceState(lines []string) (list, held []string, ok bool) {
	text := strings.Join(lines, ",")
	seen := map[string]bool{}
	for _, member := range commaPattern.Split(outsidePattern.ReplaceAllString(text, ""), -1) {
		if member == "" {
			continue
		}
		m := memberPattern.FindStringSubmatch(member)
		if m == nil {
			return nil, nil, false
		}
		list = append(list, member)
		if _, err := (trace.TraceState{}).Insert(m[1], m[2]); err == nil && !seen[m[1]] {
			seen[m[1]] = true
			held = append(held, member)
		}
	}
	if len(list) > 32 || len(text) > 16_447 {
		return nil, nil, false
	}
	return list, held, true
}

func FuzzTraceState(f *testing.F) {
	for _, list := range []string{
		"", "a=1", "a=1,b=2", "a@=1,b=2", "@a=1", "a@@b=1", "a=1,a=2", " a=1 \t,,\tb= 2 ", "a=1\nb=2", "\n", "a=1\n", "a=b=c", "0=\u00e9",
		members(1, 32), members(1, 33), strings.Repeat("z", 256) + "=1", strings.Repeat("z", 257) + "=1",
	} {
		f.Add(list, "own", "x")
		f.Add(list, "a", "1")
	}
	f.Fuzz(func(t *testing.T, text, key, value string) {
		lines := strings.Split(text, "\n")
		p := newPropagator(t, propagation.Config{})
		ctx := p.Extract(context.Background(), valuesCarrier{"traceparent": {traceparent}, "tracestate": lines})
		got, _ := propagation.RemoteFromContext(ctx)
		list, held, ok := simpleTraceState(lines)
		require.Equal(t, strings.Join(list, ","), got.TraceState)
		require.Equal(t, strings.Join(held, ","), got.SpanContext.TraceState().String())
		checkStats(t, p, !ok)
		require.Equal(t, got.TraceState, inject(ctx, p).Get("tracestate"))

		// A change leads, is there once, and what is sent is a legal list.
		state, err := got.SpanContext.TraceState().Insert(key, value)
		if err != nil {
			return
		}
		sent := inject(trace.ContextWithRemoteSpanContext(ctx, got.SpanContext.WithTraceState(state)), p).Get("tracestate")
		again := extract(p, headers("traceparent", traceparent, "tracestate", sent))
		require.Equal(t, sent, again.TraceState)
		require.Equal(t, value, again.SpanContext.TraceState().Get(key))
		if state.String() != got.SpanContext.TraceState().String() {
			require.Equal(t, 1, strings.Count(","+sent, ","+key+"="), sent)
			require.True(t, strings.HasPrefix(sent, key+"="+value), sent)
		}
	})
}
