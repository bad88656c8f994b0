// SPDX-License-Identifier: Apache-2.0

package tracing_test

import (
	"context"
	"sync"
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

func TestKongCreateThenLink(t *testing.T) {
	t.Parallel()
	tracer, r, p := exporting(t)
	balancer := p.NewTracer("balancer", tracing.WithVersion("1"))
	ctx, root := tracer.StartSpan(context.Background(), "root")
	in, s := tracer.CreateSpan(ctx, tracing.WithKind(trace.SpanKindClient),
		tracing.WithAttributes(attribute.String("early", "1")), tracing.WithLinks(trace.Link{SpanContext: remoteParent(true)}))
	require.NotNil(t, s)
	sc := s.SpanContext()
	assert.True(t, sc.IsValid(), "the ids are known before")
	assert.True(t, sc.IsSampled())
	assert.Equal(t, sc, trace.SpanContextFromContext(in), "so headers can be written")
	assert.Equal(t, root.SpanContext().TraceID(), sc.TraceID())
	assert.Same(t, s, tracer.ActiveSpan(in))
	assert.True(t, s.IsRecording(), "it takes data")
	s.AddEvent("event")
	s.SetStatus(codes.Error, "why")
	s.SetAttribute("more", 2)
	_, child := tracer.StartSpan(in, "child")
	assert.Equal(t, sc, child.Snapshot().Parent, "it can be a parent before it is linked")
	child.Finish()
	st := p.Stats()
	assert.Equal(t, uint64(2), st.Started, "it has not started")
	assert.Equal(t, 1, st.Open, "and keeps nothing open")

	start := time.Unix(1_700_000_000, 5)
	assert.True(t, balancer.LinkSpan(s, "balancer try 1", tracing.WithStartTime(start)))
	assert.Equal(t, sc, s.SpanContext(), "the ids stay")
	assert.Equal(t, uint64(3), p.Stats().Started)
	s.FinishAt(start.Add(time.Second))
	root.Finish()
	flush(t, p)
	r.AssertTree(t, `
		root
			balancer try 1
				child
	`)
	d := r.Span(t, "balancer try 1")
	assert.Equal(t, sc, d.SpanContext)
	assert.Equal(t, root.SpanContext(), d.Parent)
	assert.Equal(t, trace.SpanKindClient, d.Kind)
	assert.Equal(t, []attribute.KeyValue{attribute.String("early", "1"), attribute.Int("more", 2)}, d.Attributes)
	assert.Len(t, d.Events, 1)
	assert.Len(t, d.Links, 1)
	assert.Equal(t, tracing.Status{Code: codes.Error, Description: "why"}, d.Status)
	assert.True(t, start.Equal(d.StartTime))
	assert.True(t, start.Add(time.Second).Equal(d.EndTime))
	assert.Equal(t, &tracing.Scope{Name: "balancer", Version: "1"}, d.Scope, "it is the linking tracer's")
	sumsHold(t, p)
}

func TestKongLinkSpanReplacesAttributes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		opts []tracing.SpanOption
		want []attribute.KeyValue
	}{
		{"not given", nil, []attribute.KeyValue{attribute.String("a", "create"), attribute.String("b", "create")}},
		{"given", []tracing.SpanOption{tracing.WithAttributes(attribute.String("b", "link"))}, []attribute.KeyValue{attribute.String("b", "link")}},
		{"none", []tracing.SpanOption{tracing.WithAttributes()}, []attribute.KeyValue{}},
		{
			"twice",
			[]tracing.SpanOption{tracing.WithAttributes(attribute.String("b", "link")), tracing.WithAttributes(attribute.Int("c", 3))},
			[]attribute.KeyValue{attribute.String("b", "link"), attribute.Int("c", 3)},
		},
		{
			"as many as the limit",
			[]tracing.SpanOption{tracing.WithAttributes(attribute.Int("c", 3), attribute.Int("d", 4))},
			[]attribute.KeyValue{attribute.Int("c", 3), attribute.Int("d", 4)},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tracer, r, p := exporting(t, tracing.WithSpanLimits(tracing.SpanLimits{Attributes: 2}))
			_, s := tracer.CreateSpan(context.Background())
			s.SetAttributes(attribute.String("a", "create"), attribute.String("b", "create"))
			require.True(t, tracer.LinkSpan(s, "linked", tt.opts...))
			s.Finish()
			flush(t, p)
			d := r.Span(t, "linked")
			assert.ElementsMatch(t, tt.want, d.Attributes)
			assert.Zero(t, d.DroppedAttributes)
		})
	}
}

