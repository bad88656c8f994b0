// SPDX-License-Identifier: Apache-2.0

package zipkin_test

import (
	"context"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"go.opentelemetry.io/otel/attribute"

	"github.com/spandrel-go/spandrel/exporters/zipkin"
	"github.com/spandrel-go/spandrel/internal/testkit/backend"
	"github.com/spandrel-go/spandrel/tracing"
)

// patience is what a test gives to something that happens soon, on a machine that is busy.
const patience = 30 * time.Second

// grace is what a test adds to a deadline before it says that it was missed: far less than any other time
// that a pipeline could wait for.
const grace = 4 * time.Second

// logLines is where a provider's log goes.
type logLines struct {
	mu   sync.Mutex // guards text
	text strings.Builder
}

func (l *logLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// lines returns what was logged so far.
func (l *logLines) lines() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Collect(strings.Lines(l.text.String()))
}

// route is a provider with one exporter, before one backend.
type route struct {
	backend  *backend.Server
	provider *tracing.Provider
	log      *logLines
	opts     []tracing.PipelineOption
	made     int
	others   []tracing.ExporterStats // of others that delivered to the same backend
}

// newRoute makes one with a backend of its own. Batches are of 4 spans.
func newRoute(t *testing.T, opts ...tracing.PipelineOption) *route {
	t.Helper()
	return newRouteTo(t, backend.New(t), opts...)
}

func newRouteTo(t *testing.T, b *backend.Server, opts ...tracing.PipelineOption) *route {
	t.Helper()
	r := &route{backend: b, log: &logLines{}}
	e, err := zipkin.New(r.backend.URL())
	if err == nil {
		r.provider, err = tracing.NewProvider(tracing.WithLogger(r.logger()),
			tracing.WithExporter(e, append([]tracing.PipelineOption{tracing.WithBatchSpans(4), tracing.WithBatchDelay(10 * time.Millisecond)}, opts...)...))
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.shutdown(100 * time.Millisecond) }) // for tests that ended early
	return r
}

// logger logs into the route.
func (r *route) logger() *slog.Logger { return slog.New(slog.NewTextHandler(r.log, nil)) }

// spans makes so many spans, of which the first has so many bytes of ballast.
func (r *route) spans(ctx context.Context, n, ballast int) {
	tracer := r.provider.NewTracer("faults")
	for range n {
		_, span := tracer.StartSpan(ctx, "span "+strconv.Itoa(r.made), tracing.WithAttributes(attribute.String("ballast", strings.Repeat("b", ballast))))
		span.End()
		ballast = 0
		r.made++
	}
}

// flush is ForceFlush with a deadline.
func (r *route) flush(within time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	return r.provider.ForceFlush(ctx)
}

// shutdown is Shutdown with a deadline.
func (r *route) shutdown(within time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	return r.provider.Shutdown(ctx)
}

// stats are those of the exporter.
func (r *route) stats() tracing.ExporterStats { return r.provider.Stats().Exporters[0] }

// failing waits until the pipeline has seen the backend fail, and reports whether it did.
func (r *route) failing() bool {
	return eventually(func() bool { return r.stats().LastError != nil })
}

// eventually waits for something that nothing tells of, and reports whether it came.
func eventually(happened func() bool) bool {
	poll := time.NewTicker(time.Millisecond)
	defer poll.Stop()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for !happened() {
		select {
		case <-poll.C:
		case <-deadline.C:
			return false
		}
	}
	return true
}

// requireSums stops the backend of a pipeline at rest and compares the sums, with each other and with what
// the backend counted.
// doubt says that the backend may have spans of which the client was not told.
func requireSums(t *testing.T, r *route, doubt bool) {
	t.Helper()
	r.backend.Stop() // it may still be busy with a request that the client has given up
	s := r.stats()
	assert.Equal(t, uint64(r.made), s.Queued)
	assert.Equal(t, s.Queued+s.Spool.Recovered, s.Exported+uint64(s.Waiting)+uint64(s.Spool.Spans)+s.Dropped.Sum(), "%+v", s)
	assert.Zero(t, s.InFlight)
	accepted := r.backend.Accepted()
	exported, retried := s.Exported, s.Retried
	if s.Spool.Written > 0 {
		retried++ // the first replay of what failed before
	}
	for _, other := range r.others {
		exported += other.Exported
		retried += other.Retried
	}
	var untold int
	for _, request := range r.backend.Requests() {
		if request.Accepted && doubt {
			untold += request.Spans
		}
	}
	assert.LessOrEqual(t, exported, uint64(len(accepted)), "what counts as exported the backend has")
	assert.LessOrEqual(t, len(accepted)-int(exported), untold, "what the backend has counts as exported, unless it did not say so")
	for id, times := range accepted {
		if doubt {
			assert.LessOrEqual(t, times, 1+int(retried)+len(r.others), "%s: %+v", id, r.backend.Requests())
		} else {
			assert.Equal(t, 1, times, "span %s came twice", id)
		}
	}
}
