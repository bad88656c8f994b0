// SPDX-License-Identifier: Apache-2.0

package tracing_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/sampling"
	"github.com/spandrel-go/spandrel/tracing"
)

// grace is what Shutdown may take past its deadline, for calls that it has just cancelled to return.
const grace = time.Second

func TestNoGoroutineBeforeAProvider(t *testing.T) {
	t.Parallel()
	for _, stack := range strings.Split(atStart, "\n\n") {
		if !strings.Contains(stack, "TestMain") {
			assert.NotContains(t, stack, "spandrel")
		}
	}
}

func TestShutdownExportsWhatWaits(t *testing.T) {
	t.Parallel()
	c, e := &collector{}, &encoder{}
	p := newProvider(t, tracing.WithExporter(c, tracing.WithBatchDelay(time.Hour)), tracing.WithExporter(e, tracing.WithBatchDelay(time.Hour)))
	endMany(p.NewTracer("test"), 100)
	shutdown(t, p)
	assert.Len(t, c.spans(), 100)
	assert.Len(t, e.sent()[0], 100)
	assert.Equal(t, 1, c.shutdowns)
	assert.Equal(t, 1, e.shutdowns)
	sumsHold(t, p)
}

func TestShutdownIsIdempotent(t *testing.T) {
	t.Parallel()
	c := &collector{shutdown: func(context.Context) error { return errBackend }}
	p := newProvider(t, tracing.WithExporter(c))
	for range 3 {
		require.ErrorIs(t, p.Shutdown(context.Background()), errBackend, "further calls return the first one's error")
	}
	assert.Equal(t, 1, c.shutdowns)
	require.NoError(t, p.ForceFlush(context.Background()))
}

func TestSecondShutdownWaitsForTheFirstOrItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		_, p := inBubble(t, &collector{shutdown: func(context.Context) error { <-release; return nil }})
		var wg sync.WaitGroup
		wg.Go(func() { assert.NoError(t, p.Shutdown(context.Background())) })
		synctest.Wait()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		require.ErrorIs(t, p.Shutdown(ctx), context.DeadlineExceeded)
		wg.Go(func() { assert.NoError(t, p.Shutdown(context.Background())) })
		synctest.Wait()
		close(release)
		wg.Wait()
	})
}

// A plain exporter that never returns: Shutdown returns at its deadline, the spans are counted as
// abandoned, what waited behind them as lost at shutdown, and what was lent is never used again.
func TestShutdownWithAnExporterThatNeverReturns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var kept []*tracing.SpanData
		c := &collector{export: func(_ context.Context, spans []*tracing.SpanData) error {
			kept = spans
			<-release
			return nil
		}}
		p := newProvider(t, quiet(), tracing.WithExporter(c, tracing.WithBatchSpans(10), tracing.WithBatchDelay(time.Second)))
		tracer := p.NewTracer("test")
		for i := range 25 {
			endOne(tracer, fmt.Sprint("span ", i), tracing.WithAttributes(attribute.Int("i", i)))
		}
		synctest.Wait()
		begin := time.Now()
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		err := p.Shutdown(ctx)
		took := time.Since(begin)
		s := p.Stats().Exporters[0]
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.GreaterOrEqual(t, took, 2*time.Second)
		assert.LessOrEqual(t, took, 2*time.Second+grace)
		assert.EqualValues(t, 10, s.Dropped.Abandoned, "at the moment that Shutdown returns: %+v", s)
		assert.EqualValues(t, 15, s.Dropped.Shutdown, "at the moment that Shutdown returns: %+v", s)
		assert.Zero(t, s.Waiting)
		sumsHold(t, p)
		assert.Zero(t, c.shutdowns, "an exporter is not called twice at a time")

		other, po := inBubble(t, &collector{}, tracing.WithBatchSpans(1))
		for range 10 {
			for range 50 {
				endOne(other, "foreign", tracing.WithAttributes(attribute.String("foreign", "foreign")))
			}
			flush(t, po)
		}
		for i, d := range kept {
			assert.Equal(t, fmt.Sprint("span ", i), d.Name, "an abandoned span belongs to the exporter")
			assert.Equal(t, []attribute.KeyValue{attribute.Int("i", i)}, d.Attributes)
		}
		shutdown(t, po)
		close(release)
		synctest.Wait()
		assert.EqualValues(t, s, p.Stats().Exporters[0], "that it returned in the end changes nothing")
	})
}

