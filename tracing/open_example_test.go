// SPDX-License-Identifier: Apache-2.0

package tracing_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"time"

	"github.com/spandrel-go/spandrel/tracing"
	"github.com/spandrel-go/spandrel/tracing/tracetest"
)

// What has been open for long is mostly what somebody forgot to end.
func ExampleProvider_OpenSpans() {
	provider, err := tracing.NewProvider()
	if err != nil {
		fmt.Println(err)
		return
	}
	tracer := provider.NewTracer("orders")
	ctx, _ := tracer.StartSpan(context.Background(), "forgotten", tracing.WithStartTime(time.Now().Add(-time.Hour)))
	_, span := tracer.StartSpan(ctx, "busy")
	for _, o := range provider.OpenSpans() {
		fmt.Println(o.Scope.Name, o.Name, o.Age > time.Minute)
	}
	span.End()
	_ = provider.Shutdown(context.Background())
	// Output:
	// orders forgotten true
	// orders busy false
}

// A debug handler, for a port that only operators reach. With WithOpenSpanAge the provider also counts
// and logs what has been open for longer.
func ExampleProvider_WriteOpenSpans() {
	provider, err := tracing.NewProvider(
		tracing.WithOpenSpanAge(10*time.Minute),
		tracing.WithIDGenerator(&tracetest.IDs{}), // for the example: ids that count
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		_ = provider.WriteOpenSpans(w) // the error is that of the connection
	})

	tracer := provider.NewTracer("orders")
	now := time.Now()
	ctx, root := tracer.StartSpan(context.Background(), "GET /orders/{id}", tracing.WithStartTime(now.Add(-90*time.Second)))
	root.SetAttribute("http.request.method", "GET")
	_, query := tracer.StartSpan(ctx, "SELECT orders", tracing.WithStartTime(now.Add(-75*time.Second)))
	query.SetAttribute("db.query.text", "SELECT * FROM orders WHERE id = ?")

	response := httptest.NewRecorder()
	handler.ServeHTTP(response, httptest.NewRequest(http.MethodGet, "/debug/spans", http.NoBody))
	clock := regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z`)
	fmt.Print(clock.ReplaceAllString(response.Body.String(), "2026-01-02T03:04:05.678Z"))

	query.End()
	root.End()
	_ = provider.Shutdown(context.Background())
	// Output:
	// 2 open spans at 2026-01-02T03:04:05.678Z
	// AGE    START                     NAME              SCOPE   TRACE ID                          SPAN ID           PARENT ID         ATTRIBUTES
	// 1m30s  2026-01-02T03:04:05.678Z  GET /orders/{id}  orders  7370616e6472656c0000000000000001  0000000000000001  -                 http.request.method=GET
	// 1m15s  2026-01-02T03:04:05.678Z  SELECT orders     orders  7370616e6472656c0000000000000001  0000000000000002  0000000000000001  db.query.text="SELECT * FROM orders WHERE id = ?"
}
