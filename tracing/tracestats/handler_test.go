// SPDX-License-Identifier: Apache-2.0

package tracestats_test

import (
	"context"
	"flag"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/spandrel-go/spandrel/tracing"
	"github.com/spandrel-go/spandrel/tracing/tracestats"
	"github.com/spandrel-go/spandrel/tracing/tracetest"
)

var update = flag.Bool("update", false, "write the golden file and the table in docs/metrics.md")

// get asks a handler. Like series and fromJSON it may be called from other goroutines than the test's.
func get(t testing.TB, h http.Handler, method string) (*http.Response, string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, "/metrics", nil))
	resp := w.Result()
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	assert.NoError(t, err)
	return resp, string(body)
}

// Not parallel: it may write the file.
func TestText(t *testing.T) {
	stats := *fullStats(t)
	// A second exporter of the same type that works, and one that nobody has used yet.
	second := stats.Exporters[0]
	second.LastError, second.LastErrorSince, second.CircuitOpen = nil, failedAt, false
	stats.Exporters = append(stats.Exporters, second, tracing.ExporterStats{Exporter: "*otlp.Exporter"})

	const golden = "testdata/stats.golden"
	_, got := get(t, tracestats.HandlerOf(stats), http.MethodGet)
	if *update {
		require.NoError(t, os.WriteFile(golden, []byte(got), 0o600))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	assert.Equal(t, string(want), got, "run go test ./tracing/tracestats -update if that is right")

	for range 3 {
		_, again := get(t, tracestats.HandlerOf(stats), http.MethodGet)
		assert.Equal(t, got, again, "the order is always the same")
	}
}

func TestTextKeepsTheRulesOfTheFormat(t *testing.T) {
	t.Parallel()
	text := tracestats.Text(*fullStats(t))
	assert.True(t, strings.HasSuffix(text, "\n"), "the last line ends")
	name := ""
	heads := map[string]bool{}
	for line := range strings.Lines(text) {
		switch words := strings.Fields(line); {
		case words[0] == "#" && words[1] == "HELP":
			name = words[2]
			assert.False(t, heads[name], "%s: one group a metric", name)
			heads[name] = true
		case words[0] == "#":
			assert.Equal(t, []string{"TYPE", name}, words[1:3], "TYPE stands after HELP and before the samples")
		default:
			before, _, _ := strings.Cut(words[0], "{")
			assert.Equal(t, name, before, "a sample stands below its own head")
		}
	}
}

func TestNothingIsShownOfNothing(t *testing.T) {
	t.Parallel()
	text := tracestats.Text(tracing.Stats{})
	assert.NotContains(t, text, "spandrel_exporter_", "no exporter, no metric of one")
	assert.Contains(t, text, "\nspandrel_spans_started_total 0\n", "a counter begins with 0, so that its first rise shows")

	text = tracestats.Text(tracing.Stats{Exporters: []tracing.ExporterStats{{Exporter: "e"}}})
	assert.Contains(t, text, "\nspandrel_exporter_failing{exporter=\"e\",index=\"0\"} 0\n")
	assert.NotContains(t, text, "failing_since", "it does not fail")
	assert.Contains(t, text, "\nspandrel_exporter_spans_dropped_total{exporter=\"e\",index=\"0\",reason=\"spool_failed\"} 0\n")
}

func TestLabelsAreEscaped(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, exporter, want string }{
		{"plain", "*zipkin.Exporter", `*zipkin.Exporter`},
		{"a type with a type", `*x.Exporter["a\b"]`, `*x.Exporter[\"a\\b\"]`},
		{"a line break", "a\nb", `a\nb`},
		{"not UTF-8", "a\xffb", "a\uFFFDb"},
		{"empty", "", ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			all := series(t, tracestats.Text(tracing.Stats{Exporters: []tracing.ExporterStats{{Exporter: c.exporter, Queued: 7}}}))
			assert.Equal(t, "7", all[`spandrel_exporter_spans_queued_total{exporter="`+c.want+`",index="0"}`], "%v", all)
		})
	}
}

func TestBigNumbersAreWrittenOut(t *testing.T) {
	t.Parallel()
	all := series(t, tracestats.Text(tracing.Stats{Started: 1<<53 - 1, Ended: 1e18}))
	assert.Equal(t, "9007199254740991", all["spandrel_spans_started_total"])
	assert.Equal(t, "1000000000000000000", all["spandrel_spans_ended_total"])
}

func TestErrorTextIsNoMetric(t *testing.T) {
	t.Parallel()
	assert.NotContains(t, tracestats.Text(*fullStats(t)), "overloaded")
}

