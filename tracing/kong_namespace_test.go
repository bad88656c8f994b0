// SPDX-License-Identifier: Apache-2.0

package tracing_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/tracing"
)

// namespaces makes a tracer of the default namespace and two of others.
func namespaces(p *tracing.Provider) (kong, a, b *tracing.Tracer) {
	return p.NewTracer("t"), p.NewTracer("t", tracing.WithNamespace("A")), p.NewTracer("t", tracing.WithNamespace("B"))
}

func TestKongNamespacesHaveAnActiveSpanEach(t *testing.T) {
	t.Parallel()
	_, r, p := exporting(t)
	kong, a, b := namespaces(p)
	ctx, inKong := kong.StartSpan(context.Background(), "kong")
	ctx, inA := a.StartSpan(ctx, "a")
	assert.Nil(t, b.ActiveSpan(ctx))
	ctx, inB := b.StartSpan(ctx, "b")
	assert.Same(t, inKong, kong.ActiveSpan(ctx))
	assert.Same(t, inA, a.ActiveSpan(ctx))
	assert.Same(t, inB, b.ActiveSpan(ctx))
	assert.Same(t, inA, p.NewTracer("another name", tracing.WithNamespace("A")).ActiveSpan(ctx), "it is the namespace's, not the tracer's")
	assert.Same(t, inKong, trace.SpanFromContext(ctx), "OpenTelemetry's API sees the default one")
	assert.Same(t, inA, a.RootSpan(ctx))

	ctx, a2 := a.StartSpan(ctx, "a2")
	ctx, b2 := b.StartSpan(ctx, "b2")
	ctx, kong2 := kong.StartSpan(ctx, "kong2")
	_, api := a.Start(ctx, "a3")
	assert.Same(t, kong2, trace.SpanFromContext(ctx))
	assert.Equal(t, []string{"a", "a2", "a3"}, processed(a, ctx), "ProcessSpans is about the namespace's own")
	require.True(t, b.SetShouldSample(ctx, false))
	api.End()
	for _, s := range []*tracing.Span{a2, b2, kong2, inA, inB, inKong} {
		s.Finish()
	}
	assert.Nil(t, a.ActiveSpan(ctx))
	flush(t, p)
	r.AssertTree(t, `
		kong
			kong2

		a
			a2
				a3
	`)
	assert.Len(t, map[trace.TraceID]bool{
		inKong.SpanContext().TraceID(): true, inA.SpanContext().TraceID(): true, inB.SpanContext().TraceID(): true,
	}, 3, "the spans of one are never parents of another's")
	sumsHold(t, p)
}

func TestKongNamespacesJoinWhatArrived(t *testing.T) {
	t.Parallel()
	b3 := map[string]string{"b3": arrivedTrace + "-" + arrivedSpan}
	for name, headers := range map[string]map[string]string{"W3C": {"traceparent": traceparent}, "B3, deferred": b3} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, _, p := exporting(t)
			kong, a, b := namespaces(p)
			ctx := arriving(t, headers)
			var spans []*tracing.Span
			for _, tracer := range []*tracing.Tracer{a, kong, b} {
				var s *tracing.Span
				ctx, s = tracer.StartSpan(ctx, "span")
				require.NotNil(t, s)
				assert.Equal(t, arrivedTrace, s.SpanContext().TraceID().String())
				parent := s.Snapshot().Parent
				assert.Equal(t, arrivedSpan, parent.SpanID().String(), "the caller's span, not another namespace's")
				assert.True(t, parent.IsRemote())
				spans = append(spans, s)
			}
			for _, s := range spans {
				s.Finish()
			}
		})
	}
	t.Run("the decision too", func(t *testing.T) {
		t.Parallel()
		_, _, p := exporting(t)
		kong, a, _ := namespaces(p)
		ctx, s := kong.StartSpan(arriving(t, b3), "deferred", tracing.WithShouldSample(false))
		assert.False(t, s.IsRecording())
		_, s = a.StartSpan(ctx, "deferred", tracing.WithShouldSample(true))
		assert.True(t, s.IsRecording(), "each namespace decides where the caller left it to us")
		s.Finish()
		ctx = arriving(t, map[string]string{"b3": "0"})
		ctx, _ = kong.StartSpan(ctx, "denied")
		_, s = a.StartSpan(ctx, "denied without ids", tracing.WithShouldSample(true))
		assert.False(t, s.IsRecording())
	})
}

