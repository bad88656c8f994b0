// SPDX-License-Identifier: Apache-2.0

package tracing_test

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/internal/remote"
	"github.com/spandrel-go/spandrel/sampling"
	"github.com/spandrel-go/spandrel/tracing"
)

// dropped drops spans whose name begins with "drop", only records those that begin with "record", and
// samples the others.
func dropped(p sampling.Parameters) sampling.Result {
	switch {
	case strings.HasPrefix(p.Name, "drop"):
		return sampling.Result{Decision: sampling.Drop}
	case strings.HasPrefix(p.Name, "record"):
		return sampling.Result{Decision: sampling.RecordOnly}
	default:
		return sampling.Result{Decision: sampling.RecordAndSample}
	}
}

func TestDecisions(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var started, ended []string
	tracer, c, p := newTracer(t, tracing.WithSampler(samplerFunc(dropped)), tracing.WithProcessor(&processor{
		onStart: func(_ context.Context, s *tracing.Span) {
			mu.Lock()
			defer mu.Unlock()
			started = append(started, s.SpanContext().SpanID().String())
		},
		onEnd: func(d *tracing.SpanData) {
			mu.Lock()
			defer mu.Unlock()
			ended = append(ended, strings.Clone(d.Name))
			assert.Equal(t, d.Name == "sample" || d.Name == "sample child", d.SpanContext.IsSampled(), d.Name)
		},
	}))
	for _, name := range []string{"drop", "record", "sample"} {
		ctx, s := tracer.StartSpan(context.Background(), name)
		assert.Equal(t, name != "drop", s.IsRecording(), name)
		assert.Equal(t, name == "sample", s.SpanContext().IsSampled(), name)
		assert.True(t, s.SpanContext().IsValid(), "a span that is dropped has ids too")
		for _, child := range []string{"drop child", "record child", "sample child"} {
			_, c := tracer.StartSpan(ctx, child)
			assert.Equal(t, child != "drop child", c.IsRecording(), "%s under %s", child, name)
			assert.Equal(t, child == "sample child", c.SpanContext().IsSampled(), "%s under %s", child, name)
			assert.Equal(t, s.SpanContext().TraceID(), c.SpanContext().TraceID())
			assert.NotEqual(t, s.SpanContext().SpanID(), c.SpanContext().SpanID())
			before := c.SpanContext()
			c.End()
			assert.Equal(t, before, c.SpanContext())
		}
		s.End()
	}
	flush(t, p)
	assert.ElementsMatch(t, []string{"sample", "sample child", "sample child", "sample child"}, c.names(),
		"only what is sampled is exported")
	assert.Len(t, started, 8, "processors see what is recorded")
	assert.ElementsMatch(t, append(c.names(), "record", "record child", "record child", "record child"), ended)
	for _, d := range c.spans() {
		if d.Name == "sample child" {
			assert.True(t, d.Parent.IsValid(), "the parent's ids, recorded or not")
		}
	}
	s := p.Stats()
	assert.EqualValues(t, 4, s.SampledOut)
	assert.EqualValues(t, 8, s.Started)
	assert.EqualValues(t, 8, s.Ended)
	assert.EqualValues(t, 4, s.Exporters[0].Exported)
}

func TestSamplerAttributesComeBeforeTheSpansOwn(t *testing.T) {
	t.Parallel()
	shared := []attribute.KeyValue{attribute.String("by", "sampler"), attribute.Int("rate", 1)}
	tracer, c, p := newTracer(t, tracing.WithSampler(decide(sampling.Result{Decision: sampling.RecordAndSample, Attributes: shared})))
	ctx, s := tracer.StartSpan(context.Background(), "one", tracing.WithAttributes(attribute.String("by", "user")))
	shared[1] = attribute.Int("rate", 2) // they are copied before Start returns
	s.End()
	flush(t, p)
	assert.ElementsMatch(t, []attribute.KeyValue{attribute.String("by", "user"), attribute.Int("rate", 1)}, c.span(t, "one").Attributes)
	_, s = tracer.StartSpan(ctx, "child")
	s.End()
	flush(t, p)
	assert.Equal(t, shared, c.span(t, "child").Attributes)
}

