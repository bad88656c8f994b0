// SPDX-License-Identifier: Apache-2.0

package tracing_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/spandrel-go/spandrel/pool"
	"github.com/spandrel-go/spandrel/sampling"
	"github.com/spandrel-go/spandrel/tracing"
)

func TestContextHoldsTheSpan(t *testing.T) {
	t.Parallel()
	tracer, _, _ := newTracer(t)
	ctx, s := tracer.StartSpan(context.WithValue(context.Background(), ctxKey("below"), 1), "one")
	withCancel, cancel := context.WithCancel(ctx)
	defer cancel()
	withTimeout, cancelTimeout := context.WithTimeout(ctx, time.Hour)
	defer cancelTimeout()
	for name, ctx := range map[string]context.Context{
		"itself":        ctx,
		"WithValue":     context.WithValue(ctx, ctxKey("above"), 2),
		"WithCancel":    withCancel,
		"WithTimeout":   withTimeout,
		"WithoutCancel": context.WithoutCancel(ctx),
		"all":           context.WithoutCancel(context.WithValue(withCancel, ctxKey("above"), 2)),
	} {
		assert.Same(t, s, trace.SpanFromContext(ctx), name)
		assert.Same(t, s, tracer.ActiveSpan(ctx), name)
		assert.Equal(t, s.SpanContext(), trace.SpanContextFromContext(ctx), name)
		assert.Equal(t, 1, ctx.Value(ctxKey("below")), name)
		assert.Nil(t, ctx.Value(ctxKey("nothing")), name)
	}
	assert.Equal(t, 2, context.WithValue(ctx, ctxKey("above"), 2).Value(ctxKey("above")))

	child, c := tracer.StartSpan(context.WithValue(withCancel, ctxKey("above"), 2), "child")
	assert.Equal(t, 2, child.Value(ctxKey("above")), "a node keeps what stands between it and the node below")
	assert.Same(t, c, trace.SpanFromContext(child))
	cancel()
	assert.ErrorIs(t, child.Err(), context.Canceled)
}

func TestContextPassesCancellationOn(t *testing.T) {
	t.Parallel()
	tracer, _, _ := newTracer(t)
	cause := errors.New("the cause")
	base, cancel := context.WithCancelCause(context.Background())
	ctx, _ := tracer.StartSpan(base, "root")
	ctx, _ = tracer.StartSpan(ctx, "child")
	require.NoError(t, ctx.Err())
	require.NotNil(t, ctx.Done())
	above, cancelAbove := context.WithCancel(ctx)
	defer cancelAbove()
	without := context.WithoutCancel(ctx)
	called := make(chan struct{})
	context.AfterFunc(ctx, func() { close(called) })
	stopped := context.AfterFunc(ctx, func() { t.Error("stopped, and called all the same") })
	require.True(t, stopped())

	cancel(cause)
	<-ctx.Done()
	<-above.Done()
	<-called
	assert.ErrorIs(t, ctx.Err(), context.Canceled)
	assert.Equal(t, cause, context.Cause(ctx))
	assert.Equal(t, cause, context.Cause(above))
	assert.NoError(t, without.Err())
	assert.Nil(t, without.Done())
}

func TestContextKeepsTheDeadline(t *testing.T) {
	t.Parallel()
	tracer, _, _ := newTracer(t)
	want := time.Now().Add(time.Hour)
	base, cancel := context.WithDeadline(context.Background(), want)
	defer cancel()
	ctx, _ := tracer.StartSpan(base, "root")
	got, ok := ctx.Deadline()
	assert.True(t, ok)
	assert.Equal(t, want, got)

	ctx, _ = tracer.StartSpan(context.Background(), "root")
	_, ok = ctx.Deadline()
	assert.False(t, ok)
	assert.Nil(t, ctx.Done())
	assert.NoError(t, ctx.Err())
}

