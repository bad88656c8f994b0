// SPDX-License-Identifier: Apache-2.0

package tracing_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/spandrel-go/spandrel/tracing"
	"github.com/spandrel-go/spandrel/tracing/tracetest"
)

// timed is an exporter with faults that notes when it was called.
type timed struct {
	tracing.Exporter
	faults *tracetest.FaultExporter

	mu    sync.Mutex // guards calls
	calls []time.Time
}

// kinds are the two kinds of exporters. A plain one is given its spans again, one that encodes its bytes.
var kinds = []string{"plain", "encodes"}

func newTimed(kind string, rest tracetest.Fault) *timed {
	x := &timed{}
	if kind == "plain" {
		x.faults = tracetest.NewFaultExporter(nil)
		x.Exporter = x.faults
	} else {
		e := tracetest.NewFaultEncoder(&encoder{})
		x.faults, x.Exporter = e.FaultExporter, e
	}
	x.then(rest)
	return x
}

// then sets what becomes of all calls from now on.
func (x *timed) then(f tracetest.Fault) {
	x.faults.Rest(func(ctx context.Context, c tracetest.Call) error {
		x.mu.Lock()
		x.calls = append(x.calls, time.Now())
		x.mu.Unlock()
		return f(ctx, c)
	})
}

// at returns when the calls were made, counted from the first.
func (x *timed) at() []time.Duration {
	x.mu.Lock()
	defer x.mu.Unlock()
	var at []time.Duration
	for _, call := range x.calls {
		at = append(at, call.Sub(x.calls[0]))
	}
	return at
}

// pauses returns the times between the calls.
func (x *timed) pauses() []time.Duration {
	var pauses []time.Duration
	at := x.at()
	for i := 1; i < len(at); i++ {
		pauses = append(pauses, at[i]-at[i-1])
	}
	return pauses
}

// eachKind runs f in a bubble for each kind of exporter.
func eachKind(t *testing.T, f func(t *testing.T, kind string)) {
	t.Helper()
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { f(t, kind) })
		})
	}
}

// The pause is half a second and doubles up to ten, each shortened at random by up to a half, for as long
// as the retry limit allows.
func TestPausesGrow(t *testing.T) {
	t.Parallel()
	eachKind(t, func(t *testing.T, kind string) {
		const limit = 10 * time.Minute
		x := newTimed(kind, tracetest.FailForNow(0))
		p := newProvider(t, quiet(), tracing.WithExporter(x.Exporter, tracing.WithRetryLimit(limit)))
		endOne(p.NewTracer("test"), "one")
		err := p.ForceFlush(context.Background())
		require.ErrorIs(t, err, tracetest.ErrFault)
		pauses := x.pauses()
		for i, pause := range pauses {
			full := min(500*time.Millisecond<<min(i, 10), 10*time.Second)
			assert.LessOrEqual(t, pause, full, "pause %d", i)
			assert.GreaterOrEqual(t, pause, full/2, "pause %d", i)
		}
		at := x.at()
		last := at[len(at)-1]
		assert.LessOrEqual(t, last, limit)
		assert.Greater(t, last, limit-10*time.Second, "it is tried for as long as it may be")
		s := p.Stats().Exporters[0]
		assert.Equal(t, uint64(len(pauses)), s.Retried)
		assert.Equal(t, tracing.DroppedStats{ExportFailed: 1}, s.Dropped)
		shutdown(t, p)
		assert.Len(t, x.at(), len(pauses)+1, "nothing is sent after that")
		sumsHold(t, p)
	})
}

// Programs that lost their backend at the same moment do not come back at the same moment.
func TestPausesDiffer(t *testing.T) {
	t.Parallel()
	for _, asked := range []time.Duration{0, time.Second} {
		eachKind(t, func(t *testing.T, kind string) {
			seen := map[time.Duration]int{}
			for range 20 {
				x := newTimed(kind, tracetest.FailForNow(asked))
				p := newProvider(t, quiet(), tracing.WithExporter(x.Exporter))
				endOne(p.NewTracer("test"), "one")
				require.Error(t, p.ForceFlush(context.Background()))
				seen[x.pauses()[0]]++
			}
			assert.Greater(t, len(seen), 15)
		})
	}
}

