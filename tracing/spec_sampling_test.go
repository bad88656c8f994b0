// SPDX-License-Identifier: Apache-2.0

package tracing_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/sampling"
	"github.com/spandrel-go/spandrel/tracing"
)

// parseState returns a trace state.
func parseState(t testing.TB, text string) trace.TraceState {
	t.Helper()
	state, err := trace.ParseTraceState(text)
	require.NoError(t, err)
	return state
}

func TestSpec_Sampler_modifies_tracestate(t *testing.T) {
	t.Parallel()
	arrived, changed := parseState(t, "up=1"), parseState(t, "down=2,up=1")
	for _, decision := range []sampling.Decision{sampling.RecordAndSample, sampling.RecordOnly, sampling.Drop} {
		for name, tt := range map[string]struct {
			result *trace.TraceState
			want   trace.TraceState
		}{
			"left alone": {nil, arrived},
			"changed":    {&changed, changed},
			"cleared":    {&trace.TraceState{}, trace.TraceState{}},
		} {
			tracer, r, p := api(t, tracing.WithSampler(samplerFunc(func(p sampling.Parameters) sampling.Result {
				r := sampling.Result{Decision: decision}
				if p.Name == "server" {
					assert.Equal(t, arrived, p.Parent.TraceState(), "the sampler sees what arrived")
					r.TraceState = tt.result
				}
				return r
			})))
			ctx := trace.ContextWithRemoteSpanContext(context.Background(), remoteParent(true).WithTraceState(arrived))
			ctx, server := tracer.Start(ctx, "server")
			_, child := tracer.Start(ctx, "child")
			assert.Equal(t, tt.want, server.SpanContext().TraceState(), "%s, %v", name, decision)
			assert.Equal(t, tt.want, child.SpanContext().TraceState(), "%s, %v: inherited", name, decision)
			child.End()
			server.End()
			flush(t, p)
			if decision == sampling.RecordAndSample {
				assert.Equal(t, tt.want, r.Span(t, "server").SpanContext.TraceState(), name)
				assert.Equal(t, arrived, r.Span(t, "server").Parent.TraceState(), name)
			}
		}
	}
}

func TestSpec_Sampler_gets_parent_context(t *testing.T) {
	t.Parallel()
	got := map[string]sampling.Parameters{}
	tracer, _, _ := api(t, tracing.WithSampler(samplerFunc(func(p sampling.Parameters) sampling.Result {
		got[p.Name] = p
		return sampling.Result{Decision: sampling.RecordAndSample}
	})))
	base := context.WithValue(context.Background(), ctxKey("k"), "v")
	ctx, root := tracer.Start(base, "root")
	_, child := tracer.Start(ctx, "child")
	arrived := remoteParent(true).WithTraceState(parseState(t, "a=1"))
	_, server := tracer.Start(trace.ContextWithRemoteSpanContext(base, arrived), "server")
	for _, tt := range []struct {
		span   trace.Span
		name   string
		parent trace.SpanContext
	}{
		{root, "root", trace.SpanContext{}},
		{child, "child", root.SpanContext()},
		{server, "server", arrived},
	} {
		p := got[tt.name]
		assert.Equal(t, "v", p.Context.Value(ctxKey("k")), "%s: the whole Go context", tt.name)
		assert.Equal(t, tt.parent, trace.SpanContextFromContext(p.Context), tt.name)
		assert.Equal(t, tt.parent, p.Parent, tt.name)
		assert.Equal(t, tt.span.SpanContext().TraceID(), p.TraceID, "%s: the id that the span has", tt.name)
		if tt.parent.IsValid() {
			assert.Equal(t, tt.parent.TraceID(), p.TraceID, "%s: the parent's", tt.name)
		}
		tt.span.End()
	}
}

