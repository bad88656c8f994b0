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

// extractW3C reads traceparent and tracestate into in.
func (p *Propagator) extractW3C(src *source, in *Remote) {
	value, twice := src.only(&traceparentHeader)
	if value == "" && !twice {
		return
	}
	if twice {
		p.malformed.count(formatW3C, reasonDuplicate)
		return
	}
	var cfg trace.SpanContextConfig
	if refused := parseTraceparent(value, &cfg); refused != reasonNone {
		p.malformed.count(formatW3C, refused)
		return
	}
	// Only a valid traceparent gives tracestate a meaning (section 3.3).
	var one [1]string
	if lines := src.lines(&tracestateHeader, &one); len(lines) > 0 {
		var legal bool
		if in.TraceState, cfg.TraceState, legal = parseTraceState(lines); !legal {
			p.malformed.count(formatW3C, reasonTraceState)
		}
	}
	in.SpanContext = trace.NewSpanContext(cfg)
	in.Decision = Deny
	if cfg.TraceFlags.IsSampled() {
		in.Decision = Accept
	}
	in.Format = formatNames[formatW3C]
	in.TraceIDBits = 128
	if value := datadogMember(in.TraceState); value != "" {
		readDatadogState(in, value)
	}
}

// parseTraceparent reads a traceparent of any version but ff into cfg, which is blank. Of a version that it does not know it
// reads the fields that version 00 has, and of the flags the sampled flag only (section 3.2.4).
func parseTraceparent(s string, cfg *trace.SpanContextConfig) (refused reason) {
	if len(s) < traceparentLen {
		return reasonLength
	}
	var version, flags [1]byte
	if !decodeLower(version[:], s[0:2]) {
		return reasonSyntax
	}
	switch {
	case version[0] == 0xff:
		return reasonVersion
	case len(s) == traceparentLen:
	case version[0] == 0:
		return reasonLength
	case s[55] != '-':
		return reasonSyntax
	}
	if s[2] != '-' || s[35] != '-' || s[52] != '-' ||
		!decodeLower(cfg.TraceID[:], s[3:35]) ||
		!decodeLower(cfg.SpanID[:], s[36:52]) ||
		!decodeLower(flags[:], s[53:55]) {
		return reasonSyntax
	}
	if !cfg.TraceID.IsValid() || !cfg.SpanID.IsValid() {
		return reasonZeroID
	}
	cfg.TraceFlags = trace.TraceFlags(flags[0]) & w3cFlags
	if version[0] != 0 {
		cfg.TraceFlags &= trace.FlagsSampled
	}
	cfg.Remote = true
	return reasonNone
}

// appendTraceparent appends a traceparent of version 00.
func appendTraceparent(dst []byte, sc *trace.SpanContext) []byte {
	traceID, spanID := sc.TraceID(), sc.SpanID()
	flags := byte(sc.TraceFlags() & w3cFlags)
	dst = append(dst, "00-"...)
	dst = append(appendHex(dst, traceID[:]), '-')
	dst = append(appendHex(dst, spanID[:]), '-')
	return append(dst, '0', hexDigits[flags])
}

// injectW3C writes traceparent and tracestate, or removes a tracestate that is not ours.
func injectW3C(dst *target, out *outgoing, t *texts) {
	if t.traceparent == "" || out.decision == Defer {
		// traceparent has no word for a deferred decision: its flag would be a deny.
		return
	}
	dst.set(&traceparentHeader, t.traceparent)
	dst.put(&tracestateHeader, t.tracestate)
}
