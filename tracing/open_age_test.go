// SPDX-License-Identifier: Apache-2.0

package tracing_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"

	"github.com/spandrel-go/spandrel/internal/testkit"
	"github.com/spandrel-go/spandrel/tracing"
	"github.com/spandrel-go/spandrel/tracing/tracetest"
)

// leaks makes a provider that looks for spans open for longer than d, and a function that returns what
// it has logged since the last call, a line each, from the level on.
func leaks(t testing.TB, d time.Duration, opts ...tracing.Option) (*tracing.Tracer, *tracing.Provider, func() []string) {
	t.Helper()
	var mu sync.Mutex
	var lines []string
	handler := slog.NewTextHandler(writerFunc(func(b []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		_, line, _ := strings.Cut(strings.TrimSuffix(string(b), "\n"), " ") // without the time
		lines = append(lines, line)
		return len(b), nil
	}), nil)
	opts = append([]tracing.Option{
		tracing.WithOpenSpanAge(d), tracing.WithLogger(slog.New(handler)), tracing.WithIDGenerator(&tracetest.IDs{}),
	}, opts...)
	p := newProvider(t, opts...)
	return p.NewTracer("test"), p, func() []string {
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		since := lines
		lines = nil
		return since
	}
}

// leakLine is what is logged about a span of trace and span id n.
func leakLine(name, age string, trace, span, others int) string {
	return fmt.Sprintf(`level=WARN msg="spandrel: a span has been open for longer than WithOpenSpanAge says; is it ever ended?"`+
		` span=%s age=%s scope=test trace_id=7370616e6472656c%016x span_id=%016x others=%d`, name, age, trace, span, others)
}

func TestOpenSpanAgeMustBePositive(t *testing.T) {
	t.Parallel()
	for _, d := range []time.Duration{0, -time.Second} {
		_, err := tracing.NewProvider(tracing.WithOpenSpanAge(d))
		assert.EqualError(t, err, fmt.Sprintf("tracing: WithOpenSpanAge: %v is not positive", d))
	}
}

func TestOverdueSpansCountOnceAndStayOpen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := tracetest.NewRecorder()
		tracer, p, logged := leaks(t, time.Minute, tracing.WithExporter(r))
		ctx, root := tracer.StartSpan(context.Background(), "root")
		time.Sleep(30 * time.Second)
		_, child := tracer.StartSpan(ctx, "child")
		_, ended := tracer.StartSpan(ctx, "ended")
		time.Sleep(25 * time.Second)
		ended.End()
		assert.Zero(t, p.Stats().Overdue)
		time.Sleep(20*time.Second + 1)
		assert.EqualValues(t, 1, p.Stats().Overdue, "a quarter of the age later at the latest")
		assert.Equal(t, []string{leakLine("root", "1m15s", 1, 1, 0)}, logged())
		time.Sleep(time.Hour)
		assert.EqualValues(t, 2, p.Stats().Overdue, "each once")
		assert.Equal(t, []string{leakLine("child", "1m15s", 1, 2, 0)}, logged())

		assert.True(t, root.IsRecording())
		root.SetAttribute("still", "open")
		root.End()
		child.End()
		flush(t, p)
		s := p.Stats()
		assert.EqualValues(t, 2, s.Overdue, "it does not go back")
		assert.Zero(t, s.Unfinished)
		assert.Equal(t, []attribute.KeyValue{attribute.String("still", "open")}, r.Span(t, "root").Attributes)
		assert.Greater(t, r.Span(t, "root").EndTime.Sub(r.Span(t, "root").StartTime), time.Hour)
		sumsHold(t, p)
	})
}

// Exactly the age is not longer than the age.
func TestOverdueIsLongerThanTheAge(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tracer, p, logged := leaks(t, time.Minute)
		tracer.StartSpan(context.Background(), "one")
		time.Sleep(time.Minute)
		assert.Empty(t, logged())
		assert.Zero(t, p.Stats().Overdue)
		time.Sleep(15 * time.Second)
		assert.Len(t, logged(), 1)
		assert.EqualValues(t, 1, p.Stats().Overdue)
	})
}

// At most one line a minute, and none of the spans is forgotten: each is named, or one of the others.
func TestOverdueIsLoggedOnceAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tracer, p, logged := leaks(t, 4*time.Second)
		start := func(name string) { tracer.StartSpan(context.Background(), name) }
		start("first")
		time.Sleep(1500 * time.Millisecond)
		start("second")
		time.Sleep(time.Second)
		for range 9 {
			start("burst")
		}
		time.Sleep(30 * time.Second)
		assert.EqualValues(t, 11, p.Stats().Overdue)
		assert.Equal(t, []string{leakLine("first", "5s", 1, 1, 0)}, logged())
		time.Sleep(35 * time.Second)
		assert.Equal(t, []string{leakLine("second", "4.5s", 2, 2, 9)}, logged(), "the oldest of those not logged yet")
		for range 10 * 60 {
			start("each second")
			time.Sleep(time.Second)
		}
		lines := logged()
		assert.GreaterOrEqual(t, len(lines), 9)
		assert.LessOrEqual(t, len(lines), 10)
		assert.Contains(t, lines[1], "others=59")
		time.Sleep(time.Hour)
		assert.LessOrEqual(t, len(logged()), 1)
		assert.Empty(t, logged(), "there is nothing new")
		assert.EqualValues(t, 611, p.Stats().Overdue)
	})
}

