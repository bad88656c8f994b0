// SPDX-License-Identifier: Apache-2.0

package tracing_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/spandrel-go/spandrel/tracing"
)

// gate counts the calls that are inside at a time.
type gate struct {
	mu           sync.Mutex // guards the two below
	inside, most int
}

// pass holds a call for a tenth of a second of a bubble.
func (g *gate) pass() { g.hold(100 * time.Millisecond) }

// hold holds a call for d, in a bubble.
func (g *gate) hold(d time.Duration) {
	g.mu.Lock()
	g.inside++
	g.most = max(g.most, g.inside)
	g.mu.Unlock()
	time.Sleep(d)
	g.mu.Lock()
	g.inside--
	g.mu.Unlock()
}

// With workers so many calls are under way at a time, and no more; a flush waits for all of them.
func TestWorkersCallSideBySide(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"plain", "encoding"} {
		for _, workers := range []int{1, 3, tracing.MaxWorkers} {
			t.Run(fmt.Sprintf("%s, %d", kind, workers), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					var g gate
					var e tracing.Exporter = &collector{export: func(context.Context, []*tracing.SpanData) error {
						g.pass()
						return nil
					}}
					if kind == "encoding" {
						e = &encoder{send: func(context.Context, []string) error { g.pass(); return nil }}
					}
					tracer, p := inBubble(t, e, tracing.WithWorkers(workers), tracing.WithBatchSpans(2))
					endMany(tracer, 400)
					begin := time.Now()
					flush(t, p)
					assert.Equal(t, min(workers, 200), g.most)
					rounds := (200 + workers - 1) / workers
					assert.InDelta(t, rounds, 10*time.Since(begin).Seconds(), 2)
					s := p.Stats().Exporters[0]
					assert.EqualValues(t, 400, s.Exported, "the flush waits for all workers")
					assert.Zero(t, s.InFlight)
					sumsHold(t, p)
					shutdown(t, p)
				})
			})
		}
	}
}

// Of several workers that fail at once each batch is tried again, and one of them asks whether the
// backend is back.
func TestWorkersShareOneCircuit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var calls []time.Time
		begin := time.Now()
		e := &encoder{send: func(context.Context, []string) error {
			mu.Lock()
			calls = append(calls, time.Now())
			mu.Unlock()
			time.Sleep(time.Millisecond)
			if time.Since(begin) < 30*time.Second {
				return &tracing.ExportError{Err: errBackend, Retryable: true}
			}
			return nil
		}}
		tracer, p := inBubble(t, e, tracing.WithWorkers(4), tracing.WithBatchSpans(1))
		endMany(tracer, 8)
		time.Sleep(10 * time.Second)
		assert.True(t, p.Stats().Exporters[0].CircuitOpen)
		flush(t, p)
		assert.False(t, p.Stats().Exporters[0].CircuitOpen)
		assert.EqualValues(t, 8, p.Stats().Exporters[0].Exported)
		probes := slices.DeleteFunc(slices.Clone(calls), func(at time.Time) bool {
			return at.Equal(begin) || at.Sub(begin) >= 30*time.Second
		})
		assert.Len(t, calls[:4], 4, "all four at first")
		assert.NotEmpty(t, probes)
		assert.Less(t, len(probes), 10, "then one at a time: %v", probes)
		shutdown(t, p)
		sumsHold(t, p)
	})
}

// A full queue that drops the oldest: what ended last is delivered.
func TestDropOldest(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"plain", "encoding"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				release := make(chan struct{})
				c := &collector{export: blocked(release)}
				enc := &encoder{send: func(ctx context.Context, _ []string) error { return blocked(release)(ctx, nil) }}
				var e tracing.Exporter = c
				if kind == "encoding" {
					e = enc
				}
				tracer, p := inBubble(t, e, tracing.WithDropOldest(), tracing.WithQueueSpans(20),
					tracing.WithQueueBytes(64<<10), tracing.WithBatchSpans(5), tracing.WithBatchDelay(time.Second))
				begin := time.Now()
				padding := strings.Repeat("x", 4<<10)
				for i := range 500 {
					endOne(tracer, strconv.Itoa(i)+padding)
					synctest.Wait()
				}
				assert.Equal(t, begin, time.Now(), "End must not wait")
				s := p.Stats().Exporters[0]
				assert.Positive(t, s.Dropped.QueueFull)
				assert.LessOrEqual(t, s.WaitingBytes, 2*64<<10+2*5*5<<10)
				sumsHold(t, p)
				close(release)
				flush(t, p)
				names := c.names()
				for _, request := range enc.sent() {
					names = append(names, request...)
				}
				s = p.Stats().Exporters[0]
				assert.EqualValues(t, len(names), s.Exported)
				numbers := []int{}
				for _, name := range names {
					n, err := strconv.Atoi(strings.TrimRight(name, "x"))
					require.NoError(t, err)
					numbers = append(numbers, n)
				}
				slices.Sort(numbers)
				assert.Equal(t, 499, numbers[len(numbers)-1], "the newest is there")
				first := slices.IndexFunc(numbers, func(n int) bool { return n > 20 })
				for i, n := range numbers[first:] {
					assert.Equal(t, 500-len(numbers[first:])+i, n, "behind what was under way all are the newest: %v", numbers)
				}
				shutdown(t, p)
				sumsHold(t, p)
			})
		})
	}
}

