// SPDX-License-Identifier: Apache-2.0

package propagation

import (
	"encoding/binary"
	"strconv"
	"strings"
)

// Google Cloud, as in "Trace context" of Cloud Trace's documentation:
//
//	x-cloud-trace-context: <trace id>/<span id, decimal>;o=<options>
//
// in lower case. The lowest bit of the options, one decimal digit, is the decision; without options it
// is left to the callee.

// gcpMax is the length of the longest x-cloud-trace-context: 32+1+20+4.
const gcpMax = 57

// extractGCP reads x-cloud-trace-context into in.
func (p *Propagator) extractGCP(src *source, in *arrival) {
	value := src.get(&gcpHeader)
	if value == "" {
		return
	}
	f, refused := parseGCP(value)
	if refused != reasonNone {
		p.malformed.count(formatGCP, refused)
	}
	f.store(in)
	in.Format = formatGCP
}

// parseGCP reads the value of x-cloud-trace-context. Beside an id of zeros the decision stays.
func parseGCP(s string) (f fields, refused reason) {
	ids, options, hasOptions := strings.Cut(s, ";")
	traceID, spanID, ok := strings.Cut(ids, "/")
	if !ok {
		return fields{}, reasonIncomplete
	}
	if len(traceID) != longIDLen {
		return fields{}, reasonLength
	}
	if !decodeLower(f.traceID[:], traceID) {
		return fields{}, reasonSyntax
	}
	id, refused := parseDecimal(spanID)
	if refused != reasonNone {
		return fields{}, refused
	}
	if hasOptions {
		if len(options) != 3 || options[:2] != "o=" || options[2] < '0' || options[2] > '9' {
			return fields{}, reasonSyntax
		}
		f.decision = Deny
		if options[2]&1 != 0 {
			f.decision = Accept
		}
	}
	binary.BigEndian.PutUint64(f.spanID[:], id)
	if !f.traceID.IsValid() || !f.spanID.IsValid() {
		return fields{decision: f.decision}, reasonZeroID
	}
	f.traceIDBits = 128
	return f, reasonNone
}

// parseDecimal reads an unsigned number of 64 bits.
func parseDecimal(s string) (n uint64, refused reason) {
	if s == "" {
		return 0, reasonSyntax
	}
	// 19 digits cannot overflow, the 20th can.
	for i := range len(s) {
		digit := uint64(s[i] - '0')
		if digit > 9 {
			return 0, reasonSyntax
		}
		if i >= 19 && (i > 19 || n > (1<<64-1)/10 || n*10 > 1<<64-1-digit) {
			return 0, reasonLength
		}
		n = n*10 + digit
	}
	return n, reasonNone
}

// appendGCP appends the value of x-cloud-trace-context.
func appendGCP(dst []byte, out *outgoing) []byte {
	dst = append(appendHex(dst, out.traceID[:]), '/')
	dst = strconv.AppendUint(dst, binary.BigEndian.Uint64(out.spanID[:]), 10)
	switch out.decision {
	case Accept:
		dst = append(dst, ";o=1"...)
	case Deny:
		dst = append(dst, ";o=0"...)
	}
	return dst
}
