// SPDX-License-Identifier: Apache-2.0

package tracing_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/tracing"
)

// The tests of this file check the rules of a local trace one by one; the rule stands before each.

// A span joins its parent's local trace only if both belong to the same provider; under another
// provider's span it starts a local trace of its own, with that span as parent, not remote.
func TestForeignProvidersSpanIsALocalParent(t *testing.T) {
	t.Parallel()
	a, ca, pa := newTracer(t)
	b, cb, pb := newTracer(t)
	ctx, rootA := a.StartSpan(context.Background(), "a root")
	ctx, rootB := b.StartSpan(ctx, "b root")
	assert.Same(t, rootB, b.RootSpan(ctx))
	assert.Nil(t, a.RootSpan(ctx), "the active span is not a's")
	assert.Nil(t, a.ActiveSpan(ctx))
	assert.Same(t, pb, rootB.TracerProvider())
	ctx, childA := a.StartSpan(ctx, "a child")
	assert.Same(t, childA, a.RootSpan(ctx), "under b's span a starts a second local trace")
	rootB.End()
	flush(t, pb)
	d := cb.span(t, "b root")
	assert.Equal(t, rootA.SpanContext(), d.Parent)
	assert.False(t, d.Parent.IsRemote())
	assert.Equal(t, rootA.SpanContext().TraceID(), d.SpanContext.TraceID())
	assert.False(t, d.Partial, "b's local trace is complete, whatever a's is")

	childA.End()
	flush(t, pa)
	d = ca.span(t, "a child")
	assert.Equal(t, rootB.SpanContext(), d.Parent)
	assert.False(t, d.Partial)
	rootA.End()
	flush(t, pa)
	assert.Equal(t, []string{"a child", "a root"}, ca.names())
	assert.Equal(t, []string{"b root"}, cb.names())
}

// The same by WithParent, and through OpenTelemetry's API.
func TestForeignProvidersSpanAsExplicitParent(t *testing.T) {
	t.Parallel()
	a, _, _ := newTracer(t)
	_, cb, pb := newTracer(t)
	ctx, rootA := a.StartSpan(context.Background(), "a root")
	_, s := pb.NewTracer("test").StartSpan(context.Background(), "explicit", tracing.WithParent(rootA))
	s.End()
	_, api := pb.Tracer("test").Start(ctx, "api")
	api.End()
	flush(t, pb)
	for _, d := range cb.spans() {
		assert.Equal(t, rootA.SpanContext(), d.Parent, d.Name)
		assert.False(t, d.Parent.IsRemote(), d.Name)
	}
	assert.Len(t, cb.spans(), 2)
}

// The parent is always the span in ctx, ended or not.
func TestParentIsTheSpanInContextEndedOrNot(t *testing.T) {
	t.Parallel()
	tracer, c, p := newTracer(t)
	ctx, root := tracer.StartSpan(context.Background(), "root")
	mid, middle := tracer.StartSpan(ctx, "middle")
	middle.End()
	_, late := tracer.StartSpan(mid, "late")
	late.End()
	root.End()
	flush(t, p)
	_, later := tracer.StartSpan(mid, "later")
	later.End()
	flush(t, p)
	assert.Equal(t, middle.SpanContext(), c.span(t, "late").Parent)
	assert.Equal(t, middle.SpanContext(), c.span(t, "later").Parent)
	assert.Equal(t, root.SpanContext(), c.span(t, "middle").Parent)
}

// Only ActiveSpan steps back to an ancestor when a span finishes.
func TestActiveSpanStepsBack(t *testing.T) {
	t.Parallel()
	tracer, _, p := newTracer(t)
	assert.Nil(t, tracer.ActiveSpan(context.Background()))
	ctx, root := tracer.StartSpan(context.Background(), "root")
	ctx, a := tracer.StartSpan(ctx, "a")
	ctx, b := tracer.StartSpan(ctx, "b")
	assert.Same(t, b, tracer.ActiveSpan(ctx))
	a.End()
	assert.Same(t, b, tracer.ActiveSpan(ctx), "b has not ended")
	b.End()
	assert.Same(t, root, tracer.ActiveSpan(ctx), "a has ended too")
	assert.Same(t, b, trace.SpanFromContext(ctx), "OpenTelemetry's active span stays")
	flush(t, p)
	assert.Same(t, root, tracer.ActiveSpan(ctx), "after a and b have been handed over")
	assert.Same(t, root, tracer.RootSpan(ctx))
	root.End()
	assert.Nil(t, tracer.ActiveSpan(ctx))
	assert.Same(t, root, tracer.RootSpan(ctx), "the root that has ended is still the root")
}

