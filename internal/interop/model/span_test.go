// SPDX-License-Identifier: Apache-2.0

package model_test

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/tracing"
)

// span is what both libraries say of a span.
type span struct {
	sc, parent  trace.SpanContext
	name        string
	kind        trace.SpanKind
	start, end  time.Time
	attrs       []attribute.KeyValue
	events      []entry
	links       []entry
	code        codes.Code
	description string

	scopeName, scopeVersion, scopeSchema string
	scopeAttrs, resource                 []attribute.KeyValue

	droppedAttrs, droppedEvents, droppedLinks int
}

// entry is an event or a link.
type entry struct {
	name    string // of an event
	at      time.Time
	sc      trace.SpanContext // of a link
	attrs   []attribute.KeyValue
	dropped int
}

func fromOurs(d *tracing.SpanData) *span {
	s := &span{
		sc: d.SpanContext, parent: d.Parent, name: d.Name, kind: d.Kind, start: d.StartTime, end: d.EndTime,
		attrs: slices.Clone(d.Attributes), code: d.Status.Code, description: d.Status.Description,
		scopeName: d.Scope.Name, scopeVersion: d.Scope.Version, scopeSchema: d.Scope.SchemaURL, scopeAttrs: d.Scope.Attributes,
		resource:     given(d.Resource.Attributes()),
		droppedAttrs: d.DroppedAttributes, droppedEvents: d.DroppedEvents, droppedLinks: d.DroppedLinks,
	}
	for _, e := range d.Events {
		s.events = append(s.events, entry{name: e.Name, at: e.Time, attrs: slices.Clone(e.Attributes), dropped: e.DroppedAttributes})
	}
	for _, l := range d.Links {
		s.links = append(s.links, entry{sc: l.SpanContext, attrs: slices.Clone(l.Attributes), dropped: l.DroppedAttributes})
	}
	return s
}

func fromTheirs(d sdktrace.ReadOnlySpan) *span {
	in := d.InstrumentationScope()
	s := &span{
		sc: d.SpanContext(), parent: d.Parent(), name: d.Name(), kind: d.SpanKind(), start: d.StartTime(), end: d.EndTime(),
		attrs: slices.Clone(d.Attributes()), code: d.Status().Code, description: d.Status().Description,
		scopeName: in.Name, scopeVersion: in.Version, scopeSchema: in.SchemaURL, scopeAttrs: in.Attributes.ToSlice(),
		resource:     given(d.Resource().Attributes()),
		droppedAttrs: d.DroppedAttributes(), droppedEvents: d.DroppedEvents(), droppedLinks: d.DroppedLinks(),
	}
	for _, e := range d.Events() {
		s.events = append(s.events, entry{name: e.Name, at: e.Time, attrs: slices.Clone(e.Attributes), dropped: e.DroppedAttributeCount})
	}
	for _, l := range d.Links() {
		s.links = append(s.links, entry{sc: l.SpanContext, attrs: slices.Clone(l.Attributes), dropped: l.DroppedAttributeCount})
	}
	return s
}

// given leaves out what no program gives: what a resource says of itself.
func given(attrs []attribute.KeyValue) []attribute.KeyValue {
	return slices.DeleteFunc(slices.Clone(attrs), func(a attribute.KeyValue) bool { return !slices.Contains(keys, string(a.Key)) })
}

// period is when a program ran: a time in it was read from the clock.
type period struct{ from, to time.Time }

// slack is how far the wall clock may be set while a program runs.
const slack = time.Minute

func (p period) holds(at time.Time) bool {
	return !at.Before(p.from.Add(-slack)) && !at.After(p.to.Add(slack))
}

func (p period) text(at time.Time) string {
	if p.holds(at) {
		return "now"
	}
	return at.UTC().Format(time.RFC3339Nano)
}

// field is one thing that is compared.
type field struct{ name, value string }

// fields writes a span so that two of them are the same if their fields are. loose says that several
// goroutines wrote to it: then the order of what they wrote counts for nothing, and beyond a limit
// neither does which of it was kept.
func (s *span) fields(when period, loose bool) []field {
	attrs := s.attrs
	if loose {
		attrs = slices.SortedFunc(slices.Values(attrs), func(a, b attribute.KeyValue) int { return strings.Compare(string(a.Key), string(b.Key)) })
	}
	text := attributesText(attrs)
	if loose && s.droppedAttrs > 0 {
		text = fmt.Sprint(len(attrs), " of several goroutines")
	}
	return []field{
		{"span context", spanContextText(s.sc)},
		{"parent", spanContextText(s.parent)},
		{"name", fmt.Sprintf("%q", s.name)},
		{"kind", s.kind.String()},
		{"start", when.text(s.start)},
		{"end", when.text(s.end)},
		{"attributes", text},
		{"events", entriesText(s.events, when, loose, s.droppedEvents)},
		{"links", entriesText(s.links, when, loose, s.droppedLinks)},
		{"status", fmt.Sprintf("%d %q", s.code, s.description)},
		{"scope", fmt.Sprintf("%q %q %q %s", s.scopeName, s.scopeVersion, s.scopeSchema, attributesText(s.scopeAttrs))},
		{"resource", attributesText(s.resource)},
		{"dropped", fmt.Sprint(s.droppedAttrs, " attributes, ", s.droppedEvents, " events, ", s.droppedLinks, " links")},
	}
}

func entriesText(list []entry, when period, loose bool, dropped int) string {
	if loose && dropped > 0 {
		return fmt.Sprint(len(list), " of several goroutines")
	}
	var parts []string
	for _, e := range list {
		var b strings.Builder
		if e.name != "" || !e.at.IsZero() {
			fmt.Fprintf(&b, "%q at %s", e.name, when.text(e.at))
		} else {
			b.WriteString(spanContextText(e.sc))
		}
		fmt.Fprintf(&b, " {%s}", attributesText(maskStacks(e.attrs)))
		if e.dropped > 0 {
			fmt.Fprintf(&b, " and %d dropped", e.dropped)
		}
		parts = append(parts, b.String())
	}
	if loose {
		slices.Sort(parts)
	}
	return strings.Join(parts, "; ")
}

// maskStacks replaces what cannot be equal, the texts of stacks.
func maskStacks(attrs []attribute.KeyValue) []attribute.KeyValue {
	attrs = slices.Clone(attrs)
	for i, a := range attrs {
		if text := a.Value.AsString(); a.Key == "exception.stacktrace" && text != "" {
			start := "goroutine "[:min(len("goroutine "), len(text))]
			attrs[i].Value = attribute.BoolValue(strings.HasPrefix(text, start))
		}
	}
	return attrs
}

// order checks the times that were read from the clock: a span begins before its events, and those
// before it ends. It returns what is wrong. Where racing says that the end came while others wrote, an
// event may have got in after the end's time was read, as in the SDK.
func (s *span) order(when period, racing bool) string {
	if !when.holds(s.start) {
		return ""
	}
	ended := when.holds(s.end)
	if ended && s.end.Before(s.start) {
		return fmt.Sprintf("ends %v before it starts", s.start.Sub(s.end))
	}
	for _, e := range s.events {
		if !when.holds(e.at) {
			continue
		}
		if e.at.Before(s.start) {
			return fmt.Sprintf("event %q is %v before the start", e.name, s.start.Sub(e.at))
		}
		if ended && !racing && e.at.After(s.end) {
			return fmt.Sprintf("event %q is %v after the end", e.name, e.at.Sub(s.end))
		}
	}
	return ""
}
