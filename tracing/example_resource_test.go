// SPDX-License-Identifier: Apache-2.0

package tracing_test

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/attribute"

	"github.com/spandrel-go/spandrel/tracing"
)

// forEach is an exporter that calls a function for each span.
type forEach func(*tracing.SpanData)

func (f forEach) ExportSpans(_ context.Context, spans []*tracing.SpanData) error {
	for _, d := range spans {
		f(d)
	}
	return nil
}

func (forEach) Shutdown(context.Context) error { return nil }

// A detector of one's own beside those that are ready.
func ExampleWithResourceDetectors() {
	region := tracing.ResourceDetectorFunc(func(context.Context) (*tracing.Resource, error) {
		return tracing.NewSchemaResource(tracing.SchemaURL, attribute.String("cloud.region", "eu-central-1")), nil
	})
	provider, err := tracing.NewProvider(
		tracing.WithServiceName("orders"),
		tracing.WithResourceDetectors(tracing.HostDetector(), tracing.OSDetector(), region),
		tracing.WithExporter(forEach(func(d *tracing.SpanData) {
			for _, kv := range d.Resource.Attributes() {
				if kv.Key == "cloud.region" || kv.Key == "service.name" {
					fmt.Println(kv.Key, "=", kv.Value.AsString())
				}
			}
			fmt.Println(d.Resource.SchemaURL())
		})),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	_, span := provider.NewTracer("orders").StartSpan(context.Background(), "validate")
	span.End()
	_ = provider.Shutdown(context.Background())
	// Output:
	// cloud.region = eu-central-1
	// service.name = orders
	// https://opentelemetry.io/schemas/1.43.0
}

func ExampleResource_Merge() {
	old := tracing.NewResource(attribute.String("service.name", "orders"), attribute.String("host.name", "a"))
	merged := old.Merge(tracing.NewResource(attribute.String("host.name", "b")))
	for _, kv := range merged.Attributes() {
		fmt.Println(kv.Key, "=", kv.Value.AsString())
	}
	// Output:
	// host.name = b
	// service.name = orders
}

func ExampleWithSpanLimits() {
	provider, err := tracing.NewProvider(
		tracing.WithSpanLimits(tracing.SpanLimits{Attributes: 1, AttributeValueLength: 5}),
		tracing.WithExporter(forEach(func(d *tracing.SpanData) {
			fmt.Println(d.Attributes[0].Value.AsString(), "and", d.DroppedAttributes, "dropped")
		})),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	_, span := provider.NewTracer("orders").StartSpan(context.Background(), "validate")
	span.SetAttributes(attribute.String("customer", "Jürgen"), attribute.Int("items", 3))
	span.End()
	_ = provider.Shutdown(context.Background())
	// Output: Jürge and 1 dropped
}
