// SPDX-License-Identifier: Apache-2.0

package propagation

import "go.opentelemetry.io/otel/trace"

// The W3C Trace Context specification, level 2, sections 3.2 and 3.3. A traceparent of version 00 is
//
//	00-<trace id>-<span id>-<flags>
//
// in lower-case hexadecimal digits.
const (
	traceparentLen = 55
	// The flags that version 00 defines; the others are to be sent as zero.
	w3cFlags = trace.FlagsSampled | trace.FlagsRandom
)

// extractW3C reads traceparent and tracestate into in, which is blank.
func (p *Propagator) extractW3C(src *source, in *arrival) {
	value, twice := src.only(&traceparentHeader)
	if value == "" && !twice {
		return
	}
	if twice {
		p.malformed.count(formatW3C, reasonDuplicate)
		return
	}
	if refused := parseTraceparent(value, in); refused != reasonNone {
		*in = arrival{}
		p.malformed.count(formatW3C, refused)
		return
	}
	in.Format = formatW3C
	in.TraceIDBits = 128
	if value[:2] == "00" && value[53] == '0' && value[54] <= '3' {
		in.Text = src.text(value)
	}
	in.Decision = Deny
	if in.Flags.IsSampled() {
		in.Decision = Accept
	}
	// Only a valid traceparent gives tracestate a meaning (section 3.3).
	var one [1]string
	if lines := src.lines(&tracestateHeader, &one); len(lines) > 0 {
		if len(lines) == 1 && len(lines[0]) <= maxStateLen { // several are joined to a new string, and a longer one is dropped
			one[0] = src.keep(lines[0])
			lines = one[:]
		}
		p.readTraceState(lines, in)
	}
}

func (p *Propagator) readTraceState(lines []string, in *arrival) {
	list, state, legal := parseTraceState(lines)
	if !legal {
		p.malformed.count(formatW3C, reasonTraceState)
	}
	if list == "" {
		return
	}
	rare := in.AddRare()
	rare.TraceState, rare.State = list, state
	if value := datadogMember(list); value != "" {
		readDatadogState(in, value)
	}
}

// parseTraceparent reads a traceparent of any version but ff into in, which is blank. Of a version that it
// does not know it reads the fields that version 00 has, and of the flags the sampled flag only (section
// 3.2.4).
func parseTraceparent(s string, in *arrival) (refused reason) {
	if len(s) < traceparentLen {
		return reasonLength
	}
	version, isVersion := lowerByte(s[0], s[1])
	switch {
	case !isVersion:
		return reasonSyntax
	case version == 0xff:
		return reasonVersion
	case len(s) == traceparentLen:
	case version == 0:
		return reasonLength
	case s[55] != '-':
		return reasonSyntax
	}
	flags, isFlags := lowerByte(s[53], s[54])
	if s[2] != '-' || s[35] != '-' || s[52] != '-' || !isFlags ||
		!decodeLower(in.TraceID[:], s[3:35]) ||
		!decodeLower(in.SpanID[:], s[36:52]) {
		return reasonSyntax
	}
	if in.TraceID == (trace.TraceID{}) || !in.HasIDs() {
		return reasonZeroID
	}
	in.Flags = trace.TraceFlags(flags) & w3cFlags
	if version != 0 {
		in.Flags &= trace.FlagsSampled
	}
	return reasonNone
}

// appendTraceparent appends a traceparent of version 00.
func appendTraceparent(dst []byte, out *outgoing) []byte {
	start := len(dst)
	dst = append(dst, "00-                                -                -0"...)
	text := dst[start:]
	putHex(text[3:35], out.traceID[:])
	putHex(text[36:52], out.spanID[:])
	return append(dst, hexDigits[out.flags&w3cFlags])
}

// injectW3C writes traceparent and tracestate, or removes a tracestate that is not ours.
func injectW3C(dst *target, out *outgoing, t *texts) {
	if !out.hasIDs() || out.decision == Defer {
		// traceparent has no word for a deferred decision: its flag would be a deny.
		return
	}
	dst.set(&traceparentHeader, t.traceparent())
	dst.replace(&tracestateHeader, t.tracestate)
}
