// SPDX-License-Identifier: Apache-2.0

package tracehttp_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/spandrel-go/spandrel/sampling"
	"github.com/spandrel-go/spandrel/tracing"
	"github.com/spandrel-go/spandrel/tracing/tracehttp"
)

// discard is a response writer that costs nothing and has what net/http's writer of HTTP/1 has.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header                   { return d.header }
func (d *discard) Write(p []byte) (int, error)           { return len(p), nil }
func (d *discard) WriteString(s string) (int, error)     { return len(s), nil }
func (d *discard) WriteHeader(int)                       {}
func (d *discard) Flush()                                {}
func (d *discard) ReadFrom(src io.Reader) (int64, error) { return io.Copy(io.Discard, src) }

// dropAll is an exporter that takes spans and does nothing with them.
type dropAll struct{}

func (dropAll) ExportSpans(context.Context, []*tracing.SpanData) error { return nil }
func (dropAll) Shutdown(context.Context) error                         { return nil }

var hello = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") })

// providers are those that a request is measured with.
func providers(b *testing.B) map[string]trace.TracerProvider {
	b.Helper()
	made := map[string]trace.TracerProvider{"noop": noop.NewTracerProvider()}
	for name, s := range map[string]sampling.Sampler{"sampled": sampling.AlwaysOn(), "unsampled": sampling.AlwaysOff()} {
		p, err := tracing.NewProvider(tracing.WithExporter(dropAll{}), tracing.WithSampler(s))
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = p.Shutdown(context.Background()) })
		made[name] = p
	}
	return made
}

// incoming is a request as a browser sends it through a gateway.
func incoming() *http.Request {
	r := httptest.NewRequest(http.MethodGet, "http://shop.example/items/7?page=2", http.NoBody)
	r.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64)")
	r.Header.Set("X-Forwarded-For", "203.0.113.9")
	r.Header.Set("Traceparent", traceparent)
	r.Header.Set("X-Request-Id", "6f8a1c2e-0000-4000-8000-000000000000")
	return r
}

func BenchmarkHandler(b *testing.B) {
	run := func(name string, h http.Handler) {
		b.Run(name+"/serial", func(b *testing.B) {
			w, r := &discard{http.Header{}}, incoming()
			b.ReportAllocs()
			for b.Loop() {
				h.ServeHTTP(w, r)
			}
		})
		b.Run(name+"/parallel", func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				w, r := &discard{http.Header{}}, incoming()
				for pb.Next() {
					h.ServeHTTP(w, r)
				}
			})
		})
	}
	run("bare", hello)
	for name, p := range providers(b) {
		run(name, tracehttp.NewHandler(hello, "hello", tracehttp.WithTracerProvider(p)))
	}
	mux := http.NewServeMux()
	mux.Handle("GET /items/{id}", hello)
	run("mux/bare", mux)
	run("mux/sampled", tracehttp.NewHandler(mux, "hello", tracehttp.WithTracerProvider(providers(b)["sampled"])))
}

func BenchmarkTransport(b *testing.B) {
	base := roundTripper(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, ProtoMajor: 1, ProtoMinor: 1, Body: http.NoBody}, nil
	})
	run := func(name string, rt http.RoundTripper) {
		b.Run(name, func(b *testing.B) {
			req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, "http://shop.example/items/7?page=2", http.NoBody)
			if err != nil {
				b.Fatal(err)
			}
			req.Header.Set("User-Agent", "shop/1")
			b.ReportAllocs()
			for b.Loop() {
				resp, err := rt.RoundTrip(req)
				if err != nil {
					b.Fatal(err)
				}
				resp.Body.Close()
			}
		})
	}
	run("bare", base)
	for name, p := range providers(b) {
		run(name, tracehttp.NewTransport(base, tracehttp.WithTracerProvider(p)))
	}
}

// The whole of it: a request over a connection, with a span at each end.
func BenchmarkRoundTrip(b *testing.B) {
	run := func(name string, h http.Handler, wrap func(http.RoundTripper) http.RoundTripper) {
		b.Run(name, func(b *testing.B) {
			server := httptest.NewServer(h)
			defer server.Close()
			client := &http.Client{Transport: wrap(server.Client().Transport)}
			b.ReportAllocs()
			for b.Loop() {
				get(b, client, server.URL)
			}
		})
	}
	run("bare", hello, func(rt http.RoundTripper) http.RoundTripper { return rt })
	for name, p := range providers(b) {
		o := tracehttp.WithTracerProvider(p)
		run(name, tracehttp.NewHandler(hello, "hello", o), func(rt http.RoundTripper) http.RoundTripper {
			return tracehttp.NewTransport(rt, o)
		})
	}
}