func TestKongLinkSpanStartsNow(t *testing.T) {
	t.Parallel()
	tracer, r, p := exporting(t)
	_, s := tracer.CreateSpan(context.Background(), tracing.WithStartTime(time.Unix(1, 0)))
	between := time.Now()
	for time.Since(between) < time.Millisecond {
	}
	require.True(t, tracer.LinkSpan(s, "zero", tracing.WithStartTime(time.Time{}), tracing.WithKind(trace.SpanKindServer)))
	s.Finish()
	flush(t, p)
	d := r.Span(t, "zero")
	assert.WithinRange(t, d.StartTime, between, time.Now().Add(time.Minute), "WithStartTime has no effect on CreateSpan")
	assert.Equal(t, trace.SpanKindInternal, d.Kind, "the other options have no effect on LinkSpan")
	assert.False(t, d.EndTime.Before(d.StartTime))
}

func TestKongCreateSpanResolvesParentsAsStartSpanDoes(t *testing.T) {
	t.Parallel()
	tracer, _, _ := exporting(t)
	ctx, root := tracer.StartSpan(context.Background(), "root")
	_, explicit := tracer.StartSpan(context.Background(), "explicit")
	for _, tt := range []struct {
		name string
		ctx  context.Context
		opts []tracing.SpanOption
		want trace.SpanContext
	}{
		{"nothing", context.Background(), nil, trace.SpanContext{}},
		{"active", ctx, []tracing.SpanOption{tracing.WithRemoteParent(remoteParent(true))}, root.SpanContext()},
		{"explicit", ctx, []tracing.SpanOption{tracing.WithParent(explicit)}, explicit.SpanContext()},
		{"given", context.Background(), []tracing.SpanOption{tracing.WithRemoteParent(remoteParent(true))}, remoteParent(true)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			opts := tt.opts
			_, s := tracer.CreateSpan(tt.ctx, opts...)
			assert.Equal(t, tt.want, s.Snapshot().Parent)
			require.True(t, tracer.LinkSpan(s, "linked"))
			assert.Equal(t, tt.want, s.Snapshot().Parent)
			s.Finish()
		})
	}
	root.Finish()
	explicit.Finish()
}

func TestKongLinkSpanOfWhatIsNotExported(t *testing.T) {
	t.Parallel()
	tracer, r, p := exporting(t, tracing.WithSampler(sampling.AlwaysOff()))
	_, s := tracer.CreateSpan(context.Background())
	assert.True(t, s.SpanContext().IsValid())
	assert.False(t, tracer.LinkSpan(s, "unsampled"))
	s.Finish()
	_, s = tracer.CreateSpan(context.Background(), tracing.WithShouldSample(true))
	assert.True(t, tracer.LinkSpan(s, "asked for"))
	s.Finish()

	only := p.NewTracer("only", tracing.WithTracerSampler(decide(sampling.Result{Decision: sampling.RecordOnly})))
	_, s = only.CreateSpan(context.Background())
	assert.True(t, s.IsRecording())
	assert.False(t, s.SpanContext().IsSampled())
	assert.True(t, only.LinkSpan(s, "recorded only"))
	s.Finish()
	flush(t, p)
	assert.Equal(t, []string{"asked for"}, r.Names())
	assert.Equal(t, tracing.WithheldStats{RecordOnly: 1}, p.Stats().Withheld)
	sumsHold(t, p)
}

func TestKongLinkSpanRefuses(t *testing.T) {
	t.Parallel()
	tracer, _, p := exporting(t)
	assert.False(t, tracer.LinkSpan(nil, "nil"))
	assert.False(t, tracer.LinkSpan(&tracing.Span{}, "zero"))
	_, started := tracer.StartSpan(context.Background(), "started")
	assert.False(t, tracer.LinkSpan(started, "again"))
	assert.Equal(t, "started", started.Snapshot().Name)
	started.Finish()
	assert.False(t, tracer.LinkSpan(started, "ended"))

	_, s := tracer.CreateSpan(context.Background())
	assert.False(t, newProvider(t).NewTracer("other").LinkSpan(s, "other provider"))
	require.True(t, tracer.LinkSpan(s, "first"))
	assert.False(t, tracer.LinkSpan(s, "second", tracing.WithAttributes(attribute.Int("n", 2))))
	assert.Equal(t, "first", s.Snapshot().Name)
	assert.Empty(t, s.Snapshot().Attributes)
	s.Finish()

	for name, end := range map[string]func(*tracing.Span){
		"Finish": (*tracing.Span).Finish, "Release": (*tracing.Span).Release,
		"End": func(s *tracing.Span) { s.End() }, "FinishAt": func(s *tracing.Span) { s.FinishAt(time.Now().Add(time.Hour)) },
	} {
		before := p.Stats()
		_, s := tracer.CreateSpan(context.Background())
		end(s)
		assert.False(t, s.IsRecording(), name)
		assert.False(t, tracer.LinkSpan(s, "too late"), name)
		end(s)
		after := p.Stats()
		assert.Equal(t, before.NeverLinked+1, after.NeverLinked, name)
		assert.Equal(t, before.Started, after.Started, name)
		assert.Equal(t, before.Ended, after.Ended, name)
	}
	flush(t, p)
	sumsHold(t, p)

	_, s = tracer.CreateSpan(context.Background())
	shutdown(t, p)
	assert.False(t, tracer.LinkSpan(s, "shut down"))
	_, after := tracer.CreateSpan(context.Background())
	assert.False(t, tracer.LinkSpan(after, "created after the shutdown"))
	sumsHold(t, p)
}