func TestSpec_Sampler_arguments(t *testing.T) {
	t.Parallel()
	var got sampling.Parameters
	tracer, _, _ := api(t, tracing.WithSampler(samplerFunc(func(p sampling.Parameters) sampling.Result {
		got = p
		return sampling.Result{Decision: sampling.Drop}
	})))
	attrs := []attribute.KeyValue{attribute.String("a", "1"), attribute.Int("b", 2)}
	links := linksTo(2)
	tracer.Start(context.Background(), "name", trace.WithSpanKind(trace.SpanKindProducer), trace.WithAttributes(attrs...), trace.WithLinks(links...))
	assert.True(t, got.TraceID.IsValid(), "a new trace id, made before the sampler is asked")
	assert.Equal(t, "name", got.Name)
	assert.Equal(t, trace.SpanKindProducer, got.Kind)
	assert.Equal(t, attrs, got.Attributes)
	assert.Equal(t, links, got.Links)
}

func TestSpec_Sampler_adds_attributes(t *testing.T) {
	t.Parallel()
	tracer, r, p := api(t, tracing.WithSampler(decide(sampling.Result{
		Decision: sampling.RecordAndSample, Attributes: []attribute.KeyValue{attribute.Float64("sampling.rate", 0.5), attribute.Int("a", 1)},
	})))
	_, s := tracer.Start(context.Background(), "one", trace.WithAttributes(attribute.Int("a", 2), attribute.Int("b", 3)))
	s.End()
	flush(t, p)
	assert.Equal(t, []attribute.KeyValue{attribute.Float64("sampling.rate", 0.5), attribute.Int("a", 2), attribute.Int("b", 3)}, r.Span(t, "one").Attributes)
}

func TestSpec_New_Span_ID_for_non_recording_Spans(t *testing.T) {
	t.Parallel()
	tracer, _, _ := api(t, tracing.WithSampler(sampling.AlwaysOff()))
	ids := map[trace.SpanID]bool{remoteParent(true).SpanID(): true}
	ctx := trace.ContextWithRemoteSpanContext(context.Background(), remoteParent(true))
	for range 100 {
		var s trace.Span
		ctx, s = tracer.Start(ctx, "one") // each a child of the one before
		assert.False(t, s.IsRecording())
		assert.Equal(t, remoteParent(true).TraceID(), s.SpanContext().TraceID())
		assert.True(t, s.SpanContext().SpanID().IsValid())
		ids[s.SpanContext().SpanID()] = true
	}
	assert.Len(t, ids, 101, "an id of its own for each")
}

// reaction starts and ends a root and a child under a sampler that always decides so, and returns the
// names of the spans that OnStart, OnEnd and the exporter got, and the handles.
func reaction(t *testing.T, d sampling.Decision) (started, ended, exported []string, spans []trace.Span) {
	t.Helper()
	tracer, r, p := api(t, tracing.WithSampler(decide(sampling.Result{Decision: d})), tracing.WithProcessor(&processor{
		onStart: func(_ context.Context, s *tracing.Span) { started = append(started, s.Snapshot().Name) },
		onEnd:   func(d *tracing.SpanData) { ended = append(ended, d.Name) },
	}))
	ctx, root := tracer.Start(context.Background(), "root")
	_, child := tracer.Start(ctx, "child")
	child.End()
	root.End()
	flush(t, p)
	return started, ended, r.Names(), []trace.Span{root, child}
}

func TestSpec_Record_and_sample(t *testing.T) {
	t.Parallel()
	started, ended, exported, spans := reaction(t, sampling.RecordAndSample)
	assert.Equal(t, []string{"root", "child"}, started)
	assert.Equal(t, []string{"child", "root"}, ended)
	assert.ElementsMatch(t, []string{"root", "child"}, exported)
	for _, s := range spans {
		assert.True(t, s.SpanContext().IsSampled())
	}
}

func TestSpec_Record_only(t *testing.T) {
	t.Parallel()
	started, ended, exported, spans := reaction(t, sampling.RecordOnly)
	assert.Equal(t, []string{"root", "child"}, started)
	assert.Equal(t, []string{"child", "root"}, ended)
	assert.Empty(t, exported)
	for _, s := range spans {
		assert.False(t, s.SpanContext().IsSampled())
	}
}

func TestSpec_Drop(t *testing.T) {
	t.Parallel()
	started, ended, exported, spans := reaction(t, sampling.Drop)
	assert.Empty(t, started)
	assert.Empty(t, ended)
	assert.Empty(t, exported)
	for _, s := range spans {
		assert.False(t, s.SpanContext().IsSampled())
		assert.False(t, s.IsRecording())
	}
}

