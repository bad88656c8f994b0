// SPDX-License-Identifier: Apache-2.0

package sampling

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/internal/remote"
)

// Sampler decides at a span's start whether it is recorded and sampled.
//
// Both methods are called by many goroutines at once. Sample must not keep Parameters or what its
// slices hold; it must not block, and it should not allocate. A panic in it reaches the caller of
// Start: it is not swallowed.
type Sampler interface {
	// Sample decides about one span.
	Sample(p Parameters) Result
	// Description names the sampler and its arguments, such as "TraceIDRatioBased{0.1}".
	Description() string
}

// HeadSampler is a [Sampler] that can decide without looking at the span: from the trace id and the
// parent's decision. Package tracing finds it by type assertion and asks it first, which spares it
// the Parameters and a copy of the attributes. All samplers of this package are of this kind;
// [Probability] and [Composite] decide so only about what they drop, and [EnvoyRequestID] where a
// request id has no say.
type HeadSampler interface {
	Sampler
	// SampleHead decides as Sample would and returns true, or returns false: then Sample is asked. It
	// is called by many goroutines at once.
	SampleHead(h Head) (Decision, bool)
}

// Head is what a [HeadSampler] may base its decision on: a few of the [Parameters], in a form that fits
// registers.
type Head struct {
	// TraceIDHigh and TraceIDLow are the first and the last 8 bytes of the trace id, big-endian.
	TraceIDHigh, TraceIDLow uint64

	ParentDecision ParentDecision
	Debug          bool
	// LocalParent says that Parent is valid and not remote.
	LocalParent bool
	// NoParent says that the trace begins here and nothing arrived: neither ids nor a decision, a request id
	// or a trace state.
	NoParent bool
}

// Decision is what a [Sampler] decides about one span.
type Decision uint8

// The three decisions, as in the OpenTelemetry specification (trace/sdk.md, "ShouldSample").
const (
	// Drop: the span records nothing and its sampled flag is not set.
	Drop Decision = iota
	// RecordOnly: the span records and processors see it, but it is not exported and its sampled flag
	// is not set.
	RecordOnly
	// RecordAndSample: the span records, is exported, and its sampled flag is set.
	RecordAndSample
)

// String returns "Drop", "RecordOnly" or "RecordAndSample".
func (d Decision) String() string {
	switch d {
	case RecordOnly:
		return "RecordOnly"
	case RecordAndSample:
		return "RecordAndSample"
	default:
		return "Drop"
	}
}

// ParentDecision is the decision of a span's parent. OpenTelemetry's sampled flag knows two values;
// B3, Datadog and Kong know a third, that the caller leaves the decision to the callee.
type ParentDecision = remote.Decision

// The three values of [ParentDecision]. ParentDefer is the zero value.
const (
	ParentDefer  ParentDecision = remote.Defer
	ParentDeny   ParentDecision = remote.Deny
	ParentAccept ParentDecision = remote.Accept
)

// Parameters is what a [Sampler] may base its decision on. It is passed by value so that it never
// needs the heap.
type Parameters struct {
	// Context is the Go context that was given to Start. It is never nil.
	Context context.Context
	// Parent is the parent's span context; invalid for a root span. Parent.IsRemote says whether it
	// came from another process.
	Parent trace.SpanContext
	// ParentDecision is the parent's decision. For a local parent it is its sampled flag. It may be
	// ParentDeny or ParentAccept although Parent is invalid: B3 can carry a decision without ids.
	ParentDecision ParentDecision
	// Debug says that the caller forces the trace through all samplers (B3's debug flag).
	// It implies ParentAccept.
	Debug bool
	// TraceID is the trace id that the span has, the parent's or a new one.
	TraceID trace.TraceID
	// Random says that the last 56 bits of the trace id are known to be random: the random flag of W3C
	// Trace Context Level 2, which the parent sent, or which a trace that begins here is given.
	Random bool
	// Name is the name given to Start.
	Name string
	// Kind is the span's kind, never SpanKindUnspecified.
	Kind trace.SpanKind
	// Attributes and Links are those given to Start; read-only and borrowed until Sample returns.
	Attributes []attribute.KeyValue
	Links      []trace.Link
	// RequestID is the x-request-id that arrived with the request, or "".
	RequestID string
}

// Result is a [Sampler]'s answer.
type Result struct {
	Decision Decision
	// Attributes are added to the span. They are copied before Start returns.
	Attributes []attribute.KeyValue
	// TraceState, if not nil, replaces the parent's trace state on the new span. It is read-only: a
	// sampler may return the same one many times.
	TraceState *trace.TraceState
}
