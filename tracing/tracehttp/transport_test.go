// SPDX-License-Identifier: Apache-2.0

package tracehttp_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/tracing/tracehttp"
)

// roundTripper is a base transport made of a function.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// respondWith is a base transport that gives the same answer always.
func respondWith(code int, body io.ReadCloser) roundTripper {
	return func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: code, ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{}, Body: body}, nil
	}
}

func newTransport(base http.RoundTripper, rec *recorder, opts ...tracehttp.Option) http.RoundTripper {
	return tracehttp.NewTransport(base, append(opts, tracehttp.WithTracerProvider(rec))...)
}

func newRequest(t testing.TB, ctx context.Context, url string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	require.NoError(t, err)
	return req
}

func TestTransportRecordsRequest(t *testing.T) {
	t.Parallel()
	rec := newRecorder(t)
	server := httptest.NewServer(answer(http.StatusAccepted))
	t.Cleanup(server.Close)
	client := &http.Client{Transport: newTransport(server.Client().Transport, rec)}
	ctx, parent := rec.Tracer("test").Start(t.Context(), "parent")

	code, _ := send(t, client, newRequest(t, ctx, server.URL+"/a?sig=secret&b=1"))
	assert.Equal(t, http.StatusAccepted, code)
	parent.End()

	spans := ofKind(rec.ended(), trace.SpanKindClient)
	require.Len(t, spans, 1)
	d := spans[0]
	assert.Equal(t, "GET", d.Name)
	assert.Equal(t, codes.Unset, d.Status.Code)
	assert.Equal(t, parent.SpanContext().SpanID(), d.Parent.SpanID())
	host, port, err := net.SplitHostPort(server.Listener.Addr().String())
	require.NoError(t, err)
	portNumber, err := strconv.ParseInt(port, 10, 64)
	require.NoError(t, err)
	assert.Equal(t, map[string]any{
		"http.request.method":       "GET",
		"server.address":            host,
		"server.port":               portNumber,
		"url.full":                  server.URL + "/a?sig=REDACTED&b=1",
		"http.response.status_code": int64(202),
		"network.protocol.version":  "1.1",
	}, values(t, d.Attributes))
}

func TestTransportAttributesByRequest(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		change   func(*http.Request)
		wantName string
		want     map[string]any // nil: the attribute is not there
	}{
		{
			"user information", func(*http.Request) {}, "GET",
			map[string]any{"url.full": "https://a.example/x?q=1#top", "server.address": "a.example", "server.port": int64(443)},
		},
		{
			"http", func(r *http.Request) { r.URL.Scheme = "http" }, "GET",
			map[string]any{"server.port": int64(80)},
		},
		{
			"secrets in Opaque", func(r *http.Request) { r.URL.Opaque = "//me:pw@a.example/x?sig=secret" }, "GET",
			map[string]any{"url.full": "https://a.example/x?q=1#top"},
		},
		{
			"Host of its own", func(r *http.Request) { r.Host = "b.example:81" }, "GET",
			map[string]any{"server.address": "b.example", "server.port": int64(81)},
		},
		{
			"no Host", func(r *http.Request) { r.Host = "" }, "GET",
			map[string]any{"server.address": "a.example"},
		},
		{"no URL", func(r *http.Request) { r.URL = nil }, "GET", map[string]any{"url.full": nil, "server.address": nil}},
		{
			"no method", func(r *http.Request) { r.Method = "" }, "GET",
			map[string]any{"http.request.method": "GET", "http.request.method_original": nil},
		},
		{
			"unknown method", func(r *http.Request) { r.Method = "PURGE" }, "HTTP",
			map[string]any{"http.request.method": "_OTHER", "http.request.method_original": "PURGE"},
		},
		{"no header", func(r *http.Request) { r.Header = nil }, "GET", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rec := newRecorder(t)
			req := newRequest(t, t.Context(), "https://me:pw@a.example/x?q=1#top")
			tt.change(req)
			resp, err := newTransport(respondWith(200, http.NoBody), rec).RoundTrip(req)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			d := only(t, rec)
			assert.Equal(t, tt.wantName, d.Name)
			got := values(t, d.Attributes)
			for key, want := range tt.want {
				if want == nil {
					assert.NotContains(t, got, key)
				} else {
					assert.Equal(t, want, got[key], key)
				}
			}
		})
	}
}

