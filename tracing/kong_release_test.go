// SPDX-License-Identifier: Apache-2.0

package tracing_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/sampling"
	"github.com/spandrel-go/spandrel/tracing"
)

func TestKongRelease(t *testing.T) {
	t.Parallel()
	ends := 0
	tracer, r, p := exporting(t, tracing.WithProcessor(&processor{
		onEnding: func(*tracing.Span) { ends++ },
		onEnd:    func(*tracing.SpanData) { ends++ },
	}))
	ctx, root := tracer.StartSpan(context.Background(), "root")
	in, s := tracer.StartSpan(ctx, "released")
	_, child := tracer.StartSpan(in, "child")
	sc := s.SpanContext()
	s.SetAttribute("k", "v")
	s.Release()
	assert.False(t, s.IsRecording())
	assert.Nil(t, s.Snapshot())
	assert.Equal(t, sc, s.SpanContext(), "the handle still answers")
	assert.Zero(t, ends, "processors do not see its end")
	assert.Same(t, root, tracer.ActiveSpan(in), "as if it had finished")
	s.Release()
	s.Finish()
	s.SetAttribute("late", 1)
	st := p.Stats()
	assert.Equal(t, []uint64{3, 1}, []uint64{st.Started, st.Ended}, "it has ended")
	assert.Equal(t, 2, st.Open)
	child.Finish()
	root.Finish()
	flush(t, p)
	assert.ElementsMatch(t, []string{"root", "child"}, r.Names())
	assert.Equal(t, sc, r.Span(t, "child").Parent, "children keep their parent's ids")
	assert.Equal(t, tracing.WithheldStats{Released: 1}, p.Stats().Withheld)
	sumsHold(t, p)
}

func TestKongReleaseAfterTheEnd(t *testing.T) {
	t.Parallel()
	tracer, r, p := exporting(t)
	ctx, root := tracer.StartSpan(context.Background(), "root")
	_, s := tracer.StartSpan(ctx, "ended")
	s.Finish()
	s.Release() // what has ended is the pipeline's
	root.Finish()
	root.Release()
	flush(t, p)
	assert.ElementsMatch(t, []string{"root", "ended"}, r.Names())
	assert.Zero(t, p.Stats().Withheld.Sum())
	sumsHold(t, p)
}

func TestKongReleaseOfTheRoot(t *testing.T) {
	t.Parallel()
	tracer, r, p := exporting(t)
	ctx, root := tracer.StartSpan(context.Background(), "root")
	_, ended := tracer.StartSpan(ctx, "ended")
	ended.Finish()
	root.Release()
	assert.False(t, tracer.SetShouldSample(ctx, false), "its end hands the local trace over")
	flush(t, p)
	assert.Equal(t, []string{"ended"}, r.Names())
	assert.False(t, r.Spans()[0].Partial, "the local trace was complete")

	_, alone := tracer.StartSpan(context.Background(), "alone")
	alone.Release()
	ctx, root = tracer.StartSpan(context.Background(), "root")
	_, child := tracer.StartSpan(ctx, "late child")
	root.Release()
	child.Finish()
	flush(t, p)
	assert.Equal(t, []string{"ended", "late child"}, r.Names())
	assert.Equal(t, uint64(3), p.Stats().Withheld.Released)
	assert.Zero(t, p.Stats().Open)
	sumsHold(t, p)
}

func TestKongReleaseOfOtherKinds(t *testing.T) {
	t.Parallel()
	tracer, r, p := exporting(t)
	_, off := p.NewTracer("off", tracing.WithSamplingRate(0)).StartSpan(context.Background(), "unsampled")
	off.Release()
	(*tracing.Span)(nil).Release()
	(&tracing.Span{}).Release()
	_, unlinked := tracer.CreateSpan(context.Background())
	unlinked.Release()
	_, only := p.NewTracer("only", tracing.WithTracerSampler(decide(sampling.Result{Decision: sampling.RecordOnly}))).
		StartSpan(context.Background(), "recorded only")
	only.Release()
	st := p.Stats()
	assert.Equal(t, uint64(1), st.NeverLinked)
	flush(t, p)
	assert.Equal(t, tracing.WithheldStats{Released: 1}, p.Stats().Withheld, "each span has one reason")
	assert.Empty(t, r.Names())

	_, open := tracer.StartSpan(context.Background(), "open at the shutdown")
	shutdown(t, p)
	open.Release()
	assert.Equal(t, []string{"open at the shutdown"}, r.Names())
	assert.Equal(t, uint64(1), p.Stats().Unfinished)
	sumsHold(t, p)
}