// The same while the provider goes on: nobody else is called in the meantime, the spans behind wait, and
// when the exporter comes back they are exported; ForceFlush does not return before that.
func TestExporterThatComesBackTooLate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		first := true
		c := &collector{export: func(context.Context, []*tracing.SpanData) error {
			if first {
				first = false
				<-release
				return errBackend
			}
			return nil
		}}
		p := newProvider(t, quiet(), tracing.WithExporter(c, tracing.WithBatchSpans(1), tracing.WithBatchDelay(time.Hour), tracing.WithExportTimeout(time.Second)))
		tracer := p.NewTracer("test")
		endOne(tracer, "late")
		time.Sleep(time.Hour)
		endOne(tracer, "behind")
		require.Equal(t, 2, p.Stats().Exporters[0].Waiting)
		impatient, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		require.ErrorIs(t, p.ForceFlush(impatient), context.DeadlineExceeded)
		flushed := make(chan error, 1)
		go func() {
			err := p.ForceFlush(context.Background())
			if len(c.names()) != 1 {
				err = errors.Join(err, fmt.Errorf("exported when ForceFlush returned: %v", c.names()))
			}
			flushed <- err
		}()
		synctest.Wait()
		assert.Empty(t, flushed, "ForceFlush waits for the spans behind")
		close(release)
		err := <-flushed
		require.ErrorIs(t, err, errBackend, "one span was not delivered while ForceFlush waited")
		assert.Equal(t, []string{"behind"}, c.names())
		shutdown(t, p)
		s := p.Stats().Exporters[0]
		assert.EqualValues(t, 1, s.Dropped.ExportFailed)
		assert.EqualValues(t, 1, s.Exported)
		sumsHold(t, p)
	})
}

// An encoder that answers to nothing but the end of its ctx: Shutdown returns at its deadline, and
// our goroutines are gone: the bubble would not end otherwise.
func TestShutdownWithAnEncoderThatNeverAnswers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := &encoder{send: func(ctx context.Context, _ []string) error {
			<-ctx.Done()
			return ctx.Err()
		}}
		p := newProvider(t, quiet(), tracing.WithExporter(e, tracing.WithBatchSpans(10), tracing.WithExportTimeout(time.Hour)))
		endMany(p.NewTracer("test"), 100)
		synctest.Wait()
		begin := time.Now()
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		require.ErrorIs(t, p.Shutdown(ctx), context.DeadlineExceeded)
		assert.LessOrEqual(t, time.Since(begin), 2*time.Second+grace)
		s := p.Stats().Exporters[0]
		assert.Equal(t, tracing.DroppedStats{Shutdown: 100}, s.Dropped, "what Shutdown has cut off is not the backend's fault")
		assert.Zero(t, s.Waiting)
		assert.Equal(t, 1, e.shutdowns)
		sumsHold(t, p)
	})
}

func TestShutdownWithADoneContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tracer, p := inBubble(t, &encoder{})
		endMany(tracer, 10)
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		begin := time.Now()
		_ = p.Shutdown(ctx) // it may have been quick enough
		assert.LessOrEqual(t, time.Since(begin), grace)
		sumsHold(t, p)
		assert.Zero(t, p.Stats().Exporters[0].Waiting)
	})
}

// An exporter's Shutdown that never returns is left behind.
func TestShutdownOfAnExporterThatNeverReturns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		other := &collector{}
		p := newProvider(t, quiet(),
			tracing.WithExporter(&collector{shutdown: func(context.Context) error { <-release; return nil }}),
			tracing.WithExporter(other))
		endMany(p.NewTracer("test"), 10)
		begin := time.Now()
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		require.Error(t, p.Shutdown(ctx))
		assert.LessOrEqual(t, time.Since(begin), 2*time.Second+grace)
		assert.Len(t, other.spans(), 10)
		assert.Equal(t, 1, other.shutdowns)
		sumsHold(t, p)
		close(release)
	})
}

// With WithQueueWait too: a full queue must not hold Shutdown up.
func TestShutdownWithQueueWaitReturnsAtItsDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &collector{export: blocked(nil)}
		p := newProvider(t, quiet(), tracing.WithExporter(c, tracing.WithQueueSpans(5), tracing.WithBatchSpans(1),
			tracing.WithQueueWait(time.Hour), tracing.WithExportTimeout(10*time.Hour)))
		tracer := p.NewTracer("test")
		for range 50 {
			tracer.StartSpan(context.Background(), "open")
		}
		begin := time.Now()
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		require.Error(t, p.Shutdown(ctx))
		assert.LessOrEqual(t, time.Since(begin), 2*time.Second+grace)
		assert.EqualValues(t, 50, p.Stats().Unfinished)
		sumsHold(t, p)
	})
}

