// SPDX-License-Identifier: Apache-2.0

package tracing_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/sampling"
	"github.com/spandrel-go/spandrel/tracing"
)

func TestKongSetShouldSampleTakesTheWholeTraceOut(t *testing.T) {
	t.Parallel()
	ends := 0
	tracer, r, p := exporting(t, tracing.WithProcessor(&processor{onEnd: func(*tracing.SpanData) { ends++ }}))
	ctx, root := tracer.StartSpan(context.Background(), "root")
	_, ended := tracer.StartSpan(ctx, "ended")
	ended.Finish()
	in, open := tracer.StartSpan(ctx, "open")
	before := open.SpanContext()

	assert.True(t, tracer.SetShouldSample(in, false))
	assert.Equal(t, before, open.SpanContext(), "that of a span which has started never changes")
	assert.True(t, root.SpanContext().IsSampled())
	assert.True(t, open.IsRecording())
	_, later := tracer.StartSpan(ctx, "later")
	assert.False(t, later.SpanContext().IsSampled(), "spans that start afterwards carry it")
	assert.Equal(t, before.TraceID(), later.SpanContext().TraceID())
	assert.True(t, later.IsRecording(), "it may be taken in again")
	for _, s := range []*tracing.Span{later, open, root} {
		s.Finish()
	}
	flush(t, p)
	assert.Empty(t, r.Names())
	st := p.Stats()
	assert.Equal(t, tracing.WithheldStats{NotSampled: 4}, st.Withheld)
	assert.Equal(t, uint64(4), st.Withheld.Sum())
	assert.Zero(t, st.Exporters[0].Queued)
	assert.Equal(t, 4, ends, "processors see them all the same")
	sumsHold(t, p)
}

func TestKongSetShouldSampleTakesARecordOnlyTraceIn(t *testing.T) {
	t.Parallel()
	tracer, r, p := exporting(t, tracing.WithSampler(sampling.ParentBased(
		decide(sampling.Result{Decision: sampling.RecordOnly}),
		sampling.WithLocalParentNotSampled(decide(sampling.Result{Decision: sampling.RecordOnly})))))
	ctx, root := tracer.StartSpan(context.Background(), "root")
	_, ended := tracer.StartSpan(ctx, "ended")
	ended.Finish()
	require.False(t, root.SpanContext().IsSampled())
	assert.True(t, tracer.SetShouldSample(ctx, true))
	_, later := tracer.StartSpan(ctx, "later")
	assert.True(t, later.SpanContext().IsSampled())
	assert.False(t, root.SpanContext().IsSampled())
	later.Finish()
	root.Finish()
	flush(t, p)
	r.AssertTree(t, `
		root
			ended
			later
	`)
	assert.True(t, r.Span(t, "later").SpanContext.IsSampled())
	assert.Zero(t, p.Stats().Withheld.Sum())
	sumsHold(t, p)
}

func TestKongSetShouldSampleBackAndForth(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		calls []bool
		want  int
	}{
		{"in", []bool{true}, 3},
		{"out and in", []bool{false, true}, 3},
		{"in and out", []bool{true, false}, 0},
		{"out twice", []bool{false, false}, 0},
		{"many times", []bool{false, true, false, true, false, true}, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tracer, r, p := exporting(t)
			ctx, root := tracer.StartSpan(context.Background(), "root")
			_, ended := tracer.StartSpan(ctx, "ended")
			ended.Finish()
			for _, sample := range tt.calls {
				assert.True(t, tracer.SetShouldSample(ctx, sample))
			}
			_, later := tracer.StartSpan(ctx, "later")
			assert.Equal(t, tt.want > 0, later.SpanContext().IsSampled())
			later.Finish()
			root.Finish()
			flush(t, p)
			assert.Len(t, r.Spans(), tt.want)
			assert.Equal(t, uint64(3-tt.want), p.Stats().Withheld.NotSampled)
			sumsHold(t, p)
		})
	}
}

func TestKongSetShouldSampleWhereNothingCanBeDone(t *testing.T) {
	t.Parallel()
	tracer, r, p := exporting(t)
	assert.False(t, tracer.SetShouldSample(context.Background(), false), "no active span")
	off := p.NewTracer("off", tracing.WithSamplingRate(0))
	ctx, _ := off.StartSpan(context.Background(), "unsampled")
	assert.False(t, tracer.SetShouldSample(ctx, true), "nothing was recorded")
	_, child := tracer.StartSpan(ctx, "child")
	assert.False(t, child.IsRecording(), "and nothing has been done")

	ctx, root := tracer.StartSpan(context.Background(), "root")
	assert.False(t, newProvider(t).NewTracer("other").SetShouldSample(ctx, false), "a span of another provider")
	root.Finish()
	assert.False(t, tracer.SetShouldSample(ctx, false), "the local trace has been handed over")
	_, late := tracer.StartSpan(ctx, "late")
	assert.True(t, late.SpanContext().IsSampled(), "late children follow the decision that stands")
	late.Finish()
	flush(t, p)
	assert.Equal(t, []string{"root", "late"}, r.Names())

	ctx, root = tracer.StartSpan(context.Background(), "shut down")
	shutdown(t, p)
	assert.False(t, tracer.SetShouldSample(ctx, false))
	root.Finish()
	sumsHold(t, p)
}

