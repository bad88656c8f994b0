// SPDX-License-Identifier: Apache-2.0

package tracing_test

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/sampling"
	"github.com/spandrel-go/spandrel/tracing"
)

func TestKongTracersAreMemoised(t *testing.T) {
	t.Parallel()
	type args struct{ name, namespace string }
	for _, tt := range []struct {
		name string
		a, b args
		same bool
	}{
		{"the same name", args{"x", ""}, args{"x", ""}, true},
		{"another name", args{"x", ""}, args{"y", ""}, false},
		{"the same namespace", args{"x", "NS"}, args{"x", "NS"}, true},
		{"another namespace", args{"x", "NS"}, args{"x", "OTHER"}, false},
		{"names are case-sensitive", args{"x", "NS"}, args{"x", "ns"}, false},
		{"the default namespace by its name", args{"x", ""}, args{"x", "KONG"}, true},
		{"the default name", args{"", ""}, args{"default", ""}, true},
		{"namespace and name do not run together", args{"b_c", "a"}, args{"c", "a_b"}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newProvider(t)
			tracer := func(a args) *tracing.Tracer {
				if a.namespace == "" {
					return p.NewTracer(a.name)
				}
				return p.NewTracer(a.name, tracing.WithNamespace(a.namespace))
			}
			if tt.same {
				assert.Same(t, tracer(tt.a), tracer(tt.b))
			} else {
				assert.NotSame(t, tracer(tt.a), tracer(tt.b))
			}
			assert.NotSame(t, tracer(tt.a), newProvider(t).NewTracer(tt.a.name), "another provider")
		})
	}
	p := newProvider(t)
	assert.Same(t, p.NewTracer("x"), p.NewTracer("x", tracing.WithNamespace("")), "an empty namespace is the default one")
}

func TestKongTracerKeepsTheOptionsOfTheFirstCall(t *testing.T) {
	t.Parallel()
	_, r, p := exporting(t)
	first := p.NewTracer("x", nil, tracing.WithVersion("1"), tracing.WithSamplingRate(1))
	assert.Same(t, first, p.NewTracer("x", tracing.WithVersion("2"), tracing.WithSamplingRate(0)))
	assert.Same(t, first, p.NewTracer("x", tracing.WithTracerSampler(sampling.AlwaysOff())))
	assert.Same(t, first, p.NewTracer("x"))
	_, s := p.NewTracer("x", tracing.WithSamplingRate(0)).StartSpan(context.Background(), "kept")
	s.Finish()
	_, s = p.NewTracer("").StartSpan(context.Background(), "unnamed")
	s.Finish()
	flush(t, p)
	assert.Equal(t, &tracing.Scope{Name: "x", Version: "1"}, r.Span(t, "kept").Scope)
	assert.Equal(t, "default", r.Span(t, "unnamed").Scope.Name)
}

func TestKongTracersAreMemoisedConcurrentSafe(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	var got [8]*tracing.Tracer
	var wg sync.WaitGroup
	for i := range got {
		wg.Go(func() { got[i] = p.NewTracer("x", tracing.WithVersion(strconv.Itoa(i))) })
	}
	wg.Wait()
	for i := range got {
		assert.Same(t, got[0], got[i])
	}
}

// Every call on a tracer that makes no spans.
func assertMakesNoSpans(t *testing.T, tracer *tracing.Tracer) {
	t.Helper()
	other, _, _ := exporting(t)
	held, real := other.StartSpan(context.Background(), "real")
	_, unlinked := other.CreateSpan(held)

	ctx, s := tracer.StartSpan(held, "none", tracing.WithShouldSample(true))
	assert.Nil(t, s)
	assert.Same(t, real, trace.SpanFromContext(ctx), "the Go context as it was")
	ctx, s = tracer.CreateSpan(held)
	assert.Nil(t, s)
	assert.Same(t, real, trace.SpanFromContext(ctx))
	ctx, api := tracer.Start(held, "none")
	require.NotNil(t, api)
	assert.False(t, api.IsRecording())
	assert.Equal(t, real.SpanContext(), api.SpanContext(), "a no-op span passes its parent's ids through")
	assert.Equal(t, real.SpanContext(), trace.SpanContextFromContext(ctx))
	assert.False(t, tracer.LinkSpan(unlinked, "none"))
	assert.Nil(t, tracer.ActiveSpan(held))
	assert.Nil(t, tracer.RootSpan(held))
	assert.False(t, tracer.SetShouldSample(held, false))
	assert.False(t, tracer.SamplingDecision(held, nil, 1))
	tracer.ProcessSpans(held, func(*tracing.SpanData) { assert.Fail(t, "a span to process") })
	assert.NotNil(t, tracer.SetActiveSpan(held, real))
	assert.NotNil(t, tracer.SetActiveSpan(held, nil))
	unlinked.Release()
	real.Finish()
}

