// SPDX-License-Identifier: Apache-2.0

package propagation_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/propagation"
)

// The headers by which Envoy and Kong find a request again travel on byte for byte, with the trace and
// without one.
func TestCorrelationHeadersTravelOn(t *testing.T) {
	t.Parallel()
	sent := []string{
		"x-request-id", "1b4e28ba-2fa1-91d2-883f-0016d3cca427", "x-client-trace-id", "C 1", "x-envoy-force-trace", "true",
		"x-kong-request-id", "9fa6e3b2a1c04d5e8f70123456789abc",
	}
	for name, trace := range map[string][]string{
		"with ids":    {"traceparent", "00-" + traceHex + "-" + spanHex + "-01"},
		"no trace":    nil,
		"no decision": {"b3", traceHex + "-" + spanHex},
		"decision":    {"b3", "0"},
	} {
		p := newPropagator(t, propagation.Config{Inject: []string{}})
		ctx := p.Extract(context.Background(), headers(append(trace, sent...)...))
		r, ok := propagation.RemoteFromContext(ctx)
		require.True(t, ok, name)
		assert.Equal(t, []string{sent[1], sent[3], sent[5], sent[7]}, []string{r.RequestID, r.Extras().ClientTraceID, r.Extras().ForceTrace, r.Extras().KongRequestID}, name)
		assert.Equal(t, headers(sent...), inject(ctx, p), name)
		assert.Equal(t, headers(sent...), inject(startSpan(t, ctx, true), p), name)
		assert.Zero(t, p.Stats(), name)
	}
}

// What we make is what Envoy's own extension would: a UUID that says whether the trace is sampled, with the same
// number for both, and the same in all calls of a trace.
func TestOwnRequestIDSaysWhatWasDecided(t *testing.T) {
	t.Parallel()
	p := newPropagator(t, propagation.Config{})
	for sampled, want := range map[bool]string{false: traceUUID, true: sampledUUID} {
		ctx := startSpan(t, context.Background(), sampled)
		child := trace.ContextWithSpanContext(ctx, trace.SpanContextFromContext(ctx).WithSpanID(spanID(t, parentHex)))
		for _, ctx := range []context.Context{ctx, child} {
			assert.Equal(t, want, inject(ctx, p).Get("x-request-id"))
			assert.Equal(t, want, propagation.RequestIDFromContext(ctx))
		}
		id := propagation.ParseRequestID(want)
		assert.Equal(t, sampled, id.Reason().Traced())
		number, ok := id.Number()
		assert.True(t, ok)
		assert.EqualValues(t, 0x0af76519, number)
		assert.Regexp(t, "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$", want)
	}
}

func TestCorrelationHeadersAreBounded(t *testing.T) {
	t.Parallel()
	p := newPropagator(t, propagation.Config{})
	for i, name := range []string{"x-request-id", "x-client-trace-id", "x-envoy-force-trace", "x-kong-request-id"} {
		ctx := p.Extract(context.Background(), headers(name, strings.Repeat("a", 256)))
		assert.Len(t, inject(ctx, p).Get(name), 256, name)
		for _, bad := range []string{strings.Repeat("a", 257), "a\x00b"} {
			ctx = p.Extract(context.Background(), headers(name, bad))
			_, ok := propagation.RemoteFromContext(ctx)
			assert.False(t, ok, name)
		}
		assert.Equal(t, []propagation.Malformed{
			{Format: "x-request-id", Reason: "length", Count: uint64(i + 1)}, {Format: "x-request-id", Reason: "syntax", Count: uint64(i + 1)},
		}, p.Stats().Malformed, name)
	}
}

// A value with which Envoy does not trace is forwarded all the same, counted, and warned about once.
func TestUntraceableRequestIDIsWarnedAboutOnce(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	p, err := propagation.New(propagation.Config{}, propagation.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	require.NoError(t, err)
	for _, id := range []string{
		"1b4e28ba-2fa1-41d2-883f-0016d3cca427", // Envoy's own: not sampled yet
		"1b4e28ba-2fa1-91d2-883f-0016d3cca427",
		"1B4E28BA-no-uuid-but-of-its-length--",
		"9fa6e3b2a1c04d5e8f70123456789abc", // of another length: Envoy samples it all the same
		"",
	} {
		p.Extract(context.Background(), headers("x-request-id", id))
	}
	assert.Zero(t, p.Stats().UntraceableRequestIDs)
	assert.Empty(t, log.String())
	for i, id := range []string{"order-4711", "1b4e28bg-2fa1-41d2-883f-0016d3cca427", "1b4e28b", "x"} {
		ctx := p.Extract(context.Background(), headers("x-request-id", id))
		assert.Equal(t, id, inject(ctx, p).Get("x-request-id"))
		assert.EqualValues(t, i+1, p.Stats().UntraceableRequestIDs)
	}
	assert.Equal(t, 1, strings.Count(log.String(), "level=WARN"))
	assert.Contains(t, log.String(), "x-request-id=order-4711")
}
