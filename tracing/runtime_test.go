// SPDX-License-Identifier: Apache-2.0

package tracing_test

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/sampling"
	"github.com/spandrel-go/spandrel/tracing"
)

func TestSetSampler(t *testing.T) {
	t.Parallel()
	tracer, c, p := newTracer(t, tracing.WithSampler(sampling.AlwaysOn()))
	own := p.NewTracer("own", tracing.WithTracerSampler(sampling.AlwaysOn()))
	kong := p.NewTracer("kong", tracing.WithSamplingRate(1))
	start := func(name string) {
		for _, tr := range []*tracing.Tracer{tracer, own, kong} {
			_, s := tr.StartSpan(t.Context(), name)
			s.Finish()
		}
	}
	start("on")
	require.NoError(t, p.SetSampler(sampling.AlwaysOff()))
	assert.Equal(t, sampling.AlwaysOff(), p.Sampler())
	start("off")
	require.NoError(t, p.SetSampler(sampling.AlwaysOn()))
	assert.Equal(t, sampling.AlwaysOn(), p.Sampler())
	start("on again")
	flush(t, p)
	assert.ElementsMatch(t, []string{"on", "on", "on", "off", "off", "on again", "on again", "on again"}, c.names(),
		"tracers with a sampler of their own keep it")
}

func TestSetSamplerRefusesNil(t *testing.T) {
	t.Parallel()
	p := newProvider(t, tracing.WithSampler(sampling.AlwaysOff()))
	var none *struct{ sampling.Sampler }
	for _, s := range []sampling.Sampler{nil, none} {
		require.EqualError(t, p.SetSampler(s), "tracing: SetSampler: sampler is nil")
	}
	assert.Equal(t, sampling.AlwaysOff(), p.Sampler(), "nothing has changed")
}

// Traces that are running when the sampler changes keep their decision, so they stay whole.
func TestSetSamplerKeepsRunningTracesWhole(t *testing.T) {
	t.Parallel()
	tracer, c, p := newTracer(t)
	ctxOn, on := tracer.StartSpan(t.Context(), "root of on")
	require.NoError(t, p.SetSampler(sampling.ParentBased(sampling.AlwaysOff())))
	ctxOff, off := tracer.StartSpan(t.Context(), "root of off")
	child := func(ctx context.Context, name string) {
		ctx, s := tracer.StartSpan(ctx, name)
		_, grandchild := tracer.StartSpan(ctx, "child of "+name)
		grandchild.Finish()
		s.Finish()
	}
	child(ctxOn, "on while off")
	child(ctxOff, "off while off")
	require.NoError(t, p.SetSampler(sampling.ParentBased(sampling.AlwaysOn())))
	child(ctxOn, "on while on")
	child(ctxOff, "off while on")
	on.Finish()
	off.Finish()
	flush(t, p)
	assert.ElementsMatch(t, []string{
		"root of on", "on while off", "child of on while off", "on while on", "child of on while on",
	}, c.names())
}

func TestSetSamplerAsksTheNewOneAboutChildren(t *testing.T) {
	t.Parallel()
	tracer, c, p := newTracer(t)
	ctx, root := tracer.StartSpan(t.Context(), "root")
	require.NoError(t, p.SetSampler(sampling.AlwaysOff()))
	_, child := tracer.StartSpan(ctx, "child")
	assert.False(t, child.SpanContext().IsSampled(), "AlwaysOff follows no parent")
	child.Finish()
	root.Finish()
	flush(t, p)
	assert.Equal(t, []string{"root"}, c.names())
}

// Spans that start after SetSampler has returned, in whatever goroutine, are decided by the new sampler.
func TestSetSamplerConcurrentSafe(t *testing.T) {
	t.Parallel()
	tracer, _, p := newTracer(t, tracing.WithSampler(sampling.AlwaysOff()))
	const settled = 2
	var state atomic.Uint64 // 4*change + settled + the sampler that is on
	var done atomic.Bool
	var wg sync.WaitGroup
	var decided atomic.Int64
	for range 4 {
		wg.Go(func() {
			for !done.Load() {
				before := state.Load()
				_, s := tracer.StartSpan(t.Context(), "span")
				if state.Load() == before && before&settled != 0 {
					decided.Add(1)
					if got := s.SpanContext().IsSampled(); got != (before&1 == 1) {
						t.Errorf("sampled %v after change %d", got, before>>2)
					}
				}
				s.Finish()
			}
		})
	}
	for change := uint64(1); change <= 30; change++ {
		state.Store(4 * change)
		s := sampling.AlwaysOff()
		if change&1 == 1 {
			s = sampling.AlwaysOn()
		}
		assert.NoError(t, p.SetSampler(s))
		assert.NotEmpty(t, p.Sampler().Description())
		at := decided.Load()
		state.Store(4*change + settled + change&1)
		for decided.Load() < at+4 && !t.Failed() {
			_, span := tracer.StartSpan(t.Context(), "here")
			assert.Equal(t, change&1 == 1, span.SpanContext().IsSampled())
			span.Finish()
		}
	}
	done.Store(true)
	wg.Wait()
}

