// SPDX-License-Identifier: Apache-2.0

package tracing_test

import (
	"context"
	"fmt"
	"math"
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

// openNames returns the names of the open spans in the order of the table.
func openNames(p *tracing.Provider) []string {
	names := []string{}
	for _, o := range p.OpenSpans() {
		names = append(names, o.Name)
	}
	return names
}

func TestOpenSpansShowWhatIsOpen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tracer, _, p := newTracer(t)
		require.Empty(t, p.OpenSpans())
		arrived := remoteParent(true)
		_, later := p.NewTracer("later").StartSpan(context.Background(), "later")
		time.Sleep(time.Second)
		begin := time.Now()
		ctx, root := tracer.StartSpan(trace.ContextWithRemoteSpanContext(context.Background(), arrived), "root",
			tracing.WithKind(trace.SpanKindServer))
		_, ended := tracer.StartSpan(ctx, "ended")
		_, child := tracer.StartSpan(ctx, "child", tracing.WithAttributes(attribute.Int("i", 1)))
		_, released := tracer.StartSpan(ctx, "released")
		time.Sleep(time.Minute)
		child.SetAttributes(attribute.String("late", "yes"))
		ended.End()
		released.Release()

		list := p.OpenSpans()
		require.Equal(t, []string{"later", "root", "child"}, openNames(p), "oldest first, and parents before their children")
		assert.Equal(t, tracing.OpenSpan{
			SpanContext: root.SpanContext(),
			Parent:      arrived,
			Name:        "root",
			Kind:        trace.SpanKindServer,
			StartTime:   list[1].StartTime,
			Age:         time.Minute,
			Scope:       list[1].Scope,
			LocalRoot:   true,
		}, list[1])
		assert.True(t, begin.Equal(list[1].StartTime))
		assert.Equal(t, "test", list[1].Scope.Name)
		assert.Equal(t, "later", list[0].Scope.Name)
		assert.Equal(t, time.Minute+time.Second, list[0].Age)
		assert.False(t, list[0].Parent.IsValid())
		assert.Equal(t, tracing.OpenSpan{
			SpanContext: child.SpanContext(),
			Parent:      root.SpanContext(),
			Name:        "child",
			Kind:        trace.SpanKindInternal,
			StartTime:   list[2].StartTime,
			Age:         time.Minute,
			Attributes:  []attribute.KeyValue{attribute.Int("i", 1), attribute.String("late", "yes")},
			Scope:       list[2].Scope,
		}, list[2])

		child.End()
		assert.Equal(t, []string{"later", "root"}, openNames(p))
		root.End()
		later.End()
		assert.Empty(t, p.OpenSpans())
		assert.Zero(t, p.Stats().Open)
	})
}

// What the table shows are copies: neither side sees what the other writes.
func TestOpenSpansAreCopies(t *testing.T) {
	t.Parallel()
	tracer, c, p := newTracer(t)
	_, s := tracer.StartSpan(context.Background(), "one")
	s.SetAttribute("a", "1")
	list := p.OpenSpans()
	require.Len(t, list, 1)
	s.SetAttribute("a", "2")
	s.SetName("renamed")
	assert.Equal(t, []attribute.KeyValue{attribute.String("a", "1")}, list[0].Attributes)
	assert.Equal(t, "one", list[0].Name)
	list[0].Attributes[0] = attribute.String("a", "mine")
	list[0].Attributes = append(list[0].Attributes, attribute.Bool("b", true))
	s.End()
	flush(t, p)
	assert.Equal(t, []attribute.KeyValue{attribute.String("a", "2")}, c.span(t, "renamed").Attributes)
	assert.Equal(t, "mine", list[0].Attributes[0].Value.AsString(), "they outlive the record")
}

