// SPDX-License-Identifier: Apache-2.0

package tracing_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/spandrel-go/spandrel/tracing"
)

// place is one target of a movable exporter.
type place struct {
	replaced chan struct{}
	send     func() error
}

// movable is an encoder that can be pointed at another backend.
type movable struct {
	encoder
	at atomic.Pointer[place]
}

func newMovable(send func() error) *movable {
	m := &movable{}
	m.at.Store(&place{make(chan struct{}), send})
	m.send = func(context.Context, []string) error { return m.at.Load().send() }
	return m
}

func (m *movable) move(send func() error) {
	close(m.at.Swap(&place{make(chan struct{}), send}).replaced)
}

func (m *movable) TargetReplaced() <-chan struct{} { return m.at.Load().replaced }

func well() error { return nil }

func askedToWait(long time.Duration) func() error {
	return func() error { return &tracing.ExportError{Err: errBackend, Retryable: true, RetryAfter: long} }
}

// deliveredWithin returns how long it took until n spans were exported, looking at every millisecond of the
// bubble; a minute if it took longer.
func deliveredWithin(p *tracing.Provider, n int) time.Duration {
	began := time.Now()
	for p.Stats().Exporters[0].Exported < uint64(n) && time.Since(began) < time.Minute {
		time.Sleep(time.Millisecond)
		synctest.Wait()
	}
	return time.Since(began)
}

// A pause that the old backend has asked for does not hold for the new one, with or without a spool.
func TestReplacedTargetEndsAPause(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string]func(*testing.T) []tracing.PipelineOption{
		"memory": func(*testing.T) []tracing.PipelineOption { return nil },
		"spool": func(t *testing.T) []tracing.PipelineOption {
			return []tracing.PipelineOption{tracing.WithSpool(t.TempDir(), spoolBytes)}
		},
		"workers": func(*testing.T) []tracing.PipelineOption { return []tracing.PipelineOption{tracing.WithWorkers(4)} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				e := newMovable(askedToWait(5 * time.Minute))
				tracer, p := inBubble(t, e, append(opts(t), tracing.WithBatchSpans(1), tracing.WithRetryLimit(time.Hour))...)
				endNumbered(tracer, 0, 3)
				time.Sleep(12 * time.Minute) // so long that the first batch of the spool may be to blame
				synctest.Wait()
				require.True(t, p.Stats().Exporters[0].CircuitOpen)
				e.move(well)
				assert.LessOrEqual(t, deliveredWithin(p, 3), 2*time.Millisecond)
				assert.False(t, p.Stats().Exporters[0].CircuitOpen)
				shutdown(t, p)
				sumsHold(t, p)
			})
		})
	}
}

// A target that is replaced while a call of the old one is under way is asked although that call fails, and
// whatever it asks for then.
func TestReplacedTargetDuringACall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := newMovable(func() error {
			time.Sleep(5 * time.Second)
			return askedToWait(5 * time.Minute)()
		})
		tracer, p := inBubble(t, e, tracing.WithBatchSpans(1), tracing.WithRetryLimit(time.Hour))
		endMany(tracer, 1)
		time.Sleep(time.Second)
		e.move(well)
		assert.LessOrEqual(t, deliveredWithin(p, 1), 4*time.Second+2*time.Millisecond)
		shutdown(t, p)
		sumsHold(t, p)
	})
}

// While one call hangs at the old target another asks the new one, and what the first says in the end does
// not open the circuit again.
func TestReplacedTargetDuringAProbe(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		e := newMovable(nil)
		e.at.Load().send = func() error { // one call at a time: the others wait for the probe
			if calls++; calls > 1 {
				time.Sleep(50 * time.Second)
			}
			return askedToWait(time.Second)()
		}
		tracer, p := inBubble(t, e, tracing.WithBatchSpans(1), tracing.WithRetryLimit(time.Hour),
			tracing.WithWorkers(2), tracing.WithExportTimeout(time.Minute))
		endMany(tracer, 1)
		synctest.Wait()
		endMany(tracer, 1)
		time.Sleep(3 * time.Second)
		synctest.Wait()
		require.Equal(t, 2, calls, "the second is the probe")
		e.move(well)
		assert.LessOrEqual(t, deliveredWithin(p, 1), 2*time.Millisecond)
		endMany(tracer, 10)
		assert.LessOrEqual(t, deliveredWithin(p, 11), 2*time.Millisecond)
		assert.LessOrEqual(t, deliveredWithin(p, 12), 50*time.Second)
		assert.False(t, p.Stats().Exporters[0].CircuitOpen)
		shutdown(t, p)
		sumsHold(t, p)
	})
}

