// SPDX-License-Identifier: Apache-2.0

package tracetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/spandrel-go/spandrel/tracing"
)

// Call is a call of ExportSpans or SendRequest that a [Fault] stands before.
type Call struct {
	// Number counts the calls of the exporter from 1.
	Number int
	// Spans is how many spans are to be delivered.
	Spans int
	// Data is the spans, borrowed until the fault returns; nil for SendRequest, which has only bytes.
	Data []*tracing.SpanData

	deliver func(ctx context.Context) error
}

// Deliver makes the call of the exporter behind the fault and returns its error.
func (c Call) Deliver(ctx context.Context) error { return c.deliver(ctx) }

// Fault is what becomes of a call: it may make it by [Call.Deliver], once, more often or not at all, and
// what it returns is returned. The functions below make the usual faults; any other function will do.
type Fault func(ctx context.Context, c Call) error

// ErrFault is the cause of the errors that the faults of this package make.
var ErrFault = errors.New("tracetest: a fault that the test asked for")

// Pass is no fault: the call is made.
func Pass() Fault { return func(ctx context.Context, c Call) error { return c.Deliver(ctx) } }

// Fail returns err and delivers nothing. A *[tracing.ExportError] says what the pipeline may do about it.
func Fail(err error) Fault { return func(context.Context, Call) error { return err } }

// FailForNow returns an error after which the pipeline tries again, after the given time at the
// earliest; 0 leaves the time to the pipeline.
func FailForNow(after time.Duration) Fault {
	return Fail(&tracing.ExportError{Err: ErrFault, Retryable: true, RetryAfter: after})
}

// FailAbove refuses calls of more spans than that as too large, and makes the others.
func FailAbove(spans int) Fault {
	return func(ctx context.Context, c Call) error {
		if c.Spans > spans {
			return &tracing.ExportError{Err: ErrFault, TooLarge: true}
		}
		return c.Deliver(ctx)
	}
}

// Reject makes the call and, if it succeeds, reports that the backend refused so many of its spans.
func Reject(spans int) Fault {
	return func(ctx context.Context, c Call) error {
		if err := c.Deliver(ctx); err != nil {
			return err
		}
		return &tracing.ExportError{Err: ErrFault, Rejected: spans}
	}
}

// Panic panics with v.
func Panic(v any) Fault { return func(context.Context, Call) error { panic(v) } }

// Delay waits, then does the rest. When ctx is done before, it returns its error.
func Delay(d time.Duration, rest Fault) Fault {
	return func(ctx context.Context, c Call) error {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
			return rest(ctx, c)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Hang is a backend that never answers: it waits until ctx is done and returns its error.
func Hang() Fault {
	return func(ctx context.Context, _ Call) error {
		<-ctx.Done()
		return ctx.Err()
	}
}

// Stuck is an exporter that ignores ctx: it waits until release is closed, then makes the call.
func Stuck(release <-chan struct{}) Fault {
	return func(ctx context.Context, c Call) error {
		<-release
		return c.Deliver(ctx)
	}
}

// Counts says how an exporter was called.
type Counts struct {
	// Calls counts the calls of ExportSpans and SendRequest, Spans the spans in them.
	Calls, Spans int
	// Overlaps counts those that met another one, AfterShutdown those after the first Shutdown. A
	// provider makes neither, unless it had to leave a call behind.
	Overlaps, AfterShutdown int
	// Shutdowns counts the calls of Shutdown.
	Shutdowns int
}

// FaultExporter stands before an exporter and lets its calls fail by a script: the first fault is for
// the first call, and so on; when the script is at its end, calls are made, or meet [FaultExporter.Rest].
// It does not encode, whatever stands behind it: see [FaultEncoder]. All methods are safe for concurrent use.
type FaultExporter struct {
	next tracing.Exporter

	mu         sync.Mutex // guards all below
	script     []Fault    // what is left of it
	rest       Fault
	onShutdown func(context.Context) error
	inside     int
	counts     Counts
}

var (
	_ tracing.Exporter         = (*FaultExporter)(nil)
	_ tracing.EncodingExporter = (*FaultEncoder)(nil)
)

// NewFaultExporter makes one. A nil next is an exporter that takes everything.
func NewFaultExporter(next tracing.Exporter, script ...Fault) *FaultExporter {
	if next == nil {
		next = NewRecorder()
	}
	return &FaultExporter{next: next, script: slices.Clone(script), rest: Pass()}
}

// Then adds to the script.
func (e *FaultExporter) Then(faults ...Fault) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.script = append(e.script, faults...)
}

// Rest sets what becomes of all calls after the script.
func (e *FaultExporter) Rest(f Fault) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.rest = f
}

