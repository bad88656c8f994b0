// SPDX-License-Identifier: Apache-2.0

package propagation_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/baggage"
	otelprop "go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/internal/remote"
	"github.com/spandrel-go/spandrel/propagation"
)

// The tests in this file are named for the rows of OpenTelemetry's compliance matrix that they show.

// withBaggage returns ctx with one member of baggage.
func withBaggage(tb testing.TB, ctx context.Context, key, value string) context.Context {
	tb.Helper()
	member, err := baggage.NewMemberRaw(key, value)
	require.NoError(tb, err)
	bag, err := baggage.New(member)
	require.NoError(tb, err)
	return baggage.ContextWithBaggage(ctx, bag)
}

// Keys are opaque: one of the same name is another key.
func TestSpec_Create_Context_Key(t *testing.T) {
	t.Parallel()
	ctx := newPropagator(t, propagation.Config{}).Extract(context.Background(), headers("b3", "1"))
	type key struct{}
	assert.NotNil(t, ctx.Value(remote.Key))
	assert.Nil(t, ctx.Value(key{}))
	assert.Nil(t, ctx.Value(fmt.Sprint(remote.Key)))
}

func TestSpec_Get_value_from_Context(t *testing.T) {
	t.Parallel()
	p := newPropagator(t, propagation.Config{})
	ctx := p.Extract(context.Background(), headers("b3", traceHex+"-"+spanHex+"-1", "x-request-id", traceUUID))
	r, ok := propagation.RemoteFromContext(ctx)
	assert.True(t, ok)
	assert.Equal(t, spanHex, r.SpanContext.SpanID().String())
	assert.Equal(t, r.SpanContext, trace.SpanContextFromContext(ctx))
	assert.Equal(t, traceUUID, propagation.RequestIDFromContext(ctx))
	_, ok = propagation.RemoteFromContext(context.Background())
	assert.False(t, ok)
}

// Setting a value makes another context: the one that there was does not change.
func TestSpec_Set_value_for_Context(t *testing.T) {
	t.Parallel()
	p := newPropagator(t, propagation.Config{})
	first := p.Extract(context.Background(), headers("b3", traceHex+"-"+spanHex+"-1"))
	second := p.Extract(first, headers("b3", traceHex+"-"+parentHex+"-0"))
	for ctx, want := range map[context.Context]string{first: spanHex, second: parentHex} {
		r, ok := propagation.RemoteFromContext(ctx)
		assert.True(t, ok)
		assert.Equal(t, want, r.SpanContext.SpanID().String())
	}
}

// Several propagators are one: ours takes its formats in one pass, and stands in OpenTelemetry's
// composite beside others, which are called in the order in which they were given.
func TestSpec_Composite_Propagator(t *testing.T) {
	t.Parallel()
	composite := otelprop.NewCompositeTextMapPropagator(newPropagator(t, propagation.Config{}), otelprop.Baggage{})
	carrier := headers("traceparent", "00-"+traceHex+"-"+spanHex+"-01", "baggage", "tenant=blue")
	ctx := composite.Extract(context.Background(), carrier)
	assert.Equal(t, traceHex, trace.SpanContextFromContext(ctx).TraceID().String())
	assert.Equal(t, "tenant=blue", baggage.FromContext(ctx).String())
	got := headers()
	composite.Inject(ctx, got)
	for _, name := range []string{"traceparent", "baggage"} {
		assert.Equal(t, carrier.Get(name), got.Get(name))
	}

	// The later one has the last word.
	const other = "463ac35c9f6413ad48485a3953bb6124"
	both := headers("traceparent", "00-"+traceHex+"-"+spanHex+"-01", "b3", other+"-"+spanHex+"-1")
	w3c := newPropagator(t, propagation.Config{Extract: []string{"w3c"}})
	b3 := newPropagator(t, propagation.Config{Extract: []string{"b3"}})
	ctx = otelprop.NewCompositeTextMapPropagator(w3c, b3).Extract(context.Background(), both)
	assert.Equal(t, other, trace.SpanContextFromContext(ctx).TraceID().String())
	ctx = otelprop.NewCompositeTextMapPropagator(b3, w3c).Extract(context.Background(), both)
	assert.Equal(t, traceHex, trace.SpanContextFromContext(ctx).TraceID().String())
}