// A new target that fails too opens the circuit as any failure does, from the shortest pause on.
func TestReplacedTargetThatFailsToo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := newMovable(func() error { return errAway })
		tracer, p := inBubble(t, e, tracing.WithBatchSpans(1), tracing.WithRetryLimit(time.Hour))
		endMany(tracer, 1)
		time.Sleep(time.Minute)
		synctest.Wait()
		var calls []time.Time
		e.move(func() error { calls = append(calls, time.Now()); return errAway })
		time.Sleep(time.Second)
		synctest.Wait()
		require.GreaterOrEqual(t, len(calls), 2)
		assert.LessOrEqual(t, calls[1].Sub(calls[0]), 500*time.Millisecond)
		assert.GreaterOrEqual(t, calls[1].Sub(calls[0]), 250*time.Millisecond)
		e.move(well)
		assert.LessOrEqual(t, deliveredWithin(p, 1), 2*time.Millisecond)
		shutdown(t, p)
		sumsHold(t, p)
	})
}

// What a call of the old target asks for in the end does not prolong a pause that the new one has caused.
func TestReplacedTargetDoesNotProlongAPause(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := newMovable(func() error {
			time.Sleep(20 * time.Second)
			return askedToWait(5 * time.Minute)()
		})
		tracer, p := inBubble(t, e, tracing.WithBatchSpans(1), tracing.WithRetryLimit(time.Hour), tracing.WithWorkers(2))
		endMany(tracer, 1)
		time.Sleep(time.Second)
		begin := time.Now()
		e.move(func() error {
			if time.Since(begin) < 20*time.Second {
				return errAway
			}
			return nil
		})
		endMany(tracer, 1)
		time.Sleep(15 * time.Second)
		assert.True(t, p.Stats().Exporters[0].CircuitOpen)
		time.Sleep(20 * time.Second) // the old call has returned, and a pause of ten seconds is over
		assert.EqualValues(t, 2, p.Stats().Exporters[0].Exported)
		assert.False(t, p.Stats().Exporters[0].CircuitOpen)
		shutdown(t, p)
		sumsHold(t, p)
	})
}

// All providers of an exporter hear that its target has been replaced.
func TestReplacedTargetOfSeveralProviders(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := newMovable(askedToWait(5 * time.Minute))
		var providers []*tracing.Provider
		for range 3 {
			tracer, p := inBubble(t, e, tracing.WithBatchSpans(1), tracing.WithRetryLimit(time.Hour))
			endMany(tracer, 1)
			providers = append(providers, p)
		}
		time.Sleep(time.Second)
		e.move(well)
		for _, p := range providers {
			assert.LessOrEqual(t, deliveredWithin(p, 1), 2*time.Millisecond)
			shutdown(t, p)
			sumsHold(t, p)
		}
	})
}

// Shutdown makes one more call, and another one where the target is replaced meanwhile: what the old one says
// then is not the last word.
func TestReplacedTargetDuringShutdown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := newMovable(func() error { time.Sleep(time.Second); return errAway })
		tracer, p := inBubble(t, e, tracing.WithBatchSpans(1), tracing.WithRetryLimit(time.Hour))
		endMany(tracer, 3)
		time.Sleep(time.Minute)
		done := make(chan error, 1)
		go func() { done <- p.Shutdown(context.Background()) }()
		time.Sleep(time.Millisecond)
		e.move(well)
		require.NoError(t, <-done)
		assert.EqualValues(t, 3, p.Stats().Exporters[0].Exported)
		sumsHold(t, p)
	})
}

// brokenNotifier does something else than its interface says.
type brokenNotifier struct {
	encoder
	replaced func() <-chan struct{}
}

func (b *brokenNotifier) TargetReplaced() <-chan struct{} { return b.replaced() }

// A notifier that is broken costs the notices, and neither the delivery nor the pauses.
func TestBrokenTargetNotifier(t *testing.T) {
	t.Parallel()
	closed := make(chan struct{})
	close(closed)
	for name, replaced := range map[string]func() <-chan struct{}{
		"panics":        func() <-chan struct{} { panic("broken") },
		"nil":           func() <-chan struct{} { return nil },
		"always closed": func() <-chan struct{} { return closed },
		"closed anew": func() <-chan struct{} {
			anew := make(chan struct{})
			close(anew)
			return anew
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				e := &brokenNotifier{replaced: replaced}
				var calls []time.Time
				e.send = func(context.Context, []string) error {
					if calls = append(calls, time.Now()); len(calls) < 4 {
						return errAway
					}
					return nil
				}
				tracer, p := inBubble(t, e)
				endMany(tracer, 1)
				flush(t, p)
				assert.EqualValues(t, 1, p.Stats().Exporters[0].Exported)
				require.Len(t, calls, 4)
				assert.GreaterOrEqual(t, calls[3].Sub(calls[1]), 3*250*time.Millisecond)
				shutdown(t, p)
			})
		})
	}
}