func TestSetSpanLimits(t *testing.T) {
	t.Parallel()
	tracer, c, p := newTracer(t, tracing.WithSpanLimits(tracing.SpanLimits{Attributes: 2, AttributeValueLength: 3}))
	span := func(name string) {
		_, s := tracer.StartSpan(t.Context(), name)
		s.SetAttributes(attribute.String("a", "12345"), attribute.Int("b", 1), attribute.Int("c", 1))
		s.AddEvent("one")
		s.AddEvent("two")
		s.AddLink(trace.Link{SpanContext: s.SpanContext(), Attributes: []attribute.KeyValue{attribute.Int("x", 1), attribute.Int("y", 1)}})
		s.Finish()
	}
	span("before")
	p.SetSpanLimits(tracing.SpanLimits{Attributes: 1, Events: 1, AttributesPerLink: 1})
	span("between")
	p.SetSpanLimits(tracing.SpanLimits{})
	span("after")
	flush(t, p)
	for _, tt := range []struct {
		name                                       string
		attributes, length, events, linkAttributes int
	}{
		{"before", 2, 3, 2, 2},
		{"between", 1, 5, 1, 1},
		{"after", 3, 5, 2, 2},
	} {
		d := c.span(t, tt.name)
		assert.Len(t, d.Attributes, tt.attributes, tt.name)
		assert.Equal(t, 3-tt.attributes, d.DroppedAttributes, tt.name)
		assert.Len(t, d.Attributes[0].Value.AsString(), tt.length, tt.name)
		assert.Len(t, d.Events, tt.events, tt.name)
		assert.Equal(t, "two", d.Events[len(d.Events)-1].Name, tt.name)
		assert.Len(t, d.Links[0].Attributes, tt.linkAttributes, tt.name)
	}
}

// What an open span has recorded stays, and what it records from then on meets the new limits.
func TestSetSpanLimitsOfOpenSpans(t *testing.T) {
	t.Parallel()
	tracer, c, p := newTracer(t)
	_, s := tracer.StartSpan(t.Context(), "open")
	s.SetAttributes(attribute.String("a", "12345"), attribute.Int("b", 1))
	for _, name := range []string{"1", "2", "3"} {
		s.AddEvent(name)
	}
	p.SetSpanLimits(tracing.SpanLimits{Attributes: 1, Events: 2, AttributeValueLength: 2})
	s.SetAttributes(attribute.Int("c", 1), attribute.String("b", "12345"))
	s.AddEvent("4")
	s.Finish()
	flush(t, p)
	d := c.span(t, "open")
	assert.Equal(t, []attribute.KeyValue{attribute.String("a", "12345"), attribute.String("b", "12")}, d.Attributes)
	assert.Equal(t, 1, d.DroppedAttributes)
	var events []string
	for i := range d.Events {
		events = append(events, d.Events[i].Name)
	}
	assert.Equal(t, []string{"2", "3", "4"}, events)
	assert.Equal(t, 1, d.DroppedEvents)
}