func TestKongNamespaceParents(t *testing.T) {
	t.Parallel()
	_, _, p := exporting(t)
	kong, a, b := namespaces(p)
	ctx, inKong := kong.StartSpan(context.Background(), "kong")
	ctx, inA := a.StartSpan(ctx, "a")
	for _, tt := range []struct {
		name   string
		tracer *tracing.Tracer
		opts   []tracing.SpanOption
		want   trace.SpanContext
	}{
		{"its own", a, nil, inA.SpanContext()},
		{"its own beats the ids given", a, []tracing.SpanOption{tracing.WithRemoteParent(remoteParent(true))}, inA.SpanContext()},
		{"another's, asked for", a, []tracing.SpanOption{tracing.WithParent(inKong)}, inKong.SpanContext()},
		{"none", b, nil, trace.SpanContext{}},
		{"the ids given", b, []tracing.SpanOption{tracing.WithRemoteParent(remoteParent(true))}, remoteParent(true)},
		{"a new root", a, []tracing.SpanOption{tracing.WithNewRoot()}, trace.SpanContext{}},
		{"the default one's is its own", kong, nil, inKong.SpanContext()},
	} {
		t.Run(tt.name, func(t *testing.T) {
			next, s := tt.tracer.StartSpan(ctx, "span", tt.opts...)
			assert.Equal(t, tt.want, s.Snapshot().Parent)
			assert.Same(t, s, tt.tracer.ActiveSpan(next))
			s.Finish()
			next, s = tt.tracer.CreateSpan(ctx, tt.opts...)
			assert.Equal(t, tt.want, s.Snapshot().Parent)
			assert.Same(t, s, tt.tracer.ActiveSpan(next))
			require.True(t, tt.tracer.LinkSpan(s, "linked"))
			s.Finish()
			if tt.tracer != kong {
				assert.Same(t, inKong, trace.SpanFromContext(next))
			}
		})
	}
	inA.Finish()
	inKong.Finish()
}

func TestKongNamespaceSetActiveSpan(t *testing.T) {
	t.Parallel()
	_, _, p := exporting(t)
	kong, a, _ := namespaces(p)
	ctx, inKong := kong.StartSpan(context.Background(), "kong")
	held := a.SetActiveSpan(ctx, inKong)
	assert.Same(t, inKong, a.ActiveSpan(held))
	assert.Nil(t, a.ActiveSpan(ctx))
	cleared := a.SetActiveSpan(held, nil)
	assert.Nil(t, a.ActiveSpan(cleared))
	assert.Same(t, inKong, kong.ActiveSpan(cleared), "nil clears one namespace")
	cleared = kong.SetActiveSpan(held, nil)
	assert.Nil(t, kong.ActiveSpan(cleared))
	assert.Same(t, inKong, a.ActiveSpan(cleared))
	_, child := a.StartSpan(held, "child")
	assert.Equal(t, inKong.SpanContext(), child.Snapshot().Parent)
	child.Finish()
	inKong.Finish()
	assert.NotNil(t, a.SetActiveSpan(nil, nil)) //nolint:staticcheck // a nil Go context is what this is about
}

