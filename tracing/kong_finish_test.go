// SPDX-License-Identifier: Apache-2.0

package tracing_test

import (
	"context"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/sampling"
	"github.com/spandrel-go/spandrel/tracing"
)

func TestKongSetActiveSpan(t *testing.T) {
	t.Parallel()
	tracer, _, _ := exporting(t)
	_, a := tracer.StartSpan(context.Background(), "a")
	_, b := tracer.StartSpan(context.Background(), "b")
	defer a.Finish()
	defer b.Finish()
	assert.Nil(t, tracer.ActiveSpan(context.Background()))

	withA := tracer.SetActiveSpan(context.Background(), a)
	withB := tracer.SetActiveSpan(withA, b)
	assert.Same(t, a, tracer.ActiveSpan(withA), "the Go context that was given is as it was")
	assert.Same(t, b, tracer.ActiveSpan(withB))
	assert.Same(t, b, trace.SpanFromContext(withB))
	_, child := tracer.StartSpan(withB, "child")
	assert.Equal(t, b.SpanContext(), child.Snapshot().Parent)
	child.Finish()

	none := tracer.SetActiveSpan(withB, nil)
	assert.Nil(t, tracer.ActiveSpan(none))
	assert.Nil(t, tracer.RootSpan(none))
	assert.False(t, trace.SpanFromContext(none).SpanContext().IsValid())
	assert.False(t, trace.SpanFromContext(none).IsRecording())
	_, root := tracer.StartSpan(none, "root")
	assert.Equal(t, trace.SpanContext{}, root.Snapshot().Parent, "nil clears")
	_, given := tracer.StartSpan(none, "given", tracing.WithRemoteParent(remoteParent(true)))
	assert.Equal(t, remoteParent(true), given.Snapshot().Parent)
	root.Finish()
	given.Finish()

	ctx, cancel := context.WithCancel(context.WithValue(context.Background(), ctxKey("k"), "v"))
	held := tracer.SetActiveSpan(ctx, a)
	cancel()
	assert.ErrorIs(t, held.Err(), context.Canceled)
	assert.Equal(t, "v", held.Value(ctxKey("k")))
}

func TestKongFinishOfTheActiveSpanMakesItsParentActive(t *testing.T) {
	t.Parallel()
	tracer, _, _ := exporting(t)
	ctx, root := tracer.StartSpan(context.Background(), "root")
	inA, a := tracer.StartSpan(ctx, "a")
	inB, b := tracer.StartSpan(inA, "b")
	_, sibling := tracer.StartSpan(inA, "sibling")

	sibling.Finish()
	assert.Same(t, b, tracer.ActiveSpan(inB), "finishing a span that is not active leaves the active one")
	b.Finish()
	assert.Same(t, a, tracer.ActiveSpan(inB))
	a.Finish()
	assert.Same(t, root, tracer.ActiveSpan(inB))
	assert.Same(t, root, tracer.ActiveSpan(inA))
	root.Finish()
	assert.Nil(t, tracer.ActiveSpan(inB), "the root has no parent")
	assert.Nil(t, tracer.ActiveSpan(ctx))
}

func TestKongFinishLeavesChildrenOpen(t *testing.T) {
	t.Parallel()
	tracer, r, p := exporting(t)
	ctx, root := tracer.StartSpan(context.Background(), "root")
	in, child := tracer.StartSpan(ctx, "child")
	root.Finish()
	assert.True(t, child.IsRecording())
	assert.Same(t, child, tracer.ActiveSpan(in))
	child.SetAttribute("late", true)
	child.Finish()
	assert.Nil(t, tracer.ActiveSpan(in), "its parent has ended before")
	flush(t, p)
	r.AssertTree(t, `
		root
			child
	`)
	_, ok := value(r.Span(t, "child").Attributes, "late")
	assert.True(t, ok)
}

// The active span of a Go context whose span was sampled out: it never ends.
func TestKongActiveSpanThatWasSampledOut(t *testing.T) {
	t.Parallel()
	tracer, _, _ := exporting(t, tracing.WithSampler(sampling.AlwaysOff()))
	ctx, s := tracer.StartSpan(context.Background(), "unsampled")
	assert.Same(t, s, tracer.ActiveSpan(ctx))
	s.Finish()
	assert.Same(t, s, tracer.ActiveSpan(ctx))
	assert.Nil(t, tracer.RootSpan(ctx), "the trace is not recorded")
}

// The same below a span that is recorded: what is written to the active span must not land on the root.
func TestKongActiveSpanThatWasSampledOutBelowARecordedOne(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	on := p.NewTracer("on", tracing.WithTracerSampler(sampling.AlwaysOn()))
	off := p.NewTracer("off", tracing.WithTracerSampler(sampling.AlwaysOff()))
	ctx, root := on.StartSpan(context.Background(), "root")
	ctx, s := off.StartSpan(ctx, "dropped")
	for range 2 {
		require.False(t, s.IsRecording())
		assert.Same(t, s, off.ActiveSpan(ctx))
		s.SetAttribute("a", 1)
		s.Finish()
	}
	s.Release()
	assert.Same(t, root, on.RootSpan(ctx))
	assert.Empty(t, root.Snapshot().Attributes)
	root.Finish()
	assert.Zero(t, p.Stats().Open)
	sumsHold(t, p)
}

