// SPDX-License-Identifier: Apache-2.0

package propagation

import (
	"context"
	"math/bits"

	otelprop "go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/internal/remote"
)

// outgoing is what Inject sends.
type outgoing struct {
	traceID       trace.TraceID
	spanID        trace.SpanID // invalid: there are no ids
	parent        trace.SpanID
	flags         trace.TraceFlags
	decision      Decision
	debug         bool
	otherDecision bool     // the decision is not the one that arrived
	forwarded     bool     // no span was made here
	traceIDBits   uint8    // as the trace id arrived; 0 if it did not
	arrived       *arrival // where the trace id arrived, else nil
	state         trace.TraceState
}

func (out *outgoing) hasIDs() bool { return out.spanID != trace.SpanID{} }

// isTraceAlone reports whether a trace id arrived in a format without a span, and no span was made here. It goes
// on in that format only, of which readers expect it.
func (out *outgoing) isTraceAlone(f format) bool {
	return out.forwarded && out.arrived.IsTraceAlone() && out.arrived.Format == f
}

// extras returns what few requests have of what arrived, or nil.
func (out *outgoing) extras() *Extra {
	if out.arrived == nil {
		return nil
	}
	return out.arrived.Extras()
}

// Inject writes the span context in ctx into the carrier, in all formats of the configuration.
//
// Where the span in ctx was made by a provider its sampled flag is the decision. Where the span context is
// the one that arrived, or there is none, Inject forwards what arrived, with its parent, debug flag and
// decision, be it deferred or without ids. A sampled flag that somebody has changed in the span context that
// arrived is sent in place of its decision. Trace ids that arrived in 64 bits leave so, except in W3C; in OT
// they leave in 128 bits only if they arrived so. With neither a span nor anything that arrived, it only
// removes what Clear names.
//
// From a carrier that can remove, a HeaderCarrier or one with a method Delete(string), it first removes
// what Clear names. It also removes the other headers of each format that it writes, of either encoding
// for B3, so that nothing that was there before mixes with what it writes.
func (p *Propagator) Inject(ctx context.Context, carrier otelprop.TextMapCarrier) {
	dst, ok := newTarget(carrier)
	if !ok || ctx == nil {
		return
	}
	for i := range p.clear {
		dst.remove(&p.clear[i])
	}
	var out outgoing
	r, makeRequestID, ok := out.from(ctx)
	if !ok {
		return
	}
	set := p.inject
	if p.preserve {
		f := p.defaultFormat
		if r != nil && r.Format != formatNone {
			f = r.Format
		}
		set = set.with(f)
	}
	if set.isOne() && set&singles != 0 && !makeRequestID && (r == nil || r.Rare == nil) && out.state.Len() == 0 {
		if text := out.single(set); text != "" {
			injectSingle(&dst, set, text, r)
			return
		}
	}
	var t texts
	if out.hasIDs() {
		t.render(&out, set, makeRequestID)
	}
	requestID := t.part(partRequestID)
	n := headersOf(set)
	if r != nil {
		if r.RequestID != "" {
			requestID = r.RequestID
		}
		if r.Rare != nil {
			n += 4
		}
	}
	for _, rare := range [...]string{t.tracestate, t.part(partParent), requestID} {
		n += min(1, len(rare))
	}
	dst.reserve(n)
	if set.has(formatW3C) {
		injectW3C(&dst, &out, &t)
	}
	if set.has(formatB3) || set.has(formatB3Single) {
		injectB3(&dst, set, &out, &t)
	}
	if text := t.part(partJaeger); text != "" {
		dst.set(&jaegerHeader, text)
	}
	if set.has(formatOT) {
		injectOT(&dst, &out, &t)
	}
	if set.has(formatDatadog) {
		injectDatadog(&dst, &out, &t)
	}
	if text := t.part(partAWS); text != "" {
		dst.set(&awsHeader, text)
	} else if set.has(formatAWS) && out.isTraceAlone(formatAWS) {
		dst.set(&awsHeader, string(appendAWS(nil, &out)))
	}
	if text := t.part(partGCP); text != "" {
		dst.set(&gcpHeader, text)
	}
	if set.has(formatInstana) {
		injectInstana(&dst, &out, &t)
	}
	if requestID != "" {
		dst.set(&requestIDHeader, requestID)
	}
	if r != nil {
		if x := r.Extras(); x != nil {
			forwardCorrelation(&dst, x)
		}
	}
}