// Not parallel: there is one global propagator.
func TestSpec_Global_Propagator(t *testing.T) {
	arrived := headers("traceparent", "00-"+traceHex+"-"+spanHex+"-01")
	t.Cleanup(func() { otel.SetTextMapPropagator(otelprop.NewCompositeTextMapPropagator()) })
	assert.Equal(t, context.Background(), otel.GetTextMapPropagator().Extract(context.Background(), arrived),
		"importing this package sets nothing")

	p := newPropagator(t, propagation.Config{})
	otel.SetTextMapPropagator(p)
	assert.Same(t, p, otel.GetTextMapPropagator())
	ctx := otel.GetTextMapPropagator().Extract(context.Background(), arrived)
	assert.Equal(t, traceHex, trace.SpanContextFromContext(ctx).TraceID().String())
	carrier := headers()
	otel.GetTextMapPropagator().Inject(ctx, carrier)
	assert.Equal(t, arrived.Get("traceparent"), carrier.Get("traceparent"))
}

// MUST parse, validate and propagate traceparent and tracestate as W3C Trace Context level 2 asks.
func TestSpec_TraceContext_Propagator(t *testing.T) {
	t.Parallel()
	p := newPropagator(t, propagation.Config{Extract: []string{"w3c"}, Inject: []string{"w3c"}})
	base := "-" + traceHex + "-" + spanHex + "-"
	for _, tt := range []struct{ name, traceparent, want string }{
		{"as it is", "00" + base + "01", "00" + base + "01"},
		{"random is kept", "00" + base + "03", "00" + base + "03"},
		{"random is no decision", "00" + base + "02", "00" + base + "02"},
		{"unknown flags are sent as zero", "00" + base + "f9", "00" + base + "01"},
		{"a higher version leaves as version 00", "cc" + base + "01-more", "00" + base + "01"},
	} {
		ctx := p.Extract(context.Background(), headers("traceparent", tt.traceparent, "tracestate", "a=1", "tracestate", "b=2"))
		assert.Equal(t, headers("traceparent", tt.want, "tracestate", "a=1,b=2"), inject(ctx, p), tt.name)
	}
	for name, traceparent := range map[string]string{
		"version ff": "ff" + base + "01", "upper case": strings.ToUpper("00" + base + "01"), "short": "00" + base + "1",
		"zero trace id": "00-" + strings.Repeat("0", 32) + "-" + spanHex + "-01",
	} {
		ctx := p.Extract(context.Background(), headers("traceparent", traceparent, "tracestate", "a=1"))
		assert.Equal(t, context.Background(), ctx, name)
	}
	// All fields of a span context travel, and an empty trace state is no header.
	state, err := trace.ParseTraceState("vendor=1")
	require.NoError(t, err)
	for _, state := range []trace.TraceState{state, {}} {
		sc := trace.NewSpanContext(trace.SpanContextConfig{
			TraceID: traceID(t, traceHex), SpanID: spanID(t, ownHex), TraceFlags: trace.FlagsSampled | trace.FlagsRandom, TraceState: state,
		})
		carrier := inject(trace.ContextWithSpanContext(context.Background(), sc), p)
		assert.Equal(t, state.Len() > 0, slices.Contains(carrier.Keys(), "Tracestate"))
		assert.Equal(t, sc.WithRemote(true), extract(p, carrier).SpanContext)
	}
}

