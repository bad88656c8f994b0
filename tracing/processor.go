// SPDX-License-Identifier: Apache-2.0

package tracing

import "context"

// Processor sees each recorded span at its start and at its end, on the goroutine of the caller.
// Processors are called in the order of registration. All methods are called by many goroutines at
// once. They must not block. A panic in OnStart, OnEnding or OnEnd reaches the caller of Start or End: it
// is not swallowed, and the span is exported all the same. Spans that the provider ends itself, at
// Shutdown or because too many are open, pass OnEnding and OnEnd too; at Shutdown a panic becomes an
// error.
type Processor interface {
	// OnStart is called when a span has been started; parent is the Go context given to Start.
	OnStart(parent context.Context, s *Span)
	// OnEnding is called when End has taken the end time. The span is still writable.
	OnEnding(s *Span)
	// OnEnd is called when the span can no longer be written to. d is borrowed until it returns.
	OnEnd(d *SpanData)
	// ForceFlush finishes what is pending, before ctx is done.
	ForceFlush(ctx context.Context) error
	// Shutdown is called once; after it only calls of End that are under way reach the processor.
	Shutdown(ctx context.Context) error
}