func TestKongFinishTwice(t *testing.T) {
	t.Parallel()
	start := time.Unix(1_700_000_000, 0)
	first, second := start.Add(time.Second), start.Add(time.Minute)
	for _, tt := range []struct {
		name string
		f    func(*tracing.Span)
	}{
		{"Finish", (*tracing.Span).Finish},
		{"FinishAt", func(s *tracing.Span) { s.FinishAt(second) }},
		{"FinishAt, before the start", func(s *tracing.Span) { s.FinishAt(start.Add(-1)) }},
		{"End", func(s *tracing.Span) { s.End(trace.WithTimestamp(second)) }},
		{"Release", (*tracing.Span).Release},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tracer, r, p := exporting(t)
			_, s := tracer.StartSpan(context.Background(), "one", tracing.WithStartTime(start))
			s.FinishAt(first)
			tt.f(s)
			s.SetAttribute("late", 1)
			s.SetStatus(codes.Error, "late")
			flush(t, p)
			tt.f(s)
			flush(t, p)
			d := r.Span(t, "one")
			assert.True(t, first.Equal(d.EndTime), "the first call counts: %v", d.EndTime)
			assert.Empty(t, d.Attributes)
			assert.Equal(t, tracing.Status{}, d.Status)
			assert.Zero(t, p.Stats().RefusedEnds, "nothing is refused of a span that has ended")
			sumsHold(t, p)
		})
	}
}

func TestKongFinishAt(t *testing.T) {
	t.Parallel()
	start := time.Unix(1_700_000_000, 500)
	for _, tt := range []struct {
		name    string
		at      time.Time
		refused bool
	}{
		{"at the start", start, false},
		{"in another time zone", start.In(time.FixedZone("elsewhere", 3600)), false},
		{"a nanosecond after it", start.Add(1), false},
		{"an hour after it", start.Add(time.Hour), false},
		{"in 2200", time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC), false},
		{"a nanosecond before it", start.Add(-1), true},
		{"an hour before it", start.Add(-time.Hour), true},
		{"at the epoch", time.Unix(0, 0), true},
		{"before the epoch", time.Unix(-1, 0), true},
		{"in the year 1, but not the zero time", time.Time{}.Add(1), true},
		{"as far back as times go", time.Unix(math.MinInt64/2, 0), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tracer, r, p := exporting(t)
			_, s := tracer.StartSpan(context.Background(), "span", tracing.WithStartTime(start))
			s.FinishAt(tt.at)
			assert.Equal(t, tt.refused, s.IsRecording(), "a span whose end is refused stays open")
			want := uint64(0)
			if tt.refused {
				want = 1
				s.SetAttribute("after", "refusal")
				s.FinishAt(start.Add(2))
			}
			assert.Equal(t, want, p.Stats().RefusedEnds)
			flush(t, p)
			d := r.Span(t, "span")
			if tt.refused {
				assert.Len(t, d.Attributes, 1)
				assert.True(t, start.Add(2).Equal(d.EndTime), "%v", d.EndTime)
			} else {
				assert.True(t, tt.at.Equal(d.EndTime), "got %v, want %v", d.EndTime, tt.at)
			}
			assert.True(t, start.Equal(d.StartTime))
			sumsHold(t, p)
		})
	}
}

func TestKongFinishAtTheEndsOfTime(t *testing.T) {
	t.Parallel()
	tracer, r, p := exporting(t)
	before := time.Now()
	_, s := tracer.StartSpan(context.Background(), "zero")
	s.FinishAt(time.Time{})
	_, s = tracer.StartSpan(context.Background(), "far")
	s.FinishAt(time.Unix(math.MaxInt64/2, 0))
	_, s = tracer.StartSpan(context.Background(), "started in the future", tracing.WithStartTime(before.Add(time.Hour)))
	s.FinishAt(before)
	assert.True(t, s.IsRecording(), "it has not begun by then")
	s.Finish()
	assert.False(t, s.IsRecording(), "Finish is never refused")
	for range 1000 {
		_, s := tracer.StartSpan(context.Background(), "now")
		s.FinishAt(time.Now())
	}
	assert.Equal(t, uint64(1), p.Stats().RefusedEnds, "now is never before the start")
	flush(t, p)
	d := r.Span(t, "zero")
	assert.False(t, d.EndTime.Before(d.StartTime))
	assert.Less(t, d.EndTime.Sub(d.StartTime), time.Minute, "the zero time means now")
	assert.Greater(t, r.Span(t, "far").EndTime.Year(), 2200, "what cannot be expressed is the latest time that can")
	r.Span(t, "started in the future")
	assert.Len(t, r.Named("now"), 1000)
	sumsHold(t, p)
}

