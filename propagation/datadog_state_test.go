// SPDX-License-Identifier: Apache-2.0

package propagation_test

import (
	"context"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/spandrel-go/spandrel/propagation"
)

const (
	sampledParent    = "00-" + traceHex + "-" + spanHex + "-01"
	notSampledParent = "00-" + traceHex + "-" + spanHex + "-00"
)

func TestDatadogStateReads(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, traceparent, tracestate string
		priority                      int8
		origin, tags                  string
	}{
		{"none", sampledParent, "congo=t61", 0, "", ""},
		{"all", sampledParent, "dd=s:2;o:rum;p:" + spanHex + ";t.dm:-4;t.usr:a", 2, "rum", "_dd.p.dm=-4,_dd.p.usr=a"},
		{"among others", sampledParent, "a=b, dd=s:2 ,c=d", 2, "", ""},
		{"level of a deny", notSampledParent, "dd=s:-1;t.dm:-4", -1, "", "_dd.p.dm=-4"},
		{"no level", sampledParent, "dd=o:rum;t.dm:-4", 0, "rum", "_dd.p.dm=-4"},
		{"a level that is no number", sampledParent, "dd=s:x;t.dm:-4", 0, "", "_dd.p.dm=-4"},
		{"traceparent accepts", sampledParent, "dd=s:0;t.dm:-4;t.a:b", 1, "", "_dd.p.dm=-0,_dd.p.a=b"},
		{"traceparent denies", notSampledParent, "dd=s:2;t.dm:-4;t.a:b", 0, "", "_dd.p.a=b"},
		{"equals signs", sampledParent, "dd=o:a~b;t.usr:c~~", 0, "a=b", "_dd.p.usr=c=="},
		{"colons in a value", sampledParent, "dd=t.usr:a:b", 0, "", "_dd.p.usr=a:b"},
		{"what is no part", sampledParent, "dd=;;x;t.;t.:a;t.b:;t.tid:0af7651916cd43dd", 0, "", ""},
		{"two of them", sampledParent, "dd=s:1,dd=s:2", 1, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPropagator(t, propagation.Config{})
			got := extract(p, headers("traceparent", tt.traceparent, "tracestate", tt.tracestate))
			assert.Equal(t, tt.priority, got.Priority)
			assert.Equal(t, tt.origin, got.Extras().DatadogOrigin)
			assert.Equal(t, tt.tags, got.Extras().DatadogTags)
			assert.Equal(t, tt.traceparent == sampledParent, got.Decision == propagation.Accept, "traceparent decides")
			assert.Empty(t, p.Stats().Malformed)
		})
	}
}

func TestDatadogStateWrites(t *testing.T) {
	t.Parallel()
	full := "dd=s:2;o:rum;p:" + spanHex + ";t.dm:-4;t.usr:a~b;x:y"
	w3c, both := []string{"w3c"}, []string{"w3c", "datadog"}
	state := func(list string) []string { return []string{"traceparent", sampledParent, "tracestate", list} }
	ids := datadogIDs("x-datadog-sampling-priority", "2", "x-datadog-origin", "a =,;~b", "x-datadog-tags", "_dd.p.dm=-4,_dd.p.a:b;c=d;=~ e,"+datadogTID)
	many := strings.Repeat("m=n,", 31)
	for i := range 31 {
		many = strings.Replace(many, "m=", "k"+strconv.Itoa(i)+"=", 1)
	}
	many = strings.TrimSuffix(many, ",")
	long := strings.Repeat("x", 90)
	const (
		noSpan = iota
		sampled
		notSampled
	)
	tests := []struct {
		name    string
		arrived []string
		formats []string
		span    int
		want    string
	}{
		{"nothing of Datadog", state("a=b"), w3c, sampled, "a=b"},
		{"it arrived", state(full), w3c, sampled, "dd=s:2;o:rum;p:" + ownHex + ";t.dm:-4;t.usr:a~b;x:y"},
		{"another decision", state(full), w3c, notSampled, "dd=s:0;o:rum;p:" + ownHex + ";t.usr:a~b;x:y"},
		{"to the front", state("a=b,dd=s:1,c=d"), w3c, sampled, "dd=s:1;p:" + ownHex + ",a=b,c=d"},
		{"one of it is left", state("a=b,dd=s:1,dd=s:2"), w3c, sampled, "dd=s:1;p:" + ownHex + ",a=b"},
		{"it is written", state("a=b"), both, sampled, "dd=s:1;p:" + ownHex + ",a=b"},
		{"a trace that starts here", nil, both, sampled, "dd=s:1;p:" + ownHex},
		{"a trace that starts here, without Datadog", nil, w3c, sampled, ""},
		{"32 members are the limit", state(many + ",z=z"), both, sampled, "dd=s:1;p:" + ownHex + "," + many},
		{"forwarded as it came", state("a=b," + full), both, noSpan, "a=b," + full},
		{"forwarded without it", state("a=b"), both, noSpan, "a=b"},
		{"from the headers", ids, w3c, sampled, "dd=s:2;o:a_~___b;p:" + ownHex + ";t.dm:-4;t.a_b_c:d_~_ e"},
		{"from the headers, forwarded", ids, both, noSpan, "dd=s:2;o:a_~___b;p:" + spanHex + ";t.dm:-4;t.a_b_c:d_~_ e"},
		{
			"256 bytes are the limit",
			state("dd=s:1;t.a:" + long + ";t.b:" + long + ";x:y"), w3c, sampled,
			"dd=s:1;p:" + ownHex + ";t.a:" + long + ";t.b:" + long + ";x:y",
		},
		{
			"what does not fit is left out",
			datadogIDs("x-datadog-sampling-priority", "1", "x-datadog-tags", "_dd.p.a="+long+",_dd.p.b="+long+long+",_dd.p.c="+long), w3c, sampled,
			"dd=s:1;p:" + ownHex + ";t.a:" + long + ";t.c:" + long,
		},
		{
			"an origin that does not fit",
			datadogIDs("x-datadog-sampling-priority", "1", "x-datadog-origin", long+long+long), w3c, sampled,
			"dd=s:1;p:" + ownHex,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPropagator(t, propagation.Config{Extract: []string{"w3c", "datadog"}, Inject: tt.formats})
			ctx := p.Extract(context.Background(), headers(tt.arrived...))
			if tt.span != noSpan {
				ctx = startSpan(t, ctx, tt.span == sampled)
			}
			assert.Equal(t, tt.want, inject(ctx, p).Get("tracestate"))
		})
	}
}