func TestTraceState(t *testing.T) {
	t.Parallel()
	parents, err := trace.ParseTraceState("parent=1")
	require.NoError(t, err)
	samplers, err := trace.ParseTraceState("sampler=1")
	require.NoError(t, err)
	empty := trace.TraceState{}
	for _, decision := range []sampling.Decision{sampling.Drop, sampling.RecordOnly, sampling.RecordAndSample} {
		for name, tt := range map[string]struct {
			answer *trace.TraceState
			want   trace.TraceState
		}{
			"kept": {nil, parents}, "replaced": {&samplers, samplers}, "emptied": {&empty, empty},
		} {
			tracer, _, _ := newTracer(t, tracing.WithSampler(decide(sampling.Result{Decision: decision, TraceState: tt.answer})))
			arrived := trace.ContextWithRemoteSpanContext(context.Background(), remoteParent(true).WithTraceState(parents))
			ctx, s := tracer.StartSpan(arrived, "one")
			assert.Equal(t, tt.want.String(), s.SpanContext().TraceState().String(), "%s, %s", name, decision)
			_, child := tracer.StartSpan(ctx, "child")
			assert.Equal(t, tt.want.String(), child.SpanContext().TraceState().String(), "child: %s, %s", name, decision)
			child.End()
			s.End()
			assert.Equal(t, tt.want.String(), s.SpanContext().TraceState().String(), "after its end: %s, %s", name, decision)
		}
	}
	// A child whose sampler answers another trace state than its local trace has.
	tracer, c, p := newTracer(t, tracing.WithSampler(samplerFunc(func(p sampling.Parameters) sampling.Result {
		r := sampling.Result{Decision: sampling.RecordAndSample}
		if p.Name == "child" {
			r.TraceState = &samplers
		}
		return r
	})))
	ctx, root := tracer.StartSpan(trace.ContextWithRemoteSpanContext(context.Background(), remoteParent(true).WithTraceState(parents)), "root")
	ctx, child := tracer.StartSpan(ctx, "child")
	_, grandchild := tracer.StartSpan(ctx, "grandchild")
	grandchild.End()
	child.End()
	root.End()
	flush(t, p)
	assert.Equal(t, parents, c.span(t, "root").SpanContext.TraceState())
	assert.Equal(t, samplers, c.span(t, "child").SpanContext.TraceState())
	assert.Equal(t, parents, c.span(t, "child").Parent.TraceState())
	assert.Equal(t, samplers, c.span(t, "grandchild").SpanContext.TraceState())
	assert.Equal(t, child.SpanContext(), c.span(t, "grandchild").Parent)
}

// arrive returns a Go context as a propagator leaves it.
func arrive(r remote.Remote) context.Context {
	a := remote.Arrived{
		TraceID: r.SpanContext.TraceID(), SpanID: r.SpanContext.SpanID(), Flags: r.SpanContext.TraceFlags(),
		Decision: r.Decision, Debug: r.Debug, RequestID: r.RequestID,
	}
	if r.Format != "" {
		a.Format = 1
	}
	ctx := context.WithValue(context.Background(), remote.Key, &a)
	if r.SpanContext.IsValid() {
		ctx = trace.ContextWithRemoteSpanContext(ctx, r.SpanContext)
	}
	return ctx
}

