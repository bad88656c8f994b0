// SPDX-License-Identifier: Apache-2.0

package tracemetric_test

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"weak"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/spandrel-go/spandrel/sampling"
	"github.com/spandrel-go/spandrel/tracing"
	"github.com/spandrel-go/spandrel/tracing/tracemetric"
	"github.com/spandrel-go/spandrel/tracing/tracetest"
)

// newProvider makes a provider that depends on no environment, says nothing, and is shut down in the end.
func newProvider(t testing.TB, opts ...tracing.Option) *tracing.Provider {
	t.Helper()
	p, err := tracing.NewProvider(append([]tracing.Option{
		tracing.WithEnvironment(func(string) (string, bool) { return "", false }),
		tracing.WithLogger(slog.New(slog.DiscardHandler)),
	}, opts...)...)
	require.NoError(t, err)
	t.Cleanup(func() { _ = p.Shutdown(context.Background()) }) // says what a faulty exporter did not deliver
	return p
}

func TestRegisterNothing(t *testing.T) {
	t.Parallel()
	mp, reader := newMeterProvider(t)
	_, err := tracemetric.Register(nil, newProvider(t))
	assert.EqualError(t, err, "tracemetric: Register: the MeterProvider is nil")
	_, err = tracemetric.Register(mp, nil)
	assert.EqualError(t, err, "tracemetric: Register: the Provider is nil")
	assert.Empty(t, collect(t, reader))

	registration, err := tracemetric.Register(noop.NewMeterProvider(), newProvider(t))
	require.NoError(t, err)
	assert.NoError(t, registration.Unregister())
}

// refusing is a MeterProvider that has no room for something.
type refusing struct {
	noop.MeterProvider
	instrument, callback error
}

type refusingMeter struct {
	noop.Meter
	refusing
}

func (r refusing) Meter(string, ...metric.MeterOption) metric.Meter {
	return refusingMeter{refusing: r}
}

func (m refusingMeter) Int64ObservableGauge(string, ...metric.Int64ObservableGaugeOption) (metric.Int64ObservableGauge, error) {
	return noop.Int64ObservableGauge{}, m.instrument
}

func (m refusingMeter) RegisterCallback(metric.Callback, ...metric.Observable) (metric.Registration, error) {
	return noop.Registration{}, m.callback
}

func TestRegisterReportsWhatTheMeterSays(t *testing.T) {
	t.Parallel()
	errRefused := errors.New("no room")
	p := newProvider(t)
	_, err := tracemetric.Register(refusing{instrument: errRefused}, p)
	require.ErrorIs(t, err, errRefused)
	assert.EqualError(t, err, "tracemetric: Register: instrument spandrel.exporter.circuit_open: no room")
	_, err = tracemetric.Register(refusing{callback: errRefused}, p)
	require.ErrorIs(t, err, errRefused)
	assert.EqualError(t, err, "tracemetric: Register: no room")
}

func TestCollectionReadsStatsOnce(t *testing.T) {
	t.Parallel()
	mp, reader := newMeterProvider(t)
	var calls atomic.Int64
	registration, err := tracemetric.RegisterStats(mp, func() tracing.Stats {
		calls.Add(1)
		return *fullStats(t)
	})
	require.NoError(t, err)
	assert.Zero(t, calls.Load(), "nothing is read before somebody asks")
	for i := range int64(3) {
		assert.NotEmpty(t, collect(t, reader))
		assert.Equal(t, i+1, calls.Load())
	}

	assert.NoError(t, registration.Unregister())
	assert.NoError(t, registration.Unregister(), "a second time is no error")
	assert.Empty(t, collect(t, reader))
	assert.EqualValues(t, 3, calls.Load(), "after Unregister nothing is read")

	_, err = tracemetric.RegisterStats(mp, func() tracing.Stats { return tracing.Stats{Open: 7} })
	require.NoError(t, err)
	assert.EqualValues(t, 7, values(t, collect(t, reader))["otel.sdk.span.live"], "it can be registered again")
}

