// SPDX-License-Identifier: Apache-2.0

package tracing_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/tracing"
)

func TestEndTwiceEndsOnce(t *testing.T) {
	t.Parallel()
	tracer, c, p := newTracer(t)
	at := time.Unix(1_700_000_000, 0)
	_, s := tracer.StartSpan(context.Background(), "one")
	s.End(trace.WithTimestamp(at))
	s.End()
	s.Finish()
	s.End(trace.WithTimestamp(at.Add(time.Hour)))
	flush(t, p)
	assert.True(t, at.Equal(c.span(t, "one").EndTime))
	assert.EqualValues(t, 1, p.Stats().Ended)
	sumsHold(t, p)
}

func TestEndByManyGoroutinesConcurrentSafe(t *testing.T) {
	t.Parallel()
	tracer, c, p := newTracer(t)
	for i := range 200 {
		_, s := tracer.StartSpan(context.Background(), strconv.Itoa(i))
		var wg sync.WaitGroup
		for j := range 4 {
			wg.Go(func() {
				s.SetAttributes(attribute.Int(strconv.Itoa(j), j))
				s.AddEvent("e", trace.WithAttributes(attribute.Int("j", j)))
				s.SetStatus(codes.Error, "e")
				s.AddLink(trace.Link{SpanContext: s.SpanContext()})
				s.RecordError(errBackend)
				s.SetName(strconv.Itoa(i))
				s.End()
			})
		}
		wg.Wait()
		assert.False(t, s.IsRecording())
	}
	flush(t, p)
	for i := range 200 {
		c.span(t, strconv.Itoa(i))
	}
	assert.EqualValues(t, 200, p.Stats().Ended)
	sumsHold(t, p)
}

// End in a panicking goroutine records the panic, and it goes on with the same value. So does Finish,
// and both through an interface.
func TestEndRecordsThePanic(t *testing.T) {
	t.Parallel()
	cause := errors.New("the cause")
	for name, end := range map[string]func(s *tracing.Span, v any){
		"End":                  func(s *tracing.Span, v any) { defer s.End(); panic(v) },
		"Finish":               func(s *tracing.Span, v any) { defer s.Finish(); panic(v) },
		"End of the interface": func(s *tracing.Span, v any) { var api trace.Span = s; defer api.End(); panic(v) },
	} {
		for value1, typ := range map[any]string{
			"a string":     "string",
			cause:          "*errors.errorString",
			customError{7}: "github.com/spandrel-go/spandrel/tracing_test.customError",
			42:             "int",
		} {
			var s *tracing.Span
			d := one(t, func(span *tracing.Span) {
				s = span
				func() {
					defer func() { assert.Equal(t, value1, recover(), name) }()
					end(span, value1)
				}()
				assert.False(t, span.IsRecording())
			})
			assert.Equal(t, s.SpanContext(), d.SpanContext)
			require.Len(t, d.Events, 1, name)
			assert.Equal(t, "exception", d.Events[0].Name)
			got, _ := value(d.Events[0].Attributes, "exception.type")
			assert.Equal(t, typ, strings.TrimPrefix(got.AsString(), "."), name)
			message, _ := value(d.Events[0].Attributes, "exception.message")
			assert.Equal(t, fmt.Sprint(value1), message.AsString())
			_, stack := value(d.Events[0].Attributes, "exception.stacktrace")
			assert.False(t, stack)
			assert.Equal(t, tracing.Status{Code: codes.Error, Description: fmt.Sprint(value1)}, d.Status, name)
		}
	}
}

func TestEndRecordsThePanicsStack(t *testing.T) {
	t.Parallel()
	d := one(t, func(s *tracing.Span) {
		defer func() { assert.NotNil(t, recover()) }()
		defer s.End(trace.WithStackTrace(true))
		panicDeepDown()
	})
	stack, _ := value(d.Events[0].Attributes, "exception.stacktrace")
	assert.Contains(t, stack.AsString(), "panicDeepDown")
}

//go:noinline
func panicDeepDown() { panic("deep down") }