func TestSpec_B3_Propagator(t *testing.T) {
	t.Parallel()
	single, _ := fromVariable(t, "b3")
	many, _ := fromVariable(t, "b3multi")
	for name, p := range map[string]otelprop.TextMapPropagator{"b3": single, "b3multi": many} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// MUST attempt to extract both encodings; the single header takes precedence.
			for _, tt := range []struct {
				headers []string
				want    string
			}{
				{[]string{"b3", traceHex + "-" + spanHex + "-1"}, spanHex},
				{[]string{"x-b3-traceid", traceHex, "x-b3-spanid", parentHex, "x-b3-sampled", "1"}, parentHex},
				{[]string{"x-b3-traceid", traceHex, "x-b3-spanid", parentHex, "b3", traceHex + "-" + spanHex + "-1"}, spanHex},
			} {
				sc := trace.SpanContextFromContext(p.Extract(context.Background(), headers(tt.headers...)))
				assert.Equal(t, tt.want, sc.SpanID().String())
			}
			// MUST preserve a debug flag, and set the sampled flag with it.
			ctx := p.Extract(context.Background(), headers("b3", traceHex+"-"+spanHex+"-d-"+parentHex))
			assert.True(t, trace.SpanContextFromContext(ctx).IsSampled())
			got := headers()
			p.Inject(startSpan(t, ctx, true), got)
			// MUST NOT reuse the caller's span id, nor propagate a parent with a span of ours.
			if name == "b3" {
				assert.Equal(t, headers("b3", traceHex+"-"+ownHex+"-d"), got)
			} else {
				assert.Equal(t, headers("x-b3-traceid", traceHex, "x-b3-spanid", ownHex, "x-b3-flags", "1"), got)
			}
		})
	}
	// MUST provide configuration of the encoding; Fields MUST be those of the configured one.
	assert.Equal(t, []string{"b3", "x-request-id", "x-client-trace-id", "x-envoy-force-trace", "x-kong-request-id"}, single.Fields())
	assert.Equal(t, []string{
		"x-b3-traceid", "x-b3-spanid", "x-b3-parentspanid", "x-b3-sampled", "x-b3-flags", "x-request-id", "x-client-trace-id", "x-envoy-force-trace", "x-kong-request-id",
	}, many.Fields())
}

func TestSpec_Jaeger_Propagator(t *testing.T) {
	t.Parallel()
	p := newPropagator(t, propagation.Config{Extract: []string{"jaeger"}, Inject: []string{"jaeger"}})
	for value, want := range map[string]string{
		traceHex + ":" + spanHex + ":0:1": traceHex + ":" + ownHex + ":0:01",
		traceHex + ":" + spanHex + ":0:3": traceHex + ":" + ownHex + ":0:03",
		shortHex + ":ff:1:1":              shortHex + ":" + ownHex + ":0:01",
	} {
		ctx := p.Extract(context.Background(), headers("uber-trace-id", value))
		assert.True(t, trace.SpanContextFromContext(ctx).IsRemote())
		assert.Equal(t, headers("uber-trace-id", want), inject(startSpan(t, ctx, true), p), value)
	}
	assert.Equal(t, []string{"uber-trace-id", "x-request-id", "x-client-trace-id", "x-envoy-force-trace", "x-kong-request-id"}, p.Fields())
}

func TestSpec_OT_Propagator(t *testing.T) {
	t.Parallel()
	p := newPropagator(t, propagation.Config{Extract: []string{"ot"}, Inject: []string{"ot"}})
	ctx := p.Extract(context.Background(), headers("ot-tracer-traceid", shortHex, "ot-tracer-spanid", spanHex, "ot-tracer-sampled", "true"))
	sc := trace.SpanContextFromContext(ctx)
	assert.True(t, sc.IsSampled() && sc.IsRemote())
	assert.Equal(t, headers("ot-tracer-traceid", shortHex, "ot-tracer-spanid", ownHex, "ot-tracer-sampled", "1"),
		inject(startSpan(t, ctx, true), p))
	assert.Equal(t, []string{"ot-tracer-traceid", "ot-tracer-spanid", "ot-tracer-sampled", "x-request-id", "x-client-trace-id", "x-envoy-force-trace", "x-kong-request-id"}, p.Fields())
}

// Extract MUST NOT fail nor store anything for what cannot be parsed; values are US-ASCII that any
// carrier of text takes; names are found whatever their case in HTTP.
func TestSpec_TextMapPropagator(t *testing.T) {
	t.Parallel()
	var p otelprop.TextMapPropagator = newPropagator(t, propagation.Config{
		Extract: everyFormat, Inject: writtenFormats,
	})
	ctx := startSpan(t, context.Background(), true)
	for _, name := range p.Fields() {
		assert.Equal(t, ctx, p.Extract(ctx, headers(name, "\x00\xff")), name)
	}
	carrier := otelprop.MapCarrier{}
	p.Inject(ctx, carrier)
	assert.Len(t, carrier, 20)
	for name, value := range carrier {
		assert.Equal(t, strings.ToLower(name), name)
		assert.Regexp(t, `^[\x21-\x7e]+$`, value, name)
	}
	state, err := trace.ParseTraceState(carrier["tracestate"])
	require.NoError(t, err)
	want := trace.SpanContextFromContext(ctx).WithRemote(true)
	assert.Equal(t, want.WithTraceState(state), trace.SpanContextFromContext(p.Extract(context.Background(), carrier)))
	other := headers("TRACEPARENT", carrier["traceparent"])
	assert.Equal(t, want, trace.SpanContextFromContext(p.Extract(context.Background(), other)))
}

