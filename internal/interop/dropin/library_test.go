// SPDX-License-Identifier: Apache-2.0

package dropin_test

import (
	"cmp"
	"context"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/sampling"
	"github.com/spandrel-go/spandrel/tracing"
)

// library is a tracing SDK with all spans that it delivered: ours, or OpenTelemetry's as the oracle.
type library struct {
	name     string
	provider trace.TracerProvider
	spans    func(testing.TB) []*span
}

// libraries makes a new one of each; all spans are recorded unless a parent says otherwise.
func libraries(t testing.TB) (ours, theirs library) {
	t.Helper()
	return newOurs(t), newTheirs(t)
}

func newOurs(t testing.TB) library {
	t.Helper()
	c := &collector{}
	p, err := tracing.NewProvider(tracing.WithExporter(c), tracing.WithIDGenerator(randomIDs{}),
		tracing.WithSampler(sampling.ParentBased(sampling.AlwaysOn())))
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, p.Shutdown(context.Background()))
		s := p.Stats()
		require.Equal(t, s.Started, s.Exporters[0].Exported, "started and exported: %+v", s)
	})
	return library{"ours", p, func(t testing.TB) []*span {
		require.NoError(t, p.ForceFlush(context.Background()))
		return c.all()
	}}
}

// randomIDs does not say that its ids are random: OpenTelemetry's SDK does not set the random flag, ours
// does by default.
type randomIDs struct{}

func (g randomIDs) NewIDs(ctx context.Context) (id trace.TraceID, _ trace.SpanID) {
	binary.NativeEndian.PutUint64(id[:8], rand.Uint64())
	binary.NativeEndian.PutUint64(id[8:], rand.Uint64()|1)
	return id, g.NewSpanID(ctx, id)
}

func (randomIDs) NewSpanID(context.Context, trace.TraceID) (id trace.SpanID) {
	binary.NativeEndian.PutUint64(id[:], rand.Uint64()|1)
	return id
}

func newTheirs(t testing.TB) library {
	t.Helper()
	e := tracetest.NewInMemoryExporter()
	p := sdktrace.NewTracerProvider(sdktrace.WithSyncer(e), sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.AlwaysSample())))
	t.Cleanup(func() { require.NoError(t, p.Shutdown(context.Background())) })
	return library{"theirs", p, func(testing.TB) []*span {
		var spans []*span
		for _, s := range e.GetSpans() {
			spans = append(spans, fromTheirs(&s))
		}
		return spans
	}}
}

// collector is an exporter that keeps what it is given.
type collector struct {
	mu    sync.Mutex // guards spans
	spans []*span
}

func (c *collector) ExportSpans(_ context.Context, spans []*tracing.SpanData) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, d := range spans {
		c.spans = append(c.spans, fromOurs(d.Clone()))
	}
	return nil
}

func (c *collector) Shutdown(context.Context) error { return nil }

func (c *collector) all() []*span {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.spans)
}

// span is what both libraries say of a span.
type span struct {
	sc, parent trace.SpanContext
	start, end time.Time
	content
}

// content is what must be equal: all but ids and the time.
type content struct {
	Name              string
	Kind              trace.SpanKind
	Attributes        map[attribute.Key]any
	Events            []event
	Links             []link
	Code              codes.Code
	Description       string
	Scope             scope
	DroppedAttributes int
	DroppedEvents     int
	DroppedLinks      int
	Remote            bool // the parent is remote
	Flags             trace.TraceFlags
	State             string
}

type event struct {
	Name       string
	Attributes map[attribute.Key]any
	Dropped    int
}

type link struct {
	SpanContext trace.SpanContext
	Attributes  map[attribute.Key]any
	Dropped     int
}

type scope struct {
	Name, Version, SchemaURL string
	Attributes               map[attribute.Key]any
}

func values(attrs []attribute.KeyValue) map[attribute.Key]any {
	m := map[attribute.Key]any{}
	for _, kv := range attrs {
		m[kv.Key] = kv.Value.AsInterface()
	}
	return m
}

func fromOurs(d *tracing.SpanData) *span {
	s := &span{sc: d.SpanContext, parent: d.Parent, start: d.StartTime, end: d.EndTime, content: content{
		Name: d.Name, Kind: d.Kind, Attributes: values(d.Attributes), Code: d.Status.Code, Description: d.Status.Description,
		Scope:             scope{d.Scope.Name, d.Scope.Version, d.Scope.SchemaURL, values(d.Scope.Attributes)},
		DroppedAttributes: d.DroppedAttributes, DroppedEvents: d.DroppedEvents, DroppedLinks: d.DroppedLinks,
		Remote: d.Parent.IsRemote(), Flags: d.SpanContext.TraceFlags(), State: d.SpanContext.TraceState().String(),
	}}
	for _, e := range d.Events {
		s.Events = append(s.Events, event{e.Name, values(e.Attributes), e.DroppedAttributes})
	}
	for _, l := range d.Links {
		s.Links = append(s.Links, link{l.SpanContext, values(l.Attributes), l.DroppedAttributes})
	}
	return s
}

func fromTheirs(d *tracetest.SpanStub) *span {
	in := d.InstrumentationScope
	s := &span{sc: d.SpanContext, parent: d.Parent, start: d.StartTime, end: d.EndTime, content: content{
		Name: d.Name, Kind: d.SpanKind, Attributes: values(d.Attributes), Code: d.Status.Code, Description: d.Status.Description,
		Scope:             scope{in.Name, in.Version, in.SchemaURL, values(in.Attributes.ToSlice())},
		DroppedAttributes: d.DroppedAttributes, DroppedEvents: d.DroppedEvents, DroppedLinks: d.DroppedLinks,
		Remote: d.Parent.IsRemote(), Flags: d.SpanContext.TraceFlags(), State: d.SpanContext.TraceState().String(),
	}}
	for _, e := range d.Events {
		s.Events = append(s.Events, event{e.Name, values(e.Attributes), e.DroppedAttributeCount})
	}
	for _, l := range d.Links {
		s.Links = append(s.Links, link{l.SpanContext, values(l.Attributes), l.DroppedAttributeCount})
	}
	return s
}

// tree is a span with those below it.
type tree struct {
	content
	Children []*tree
}

// forest joins spans into trees and sorts them: what remains when ids and times are forgotten. A span
// whose parent is not among them is a root, as that of another process is.
func forest(t testing.TB, spans []*span) []*tree {
	t.Helper()
	trees := map[trace.SpanID]*tree{}
	for _, s := range spans {
		require.True(t, s.sc.IsValid())
		require.Nil(t, trees[s.sc.SpanID()], "a span id twice")
		require.False(t, s.end.Before(s.start), "%s ends before it starts", s.Name)
		trees[s.sc.SpanID()] = &tree{content: s.content}
	}
	byID := map[trace.SpanID]*span{}
	for _, s := range spans {
		byID[s.sc.SpanID()] = s
	}
	var roots []*tree
	for _, s := range spans {
		above, ok := trees[s.parent.SpanID()]
		if !ok {
			roots = append(roots, trees[s.sc.SpanID()])
			continue
		}
		require.Equal(t, byID[s.parent.SpanID()].sc.TraceID(), s.sc.TraceID(), "the trace of %s", s.Name)
		above.Children = append(above.Children, trees[s.sc.SpanID()])
	}
	for _, s := range trees {
		slices.SortFunc(s.Children, compareTrees)
	}
	slices.SortFunc(roots, compareTrees)
	return roots
}

func compareTrees(a, b *tree) int {
	return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Kind, b.Kind), cmp.Compare(len(a.Children), len(b.Children)))
}
