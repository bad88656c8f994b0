// SPDX-License-Identifier: Apache-2.0

package propagation_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/spandrel-go/spandrel/propagation"
)

const (
	datadogTID = "_dd.p.tid=0af7651916cd43dd"
	// ownDecimal is ownHex.
	ownDecimal = "67667974448284343"
)

func datadogIDs(more ...string) []string {
	return append([]string{"x-datadog-trace-id", shortDecimal, "x-datadog-parent-id", spanDecimal}, more...)
}

func TestDatadogReads(t *testing.T) {
	t.Parallel()
	priority := func(p string) []string { return datadogIDs("x-datadog-sampling-priority", p) }
	tags := func(s string) []string { return datadogIDs("x-datadog-tags", s) }
	origin := func(s string) []string { return datadogIDs("x-datadog-origin", s) }
	only := func(traceID, parentID string) []string {
		return []string{"x-datadog-trace-id", traceID, "x-datadog-parent-id", parentID}
	}
	short, long := shortHex+" "+spanHex, traceHex+" "+spanHex
	tests := []struct {
		name     string
		headers  []string
		ids      string
		decision propagation.Decision
		priority int8
		tags     string
		origin   string
		reason   string
	}{
		{"ids", datadogIDs(), short, propagation.Defer, 0, "", "", ""},
		{"auto keep", priority("1"), short, propagation.Accept, 1, "", "", ""},
		{"user keep", priority("2"), short, propagation.Accept, 2, "", "", ""},
		{"auto reject", priority("0"), short, propagation.Deny, 0, "", "", ""},
		{"user reject", priority("-1"), short, propagation.Deny, -1, "", "", ""},
		{"a priority without a name", priority("7"), short, propagation.Accept, 7, "", "", ""},
		{"a priority without a name that denies", priority("-99"), short, propagation.Deny, -99, "", "", ""},
		{"a priority that is no number", priority("yes"), short, propagation.Defer, 0, "", "", "decision"},
		{"a priority with a sign", priority("+1"), short, propagation.Defer, 0, "", "", "decision"},
		{"a priority without digits", priority("-"), short, propagation.Defer, 0, "", "", "decision"},
		{"a long priority", priority("100"), short, propagation.Defer, 0, "", "", "decision"},
		{"128 bits", tags(datadogTID), long, propagation.Defer, 0, "", "", ""},
		{"first half of zeros", tags("_dd.p.tid=0000000000000000"), short, propagation.Defer, 0, "", "", ""},
		{
			"second half of zeros",
			append(only("0", spanDecimal), "x-datadog-tags", datadogTID),
			"0af7651916cd43dd0000000000000000 " + spanHex, propagation.Defer, 0, "", "", "",
		},
		{"tags", tags("_dd.p.dm=-4,_dd.p.usr=a b=="), short, propagation.Defer, 0, "_dd.p.dm=-4,_dd.p.usr=a b==", "", ""},
		{"tags before", tags("_dd.p.a=b,_dd.p.c=d," + datadogTID), long, propagation.Defer, 0, "_dd.p.a=b,_dd.p.c=d", "", ""},
		{"tags after", tags(datadogTID + ",_dd.p.a=b,_dd.p.c=d"), long, propagation.Defer, 0, "_dd.p.a=b,_dd.p.c=d", "", ""},
		{"tags on both sides", tags("_dd.p.a=b," + datadogTID + ",_dd.p.c=d,_dd.p.e=f"), long, propagation.Defer, 0, "_dd.p.a=b,_dd.p.c=d,_dd.p.e=f", "", ""},
		{"tags that do not travel", tags("_dd.x=y,_dd.p.a=b,z=_dd.p."), short, propagation.Defer, 0, "_dd.p.a=b", "", ""},
		{"short tid", tags("_dd.p.tid=1234,_dd.p.a=b"), short, propagation.Defer, 0, "_dd.p.a=b", "", "tid"},
		{"tid in upper case", tags("_dd.p.a=b,_dd.p.tid=0AF7651916CD43DD"), short, propagation.Defer, 0, "_dd.p.a=b", "", "tid"},
		{"tags of 512 bytes", tags("_dd.p.a=" + strings.Repeat("x", 504)), short, propagation.Defer, 0, "_dd.p.a=" + strings.Repeat("x", 504), "", ""},
		{"tags of 513 bytes", tags("_dd.p.a=" + strings.Repeat("x", 505)), short, propagation.Defer, 0, "", "", "tags"},
		{"a tag without value", tags(datadogTID + ",_dd.p.a="), short, propagation.Defer, 0, "", "", "tags"},
		{"a tag without name", tags("=x," + datadogTID), short, propagation.Defer, 0, "", "", "tags"},
		{"a comma at the end", tags(datadogTID + ","), short, propagation.Defer, 0, "", "", "tags"},
		{"tags with a control character", tags("_dd.p.a=\x01"), short, propagation.Defer, 0, "", "", "tags"},
		{"origin", origin("rum"), short, propagation.Defer, 0, "", "rum", ""},
		{"origin with a control character", origin("rum\x01"), short, propagation.Defer, 0, "", "", "tags"},
		{"long origin", origin(strings.Repeat("x", 513)), short, propagation.Defer, 0, "", "", "tags"},
		{"largest ids", only("18446744073709551615", "18446744073709551615"), "ffffffffffffffff ffffffffffffffff", propagation.Defer, 0, "", "", ""},

		{"a priority alone", []string{"x-datadog-sampling-priority", "-1"}, "", propagation.Deny, -1, "", "", ""},
		{"origin and tags alone", []string{"x-datadog-origin", "rum", "x-datadog-tags", "_dd.p.a=b"}, "", propagation.Defer, 0, "", "", ""},
		{"no parent, the decision stays", []string{"x-datadog-trace-id", "1", "x-datadog-sampling-priority", "1"}, "", propagation.Accept, 1, "", "", ""},
		{"no parent, of zero", only("1", "0"), "", propagation.Defer, 0, "", "", ""},
		{"of a browser, no parent", append(only(shortDecimal, "0"), "x-datadog-origin", "rum"), "", propagation.Defer, 0, "", "", ""},
		{"of a synthetic test", append(only(shortDecimal, "0"), "x-datadog-origin", "synthetics", "x-datadog-sampling-priority", "1"), shortHex, propagation.Accept, 1, "", "synthetics", ""},
		{
			"of a synthetic test, no parent",
			[]string{"x-datadog-trace-id", shortDecimal, "x-datadog-origin", "synthetics", "x-datadog-tags", datadogTID + ",_dd.p.a=b"},
			traceHex, propagation.Defer, 0, "_dd.p.a=b", "synthetics", "",
		},
		{"of a synthetic test, zero", append(only("0", "0"), "x-datadog-origin", "synthetics"), "", propagation.Defer, 0, "", "", "zero id"},
		{"of a synthetic test, malformed", append(only("x", "0"), "x-datadog-origin", "synthetics"), "", propagation.Defer, 0, "", "", "syntax"},
		{"no trace id", []string{"x-datadog-parent-id", "1"}, "", propagation.Defer, 0, "", "", "incomplete"},
		{"trace id of zero", only("0", "1"), "", propagation.Defer, 0, "", "", "zero id"},
		{"65 bits", only("18446744073709551616", "1"), "", propagation.Defer, 0, "", "", "length"},
		{"65 bits of parent", only("1", "18446744073709551616"), "", propagation.Defer, 0, "", "", "length"},
		{"hexadecimal", only(traceHex, "1"), "", propagation.Defer, 0, "", "", "syntax"},
		{"hexadecimal parent", only("1", spanHex), "", propagation.Defer, 0, "", "", "syntax"},
		{"negative", only("-1", "1"), "", propagation.Defer, 0, "", "", "syntax"},
		{"spaces", only(" 1 ", "1"), "", propagation.Defer, 0, "", "", "syntax"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			assertReads(t, "datadog", tt.headers, b3Case{ids: tt.ids, decision: tt.decision}, tt.reason, func(r *propagation.Remote) {
				r.Priority = tt.priority
				if tt.tags+tt.origin != "" {
					r.Extra = &propagation.Extra{DatadogTags: tt.tags, DatadogOrigin: tt.origin}
				}
			})
		})
	}
}