// Of two that were found at different times, the older one may have been younger when it was found.
func TestOverdueNamesTheOldestOfAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tracer, _, logged := leaks(t, time.Minute)
		tracer.StartSpan(context.Background(), "first")
		time.Sleep(29 * time.Second)
		tracer.StartSpan(context.Background(), "older") // found 61 s later
		time.Sleep(2 * time.Second)
		tracer.StartSpan(context.Background(), "younger") // found 74 s later
		time.Sleep(10 * time.Minute)
		lines := logged()
		require.Len(t, lines, 2)
		assert.Equal(t, leakLine("older", "1m1s", 2, 2, 1), lines[1])
	})
}

// Spans whose records move in a hand-over in part are not counted again.
func TestOverdueSpansThatMoveCountOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tracer, p, _ := leaks(t, time.Minute, tracing.WithExporter(tracetest.NewRecorder()))
		ctx, _ := tracer.StartSpan(context.Background(), "root")
		for range 3 {
			tracer.StartSpan(ctx, "open")
		}
		for n := range 5 {
			time.Sleep(2 * time.Minute)
			require.EqualValues(t, 4+n, p.Stats().Overdue)
			for range 9 - 3 - n { // the rest of their block, so that they leave it
				_, s := tracer.StartSpan(ctx, "ended")
				s.End()
			}
			flush(t, p)
			tracer.StartSpan(ctx, "open")
		}
		time.Sleep(time.Hour)
		assert.EqualValues(t, 9, p.Stats().Overdue)
		assert.Equal(t, 9, p.Stats().Open)
	})
}

// What is not in the table of open spans is not overdue.
func TestOverdueSpansAreOpenOnes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tracer, p, logged := leaks(t, time.Minute)
		_, released := tracer.StartSpan(context.Background(), "released")
		released.Release()
		tracer.CreateSpan(context.Background())
		tracer.StartSpan(context.Background(), "sampled out", tracing.WithShouldSample(false))
		release := make(chan struct{})
		stuck := newProvider(t, tracing.WithOpenSpanAge(time.Minute), quiet(),
			tracing.WithProcessor(&processor{onEnding: func(*tracing.Span) { <-release }}))
		_, ending := stuck.NewTracer("test").StartSpan(context.Background(), "ending")
		var wg sync.WaitGroup
		wg.Go(func() { ending.End() })
		time.Sleep(time.Hour)
		assert.Zero(t, p.Stats().Overdue)
		assert.Zero(t, stuck.Stats().Overdue)
		assert.Empty(t, logged())
		close(release)
		wg.Wait()
	})
}

// The line is bounded and says no secret.
func TestOverdueLineIsRedactedAndBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		redactor, err := tracing.NewRedactor(tracing.RedactValues(tracing.PatternEmail))
		require.NoError(t, err)
		tracer, _, logged := leaks(t, time.Minute, tracing.WithProcessor(redactor))
		tracer.StartSpan(context.Background(), "a@example.com/"+strings.Repeat("x", 1<<16))
		time.Sleep(2 * time.Minute)
		assert.Equal(t, []string{leakLine("REDACTED/"+strings.Repeat("x", 51), "1m15s", 1, 1, 0)}, logged())
	})
}

// A provider without exporters has a goroutine for it, which Shutdown ends; a disabled one has none. The
// package's check for goroutines that are left behind, and the bubble, would tell.
func TestOverdueWithoutExporters(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tracer, p, logged := leaks(t, time.Nanosecond)
		tracer.StartSpan(context.Background(), "one")
		time.Sleep(99 * time.Millisecond)
		assert.Empty(t, logged(), "ten times a second at most")
		time.Sleep(2 * time.Millisecond)
		assert.Equal(t, []string{leakLine("one", "100ms", 1, 1, 0)}, logged())
		shutdown(t, p)
		time.Sleep(time.Hour)
		assert.EqualValues(t, 1, p.Stats().Overdue)
		assert.Empty(t, logged())
	})
	synctest.Test(t, func(t *testing.T) {
		p, err := tracing.NewProvider(tracing.WithOpenSpanAge(time.Minute), quiet(), withEnv(env{"OTEL_SDK_DISABLED": "true"}))
		require.NoError(t, err)
		p.NewTracer("test").StartSpan(context.Background(), "one")
		assert.Empty(t, p.OpenSpans())
	}) // it would not end while a goroutine of the provider waits
}

// A logger that never returns does not hold Shutdown up past its deadline.
func TestShutdownWithALoggerThatNeverReturns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		c := &collector{}
		stuck := slog.NewTextHandler(writerFunc(func(b []byte) (int, error) {
			<-release
			return len(b), nil
		}), nil)
		p := newProvider(t, tracing.WithOpenSpanAge(time.Second), tracing.WithExporter(c), tracing.WithLogger(slog.New(stuck)))
		tracer := p.NewTracer("test")
		tracer.StartSpan(context.Background(), "open")
		time.Sleep(2 * time.Second)
		begin := time.Now()
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		require.ErrorContains(t, p.Shutdown(ctx), "the logger")
		assert.LessOrEqual(t, time.Since(begin), 2*time.Second+grace)
		assert.Equal(t, []string{"open"}, c.names())
		close(release)
	})
}

// The age is looked at by the provider's goroutine alone: a span costs what it costs without it.
func TestOpenSpanAgeAllocatesNothingPerSpan(t *testing.T) {
	e := &countingEncoder{}
	p := newProvider(t, tracing.WithOpenSpanAge(time.Hour), tracing.WithExporter(e,
		tracing.WithQueueSpans(1<<20), tracing.WithQueueBytes(1<<30), tracing.WithBatchDelay(time.Hour)))
	tracer := p.NewTracer("test")
	f := flushed(t, p, func() { headline(tracer) })
	testkit.MaxMallocs(t, 3, guardRuns*(10+poolMissMallocs)+flushMallocs, f)
}
