// SPDX-License-Identifier: Apache-2.0

package propagation

import (
	"encoding/binary"
	"strconv"

	"go.opentelemetry.io/otel/trace"
)

// part is a part of what Inject sends.
type part uint8

// The parts, in the order in which they stand in one string.
const (
	partStart  part = iota
	partIDs         // a traceparent, of whose ids other formats make use
	partParent      // the parent's id
	partB3Single
	partJaeger
	partDatadogTraceID
	partDatadogParentID
	partDatadogTags
	partAWS
	partGCP
	partRequestID
	partTraceState
	numParts
)

// texts holds what is written of an outgoing.
type texts struct {
	all  string
	ends [numParts]uint16 // where each part ends

	tracestate string
}

// part returns a part, or "" if it was not rendered.
func (t *texts) part(p part) string { return t.all[t.ends[p-1]:t.ends[p]] }

func (t *texts) traceparent() string { return t.part(partIDs) }

// traceID returns the trace id in as many digits as it arrived in, or "" if there is none.
func (t *texts) traceID(out *outgoing) string {
	switch {
	case !out.hasIDs():
		return ""
	case out.traceIDBits == 64:
		return t.all[19:35]
	default:
		return t.all[3:35]
	}
}

// otTraceID returns the trace id. Readers of OT expect 64 bits: more go only where more came from.
func (t *texts) otTraceID(out *outgoing) string {
	if out.traceIDBits == 128 {
		return t.all[3:35]
	}
	return t.all[19:35]
}

func (t *texts) spanID() string {
	if t.ends[partIDs] == 0 {
		return ""
	}
	return t.all[36:52]
}

const (
	// withIDs are the formats that make use of partIDs.
	withIDs = formatSet(1<<formatW3C | 1<<formatB3 | 1<<formatOT | 1<<formatInstana)
	// threeHeaders are the formats that have three headers in every request.
	threeHeaders = formatSet(1<<formatB3 | 1<<formatOT | 1<<formatInstana)
	// oneHeader are the formats that have one header.
	oneHeader = formatSet(1<<formatB3Single | 1<<formatJaeger | 1<<formatAWS | 1<<formatGCP)
	// singles are the formats that outgoing.single knows.
	singles = formatSet(1<<formatW3C | 1<<formatB3Single | 1<<formatJaeger | 1<<formatAWS)

	maxIDs   = traceparentLen + 2*8 // with a parent
	maxSmall = max(maxIDs, b3SingleMax, jaegerMax, awsMax, gcpMax) + uuidLen
	maxLarge = maxIDs + b3SingleMax + jaegerMax + datadogLen + awsMax + gcpMax + uuidLen
)

// render renders all that is needed into one string. There are ids. t is blank.
func (t *texts) render(out *outgoing, set formatSet, requestID bool) {
	if set&^withIDs == 0 || set&^oneHeader == 0 && set.isOne() {
		var buf [maxSmall]byte // most often; a large one costs its clearing
		t.renderInto(buf[:0], out, set, requestID)
		return
	}
	var buf [maxLarge]byte
	t.renderInto(buf[:0], out, set, requestID)
}

func (t *texts) renderInto(b []byte, out *outgoing, set formatSet, requestID bool) {
	if set&withIDs != 0 {
		b = appendTraceparent(b, out)
	}
	t.ends[partIDs] = uint16(len(b))
	if out.parent != (trace.SpanID{}) && set.has(formatB3) {
		b = appendHex(b, out.parent[:])
	}
	t.ends[partParent] = uint16(len(b))
	if set.has(formatB3Single) {
		b = appendB3Single(b, out)
	}
	t.ends[partB3Single] = uint16(len(b))
	if set.has(formatJaeger) && out.decision != Defer {
		// It has no word for a deferred decision: its flags would be a deny.
		b = appendJaeger(b, out)
	}
	t.ends[partJaeger] = uint16(len(b))
	if set.has(formatDatadog) {
		b = strconv.AppendUint(b, binary.BigEndian.Uint64(out.traceID[8:]), 10)
		t.ends[partDatadogTraceID] = uint16(len(b))
		b = strconv.AppendUint(b, binary.BigEndian.Uint64(out.spanID[:]), 10)
		t.ends[partDatadogParentID] = uint16(len(b))
		b = appendDatadogTags(b, out)
	} else {
		t.ends[partDatadogTraceID], t.ends[partDatadogParentID] = uint16(len(b)), uint16(len(b))
	}
	t.ends[partDatadogTags] = uint16(len(b))
	if set.has(formatAWS) {
		b = appendAWS(b, out)
	}
	t.ends[partAWS] = uint16(len(b))
	if set.has(formatGCP) {
		b = appendGCP(b, out)
	}
	t.ends[partGCP] = uint16(len(b))
	if requestID {
		b = appendUUID(b, out.traceID, out.decision == Accept)
	}
	t.ends[partRequestID] = uint16(len(b))
	if set.has(formatW3C) {
		t.tracestate = stateToSend(out.state, out.arrived)
		if was := datadogMember(t.tracestate); hasDatadogState(out, set, was) && out.decision != Defer {
			b = appendTraceState(b, out, t.tracestate, was)
		}
	}
	t.ends[partTraceState] = uint16(len(b))
	t.all = string(b)
	if state := t.part(partTraceState); state != "" {
		t.tracestate = state
	}
}
