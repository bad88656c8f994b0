// SPDX-License-Identifier: Apache-2.0

package zipkin_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"sync/atomic"

	"github.com/spandrel-go/spandrel/exporters/zipkin"
	"github.com/spandrel-go/spandrel/tracing"
)

// A program that ends while Zipkin is away, and delivers when it has been started again.
func Example_spool() {
	var away atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if away.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusAccepted)
	}))
	defer server.Close()
	directory, err := os.MkdirTemp("", "spool")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(directory) }()

	run := func(spans int) {
		exporter, err := zipkin.New(server.URL)
		if err != nil {
			fmt.Println(err)
			return
		}
		provider, err := tracing.NewProvider(
			tracing.WithLogger(slog.New(slog.DiscardHandler)),
			tracing.WithExporter(exporter, tracing.WithSpool(directory, 16<<20)))
		if err != nil {
			fmt.Println(err)
			return
		}
		for range spans {
			_, span := provider.NewTracer("shop").StartSpan(context.Background(), "sell")
			span.End()
		}
		for !away.Load() && provider.Stats().Exporters[0].Spool.Spans > 0 {
			_ = provider.ForceFlush(context.Background()) // the replay has a goroutine of its own
		}
		if err := provider.Shutdown(context.Background()); err != nil {
			fmt.Println(err)
		}
		s := provider.Stats().Exporters[0]
		fmt.Println(s.Queued, "ended,", s.Spool.Recovered, "recovered,", s.Exported, "exported,", s.Spool.Spans, "in the spool")
	}
	away.Store(true)
	run(100)
	away.Store(false)
	run(1)
	// Output:
	// 100 ended, 0 recovered, 0 exported, 100 in the spool
	// 1 ended, 100 recovered, 101 exported, 0 in the spool
}