// A request that Datadog's libraries sent in both of their formats leaves in both with the same things.
func TestDatadogStateBecomesHeaders(t *testing.T) {
	t.Parallel()
	p := newPropagator(t, propagation.Config{Inject: []string{"datadog"}})
	ctx := p.Extract(context.Background(), headers("traceparent", sampledParent, "tracestate", "dd=s:2;o:rum;t.dm:-4"))
	got := inject(startSpan(t, ctx, true), p)
	delete(got, "X-Request-Id")
	assert.Equal(t, headers("x-datadog-trace-id", shortDecimal, "x-datadog-parent-id", ownDecimal,
		"x-datadog-sampling-priority", "2", "x-datadog-origin", "rum", "x-datadog-tags", datadogTID+",_dd.p.dm=-4"), got)
}

// A level that callers may force no more does not come back by itself.
func TestDatadogLevelIsCapped(t *testing.T) {
	t.Parallel()
	p, err := propagation.New(propagation.Config{Extract: []string{"datadog"}, Inject: []string{"datadog"}}, propagation.WithForcedSamplingLimit(0))
	require.NoError(t, err)
	ctx := p.Extract(context.Background(), headers(datadogIDs("x-datadog-sampling-priority", "2", "x-datadog-tags", "_dd.p.dm=-4")...))
	got := inject(startSpan(t, ctx, true), p)
	assert.Equal(t, "1", got.Get("x-datadog-sampling-priority"))
	assert.Empty(t, got.Get("x-datadog-tags"))
}

var (
	datadogPartPattern = regexp.MustCompile(`(?:^|;)([^:;]*):([^;]*)`)
	datadogTagPattern  = regexp.MustCompile(`^t\.(.+)$`)
)

// simpleDatadogState reads Datadog's member with regular expressions.
func simpleDatadogState(value string, sampled bool) (priority int, origin string, tags []string) {
	agrees := true
	parts := datadogPartPattern.FindAllStringSubmatch(value, -1)
	for _, m := range parts {
		if m[1] == "s" && priorityPattern.MatchString(m[2]) {
			priority, _ = strconv.Atoi(m[2])
			agrees = priority > 0 == sampled
		}
	}
	if !agrees {
		priority = 0
		if sampled {
			priority, tags = 1, append(tags, "_dd.p.dm=-0")
		}
	}
	for _, m := range parts {
		if m[1] == "o" {
			origin = strings.ReplaceAll(m[2], "~", "=")
		}
		tag := datadogTagPattern.FindStringSubmatch(m[1])
		if tag != nil && m[2] != "" && tag[1] != "tid" && (agrees || tag[1] != "dm") {
			tags = append(tags, "_dd.p."+tag[1]+"="+strings.ReplaceAll(m[2], "~", "="))
		}
	}
	return priority, origin, tags
}

func FuzzDatadogState(f *testing.F) {
	for _, value := range []string{
		"s:2;o:rum;p:" + spanHex + ";t.dm:-4;t.usr:a~b;x:y", "s:0;t.dm:-4", "s:-1", "s:x;o:~", ";;:;t.:a;t.a:;t.tid:1;t.a:b:c", "x", "o:a b", "s:1;s:-1",
	} {
		f.Add(value, true)
		f.Add(value, false)
	}
	f.Fuzz(func(t *testing.T, value string, sampled bool) {
		p, err := propagation.New(propagation.Config{Inject: []string{"w3c"}})
		require.NoError(t, err)
		traceparent := notSampledParent
		if sampled {
			traceparent = sampledParent
		}
		ctx := p.Extract(context.Background(), headers("traceparent", traceparent, "tracestate", "a=b,dd="+value))
		got, _ := propagation.RemoteFromContext(ctx)
		if got.TraceState == "" {
			return // not legal
		}
		value = strings.TrimRight(value, " \t")
		if i := strings.IndexByte(value, ','); i >= 0 {
			value = strings.TrimRight(value[:i], " \t")
		}
		priority, origin, tags := simpleDatadogState(value, sampled)
		require.Equal(t, priority, int(got.Priority), "%q", value)
		require.Equal(t, origin, got.Extras().DatadogOrigin, "%q", value)
		require.Equal(t, strings.Join(tags, ","), got.Extras().DatadogTags, "%q", value)

		if strings.Contains(value, " ") || len(value) > 200 {
			return // it becomes another one, or does not fit
		}
		sent := inject(startSpan(t, ctx, sampled), p)
		again := extract(p, sent)
		require.True(t, strings.HasPrefix(again.TraceState, "dd="), "%q", again.TraceState)
		require.LessOrEqual(t, len(again.TraceState), 256+len(got.TraceState))
		require.Equal(t, origin, again.Extras().DatadogOrigin)
		require.Equal(t, got.Extras().DatadogTags, again.Extras().DatadogTags)
		require.Equal(t, got.Decision, again.Decision)
		if got.Priority != 0 {
			require.Equal(t, got.Priority, again.Priority)
		}
	})
}
