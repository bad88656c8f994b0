// SPDX-License-Identifier: Apache-2.0

package propagation_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	otelprop "go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/propagation"
)

const (
	clientTrace = "0af7651916cd43dd8448eb211c80319c"
	clientSpan  = "b7ad6b7169203331"
	kongTrace   = "463ac35c9f6413ad48485a3953bb6124"
	kongSpan    = "a2fb4a1d1a96d312"
)

// arrive reads headers by a propagator.
func arrive(t *testing.T, p *propagation.Propagator, headers map[string]string) (propagation.Remote, trace.SpanContext) {
	t.Helper()
	h := http.Header{}
	for k, v := range headers {
		h.Set(k, v)
	}
	ctx := p.Extract(context.Background(), otelprop.HeaderCarrier(h))
	r, _ := propagation.RemoteFromContext(ctx)
	return r, trace.SpanContextFromContext(ctx)
}

func TestFormatsThatDisagree(t *testing.T) {
	t.Parallel()
	w3c := map[string]string{"traceparent": "00-" + clientTrace + "-" + clientSpan + "-01"}
	b3 := map[string]string{"x-b3-traceid": kongTrace, "x-b3-spanid": kongSpan, "x-b3-sampled": "1"}
	tests := []struct {
		name    string
		extract []string
		headers []map[string]string
		joined  string // the format
		links   []string
	}{
		{"the first by the order is joined", []string{"b3", "w3c"}, []map[string]string{w3c, b3}, "b3", []string{"w3c"}},
		{"by the other order", []string{"w3c", "b3"}, []map[string]string{w3c, b3}, "w3c", []string{"b3"}},
		{"the order that is given holds also for Kong", []string{"w3c", "b3"}, []map[string]string{w3c, b3, {"tracestate": "a=b"}}, "w3c", []string{"b3"}},
		{"default order", nil, []map[string]string{w3c, b3}, "w3c", []string{"b3"}},
		{"Kong on its default configuration", nil, []map[string]string{w3c, b3, {"tracestate": "a=b"}}, "b3", []string{"w3c"}},
		{"Kong 3.5, which says so, without a tracestate", nil, []map[string]string{w3c, b3, {"x-kong-request-id": "9fa6e3b2a1c04d5e8f70123456789abc"}}, "b3", []string{"w3c"}},
		{
			"Envoy's Datadog tracer, and a client of B3", nil,
			[]map[string]string{w3c, b3, {
				"tracestate": "dd=s:1;p:" + clientSpan, "x-datadog-trace-id": "9532127138774266268", "x-datadog-parent-id": "13235353014750950193",
				"x-datadog-tags": "_dd.p.tid=0af7651916cd43dd", "x-datadog-sampling-priority": "1",
			}},
			"w3c",
			[]string{"b3"},
		},
		{"an empty tracestate, as Envoy's OpenTelemetry tracer writes it", nil, []map[string]string{w3c, b3, {"tracestate": ""}}, "w3c", []string{"b3"}},
		{"one of them malformed", nil, []map[string]string{w3c, {"x-b3-traceid": "zz", "x-b3-spanid": kongSpan}}, "w3c", nil},
		{"the same trace, another span", nil, []map[string]string{w3c, {"x-b3-traceid": clientTrace, "x-b3-spanid": kongSpan}}, "w3c", nil},
		{"the same trace in 64 bits", nil, []map[string]string{w3c, {"x-b3-traceid": clientTrace[16:], "x-b3-spanid": kongSpan}}, "w3c", nil},
		{"a 64-bit trace of its own", nil, []map[string]string{w3c, {"x-b3-traceid": kongTrace[16:], "x-b3-spanid": kongSpan}}, "w3c", []string{"b3"}},
		{
			"three formats, two of one mind",
			[]string{"w3c", "b3", "jaeger", "ot"},
			[]map[string]string{w3c, b3, {"uber-trace-id": kongTrace + ":" + kongSpan + ":0:1", "ot-tracer-traceid": clientTrace, "ot-tracer-spanid": kongSpan}},
			"w3c",
			[]string{"b3", "jaeger"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p, err := propagation.New(propagation.Config{Extract: tt.extract})
			require.NoError(t, err)
			all := map[string]string{}
			for _, h := range tt.headers {
				for k, v := range h {
					all[k] = v
				}
			}
			r, sc := arrive(t, p, all)
			assert.Equal(t, tt.joined, r.Format)
			assert.Equal(t, r.SpanContext, sc)
			assert.True(t, sc.IsRemote())
			var links []string
			var conflicts []propagation.Conflict
			for _, l := range r.Extras().Links {
				links = append(links, l.Format)
				assert.True(t, l.SpanContext.IsValid())
				assert.NotEqual(t, sc.TraceID(), l.SpanContext.TraceID())
				conflicts = append(conflicts, propagation.Conflict{Joined: tt.joined, Linked: l.Format, Count: 1})
			}
			assert.Equal(t, tt.links, links)
			assert.Equal(t, conflicts, p.Stats().Conflicts)
		})
	}
}