// Package context starts a goroutine for a child of a Go context that it does not recognise. Not
// parallel: it counts goroutines.
func TestContextNeedsNoGoroutineToBeCancelled(t *testing.T) {
	tracer, _, _ := newTracer(t)
	base, cancel := context.WithCancel(context.Background())
	defer cancel()
	ctx, root := tracer.StartSpan(base, "root")
	active := tracer.SetActiveSpan(ctx, root)
	before := runtime.NumGoroutine()
	var derived []context.Context
	for range 100 {
		for _, parent := range []context.Context{ctx, active} {
			c, cancelChild := context.WithCancel(parent)
			defer cancelChild()
			child, _ := tracer.StartSpan(c, "child")
			d, cancelTimeout := context.WithTimeout(child, time.Hour)
			defer cancelTimeout()
			stop := context.AfterFunc(d, func() {})
			defer stop()
			derived = append(derived, c, child, d)
		}
	}
	assert.LessOrEqual(t, runtime.NumGoroutine(), before+5, "600 derived Go contexts")
	cancel()
	for _, c := range derived {
		<-c.Done()
	}
}

// countingContext counts how often it is asked for a value.
type countingContext struct {
	context.Context
	asked atomic.Int64
}

func (c *countingContext) Value(key any) any {
	c.asked.Add(1)
	return c.Context.Value(key)
}

// nest starts n spans, each under the one before.
func nest(ctx context.Context, tracer *tracing.Tracer, n int) context.Context {
	for range n {
		ctx, _ = tracer.StartSpan(ctx, "nested")
	}
	return ctx
}

func TestLookUpsStayFlat(t *testing.T) {
	t.Parallel()
	for name, sampler := range map[string]sampling.Sampler{
		"recorded": sampling.AlwaysOn(), "unsampled": sampling.AlwaysOff(),
		"following": sampling.ParentBased(sampling.AlwaysOn()),
	} {
		tracer, _, _ := newTracer(t, tracing.WithSampler(sampler))
		asked := func(depth int, f func(context.Context)) int64 {
			base := &countingContext{Context: context.Background()}
			ctx := nest(base, tracer, depth)
			base.asked.Store(0)
			f(ctx)
			return base.asked.Load()
		}
		for what, f := range map[string]func(context.Context){
			"trace.SpanFromContext": func(ctx context.Context) { trace.SpanFromContext(ctx) },
			"ActiveSpan":            func(ctx context.Context) { tracer.ActiveSpan(ctx) },
			"foreign key":           func(ctx context.Context) { ctx.Value(ctxKey("k")) },
			"start":                 func(ctx context.Context) { tracer.StartSpan(ctx, "one") },
			"WithCancel":            func(ctx context.Context) { _, cancel := context.WithCancel(ctx); cancel() },
		} {
			assert.Equal(t, asked(1, f), asked(1000, f), "%s, %s: questions to the base at depth 1 and 1000", name, what)
			assert.LessOrEqual(t, asked(1000, f), int64(1), "%s, %s", name, what)
		}
	}
}

// retained returns how many bytes of heap stay after f, whose result is kept alive.
func retained(f func() any) int64 {
	heap := func() int64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	kept := f()
	after := heap()
	runtime.KeepAlive(kept)
	return after - before
}

