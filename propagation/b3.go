// SPDX-License-Identifier: Apache-2.0

package propagation

import (
	"strings"

	"go.opentelemetry.io/otel/trace"
)

// B3, as in the README of openzipkin/b3-propagation. Several headers:
//
//	x-b3-traceid, x-b3-spanid, x-b3-parentspanid, x-b3-sampled: 1 or 0, x-b3-flags: 1 (debug)
//
// or one, where the last two parts are optional, and a decision may stand alone:
//
//	b3: <trace id>-<span id>-<1, 0 or d>-<parent span id>
//
// A trace id has 16 or 32 digits, the others 16. No decision means that it is left to the callee.

const (
	// b3SingleMax is the length of the longest b3 header: 32+1+16+1+1+1+16.
	b3SingleMax = 68
	// b3PlainLen is the length of one without a parent.
	b3PlainLen = 51
)

// extractB3 reads the b3 header and the x-b3-* headers into in. Each of the two, the ids and the
// decision, is taken from the b3 header if that has it, else from the others.
func (p *Propagator) extractB3(src *source, in *arrival) {
	var f fields
	in.Format = formatB3
	if value := src.get(&b3Header); value != "" {
		if parsePlainB3(value, &f) {
			f.store(in)
			in.Format, in.Text = formatB3Single, src.text(value)
			return
		}
		var refused reason
		if f, refused = parseB3Single(value); refused != reasonNone {
			p.malformed.count(formatB3Single, refused)
		} else {
			in.Format = formatB3Single
		}
	}
	if f.decision == Defer {
		p.readB3Decision(src, &f)
	}
	if !f.hasIDs() {
		p.readB3IDs(src, &f)
	}
	f.store(in)
}

// meetOtherB3 reads the x-b3-* headers of a request whose b3 header has ids, too: in is what was read, found
// what in was added to. Some proxies, older Envoys and Kong among them, write x-b3-* beside a b3 header that
// they pass on as it came.
func (p *Propagator) meetOtherB3(src *source, found, in *arrival) {
	if in.Format != formatB3Single || src.get(&b3TraceIDHeader) == "" {
		return
	}
	one, _ := parseB3Single(src.get(&b3Header))
	if !one.hasIDs() {
		return // the ids of in are those of x-b3-*
	}
	f := fields{decision: in.Decision, debug: in.Debug}
	if one.decision != Defer { // else the decision of in is that of x-b3-*
		var many fields
		if p.readB3Decision(src, &many); many.decision != Defer {
			f = many
		}
	}
	p.readB3IDs(src, &f)
	other := arrival{Format: formatB3}
	f.store(&other)
	p.meet(src, found, &other)
}

// readB3Decision reads x-b3-flags and x-b3-sampled.
func (p *Propagator) readB3Decision(src *source, f *fields) {
	switch src.get(&b3FlagsHeader) {
	case "1":
		f.decision, f.debug = Accept, true
		return
	case "", "0": // older writers send 0 for "not debug"
	default:
		p.malformed.count(formatB3, reasonDecision)
	}
	var ok bool
	if f.decision, ok = parseDecision(src.get(&b3SampledHeader)); !ok {
		p.malformed.count(formatB3, reasonDecision)
	}
}

// readB3IDs reads x-b3-traceid, x-b3-spanid and x-b3-parentspanid. If one is bad none is used.
func (p *Propagator) readB3IDs(src *source, f *fields) {
	traceID, spanID := src.get(&b3TraceIDHeader), src.get(&b3SpanIDHeader)
	if traceID == "" && spanID == "" {
		return
	}
	if traceID == "" || spanID == "" {
		p.malformed.count(formatB3, reasonIncomplete)
		return
	}
	ids := fields{decision: f.decision, debug: f.debug}
	refused := ids.setIDs(traceID, spanID, src.get(&b3ParentSpanIDHeader))
	if refused != reasonNone {
		p.malformed.count(formatB3, refused)
		return
	}
	*f = ids
}