func TestMethods(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(tracestats.HandlerOf(*fullStats(t)))
	t.Cleanup(server.Close)
	want := tracestats.Text(*fullStats(t))
	for _, c := range []struct {
		method string
		status int
		body   string
	}{
		{http.MethodGet, http.StatusOK, want},
		{http.MethodHead, http.StatusOK, ""},
		{http.MethodPost, http.StatusMethodNotAllowed, "tracestats: only GET and HEAD\n"},
		{http.MethodDelete, http.StatusMethodNotAllowed, "tracestats: only GET and HEAD\n"},
	} {
		t.Run(c.method, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), c.method, server.URL, nil)
			require.NoError(t, err)
			req.Header.Set("Accept", "application/openmetrics-text; version=1.0.0")
			resp, err := server.Client().Do(req)
			require.NoError(t, err)
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			assert.Equal(t, c.status, resp.StatusCode)
			assert.Equal(t, c.body, string(body))
			if c.status == http.StatusOK {
				assert.Equal(t, "text/plain; version=0.0.4; charset=utf-8", resp.Header.Get("Content-Type"))
				assert.Equal(t, strconv.Itoa(len(want)), resp.Header.Get("Content-Length"))
			} else {
				assert.Equal(t, "GET, HEAD", resp.Header.Get("Allow"))
			}
		})
	}
}

func TestNilProvider(t *testing.T) {
	t.Parallel()
	_, body := get(t, tracestats.Handler(nil), http.MethodGet)
	assert.Equal(t, tracestats.Text(tracing.Stats{}), body)
	assert.JSONEq(t, tracestats.VarOf(tracing.Stats{}).String(), tracestats.Var(nil).String())
	assert.JSONEq(t, tracestats.VarOf(tracing.Stats{}).String(), tracestats.Variable{}.String())
}

// useProvider makes spans of all kinds on a provider with two exporters of one type, the second of
// which fails for good.
func useProvider(t testing.TB) *tracing.Provider {
	t.Helper()
	broken := tracetest.NewFaultExporter(nil)
	broken.Rest(tracetest.Fail(errBackend))
	p, err := tracing.NewProvider(
		tracing.WithExporter(tracetest.NewFaultExporter(nil)),
		tracing.WithExporter(broken),
		tracing.WithLogger(slog.New(slog.DiscardHandler)),
	)
	require.NoError(t, err)
	t.Cleanup(func() { _ = p.Shutdown(context.Background()) }) // the broken one says what it could not deliver
	tr := p.NewTracer("t")
	for range 3 {
		ctx, root := tr.StartSpan(t.Context(), "root")
		_, child := tr.StartSpan(ctx, "child")
		child.End()
		root.End()
	}
	_, released := tr.StartSpan(t.Context(), "released")
	released.Release()
	_, open := tr.StartSpan(t.Context(), "open")
	t.Cleanup(open.Finish)
	assert.ErrorIs(t, p.ForceFlush(t.Context()), errBackend)
	return p
}

func TestHandlerShowsWhatStatsSays(t *testing.T) {
	t.Parallel()
	p := useProvider(t)
	stats := p.Stats()
	_, body := get(t, tracestats.Handler(p), http.MethodGet)
	assert.Equal(t, tracestats.Text(stats), body)
	all := series(t, body)
	for name, want := range map[string]string{
		"spandrel_spans_started_total":                     "8",
		"spandrel_spans_ended_total":                       "7",
		"spandrel_spans_open":                              "1",
		`spandrel_spans_withheld_total{reason="released"}`: "1",
		`spandrel_exporter_spans_exported_total{exporter="*tracetest.FaultExporter",index="0"}`:                       "6",
		`spandrel_exporter_spans_exported_total{exporter="*tracetest.FaultExporter",index="1"}`:                       "0",
		`spandrel_exporter_spans_dropped_total{exporter="*tracetest.FaultExporter",index="1",reason="export_failed"}`: "6",
		`spandrel_exporter_failing{exporter="*tracetest.FaultExporter",index="0"}`:                                    "0",
		`spandrel_exporter_failing{exporter="*tracetest.FaultExporter",index="1"}`:                                    "1",
	} {
		assert.Equal(t, want, all[name], "%s", name)
	}
	require.Len(t, stats.Exporters, 2)
	since := all[`spandrel_exporter_failing_since_timestamp_seconds{exporter="*tracetest.FaultExporter",index="1"}`]
	seconds, err := strconv.ParseFloat(since, 64)
	require.NoError(t, err, "%q", since)
	assert.InDelta(t, float64(stats.Exporters[1].LastErrorSince.UnixNano())/1e9, seconds, 0.002)
}
