// SPDX-License-Identifier: Apache-2.0

package tracemetric_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/semconv/v1.43.0/otelconv"

	"github.com/spandrel-go/spandrel/tracing"
	"github.com/spandrel-go/spandrel/tracing/tracemetric"
)

func TestEveryFieldHasAMetric(t *testing.T) {
	t.Parallel()
	fields := fieldsOf(t)
	all := valuesOf(t, *fullStats(t))
	for name := range all {
		assert.NotEmpty(t, fields[name], "%s shows nothing", name)
	}
	count := 0
	for _, in := range tracemetric.Instruments() {
		count += max(1, len(in.Attributes))
		if strings.HasPrefix(in.Name, "otel.") && len(in.Attributes) > 0 {
			count++ // the value without the attribute
		}
	}
	assert.Len(t, all, count)
}

// Names, units, descriptions and types are those that otelconv's own constructors make.
func TestSpec_Metrics_are_those_of_the_conventions(t *testing.T) {
	t.Parallel()
	mp, reader := newMeterProvider(t)
	meter := mp.Meter(tracemetric.ScopeName, metric.WithSchemaURL(tracemetric.SchemaURL))
	started, err := otelconv.NewSDKSpanStartedObservable(meter)
	require.NoError(t, err)
	live, err := otelconv.NewSDKSpanLiveObservable(meter)
	require.NoError(t, err)
	size, err := otelconv.NewSDKProcessorSpanQueueSize(meter)
	require.NoError(t, err)
	capacity, err := otelconv.NewSDKProcessorSpanQueueCapacity(meter)
	require.NoError(t, err)
	processed, err := otelconv.NewSDKProcessorSpanProcessedObservable(meter)
	require.NoError(t, err)
	inflight, err := otelconv.NewSDKExporterSpanInflightObservable(meter)
	require.NoError(t, err)
	exported, err := otelconv.NewSDKExporterSpanExportedObservable(meter)
	require.NoError(t, err)
	observables := []metric.Int64Observable{
		started.Inst(), live.Inst(), size.Inst(), capacity.Inst(), processed.Inst(), inflight.Inst(), exported.Inst(),
	}
	_, err = meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		for _, in := range observables {
			o.ObserveInt64(in, 1)
		}
		return nil
	}, started.Inst(), live.Inst(), size.Inst(), capacity.Inst(), processed.Inst(), inflight.Inst(), exported.Inst())
	require.NoError(t, err)
	type shape struct{ kind, unit, description string }
	shapes := func(metrics []metricdata.Metrics) map[string]shape {
		all := map[string]shape{}
		for _, m := range metrics {
			kind, _ := pointsOf(t, m)
			all[m.Name] = shape{kind, m.Unit, m.Description}
		}
		return all
	}
	want := shapes(collect(t, reader))
	require.Len(t, want, len(observables))

	ours, ourReader := newMeterProvider(t)
	_, err = tracemetric.RegisterStats(ours, func() tracing.Stats { return *fullStats(t) })
	require.NoError(t, err)
	got := shapes(collect(t, ourReader))
	for name, w := range want {
		assert.Equal(t, w, got[name], "%s", name)
	}
	for _, in := range tracemetric.Instruments() {
		_, standard := want[in.Name]
		assert.Equal(t, standard, in.Convention, "%s", in.Name)
		assert.Equal(t, shape{in.Kind, in.Unit, in.Description}, got[in.Name], "%s", in.Name)
		if !standard {
			assert.Regexp(t, `^spandrel(\.[a-z]+(_[a-z]+)*)+$`, in.Name)
			assert.Regexp(t, `^([A-Z].*|1 .*)\.$`, in.Description, "%s: a sentence", in.Name)
		}
	}
}

