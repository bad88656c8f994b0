// SPDX-License-Identifier: Apache-2.0

package tracestats_test

import (
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/spandrel-go/spandrel/tracing"
	"github.com/spandrel-go/spandrel/tracing/tracestats"
	"github.com/spandrel-go/spandrel/tracing/tracetest"
)

// Scrapes and variables are read while spans are made, exported, refused and shut down: no counter goes
// back, and in the end they say what Stats says.
func TestScrapesAreConcurrentSafe(t *testing.T) {
	t.Parallel()
	faulty := tracetest.NewFaultExporter(nil)
	faulty.Rest(tracetest.Reject(1))
	p, err := tracing.NewProvider(
		tracing.WithExporter(tracetest.NewFaultExporter(nil), tracing.WithQueueSpans(64)),
		tracing.WithExporter(faulty, tracing.WithBatchSpans(8)),
		tracing.WithLogger(slog.New(slog.DiscardHandler)),
	)
	require.NoError(t, err)
	h, v := tracestats.Handler(p), tracestats.Var(p)

	var load, scrapes sync.WaitGroup
	done := make(chan struct{})
	for range 3 {
		load.Go(func() {
			for range 500 {
				ctx, root := p.NewTracer("t").StartSpan(t.Context(), "root")
				_, child := p.NewTracer("t").StartSpan(ctx, "child")
				child.End()
				root.End()
			}
		})
		scrapes.Go(func() {
			before := map[string]string{}
			for last := false; !last; {
				select {
				case <-done:
					last = true
				default:
				}
				_, body := get(t, h, http.MethodGet)
				now := series(t, body)
				for name, value := range before {
					if metric, _, _ := strings.Cut(name, "{"); strings.HasSuffix(metric, "_total") {
						assert.GreaterOrEqual(t, number(t, now[name]), number(t, value), "%s goes back", name)
					}
				}
				before = now
				fromJSON(t, v.String())
			}
		})
	}
	load.Wait()
	_ = p.Shutdown(t.Context()) // which says what the faulty one refused
	close(done)
	scrapes.Wait()

	_, body := get(t, h, http.MethodGet)
	assert.Equal(t, tracestats.Text(p.Stats()), body)
	assert.Equal(t, "3000", series(t, body)["spandrel_spans_ended_total"])
}

func number(t testing.TB, value string) float64 {
	t.Helper()
	n, err := strconv.ParseFloat(value, 64)
	assert.NoError(t, err)
	return n
}