// Whatever the parent's flag and whatever the sampler says, a span that starts with the sampled flag
// records.
func TestSpec_Sampled_Spans_record(t *testing.T) {
	t.Parallel()
	var n atomic.Uint32
	tracer, r, p := api(t, tracing.WithSampler(samplerFunc(func(sampling.Parameters) sampling.Result {
		return sampling.Result{Decision: sampling.Decision(n.Add(1) * 7 / 3 % 3)}
	})))
	sampled := 0
	for i := range 100 {
		ctx := trace.ContextWithRemoteSpanContext(context.Background(), remoteParent(i%2 == 0))
		var open []trace.Span
		for range 10 {
			var s trace.Span
			ctx, s = tracer.Start(ctx, "one")
			if s.SpanContext().IsSampled() {
				sampled++
				assert.True(t, s.IsRecording())
			}
			open = append(open, s)
		}
		for _, s := range open {
			s.End()
		}
	}
	flush(t, p)
	assert.Greater(t, sampled, 100)
	assert.Len(t, r.Spans(), sampled, "and is exported, and no other is")
}

func TestSpec_Default_sampler(t *testing.T) {
	t.Parallel()
	tracer, _, _ := api(t)
	_, root := tracer.Start(context.Background(), "root")
	assert.True(t, root.SpanContext().IsSampled(), "AlwaysOn for roots")
	for _, remote := range []bool{true, false} {
		for _, sampled := range []bool{true, false} {
			parent := remoteParent(sampled).WithRemote(remote)
			_, s := tracer.Start(trace.ContextWithSpanContext(context.Background(), parent), "child")
			assert.Equal(t, sampled, s.SpanContext().IsSampled(), "the parent's decision; remote: %v", remote)
		}
	}
}

// specIDs makes ids that count.
type specIDs struct {
	traces, spans atomic.Uint64
	asked         atomic.Pointer[trace.TraceID] // the trace id that NewSpanID got last
}

func (g *specIDs) NewIDs(context.Context) (trace.TraceID, trace.SpanID) {
	return trace.TraceID{0: 0xEE, 15: byte(g.traces.Add(1))}, g.next()
}

func (g *specIDs) NewSpanID(_ context.Context, id trace.TraceID) trace.SpanID {
	g.asked.Store(&id)
	return g.next()
}

func (g *specIDs) next() trace.SpanID { return trace.SpanID{0: 0xDD, 7: byte(g.spans.Add(1))} }

// randomIDs says that its trace ids are random, although they are not.
type randomIDs struct{ specIDs }

func (*randomIDs) RandomTraceIDs() bool { return true }

func TestSpec_IDGenerators(t *testing.T) {
	t.Parallel()
	g := &specIDs{}
	tracer, r, p := api(t, tracing.WithIDGenerator(g))
	ctx, root := tracer.Start(context.Background(), "root")
	_, child := tracer.Start(ctx, "child")
	assert.Equal(t, root.SpanContext().TraceID(), *g.asked.Load())
	_, server := tracer.Start(trace.ContextWithRemoteSpanContext(context.Background(), remoteParent(true)), "server")
	assert.Equal(t, remoteParent(true).TraceID(), *g.asked.Load())
	for i, s := range []trace.Span{root, child, server} {
		assert.Equal(t, trace.SpanID{0: 0xDD, 7: byte(i + 1)}, s.SpanContext().SpanID())
		s.End()
	}
	assert.Equal(t, trace.TraceID{0: 0xEE, 15: 1}, child.SpanContext().TraceID())
	assert.Equal(t, remoteParent(true).TraceID(), server.SpanContext().TraceID(), "a trace id that arrived stays")
	flush(t, p)
	assert.Equal(t, trace.SpanID{0: 0xDD, 7: 2}, r.Span(t, "child").SpanContext.SpanID())
	_, next := tracer.Start(context.Background(), "next")
	assert.Equal(t, trace.TraceID{0: 0xEE, 15: 2}, next.SpanContext().TraceID())
}

