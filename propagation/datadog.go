// SPDX-License-Identifier: Apache-2.0

package propagation

import (
	"encoding/binary"
	"strconv"
	"strings"
)

// Datadog, as its libraries write it:
//
//	x-datadog-trace-id, x-datadog-parent-id: decimal, 64 bits
//	x-datadog-sampling-priority: 2, 1 (accept), 0, -1 (deny)
//	x-datadog-origin: where the trace began, such as rum
//	x-datadog-tags: _dd.p.dm=-4,_dd.p.tid=0af7651916cd43dd
//
// The tag _dd.p.tid holds the first 64 bits of a trace id of 128. The other tags belong to the whole
// trace: _dd.p.dm says by which mechanism the priority was chosen. Without a priority the decision is
// left to the callee. A trace id without a parent, as Kong may write it, or with a parent of 0, is not malformed,
// but there is no span to join. Of Datadog's synthetic tests, which send a 0, the root span that starts here is
// one of that trace, as with Datadog's libraries.
const (
	datadogTagPrefix = "_dd.p."
	datadogTID       = "_dd.p.tid"
	// datadogDM belongs to a decision: it does not outlive it.
	datadogDM = "_dd.p.dm"
	// datadogSynthetics is the origin of a synthetic test, which makes no span.
	datadogSynthetics = "synthetics"
	// datadogTagsMax is the limit of Datadog's libraries for x-datadog-tags, in bytes.
	datadogTagsMax = 512
	// datadogLen holds both ids, _dd.p.tid and the tags that are usual. More costs an allocation.
	datadogLen = 20 + 20 + 26 + 38
)

// extractDatadog reads the x-datadog-* headers into in.
func (p *Propagator) extractDatadog(src *source, in *arrival) {
	var f fields
	if text := src.get(&datadogPriorityHeader); text != "" {
		priority, ok := parsePriority(text)
		if ok {
			f.decision, in.Priority = decisionOf(priority), priority
		} else {
			p.malformed.count(formatDatadog, reasonDecision)
		}
	}
	traceID, spanID := src.get(&datadogTraceIDHeader), src.get(&datadogParentIDHeader)
	switch {
	case spanID == "" && (traceID == "" || src.get(&datadogOriginHeader) != datadogSynthetics):
	case traceID == "":
		p.malformed.count(formatDatadog, reasonIncomplete)
	default:
		p.readDatadogIDs(src, &f, in, traceID, spanID)
	}
	f.store(in)
	in.Format = formatDatadog
}

// readDatadogIDs reads the ids and, if they are good, what belongs to them.
func (p *Propagator) readDatadogIDs(src *source, f *fields, in *arrival, traceID, spanID string) {
	if spanID == "" {
		spanID = "0"
	}
	low, refused := parseDecimal(traceID)
	span, refusedSpan := parseDecimal(spanID)
	if refused == reasonNone {
		refused = refusedSpan
	}
	if refused != reasonNone {
		p.malformed.count(formatDatadog, refused)
		return
	}
	ids := fields{decision: f.decision, traceIDBits: 64}
	tags, refused := parseDatadogTags(src.get(&datadogTagsHeader), ids.traceID[:8])
	if refused != reasonNone {
		p.malformed.count(formatDatadog, refused)
	}
	for _, b := range ids.traceID[:8] {
		if b != 0 {
			ids.traceIDBits = 128
		}
	}
	binary.BigEndian.PutUint64(ids.traceID[8:], low)
	binary.BigEndian.PutUint64(ids.spanID[:], span)
	if !ids.traceID.IsValid() {
		p.malformed.count(formatDatadog, reasonZeroID)
		return
	}
	origin := src.get(&datadogOriginHeader)
	if span == 0 {
		if origin != datadogSynthetics {
			return
		}
		in.TraceID, in.TraceIDBits = ids.traceID, ids.traceIDBits
	}
	*f = ids
	if tags != "" {
		in.AddExtra().DatadogTags = src.keep(tags)
	}
	if len(origin) > datadogTagsMax || !isPrintable(origin) {
		p.malformed.count(formatDatadog, reasonTags)
	} else if origin != "" {
		in.AddExtra().DatadogOrigin = src.keep(origin)
	}
}

// parsePriority reads a sampling priority. Others than the four that have names are read by their sign,
// and go on as they are.
func parsePriority(s string) (priority int8, ok bool) {
	digits, negative := strings.CutPrefix(s, "-")
	if digits == "" || len(digits) > 2 {
		return 0, false
	}
	for i := range len(digits) {
		digit := digits[i] - '0'
		if digit > 9 {
			return 0, false
		}
		priority = priority*10 + int8(digit)
	}
	if negative {
		priority = -priority
	}
	return priority, true
}

