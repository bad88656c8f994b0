// SPDX-License-Identifier: Apache-2.0

package tracetest

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/tracing"
)

// samples makes the spans that the kit lends.
type samples struct {
	ids      IDs
	at       time.Time // of the next start
	resource *tracing.Resource
	scope    *tracing.Scope
	n        int
}

func newSamples() *samples {
	return &samples{
		at: time.Date(2026, time.August, 1, 12, 0, 0, 0, time.UTC),
		resource: tracing.NewResource(
			attribute.String("service.name", "tracetest"), attribute.String("telemetry.sdk.language", "go"),
		),
		scope: &tracing.Scope{Name: "tracetest", Version: "v1.2.3"},
	}
}

// traces makes local traces of the given sizes, side by side: each a root and children of it. Names are
// "kit-001" and so on; each span starts after the one before.
func (s *samples) traces(sizes ...int) (spans []*tracing.SpanData) {
	for _, size := range sizes {
		traceID, rootID := s.ids.NewIDs(context.Background())
		root := trace.NewSpanContext(trace.SpanContextConfig{TraceID: traceID, SpanID: rootID, TraceFlags: trace.FlagsSampled})
		for i := range size {
			d := s.span("")
			if i == 0 {
				d.SpanContext = root
				d.EndTime = d.StartTime.Add(time.Duration(size) * 10 * time.Millisecond)
				d.Kind = trace.SpanKindServer
			} else {
				d.SpanContext = root.WithSpanID(s.ids.NewSpanID(context.Background(), traceID))
				d.Parent = root
				d.Events = []tracing.Event{{
					Name: "event of " + d.Name, Time: d.StartTime,
					Attributes: []attribute.KeyValue{attribute.String("event.of", d.Name)},
				}}
				d.Links = []tracing.Link{{SpanContext: root, Attributes: []attribute.KeyValue{attribute.String("link.of", d.Name)}}}
				d.Status = tracing.Status{Code: codes.Error, Description: "status of " + d.Name}
			}
			spans = append(spans, d)
		}
	}
	return spans
}

// span makes a span in a trace of its own; "" stands for the next name.
func (s *samples) span(name string) *tracing.SpanData {
	s.n++
	if name == "" {
		name = fmt.Sprintf("kit-%03d", s.n)
	}
	s.at = s.at.Add(10 * time.Millisecond)
	traceID, spanID := s.ids.NewIDs(context.Background())
	return &tracing.SpanData{
		SpanContext: trace.NewSpanContext(trace.SpanContextConfig{TraceID: traceID, SpanID: spanID, TraceFlags: trace.FlagsSampled}),
		Name:        name,
		Kind:        trace.SpanKindInternal,
		StartTime:   s.at,
		EndTime:     s.at.Add(5 * time.Millisecond),
		Attributes:  []attribute.KeyValue{attribute.String("z.of", name), attribute.Int("a.of", s.n)},
		Resource:    s.resource,
		Scope:       s.scope,
	}
}

// oddSpan is a span that an exporter may meet, and how it differs from others.
type oddSpan struct {
	what string
	set  func(d *tracing.SpanData)
}

// attributeCase makes an odd span of one attribute value, which stands on the span, an event and a link.
func attributeCase(what string, v attribute.Value) oddSpan {
	return oddSpan{"an attribute that is " + what, func(d *tracing.SpanData) {
		kvs := func() []attribute.KeyValue { return []attribute.KeyValue{{Key: "odd", Value: v}} }
		d.Attributes = kvs()
		d.Events = []tracing.Event{{Name: "event", Time: d.StartTime, Attributes: kvs()}}
		d.Links = []tracing.Link{{SpanContext: d.SpanContext, Attributes: kvs()}}
	}}
}