// redacting drops spans in OnEnding.
func redacting(name string) *processor {
	return &processor{onEnding: func(s *tracing.Span) {
		if d := s.Snapshot(); d != nil && d.Name == name {
			s.Release()
			s.SetName("after the release")
			s.Release()
		}
	}}
}

func TestKongReleaseInOnEndingDrops(t *testing.T) {
	t.Parallel()
	var before, behind, ends []string
	tracer, r, p := exporting(t,
		tracing.WithProcessor(&processor{
			onEnding: func(s *tracing.Span) { before = append(before, s.Snapshot().Name) },
			onEnd:    func(d *tracing.SpanData) { ends = append(ends, d.Name) },
		}),
		tracing.WithProcessor(redacting("secret")),
		tracing.WithProcessor(&processor{
			onEnding: func(s *tracing.Span) { behind = append(behind, s.Snapshot().Name) },
			onEnd:    func(d *tracing.SpanData) { ends = append(ends, d.Name) },
		}))
	ctx, root := tracer.StartSpan(context.Background(), "root")
	_, s := tracer.StartSpan(ctx, "secret")
	s.Finish()
	assert.False(t, s.IsRecording())
	_, child := tracer.StartSpan(ctx, "child")
	child.Finish()
	root.Finish()
	_, s = tracer.StartSpan(context.Background(), "secret") // a root
	s.Finish()
	flush(t, p)
	assert.Equal(t, []string{"secret", "child", "root", "secret"}, before)
	assert.Equal(t, []string{"child", "root"}, behind, "processors behind do not see it")
	assert.Equal(t, []string{"child", "child", "root", "root"}, ends, "and nobody's OnEnd does")
	assert.ElementsMatch(t, []string{"child", "root"}, r.Names())
	assert.Equal(t, tracing.WithheldStats{Released: 2}, p.Stats().Withheld)
	sumsHold(t, p)
}

func TestKongReleaseInOnEndingOfShutdown(t *testing.T) {
	t.Parallel()
	tracer, r, p := exporting(t, tracing.WithProcessor(redacting("secret")))
	_, _ = tracer.StartSpan(context.Background(), "secret")
	_, _ = tracer.StartSpan(context.Background(), "open")
	shutdown(t, p)
	assert.Equal(t, []string{"open"}, r.Names())
	assert.Equal(t, uint64(1), p.Stats().Withheld.Released)
	sumsHold(t, p)
}

func TestKongReleaseInOnEndingBeforeAPanic(t *testing.T) {
	t.Parallel()
	cause := errors.New("of the processor")
	tracer, r, p := exporting(t, tracing.WithProcessor(&processor{onEnding: func(s *tracing.Span) {
		if s.Snapshot().Name == "secret" {
			s.Release()
			panic(cause)
		}
	}}))
	_, s := tracer.StartSpan(context.Background(), "secret")
	assert.PanicsWithValue(t, cause, s.Finish)
	_, s = tracer.StartSpan(context.Background(), "other")
	s.Finish()
	flush(t, p)
	assert.Equal(t, []string{"other"}, r.Names(), "it stays dropped")
	assert.Zero(t, p.Stats().Open)
	sumsHold(t, p)
}

func TestKongReleaseInOnStart(t *testing.T) {
	t.Parallel()
	tracer, r, p := exporting(t, tracing.WithProcessor(&processor{onStart: func(_ context.Context, s *tracing.Span) {
		if s.Snapshot().Name == "noise" {
			s.Release()
		}
	}}))
	ctx, root := tracer.StartSpan(context.Background(), "root")
	_, s := tracer.StartSpan(ctx, "noise")
	assert.False(t, s.IsRecording())
	s.SetAttribute("k", "v")
	s.Finish()
	root.Finish()
	flush(t, p)
	assert.Equal(t, []string{"root"}, r.Names())
	sumsHold(t, p)
}

