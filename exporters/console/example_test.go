// SPDX-License-Identifier: Apache-2.0

package console_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/exporters/console"
	"github.com/spandrel-go/spandrel/tracing"
)

// counter makes ids by counting, so that the output of the examples is always the same.
type counter struct{ last atomic.Uint64 }

func (c *counter) NewIDs(ctx context.Context) (id trace.TraceID, _ trace.SpanID) {
	binary.BigEndian.PutUint64(id[8:], c.last.Add(1))
	return id, c.NewSpanID(ctx, id)
}

func (c *counter) NewSpanID(context.Context, trace.TraceID) (id trace.SpanID) {
	binary.BigEndian.PutUint64(id[:], c.last.Add(1))
	return id
}

func ExampleNew() {
	exporter, err := console.New(os.Stdout)
	if err != nil {
		fmt.Println(err)
		return
	}
	provider, err := tracing.NewProvider(
		tracing.WithServiceName("shop"), tracing.WithExporter(exporter), tracing.WithIDGenerator(&counter{}))
	if err != nil {
		fmt.Println(err)
		return
	}
	noon := time.Date(2026, time.August, 1, 12, 0, 0, 0, time.Local) // the output shows local time
	tracer := provider.NewTracer("example")
	ctx, request := tracer.StartSpan(context.Background(), "GET /items",
		tracing.WithKind(trace.SpanKindServer), tracing.WithStartTime(noon))
	_, query := tracer.StartSpan(ctx, "SELECT items",
		tracing.WithKind(trace.SpanKindClient), tracing.WithStartTime(noon.Add(2*time.Millisecond)))
	query.SetStatus(codes.Error, "connection refused")
	query.End(trace.WithTimestamp(noon.Add(9 * time.Millisecond)))
	request.End(trace.WithTimestamp(noon.Add(12 * time.Millisecond)))

	if err := provider.Shutdown(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// trace 00000000000000000000000000000001  12:00:00.000 · 12.0ms · 2 spans · 1 service · 1 error
	//   service  span             kind      duration  0                      6.0ms                  12.0ms
	//   shop     GET /items       server      12.0ms  ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━
	// × shop     └─ SELECT items  client       7.0ms          ╺━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━
	//                  error: connection refused
}

// Two services run in one process, as they do in many tests. Each has a provider of its own; they
// share a collector, which joins what belongs together.
func ExampleCollector() {
	collector, err := console.NewCollector()
	if err != nil {
		fmt.Println(err)
		return
	}
	ids := &counter{}
	shop, err1 := tracing.NewProvider(
		tracing.WithServiceName("shop"), tracing.WithExporter(collector), tracing.WithIDGenerator(ids))
	stock, err2 := tracing.NewProvider(
		tracing.WithServiceName("stock"), tracing.WithExporter(collector), tracing.WithIDGenerator(ids))
	if err := errors.Join(err1, err2); err != nil {
		fmt.Println(err)
		return
	}

	noon := time.Date(2026, time.August, 1, 12, 0, 0, 0, time.Local) // the output shows local time
	ctx, call := shop.NewTracer("example").StartSpan(context.Background(), "GET /stock",
		tracing.WithKind(trace.SpanKindClient), tracing.WithStartTime(noon))
	_, answer := stock.NewTracer("example").StartSpan(context.Background(), "GET /stock",
		tracing.WithRemoteParent(trace.SpanContextFromContext(ctx).WithRemote(true)),
		tracing.WithKind(trace.SpanKindServer), tracing.WithStartTime(noon.Add(3*time.Millisecond)))
	answer.End(trace.WithTimestamp(noon.Add(9 * time.Millisecond)))
	call.End(trace.WithTimestamp(noon.Add(12 * time.Millisecond)))

	ctx = context.Background()
	err = errors.Join(shop.Shutdown(ctx), stock.Shutdown(ctx), collector.Render(os.Stdout))
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// trace 00000000000000000000000000000001  12:00:00.000 · 12.0ms · 2 spans · 2 services
	//   service  span           kind      duration  0                       6.0ms                   12.0ms
	//   shop     GET /stock     client      12.0ms  ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━
	//   stock    └─ GET /stock  server       6.0ms               ╺━━━━━━━━━━━━━━━━━━━━━━━━━━╸
}