// Headers win over a span of this process, and what was read of them before.
func TestHeadersWinOverTheContext(t *testing.T) {
	t.Parallel()
	p, err := propagation.New(propagation.Config{})
	require.NoError(t, err)
	local := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}})
	h := http.Header{"Traceparent": {"00-" + clientTrace + "-" + clientSpan + "-01"}}
	sc := trace.SpanContextFromContext(p.Extract(trace.ContextWithSpanContext(context.Background(), local), otelprop.HeaderCarrier(h)))
	assert.Equal(t, clientSpan, sc.SpanID().String())
	assert.True(t, sc.IsRemote())
}

func TestForcedSamplingLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, err := propagation.New(propagation.Config{}, propagation.WithForcedSamplingLimit(2))
		require.NoError(t, err)
		sampled := map[string]string{"traceparent": "00-" + clientTrace + "-" + clientSpan + "-01"}
		debug := map[string]string{"x-b3-traceid": kongTrace, "x-b3-spanid": kongSpan, "x-b3-flags": "1"}
		denied := map[string]string{"traceparent": "00-" + clientTrace + "-" + clientSpan + "-00"}
		for second := range 3 {
			for range 100 {
				r, _ := arrive(t, p, denied)
				require.Equal(t, propagation.Deny, r.Decision, "a deny is no force")
			}
			r, sc := arrive(t, p, sampled)
			assert.Equal(t, propagation.Accept, r.Decision)
			assert.True(t, sc.IsSampled())
			r, _ = arrive(t, p, debug)
			assert.True(t, r.Debug)
			for _, h := range []map[string]string{sampled, debug} {
				r, sc = arrive(t, p, h)
				assert.Equal(t, propagation.Defer, r.Decision)
				assert.False(t, r.Debug)
				assert.False(t, sc.IsSampled())
				assert.True(t, sc.IsValid(), "the trace is joined all the same")
			}
			assert.EqualValues(t, 2*(second+1), p.Stats().Capped)
			time.Sleep(time.Second)
		}
	})
}

func TestForcedSamplingLimitOfNone(t *testing.T) {
	t.Parallel()
	p, err := propagation.New(propagation.Config{}, propagation.WithForcedSamplingLimit(0))
	require.NoError(t, err)
	r, _ := arrive(t, p, map[string]string{"b3": "1"})
	assert.Equal(t, propagation.Defer, r.Decision)
	_, err = propagation.New(propagation.Config{}, propagation.WithForcedSamplingLimit(-1))
	require.EqualError(t, err, "propagation: WithForcedSamplingLimit: -1 is negative")
}

func TestTrustPolicyString(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "trust link ignore TrustPolicy(9)", propagation.Trust.String()+" "+propagation.Link.String()+" "+
		propagation.Ignore.String()+" "+propagation.TrustPolicy(9).String())
}

// Envoy's Zipkin tracer makes a span of its own in x-b3-* and passes the traceparent on as it came: its
// span is the caller, whatever the order, and what the traceparent knows more is kept.
func TestChildInAnotherFormatIsTheCaller(t *testing.T) {
	t.Parallel()
	for name, traceID := range map[string]string{"128 bits": clientTrace, "64 bits": clientTrace[16:]} {
		for _, order := range [][]string{nil, {"w3c", "b3"}, {"b3", "w3c"}} {
			p, err := propagation.New(propagation.Config{Extract: order})
			require.NoError(t, err)
			r, sc := arrive(t, p, map[string]string{
				"traceparent": "00-" + clientTrace + "-" + clientSpan + "-03", "tracestate": "a=b,c@=d",
				"x-b3-traceid": traceID, "x-b3-spanid": kongSpan, "x-b3-parentspanid": clientSpan, "x-b3-sampled": "1",
			})
			assert.Equal(t, kongSpan, sc.SpanID().String(), name)
			assert.Equal(t, clientSpan, r.ParentSpanID.String(), name)
			assert.Equal(t, "b3", r.Format, name)
			assert.Empty(t, r.Extras().Links, name)
			assert.Empty(t, p.Stats().Conflicts, name)
			assert.Equal(t, clientTrace, sc.TraceID().String(), name)
			assert.Equal(t, 128, r.TraceIDBits, name)
			assert.Equal(t, "a=b", sc.TraceState().String(), name)
			assert.Equal(t, "a=b,c@=d", r.TraceState, name)
			assert.True(t, sc.IsRandom(), name)
		}
	}
}

