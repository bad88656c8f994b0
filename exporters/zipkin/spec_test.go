// SPDX-License-Identifier: Apache-2.0

package zipkin_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/tracing"
)

// mapped returns what Zipkin's JSON says of a span that edit has changed.
func mapped(t *testing.T, edit func(*tracing.SpanData)) map[string]any {
	t.Helper()
	d := newSpan()
	edit(d)
	spans := decode[[]map[string]any](t, request(newExporter(t), d))
	require.Len(t, spans, 1)
	return spans[0]
}

func withAttributes(kv ...attribute.KeyValue) func(*tracing.SpanData) {
	return func(d *tracing.SpanData) { d.Attributes = kv }
}

func TestSpec_Zipkin_V2_JSON(t *testing.T) {
	t.Parallel()
	b := newBackend(t, 202)
	require.NoError(t, exporterFor(t, b.URL).ExportSpans(t.Context(), []*tracing.SpanData{newSpan()}))
	bodies := b.received(t)
	require.Len(t, bodies, 1)
	assert.Equal(t, map[string]any{
		"traceId": "463ac35c9f6413ad48485a3953bb6124", "id": "a2fb4a1d1a96d312", "name": "GET /cart",
		"timestamp": float64(start.UnixMicro()), "duration": 1500.0,
		"localEndpoint": map[string]any{"serviceName": "shop"},
	}, bodies[0], "and what can be absent is")
}

func TestSpec_Zipkin_service_name(t *testing.T) {
	t.Parallel()
	of := func(attrs ...attribute.KeyValue) (name, namespace any) {
		s := mapped(t, func(d *tracing.SpanData) { d.Resource = tracing.NewResource(attrs...) })
		if tags, ok := s["tags"].(map[string]any); ok {
			namespace = tags["service.namespace"]
		}
		return s["localEndpoint"].(map[string]any)["serviceName"], namespace
	}
	name, _ := of(attribute.String("service.name", "shop"))
	assert.Equal(t, "shop", name)
	name, _ = of()
	assert.Equal(t, "unknown_service", name)
	name, namespace := of(attribute.String("service.name", "shop"), attribute.String("service.namespace", "retail"))
	assert.Equal(t, "shop", name, "without the namespace")
	assert.Equal(t, "retail", namespace)
}

func TestSpec_Zipkin_span_kind(t *testing.T) {
	t.Parallel()
	for kind, want := range map[trace.SpanKind]any{
		trace.SpanKindClient: "CLIENT", trace.SpanKindServer: "SERVER", trace.SpanKindConsumer: "CONSUMER",
		trace.SpanKindProducer: "PRODUCER", trace.SpanKindInternal: nil,
	} {
		assert.Equal(t, want, mapped(t, func(d *tracing.SpanData) { d.Kind = kind })["kind"], kind)
	}
}

func TestSpec_Zipkin_scope(t *testing.T) {
	t.Parallel()
	assert.Equal(t, map[string]any{
		"otel.scope.name": "shop/cart", "otel.scope.version": "v1.2.3",
		"otel.library.name": "shop/cart", "otel.library.version": "v1.2.3",
	}, mapped(t, func(d *tracing.SpanData) { d.Scope = &tracing.Scope{Name: "shop/cart", Version: "v1.2.3"} })["tags"])
	assert.NotContains(t, mapped(t, func(*tracing.SpanData) {}), "tags", "without a name")
}

func TestSpec_Zipkin_boolean_attributes(t *testing.T) {
	t.Parallel()
	assert.Equal(t, map[string]any{"yes": "true", "no": "false"},
		mapped(t, withAttributes(attribute.Bool("yes", true), attribute.Bool("no", false)))["tags"])
}

func TestSpec_Zipkin_array_attributes(t *testing.T) {
	t.Parallel()
	assert.Equal(t, map[string]any{"b": `[true,false]`, "i": `[1,-2]`, "f": `[0.5,2]`, "s": `["a","\"b\""]`},
		mapped(t, withAttributes(
			attribute.BoolSlice("b", []bool{true, false}), attribute.IntSlice("i", []int{1, -2}),
			attribute.Float64Slice("f", []float64{0.5, 2}), attribute.StringSlice("s", []string{"a", `"b"`}),
		))["tags"])
}

func TestSpec_Zipkin_status(t *testing.T) {
	t.Parallel()
	of := func(code codes.Code, description string, attrs ...attribute.KeyValue) any {
		return mapped(t, func(d *tracing.SpanData) {
			d.Status, d.Attributes = tracing.Status{Code: code, Description: description}, attrs
		})["tags"]
	}
	assert.Nil(t, of(codes.Unset, ""))
	assert.Equal(t, map[string]any{"otel.status_code": "OK"}, of(codes.Ok, "", attribute.Bool("error", false)))
	assert.Nil(t, of(codes.Unset, "", attribute.String("error", "false")))
}

func TestSpec_Zipkin_error_status(t *testing.T) {
	t.Parallel()
	of := func(description string) any {
		return mapped(t, func(d *tracing.SpanData) { d.Status = tracing.Status{Code: codes.Error, Description: description} })["tags"]
	}
	assert.Equal(t, map[string]any{"otel.status_code": "ERROR", "error": "no cart"}, of("no cart"))
	assert.Equal(t, map[string]any{"otel.status_code": "ERROR", "error": ""}, of(""), "also without a description")
}

func TestSpec_Zipkin_events(t *testing.T) {
	t.Parallel()
	s := mapped(t, func(d *tracing.SpanData) {
		d.Events = []tracing.Event{
			{Name: "plain", Time: start},
			{Name: "my-event-name", Time: start, Attributes: []attribute.KeyValue{attribute.String("key1", "value1"), attribute.Int("key2", 2)}},
		}
	})
	at := float64(start.UnixMicro())
	assert.Equal(t, []any{
		map[string]any{"timestamp": at, "value": "plain"},
		map[string]any{"timestamp": at, "value": `"my-event-name": {"key1":"value1","key2":2}`},
	}, s["annotations"])
}

func TestSpec_Zipkin_microseconds(t *testing.T) {
	t.Parallel()
	s := mapped(t, func(d *tracing.SpanData) {
		d.StartTime = time.Unix(1, 1999)
		d.EndTime = d.StartTime.Add(1234)
		d.Events = []tracing.Event{{Name: "e", Time: time.Unix(1, 2999)}}
	})
	assert.Equal(t, 1_000_001.0, s["timestamp"])
	assert.Equal(t, 1.0, s["duration"])
	assert.Equal(t, 1_000_002.0, s["annotations"].([]any)[0].(map[string]any)["timestamp"])
}

// Shutdown may be called by several goroutines, beside exports too. There is no ForceFlush.
func TestSpec_Zipkin_ConcurrentSafe(t *testing.T) {
	t.Parallel()
	b := newBackend(t, 202)
	e := exporterFor(t, b.URL)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() { assert.NoError(t, e.Shutdown(context.Background())) })
		wg.Go(func() { _ = e.ExportSpans(context.Background(), []*tracing.SpanData{newSpan()}) })
	}
	wg.Wait()
	sent := len(b.received(t))
	require.Error(t, e.ExportSpans(t.Context(), []*tracing.SpanData{newSpan()}))
	assert.Len(t, b.received(t), sent)
}
