// SPDX-License-Identifier: Apache-2.0

package tracetest_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/spandrel-go/spandrel/tracing"
	"github.com/spandrel-go/spandrel/tracing/tracetest"
)

// place is the code under test: it gets its tracer from outside.
func place(ctx context.Context, tracer *tracing.Tracer) {
	ctx, span := tracer.StartSpan(ctx, "place order")
	defer span.End()
	for _, step := range []string{"reserve", "publish"} {
		_, s := tracer.StartSpan(ctx, step)
		s.SetAttribute("order", 7)
		s.End()
	}
}

// A test of code that makes spans.
func Example() {
	testPlace := func(t *testing.T) {
		t.Parallel()
		recorder := tracetest.New(t)
		place(t.Context(), recorder.Tracer("orders"))
		recorder.AssertTree(t, `
			place order
				reserve
				publish
		`)
	}
	_ = testPlace // go test calls it
}

// Time in a test of Run is 2000-01-01 and moves by time.Sleep only, so durations can be compared.
func ExampleRun() {
	testSlow := func(t *testing.T) {
		tracetest.Run(t, func(t *testing.T, recorder *tracetest.Recorder) {
			go func() { // in the background, for an hour
				_, span := recorder.Tracer("orders").StartSpan(context.Background(), "slow")
				defer span.End()
				<-time.After(time.Hour)
			}()
			recorder.WaitUntil(t, 2*time.Hour, "the end", func(spans []*tracing.SpanData) bool { return len(spans) == 1 })
			recorder.Golden(t, "testdata/slow.golden", tracetest.WithTimes())
		})
	}
	_ = testSlow // go test calls it
}

func ExampleFormat() {
	recorder := tracetest.NewRecorder()
	provider, err := tracing.NewProvider(tracing.WithProcessor(recorder))
	if err != nil {
		fmt.Println(err)
		return
	}
	place(context.Background(), provider.NewTracer("orders"))
	if err := provider.Shutdown(context.Background()); err != nil {
		fmt.Println(err)
	}
	fmt.Print(tracetest.Format(recorder.Spans()))
	// Output:
	// place order
	// ├── reserve
	// │       order: 7
	// └── publish
	//         order: 7
}

// An exporter that fails twice, and a pipeline that tries again.
func ExampleFaultExporter() {
	testRetry := func(t *testing.T) {
		tracetest.Run(t, func(t *testing.T, _ *tracetest.Recorder) { // the pauses take no time
			behind := tracetest.NewRecorder()
			exporter := tracetest.NewFaultExporter(behind, tracetest.FailForNow(0), tracetest.FailForNow(time.Second))
			provider, err := tracing.NewProvider(tracing.WithExporter(exporter))
			if err != nil {
				t.Fatal(err)
			}
			place(t.Context(), provider.NewTracer("orders"))
			if err := provider.ForceFlush(t.Context()); err != nil {
				t.Error(err)
			}
			if err := provider.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
			behind.Span(t, "place order")
		})
	}
	_ = testRetry // go test calls it
}

// The conformance kit on an exporter that keeps spans in memory.
func ExampleTestExporter() {
	testConformance := func(t *testing.T) {
		tracetest.TestExporter(t, func(testing.TB) tracetest.Target {
			exporter := tracetest.NewRecorder() // an exporter of your own
			return tracetest.Target{
				Exporter:         exporter,
				OutlivesShutdown: true,
				Received: func() (list []tracetest.Received) {
					for _, d := range exporter.Spans() {
						list = append(list, tracetest.Received{
							Name: d.Name, TraceID: d.SpanContext.TraceID(), SpanID: d.SpanContext.SpanID(),
						})
					}
					return list
				},
			}
		})
	}
	_ = testConformance // go test calls it
}
