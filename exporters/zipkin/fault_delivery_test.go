// SPDX-License-Identifier: Apache-2.0

package zipkin_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/spandrel-go/spandrel/exporters/zipkin"
	"github.com/spandrel-go/spandrel/internal/testkit/backend"
	"github.com/spandrel-go/spandrel/tracing"
	"github.com/spandrel-go/spandrel/tracing/tracetest"
)

// withNeighbour makes a provider with an exporter to a backend that is well, and another exporter.
func withNeighbour(t *testing.T, other tracing.Exporter, opts ...tracing.PipelineOption) *route {
	t.Helper()
	r := &route{backend: backend.New(t), log: &logLines{}}
	e, err := zipkin.New(r.backend.URL())
	require.NoError(t, err)
	small := []tracing.PipelineOption{tracing.WithBatchSpans(4), tracing.WithBatchDelay(10 * time.Millisecond), tracing.WithQueueSpans(64)}
	r.provider, err = tracing.NewProvider(tracing.WithLogger(r.logger()),
		tracing.WithExporter(e, small...), tracing.WithExporter(other, append(small, opts...)...))
	require.NoError(t, err)
	t.Cleanup(func() { _ = r.shutdown(100 * time.Millisecond) })
	return r
}

// A backend that is gone costs its neighbour nothing, though far more spans are made than the queue of
// the one that is gone can hold.
func TestNeighbourOfADeadBackend(t *testing.T) {
	t.Parallel()
	faults := map[string]backend.Fault{"refuses": nil, "never answers": backend.Never(), "busy": backend.Status(503, "Retry-After", "30")}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dead := backend.New(t)
			if dead.Rest(fault); fault == nil {
				dead.Stop()
			}
			e, err := zipkin.New(dead.URL())
			require.NoError(t, err)
			const bound = 32 << 10
			r := withNeighbour(t, e, tracing.WithQueueBytes(bound))
			for range 25 {
				r.spans(t.Context(), 20, 0)
				require.True(t, eventually(func() bool { return r.stats().Exported == uint64(r.made) }), "the neighbour waits: %+v", r.stats())
			}
			gone := r.provider.Stats().Exporters[1]
			assert.LessOrEqual(t, gone.Waiting, 2*64+4+4, "queue and outbox, the batch that is made, and the one that is sent")
			assert.LessOrEqual(t, gone.WaitingBytes, 2*bound+8<<10, "the same in bytes")
			assert.Positive(t, gone.Dropped.QueueFull)

			begin := time.Now()
			require.Error(t, r.shutdown(300*time.Millisecond))
			assert.Less(t, time.Since(begin), 300*time.Millisecond+grace)
			requireSums(t, r, false)
			assert.Equal(t, uint64(500), r.stats().Exported)
			gone = r.provider.Stats().Exporters[1]
			assert.Zero(t, gone.Exported)
			assert.Zero(t, gone.Waiting)
			assert.Equal(t, gone.Queued, gone.Dropped.Sum())
			assert.Empty(t, dead.Accepted())
		})
	}
}

// No request comes before the time that the backend asked for has passed.
func TestRetryAfterIsHonoured(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var date time.Time // the end of the pause by the server's clock
	tests := map[string]struct {
		fault backend.Fault
		until func(failed backend.Request) time.Time
	}{
		"seconds": {
			fault: backend.Status(429, "Retry-After", "1"),
			until: func(failed backend.Request) time.Time { return failed.At.Add(time.Second) },
		},
		"date": {
			fault: func(x *backend.Exchange) {
				mu.Lock()
				date = time.Now().Add(2 * time.Second).Truncate(time.Second)
				at := date.UTC().Format(http.TimeFormat)
				mu.Unlock()
				backend.Status(503, "Retry-After", at)(x)
			},
			until: func(backend.Request) time.Time {
				mu.Lock()
				defer mu.Unlock()
				return date
			},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRoute(t)
			r.backend.Script(tt.fault)
			r.spans(t.Context(), 12, 0)
			require.NoError(t, r.flush(patience))
			require.NoError(t, r.shutdown(patience))
			requireSums(t, r, false)
			requests := r.backend.Requests()
			require.GreaterOrEqual(t, len(requests), 4, "one that fails, and three batches or more")
			for _, later := range requests[1:] {
				assert.False(t, later.At.Before(tt.until(requests[0])), "a request at %v, the backend asked for none before %v", later.At, tt.until(requests[0]))
			}
		})
	}
}