// Not parallel: it measures the heap.
func TestReassignedContextRetainsNothing(t *testing.T) {
	spans := 60_000
	if pool.Checked { // each costs many times as much; that one is kept with its record shows with fewer
		spans = 20_000
	}
	for name, sampler := range map[string]sampling.Sampler{
		"recorded": sampling.ParentBased(sampling.AlwaysOn()), "unsampled": sampling.AlwaysOff(),
	} {
		for namespaces, names := range map[string][]string{
			"default namespace": {""}, "other namespace": {"a"}, "several namespaces": {"", "a", "b"},
		} {
			t.Run(name+"/"+namespaces, func(t *testing.T) {
				_, c, p := newTracer(t, tracing.WithSampler(sampler), quiet())
				c.export = func(context.Context, []*tracing.SpanData) error { return errors.New("keep nothing") }
				var tracers []*tracing.Tracer
				for _, n := range names {
					tracers = append(tracers, p.NewTracer("test", tracing.WithNamespace(n)))
				}
				base := context.WithValue(context.Background(), ctxKey("below"), strings.Repeat("x", 1<<10))
				grew := retained(func() any {
					ctx := base
					for i := range spans {
						var s *tracing.Span
						ctx, s = tracers[i%len(tracers)].StartSpan(ctx, "again")
						s.SetAttributes(attribute.Int("i", 1))
						s.End()
					}
					assert.Equal(t, base.Value(ctxKey("below")), ctx.Value(ctxKey("below")))
					assert.Error(t, errIf(sampler != sampling.AlwaysOff(), p.ForceFlush(context.Background())))
					return ctx
				})
				// The pools and the queue keep what they had at most, up to 2 MB; 60,000 handles alone are 4 MB.
				assert.Less(t, grew, int64(3<<20), "bytes retained by the last of %d Go contexts", spans)
			})
		}
	}
	t.Run("SetActiveSpan", func(t *testing.T) {
		tracer, _, _ := newTracer(t)
		_, s := tracer.StartSpan(context.Background(), "one")
		grew := retained(func() any {
			ctx := context.Background()
			for range 100_000 {
				ctx = tracer.SetActiveSpan(ctx, s)
			}
			return ctx
		})
		assert.Less(t, grew, int64(1<<20))
	})
}

// errIf returns err, or any other error where err is not asked for.
func errIf(asked bool, err error) error {
	if !asked {
		return errors.New("not asked for")
	}
	return err
}

func TestTypedNilInContextIsNoSpan(t *testing.T) {
	t.Parallel()
	tracer, c, p := newTracer(t)
	ctx := trace.ContextWithSpan(context.Background(), (*tracing.Span)(nil))
	require.Nil(t, tracer.ActiveSpan(ctx))
	require.Nil(t, tracer.RootSpan(ctx))
	_, s := tracer.StartSpan(ctx, "one")
	s.End()
	_, s2 := p.Tracer("test").Start(ctx, "two")
	s2.End()
	flush(t, p)
	assert.False(t, c.span(t, "one").Parent.IsValid())
	assert.False(t, c.span(t, "two").Parent.IsValid())

	ctx, _ = tracer.StartSpan(context.Background(), "three")
	ctx = tracer.SetActiveSpan(ctx, nil)
	assert.Nil(t, tracer.ActiveSpan(ctx))
	assert.False(t, trace.SpanContextFromContext(ctx).IsValid())
	assert.False(t, trace.SpanFromContext(ctx).IsRecording())
	_, s = tracer.StartSpan(ctx, "four")
	assert.NotEqual(t, trace.SpanContextFromContext(ctx).TraceID(), s.SpanContext().TraceID())
}

func TestSetActiveSpan(t *testing.T) {
	t.Parallel()
	tracer, c, p := newTracer(t)
	ctx, root := tracer.StartSpan(context.WithValue(context.Background(), ctxKey("k"), 1), "root")
	_, other := tracer.StartSpan(context.Background(), "other")
	switched := tracer.SetActiveSpan(ctx, other)
	assert.Same(t, other, tracer.ActiveSpan(switched))
	assert.Same(t, other, trace.SpanFromContext(switched))
	assert.Equal(t, 1, switched.Value(ctxKey("k")))
	assert.Same(t, root, tracer.ActiveSpan(ctx), "the Go context below is as it was")
	under, child := tracer.StartSpan(switched, "child")
	assert.Equal(t, 1, under.Value(ctxKey("k")))
	child.End()
	other.End()
	root.End()
	flush(t, p)
	assert.Equal(t, other.SpanContext(), c.span(t, "child").Parent)
	assert.Same(t, other, trace.SpanFromContext(tracer.SetActiveSpan(nil, other))) //nolint:staticcheck // a nil Go context is what it is about
}

