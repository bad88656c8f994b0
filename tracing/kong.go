// SPDX-License-Identifier: Apache-2.0

package tracing

import (
	"context"
	"reflect"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

// SpanOption sets up a span in [Tracer.StartSpan]. It is a small value: options allocate nothing.
// The zero value does nothing.
type SpanOption struct {
	what   optionKind
	flag   bool
	kind   int32
	span   *Span
	remote *trace.SpanContext
	at     *time.Time
	attrs  []attribute.KeyValue
	links  []trace.Link
}

type optionKind uint8

const (
	_ optionKind = iota
	optKind
	optParent
	optRemoteParent
	optStartTime
	optShouldSample
	optAttributes
	optLinks
	optNewRoot
	optUnlinked // of CreateSpan
)

// WithKind sets the span's kind; the default is internal.
func WithKind(kind trace.SpanKind) SpanOption { return SpanOption{what: optKind, kind: int32(kind)} }

// WithParent makes the span a child of parent, whatever ctx holds. A nil parent does nothing. The sampler
// and the processors get ctx as it is.
func WithParent(parent *Span) SpanOption { return SpanOption{what: optParent, span: parent} }

// WithRemoteParent makes the span a child of a span in another process, if neither [WithParent] nor
// ctx gives a parent.
func WithRemoteParent(sc trace.SpanContext) SpanOption {
	return SpanOption{what: optRemoteParent, remote: &sc}
}

// WithStartTime sets the start time; the zero time means now.
func WithStartTime(at time.Time) SpanOption { return SpanOption{what: optStartTime, at: &at} }

// WithShouldSample decides about sampling in the sampler's place. It counts only for a span without
// a parent in this process, and only if the request brought no decision, or left it to us (B3 may):
// nobody re-decides a trace.
func WithShouldSample(sample bool) SpanOption {
	return SpanOption{what: optShouldSample, flag: sample}
}

// WithAttributes sets attributes at the start. They are copied. It is preferred to setting them later:
// a sampler sees none but these.
func WithAttributes(attrs ...attribute.KeyValue) SpanOption {
	return SpanOption{what: optAttributes, attrs: attrs}
}

// WithLinks adds links at the start, where the sampler sees them. They are copied.
func WithLinks(links ...trace.Link) SpanOption { return SpanOption{what: optLinks, links: links} }

// WithNewRoot starts a new trace, whatever ctx and the other options hold.
func WithNewRoot() SpanOption { return SpanOption{what: optNewRoot} }

// Finish ends the span: Kong's name for [Span.End], with the same care for a panicking goroutine.
func (s *Span) Finish() {
	if s.inert() {
		return
	}
	if v := recover(); v != nil { // must be called here: see End
		defer panic(v)
		s.recordPanic(v, nil)
	}
	s.end(time.Time{})
}

// FinishAt ends the span at the given time; the zero time means now. A time before the span's start is
// refused: the span stays open, and [Stats.RefusedEnds] counts the call. Like [Span.End] it records a
// panic that is under way.
func (s *Span) FinishAt(end time.Time) {
	if s.inert() {
		return
	}
	if v := recover(); v != nil { // must be called here: see End
		defer panic(v)
		s.recordPanic(v, nil)
	}
	if !end.IsZero() && s.beginsAfter(end) {
		s.provider.refusedEnds.Add(1)
		return
	}
	s.end(end)
}

// beginsAfter says whether the span is recording and starts after the given time.
func (s *Span) beginsAfter(at time.Time) bool {
	r := s.hold()
	if r == nil {
		return false
	}
	defer s.mu.Unlock()
	return unixNano(at) < r.start
}

// SetAttribute sets one attribute from a plain Go value: bool, string, any integer or float, also of a named
// type such as time.Duration, which is a number of nanoseconds; a slice of bool, int, int64, float64 or
// string, []byte, []any or map[string]any of such values, or an attribute.Value. Nil removes the attribute;
// inside a slice or a map it is the empty value. A value of another type is stored as the name of its type,
// and so is a slice or a map that is nested deeper than 64 levels or has no room among the first 65,536
// values of the attribute. An integer beyond the range of int64 is stored as text.
func (s *Span) SetAttribute(key string, value any) {
	if s.inert() {
		return
	}
	if value == nil {
		if r := s.hold(); r != nil {
			r.removeAttribute(attribute.Key(key))
			s.mu.Unlock()
		}
		return
	}
	room := maxElements
	s.SetAttributes(attribute.KeyValue{Key: attribute.Key(key), Value: attributeValue(value, 0, &room)})
}

// maxNesting and maxElements bound the recursion into a value, which may contain itself; where it does so
// twice, or shares its parts, 64 levels hold 2^64 values.
const (
	maxNesting  = 64
	maxElements = 1 << 16
)

// attributeValue makes an attribute value of a plain Go value that is nested so deep. room is how many
// elements slices and maps may still have.
func attributeValue(value any, depth int, room *int) attribute.Value {
	switch v := value.(type) {
	case nil:
		return attribute.Value{}
	case string:
		return attribute.StringValue(v)
	case bool:
		return attribute.BoolValue(v)
	case int:
		return attribute.IntValue(v)
	case int8:
		return attribute.Int64Value(int64(v))
	case int16:
		return attribute.Int64Value(int64(v))
	case int32:
		return attribute.Int64Value(int64(v))
	case int64:
		return attribute.Int64Value(v)
	case uint8:
		return attribute.Int64Value(int64(v))
	case uint16:
		return attribute.Int64Value(int64(v))
	case uint32:
		return attribute.Int64Value(int64(v))
	case uint:
		return unsignedValue(uint64(v))
	case uint64:
		return unsignedValue(v)
	case uintptr:
		return unsignedValue(uint64(v))
	case float32:
		return attribute.Float64Value(float64(v))
	case float64:
		return attribute.Float64Value(v)
	case []bool:
		return attribute.BoolSliceValue(v)
	case []int:
		return attribute.IntSliceValue(v)
	case []int64:
		return attribute.Int64SliceValue(v)
	case []float64:
		return attribute.Float64SliceValue(v)
	case []string:
		return attribute.StringSliceValue(v)
	case []byte:
		return attribute.ByteSliceValue(v)
	case []any:
		if depth < maxNesting && len(v) <= *room {
			*room -= len(v)
			return sliceValue(v, depth+1, room)
		}
	case map[string]any:
		if depth < maxNesting && len(v) <= *room {
			*room -= len(v)
			return mapValue(v, depth+1, room)
		}
	case attribute.Value:
		return v
	}
	switch v := reflect.ValueOf(value); v.Kind() { // a named type of one of these kinds
	case reflect.String:
		return attribute.StringValue(v.String())
	case reflect.Bool:
		return attribute.BoolValue(v.Bool())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return attribute.Int64Value(v.Int())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return unsignedValue(v.Uint())
	case reflect.Float32, reflect.Float64:
		return attribute.Float64Value(v.Float())
	}
	// Not fmt: it would move the caller's value to the heap.
	return attribute.StringValue(reflect.TypeOf(value).String())
}

func sliceValue(list []any, depth int, room *int) attribute.Value {
	values := make([]attribute.Value, len(list))
	for i := range list {
		values[i] = attributeValue(list[i], depth, room)
	}
	return attribute.SliceValue(values...)
}

func mapValue(m map[string]any, depth int, room *int) attribute.Value {
	kvs := make([]attribute.KeyValue, 0, len(m))
	for k, v := range m {
		kvs = append(kvs, attribute.KeyValue{Key: attribute.Key(k), Value: attributeValue(v, depth, room)})
	}
	return attribute.MapValue(kvs...)
}

// unsignedValue keeps numbers beyond int64 exact, as text.
func unsignedValue(n uint64) attribute.Value {
	if n > 1<<63-1 {
		return attribute.StringValue(strconv.FormatUint(n, 10))
	}
	return attribute.Int64Value(int64(n))
}

func (r *record) removeAttribute(key attribute.Key) {
	for i := range r.attrs {
		if r.attrs[i].Key == key {
			r.size -= attributeSize(&r.attrs[i])
			copy(r.attrs[i:], r.attrs[i+1:])
			last := len(r.attrs) - 1
			r.attrs[last] = attribute.KeyValue{}
			r.attrs = r.attrs[:last]
			return
		}
	}
}

// ActiveSpan returns the span in ctx that is being recorded or, when that one has ended, its nearest
// ancestor in this local trace that has not; nil when there is none. It never chooses a parent: that
// is always the span in ctx. Once a local trace has been handed over in part, the ancestor of an
// ended span may be forgotten, and that of a span which ended without [Tracer.LinkSpan] is; then the
// local root stands in, if it is open.
func (t *Tracer) ActiveSpan(ctx context.Context) *Span {
	s := t.spanIn(ctx)
	if s == nil || s.local == nil || !s.hasEnded() {
		return s // one that was sampled out never ends, and is active all the same
	}
	return s.local.openAncestor(s.id)
}

// hasEnded says whether a span of a recorded local trace has ended.
func (s *Span) hasEnded() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rec == nil || s.rec.idle && s.rec != &sampledOut
}

