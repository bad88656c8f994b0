// SPDX-License-Identifier: Apache-2.0

package tracing_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	otelprop "go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/propagation"
	"github.com/spandrel-go/spandrel/sampling"
	"github.com/spandrel-go/spandrel/tracing"
)

// Behind Kong on its default configuration a request with a tracestate carries two traces: Kong's in
// x-b3-*, and the client's as it came. The service joins Kong's and links the client's.
func TestServiceBehindKongJoinsKongAndLinksTheClient(t *testing.T) {
	t.Parallel()
	prop, err := propagation.New(propagation.Config{})
	require.NoError(t, err)
	headers := http.Header{
		"Traceparent":   {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
		"Tracestate":    {"vendor=1"},
		"X-B3-Traceid":  {"463ac35c9f6413ad48485a3953bb6124"},
		"X-B3-Spanid":   {"a2fb4a1d1a96d312"},
		"X-B3-Sampled":  {"1"},
		"X-Request-Id":  {"1b4e28ba-2fa1-41d2-883f-0016d3cca427"},
		"Authorization": {"secret"},
	}
	tracer, c, p := newTracer(t)
	// Headers win over a span of this process: an in-process call is a local trace of its own.
	ctx, caller := tracer.StartSpan(context.Background(), "in process")
	ctx = prop.Extract(ctx, otelprop.HeaderCarrier(headers))
	ctx, s := tracer.StartSpan(ctx, "server", tracing.WithLinks(trace.Link{SpanContext: remoteParent(true)}))
	_, child := tracer.StartSpan(ctx, "child")
	assert.Same(t, s, tracer.RootSpan(ctx))
	child.End()
	s.End()
	caller.End()
	flush(t, p)

	d := c.span(t, "server")
	assert.Equal(t, "463ac35c9f6413ad48485a3953bb6124", d.SpanContext.TraceID().String())
	assert.Equal(t, "a2fb4a1d1a96d312", d.Parent.SpanID().String())
	assert.True(t, d.Parent.IsRemote())
	require.Len(t, d.Links, 2)
	assert.Equal(t, remoteParent(true), d.Links[1].SpanContext)
	assert.Equal(t, "0af7651916cd43dd8448eb211c80319c", d.Links[0].SpanContext.TraceID().String())
	assert.Equal(t, "b7ad6b7169203331", d.Links[0].SpanContext.SpanID().String())
	assert.Equal(t, []attribute.KeyValue{attribute.String("propagation.format", "w3c")}, d.Links[0].Attributes)
	assert.Empty(t, c.span(t, "child").Links)
	assert.Empty(t, c.span(t, "in process").Links)
}

// A decision without ids beside a parent that another propagator read: the parent has its own.
func TestDecisionWithoutIDsDoesNotChangeThatOfAParent(t *testing.T) {
	t.Parallel()
	b3, err := propagation.New(propagation.Config{Extract: []string{"b3"}, Inject: []string{"b3"}})
	require.NoError(t, err)
	both := otelprop.NewCompositeTextMapPropagator(otelprop.TraceContext{}, b3)
	tracer, _, _ := newTracer(t)
	for flags, other := range map[string]string{"01": "0", "00": "1"} {
		ctx := both.Extract(context.Background(), otelprop.HeaderCarrier{
			"Traceparent": {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-" + flags}, "X-B3-Sampled": {other},
		})
		_, s := tracer.StartSpan(ctx, "server")
		assert.Equal(t, "0af7651916cd43dd8448eb211c80319c", s.SpanContext().TraceID().String())
		assert.Equal(t, flags == "01", s.SpanContext().IsSampled(), flags)
		s.End()
	}
}

// A sampled flag that somebody changes in the span context that arrived is the decision, as for OpenTelemetry's SDK.
func TestSampledFlagThatWasChangedIsTheDecision(t *testing.T) {
	t.Parallel()
	tracer, _, _ := newTracer(t, tracing.WithSampler(sampling.ParentBased(sampling.AlwaysOff())))
	for name, test := range map[string]struct {
		headers map[string]string
		changed bool // whether it is sampled then
	}{
		"taken back":            {map[string]string{"traceparent": traceparent}, false},
		"set":                   {map[string]string{"traceparent": traceparent[:53] + "00"}, true},
		"debug, taken back":     {map[string]string{"b3": arrivedTrace + "-" + arrivedSpan + "-d"}, false},
		"a deferred one is set": {map[string]string{"b3": arrivedTrace + "-" + arrivedSpan}, true},
	} {
		ctx := arriving(t, test.headers)
		sc := trace.SpanContextFromContext(ctx)
		require.Equal(t, !test.changed, sc.IsSampled(), name)
		_, s := tracer.StartSpan(ctx, "as it came")
		assert.Equal(t, !test.changed, s.SpanContext().IsSampled(), name)
		s.End()
		_, s = tracer.StartSpan(trace.ContextWithRemoteSpanContext(ctx, sc.WithTraceFlags(sc.TraceFlags()^trace.FlagsSampled)), "changed")
		assert.Equal(t, test.changed, s.SpanContext().IsSampled(), name)
		s.End()
	}
}

// A load balancer of AWS, and a synthetic test of Datadog, begin a trace without a span. The root span that
// starts here is of that trace, as with the libraries of both.
func TestRootJoinsATraceThatBeganWithoutASpan(t *testing.T) {
	t.Parallel()
	prop, err := propagation.New(propagation.Config{Extract: []string{"w3c", "aws", "datadog"}, Inject: []string{"w3c", "aws"}})
	require.NoError(t, err)
	root := "Root=1-0af76519-16cd43dd8448eb211c80319c"
	for name, test := range map[string]struct {
		headers http.Header
		traceID string
		sampled bool
	}{
		"a load balancer":  {http.Header{"X-Amzn-Trace-Id": {"Self=1-2-3;" + root}}, arrivedTrace, true},
		"with a decision":  {http.Header{"X-Amzn-Trace-Id": {root + ";Sampled=0"}}, arrivedTrace, false},
		"a synthetic test": {http.Header{"X-Datadog-Trace-Id": {"255"}, "X-Datadog-Parent-Id": {"0"}, "X-Datadog-Origin": {"synthetics"}, "X-Datadog-Sampling-Priority": {"1"}}, "000000000000000000000000000000ff", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tracer, c, p := newTracer(t)
			ctx := prop.Extract(context.Background(), otelprop.HeaderCarrier(test.headers))
			assert.False(t, trace.SpanContextFromContext(ctx).IsValid(), "no span to join")
			ctx, s := tracer.StartSpan(ctx, "server")
			sc := s.SpanContext()
			assert.Equal(t, test.traceID, sc.TraceID().String())
			assert.True(t, sc.IsValid())
			assert.Equal(t, test.sampled, sc.IsSampled())
			assert.False(t, sc.TraceFlags().IsRandom(), "it is not known to be")
			assert.False(t, sc.IsRemote())
			childCtx, child := tracer.StartSpan(ctx, "child")
			assert.Equal(t, test.traceID, child.SpanContext().TraceID().String())
			out := otelprop.HeaderCarrier{}
			prop.Inject(childCtx, out)
			assert.Contains(t, out.Get("traceparent"), test.traceID+"-"+child.SpanContext().SpanID().String())
			assert.Len(t, out.Get("x-request-id"), 36, "nobody before has made a span, nor one of these")
			child.End()
			s.End()
			flush(t, p)
			if test.sampled {
				assert.False(t, c.span(t, "server").Parent.IsValid())
				assert.Equal(t, sc.SpanID(), c.span(t, "child").Parent.SpanID())
			}
		})
	}
}

func TestTraceWithoutASpanGivesWayToASpan(t *testing.T) {
	t.Parallel()
	prop, err := propagation.New(propagation.Config{Extract: []string{"aws", "w3c"}, Inject: []string{"aws"}})
	require.NoError(t, err)
	tracer, _, p := newTracer(t)
	alone := http.Header{"X-Amzn-Trace-Id": {"Root=1-463ac35c-9f6413ad48485a3953bb6124"}}

	ctx, caller := tracer.StartSpan(context.Background(), "in process")
	_, s := tracer.StartSpan(prop.Extract(ctx, otelprop.HeaderCarrier(alone)), "child")
	assert.Equal(t, caller.SpanContext().TraceID(), s.SpanContext().TraceID(), "a span in the context")

	both := alone.Clone()
	both.Set("Traceparent", "00-"+arrivedTrace+"-b7ad6b7169203331-01")
	ctx = prop.Extract(context.Background(), otelprop.HeaderCarrier(both))
	_, s = tracer.StartSpan(ctx, "server")
	assert.Equal(t, arrivedTrace, s.SpanContext().TraceID().String(), "a span in another format")

	ctx = prop.Extract(context.Background(), otelprop.HeaderCarrier(alone))
	_, s = tracer.StartSpan(ctx, "new root", tracing.WithNewRoot())
	assert.NotEqual(t, "463ac35c9f6413ad48485a3953bb6124", s.SpanContext().TraceID().String(), "a new root is a new trace")

	require.NoError(t, p.Shutdown(context.Background()))
	ctx, _ = tracer.StartSpan(ctx, "after Shutdown")
	out := otelprop.HeaderCarrier{}
	prop.Inject(ctx, out)
	assert.Equal(t, otelprop.HeaderCarrier(alone), out, "what arrived goes on")
}
