// SPDX-License-Identifier: Apache-2.0

package tracing

import (
	"context"
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// Span is one timed operation: a handle that is safe for concurrent use, for as long as anyone holds
// it. What it records stands in a record behind it, which End detaches and the pipeline reuses; from
// then on every method is a no-op, SpanContext still answers, and nothing of another span can be
// read or written through it. All methods accept a nil *Span, which is no span.
//
// The methods that OpenTelemetry defines follow its specification (trace/api.md, "Span").
type Span struct {
	*identity
	base context.Context // the Go context below the node that this span is
	id   spanID

	mu  sync.Mutex // guards rec and, while it is not nil, what it points to
	rec *record    // nil: not recording; an idle one: ended from outside, or sampled out (local.go)
}

var (
	_ trace.Span    = (*Span)(nil)
	_ fmt.Formatter = (*Span)(nil)
)

// inert says that s never records: it is nil or the zero value, or was not sampled.
func (s *Span) inert() bool { return s == nil || s.identity == nil || s.local == nil }

// hold locks the span and returns its record, or nil, unlocked, if it is not recording.
func (s *Span) hold() *record {
	if s.inert() {
		return nil
	}
	s.mu.Lock()
	if r := s.rec; r != nil && !r.idle {
		return r
	}
	s.mu.Unlock()
	return nil
}

// SpanContext returns the span's identity. It never changes.
func (s *Span) SpanContext() trace.SpanContext {
	if s == nil || s.identity == nil {
		return trace.SpanContext{}
	}
	return s.identity.spanContext(s.id)
}

// TracerProvider returns the provider that made the span.
func (s *Span) TracerProvider() trace.TracerProvider {
	if s == nil || s.identity == nil {
		return noopProvider
	}
	return s.provider
}

// IsRecording says whether the span takes data: it was not sampled out and has not ended.
func (s *Span) IsRecording() bool {
	if s.hold() == nil {
		return false
	}
	s.mu.Unlock()
	return true
}

// SetName replaces the span's name.
func (s *Span) SetName(name string) {
	if r := s.hold(); r != nil {
		r.name = name
		s.mu.Unlock()
	}
}

// SetAttributes sets attributes; the last value of a key wins. Those with an empty key, and those
// beyond [SpanLimits], are refused and counted.
func (s *Span) SetAttributes(attrs ...attribute.KeyValue) {
	if r := s.hold(); r != nil {
		r.setAttributes(s.provider.limits.Load(), attrs)
		s.mu.Unlock()
	}
}

func (s *Span) setAttributes(l *SpanLimits, attrs []attribute.KeyValue) {
	if r := s.hold(); r != nil {
		r.setAttributes(l, attrs)
		s.mu.Unlock()
	}
}

// SetStatus sets the status. Ok is final; Error replaces Unset and an earlier Error. The
// description counts for Error only.
func (s *Span) SetStatus(code codes.Code, description string) {
	if r := s.hold(); r != nil {
		r.setStatus(code, description)
		s.mu.Unlock()
	}
}

// AddEvent adds a timed note.
func (s *Span) AddEvent(name string, opts ...trace.EventOption) {
	if !s.IsRecording() {
		return
	}
	mono := s.provider.mono()
	at, cfg := s.eventConfig(mono, opts)
	s.addEvent(name, mono, at, cfg.Attributes())
}

// eventConfig reads options. at is the zero time unless they give one: where they do not, package
// otel/trace has read the clock, and would put the event on another clock than the span's.
func (s *Span) eventConfig(mono int64, opts []trace.EventOption) (at time.Time, cfg trace.EventConfig) {
	if len(opts) == 0 {
		return at, cfg
	}
	cfg = trace.NewEventConfig(withoutNil(opts)...)
	at = cfg.Timestamp()
	monotonic := at != at.Round(0) //nolint:revive // Equal does not tell whether there is a monotonic reading
	if since := s.provider.monoAt(at) - mono; monotonic && since >= 0 &&
		(since < justNow || mono+since <= s.provider.mono()) {
		at = time.Time{} // it was read since we were called
	}
	return at, cfg
}

// justNow is how long after our own reading of the clock package otel/trace mostly reads it, in ns. Only
// beyond it another reading has to tell that one from a time ahead that the user gave.
const justNow = 10_000

// withoutNil returns options without those that are nil, on which package otel/trace panics.
func withoutNil[O any](opts []O) []O {
	for i := range opts {
		if any(opts[i]) == nil {
			return slices.DeleteFunc(slices.Clone(opts), func(o O) bool { return any(o) == nil })
		}
	}
	return opts
}

// addEvent adds an event; where at is zero, at mono.
func (s *Span) addEvent(name string, mono int64, at time.Time, attrs []attribute.KeyValue) {
	if r := s.hold(); r != nil {
		if at.IsZero() {
			at = time.Unix(0, r.start+(mono-r.startMono))
		}
		r.addEvent(s.provider.limits.Load(), name, at, attrs)
		s.mu.Unlock()
	}
}

// AddLink adds a reference to another span context. One that is invalid and carries neither
// attributes nor a trace state is ignored.
func (s *Span) AddLink(link trace.Link) {
	if !s.inert() {
		s.addLink(s.provider.limits.Load(), link)
	}
}

func (s *Span) addLink(l *SpanLimits, link trace.Link) {
	if !link.SpanContext.IsValid() && len(link.Attributes) == 0 && link.SpanContext.TraceState().Len() == 0 {
		return
	}
	if r := s.hold(); r != nil {
		r.addLink(l, link)
		s.mu.Unlock()
	}
}

// RecordError adds an event "exception" with the error's type and text. It does not change the
// status. A nil error is ignored.
func (s *Span) RecordError(err error, opts ...trace.EventOption) {
	if err == nil || !s.IsRecording() {
		return
	}
	mono := s.provider.mono()
	at, cfg := s.eventConfig(mono, opts)
	s.addException(typeName(err), errorText(err), cfg.StackTrace(), mono, at, cfg.Attributes())
}

// Attribute keys and event name of the semantic conventions for exceptions.
const (
	exceptionEvent                    = "exception"
	exceptionTypeKey    attribute.Key = "exception.type"
	exceptionMessageKey attribute.Key = "exception.message"
	exceptionStackKey   attribute.Key = "exception.stacktrace"
)

func (s *Span) addException(typ, message string, stack bool, mono int64, at time.Time, more []attribute.KeyValue) {
	attrs := make([]attribute.KeyValue, 0, 3+len(more))
	attrs = append(attrs, exceptionTypeKey.String(typ), exceptionMessageKey.String(message))
	if stack {
		attrs = append(attrs, exceptionStackKey.String(stackTrace()))
	}
	// What the caller says takes precedence (trace/api.md, "Record Exception").
	attrs = slices.DeleteFunc(attrs, func(kv attribute.KeyValue) bool {
		return slices.ContainsFunc(more, func(other attribute.KeyValue) bool { return other.Key == kv.Key })
	})
	s.addEvent(exceptionEvent, mono, at, append(attrs, more...))
}

// errorText returns the text of an error, also of one whose method panics, as that of a nil pointer may.
func errorText(err error) (text string) {
	defer func() {
		if recover() != nil {
			text = "the Error method of this error panics"
		}
	}()
	return err.Error()
}

// typeName returns the name of v's type as the OpenTelemetry SDK writes it: with its import path.
func typeName(v any) string {
	t := reflect.TypeOf(v)
	if t.PkgPath() == "" && t.Name() == "" { // a pointer or another unnamed type
		return t.String()
	}
	return t.PkgPath() + "." + t.Name()
}

func stackTrace() string {
	buf := make([]byte, 4<<10)
	return string(buf[:runtime.Stack(buf, false)])
}

// End ends the span and hands it to the pipeline. Further calls do nothing. In a panicking goroutine
// (defer span.End()) it records the panic as an exception event and as status Error, and the panic
// goes on.
func (s *Span) End(opts ...trace.SpanEndOption) {
	if s.inert() {
		return // nothing was recorded, and a panic goes on by itself
	}
	// recover works only in the function that was deferred: here and in Finish.
	if v := recover(); v != nil {
		defer panic(v)
		s.recordPanic(v, opts)
	}
	var at time.Time
	if len(opts) > 0 {
		cfg := trace.NewSpanEndConfig(withoutNil(opts)...)
		at = cfg.Timestamp()
	}
	s.end(at)
}

func (s *Span) recordPanic(v any, opts []trace.SpanEndOption) {
	if !s.IsRecording() {
		return
	}
	cfg := trace.NewSpanEndConfig(withoutNil(opts)...)
	message := fmt.Sprint(v)
	s.addException(typeName(v), message, cfg.StackTrace(), s.provider.mono(), time.Time{}, nil)
	s.SetStatus(codes.Error, message)
}

// end ends the span; a zero at is now.
func (s *Span) end(at time.Time) {
	p := s.provider
	mono := p.mono() // before anything that may take time
	u := routine
	if p.mayWait && !p.waitForRoom() {
		u = waitedInVain
	}
	s.endWith(at, mono, nil, u)
}

// endWith ends the span at the time at, or where that is zero at mono, and leaves after in its record's
// place: nil, or &abandoned or &evicted, which mark the span as unfinished. It reports false if the span had ended
// already.
func (s *Span) endWith(at time.Time, mono int64, after *record, u urgency) bool {
	p := s.provider
	s.mu.Lock()
	r := s.rec
	if r == nil || r.idle || r.ending || r.unlinked {
		switch {
		case r == &abandoned && after == nil:
			s.rec = nil
			p.endedLate.Add(1)
		case r != nil && r.unlinked:
			s.rec = nil
			s.mu.Unlock()
			s.local.forget(r)
			return false
		}
		s.mu.Unlock()
		return false
	}
	if at.IsZero() {
		r.end = r.start + (mono - r.startMono)
	} else {
		r.end = unixNano(at)
	}
	if after != nil {
		r.markUnfinished()
	}
	s.rec = after
	if len(p.processors) == 0 {
		s.mu.Unlock()
		s.local.finish(r, u)
		return true
	}
	r.ending = true
	s.mu.Unlock()
	s.process(r, u)
	return true
}

// process shows a span that is ending to the processors and finishes it, also if one of them panics.
// They write through a handle of their own: from here on nobody else may (trace/sdk.md, "OnEnding").
func (s *Span) process(r *record, u urgency) {
	lent := &Span{identity: s.identity, base: s.base, id: s.id, rec: r}
	kept := false
	defer func() {
		if kept || lent.take() {
			s.local.finish(r, u)
		} else {
			s.local.discard(r, u)
		}
	}()
	p := s.provider
	lent.showEnding(p.processors)
	if kept = lent.take(); kept {
		p.onEnd(r)
	}
}

// showEnding calls OnEnding of procs until one of them releases s. Those behind one that panics are called
// all the same: the span is exported, so a redactor must have seen it.
func (s *Span) showEnding(procs []Processor) {
	next := 0
	defer func() {
		if next < len(procs) && s.IsRecording() {
			s.showEnding(procs[next:])
		}
	}()
	for next < len(procs) && s.IsRecording() {
		proc := procs[next]
		next++
		proc.OnEnding(s)
	}
}

// take takes the record out of a handle that was lent to processors. It reports false if one of them
// has released it.
func (s *Span) take() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := s.rec != nil
	s.rec = nil
	return kept
}

// Release drops a span that has not ended: it is not exported, counts in [Stats.Withheld], and its
// record goes back to the pool with those of its local trace. Processors do not see its end. In
// [Processor.OnEnding] it drops the span that is ending. After End it does nothing: what has ended is
// the pipeline's.
func (s *Span) Release() {
	if s.inert() {
		return
	}
	s.mu.Lock()
	r := s.rec
	if r == nil || r.idle {
		s.mu.Unlock()
		return
	}
	s.rec = nil
	ending, unlinked := r.ending, r.unlinked
	s.mu.Unlock()
	switch {
	case ending: // process finishes it
	case unlinked:
		s.local.forget(r)
	default:
		s.local.discard(r, routine)
	}
}

// Format prints the span's ids, whatever the verb: never what it records, so that printing a Go
// context neither races nor leaks attributes.
func (s *Span) Format(f fmt.State, _ rune) {
	if s == nil || s.identity == nil {
		fmt.Fprint(f, "span(nil)")
		return
	}
	fmt.Fprintf(f, "span(%s/%s)", s.traceID.bytes(), s.id.bytes())
}
