// SPDX-License-Identifier: Apache-2.0

package benchmarks

import (
	"context"
	"encoding/binary"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/sampling"
	"github.com/spandrel-go/spandrel/tracing"
)

// queueWait is how long End may wait for room in spandrel's queue; longer than any run takes.
const queueWait = time.Minute

func spandrelOwn() Peer {
	return Peer{
		Name: "spandrel",
		About: "spandrel's own API, encoding exporter, WithQueueWait, defaults otherwise; unsampled: AlwaysOff; " +
			"disabled: no provider",
		Delivers: true,
		Start: func(mode Mode, sink *Sink) (Instance, error) {
			if mode == Disabled {
				return &spandrelCaller{tracer: tracing.NewTracer(scopeName)}, nil
			}
			return startSpandrel(mode, &encodingExporter{plainExporter{sink: sink}})
		},
	}
}

func spandrelPlain() Peer {
	return Peer{
		Name:     "spandrel-plain",
		About:    "the same with a plain exporter, which is handed spans in place of encoding them",
		Delivers: true,
		Start: func(mode Mode, sink *Sink) (Instance, error) {
			return startSpandrel(mode, &plainExporter{sink: sink})
		},
	}
}

func spandrelOTel() Peer {
	return Peer{
		Name:     "spandrel-otel",
		About:    "spandrel behind the OpenTelemetry API, encoding exporter, set up as the above",
		Delivers: true,
		Start: func(mode Mode, sink *Sink) (Instance, error) {
			p, err := newSpandrel(mode, &encodingExporter{plainExporter{sink: sink}})
			if err != nil {
				return nil, err
			}
			return &otelCaller{tracer: p.Tracer(scopeName), stop: p.Shutdown}, nil
		},
	}
}

func newSpandrel(mode Mode, exporter tracing.Exporter) (*tracing.Provider, error) {
	opts := []tracing.Option{
		tracing.WithExporter(exporter, tracing.WithQueueWait(queueWait)),
		tracing.WithServiceName(serviceName),
	}
	if mode == Unsampled {
		opts = append(opts, tracing.WithSampler(sampling.AlwaysOff()))
	}
	return tracing.NewProvider(opts...)
}

func startSpandrel(mode Mode, exporter tracing.Exporter) (Instance, error) {
	p, err := newSpandrel(mode, exporter)
	if err != nil {
		return nil, err
	}
	return &spandrelCaller{tracer: p.NewTracer(scopeName), provider: p}, nil
}

// spandrelCaller makes spans through spandrel's own API.
type spandrelCaller struct {
	tracer   *tracing.Tracer
	provider *tracing.Provider // nil when disabled
}

func (c *spandrelCaller) Trace(s *Shape) {
	ctx, root := c.start(context.Background(), rootName, trace.SpanKindServer, s)
	if s.Workers == 0 {
		for range s.Children {
			c.child(ctx, s)
		}
	} else {
		fanOut(s, func() { c.child(ctx, s) })
	}
	c.fill(root, s)
	root.End()
}

func (c *spandrelCaller) child(ctx context.Context, s *Shape) {
	_, span := c.start(ctx, childName, trace.SpanKindClient, s)
	c.fill(span, s)
	span.End()
}

func (c *spandrelCaller) start(
	ctx context.Context, name string, kind trace.SpanKind, s *Shape,
) (context.Context, *tracing.Span) {
	if s.Attributes {
		return c.tracer.StartSpan(ctx, name, tracing.WithKind(kind))
	}
	return c.tracer.StartSpan(ctx, name)
}

func (c *spandrelCaller) fill(span *tracing.Span, s *Shape) {
	if s.Attributes {
		span.SetAttributes(
			attribute.String(keyString, valueString),
			attribute.Int(keyInt, valueInt),
			attribute.Bool(keyBool, valueBool),
			attribute.String(keyText, valueText),
		)
		span.SetStatus(codes.Error, statusText)
	}
	for range s.Events {
		span.AddEvent(eventName)
	}
}

func (c *spandrelCaller) Stop() error {
	if c.provider == nil {
		return nil
	}
	return c.provider.Shutdown(context.Background())
}

// plainExporter reads every field of spandrel's spans.
type plainExporter struct{ sink *Sink }

func (e *plainExporter) ExportSpans(_ context.Context, spans []*tracing.SpanData) error {
	for _, d := range spans {
		e.read(d)
	}
	e.sink.spans.Add(int64(len(spans)))
	return nil
}

func (e *plainExporter) read(d *tracing.SpanData) {
	readSpandrel(&e.sink.Checksum, d)
	if e.sink.keep != nil {
		e.sink.keep(d)
	}
}

func (e *plainExporter) Shutdown(context.Context) error { return nil }

// encodingExporter does the same on the way that spandrel's own exporters take: a span is encoded,
// here into its checksum, as soon as the pipeline gets it.
type encodingExporter struct{ plainExporter }

var _ tracing.EncodingExporter = (*encodingExporter)(nil)

func (e *encodingExporter) AppendResource(dst []byte, _ *tracing.Resource) []byte { return dst }

func (e *encodingExporter) AppendSpan(dst []byte, d *tracing.SpanData) []byte {
	e.read(d)
	return binary.LittleEndian.AppendUint64(dst, e.sink.Value())
}

func (e *encodingExporter) AppendRequest(dst []byte, b tracing.EncodedBatch) []byte {
	for i := range b.Len() {
		dst = append(dst, b.Span(i)...)
	}
	return dst
}

func (e *encodingExporter) SendRequest(_ context.Context, _ []byte, spans int) error {
	e.sink.spans.Add(int64(spans))
	return nil
}

func readSpandrel(c *Checksum, d *tracing.SpanData) {
	c.SpanContext(d.SpanContext)
	c.SpanContext(d.Parent)
	c.String(d.Name)
	c.Uint64(uint64(d.Kind))
	c.Time(d.StartTime)
	c.Time(d.EndTime)
	c.Attributes(d.Attributes)
	c.Uint64(uint64(len(d.Events)))
	for i := range d.Events {
		c.String(d.Events[i].Name)
		c.Time(d.Events[i].Time)
		c.Attributes(d.Events[i].Attributes)
		c.Uint64(uint64(d.Events[i].DroppedAttributes))
	}
	c.Uint64(uint64(len(d.Links)))
	for i := range d.Links {
		c.SpanContext(d.Links[i].SpanContext)
		c.Attributes(d.Links[i].Attributes)
		c.Uint64(uint64(d.Links[i].DroppedAttributes))
	}
	c.Uint64(uint64(d.Status.Code))
	c.String(d.Status.Description)
	c.Bool(d.Resource != nil)
	c.String(d.Scope.Name)
	c.Uint64(uint64(d.DroppedAttributes))
	c.Uint64(uint64(d.DroppedEvents))
	c.Uint64(uint64(d.DroppedLinks))
}
