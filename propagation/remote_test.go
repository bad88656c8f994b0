// SPDX-License-Identifier: Apache-2.0

package propagation_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/spandrel-go/spandrel/propagation"
)

// What Extract puts in ctx is a span as package otel/trace makes one of a remote span context.
func TestArrivedSpan(t *testing.T) {
	t.Parallel()
	p := newPropagator(t, propagation.Config{})
	ctx := p.Extract(context.Background(), headers("traceparent", "00-"+traceHex+"-"+spanHex+"-01", "tracestate", "a=b"))
	span := trace.SpanFromContext(ctx)
	want := trace.SpanFromContext(trace.ContextWithRemoteSpanContext(context.Background(), span.SpanContext()))
	require.True(t, span.SpanContext().IsRemote())
	require.True(t, span.SpanContext().IsSampled())
	assert.Equal(t, want.SpanContext(), span.SpanContext())
	assert.False(t, span.IsRecording())
	span.SetName("no effect")
	span.End()
	_, below := span.TracerProvider().Tracer("").Start(ctx, "below")
	assert.Equal(t, span.SpanContext(), below.SpanContext())

	// A provider that makes no spans hands it on.
	next, child := noop.NewTracerProvider().Tracer("").Start(ctx, "child")
	assert.Equal(t, span.SpanContext(), child.SpanContext())
	assert.Equal(t, span.SpanContext(), trace.SpanContextFromContext(next))

	// A request id alone leaves the span in ctx as it is.
	local := startSpan(t, ctx, true)
	same := p.Extract(local, headers("x-request-id", traceUUID))
	assert.Equal(t, trace.SpanFromContext(local), trace.SpanFromContext(same))
	assert.Equal(t, trace.SpanFromContext(ctx), trace.SpanFromContext(p.Extract(ctx, headers("x-request-id", traceUUID))))
}

// What the caller of RemoteFromContext does with it does not reach the headers that are sent.
func TestRemoteFromContextIsOnesOwn(t *testing.T) {
	t.Parallel()
	p := newPropagator(t, propagation.Config{})
	ctx := p.Extract(context.Background(), headers("traceparent", "00-"+traceHex+"-"+spanHex+"-01",
		"x-b3-traceid", shortHex[8:]+shortHex[:8], "x-b3-spanid", spanHex, "x-kong-request-id", "kong"))
	r, ok := propagation.RemoteFromContext(ctx)
	require.True(t, ok)
	require.Len(t, r.Extra.Links, 1)
	r.Extra.Links[0].Format, r.Extra.KongRequestID = "changed", "changed"

	again, _ := propagation.RemoteFromContext(ctx)
	assert.Equal(t, "w3c", again.Extra.Links[0].Format)
	assert.Equal(t, "kong", again.Extra.KongRequestID)
}