// spanIn returns the span in ctx, ended or not, if the tracer's provider made it, else nil.
func (t *Tracer) spanIn(ctx context.Context) *Span {
	p := t.active()
	if ctx == nil || p == nil {
		return nil
	}
	var s *Span
	if t.namespace != nil {
		s, _ = ctx.Value(t.namespace).(*Span)
	} else {
		s, _, _ = activeIn(ctx)
	}
	if s == nil || s.provider != p {
		return nil
	}
	return s
}

// openAncestor returns the nearest open ancestor of an ended span, or nil.
func (lt *localTrace) openAncestor(id spanID) *Span {
	lt.mu.Lock()
	defer lt.mu.Unlock()
	steps := lt.started // ids may repeat, and then parents run in circles
	for r := lt.find(id); r != nil && steps > 0; r, steps = lt.find(r.parent), steps-1 {
		if r.handle != nil && r.handle.id != id && r.handle.IsRecording() {
			return r.handle
		}
	}
	if lt.root.id != id && lt.root.IsRecording() {
		return &lt.root
	}
	return nil
}

// find returns the record of a span, or nil if it is no longer here. Needs lt.mu.
func (lt *localTrace) find(id spanID) *record {
	for b := lt.first; b != nil; b = b.next {
		for i := range b.records[:b.used] {
			if r := &b.records[i]; r.id == id && !r.moved {
				return r
			}
		}
	}
	return nil
}

// SetActiveSpan returns a Go context in which s is the active span of the tracer's namespace. Nil makes
// no span active.
func (t *Tracer) SetActiveSpan(ctx context.Context, s *Span) context.Context {
	if ctx == nil {
		ctx = context.Background()
	}
	if s != nil && s.identity == nil {
		s = nil
	}
	if t != nil && t.namespace != nil {
		return inNamespace(ctx, t.namespace, s)
	}
	learnSpanKey() // the one node that may be made before there is a provider
	_, _, base := activeIn(ctx)
	return withActive(base, s)
}

// RootSpan returns the local root of the trace in ctx: the first span that this provider made of it
// in this process. It is nil when there is none, or when the trace is not recorded.
func (t *Tracer) RootSpan(ctx context.Context) *Span {
	s := t.spanIn(ctx)
	if s == nil || s.local == nil {
		return nil
	}
	return &s.local.root
}
