// SPDX-License-Identifier: Apache-2.0

package tracehttp_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/codes"
	otelpropagation "go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/propagation"
	"github.com/spandrel-go/spandrel/tracing/tracehttp"
)

func TestHandlerNamesSpanByRoute(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, pattern, method, target, operation string
		wantName, wantRoute                      string
	}{
		{name: "path", pattern: "/users", target: "/users", wantName: "GET /users", wantRoute: "/users"},
		{name: "method", pattern: "GET /users", target: "/users", wantName: "GET /users", wantRoute: "/users"},
		{name: "method with more space", pattern: "GET  \t /users", target: "/users", wantName: "GET /users", wantRoute: "/users"},
		{name: "host", pattern: "example.com/users", target: "/users", wantName: "GET /users", wantRoute: "/users"},
		{name: "method and host", pattern: "GET example.com/users", target: "/users", wantName: "GET /users", wantRoute: "/users"},
		{name: "wildcard", pattern: "/users/{id}", target: "/users/7", wantName: "GET /users/{id}", wantRoute: "/users/{id}"},
		{name: "rest wildcard", pattern: "/files/{rest...}", target: "/files/a/b", wantName: "GET /files/{rest...}", wantRoute: "/files/{rest...}"},
		{name: "trailing slash", pattern: "/static/", target: "/static/a.css", wantName: "GET /static/", wantRoute: "/static/"},
		{name: "end of path", pattern: "/users/{$}", target: "/users/", wantName: "GET /users/{$}", wantRoute: "/users/{$}"},
		{name: "HEAD through a GET pattern", pattern: "GET /users", method: http.MethodHead, target: "/users", wantName: "HEAD /users", wantRoute: "/users"},
		{name: "unknown method", pattern: "/users", method: "PURGE", target: "/users", wantName: "HTTP /users", wantRoute: "/users"},
		{name: "route beats operation", pattern: "/users", target: "/users", operation: "op", wantName: "GET /users", wantRoute: "/users"},
		{name: "no route, operation", pattern: "/users", target: "/nowhere", operation: "op", wantName: "op"},
		{name: "no route, no operation", pattern: "/users", target: "/nowhere", wantName: "GET"},
		{name: "no route, unknown method", pattern: "/users", method: "PURGE", target: "/nowhere", wantName: "HTTP"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			method := tt.method
			if method == "" {
				method = http.MethodGet
			}
			for place, wrap := range map[string]func(*recorder) http.Handler{
				"around the mux": func(rec *recorder) http.Handler {
					mux := http.NewServeMux()
					mux.Handle(tt.pattern, nothing)
					return tracehttp.NewHandler(mux, tt.operation, tracehttp.WithTracerProvider(rec))
				},
				"behind the mux": func(rec *recorder) http.Handler {
					mux := http.NewServeMux()
					traced := func(h http.Handler) http.Handler {
						return tracehttp.NewHandler(h, tt.operation, tracehttp.WithTracerProvider(rec))
					}
					mux.Handle(tt.pattern, traced(nothing))
					if tt.wantRoute == "" {
						return traced(nothing) // a mux without a match calls nobody
					}
					return mux
				},
			} {
				rec := newRecorder(t)
				wrap(rec).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(method, tt.target, http.NoBody))
				d := only(t, rec)
				assert.Equal(t, tt.wantName, d.Name, place)
				got, ok := values(t, d.Attributes)["http.route"]
				if tt.wantRoute == "" {
					assert.False(t, ok, "%s: got route %v, want none", place, got)
				} else {
					assert.Equal(t, tt.wantRoute, got, place)
				}
			}
		})
	}
}

func TestHandlerKeepsNameThatHandlerChose(t *testing.T) {
	t.Parallel()
	rec := newRecorder(t)
	handle(t, rec, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		trace.SpanFromContext(r.Context()).SetName("chosen")
	}), httptest.NewRequest(http.MethodGet, "/", http.NoBody))
	assert.Equal(t, "chosen", only(t, rec).Name)
}