// Which spans are open in the sense of the table, whatever becomes of them.
func TestOpenSpansByDecision(t *testing.T) {
	t.Parallel()
	t.Run("sampled out", func(t *testing.T) {
		t.Parallel()
		tracer, _, p := newTracer(t, tracing.WithSampler(sampling.AlwaysOff()))
		tracer.StartSpan(context.Background(), "one")
		assert.Empty(t, p.OpenSpans(), "nothing is recorded of it")
	})
	t.Run("recorded only", func(t *testing.T) {
		t.Parallel()
		tracer, _, p := newTracer(t, tracing.WithSampler(decide(sampling.Result{Decision: sampling.RecordOnly})))
		_, s := tracer.StartSpan(context.Background(), "one")
		list := p.OpenSpans()
		require.Len(t, list, 1)
		assert.False(t, list[0].SpanContext.IsSampled())
		s.End()
		assert.Empty(t, p.OpenSpans())
	})
	t.Run("taken out", func(t *testing.T) {
		t.Parallel()
		tracer, _, p := newTracer(t)
		ctx, _ := tracer.StartSpan(context.Background(), "one")
		require.True(t, tracer.SetShouldSample(ctx, false))
		assert.Equal(t, []string{"one"}, openNames(p))
	})
	t.Run("unlinked", func(t *testing.T) {
		t.Parallel()
		tracer, _, p := newTracer(t)
		ctx, s := tracer.CreateSpan(context.Background())
		s.SetAttribute("a", "1")
		assert.Empty(t, p.OpenSpans())
		_, child := tracer.StartSpan(ctx, "child")
		assert.Equal(t, []string{"child"}, openNames(p))
		require.True(t, tracer.LinkSpan(s, "linked"))
		list := p.OpenSpans()
		require.Len(t, list, 2)
		assert.Equal(t, "linked", list[1].Name)
		assert.True(t, list[1].LocalRoot)
		assert.Equal(t, []attribute.KeyValue{attribute.String("a", "1")}, list[1].Attributes)
		child.End()
		s.End()
		assert.Empty(t, p.OpenSpans())
	})
	t.Run("after Shutdown", func(t *testing.T) {
		t.Parallel()
		tracer, _, p := newTracer(t)
		ctx, _ := tracer.StartSpan(context.Background(), "one")
		shutdown(t, p)
		tracer.StartSpan(ctx, "two")
		assert.Empty(t, p.OpenSpans())
	})
	t.Run("no provider", func(t *testing.T) {
		t.Parallel()
		var s *tracing.Span
		p, ok := s.TracerProvider().(*tracing.Provider)
		require.True(t, ok)
		assert.Empty(t, p.OpenSpans())
	})
}

// A hand-over in part moves the records of what is open.
func TestOpenSpansAfterAHandOverInPart(t *testing.T) {
	t.Parallel()
	sampler := samplerFunc(func(p sampling.Parameters) sampling.Result {
		d := sampling.RecordAndSample
		if p.Name == "own" {
			d = sampling.RecordOnly // its identity is not that of its local trace
		}
		return sampling.Result{Decision: d}
	})
	tracer, c, p := newTracer(t, tracing.WithSampler(sampler))
	ctx, root := tracer.StartSpan(context.Background(), "root")
	var open []*tracing.Span
	for i := range 40 {
		_, s := tracer.StartSpan(ctx, fmt.Sprint("child ", i), tracing.WithAttributes(attribute.Int("i", i)))
		if i%4 == 0 {
			open = append(open, s)
		} else {
			s.End()
		}
	}
	inOwn, own := tracer.StartSpan(ctx, "own")
	_, below := tracer.StartSpan(inOwn, "below")
	flush(t, p)
	require.Len(t, c.spans(), 30)
	list := p.OpenSpans()
	require.Len(t, list, 13)
	for i, s := range open {
		o := list[1+i]
		assert.Equal(t, s.SpanContext(), o.SpanContext)
		assert.Equal(t, root.SpanContext(), o.Parent)
		assert.Equal(t, []attribute.KeyValue{attribute.Int("i", 4*i)}, o.Attributes)
		assert.False(t, o.LocalRoot)
	}
	assert.True(t, list[0].LocalRoot)
	assert.Equal(t, own.SpanContext(), list[11].SpanContext)
	assert.Equal(t, below.SpanContext(), list[12].SpanContext)
	assert.Equal(t, own.SpanContext(), list[12].Parent)
}

// Processors may look, and do not meet a lock. A span that is ending is not open any more.
func TestOpenSpansFromAProcessor(t *testing.T) {
	t.Parallel()
	var p *tracing.Provider
	var seen [][]string
	look := func() { seen = append(seen, openNames(p)) }
	tracer, _, p := newTracer(t, tracing.WithProcessor(&processor{
		onStart:  func(context.Context, *tracing.Span) { look() },
		onEnding: func(*tracing.Span) { look() },
		onEnd:    func(*tracing.SpanData) { look() },
	}))
	ctx, root := tracer.StartSpan(context.Background(), "root")
	_, child := tracer.StartSpan(ctx, "child")
	child.End()
	root.End()
	assert.Equal(t, [][]string{{"root"}, {"root", "child"}, {"root"}, {"root"}, {}, {}}, seen)
}