func TestTwoRegistrationsAddUp(t *testing.T) {
	t.Parallel()
	mp, reader := newMeterProvider(t)
	for range 2 {
		_, err := tracemetric.RegisterStats(mp, func() tracing.Stats { return tracing.Stats{Started: 5, Open: 2} })
		require.NoError(t, err)
	}
	all := values(t, collect(t, reader))
	assert.EqualValues(t, 10, all["otel.sdk.span.started"])
	assert.EqualValues(t, 4, all["otel.sdk.span.live"])
}

func TestUnregisterLetsGoOfTheProvider(t *testing.T) {
	t.Parallel()
	mp, reader := newMeterProvider(t)
	held := func() weak.Pointer[tracing.Provider] {
		p, err := tracing.NewProvider(tracing.WithExporter(tracetest.NewRecorder()))
		require.NoError(t, err)
		registration, err := tracemetric.Register(mp, p)
		require.NoError(t, err)
		assert.NotEmpty(t, collect(t, reader))
		require.NoError(t, registration.Unregister())
		require.NoError(t, p.Shutdown(t.Context()))
		return weak.Make(p)
	}()
	assert.Eventually(t, func() bool {
		runtime.GC()
		return held.Value() == nil
	}, 30*time.Second, time.Millisecond, "the MeterProvider still holds the provider")
	assert.Empty(t, collect(t, reader))
}

// Real spans on a real provider, with an exporter that takes all, one that refuses all for good, and one
// that is busy with its only batch.
func TestSpec_Metrics_of_real_spans(t *testing.T) {
	t.Parallel()
	broken, busy := tracetest.NewFaultExporter(nil), tracetest.NewFaultExporter(nil)
	broken.Rest(tracetest.Fail(errBackend))
	release := make(chan struct{})
	entered := make(chan struct{}, 1)
	busy.Rest(func(ctx context.Context, c tracetest.Call) error {
		entered <- struct{}{}
		<-release
		return c.Deliver(ctx)
	})
	p := newProvider(t,
		tracing.WithSampler(sampling.AlwaysOn()),
		tracing.WithExporter(tracetest.NewRecorder()),
		tracing.WithExporter(broken),
		tracing.WithExporter(busy, tracing.WithQueueSpans(32)),
	)
	mp, reader := newMeterProvider(t)
	_, err := tracemetric.Register(mp, p)
	require.NoError(t, err)

	tracer := p.NewTracer("t")
	ctx, root := tracer.StartSpan(t.Context(), "root")
	for range 3 {
		_, child := tracer.StartSpan(ctx, "child")
		child.End()
	}
	root.End()
	_, unsampled := p.NewTracer("none", tracing.WithSamplingRate(0)).StartSpan(t.Context(), "unsampled")
	unsampled.End()
	_, open := tracer.StartSpan(t.Context(), "open")
	defer open.End()

	flushed := make(chan error)
	go func() { flushed <- p.ForceFlush(t.Context()) }()
	<-entered
	require.Eventually(t, func() bool {
		s := p.Stats()
		return s.Exporters[0].Exported == 4 && s.Exporters[1].Dropped.ExportFailed == 4
	}, 30*time.Second, time.Millisecond)

	// While the last one is busy.
	all := values(t, collect(t, reader))
	for name, want := range map[string]int64{
		"otel.sdk.span.started":                                 5,
		"otel.sdk.span.started{otel.span.sampling_result=DROP}": 1,
		"otel.sdk.span.live":                                    1,
		"spandrel.span.ended":                                   4,
		"otel.sdk.exporter.span.exported{" + exporterName("*tracetest.Recorder", 0) + "}":                               4,
		"otel.sdk.exporter.span.exported{" + exporterName("*tracetest.FaultExporter", 1) + "}":                          0,
		"otel.sdk.exporter.span.exported{error.type=export_failed," + exporterName("*tracetest.FaultExporter", 1) + "}": 4,
		"otel.sdk.exporter.span.exported{" + exporterName("*tracetest.FaultExporter", 2) + "}":                          0,
		"otel.sdk.processor.span.processed{" + exporterName("batching_span_processor", 1) + "}":                         4,
		"otel.sdk.processor.span.processed{" + exporterName("batching_span_processor", 2) + "}":                         0,
		"otel.sdk.processor.span.queue.capacity{" + exporterName("batching_span_processor", 2) + "}":                    32,
		"spandrel.exporter.failing{" + exporterName("*tracetest.FaultExporter", 1) + "}":                                1,
		"spandrel.exporter.failing{" + exporterName("*tracetest.FaultExporter", 2) + "}":                                0,
	} {
		value, ok := all[name]
		assert.True(t, ok, "%s is not there", name)
		assert.Equal(t, want, value, "%s", name)
	}
	inflight := all["otel.sdk.exporter.span.inflight{"+exporterName("*tracetest.FaultExporter", 2)+"}"]
	assert.Positive(t, inflight, "what is being sent")
	assert.EqualValues(t, 4, all["spandrel.processor.span.waiting{"+exporterName("batching_span_processor", 2)+"}"])
	assert.LessOrEqual(t, all["otel.sdk.processor.span.queue.size{"+exporterName("batching_span_processor", 2)+"}"], 4-inflight)

	close(release)
	assert.ErrorIs(t, <-flushed, errBackend)
	assert.Equal(t, valuesOf(t, p.Stats()), values(t, collect(t, reader)), "at rest metrics are what Stats says")
}