// After a success the pauses begin small again.
func TestPausesBeginAnew(t *testing.T) {
	t.Parallel()
	eachKind(t, func(t *testing.T, kind string) {
		x := newTimed(kind, tracetest.FailForNow(0))
		p := newProvider(t, quiet(), tracing.WithExporter(x.Exporter))
		tracer := p.NewTracer("test")
		for range 3 {
			x.then(tracetest.FailForNow(0))
			endOne(tracer, "one")
			soon, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			require.ErrorIs(t, p.ForceFlush(soon), context.DeadlineExceeded)
			cancel()
			assert.True(t, p.Stats().Exporters[0].CircuitOpen)
			x.then(tracetest.Pass())
			flush(t, p)
			s := p.Stats().Exporters[0]
			assert.False(t, s.CircuitOpen)
			require.NoError(t, s.LastError)

			first := x.pauses()[0]
			assert.GreaterOrEqual(t, first, 250*time.Millisecond)
			assert.LessOrEqual(t, first, 500*time.Millisecond)
			x.mu.Lock()
			x.calls = nil
			x.mu.Unlock()
		}
		shutdown(t, p)
		assert.Equal(t, uint64(3), p.Stats().Exporters[0].Exported)
		sumsHold(t, p)
	})
}

// What the backend asks for replaces the pause, up to five minutes, and up to a tenth longer.
func TestRetryAfter(t *testing.T) {
	t.Parallel()
	for asked, most := range map[time.Duration]time.Duration{
		time.Millisecond:     time.Millisecond,
		7 * time.Second:      7 * time.Second,
		4 * time.Minute:      4 * time.Minute,
		time.Hour:            5 * time.Minute,
		1<<63 - 1:            5 * time.Minute,
		-1 * time.Nanosecond: 0, // the usual pause
	} {
		t.Run(asked.String(), func(t *testing.T) {
			t.Parallel()
			eachKind(t, func(t *testing.T, kind string) {
				x := newTimed(kind, tracetest.Fail(&tracing.ExportError{Err: errBackend, Retryable: true, RetryAfter: asked}))
				p := newProvider(t, quiet(), tracing.WithExporter(x.Exporter, tracing.WithRetryLimit(time.Hour), tracing.WithBatchSpans(1)))
				tracer := p.NewTracer("test")
				endOne(tracer, "one")
				synctest.Wait()
				x.then(tracetest.Pass())
				endOne(tracer, "two") // it has not failed, but it waits too
				require.NoError(t, p.ForceFlush(context.Background()))
				pause := x.pauses()[0]
				if most == 0 {
					assert.GreaterOrEqual(t, pause, 250*time.Millisecond)
					assert.LessOrEqual(t, pause, 500*time.Millisecond)
				} else {
					assert.GreaterOrEqual(t, pause, most)
					assert.LessOrEqual(t, pause, most+most/10)
				}
				assert.Len(t, x.at(), 3)
				shutdown(t, p)
				sumsHold(t, p)
			})
		})
	}
}

// A batch whose next try would come after the retry limit is dropped at once. Others wait: the limit is
// each batch's own.
func TestRetryAfterPastTheLimit(t *testing.T) {
	t.Parallel()
	eachKind(t, func(t *testing.T, kind string) {
		x := newTimed(kind, tracetest.FailForNow(2*time.Minute))
		p := newProvider(t, quiet(), tracing.WithExporter(x.Exporter, tracing.WithRetryLimit(time.Minute), tracing.WithBatchSpans(1)))
		tracer := p.NewTracer("test")
		begin := time.Now()
		endOne(tracer, "one")
		synctest.Wait()
		assert.Equal(t, tracing.DroppedStats{ExportFailed: 1}, p.Stats().Exporters[0].Dropped)
		assert.Zero(t, time.Since(begin))
		assert.True(t, p.Stats().Exporters[0].CircuitOpen)

		x.then(tracetest.Pass())
		endOne(tracer, "two")
		require.NoError(t, p.ForceFlush(context.Background()))
		assert.GreaterOrEqual(t, time.Since(begin), 2*time.Minute)
		shutdown(t, p)
		s := p.Stats().Exporters[0]
		assert.Equal(t, uint64(1), s.Exported)
		assert.Equal(t, tracing.DroppedStats{ExportFailed: 1}, s.Dropped)
		assert.Zero(t, s.Retried)
		sumsHold(t, p)
	})
}

