// SPDX-License-Identifier: Apache-2.0

package propagation

import "go.opentelemetry.io/otel/trace"

// The lengths of ids in digits, in B3 and what was made after it.
const (
	idLen     = 16
	longIDLen = 32
)

// fields is what headers other than a traceparent hold.
type fields struct {
	traceID     trace.TraceID
	spanID      trace.SpanID // valid if there are ids
	parent      trace.SpanID
	traceIDBits uint8
	decision    Decision
	debug       bool
}

func (f *fields) hasIDs() bool { return f.spanID != trace.SpanID{} }

// store sets all of in but its format and its request id.
func (f *fields) store(in *arrival) {
	in.Decision = f.decision
	in.Debug = f.debug
	if !f.hasIDs() {
		return
	}
	in.TraceID, in.SpanID, in.ParentSpanID, in.TraceIDBits = f.traceID, f.spanID, f.parent, f.traceIDBits
	// The sampled flag is the only one: no other format than w3c says that a trace id is random.
	if f.decision == Accept {
		in.Flags = trace.FlagsSampled
	}
}

// setIDs sets the ids from their digits: 16 or 32 for a trace id, 16 for the others. parent may be
// empty, or zeros, which mean none.
func (f *fields) setIDs(traceID, spanID, parent string) reason {
	switch len(traceID) {
	case longIDLen:
		f.traceIDBits = 128
	case idLen:
		f.traceIDBits = 64
	default:
		return reasonLength
	}
	if len(spanID) != idLen || parent != "" && len(parent) != idLen {
		return reasonLength
	}
	if !decodeAny(f.traceID[16-len(traceID)/2:], traceID) ||
		!decodeAny(f.spanID[:], spanID) ||
		parent != "" && !decodeAny(f.parent[:], parent) {
		return reasonSyntax
	}
	if f.traceID == (trace.TraceID{}) || !f.hasIDs() {
		return reasonZeroID
	}
	return reasonNone
}

// isPrintable reports whether s can stand in a header: visible characters of ASCII and spaces.
func isPrintable(s string) bool {
	for len(s) >= 8 {
		b := eightBytes(s)
		// The highest bit of a byte is set in the first if it is below a space, in the second if it is the last of
		// ASCII. Only a byte that is bad as well can carry into its neighbour.
		if ((b-' '*everyByte)&^b|(b+everyByte)|b)&(0x80*everyByte) != 0 {
			return false
		}
		s = s[8:]
	}
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// parseDecision reads a header that has a decision as its value. It reports false for one that
// nobody writes; words are of older writers.
func parseDecision(s string) (d Decision, ok bool) {
	switch s {
	case "":
		return Defer, true
	case "1", "true", "True", "TRUE":
		return Accept, true
	case "0", "false", "False", "FALSE":
		return Deny, true
	default:
		return Defer, false
	}
}