func TestDatadogWrites(t *testing.T) {
	t.Parallel()
	own := func(priority string, more ...string) []string {
		return append([]string{
			"x-datadog-trace-id", shortDecimal, "x-datadog-parent-id", ownDecimal, "x-datadog-sampling-priority", priority,
		}, more...)
	}
	full := func(priority string) []string {
		return datadogIDs("x-datadog-sampling-priority", priority,
			"x-datadog-tags", "_dd.p.dm=-4,_dd.p.a=b", "x-datadog-origin", "rum")
	}
	synthetic := func(priority string) []string {
		return []string{
			"x-datadog-trace-id", shortDecimal, "x-datadog-parent-id", "0", "x-datadog-tags", datadogTID + ",_dd.p.a=b",
			"x-datadog-origin", "synthetics", "x-datadog-sampling-priority", priority,
		}
	}
	const (
		noSpan = iota
		sampled
		notSampled
	)
	tests := []struct {
		name    string
		arrived []string
		span    int // the span that is made
		want    []string
	}{
		{"a trace that starts here", nil, sampled, own("1", "x-datadog-tags", datadogTID)},
		{"a trace that is dropped here", nil, notSampled, own("0", "x-datadog-tags", datadogTID)},
		{"a trace id that arrived in 64 bits", []string{"b3", shortHex + "-" + spanHex + "-1"}, sampled, own("1")},
		{"origin and tags go on", full("1"), sampled, own("1", "x-datadog-tags", "_dd.p.dm=-4,_dd.p.a=b", "x-datadog-origin", "rum")},
		{"user keep stays", full("2"), sampled, own("2", "x-datadog-tags", "_dd.p.dm=-4,_dd.p.a=b", "x-datadog-origin", "rum")},
		{"user reject stays", full("-1"), notSampled, own("-1", "x-datadog-tags", "_dd.p.dm=-4,_dd.p.a=b", "x-datadog-origin", "rum")},
		{"another decision", full("2"), notSampled, own("0", "x-datadog-tags", "_dd.p.a=b", "x-datadog-origin", "rum")},
		{"the other way round", full("-1"), sampled, own("1", "x-datadog-tags", "_dd.p.a=b", "x-datadog-origin", "rum")},
		{
			"128 bits",
			datadogIDs("x-datadog-tags", "_dd.p.dm=-1,"+datadogTID), sampled,
			own("1", "x-datadog-tags", datadogTID),
		},
		{"debug is a user's will", []string{"b3", shortHex + "-" + spanHex + "-d"}, sampled, own("2")},
		{"forwarded", full("-1"), noSpan, full("-1")},
		{"forwarded as it is", full("-7"), noSpan, full("-7")},
		{"deferred", datadogIDs(), noSpan, datadogIDs()},
		{"a decision alone", []string{"x-datadog-sampling-priority", "2"}, noSpan, []string{"x-datadog-sampling-priority", "2"}},
		{"of a synthetic test, forwarded", synthetic("1"), noSpan, synthetic("1")},
		{"of a synthetic test, deferred", synthetic("")[:8], noSpan, synthetic("")[:8]},
		{"of a synthetic test, joined", synthetic("2"), sampled, own("2", "x-datadog-tags", datadogTID+",_dd.p.a=b", "x-datadog-origin", "synthetics")},
		{"a trace id alone of another format", []string{"x-amzn-trace-id", awsRoot + ";Sampled=1"}, noSpan, []string{"x-datadog-sampling-priority", "1"}},
		{"a decision of B3 alone", []string{"b3", "0"}, noSpan, []string{"x-datadog-sampling-priority", "0"}},
		{
			"tags leave room for the trace id",
			datadogIDs("x-datadog-tags", "_dd.p.long="+strings.Repeat("x", 470)+",_dd.p.a=b,"+"_dd.p.tid=0"), noSpan,
			datadogIDs("x-datadog-tags", "_dd.p.long="+strings.Repeat("x", 470)+",_dd.p.a=b"),
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ctx := arrived(t, tt.arrived)
			if tt.span != noSpan {
				ctx = startSpan(t, ctx, tt.span == sampled)
			}
			assertWrites(ctx, t, "datadog", tt.want)
		})
	}
}

