// SPDX-License-Identifier: Apache-2.0

package tracehttp_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/spandrel-go/spandrel/tracing"
	"github.com/spandrel-go/spandrel/tracing/tracehttp"
)

// printer prints what it exports.
type printer struct{}

func (printer) ExportSpans(_ context.Context, spans []*tracing.SpanData) error {
	for _, d := range spans {
		fmt.Println(d.Kind, d.Name)
	}
	return nil
}

func (printer) Shutdown(context.Context) error { return nil }

func ExampleNewHandler() {
	provider, err := tracing.NewProvider(tracing.WithExporter(printer{}))
	if err != nil {
		fmt.Println(err)
		return
	}

	mux := http.NewServeMux()
	mux.HandleFunc("GET /users/{id}", func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintln(w, "user", r.PathValue("id"))
	})
	mux.HandleFunc("/healthz", func(http.ResponseWriter, *http.Request) {})
	handler := tracehttp.NewHandler(mux, "users",
		tracehttp.WithTracerProvider(provider),
		tracehttp.WithFilter(func(r *http.Request) bool { return r.URL.Path != "/healthz" }))

	for _, path := range []string{"/users/7", "/healthz", "/nowhere"} {
		handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, path, http.NoBody))
	}
	if err := provider.Shutdown(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// server GET /users/{id}
	// server users
}

func ExampleNewTransport() {
	provider, err := tracing.NewProvider(tracing.WithExporter(printer{}))
	if err != nil {
		fmt.Println(err)
		return
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintln(w, "a trace header arrived:", r.Header.Get("Traceparent") != "")
	}))
	defer server.Close()

	client := &http.Client{Transport: tracehttp.NewTransport(nil, tracehttp.WithTracerProvider(provider))}
	defer client.CloseIdleConnections()
	// In a handler this is r.Context(), so that the new span has a parent.
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, server.URL, http.NoBody)
	if err != nil {
		fmt.Println(err)
		return
	}
	resp, err := client.Do(req)
	if err != nil {
		fmt.Println(err)
		return
	}
	text, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	fmt.Print(string(text))
	if err != nil {
		fmt.Println(err)
	}
	if err := provider.Shutdown(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// a trace header arrived: true
	// client GET
}
