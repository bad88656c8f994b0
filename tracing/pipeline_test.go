// SPDX-License-Identifier: Apache-2.0

package tracing_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"

	"github.com/spandrel-go/spandrel/tracing"
)

// endOne makes a trace of one span.
func endOne(tracer *tracing.Tracer, name string, opts ...tracing.SpanOption) {
	_, s := tracer.StartSpan(context.Background(), name, opts...)
	s.End()
}

func endMany(tracer *tracing.Tracer, n int) {
	for i := range n {
		endOne(tracer, fmt.Sprint("span ", i))
	}
}

// inBubble makes a provider with one exporter; the shutdown at the test's end is in the bubble too.
func inBubble(t *testing.T, e tracing.Exporter, opts ...tracing.PipelineOption) (*tracing.Tracer, *tracing.Provider) {
	t.Helper()
	p := newProvider(t, tracing.WithExporter(e, opts...))
	return p.NewTracer("test"), p
}

func TestBatchesBySpans(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &collector{}
		tracer, p := inBubble(t, c, tracing.WithBatchSpans(10), tracing.WithBatchDelay(time.Hour))
		endMany(tracer, 9)
		synctest.Wait()
		assert.Empty(t, c.sizes())
		endMany(tracer, 16)
		synctest.Wait()
		assert.Equal(t, []int{10, 10}, c.sizes())
		flush(t, p)
		assert.Equal(t, []int{10, 10, 5}, c.sizes())
		shutdown(t, p)
		sumsHold(t, p)
	})
}

func TestBatchesByBytes(t *testing.T) {
	t.Parallel()
	e := &encoder{}
	p := newProvider(t, tracing.WithExporter(e, tracing.WithBatchBytes(1000), tracing.WithBatchDelay(time.Hour)))
	tracer := p.NewTracer("test")
	want := []string{}
	for i := range 100 {
		name := fmt.Sprint(i, strings.Repeat("x", (i*37)%400))
		if i%20 == 7 {
			name = fmt.Sprint(i, strings.Repeat("y", 1500)) // larger than a batch
		}
		want = append(want, name)
		endOne(tracer, name)
	}
	flush(t, p)
	got := []string{}
	for _, names := range e.sent() {
		size := 0
		for _, n := range names {
			size += 4 + len(n)
		}
		assert.True(t, size <= 1000 || len(names) == 1, "a batch of %d spans and %d bytes", len(names), size)
		got = append(got, names...)
	}
	assert.Equal(t, want, got, "in the order of their ends")
	sumsHold(t, p)
}

func TestBatchesByAge(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const delay = 3 * time.Second
		c := &collector{}
		tracer, p := inBubble(t, c, tracing.WithBatchDelay(delay))
		for i := range 20 {
			time.Sleep(delay + delay/20)
			name := strconv.Itoa(i)
			endOne(tracer, name)
			time.Sleep(delay)
			synctest.Wait()
			c.span(t, name)
		}
		shutdown(t, p)
	})
}

// blocked returns an export hook that waits until release is closed, or ctx is done.
func blocked(release <-chan struct{}) func(context.Context, []*tracing.SpanData) error {
	return func(ctx context.Context, _ []*tracing.SpanData) error {
		select {
		case <-release:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func TestFullQueueDropsAndCounts(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		opt     tracing.PipelineOption
		bytes   int
		atMost  int // spans that may wait: the queue's and one batch
		atLeast int
	}{
		"spans": {tracing.WithQueueSpans(20), 0, 20 + 10 + 9, 20},
		"bytes": {tracing.WithQueueBytes(200 << 10), 10 << 10, 20 + 10 + 9, 10},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				release := make(chan struct{})
				c := &collector{export: blocked(release)}
				tracer, p := inBubble(t, c, tt.opt, tracing.WithBatchSpans(5), tracing.WithBatchDelay(time.Second))
				begin := time.Now()
				for i := range 500 {
					endOne(tracer, strconv.Itoa(i), tracing.WithAttributes(attribute.String("v", strings.Repeat("x", tt.bytes))))
					synctest.Wait()
				}
				assert.Equal(t, begin, time.Now(), "End must not wait")
				s := p.Stats().Exporters[0]
				assert.LessOrEqual(t, s.Waiting, tt.atMost)
				assert.GreaterOrEqual(t, s.Waiting, tt.atLeast)
				assert.EqualValues(t, 500-s.Waiting, s.Dropped.QueueFull)
				assert.EqualValues(t, 500, s.Queued)
				sumsHold(t, p)
				close(release)
				flush(t, p)
				s = p.Stats().Exporters[0]
				assert.Zero(t, s.Waiting)
				assert.EqualValues(t, len(c.spans()), s.Exported)
				sumsHold(t, p)
				endOne(tracer, "again")
				flush(t, p)
				c.span(t, "again")
				shutdown(t, p)
			})
		})
	}
}