// Goroutines that wait for room are let go by Shutdown.
func TestShutdownLetsWaitingEndsGo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &collector{export: blocked(nil)}
		p := newProvider(t, quiet(), tracing.WithExporter(c, tracing.WithQueueSpans(5), tracing.WithBatchSpans(1),
			tracing.WithQueueWait(time.Hour), tracing.WithExportTimeout(10*time.Hour)))
		tracer := p.NewTracer("test")
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() { endOne(tracer, "waiting") })
		}
		synctest.Wait()
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		begin := time.Now()
		require.Error(t, p.Shutdown(ctx))
		wg.Wait()
		assert.LessOrEqual(t, time.Since(begin), 2*time.Second+grace)
		assert.EqualValues(t, 50, p.Stats().Ended)
		sumsHold(t, p)
	})
}

// A provider that has been shut down records nothing and passes the parent's ids through.
func TestStartAfterShutdown(t *testing.T) {
	t.Parallel()
	seen := 0
	tracer, c, p := newTracer(t, tracing.WithProcessor(&processor{onStart: func(context.Context, *tracing.Span) { seen++ }}))
	ctx, open := tracer.StartSpan(context.Background(), "open")
	shutdown(t, p)
	exported := len(c.spans())
	seen = 0
	inner, child := tracer.StartSpan(ctx, "child")
	assert.Equal(t, open.SpanContext(), child.SpanContext())
	assert.Equal(t, open.SpanContext(), trace.SpanContextFromContext(inner))
	assert.False(t, child.IsRecording())

	state, err := trace.ParseTraceState("a=b")
	require.NoError(t, err)
	arrived := remoteParent(true).WithTraceState(state)
	inner, s := tracer.StartSpan(trace.ContextWithRemoteSpanContext(context.Background(), arrived), "remote child")
	assert.Equal(t, arrived.WithRemote(false), s.SpanContext().WithRemote(false), "what a service sends on stays whole")
	_, grandchild := tracer.StartSpan(inner, "grandchild")
	assert.Equal(t, arrived.WithRemote(false), grandchild.SpanContext().WithRemote(false))

	_, root := tracer.StartSpan(context.Background(), "root")
	assert.False(t, root.IsRecording())
	assert.False(t, root.SpanContext().IsSampled())
	for _, s := range []*tracing.Span{open, child, s, grandchild, root} {
		s.SetAttributes(attribute.Int("i", 1))
		s.End()
	}
	stats := p.Stats()
	assert.EqualValues(t, 4, stats.StartedAfterShutdown)
	assert.EqualValues(t, 1, stats.EndedAfterShutdown)
	assert.EqualValues(t, 1, stats.Started)
	assert.Zero(t, seen)
	assert.Len(t, c.spans(), exported)
	sumsHold(t, p)
}

// Everything at once: starts, ends, flushes, statistics, shutdown. At the end the sums hold, and what
// the exporters got is what the statistics say.
func TestEverythingAtOnceConcurrentSafe(t *testing.T) {
	t.Parallel()
	for round := range 20 {
		c, e := &collector{}, &encoder{}
		var processed sync.Map
		sampler := samplerFunc(func(p sampling.Parameters) sampling.Result {
			if p.TraceID[0]%4 == 0 {
				return sampling.Result{Decision: sampling.Drop}
			}
			return sampling.Result{Decision: sampling.RecordAndSample}
		})
		p := newProvider(t, quiet(), tracing.WithSampler(sampling.ParentBased(sampler)),
			tracing.WithProcessor(&processor{onEnd: func(d *tracing.SpanData) { processed.Store(d.SpanContext.SpanID(), true) }}),
			tracing.WithExporter(c, tracing.WithBatchSpans(4), tracing.WithBatchDelay(time.Millisecond), tracing.WithQueueSpans(64)),
			tracing.WithExporter(e, tracing.WithBatchSpans(4), tracing.WithBatchDelay(time.Millisecond), tracing.WithQueueSpans(64)))
		tracer := p.NewTracer("test")
		var wg sync.WaitGroup
		stop := make(chan struct{})
		for range 4 {
			wg.Go(func() {
				for range 60 {
					ctx, root := tracer.StartSpan(context.Background(), "root")
					var inner sync.WaitGroup
					for range 3 {
						inner.Go(func() {
							_, s := tracer.StartSpan(ctx, "child")
							s.SetAttribute("a", 1)
							s.End()
							s.End()
						})
					}
					root.End()
					inner.Wait()
				}
			})
		}
		wg.Go(func() {
			for range 20 {
				_ = p.ForceFlush(context.Background())
			}
		})
		var watchers sync.WaitGroup
		watchers.Go(func() { watchStats(t, p, stop) })
		if round%2 == 0 {
			wg.Go(func() { _ = p.Shutdown(context.Background()) })
		}
		wg.Wait()
		_ = p.Shutdown(context.Background())
		close(stop)
		watchers.Wait()
		s := p.Stats()
		sumsHold(t, p)
		assert.Zero(t, s.Open)
		assert.EqualValues(t, len(c.spans()), s.Exporters[0].Exported)
		got := 0
		for _, names := range e.sent() {
			got += len(names)
		}
		assert.EqualValues(t, got, s.Exporters[1].Exported)
		assert.Zero(t, s.Exporters[0].Waiting)
		assert.Zero(t, s.Exporters[1].Waiting)
	}
}

