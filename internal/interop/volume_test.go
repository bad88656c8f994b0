// SPDX-License-Identifier: Apache-2.0

package interop_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/exporters/zipkin"
	"github.com/spandrel-go/spandrel/tracing"
)

// bodies is a transport that notes how large the requests are that pass it.
type bodies struct {
	base  http.Transport
	mu    sync.Mutex // guards sizes
	sizes []int64
}

func (b *bodies) RoundTrip(r *http.Request) (*http.Response, error) {
	b.mu.Lock()
	b.sizes = append(b.sizes, r.ContentLength)
	b.mu.Unlock()
	return b.base.RoundTrip(r)
}

// TestZipkinTakesLargeBatch sends more than 5 MB in one request.
func TestZipkinTakesLargeBatch(t *testing.T) {
	t.Parallel()
	server := zipkinServer(t)
	const (
		spans     = 400
		spanBytes = 13 << 10
		atLeast   = 5_000_000
	)
	sent := &bodies{}
	t.Cleanup(sent.base.CloseIdleConnections)
	exporter, err := zipkin.New(server.SpansURL(), zipkin.WithHTTPClient(&http.Client{Transport: sent}))
	require.NoError(t, err)
	seen := &collector{}
	p, err := tracing.NewProvider(tracing.WithServiceName("large"), tracing.WithExporter(seen),
		tracing.WithExporter(exporter, tracing.WithBatchBytes(64<<20), tracing.WithQueueBytes(64<<20)))
	require.NoError(t, err)

	text := strings.Repeat("\"ä", spanBytes/4) // a quotation mark takes two bytes in JSON
	tracer := p.Tracer("large")
	ctx, root := tracer.Start(context.Background(), "root")
	for i := range spans - 1 {
		_, span := tracer.Start(ctx, "span")
		span.SetAttributes(attribute.Int("number", i), attribute.String("text", text))
		span.End()
	}
	root.End()
	require.NoError(t, p.Shutdown(soon(t)))
	requireAllDelivered(t, p)

	sent.mu.Lock()
	defer sent.mu.Unlock()
	require.Len(t, sent.sizes, 1, "requests")
	require.Greater(t, sent.sizes[0], int64(atLeast))
	recorded := seen.traces()[root.SpanContext().TraceID()]
	require.Len(t, recorded, spans)
	requireOneTree(t, requireTrace(t, server, recorded))
}

// TestZipkinTakesLargeTrace sends one trace of 2,000 spans, which a provider hands over in parts and
// sends in several requests.
func TestZipkinTakesLargeTrace(t *testing.T) {
	t.Parallel()
	server := zipkinServer(t)
	const spans = 2000
	seen := &collector{}
	p := newProvider(t, server, tracing.WithServiceName("deep"), tracing.WithExporter(seen))
	tracer := p.Tracer("deep")

	ctx, root := tracer.Start(context.Background(), "root", trace.WithSpanKind(trace.SpanKindServer))
	made := 1
	for branch := 0; made < spans; branch++ {
		inner, outer := ctx, []trace.Span(nil)
		for depth := 0; depth < 20 && made < spans; depth++ {
			var span trace.Span
			inner, span = tracer.Start(inner, fmt.Sprintf("branch %d", branch), trace.WithAttributes(attribute.Int("depth", depth)))
			outer = append(outer, span)
			made++
		}
		for i := len(outer) - 1; i >= 0; i-- {
			outer[i].End()
		}
	}
	root.End()
	require.NoError(t, p.ForceFlush(soon(t)))

	recorded := seen.traces()[root.SpanContext().TraceID()]
	require.Len(t, recorded, spans)
	partial := 0
	for _, d := range recorded {
		if d.Partial {
			partial++
		}
	}
	assert.NotZero(t, partial, "spans that were handed over before the trace was complete")
	requireOneTree(t, requireTrace(t, server, recorded))
}