// With a retry limit of zero each batch is sent once.
func TestNoRetry(t *testing.T) {
	t.Parallel()
	eachKind(t, func(t *testing.T, kind string) {
		x := newTimed(kind, tracetest.FailForNow(0))
		p := newProvider(t, quiet(), tracing.WithExporter(x.Exporter, tracing.WithRetryLimit(0), tracing.WithBatchSpans(10)))
		endMany(p.NewTracer("test"), 50)
		err := p.ForceFlush(context.Background())
		require.ErrorIs(t, err, tracetest.ErrFault)
		s := p.Stats().Exporters[0]
		assert.Zero(t, s.Retried)
		assert.Equal(t, tracing.DroppedStats{ExportFailed: 50}, s.Dropped)
		assert.Equal(t, 50, x.faults.Counts().Spans)
		shutdown(t, p)
		sumsHold(t, p)
	})
}

// While the circuit is open nobody calls; then one call asks, however many workers there are, and only
// after its success the others follow. All in a bubble.
func TestOneProbe(t *testing.T) {
	t.Parallel()
	for _, workers := range []int{1, 4} {
		t.Run(fmt.Sprint(workers, " workers"), func(t *testing.T) {
			t.Parallel()
			eachKind(t, func(t *testing.T, kind string) {
				x := newTimed(kind, tracetest.FailForNow(time.Minute))
				p := newProvider(t, quiet(), tracing.WithExporter(x.Exporter,
					tracing.WithBatchSpans(1), tracing.WithWorkers(workers), tracing.WithRetryLimit(time.Hour)))
				tracer := p.NewTracer("test")
				endOne(tracer, "first")
				synctest.Wait()
				require.Len(t, x.at(), 1)
				s := p.Stats().Exporters[0]
				assert.True(t, s.CircuitOpen)
				require.ErrorIs(t, s.LastError, tracetest.ErrFault)
				assert.Equal(t, time.Now(), s.LastErrorSince)
				since := s.LastErrorSince

				endMany(tracer, 20)
				time.Sleep(59 * time.Second)
				synctest.Wait()
				assert.Len(t, x.at(), 1, "nothing is sent while the circuit is open")
				s = p.Stats().Exporters[0]
				assert.Equal(t, 21, s.Waiting)
				assert.Zero(t, s.InFlight)

				x.then(tracetest.Delay(time.Second, tracetest.FailForNow(time.Minute)))
				time.Sleep(8 * time.Second) // a minute and a tenth, and the second that the answer takes
				synctest.Wait()
				assert.Len(t, x.at(), 2, "one probe")
				assert.Equal(t, since, p.Stats().Exporters[0].LastErrorSince, "it is the same outage")

				x.then(tracetest.Delay(time.Second, tracetest.Pass()))
				before := x.faults.Counts().Calls
				require.NoError(t, p.ForceFlush(context.Background()))
				at := x.at()[before:]
				assert.GreaterOrEqual(t, at[1]-at[0], time.Second, "the others wait for the probe's answer")
				if workers > 1 {
					assert.Less(t, at[2]-at[1], time.Second, "then the workers work side by side")
				}
				s = p.Stats().Exporters[0]
				assert.False(t, s.CircuitOpen)
				require.NoError(t, s.LastError)
				assert.True(t, s.LastErrorSince.IsZero())
				assert.Equal(t, uint64(21), s.Exported)
				shutdown(t, p)
				sumsHold(t, p)
			})
		})
	}
}

