// SPDX-License-Identifier: Apache-2.0

package propagation_test

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/spandrel-go/spandrel/propagation"
)

func TestExtractTakesTheFirstFormatWithIDs(t *testing.T) {
	t.Parallel()
	const other = "463ac35c9f6413ad48485a3953bb6124"
	traceparent := []string{"traceparent", "00-" + traceHex + "-" + spanHex + "-01"}
	b3IDs := []string{"x-b3-traceid", other, "x-b3-spanid", parentHex}
	tests := []struct {
		name     string
		extract  []string
		headers  []string
		traceID  string
		decision propagation.Decision
		format   string
	}{
		{"w3c before b3 by default", nil, append(b3IDs, traceparent...), traceHex, propagation.Accept, "w3c"},
		{"b3 before w3c", []string{"b3", "w3c"}, append(b3IDs, traceparent...), other, propagation.Defer, "b3"},
		{"the second if the first is malformed", nil, append(b3IDs, "traceparent", "00"), other, propagation.Defer, "b3"},
		{"ids before a decision", []string{"b3", "w3c"}, append(traceparent, "b3", "0"), traceHex, propagation.Accept, "w3c"},
		{"a tracestate is nothing of b3", []string{"b3", "w3c"}, append(traceparent, "tracestate", "a=1"), traceHex, propagation.Accept, "w3c"},
		{"a decision if there are no ids", nil, []string{"traceparent", "00", "b3", "0"}, "", propagation.Deny, "b3-single"},
		{"only the formats asked for", []string{"w3c"}, b3IDs, "", propagation.Defer, ""},
		{"none", []string{}, append(b3IDs, traceparent...), "", propagation.Defer, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := extract(newPropagator(t, propagation.Config{Extract: tt.extract}), headers(tt.headers...))
			assert.Equal(t, tt.format, got.Format)
			assert.Equal(t, tt.decision, got.Decision)
			assert.Equal(t, tt.traceID != "", got.SpanContext.IsValid())
			if tt.traceID != "" {
				assert.Equal(t, tt.traceID, got.SpanContext.TraceID().String())
				assert.True(t, got.SpanContext.IsRemote())
			}
		})
	}
}

func TestExtractMeetsASpanInCtx(t *testing.T) {
	t.Parallel()
	p := newPropagator(t, propagation.Config{})
	ctx := startSpan(t, context.Background(), true)
	local := trace.SpanContextFromContext(ctx)

	assert.Equal(t, ctx, p.Extract(ctx, headers()), "nothing arrived")
	assert.Equal(t, ctx, p.Extract(ctx, headers("traceparent", "nonsense")), "nothing usable arrived")

	got := p.Extract(ctx, headers("b3", shortHex+"-"+spanHex+"-1"))
	assert.Equal(t, spanHex, trace.SpanContextFromContext(got).SpanID().String(), "ids win")

	got = p.Extract(ctx, headers("b3", "0"))
	assert.Equal(t, local, trace.SpanContextFromContext(got), "a decision is no parent")
	r, ok := propagation.RemoteFromContext(got)
	assert.True(t, ok)
	assert.Equal(t, propagation.Deny, r.Decision)
}

func TestExtractOfATraceIDAloneKeepsWhatIsKnownOfTheTrace(t *testing.T) {
	t.Parallel()
	p := newPropagator(t, propagation.Config{Extract: everyFormat})
	ctx := p.Extract(context.Background(), headers("b3", shortHex+"-"+spanHex+"-1"))
	before, _ := propagation.RemoteFromContext(ctx)
	alone := []string{"x-datadog-trace-id", "1", "x-datadog-origin", "synthetics", "x-datadog-sampling-priority", "-1"}
	assert.Equal(t, ctx, p.Extract(ctx, headers(alone...)))
	after, _ := propagation.RemoteFromContext(p.Extract(ctx, headers(append(alone, "x-request-id", "id")...)))
	assert.Equal(t, "id", after.RequestID)
	after.RequestID = ""
	assert.Equal(t, before, after)
}

func TestExtractOfARequestIDKeepsWhatIsKnownOfTheTrace(t *testing.T) {
	t.Parallel()
	p := newPropagator(t, propagation.Config{})
	ctx := p.Extract(context.Background(), headers("b3", shortHex+"-"+spanHex+"-d", "x-request-id", "outer"))
	before, _ := propagation.RemoteFromContext(ctx)
	after, ok := propagation.RemoteFromContext(p.Extract(ctx, headers("x-request-id", "inner")))
	assert.True(t, ok)
	assert.Equal(t, "inner", after.RequestID)
	after.RequestID = before.RequestID
	assert.Equal(t, before, after)
}