// What a redactor takes out when a span ends is taken out of the table too.
func TestOpenSpansAreRedacted(t *testing.T) {
	t.Parallel()
	redactor, err := tracing.NewRedactor(tracing.RedactKeys("password"), tracing.RedactSQL(),
		tracing.RedactValues(tracing.PatternEmail))
	require.NoError(t, err)
	tracer, _, p := newTracer(t, tracing.WithProcessor(&processor{}), tracing.WithProcessor(redactor))
	_, s := tracer.StartSpan(context.Background(), "mail to a@example.com")
	s.SetAttribute("password", "hunter2")
	s.SetAttribute("db.query.text", "SELECT 1234")
	list := p.OpenSpans()
	require.Len(t, list, 1)
	assert.Equal(t, "mail to REDACTED", list[0].Name)
	assert.Equal(t, []attribute.KeyValue{
		attribute.String("password", "REDACTED"), attribute.String("db.query.text", "SELECT ?"),
	}, list[0].Attributes)
	kept := s.Snapshot()
	assert.Equal(t, "mail to a@example.com", kept.Name, "the span itself is not touched yet")
	assert.Equal(t, "hunter2", kept.Attributes[0].Value.AsString())
}

// A start that was given counts, however odd it is.
func TestOpenSpansAge(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		at   func(now time.Time) time.Time
		want time.Duration
	}{
		{"now", func(time.Time) time.Time { return time.Time{} }, time.Second},
		{"earlier", func(now time.Time) time.Time { return now.Add(-time.Hour) }, time.Hour + time.Second},
		{"ahead", func(now time.Time) time.Time { return now.Add(time.Hour) }, 0},
		{"far ahead", func(now time.Time) time.Time { return now.AddDate(10_000, 0, 0) }, 0},
		{"the epoch", func(time.Time) time.Time { return time.Unix(0, 0) }, time.Unix(946684801, 0).Sub(time.Unix(0, 0))},
		{"long ago", func(now time.Time) time.Time { return now.AddDate(-1000, 0, 0) }, math.MaxInt64},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				tracer, _, p := newTracer(t)
				var opts []tracing.SpanOption
				if at := tt.at(time.Now()); !at.IsZero() {
					opts = append(opts, tracing.WithStartTime(at))
				}
				tracer.StartSpan(context.Background(), "one", opts...)
				time.Sleep(time.Second)
				list := p.OpenSpans()
				require.Len(t, list, 1)
				assert.Equal(t, tt.want, list[0].Age)
			})
		})
	}
}

// Spans that are open at Shutdown reach all exporters, marked; those found overdue as well.
func TestShutdownMarksWhatIsOpenForEachExporter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &collector{}
		marked := map[string]bool{}
		e := &encoder{appendSpan: func(dst []byte, d *tracing.SpanData) []byte {
			v, ok := value(d.Attributes, "span.unfinished")
			marked[d.Name] = ok && v.AsBool()
			return appendName(dst, d.Name)
		}}
		p := newProvider(t, quiet(), tracing.WithExporter(c), tracing.WithExporter(e), tracing.WithOpenSpanAge(time.Minute))
		tracer := p.NewTracer("test")
		ctx, _ := tracer.StartSpan(context.Background(), "overdue")
		time.Sleep(2 * time.Minute)
		_, ended := tracer.StartSpan(ctx, "ended")
		ended.End()
		tracer.StartSpan(ctx, "young")
		tracer.StartSpan(context.Background(), "alone")
		require.EqualValues(t, 1, p.Stats().Overdue)
		shutdown(t, p)

		want := map[string]bool{"overdue": true, "ended": false, "young": true, "alone": true}
		assert.Equal(t, want, marked)
		got := map[string]bool{}
		for _, d := range c.spans() {
			v, ok := value(d.Attributes, "span.unfinished")
			got[d.Name] = ok && v.AsBool()
		}
		assert.Equal(t, want, got)
		s := p.Stats()
		assert.EqualValues(t, 3, s.Unfinished)
		assert.EqualValues(t, 1, s.Overdue)
		assert.EqualValues(t, 4, s.Exporters[0].Exported)
		assert.EqualValues(t, 4, s.Exporters[1].Exported)
		sumsHold(t, p)
	})
}