// An answer that is no success, but would be the same later, closes the circuit: the backend is there.
func TestFinalErrorClosesTheCircuit(t *testing.T) {
	t.Parallel()
	eachKind(t, func(t *testing.T, kind string) {
		x := newTimed(kind, tracetest.FailForNow(0))
		p := newProvider(t, quiet(), tracing.WithExporter(x.Exporter, tracing.WithBatchSpans(1)))
		endMany(p.NewTracer("test"), 10)
		synctest.Wait()
		assert.True(t, p.Stats().Exporters[0].CircuitOpen)
		x.then(tracetest.Fail(errBackend))
		begin := time.Now()
		require.ErrorIs(t, p.ForceFlush(context.Background()), errBackend)
		assert.LessOrEqual(t, time.Since(begin), 500*time.Millisecond, "one pause")
		s := p.Stats().Exporters[0]
		assert.False(t, s.CircuitOpen)
		require.ErrorIs(t, s.LastError, errBackend)
		assert.Equal(t, tracing.DroppedStats{ExportFailed: 10}, s.Dropped)
		shutdown(t, p)
		sumsHold(t, p)
	})
}

// A flush in an outage waits for what ended before it, and not for what ends meanwhile. All in a bubble.
func TestFlushInAnOutage(t *testing.T) {
	t.Parallel()
	eachKind(t, func(t *testing.T, kind string) {
		x := newTimed(kind, tracetest.Delay(time.Second, tracetest.FailForNow(time.Second)))
		p := newProvider(t, quiet(), tracing.WithExporter(x.Exporter, tracing.WithBatchSpans(2)))
		tracer := p.NewTracer("test")
		endMany(tracer, 6)
		flushed := make(chan error, 1)
		go func() { flushed <- p.ForceFlush(context.Background()) }()
		time.Sleep(10 * time.Second)
		assert.Empty(t, flushed, "nothing was delivered")
		x.then(tracetest.Delay(time.Second, tracetest.Pass()))
		begin := time.Now()
		for len(flushed) == 0 && time.Since(begin) < time.Minute {
			endMany(tracer, 4) // more than the backend takes
			time.Sleep(time.Second)
		}
		require.Len(t, flushed, 1, "the flush waits for what ended after it was called")
		require.NoError(t, <-flushed)
		assert.LessOrEqual(t, time.Since(begin), 7*time.Second, "a call, a pause, and three batches")
		s := p.Stats().Exporters[0]
		assert.GreaterOrEqual(t, s.Exported, uint64(6))
		assert.Positive(t, s.Waiting)
		assert.NoError(t, p.Shutdown(context.Background()))
		sumsHold(t, p)
	})
}

// A flush under load, before an exporter that takes less than ends: it is the next thing that is done, not
// one of the things that are. What it depends on is up to chance, so it is asked for again and again, in a
// bubble each.
func TestFlushUnderLoad(t *testing.T) {
	t.Parallel()
	eachKind(t, func(t *testing.T, kind string) {
		for range 20 {
			x := newTimed(kind, tracetest.Delay(time.Second, tracetest.Pass()))
			p := newProvider(t, quiet(), tracing.WithExporter(x.Exporter, tracing.WithBatchSpans(2)))
			tracer := p.NewTracer("test")
			endMany(tracer, 6)
			flushed := make(chan error, 1)
			go func() { flushed <- p.ForceFlush(context.Background()) }()
			synctest.Wait()
			begin := time.Now()
			for len(flushed) == 0 && time.Since(begin) < time.Minute {
				endMany(tracer, 4)
				time.Sleep(time.Second)
			}
			require.Len(t, flushed, 1, "the flush waits for what ended after it was called")
			require.NoError(t, <-flushed)
			assert.LessOrEqual(t, time.Since(begin), 4*time.Second, "three batches")
			shutdown(t, p)
			sumsHold(t, p)
		}
	})
}

