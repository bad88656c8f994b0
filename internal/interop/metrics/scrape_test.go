// SPDX-License-Identifier: Apache-2.0

package metrics_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/spandrel-go/spandrel/exporters/zipkin"
	"github.com/spandrel-go/spandrel/tracing"
	"github.com/spandrel-go/spandrel/tracing/tracestats"
	"github.com/spandrel-go/spandrel/tracing/tracetest"
)

// backend answers every request with a status.
func backend(t *testing.T, status int) tracing.Exporter {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(status)
	}))
	t.Cleanup(server.Close)
	e, err := zipkin.New(server.URL)
	require.NoError(t, err)
	return e
}

// used makes a provider with two Zipkin exporters, the second of whose backends refuses everything, and
// an exporter whose type has quotation marks in its name, and makes four spans on it.
func used(t *testing.T) *tracing.Provider {
	t.Helper()
	p, err := tracing.NewProvider(
		tracing.WithEnvironment(func(string) (string, bool) { return "", false }),
		tracing.WithLogger(slog.New(slog.DiscardHandler)),
		tracing.WithExporter(backend(t, http.StatusAccepted)),
		tracing.WithExporter(backend(t, http.StatusBadRequest)),
		tracing.WithExporter(quoted[struct {
			Field int `note:"\"a\\b"`
		}]{tracetest.NewRecorder()}),
	)
	require.NoError(t, err)
	t.Cleanup(func() { _ = p.Shutdown(context.Background()) }) // says what was refused
	ctx, root := p.NewTracer("t").StartSpan(t.Context(), "root")
	for range 3 {
		_, child := p.NewTracer("t").StartSpan(ctx, "child")
		child.End()
	}
	root.End()
	assert.Error(t, p.ForceFlush(t.Context()), "the second backend refuses")
	return p
}

// quoted is an exporter whose Go type contains that of T.
type quoted[T any] struct{ *tracetest.Recorder }

// parse scrapes a handler over HTTP as Prometheus does and reads the answer with its parser.
func parse(t *testing.T, h http.Handler) map[string]*dto.MetricFamily {
	t.Helper()
	server := httptest.NewServer(h)
	defer server.Close()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
	require.NoError(t, err)
	// What Prometheus 3 sends, shortened.
	req.Header.Set("Accept", "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=1.0.0;q=0.5,"+
		"text/plain;version=0.0.4;q=0.3,*/*;q=0.2")
	resp, err := server.Client().Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, expfmt.TypeTextPlain, expfmt.ResponseFormat(resp.Header).FormatType(), "%v", resp.Header)
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(resp.Body)
	require.NoError(t, err)
	return families
}

// value finds a value by its labels.
func value(t *testing.T, families map[string]*dto.MetricFamily, name string, labels map[string]string) float64 {
	t.Helper()
	require.Contains(t, families, name)
	for _, m := range families[name].GetMetric() {
		got := map[string]string{}
		for _, l := range m.GetLabel() {
			got[l.GetName()] = l.GetValue()
		}
		if assert.ObjectsAreEqual(labels, got) {
			if families[name].GetType() == dto.MetricType_COUNTER {
				return m.GetCounter().GetValue()
			}
			return m.GetGauge().GetValue()
		}
	}
	require.Failf(t, "no such sample", "%s%v", name, labels)
	return 0
}