// A service that reads nothing but the default gets W3C and B3 from its like, and takes W3C first: what only
// B3 has a word for must not end there.
func TestSecondServiceKnowsWhatTheFirstKnew(t *testing.T) {
	t.Parallel()
	p, err := propagation.New(propagation.Config{})
	require.NoError(t, err)
	const parent = "a7ad6b7169203331"
	child, err := trace.SpanIDFromHex(kongSpan)
	require.NoError(t, err)
	hops := map[string]func(context.Context) context.Context{
		"forwarded": func(ctx context.Context) context.Context { return ctx },
		"with a span of its own": func(ctx context.Context) context.Context {
			return trace.ContextWithSpanContext(ctx, trace.SpanContextFromContext(ctx).WithSpanID(child).WithRemote(false))
		},
	}
	tests := []struct {
		name    string
		headers map[string]string
		format  string // of what the second service takes
	}{
		{"debug", map[string]string{"x-b3-traceid": clientTrace, "x-b3-spanid": clientSpan, "x-b3-flags": "1"}, "w3c"},
		{"64 bits", map[string]string{"x-b3-traceid": clientTrace[16:], "x-b3-spanid": clientSpan, "x-b3-sampled": "1"}, "w3c"},
		{"64 bits, not sampled", map[string]string{"x-b3-traceid": clientTrace[16:], "x-b3-spanid": clientSpan, "x-b3-sampled": "0"}, "w3c"},
		{"64 bits, left open", map[string]string{"x-b3-traceid": clientTrace[16:], "x-b3-spanid": clientSpan}, "b3"},
		{"128 bits with zeros", map[string]string{"x-b3-traceid": "0000000000000000" + clientTrace[16:], "x-b3-spanid": clientSpan, "x-b3-sampled": "1"}, "w3c"},
		{"parent", map[string]string{"x-b3-traceid": clientTrace, "x-b3-spanid": clientSpan, "x-b3-sampled": "1", "x-b3-parentspanid": parent}, "w3c"},
	}
	for _, tt := range tests {
		for hop, pass := range hops {
			if tt.format == "b3" && hop != "forwarded" {
				continue // a span has a decision
			}
			headers := http.Header{}
			for k, v := range tt.headers {
				headers.Set(k, v)
			}
			var seen [2]propagation.Remote
			var sent [2]http.Header
			for i := range seen {
				ctx := p.Extract(context.Background(), otelprop.HeaderCarrier(headers))
				seen[i], _ = propagation.RemoteFromContext(ctx)
				sent[i] = http.Header{}
				p.Inject(pass(ctx), otelprop.HeaderCarrier(sent[i]))
				headers = sent[i]
			}
			assert.Equal(t, tt.format, seen[1].Format, tt.name+", "+hop)
			assert.Equal(t, seen[0].Debug, seen[1].Debug, tt.name+", "+hop)
			assert.Equal(t, seen[0].Decision, seen[1].Decision, tt.name+", "+hop)
			assert.Equal(t, seen[0].TraceIDBits, seen[1].TraceIDBits, tt.name+", "+hop)
			assert.Equal(t, sent[0], sent[1], tt.name+", "+hop)
		}
	}
}

// Envoy's Zipkin tracer makes ids of 64 bits. Its child of our span has one, although W3C's zeros stand beside it.
func TestChildKeepsIts64Bits(t *testing.T) {
	t.Parallel()
	p, err := propagation.New(propagation.Config{})
	require.NoError(t, err)
	r, sc := arrive(t, p, map[string]string{
		"traceparent":  "00-0000000000000000" + clientTrace[16:] + "-" + clientSpan + "-01",
		"x-b3-traceid": clientTrace[16:], "x-b3-spanid": kongSpan, "x-b3-parentspanid": clientSpan, "x-b3-sampled": "1",
	})
	assert.Equal(t, kongSpan, sc.SpanID().String())
	assert.Equal(t, 64, r.TraceIDBits)
}