// An exporter that encodes: the bytes that wait are bounded as well.
func TestFullOutboxDropsAndCounts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		e := &encoder{send: func(ctx context.Context, _ []string) error { return blocked(release)(ctx, nil) }}
		const bound = 50 << 10
		tracer, p := inBubble(t, e, tracing.WithQueueBytes(bound), tracing.WithBatchSpans(5), tracing.WithBatchDelay(time.Second))
		begin := time.Now()
		for range 1000 {
			endOne(tracer, strings.Repeat("x", 1<<10))
			synctest.Wait()
		}
		assert.Equal(t, begin, time.Now(), "End must not wait")
		s := p.Stats().Exporters[0]
		assert.Positive(t, s.Dropped.QueueFull)
		assert.LessOrEqual(t, s.Waiting, 2*50+3*5, "twice the bound and two batches, of spans of 1 kB")
		sumsHold(t, p)
		close(release)
		flush(t, p)
		assert.EqualValues(t, 1000, p.Stats().Exporters[0].Exported+p.Stats().Exporters[0].Dropped.QueueFull)
		shutdown(t, p)
		sumsHold(t, p)
	})
}

func TestQueueWaitLosesNothing(t *testing.T) {
	t.Parallel()
	for name, e := range map[string]tracing.Exporter{
		"plain":    &collector{export: slowly},
		"encoding": &encoder{send: func(ctx context.Context, _ []string) error { return slowly(ctx, nil) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				tracer, p := inBubble(t, e, tracing.WithQueueSpans(10), tracing.WithQueueBytes(16<<10),
					tracing.WithBatchSpans(5), tracing.WithQueueWait(time.Minute))
				var wg sync.WaitGroup
				for range 4 {
					wg.Go(func() {
						for range 250 {
							endOne(tracer, strings.Repeat("x", 1<<10)) // 16 of them fill what waits as bytes
						}
					})
				}
				wg.Wait()
				flush(t, p)
				s := p.Stats().Exporters[0]
				assert.EqualValues(t, 1000, s.Exported)
				assert.Zero(t, s.Dropped)
				shutdown(t, p)
				sumsHold(t, p)
			})
		})
	}
}

// slowly takes its time, in a bubble.
func slowly(context.Context, []*tracing.SpanData) error {
	time.Sleep(10 * time.Millisecond)
	return nil
}

func TestQueueWaitEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		c := &collector{export: blocked(release)}
		tracer, p := inBubble(t, c, tracing.WithQueueSpans(1), tracing.WithBatchSpans(1), tracing.WithQueueWait(3*time.Second))
		endOne(tracer, "with the exporter")
		synctest.Wait()
		endOne(tracer, "in the queue")
		synctest.Wait()
		begin := time.Now()
		endOne(tracer, "dropped")
		assert.Equal(t, 3*time.Second, time.Since(begin))
		assert.EqualValues(t, 1, p.Stats().Exporters[0].Dropped.QueueFull)
		close(release)
		shutdown(t, p)
		assert.Equal(t, []string{"with the exporter", "in the queue"}, c.names())
		sumsHold(t, p)
	})
}

