// SPDX-License-Identifier: Apache-2.0

package propagation

// Instana, as its tracers write it:
//
//	x-instana-t, x-instana-s, x-instana-l: 1 or 0
//
// A trace id has up to 32 digits, a span id up to 16; zeros in front may be missing. What follows the
// first character of the level is for the service at the edge, and not for those behind it. A level
// of 0 without ids suppresses the trace. A level of 1 without ids is what every browser sends: it
// forces nothing, so the decision is left to the callee.

// extractInstana reads the x-instana-* headers into in.
func (p *Propagator) extractInstana(src *source, in *arrival) {
	var f fields
	level := src.get(&instanaLevelHeader)
	if level != "" {
		var ok bool
		if f.decision, ok = parseDecision(level[:1]); !ok {
			p.malformed.count(formatInstana, reasonDecision)
		}
	}
	traceID, spanID := src.get(&instanaTraceIDHeader), src.get(&instanaSpanIDHeader)
	switch {
	case traceID == "" && spanID == "":
	case traceID == "" || spanID == "":
		p.malformed.count(formatInstana, reasonIncomplete)
	default:
		if refused := f.setPaddedIDs(traceID, spanID); refused != reasonNone {
			p.malformed.count(formatInstana, refused)
			f = fields{decision: f.decision}
		}
	}
	if !f.hasIDs() && f.decision == Accept {
		f.decision = Defer
	}
	f.store(in)
	in.Format = formatInstana
}

// setPaddedIDs sets the ids from digits of either case; zeros in front may be missing.
func (f *fields) setPaddedIDs(traceID, spanID string) reason {
	if len(traceID) > longIDLen || len(spanID) > idLen {
		return reasonLength
	}
	if !decodePadded(f.traceID[:], traceID) || !decodePadded(f.spanID[:], spanID) {
		return reasonSyntax
	}
	if !f.traceID.IsValid() || !f.hasIDs() {
		return reasonZeroID
	}
	f.traceIDBits = 128
	if len(traceID) <= idLen {
		f.traceIDBits = 64
	}
	return reasonNone
}

// injectInstana writes the x-instana-* headers, or removes those that are not ours. An accept without
// ids is not written: none of its readers takes it for one.
func injectInstana(dst *target, out *outgoing, t *texts) {
	var level string
	switch {
	case out.decision == Deny:
		level = "0"
	case !out.hasIDs():
		return
	case out.decision == Accept:
		level = "1"
	}
	dst.put(&instanaTraceIDHeader, t.traceID(out))
	dst.put(&instanaSpanIDHeader, t.spanID())
	dst.put(&instanaLevelHeader, level)
}
