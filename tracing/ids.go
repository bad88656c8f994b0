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

// randomTraceID and randomSpanID are the default generator: math/rand/v2's top-level source, which
// is seeded by the operating system, unpredictable enough for ids, and takes no lock.
func randomTraceID() (id trace.TraceID) {
	hi, lo := rand.Uint64(), rand.Uint64()
	for hi|lo == 0 {
		lo = rand.Uint64()
	}
	binary.NativeEndian.PutUint64(id[:8], hi)
	binary.NativeEndian.PutUint64(id[8:], lo)
	return id
}

func randomSpanID() (id trace.SpanID) {
	n := rand.Uint64()
	for n == 0 {
		n = rand.Uint64()
	}
	binary.NativeEndian.PutUint64(id[:], n)
	return id
}