func TestHandlerAttributes(t *testing.T) {
	t.Parallel()
	rec := newRecorder(t)
	r := httptest.NewRequest(http.MethodPost, "http://shop.example:8080/cart?item=7&sig=secret", http.NoBody)
	r.RemoteAddr = "192.0.2.7:4711"
	r.Header.Set("User-Agent", "browser/1")
	handle(t, rec, answer(http.StatusCreated), r)

	d := only(t, rec)
	assert.Equal(t, "POST", d.Name)
	assert.Equal(t, trace.SpanKindServer, d.Kind)
	assert.Equal(t, codes.Unset, d.Status.Code)
	assert.Equal(t, map[string]any{
		"http.request.method":       "POST",
		"url.scheme":                "http",
		"url.path":                  "/cart",
		"url.query":                 "item=7&sig=REDACTED",
		"server.address":            "shop.example",
		"server.port":               int64(8080),
		"client.address":            "192.0.2.7",
		"network.peer.address":      "192.0.2.7",
		"network.peer.port":         int64(4711),
		"user_agent.original":       "browser/1",
		"network.protocol.version":  "1.1",
		"http.response.status_code": int64(201),
	}, values(t, d.Attributes))
}

func TestHandlerAttributesByRequest(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(*http.Request)
		want   map[string]any // nil: the attribute is not there
	}{
		{
			"proxy headers",
			func(r *http.Request) {
				r.Header.Set("X-Forwarded-For", " 203.0.113.9 , 10.0.0.1")
				r.Header.Set("X-Forwarded-Host", "api.example:8443, inner")
				r.Header.Set("X-Forwarded-Proto", "HTTPS")
			},
			map[string]any{
				"client.address": "203.0.113.9", "network.peer.address": "192.0.2.1",
				"server.address": "api.example", "server.port": int64(8443), "url.scheme": "https",
			},
		},
		{
			"proxy headers that say nothing",
			func(r *http.Request) {
				r.Header.Set("X-Forwarded-For", " ")
				r.Header.Set("X-Forwarded-Host", ",")
				r.Header.Set("X-Forwarded-Proto", "gopher")
			},
			map[string]any{"client.address": "192.0.2.1", "server.address": "example.com", "url.scheme": "http"},
		},
		{"TLS", func(r *http.Request) { r.TLS = &tls.ConnectionState{} }, map[string]any{"url.scheme": "https"}},
		{
			"TLS that a proxy did not see",
			func(r *http.Request) {
				r.TLS = &tls.ConnectionState{}
				r.Header.Set("X-Forwarded-Proto", "http")
			},
			map[string]any{"url.scheme": "http"},
		},
		{"HTTP/1.0", func(r *http.Request) { r.ProtoMajor, r.ProtoMinor = 1, 0 }, map[string]any{"network.protocol.version": "1.0"}},
		{"HTTP/2", func(r *http.Request) { r.ProtoMajor, r.ProtoMinor = 2, 0 }, map[string]any{"network.protocol.version": "2"}},
		{"HTTP/3", func(r *http.Request) { r.ProtoMajor, r.ProtoMinor = 3, 0 }, map[string]any{"network.protocol.version": "3"}},
		{"no version", func(r *http.Request) { r.ProtoMajor, r.ProtoMinor = 0, 0 }, map[string]any{"network.protocol.version": nil}},
		{"no query", func(r *http.Request) { r.URL.RawQuery = "" }, map[string]any{"url.query": nil}},
		{"no URL", func(r *http.Request) { r.URL = nil }, map[string]any{"url.path": nil, "url.query": nil}},
		{"no header", func(r *http.Request) { r.Header = nil }, map[string]any{"user_agent.original": nil}},
		{
			"Host without port", func(r *http.Request) { r.Host = "a.example" },
			map[string]any{"server.address": "a.example", "server.port": nil},
		},
		{
			"IPv6 Host", func(r *http.Request) { r.Host = "[2001:db8::1]:81" },
			map[string]any{"server.address": "2001:db8::1", "server.port": int64(81)},
		},
		{
			"malformed Host", func(r *http.Request) { r.Host = "[2001:db8::1" },
			map[string]any{"server.address": "[2001:db8::1", "server.port": nil},
		},
		{
			"Host with a port too large", func(r *http.Request) { r.Host = "a.example:65536" },
			map[string]any{"server.address": "a.example", "server.port": nil},
		},
		{"no Host", func(r *http.Request) { r.Host = "" }, map[string]any{"server.address": nil, "server.port": nil}},
		{
			"Unix socket", func(r *http.Request) { r.RemoteAddr = "@" },
			map[string]any{"network.peer.address": nil, "network.peer.port": nil, "client.address": nil},
		},
		{
			"unknown method", func(r *http.Request) { r.Method = "get" },
			map[string]any{"http.request.method": "_OTHER", "http.request.method_original": "get"},
		},
		{
			"known method", func(r *http.Request) { r.Method = "QUERY" },
			map[string]any{"http.request.method": "QUERY", "http.request.method_original": nil},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rec := newRecorder(t)
			r := httptest.NewRequest(http.MethodGet, "http://example.com/?q=1", http.NoBody)
			tt.change(r)
			handle(t, rec, nothing, r)
			got := values(t, only(t, rec).Attributes)
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

func TestHandlerLimitsValuesFromNetwork(t *testing.T) {
	t.Parallel()
	rec := newRecorder(t)
	huge := strings.Repeat("x", 1<<20)
	r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
	r.Method, r.Host, r.RemoteAddr = huge, huge, huge
	r.URL.Path, r.URL.RawQuery = "/"+huge, huge
	r.Pattern = "/" + huge
	for _, name := range []string{"User-Agent", "X-Forwarded-For"} {
		r.Header.Set(name, huge)
	}
	assert.Panics(t, func() {
		handle(t, rec, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(huge) }), r)
	})

	d := only(t, rec)
	assert.LessOrEqual(t, len(d.Name), len("HTTP ")+1024)
	assert.Len(t, d.Status.Description, 1024)
	full := 0
	for _, kv := range d.Attributes {
		n := len(kv.Value.String())
		assert.LessOrEqual(t, n, 1024, "%s", kv.Key)
		if n == 1024 {
			full++
		}
	}
	assert.Equal(t, 8, full, "attributes that were cut")
	require.Len(t, d.Events, 1)
	assert.Len(t, values(t, d.Events[0].Attributes)["exception.message"], 1024)
}