// What can never fit is dropped at once: there is no room to wait for.
func TestQueueWaitIsNotForWhatNeverFits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &collector{}
		tracer, p := inBubble(t, c, tracing.WithQueueBytes(10<<10), tracing.WithQueueWait(time.Hour))
		begin := time.Now()
		endOne(tracer, "huge", tracing.WithAttributes(attribute.String("v", strings.Repeat("x", 20<<10))))
		assert.Zero(t, time.Since(begin))
		endOne(tracer, "small")
		shutdown(t, p)
		assert.Equal(t, []string{"small"}, c.names())
		assert.EqualValues(t, 1, p.Stats().Exporters[0].Dropped.QueueFull)
		sumsHold(t, p)
	})
}

// A provider calls ExportSpans of one exporter from one goroutine at a time, never after Shutdown,
// with at least one span, and Shutdown once.
func TestExporterIsCalledByOneGoroutineAtATimeConcurrentSafe(t *testing.T) {
	t.Parallel()
	c := &collector{}
	e := &encoder{}
	short := []tracing.PipelineOption{tracing.WithBatchDelay(time.Millisecond), tracing.WithBatchSpans(3), tracing.WithQueueSpans(1 << 20)}
	p := newProvider(t, tracing.WithExporter(c, short...), tracing.WithExporter(e, short...))
	tracer := p.NewTracer("test")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 20 {
				endMany(tracer, 20)
				_ = p.ForceFlush(context.Background())
			}
		})
	}
	wg.Wait()
	for range 3 {
		wg.Go(func() { _ = p.Shutdown(context.Background()) })
	}
	wg.Wait()
	endMany(tracer, 20)
	_ = p.ForceFlush(context.Background())
	assert.Zero(t, c.overlaps)
	assert.Zero(t, c.late)
	assert.Equal(t, 1, c.shutdowns)
	assert.Equal(t, 1, e.shutdowns)
	assert.Zero(t, e.met)
	assert.Empty(t, e.Batches(), "ExportSpans of an exporter that encodes is never called")
	assert.NotContains(t, c.sizes(), 0)
	total := 0
	for i, names := range e.tries {
		assert.Len(t, names, e.counts[i], "the number of spans that SendRequest is told")
		total += len(names)
	}
	assert.Equal(t, 4*20*20, total)
	assert.Len(t, c.spans(), total)
	sumsHold(t, p)
}

func TestEncoderIsShownTheResource(t *testing.T) {
	t.Parallel()
	e := &encoder{}
	p := newProvider(t, tracing.WithExporter(e), tracing.WithServiceName("orders"))
	endMany(p.NewTracer("test"), 3)
	flush(t, p)
	assert.Equal(t, "orders", e.resource)
	assert.Equal(t, [][]string{{"span 0", "span 1", "span 2"}}, e.sent())
}

// Those of one local trace stand side by side.
func TestSpansOfOneLocalTraceStandSideBySideConcurrentSafe(t *testing.T) {
	t.Parallel()
	c := &collector{}
	p := newProvider(t, tracing.WithExporter(c, tracing.WithQueueSpans(1<<20), tracing.WithQueueBytes(1<<30), tracing.WithBatchSpans(10_000)))
	tracer := p.NewTracer("test")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				ctx, root := tracer.StartSpan(context.Background(), "root")
				for range 100 {
					_, s := tracer.StartSpan(ctx, "child")
					s.End()
				}
				root.End()
			}
		})
	}
	wg.Wait()
	flush(t, p)
	apart := 0
	for _, batch := range c.Batches() {
		seen := map[string]bool{}
		last := ""
		for _, d := range batch {
			id := d.SpanContext.TraceID().String()
			if id != last && seen[id] {
				apart++
			}
			seen[id], last = true, id
		}
	}
	assert.Zero(t, apart, "times that a local trace was taken up again within a batch")
	assert.Len(t, c.spans(), 8*20*101)
	sumsHold(t, p)
}

