// SPDX-License-Identifier: Apache-2.0

package tracing_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/internal/testkit"
	"github.com/spandrel-go/spandrel/sampling"
	"github.com/spandrel-go/spandrel/tracing"
)

// The guards below bound what the whole process allocates, the worker included. They run a trace
// 1,000 times and flush on the way, so that every span has been encoded and sent within the count.
// The queue takes them all: a dropped block goes back to the pool as well, but it would not have
// passed the worker.

// countingEncoder encodes a span into a few bytes and counts what it sends; it allocates nothing.
type countingEncoder struct {
	spans int
	bytes int
}

func (e *countingEncoder) AppendResource(dst []byte, _ *tracing.Resource) []byte { return dst }

func (e *countingEncoder) AppendSpan(dst []byte, d *tracing.SpanData) []byte {
	dst = append(dst, d.Name...)
	for i := range d.Attributes {
		dst = append(dst, d.Attributes[i].Key...)
	}
	return dst
}

func (e *countingEncoder) AppendRequest(dst []byte, b tracing.EncodedBatch) []byte {
	for i := range b.Len() {
		dst = append(dst, b.Span(i)...)
	}
	return dst
}

func (e *countingEncoder) SendRequest(_ context.Context, body []byte, spans int) error {
	e.bytes += len(body)
	e.spans += spans
	return nil
}

func (e *countingEncoder) ExportSpans(context.Context, []*tracing.SpanData) error { return nil }
func (e *countingEncoder) Shutdown(context.Context) error                         { return nil }

const guardRuns = 1000

// poolMissMallocs is for blocks of records that the pool does not find at once: what a worker gives
// back on one core is not always there for the program on another. One trace in fifty may make one.
const poolMissMallocs = 0.02

// runtimeMallocs is for what the runtime and the pipeline's clock allocate beside the code.
const runtimeMallocs = 0.01

// headline makes a trace of one root and nine children as issue 3 has it.
func headline(tracer *tracing.Tracer) {
	ctx, root := tracer.StartSpan(context.Background(), "GET /orders/{id}", tracing.WithKind(trace.SpanKindServer))
	for range 9 {
		_, child := tracer.StartSpan(ctx, "SELECT orders", tracing.WithKind(trace.SpanKindClient))
		fill(child)
		child.End()
	}
	fill(root)
	root.End()
}

func fill(s *tracing.Span) {
	s.SetAttributes(
		attribute.String("http.request.method", "GET"),
		attribute.Int("http.response.status_code", 200),
		attribute.Bool("cache.hit", true),
		attribute.String("user_agent.original", "curl/8.5.0"),
	)
	s.SetStatus(codes.Error, "timeout")
}

// guardProvider makes a provider for a guard, and a function that waits until all is sent.
func guardProvider(t *testing.T, e tracing.Exporter) (*tracing.Tracer, *tracing.Provider) {
	p := newProvider(t, tracing.WithExporter(e,
		tracing.WithQueueSpans(1<<20), tracing.WithQueueBytes(1<<30),
		tracing.WithBatchSpans(512), tracing.WithBatchDelay(time.Hour)))
	return p.NewTracer("test"), p
}

// flushed calls f guardRuns times and flushes.
func flushed(t *testing.T, p *tracing.Provider, f func()) func() {
	return func() {
		for i := range guardRuns {
			f()
			if i%100 == 99 { // as the worker of a program under load keeps up
				require.NoError(t, p.ForceFlush(context.Background()))
			}
		}
	}
}

// flushMallocs bounds what ten calls of ForceFlush allocate: channels, slices, goroutines.
const flushMallocs = 10 * 25

func TestHeadlineTraceAllocatesOncePerSpan(t *testing.T) {
	e := &countingEncoder{}
	tracer, p := guardProvider(t, e)
	f := flushed(t, p, func() { headline(tracer) })
	testkit.MaxMallocs(t, 3, guardRuns*(10+poolMissMallocs)+flushMallocs, f)
	testkit.MaxBytes(t, 3, guardRuns*(10*96)+flushMallocs*100, f)
	s := p.Stats()
	require.Equal(t, s.Started, s.Exporters[0].Exported, "all spans must have passed the worker")
	require.EqualValues(t, s.Started, e.spans)
}

func TestOneSpanTraceAllocatesTwice(t *testing.T) {
	tracer, p := guardProvider(t, &countingEncoder{})
	f := flushed(t, p, func() {
		_, s := tracer.StartSpan(context.Background(), "one")
		fill(s)
		s.End()
	})
	testkit.MaxMallocs(t, 3, guardRuns*2+flushMallocs, f)
}

func TestUnsampledSpanAllocatesOnce(t *testing.T) {
	for name, sampler := range map[string]sampling.Sampler{
		"AlwaysOff": sampling.AlwaysOff(), "ParentBased": sampling.ParentBased(sampling.AlwaysOff()),
	} {
		t.Run(name, func(t *testing.T) {
			p := newProvider(t, tracing.WithExporter(&countingEncoder{}), tracing.WithSampler(sampler))
			tracer := p.NewTracer("test")
			root := func() {
				_, s := tracer.StartSpan(context.Background(), "one")
				fill(s)
				s.End()
			}
			ctx, _ := tracer.StartSpan(context.Background(), "root")
			child := func() {
				_, s := tracer.StartSpan(ctx, "one")
				fill(s)
				s.End()
			}
			remote := trace.ContextWithRemoteSpanContext(context.Background(), remoteParent(false))
			remoteChild := func() {
				_, s := tracer.StartSpan(remote, "one")
				s.End()
			}
			api := p.Tracer("test")
			otelRoot := func() {
				_, s := api.Start(context.Background(), "one")
				s.End()
			}
			for name, f := range map[string]func(){
				"root": root, "child": child, "remote child": remoteChild, "root through the OpenTelemetry API": otelRoot,
			} {
				t.Run(name, func(t *testing.T) {
					testkit.MaxMallocs(t, guardRuns, 1+runtimeMallocs, f)
					testkit.MaxBytes(t, guardRuns, 80+1, f)
				})
			}
		})
	}
}