func TestKongFinishInAPanickingGoroutine(t *testing.T) {
	t.Parallel()
	start := time.Unix(1_700_000_000, 0)
	cause := errors.New("out of strings")
	for _, tt := range []struct {
		name   string
		finish func(*tracing.Span) func() // a method value, deferred as a program would
		open   bool
	}{
		{"Finish", func(s *tracing.Span) func() { return s.Finish }, false},
		{"End", func(s *tracing.Span) func() { return func() { s.End() } }, false},
		{"Release", func(s *tracing.Span) func() { return s.Release }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tracer, _, p := exporting(t)
			_, s := tracer.StartSpan(context.Background(), "span", tracing.WithStartTime(start))
			assert.Equal(t, cause, panicWith(cause, tt.finish(s)), "the panic goes on")
			assert.Equal(t, tt.open, s.IsRecording())
			flush(t, p)
			sumsHold(t, p)
		})
	}

	// Deferred directly: recover works in no other place.
	t.Run("FinishAt", func(t *testing.T) {
		t.Parallel()
		tracer, r, p := exporting(t)
		_, s := tracer.StartSpan(context.Background(), "span", tracing.WithStartTime(start))
		recovered := func() (v any) {
			defer func() { v = recover() }()
			func() {
				defer s.FinishAt(start.Add(time.Second))
				panic(cause)
			}()
			return nil
		}()
		assert.Equal(t, cause, recovered)
		flush(t, p)
		d := r.Span(t, "span")
		assert.True(t, start.Add(time.Second).Equal(d.EndTime))
		assert.Equal(t, tracing.Status{Code: codes.Error, Description: "out of strings"}, d.Status)
		require.Len(t, d.Events, 1)
		assert.Equal(t, "exception", d.Events[0].Name)
		message, _ := value(d.Events[0].Attributes, "exception.message")
		assert.Equal(t, "out of strings", message.AsString())
	})
	t.Run("FinishAt that is refused", func(t *testing.T) {
		t.Parallel()
		tracer, r, p := exporting(t)
		_, s := tracer.StartSpan(context.Background(), "span", tracing.WithStartTime(start))
		recovered := func() (v any) {
			defer func() { v = recover() }()
			func() {
				defer s.FinishAt(start.Add(-time.Second))
				panic(cause)
			}()
			return nil
		}()
		assert.Equal(t, cause, recovered)
		assert.True(t, s.IsRecording())
		assert.Equal(t, uint64(1), p.Stats().RefusedEnds)
		s.FinishAt(start)
		flush(t, p)
		assert.Equal(t, codes.Error, r.Span(t, "span").Status.Code, "the panic has been recorded")
		sumsHold(t, p)
	})
	t.Run("Finish", func(t *testing.T) {
		t.Parallel()
		tracer, r, p := exporting(t)
		_, s := tracer.StartSpan(context.Background(), "span")
		recovered := func() (v any) {
			defer func() { v = recover() }()
			func() {
				defer s.Finish()
				panic(cause)
			}()
			return nil
		}()
		assert.Equal(t, cause, recovered)
		flush(t, p)
		assert.Equal(t, codes.Error, r.Span(t, "span").Status.Code)
		assert.Len(t, r.Span(t, "span").Events, 1)
	})
	t.Run("unsampled and nil", func(t *testing.T) {
		t.Parallel()
		tracer, _, _ := exporting(t, tracing.WithSampler(sampling.AlwaysOff()))
		_, unsampled := tracer.StartSpan(context.Background(), "span")
		for _, s := range []*tracing.Span{nil, unsampled} {
			for _, finish := range []func(){s.Finish, func() { s.FinishAt(start) }, func() { s.End() }, s.Release} {
				assert.Equal(t, cause, panicWith(cause, finish))
			}
		}
	})
}

func TestKongRefusedEndsCountNothingElse(t *testing.T) {
	t.Parallel()
	tracer, _, p := exporting(t, tracing.WithSampler(sampling.ParentBased(sampling.AlwaysOff())))
	_, unsampled := tracer.StartSpan(context.Background(), "unsampled")
	unsampled.FinishAt(time.Unix(0, 0))
	(*tracing.Span)(nil).FinishAt(time.Unix(0, 0))
	assert.Zero(t, p.Stats().RefusedEnds, "there was no end to refuse")
	_, s := tracer.StartSpan(context.Background(), "span", tracing.WithShouldSample(true))
	for range 3 {
		s.FinishAt(time.Unix(0, 0))
	}
	st := p.Stats()
	assert.Equal(t, uint64(3), st.RefusedEnds, "each call counts")
	assert.Equal(t, 1, st.Open)
	s.Finish()
	flush(t, p)
	sumsHold(t, p)
}
