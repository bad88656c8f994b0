// SPDX-License-Identifier: Apache-2.0

package tracing_test

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/sampling"
	"github.com/spandrel-go/spandrel/tracing"
)

// printer is a custom exporter: it prints what it is lent and keeps nothing.
type printer struct{}

func (printer) ExportSpans(_ context.Context, spans []*tracing.SpanData) error {
	for _, d := range spans {
		fmt.Printf("%s: %s %s", d.Resource.ServiceName(), d.Kind, d.Name)
		for _, kv := range d.Attributes {
			fmt.Printf(" %s=%s", kv.Key, kv.Value.String())
		}
		fmt.Println()
	}
	return nil
}

func (printer) Shutdown(context.Context) error { return nil }

func Example() {
	provider, err := tracing.NewProvider(tracing.WithServiceName("orders"), tracing.WithExporter(printer{}))
	if err != nil {
		fmt.Println(err)
		return
	}
	tracer := provider.NewTracer("example.com/orders")

	ctx, root := tracer.StartSpan(context.Background(), "GET /orders/{id}", tracing.WithKind(trace.SpanKindServer))
	_, child := tracer.StartSpan(ctx, "SELECT orders", tracing.WithKind(trace.SpanKindClient))
	child.SetAttribute("db.system.name", "postgresql")
	child.End()
	root.SetStatus(codes.Error, "not found")
	root.End()

	if err := provider.Shutdown(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// orders: server GET /orders/{id}
	// orders: client SELECT orders db.system.name=postgresql
}

func ExampleNewProvider() {
	provider, err := tracing.NewProvider(
		tracing.WithServiceName("orders"),
		tracing.WithSampler(sampling.ParentBased(sampling.AlwaysOff())),
		tracing.WithExporter(printer{}, tracing.WithBatchSpans(100), tracing.WithQueueSpans(1000)),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	_, span := provider.NewTracer("test").StartSpan(context.Background(), "sampled out")
	fmt.Println("recording:", span.IsRecording())
	span.End()
	fmt.Println("sampled out:", provider.Stats().SampledOut)
	_ = provider.Shutdown(context.Background())

	_, err = tracing.NewProvider(tracing.WithExporter(nil))
	fmt.Println(err)
	// Output:
	// recording: false
	// sampled out: 1
	// tracing: WithExporter: exporter is nil
}

func ExampleStartSpan() {
	work := func(ctx context.Context) {
		_, span := tracing.StartSpan(ctx, "work", tracing.WithKind(trace.SpanKindInternal),
			tracing.WithAttributes(attribute.Int("items", 3)))
		defer span.End()
	}
	work(context.Background()) // there is no provider: nothing happens

	provider, err := tracing.NewProvider(tracing.WithServiceName("worker"), tracing.WithExporter(printer{}))
	if err != nil {
		fmt.Println(err)
		return
	}
	tracing.SetGlobal(provider)
	defer tracing.SetGlobal(nil)
	work(context.Background())
	_ = provider.Shutdown(context.Background())
	// Output: worker: internal work items=3
}

// A tracer in a package variable, made before there is a provider, works once there is one.
func ExampleSetGlobal() {
	tracer := tracing.NewTracer("example.com/library")

	provider, err := tracing.NewProvider(tracing.WithServiceName("app"), tracing.WithExporter(printer{}))
	if err != nil {
		fmt.Println(err)
		return
	}
	tracing.SetGlobal(provider)
	defer tracing.SetGlobal(nil)

	ctx, span := tracer.StartSpan(context.Background(), "one")
	fmt.Println(tracing.ActiveSpan(ctx) == span)
	span.End()
	_ = provider.Shutdown(context.Background())
	// Output:
	// true
	// app: internal one
}

// The provider is a trace.TracerProvider of OpenTelemetry.
func ExampleProvider_Tracer() {
	provider, err := tracing.NewProvider(tracing.WithServiceName("app"), tracing.WithExporter(printer{}))
	if err != nil {
		fmt.Println(err)
		return
	}
	var api trace.TracerProvider = provider
	ctx, span := api.Tracer("example.com/library").Start(context.Background(), "one")
	trace.SpanFromContext(ctx).SetAttributes(attribute.Bool("found", true))
	span.End()
	_ = provider.Shutdown(context.Background())
	// Output: app: internal one found=true
}

// redactor is a processor that changes spans while they can still be written to.
type redactor struct{ key string }

func (r redactor) OnStart(context.Context, *tracing.Span) {}
func (r redactor) OnEnding(s *tracing.Span)               { s.SetAttribute(r.key, "***") }
func (r redactor) OnEnd(d *tracing.SpanData)              { fmt.Println("ended:", d.Name) }
func (r redactor) ForceFlush(context.Context) error       { return nil }
func (r redactor) Shutdown(context.Context) error         { return nil }

func ExampleProcessor() {
	provider, err := tracing.NewProvider(tracing.WithServiceName("app"),
		tracing.WithProcessor(redactor{key: "user.email"}), tracing.WithExporter(printer{}))
	if err != nil {
		fmt.Println(err)
		return
	}
	_, span := provider.NewTracer("test").StartSpan(context.Background(), "sign in")
	span.SetAttribute("user.email", "someone@example.com")
	span.End()
	_ = provider.Shutdown(context.Background())
	// Output:
	// ended: sign in
	// app: internal sign in user.email=***
}

// lines is an exporter that encodes: one line a span, many lines a request.
type lines struct{ printer }

func (lines) AppendResource(dst []byte, r *tracing.Resource) []byte {
	return append(dst, r.ServiceName()...)
}

func (lines) AppendSpan(dst []byte, d *tracing.SpanData) []byte {
	return append(append(dst, d.Name...), '\n')
}

func (lines) AppendRequest(dst []byte, b tracing.EncodedBatch) []byte {
	for i := range b.Len() {
		dst = append(dst, b.Resource...)
		dst = append(dst, ": "...)
		dst = append(dst, b.Span(i)...)
	}
	return dst
}

func (lines) SendRequest(_ context.Context, body []byte, spans int) error {
	fmt.Printf("%d spans\n%s", spans, body)
	if strings.Contains(string(body), "\x00") {
		return &tracing.ExportError{Err: errors.New("lines: a null byte"), Rejected: spans}
	}
	return nil
}

func ExampleEncodingExporter() {
	provider, err := tracing.NewProvider(tracing.WithServiceName("app"), tracing.WithExporter(lines{}))
	if err != nil {
		fmt.Println(err)
		return
	}
	tracer := provider.NewTracer("test")
	for _, name := range []string{"one", "two"} {
		_, span := tracer.StartSpan(context.Background(), name)
		span.Finish()
	}
	_ = provider.Shutdown(context.Background())
	// Output:
	// 2 spans
	// app: one
	// app: two
}

func ExampleProvider_Stats() {
	failing := exporterFunc(func([]*tracing.SpanData) error { return errors.New("the backend is away") })
	provider, err := tracing.NewProvider(tracing.WithExporter(failing), quiet())
	if err != nil {
		fmt.Println(err)
		return
	}
	_, span := provider.NewTracer("test").StartSpan(context.Background(), "one")
	span.End()
	fmt.Println(provider.ForceFlush(context.Background()) != nil)
	s := provider.Stats()
	fmt.Println("ended:", s.Ended, "exported:", s.Exporters[0].Exported, "failed:", s.Exporters[0].Dropped.ExportFailed)
	fmt.Println(s.Exporters[0].LastError)
	_ = provider.Shutdown(context.Background())
	// Output:
	// true
	// ended: 1 exported: 0 failed: 1
	// the backend is away
}

type exporterFunc func([]*tracing.SpanData) error

func (f exporterFunc) ExportSpans(_ context.Context, spans []*tracing.SpanData) error {
	return f(spans)
}
func (exporterFunc) Shutdown(context.Context) error { return nil }

func ExampleTracer_ActiveSpan() {
	provider, err := tracing.NewProvider()
	if err != nil {
		fmt.Println(err)
		return
	}
	tracer := provider.NewTracer("test")
	ctx, root := tracer.StartSpan(context.Background(), "root")
	ctx, child := tracer.StartSpan(ctx, "child")
	fmt.Println(tracer.ActiveSpan(ctx) == child)
	child.Finish()
	fmt.Println(tracer.ActiveSpan(ctx) == root)
	root.Finish()
	fmt.Println(tracer.ActiveSpan(ctx) == nil)
	_ = provider.Shutdown(context.Background())
	// Output:
	// true
	// true
	// true
}

// Who wants to keep a borrowed span clones it.
func ExampleSpanData_Clone() {
	var kept []*tracing.SpanData
	keep := exporterFunc(func(spans []*tracing.SpanData) error {
		for _, d := range spans {
			kept = append(kept, d.Clone())
		}
		return nil
	})
	provider, err := tracing.NewProvider(tracing.WithExporter(keep))
	if err != nil {
		fmt.Println(err)
		return
	}
	_, span := provider.NewTracer("test").StartSpan(context.Background(), "kept")
	span.End()
	_ = provider.Shutdown(context.Background())
	fmt.Println(kept[0].Name)
	// Output: kept
}