func TestOpenTelemetryContextFunctionsBothWays(t *testing.T) {
	t.Parallel()
	tracer, c, p := newTracer(t)
	_, s := tracer.StartSpan(context.Background(), "ours")
	ctx := trace.ContextWithSpan(context.Background(), s)
	require.Same(t, s, tracer.ActiveSpan(ctx))
	require.Same(t, s, tracer.RootSpan(ctx))
	_, child := tracer.StartSpan(ctx, "child")
	child.End()

	over, _ := tracer.StartSpan(context.Background(), "below")
	foreign := trace.SpanFromContext(trace.ContextWithSpanContext(context.Background(), remoteParent(true).WithRemote(false)))
	over = trace.ContextWithSpan(over, foreign)
	assert.Equal(t, foreign, trace.SpanFromContext(over), "a foreign span on top of ours is the active one")
	assert.Nil(t, tracer.ActiveSpan(over), "which is none of this provider's")
	_, under := tracer.StartSpan(over, "under foreign")
	under.End()
	s.End()
	flush(t, p)
	assert.Equal(t, s.SpanContext(), c.span(t, "child").Parent)
	assert.Equal(t, foreign.SpanContext(), c.span(t, "under foreign").Parent)
}

func TestNilContext(t *testing.T) {
	t.Parallel()
	tracer, c, p := newTracer(t)
	var none context.Context
	ctx, s := tracer.StartSpan(none, "one")
	require.NotNil(t, ctx)
	assert.Same(t, s, tracer.ActiveSpan(ctx))
	assert.NoError(t, ctx.Err())
	s.End()
	_, s2 := tracer.Start(none, "two")
	s2.End()
	assert.Nil(t, tracer.ActiveSpan(none))
	assert.Nil(t, tracer.RootSpan(none))
	flush(t, p)
	assert.ElementsMatch(t, []string{"one", "two"}, c.names())
}

func TestNoopSpanInContextIsNoParent(t *testing.T) {
	t.Parallel()
	tracer, c, p := newTracer(t)
	ctx := trace.ContextWithSpan(context.Background(), noop.Span{})
	_, s := tracer.StartSpan(ctx, "root")
	s.End()
	_, s = tracer.StartSpan(ctx, "remote", tracing.WithRemoteParent(remoteParent(true)))
	s.End()
	flush(t, p)
	assert.False(t, c.span(t, "root").Parent.IsValid())
	assert.Equal(t, remoteParent(true), c.span(t, "remote").Parent, "where ctx gives no parent, WithRemoteParent does")
}

func TestPrintingConcurrentSafe(t *testing.T) {
	t.Parallel()
	const secret = "the secret of the span"
	tracer, _, p := newTracer(t)
	_, unsampled := newProvider(t, tracing.WithSampler(sampling.AlwaysOff())).NewTracer("test").StartSpan(context.Background(), "unsampled")
	root, _ := tracer.StartSpan(context.Background(), "root")
	ctx, s := tracer.StartSpan(root, "name: "+secret)
	withCancel, cancel := context.WithCancel(ctx)
	defer cancel()
	withTimeout, cancelTimeout := context.WithTimeout(ctx, time.Hour)
	defer cancelTimeout()
	contexts := map[string]context.Context{
		"node":          ctx,
		"WithCancel":    withCancel,
		"WithTimeout":   withTimeout,
		"WithValue":     context.WithValue(ctx, ctxKey("k"), 1),
		"WithoutCancel": context.WithoutCancel(ctx),
		"below it":      context.WithValue(tracer.SetActiveSpan(root, s), ctxKey("k"), 1),
		"SetActiveSpan": tracer.SetActiveSpan(root, s),
		"all":           context.WithValue(context.WithoutCancel(context.WithValue(withTimeout, ctxKey("k"), 1)), ctxKey("l"), s),
	}
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ; i++ {
			select {
			case <-stop:
				s.End()
				return
			default:
				s.SetAttributes(attribute.String("secret", secret), attribute.Int(strconv.Itoa(i%100), i))
				s.AddEvent(secret)
				s.SetName("name: " + secret)
				_, child := tracer.StartSpan(ctx, secret)
				child.End()
			}
		}
	}()
	ids := s.SpanContext().TraceID().String()
	for range 50 {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
			for name, ctx := range contexts {
				text := fmt.Sprintf(verb, ctx)
				assert.NotContains(t, text, secret, "%s of %s", verb, name)
				if name == "node" || name == "SetActiveSpan" || verb == "%v" || verb == "%s" || verb == "%+v" {
					assert.Contains(t, text, ids, "%s of %s", verb, name)
				}
			}
			text := fmt.Sprintf(verb, s)
			assert.NotContains(t, text, secret, verb)
			assert.Contains(t, text, ids, verb)
			assert.Contains(t, text, s.SpanContext().SpanID().String(), verb)
			assert.Contains(t, fmt.Sprintf(verb, unsampled), unsampled.SpanContext().SpanID().String(), verb)
			assert.NotContains(t, fmt.Sprintf(verb, struct{ S *tracing.Span }{s}), secret, verb)
			assert.NotContains(t, fmt.Sprintf(verb, (*tracing.Span)(nil)), "PANIC", verb)
			flush(t, p) // so that the records behind the spans move
		}
	}
	close(stop)
	<-done
}