// oddSpans returns a span for each thing that exporters get wrong.
func oddSpans() []oddSpan {
	const bad = "bad \xff\xfe\xed\xa0\x80 UTF-8"
	const controls = "\x00\x1f\x7f\u2028\"\\</script>"
	odd := []oddSpan{
		{"a span with ids that are zero", func(d *tracing.SpanData) { d.SpanContext = trace.SpanContext{} }},
		{"a span with an empty name", func(d *tracing.SpanData) { d.Name = "" }},
		{"a span whose name is no UTF-8", func(d *tracing.SpanData) { d.Name = bad }},
		{"a span with control characters in its name", func(d *tracing.SpanData) { d.Name = controls }},
		{"a span with a name of 64 KiB", func(d *tracing.SpanData) { d.Name = strings.Repeat("x", 64<<10) }},
		{"a span with times that are zero", func(d *tracing.SpanData) { d.StartTime, d.EndTime = time.Time{}, time.Time{} }},
		{"a span that ends before it starts", func(d *tracing.SpanData) { d.EndTime = d.StartTime.Add(-time.Hour) }},
		{"a span before 1970", func(d *tracing.SpanData) { d.StartTime = time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC) }},
		{"a span in the year 9999", func(d *tracing.SpanData) { d.EndTime = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC) }},
		{"a span of an unknown kind", func(d *tracing.SpanData) { d.Kind = 99 }},
		{"a span of no kind", func(d *tracing.SpanData) { d.Kind = trace.SpanKindUnspecified }},
		{"a span with an unknown status", func(d *tracing.SpanData) { d.Status.Code = 99 }},
		{"a status description that is no UTF-8", func(d *tracing.SpanData) { d.Status = tracing.Status{Code: codes.Error, Description: bad} }},
		{"a span without attributes", func(d *tracing.SpanData) { d.Attributes = nil }},
		{"an attribute with an empty key", func(d *tracing.SpanData) { d.Attributes = []attribute.KeyValue{attribute.Int("", 1)} }},
		{"an attribute key that is no UTF-8", func(d *tracing.SpanData) { d.Attributes = []attribute.KeyValue{attribute.Int(bad, 1)} }},
		{"a span with 1,000 attributes", func(d *tracing.SpanData) {
			d.Attributes = nil
			for i := range 1000 {
				d.Attributes = append(d.Attributes, attribute.Int(fmt.Sprintf("k%d", i), i))
			}
		}},
		{"an attribute of 1 MiB", func(d *tracing.SpanData) {
			d.Attributes = []attribute.KeyValue{attribute.String("k", strings.Repeat("ä", 1<<19))}
		}},
		{"an event and a link with nothing in them", func(d *tracing.SpanData) {
			d.Events, d.Links = []tracing.Event{{}}, []tracing.Link{{}}
		}},
		{"an event whose name is no UTF-8", func(d *tracing.SpanData) { d.Events = []tracing.Event{{Name: bad, Time: d.StartTime}} }},
		{"a span with 1,000 events", func(d *tracing.SpanData) {
			for range 1000 {
				d.Events = append(d.Events, tracing.Event{Name: "e", Time: d.StartTime})
			}
		}},
		{"dropped counts", func(d *tracing.SpanData) { d.DroppedAttributes, d.DroppedEvents, d.DroppedLinks = 1, 2, math.MaxInt }},
		{"a remote parent, partial, debug", func(d *tracing.SpanData) {
			d.Parent = d.SpanContext.WithSpanID(trace.SpanID{1}).WithRemote(true)
			d.Partial, d.Debug = true, true
		}},
		{"a scope with nothing in it", func(d *tracing.SpanData) { d.Scope = &tracing.Scope{} }},
		{"a scope with attributes", func(d *tracing.SpanData) {
			d.Scope = &tracing.Scope{Name: bad, SchemaURL: "https://example.com/1", Attributes: []attribute.KeyValue{attribute.Bool("b", true)}}
		}},
		{"a span with a trace state", func(d *tracing.SpanData) {
			if state, err := trace.ParseTraceState("vendor=1,other=2"); err == nil {
				d.SpanContext = d.SpanContext.WithTraceState(state)
			}
		}},
	}
	deep := attribute.IntValue(1)
	for range 100 {
		deep = attribute.SliceValue(attribute.MapValue(attribute.KeyValue{Key: "k", Value: deep}))
	}
	for _, c := range []struct {
		what string
		v    attribute.Value
	}{
		{"empty", attribute.Value{}},
		{"true", attribute.BoolValue(true)},
		{"the smallest int64", attribute.Int64Value(math.MinInt64)},
		{"the largest int64", attribute.Int64Value(math.MaxInt64)},
		{"a float", attribute.Float64Value(-1.5e300)},
		{"NaN", attribute.Float64Value(math.NaN())},
		{"an infinity", attribute.Float64Value(math.Inf(-1))},
		{"an empty string", attribute.StringValue("")},
		{"a string that is no UTF-8", attribute.StringValue(bad)},
		{"a string with control characters", attribute.StringValue(controls)},
		{"bytes", attribute.ByteSliceValue([]byte{0, 0xff})},
		{"no bytes", attribute.ByteSliceValue(nil)},
		{"a list of bools", attribute.BoolSliceValue([]bool{true, false})},
		{"an empty list of bools", attribute.BoolSliceValue(nil)},
		{"a list of integers", attribute.Int64SliceValue([]int64{1, math.MinInt64})},
		{"an empty list of integers", attribute.Int64SliceValue(nil)},
		{"a list of floats", attribute.Float64SliceValue([]float64{0, math.NaN(), math.Inf(1)})},
		{"an empty list of floats", attribute.Float64SliceValue(nil)},
		{"a list of strings", attribute.StringSliceValue([]string{"", bad, controls})},
		{"an empty list of strings", attribute.StringSliceValue(nil)},
		{"a list of everything", attribute.SliceValue(attribute.Value{}, attribute.IntValue(1), attribute.StringValue(bad), attribute.SliceValue(), attribute.MapValue())},
		{"an empty list", attribute.SliceValue()},
		{"a map", attribute.MapValue(attribute.Int("", 1), attribute.String(bad, bad), attribute.Slice("s"))},
		{"a map with a key twice", attribute.MapValue(attribute.Int("k", 1), attribute.Int("k", 2))},
		{"an empty map", attribute.MapValue()},
		{"a list a hundred deep", deep},
	} {
		odd = append(odd, attributeCase(c.what, c.v))
	}
	return odd
}

