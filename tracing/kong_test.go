// SPDX-License-Identifier: Apache-2.0

package tracing_test

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	otelprop "go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/propagation"
	"github.com/spandrel-go/spandrel/tracing"
	"github.com/spandrel-go/spandrel/tracing/tracetest"
)

// exporting makes a provider with a recorder as its exporter, and a tracer on it. Spans come with flush
// only: what SetShouldSample takes out, no exporter sees, but a processor does.
func exporting(t testing.TB, opts ...tracing.Option) (*tracing.Tracer, *tracetest.Recorder, *tracing.Provider) {
	t.Helper()
	r := tracetest.NewRecorder()
	p := newProvider(t, append([]tracing.Option{tracing.WithExporter(r, tracing.WithBatchDelay(time.Hour))}, opts...)...)
	return p.NewTracer("test"), r, p
}

// arriving returns a Go context of a request with these headers, as package propagation makes it.
func arriving(t testing.TB, headers map[string]string) context.Context {
	t.Helper()
	p, err := propagation.New(propagation.Config{Extract: []string{"w3c", "b3"}})
	require.NoError(t, err)
	h := http.Header{}
	for k, v := range headers {
		h.Set(k, v)
	}
	return p.Extract(context.Background(), otelprop.HeaderCarrier(h))
}

const (
	arrivedTrace = "0af7651916cd43dd8448eb211c80319c"
	arrivedSpan  = "b7ad6b7169203331"
	traceparent  = "00-" + arrivedTrace + "-" + arrivedSpan + "-01"
)

// givenIDs makes traces with the ids given, one after the other, and span ids that count.
type givenIDs struct {
	traces []trace.TraceID
	next   atomic.Int64
	spans  atomic.Uint64
}

func (g *givenIDs) NewIDs(ctx context.Context) (trace.TraceID, trace.SpanID) {
	id := g.traces[(g.next.Add(1)-1)%int64(len(g.traces))]
	return id, g.NewSpanID(ctx, id)
}

func (g *givenIDs) NewSpanID(context.Context, trace.TraceID) trace.SpanID {
	return trace.SpanID{7: byte(g.spans.Add(1))}
}

// traceID reads a trace id.
func traceID(t testing.TB, hex string) trace.TraceID {
	t.Helper()
	id, err := trace.TraceIDFromHex(hex)
	require.NoError(t, err)
	return id
}

// panicWith calls f, as deferred, in a function that panics, and returns what was recovered.
func panicWith(v any, f func()) (recovered any) {
	defer func() { recovered = recover() }()
	defer f()
	panic(v)
}
