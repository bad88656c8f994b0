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
)

// WithKind sets the span's kind; the default is internal.
func WithKind(kind trace.SpanKind) SpanOption { return SpanOption{what: optKind, kind: int32(kind)} }

// WithParent makes the span a child of parent, whatever ctx holds. A nil parent does nothing.
func WithParent(parent *Span) SpanOption { return SpanOption{what: optParent, span: parent} }

// WithRemoteParent makes the span a child of a span in another process, if neither [WithParent] nor
// ctx gives a parent.
func WithRemoteParent(sc trace.SpanContext) SpanOption {
	return SpanOption{what: optRemoteParent, remote: &sc}
}

// WithStartTime sets the start time; the zero time means now.
func WithStartTime(at time.Time) SpanOption { return SpanOption{what: optStartTime, at: &at} }

// WithShouldSample decides about sampling in the sampler's place. It counts only for a span without
// a parent, and only if the request brought no decision: nobody re-decides a trace.
func WithShouldSample(sample bool) SpanOption {
	return SpanOption{what: optShouldSample, flag: sample}
}

// WithAttributes sets attributes at the start, where the sampler sees them. They are copied.
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

// SetAttribute sets one attribute from a plain Go value: bool, string, any integer or float, a slice
// of bool, int, int64, float64 or string, []byte, or an attribute.Value. Nil removes the attribute.
// A value of another type is stored as the name of its type. An integer beyond the range of int64 is
// stored as text.
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
	s.SetAttributes(attribute.KeyValue{Key: attribute.Key(key), Value: attributeValue(value)})
}

// attributeValue makes an attribute value of a plain Go value.
func attributeValue(value any) attribute.Value {
	switch v := value.(type) {
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
	case attribute.Value:
		return v
	default:
		// Not fmt: it would move the caller's value to the heap.
		return attribute.StringValue(reflect.TypeOf(value).String())
	}
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
// ended span may be forgotten; then the local root stands in, if it is open.
func (t *Tracer) ActiveSpan(ctx context.Context) *Span {
	s := t.spanIn(ctx)
	if s == nil || s.local == nil || s.IsRecording() {
		return s // one that was sampled out never ends, and is active all the same
	}
	return s.local.openAncestor(s.id)
}

// spanIn returns the span in ctx, ended or not, if the tracer's provider made it, else nil.
func (t *Tracer) spanIn(ctx context.Context) *Span {
	p := t.active()
	if ctx == nil || p == nil {
		return nil
	}
	s, _, _ := activeIn(ctx)
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
		if r.handle != nil && r.handle.id != id {
			return r.handle
		}
	}
	if r := lt.find(lt.root.id); r != nil && r.handle != nil && lt.root.id != id {
		return r.handle
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

// SetActiveSpan returns a Go context whose active span is s. Nil makes no span active.
func (t *Tracer) SetActiveSpan(ctx context.Context, s *Span) context.Context {
	if ctx == nil {
		ctx = context.Background()
	}
	_, _, base := activeIn(ctx)
	if foreignKeys {
		return trace.ContextWithSpan(base, s)
	}
	return &activeNode{Context: base, span: s}
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