func TestParentBasedFollowsTheThreeValuedDecision(t *testing.T) {
	t.Parallel()
	ids := remoteParent(false)
	for _, tt := range []struct {
		name    string
		arrived remote.Remote
		sampled [2]bool // with a root sampler that is off, on
	}{
		{"accept", remote.Remote{SpanContext: remoteParent(true), Decision: remote.Accept, Format: "b3"}, [2]bool{true, true}},
		{"deny", remote.Remote{SpanContext: ids, Decision: remote.Deny, Format: "b3"}, [2]bool{false, false}},
		{"defer", remote.Remote{SpanContext: ids, Decision: remote.Defer, Format: "b3"}, [2]bool{false, true}},
		{"deny without ids", remote.Remote{Decision: remote.Deny, Format: "b3"}, [2]bool{false, false}},
		{"accept without ids", remote.Remote{Decision: remote.Accept, Format: "b3"}, [2]bool{true, true}},
		{"debug", remote.Remote{SpanContext: remoteParent(true), Decision: remote.Accept, Debug: true, Format: "b3"}, [2]bool{true, true}},
		{"debug without ids", remote.Remote{Decision: remote.Accept, Debug: true, Format: "b3"}, [2]bool{true, true}},
		{"request id only", remote.Remote{RequestID: "r"}, [2]bool{false, true}},
	} {
		for i, root := range []sampling.Sampler{sampling.AlwaysOff(), sampling.AlwaysOn()} {
			tracer, c, p := newTracer(t, tracing.WithSampler(sampling.ParentBased(root)))
			ctx, s := tracer.StartSpan(arrive(tt.arrived), "root")
			assert.Equal(t, tt.sampled[i], s.SpanContext().IsSampled(), "%s, root %s", tt.name, root.Description())
			_, child := tracer.StartSpan(ctx, "child")
			assert.Equal(t, tt.sampled[i], child.SpanContext().IsSampled(), "child: %s, root %s", tt.name, root.Description())
			child.End()
			s.End()
			flush(t, p)
			if tt.arrived.SpanContext.IsValid() {
				assert.Equal(t, tt.arrived.SpanContext.TraceID(), s.SpanContext().TraceID(), tt.name)
			}
			if tt.sampled[i] {
				assert.Len(t, c.spans(), 2, tt.name)
			} else {
				assert.Empty(t, c.spans(), tt.name)
			}
			for _, d := range c.spans() {
				assert.Equal(t, tt.arrived.Debug, d.Debug, "%s of %s", d.Name, tt.name)
			}
		}
	}
	// Without what a propagator of ours left, the flag decides.
	for _, sampled := range []bool{true, false} {
		tracer, _, _ := newTracer(t)
		_, s := tracer.StartSpan(trace.ContextWithRemoteSpanContext(context.Background(), remoteParent(sampled)), "root")
		assert.Equal(t, sampled, s.SpanContext().IsSampled())
	}
}

func TestParentBasedBranchesForLocalParents(t *testing.T) {
	t.Parallel()
	named := func(name string) sampling.Sampler {
		return decide(sampling.Result{Decision: sampling.RecordAndSample, Attributes: []attribute.KeyValue{attribute.String("branch", name)}})
	}
	sampler := sampling.ParentBased(named("root"),
		sampling.WithLocalParentSampled(named("local sampled")), sampling.WithLocalParentNotSampled(named("local not sampled")),
		sampling.WithRemoteParentSampled(named("remote sampled")), sampling.WithRemoteParentNotSampled(named("remote not sampled")))
	tracer, c, p := newTracer(t, tracing.WithSampler(sampler))
	off, _, _ := newTracer(t, tracing.WithSampler(sampling.AlwaysOff()))
	local, _ := tracer.StartSpan(context.Background(), "root")
	unsampled, _ := off.StartSpan(context.Background(), "unsampled")
	for want, ctx := range map[string]context.Context{
		"root":               context.Background(),
		"local sampled":      local,
		"local not sampled":  unsampled,
		"remote sampled":     trace.ContextWithRemoteSpanContext(context.Background(), remoteParent(true)),
		"remote not sampled": trace.ContextWithRemoteSpanContext(context.Background(), remoteParent(false)),
	} {
		_, s := tracer.StartSpan(ctx, "branch "+want)
		s.End()
		flush(t, p)
		got, _ := value(c.span(t, "branch "+want).Attributes, "branch")
		assert.Equal(t, want, got.AsString())
	}
}