func TestHandlerReplacesInvalidUTF8(t *testing.T) {
	t.Parallel()
	rec := newRecorder(t)
	handle(t, rec, nothing, httptest.NewRequest(http.MethodGet, "/a%ffb", http.NoBody))
	assert.Equal(t, "/a\uFFFDb", values(t, only(t, rec).Attributes)["url.path"])
}

func TestHandlerStatus(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name      string
		handler   http.HandlerFunc
		want      int64
		wantError string // error.type
	}{
		{"nothing written", nothing, 200, ""},
		{"body only", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("x")) }, 200, ""},
		{"204", answer(204).ServeHTTP, 204, ""},
		{"302", answer(302).ServeHTTP, 302, ""},
		{"404 is no error of the server", answer(404).ServeHTTP, 404, ""},
		{"500", answer(500).ServeHTTP, 500, "500"},
		{"503", answer(503).ServeHTTP, 503, "503"},
		{"101 is final", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusSwitchingProtocols)
			w.WriteHeader(http.StatusOK)
		}, 101, ""},
		{"informational ones do not count", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(http.StatusProcessing)
			w.WriteHeader(http.StatusAccepted)
		}, 202, ""},
		{"informational only", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusEarlyHints) }, 200, ""},
		{"the first counts", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusTeapot)
			w.WriteHeader(http.StatusInternalServerError)
		}, 418, ""},
		{"too late after a write", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(nil)
			w.WriteHeader(http.StatusInternalServerError)
		}, 200, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rec := newRecorder(t)
			handle(t, rec, tt.handler, httptest.NewRequest(http.MethodGet, "/", http.NoBody))
			d := only(t, rec)
			got := values(t, d.Attributes)
			assert.Equal(t, tt.want, got["http.response.status_code"])
			assert.Empty(t, d.Status.Description)
			assert.Empty(t, d.Events)
			if tt.wantError == "" {
				assert.Equal(t, codes.Unset, d.Status.Code)
				assert.NotContains(t, got, "error.type")
			} else {
				assert.Equal(t, codes.Error, d.Status.Code)
				assert.Equal(t, tt.wantError, got["error.type"])
			}
		})
	}
}

// customError is an error with a type of its own.
type customError struct{}

func (customError) Error() string { return "custom" }

func panicWith(v any) { panic(v) }

