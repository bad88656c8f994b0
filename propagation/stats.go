// SPDX-License-Identifier: Apache-2.0

package propagation

import "sync/atomic"

// Stats is what a [Propagator] has counted since it was made.
type Stats struct {
	// Malformed lists the headers that were refused, by format and reason, in a fixed order. What
	// never happened is not in it.
	Malformed []Malformed
	// Conflicts lists how often headers of two formats named different traces.
	Conflicts []Conflict
	// UntraceableRequestIDs counts x-request-id headers with which Envoy does not trace: it samples by the
	// first eight characters, which must be hexadecimal digits. The first is logged too.
	UntraceableRequestIDs uint64
	// Capped counts decisions to sample that [WithForcedSamplingLimit] took back.
	Capped uint64
}

// Conflict says how often the trace of one format was joined while that of another was linked.
type Conflict struct {
	Joined, Linked string // names of formats
	Count          uint64
}

// Malformed says how often headers of one format were refused for one reason.
type Malformed struct {
	// Format is "w3c", "b3", "b3-single" (the b3 header), "jaeger", "ot", "datadog", "aws", "gcp",
	// "instana" or "x-request-id".
	Format string
	// Reason is one of
	//   - "length": a header or an id is too short or too long;
	//   - "syntax": a character stands where the format does not allow it;
	//   - "version": a traceparent of version ff;
	//   - "zero id": an id of zeros only;
	//   - "incomplete": a trace id without a span id, or the other way round; less than the four parts
	//     of an uber-trace-id;
	//   - "duplicate": two traceparent headers;
	//   - "decision": x-b3-sampled, x-b3-flags, ot-tracer-sampled, x-datadog-sampling-priority,
	//     x-instana-l or the Sampled of x-amzn-trace-id has no value that we know; it was ignored, the
	//     ids were not;
	//   - "tracestate": a malformed tracestate was dropped, its traceparent was not;
	//   - "fields": a field of others in x-amzn-trace-id was dropped, because it has other characters than
	//     printable ones or because there are more than 512 bytes of them;
	//   - "tags": a malformed x-datadog-tags or x-datadog-origin, or one of more than 512 bytes, was
	//     dropped, the ids were not;
	//   - "tid": a malformed _dd.p.tid was dropped: the trace id has 64 bits.
	Reason string
	Count  uint64
}

// reason is why a header was refused; the zero value says that it was not.
type reason uint8

const (
	reasonNone reason = iota
	reasonLength
	reasonSyntax
	reasonVersion
	reasonZeroID
	reasonIncomplete
	reasonDuplicate
	reasonDecision
	reasonTraceState
	reasonFields
	reasonTags
	reasonTID
	numReasons
)

var reasonNames = [numReasons]string{
	"", "length", "syntax", "version", "zero id", "incomplete", "duplicate", "decision", "tracestate",
	"fields", "tags", "tid",
}

// counters counts refusals. Each is monotone; together they are no snapshot of one moment.
type counters [numFormats][numReasons]atomic.Uint64

func (c *counters) count(f format, r reason) { c[f][r].Add(1) }

// Stats returns the counters. It is safe for concurrent use with all other methods.
func (p *Propagator) Stats() Stats {
	var s Stats
	for f := range p.malformed {
		for r := range p.malformed[f] {
			if n := p.malformed[f][r].Load(); n > 0 {
				s.Malformed = append(s.Malformed, Malformed{Format: formatNames[f], Reason: reasonNames[r], Count: n})
			}
		}
		for linked := range p.conflicts[f] {
			if n := p.conflicts[f][linked].Load(); n > 0 {
				s.Conflicts = append(s.Conflicts, Conflict{Joined: formatNames[f], Linked: formatNames[linked], Count: n})
			}
		}
	}
	s.UntraceableRequestIDs = p.untraceable.Load()
	s.Capped = p.forced.capped.Load()
	return s
}