// An unlinked span holds nothing back: its local trace is handed over without it.
func TestKongUnlinkedSpansKeepNothingOpen(t *testing.T) {
	t.Parallel()
	tracer, r, p := exporting(t)
	ctx, root := tracer.StartSpan(context.Background(), "root")
	in, s := tracer.CreateSpan(ctx)
	root.Finish()
	assert.Empty(t, processed(tracer, ctx), "handed over")
	assert.False(t, tracer.SetShouldSample(in, false))

	assert.True(t, tracer.LinkSpan(s, "linked after the hand-over"))
	assert.Equal(t, []string{"linked after the hand-over"}, processed(tracer, in))
	s.Finish()
	_, never := tracer.CreateSpan(ctx)
	never.SetAttribute("a", 1)
	flush(t, p)
	assert.Equal(t, []string{"root", "linked after the hand-over"}, r.Names())
	assert.Equal(t, root.SpanContext(), r.Spans()[1].Parent)
	sumsHold(t, p)
	shutdown(t, p)
	assert.Len(t, r.Spans(), 2, "nor does the shutdown export what was never linked")
	assert.Zero(t, p.Stats().Unfinished)
}

func TestKongUnlinkedRoot(t *testing.T) {
	t.Parallel()
	tracer, r, p := exporting(t)
	ctx, root := tracer.CreateSpan(context.Background())
	assert.Same(t, root, tracer.RootSpan(ctx))
	_, child := tracer.StartSpan(ctx, "child")
	child.Finish()
	flush(t, p)
	assert.Equal(t, []string{"child"}, r.Names())
	assert.True(t, tracer.LinkSpan(root, "root"))
	root.Finish()
	flush(t, p)
	r.AssertTree(t, `
		root
			child
	`)

	ctx, root = tracer.CreateSpan(context.Background())
	_, child = tracer.StartSpan(ctx, "orphan")
	root.Release()
	child.Finish()
	assert.Nil(t, tracer.ActiveSpan(ctx))
	flush(t, p)
	assert.Equal(t, root.SpanContext(), r.Span(t, "orphan").Parent)
	assert.Equal(t, uint64(1), p.Stats().NeverLinked)
	sumsHold(t, p)
}

// The children of a root that will never be linked do not wait for it: neither those that have ended
// before it, nor those that end later.
func TestKongUnlinkedRootLetsItsChildrenGo(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*tracing.Span){
		"Finish":  func(s *tracing.Span) { s.Finish() },
		"Release": func(s *tracing.Span) { s.Release() },
	} {
		tracer, r, p := exporting(t)
		ctx, root := tracer.CreateSpan(context.Background())
		_, early := tracer.StartSpan(ctx, "early")
		_, late := tracer.StartSpan(ctx, "late")
		early.Finish()
		end(root)
		queued := func() uint64 { return p.Stats().Exporters[0].Queued }
		assert.Zero(t, queued(), "%s: one is open", name)
		late.Finish()
		assert.Equal(t, uint64(2), queued(), name)

		ctx, root = tracer.CreateSpan(context.Background())
		_, early = tracer.StartSpan(ctx, "early too")
		early.Finish()
		end(root)
		assert.Equal(t, uint64(3), queued(), name)
		end(root)
		assert.Equal(t, uint64(2), p.Stats().NeverLinked, name)
		flush(t, p)
		assert.False(t, r.Span(t, "early").Partial, name)
		sumsHold(t, p)
	}
}

