// SPDX-License-Identifier: Apache-2.0

package tracing_test

import (
	"context"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/spandrel-go/spandrel/tracing"
)

// A call that was about to go out when another opened the circuit stays at home: here the replay and the
// live spans share one worker.
func TestNothingIsSentDuringRetryAfter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		tracer, p := inBubble(t, newBackend(true), tracing.WithSpool(dir, spoolBytes), tracing.WithBatchSpans(1))
		endNumbered(tracer, 0, 20)
		shutdown(t, p)

		b := &backend{}
		var calls []time.Time
		b.send = func(context.Context, []string) error {
			time.Sleep(10 * time.Millisecond)
			if calls = append(calls, time.Now()); len(calls) == 6 {
				return &tracing.ExportError{Err: errBackend, Retryable: true, RetryAfter: 30 * time.Second}
			}
			return nil
		}
		tracer, p = inBubble(t, b, tracing.WithSpool(dir, spoolBytes), tracing.WithBatchSpans(1))
		endNumbered(tracer, 100, 120)
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Greater(t, len(calls), 6)
		assert.GreaterOrEqual(t, calls[6].Sub(calls[5]), 30*time.Second)
		assert.EqualValues(t, 40, p.Stats().Exporters[0].Exported)
		shutdown(t, p)
		sumsHold(t, p)
	})
}

// The failure of a call that began before the circuit opened is not that of the probe.
func TestLateFailuresDoNotEndAProbe(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var probes gate
		e := &encoder{}
		e.send = func(_ context.Context, names []string) error {
			number, _ := strconv.Atoi(names[0])
			switch {
			case len(e.tried()) > 3:
				probes.hold(20 * time.Second)
			case number == 0:
				time.Sleep(time.Millisecond)
			default:
				time.Sleep(time.Duration(5*number) * time.Second)
			}
			return errAway
		}
		tracer, p := inBubble(t, e, tracing.WithWorkers(3), tracing.WithBatchSpans(1),
			tracing.WithExportTimeout(time.Minute), tracing.WithRetryLimit(time.Hour))
		endNumbered(tracer, 0, 3)
		time.Sleep(2 * time.Minute)
		_ = p.Shutdown(context.Background()) // its error is none of this test
		assert.Equal(t, 1, probes.most)
		sumsHold(t, p)
	})
}

// The retry limit counts from each batch's own first call: with many workers most wait for theirs, because
// there is one probe at a time.
func TestRetryLimitIsEachBatchsOwn(t *testing.T) {
	t.Parallel()
	for _, workers := range []int{1, 4, 16} {
		t.Run(strconv.Itoa(workers), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				first, last := map[string]time.Time{}, map[string]time.Time{}
				e := &encoder{send: func(_ context.Context, names []string) error {
					mu.Lock()
					defer mu.Unlock()
					if _, ok := first[names[0]]; !ok {
						first[names[0]] = time.Now()
					}
					last[names[0]] = time.Now()
					return errAway
				}}
				tracer, p := inBubble(t, e, tracing.WithWorkers(workers), tracing.WithBatchSpans(1))
				endNumbered(tracer, 0, workers)
				require.ErrorIs(t, p.ForceFlush(context.Background()), errBackend)
				assert.Len(t, first, workers, "each is tried")
				for name := range first {
					assert.LessOrEqual(t, last[name].Sub(first[name]), tracing.DefaultRetryLimit, name)
				}
				assert.EqualValues(t, workers, p.Stats().Exporters[0].Dropped.ExportFailed)
				shutdown(t, p)
				sumsHold(t, p)
			})
		})
	}
}