// parsePlainB3 reads a b3 header in the form that most have and that we write: 32 lower-case digits, 16, and a
// decision. It reports false for any other.
func parsePlainB3(s string, f *fields) bool {
	if len(s) != b3PlainLen || s[32] != '-' || s[49] != '-' ||
		!decodeLower(f.traceID[:], s[:32]) || !decodeLower(f.spanID[:], s[33:49]) || f.traceID == (trace.TraceID{}) || !f.hasIDs() ||
		!f.setDecision(s[50]) {
		return false
	}
	f.traceIDBits = 128
	return true
}

// parseB3Single reads a b3 header. A parent without a decision before it is what Brave writes when
// the decision is deferred; a dash at the end is what a template with an empty last part writes.
func parseB3Single(s string) (f fields, refused reason) {
	if len(s) == 1 {
		if !f.setDecision(s[0]) {
			return f, reasonSyntax
		}
		return f, reasonNone
	}
	traceIDLen := strings.IndexByte(s, '-')
	spanIDEnd := traceIDLen + 1 + idLen
	if traceIDLen < 0 || len(s) < spanIDEnd {
		return fields{}, reasonLength
	}
	var parent string
	switch rest := s[spanIDEnd:]; {
	case rest == "", rest == "-":
	case rest[0] != '-':
		return fields{}, reasonSyntax
	case len(rest) == 1+idLen:
		parent = rest[1:]
	case !f.setDecision(rest[1]):
		return fields{}, reasonSyntax
	case len(rest) == 2:
	case rest[2] != '-':
		return fields{}, reasonSyntax
	case len(rest) != 3+idLen:
		return fields{}, reasonLength
	default:
		parent = rest[3:]
	}
	if refused = f.setIDs(s[:traceIDLen], s[traceIDLen+1:spanIDEnd], parent); refused != reasonNone {
		return fields{}, refused
	}
	return f, reasonNone
}

func (f *fields) setDecision(c byte) bool {
	switch c {
	case '1':
		f.decision = Accept
	case '0':
		f.decision = Deny
	case 'd':
		f.decision, f.debug = Accept, true
	default:
		return false
	}
	return true
}

// b3Sampled returns the value that stands for the decision, or "" for a deferred one.
func b3Sampled(out *outgoing) string {
	switch {
	case out.debug:
		return "d"
	case out.decision == Accept:
		return "1"
	case out.decision == Deny:
		return "0"
	default:
		return ""
	}
}

// appendB3Single appends a b3 header with ids.
func appendB3Single(dst []byte, out *outgoing) []byte {
	if out.traceIDBits == 64 {
		dst = appendHex(dst, out.traceID[8:])
	} else {
		dst = appendHex(dst, out.traceID[:])
	}
	dst = appendHex(append(dst, '-'), out.spanID[:])
	sampled := b3Sampled(out)
	if sampled == "" {
		// A parent here would be read as a bad decision by most.
		return dst
	}
	dst = append(append(dst, '-'), sampled...)
	if out.parent.IsValid() {
		dst = appendHex(append(dst, '-'), out.parent[:])
	}
	return dst
}

// injectB3 writes the encodings that set has. Readers prefer the b3 header, and fill from one encoding
// what the other lacks: what an earlier hop wrote, as in a proxy that copies headers, must not mix
// with ours. So all headers of B3 that are not written are removed.
func injectB3(dst *target, set formatSet, out *outgoing, t *texts) {
	sampled := b3Sampled(out)
	if !out.hasIDs() && sampled == "" {
		return
	}
	var many struct{ traceID, spanID, parent, sampled, flags string }
	if set.has(formatB3) {
		many.traceID, many.spanID, many.parent = t.traceID(out), t.spanID(), t.part(partParent)
		if sampled == "d" {
			// Debug implies accept: x-b3-sampled is not sent with it.
			many.flags = "1"
		} else {
			many.sampled = sampled
		}
	}
	var single string
	if set.has(formatB3Single) {
		if single = t.part(partB3Single); single == "" {
			single = sampled
		}
	}
	if single != "" {
		dst.set(&b3Header, single)
	}
	dst.putAll(b3ManyHeaders[:], many.traceID, many.spanID, many.sampled, many.parent, many.flags)
	if single == "" {
		dst.replace(&b3Header, "")
	}
}

var b3ManyHeaders = [...]*header{
	&b3TraceIDHeader, &b3SpanIDHeader, &b3SampledHeader, &b3ParentSpanIDHeader, &b3FlagsHeader,
}
