// SPDX-License-Identifier: Apache-2.0

package tracing_test

import (
	"context"
	"fmt"
	"slices"
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

// processed returns the names that ProcessSpans shows.
func processed(tracer *tracing.Tracer, ctx context.Context) []string { //nolint:revive // who is asked comes first
	names := []string{}
	tracer.ProcessSpans(ctx, func(d *tracing.SpanData) { names = append(names, d.Name) })
	return names
}

func TestKongProcessSpansByTracerName(t *testing.T) {
	t.Parallel()
	_, r, p := exporting(t)
	a, b := p.NewTracer("a"), p.NewTracer("b")
	ctx, root := a.StartSpan(context.Background(), "a1")
	inB, b1 := b.StartSpan(ctx, "b1")
	_, api := p.Tracer("a", trace.WithInstrumentationVersion("9")).Start(inB, "a2")
	_, b2 := b.StartSpan(inB, "b2")
	_, other := a.StartSpan(context.Background(), "another trace")
	b1.Finish()

	assert.Equal(t, []string{"a1", "a2"}, processed(a, ctx), "whatever the version")
	assert.Equal(t, []string{"b1", "b2"}, processed(b, ctx), "in the order of their start, ended or not")
	assert.Equal(t, []string{"b1", "b2"}, processed(b, inB), "also from the Go context of a span that has ended")
	assert.Equal(t, []string{"another trace"}, processed(a, a.SetActiveSpan(ctx, other)))
	assert.Empty(t, processed(p.NewTracer("c"), ctx))
	assert.Empty(t, processed(a, context.Background()), "there is no active span")
	assert.Empty(t, processed(newProvider(t).NewTracer("a"), ctx), "the span is of another provider")
	a.ProcessSpans(ctx, nil)

	b2.Finish()
	api.End()
	root.Finish()
	assert.Empty(t, processed(a, ctx), "the local trace has been handed over")
	other.Finish()
	flush(t, p)
	assert.Len(t, r.Spans(), 5, "looking takes nothing away")
}

func TestKongProcessSpansShowsWhatSpansHold(t *testing.T) {
	t.Parallel()
	tracer, r, p := exporting(t, tracing.WithSpanLimits(tracing.SpanLimits{Attributes: 1, Events: 1, Links: 1, AttributeValueLength: 3}))
	ctx, root := tracer.StartSpan(arriving(t, map[string]string{"traceparent": traceparent}), "root", tracing.WithKind(trace.SpanKindServer))
	_, child := tracer.StartSpan(ctx, "child")
	for _, s := range []*tracing.Span{root, child} {
		full(s, 2)
		s.SetAttribute("a", "abcdef")
		s.SetStatus(codes.Error, "why")
	}
	child.Finish()
	var kept []*tracing.SpanData
	tracer.ProcessSpans(ctx, func(d *tracing.SpanData) { kept = append(kept, d) })
	root.SetAttribute("a", "changed")
	root.SetName("changed")
	root.Finish()
	flush(t, p)
	shutdown(t, p)

	require.Len(t, kept, 2)
	for i, s := range []*tracing.Span{root, child} {
		d := kept[i]
		assert.Equal(t, s.SpanContext(), d.SpanContext)
		assert.Equal(t, []string{"root", "child"}[i], d.Name)
		require.Len(t, d.Attributes, 1)
		assert.Equal(t, attribute.String("a", "abc"), d.Attributes[0], "what it held then, cut as the limits say")
		assert.Len(t, d.Events, 1)
		assert.Len(t, d.Links, 1)
		assert.Equal(t, []int{1, 1, 1}, []int{d.DroppedAttributes, d.DroppedEvents, d.DroppedLinks})
		assert.Equal(t, tracing.Status{Code: codes.Error, Description: "why"}, d.Status)
		assert.Equal(t, "test", d.Scope.Name)
		require.NotNil(t, d.Resource)
		assert.NotEmpty(t, d.Resource.ServiceName())
		assert.False(t, d.StartTime.IsZero())
	}
	assert.Equal(t, trace.SpanKindServer, kept[0].Kind)
	assert.Equal(t, arrivedSpan, kept[0].Parent.SpanID().String())
	assert.True(t, kept[0].Parent.IsRemote())
	assert.Equal(t, root.SpanContext(), kept[1].Parent)
	assert.True(t, kept[0].EndTime.IsZero(), "an open span has no end")
	assert.True(t, kept[1].EndTime.Equal(r.Span(t, "child").EndTime))
	assert.Same(t, r.Span(t, "child").Scope, kept[1].Scope)
	kept[0].Attributes[0] = attribute.String("a", "mine") // the caller owns it
	assert.Equal(t, attribute.String("a", "cha"), r.Span(t, "changed").Attributes[0])
}

// No lock is held while f runs.
func TestKongProcessSpansMayCallEverything(t *testing.T) {
	t.Parallel()
	tracer, _, p := exporting(t)
	ctx, root := tracer.StartSpan(context.Background(), "root")
	_, child := tracer.StartSpan(ctx, "child")
	calls := 0
	tracer.ProcessSpans(ctx, func(*tracing.SpanData) {
		calls++
		assert.Len(t, processed(tracer, ctx), 2+calls-1)
		_, more := tracer.StartSpan(ctx, "more")
		more.Finish()
		root.SetAttribute("seen", calls)
		assert.Same(t, root, tracer.ActiveSpan(ctx))
		assert.True(t, tracer.SetShouldSample(ctx, true))
		assert.True(t, tracer.SamplingDecision(ctx, nil, 1))
		_ = p.Stats()
	})
	assert.Equal(t, 2, calls, "those that there were at the call")
	tracer.ProcessSpans(ctx, func(*tracing.SpanData) {
		child.Finish()
		root.Finish()
		assert.NoError(t, p.ForceFlush(context.Background()))
	})
	assert.Empty(t, processed(tracer, ctx))
	ctx, _ = tracer.StartSpan(context.Background(), "open")
	tracer.ProcessSpans(ctx, func(*tracing.SpanData) { assert.NoError(t, p.Shutdown(context.Background())) })
	assert.Empty(t, processed(tracer, ctx))
	sumsHold(t, p)
}

func TestKongProcessSpansOfWhatIsNotExported(t *testing.T) {
	t.Parallel()
	tracer, _, _ := exporting(t, tracing.WithSampler(sampling.AlwaysOff()))
	ctx, s := tracer.StartSpan(context.Background(), "unsampled")
	assert.Empty(t, processed(tracer, ctx))
	s.Finish()

	tracer, _, _ = exporting(t, tracing.WithSampler(decide(sampling.Result{Decision: sampling.RecordOnly})))
	ctx, s = tracer.StartSpan(context.Background(), "recorded only")
	assert.Equal(t, []string{"recorded only"}, processed(tracer, ctx))
	s.Finish()

	tracer, _, _ = exporting(t)
	ctx, root := tracer.StartSpan(context.Background(), "root")
	_, gone := tracer.StartSpan(ctx, "released")
	gone.Release()
	_, child := tracer.StartSpan(ctx, "child")
	require.True(t, tracer.SetShouldSample(ctx, false))
	assert.Equal(t, []string{"root", "child"}, processed(tracer, ctx))
	child.Finish()
	root.Finish()
}

func TestKongProcessSpansAfterAPartialHandOver(t *testing.T) {
	t.Parallel()
	tracer, _, p := exporting(t)
	ctx, root := tracer.StartSpan(context.Background(), "root")
	var children []*tracing.Span
	want := []string{"root"}
	for i := range 40 {
		_, s := tracer.StartSpan(ctx, fmt.Sprintf("child %02d", i))
		children = append(children, s)
		want = append(want, fmt.Sprintf("child %02d", i))
	}
	require.Equal(t, want, processed(tracer, ctx))
	for _, i := range []int{3, 17, 33} {
		children[i].Finish()
	}
	flush(t, p)
	want = slices.DeleteFunc(want, func(name string) bool {
		return name == "child 03" || name == "child 17" || name == "child 33"
	})
	_, s := tracer.StartSpan(ctx, "one more")
	want = append(want, "one more")
	assert.Equal(t, want, processed(tracer, ctx), "the others, in the order of their start")
	for _, s := range append(children, s, root) {
		s.Finish()
	}
	assert.Empty(t, processed(tracer, ctx))
}

func TestKongProcessSpansInAProcessor(t *testing.T) {
	t.Parallel()
	var tracer *tracing.Tracer
	var seen [][]string
	var in context.Context
	_, _, p := exporting(t, tracing.WithProcessor(&processor{
		onStart:  func(context.Context, *tracing.Span) { seen = append(seen, processed(tracer, in)) },
		onEnding: func(*tracing.Span) { seen = append(seen, processed(tracer, in)) },
		onEnd:    func(*tracing.SpanData) { seen = append(seen, processed(tracer, in)) },
	}))
	tracer = p.NewTracer("test")
	ctx, root := tracer.StartSpan(context.Background(), "root")
	in = ctx
	_, child := tracer.StartSpan(ctx, "child")
	child.Finish()
	assert.Equal(t, []string{"root", "child"}, processed(tracer, ctx))
	root.Finish()
	require.Len(t, seen, 6)
	assert.Equal(t, []string{"root", "child"}, seen[1], "its start")
	assert.Contains(t, seen[2], "root", "OnEnding of the child")
	assert.Contains(t, seen[4], "child", "OnEnding of the root")
}

func TestKongProcessSpansLater(t *testing.T) {
	t.Parallel()
	tracer, _, p := exporting(t)
	ctx, root := tracer.StartSpan(context.Background(), "root")
	root.Finish()
	assert.Empty(t, processed(tracer, ctx))
	_, late := tracer.StartSpan(ctx, "late", tracing.WithStartTime(time.Unix(1, 0)))
	assert.Equal(t, []string{"late"}, processed(tracer, ctx), "a late child, alone")
	late.Finish()
	assert.Empty(t, processed(tracer, ctx))
	flush(t, p)
	sumsHold(t, p)
}