// OnShutdown sets what Shutdown does in place of the shutdown of the exporter behind.
func (e *FaultExporter) OnShutdown(f func(ctx context.Context) error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.onShutdown = f
}

// Counts returns how the exporter was called so far.
func (e *FaultExporter) Counts() Counts {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.counts
}

// ExportSpans does what the script says.
func (e *FaultExporter) ExportSpans(ctx context.Context, spans []*tracing.SpanData) error {
	return e.call(ctx, Call{Spans: len(spans), Data: spans, deliver: func(ctx context.Context) error {
		return e.next.ExportSpans(ctx, spans)
	}})
}

// Shutdown shuts the exporter behind down.
func (e *FaultExporter) Shutdown(ctx context.Context) error {
	e.mu.Lock()
	e.counts.Shutdowns++
	f := e.onShutdown
	e.mu.Unlock()
	if f == nil {
		f = e.next.Shutdown
	}
	return f(ctx)
}

// call counts a call and gives it to its fault.
func (e *FaultExporter) call(ctx context.Context, c Call) error {
	e.mu.Lock()
	e.counts.Calls++
	e.counts.Spans += c.Spans
	c.Number = e.counts.Calls
	if e.inside > 0 {
		e.counts.Overlaps++
	}
	if e.counts.Shutdowns > 0 {
		e.counts.AfterShutdown++
	}
	e.inside++
	fault := e.rest
	if len(e.script) > 0 {
		fault = e.script[0]
		e.script = e.script[1:]
	}
	e.mu.Unlock()
	defer func() { // also when the fault panics
		e.mu.Lock()
		e.inside--
		e.mu.Unlock()
	}()
	if fault == nil {
		return fmt.Errorf("%w: call %d meets a fault that is nil", ErrFault, c.Number)
	}
	return fault(ctx, c)
}

// FaultEncoder is a [FaultExporter] before an exporter that encodes. The script is for its calls of
// SendRequest, and of ExportSpans, should somebody call that; encoding is left as it is.
type FaultEncoder struct {
	*FaultExporter
	encoder tracing.EncodingExporter
}

// NewFaultEncoder makes one.
func NewFaultEncoder(next tracing.EncodingExporter, script ...Fault) *FaultEncoder {
	return &FaultEncoder{NewFaultExporter(next, script...), next}
}

// AppendResource is that of the exporter behind.
func (e *FaultEncoder) AppendResource(dst []byte, r *tracing.Resource) []byte {
	return e.encoder.AppendResource(dst, r)
}

// AppendSpan is that of the exporter behind.
func (e *FaultEncoder) AppendSpan(dst []byte, d *tracing.SpanData) []byte {
	return e.encoder.AppendSpan(dst, d)
}

// AppendRequest is that of the exporter behind.
func (e *FaultEncoder) AppendRequest(dst []byte, b tracing.EncodedBatch) []byte {
	return e.encoder.AppendRequest(dst, b)
}

// SendRequest does what the script says.
func (e *FaultEncoder) SendRequest(ctx context.Context, body []byte, spans int) error {
	return e.call(ctx, Call{Spans: spans, deliver: func(ctx context.Context) error {
		return e.encoder.SendRequest(ctx, body, spans)
	}})
}