// digest describes all that can be reached from spans, a line for each part, with the addresses of what
// is lent: two equal digests mean that nothing was changed, replaced or moved.
func digest(spans []*tracing.SpanData) []string {
	var lines []string
	add := func(i int, format string, args ...any) {
		lines = append(lines, fmt.Sprintf("span %d: ", i)+fmt.Sprintf(format, args...))
	}
	attrs := func(i int, of string, kvs []attribute.KeyValue) {
		add(i, "%s: %d attributes with room for %d at %p", of, len(kvs), cap(kvs), kvs)
		for _, kv := range kvs {
			if n := len(kv.Value.AsString()); n > 1000 { // strings cannot be changed in place
				add(i, "%s: attribute %q: a string of %d bytes", of, kv.Key, n)
				continue
			}
			add(i, "%s: attribute %q: %s", of, kv.Key, valueText(kv.Value))
		}
	}
	for i, d := range spans {
		add(i, "at %p: %s", d, d.Name)
		add(i, "span context %s %s %s %q", d.SpanContext.TraceID(), d.SpanContext.SpanID(), d.SpanContext.TraceFlags(), d.SpanContext.TraceState().String())
		add(i, "parent %s %s %v", d.Parent.TraceID(), d.Parent.SpanID(), d.Parent.IsRemote())
		add(i, "kind %v, status %v %q", d.Kind, d.Status.Code, d.Status.Description)
		add(i, "from %v to %v", d.StartTime, d.EndTime)
		add(i, "resource %p, scope %p", d.Resource, d.Scope)
		add(i, "dropped %d %d %d, partial %v, debug %v", d.DroppedAttributes, d.DroppedEvents, d.DroppedLinks, d.Partial, d.Debug)
		attrs(i, "the span", d.Attributes)
		attrs(i, "its resource", d.Resource.Attributes())
		attrs(i, "its scope "+d.Scope.Name, d.Scope.Attributes)
		add(i, "%d events with room for %d at %p", len(d.Events), cap(d.Events), d.Events)
		for _, e := range d.Events {
			add(i, "event %q at %v, dropped %d", e.Name, e.Time, e.DroppedAttributes)
			attrs(i, "an event", e.Attributes)
		}
		add(i, "%d links with room for %d at %p", len(d.Links), cap(d.Links), d.Links)
		for _, l := range d.Links {
			add(i, "link to %s %s, dropped %d", l.SpanContext.TraceID(), l.SpanContext.SpanID(), l.DroppedAttributes)
			attrs(i, "a link", l.Attributes)
		}
	}
	return lines
}

// poison stands in spans that were given back.
const poison = "tracetest: this was read after it had been given back"

// overwrite does to spans what a pipeline may do when they are given back.
func overwrite(spans []*tracing.SpanData) {
	attrs := func(kvs []attribute.KeyValue) {
		for i := range kvs {
			kvs[i] = attribute.String(poison, poison)
		}
	}
	for i, d := range spans {
		attrs(d.Attributes)
		for j := range d.Events {
			attrs(d.Events[j].Attributes)
			d.Events[j] = tracing.Event{Name: poison}
		}
		for j := range d.Links {
			attrs(d.Links[j].Attributes)
			d.Links[j] = tracing.Link{}
		}
		d.Name, d.Status = poison, tracing.Status{Code: codes.Error, Description: poison}
		d.SpanContext, d.Parent = trace.SpanContext{}, trace.SpanContext{}
		d.StartTime, d.EndTime = time.Time{}, time.Time{}
		spans[i] = &tracing.SpanData{Name: poison, Resource: d.Resource, Scope: d.Scope}
	}
}

// clones returns copies with the room that lent views have.
func clones(spans []*tracing.SpanData) []*tracing.SpanData {
	copies := make([]*tracing.SpanData, len(spans))
	for i, d := range spans {
		copies[i] = d.Clone()
	}
	return copies
}
