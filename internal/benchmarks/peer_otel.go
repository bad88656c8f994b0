// SPDX-License-Identifier: Apache-2.0

package benchmarks

import (
	"context"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// otelCaller makes spans through the OpenTelemetry API; whose tracer it is, it does not know.
type otelCaller struct {
	tracer trace.Tracer
	stop   func(context.Context) error
}

func (o *otelCaller) Trace(s *Shape) {
	ctx, root := o.start(context.Background(), rootName, trace.SpanKindServer, s)
	if s.Workers == 0 {
		for range s.Children {
			o.child(ctx, s)
		}
	} else {
		fanOut(s, func() { o.child(ctx, s) })
	}
	o.fill(root, s)
	root.End()
}

func (o *otelCaller) child(ctx context.Context, s *Shape) {
	_, span := o.start(ctx, childName, trace.SpanKindClient, s)
	o.fill(span, s)
	span.End()
}

func (o *otelCaller) start(ctx context.Context, name string, kind trace.SpanKind, s *Shape) (context.Context, trace.Span) {
	if s.Attributes {
		return o.tracer.Start(ctx, name, trace.WithSpanKind(kind))
	}
	return o.tracer.Start(ctx, name)
}

func (o *otelCaller) fill(span trace.Span, s *Shape) {
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

func (o *otelCaller) Stop() error {
	if o.stop == nil {
		return nil
	}
	return o.stop(context.Background())
}

func otelSDK() Peer {
	return Peer{
		Name:     "otel",
		About:    "OpenTelemetry SDK: WithBatcher(exporter, WithBlocking()), defaults otherwise; unsampled: NeverSample",
		Delivers: true,
		Start: func(mode Mode, sink *Sink) (Instance, error) {
			opts := []sdktrace.TracerProviderOption{
				sdktrace.WithBatcher(&otelExporter{sink: sink}, sdktrace.WithBlocking()),
				sdktrace.WithResource(resource.NewSchemaless(attribute.String("service.name", serviceName))),
			}
			if mode == Unsampled {
				opts = append(opts, sdktrace.WithSampler(sdktrace.NeverSample()))
			}
			tp := sdktrace.NewTracerProvider(opts...)
			return &otelCaller{tracer: tp.Tracer(scopeName), stop: tp.Shutdown}, nil
		},
	}
}

func otelNoop() Peer {
	return Peer{
		Name:  "noop",
		About: "OpenTelemetry API with its no-op provider: what any library behind that API costs its callers",
		Start: func(Mode, *Sink) (Instance, error) {
			return &otelCaller{tracer: noop.NewTracerProvider().Tracer(scopeName)}, nil
		},
	}
}

func otelGlobal() Peer {
	return Peer{
		Name:  "otel-global",
		About: "OpenTelemetry API, otel.Tracer before any provider has been set",
		Start: func(Mode, *Sink) (Instance, error) {
			return &otelCaller{tracer: otel.Tracer(scopeName)}, nil
		},
	}
}

// otelExporter reads every field of the SDK's spans.
type otelExporter struct{ sink *Sink }

func (e *otelExporter) ExportSpans(_ context.Context, spans []sdktrace.ReadOnlySpan) error {
	for _, s := range spans {
		readOTel(&e.sink.Checksum, s)
		if e.sink.keep != nil {
			e.sink.keep(s)
		}
	}
	e.sink.spans.Add(int64(len(spans)))
	return nil
}

func (e *otelExporter) Shutdown(context.Context) error { return nil }

func readOTel(c *Checksum, s sdktrace.ReadOnlySpan) {
	c.SpanContext(s.SpanContext())
	c.SpanContext(s.Parent())
	c.String(s.Name())
	c.Uint64(uint64(s.SpanKind()))
	c.Time(s.StartTime())
	c.Time(s.EndTime())
	c.Attributes(s.Attributes())
	events := s.Events()
	c.Uint64(uint64(len(events)))
	for i := range events {
		c.String(events[i].Name)
		c.Time(events[i].Time)
		c.Attributes(events[i].Attributes)
		c.Uint64(uint64(events[i].DroppedAttributeCount))
	}
	links := s.Links()
	c.Uint64(uint64(len(links)))
	for i := range links {
		c.SpanContext(links[i].SpanContext)
		c.Attributes(links[i].Attributes)
		c.Uint64(uint64(links[i].DroppedAttributeCount))
	}
	status := s.Status()
	c.Uint64(uint64(status.Code))
	c.String(status.Description)
	c.Bool(s.Resource() != nil)
	c.String(s.InstrumentationScope().Name)
	c.Uint64(uint64(s.DroppedAttributes()))
	c.Uint64(uint64(s.DroppedEvents()))
	c.Uint64(uint64(s.DroppedLinks()))
}