// One line says that the backend fails and one that it recovers, however many requests fail in between.
func TestLogOfAnOutage(t *testing.T) {
	t.Parallel()
	r := newRoute(t)
	r.spans(t.Context(), 4, 0)
	require.NoError(t, r.flush(patience))
	assert.Empty(t, r.log.lines())

	r.backend.Script(backend.Status(503), backend.Reset(), backend.Status(429))
	r.spans(t.Context(), 20, 0)
	require.True(t, r.failing())
	lines := r.log.lines()
	require.Len(t, lines, 1)
	assert.Contains(t, lines[0], "status 503")
	assert.Contains(t, lines[0], "level=WARN")

	require.NoError(t, r.flush(patience))
	lines = r.log.lines()
	require.Len(t, lines, 2)
	assert.Contains(t, lines[1], "level=INFO")

	r.spans(t.Context(), 20, 0)
	require.NoError(t, r.shutdown(patience))
	assert.Len(t, r.log.lines(), 2)
	requireSums(t, r, false)
	assert.Equal(t, uint64(44), r.stats().Exported)
}

// However large a batch and wherever in it the offenders stand: only they are lost.
func TestTooLargeAlone(t *testing.T) {
	t.Parallel()
	const spans, limit = 100, 8 << 10
	for _, offenders := range [][]int{{0}, {99}, {49, 50}, {3, 3, 7, 50, 98}, {}} {
		t.Run(fmt.Sprint(offenders), func(t *testing.T) {
			t.Parallel()
			// One more than there are, so that none is lost before the flush begins, of which it would not tell.
			r := newRoute(t, tracing.WithBatchSpans(spans+1), tracing.WithBatchDelay(time.Hour))
			r.backend.Rest(backend.TooLargeAbove(limit))
			large := map[int]bool{}
			for _, i := range offenders {
				large[i] = true
			}
			for i := range spans {
				ballast := 0
				if large[i] {
					ballast = 2 * limit
				}
				r.spans(t.Context(), 1, ballast)
			}
			err := r.flush(patience)
			assert.Equal(t, len(large) == 0, err == nil, "%v", err)
			require.NoError(t, r.shutdown(patience), "all was said by the flush")
			requireSums(t, r, false)
			s := r.stats()
			assert.Equal(t, uint64(spans-len(large)), s.Exported)
			assert.Equal(t, tracing.DroppedStats{TooLarge: uint64(len(large))}, s.Dropped)
		})
	}
}

