// SPDX-License-Identifier: Apache-2.0

package tracing

import (
	"context"
	"encoding/binary"
	"math/rand/v2"

	"go.opentelemetry.io/otel/trace"
)

// IDGenerator makes trace ids and span ids. Its methods are called by many goroutines at once and
// must return ids that are not zero. They have the shape of the OpenTelemetry SDK's interface of the
// same name, so a generator written for that one fits.
type IDGenerator interface {
	// NewIDs returns a new trace id and the id of its first span.
	NewIDs(ctx context.Context) (trace.TraceID, trace.SpanID)
	// NewSpanID returns a new span id for a span of the given trace.
	NewSpanID(ctx context.Context, traceID trace.TraceID) trace.SpanID
}

// RandomIDGenerator is an [IDGenerator] that says whether the rightmost seven bytes of its trace ids
// are random. If they are, traces that begin here carry the random flag of W3C trace context, level 2,
// and samplers may rely on it; of a generator that does not say so nothing is promised. The default
// generator is random. Source: OpenTelemetry specification, trace/sdk.md, "IdGenerator randomness".
type RandomIDGenerator interface {
	IDGenerator
	RandomTraceIDs() bool
}

// traceID and spanID are ids as numbers, big-endian. Inside the package ids are numbers because those
// stay in registers: an array that is written in halves and read as a whole stalls the processor.
type (
	traceID struct{ high, low uint64 }
	spanID  uint64
)

func traceIDOf(id trace.TraceID) traceID {
	return traceID{binary.BigEndian.Uint64(id[:8]), binary.BigEndian.Uint64(id[8:])}
}

func (id traceID) bytes() (b trace.TraceID) {
	binary.BigEndian.PutUint64(b[:8], id.high)
	binary.BigEndian.PutUint64(b[8:], id.low)
	return b
}

func spanIDOf(id trace.SpanID) spanID { return spanID(binary.BigEndian.Uint64(id[:])) }

func (id spanID) bytes() (b trace.SpanID) {
	binary.BigEndian.PutUint64(b[:], uint64(id))
	return b
}

// newIDs returns the ids of a new trace and of its root. The default generator is math/rand/v2's
// top-level source, which is seeded by the operating system and takes no lock.
func (p *Provider) newIDs(ctx context.Context) (traceID, spanID) {
	if p.ids != nil {
		t, s := p.ids.NewIDs(ctx)
		return traceIDOf(t), spanIDOf(s)
	}
	t := traceID{rand.Uint64(), rand.Uint64()}
	for t.low == 0 || t.low == t.high { // not the low half alone either: Datadog's agent reads no other
		t.low = rand.Uint64()
	}
	// The two halves together make a third number that is as random as each, for one draw less.
	return t, spanID(t.high ^ t.low)
}

// newSpanID returns the id of a new span of a trace.
func (p *Provider) newSpanID(ctx context.Context, t traceID) spanID {
	if p.ids != nil {
		return spanIDOf(p.ids.NewSpanID(ctx, t.bytes()))
	}
	return randomSpanID()
}

func randomSpanID() spanID {
	for {
		if n := rand.Uint64(); n != 0 {
			return spanID(n)
		}
	}
}