func TestKongNoopTracer(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	noop := p.NewTracer("x", tracing.WithNoop(), tracing.WithVersion("1"), tracing.WithSamplingRate(1))
	assert.Same(t, noop, p.NewTracer("y", tracing.WithNoop(), tracing.WithNamespace("NS")), "one for all names and options")
	assert.Same(t, noop, newProvider(t).NewTracer("x", tracing.WithNoop()), "and for all providers")
	assert.Same(t, noop, tracing.NewTracer("x", tracing.WithNoop()), "and for the global one")
	assertMakesNoSpans(t, noop)

	_, s := p.NewTracer("x").StartSpan(context.Background(), "real")
	assert.NotNil(t, s, "no-op is no property of the name")
	s.Finish()
}

func TestKongNilTracer(t *testing.T) {
	t.Parallel()
	assertMakesNoSpans(t, nil)
}

func TestKongSamplingRate(t *testing.T) {
	t.Parallel()
	// Kong's own check values: see internal/interop and package sampling for all of them. The first
	// eight bytes, read in little-endian order, are 0.864 of the range.
	id := traceID(t, arrivedTrace)
	narrow := traceID(t, "0000000000000000b7ad6b7169203331")
	for _, tt := range []struct {
		name string
		id   trace.TraceID
		rate float64
		kept bool
	}{
		{"all", id, 1, true},
		{"more than all", id, 7, true},
		{"infinity", id, math.Inf(1), true},
		{"none", id, 0, false},
		{"less than none", id, -1, false},
		{"minus infinity", id, math.Inf(-1), false},
		{"not a number", id, math.NaN(), false},
		{"above the id's value", id, 0.87, true},
		{"below it", id, 0.86, false},
		{"64-bit ids are always kept", narrow, 1e-9, true},
		{"but not at rate 0", narrow, 0, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, _, p := exporting(t, tracing.WithIDGenerator(&givenIDs{traces: []trace.TraceID{tt.id}}),
				tracing.WithSampler(sampling.AlwaysOff()))
			_, s := p.NewTracer("x", tracing.WithSamplingRate(tt.rate)).StartSpan(context.Background(), "root")
			assert.Equal(t, tt.kept, s.IsRecording())
			assert.Equal(t, tt.kept, s.SpanContext().IsSampled())
			s.Finish()
		})
	}
	t.Run("the default keeps all", func(t *testing.T) {
		t.Parallel()
		tracer, _, p := exporting(t)
		for range 100 {
			_, s := tracer.StartSpan(context.Background(), "root")
			s.Finish()
		}
		assert.Equal(t, uint64(100), p.Stats().Started)
	})
	t.Run("children follow their parent", func(t *testing.T) {
		t.Parallel()
		tracer, _, p := exporting(t)
		none := p.NewTracer("none", tracing.WithSamplingRate(0))
		all := p.NewTracer("all", tracing.WithSamplingRate(1))
		ctx, root := tracer.StartSpan(context.Background(), "root")
		_, child := none.StartSpan(ctx, "child")
		assert.True(t, child.IsRecording(), "under a sampled parent")
		child.Finish()
		root.Finish()
		ctx, _ = none.StartSpan(context.Background(), "root")
		_, child = all.StartSpan(ctx, "child")
		assert.False(t, child.IsRecording(), "under an unsampled parent")
	})
}

// kongGlobal stands for the package variable of a library: it is made when the program starts, long before
// there is a provider.
var kongGlobal = tracing.NewTracer("library", tracing.WithVersion("1"))

