// SPDX-License-Identifier: Apache-2.0

package propagation

import (
	"strings"

	"go.opentelemetry.io/otel/trace"
)

// AWS X-Ray, as in "Tracing header" of its developer guide:
//
//	x-amzn-trace-id: Root=1-<8 digits>-<24 digits>;Parent=<span id>;Sampled=<1, 0 or ?>
//
// The fields stand in any order, with spaces around them. A load balancer sends a Root without a Parent
// where a trace begins: there is no span to join then, but the root span that starts here is one of that trace,
// as with X-Ray's SDKs. A field Self is the load balancer's own. What
// others put into the header goes on, as X-Ray's SDKs do it: Lineage, by which Lambda finds loops.
const (
	awsTraceIDLen = 35
	// awsMax is the length of the longest header without fields of others: 5+35+1+7+16+1+9.
	awsMax = 74
	// awsFieldsMax bounds what is kept of others, in bytes. Lambda's Lineage is a tenth of it.
	awsFieldsMax = 512
	// awsMaxRead bounds what is read, in bytes: all of that, a Self, and white space.
	awsMaxRead = 1024
)

// extractAWS reads x-amzn-trace-id into in.
func (p *Propagator) extractAWS(src *source, in *arrival) {
	value := src.get(&awsHeader)
	if value == "" {
		return
	}
	if len(value) > awsMaxRead {
		p.malformed.count(formatAWS, reasonLength)
		return
	}
	var f fields
	if parsePlainAWS(value, &f) {
		f.store(in)
		in.Format, in.Text = formatAWS, src.text(value)
		return
	}
	f, others, refused := p.parseAWS(value)
	if refused != reasonNone {
		p.malformed.count(formatAWS, refused)
		return
	}
	f.store(in)
	in.TraceID, in.TraceIDBits = f.traceID, f.traceIDBits
	if in.TraceID.IsValid() && others != "" {
		in.AddExtra().AWSFields = src.keep(others)
	}
	in.Format = formatAWS
}

// parsePlainAWS reads the value of x-amzn-trace-id in the form that most have and that we write. It reports
// false for any other.
func parsePlainAWS(s string, f *fields) bool {
	const root, parent, sampled = "Root=1-", ";Parent=", ";Sampled="
	if len(s) != awsMax || s[:7] != root || s[15] != '-' || s[40:48] != parent || s[64:73] != sampled ||
		!decodeLower(f.traceID[:4], s[7:15]) || !decodeLower(f.traceID[4:], s[16:40]) || !decodeLower(f.spanID[:], s[48:64]) ||
		f.traceID == (trace.TraceID{}) || !f.hasIDs() {
		return false
	}
	switch s[73] {
	case '1':
		f.decision = Accept
	case '0':
		f.decision = Deny
	default:
		return false
	}
	f.traceIDBits = 128
	return true
}

// parseAWS reads the value of x-amzn-trace-id. It counts what it leaves out without refusing the rest.
func (p *Propagator) parseAWS(s string) (f fields, others string, refused reason) {
	var root bool
	var part string
	for rest, more := s, true; more; {
		part, rest, more = strings.Cut(rest, ";")
		key, value, ok := strings.Cut(part, "=")
		if !ok {
			continue
		}
		key, value = strings.Trim(key, " \t"), strings.Trim(value, " \t")
		switch key {
		case "Root":
			if refused = f.setAWSTraceID(value); refused != reasonNone {
				return fields{}, "", refused
			}
			root = true
		case "Parent":
			if len(value) != idLen {
				return fields{}, "", reasonLength
			}
			if !decodeAny(f.spanID[:], value) {
				return fields{}, "", reasonSyntax
			}
			if !f.hasIDs() {
				return fields{}, "", reasonZeroID
			}
		case "Sampled":
			if f.decision, ok = parseAWSDecision(value); !ok {
				p.malformed.count(formatAWS, reasonDecision)
			}
		case "Self", "":
		default:
			if part = strings.Trim(part, " \t"); len(others)+len(part) >= awsFieldsMax || !isPrintable(part) {
				p.malformed.count(formatAWS, reasonFields)
				continue
			}
			if others != "" {
				others += ";"
			}
			others += part
		}
	}
	if !root && f.hasIDs() {
		return fields{}, "", reasonIncomplete
	}
	return f, others, reasonNone
}

func (f *fields) setAWSTraceID(s string) reason {
	if len(s) != awsTraceIDLen {
		return reasonLength
	}
	if s[:2] != "1-" || s[10] != '-' || !decodeAny(f.traceID[:4], s[2:10]) || !decodeAny(f.traceID[4:], s[11:]) {
		return reasonSyntax
	}
	if !f.traceID.IsValid() {
		return reasonZeroID
	}
	f.traceIDBits = 128
	return reasonNone
}

// parseAWSDecision reads the value of Sampled. A ? asks the callee to decide, and to say so in its
// response, which we do not.
func parseAWSDecision(s string) (d Decision, ok bool) {
	switch s {
	case "1":
		return Accept, true
	case "0":
		return Deny, true
	default:
		return Defer, s == "" || s == "?"
	}
}

// appendAWS appends the value of x-amzn-trace-id.
func appendAWS(dst []byte, out *outgoing) []byte {
	dst = appendHex(append(dst, "Root=1-"...), out.traceID[:4])
	dst = appendHex(append(dst, '-'), out.traceID[4:])
	if out.hasIDs() {
		dst = appendHex(append(dst, ";Parent="...), out.spanID[:])
	}
	switch out.decision {
	case Accept:
		dst = append(dst, ";Sampled=1"...)
	case Deny:
		dst = append(dst, ";Sampled=0"...)
	}
	if x := out.extras(); x != nil && x.AWSFields != "" {
		dst = append(append(dst, ';'), x.AWSFields...)
	}
	return dst
}