// Where End is not what recover sees, the panic goes by, and so it does past a span that has ended, one
// that is not recorded, and none.
func TestPanicGoesPastOtherSpans(t *testing.T) {
	t.Parallel()
	tracer, _, _ := newTracer(t)
	_, ended := tracer.StartSpan(context.Background(), "ended")
	ended.End()
	off, _, _ := newTracer(t, tracing.WithSampler(samplerFunc(dropped)))
	_, unsampled := off.StartSpan(context.Background(), "drop")
	for name, s := range map[string]*tracing.Span{"ended": ended, "unsampled": unsampled, "nil": nil} {
		assert.PanicsWithValue(t, "go on", func() { defer s.End(); panic("go on") }, name)
		assert.PanicsWithValue(t, "go on", func() { defer s.Finish(); panic("go on") }, name)
	}
	d := one(t, func(s *tracing.Span) {
		assert.PanicsWithValue(t, "go on", func() {
			defer func() { s.End() }() // recover works only in the deferred function itself
			panic("go on")
		})
	})
	assert.Empty(t, d.Events)
	assert.Equal(t, tracing.Status{}, d.Status)
}

func TestEndInAGoroutineThatExits(t *testing.T) {
	t.Parallel()
	d := one(t, func(s *tracing.Span) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			defer s.End()
			runtime.Goexit()
		}()
		<-done
		assert.False(t, s.IsRecording())
	})
	assert.Empty(t, d.Events)
}

func TestTimesGivenByTheUserAreKept(t *testing.T) {
	t.Parallel()
	tracer, c, p := newTracer(t)
	at := time.Unix(1_700_000_000, 123_456_789)
	for name, tt := range map[string]struct{ start, end time.Time }{
		"both":             {at, at.Add(time.Second)},
		"end before start": {at, at.Add(-time.Second)},
		"equal":            {at, at},
		"the epoch":        {time.Unix(0, 0), time.Unix(0, 0)},
		"before the epoch": {time.Unix(-1000, 0), time.Unix(-999, 0)},
	} {
		_, s := tracer.StartSpan(context.Background(), name, tracing.WithStartTime(tt.start))
		s.End(trace.WithTimestamp(tt.end))
		_, s2 := tracer.Start(context.Background(), name+", api", trace.WithTimestamp(tt.start))
		s2.End(trace.WithTimestamp(tt.end))
		flush(t, p)
		for _, n := range []string{name, name + ", api"} {
			d := c.span(t, n)
			assert.True(t, tt.start.Equal(d.StartTime), "%s: start %v", n, d.StartTime)
			assert.True(t, tt.end.Equal(d.EndTime), "%s: end %v", n, d.EndTime)
		}
	}
}

func TestTimesAreTheWallClocks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tracer, c, p := newTracer(t)
		type times struct{ start, event, end time.Time }
		want := map[string]times{}
		ctx, root := tracer.StartSpan(context.Background(), "root")
		rootTimes := times{start: time.Now()}
		for i, d := range []time.Duration{0, time.Nanosecond, time.Millisecond, 59 * time.Second, 61 * time.Second, time.Hour, 48 * time.Hour} {
			time.Sleep(d)
			name := strconv.Itoa(i)
			var w times
			w.start = time.Now()
			_, s := tracer.StartSpan(ctx, name)
			time.Sleep(d)
			w.event = time.Now()
			s.AddEvent("e")
			s.AddEvent("e", trace.WithAttributes(attribute.Int("i", 1)))
			time.Sleep(d)
			w.end = time.Now()
			s.End()
			want[name] = w
		}
		root.AddEvent("e")
		rootTimes.event = time.Now()
		time.Sleep(time.Minute)
		rootTimes.end = time.Now()
		root.End()
		want["root"] = rootTimes
		flush(t, p)
		for name, w := range want {
			d := c.span(t, name)
			assert.True(t, w.start.Equal(d.StartTime), "%s: start %v, want %v", name, d.StartTime, w.start)
			assert.True(t, w.end.Equal(d.EndTime), "%s: end %v, want %v", name, d.EndTime, w.end)
			for _, e := range d.Events {
				assert.True(t, w.event.Equal(e.Time), "%s: event %v, want %v", name, e.Time, w.event)
			}
		}
	})
}

