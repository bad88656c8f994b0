// SPDX-License-Identifier: Apache-2.0

package propagation

import (
	"sync/atomic"

	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/internal/remote"
)

// conflicts counts traces that were joined, by their format, while others were linked.
type conflicts [numFormats][numFormats]atomic.Uint64

// names says whether the carrier has ids in a format: a look at the header that holds the trace id.
func (s *source) names(f format) bool {
	switch f {
	case formatW3C:
		return s.get(&traceparentHeader) != ""
	case formatB3:
		return s.get(&b3TraceIDHeader) != "" || s.get(&b3Header) != ""
	case formatJaeger:
		return s.get(&jaegerHeader) != ""
	case formatOT:
		return s.get(&otTraceIDHeader) != ""
	case formatDatadog:
		return s.get(&datadogTraceIDHeader) != ""
	case formatInstana:
		return s.get(&instanaTraceIDHeader) != ""
	default: // those of one header each: reading it is the look
		return true
	}
}

// sameIDs reports whether two formats name the same trace. Where one of them has room for 64 bits only,
// those must be equal.
func sameIDs(a, b *arrival) bool {
	if a.TraceIDBits == 64 || b.TraceIDBits == 64 {
		return [8]byte(a.TraceID[8:]) == [8]byte(b.TraceID[8:])
	}
	return a.TraceID == b.TraceID
}

// fromKong reports whether, of a traceparent and x-b3-* that name different traces, the latter is the
// caller's, which is Kong Gateway then. On its default configuration it takes a request with a tracestate, or
// with an x-b3-traceid that is none, for one of B3 without ids: it starts a trace in x-b3-* and passes the
// client's traceparent on as it came. Since 3.5 it says that it is Kong; of an older one a tracestate tells,
// unless Datadog's headers stand beside the traceparent, as Envoy's Datadog tracer writes them.
func (s *source) fromKong() bool {
	return s.get(&kongRequestIDHeader) != "" || s.get(&tracestateHeader) != "" && s.get(&datadogTraceIDHeader) == ""
}

// disagree adds what a further format names, another trace, to what was found. One of the two is joined,
// the other becomes a link.
func (p *Propagator) disagree(src *source, found, in *arrival) {
	linked := in
	if p.defaultOrder && found.Format == formatW3C && in.Format == formatB3 && src.fromKong() {
		links := found.Links()
		was := *found
		*found, linked = *in, &was
		if links != nil {
			found.AddExtra().Links = links
		}
	}
	x := found.AddExtra()
	x.Links = append(x.Links, remote.Link{SpanContext: linked.SpanContext(), Format: formatNames[linked.Format]})
	p.conflicts[found.Format][linked.Format].Add(1)
}

// saysWidth are the formats that have a word for the width of a trace id. In W3C, AWS and Google Cloud there are zeros
// in front of 64 bits; in Datadog there is nothing in front of zeros.
const saysWidth = formatSet(1<<formatB3 | 1<<formatB3Single | 1<<formatJaeger | 1<<formatOT | 1<<formatInstana)

// complete adds to the caller what another format knows more of the same trace: the other half of the trace id
// or that there is none, that it is random, the debug flag, the parent, the trace state, and what is Datadog's
// and X-Ray's. So what a service of ours has written in two formats arrives whole at the next.
func complete(caller, other *arrival) {
	caller.Text = "" // what is sent on is more than that
	switch sameID := caller.TraceID == other.TraceID; {
	case caller.TraceIDBits == 64 && other.TraceIDBits == 128 && !sameID:
		caller.TraceID, caller.TraceIDBits = other.TraceID, 128
	case sameID && !saysWidth.has(caller.Format) && saysWidth.has(other.Format):
		caller.TraceIDBits = other.TraceIDBits
	}
	if caller.Decision == Accept && other.Debug {
		caller.Debug = true
	}
	if !caller.ParentSpanID.IsValid() && caller.SpanID == other.SpanID {
		caller.ParentSpanID = other.ParentSpanID
	}
	caller.Flags |= other.Flags & trace.FlagsRandom
	if list := other.TraceStateText(); list != "" && caller.TraceStateText() == "" {
		r := caller.AddRare()
		r.State, r.TraceState = other.State, list
	}
	// Level and tags belong to a decision.
	x, from := caller.Extras(), other.Extras()
	level := caller.Priority == 0 && (x == nil || x.DatadogTags == "") && caller.Decision == other.Decision
	if level {
		caller.Priority = other.Priority
	}
	if from == nil {
		return
	}
	x = caller.AddExtra()
	if level {
		x.DatadogTags = from.DatadogTags
	}
	if x.DatadogOrigin == "" {
		x.DatadogOrigin = from.DatadogOrigin
	}
	if x.AWSFields == "" {
		x.AWSFields = from.AWSFields
	}
}