// Tags and the first half of the trace id share 512 bytes.
func TestDatadogTagsThatDoNotFit(t *testing.T) {
	t.Parallel()
	p := newPropagator(t, propagation.Config{Extract: []string{"datadog"}, Inject: []string{"datadog"}})
	long := "_dd.p.long=" + strings.Repeat("x", 501)
	r := extract(p, headers(datadogIDs("x-datadog-tags", long)...))
	assert.Equal(t, long, r.Extras().DatadogTags)
	r.SpanContext = r.SpanContext.WithTraceID(traceID(t, traceHex))
	r.Extra.DatadogTags = "_dd.p.a=b," + long[:511-10] + ",_dd.p.c=d"
	assert.Equal(t, datadogTID+",_dd.p.a=b,_dd.p.c=d", inject(contextWith(r), p).Get("x-datadog-tags"))
}

// A proxy copies the headers of the request that arrived to the one that it makes.
func TestDatadogLeavesNothingOld(t *testing.T) {
	t.Parallel()
	p := newPropagator(t, propagation.Config{Extract: everyFormat, Inject: []string{"datadog"}})
	carrier := headers("x-datadog-trace-id", "1", "x-datadog-parent-id", "2", "x-datadog-sampling-priority", "1",
		"x-datadog-tags", datadogTID, "x-datadog-origin", "rum")
	p.Inject(p.Extract(context.Background(), headers("b3", shortHex+"-"+spanHex)), carrier)
	assert.Equal(t, headers(datadogIDs()...), carrier)
}