func TestKongActiveSpanStepsBackFromUnlinkedSpans(t *testing.T) {
	t.Parallel()
	tracer, _, _ := exporting(t)
	ctx, root := tracer.StartSpan(context.Background(), "root")
	inA, a := tracer.StartSpan(ctx, "a")
	inB, b := tracer.CreateSpan(inA)
	assert.Same(t, b, tracer.ActiveSpan(inB))
	b.Release()
	assert.Same(t, root, tracer.ActiveSpan(inB), "nobody knows its parent any more: the local root stands in")
	_, b = tracer.CreateSpan(inA)
	inB = tracer.SetActiveSpan(inA, b)
	require.True(t, tracer.LinkSpan(b, "b"))
	b.Finish()
	assert.Same(t, a, tracer.ActiveSpan(inB), "that of a linked one is known")
	a.Finish()
	assert.Same(t, root, tracer.ActiveSpan(inB))
	root.Finish()
	assert.Nil(t, tracer.ActiveSpan(inB))
}

func TestKongLinkSpanAndTheLateDecision(t *testing.T) {
	t.Parallel()
	tracer, r, p := exporting(t)
	ctx, root := tracer.StartSpan(context.Background(), "root")
	_, before := tracer.CreateSpan(ctx)
	require.True(t, tracer.SetShouldSample(ctx, false))
	_, after := tracer.CreateSpan(ctx)
	assert.True(t, before.SpanContext().IsSampled())
	assert.False(t, after.SpanContext().IsSampled())
	assert.Equal(t, []string{"root"}, processed(tracer, ctx), "only what is linked is on the list")
	assert.True(t, tracer.LinkSpan(before, "before"))
	assert.True(t, tracer.LinkSpan(after, "after"))
	assert.Equal(t, []string{"root", "before", "after"}, processed(tracer, ctx))
	for _, s := range []*tracing.Span{before, after, root} {
		s.Finish()
	}
	flush(t, p)
	assert.Empty(t, r.Names())
	assert.Equal(t, uint64(3), p.Stats().Withheld.NotSampled)
	sumsHold(t, p)
}

func TestKongLinkSpanAndProcessors(t *testing.T) {
	t.Parallel()
	var log []string
	var inStart trace.SpanContext
	tracer, _, p := exporting(t, tracing.WithProcessor(&processor{
		onStart: func(ctx context.Context, s *tracing.Span) {
			log = append(log, "start "+s.Snapshot().Name)
			inStart = trace.SpanContextFromContext(ctx)
		},
		onEnding: func(s *tracing.Span) { log = append(log, "ending "+s.Snapshot().Name) },
		onEnd:    func(d *tracing.SpanData) { log = append(log, "end "+d.Name) },
	}))
	_, s := tracer.CreateSpan(context.WithValue(context.Background(), ctxKey("k"), "v"))
	assert.Empty(t, log, "it has not started")
	require.True(t, tracer.LinkSpan(s, "linked"))
	assert.Equal(t, s.SpanContext(), inStart)
	s.Finish()
	assert.Equal(t, []string{"start linked", "ending linked", "end linked"}, log)
	_, s = tracer.CreateSpan(context.Background())
	s.Finish()
	_, s = tracer.CreateSpan(context.Background())
	s.Release()
	assert.Len(t, log, 3, "nobody hears of those that are never linked")
	flush(t, p)
	sumsHold(t, p)
}

func TestKongLinkSpanAgainstEndConcurrentSafe(t *testing.T) {
	t.Parallel()
	tracer, r, p := exporting(t)
	linked := 0
	for range 300 {
		ctx, root := tracer.StartSpan(context.Background(), "root")
		_, s := tracer.CreateSpan(ctx)
		var wg sync.WaitGroup
		results := make([]bool, 2)
		for i := range results {
			wg.Go(func() { results[i] = tracer.LinkSpan(s, "linked", tracing.WithAttributes(attribute.Int("i", i))) })
		}
		wg.Go(s.Finish)
		wg.Go(func() { s.SetAttribute("k", "v") })
		wg.Go(func() { s.Snapshot() })
		wg.Go(func() { processed(tracer, ctx) })
		wg.Wait()
		assert.False(t, results[0] && results[1], "linked twice")
		if results[0] || results[1] {
			linked++
		}
		s.Finish()
		root.Finish()
	}
	flush(t, p)
	assert.Len(t, r.Named("linked"), linked)
	st := p.Stats()
	assert.Equal(t, uint64(300-linked)+st.NeverLinked, uint64(300-linked)*2, "each is either linked or counted")
	assert.Zero(t, st.Open)
	sumsHold(t, p)
}