// A debug flag says more of a decision to sample, and nothing beside a deny.
func TestDebugOfAnotherFormatDoesNotTurnADeny(t *testing.T) {
	t.Parallel()
	p, err := propagation.New(propagation.Config{})
	require.NoError(t, err)
	r, sc := arrive(t, p, map[string]string{
		"traceparent":  "00-" + clientTrace + "-" + clientSpan + "-00",
		"x-b3-traceid": clientTrace, "x-b3-spanid": clientSpan, "x-b3-flags": "1",
	})
	assert.Equal(t, propagation.Deny, r.Decision)
	assert.False(t, r.Debug)
	assert.False(t, sc.IsSampled())
}

// A decision without ids beside the ids of another format is not one about their trace, in either order, and
// does not travel on.
func TestDecisionBesideTheIDsOfAnotherFormatDoesNotCount(t *testing.T) {
	t.Parallel()
	for _, order := range [][]string{nil, {"w3c", "b3"}, {"b3", "w3c"}} {
		p, err := propagation.New(propagation.Config{Extract: order, Inject: []string{"w3c", "b3"}})
		require.NoError(t, err)
		for flags, want := range map[string]propagation.Decision{"00": propagation.Deny, "01": propagation.Accept} {
			traceparent := "00-" + clientTrace + "-" + clientSpan + "-" + flags
			for name, values := range map[string][]string{"x-b3-flags": {"1"}, "x-b3-sampled": {"0", "1"}, "b3": {"0", "1", "d"}} {
				for _, value := range values {
					what := fmt.Sprint(order, flags, name, value)
					headers := map[string]string{"traceparent": traceparent, name: value}
					r, sc := arrive(t, p, headers)
					assert.Equal(t, want, r.Decision, what)
					assert.False(t, r.Debug, what)
					assert.Equal(t, "w3c", r.Format, what)
					assert.Equal(t, want == propagation.Accept, sc.IsSampled(), what)

					copied := otelprop.HeaderCarrier{}
					for name, value := range headers {
						copied.Set(name, value)
					}
					p.Inject(p.Extract(context.Background(), copied), copied)
					assert.Equal(t, otelprop.HeaderCarrier{
						"Traceparent": {traceparent}, "X-B3-Traceid": {clientTrace}, "X-B3-Spanid": {clientSpan}, "X-B3-Sampled": {flags[1:]},
					}, copied, what)
				}
			}
		}
	}
}

// Without a span that anybody names, the first trace id and the first decision count, whichever format they are in.
func TestTraceIDsAloneAndDecisionsAlone(t *testing.T) {
	t.Parallel()
	const root, noTrace = "Root=1-0af76519-16cd43dd8448eb211c80319c", "00000000000000000000000000000000"
	for _, tt := range []struct {
		name     string
		order    []string
		headers  map[string]string
		traceID  string
		decision propagation.Decision
		debug    bool
		format   string
	}{
		{"trace id first", []string{"aws", "b3"}, map[string]string{"x-amzn-trace-id": root, "b3": "0"}, clientTrace, propagation.Deny, false, "aws"},
		{"decision first", []string{"b3", "aws"}, map[string]string{"x-amzn-trace-id": root, "b3": "d"}, clientTrace, propagation.Accept, true, "aws"},
		{"both decide", []string{"b3", "aws"}, map[string]string{"x-amzn-trace-id": root + ";Sampled=0", "x-b3-sampled": "1"}, clientTrace, propagation.Accept, false, "aws"},
		{"both decide, the other way round", []string{"aws", "b3"}, map[string]string{"x-amzn-trace-id": root + ";Sampled=0", "x-b3-sampled": "1"}, clientTrace, propagation.Deny, false, "aws"},
		{"two trace ids", []string{"datadog", "aws"}, map[string]string{
			"x-amzn-trace-id": root + ";Sampled=1", "x-datadog-trace-id": "255", "x-datadog-origin": "synthetics",
		}, "000000000000000000000000000000ff", propagation.Accept, false, "datadog"},
		{"debug beside a level", []string{"datadog", "b3"}, map[string]string{"x-datadog-sampling-priority": "2", "b3": "d"}, noTrace, propagation.Accept, true, "datadog"},
		{"debug after an accept", []string{"aws", "b3"}, map[string]string{"x-amzn-trace-id": root + ";Sampled=1", "x-b3-flags": "1"}, clientTrace, propagation.Accept, true, "aws"},
		{"debug after a deny", []string{"aws", "b3"}, map[string]string{"x-amzn-trace-id": root + ";Sampled=0", "x-b3-flags": "1"}, clientTrace, propagation.Deny, false, "aws"},
		{"a deny after debug", []string{"b3", "aws"}, map[string]string{"x-amzn-trace-id": root + ";Sampled=0", "x-b3-flags": "1"}, clientTrace, propagation.Accept, true, "aws"},
		{"a level beside an accept", []string{"b3", "datadog"}, map[string]string{"b3": "1", "x-datadog-sampling-priority": "2"}, noTrace, propagation.Accept, false, "b3-single"},
		{"a level of a synthetic test after an accept", []string{"b3", "datadog"}, map[string]string{
			"b3": "1", "x-datadog-trace-id": "255", "x-datadog-origin": "synthetics", "x-datadog-sampling-priority": "2",
		}, "000000000000000000000000000000ff", propagation.Accept, false, "datadog"},
	} {
		p, err := propagation.New(propagation.Config{Extract: tt.order})
		require.NoError(t, err)
		r, sc := arrive(t, p, tt.headers)
		assert.False(t, sc.IsValid(), tt.name)
		assert.Equal(t, tt.traceID, r.SpanContext.TraceID().String(), tt.name)
		assert.False(t, r.SpanContext.IsValid(), tt.name)
		assert.Equal(t, tt.decision, r.Decision, tt.name)
		assert.Equal(t, tt.debug, r.Debug, tt.name)
		assert.Equal(t, tt.format, r.Format, tt.name)
		if tt.headers["x-datadog-sampling-priority"] != "" {
			assert.EqualValues(t, 2, r.Priority, tt.name)
		}
	}
}

