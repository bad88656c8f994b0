// SPDX-License-Identifier: Apache-2.0

package tracing_test

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/sampling"
	"github.com/spandrel-go/spandrel/tracing"
)

func TestKongSamplingDecisionSteps(t *testing.T) {
	t.Parallel()
	yes, no := true, false
	tracer, _, p := exporting(t)
	never := p.NewTracer("never", tracing.WithSamplingRate(0))
	const notGiven = -42 // stands for NaN, which is equal to nothing
	for _, tt := range []struct {
		name   string
		tracer *tracing.Tracer
		parent *bool
		rate   float64
		want   bool
	}{
		{"all", tracer, nil, 1, true},
		{"more than all", tracer, nil, 1.5, true},
		{"infinity", tracer, nil, math.Inf(1), true},
		{"none", tracer, nil, 0, false},
		{"less than none", tracer, nil, -1, false},
		{"minus infinity", tracer, nil, math.Inf(-1), false},
		{"the parent said no", tracer, &no, 1, false},
		{"the parent said yes", tracer, &yes, 1, true},
		{"a trace that arrives sampled is sampled again", tracer, &yes, 0, false},
		{"not given, without a rate of the tracer", tracer, nil, notGiven, true},
		{"not given, with one", never, nil, notGiven, false},
		{"given beats the tracer's", never, nil, 1, true},
		{"not given, and the parent said no", tracer, &no, notGiven, false},
		{"not given, and the parent said yes", never, &yes, notGiven, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ctx, s := tracer.StartSpan(context.Background(), "span")
			defer s.Finish()
			rate := tt.rate
			if rate == notGiven {
				rate = math.NaN()
			}
			assert.Equal(t, tt.want, tt.tracer.SamplingDecision(ctx, tt.parent, rate))
			assert.False(t, tt.tracer.SamplingDecision(context.Background(), tt.parent, rate), "without an active span")
			assert.False(t, tt.tracer.SamplingDecision(tracer.SetActiveSpan(ctx, nil), tt.parent, rate))
		})
	}
}

func TestKongSamplingDecisionPropagationOnly(t *testing.T) {
	t.Parallel()
	const key = "kong.propagation_only"
	for _, tt := range []struct {
		name  string
		value any
		want  bool
	}{
		{"true", true, false},
		{"false", false, true},
		{"nil", nil, true},
		{"a text", "true", true},
		{"a number", 1, true},
		{"a list", []bool{true}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tracer, _, _ := exporting(t)
			ctx, root := tracer.StartSpan(context.Background(), "root")
			root.SetAttribute(key, tt.value)
			in, child := tracer.StartSpan(ctx, "child")
			assert.Equal(t, tt.want, tracer.SamplingDecision(ctx, nil, 1))
			assert.Equal(t, tt.want, tracer.SamplingDecision(in, nil, 1), "asked below the root")
			root.Finish()
			assert.Equal(t, tt.want, tracer.SamplingDecision(in, nil, 1), "the root has ended")
			child.Finish()
		})
	}
	t.Run("of a child", func(t *testing.T) {
		t.Parallel()
		tracer, _, _ := exporting(t)
		ctx, root := tracer.StartSpan(context.Background(), "root")
		ctx, child := tracer.StartSpan(ctx, "child")
		child.SetAttribute(key, true)
		assert.True(t, tracer.SamplingDecision(ctx, nil, 1), "the root's counts")
		child.Finish()
		root.Finish()
	})
}

func TestKongSamplingDecisionIsKongRatio(t *testing.T) {
	t.Parallel()
	ids := &givenIDs{}
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var id trace.TraceID
		for i := range id {
			id[i] = byte(random.Uint32())
		}
		ids.traces = append(ids.traces, id)
	}
	// What Kong's own code says of this id; see TestKongSamplingRate.
	ids.traces = append(ids.traces, traceID(t, arrivedTrace))
	// All zeros in the half that Kong reads: the highest and the lowest value that there is.
	ids.traces = append(ids.traces, traceID(t, "ffffffffffffffff0000000000000001"), traceID(t, "00000000000000000000000000000001"))
	tracer, _, p := exporting(t, tracing.WithIDGenerator(ids))
	kept := 0
	for i, id := range ids.traces {
		ctx, s := tracer.StartSpan(context.Background(), "span")
		require.Equal(t, id, s.SpanContext().TraceID())
		for _, rate := range []float64{1e-300, 1e-9, 0.01, 0.25, 0.5, 0.86, 0.87, 0.999, math.Nextafter(1, 0)} {
			ratio, err := sampling.KongRatio(rate)
			require.NoError(t, err)
			want := ratio.Sample(sampling.Parameters{TraceID: id}).Decision == sampling.RecordAndSample
			assert.Equal(t, want, tracer.SamplingDecision(ctx, nil, rate), "id %d %s, rate %v", i, id, rate)
			if want {
				kept++
			}
		}
		s.Finish()
	}
	assert.Greater(t, kept, 100)
	flush(t, p)
	assert.Equal(t, uint64(len(ids.traces)), p.Stats().Exporters[0].Exported, "the answer changes nothing")

	off := p.NewTracer("off", tracing.WithSamplingRate(0))
	ctx, s := off.StartSpan(arriving(t, map[string]string{"traceparent": traceparent[:53] + "00"}), "unsampled")
	require.False(t, s.IsRecording())
	assert.True(t, tracer.SamplingDecision(ctx, nil, 0.87), "the answer needs the trace id, not a record")
	assert.False(t, tracer.SamplingDecision(ctx, nil, 0.86))
}