func TestSamplerSeesAllParameters(t *testing.T) {
	t.Parallel()
	var got sampling.Parameters
	tracer, _, p := newTracer(t, tracing.WithSampler(samplerFunc(func(p sampling.Parameters) sampling.Result {
		got = p
		return sampling.Result{Decision: sampling.RecordAndSample}
	})))
	arrived := arrive(remote.Remote{
		SpanContext: remoteParent(true), Decision: remote.Accept, Debug: true, Format: "b3", RequestID: "request 7",
	})
	links := []trace.Link{{SpanContext: remoteParent(false)}}
	attrs := []attribute.KeyValue{attribute.String("a", "b")}
	ctx, s := tracer.StartSpan(arrived, "name", tracing.WithKind(trace.SpanKindServer),
		tracing.WithAttributes(attrs...), tracing.WithLinks(links...))
	want := sampling.Parameters{
		Context: arrived, Parent: remoteParent(true), ParentDecision: sampling.ParentAccept, Debug: true,
		TraceID: remoteParent(true).TraceID(), Name: "name", Kind: trace.SpanKindServer, Attributes: attrs, Links: links,
		RequestID: "request 7",
	}
	assert.Equal(t, want, got)

	tracer.StartSpan(ctx, "child")
	assert.Equal(t, s.SpanContext(), got.Parent)
	assert.False(t, got.Parent.IsRemote())
	assert.Equal(t, sampling.ParentAccept, got.ParentDecision)
	assert.Equal(t, trace.SpanKindInternal, got.Kind, "never unspecified")
	assert.Equal(t, ctx, got.Context)
	assert.Equal(t, "request 7", got.RequestID, "it arrived with the request that the child belongs to")

	var none context.Context
	_, root := tracer.StartSpan(none, "root")
	assert.Equal(t, root.SpanContext().TraceID(), got.TraceID)
	assert.False(t, got.Parent.IsValid())
	assert.Equal(t, sampling.ParentDefer, got.ParentDecision)
	assert.NotNil(t, got.Context)
	assert.Empty(t, got.RequestID)

	_, api := p.Tracer("api").Start(arrived, "api", trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(attrs...), trace.WithLinks(links...))
	assert.Equal(t, "api", got.Name)
	assert.Equal(t, trace.SpanKindClient, got.Kind)
	assert.Equal(t, attrs, got.Attributes)
	assert.Equal(t, links, got.Links)
	assert.Equal(t, got.TraceID, api.SpanContext().TraceID())
}

// WithShouldSample counts only for a span without a parent, and only if the request brought no
// decision.
func TestWithShouldSample(t *testing.T) {
	t.Parallel()
	for _, root := range []sampling.Sampler{sampling.AlwaysOff(), sampling.AlwaysOn()} {
		tracer, _, _ := newTracer(t, tracing.WithSampler(sampling.ParentBased(root)))
		off, _, _ := newTracer(t, tracing.WithSampler(sampling.AlwaysOff()))
		on, _, _ := newTracer(t)
		sampledLocal, _ := on.StartSpan(context.Background(), "local")
		unsampledLocal, _ := off.StartSpan(context.Background(), "local")
		for _, tt := range []struct {
			name    string
			ctx     context.Context
			decides bool
			want    bool // where it does not decide
		}{
			{"no parent", context.Background(), true, false},
			{"no parent, deferred", arrive(remote.Remote{Decision: remote.Defer, Format: "b3", RequestID: "r"}), true, false},
			{"denied without ids", arrive(remote.Remote{Decision: remote.Deny, Format: "b3"}), false, false},
			{"accepted without ids", arrive(remote.Remote{Decision: remote.Accept, Format: "b3"}), false, true},
			{"remote, sampled", trace.ContextWithRemoteSpanContext(context.Background(), remoteParent(true)), false, true},
			{"remote, not sampled", trace.ContextWithRemoteSpanContext(context.Background(), remoteParent(false)), false, false},
			{"local, sampled", sampledLocal, false, true},
			{"local, not sampled", unsampledLocal, false, false},
		} {
			for _, sample := range []bool{true, false} {
				_, s := tracer.StartSpan(tt.ctx, "one", tracing.WithShouldSample(sample))
				want := tt.want
				if tt.decides {
					want = sample
				}
				assert.Equal(t, want, s.SpanContext().IsSampled(), "%s, %v, root %s", tt.name, sample, root.Description())
				assert.Equal(t, want, s.IsRecording(), "%s, %v, root %s", tt.name, sample, root.Description())
			}
		}
	}
}

