// SPDX-License-Identifier: Apache-2.0

package zipkin_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/exporters/zipkin"
	"github.com/spandrel-go/spandrel/tracing"
)

// statusServer is a server that answers with one status and keeps what it is sent.
type statusServer struct {
	*httptest.Server
	mu     sync.Mutex
	bodies [][]byte
}

func newBackend(t *testing.T, status int, header ...string) *statusServer {
	t.Helper()
	b := &statusServer{}
	b.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		b.mu.Lock()
		b.bodies = append(b.bodies, body)
		b.mu.Unlock()
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, http.StatusText(status)) // refused for a status without a body
	}))
	t.Cleanup(b.Close)
	return b
}

// received returns the spans of all requests.
func (b *statusServer) received(t *testing.T) []map[string]any {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	var spans []map[string]any
	for _, body := range b.bodies {
		spans = append(spans, decode[[]map[string]any](t, body)...)
	}
	return spans
}

func exporterFor(t *testing.T, url string, opts ...zipkin.Option) *zipkin.Exporter {
	t.Helper()
	e, err := zipkin.New(url, opts...)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, e.Shutdown(context.WithoutCancel(t.Context()))) })
	return e
}

func TestExportByStatus(t *testing.T) {
	t.Parallel()
	tests := []struct {
		status int
		header []string
		want   *tracing.ExportError // nil for success
	}{
		{status: 202},
		{status: 200},
		{status: 204},
		{status: 400, want: &tracing.ExportError{}},
		{status: 404, want: &tracing.ExportError{}},
		{status: 500, want: &tracing.ExportError{}},
		{status: 307, header: []string{"Location", "/elsewhere"}, want: &tracing.ExportError{}},
		{status: 413, want: &tracing.ExportError{TooLarge: true}},
		{status: 408, want: &tracing.ExportError{Retryable: true}},
		{status: 429, header: []string{"Retry-After", "7"}, want: &tracing.ExportError{Retryable: true, RetryAfter: 7 * time.Second}},
		{status: 502, want: &tracing.ExportError{Retryable: true}},
		{status: 503, want: &tracing.ExportError{Retryable: true}},
		{status: 504, want: &tracing.ExportError{Retryable: true}},
	}
	for _, tt := range tests {
		t.Run(http.StatusText(tt.status), func(t *testing.T) {
			t.Parallel()
			b := newBackend(t, tt.status, tt.header...)
			e := exporterFor(t, b.URL+"/api/v2/spans?key=secret")
			err := e.ExportSpans(t.Context(), []*tracing.SpanData{newSpan(), newSpan()})
			assert.Len(t, b.received(t), 2)
			if tt.want == nil {
				require.NoError(t, err)
				return
			}
			var got *tracing.ExportError
			require.ErrorAs(t, err, &got)
			tt.want.Err = got.Err
			assert.Equal(t, tt.want, got)
			assert.Regexp(t, `^zipkin: post http://127\.0\.0\.1:\d+/api/v2/spans: status \d{3}: \S`, err.Error())
			assert.NotContains(t, err.Error(), "secret")
		})
	}
}

func TestExportRetryAfterDate(t *testing.T) {
	t.Parallel()
	b := newBackend(t, 503, "Retry-After", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
	err := exporterFor(t, b.URL).SendRequest(t.Context(), []byte("[]"), 0)
	var failure *tracing.ExportError
	require.ErrorAs(t, err, &failure)
	assert.InDelta(t, 3600, failure.RetryAfter.Seconds(), 60)
}

func TestExportConnectionRefused(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	err = exporterFor(t, "http://"+l.Addr().String()).SendRequest(t.Context(), []byte("[]"), 0)
	var failure *tracing.ExportError
	require.ErrorAs(t, err, &failure)
	assert.True(t, failure.Retryable)
	assert.False(t, failure.TooLarge)
	var op *net.OpError
	assert.ErrorAs(t, err, &op)
}

// never is a server that answers only when the client has gone away.
func never(t *testing.T) *httptest.Server {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // net/http watches the connection once the body is read
		<-r.Context().Done()
	}))
	t.Cleanup(srv.Close)
	return srv
}

func TestExportServerThatNeverAnswers(t *testing.T) {
	t.Parallel()
	t.Run("deadline of ctx", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		err := exporterFor(t, never(t).URL).ExportSpans(ctx, []*tracing.SpanData{newSpan()})
		requireTimeout(t, err)
	})
	t.Run("timeout of the exporter", func(t *testing.T) {
		t.Parallel()
		err := exporterFor(t, never(t).URL, zipkin.WithTimeout(20*time.Millisecond)).ExportSpans(t.Context(), []*tracing.SpanData{newSpan()})
		requireTimeout(t, err)
	})
}

func requireTimeout(t *testing.T, err error) {
	t.Helper()
	require.ErrorIs(t, err, context.DeadlineExceeded)
	var failure *tracing.ExportError
	require.ErrorAs(t, err, &failure)
	assert.True(t, failure.Retryable)
}

