// SPDX-License-Identifier: Apache-2.0

package tracetest

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/tracing"
)

// FormatOption sets up [Format], [Recorder.AssertTree] and [Recorder.Golden]. A nil one does nothing.
type FormatOption interface{ apply(*format) }

type formatOptionFunc func(*format)

func (o formatOptionFunc) apply(f *format) { o(f) }

// Mask hides the values of attributes of these keys, on spans, events and links: those that differ from
// run to run, such as a port. That they are there is still shown.
func Mask(keys ...attribute.Key) FormatOption {
	return formatOptionFunc(func(f *format) {
		for _, k := range keys {
			f.masked[k] = true
		}
	})
}

// ByName orders siblings, trees and traces by name before their times, for spans that start side by
// side: which of them is first differs from run to run.
func ByName() FormatOption {
	return formatOptionFunc(func(f *format) { f.byName = true })
}

// WithTimes shows when each span starts, counted from the start of the first span of its trace, and how
// long it takes, and at what time after its span's start an event stands. It is for bubbles of
// testing/synctest ([Run]), where times are the same in each run.
func WithTimes() FormatOption {
	return formatOptionFunc(func(f *format) { f.times = true })
}

// format is how spans become text.
type format struct {
	masked        map[attribute.Key]bool
	byName, times bool
	paths         paths
	begin         map[trace.TraceID]time.Time // the first start of each trace
}

func newFormat(opts []FormatOption, spans []*tracing.SpanData) *format {
	f := &format{masked: map[attribute.Key]bool{}, paths: newPaths(spans), begin: map[trace.TraceID]time.Time{}}
	for _, o := range opts {
		if o != nil {
			o.apply(f)
		}
	}
	for _, d := range spans {
		id := d.SpanContext.TraceID()
		if first, ok := f.begin[id]; !ok || d.StartTime.Before(first) {
			f.begin[id] = d.StartTime
		}
	}
	return f
}

// sort orders siblings and all below them.
func (f *format) sort(nodes []*Tree) {
	for _, n := range nodes {
		f.sort(n.Children)
	}
	slices.SortStableFunc(nodes, f.compare)
}

// compare decides the order of two nodes whose children are in order.
func (f *format) compare(a, b *Tree) int {
	if f.byName {
		if c := cmp.Compare(a.Span.Name, b.Span.Name); c != 0 {
			return c
		}
	} else if c := compareTimes(a.Span, b.Span); c != 0 {
		return c
	}
	return cmp.Or(cmp.Compare(f.text(a), f.text(b)), compareTimes(a.Span, b.Span))
}

func (f *format) text(n *Tree) string {
	var b strings.Builder
	f.tree(&b, n, "", "")
	return b.String()
}

// Format shows the trees of spans with all that they hold but ids, times, scope and resource:
//
//	GET /orders [server] error: "no stock" (remote parent)
//	│   http.route: "/orders"
//	│   event "retry"
//	│       attempt: 2
//	├── reserve
//	└── publish [producer]
//	        link to GET /orders > reserve
//
// Kind internal and status Unset go without saying. Attributes are sorted by key. A link names its
// target with the names of its ancestors, if that is among spans. An empty line stands between
// traces. The order is that of [Trees].
func Format(spans []*tracing.SpanData, opts ...FormatOption) string {
	f := newFormat(opts, spans)
	var b strings.Builder
	for i, trees := range traces(spans, f) {
		if i > 0 {
			b.WriteByte('\n')
		}
		for _, n := range trees {
			f.tree(&b, n, "", "")
		}
	}
	return b.String()
}

// tree appends a node: first stands before its first line, rest before the others.
func (f *format) tree(b *strings.Builder, n *Tree, first, rest string) {
	b.WriteString(first + f.head(n) + "\n")
	bar := rest + "    "
	if len(n.Children) > 0 {
		bar = rest + "│   "
	}
	f.details(b, n.Span, bar)
	for i, c := range n.Children {
		if i < len(n.Children)-1 {
			f.tree(b, c, rest+"├── ", rest+"│   ")
		} else {
			f.tree(b, c, rest+"└── ", rest+"    ")
		}
	}
}

// head is the line of a span itself.
func (f *format) head(n *Tree) string {
	d := n.Span
	line := nameText(d.Name)
	if d.Kind != trace.SpanKindInternal {
		line += " [" + d.Kind.String() + "]"
	}
	switch d.Status.Code {
	case codes.Ok:
		line += " ok"
	case codes.Error:
		line += " error"
		if d.Status.Description != "" {
			line += ": " + strconv.Quote(d.Status.Description)
		}
	}
	if f.times {
		line += fmt.Sprintf(" @%v +%v", d.StartTime.Sub(f.begin[d.SpanContext.TraceID()]), duration(d))
	}
	var notes []string
	if n.Detached != "" {
		notes = append(notes, string(n.Detached))
	}
	if d.Partial {
		notes = append(notes, "partial")
	}
	if d.Debug {
		notes = append(notes, "debug")
	}
	if !d.SpanContext.IsSampled() {
		notes = append(notes, "not sampled")
	}
	if len(notes) > 0 {
		line += " (" + strings.Join(notes, ", ") + ")"
	}
	return line
}