// single returns the value of the header that is sent where set, one of singles, is all, or "" where there is
// more to it.
func (out *outgoing) single(set formatSet) string {
	if !out.hasIDs() || out.decision == Defer {
		return ""
	}
	if out.forwarded && out.arrived.Text != "" && set.has(out.arrived.Format) {
		return out.arrived.Text
	}
	var buf [maxSmall]byte
	b := buf[:0]
	switch set {
	case 1 << formatW3C:
		if out.arrived != nil && out.arrived.Format == formatDatadog {
			return "" // it sends a tracestate
		}
		b = appendTraceparent(b, out)
	case 1 << formatB3Single:
		b = appendB3Single(b, out)
	case 1 << formatJaeger:
		b = appendJaeger(b, out)
	case 1 << formatAWS:
		b = appendAWS(b, out)
	}
	return string(b)
}

// injectSingle sets the header of a format and removes what would change its meaning. Of r, what arrived or nil,
// it sends a request id.
func injectSingle(dst *target, set formatSet, text string, r *arrival) {
	var requestID string
	if r != nil {
		requestID = r.RequestID
	}
	dst.reserve(1 + min(1, len(requestID)))
	if requestID != "" {
		dst.set(&requestIDHeader, requestID)
	}
	switch set {
	case 1 << formatW3C:
		dst.set(&traceparentHeader, text)
		dst.replace(&tracestateHeader, "")
	case 1 << formatB3Single:
		dst.set(&b3Header, text)
		for _, name := range b3ManyHeaders {
			dst.remove(name)
		}
	case 1 << formatJaeger:
		dst.set(&jaegerHeader, text)
	case 1 << formatAWS:
		dst.set(&awsHeader, text)
	}
}

// from sets what is sent of what is in ctx. It returns what arrived, or nil, whether an x-request-id is to be
// made, and whether there is anything to send. out is blank.
func (out *outgoing) from(ctx context.Context) (r *arrival, makeRequestID, ok bool) {
	if n, isNode := ctx.(*node); isNode { // what arrived is in ctx and nothing above it
		out.forward(&n.arrival)
		return &n.arrival, false, true
	}
	sc := trace.SpanContextFromContext(ctx)
	r = remote.FromContext(ctx)
	if !sc.IsValid() {
		if r != nil {
			out.forward(r)
		}
		return r, false, r != nil
	}
	out.join(&sc, r)
	return r, startsTrace(&sc, r) && (r == nil || r.RequestID == ""), true
}

// forward has what arrived sent on.
func (out *outgoing) forward(r *arrival) {
	out.traceID, out.spanID, out.parent, out.flags, out.traceIDBits = r.TraceID, r.SpanID, r.ParentSpanID, r.Flags, r.TraceIDBits
	out.decision, out.debug = r.Decision, r.Debug
	if r.Capped { // which is about what is recorded here
		out.decision = Accept
		if out.hasIDs() {
			out.flags |= trace.FlagsSampled
		}
		out.debug = r.Rare != nil && r.CappedDebug
	}
	if r.Rare != nil {
		out.state = r.State
	}
	out.arrived, out.forwarded = r, true
}

// join joins the span context in ctx, which is valid, with what arrived, or nil.
func (out *outgoing) join(sc *trace.SpanContext, r *arrival) {
	joined := sameTrace(sc, r)
	if joined && sc.IsRemote() && sc.SpanID() == r.SpanID {
		if sc.IsSampled() == r.Flags.IsSampled() {
			out.forward(r)
			out.state = sc.TraceState()
			return
		}
		out.parent = r.ParentSpanID // the span that arrived, but for its decision, which somebody has changed
	}
	out.traceID, out.spanID, out.flags, out.state = sc.TraceID(), sc.SpanID(), sc.TraceFlags(), sc.TraceState()
	out.decision = Deny
	if sc.IsSampled() {
		out.decision = Accept
		// A debug flag that came without ids is meant for the trace that this service started.
		out.debug = r != nil && r.Debug && (joined || !r.HasIDs())
	}
	if joined {
		out.traceIDBits = r.TraceIDBits
		out.arrived = r
		out.otherDecision = out.decision != r.Decision
	}
}

// headersOf returns how many headers Inject sets in the formats, but for those that few requests have.
func headersOf(set formatSet) int {
	return bits.OnesCount16(uint16(set)) + 2*bits.OnesCount16(uint16(set&threeHeaders)) +
		3*bits.OnesCount16(uint16(set&(1<<formatDatadog)))
}