// Datadog's libraries send traceparent and their own headers. Where a proxy lost the tracestate the rest is
// in the others.
func TestDatadogCompletesW3C(t *testing.T) {
	t.Parallel()
	sent := func(priority string) []string {
		return []string{
			"x-datadog-trace-id", shortDecimal, "x-datadog-parent-id", spanDecimal, "x-datadog-sampling-priority", priority,
			"x-datadog-tags", "_dd.p.dm=-4", "x-datadog-origin", "rum", "x-amzn-trace-id", awsRoot + ";Parent=" + spanHex + ";Sampled=1;Lineage=a:0",
		}
	}
	p := newPropagator(t, propagation.Config{Extract: everyFormat})
	got := extract(p, headers(append(sent("2"), "traceparent", sampledParent)...))
	assert.Equal(t, "w3c", got.Format)
	assert.Equal(t, traceHex, got.SpanContext.TraceID().String())
	assert.Equal(t, []any{int8(2), "_dd.p.dm=-4", "rum", "Lineage=a:0"}, []any{got.Priority, got.Extras().DatadogTags, got.Extras().DatadogOrigin, got.Extras().AWSFields})

	got = extract(p, headers(append(sent("2"), "traceparent", notSampledParent)...))
	assert.Equal(t, []any{int8(0), "", "rum"}, []any{got.Priority, got.Extras().DatadogTags, got.Extras().DatadogOrigin}, "another decision")

	got = extract(p, headers(append(sent("2"), "traceparent", sampledParent, "tracestate", "dd=s:1;o:synthetics;t.a:b")...))
	assert.Equal(t, []any{int8(1), "_dd.p.a=b", "synthetics"}, []any{got.Priority, got.Extras().DatadogTags, got.Extras().DatadogOrigin}, "tracestate comes first")
}

// Origin, tags and level belong to the trace that they came with.
func TestDatadogTagsStayWithTheirTrace(t *testing.T) {
	t.Parallel()
	p := newPropagator(t, propagation.Config{Extract: []string{"datadog"}, Inject: []string{"datadog"}})
	ctx := p.Extract(context.Background(), headers("x-datadog-trace-id", "1", "x-datadog-parent-id", "2",
		"x-datadog-sampling-priority", "2", "x-datadog-tags", "_dd.p.a=b", "x-datadog-origin", "rum"))
	got := inject(contextWithSpanOf(ctx, startSpan(t, context.Background(), true)), p)
	delete(got, "X-Request-Id")
	assert.Equal(t, headers("x-datadog-trace-id", shortDecimal, "x-datadog-parent-id", ownDecimal,
		"x-datadog-sampling-priority", "1", "x-datadog-tags", datadogTID), got)
}