// Exporters of others, with faults of their own, beside one of ours that is well.
func TestNeighbourOfAFaultyExporter(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		fault tracetest.Fault
		want  func(s tracing.ExporterStats) tracing.DroppedStats
	}{
		{"partial success", tracetest.Reject(1), func(s tracing.ExporterStats) tracing.DroppedStats {
			return tracing.DroppedStats{Rejected: 40 - s.Exported}
		}},
		{"panics", tracetest.Panic("boom"), func(tracing.ExporterStats) tracing.DroppedStats {
			return tracing.DroppedStats{ExportFailed: 40}
		}},
		{"an error of its own", tracetest.Fail(errors.New("no")), func(tracing.ExporterStats) tracing.DroppedStats {
			return tracing.DroppedStats{ExportFailed: 40}
		}},
		{"too large above 1", tracetest.FailAbove(1), func(tracing.ExporterStats) tracing.DroppedStats {
			return tracing.DroppedStats{}
		}},
		{"too large", tracetest.FailAbove(0), func(tracing.ExporterStats) tracing.DroppedStats {
			return tracing.DroppedStats{TooLarge: 40}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			recorder := tracetest.NewRecorder()
			other := tracetest.NewFaultExporter(recorder)
			other.Rest(tt.fault)
			r := withNeighbour(t, other)
			r.spans(t.Context(), 40, 0)
			flushErr := r.flush(patience)
			require.NoError(t, r.shutdown(patience))
			requireSums(t, r, false)
			assert.Equal(t, uint64(40), r.stats().Exported)
			s := r.provider.Stats().Exporters[1]
			assert.Equal(t, tt.want(s), s.Dropped)
			assert.Equal(t, s.Queued, s.Exported+s.Dropped.Sum())
			if flushErr != nil { // a flush says what was lost since it began
				assert.Positive(t, s.Dropped.Sum())
				assert.Contains(t, flushErr.Error(), s.Exporter)
			}
			if tt.name == "partial success" {
				assert.Equal(t, uint64(other.Counts().Calls), s.Dropped.Rejected, "one of each call")
			}
		})
	}
}

// keeper is an exporter that ignores its context: it keeps the spans that it is called with until it is
// released.
type keeper struct {
	called  chan []*tracing.SpanData // what it was called with
	release chan struct{}
}

func (k *keeper) ExportSpans(_ context.Context, spans []*tracing.SpanData) error {
	k.called <- spans
	<-k.release
	return nil
}

func (k *keeper) Shutdown(context.Context) error { return nil }

// An exporter that ignores its context is left behind at the deadline, and so are its spans: they are
// counted, and nobody else gets their memory while it may still read them.
func TestExporterThatIgnoresItsContext(t *testing.T) {
	t.Parallel()
	k := &keeper{called: make(chan []*tracing.SpanData, 1), release: make(chan struct{})}
	r := withNeighbour(t, k, tracing.WithExportTimeout(20*time.Millisecond))
	r.spans(t.Context(), 12, 0)
	kept := <-k.called
	var names []string
	for _, d := range kept {
		names = append(names, d.Name)
	}
	require.NotEmpty(t, names)
	require.True(t, eventually(func() bool { return r.stats().Exported == 12 }), "the neighbour waits: %+v", r.stats())

	begin := time.Now()
	err := r.shutdown(200 * time.Millisecond)
	require.Error(t, err)
	assert.Contains(t, err.Error(), "zipkin_test.keeper")
	assert.Less(t, time.Since(begin), 200*time.Millisecond+grace)
	requireSums(t, r, false)
	before := r.provider.Stats().Exporters[1]
	assert.Equal(t, tracing.DroppedStats{Abandoned: uint64(len(kept)), Shutdown: uint64(12 - len(kept))}, before.Dropped)
	assert.Zero(t, before.Waiting)

	// Others make spans, out of the same pool.
	other := newRoute(t, tracing.WithQueueSpans(4096))
	for i := range 2000 {
		_, span := other.provider.NewTracer("other").StartSpan(t.Context(), "other "+strconv.Itoa(i))
		span.SetAttribute("other", i)
		span.End()
		other.made++
	}
	require.NoError(t, other.shutdown(patience))
	requireSums(t, other, false)
	for i, d := range kept {
		assert.Equal(t, names[i], d.Name, "a span that the exporter still has was given to somebody else")
		assert.Len(t, d.Attributes, 1)
		assert.Equal(t, "ballast", string(d.Attributes[0].Key))
	}
	close(k.release)
	// What it returns in the end changes nothing.
	assert.Never(t, func() bool {
		s := r.provider.Stats().Exporters[1]
		return s.Exported != before.Exported || s.Dropped != before.Dropped
	}, 50*time.Millisecond, 5*time.Millisecond)
}
