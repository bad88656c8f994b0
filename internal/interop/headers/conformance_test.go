// SPDX-License-Identifier: Apache-2.0

package headers_test

import (
	"strings"
	"testing"

	"go.opentelemetry.io/contrib/propagators/aws/xray"
	"go.opentelemetry.io/contrib/propagators/b3"
	"go.opentelemetry.io/contrib/propagators/jaeger"
	"go.opentelemetry.io/contrib/propagators/ot"
	otelpropagation "go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/propagation/propagationtest"
)

// The request that the samples below have in common.
const (
	kitTrace  = "463ac35c9f6413ad48485a3953bb6124"
	kitShort  = "48485a3953bb6124"
	kitSpan   = "a2fb4a1d1a96d312"
	kitParent = "0020000000000001"
)

// kitSample makes a sample of headers with these ids that go on as they came.
func kitSample(t testing.TB, name, traceID string, sampled bool, headers h) propagationtest.Sample {
	t.Helper()
	s := propagationtest.Sample{Name: name, Headers: headers}
	if traceID == "" {
		return s
	}
	var err error
	if s.SpanContext.TraceID, err = trace.TraceIDFromHex(strings.Repeat("0", 32-len(traceID)) + traceID); err != nil {
		t.Fatal(err)
	}
	if s.SpanContext.SpanID, err = trace.SpanIDFromHex(kitSpan); err != nil {
		t.Fatal(err)
	}
	s.SpanContext.TraceFlags = s.SpanContext.TraceFlags.WithSampled(sampled)
	return s
}

// TestOfficialPropagators runs the conformance kit on OpenTelemetry's propagators. What they break, and
// ours do not, stands here with its reason; the test fails when they mend it.
func TestOfficialPropagators(t *testing.T) {
	t.Parallel()
	b3Deviations := map[string]string{
		"nothing arrives":      "Extract notes in ctx that the decision is deferred, whether or not there was a header",
		"invalid span context": "Inject makes a deny of no span context at all: 0",
		"sample/parent":        "it is not read, so it is not sent on",
		"sample/64 bits":       "they leave as 128",
	}
	tests := []struct {
		name       string
		p          otelpropagation.TextMapPropagator
		carries    []propagationtest.Option
		samples    []propagationtest.Sample
		deviations map[string]string
	}{
		{
			name: "w3c", p: otelpropagation.TraceContext{},
			carries: []propagationtest.Option{propagationtest.WithTraceState(), propagationtest.WithRandomFlag()},
		},
		{name: "baggage", p: otelpropagation.Baggage{}, carries: []propagationtest.Option{propagationtest.WithoutSpanContext()}},
		{
			name: "b3 single", p: b3.New(b3.WithInjectEncoding(b3.B3SingleHeader)),
			samples: []propagationtest.Sample{
				kitSample(t, "deferred", kitTrace, false, h{"b3": kitTrace + "-" + kitSpan}),
				kitSample(t, "debug", kitTrace, true, h{"b3": kitTrace + "-" + kitSpan + "-d"}),
				kitSample(t, "parent", kitTrace, true, h{"b3": kitTrace + "-" + kitSpan + "-1-" + kitParent}),
				kitSample(t, "64 bits", kitShort, true, h{"b3": kitShort + "-" + kitSpan + "-1"}),
			},
			deviations: b3Deviations,
		},
		{
			name: "b3 multi", p: b3.New(b3.WithInjectEncoding(b3.B3MultipleHeader)),
			samples: []propagationtest.Sample{
				kitSample(t, "deferred", kitTrace, false, h{"x-b3-traceid": kitTrace, "x-b3-spanid": kitSpan}),
				kitSample(t, "debug", kitTrace, true, h{"x-b3-traceid": kitTrace, "x-b3-spanid": kitSpan, "x-b3-flags": "1"}),
				kitSample(t, "parent", kitTrace, true,
					h{"x-b3-traceid": kitTrace, "x-b3-spanid": kitSpan, "x-b3-sampled": "1", "x-b3-parentspanid": kitParent}),
				kitSample(t, "64 bits", kitShort, true, h{"x-b3-traceid": kitShort, "x-b3-spanid": kitSpan, "x-b3-sampled": "1"}),
			},
			deviations: b3Deviations,
		},
		{
			name: "jaeger", p: jaeger.Jaeger{},
			samples: []propagationtest.Sample{
				kitSample(t, "debug", kitTrace, true, h{"uber-trace-id": kitTrace + ":" + kitSpan + ":0:3"}),
				kitSample(t, "parent", kitTrace, true, h{"uber-trace-id": kitTrace + ":" + kitSpan + ":" + kitParent + ":1"}),
				kitSample(t, "64 bits", kitShort, true, h{"uber-trace-id": kitShort + ":" + kitSpan + ":0:1"}),
			},
			deviations: map[string]string{
				"sample/parent":  "it is not read, so it is not sent on",
				"sample/64 bits": "they leave as 128",
			},
		},
		{
			name: "ot", p: ot.OT{},
			carries: []propagationtest.Option{propagationtest.With64BitTraceIDs()},
			samples: []propagationtest.Sample{
				kitSample(t, "deferred", kitShort, false, h{"ot-tracer-traceid": kitShort, "ot-tracer-spanid": kitSpan}),
				kitSample(t, "128 bits", kitTrace, false,
					h{"ot-tracer-traceid": kitTrace, "ot-tracer-spanid": kitSpan, "ot-tracer-sampled": "false"}),
			},
			deviations: map[string]string{
				"sample/deferred": "it becomes a deny",
				"sample/128 bits": "they leave as 64",
			},
		},
		{
			name: "aws", p: xray.Propagator{},
			samples: []propagationtest.Sample{
				kitSample(t, "deferred", kitTrace, false,
					h{"x-amzn-trace-id": "Root=1-463ac35c-9f6413ad48485a3953bb6124;Parent=" + kitSpan}),
				kitSample(t, "lineage", kitTrace, true,
					h{"x-amzn-trace-id": "Root=1-463ac35c-9f6413ad48485a3953bb6124;Parent=" + kitSpan + ";Sampled=1;Lineage=a87bd80c:1"}),
			},
			deviations: map[string]string{
				"sample/deferred": "it becomes a deny",
				"sample/lineage":  "fields of others are not sent on, so that Lambda does not find a loop",
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			opts := append(tt.carries, propagationtest.WithSample(tt.samples...))
			for rule, reason := range tt.deviations {
				opts = append(opts, propagationtest.WithDeviation(rule, reason))
			}
			propagationtest.Test(t, func(testing.TB) otelpropagation.TextMapPropagator { return tt.p }, opts...)
		})
	}
}