// A call inside the process that carries a decision without ids, or one of the headers that name a request, goes on
// in the trace that arrived before, with all that is known of it.
func TestExtractWithoutIDsKeepsWhatIsKnownOfTheTrace(t *testing.T) {
	t.Parallel()
	p := newPropagator(t, propagation.Config{})
	outer := p.Extract(context.Background(), headers("b3", shortHex+"-"+spanHex+"-d", "x-request-id", "outer", "x-client-trace-id", "client"))
	ctx := startSpan(t, outer, true)
	want := inject(ctx, p)
	require.Equal(t, shortHex, want.Get("x-b3-traceid"))
	require.Equal(t, "1", want.Get("x-b3-flags"))
	for _, decision := range []string{"0", "1", "d"} {
		assert.Equal(t, want, inject(p.Extract(ctx, headers("b3", decision)), p), decision)
	}
	want.Set("x-kong-request-id", "kong")
	assert.Equal(t, want, inject(p.Extract(ctx, headers("b3", "0", "x-kong-request-id", "kong")), p))
	assert.Equal(t, want, inject(p.Extract(ctx, headers("x-kong-request-id", "kong")), p))
}

func TestRemoteFromContextWithoutOne(t *testing.T) {
	t.Parallel()
	r, ok := propagation.RemoteFromContext(context.Background())
	assert.False(t, ok)
	assert.Zero(t, r)
}

func TestExtractedContextKeepsItsParent(t *testing.T) {
	t.Parallel()
	type key struct{}
	p := newPropagator(t, propagation.Config{})
	parent, cancel := context.WithCancel(context.WithValue(context.Background(), key{}, "value"))
	ctx := p.Extract(parent, headers("b3", "1"))
	child, cancelChild := context.WithCancel(ctx)
	defer cancelChild()
	assert.Equal(t, "value", ctx.Value(key{}))
	cancel()
	<-child.Done()
	assert.ErrorIs(t, child.Err(), context.Canceled)
}

// Without a provider a service forwards what arrived: with OpenTelemetry's no-op provider, or with
// nothing at all between Extract and Inject.
func TestInjectForwardsWhatArrived(t *testing.T) {
	t.Parallel()
	b3 := shortHex + "-" + spanHex
	padded := "00-0000000000000000" + shortHex + "-" + spanHex
	many := func(more ...string) []string {
		return append([]string{"x-b3-traceid", shortHex, "x-b3-spanid", spanHex}, more...)
	}
	tests := []struct {
		name    string
		arrived []string
		want    []string
	}{
		{
			"w3c",
			[]string{"traceparent", "00-" + traceHex + "-" + spanHex + "-03", "tracestate", "a=1"},
			[]string{
				"traceparent", "00-" + traceHex + "-" + spanHex + "-03", "tracestate", "a=1",
				"x-b3-traceid", traceHex, "x-b3-spanid", spanHex, "x-b3-sampled", "1",
			},
		},
		{"b3", many("x-b3-sampled", "0"), append(many("x-b3-sampled", "0"), "traceparent", padded+"-00")},
		{
			"b3 with parent", many("x-b3-sampled", "1", "x-b3-parentspanid", parentHex),
			append(many("x-b3-sampled", "1", "x-b3-parentspanid", parentHex), "traceparent", padded+"-01"),
		},
		{"b3, debug", many("x-b3-flags", "1"), append(many("x-b3-flags", "1"), "traceparent", padded+"-01")},
		{"b3, deferred, for which w3c has no word", many(), many()},
		{
			"the b3 header",
			[]string{"b3", b3 + "-d-" + parentHex},
			append(many("x-b3-flags", "1", "x-b3-parentspanid", parentHex), "traceparent", padded+"-01", "b3", b3+"-d-"+parentHex),
		},
		{
			"the b3 header, deferred",
			[]string{"b3", b3 + "-" + parentHex},
			append(many("x-b3-parentspanid", parentHex), "b3", b3),
		},
		{"deny alone", []string{"x-b3-sampled", "0"}, []string{"x-b3-sampled", "0"}},
		{"accept alone", []string{"b3", "1"}, []string{"b3", "1", "x-b3-sampled", "1"}},
		{"debug alone", []string{"b3", "d"}, []string{"b3", "d", "x-b3-flags", "1"}},
		{"a request id alone", []string{"x-request-id", "id"}, []string{"x-request-id", "id"}},
		{"nothing", nil, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPropagator(t, propagation.Config{})
			ctx := p.Extract(context.Background(), headers(tt.arrived...))
			assert.Equal(t, headers(tt.want...), inject(ctx, p))
			ctx, _ = noop.NewTracerProvider().Tracer("").Start(ctx, "span")
			assert.Equal(t, headers(tt.want...), inject(ctx, p), "with a no-op span")
		})
	}
}