func TestValues(t *testing.T) {
	t.Parallel()
	s := fullStats(t)
	e := &s.Exporters[0]
	second := *e
	second.Exporter = "*mine.Exporter"
	second.LastError, second.CircuitOpen = nil, false
	second.InQueue = 3
	s.Exporters = append(s.Exporters, second)
	d := &e.Dropped
	u := func(n uint64) int64 { return int64(n) }

	const (
		processor0 = "otel.component.name=batching_span_processor/0,otel.component.type=batching_span_processor"
		processor1 = "otel.component.name=batching_span_processor/1,otel.component.type=batching_span_processor"
		exporter0  = "otel.component.name=zipkin_http_span_exporter/0,otel.component.type=zipkin_http_span_exporter"
		exporter1  = "otel.component.name=*mine.Exporter/1,otel.component.type=*mine.Exporter"
	)
	got := valuesOf(t, *s)
	for name, want := range map[string]int64{
		"otel.sdk.span.started":                                                         u(s.Started),
		"otel.sdk.span.started{otel.span.sampling_result=DROP}":                         u(s.SampledOut),
		"otel.sdk.span.live":                                                            int64(s.Open),
		"spandrel.span.ended":                                                           u(s.Ended),
		"spandrel.span.unfinished":                                                      u(s.Unfinished),
		"spandrel.span.overdue":                                                         u(s.Overdue),
		"spandrel.span.withheld{spandrel.reason=record_only}":                           u(s.Withheld.RecordOnly),
		"spandrel.span.withheld{spandrel.reason=not_sampled}":                           u(s.Withheld.NotSampled),
		"spandrel.span.withheld{spandrel.reason=released}":                              u(s.Withheld.Released),
		"spandrel.span.end_refused":                                                     u(s.RefusedEnds),
		"spandrel.span.never_linked":                                                    u(s.NeverLinked),
		"spandrel.span.started_after_shutdown":                                          u(s.StartedAfterShutdown),
		"spandrel.span.ended_after_shutdown":                                            u(s.EndedAfterShutdown),
		"otel.sdk.processor.span.queue.size{" + processor0 + "}":                        int64(e.InQueue),
		"otel.sdk.processor.span.queue.size{" + processor1 + "}":                        3,
		"otel.sdk.processor.span.queue.capacity{" + processor0 + "}":                    int64(e.QueueCapacity),
		"otel.sdk.processor.span.processed{" + processor0 + "}":                         u(e.Exported + d.ExportFailed + d.TooLarge + d.Rejected + d.Abandoned),
		"otel.sdk.processor.span.processed{error.type=queue_full," + processor0 + "}":   u(d.QueueFull),
		"otel.sdk.processor.span.processed{error.type=shutdown," + processor0 + "}":     u(d.Shutdown),
		"otel.sdk.processor.span.processed{error.type=spool_full," + processor0 + "}":   u(d.SpoolFull),
		"otel.sdk.processor.span.processed{error.type=spool_failed," + processor0 + "}": u(d.SpoolFailed),
		"otel.sdk.exporter.span.inflight{" + exporter0 + "}":                            int64(e.InFlight),
		"otel.sdk.exporter.span.exported{" + exporter0 + "}":                            u(e.Exported),
		"otel.sdk.exporter.span.exported{error.type=export_failed," + exporter0 + "}":   u(d.ExportFailed),
		"otel.sdk.exporter.span.exported{error.type=too_large," + exporter0 + "}":       u(d.TooLarge),
		"otel.sdk.exporter.span.exported{error.type=rejected," + exporter0 + "}":        u(d.Rejected),
		"otel.sdk.exporter.span.exported{error.type=abandoned," + exporter0 + "}":       u(d.Abandoned),
		"spandrel.processor.span.queued{" + processor0 + "}":                            u(e.Queued),
		"spandrel.processor.span.waiting{" + processor0 + "}":                           int64(e.Waiting),
		"spandrel.processor.span.waiting.size{" + processor0 + "}":                      int64(e.WaitingBytes),
		"spandrel.exporter.retried{" + exporter0 + "}":                                  u(e.Retried),
		"spandrel.exporter.sent{" + exporter0 + "}":                                     u(e.SentBytes),
		"spandrel.exporter.circuit_open{" + exporter0 + "}":                             1,
		"spandrel.exporter.circuit_open{" + exporter1 + "}":                             0,
		"spandrel.exporter.failing{" + exporter0 + "}":                                  1,
		"spandrel.exporter.failing{" + exporter1 + "}":                                  0,
		"spandrel.exporter.failing_since{" + exporter0 + "}":                            failedAt.Unix(),
		"spandrel.spool.span.count{" + processor0 + "}":                                 int64(e.Spool.Spans),
		"spandrel.spool.size{" + processor0 + "}":                                       e.Spool.Bytes,
		"spandrel.spool.span.written{" + processor0 + "}":                               u(e.Spool.Written),
		"spandrel.spool.span.replayed{" + processor0 + "}":                              u(e.Spool.Replayed),
		"spandrel.spool.span.recovered{" + processor0 + "}":                             u(e.Spool.Recovered),
		"spandrel.spool.damaged{" + processor0 + "}":                                    u(e.Spool.Damaged),
	} {
		value, ok := got[name]
		assert.True(t, ok, "%s is not there", name)
		assert.Equal(t, want, value, "%s", name)
	}
	assert.NotContains(t, got, "spandrel.exporter.failing_since{"+exporter1+"}", "it does not fail")
}

// Each span that a pipeline is done with counts once among the processor's, and those that reached the
// exporter once among the exporter's.
func TestSumsOfProcessorAndExporter(t *testing.T) {
	t.Parallel()
	s := fullStats(t)
	var processed, reached, exported int64
	for name, value := range valuesOf(t, *s) {
		switch {
		case strings.HasPrefix(name, "otel.sdk.processor.span.processed{"):
			processed += value
			if !strings.Contains(name, "error.type") {
				reached = value
			}
		case strings.HasPrefix(name, "otel.sdk.exporter.span.exported{"):
			exported += value
		}
	}
	e := &s.Exporters[0]
	assert.Equal(t, int64(e.Exported+e.Dropped.Sum()), processed)
	assert.Equal(t, reached, exported)
}

func TestErrorTextIsNoAttribute(t *testing.T) {
	t.Parallel()
	allowed := map[attribute.Key]bool{
		"otel.component.name": true, "otel.component.type": true, "otel.span.sampling_result": true,
		"error.type": true, "spandrel.reason": true,
	}
	mp, reader := newMeterProvider(t)
	_, err := tracemetric.RegisterStats(mp, func() tracing.Stats { return *fullStats(t) })
	require.NoError(t, err)
	for _, m := range collect(t, reader) {
		_, points := pointsOf(t, m)
		for _, p := range points {
			for _, attr := range p.Attributes.ToSlice() {
				assert.True(t, allowed[attr.Key], "%s has an attribute %s", m.Name, attr.Key)
				assert.NotContains(t, attr.Value.AsString(), "overloaded", "%s", m.Name)
			}
		}
	}
}