func TestForceFlushWaitsForWhatEndedBefore(t *testing.T) {
	t.Parallel()
	for name, e := range map[string]interface {
		tracing.Exporter
		count() int
	}{"plain": &slowCollector{}, "encoding": &slowEncoder{}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				tracer, p := inBubble(t, e, tracing.WithBatchSpans(7), tracing.WithBatchDelay(time.Hour))
				for round := range 10 {
					endMany(tracer, 50)
					flush(t, p)
					assert.Equal(t, 50*(round+1), e.count())
				}
				shutdown(t, p)
			})
		})
	}
}

// slowCollector and slowEncoder take their time, in a bubble.
type slowCollector struct{ collector }

func (c *slowCollector) ExportSpans(ctx context.Context, spans []*tracing.SpanData) error {
	_ = slowly(ctx, nil)
	return c.collector.ExportSpans(ctx, spans)
}

func (c *slowCollector) count() int { return len(c.spans()) }

type slowEncoder struct{ encoder }

func (e *slowEncoder) SendRequest(ctx context.Context, body []byte, spans int) error {
	_ = slowly(ctx, nil)
	return e.encoder.SendRequest(ctx, body, spans)
}

func (e *slowEncoder) count() (n int) {
	for _, names := range e.sent() {
		n += len(names)
	}
	return n
}

// ForceFlush takes every span that has ended before the call, also while others of the same local
// trace start and end.
func TestForceFlushInATraceThatGoesOnConcurrentSafe(t *testing.T) {
	t.Parallel()
	c := &collector{}
	p := newProvider(t, tracing.WithExporter(c, tracing.WithBatchDelay(time.Hour),
		tracing.WithQueueSpans(1<<20), tracing.WithQueueBytes(1<<30)))
	tracer := p.NewTracer("test")
	ctx, root := tracer.StartSpan(context.Background(), "root")
	const rounds, noise = 500, 40
	work := make(chan struct{}, noise)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range work {
				_, s := tracer.StartSpan(ctx, "noise")
				s.End()
			}
		})
	}
	missed := 0
	for i := range rounds {
		for range noise / 2 {
			work <- struct{}{}
		}
		name := fmt.Sprint("mine ", i)
		_, s := tracer.StartSpan(ctx, name)
		s.End()
		for range noise / 2 {
			work <- struct{}{}
		}
		flush(t, p)
		found := false
		for _, d := range c.Spans() {
			found = found || d.Name == name
		}
		c.Reset()
		if !found {
			missed++
		}
	}
	close(work)
	wg.Wait()
	root.End()
	flush(t, p)
	require.Zero(t, p.Stats().Exporters[0].Dropped)
	assert.EqualValues(t, rounds*(noise+1)+1, p.Stats().Exporters[0].Exported)
	assert.Zero(t, missed, "spans that had ended before ForceFlush and were not exported after it")
	sumsHold(t, p)
}

// A span whose end takes long, in a processor, does not hold up those beside it: not in ForceFlush, and
// not in Shutdown.
func TestFlushPastASpanThatIsEnding(t *testing.T) {
	t.Parallel()
	for name, last := range map[string]func(testing.TB, *tracing.Provider){"ForceFlush": flush, "Shutdown": shutdown} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				release := make(chan struct{})
				var slow sync.Map
				tracer, c, p := newTracer(t, tracing.WithProcessor(&processor{onEnding: func(s *tracing.Span) {
					s.SetAttribute("ending", true)
					if _, wait := slow.Load(s.SpanContext().SpanID()); wait {
						<-release
					}
				}}))
				ctx, root := tracer.StartSpan(context.Background(), "root")
				_, open := tracer.StartSpan(ctx, "open")
				var wg sync.WaitGroup
				for i := range 20 {
					_, held := tracer.StartSpan(ctx, fmt.Sprint("slow ", i))
					slow.Store(held.SpanContext().SpanID(), true)
					wg.Go(func() { held.End() })
					synctest.Wait()
					_, s := tracer.StartSpan(ctx, fmt.Sprint("quick ", i))
					full(s, i%4)
					s.End()
				}
				last(t, p)
				for i := range 20 {
					d := c.span(t, fmt.Sprint("quick ", i))
					assert.Len(t, d.Attributes, i%4+1)
					assert.Len(t, d.Events, i%4)
					assert.Len(t, d.Links, i%4)
					assert.Equal(t, root.SpanContext(), d.Parent)
				}
				close(release)
				wg.Wait()
				open.End()
				root.End()
				if name == "ForceFlush" {
					flush(t, p)
					assert.Len(t, c.spans(), 42)
				} else {
					assert.EqualValues(t, 20, p.Stats().Exporters[0].Dropped.Shutdown, "ended too late")
				}
				sumsHold(t, p)
			})
		})
	}
}

