// SPDX-License-Identifier: Apache-2.0

package tracehttp_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/tracing/tracehttp"
)

// only returns the one span that has ended.
func only(t testing.TB, rec *recorder) *spanData {
	t.Helper()
	spans := rec.ended()
	require.Len(t, spans, 1)
	return spans[0]
}

// ofKind returns the spans of one kind.
func ofKind(spans []*spanData, kind trace.SpanKind) []*spanData {
	var found []*spanData
	for _, d := range spans {
		if d.Kind == kind {
			found = append(found, d)
		}
	}
	return found
}

// values returns attributes as a map; each key must stand there once.
func values(t testing.TB, attrs []attribute.KeyValue) map[string]any {
	t.Helper()
	m := make(map[string]any, len(attrs))
	for _, kv := range attrs {
		assert.NotContains(t, m, string(kv.Key), "the key stands there twice")
		m[string(kv.Key)] = kv.Value.AsInterface()
	}
	return m
}

// site is a real server on loopback whose handler calls can be waited for: a client has its response
// before the handler, and with it the span, comes to its end.
type site struct {
	*httptest.Server
	calls sync.WaitGroup
}

// newSite starts a server that serves h traced by rec.
func newSite(t testing.TB, rec *recorder, h http.Handler, opts ...tracehttp.Option) *site {
	t.Helper()
	s := newUnstartedSite(t, rec, h, opts...)
	s.Start()
	return s
}

func newUnstartedSite(t testing.TB, rec *recorder, h http.Handler, opts ...tracehttp.Option) *site {
	t.Helper()
	traced := tracehttp.NewHandler(h, "site", append(opts, tracehttp.WithTracerProvider(rec))...)
	s := &site{}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.calls.Add(1)
		defer s.calls.Done()
		traced.ServeHTTP(w, r)
	}))
	// net/http logs panics and late writes, which some tests are about.
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	t.Cleanup(s.Close)
	return s
}

// tracedClient returns a client of s whose spans rec records.
func (s *site) tracedClient(rec *recorder, opts ...tracehttp.Option) *http.Client {
	c := *s.Client()
	c.Transport = tracehttp.NewTransport(c.Transport, append(opts, tracehttp.WithTracerProvider(rec))...)
	return &c
}

// get sends a GET request and returns the status code and the body.
func get(t testing.TB, c *http.Client, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, url, http.NoBody)
	require.NoError(t, err)
	return send(t, c, req)
}

// send sends req and returns the status code and the body.
func send(t testing.TB, c *http.Client, req *http.Request) (int, string) {
	t.Helper()
	resp, err := c.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(text)
}

// handle calls h, traced by rec, with r and without a network.
func handle(t testing.TB, rec *recorder, h http.Handler, r *http.Request, opts ...tracehttp.Option) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	tracehttp.NewHandler(h, "", append(opts, tracehttp.WithTracerProvider(rec))...).ServeHTTP(w, r)
	return w
}

// answer is a handler that writes one status code.
func answer(code int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) })
}

// nothing is a handler that writes nothing.
var nothing = http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
