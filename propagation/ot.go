// SPDX-License-Identifier: Apache-2.0

package propagation

// OT, the format of OpenTracing's basic tracers and of LightStep:
//
//	ot-tracer-traceid, ot-tracer-spanid, ot-tracer-sampled: 1 or 0
//
// A trace id has 16 or 32 digits, a span id 16. Without ot-tracer-sampled the decision is left to the
// callee.

// extractOT reads the ot-tracer-* headers into in. If one id is bad none is used.
func (p *Propagator) extractOT(src *source, in *arrival) {
	var f fields
	var ok bool
	if f.decision, ok = parseDecision(src.get(&otSampledHeader)); !ok {
		p.malformed.count(formatOT, reasonDecision)
	}
	traceID, spanID := src.get(&otTraceIDHeader), src.get(&otSpanIDHeader)
	switch {
	case traceID == "" && spanID == "":
	case traceID == "" || spanID == "":
		p.malformed.count(formatOT, reasonIncomplete)
	default:
		ids := fields{decision: f.decision}
		if refused := ids.setIDs(traceID, spanID, ""); refused != reasonNone {
			p.malformed.count(formatOT, refused)
		} else {
			f = ids
		}
	}
	f.store(in)
	in.Format = formatOT
}

// injectOT writes the ot-tracer-* headers, or removes an ot-tracer-sampled that is not ours. Their
// readers take no decision without ids, so none is written.
func injectOT(dst *target, out *outgoing, t *texts) {
	if !out.hasIDs() {
		return
	}
	var sampled string
	switch out.decision {
	case Accept:
		sampled = "1"
	case Deny:
		sampled = "0"
	}
	dst.set(&otTraceIDHeader, t.otTraceID(out))
	dst.set(&otSpanIDHeader, t.spanID())
	dst.put(&otSampledHeader, sampled)
}