func TestForceFlushReturnsAtItsDeadline(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]tracing.PipelineOption{
		"dropping": {tracing.WithQueueSpans(10), tracing.WithBatchSpans(1)},
		"waiting":  {tracing.WithQueueSpans(10), tracing.WithBatchSpans(1), tracing.WithQueueWait(time.Hour)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				release := make(chan struct{})
				tracer, p := inBubble(t, &collector{export: blocked(release)}, append(opts, tracing.WithBatchDelay(time.Hour))...)
				// Ended spans that stand in traces which go on, more than the queue takes.
				for range 30 {
					ctx, _ := tracer.StartSpan(context.Background(), "open")
					_, s := tracer.StartSpan(ctx, "ended")
					s.End()
				}
				begin := time.Now()
				ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
				defer cancel()
				err := p.ForceFlush(ctx)
				assert.ErrorIs(t, err, context.DeadlineExceeded)
				assert.Equal(t, 2*time.Second, time.Since(begin))
				close(release)
				shutdown(t, p)
				sumsHold(t, p)
			})
		})
	}
}

// Two exporters, one of which does not answer, do not hurt each other.
func TestSlowExporterDoesNotHurtTheOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		slow, fast := &collector{export: blocked(release)}, &collector{}
		p := newProvider(t,
			tracing.WithExporter(slow, tracing.WithQueueSpans(10), tracing.WithBatchSpans(5)),
			tracing.WithExporter(fast, tracing.WithBatchSpans(5)))
		tracer := p.NewTracer("test")
		for i := range 200 {
			endOne(tracer, strconv.Itoa(i))
			synctest.Wait()
		}
		assert.Len(t, fast.spans(), 200)
		s := p.Stats()
		assert.EqualValues(t, 200, s.Exporters[1].Exported)
		assert.Positive(t, s.Exporters[0].Dropped.QueueFull)
		assert.Zero(t, s.Exporters[1].Dropped)
		sumsHold(t, p)
		close(release)
		shutdown(t, p)
		// What both got is the same although one kept the record longer.
		for _, d := range slow.spans() {
			assert.Equal(t, fast.span(t, d.Name), d)
		}
		sumsHold(t, p)
	})
}

// What is borrowed cannot be appended to in place.
func TestBorrowedSlicesAreClipped(t *testing.T) {
	t.Parallel()
	c := &collector{}
	check := func(d *tracing.SpanData) {
		if len(d.Attributes) != cap(d.Attributes) || len(d.Events) != cap(d.Events) || len(d.Links) != cap(d.Links) {
			t.Errorf("%s: a slice with cap > len", d.Name)
		}
		for _, e := range d.Events {
			if len(e.Attributes) != cap(e.Attributes) {
				t.Errorf("%s: attributes of an event with cap > len", d.Name)
			}
		}
		for _, l := range d.Links {
			if len(l.Attributes) != cap(l.Attributes) {
				t.Errorf("%s: attributes of a link with cap > len", d.Name)
			}
		}
	}
	c.export = func(_ context.Context, spans []*tracing.SpanData) error {
		for _, d := range spans {
			check(d)
		}
		return nil
	}
	p := newProvider(t, tracing.WithExporter(c), tracing.WithProcessor(&processor{onEnd: check}))
	tracer := p.NewTracer("test")
	for i := range 50 {
		_, s := tracer.StartSpan(context.Background(), strconv.Itoa(i))
		full(s, i%5)
		s.End()
	}
	flush(t, p)
	assert.Len(t, c.spans(), 50)
}

var errBackend = errors.New("the backend is away")