func TestHandlerPanic(t *testing.T) {
	t.Parallel()
	var nilMap map[string]int
	tests := []struct {
		name        string
		panics      func()
		wantType    string
		wantMessage string
	}{
		{"string", func() { panic("boom") }, "string", "boom"},
		{"not comparable", func() { panic([]int{1}) }, "[]int", "[1]"},
		{"error", func() { panic(customError{}) }, "github.com/spandrel-go/spandrel/tracing/tracehttp_test.customError", "custom"},
		{"pointer error", func() { panic(errors.New("plain")) }, "*errors.errorString", "plain"},
		{"runtime error", func() { nilMap["a"] = 1 }, "runtime.plainError", "assignment to entry in nil map"},
		{"nil", func() { panicWith(nil) }, "*runtime.PanicNilError", "panic called with nil argument"},
		{"context", func() { panic(context.Canceled) }, "context.Canceled", "context canceled"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rec := newRecorder(t)
			var want, got any
			func() {
				defer func() { got = recover() }()
				handle(t, rec, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					defer func() {
						want = recover()
						panic(want)
					}()
					w.WriteHeader(http.StatusInternalServerError)
					tt.panics()
				}), httptest.NewRequest(http.MethodGet, "/", http.NoBody))
			}()
			require.NotNil(t, want)
			assert.Equal(t, want, got, "the panic goes on")

			d := only(t, rec)
			assert.Equal(t, codes.Error, d.Status.Code)
			assert.Contains(t, d.Status.Description, tt.wantMessage)
			attrs := values(t, d.Attributes)
			assert.Equal(t, tt.wantType, attrs["error.type"])
			assert.Equal(t, int64(500), attrs["http.response.status_code"])
			require.Len(t, d.Events, 1)
			assert.Equal(t, "exception", d.Events[0].Name)
			event := values(t, d.Events[0].Attributes)
			assert.Equal(t, tt.wantType, event["exception.type"])
			assert.Equal(t, d.Status.Description, event["exception.message"])
			assert.Contains(t, event["exception.stacktrace"], "TestHandlerPanic")
		})
	}
}

func TestHandlerPanicBeforeWritingHasNoStatusCode(t *testing.T) {
	t.Parallel()
	rec := newRecorder(t)
	mux := http.NewServeMux()
	mux.HandleFunc("/boom/{id}", func(http.ResponseWriter, *http.Request) { panic("boom") })
	assert.PanicsWithValue(t, "boom", func() {
		handle(t, rec, mux, httptest.NewRequest(http.MethodGet, "/boom/1", http.NoBody))
	})
	d := only(t, rec)
	assert.Equal(t, "GET /boom/{id}", d.Name, "a panic does not cost the name")
	assert.NotContains(t, values(t, d.Attributes), "http.response.status_code")
}

func TestHandlerAbortIsErrorWithoutEvent(t *testing.T) {
	t.Parallel()
	rec := newRecorder(t)
	s := newSite(t, rec, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	resp, err := s.Client().Get(s.URL)
	if err == nil {
		resp.Body.Close()
	}
	require.Error(t, err)
	s.calls.Wait()
	d := only(t, rec)
	assert.Equal(t, codes.Error, d.Status.Code)
	assert.Empty(t, d.Events)
	got := values(t, d.Attributes)
	assert.Equal(t, "net/http.ErrAbortHandler", got["error.type"])
	assert.NotContains(t, got, "http.response.status_code")
}

func TestHandlerPutsSpanInContext(t *testing.T) {
	t.Parallel()
	rec := newRecorder(t)
	var seen trace.SpanContext
	handle(t, rec, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		seen = trace.SpanContextFromContext(r.Context())
	}), httptest.NewRequest(http.MethodGet, "/", http.NoBody))
	assert.True(t, seen.IsValid())
	assert.Equal(t, only(t, rec).SpanContext.SpanID(), seen.SpanID())
}

const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

func TestHandlerContinuesTraceByDefault(t *testing.T) {
	t.Parallel()
	rec := newRecorder(t)
	r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
	r.Header.Set("Traceparent", traceparent)
	handle(t, rec, nothing, r)
	d := only(t, rec)
	assert.Equal(t, "0af7651916cd43dd8448eb211c80319c", d.SpanContext.TraceID().String())
	assert.Equal(t, "b7ad6b7169203331", d.Parent.SpanID().String())
	assert.True(t, d.Parent.IsRemote())
}

func TestWithPropagatorReplacesDefault(t *testing.T) {
	t.Parallel()
	rec := newRecorder(t)
	r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
	r.Header.Set("Traceparent", traceparent)
	handle(t, rec, nothing, r, tracehttp.WithPropagator(otelpropagation.NewCompositeTextMapPropagator()))
	assert.False(t, only(t, rec).Parent.IsValid())
}