func TestTransportStatus(t *testing.T) {
	t.Parallel()
	for code, wantError := range map[int]string{200: "", 302: "", 399: "", 400: "400", 404: "404", 500: "500", 600: "600"} {
		rec := newRecorder(t)
		resp, err := newTransport(respondWith(code, http.NoBody), rec).RoundTrip(newRequest(t, t.Context(), "http://a.example"))
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		d := only(t, rec)
		got := values(t, d.Attributes)
		assert.Equal(t, int64(code), got["http.response.status_code"])
		assert.Empty(t, d.Status.Description)
		if wantError == "" {
			assert.Equal(t, codes.Unset, d.Status.Code, "status of %d", code)
			assert.NotContains(t, got, "error.type")
		} else {
			assert.Equal(t, codes.Error, d.Status.Code, "status of %d", code)
			assert.Equal(t, wantError, got["error.type"])
		}
	}
}

// assertFailed asserts that a span failed with an error of one type, as status, attribute and event.
func assertFailed(t *testing.T, d *spanData, wantType string) {
	t.Helper()
	assert.Equal(t, codes.Error, d.Status.Code)
	assert.NotEmpty(t, d.Status.Description)
	assert.Equal(t, wantType, values(t, d.Attributes)["error.type"])
	if assert.Len(t, d.Events, 1) {
		assert.Equal(t, "exception", d.Events[0].Name)
		event := values(t, d.Events[0].Attributes)
		assert.Equal(t, wantType, event["exception.type"])
		assert.Equal(t, d.Status.Description, event["exception.message"])
	}
}

