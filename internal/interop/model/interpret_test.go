// SPDX-License-Identifier: Apache-2.0

package model_test

import (
	"context"
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// interpreter runs operations on one library.
type interpreter struct {
	*library
	tracers []trace.Tracer // got before the first operation

	spansMu sync.Mutex // guards spans
	spans   map[int]started
}

type started struct {
	ctx context.Context
	trace.Span
	fresh bool // its tracer was got just before
}

// interpret runs a program and returns when it ran.
func interpret(l *library, p program) period {
	in := &interpreter{library: l, spans: map[int]started{}}
	for _, t := range tracers {
		in.tracers = append(in.tracers, l.provider.Tracer(t.name, t.opts...))
	}
	when := period{from: time.Now()}
	for _, o := range p.ops {
		in.do(o)
		in.ask(o)
	}
	if err := l.provider.ForceFlush(context.Background()); err != nil {
		in.note(note{text: err.Error()})
	}
	when.to = time.Now()
	for n, s := range in.spans {
		l.out.handles[n] = s.Span
	}
	return when
}

func (in *interpreter) note(n note) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.out.notes = append(in.out.notes, n)
}

func (in *interpreter) get(n int) (started, bool) {
	in.spansMu.Lock()
	defer in.spansMu.Unlock()
	s, ok := in.spans[n]
	return s, ok
}

// ask notes what the span of an operation answers.
func (in *interpreter) ask(o op) {
	for _, b := range o.branches {
		for _, o := range b {
			in.ask(o)
		}
	}
	if s, ok := in.get(o.span); ok && !o.quiet {
		in.note(note{span: o.span, recording: s.IsRecording(), sc: s.SpanContext()})
		if s.TracerProvider() != trace.TracerProvider(in.provider) && !s.fresh {
			in.note(note{text: "another provider"})
		}
	}
}

func (in *interpreter) do(o op) {
	switch o.do {
	case "start":
		in.start(o)
	case "end":
		if s, ok := in.get(o.span); ok {
			in.end(s, o)
		}
	case "flush":
		if err := in.provider.ForceFlush(context.Background()); err != nil {
			in.note(note{text: fmt.Sprint("flush: ", err)})
		}
	case "shutdown":
		in.note(note{text: fmt.Sprint("shutdown: ", in.provider.Shutdown(context.Background()))})
	case "parallel":
		var group sync.WaitGroup
		for _, b := range o.branches {
			group.Go(func() {
				for _, o := range b {
					in.do(o)
				}
			})
		}
		group.Wait()
	default:
		if s, ok := in.get(o.span); ok {
			apply(s, o)
		}
	}
}

func (in *interpreter) start(o op) {
	if _, ok := in.get(o.span); ok {
		return // numbers are given once
	}
	t := in.tracers[o.tracer]
	if o.fresh {
		var p trace.TracerProvider = in.provider
		if parent, ok := in.get(o.parent); ok {
			p = parent.TracerProvider()
		}
		t = p.Tracer(tracers[o.tracer].name, tracers[o.tracer].opts...)
	}
	in.ids.current.Store(int64(o.span)) // starts of parallel branches have Go contexts
	ctx, s := t.Start(in.parent(o), o.name, startOptions(o)...)
	if held := trace.SpanFromContext(ctx); !held.SpanContext().Equal(s.SpanContext()) || held.IsRecording() != s.IsRecording() {
		in.note(note{text: "the Go context holds another span"})
	}
	in.spansMu.Lock()
	defer in.spansMu.Unlock()
	in.spans[o.span] = started{ctx, s, o.fresh}
}

// parent returns the Go context that a span is started with.
func (in *interpreter) parent(o op) context.Context {
	ctx := context.Background()
	p, ok := in.get(o.parent)
	switch o.from {
	case "ctx", "handle", "remote", "local", "noop":
		if !ok {
			return context.WithValue(ctx, numberKey{}, o.span)
		}
	}
	switch o.from {
	case "ctx":
		ctx = p.ctx
	case "handle":
		ctx = trace.ContextWithSpan(ctx, p.Span)
	case "remote":
		ctx = trace.ContextWithRemoteSpanContext(ctx, p.SpanContext())
	case "local":
		ctx = trace.ContextWithSpanContext(ctx, p.SpanContext())
	case "noop":
		ctx, _ = noop.NewTracerProvider().Tracer("").Start(p.ctx, "")
	case "nil span":
		ctx = trace.ContextWithSpan(ctx, nil)
	case "far":
		ctx = trace.ContextWithRemoteSpanContext(ctx, spanContexts[o.remote])
	case "near":
		ctx = trace.ContextWithSpanContext(ctx, spanContexts[o.remote])
	case "nil":
		return nil
	}
	return context.WithValue(ctx, numberKey{}, o.span)
}