// Fields are the names that Inject sets, so that a carrier that is used again can be cleared.
func TestSpec_Fields(t *testing.T) {
	t.Parallel()
	debug := []string{
		"b3", traceHex + "-" + spanHex + "-d-" + parentHex, "x-request-id", traceUUID,
		"x-client-trace-id", "client", "x-envoy-force-trace", "true", "x-kong-request-id", "kong",
	}
	stateful := []string{"traceparent", "00-" + traceHex + "-" + spanHex + "-01", "tracestate", "a=1"}
	rum := []string{"x-datadog-trace-id", "1", "x-datadog-parent-id", "2", "x-datadog-origin", "rum"}
	for _, inject := range [][]string{
		nil, {}, {"w3c"}, {"b3"}, {"b3-single"}, {"jaeger"}, {"ot"}, {"datadog"}, {"aws"}, {"gcp"}, {"instana"}, {"preserve"}, writtenFormats,
	} {
		p := newPropagator(t, propagation.Config{Extract: everyFormat, Inject: inject})
		set := map[string]bool{}
		for _, arrived := range [][]string{debug, stateful, rum, {"b3", traceHex + "-" + spanHex + "-0"}, nil} {
			ctx := p.Extract(context.Background(), headers(arrived...))
			carrier := otelprop.MapCarrier{}
			p.Inject(ctx, carrier)
			p.Inject(startSpan(t, ctx, true), carrier)
			for name := range carrier {
				set[name] = true
				assert.Contains(t, p.Fields(), name)
			}
		}
		if len(inject) == len(writtenFormats) { // everything that is on the list can happen
			assert.Len(t, set, len(p.Fields()))
		}
	}
}

func TestSpec_Environment_Variables_as_Context_Propagation_Carriers(t *testing.T) {
	t.Parallel()
	p, _ := fromVariable(t, "tracecontext,baggage,b3multi")
	ctx := withBaggage(t, startSpan(t, context.Background(), true), "tenant", "a b")
	carrier := propagation.NewEnvCarrier([]string{"traceparent=not normalized"})
	p.Inject(ctx, carrier)
	// Set writes normalized names, and Keys returns no other.
	assert.Equal(t, []string{
		"TRACEPARENT", "X_B3_TRACEID", "X_B3_SPANID", "X_B3_SAMPLED", "X_REQUEST_ID", "BAGGAGE",
	}, carrier.Keys())
	assert.Contains(t, carrier.Environ(), "traceparent=not normalized")
	// Get reads normalized names only.
	assert.Equal(t, traceHex, carrier.Get("x-b3-traceid"))
	assert.Equal(t, "00-"+traceHex+"-"+ownHex+"-01", carrier.Get("traceparent"))
	assert.Empty(t, propagation.NewEnvCarrier([]string{"x-b3-traceid=" + traceHex}).Get("x-b3-traceid"))
	// Values are opaque.
	carrier.Set("0 anything-at-all", "\x01=,;%")
	assert.Equal(t, "\x01=,;%", carrier.Get("0_anything.at.all"))

	got := p.Extract(context.Background(), carrier)
	assert.Equal(t, trace.SpanContextFromContext(ctx).WithRemote(true), trace.SpanContextFromContext(got))
	assert.Equal(t, "a b", baggage.FromContext(got).Member("tenant").Value())

	// A child process has it in its environment.
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self, "-test.run=^TestEnvCarrierInAChild$", "-test.v")
	cmd.Env = append(carrier.Environ(), childVariable+"=1")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.Contains(t, string(out), "arrived: "+traceHex+" "+ownHex)
}