// watchStats checks, until stop is closed, that counters are monotone and bounded by each other.
func watchStats(t *testing.T, p *tracing.Provider, stop <-chan struct{}) {
	var last tracing.Stats
	for {
		s := p.Stats()
		assert.GreaterOrEqual(t, s.Started, last.Started)
		assert.GreaterOrEqual(t, s.Ended, last.Ended)
		assert.GreaterOrEqual(t, s.SampledOut, last.SampledOut)
		assert.GreaterOrEqual(t, s.Started, s.Ended, "what has ended has started")
		assert.GreaterOrEqual(t, s.Open, 0)
		for i, e := range s.Exporters {
			assert.GreaterOrEqual(t, e.Waiting, 0)
			if last.Exporters != nil {
				before := last.Exporters[i]
				assert.GreaterOrEqual(t, e.Queued, before.Exported+before.Dropped.Sum(), "what was resolved had been queued")
				assert.GreaterOrEqual(t, e.Exported, last.Exporters[i].Exported)
				assert.GreaterOrEqual(t, e.Queued, last.Exporters[i].Queued)
				assert.GreaterOrEqual(t, e.Dropped.Sum(), last.Exporters[i].Dropped.Sum())
			}
		}
		last = s
		select {
		case <-stop:
			return
		default:
		}
	}
}

// A flush under way when Shutdown leaves the exporter behind returns too, and says that its spans were not
// delivered.
func TestForceFlushReturnsWhenShutdownLeavesTheExporter(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"plain", "encodes", "spool"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				release := make(chan struct{})
				opts := []tracing.PipelineOption{tracing.WithBatchSpans(1)}
				var e tracing.Exporter = &encoder{send: func(context.Context, []string) error { <-release; return nil }}
				switch kind {
				case "plain":
					e = &collector{export: func(context.Context, []*tracing.SpanData) error { <-release; return nil }}
				case "spool":
					opts = append(opts, tracing.WithSpool(t.TempDir(), spoolBytes))
				}
				tracer, p := inBubble(t, e, opts...)
				endMany(tracer, 5)
				flushed := make(chan error, 1)
				go func() { flushed <- p.ForceFlush(context.Background()) }()
				synctest.Wait()
				ctx, cancel := context.WithTimeout(context.Background(), time.Second)
				defer cancel()
				require.ErrorIs(t, p.Shutdown(ctx), context.DeadlineExceeded)
				var failure *tracing.DeliveryError
				require.ErrorAs(t, <-flushed, &failure)
				assert.Zero(t, failure.Sent)
				sumsHold(t, p)
				close(release)
			})
		})
	}
}

// A span that reaches the queue when Shutdown has left an encoder behind that never returns is counted, and
// does not wait for ever.
func TestSpanAfterTheEncoderWasLeftBehind(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		e := &encoder{appendSpan: func(dst []byte, d *tracing.SpanData) []byte {
			<-release
			return appendName(dst, d.Name)
		}}
		slow := make(chan struct{})
		ending := 0
		proc := &processor{onEnding: func(*tracing.Span) {
			if ending++; ending == 2 {
				<-slow
			}
		}}
		p := newProvider(t, quiet(), tracing.WithProcessor(proc), tracing.WithExporter(e, tracing.WithBatchSpans(1)))
		tracer := p.NewTracer("test")
		endOne(tracer, "stuck")
		go endOne(tracer, "slow")
		time.Sleep(time.Minute)
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		require.Error(t, p.Shutdown(ctx))
		close(slow)
		synctest.Wait()
		s := p.Stats().Exporters[0]
		assert.EqualValues(t, 2, s.Dropped.Sum())
		assert.Zero(t, s.Waiting)
		assert.Zero(t, s.InQueue)
		sumsHold(t, p)
		close(release)
		synctest.Wait()
		assert.Equal(t, s, p.Stats().Exporters[0])
	})
}