// Shutdown in an outage asks once more and does not wait for the backend: neither for a pause that it has
// asked for, nor for the retry limit.
func TestShutdownInAnOutage(t *testing.T) {
	t.Parallel()
	for name, answers := range map[string]bool{"the backend is back": true, "it is still away": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachKind(t, func(t *testing.T, kind string) {
				x := newTimed(kind, tracetest.FailForNow(30*time.Second))
				p := newProvider(t, quiet(), tracing.WithExporter(x.Exporter, tracing.WithBatchSpans(2)))
				endMany(p.NewTracer("test"), 10)
				synctest.Wait()
				require.True(t, p.Stats().Exporters[0].CircuitOpen)
				if answers {
					x.then(tracetest.Pass())
				}
				before := x.faults.Counts()
				begin := time.Now()
				err := p.Shutdown(context.Background())
				assert.Zero(t, time.Since(begin))
				s := p.Stats().Exporters[0]
				if answers {
					require.NoError(t, err)
					assert.Equal(t, uint64(10), s.Exported)
				} else {
					var delivery *tracing.DeliveryError
					require.ErrorAs(t, err, &delivery)
					assert.Equal(t, []uint64{0, 0, 10}, []uint64{delivery.Sent, delivery.Spooled, delivery.Dropped})
					require.ErrorIs(t, err, tracetest.ErrFault)
					assert.Contains(t, err.Error(), "10 dropped")
					assert.Equal(t, 1, x.faults.Counts().Calls-before.Calls, "one call")
				}
				assert.Zero(t, x.faults.Counts().AfterShutdown)
				sumsHold(t, p)
			})
		})
	}
}

// A DeliveryError counts what happened since the call began, for each exporter.
func TestDeliveryErrorCounts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		well, bad := newTimed("plain", tracetest.Pass()), newTimed("encodes", tracetest.Fail(errBackend))
		p := newProvider(t, quiet(), tracing.WithExporter(well.Exporter), tracing.WithExporter(bad.Exporter, tracing.WithBatchSpans(10)))
		tracer := p.NewTracer("test")
		for _, n := range []int{7, 10, 25} {
			endMany(tracer, n%10) // less than a batch: it waits for the call
			err := p.ForceFlush(context.Background())
			if n%10 == 0 {
				require.NoError(t, err, "nothing was dropped since the flush began")
				continue
			}
			var delivery *tracing.DeliveryError
			require.ErrorAs(t, err, &delivery)
			assert.Equal(t, tracing.DeliveryError{
				Exporter: "*tracetest.FaultEncoder", Dropped: uint64(n % 10), Err: delivery.Err,
			}, *delivery)
			require.ErrorIs(t, delivery.Err, errBackend)
		}
		bad.then(tracetest.Pass())
		endMany(tracer, 5)
		require.NoError(t, p.Shutdown(context.Background()))
		assert.Equal(t, uint64(17), p.Stats().Exporters[0].Exported)
		assert.Equal(t, uint64(5), p.Stats().Exporters[1].Exported)
		sumsHold(t, p)
	})
}

// Both of two exporters may be in the error.
func TestDeliveryErrorOfEachExporter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		first, second := newTimed("plain", tracetest.Reject(2)), newTimed("encodes", tracetest.Fail(errBackend))
		p := newProvider(t, quiet(), tracing.WithExporter(first.Exporter), tracing.WithExporter(second.Exporter))
		endMany(p.NewTracer("test"), 5)
		err := p.Shutdown(context.Background())
		found := map[string]tracing.DeliveryError{}
		var walk func(error)
		walk = func(err error) {
			var delivery *tracing.DeliveryError
			if joined, ok := err.(interface{ Unwrap() []error }); ok {
				for _, e := range joined.Unwrap() {
					walk(e)
				}
			} else if errors.As(err, &delivery) {
				found[delivery.Exporter] = *delivery
			}
		}
		walk(err)
		require.Len(t, found, 2, "%v", err)
		partial, failed := found["*tracetest.FaultExporter"], found["*tracetest.FaultEncoder"]
		assert.Equal(t, []uint64{3, 0, 2}, []uint64{partial.Sent, partial.Spooled, partial.Dropped})
		assert.Equal(t, []uint64{0, 0, 5}, []uint64{failed.Sent, failed.Spooled, failed.Dropped})
		sumsHold(t, p)
	})
}