// A proxy that knows only x-b3-*, such as older Envoys, makes a child there and passes the b3 header on as it came.
func TestBothEncodingsOfB3(t *testing.T) {
	t.Parallel()
	const one = clientTrace + "-" + clientSpan
	tests := []struct {
		name     string
		one      string
		many     map[string]string
		span     string
		decision propagation.Decision
		links    []string
	}{
		{"a child in the many is the caller", one + "-1", map[string]string{"x-b3-traceid": clientTrace, "x-b3-spanid": kongSpan, "x-b3-parentspanid": clientSpan, "x-b3-sampled": "0"}, kongSpan, propagation.Deny, nil},
		{"a child that decides nothing", one + "-0", map[string]string{"x-b3-traceid": clientTrace, "x-b3-spanid": kongSpan, "x-b3-parentspanid": clientSpan}, kongSpan, propagation.Deny, nil},
		{"another span", one + "-1", map[string]string{"x-b3-traceid": clientTrace, "x-b3-spanid": kongSpan, "x-b3-sampled": "0"}, clientSpan, propagation.Accept, nil},
		{"another trace", one + "-1", map[string]string{"x-b3-traceid": kongTrace, "x-b3-spanid": kongSpan, "x-b3-sampled": "0"}, clientSpan, propagation.Accept, []string{"b3"}},
		{"a malformed one", one + "-1", map[string]string{"x-b3-traceid": "zz", "x-b3-spanid": kongSpan}, clientSpan, propagation.Accept, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p, err := propagation.New(propagation.Config{})
			require.NoError(t, err)
			tt.many["b3"] = tt.one
			r, sc := arrive(t, p, tt.many)
			assert.Equal(t, clientTrace, sc.TraceID().String())
			assert.Equal(t, tt.span, sc.SpanID().String())
			assert.Equal(t, tt.decision, r.Decision)
			var links []string
			for _, l := range r.Extras().Links {
				links = append(links, l.Format)
			}
			assert.Equal(t, tt.links, links)
			assert.Len(t, p.Stats().Conflicts, len(tt.links))
		})
	}
}

