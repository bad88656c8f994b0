// SPDX-License-Identifier: Apache-2.0

package tracemetric_test

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/spandrel-go/spandrel/tracing"
	"github.com/spandrel-go/spandrel/tracing/tracemetric"
)

func ExampleRegister() {
	ctx := context.Background()
	reader := metric.NewManualReader() // a program has a PeriodicReader with an exporter
	meterProvider := metric.NewMeterProvider(metric.WithReader(reader))
	provider, err := tracing.NewProvider()
	if err != nil {
		fmt.Println(err)
		return
	}
	registration, err := tracemetric.Register(meterProvider, provider)
	if err != nil {
		fmt.Println(err)
		return
	}

	_, span := provider.NewTracer("example").StartSpan(ctx, "work")
	span.End()

	var data metricdata.ResourceMetrics
	if err := reader.Collect(ctx, &data); err != nil {
		fmt.Println(err)
	}
	for _, m := range data.ScopeMetrics[0].Metrics {
		if sum, ok := m.Data.(metricdata.Sum[int64]); ok && m.Name == "spandrel.span.ended" {
			fmt.Println(m.Name, sum.DataPoints[0].Value, m.Unit)
		}
	}

	if err := registration.Unregister(); err != nil {
		fmt.Println(err)
	}
	_ = provider.Shutdown(ctx)
	_ = meterProvider.Shutdown(ctx)
	// Output: spandrel.span.ended 1 {span}
}
