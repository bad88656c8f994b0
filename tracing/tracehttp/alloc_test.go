// SPDX-License-Identifier: Apache-2.0

package tracehttp_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	otelpropagation "go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/spandrel-go/spandrel/internal/testkit"
	"github.com/spandrel-go/spandrel/tracing/tracehttp"
)

// The guards are about the wrappers alone: the provider and the propagator of these tests allocate
// nothing.

type (
	freeProvider struct {
		noop.TracerProvider
		span trace.Span
	}
	freeTracer struct {
		noop.Tracer
		span trace.Span
	}
	freeSpan struct {
		noop.Span
		recording bool
	}
)

func (p freeProvider) Tracer(string, ...trace.TracerOption) trace.Tracer {
	return &freeTracer{span: p.span}
}

func (f *freeTracer) Start(ctx context.Context, _ string, _ ...trace.SpanStartOption) (context.Context, trace.Span) {
	return ctx, f.span
}

func (s freeSpan) IsRecording() bool { return s.recording }

func free(recording bool) []tracehttp.Option {
	return []tracehttp.Option{
		tracehttp.WithTracerProvider(freeProvider{span: &freeSpan{recording: recording}}),
		tracehttp.WithPropagator(otelpropagation.NewCompositeTextMapPropagator()),
	}
}

// Start attributes, the option that holds them, the list of options, the copy of the request.
const startMallocs = 4

func TestHandlerMallocsNotRecording(t *testing.T) {
	h := tracehttp.NewHandler(hello, "hello", free(false)...)
	w, r := &discard{http.Header{}}, incoming()
	testkit.MaxMallocs(t, 1000, startMallocs, func() { h.ServeHTTP(w, r) })
}

// A recording span adds the response writer, in whatever set of interfaces, and the end attributes.
func TestHandlerMallocsRecording(t *testing.T) {
	h := tracehttp.NewHandler(hello, "hello", free(true)...)
	w, r := &discard{http.Header{}}, incoming()
	r.Pattern = "GET /items/{id}"
	const cache = 0.01 // the runtime's cache of type assertions grows now and then
	testkit.MaxMallocs(t, 1000, startMallocs+2+cache, func() { h.ServeHTTP(w, r) })
}

// A client adds the URL and a copy of the headers: map and values.
func TestTransportMallocsNotRecording(t *testing.T) {
	transportMallocs(t, false, 0)
}

// A recording span adds the end attributes.
func TestTransportMallocsRecording(t *testing.T) {
	transportMallocs(t, true, 1)
}

func transportMallocs(t *testing.T, recording bool, more float64) {
	resp := &http.Response{StatusCode: 200, ProtoMajor: 1, ProtoMinor: 1, Body: http.NoBody}
	base := roundTripper(func(*http.Request) (*http.Response, error) { return resp, nil })
	rt := tracehttp.NewTransport(base, free(recording)...)
	req := newRequest(t, t.Context(), "http://shop.example/items/7?page=2")
	req.Header.Set("User-Agent", "shop/1")
	testkit.MaxMallocs(t, 1000, startMallocs+4+more, func() {
		resp, err := rt.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	})
}

// A span must not keep a long request line or header alive through a short piece of it.
func TestSpansDoNotRetainLongRequests(t *testing.T) {
	const requests, size = 10, 1 << 20
	rec := newRecorder(t)
	h := tracehttp.NewHandler(nothing, "", tracehttp.WithTracerProvider(rec))
	heap := func() uint64 {
		runtime.GC()
		runtime.GC() // what pools hold goes in the second
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	for _, method := range []string{http.MethodGet, "PURGE"} {
		for range requests {
			r := httptest.NewRequest(method, "http://a.example/short?q="+strings.Repeat("x", size), http.NoBody)
			r.Header.Set("X-Forwarded-For", "192.0.2.1,"+strings.Repeat("x", size))
			r.Header.Set("X-Forwarded-Proto", "https,"+strings.Repeat("x", size))
			h.ServeHTTP(httptest.NewRecorder(), r)
		}
	}
	spans := rec.ended()
	after := heap()
	require.Len(t, spans, 2*requests)
	assert.Less(t, after, before+requests*size/4)
	assert.Equal(t, "/short", values(t, spans[0].Attributes)["url.path"])
}