// Handed over when its root has ended and none is open, whichever ends last.
func TestHandedOverWhenRootHasEndedAndNoneIsOpen(t *testing.T) {
	t.Parallel()
	for _, rootLast := range []bool{true, false} {
		t.Run(fmt.Sprint("root last: ", rootLast), func(t *testing.T) {
			t.Parallel()
			tracer, c, p := newTracer(t)
			ctx, root := tracer.StartSpan(context.Background(), "root")
			_, child := tracer.StartSpan(ctx, "child")
			_, other := tracer.StartSpan(ctx, "other")
			other.End()
			require.Zero(t, p.Stats().Exporters[0].Queued)
			first, last := root, child
			if rootLast {
				first, last = child, root
			}
			first.End()
			require.Zero(t, p.Stats().Exporters[0].Queued, "one is open")
			last.End()
			require.EqualValues(t, 3, p.Stats().Exporters[0].Queued)
			flush(t, p)
			for _, d := range c.spans() {
				assert.False(t, d.Partial, d.Name)
			}
			sumsHold(t, p)
		})
	}
}

// Handed over in part as soon as it is larger than a bound in spans: a long-lived root neither hoards
// memory nor hides its children.
func TestPartialHandOverWhenLarge(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		children int
		value    string
	}{
		"in spans": {5000, ""}, "in bytes": {50, strings.Repeat("x", 100<<10)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := &collector{}
			p := newProvider(t, tracing.WithExporter(c, tracing.WithBatchDelay(time.Hour), tracing.WithQueueSpans(10_000)))
			tracer := p.NewTracer("test")
			ctx, root := tracer.StartSpan(context.Background(), "root")
			for range tt.children {
				_, s := tracer.StartSpan(ctx, "child", tracing.WithAttributes(attribute.String("v", tt.value)))
				s.End()
			}
			early := p.Stats().Exporters[0].Queued
			assert.Greater(t, early, uint64(tt.children/2), "handed over while the root is open")
			root.End()
			flush(t, p)
			spans := c.spans()
			assert.Len(t, spans, tt.children+1)
			for _, d := range spans {
				assert.True(t, d.Partial, d.Name)
			}
			sumsHold(t, p)
		})
	}
}

// The age bound is no longer than the batch delay: an ended span of a trace that goes on is exported
// within it.
func TestPartialHandOverByAge(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const delay = 3 * time.Second
		c := &collector{}
		p := newProvider(t, tracing.WithExporter(c, tracing.WithBatchDelay(delay)))
		tracer := p.NewTracer("test")
		ctx, root := tracer.StartSpan(context.Background(), "root")
		for i := range 20 { // at all phases of the pipeline's clock
			time.Sleep(delay/20 + delay)
			name := fmt.Sprint("child ", i)
			_, s := tracer.StartSpan(ctx, name)
			s.End()
			time.Sleep(delay)
			synctest.Wait()
			assert.True(t, c.span(t, name).Partial)
		}
		root.End()
		require.NoError(t, p.Shutdown(context.Background()))
		assert.True(t, c.span(t, "root").Partial)
		assert.Len(t, c.spans(), 21)
		sumsHold(t, p)
	})
}

