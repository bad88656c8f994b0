// SPDX-License-Identifier: Apache-2.0

package benchmarks

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRunRoundTrip(t *testing.T) {
	t.Parallel()
	sc, ok := FindScenario("Trace10")
	require.True(t, ok)
	m := Measurement{
		Spans: 1000, Caller: time.Millisecond, Wall: 2 * time.Millisecond, CPU: 3 * time.Millisecond,
		Bytes: 64_250, Allocs: 1010, External: 0.125,
	}
	run := &Run{
		Settings: []Setting{{"date", "2026-11-21T06:00:00Z"}, {"go.opentelemetry.io/otel/sdk", "v1.47.0"}},
		Rows:     []Row{NewRow(sc, Peer{Name: "spandrel-otel"}, m)},
	}
	var b strings.Builder
	_, err := run.WriteTo(&b)
	require.NoError(t, err)
	assert.Contains(t, b.String(), " 1000 1000.00 caller-ns/span 2000.00 wall-ns/span 3000.00 cpu-ns/span"+
		" 64.25 B/span 1.01 allocs/span 12.50 %external\n")
	back, err := ParseRun(strings.NewReader(b.String()))
	require.NoError(t, err)
	assert.Equal(t, run, back)

	v, ok := back.Rows[0].Value(UnitAllocs)
	assert.True(t, ok)
	assert.InDelta(t, 1.01, v, 1e-9)
	_, ok = back.Rows[0].Value("MB/s")
	assert.False(t, ok)
}

func TestParseRunRefusesOtherText(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"hello",
		"BenchmarkTrace10-2 1 2 B/span",                    // no peer
		"BenchmarkTrace10/peer=otel 1 2 B/span",            // no number of processors
		"BenchmarkTrace10/peer=otel-x 1 2 B/span",          // not a number
		"BenchmarkTrace10/peer=otel-2 many 2 B/span",       // not a number
		"BenchmarkTrace10/peer=otel-2 1 2",                 // no unit
		"BenchmarkTrace10/peer=otel-2 1 two B/span",        // not a number
		"BenchmarkTrace10/peer=otel-2",                     // nothing at all
		"date: 2026\n\nBenchmarkTrace10/peer=otel-2 1 2 B", // an empty line
	} {
		_, err := ParseRun(strings.NewReader(text))
		assert.ErrorIs(t, err, errRow, "%q", text)
	}
}

func TestNewestRun(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, _, err := NewestRun(dir)
	require.ErrorContains(t, err, "no results")

	now := time.Date(2026, 11, 21, 6, 7, 8, 0, time.FixedZone("", 3600))
	for i, age := range []time.Duration{time.Hour, 0, 24 * time.Hour} {
		name := filepath.Join(dir, ResultsName(now.Add(-age)))
		require.NoError(t, os.WriteFile(name, []byte("age: "+strings.Repeat("x", i)+"y\n"), 0o600))
	}
	run, file, err := NewestRun(dir)
	require.NoError(t, err)
	assert.Equal(t, "2026-11-21T050708Z.txt", file)
	assert.Equal(t, []Setting{{"age", "xy"}}, run.Settings)
}

func TestDescribeSaysWhereAndHow(t *testing.T) {
	t.Parallel()
	got := map[string]string{}
	for _, s := range Describe(time.Unix(0, 0), "compare -x") {
		got[s.Key] = s.Value
	}
	assert.Equal(t, "1970-01-01T00:00:00Z", got["date"])
	assert.Equal(t, "compare -x", got["command"])
	for _, key := range []string{"commit", "go", "cpu", "cores", "goos", "goarch", "gogc"} {
		assert.NotEmpty(t, got[key], key)
	}
}

func FuzzParseRow(f *testing.F) {
	f.Add("BenchmarkTrace10/peer=spandrel-otel-2 200000 61.50 B/span 1.00 allocs/span")
	f.Add("BenchmarkDisabled/peer=-2 0")
	f.Add("Benchmark/peer=a-b-3 1 NaN x")
	f.Fuzz(func(t *testing.T, line string) {
		row, err := ParseRow(line)
		if err != nil {
			return
		}
		// What has been read once is written and read again without a change.
		again, err := ParseRow(row.String())
		require.NoError(t, err, "%q became %q", line, row.String())
		assert.Equal(t, row.String(), again.String())
	})
}