func TestWithTrustLink(t *testing.T) {
	t.Parallel()
	t.Run("links to the caller", func(t *testing.T) {
		t.Parallel()
		rec := newRecorder(t)
		r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
		r.Header.Set("Traceparent", traceparent)
		handle(t, rec, nothing, r, tracehttp.WithTrust(propagation.Link))
		d := only(t, rec)
		assert.False(t, d.Parent.IsValid())
		assert.NotEqual(t, "0af7651916cd43dd8448eb211c80319c", d.SpanContext.TraceID().String())
		require.Len(t, d.Links, 1)
		assert.Equal(t, "b7ad6b7169203331", d.Links[0].SpanContext.SpanID().String())
	})
	t.Run("links to all that formats which disagree name", func(t *testing.T) {
		t.Parallel()
		rec := newRecorder(t)
		r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
		r.Header.Set("Traceparent", traceparent)
		r.Header.Set("Uber-Trace-Id", "463ac35c9f6413ad48485a3953bb6124:a2fb4a1d1a96d312:0:1")
		handle(t, rec, nothing, r, tracehttp.WithTrust(propagation.Link))
		d := only(t, rec)
		assert.False(t, d.Parent.IsValid())
		require.Len(t, d.Links, 2)
		assert.Equal(t, "b7ad6b7169203331", d.Links[0].SpanContext.SpanID().String())
		assert.Equal(t, "a2fb4a1d1a96d312", d.Links[1].SpanContext.SpanID().String())
		assert.Equal(t, "jaeger", values(t, d.Links[1].Attributes)["propagation.format"])
	})
	t.Run("no caller", func(t *testing.T) {
		t.Parallel()
		rec := newRecorder(t)
		handle(t, rec, nothing, httptest.NewRequest(http.MethodGet, "/", http.NoBody), tracehttp.WithTrust(propagation.Link))
		assert.Empty(t, only(t, rec).Links)
	})
}

func TestWithTrustIgnore(t *testing.T) {
	t.Parallel()
	rec := newRecorder(t)
	r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
	r.Header.Set("Traceparent", traceparent)
	r.Header.Set("X-Request-Id", "strangers-own")
	h := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		assert.NotEqual(t, "strangers-own", propagation.RequestIDFromContext(r.Context()))
	})
	handle(t, rec, h, r, tracehttp.WithTrust(propagation.Ignore))
	d := only(t, rec)
	assert.False(t, d.Parent.IsValid())
	assert.Empty(t, d.Links)
	assert.NotEqual(t, "0af7651916cd43dd8448eb211c80319c", d.SpanContext.TraceID().String())
}

// A reverse proxy copies the headers of the request that it is given: of a stranger's trace headers, baggage
// and ids there is nothing to copy, whatever their format and whatever the transport writes.
func TestWithTrustThroughAReverseProxy(t *testing.T) {
	t.Parallel()
	for _, trust := range []propagation.TrustPolicy{propagation.Link, propagation.Ignore} {
		for name, transport := range map[string]func(*recorder) http.RoundTripper{
			"traced": func(rec *recorder) http.RoundTripper { return newTransport(nil, rec) },
			"w3c alone": func(rec *recorder) http.RoundTripper {
				return newTransport(nil, rec, tracehttp.WithPropagator(otelpropagation.TraceContext{}))
			},
			"not traced": func(*recorder) http.RoundTripper { return http.DefaultTransport },
		} {
			t.Run(trust.String()+" "+name, func(t *testing.T) {
				t.Parallel()
				rec := newRecorder(t)
				var got http.Header
				behind := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.Header.Clone() }))
				t.Cleanup(behind.Close)
				u, err := url.Parse(behind.URL)
				require.NoError(t, err)
				var inner http.Handler = &httputil.ReverseProxy{
					Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(u) },
					Transport: transport(rec),
				}
				inner = tracehttp.NewHandler(inner, "inner", tracehttp.WithTracerProvider(rec))
				front := newSite(t, rec, inner, tracehttp.WithTrust(trust))

				const theirs = "463ac35c9f6413ad48485a3953bb6124"
				req := newRequest(t, t.Context(), front.URL)
				for name, value := range map[string]string{
					"traceparent": "00-" + theirs + "-a2fb4a1d1a96d312-01", "tracestate": "them=1", "b3": theirs + "-a2fb4a1d1a96d312-1",
					"x-b3-traceid": theirs, "x-b3-spanid": "a2fb4a1d1a96d312", "x-b3-parentspanid": "a2fb4a1d1a96d313",
					"x-b3-sampled": "1", "x-b3-flags": "1", "uber-trace-id": theirs + ":a2fb4a1d1a96d312:0:1", "jaeger-debug-id": "them",
					"ot-tracer-traceid": theirs, "ot-tracer-spanid": "a2fb4a1d1a96d312", "ot-tracer-sampled": "1",
					"x-datadog-trace-id": "463", "x-datadog-parent-id": "464", "x-datadog-sampling-priority": "2",
					"x-datadog-origin": "them", "x-datadog-tags": "_dd.p.dm=-4",
					"x-amzn-trace-id":       "Root=1-463ac35c-9f6413ad48485a3953bb6124;Parent=a2fb4a1d1a96d312;Sampled=1",
					"x-cloud-trace-context": theirs + "/1;o=1",
					"x-instana-t":           theirs, "x-instana-s": "a2fb4a1d1a96d312", "x-instana-l": "1",
					"x-request-id": "46300000-aaaa-9aaa-aaaa-aaaaaaaaaaaa", "x-client-trace-id": "them", "x-envoy-force-trace": "them",
					"x-kong-request-id": "them", "baggage": "them=1", "jaeger-baggage": "them=1", "uberctx-them": "1", "ot-baggage-them": "1",
				} {
					req.Header.Set(name, value)
				}
				req.Header.Set("Cookie", "kept=1")
				before := req.Header.Clone()
				send(t, front.Client(), req)
				front.calls.Wait()
				assert.Equal(t, before, req.Header)
				assert.Equal(t, "kept=1", got.Get("Cookie"))
				for name, values := range got {
					assert.NotRegexp(t, "463ac35c|46300000|a2fb4a1d1a96d312|them", values, name)
				}
				assert.NotContains(t, got, "X-B3-Flags")
				assert.NotContains(t, got, "X-Datadog-Trace-Id")
				assert.NotContains(t, got, "Ot-Baggage-Them")
				for _, d := range rec.ended() {
					assert.NotEqual(t, theirs, d.SpanContext.TraceID().String(), "also of the handler inside")
				}
			})
		}
	}
}