// The cap is about what is recorded here: a service that makes no span sends on what arrived, be it a user's will.
func TestForcedSamplingLimitForwardsTheDecision(t *testing.T) {
	t.Parallel()
	ids := http.Header{"X-B3-Traceid": {clientTrace}, "X-B3-Spanid": {clientSpan}}
	tests := []struct {
		format  string
		arrived http.Header
		own     http.Header // in a span that the sampler keeps
	}{
		{"w3c", http.Header{"Traceparent": {"00-" + clientTrace + "-" + clientSpan + "-01"}}, nil},
		{"b3", http.Header{"X-B3-Sampled": {"1"}}, nil},
		{"b3", http.Header{"X-B3-Flags": {"1"}}, http.Header{"X-B3-Sampled": {"1"}}},
		{"b3-single", http.Header{"B3": {"d"}}, nil},
		{"b3-single", http.Header{"B3": {clientTrace + "-" + clientSpan + "-d"}}, http.Header{"B3": {clientTrace + "-" + kongSpan + "-1"}}},
		{"jaeger", http.Header{"Uber-Trace-Id": {clientTrace + ":" + clientSpan + ":0:01"}}, nil},
		{"jaeger", http.Header{"Uber-Trace-Id": {clientTrace + ":" + clientSpan + ":0:03"}}, http.Header{"Uber-Trace-Id": {clientTrace + ":" + kongSpan + ":0:01"}}},
		{"datadog", http.Header{"X-Datadog-Trace-Id": {"7"}, "X-Datadog-Parent-Id": {"8"}, "X-Datadog-Sampling-Priority": {"1"}}, nil},
		{"datadog", http.Header{
			"X-Datadog-Trace-Id": {"7"}, "X-Datadog-Parent-Id": {"8"}, "X-Datadog-Sampling-Priority": {"2"}, "X-Datadog-Tags": {"_dd.p.dm=-4"},
		}, http.Header{"X-Datadog-Sampling-Priority": {"1"}}},
	}
	for _, test := range tests {
		arrived := maps.Clone(test.arrived)
		if test.format == "b3" {
			maps.Copy(arrived, ids)
		}
		read := strings.TrimSuffix(test.format, "-single")
		p, err := propagation.New(propagation.Config{Extract: []string{read}, Inject: []string{test.format}}, propagation.WithForcedSamplingLimit(0))
		require.NoError(t, err)
		ctx := p.Extract(context.Background(), otelprop.HeaderCarrier(arrived))
		r, _ := propagation.RemoteFromContext(ctx)
		assert.Equal(t, propagation.Defer, r.Decision, arrived)
		assert.True(t, r.Capped, arrived)
		assert.False(t, r.Debug, arrived)
		assert.Zero(t, r.Priority, arrived)
		out := http.Header{}
		p.Inject(ctx, otelprop.HeaderCarrier(out))
		assert.Equal(t, arrived, out)

		if test.own != nil {
			own := r.SpanContext.WithSpanID(spanID(t, kongSpan)).WithTraceFlags(trace.FlagsSampled).WithRemote(false)
			out = http.Header{}
			p.Inject(trace.ContextWithSpanContext(ctx, own), otelprop.HeaderCarrier(out))
			for name, values := range test.own {
				assert.Equal(t, values, out[name], "%v: what was capped does not come back by itself", arrived)
			}
			assert.NotContains(t, out, "X-B3-Flags")
		}
	}
}

// A format that is listed twice is read once.
func TestFormatThatIsListedTwice(t *testing.T) {
	t.Parallel()
	p, err := propagation.New(propagation.Config{Extract: []string{"w3c", "b3", "w3c", "b3"}})
	require.NoError(t, err)
	r, _ := arrive(t, p, map[string]string{
		"traceparent": "00-" + clientTrace + "-" + clientSpan + "-01", "b3": kongTrace + "-" + kongSpan + "-1", "x-b3-sampled": "x",
	})
	assert.Len(t, r.Extras().Links, 1)
	assert.Equal(t, []propagation.Conflict{{Joined: "w3c", Linked: "b3-single", Count: 1}}, p.Stats().Conflicts)
	extract(p, headers("traceparent", "00", "b3", "00"))
	assert.Equal(t, []propagation.Malformed{
		{Format: "w3c", Reason: "length", Count: 1}, {Format: "b3-single", Reason: "length", Count: 1},
	}, p.Stats().Malformed)
}

func TestNilContext(t *testing.T) {
	t.Parallel()
	p, err := propagation.New(propagation.Config{})
	require.NoError(t, err)
	h := otelprop.HeaderCarrier{"Traceparent": {"00-" + clientTrace + "-" + clientSpan + "-01"}}
	var none context.Context
	assert.True(t, trace.SpanContextFromContext(p.Extract(none, h)).IsValid())
	assert.NotNil(t, p.Extract(none, nil))
	p.Inject(none, h)
	assert.Len(t, h, 1)
}