// A remote span context that another propagator put into ctx has no Remote, or one of another trace.
func TestInjectOfAForeignRemoteSpanContext(t *testing.T) {
	t.Parallel()
	p := newPropagator(t, propagation.Config{Inject: []string{"w3c", "b3"}})
	foreign := trace.NewSpanContext(trace.SpanContextConfig{TraceID: traceID(t, traceHex), SpanID: spanID(t, ownHex)})
	want := headers("traceparent", "00-"+traceHex+"-"+ownHex+"-00",
		"x-b3-traceid", traceHex, "x-b3-spanid", ownHex, "x-b3-sampled", "0")
	for _, arrived := range [][]string{nil, {"b3", shortHex + "-" + spanHex + "-d"}} {
		ctx := p.Extract(context.Background(), headers(arrived...))
		assert.Equal(t, want, inject(trace.ContextWithRemoteSpanContext(ctx, foreign), p), "%v", arrived)
	}
}

// A sampled flag that somebody has changed in the span context that arrived is another decision, as for OpenTelemetry's
// propagators.
func TestInjectOfASampledFlagThatWasChanged(t *testing.T) {
	t.Parallel()
	datadog := []string{"x-datadog-trace-id", shortDecimal, "x-datadog-parent-id", "2"}
	tests := []struct {
		name          string
		format        string
		arrived, want []string
	}{
		{"taken back", "w3c", []string{"traceparent", "00-" + traceHex + "-" + spanHex + "-03"}, []string{"traceparent", "00-" + traceHex + "-" + spanHex + "-02"}},
		{"set", "w3c", []string{"traceparent", "00-" + traceHex + "-" + spanHex + "-00"}, []string{"traceparent", "00-" + traceHex + "-" + spanHex + "-01"}},
		{
			"debug is taken back", "b3",
			[]string{"x-b3-traceid", shortHex, "x-b3-spanid", spanHex, "x-b3-parentspanid", parentHex, "x-b3-flags", "1"},
			[]string{"x-b3-traceid", shortHex, "x-b3-spanid", spanHex, "x-b3-parentspanid", parentHex, "x-b3-sampled", "0"},
		},
		{"a deferred one is set", "b3", []string{"b3", traceHex + "-" + spanHex}, []string{"x-b3-traceid", traceHex, "x-b3-spanid", spanHex, "x-b3-sampled", "1"}},
		{
			"a level is taken back with its reason", "datadog",
			append(datadog, "x-datadog-sampling-priority", "2", "x-datadog-tags", "_dd.p.dm=-4,_dd.p.a=b"),
			append(datadog, "x-datadog-sampling-priority", "0", "x-datadog-tags", "_dd.p.a=b"),
		},
		{
			"the level in a tracestate, too", "w3c",
			[]string{"traceparent", "00-" + traceHex + "-" + spanHex + "-01", "tracestate", "a=b,dd=s:2;t.dm:-4"},
			[]string{"traceparent", "00-" + traceHex + "-" + spanHex + "-00", "tracestate", "dd=s:0;p:" + spanHex + ",a=b"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPropagator(t, propagation.Config{Extract: []string{tt.format}, Inject: []string{tt.format}})
			ctx := p.Extract(context.Background(), headers(tt.arrived...))
			sc := trace.SpanContextFromContext(ctx)
			changed := sc.WithTraceFlags(sc.TraceFlags() ^ trace.FlagsSampled)
			assert.Equal(t, headers(tt.want...), inject(trace.ContextWithRemoteSpanContext(ctx, changed), p))
			same := inject(trace.ContextWithRemoteSpanContext(ctx, sc), p)
			assert.Equal(t, inject(ctx, p), same)
		})
	}
	t.Run("of one that was capped", func(t *testing.T) {
		t.Parallel()
		p, err := propagation.New(propagation.Config{}, propagation.WithForcedSamplingLimit(0))
		require.NoError(t, err)
		in := headers("traceparent", "00-"+traceHex+"-"+spanHex+"-01")
		ctx := p.Extract(context.Background(), in)
		again := trace.ContextWithRemoteSpanContext(ctx, trace.SpanContextFromContext(ctx))
		assert.Equal(t, in["Traceparent"], inject(again, p)["Traceparent"])
	})
}