func TestPrometheusReadsTheHandler(t *testing.T) {
	t.Parallel()
	p := used(t)
	s := p.Stats()
	families := parse(t, tracestats.Handler(p))
	none := map[string]string{}
	assert.Equal(t, 4.0, value(t, families, "spandrel_spans_started_total", none))
	assert.Equal(t, 4.0, value(t, families, "spandrel_spans_ended_total", none))
	require.Len(t, s.Exporters, 3)
	for i, e := range s.Exporters {
		labels := map[string]string{"exporter": e.Exporter, "index": strconv.Itoa(i)}
		assert.Equal(t, float64(e.Queued), value(t, families, "spandrel_exporter_spans_queued_total", labels))
		assert.Equal(t, float64(e.Exported), value(t, families, "spandrel_exporter_spans_exported_total", labels))
		assert.Equal(t, float64(e.SentBytes), value(t, families, "spandrel_exporter_sent_bytes_total", labels))
		assert.Equal(t, float64(e.QueueCapacity), value(t, families, "spandrel_exporter_queue_capacity_spans", labels))
		labels["reason"] = "export_failed"
		assert.Equal(t, float64(e.Dropped.ExportFailed), value(t, families, "spandrel_exporter_spans_dropped_total", labels))
	}
	assert.Equal(t, "*zipkin.Exporter", s.Exporters[1].Exporter)
	assert.EqualValues(t, 4, s.Exporters[1].Dropped.ExportFailed, "the backend refused them")
	assert.Contains(t, s.Exporters[2].Exporter, `"`, "a label's value that needs escapes")
	since := value(t, families, "spandrel_exporter_failing_since_timestamp_seconds",
		map[string]string{"exporter": "*zipkin.Exporter", "index": "1"})
	assert.InDelta(t, float64(s.Exporters[1].LastErrorSince.UnixMilli())/1000, since, 1e-6)

	// Every family is well-formed: it has a type, a help text and samples of that type.
	for name, f := range families {
		assert.NotEmpty(t, f.GetHelp(), "%s", name)
		assert.NotEmpty(t, f.GetMetric(), "%s", name)
		for _, m := range f.GetMetric() {
			assert.Equal(t, f.GetType() == dto.MetricType_COUNTER, m.GetCounter() != nil, "%s", name)
			assert.Equal(t, f.GetType() == dto.MetricType_GAUGE, m.GetGauge() != nil, "%s", name)
		}
	}
}

// While a backend is away the numbers say so, and where the spans are.
func TestPrometheusSeesAnOutage(t *testing.T) {
	t.Parallel()
	p, err := tracing.NewProvider(
		tracing.WithEnvironment(func(string) (string, bool) { return "", false }),
		tracing.WithLogger(slog.New(slog.DiscardHandler)),
		tracing.WithExporter(backend(t, http.StatusServiceUnavailable), tracing.WithSpool(t.TempDir(), 1<<20)),
	)
	require.NoError(t, err)
	t.Cleanup(func() { _ = p.Shutdown(context.Background()) }) // says what is in the spool
	labels := map[string]string{"exporter": "*zipkin.Exporter", "index": "0"}
	families := parse(t, tracestats.Handler(p))
	assert.Zero(t, value(t, families, "spandrel_exporter_failing", labels))
	assert.NotContains(t, families, "spandrel_exporter_failing_since_timestamp_seconds")

	_, span := p.NewTracer("t").StartSpan(t.Context(), "root")
	span.End()
	_ = p.ForceFlush(t.Context()) // says that the span is in the spool
	families = parse(t, tracestats.Handler(p))
	assert.Equal(t, 1.0, value(t, families, "spandrel_exporter_failing", labels))
	assert.Equal(t, 1.0, value(t, families, "spandrel_exporter_circuit_open", labels))
	assert.Contains(t, families, "spandrel_exporter_failing_since_timestamp_seconds")
	assert.Equal(t, 1.0, value(t, families, "spandrel_exporter_spool_spans", labels))
	assert.Equal(t, 1.0, value(t, families, "spandrel_exporter_spool_spans_written_total", labels))
	assert.Positive(t, value(t, families, "spandrel_exporter_spool_bytes", labels))
	assert.Zero(t, value(t, families, "spandrel_exporter_spans_exported_total", labels))
	labels["reason"] = "export_failed"
	assert.Zero(t, value(t, families, "spandrel_exporter_spans_dropped_total", labels), "none is lost")
}