// The server answers 413 and reads nothing. The body's bytes are the caller's again when SendRequest
// has returned; it writes to them, and the race detector sees a late reader.
func TestSendRequestBodyIsBorrowed(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusRequestEntityTooLarge)
	}))
	defer srv.Close()
	e := exporterFor(t, srv.URL)
	body := make([]byte, 16<<20)
	for range 3 {
		var failure *tracing.ExportError
		require.ErrorAs(t, e.SendRequest(t.Context(), body, 1), &failure)
		assert.True(t, failure.TooLarge)
		clear(body)
	}
}

func TestExportSpansIsSameAsThePipeline(t *testing.T) {
	t.Parallel()
	b := newBackend(t, 202)
	e := exporterFor(t, b.URL)
	spans := []*tracing.SpanData{newSpan(), bigSpan(), newSpan()}
	for _, d := range spans {
		d.Resource = spans[0].Resource
	}
	require.NoError(t, e.ExportSpans(t.Context(), spans))
	require.Len(t, b.bodies, 1)
	assert.Equal(t, string(request(e, spans...)), string(b.bodies[0]))
}

func TestExportSpansOfSeveralResources(t *testing.T) {
	t.Parallel()
	b := newBackend(t, 202)
	spans := []*tracing.SpanData{newSpan(), newSpan(), newSpan()}
	spans[1].Resource = tracing.NewResource(attribute.String("service.name", "Cart"))
	require.NoError(t, exporterFor(t, b.URL).ExportSpans(t.Context(), spans))
	var names []any
	for _, s := range b.received(t) {
		names = append(names, s["localEndpoint"].(map[string]any)["serviceName"])
	}
	assert.Equal(t, []any{"shop", "cart", "shop"}, names)
}

func TestExportSpansWithoutValidIDs(t *testing.T) {
	t.Parallel()
	invalid := newSpan()
	invalid.SpanContext = trace.SpanContext{}
	t.Run("some", func(t *testing.T) {
		t.Parallel()
		b := newBackend(t, 202)
		err := exporterFor(t, b.URL).ExportSpans(t.Context(), []*tracing.SpanData{invalid, newSpan(), invalid, newSpan(), invalid})
		var failure *tracing.ExportError
		require.ErrorAs(t, err, &failure)
		require.EqualError(t, err, "zipkin: 3 of 5 spans have no valid ids")
		assert.Equal(t, 3, failure.Rejected)
		assert.Len(t, b.received(t), 2)
	})
	t.Run("all", func(t *testing.T) {
		t.Parallel()
		b := newBackend(t, 202)
		err := exporterFor(t, b.URL).ExportSpans(t.Context(), []*tracing.SpanData{invalid})
		var failure *tracing.ExportError
		require.ErrorAs(t, err, &failure)
		assert.Zero(t, failure.Rejected, "the whole batch failed")
		assert.False(t, failure.Retryable)
		assert.Empty(t, b.bodies, "no empty request")
	})
}

func TestShutdown(t *testing.T) {
	t.Parallel()
	b := newBackend(t, 202)
	e := exporterFor(t, b.URL)
	require.NoError(t, e.ExportSpans(t.Context(), []*tracing.SpanData{newSpan()}))
	for range 3 {
		require.NoError(t, e.Shutdown(t.Context()))
	}
	var failure *tracing.ExportError
	require.ErrorAs(t, e.ExportSpans(t.Context(), []*tracing.SpanData{newSpan()}), &failure)
	require.EqualError(t, failure, "zipkin: exporter is shut down")
	assert.False(t, failure.Retryable)
	assert.Len(t, b.received(t), 1, "nothing is sent after Shutdown")
}

func TestExporterConcurrentSafe(t *testing.T) {
	t.Parallel()
	b := newBackend(t, 202)
	e := exporterFor(t, b.URL)
	d := bigSpan()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 5 {
				assert.NoError(t, e.ExportSpans(t.Context(), []*tracing.SpanData{d, d}))
			}
		})
	}
	wg.Wait()
	assert.Len(t, b.received(t), 40)
}

// The address of a Zipkin server is not yet the URL of its API, and the error says so.
func TestURLWithoutAPath(t *testing.T) {
	t.Parallel()
	for path, advised := range map[string]bool{"": true, "/": true, "/zipkin": false} {
		server := httptest.NewServer(http.RedirectHandler("/zipkin/", http.StatusFound))
		t.Cleanup(server.Close)
		e, err := zipkin.New(server.URL + path)
		require.NoError(t, err)
		err = e.SendRequest(t.Context(), []byte("[]"), 1)
		require.ErrorContains(t, err, "302")
		assert.Equal(t, advised, strings.Contains(err.Error(), "Zipkin's is /api/v2/spans"), "%q: %v", path, err)
		require.NoError(t, e.Shutdown(t.Context()))
	}
}
