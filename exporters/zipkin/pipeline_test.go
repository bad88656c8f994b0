// SPDX-License-Identifier: Apache-2.0

package zipkin_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/exporters/zipkin"
	"github.com/spandrel-go/spandrel/tracing"
)

func newProvider(t *testing.T, url string, opts ...tracing.PipelineOption) *tracing.Provider {
	t.Helper()
	e, err := zipkin.New(url)
	require.NoError(t, err)
	p, err := tracing.NewProvider(tracing.WithExporter(e, opts...), tracing.WithServiceName("Shop"))
	require.NoError(t, err)
	return p
}

// byName returns the spans that a server got.
func byName(spans []map[string]any) map[string]map[string]any {
	m := map[string]map[string]any{}
	for _, s := range spans {
		m[s["name"].(string)] = s
	}
	return m
}

func TestProviderToServer(t *testing.T) {
	t.Parallel()
	b := newBackend(t, 202)
	p := newProvider(t, b.URL)
	tracer := p.Tracer("shop/cart", trace.WithInstrumentationVersion("v1"))
	ctx, root := tracer.Start(t.Context(), "GET /Cart", trace.WithSpanKind(trace.SpanKindServer), trace.WithTimestamp(start))
	_, child := tracer.Start(ctx, "query", trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(attribute.String("db.name", "Carts")))
	child.AddEvent("retry", trace.WithAttributes(attribute.Int("attempt", 2)))
	child.RecordError(errors.New("deadlock"))
	child.SetStatus(codes.Error, "deadlock")
	child.End()
	root.End(trace.WithTimestamp(start.Add(1500 * time.Microsecond)))
	require.NoError(t, p.Shutdown(t.Context()))

	got := byName(b.received(t))
	require.Len(t, got, 2)
	r, c := got["GET /Cart"], got["query"]
	assert.Equal(t, map[string]any{
		"localEndpoint": map[string]any{"serviceName": "shop"},
		"traceId":       root.SpanContext().TraceID().String(), "id": root.SpanContext().SpanID().String(),
		"kind": "SERVER", "name": "GET /Cart", "timestamp": float64(start.UnixMicro()), "duration": 1500.0,
		"tags": map[string]any{
			"otel.scope.name": "shop/cart", "otel.library.name": "shop/cart", "otel.scope.version": "v1", "otel.library.version": "v1",
		},
	}, r)
	assert.Equal(t, r["traceId"], c["traceId"])
	assert.Equal(t, r["id"], c["parentId"])
	assert.Equal(t, map[string]any{"serviceName": "carts"}, c["remoteEndpoint"])
	assert.Equal(t, "ERROR", c["tags"].(map[string]any)["otel.status_code"])
	assert.Equal(t, "deadlock", c["tags"].(map[string]any)["error"])
	notes := c["annotations"].([]any)
	require.Len(t, notes, 2)
	assert.Equal(t, `"retry": {"attempt":2}`, notes[0].(map[string]any)["value"])
	assert.Contains(t, notes[1].(map[string]any)["value"], `"exception": {"exception.type":`)

	assert.Equal(t, uint64(2), p.Stats().Exporters[0].Exported)
}

// The server is overloaded twice; what it then gets is whole, and every span is there once.
func TestProviderTriesAgain(t *testing.T) {
	t.Parallel()
	var requests atomic.Int64
	var bodies [][]byte // written by one request at a time, read after Shutdown
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		if requests.Add(1) <= 2 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		bodies = append(bodies, body)
		w.WriteHeader(http.StatusAccepted)
	}))
	defer srv.Close()
	p := newProvider(t, srv.URL)
	for i := range 10 {
		_, span := p.Tracer("t").Start(t.Context(), strconv.Itoa(i))
		span.End()
	}
	require.NoError(t, p.ForceFlush(t.Context()))
	require.NoError(t, p.Shutdown(t.Context()))
	var spans []map[string]any
	for _, body := range bodies {
		spans = append(spans, decode[[]map[string]any](t, body)...)
	}
	assert.Len(t, spans, 10)
	assert.Len(t, byName(spans), 10)
	stats := p.Stats().Exporters[0]
	assert.Equal(t, uint64(10), stats.Exported)
	assert.Equal(t, uint64(2), stats.Retried)
}

// The server refuses bodies above a size; the batch is split until they fit, and the one span that is
// too large alone is counted.
func TestProviderSplitsWhatIsTooLarge(t *testing.T) {
	t.Parallel()
	const limit = 4 << 10
	var received atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength > limit {
			w.WriteHeader(http.StatusRequestEntityTooLarge) // without reading
			return
		}
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		received.Add(int64(len(decode[[]any](t, body))))
		w.WriteHeader(http.StatusAccepted)
	}))
	defer srv.Close()
	p := newProvider(t, srv.URL)
	for i := range 40 {
		size := 200
		if i == 17 {
			size = 2 * limit
		}
		_, span := p.Tracer("t").Start(t.Context(), "span", trace.WithAttributes(attribute.String("k", string(make([]byte, size)))))
		span.End()
	}
	err := p.Shutdown(t.Context())
	stats := p.Stats().Exporters[0]
	assert.Equal(t, uint64(39), stats.Exported, "%v %+v", err, stats)
	assert.Equal(t, uint64(1), stats.Dropped.TooLarge)
	assert.Equal(t, int64(39), received.Load())
}
