// SPDX-License-Identifier: Apache-2.0

package tracing_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/sampling"
	"github.com/spandrel-go/spandrel/tracing"
)

func TestProbabilityTellsItsRateInTheTraceState(t *testing.T) {
	t.Parallel()
	half, err := sampling.ComposableProbability(0.5)
	require.NoError(t, err)
	tracer, _, _ := newTracer(t, tracing.WithSampler(sampling.Composite(sampling.ComposableParentThreshold(half))))
	sampled := 0
	for range 200 {
		ctx, root := tracer.StartSpan(context.Background(), "root")
		sc := root.SpanContext()
		id := sc.TraceID()
		assert.Equal(t, id[9] >= 0x80, sc.IsSampled(), id)
		want := ""
		if sc.IsSampled() {
			sampled++
			want = "ot=th:8"
		}
		assert.Equal(t, want, sc.TraceState().String())
		_, child := tracer.StartSpan(ctx, "child")
		assert.Equal(t, sc.IsSampled(), child.SpanContext().IsSampled())
		assert.Equal(t, want, child.SpanContext().TraceState().String())
		child.End()
		root.End()
	}
	assert.InDelta(t, 100, sampled, 60)
}

func TestSamplerIsToldWhetherTheTraceIDIsRandom(t *testing.T) {
	t.Parallel()
	var random []bool
	sampler := samplerFunc(func(p sampling.Parameters) sampling.Result {
		random = append(random, p.Random)
		return sampling.Result{}
	})
	tracer, _, _ := newTracer(t, tracing.WithSampler(sampler))
	tracer.StartSpan(context.Background(), "root")
	for _, flags := range []trace.TraceFlags{0, trace.FlagsRandom, trace.FlagsSampled, trace.FlagsRandom | trace.FlagsSampled} {
		tracer.StartSpan(context.Background(), "child", tracing.WithRemoteParent(trace.NewSpanContext(trace.SpanContextConfig{
			TraceID: trace.TraceID{1}, SpanID: trace.SpanID{1}, TraceFlags: flags,
		})))
	}
	assert.Equal(t, []bool{true, false, true, false, true}, random)
}

func TestAlwaysRecordShowsProcessorsWhatIsDropped(t *testing.T) {
	t.Parallel()
	var ended []string
	tracer, c, p := newTracer(t,
		tracing.WithSampler(sampling.AlwaysRecord(sampling.ParentBased(sampling.AlwaysOff()))),
		tracing.WithProcessor(&processor{onEnd: func(d *tracing.SpanData) { ended = append(ended, strings.Clone(d.Name)) }}))
	ctx, root := tracer.StartSpan(context.Background(), "root")
	_, child := tracer.StartSpan(ctx, "child")
	child.End()
	root.End()
	flush(t, p)
	assert.Equal(t, []string{"child", "root"}, ended)
	assert.Empty(t, c.names())
	assert.False(t, child.SpanContext().IsSampled())
}