func TestInjectPreserve(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name          string
		defaultFormat string
		arrived       []string
		want          string // the header that tells the format
	}{
		{"w3c", "b3", []string{"traceparent", "00-" + traceHex + "-" + spanHex + "-01"}, "Traceparent"},
		{"b3", "", []string{"x-b3-traceid", traceHex, "x-b3-spanid", spanHex}, "X-B3-Traceid"},
		{"the b3 header", "", []string{"b3", traceHex + "-" + spanHex}, "B3"},
		{"nothing read", "", nil, "Traceparent"},
		{"nothing read, default b3", "b3", nil, "X-B3-Traceid"},
		{"nothing read, default b3-single", "b3-single", nil, "B3"},
		{"a request id is no format", "b3", []string{"x-request-id", "id"}, "X-B3-Traceid"},
		{"a decision is", "", []string{"b3", "1"}, "B3"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPropagator(t, propagation.Config{Inject: []string{"preserve"}, DefaultFormat: tt.defaultFormat})
			got := inject(startSpan(t, p.Extract(context.Background(), headers(tt.arrived...)), true), p)
			for _, name := range []string{"Traceparent", "X-B3-Traceid", "B3"} {
				if name == tt.want {
					assert.Contains(t, got, name)
				} else {
					assert.NotContains(t, got, name)
				}
			}
		})
	}
}

func TestInjectNothing(t *testing.T) {
	t.Parallel()
	p := newPropagator(t, propagation.Config{Inject: []string{}})
	ctx := startSpan(t, context.Background(), true)
	assert.Equal(t, headers("x-request-id", sampledUUID), inject(ctx, p))
}

func TestInjectClears(t *testing.T) {
	t.Parallel()
	p := newPropagator(t, propagation.Config{Inject: []string{"w3c"}, Clear: []string{"TraceParent", "x-datadog-tags", "x-b3-flags"}})
	old := []string{"traceparent", "old", "x-datadog-tags", "old", "x-b3-flags", "1", "x-b3-sampled", "1"}

	carrier := headers(old...)
	p.Inject(startSpan(t, context.Background(), true), carrier)
	assert.Equal(t, headers("traceparent", "00-"+traceHex+"-"+ownHex+"-01", "x-b3-sampled", "1", "x-request-id", sampledUUID), carrier)

	carrier = headers(old...)
	p.Inject(context.Background(), carrier)
	assert.Equal(t, headers("x-b3-sampled", "1"), carrier, "also if there is nothing to write")

	m := mapCarrier(old)
	p.Inject(context.Background(), m)
	assert.Equal(t, mapCarrier(old), m, "other carriers cannot remove")
}

// A proxy copies the headers of the request that arrived to the one that it makes.
func TestInjectLeavesNothingOldOfAFormatThatItWrites(t *testing.T) {
	t.Parallel()
	p := newPropagator(t, propagation.Config{Inject: []string{"w3c", "b3"}})
	old := []string{
		"traceparent", "00-" + traceHex + "-" + spanHex + "-01", "b3", traceHex + "-" + spanHex + "-d",
		"x-b3-parentspanid", parentHex, "x-b3-flags", "1", "x-b3-sampled", "0", "cookie", "kept",
	}
	carrier := headers(append(old, "tracestate", "a=1")...)
	ctx := trace.ContextWithSpanContext(context.Background(), trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: traceID(t, traceHex), SpanID: spanID(t, ownHex),
	}))
	p.Inject(ctx, carrier)
	assert.Equal(t, headers("traceparent", "00-"+traceHex+"-"+ownHex+"-00", "x-b3-traceid", traceHex,
		"x-b3-spanid", ownHex, "x-b3-sampled", "0", "x-request-id", traceUUID, "cookie", "kept"), carrier)
}