// details appends what stands below a span's line.
func (f *format) details(b *strings.Builder, d *tracing.SpanData, bar string) {
	if state := d.SpanContext.TraceState(); state.Len() > 0 {
		b.WriteString(bar + "trace state " + strconv.Quote(state.String()) + "\n")
	}
	f.attributes(b, d.Attributes, d.DroppedAttributes, bar)
	for i := range d.Events {
		e := &d.Events[i]
		b.WriteString(bar + "event " + strconv.Quote(e.Name))
		if f.times {
			fmt.Fprintf(b, " @%v", e.Time.Sub(d.StartTime))
		}
		b.WriteByte('\n')
		f.attributes(b, e.Attributes, e.DroppedAttributes, bar+"    ")
	}
	dropped(b, bar, d.DroppedEvents, "event")
	for i := range d.Links {
		l := &d.Links[i]
		target := "a span that is not here"
		if to := f.paths.byID[keyOf(l.SpanContext)]; to != nil {
			target = f.paths.of(to)
		}
		b.WriteString(bar + "link to " + target + "\n")
		f.attributes(b, l.Attributes, l.DroppedAttributes, bar+"    ")
	}
	dropped(b, bar, d.DroppedLinks, "link")
}

func (f *format) attributes(b *strings.Builder, kvs []attribute.KeyValue, refused int, bar string) {
	for _, kv := range sorted(kvs) {
		value := "(masked)"
		if !f.masked[kv.Key] {
			value = valueText(kv.Value)
		}
		b.WriteString(bar + nameText(string(kv.Key)) + ": " + value + "\n")
	}
	dropped(b, bar, refused, "attribute")
}

func dropped(b *strings.Builder, bar string, n int, what string) {
	switch {
	case n == 1:
		b.WriteString(bar + "1 " + what + " dropped\n")
	case n != 0:
		fmt.Fprintf(b, "%s%d %ss dropped\n", bar, n, what)
	}
}

func sorted(kvs []attribute.KeyValue) []attribute.KeyValue {
	return slices.SortedStableFunc(slices.Values(kvs), func(a, b attribute.KeyValue) int { return cmp.Compare(a.Key, b.Key) })
}

// nameText quotes a name that would be misread.
func nameText(s string) string {
	odd := s == "" || s != strings.TrimSpace(s) || s[0] == '"' || !utf8.ValidString(s) ||
		strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
	if odd {
		return strconv.Quote(s)
	}
	return s
}

// valueText shows a value so that its type can be told.
func valueText(v attribute.Value) string {
	switch v.Type() {
	case attribute.EMPTY:
		return "(empty)"
	case attribute.BOOL:
		return strconv.FormatBool(v.AsBool())
	case attribute.INT64:
		return strconv.FormatInt(v.AsInt64(), 10)
	case attribute.FLOAT64:
		return floatText(v.AsFloat64())
	case attribute.STRING:
		return strconv.Quote(v.AsString())
	case attribute.BYTESLICE:
		return "bytes " + strconv.Quote(string(v.AsByteSlice()))
	case attribute.BOOLSLICE:
		return listText("bool", v.AsBoolSlice(), strconv.FormatBool)
	case attribute.INT64SLICE:
		return listText("int", v.AsInt64Slice(), func(n int64) string { return strconv.FormatInt(n, 10) })
	case attribute.FLOAT64SLICE:
		return listText("float", v.AsFloat64Slice(), floatText)
	case attribute.STRINGSLICE:
		return listText("string", v.AsStringSlice(), strconv.Quote)
	case attribute.SLICE:
		return listText("", v.AsSlice(), valueText)
	case attribute.MAP:
		text := listText("", v.AsMap(), func(kv attribute.KeyValue) string { return strconv.Quote(string(kv.Key)) + ": " + valueText(kv.Value) })
		return "{" + text[1:len(text)-1] + "}"
	default:
		return v.Type().String() + " " + v.String()
	}
}

// floatText always differs from an integer's text.
func floatText(x float64) string {
	s := strconv.FormatFloat(x, 'g', -1, 64)
	if strings.ContainsAny(s, ".eIN") {
		return s
	}
	return s + ".0"
}

func listText[T any](typ string, list []T, text func(T) string) string {
	texts := make([]string, len(list))
	for i, x := range list {
		texts[i] = text(x)
	}
	return typ + "[" + strings.Join(texts, ", ") + "]"
}