func BenchmarkLookUp(b *testing.B) {
	for _, depth := range []int{1, 1000} {
		b.Run(fmt.Sprintf("depth=%d", depth), func(b *testing.B) {
			tracer, _, _ := newTracer(b)
			ctx := nest(context.WithValue(context.Background(), ctxKey("k"), 1), tracer, depth)
			b.ReportAllocs()
			for b.Loop() {
				sinkAPI = trace.SpanFromContext(ctx)
				sinkValue = ctx.Value(ctxKey("k"))
			}
		})
	}
}

var sinkValue any

// Should package otel/trace ever hide its key better, the Go contexts hold our spans all the same. Not
// parallel: it changes what the whole package knows.
func TestSpanIsFoundWithoutTheKey(t *testing.T) {
	tracing.ForgetSpanKey(func() {
		tracer, c, p := newTracer(t)
		base := context.WithValue(context.Background(), ctxKey("k"), 1)
		ctx, root := tracer.StartSpan(base, "root")
		assert.Same(t, root, trace.SpanFromContext(ctx))
		assert.Same(t, root, tracer.ActiveSpan(ctx))
		assert.Equal(t, 1, ctx.Value(ctxKey("k")))
		inner, child := tracer.StartSpan(context.WithValue(ctx, ctxKey("l"), 2), "child")
		assert.Same(t, child, trace.SpanFromContext(inner))
		assert.Equal(t, 2, inner.Value(ctxKey("l")))
		assert.Same(t, root, trace.SpanFromContext(tracer.SetActiveSpan(inner, root)))
		_, foreign := tracer.StartSpan(trace.ContextWithRemoteSpanContext(inner, remoteParent(true)), "remote")
		foreign.End()
		_, none := tracer.StartSpan(tracer.SetActiveSpan(inner, nil), "none")
		none.End()
		child.End()
		root.End()
		flush(t, p)
		assert.Equal(t, root.SpanContext(), c.span(t, "child").Parent)
		assert.Equal(t, remoteParent(true), c.span(t, "remote").Parent)
		assert.False(t, c.span(t, "none").Parent.IsValid())
	})
}

// A package variable's tracer may set an active span before the program makes its first provider, even
// while it does: the key must not be read before it is there. Not parallel: it changes what the whole
// package knows.
func TestSetActiveSpanBeforeAnyProvider(t *testing.T) {
	tracing.BeforeAnyProvider(func() {
		ctx := tracing.NewTracer("early").SetActiveSpan(context.Background(), nil)
		_, ours := trace.SpanFromContext(ctx).(*tracing.Span)
		assert.True(t, ours, "nobody has learnt the key")
	})
}
