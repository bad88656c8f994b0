// SPDX-License-Identifier: Apache-2.0

package tracing_test

import (
	"context"
	"fmt"
	"math"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/tracing"
)

// exampleProvider prints what it exports.
func exampleProvider() (p *tracing.Provider, shutdown func()) {
	p, err := tracing.NewProvider(tracing.WithServiceName("plugin"), tracing.WithExporter(printer{}))
	if err != nil {
		fmt.Println(err)
	}
	return p, func() {
		if err := p.Shutdown(context.Background()); err != nil {
			fmt.Println(err)
		}
	}
}

// At the end of a request, before its root ends, a program can look at all of its spans.
func ExampleTracer_ProcessSpans() {
	provider, shutdown := exampleProvider()
	defer shutdown()
	tracer := provider.NewTracer("plugin")
	ctx, root := tracer.StartSpan(context.Background(), "request")
	_, span := tracer.StartSpan(ctx, "check quota")
	span.Finish()

	tracer.ProcessSpans(ctx, func(d *tracing.SpanData) {
		fmt.Printf("%s, ended: %t\n", d.Name, !d.EndTime.IsZero())
	})
	root.Finish()
	// Output:
	// request, ended: false
	// check quota, ended: true
	// plugin: internal request
	// plugin: internal check quota
}

// Traces of requests that went well are not worth keeping.
func ExampleTracer_SetShouldSample() {
	provider, shutdown := exampleProvider()
	tracer := provider.NewTracer("plugin")
	for _, status := range []int{200, 500} {
		ctx, root := tracer.StartSpan(context.Background(), "request",
			tracing.WithAttributes(attribute.Int("http.response.status_code", status)))
		_, span := tracer.StartSpan(ctx, "check quota")
		span.Finish()
		if status < 500 {
			fmt.Println("taken out:", tracer.SetShouldSample(ctx, false))
		}
		root.Finish()
	}
	shutdown()
	fmt.Println("withheld:", provider.Stats().Withheld.NotSampled)
	// Output:
	// taken out: true
	// plugin: internal request http.response.status_code=500
	// plugin: internal check quota
	// withheld: 2
}

func ExampleTracer_SamplingDecision() {
	provider, shutdown := exampleProvider()
	tracer := provider.NewTracer("plugin", tracing.WithSamplingRate(1))
	ctx, span := tracer.StartSpan(context.Background(), "request")
	span.Release()
	denied := false
	fmt.Println(tracer.SamplingDecision(ctx, nil, math.NaN()), "by the tracer's rate")
	fmt.Println(tracer.SamplingDecision(ctx, nil, 0), "by the rate given")
	fmt.Println(tracer.SamplingDecision(ctx, &denied, 1), "because the caller said so")
	shutdown()
	// Output:
	// true by the tracer's rate
	// false by the rate given
	// false because the caller said so
}

// The ids of a call are known before it begins: they can be written into headers meanwhile.
func ExampleTracer_LinkSpan() {
	provider, shutdown := exampleProvider()
	defer shutdown()
	tracer := provider.NewTracer("plugin")
	_, span := tracer.CreateSpan(context.Background(), tracing.WithKind(trace.SpanKindClient))
	fmt.Println("ids:", span.SpanContext().IsValid())

	fmt.Println("linked:", tracer.LinkSpan(span, "balancer try 1",
		tracing.WithAttributes(attribute.Int("try_count", 1))))
	span.Finish()
	// Output:
	// ids: true
	// linked: true
	// plugin: client balancer try 1 try_count=1
}

func ExampleWithNamespace() {
	provider, shutdown := exampleProvider()
	defer shutdown()
	tracer := provider.NewTracer("plugin")
	own := provider.NewTracer("plugin", tracing.WithNamespace("OWN"))

	ctx, span := tracer.StartSpan(context.Background(), "request")
	fmt.Println(own.ActiveSpan(ctx) == nil)
	ctx, audit := own.StartSpan(ctx, "audit")
	fmt.Println(tracer.ActiveSpan(ctx) == span, own.ActiveSpan(ctx) == audit)
	audit.Finish()
	span.Finish()
	// Output:
	// true
	// true true
	// plugin: internal audit
	// plugin: internal request
}

func ExampleSpan_FinishAt() {
	provider, shutdown := exampleProvider()
	defer shutdown()
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	_, span := provider.NewTracer("plugin").StartSpan(context.Background(), "request", tracing.WithStartTime(start))
	span.FinishAt(start.Add(-time.Second))
	fmt.Println("open:", span.IsRecording(), "refused:", provider.Stats().RefusedEnds)
	span.FinishAt(start.Add(time.Second))
	fmt.Println("open:", span.IsRecording())
	// Output:
	// open: true refused: 1
	// open: false
	// plugin: internal request
}

// A span that turns out to be of no interest.
func ExampleSpan_Release() {
	provider, shutdown := exampleProvider()
	_, span := provider.NewTracer("plugin").StartSpan(context.Background(), "poll")
	span.Release()
	shutdown()
	fmt.Println("released:", provider.Stats().Withheld.Released)
	// Output:
	// released: 1
}

func ExampleSpan_SetAttribute() {
	provider, shutdown := exampleProvider()
	defer shutdown()
	_, span := provider.NewTracer("plugin").StartSpan(context.Background(), "request")
	span.SetAttribute("quota.left", 7)
	span.SetAttribute("quota.key", "secret")
	span.SetAttribute("quota.key", nil) // removes it
	span.Finish()
	// Output:
	// plugin: internal request quota.left=7
}
