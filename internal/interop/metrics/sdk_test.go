// SPDX-License-Identifier: Apache-2.0

package metrics_test

import (
	"context"
	"io"
	"net/http"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/stdout/stdouttrace"
	"go.opentelemetry.io/otel/metric/noop"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/tracing"
	"github.com/spandrel-go/spandrel/tracing/tracemetric"
)

// shape is what must be the same in both.
type shape struct {
	unit, description string
	monotonic         bool
	sum               int64 // of all values
}

// read returns the sums of a reader by name, the attributes of each, and what else there is.
func read(t *testing.T, reader *sdkmetric.ManualReader) (shapes map[string]shape, attrs map[string][]string, others []string) {
	t.Helper()
	shapes, attrs = map[string]shape{}, map[string][]string{}
	var data metricdata.ResourceMetrics
	require.NoError(t, reader.Collect(t.Context(), &data))
	for _, scope := range data.ScopeMetrics {
		for _, m := range scope.Metrics {
			sum, ok := m.Data.(metricdata.Sum[int64])
			if !ok {
				others = append(others, m.Name)
				continue
			}
			sh := shape{m.Unit, m.Description, sum.IsMonotonic, 0}
			for _, p := range sum.DataPoints {
				sh.sum += p.Value
				for _, attr := range p.Attributes.ToSlice() {
					attrs[m.Name] = append(attrs[m.Name], string(attr.Key))
				}
			}
			slices.Sort(attrs[m.Name])
			attrs[m.Name] = slices.Compact(attrs[m.Name])
			shapes[m.Name] = sh
		}
	}
	return shapes, attrs, others
}

// work ends four spans, leaves one open and starts one that is not sampled.
func work(t *testing.T, sampled, unsampled trace.Tracer) (open trace.Span) {
	t.Helper()
	ctx, root := sampled.Start(t.Context(), "root")
	for range 3 {
		_, child := sampled.Start(ctx, "child")
		child.End()
	}
	root.End()
	_, dropped := unsampled.Start(t.Context(), "dropped")
	dropped.End()
	_, open = sampled.Start(t.Context(), "open")
	return open
}

// byName drops the spans that are called so.
type byName struct{}

func (byName) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	if p.Name == "dropped" {
		return sdktrace.NeverSample().ShouldSample(p)
	}
	return sdktrace.AlwaysSample().ShouldSample(p)
}

func (byName) Description() string { return "byName" }

// OpenTelemetry's SDK can measure itself: after the same work its metrics and ours are the same, but for what
// package tracemetric says. Not parallel: the SDK asks the environment and the global MeterProvider.
func TestMetricsAreThoseOfTheSDK(t *testing.T) {
	t.Setenv("OTEL_GO_X_OBSERVABILITY", "true")
	theirReader, ourReader := sdkmetric.NewManualReader(), sdkmetric.NewManualReader()
	theirMeters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(theirReader))
	ourMeters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(ourReader))
	otel.SetMeterProvider(theirMeters)
	t.Cleanup(func() {
		otel.SetMeterProvider(noop.NewMeterProvider())
		assert.NoError(t, theirMeters.Shutdown(context.Background()))
		assert.NoError(t, ourMeters.Shutdown(context.Background()))
	})

	exporter, err := stdouttrace.New(stdouttrace.WithWriter(io.Discard))
	require.NoError(t, err)
	theirs := sdktrace.NewTracerProvider(sdktrace.WithSampler(byName{}), sdktrace.WithBatcher(exporter))
	t.Cleanup(func() { assert.NoError(t, theirs.Shutdown(context.Background())) })
	defer work(t, theirs.Tracer("sampled"), theirs.Tracer("unsampled")).End()
	require.NoError(t, theirs.ForceFlush(t.Context()))

	ours, err := tracing.NewProvider(
		tracing.WithEnvironment(func(string) (string, bool) { return "", false }),
		tracing.WithExporter(backend(t, http.StatusAccepted)),
	)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, ours.Shutdown(context.Background())) })
	_, err = tracemetric.Register(ourMeters, ours)
	require.NoError(t, err)
	defer work(t, ours.NewTracer("sampled"), ours.NewTracer("unsampled", tracing.WithSamplingRate(0))).End()
	require.NoError(t, ours.ForceFlush(t.Context()))

	want, wantAttrs, histograms := read(t, theirReader)
	got, gotAttrs, _ := read(t, ourReader)
	require.Len(t, want, 7)
	assert.Equal(t, []string{"otel.sdk.exporter.operation.duration"}, histograms, "all that we do not have")
	lacking := map[string][]string{
		"otel.sdk.span.started": {"otel.span.parent.origin"},
		"otel.sdk.span.live":    {"otel.span.sampling_result"},
	}
	for name, w := range want {
		if name == "otel.sdk.processor.span.queue.capacity" {
			w.sum = got[name].sum // the defaults are each one's own
		}
		assert.Equal(t, w, got[name], "%s", name)
		for _, attr := range wantAttrs[name] {
			if !slices.Contains(lacking[name], attr) {
				assert.Contains(t, gotAttrs[name], attr, "%s", name)
			}
		}
		for _, attr := range gotAttrs[name] {
			if attr != "error.type" { // ours are there from the start, with 0
				assert.Contains(t, wantAttrs[name], attr, "%s", name)
			}
		}
	}

	// The exporter that the conventions know has the name that they give it.
	var data metricdata.ResourceMetrics
	require.NoError(t, ourReader.Collect(t.Context(), &data))
	names := map[string]bool{}
	for _, m := range data.ScopeMetrics[0].Metrics {
		if sum, ok := m.Data.(metricdata.Sum[int64]); ok && m.Name == "otel.sdk.exporter.span.inflight" {
			for _, p := range sum.DataPoints {
				name, _ := p.Attributes.Value("otel.component.name")
				names[name.AsString()] = true
			}
		}
	}
	assert.Equal(t, map[string]bool{"zipkin_http_span_exporter/0": true}, names)
}
