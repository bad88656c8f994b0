// SPDX-License-Identifier: Apache-2.0

package tracetest

import (
	"context"
	"encoding/binary"
	"sync/atomic"

	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/tracing"
)

// IDs makes ids that are the same in each run, as far as the order of starts is: span ids count from
// 0000000000000001 over all traces, trace ids from 7370616e6472656c0000000000000001. The first half of a trace id
// never changes and is not zero, because some formats then take an id for one of 64 bits. Samplers that
// decide by the trace id keep all of these traces. The zero value is ready; it is safe for concurrent use.
type IDs struct {
	traces, spans atomic.Uint64 // the last number given
}

var _ tracing.IDGenerator = (*IDs)(nil)

// tracePrefix is the first half of all trace ids.
const tracePrefix = "spandrel"

// NewIDs returns a new trace id and the id of its first span.
func (g *IDs) NewIDs(ctx context.Context) (trace.TraceID, trace.SpanID) {
	var id trace.TraceID
	copy(id[:], tracePrefix)
	binary.BigEndian.PutUint64(id[8:], g.traces.Add(1))
	return id, g.NewSpanID(ctx, id)
}

// NewSpanID returns a new span id.
func (g *IDs) NewSpanID(context.Context, trace.TraceID) trace.SpanID {
	var id trace.SpanID
	binary.BigEndian.PutUint64(id[:], g.spans.Add(1))
	return id
}