// What the backend asks for replaces the pause after each failure, not only after the first.
func TestRetryAfterEachTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var calls []time.Time
		e := &encoder{send: func(context.Context, []string) error {
			if calls = append(calls, time.Now()); len(calls) < 8 {
				return &tracing.ExportError{Err: errBackend, Retryable: true, RetryAfter: time.Second}
			}
			return nil
		}}
		tracer, p := inBubble(t, e)
		endMany(tracer, 1)
		flush(t, p)
		for i := range calls[1:] {
			assert.GreaterOrEqual(t, calls[i+1].Sub(calls[i]), time.Second)
			assert.LessOrEqual(t, calls[i+1].Sub(calls[i]), 1100*time.Millisecond)
		}
		shutdown(t, p)
	})
}

// The success of a call that began before the circuit opened says nothing of what the backend asked for since.
func TestLateSuccessDoesNotEndAPause(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := &encoder{}
		var calls []time.Time
		e.send = func(_ context.Context, names []string) error {
			switch names[0] {
			case "slow":
				time.Sleep(5 * time.Second)
			case "refused":
				if calls = append(calls, time.Now()); len(calls) == 1 {
					return &tracing.ExportError{Err: errBackend, Retryable: true, RetryAfter: 30 * time.Second}
				}
			}
			return nil
		}
		tracer, p := inBubble(t, e, tracing.WithBatchSpans(1), tracing.WithWorkers(2))
		endOne(tracer, "slow")
		synctest.Wait()
		endOne(tracer, "refused")
		time.Sleep(10 * time.Second)
		assert.EqualValues(t, 1, p.Stats().Exporters[0].Exported)
		assert.True(t, p.Stats().Exporters[0].CircuitOpen)
		flush(t, p)
		require.Len(t, calls, 2)
		assert.GreaterOrEqual(t, calls[1].Sub(calls[0]), 30*time.Second)
		shutdown(t, p)
		sumsHold(t, p)
	})
}

// However long the oldest batch of a spool fails, no other is sent in its place while the backend asks for a pause.
func TestRetryAfterHoldsForTheBatchBehind(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &backend{}
		var calls []time.Time
		b.send = func(context.Context, []string) error {
			calls = append(calls, time.Now())
			return &tracing.ExportError{Err: errBackend, Retryable: true, RetryAfter: time.Minute}
		}
		tracer, p := inBubble(t, b, tracing.WithSpool(t.TempDir(), spoolBytes), tracing.WithBatchSpans(1))
		endNumbered(tracer, 0, 10)
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Greater(t, len(calls), 20)
		for i := range calls[1:] {
			assert.GreaterOrEqual(t, calls[i+1].Sub(calls[i]), time.Minute, "call %d", i+1)
		}
		shutdown(t, p)
		sumsHold(t, p)
	})
}

// With a spool Shutdown does not ask a backend that is away once more: all goes to the directory at once.
func TestShutdownInAnOutageSpoolsAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &backend{}
		calls := 0
		b.send = func(context.Context, []string) error { calls++; return errAway }
		tracer, p := inBubble(t, b, tracing.WithSpool(t.TempDir(), spoolBytes), tracing.WithBatchSpans(2))
		endNumbered(tracer, 0, 10)
		time.Sleep(time.Minute)
		synctest.Wait()
		require.True(t, p.Stats().Exporters[0].CircuitOpen)
		endNumbered(tracer, 10, 20)
		before := calls
		shutdown(t, p)
		assert.Equal(t, before, calls)
		assert.Equal(t, 20, p.Stats().Exporters[0].Spool.Spans)
		sumsHold(t, p)
	})
}

// The retry limit counts from the beginning of the first call: what that takes is a part of it.
func TestRetryLimitCountsTheFirstCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := &encoder{}
		calls := 0
		e.send = func(context.Context, []string) error {
			calls++
			time.Sleep(40 * time.Second)
			return errAway
		}
		tracer, p := inBubble(t, e, tracing.WithExportTimeout(time.Minute), tracing.WithRetryLimit(time.Minute))
		endMany(tracer, 1)
		require.Error(t, p.ForceFlush(context.Background()))
		assert.Equal(t, 2, calls)
		shutdown(t, p)
		sumsHold(t, p)
	})
}
