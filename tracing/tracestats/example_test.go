// SPDX-License-Identifier: Apache-2.0

package tracestats_test

import (
	"context"
	"encoding/json"
	"expvar"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/spandrel-go/spandrel/tracing"
	"github.com/spandrel-go/spandrel/tracing/tracestats"
	"github.com/spandrel-go/spandrel/tracing/tracetest"
)

func ExampleHandler() {
	provider, err := tracing.NewProvider(tracing.WithExporter(tracetest.NewRecorder()))
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.Handle("/metrics", tracestats.Handler(provider))

	_, span := provider.NewTracer("example").StartSpan(context.Background(), "work")
	span.End()
	if err := provider.Shutdown(context.Background()); err != nil {
		fmt.Println(err)
	}

	response := httptest.NewRecorder()
	mux.ServeHTTP(response, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for line := range strings.Lines(response.Body.String()) {
		if strings.Contains(line, "_exported_") {
			fmt.Print(line)
		}
	}
	// Output:
	// # HELP spandrel_exporter_spans_exported_total Spans that were delivered.
	// # TYPE spandrel_exporter_spans_exported_total counter
	// spandrel_exporter_spans_exported_total{exporter="*tracetest.Recorder",index="0"} 1
}

func ExampleVar() {
	provider, err := tracing.NewProvider()
	if err != nil {
		fmt.Println(err)
		return
	}
	// Whoever imports expvar finds it at /debug/vars of http.DefaultServeMux.
	expvar.Publish("spandrel", tracestats.Var(provider))

	_, span := provider.NewTracer("example").StartSpan(context.Background(), "work")
	span.End()

	var stats tracing.Stats
	if err := json.Unmarshal([]byte(expvar.Get("spandrel").String()), &stats); err != nil {
		fmt.Println(err)
	}
	fmt.Println("started", stats.Started, "ended", stats.Ended, "open", stats.Open)
	_ = provider.Shutdown(context.Background())
	// Output: started 1 ended 1 open 0
}