// No span is lost or doubled when open spans move between records, and what is written to them
// meanwhile arrives: all attributes, events, links, and the name, of each span.
func TestOpenSpansMoveConcurrentSafe(t *testing.T) {
	t.Parallel()
	c := &collector{}
	p := newProvider(t, tracing.WithExporter(c, tracing.WithBatchDelay(time.Millisecond), tracing.WithQueueSpans(1<<20)))
	tracer := p.NewTracer("test")
	ctx, root := tracer.StartSpan(context.Background(), "root")
	const writers, rounds, writes = 6, 8, 100
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for r := range rounds {
				name := fmt.Sprintf("long %d %d", w, r)
				_, s := tracer.StartSpan(ctx, "another name", tracing.WithKind(trace.SpanKindConsumer),
					tracing.WithLinks(trace.Link{SpanContext: root.SpanContext(), Attributes: []attribute.KeyValue{attribute.String("of", name)}}))
				for i := range writes {
					s.SetAttributes(attribute.Int(fmt.Sprint("a", i), i))
					s.AddEvent(fmt.Sprint("e", i), trace.WithAttributes(attribute.String("of", name)))
					_, child := tracer.StartSpan(ctx, "short")
					child.End()
				}
				s.SetName(name)
				s.End()
			}
		})
	}
	flushed := make(chan struct{})
	stop := make(chan struct{})
	go func() {
		defer close(flushed)
		for {
			select {
			case <-stop:
				return
			default:
				_ = p.ForceFlush(context.Background())
			}
		}
	}()
	wg.Wait()
	close(stop)
	<-flushed
	root.End()
	flush(t, p)
	counts := map[string]int{}
	for _, d := range c.spans() {
		counts[d.Name]++
		assert.Equal(t, root.SpanContext().TraceID(), d.SpanContext.TraceID())
		if !strings.HasPrefix(d.Name, "long") {
			continue
		}
		require.Len(t, d.Attributes, writes, d.Name)
		require.Len(t, d.Events, writes, d.Name)
		require.Len(t, d.Links, 1, d.Name)
		assert.Equal(t, root.SpanContext(), d.Parent)
		assert.Equal(t, trace.SpanKindConsumer, d.Kind)
		assert.Equal(t, []attribute.KeyValue{attribute.String("of", d.Name)}, d.Links[0].Attributes)
		for i := range writes {
			assert.Equal(t, attribute.Int(fmt.Sprint("a", i), i), d.Attributes[i])
			assert.Equal(t, fmt.Sprint("e", i), d.Events[i].Name)
			assert.Equal(t, []attribute.KeyValue{attribute.String("of", d.Name)}, d.Events[i].Attributes)
		}
	}
	for w := range writers {
		for r := range rounds {
			assert.Equal(t, 1, counts[fmt.Sprintf("long %d %d", w, r)])
		}
	}
	assert.Equal(t, 1, counts["root"])
	assert.Equal(t, writers*rounds*writes, counts["short"])
	sumsHold(t, p)
}

// Late children follow the decision of their local trace.
func TestLateChildrenFollow(t *testing.T) {
	t.Parallel()
	tracer, c, p := newTracer(t)
	ctx, root := tracer.StartSpan(context.Background(), "root")
	root.End()
	flush(t, p)
	require.False(t, c.span(t, "root").Partial)
	late, child := tracer.StartSpan(ctx, "late")
	assert.True(t, child.SpanContext().IsSampled())
	assert.Same(t, root, tracer.RootSpan(late))
	_, grandchild := tracer.StartSpan(late, "later")
	grandchild.End()
	child.End()
	flush(t, p)
	assert.Equal(t, root.SpanContext(), c.span(t, "late").Parent)
	assert.Equal(t, child.SpanContext(), c.span(t, "later").Parent)
	assert.True(t, c.span(t, "late").Partial)
	sumsHold(t, p)
}

// ForceFlush hands over what has ended of traces that go on, and nothing that is open.
func TestForceFlushTakesWhatHasEnded(t *testing.T) {
	t.Parallel()
	tracer, c, p := newTracer(t)
	ctx, root := tracer.StartSpan(context.Background(), "root")
	mid, open := tracer.StartSpan(ctx, "open")
	open.SetAttributes(attribute.String("before", "flush"))
	for i := range 30 {
		_, s := tracer.StartSpan(mid, fmt.Sprint("ended ", i))
		s.End()
	}
	flush(t, p)
	assert.Len(t, c.spans(), 30)
	for _, d := range c.spans() {
		assert.True(t, d.Partial)
		assert.Equal(t, open.SpanContext(), d.Parent)
	}
	s := p.Stats()
	assert.Equal(t, 2, s.Open)
	assert.EqualValues(t, 30, s.Ended)
	open.SetAttributes(attribute.String("after", "flush"))
	open.End()
	root.End()
	flush(t, p)
	assert.Equal(t, []attribute.KeyValue{attribute.String("before", "flush"), attribute.String("after", "flush")},
		c.span(t, "open").Attributes)
	assert.Len(t, c.spans(), 32)
	sumsHold(t, p)
}