func exporterName(of string, i int) string {
	return "otel.component.name=" + of + "/" + string(rune('0'+i)) + ",otel.component.type=" + of
}

// Collections of two readers, registrations and their ends happen while spans are made and exported.
func TestCollectionsAreConcurrentSafe(t *testing.T) {
	t.Parallel()
	readers := []*sdkmetric.ManualReader{sdkmetric.NewManualReader(), sdkmetric.NewManualReader()}
	mp := sdkmetric.NewMeterProvider(sdkmetric.WithReader(readers[0]), sdkmetric.WithReader(readers[1]))
	t.Cleanup(func() { _ = mp.Shutdown(context.Background()) })
	faulty := tracetest.NewFaultExporter(nil)
	faulty.Rest(tracetest.Reject(1))
	p := newProvider(t,
		tracing.WithExporter(tracetest.NewRecorder(), tracing.WithQueueSpans(64)),
		tracing.WithExporter(faulty, tracing.WithBatchSpans(8)),
	)
	_, err := tracemetric.Register(mp, p)
	require.NoError(t, err)

	var load, others sync.WaitGroup
	done := make(chan struct{})
	running := func() bool {
		select {
		case <-done:
			return false
		default:
			return true
		}
	}
	for range 3 {
		load.Go(func() {
			for range 500 {
				ctx, root := p.NewTracer("t").StartSpan(t.Context(), "root")
				_, child := p.NewTracer("t").StartSpan(ctx, "child")
				child.End()
				root.End()
			}
		})
	}
	for _, reader := range readers {
		others.Go(func() {
			var before int64
			for running() {
				now := values(t, collect(t, reader))["otel.sdk.span.started"]
				assert.GreaterOrEqual(t, now, before, "a counter goes back")
				before = now
			}
		})
	}
	others.Go(func() {
		second, _ := newMeterProvider(t)
		for running() {
			registration, err := tracemetric.Register(second, p)
			if assert.NoError(t, err) {
				assert.NoError(t, registration.Unregister())
			}
		}
	})
	load.Wait()
	_ = p.Shutdown(t.Context()) // which says what the faulty one refused
	close(done)
	others.Wait()
	for _, reader := range readers {
		assert.Equal(t, valuesOf(t, p.Stats()), values(t, collect(t, reader)))
	}
}