func decisionOf(priority int8) Decision {
	if priority > 0 {
		return Accept
	}
	return Deny
}

// parseDatadogTags reads x-datadog-tags: into tid, 8 bytes, the tag _dd.p.tid, and returns the other
// tags of the trace. One malformed tag makes all of them bad, as for Datadog's libraries; only a
// malformed _dd.p.tid does not.
func parseDatadogTags(s string, tid []byte) (tags string, refused reason) {
	if s == "" {
		return "", reasonNone
	}
	if len(s) > datadogTagsMax || !isPrintable(s) {
		return "", reasonTags
	}
	var high [8]byte
	// tags is s[start:end] as long as it can be.
	var start, end int
	for pos := 0; pos <= len(s); {
		tag := s[pos:]
		if comma := strings.IndexByte(tag, ','); comma >= 0 {
			tag = tag[:comma]
		}
		name, value, _ := strings.Cut(tag, "=")
		switch {
		case name == "" || value == "":
			return "", reasonTags
		case name == datadogTID:
			if high = [8]byte{}; !decodeLower(high[:], value) {
				high, refused = [8]byte{}, reasonTID
			}
		case !strings.HasPrefix(name, datadogTagPrefix):
		case tags == "":
			tags, start, end = tag, pos, pos+len(tag)
		case end+1 == pos:
			end += 1 + len(tag)
			tags = s[start:end]
		default:
			tags, end = tags+","+tag, -1
		}
		pos += len(tag) + 1
	}
	copy(tid, high[:])
	return tags, refused
}

// datadogPriority returns the priority that stands for the decision, "" for a deferred one. The level
// that arrived stays where the decision is the same. Debug is a user's will.
func datadogPriority(out *outgoing) string {
	var arrived int8
	if out.arrived != nil {
		arrived = out.arrived.Priority
		if out.forwarded && out.arrived.Capped && out.arrived.Rare != nil {
			arrived = out.arrived.CappedPriority
		}
	}
	switch {
	case out.decision == Defer:
		return ""
	case arrived == -1 && out.decision == Deny:
		return "-1"
	case arrived != 0 && decisionOf(arrived) == out.decision:
		return strconv.Itoa(int(arrived))
	case out.debug:
		return "2"
	case out.decision == Accept:
		return "1"
	default:
		return "0"
	}
}

// appendDatadogTags appends the value of x-datadog-tags: what does not fit is left out.
func appendDatadogTags(dst []byte, out *outgoing) []byte {
	start := len(dst)
	if binary.BigEndian.Uint64(out.traceID[:8]) != 0 {
		dst = appendHex(append(dst, datadogTID+"="...), out.traceID[:8])
	}
	x := out.extras()
	if x == nil {
		return dst
	}
	for rest := x.DatadogTags; rest != ""; {
		var tag string
		tag, rest, _ = strings.Cut(rest, ",")
		if out.otherDecision && strings.HasPrefix(tag, datadogDM+"=") {
			continue
		}
		before := len(dst)
		if before > start {
			dst = append(dst, ',')
		}
		if dst = append(dst, tag...); len(dst)-start > datadogTagsMax {
			dst = dst[:before]
		}
	}
	return dst
}

// injectDatadog writes the x-datadog-* headers, or removes those that are not ours: tags of another
// trace would give ours another id.
func injectDatadog(dst *target, out *outgoing, t *texts) {
	priority := datadogPriority(out)
	if !out.hasIDs() && priority == "" && !out.isTraceAlone(formatDatadog) {
		return
	}
	traceID, spanID, tags := t.part(partDatadogTraceID), t.part(partDatadogParentID), t.part(partDatadogTags)
	if out.isTraceAlone(formatDatadog) {
		traceID = strconv.FormatUint(binary.BigEndian.Uint64(out.traceID[8:]), 10)
		spanID, tags = "0", string(appendDatadogTags(nil, out))
	}
	dst.put(&datadogTraceIDHeader, traceID)
	dst.put(&datadogParentIDHeader, spanID)
	dst.put(&datadogPriorityHeader, priority)
	var origin string
	if x := out.extras(); x != nil {
		origin = x.DatadogOrigin
	}
	dst.replace(&datadogOriginHeader, origin)
	dst.replace(&datadogTagsHeader, tags)
}