// childVariable is set for the test of the child process to say what arrived there.
const childVariable = "SPANDREL_TEST_CHILD"

// TestEnvCarrierInAChild is run as a child process by another test; by itself it finds no trace.
func TestEnvCarrierInAChild(t *testing.T) {
	t.Parallel()
	environ := os.Environ()
	p := newPropagator(t, propagation.Config{Extract: []string{"b3"}})
	sc := trace.SpanContextFromContext(p.Extract(context.Background(), propagation.NewEnvCarrier(environ)))
	assert.Equal(t, slices.Contains(environ, childVariable+"=1"), sc.IsValid())
	t.Logf("arrived: %s %s", sc.TraceID(), sc.SpanID())
}

// The general environment variable: known values, "none", default, duplicates, and values that are not
// recognized, for which the implementation MUST warn and go on. TestFromEnvironment has every case.
func TestSpec_OTEL_PROPAGATORS(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"":                           "traceparent tracestate x-request-id x-client-trace-id x-envoy-force-trace x-kong-request-id baggage",
		"tracecontext,baggage":       "traceparent tracestate x-request-id x-client-trace-id x-envoy-force-trace x-kong-request-id baggage",
		"TraceContext, tracecontext": "traceparent tracestate x-request-id x-client-trace-id x-envoy-force-trace x-kong-request-id",
		"b3,b3":                      "b3 x-request-id x-client-trace-id x-envoy-force-trace x-kong-request-id",
		"jaeger,ottrace":             "uber-trace-id ot-tracer-traceid ot-tracer-spanid ot-tracer-sampled x-request-id x-client-trace-id x-envoy-force-trace x-kong-request-id",
		"xray":                       "x-amzn-trace-id x-request-id x-client-trace-id x-envoy-force-trace x-kong-request-id",
		"none":                       "",
		"unheard-of,b3multi":         "x-b3-traceid x-b3-spanid x-b3-parentspanid x-b3-sampled x-b3-flags x-request-id x-client-trace-id x-envoy-force-trace x-kong-request-id",
	} {
		p, warnings := fromVariable(t, value)
		assert.ElementsMatch(t, strings.Fields(want), p.Fields(), value)
		assert.Equal(t, strings.Contains(value, "unheard-of"), len(warnings) == 1, "%q: %v", value, warnings)
		carrier := headers()
		p.Inject(startSpan(t, context.Background(), true), carrier)
		for _, name := range carrier.Keys() {
			assert.Contains(t, p.Fields(), strings.ToLower(name), value)
		}
		assert.Equal(t, value == "none", len(carrier) == 0, value)
	}
}

// Baggage travels beside the trace: it is set, read, and removed whatever the formats are.
func TestSpec_Basic_support(t *testing.T) {
	t.Parallel()
	p, _ := fromVariable(t, "b3,baggage")
	ctx := withBaggage(t, startSpan(t, context.Background(), false), "user", "ä, b;c")
	carrier := headers()
	p.Inject(ctx, carrier)
	got := p.Extract(context.Background(), carrier)
	assert.Equal(t, "ä, b;c", baggage.FromContext(got).Member("user").Value())
	assert.Equal(t, ownHex, trace.SpanContextFromContext(got).SpanID().String())

	carrier = headers()
	p.Inject(baggage.ContextWithoutBaggage(got), carrier)
	assert.Empty(t, carrier.Get("baggage"))
	assert.NotEmpty(t, carrier.Get("b3"))

	// It needs no trace.
	got = p.Extract(context.Background(), headers("baggage", "a=1;property,b=2"))
	assert.Equal(t, 2, baggage.FromContext(got).Len())
	assert.False(t, trace.SpanContextFromContext(got).IsValid())
}

func TestSpec_Use_official_header_name_baggage(t *testing.T) {
	t.Parallel()
	p, _ := fromVariable(t, "")
	carrier := otelprop.MapCarrier{}
	p.Inject(withBaggage(t, context.Background(), "tenant", "blue"), carrier)
	assert.Equal(t, otelprop.MapCarrier{"baggage": "tenant=blue"}, carrier)
	assert.Contains(t, p.Fields(), "baggage")
}