func TestTracerWithASamplerOfItsOwn(t *testing.T) {
	t.Parallel()
	_, c, p := newTracer(t, tracing.WithSampler(sampling.AlwaysOff()))
	for name, tt := range map[string]struct {
		opt  tracing.TracerOption
		want bool
	}{
		"sampler":      {tracing.WithTracerSampler(sampling.AlwaysOn()), true},
		"nil sampler":  {tracing.WithTracerSampler(nil), false},
		"rate 1":       {tracing.WithSamplingRate(1), true},
		"rate above 1": {tracing.WithSamplingRate(7), true},
		"rate 0":       {tracing.WithSamplingRate(0), false},
		"rate below 0": {tracing.WithSamplingRate(-1), false},
		"rate NaN":     {tracing.WithSamplingRate(nan()), false},
	} {
		_, s := p.NewTracer(name, tt.opt).StartSpan(context.Background(), name)
		assert.Equal(t, tt.want, s.IsRecording(), name)
		s.End()
	}
	flush(t, p)
	assert.ElementsMatch(t, []string{"sampler", "rate 1", "rate above 1"}, c.names())
	half := p.NewTracer("half", tracing.WithSamplingRate(0.5))
	sampled := 0
	for range 2000 {
		ctx, s := half.StartSpan(context.Background(), "half")
		_, child := half.StartSpan(ctx, "half child")
		assert.Equal(t, s.IsRecording(), child.IsRecording(), "children follow their parent")
		if s.IsRecording() {
			sampled++
		}
		child.End()
		s.End()
	}
	assert.InDelta(t, 1000, sampled, 200)
}

func nan() float64 { zero := 0.0; return zero / zero }

// Whoever starts a root may give it a trace state to begin with, such as explicit randomness; the
// sampler sees it and may replace it (trace/sdk.md, "Explicit randomness").
func TestInitialTraceStateOfARoot(t *testing.T) {
	t.Parallel()
	initial, err := trace.ParseTraceState("ot=rv:7479cfb506891d")
	require.NoError(t, err)
	other, err := trace.ParseTraceState("a=b")
	require.NoError(t, err)
	ctx := trace.ContextWithSpanContext(context.Background(), trace.NewSpanContext(trace.SpanContextConfig{TraceState: initial}))
	for name, tt := range map[string]struct {
		result sampling.Result
		want   string
	}{
		"sampled":     {sampling.Result{Decision: sampling.RecordAndSample}, "ot=rv:7479cfb506891d"},
		"not sampled": {sampling.Result{Decision: sampling.Drop}, "ot=rv:7479cfb506891d"},
		"replaced":    {sampling.Result{Decision: sampling.RecordAndSample, TraceState: &other}, "a=b"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var seen trace.SpanContext
			tracer, c, p := newTracer(t, tracing.WithSampler(samplerFunc(func(p sampling.Parameters) sampling.Result {
				seen = p.Parent
				return tt.result
			})))
			_, s := tracer.Start(ctx, "root")
			s.End()
			flush(t, p)
			assert.Equal(t, tt.want, s.SpanContext().TraceState().String())
			assert.Equal(t, "ot=rv:7479cfb506891d", seen.TraceState().String())
			assert.False(t, seen.IsValid())
			for _, d := range c.spans() {
				assert.Equal(t, tt.want, d.SpanContext.TraceState().String())
				assert.False(t, d.Parent.IsValid())
			}
		})
	}
	_, s := newProvider(t).Tracer("default sampler").Start(ctx, "root")
	assert.Equal(t, "ot=rv:7479cfb506891d", s.SpanContext().TraceState().String())
	_, s = newProvider(t).Tracer("new root").Start(ctx, "root", trace.WithNewRoot())
	assert.Empty(t, s.SpanContext().TraceState().String())
}
