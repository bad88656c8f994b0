// SPDX-License-Identifier: Apache-2.0

package tracing_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/spandrel-go/spandrel/tracing"
)

// What happens without any option.
func TestSpec_Batch_defaults(t *testing.T) {
	t.Parallel()
	assert.Equal(t, 5000*time.Millisecond, tracing.DefaultBatchDelay)
	assert.Equal(t, 30000*time.Millisecond, tracing.DefaultExportTimeout)
	assert.Equal(t, 2048, tracing.DefaultQueueSpans)
	assert.Equal(t, 512, tracing.DefaultBatchSpans)
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var timeouts []time.Duration
		c := &collector{export: func(ctx context.Context, _ []*tracing.SpanData) error {
			end, _ := ctx.Deadline()
			timeouts = append(timeouts, time.Until(end))
			<-release
			return nil
		}}
		tracer, p := inBubble(t, c)
		endOne(tracer, "first")
		time.Sleep(5 * time.Second)
		synctest.Wait()
		require.Equal(t, []time.Duration{30 * time.Second}, timeouts, "after five seconds at the latest, and for thirty")
		// The exporter has one; the queue takes 2048 more and what the worker has taken, at most a batch.
		endMany(tracer, 2048)
		assert.Zero(t, p.Stats().Exporters[0].Dropped)
		endMany(tracer, 2*2048)
		synctest.Wait()
		waiting := p.Stats().Exporters[0].Waiting
		assert.GreaterOrEqual(t, waiting, 2048)
		assert.LessOrEqual(t, waiting, 1+2048+512)
		assert.EqualValues(t, 1+3*2048-waiting, p.Stats().Exporters[0].Dropped.QueueFull)
		close(release)
		flush(t, p)
		require.Greater(t, len(c.sizes()), 4)
		for _, n := range c.sizes()[1:] {
			assert.LessOrEqual(t, n, 512)
		}
		assert.Contains(t, c.sizes(), 512)
		shutdown(t, p)
	})
}

func TestSpec_Batch_after_delay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const delay = 3 * time.Second
		var at []time.Time
		c := &collector{export: func(context.Context, []*tracing.SpanData) error {
			at = append(at, time.Now())
			return nil
		}}
		tracer, p := inBubble(t, c, tracing.WithBatchDelay(delay))
		time.Sleep(10 * delay)
		synctest.Wait()
		assert.Empty(t, at, "an empty batch is not exported")
		var first []time.Time
		for i := range 5 { // the delay after the first span, and then the delay after each export
			first = append(first, time.Now())
			endOne(tracer, fmt.Sprint("span ", i))
			time.Sleep(delay)
			synctest.Wait()
			require.Len(t, at, i+1)
			assert.Positive(t, at[i].Sub(first[i]), "the span waits for others")
			assert.LessOrEqual(t, at[i].Sub(first[i]), delay)
		}
		assert.Equal(t, []int{1, 1, 1, 1, 1}, c.sizes())
		shutdown(t, p)
	})
}

func TestSpec_Batch_when_full(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &collector{}
		tracer, p := inBubble(t, c, tracing.WithBatchSpans(8), tracing.WithBatchDelay(time.Hour))
		begin := time.Now()
		endMany(tracer, 7)
		synctest.Wait()
		assert.Empty(t, c.sizes())
		endMany(tracer, 1)
		synctest.Wait()
		assert.Equal(t, []int{8}, c.sizes())
		assert.Zero(t, time.Since(begin))
		shutdown(t, p)
	})
}

func TestSpec_Exports_do_not_overlap_ConcurrentSafe(t *testing.T) {
	t.Parallel()
	c, e := &collector{}, &encoder{}
	short := []tracing.PipelineOption{tracing.WithBatchDelay(time.Millisecond), tracing.WithBatchSpans(5), tracing.WithQueueSpans(1 << 16)}
	p := newProvider(t, tracing.WithExporter(c, short...), tracing.WithExporter(e, short...))
	tracer := p.NewTracer("test")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 10 {
				endMany(tracer, 10)
				assert.NoError(t, p.ForceFlush(context.Background()))
			}
		})
	}
	wg.Wait()
	shutdown(t, p)
	assert.Zero(t, c.overlaps)
	assert.Zero(t, e.met)
	assert.Len(t, c.spans(), 800)
	assert.Len(t, slicesOf(e.sent()), 800)
}

func TestSpec_Full_queue_drops(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		c := &collector{export: blocked(release)}
		tracer, p := inBubble(t, c, tracing.WithQueueSpans(20), tracing.WithBatchSpans(1), tracing.WithExportTimeout(time.Hour))
		endOne(tracer, "with the exporter")
		synctest.Wait()
		begin := time.Now()
		endMany(tracer, 100)
		assert.Zero(t, time.Since(begin), "End does not wait")
		synctest.Wait()
		s := p.Stats().Exporters[0]
		assert.GreaterOrEqual(t, s.Waiting, 20)
		assert.EqualValues(t, 101-s.Waiting, s.Dropped.QueueFull)
		assert.Positive(t, s.Dropped.QueueFull)
		close(release)
		shutdown(t, p)
		assert.Len(t, c.spans(), s.Waiting)
		sumsHold(t, p)
	})
}

// A batch that would be larger than the queue is as large as the queue.
func TestSpec_Batch_no_larger_than_queue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &collector{}
		tracer, p := inBubble(t, c, tracing.WithQueueSpans(10), tracing.WithBatchSpans(1000), tracing.WithBatchDelay(time.Hour))
		for range 10 {
			endMany(tracer, 10)
			synctest.Wait()
		}
		flush(t, p)
		for _, n := range c.sizes() {
			assert.LessOrEqual(t, n, 10)
		}
		assert.Len(t, c.spans(), 100)
		shutdown(t, p)
	})
}

func TestSpec_Export_timeout(t *testing.T) {
	t.Parallel()
	hang := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	for name, e := range map[string]tracing.Exporter{
		"plain":    &collector{export: func(ctx context.Context, _ []*tracing.SpanData) error { return hang(ctx) }},
		"encoding": &encoder{send: func(ctx context.Context, _ []string) error { return hang(ctx) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := newProvider(t, quiet(), tracing.WithExporter(e, tracing.WithExportTimeout(7*time.Second)))
				endOne(p.NewTracer("test"), "one")
				begin := time.Now()
				require.ErrorIs(t, p.ForceFlush(context.Background()), context.DeadlineExceeded)
				assert.Equal(t, 7*time.Second, time.Since(begin))
				assert.EqualValues(t, 1, p.Stats().Exporters[0].Dropped.ExportFailed)
				shutdown(t, p)
			})
		})
	}
}