// Not parallel: the global provider is one for all.
func TestKongGlobalSwitchesOver(t *testing.T) {
	official := otel.GetTracerProvider()
	assertMakesNoSpans(t, kongGlobal)
	assert.Nil(t, tracing.ActiveSpan(context.Background()))
	ctx, s := tracing.StartSpan(context.Background(), "nothing")
	assert.Nil(t, s)
	assert.Equal(t, context.Background(), ctx)

	assert.Same(t, kongGlobal, tracing.NewTracer("library", tracing.WithVersion("2")), "memoised before there is a provider")
	assert.NotSame(t, kongGlobal, tracing.NewTracer("library", tracing.WithNamespace("NS")))
	assert.Same(t, tracing.NewTracer(""), tracing.NewTracer("default"))
	rare := tracing.NewTracer("rare", tracing.WithSamplingRate(0))

	_, r, p := exporting(t)
	tracing.SetGlobal(p)
	defer tracing.SetGlobal(nil)
	assertMakesNoSpans(t, &tracing.Tracer{})
	assert.Same(t, kongGlobal, tracing.NewTracer("library"), "memoised across SetGlobal")
	assert.NotSame(t, kongGlobal, p.NewTracer("library"), "the global tracers are apart from a provider's")
	ctx, root := kongGlobal.StartSpan(context.Background(), "root")
	require.NotNil(t, root)
	assert.Same(t, root, tracing.ActiveSpan(ctx))
	assert.Same(t, root, kongGlobal.ActiveSpan(ctx))
	assert.Same(t, root, kongGlobal.RootSpan(ctx))
	_, child := tracing.StartSpan(ctx, "child")
	child.SetAttribute("n", 1)
	child.Finish()
	_, dropped := rare.StartSpan(context.Background(), "dropped")
	assert.False(t, dropped.IsRecording(), "options given before SetGlobal count after it")
	n := 0
	kongGlobal.ProcessSpans(ctx, func(*tracing.SpanData) { n++ })
	assert.Equal(t, 1, n, "the child is of the tracer named default")
	assert.True(t, kongGlobal.SamplingDecision(ctx, nil, 1))
	assert.True(t, kongGlobal.SetShouldSample(ctx, true))
	root.Finish()
	flush(t, p)
	r.AssertTree(t, `
		root
			child
	`)
	assert.Equal(t, &tracing.Scope{Name: "library", Version: "1"}, r.Span(t, "root").Scope)
	assert.Equal(t, "default", r.Span(t, "child").Scope.Name)
	assert.Equal(t, attribute.Int64Value(1), r.Span(t, "child").Attributes[0].Value)

	// Another provider: tracers follow, and a span of the first is a parent, not the active span.
	_, r2, p2 := exporting(t)
	tracing.SetGlobal(p2)
	assert.Nil(t, tracing.ActiveSpan(ctx))
	_, next := kongGlobal.StartSpan(ctx, "next")
	next.Finish()
	flush(t, p2)
	assert.Equal(t, root.SpanContext(), r2.Span(t, "next").Parent)
	assert.Equal(t, uint64(2), p.Stats().Started, "the first provider is out of it")

	tracing.SetGlobal(nil)
	assertMakesNoSpans(t, kongGlobal)
	assert.Equal(t, official, otel.GetTracerProvider(), "OpenTelemetry's global provider is left alone")
}

// Not parallel: the global provider is one for all.
func TestKongGlobalConcurrentSafe(t *testing.T) {
	_, _, p := exporting(t)
	defer tracing.SetGlobal(nil)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for range 200 {
				switch i {
				case 0:
					tracing.SetGlobal(p)
				case 1:
					tracing.SetGlobal(nil)
				default:
					ctx, s := tracing.NewTracer(fmt.Sprint("tracer", i)).StartSpan(context.Background(), "span")
					_, child := tracing.StartSpan(ctx, "child")
					tracing.ActiveSpan(ctx).SetAttribute("k", "v")
					child.Finish()
					s.Finish()
				}
			}
		})
	}
	wg.Wait()
	flush(t, p)
	sumsHold(t, p)
}