func TestHandlerFilter(t *testing.T) {
	t.Parallel()
	rec := newRecorder(t)
	notHealth := tracehttp.WithFilter(func(r *http.Request) bool { return r.URL.Path != "/healthz" })
	notHead := tracehttp.WithFilter(func(r *http.Request) bool { return r.Method != http.MethodHead })
	called := 0
	h := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { called++ })
	for _, r := range []*http.Request{
		httptest.NewRequest(http.MethodGet, "/healthz", http.NoBody),
		httptest.NewRequest(http.MethodHead, "/users", http.NoBody),
		httptest.NewRequest(http.MethodGet, "/users", http.NoBody),
	} {
		handle(t, rec, h, r, notHealth, notHead)
	}
	assert.Equal(t, 3, called)
	assert.Equal(t, "/users", values(t, only(t, rec).Attributes)["url.path"])
}

func TestNilOptionValuesMeanDefaults(t *testing.T) {
	t.Parallel()
	h := tracehttp.NewHandler(answer(http.StatusTeapot), "",
		nil, tracehttp.WithTracerProvider(nil), tracehttp.WithPropagator(nil), tracehttp.WithFilter(nil))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", http.NoBody))
	assert.Equal(t, http.StatusTeapot, w.Code)
}

func TestHandlerWithoutRecordingPassesWriterOn(t *testing.T) {
	t.Parallel()
	rec := newDropper(t)
	w := httptest.NewRecorder()
	var seen http.ResponseWriter
	h := tracehttp.NewHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { seen = w }), "",
		tracehttp.WithTracerProvider(rec))
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", http.NoBody))
	assert.Same(t, w, seen)
	assert.Empty(t, rec.ended())
}

// The server removes the temporary files of a form through the request that it made; a handler parses
// the form of a copy.
func TestHandlerGivesFormBack(t *testing.T) {
	t.Parallel()
	for name, rec := range map[string]*recorder{"recording": newRecorder(t), "not recording": newDropper(t)} {
		var body bytes.Buffer
		form := multipart.NewWriter(&body)
		part, err := form.CreateFormFile("file", "a.txt")
		require.NoError(t, err)
		_, err = part.Write(bytes.Repeat([]byte("x"), 100))
		require.NoError(t, err)
		require.NoError(t, form.Close())

		r := httptest.NewRequest(http.MethodPost, "/", &body)
		r.Header.Set("Content-Type", form.FormDataContentType())
		handle(t, rec, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			assert.NoError(t, r.ParseMultipartForm(0))
		}), r)
		require.NotNil(t, r.MultipartForm, name)
		file := r.MultipartForm.File["file"]
		require.Len(t, file, 1, name)
		require.NoError(t, r.MultipartForm.RemoveAll())
		_, err = file[0].Open()
		assert.ErrorIs(t, err, os.ErrNotExist, name)
	}
}