func TestTransportError(t *testing.T) {
	t.Parallel()
	t.Run("nobody listens", func(t *testing.T) {
		t.Parallel()
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		require.NoError(t, l.Close())
		rec := newRecorder(t)
		_, err = newTransport(&http.Transport{}, rec).RoundTrip(newRequest(t, t.Context(), "http://"+l.Addr().String()))
		require.Error(t, err)
		assertFailed(t, only(t, rec), "*net.OpError")
	})
	t.Run("a long message is cut", func(t *testing.T) {
		t.Parallel()
		rec := newRecorder(t)
		want := errors.New(strings.Repeat("x", 1<<20))
		base := roundTripper(func(*http.Request) (*http.Response, error) { return nil, want })
		_, err := newTransport(base, rec).RoundTrip(newRequest(t, t.Context(), "http://a.example"))
		assert.Equal(t, want, err, "the caller's error is whole")
		d := only(t, rec)
		assertFailed(t, d, "*errors.errorString")
		assert.Len(t, d.Status.Description, 1024)
	})
	t.Run("cancelled", func(t *testing.T) {
		t.Parallel()
		rec := newRecorder(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := newTransport(&http.Transport{}, rec).RoundTrip(newRequest(t, ctx, "http://127.0.0.1:1"))
		require.ErrorIs(t, err, context.Canceled)
		assertFailed(t, only(t, rec), "context.Canceled")
	})
	t.Run("too late", func(t *testing.T) {
		t.Parallel()
		rec := newRecorder(t)
		base := roundTripper(func(*http.Request) (*http.Response, error) { return nil, context.DeadlineExceeded })
		_, err := newTransport(base, rec).RoundTrip(newRequest(t, t.Context(), "http://a.example"))
		require.Error(t, err)
		assertFailed(t, only(t, rec), "context.DeadlineExceeded")
	})
	t.Run("neither response nor error", func(t *testing.T) {
		t.Parallel()
		rec := newRecorder(t)
		base := roundTripper(func(*http.Request) (*http.Response, error) { return nil, nil })
		resp, err := newTransport(base, rec).RoundTrip(newRequest(t, t.Context(), "http://a.example"))
		assert.NoError(t, err)
		assert.Nil(t, resp)
		assert.Equal(t, codes.Error, only(t, rec).Status.Code)
	})
	t.Run("not recording", func(t *testing.T) {
		t.Parallel()
		rec := newDropper(t)
		want := errors.New("no")
		base := roundTripper(func(*http.Request) (*http.Response, error) { return nil, want })
		_, err := newTransport(base, rec).RoundTrip(newRequest(t, t.Context(), "http://a.example"))
		assert.Equal(t, want, err)
	})
}

func TestTransportDoesNotChangeTheRequest(t *testing.T) {
	t.Parallel()
	rec := newRecorder(t)
	var sent *http.Request
	base := roundTripper(func(r *http.Request) (*http.Response, error) {
		sent = r
		return respondWith(200, http.NoBody)(r)
	})
	req := newRequest(t, t.Context(), "http://a.example/")
	req.Header["X-Own"] = []string{"1"}
	req.Header.Set("Traceparent", "old")
	before := req.Header.Clone()
	ctx := req.Context()

	resp, err := newTransport(base, rec).RoundTrip(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Equal(t, before, req.Header)
	assert.Equal(t, ctx, req.Context())
	assert.NotSame(t, req, sent)
	assert.Equal(t, "1", sent.Header.Get("X-Own"))
	d := only(t, rec)
	assert.Equal(t, "00-"+d.SpanContext.TraceID().String()+"-"+d.SpanContext.SpanID().String()+"-03",
		sent.Header.Get("Traceparent"), "the header names the client span")
}

func TestTransportFilterSendsNoHeaders(t *testing.T) {
	t.Parallel()
	rec := newRecorder(t)
	var sent *http.Request
	base := roundTripper(func(r *http.Request) (*http.Response, error) {
		sent = r
		return respondWith(200, http.NoBody)(r)
	})
	ours := tracehttp.WithFilter(func(r *http.Request) bool { return strings.HasSuffix(r.URL.Host, ".internal") })
	req := newRequest(t, t.Context(), "http://a.example/")
	resp, err := newTransport(base, rec, ours).RoundTrip(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Same(t, req, sent)
	assert.Empty(t, sent.Header)
	assert.Empty(t, rec.ended())
}

func TestTransportRecordsEachRedirect(t *testing.T) {
	t.Parallel()
	rec := newRecorder(t)
	mux := http.NewServeMux()
	mux.Handle("/old", http.RedirectHandler("/new", http.StatusFound))
	mux.Handle("/new", nothing)
	s := newSite(t, rec, mux)
	ctx, parent := rec.Tracer("test").Start(t.Context(), "parent")
	send(t, s.tracedClient(rec), newRequest(t, ctx, s.URL+"/old"))
	parent.End()
	s.calls.Wait()

	spans := rec.ended()
	clients, servers := ofKind(spans, trace.SpanKindClient), ofKind(spans, trace.SpanKindServer)
	require.Len(t, clients, 2)
	require.Len(t, servers, 2)
	parents := map[trace.SpanID]bool{}
	for _, d := range clients {
		assert.Equal(t, parent.SpanContext().SpanID(), d.Parent.SpanID(), "redirects are siblings")
		parents[d.SpanContext.SpanID()] = true
	}
	for _, d := range servers {
		assert.True(t, parents[d.Parent.SpanID()], "each server span has a client span of its own")
		delete(parents, d.Parent.SpanID())
	}
}

// idler is a transport that can close idle connections.
type idler struct {
	roundTripper
	closed int
}

func (i *idler) CloseIdleConnections() { i.closed++ }

func TestTransportCloseIdleConnections(t *testing.T) {
	t.Parallel()
	base := &idler{}
	(&http.Client{Transport: tracehttp.NewTransport(base)}).CloseIdleConnections()
	assert.Equal(t, 1, base.closed)
	assert.NotPanics(t, func() {
		(&http.Client{Transport: tracehttp.NewTransport(roundTripper(nil))}).CloseIdleConnections()
	})
}

func TestTransportNilBaseIsDefaultTransport(t *testing.T) {
	rec := newRecorder(t)
	s := newSite(t, rec, nothing)
	client := &http.Client{Transport: newTransport(nil, rec)}
	defer client.CloseIdleConnections()
	get(t, client, s.URL)
	s.calls.Wait()
	assert.Len(t, rec.ended(), 2)
}

// panicking is a base transport that panics.
type panicking struct{}

func (panicking) RoundTrip(*http.Request) (*http.Response, error) { panic("base") }

func TestBaseTransportPanics(t *testing.T) {
	t.Parallel()
	rec := newRecorder(t)
	client := newTransport(panicking{}, rec)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1/", nil)
	require.NoError(t, err)
	assert.PanicsWithValue(t, "base", func() {
		resp, err := client.RoundTrip(req)
		if err == nil {
			resp.Body.Close()
		}
	})
	spans := rec.ended()
	require.Len(t, spans, 1, "the span does not stay open")
	assert.Equal(t, codes.Error, spans[0].Status.Code)
}