// A start time alone, or an end time alone: the other one is now.
func TestOneTimeGivenByTheUser(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tracer, c, p := newTracer(t)
		at := time.Now().Add(-time.Hour)
		ctx, root := tracer.StartSpan(context.Background(), "root", tracing.WithStartTime(at))
		_, child := tracer.StartSpan(ctx, "child", tracing.WithStartTime(at.Add(time.Minute)))
		_, zero := tracer.StartSpan(ctx, "zero", tracing.WithStartTime(time.Time{}))
		started := time.Now()
		time.Sleep(time.Second)
		now := time.Now()
		child.AddEvent("e")
		child.End()
		zero.End(trace.WithTimestamp(at))
		root.End()
		flush(t, p)
		assert.True(t, at.Equal(c.span(t, "root").StartTime))
		assert.True(t, now.Equal(c.span(t, "root").EndTime))
		assert.True(t, at.Add(time.Minute).Equal(c.span(t, "child").StartTime))
		assert.True(t, now.Equal(c.span(t, "child").EndTime))
		assert.True(t, now.Equal(c.span(t, "child").Events[0].Time))
		assert.True(t, started.Equal(c.span(t, "zero").StartTime), "the zero time means now")
		assert.True(t, at.Equal(c.span(t, "zero").EndTime))
	})
}

// Within a trace times are in the order of what happened, and the wall clock is right.
func TestTimesAreMonotonicWithinATrace(t *testing.T) {
	t.Parallel()
	tracer, c, p := newTracer(t)
	before := time.Now()
	ctx, root := tracer.StartSpan(context.Background(), "root")
	for i := range 100 {
		_, s := tracer.StartSpan(ctx, strconv.Itoa(i))
		s.AddEvent("e")
		s.End()
	}
	root.End()
	after := time.Now()
	flush(t, p)
	rd := c.span(t, "root")
	last := rd.StartTime
	for i := range 100 {
		d := c.span(t, strconv.Itoa(i))
		for _, at := range []time.Time{d.StartTime, d.Events[0].Time, d.EndTime} {
			assert.False(t, at.Before(last), "span %d", i)
			last = at
		}
	}
	assert.False(t, rd.EndTime.Before(last))
	assert.WithinRange(t, rd.StartTime, before.Add(-time.Millisecond), after)
	assert.WithinRange(t, rd.EndTime, before, after.Add(time.Millisecond))
}

// The monotonic clock stops while a machine is suspended: after a minute a trace reads the wall clock
// anew. Spans that are open keep the clock they began with, so that they last as long as they lasted.
func TestWallClockIsReadAnewAfterAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const suspended = time.Hour
		tracer, c, p := newTracer(t)
		ctx, root := tracer.StartSpan(context.Background(), "root")
		begin := time.Now()
		tracing.DelayClock(root, suspended)
		_, soon := tracer.StartSpan(ctx, "soon")
		soonAt := time.Now()
		time.Sleep(61 * time.Second)
		_, later := tracer.StartSpan(ctx, "later")
		laterAt := time.Now()
		time.Sleep(time.Second)
		soon.End()
		later.End()
		root.End()
		flush(t, p)
		at := func(d *tracing.SpanData) [2]time.Time { return [2]time.Time{d.StartTime.UTC(), d.EndTime.UTC()} }
		assert.Equal(t, [2]time.Time{begin.UTC(), begin.Add(62 * time.Second).UTC()}, at(c.span(t, "root")))
		assert.Equal(t, [2]time.Time{soonAt.Add(-suspended).UTC(), soonAt.Add(62*time.Second - suspended).UTC()}, at(c.span(t, "soon")))
		assert.Equal(t, [2]time.Time{laterAt.UTC(), laterAt.Add(time.Second).UTC()}, at(c.span(t, "later")))
	})
}
