// SPDX-License-Identifier: Apache-2.0

package tracing

import "context"

// Processor sees each recorded span at its start and at its end, on the goroutine of the caller. Processors
// are called in the order of registration. All methods are called by many goroutines at once. They must not
// block. A panic in OnStart, OnEnding or OnEnd reaches the caller of Start or End: it is not swallowed, and
// the span is exported all the same, after OnEnding of the processors behind the one that panicked; after a
// panic in OnStart the span has ended. Spans that the provider ends itself, at Shutdown or because too many
// are open, pass OnEnding and OnEnd too; at Shutdown a panic becomes an error.
type Processor interface {
	// OnStart is called when a span has been started; parent is the Go context given to Start, and may
	// hold the parent span. [Span.Snapshot] reads what the span holds.
	OnStart(parent context.Context, s *Span)
	// OnEnding is called when End has taken the end time. The span is still writable, through s alone,
	// which is another handle of the span than that of OnStart, valid until the last processor's
	// OnEnding returns: what other goroutines write to the span any more has no effect.
	// [Span.Release] drops the span: the processors behind this one, and OnEnd, do not see it.
	OnEnding(s *Span)
	// OnEnd is called, after the OnEnding of all processors, when the span can no longer be written
	// to. d is borrowed until it returns.
	OnEnd(d *SpanData)
	// ForceFlush finishes what is pending, before ctx is done.
	ForceFlush(ctx context.Context) error
	// Shutdown is called once; after it only calls of End that are under way reach the processor.
	Shutdown(ctx context.Context) error
}