func TestSpec_IDGenerator_sets_random_flag(t *testing.T) {
	t.Parallel()
	for want, g := range map[bool]tracing.IDGenerator{false: &specIDs{}, true: &randomIDs{}} {
		for _, sampler := range []sampling.Sampler{sampling.AlwaysOn(), sampling.AlwaysOff()} {
			tracer, _, _ := api(t, tracing.WithIDGenerator(g), tracing.WithSampler(sampler))
			_, s := tracer.Start(context.Background(), "root")
			assert.Equal(t, want, s.SpanContext().IsRandom(), sampler.Description())
		}
	}
}

// Each bit of an id is set in about half of the ids, and no id comes twice.
func TestSpec_Random_IDs(t *testing.T) {
	t.Parallel()
	tracer, _, _ := api(t, tracing.WithSampler(sampling.AlwaysOff()))
	const n = 4000
	traceIDs, spanIDs := map[trace.TraceID]bool{}, map[trace.SpanID]bool{}
	var bits [24 * 8]int
	count := func(id []byte, from int) {
		for i := range len(id) * 8 {
			bits[from+i] += int(id[i/8] >> (i % 8) & 1)
		}
	}
	for range n {
		ctx, root := tracer.Start(context.Background(), "root")
		_, child := tracer.Start(ctx, "child")
		for _, s := range []trace.Span{root, child} {
			id := s.SpanContext().SpanID()
			spanIDs[id] = true
			count(id[:], 128)
		}
		id := root.SpanContext().TraceID()
		traceIDs[id] = true
		count(id[:], 0)
	}
	assert.Len(t, traceIDs, n)
	assert.Len(t, spanIDs, 2*n)
	for i, got := range bits {
		of := n
		if i >= 128 {
			of = 2 * n
		}
		assert.InDelta(t, of/2, got, float64(of)/10, "bit %d", i) // 12 standard deviations and more
	}
}

func TestSpec_Scope_from_readable_Span(t *testing.T) {
	t.Parallel()
	want := tracing.Scope{
		Name: "library", Version: "1.0", SchemaURL: "https://example.com/schema",
		Attributes: []attribute.KeyValue{attribute.Bool("a", true)},
	}
	seen := map[string]tracing.Scope{}
	_, r, p := api(t, tracing.WithProcessor(&processor{
		onStart:  func(_ context.Context, s *tracing.Span) { seen["OnStart"] = *s.Snapshot().Scope },
		onEnding: func(s *tracing.Span) { seen["OnEnding"] = *s.Snapshot().Scope },
		onEnd:    func(d *tracing.SpanData) { seen["OnEnd"] = *d.Scope },
	}))
	tracer := p.Tracer(want.Name, trace.WithInstrumentationVersion(want.Version), trace.WithSchemaURL(want.SchemaURL),
		trace.WithInstrumentationAttributes(want.Attributes...))
	_, s := tracer.Start(context.Background(), "one")
	s.End()
	flush(t, p)
	seen["exporter"] = *r.Span(t, "one").Scope
	require.Len(t, seen, 4)
	for where, got := range seen {
		assert.Equal(t, want, got, where)
	}
}

func TestSpec_Pipelines_ForceFlush(t *testing.T) {
	t.Parallel()
	plain, encoding := &collector{}, &encoder{}
	p := newProvider(t, tracing.WithExporter(plain, tracing.WithBatchSpans(7)), tracing.WithExporter(encoding, tracing.WithBatchSpans(1000)))
	tracer := p.Tracer("test")
	ctx, root := tracer.Start(context.Background(), "root") // which goes on
	want := []string{}
	for i := range 100 {
		name := fmt.Sprint("span ", i)
		want = append(want, name)
		_, s := tracer.Start(ctx, name)
		s.End()
	}
	require.NoError(t, p.ForceFlush(context.Background()))
	assert.ElementsMatch(t, want, plain.names())
	var sent []string
	for _, names := range encoding.sent() {
		sent = append(sent, names...)
	}
	assert.ElementsMatch(t, want, sent)
	for _, e := range p.Stats().Exporters {
		assert.EqualValues(t, 100, e.Exported)
		assert.Zero(t, e.Waiting)
	}
	root.End()
}