func TestKongSetShouldSampleAfterAPartialHandOver(t *testing.T) {
	t.Parallel()
	tracer, r, p := exporting(t)
	ctx, root := tracer.StartSpan(context.Background(), "root")
	flush(t, p)
	assert.True(t, tracer.SetShouldSample(ctx, true), "a flush that found nothing hands nothing over")
	_, child := tracer.StartSpan(ctx, "child")
	child.Finish()
	flush(t, p)
	assert.False(t, tracer.SetShouldSample(ctx, false), "a part is gone")
	_, late := tracer.StartSpan(ctx, "late")
	assert.True(t, late.SpanContext().IsSampled())
	late.Finish()
	root.Finish()
	flush(t, p)
	assert.Len(t, r.Spans(), 3)

	// A decision that was made in time holds for what comes after the partial hand-over.
	ctx, root = tracer.StartSpan(context.Background(), "out")
	require.True(t, tracer.SetShouldSample(ctx, false))
	_, child = tracer.StartSpan(ctx, "out")
	child.Finish()
	flush(t, p)
	_, late = tracer.StartSpan(ctx, "out")
	late.Finish()
	root.Finish()
	_, last := tracer.StartSpan(ctx, "out")
	assert.False(t, last.SpanContext().IsSampled())
	last.Finish()
	flush(t, p)
	assert.Empty(t, r.Named("out"))
	assert.Equal(t, uint64(4), p.Stats().Withheld.NotSampled)
	sumsHold(t, p)

	// A large local trace is handed over in part by itself.
	ctx, root = tracer.StartSpan(context.Background(), "large")
	for range 1000 {
		_, s := tracer.StartSpan(ctx, "of a large one")
		s.Finish()
	}
	assert.False(t, tracer.SetShouldSample(ctx, false))
	root.Finish()
}

func TestKongSetShouldSampleLeavesReleasedSpansAlone(t *testing.T) {
	t.Parallel()
	tracer, r, p := exporting(t)
	ctx, root := tracer.StartSpan(context.Background(), "root")
	_, gone := tracer.StartSpan(ctx, "released")
	gone.Release()
	for _, sample := range []bool{false, true} {
		assert.True(t, tracer.SetShouldSample(ctx, sample))
	}
	root.Finish()
	flush(t, p)
	assert.Equal(t, []string{"root"}, r.Names())
	assert.Equal(t, tracing.WithheldStats{Released: 1}, p.Stats().Withheld)
	sumsHold(t, p)
}

// The decision of SetShouldSample is about one local trace: the spans of another one, of the same trace,
// are not in it.
func TestKongSetShouldSampleIsAboutOneLocalTrace(t *testing.T) {
	t.Parallel()
	tracer, r, p := exporting(t)
	ctx := arriving(t, map[string]string{"traceparent": traceparent})
	a, first := tracer.StartSpan(ctx, "first arrival")
	_, second := tracer.StartSpan(ctx, "second arrival")
	assert.True(t, tracer.SetShouldSample(a, false))
	first.Finish()
	second.Finish()
	flush(t, p)
	assert.Equal(t, []string{"second arrival"}, r.Names())
	sumsHold(t, p)
}

func TestKongSetShouldSampleWithSamplersThatDropChildren(t *testing.T) {
	t.Parallel()
	// Roots are recorded and children are dropped.
	tracer, r, p := exporting(t, tracing.WithSampler(samplerFunc(func(p sampling.Parameters) sampling.Result {
		if p.Parent.IsValid() {
			return sampling.Result{Decision: sampling.Drop}
		}
		return sampling.Result{Decision: sampling.RecordAndSample}
	})))
	ctx, root := tracer.StartSpan(context.Background(), "root")
	_, dropped := tracer.StartSpan(ctx, "dropped")
	require.False(t, dropped.IsRecording())
	require.True(t, tracer.SetShouldSample(ctx, false))
	_, still := tracer.StartSpan(ctx, "still dropped")
	assert.False(t, still.IsRecording())
	require.True(t, tracer.SetShouldSample(ctx, true))
	_, kept := tracer.StartSpan(ctx, "kept")
	assert.True(t, kept.IsRecording(), "the decision is about all spans that start afterwards")
	assert.True(t, kept.SpanContext().IsSampled())
	kept.Finish()
	root.Finish()
	flush(t, p)
	r.AssertTree(t, `
		root
			kept
	`)
	sumsHold(t, p)
}

// decidingIDs makes a decision while a span starts: between what the start reads of the local trace and
// its joining it.
type decidingIDs struct {
	givenIDs
	decide func()
}

func (g *decidingIDs) NewSpanID(ctx context.Context, id trace.TraceID) trace.SpanID {
	if g.decide != nil {
		g.decide()
	}
	return g.givenIDs.NewSpanID(ctx, id)
}

func TestKongSetShouldSampleWhileASpanStarts(t *testing.T) {
	t.Parallel()
	ids := &decidingIDs{givenIDs: givenIDs{traces: []trace.TraceID{{15: 1}}}}
	tracer, r, p := exporting(t, tracing.WithIDGenerator(ids))
	ctx, root := tracer.StartSpan(context.Background(), "root")
	ids.decide = func() { assert.True(t, tracer.SetShouldSample(ctx, false)) }
	_, child := tracer.StartSpan(ctx, "child")
	ids.decide = nil
	child.Finish()
	root.Finish()
	flush(t, p)
	assert.Empty(t, r.Names(), "the whole local trace is out")
	assert.Equal(t, uint64(2), p.Stats().Withheld.NotSampled)
	sumsHold(t, p)
}

func TestKongSetShouldSampleOfUnfinishedSpans(t *testing.T) {
	t.Parallel()
	tracer, r, p := exporting(t)
	ctx, _ := tracer.StartSpan(context.Background(), "never ended", tracing.WithStartTime(time.Now()))
	require.True(t, tracer.SetShouldSample(ctx, false))
	shutdown(t, p)
	assert.Empty(t, r.Names(), "the shutdown exports what is open, but not what is out")
	assert.Equal(t, uint64(1), p.Stats().Withheld.NotSampled)
	sumsHold(t, p)
}