// WithQueueSpans bounds encoded spans as well, and without it bytes alone do.
func TestQueueSpansBoundWhatIsEncoded(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		opts        []tracing.PipelineOption
		most, least int
	}{
		"64 spans": {[]tracing.PipelineOption{tracing.WithQueueSpans(64)}, 2*64 + 2*10, 60},
		"default":  {nil, 5000, 5000},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				release := make(chan struct{})
				e := &encoder{send: func(ctx context.Context, _ []string) error { return blocked(release)(ctx, nil) }}
				opts := append(tt.opts, tracing.WithBatchSpans(10), tracing.WithExportTimeout(time.Hour))
				tracer, p := inBubble(t, e, opts...)
				for range 5000 {
					endOne(tracer, "one")
					synctest.Wait()
				}
				time.Sleep(10 * time.Second)
				s := p.Stats().Exporters[0]
				assert.LessOrEqual(t, s.Waiting, tt.most)
				assert.GreaterOrEqual(t, s.Waiting, tt.least)
				assert.EqualValues(t, 5000-s.Waiting, s.Dropped.QueueFull)
				assert.LessOrEqual(t, s.InQueue, s.QueueCapacity)
				close(release)
				shutdown(t, p)
				sumsHold(t, p)
			})
		})
	}
}

// A flush is done when what ended before it is, however much ends meanwhile.
func TestForceFlushUnderLoad(t *testing.T) {
	t.Parallel()
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			tracer, p := inBubble(t, &collector{export: func(context.Context, []*tracing.SpanData) error {
				time.Sleep(time.Second)
				return nil
			}}, tracing.WithBatchSpans(2))
			endMany(tracer, 6)
			flushed := make(chan error, 1)
			go func() { flushed <- p.ForceFlush(context.Background()) }()
			synctest.Wait()
			begin := time.Now()
			for len(flushed) == 0 && time.Since(begin) < time.Minute {
				endMany(tracer, 4)
				time.Sleep(time.Second)
			}
			require.Len(t, flushed, 1)
			assert.LessOrEqual(t, time.Since(begin), 4*time.Second, "three batches")
		})
	}
}

// Few spans that are large wake the worker before the queue is full of them.
func TestLargeSpansWakeTheWorker(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := &encoder{}
		tracer, p := inBubble(t, e, tracing.WithQueueBytes(1<<20), tracing.WithBatchDelay(time.Hour))
		for range 100 {
			endOne(tracer, strings.Repeat("x", 100<<10))
			synctest.Wait()
		}
		s := p.Stats().Exporters[0]
		assert.Zero(t, s.Dropped)
		assert.Positive(t, s.Exported)
		shutdown(t, p)
		assert.Len(t, slices.Concat(e.sent()...), 100)
	})
}

// A worker that has found much looks again by itself, and is woken when the queue is half full meanwhile.
func TestWorkerLooksAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &collector{}
		tracer, p := inBubble(t, c, tracing.WithBatchSpans(100), tracing.WithBatchDelay(time.Hour), tracing.WithQueueSpans(2000))
		endMany(tracer, 300)
		synctest.Wait()
		first := len(c.spans())
		assert.Positive(t, first)
		endMany(tracer, 150)
		synctest.Wait()
		assert.Len(t, c.spans(), first, "nobody has woken it")
		time.Sleep(15 * time.Millisecond)
		assert.Len(t, c.spans(), 400, "but for a batch that is not full")
		endMany(tracer, 1500)
		synctest.Wait()
		assert.Greater(t, len(c.spans()), 1000, "half the queue")
		time.Sleep(time.Second)
		endMany(tracer, 100)
		synctest.Wait()
		assert.Len(t, c.spans(), 2000, "once it has found little it is woken by a batch")
		shutdown(t, p)
		assert.Len(t, c.spans(), 2050)
		sumsHold(t, p)
	})
}
