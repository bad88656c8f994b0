// SPDX-License-Identifier: Apache-2.0

package propagation

import "strings"

// Jaeger, as in the propagation format of Jaeger's client libraries:
//
//	uber-trace-id: <trace id>:<span id>:<parent span id>:<flags>
//
// A trace id has up to 32 digits, a span id up to 16; writers may leave out zeros in front. The
// parent is 0 if there is none. The flags have one or two digits.
const (
	jaegerSampled = 0x01
	// jaegerDebug means something only beside jaegerSampled.
	jaegerDebug = 0x02
	// jaegerMax is the length of the longest uber-trace-id that is written: 32+1+16+1+16+1+2.
	jaegerMax = 69
	// jaegerMaxRead bounds what is read, in bytes: all colons encoded, and a parent of any length that is seen.
	jaegerMaxRead = 256
)

// extractJaeger reads uber-trace-id into in.
func (p *Propagator) extractJaeger(src *source, in *arrival) {
	value := src.get(&jaegerHeader)
	if value == "" {
		return
	}
	if len(value) > jaegerMaxRead {
		p.malformed.count(formatJaeger, reasonLength)
		return
	}
	if strings.IndexByte(value, '%') >= 0 {
		// Some clients encode the value like that of an URL, and Jaeger's own decode it.
		value = strings.ReplaceAll(strings.ReplaceAll(value, "%3A", ":"), "%3a", ":")
	}
	f, refused := parseJaeger(value)
	if refused != reasonNone {
		p.malformed.count(formatJaeger, refused)
		return
	}
	f.store(in)
	in.Format = formatJaeger
}

// parseJaeger reads the value of uber-trace-id. Of a parent that is too long to be a span id it keeps
// the last digits, as Kong does: the field is out of use, and no reason to break a trace.
func parseJaeger(s string) (f fields, refused reason) {
	traceID, rest, _ := strings.Cut(s, ":")
	spanID, rest, _ := strings.Cut(rest, ":")
	parent, flags, ok := strings.Cut(rest, ":")
	if !ok {
		return fields{}, reasonIncomplete
	}
	if len(traceID) > longIDLen || len(spanID) > idLen || len(flags) > 2 {
		return fields{}, reasonLength
	}
	var bits [1]byte
	if !decodePadded(f.traceID[:], traceID) || !decodePadded(f.spanID[:], spanID) ||
		!decodePadded(f.parent[:], parent) || !decodePadded(bits[:], flags) {
		return fields{}, reasonSyntax
	}
	if !f.traceID.IsValid() || !f.spanID.IsValid() {
		return fields{}, reasonZeroID
	}
	f.traceIDBits = 128
	if len(traceID) <= idLen {
		f.traceIDBits = 64
	}
	f.decision = Deny
	if bits[0]&jaegerSampled != 0 {
		f.decision = Accept
		f.debug = bits[0]&jaegerDebug != 0
	}
	return f, reasonNone
}

// appendJaeger appends the value of uber-trace-id. There must be a decision, for the flags cannot say
// that there is none.
func appendJaeger(dst []byte, out *outgoing) []byte {
	if out.traceIDBits == 64 {
		dst = appendHex(dst, out.traceID[8:])
	} else {
		dst = appendHex(dst, out.traceID[:])
	}
	dst = appendHex(append(dst, ':'), out.spanID[:])
	dst = append(dst, ':')
	if out.parent.IsValid() {
		dst = appendHex(dst, out.parent[:])
	} else {
		dst = append(dst, '0')
	}
	// Two digits, as Kong writes them. They come of the decision and not of the trace flags, whose
	// second bit, random, would be read as debug here.
	switch {
	case out.debug:
		return append(dst, ":03"...)
	case out.decision == Accept:
		return append(dst, ":01"...)
	default:
		return append(dst, ":00"...)
	}
}
