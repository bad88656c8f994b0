// SPDX-License-Identifier: Apache-2.0

package tracetest_test

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/spandrel-go/spandrel/tracing"
	"github.com/spandrel-go/spandrel/tracing/tracetest"
)

func TestFaults(t *testing.T) {
	t.Parallel()
	no := errors.New("no")
	two := build(spec{name: "a", id: 1}, spec{name: "b", id: 2})
	released := make(chan struct{})
	close(released)
	tests := []struct {
		name    string
		fault   tracetest.Fault
		want    error
		arrives bool
	}{
		{name: "pass", fault: tracetest.Pass(), arrives: true},
		{name: "fail", fault: tracetest.Fail(no), want: no},
		{name: "for now", fault: tracetest.FailForNow(time.Second), want: &tracing.ExportError{Err: tracetest.ErrFault, Retryable: true, RetryAfter: time.Second}},
		{name: "above", fault: tracetest.FailAbove(1), want: &tracing.ExportError{Err: tracetest.ErrFault, TooLarge: true}},
		{name: "not above", fault: tracetest.FailAbove(2), arrives: true},
		{name: "reject", fault: tracetest.Reject(1), want: &tracing.ExportError{Err: tracetest.ErrFault, Rejected: 1}, arrives: true},
		{name: "delay", fault: tracetest.Delay(time.Nanosecond, tracetest.Pass()), arrives: true},
		{name: "stuck", fault: tracetest.Stuck(released), arrives: true},
		{name: "nil", want: errors.New("tracetest: a fault that the test asked for: call 1 meets a fault that is nil")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := tracetest.NewRecorder()
			e := tracetest.NewFaultExporter(r, tt.fault)
			err := e.ExportSpans(t.Context(), two)
			switch {
			case tt.want == nil:
				require.NoError(t, err)
			case tt.fault == nil:
				require.EqualError(t, err, tt.want.Error())
				require.ErrorIs(t, err, tracetest.ErrFault)
			default:
				assert.Equal(t, tt.want, err)
			}
			if tt.arrives {
				assert.Equal(t, []string{"a", "b"}, r.Names())
			} else {
				assert.Empty(t, r.Names())
			}
			assert.NoError(t, e.ExportSpans(t.Context(), two), "after the script")
			assert.Equal(t, tracetest.Counts{Calls: 2, Spans: 4}, e.Counts())
		})
	}
}

func TestFaultsThatWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		one := build(spec{name: "a", id: 1})
		r := tracetest.NewRecorder()
		release := make(chan struct{})
		e := tracetest.NewFaultExporter(r, tracetest.Hang(), tracetest.Delay(time.Hour, tracetest.Pass()), tracetest.Delay(time.Second, tracetest.Reject(1)), tracetest.Stuck(release))
		begin := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		require.ErrorIs(t, e.ExportSpans(ctx, one), context.DeadlineExceeded)
		assert.Equal(t, time.Minute, time.Since(begin))
		require.ErrorIs(t, e.ExportSpans(ctx, one), context.DeadlineExceeded)
		assert.Equal(t, time.Minute, time.Since(begin))
		require.ErrorIs(t, e.ExportSpans(t.Context(), one), tracetest.ErrFault)
		assert.Equal(t, time.Minute+time.Second, time.Since(begin))
		time.AfterFunc(time.Hour, func() { close(release) })
		require.NoError(t, e.ExportSpans(ctx, one))
		assert.Equal(t, time.Hour+time.Minute+time.Second, time.Since(begin))
		assert.Len(t, r.Spans(), 2)
	})
}

func TestFaultsMeetThePipeline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := tracetest.NewRecorder()
		e := tracetest.NewFaultExporter(r, tracetest.FailForNow(5*time.Second), tracetest.FailAbove(2), tracetest.Panic("boom"))
		seen := ""
		e.Then(func(ctx context.Context, c tracetest.Call) error {
			seen = strconv.Itoa(c.Number) + " " + c.Data[0].Name
			return c.Deliver(ctx)
		})
		e.Rest(tracetest.Fail(errors.New("no more")))
		p, err := tracing.NewProvider(tracing.WithExporter(e), tracing.WithLogger(slog.New(slog.DiscardHandler)))
		require.NoError(t, err)
		for i := range 4 {
			_, s := p.NewTracer("test").StartSpan(t.Context(), strconv.Itoa(i))
			s.End()
		}
		begin := time.Now()
		require.ErrorContains(t, p.ForceFlush(t.Context()), "boom")
		assert.InDelta(t, 5.25, time.Since(begin).Seconds(), 0.26, "what was asked for, and up to a tenth more")
		assert.Equal(t, []string{"2", "3"}, r.Names(), "the first half panicked")
		assert.Equal(t, "4 2", seen)
		assert.Equal(t, tracetest.Counts{Calls: 4, Spans: 12}, e.Counts())
		_, s := p.NewTracer("test").StartSpan(t.Context(), "s")
		s.End()
		require.ErrorContains(t, p.Shutdown(t.Context()), "no more")
		assert.Equal(t, tracetest.Counts{Calls: 5, Spans: 13, Shutdowns: 1}, e.Counts())
	})
}

func TestFaultEncoder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		behind := newEncoder()
		e := tracetest.NewFaultEncoder(behind, tracetest.FailForNow(time.Second), tracetest.FailAbove(1))
		p, err := tracing.NewProvider(tracing.WithExporter(e), tracing.WithLogger(slog.New(slog.DiscardHandler)))
		require.NoError(t, err)
		for _, name := range []string{"a", "b"} {
			_, s := p.NewTracer("test").StartSpan(t.Context(), name)
			s.End()
		}
		require.NoError(t, p.ForceFlush(t.Context()))
		require.NoError(t, p.Shutdown(t.Context()))
		got := behind.Received()
		require.Len(t, got, 2)
		assert.Equal(t, "a", got[0].Name)
		assert.Equal(t, tracetest.Counts{Calls: 4, Spans: 6, Shutdowns: 1}, e.Counts())
	})
}

func TestFaultExporterShutdown(t *testing.T) {
	t.Parallel()
	e := tracetest.NewFaultExporter(nil)
	require.NoError(t, e.Shutdown(t.Context()))
	no := errors.New("no")
	e.OnShutdown(func(context.Context) error { return no })
	require.ErrorIs(t, e.Shutdown(t.Context()), no)
	require.NoError(t, e.ExportSpans(t.Context(), build(spec{name: "a", id: 1})))
	assert.Equal(t, tracetest.Counts{Calls: 1, Spans: 1, AfterShutdown: 1, Shutdowns: 2}, e.Counts())
}

func TestFaultExporterConcurrentSafe(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := tracetest.NewFaultExporter(nil)
		e.Rest(tracetest.Delay(time.Second, tracetest.Pass()))
		spans := build(spec{name: "a", id: 1})
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				e.Then(tracetest.Delay(time.Second, tracetest.Pass()))
				assert.NoError(t, e.ExportSpans(t.Context(), spans))
				_ = e.Counts()
			})
		}
		wg.Wait()
		assert.Equal(t, tracetest.Counts{Calls: 8, Spans: 8, Overlaps: 7}, e.Counts())
	})
}

func TestFaultExportersKeepTheRules(t *testing.T) {
	t.Parallel()
	tracetest.TestExporter(t, func(testing.TB) tracetest.Target {
		e := newEncoder()
		return target(tracetest.NewFaultEncoder(e), e.backend)
	})
	tracetest.TestExporter(t, func(testing.TB) tracetest.Target {
		e := newEncoder()
		return target(tracetest.NewFaultExporter(e), e.backend)
	})
}
