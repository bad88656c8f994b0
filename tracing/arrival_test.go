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