func TestStartSpanOptionsAllocateNothing(t *testing.T) {
	p := newProvider(t, tracing.WithSampler(sampling.AlwaysOff()))
	tracer := p.NewTracer("test")
	_, parent := tracer.StartSpan(context.Background(), "parent")
	at := time.Now()
	attrs := []attribute.KeyValue{attribute.String("a", "b")}
	links := []trace.Link{{SpanContext: remoteParent(true)}}
	remote := remoteParent(true)
	for _, tt := range []struct {
		name string
		f    func()
	}{
		{"kind", func() { start(tracer, tracing.WithKind(trace.SpanKindServer)) }},
		{"parent", func() { start(tracer, tracing.WithParent(parent)) }},
		{"remote parent", func() { start(tracer, tracing.WithRemoteParent(remote)) }},
		{"start time", func() { start(tracer, tracing.WithStartTime(at)) }},
		{"should sample", func() { start(tracer, tracing.WithShouldSample(false)) }},
		{"new root", func() { start(tracer, tracing.WithNewRoot()) }},
		{"several", func() {
			start(tracer, tracing.WithKind(trace.SpanKindServer), tracing.WithStartTime(at), tracing.WithNewRoot())
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			testkit.MaxMallocs(t, guardRuns, 1+runtimeMallocs, tt.f) // the span
		})
	}
	// What the sampler sees of attributes and links is a copy; a span that follows its parent's
	// decision asks no sampler.
	following := newProvider(t, tracing.WithSampler(sampling.ParentBased(sampling.AlwaysOff()))).NewTracer("test")
	_, followed := following.StartSpan(context.Background(), "parent")
	t.Run("attributes and links", func(t *testing.T) {
		testkit.MaxMallocs(t, guardRuns, 1, func() {
			start(following, tracing.WithParent(followed), tracing.WithAttributes(attrs...), tracing.WithLinks(links...))
		})
	})
}

func start(tracer *tracing.Tracer, opts ...tracing.SpanOption) {
	_, s := tracer.StartSpan(context.Background(), "one", opts...)
	s.End()
}

func TestNoopTracerAllocatesNothing(t *testing.T) {
	var none *tracing.Tracer
	for name, tracer := range map[string]*tracing.Tracer{
		"nil":              none,
		"WithNoop":         tracing.NewTracer("test", tracing.WithNoop()),
		"before SetGlobal": tracing.NewTracer("test"),
	} {
		t.Run(name, func(t *testing.T) {
			ctx := context.Background()
			testkit.MaxMallocs(t, guardRuns, 0, func() {
				inner, s := tracer.StartSpan(ctx, "one", tracing.WithKind(trace.SpanKindServer))
				s.SetAttribute("a", "b")
				s.SetStatus(codes.Error, "e")
				s.AddEvent("e")
				_, child := tracer.StartSpan(inner, "two")
				child.End()
				s.Finish()
			})
		})
	}
	t.Run("StartSpan before SetGlobal", func(t *testing.T) {
		testkit.MaxMallocs(t, guardRuns, 0, func() {
			ctx, s := tracing.StartSpan(context.Background(), "one")
			_ = tracing.ActiveSpan(ctx)
			s.End()
		})
	})
}

// The sinks keep the compiler from leaving calls out.
var (
	sinkSpan    *tracing.Span
	sinkAPI     trace.Span
	sinkContext trace.SpanContext
)

func TestLookingUpTheSpanAllocatesNothing(t *testing.T) {
	tracer, _, _ := newTracer(t)
	ctx, s := tracer.StartSpan(context.Background(), "one")
	deep := context.WithValue(ctx, ctxKey("k"), 1)
	for _, tt := range []struct {
		name string
		f    func()
	}{
		{"ActiveSpan", func() { sinkSpan = tracer.ActiveSpan(deep) }},
		{"RootSpan", func() { sinkSpan = tracer.RootSpan(deep) }},
		{"trace.SpanFromContext", func() { sinkAPI = trace.SpanFromContext(deep) }},
		{"trace.SpanContextFromContext", func() { sinkContext = trace.SpanContextFromContext(deep) }},
		{"SpanContext", func() { sinkContext = s.SpanContext() }},
	} {
		t.Run(tt.name, func(t *testing.T) { testkit.MaxMallocs(t, guardRuns, runtimeMallocs, tt.f) })
	}
}

func TestSetAttributeAllocatesNothing(t *testing.T) {
	tracer, _, _ := newTracer(t)
	_, s := tracer.StartSpan(context.Background(), "one")
	n := 1 << 20 // beyond the small integers that the runtime has ready
	text := time.Now().String()
	for _, tt := range []struct {
		name string
		f    func()
	}{
		{"int", func() { n++; s.SetAttribute("i", n) }},
		{"string", func() { s.SetAttribute("s", text) }},
		{"bool", func() { s.SetAttribute("b", n%2 == 0) }},
		{"removed", func() { s.SetAttribute("s", nil) }},
	} {
		t.Run(tt.name, func(t *testing.T) { testkit.MaxMallocs(t, guardRuns, runtimeMallocs, tt.f) })
	}
}

type ctxKey string