func TestKongNamespacesPassTheGoContextOn(t *testing.T) {
	t.Parallel()
	_, _, p := exporting(t)
	kong, a, b := namespaces(p)
	deadline := time.Now().Add(time.Hour)
	base, cancel := context.WithDeadline(context.WithValue(context.Background(), ctxKey("k"), "v"), deadline)
	defer cancel()
	ctx := base
	for _, tracer := range []*tracing.Tracer{a, kong, b, a, kong} {
		var s *tracing.Span
		ctx, s = tracer.StartSpan(ctx, "span")
		s.Finish()
	}
	assert.Equal(t, "v", ctx.Value(ctxKey("k")))
	assert.Nil(t, ctx.Value(ctxKey("other")))
	got, ok := ctx.Deadline()
	assert.True(t, ok)
	assert.Equal(t, deadline, got)
	// A value between our nodes stays, and so do the spans below it.
	ctx, s := a.StartSpan(base, "a")
	ctx = context.WithValue(ctx, ctxKey("between"), 1)
	ctx, s2 := kong.StartSpan(ctx, "kong")
	assert.Same(t, s, a.ActiveSpan(ctx))
	assert.Same(t, s2, kong.ActiveSpan(ctx))
	assert.Equal(t, 1, ctx.Value(ctxKey("between")))
	select {
	case <-ctx.Done():
		assert.Fail(t, "done too early")
	default:
	}
	cancel()
	<-ctx.Done()
	require.ErrorIs(t, ctx.Err(), context.Canceled)
	s.Finish()
	s2.Finish()
}

// Not parallel: it measures the heap.
func TestKongNamespacesRetainNothing(t *testing.T) {
	for name, loop := range map[string]func(ctx context.Context, tracers []*tracing.Tracer, i int) context.Context{
		"StartSpan": func(ctx context.Context, tracers []*tracing.Tracer, i int) context.Context {
			ctx, s := tracers[i%3].StartSpan(ctx, "again", tracing.WithAttributes(attribute.Int("i", i)))
			s.Finish()
			return ctx
		},
		"StartSpan in one": func(ctx context.Context, tracers []*tracing.Tracer, _ int) context.Context {
			ctx, s := tracers[1].StartSpan(ctx, "again")
			s.Finish()
			return ctx
		},
		"CreateSpan": func(ctx context.Context, tracers []*tracing.Tracer, i int) context.Context {
			ctx, s := tracers[i%3].CreateSpan(ctx)
			s.Finish()
			return ctx
		},
		"SetActiveSpan": func(ctx context.Context, tracers []*tracing.Tracer, i int) context.Context {
			return tracers[i%3].SetActiveSpan(ctx, nil)
		},
		"all of them": func(ctx context.Context, tracers []*tracing.Tracer, i int) context.Context {
			next, s := tracers[i%3].StartSpan(ctx, "again", tracing.WithNewRoot())
			s.Finish()
			_, s = tracers[(i+1)%3].StartSpan(next, "again")
			s.Finish()
			return tracers[(i+2)%3].SetActiveSpan(next, s)
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProvider(t) // whose spans go nowhere
			kong, a, b := namespaces(p)
			tracers := []*tracing.Tracer{kong, a, b}
			grew := retained(func() any {
				ctx := context.Background()
				for i := range 20_000 {
					ctx = loop(ctx, tracers, i)
				}
				return ctx
			})
			// 20,000 handles alone are 1.3 MB.
			assert.Less(t, grew, int64(1<<20), "bytes retained by the last of 20,000 Go contexts")
		})
	}
}

// Where no span is active because somebody said so, nothing arrives by itself, in any namespace.
func TestKongClearedActiveSpanForgetsWhatArrived(t *testing.T) {
	t.Parallel()
	_, _, p := exporting(t)
	kong, a, _ := namespaces(p)
	ctx := trace.ContextWithRemoteSpanContext(context.Background(), remoteParent(true))
	for name, tracer := range map[string]*tracing.Tracer{"default": kong, "other": a} {
		_, joined := tracer.StartSpan(ctx, "joined")
		assert.Equal(t, remoteParent(true).TraceID(), joined.SpanContext().TraceID(), name)
		_, own := tracer.StartSpan(tracer.SetActiveSpan(ctx, nil), "own")
		assert.NotEqual(t, remoteParent(true).TraceID(), own.SpanContext().TraceID(), name)
		joined.Finish()
		own.Finish()
	}
}