// Shutdown hands over also what is open, marked.
func TestShutdownTakesWhatIsOpen(t *testing.T) {
	t.Parallel()
	tracer, c, p := newTracer(t)
	ctx, root := tracer.StartSpan(context.Background(), "root")
	_, ended := tracer.StartSpan(ctx, "ended")
	ended.End()
	_, open := tracer.StartSpan(ctx, "open", tracing.WithAttributes(attribute.Int("i", 1)))
	_, alone := tracer.StartSpan(context.Background(), "alone")
	begin := time.Now()
	shutdown(t, p)
	require.ElementsMatch(t, []string{"root", "ended", "open", "alone"}, c.names())
	for _, d := range c.spans() {
		unfinished, ok := value(d.Attributes, "span.unfinished")
		assert.Equal(t, d.Name != "ended", ok && unfinished.AsBool(), d.Name)
		assert.False(t, d.EndTime.IsZero(), d.Name)
		assert.WithinDuration(t, begin, d.EndTime, time.Minute, d.Name)
	}
	i, _ := value(c.span(t, "open").Attributes, "i")
	assert.EqualValues(t, 1, i.AsInt64())
	assert.EqualValues(t, 3, p.Stats().Unfinished)
	for _, s := range []*tracing.Span{root, open, alone} {
		assert.False(t, s.IsRecording())
		s.SetName("too late")
		s.End()
		s.End()
	}
	s := p.Stats()
	assert.EqualValues(t, 3, s.EndedAfterShutdown, "each counts once")
	assert.EqualValues(t, 4, s.Ended)
	assert.Zero(t, s.Open)
	sumsHold(t, p)
}

// The mark of an unfinished span is there also where the span's limits are reached.
func TestUnfinishedMarkDoesNotFallToTheLimit(t *testing.T) {
	t.Parallel()
	tracer, c, p := newTracer(t, tracing.WithSpanLimits(tracing.SpanLimits{Attributes: 2}))
	_, s := tracer.StartSpan(context.Background(), "open")
	s.SetAttributes(attribute.Int("a", 1), attribute.Int("b", 2), attribute.Int("c", 3))
	shutdown(t, p)
	_, ok := value(c.span(t, "open").Attributes, "span.unfinished")
	assert.True(t, ok, "%v", c.span(t, "open").Attributes)
}

// Two remote arrivals of one trace are two local traces.
func TestTwoArrivalsAreTwoLocalTraces(t *testing.T) {
	t.Parallel()
	tracer, c, p := newTracer(t)
	arrival := trace.ContextWithRemoteSpanContext(context.Background(), remoteParent(true))
	ctx1, one := tracer.StartSpan(arrival, "one")
	ctx2, two := tracer.StartSpan(arrival, "two")
	assert.Same(t, one, tracer.RootSpan(ctx1))
	assert.Same(t, two, tracer.RootSpan(ctx2))
	one.End()
	flush(t, p)
	assert.False(t, c.span(t, "one").Partial, "the other arrival is none of its business")
	two.End()
	flush(t, p)
	for _, d := range c.spans() {
		assert.False(t, d.Partial, d.Name)
		assert.Equal(t, remoteParent(true), d.Parent, d.Name)
		assert.True(t, d.Parent.IsRemote(), d.Name)
		assert.Equal(t, remoteParent(true).TraceID(), d.SpanContext.TraceID(), d.Name)
		assert.False(t, d.SpanContext.IsRemote(), d.Name)
	}
}

// A call inside the process that carries both a ctx and headers: the headers win.
func TestHeadersWinOverTheSpanInContext(t *testing.T) {
	t.Parallel()
	tracer, c, p := newTracer(t)
	ctx, root := tracer.StartSpan(context.Background(), "caller")
	arrival := trace.ContextWithRemoteSpanContext(ctx, remoteParent(true))
	inner, s := tracer.StartSpan(arrival, "callee")
	assert.Same(t, s, tracer.RootSpan(inner))
	s.End()
	flush(t, p)
	d := c.span(t, "callee")
	assert.Equal(t, remoteParent(true), d.Parent)
	assert.False(t, d.Partial, "it is a local trace of its own")
	root.End()
	flush(t, p)
	assert.NotEqual(t, d.SpanContext.TraceID(), c.span(t, "caller").SpanContext.TraceID())
}

