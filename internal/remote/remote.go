// SPDX-License-Identifier: Apache-2.0

package remote

import (
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

// Decision is the sampling decision that a caller sent: accept, deny, or none at all.
type Decision uint8

// The three decisions. Defer is the zero value: the caller leaves the decision to us.
const (
	Defer Decision = iota
	Deny
	Accept
)

// String returns "defer", "deny" or "accept".
func (d Decision) String() string {
	switch d {
	case Deny:
		return "deny"
	case Accept:
		return "accept"
	default:
		return "defer"
	}
}

// Remote is what arrived with one request, for users; a Go context holds an [Arrived].
type Remote struct {
	// SpanContext is the caller's span, remote. It is invalid when no valid ids arrived. It then has a trace id
	// only where that arrived from one who makes no spans: an AWS load balancer, a Datadog synthetic test.
	SpanContext trace.SpanContext
	// ParentSpanID is the caller's own parent, where the format carries it (B3, Jaeger), else zero.
	ParentSpanID trace.SpanID
	// Decision is the caller's sampling decision. It may be set without valid ids ("b3: 0").
	Decision Decision
	// Debug says that the caller forces this trace through all samplers (X-B3-Flags: 1). It implies
	// Decision == Accept.
	Debug bool
	// Capped says that the caller decided to sample and propagation.WithForcedSamplingLimit took that back:
	// Decision is Defer here, Debug false and Priority 0. Where no span is made here all of it goes on as it came.
	Capped bool
	// Priority is the sampling priority that a Datadog library sent, in its headers or in tracestate: 1
	// and 2 accept, 0 and -1 deny; 2 and -1 are a user's will. Other values, from -99 to 99, stand for the
	// same by their sign. It is 0 where none arrived: Decision tells.
	Priority int8
	// Format names the format that was read: "w3c", "b3", "b3-single", "jaeger", "ot", "datadog",
	// "aws", "gcp", "instana", or "" when only a request id arrived.
	Format string
	// TraceIDBits is the width of the trace id as it came, 64 or 128; 0 without one.
	TraceIDBits int
	// TraceState is the tracestate that arrived in W3C: its lines as one list, legal by level 2 of the
	// specification, without white space around members and without empty ones; or "". It holds what
	// SpanContext.TraceState refuses, keys such as a@ and duplicates, and at most 32 members.
	TraceState string
	// RequestID is the x-request-id header byte for byte, or "".
	RequestID string
	// Extra is what few requests carry, nil where nothing of it arrived; see Extras.
	Extra *Extra
}

// Extra is the part of a [Remote] that few requests have.
type Extra struct {
	// DatadogOrigin is where the trace began, as x-datadog-origin says ("rum", "synthetics"), or "".
	DatadogOrigin string
	// DatadogTags holds the tags of the trace in x-datadog-tags, with commas between them, such as
	// _dd.p.dm=-4. The names of all begin with _dd.p.; _dd.p.tid is part of the trace id and not among
	// them. At most 512 bytes.
	DatadogTags string
	// AWSFields holds the fields of x-amzn-trace-id that are not X-Ray's own, with ; between them, such as
	// Lineage=a87bd80c:0. They are forwarded in that header. At most 512 bytes.
	AWSFields string
	// ClientTraceID, ForceTrace and KongRequestID are the headers x-client-trace-id and
	// x-envoy-force-trace, by which Envoy is told to trace, and x-kong-request-id, by which Kong's logs are
	// found, byte for byte, or "".
	ClientTraceID, ForceTrace, KongRequestID string
	// Links are the spans of other traces that headers of other formats named: the span that starts
	// here links to them.
	Links []Link
}

// Extras returns what Extra points to, or the zero value.
func (r Remote) Extras() Extra {
	if r.Extra == nil {
		return Extra{}
	}
	return *r.Extra
}

// Link is a span that headers named and that is not the parent.
type Link struct {
	SpanContext trace.SpanContext
	// Format is the format that named it.
	Format string
}

// formatKey says on a link which header format named the other trace.
const formatKey attribute.Key = "propagation.format"

// OnSpan returns the link as a span has it.
func (l *Link) OnSpan() trace.Link {
	return trace.Link{SpanContext: l.SpanContext, Attributes: []attribute.KeyValue{formatKey.String(l.Format)}}
}