func startOptions(o op) []trace.SpanStartOption {
	opts := []trace.SpanStartOption{trace.WithSpanKind(o.kind)}
	if o.at > 0 {
		opts = append(opts, trace.WithTimestamp(timeAt(o.at)))
	}
	for i := range o.attrs {
		opts = append(opts, trace.WithAttributes(attributes(o.attrs[i:i+1])...))
	}
	for _, l := range o.links {
		opts = append(opts, trace.WithLinks(trace.Link{SpanContext: spanContexts[l.to], Attributes: attributes(l.attrs)}))
	}
	if o.newRoot {
		opts = append(opts, trace.WithNewRoot())
	}
	return opts
}

func eventOptions(o op) (opts []trace.EventOption, attrs []attribute.KeyValue) {
	if o.at > 0 {
		opts = append(opts, trace.WithTimestamp(timeAt(o.at)))
	}
	if attrs = attributes(o.attrs); len(attrs) > 0 {
		opts = append(opts, trace.WithAttributes(attrs...))
	}
	if o.stack {
		opts = append(opts, trace.WithStackTrace(true))
	}
	return opts, attrs
}

// exceptionAttributes are those of the event that our RecordError makes: its own, but for those that the
// caller gives, and then the caller's.
func exceptionAttributes(o op) []attribute.KeyValue {
	err := failures[o.err]
	if err == nil {
		return nil
	}
	name := fmt.Sprintf("%T", err)
	if t := reflect.TypeOf(err); t.Name() != "" {
		name = t.PkgPath() + "." + t.Name()
	}
	attrs := []attribute.KeyValue{attribute.String("exception.type", name), attribute.String("exception.message", err.Error())}
	if o.stack {
		attrs = append(attrs, attribute.String("exception.stacktrace", strings.Repeat("goroutine ", 1000)))
	}
	more := attributes(o.attrs)
	attrs = slices.DeleteFunc(attrs, func(a attribute.KeyValue) bool {
		return slices.ContainsFunc(more, func(b attribute.KeyValue) bool { return a.Key == b.Key })
	})
	return append(attrs, more...)
}

// apply does one operation on a span that is there, and then writes to what it was given.
func apply(s trace.Span, o op) {
	var attrs []attribute.KeyValue
	switch o.do {
	case "name":
		s.SetName(o.name)
	case "attributes":
		attrs = attributes(o.attrs)
		s.SetAttributes(attrs...)
	case "event":
		var opts []trace.EventOption
		opts, attrs = eventOptions(o)
		s.AddEvent(o.name, opts...)
	case "error":
		var opts []trace.EventOption
		opts, attrs = eventOptions(o)
		if o.how != "as event" {
			s.RecordError(failures[o.err], opts...)
		} else if failures[o.err] != nil {
			made := exceptionAttributes(o)
			o.attrs = nil
			opts, _ = eventOptions(o)
			s.AddEvent("exception", append(opts, trace.WithAttributes(made...))...)
		}
	case "link":
		for _, l := range o.links { // the SDK keeps the caller's attributes
			s.AddLink(trace.Link{SpanContext: spanContexts[l.to], Attributes: attributes(l.attrs)})
		}
	case "status":
		s.SetStatus(o.code, o.text)
	}
	for i := range attrs {
		attrs[i] = attribute.String("written", "afterwards")
	}
}

// end ends a span.
func (in *interpreter) end(s trace.Span, o op) {
	var opts []trace.SpanEndOption
	if o.at > 0 {
		opts = append(opts, trace.WithTimestamp(timeAt(o.at)))
	}
	if o.stack {
		opts = append(opts, trace.WithStackTrace(true))
	}
	switch o.how {
	case "goroutine":
		done := make(chan struct{})
		go func() {
			defer close(done)
			defer s.End(opts...)
		}()
		<-done
	case "goexit":
		done := make(chan struct{})
		go func() {
			defer close(done)
			defer s.End(opts...)
			runtime.Goexit()
		}()
		<-done
	case "panic":
		defer func() {
			v := recover()
			in.note(note{text: fmt.Sprintf("panic: %T %v", v, v)})
		}()
		defer s.End(opts...)
		panics[o.err]()
	default:
		s.End(opts...)
	}
}