// WithRemoteParent gives a parent only where neither WithParent nor ctx does; WithNewRoot beats all.
func TestParentResolution(t *testing.T) {
	t.Parallel()
	tracer, c, p := newTracer(t)
	ctx, active := tracer.StartSpan(context.Background(), "active")
	_, explicit := tracer.StartSpan(context.Background(), "explicit")
	local := remoteParent(true).WithRemote(false)
	remote := tracing.WithRemoteParent(local)
	for _, tt := range []struct {
		name string
		ctx  context.Context
		opts []tracing.SpanOption
		want trace.SpanContext
	}{
		{"parent, active, remote", ctx, []tracing.SpanOption{remote, tracing.WithParent(explicit)}, explicit.SpanContext()},
		{"active, remote", ctx, []tracing.SpanOption{remote}, active.SpanContext()},
		{"remote", context.Background(), []tracing.SpanOption{remote}, remoteParent(true)},
		{"nil parent, active", ctx, []tracing.SpanOption{tracing.WithParent(nil)}, active.SpanContext()},
		{"nothing", context.Background(), nil, trace.SpanContext{}},
		{"invalid remote", context.Background(), []tracing.SpanOption{tracing.WithRemoteParent(trace.SpanContext{})}, trace.SpanContext{}},
		{"new root", ctx, []tracing.SpanOption{tracing.WithParent(explicit), remote, tracing.WithNewRoot()}, trace.SpanContext{}},
		{"zero option", ctx, []tracing.SpanOption{{}}, active.SpanContext()},
	} {
		_, s := tracer.StartSpan(tt.ctx, tt.name, tt.opts...)
		s.End()
		flush(t, p)
		d := c.span(t, tt.name)
		assert.Equal(t, tt.want, d.Parent, tt.name)
		if tt.want.IsValid() {
			assert.Equal(t, tt.want.TraceID(), d.SpanContext.TraceID(), tt.name)
		} else {
			assert.NotEqual(t, active.SpanContext().TraceID(), d.SpanContext.TraceID(), tt.name)
			assert.NotEqual(t, local.TraceID(), d.SpanContext.TraceID(), tt.name)
		}
		assert.True(t, d.SpanContext.IsValid(), tt.name)
		assert.NotEqual(t, d.Parent.SpanID(), d.SpanContext.SpanID(), tt.name)
	}
	_, s := tracer.Start(ctx, "api new root", trace.WithNewRoot())
	s.End()
	flush(t, p)
	assert.False(t, c.span(t, "api new root").Parent.IsValid())
}

// Too many open spans: those open longest are exported as they are, marked and counted.
func TestOpenSpanLimit(t *testing.T) {
	t.Parallel()
	const limit, made = 1000, 10_000
	c := &collector{}
	p := newProvider(t, tracing.WithOpenSpanLimit(limit),
		tracing.WithExporter(c, tracing.WithQueueSpans(made), tracing.WithBatchDelay(time.Hour)))
	tracer := p.NewTracer("test")
	handles := make([]*tracing.Span, made)
	for i := range handles {
		_, handles[i] = tracer.StartSpan(context.Background(), strconv.Itoa(i))
	}
	s := p.Stats()
	assert.LessOrEqual(t, s.Open, limit+32*10)
	assert.Equal(t, uint64(made-s.Open), s.Unfinished)
	assert.Equal(t, s.Unfinished, s.Ended)
	assert.True(t, handles[made-1].IsRecording(), "the newest is open")
	assert.False(t, handles[0].IsRecording(), "the oldest is not")
	for _, h := range handles {
		h.SetAttributes(attribute.Bool("ended", true))
		h.End()
	}
	flush(t, p)
	marked := 0
	for _, d := range c.spans() {
		_, unfinished := value(d.Attributes, "span.unfinished")
		_, ended := value(d.Attributes, "ended")
		assert.NotEqual(t, unfinished, ended, d.Name)
		if unfinished {
			marked++
		}
	}
	assert.Len(t, c.spans(), made)
	assert.EqualValues(t, s.Unfinished, marked)
	assert.EqualValues(t, made, p.Stats().Ended)
	sumsHold(t, p)
}