func TestRequestID(t *testing.T) {
	t.Parallel()
	traceparent := []string{"traceparent", "00-" + traceHex + "-" + spanHex + "-01"}
	tests := []struct {
		name    string
		arrived []string
		span    bool
		want    string
	}{
		{"arrived with the trace", append(traceparent, "x-request-id", "125a4afb-6f55-94ba-ad80-413f09f48a28"), true, "125a4afb-6f55-94ba-ad80-413f09f48a28"},
		{"arrived alone", []string{"x-request-id", " any text,\twhatever "}, true, " any text,\twhatever "},
		{"arrived, no span", []string{"x-request-id", "id"}, false, "id"},
		{"made for a trace that starts here", nil, true, sampledUUID},
		{"made for one that a decision started", []string{"b3", "1"}, true, sampledUUID},
		{"not made for a trace that arrived", traceparent, true, ""},
		{"not made for a trace that is forwarded", traceparent, false, ""},
		{"not made without a trace", nil, false, ""},
		{"malformed is none", []string{"x-request-id", "a\r\nb: c"}, true, sampledUUID},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPropagator(t, propagation.Config{})
			ctx := p.Extract(context.Background(), headers(tt.arrived...))
			if tt.span {
				ctx = startSpan(t, ctx, true)
			}
			assert.Equal(t, tt.want, propagation.RequestIDFromContext(ctx))
			got := inject(ctx, p)
			assert.Equal(t, tt.want, got.Get("x-request-id"))
			if tt.want == "" {
				assert.NotContains(t, got, "X-Request-Id")
			}
		})
	}
}

func TestMalformedRequestIDIsCounted(t *testing.T) {
	t.Parallel()
	p := newPropagator(t, propagation.Config{})
	for _, id := range []string{"\x00", "a\nb", "\x7f"} {
		assert.Empty(t, extract(p, mapCarrier([]string{"x-request-id", id})).RequestID)
	}
	assert.Equal(t, []propagation.Malformed{{Format: "x-request-id", Reason: "syntax", Count: 3}}, p.Stats().Malformed)
}

func TestStatsCountsByFormatAndReason(t *testing.T) {
	t.Parallel()
	p := newPropagator(t, propagation.Config{})
	assert.Zero(t, p.Stats())
	for range 2 {
		extract(p, headers("traceparent", "00", "b3", "-", "x-b3-traceid", traceHex, "x-b3-sampled", "2"))
	}
	assert.Equal(t, propagation.Stats{Malformed: []propagation.Malformed{
		{Format: "w3c", Reason: "length", Count: 2},
		{Format: "b3", Reason: "incomplete", Count: 2},
		{Format: "b3", Reason: "decision", Count: 2},
		{Format: "b3-single", Reason: "syntax", Count: 2},
	}}, p.Stats())
}

func TestPropagatorConcurrentSafe(t *testing.T) {
	t.Parallel()
	p := newPropagator(t, propagation.Config{Clear: []string{"x-b3-flags"}})
	const goroutines, rounds = 4, 200
	// What arrived with one request is shared by all calls that are made on its behalf.
	arrived := headers("traceparent", "00-"+traceHex+"-"+spanHex+"-01", "tracestate", "dd=s:2;o:rum,a@=1,b=1,b=2", "x-client-trace-id", "c")
	all := newPropagator(t, propagation.Config{Inject: writtenFormats})
	shared := all.Extract(context.Background(), arrived)
	sent := inject(shared, all)
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			for range rounds {
				assert.Equal(t, sent, inject(shared, all))
				inner := all.Extract(shared, headers("x-request-id", "id", "x-envoy-force-trace", "1"))
				r, _ := propagation.RemoteFromContext(inner)
				r.Extra.DatadogOrigin = "mine"
				assert.Len(t, inject(inner, all), len(sent)+2)
				ctx := p.Extract(context.Background(), headers("traceparent", "-", "b3", traceHex+"-"+spanHex+"-1"))
				p.Inject(ctx, headers("x-b3-flags", "1"))
				p.Fields()
				p.Stats()
			}
		})
	}
	wg.Wait()
	require.Equal(t, []propagation.Malformed{{Format: "w3c", Reason: "length", Count: goroutines * rounds}}, p.Stats().Malformed)
}
