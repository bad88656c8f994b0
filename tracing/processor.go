// SPDX-License-Identifier: Apache-2.0

package tracing

import "context"

// Processor sees each recorded span at its start and at its end, on the goroutine of the caller.
// Processors are called in the order of registration. All methods are called by many goroutines at
// once. They must not block. A panic in one reaches the caller: it is not swallowed.
type Processor interface {
	// OnStart is called when a span has been started; parent is the Go context given to Start.
	OnStart(parent context.Context, s *Span)
	// OnEnding is called when End has taken the end time. The span is still writable.
	OnEnding(s *Span)
	// OnEnd is called when the span can no longer be written to. d is borrowed until it returns.
	OnEnd(d *SpanData)
	// ForceFlush finishes what is pending, before ctx is done.
	ForceFlush(ctx context.Context) error
	// Shutdown is called once; nothing is called after it.
	Shutdown(ctx context.Context) error
}
