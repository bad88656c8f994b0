// SPDX-License-Identifier: Apache-2.0

package benchmarks

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// It is not parallel: its figures are those of the whole process.
func TestMeasureEnd(t *testing.T) {
	for _, sc := range EndScenarios() {
		for _, peer := range EndPeers() {
			t.Run(sc.Name+"/"+peer, func(t *testing.T) {
				row, err := MeasureEnd(sc, peer, 50*time.Millisecond)
				require.NoError(t, err)
				assert.Positive(t, row.Spans)
				assert.Zero(t, row.Spans%endSpans)
				last := 0.0
				for _, unit := range []string{UnitEndMedian, UnitEnd99, UnitEnd999, UnitEndMax} {
					v, ok := row.Value(unit)
					assert.True(t, ok, unit)
					assert.GreaterOrEqual(t, v, last, unit)
					last = v
				}
				delivered, ok := row.Value(UnitDelivered)
				assert.True(t, ok)
				if sc.backend == backendUp && peer != "clock" { // in so short a time both queues have room
					assert.InDelta(t, 100, delivered, 0)
				} else {
					assert.Zero(t, delivered)
				}
				back, err := ParseRow(row.String())
				require.NoError(t, err)
				assert.Equal(t, row.Spans, back.Spans)
			})
		}
	}
	_, err := MeasureEnd(EndScenarios()[0], "nobody", time.Millisecond)
	require.ErrorContains(t, err, "no peer")
}

func TestReportEnds(t *testing.T) {
	t.Parallel()
	const rows = "commit: abc\n" +
		"BenchmarkEndBackendSilent/peer=spandrel-2 10 100 p50-ns/end 200 p99-ns/end 300 p99.9-ns/end 400 max-ns/end 0.5 mutex-ns/span 70 B/span 1 allocs/span 0 %delivered 1 %external\n" +
		"BenchmarkEndBackendSilent/peer=otel-2 10 250 p50-ns/end 500 p99-ns/end 900 p99.9-ns/end 950 max-ns/end 3 mutex-ns/span 700 B/span 7 allocs/span 0 %delivered 1 %external\n" +
		"BenchmarkEndBackendSilent/peer=clock-2 10 25 p50-ns/end 30 p99-ns/end 40 p99.9-ns/end 50 max-ns/end 0 mutex-ns/span 0 B/span 0 allocs/span 0 %delivered 20 %external\n"
	run, err := ParseRun(strings.NewReader(rows))
	require.NoError(t, err)
	page := ReportEnds(run, "x.txt")
	assert.Contains(t, page, "- commit: `abc`\n")
	assert.Contains(t, page, "### End while the backend is gone: it takes requests and never answers\n")
	assert.Contains(t, page, "| `spandrel` | 100 (100–100) | 200 (200–200) | 300 (300–300) | 400 (400–400) | 0.5 | 70.0 | 1.00 | 0 % | 2.50 | 3.00 |\n")
	assert.Contains(t, page, "| `otel` | 250 (250–250) | 500 (500–500) | 900 (900–900) | 950 (950–950) | 3.0 | 700 | 7.00 | 0 % | 1.00 | 1.00 |\n")
	assert.Contains(t, page, "| `clock` | 25.0 (25.0–25.0) | 30.0 (30.0–30.0) | 40.0 (40.0–40.0) | 50.0 (50.0–50.0) | 0.0 | 0.0 | 0.00 | - | - | - |\n")
	assert.NotContains(t, page, "EndBackendUp")
	assert.NotContains(t, page, "busy")
}