func TestSpanLimitsCanBeGivenBack(t *testing.T) {
	t.Parallel()
	env := map[string]string{"OTEL_SPAN_EVENT_COUNT_LIMIT": "0", "OTEL_SPAN_LINK_COUNT_LIMIT": "7"}
	lookup := func(name string) (string, bool) { v, ok := env[name]; return v, ok }
	defaults := tracing.SpanLimits{
		Attributes: 128, Events: 0, Links: 7, AttributesPerEvent: 128, AttributesPerLink: 128,
		AttributeValueLength: -1, AttributeValueDepth: 64,
	}
	limits := func(attrs, events, links, perEvent, perLink, length, depth int) tracing.SpanLimits {
		return tracing.SpanLimits{
			Attributes: attrs, Events: events, Links: links, AttributesPerEvent: perEvent, AttributesPerLink: perLink,
			AttributeValueLength: length, AttributeValueDepth: depth,
		}
	}
	none := limits(-1, -1, -1, -1, -1, -1, -1)
	tests := []struct {
		name        string
		given, want tracing.SpanLimits
	}{
		{"defaults of the environment", tracing.SpanLimits{}, defaults},
		{"none", limits(-5, -1, -1, -1, -1, -1, -1), none},
		{"all", limits(1, 2, 3, 4, 5, 6, 7), limits(1, 2, 3, 4, 5, 6, 7)},
		{"some", tracing.SpanLimits{Links: 2, Events: -1}, func() tracing.SpanLimits { l := defaults; l.Links, l.Events = 2, -1; return l }()},
	}
	p := newProvider(t, tracing.WithEnvironment(lookup), tracing.WithSpanLimits(none))
	assert.Equal(t, none, p.SpanLimits(), "those of the option")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p.SetSpanLimits(tt.given)
			assert.Equal(t, tt.want, p.SpanLimits())
			p.SetSpanLimits(p.SpanLimits())
			assert.Equal(t, tt.want, p.SpanLimits())
			assert.Equal(t, tt.want, newProvider(t, tracing.WithEnvironment(lookup), tracing.WithSpanLimits(tt.given)).SpanLimits(),
				"the option means the same")
		})
	}
}

// Each call, Start with all that it is given among them, meets the old limits or the new ones and never some
// of each.
func TestSetSpanLimitsIsAtomicConcurrentSafe(t *testing.T) {
	t.Parallel()
	few := tracing.SpanLimits{Attributes: 1, Links: 1, AttributesPerEvent: 1, AttributesPerLink: 1, AttributeValueLength: 9}
	many := tracing.SpanLimits{Attributes: 3, Links: 3, AttributesPerEvent: 3, AttributesPerLink: 3, AttributeValueLength: 2}
	tracer, c, p := newTracer(t, tracing.WithSpanLimits(few))
	text := strings.Repeat("x", 20)
	attrs := []attribute.KeyValue{attribute.String("a", text), attribute.String("b", text), attribute.String("c", text)}
	link := trace.Link{SpanContext: remoteParent(true), Attributes: attrs}

	var done atomic.Bool
	var changes sync.WaitGroup
	changes.Go(func() {
		for !done.Load() {
			p.SetSpanLimits(many)
			assert.Positive(t, p.SpanLimits().Attributes)
			p.SetSpanLimits(few)
		}
	})
	var spans sync.WaitGroup
	for range 4 {
		spans.Go(func() {
			for range 500 {
				_, s := tracer.StartSpan(t.Context(), "span", tracing.WithAttributes(attrs...), tracing.WithLinks(link, link, link))
				s.AddEvent("event", trace.WithAttributes(attrs...))
				s.Finish()
			}
		})
	}
	spans.Wait()
	done.Store(true)
	changes.Wait()
	flush(t, p)

	check := func(where string, attrs []attribute.KeyValue) int {
		want := map[int]int{1: 9, 3: 2}[len(attrs)]
		for _, kv := range attrs {
			require.Len(t, kv.Value.AsString(), want, where)
		}
		return len(attrs)
	}
	require.Len(t, c.spans(), 2000)
	for _, d := range c.spans() {
		n := check("start", d.Attributes)
		require.Len(t, d.Links, n, "all of Start")
		for i := range d.Links {
			require.Equal(t, n, check("link", d.Links[i].Attributes))
		}
		check("event", d.Events[0].Attributes)
	}
}

// The provider of no span is everybody's, so it only has to answer.
func TestRuntimeOfTheNoopProvider(t *testing.T) {
	t.Parallel()
	var none *tracing.Span
	p := none.TracerProvider().(*tracing.Provider)
	require.NoError(t, p.SetSampler(sampling.AlwaysOff()))
	p.SetSpanLimits(tracing.SpanLimits{})
	assert.Equal(t, 128, p.SpanLimits().Attributes)
	assert.Equal(t, sampling.AlwaysOff(), p.Sampler())
	_, s := p.NewTracer("none").StartSpan(t.Context(), "none")
	assert.Nil(t, s)
}

// The provider of a nil span is the same for the whole program.
func TestTheProviderOfANilSpanCannotBeChanged(t *testing.T) {
	t.Parallel()
	p, ok := (*tracing.Span)(nil).TracerProvider().(*tracing.Provider)
	require.True(t, ok)
	limits := p.SpanLimits()
	require.NoError(t, p.SetSampler(sampling.AlwaysOn()))
	p.SetSpanLimits(tracing.SpanLimits{Attributes: 1})
	assert.Equal(t, sampling.AlwaysOff().Description(), p.Sampler().Description())
	assert.Equal(t, limits, p.SpanLimits())
	require.Error(t, p.SetSampler(nil))
}