// entries is a slog.Handler that keeps what it is given.
type entries struct {
	slog.Handler
	mu   sync.Mutex // guards list
	list []slog.Record
}

func newEntries() *entries { return &entries{Handler: slog.DiscardHandler} }

func (e *entries) Enabled(context.Context, slog.Level) bool { return true }

func (e *entries) WithAttrs([]slog.Attr) slog.Handler { return e }

func (e *entries) Handle(_ context.Context, r slog.Record) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.list = append(e.list, r)
	return nil
}

func (e *entries) logged() []slog.Record {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.list)
}

// One line when the backend begins to fail and one when it recovers; in between, however long it takes and
// however much fails, at most one a minute. All in a bubble.
func TestLogOfALongOutage(t *testing.T) {
	t.Parallel()
	eachKind(t, func(t *testing.T, kind string) {
		log := newEntries()
		x := newTimed(kind, tracetest.FailForNow(0))
		p := newProvider(t, tracing.WithLogger(slog.New(log)),
			tracing.WithExporter(x.Exporter, tracing.WithBatchSpans(5), tracing.WithQueueSpans(1<<13)))
		tracer := p.NewTracer("test")
		for range 10 * 60 {
			endMany(tracer, 5)
			time.Sleep(time.Second)
		}
		synctest.Wait()
		during := log.logged()
		require.NotEmpty(t, during)
		assert.GreaterOrEqual(t, len(during), 2, "ten minutes are not passed over with one line")
		assert.LessOrEqual(t, len(during), 11)
		for i, line := range during {
			assert.Equal(t, slog.LevelWarn, line.Level, line.Message)
			if i > 0 {
				assert.GreaterOrEqual(t, line.Time.Sub(during[i-1].Time), time.Minute, line.Message)
			}
		}
		x.then(tracetest.Pass())
		require.NoError(t, p.ForceFlush(context.Background()))
		after := log.logged()[len(during):]
		require.Len(t, after, 1)
		assert.Equal(t, slog.LevelInfo, after[0].Level)
		endMany(tracer, 50)
		require.NoError(t, p.ForceFlush(context.Background()))
		assert.Len(t, log.logged(), len(during)+1)
		shutdown(t, p)
		sumsHold(t, p)
	})
}

// A full queue is a warning, at most once a minute. All in a bubble.
func TestLogOfAFullQueue(t *testing.T) {
	t.Parallel()
	eachKind(t, func(t *testing.T, kind string) {
		log := newEntries()
		x := newTimed(kind, tracetest.Delay(5*time.Second, tracetest.Pass())) // slow, but it fails nowhere
		p := newProvider(t, tracing.WithLogger(slog.New(log)),
			tracing.WithExporter(x.Exporter, tracing.WithQueueSpans(5), tracing.WithBatchSpans(1)))
		tracer := p.NewTracer("test")
		for range 10 * 60 {
			endMany(tracer, 5)
			time.Sleep(time.Second)
		}
		lines := log.logged()
		assert.GreaterOrEqual(t, len(lines), 2)
		assert.LessOrEqual(t, len(lines), 11)
		for i, line := range lines {
			assert.Equal(t, slog.LevelWarn, line.Level)
			if i > 0 {
				assert.GreaterOrEqual(t, line.Time.Sub(lines[i-1].Time), time.Minute)
			}
		}
		assert.Positive(t, p.Stats().Exporters[0].Dropped.QueueFull)
		_ = p.Shutdown(context.Background()) // its error is none of this test
		sumsHold(t, p)
	})
}