// OnEnding has a handle of its own: nobody else may write any more, and it is worth nothing afterwards.
func TestKongOnEndingHandle(t *testing.T) {
	t.Parallel()
	var user, lent *tracing.Span
	var p *tracing.Provider
	var end time.Time
	write := func(s *tracing.Span, from string) {
		s.SetAttribute(from, 1)
		s.SetAttributes(attribute.Int(from+" too", 1))
		s.SetName(from)
		s.AddEvent(from)
		s.AddLink(trace.Link{SpanContext: remoteParent(true)})
		s.RecordError(errors.New(from))
		s.SetStatus(codes.Error, from)
		s.FinishAt(time.Now().Add(time.Hour))
		s.Finish()
	}
	tracer, r, p := exporting(t, tracing.WithProcessor(&processor{
		onEnding: func(s *tracing.Span) {
			lent = s
			assert.NotSame(t, user, s)
			assert.Equal(t, user.SpanContext(), s.SpanContext())
			assert.Equal(t, p, s.TracerProvider())
			assert.False(t, user.IsRecording())
			assert.Nil(t, user.Snapshot())
			assert.True(t, s.IsRecording())
			write(user, "user")
			user.Release()
			done := make(chan struct{})
			go func() {
				defer close(done)
				write(user, "another goroutine")
			}()
			<-done
			assert.True(t, s.IsRecording(), "to end it again changes nothing")
			s.SetAttribute("processor", 1)
			end = s.Snapshot().EndTime
			assert.False(t, end.IsZero(), "the end is known")
			s.Finish()
			s.FinishAt(end.Add(time.Hour))
			assert.True(t, s.IsRecording())
		},
		onEnd: func(d *tracing.SpanData) {
			assert.Equal(t, "span", d.Name)
			write(lent, "too late")
			lent.Release()
		},
	}))
	_, user = tracer.StartSpan(context.Background(), "span")
	user.Finish()
	write(lent, "much too late")
	lent.Release()
	flush(t, p)
	write(lent, "reused by now")
	d := r.Span(t, "span")
	assert.Equal(t, []attribute.KeyValue{attribute.Int("processor", 1)}, d.Attributes)
	assert.Empty(t, d.Events)
	assert.Empty(t, d.Links)
	assert.Equal(t, tracing.Status{}, d.Status)
	assert.True(t, end.Equal(d.EndTime))
	assert.Zero(t, p.Stats().RefusedEnds)
	sumsHold(t, p)
}

// Every method of a span that is none: nil, the zero value, one that was sampled out, ended or released.
func TestKongSpansThatAreNoneAcceptEverything(t *testing.T) {
	t.Parallel()
	tracer, r, p := exporting(t)
	_, unsampled := tracer.StartSpan(context.Background(), "unsampled", tracing.WithShouldSample(false))
	_, ended := tracer.StartSpan(context.Background(), "ended")
	ended.Finish()
	_, released := tracer.StartSpan(context.Background(), "released")
	released.Release()
	_, unlinked := tracer.CreateSpan(context.Background())
	unlinked.Finish()
	flush(t, p)
	for name, s := range map[string]*tracing.Span{
		"nil": nil, "zero": {}, "unsampled": unsampled, "ended": ended, "released": released, "unlinked": unlinked,
	} {
		t.Run(name, func(t *testing.T) {
			for range 2 {
				assert.False(t, s.IsRecording())
				assert.Nil(t, s.Snapshot())
				assert.Equal(t, name != "nil" && name != "zero", s.SpanContext().IsValid())
				require.NotNil(t, s.TracerProvider())
				s.TracerProvider().Tracer("of a span that is none")
				s.SetName("n")
				s.SetAttribute("k", "v")
				s.SetAttribute("k", nil)
				s.SetAttributes(attribute.Int("n", 1))
				s.SetStatus(codes.Error, "why")
				s.AddEvent("event", trace.WithAttributes(attribute.Int("n", 1)))
				s.AddLink(trace.Link{SpanContext: remoteParent(true)})
				s.RecordError(errors.New("e"), trace.WithStackTrace(true))
				s.FinishAt(time.Unix(0, 0))
				s.FinishAt(time.Time{})
				s.Finish()
				s.End(trace.WithTimestamp(time.Now()))
				s.Release()
				_, child := tracer.StartSpan(context.Background(), "child of "+name, tracing.WithParent(s))
				child.Finish()
				other := p.NewTracer("other", tracing.WithNamespace("OTHER"))
				for _, ctx := range []context.Context{
					tracer.SetActiveSpan(context.Background(), s), other.SetActiveSpan(context.Background(), s),
					trace.ContextWithSpan(context.Background(), s),
				} {
					for _, tr := range []*tracing.Tracer{tracer, other} {
						tr.ActiveSpan(ctx).SetAttribute("k", "v")
						tr.RootSpan(ctx).SetAttribute("k", "v")
						tr.ProcessSpans(ctx, func(*tracing.SpanData) {})
						tr.SetShouldSample(ctx, true)
						tr.SamplingDecision(ctx, nil, 1)
						_, child = tr.StartSpan(ctx, "below "+name)
						child.Finish()
						_, child = tr.CreateSpan(ctx)
						child.Release()
					}
				}
			}
		})
	}
	assert.Zero(t, p.Stats().RefusedEnds)
	flush(t, p)
	assert.Equal(t, "ended", r.Spans()[0].Name)
	sumsHold(t, p)
}
