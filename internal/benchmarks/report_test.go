// SPDX-License-Identifier: Apache-2.0

package benchmarks

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "rewrite testdata/report.golden")

// The page in docs/ is what the generator makes of the newest results: no number is written by hand.
func TestDocsAreGenerated(t *testing.T) {
	t.Parallel()
	page, err := Page("results")
	require.NoError(t, err)
	got, err := os.ReadFile(filepath.Join("..", "..", "docs", "performance.md"))
	require.NoError(t, err)
	assert.Equal(t, page, string(got), "run: go run ./cmd/compare -update-docs")
}

// Results files hold every scenario with every peer, several times.
func TestResultsAreComplete(t *testing.T) {
	t.Parallel()
	run, file, err := NewestRun("results")
	require.NoError(t, err)
	for _, sc := range Scenarios() {
		for _, peer := range sc.Peers {
			assert.GreaterOrEqual(t, run.spread(sc.Name, peer, UnitCPU).runs, 3, "%s: %s/%s", file, sc.Name, peer)
		}
	}
	ends, file, err := NewestRun(filepath.Join("results", EndResults))
	require.NoError(t, err)
	for _, sc := range EndScenarios() {
		for _, peer := range EndPeers() {
			assert.GreaterOrEqual(t, ends.spread(sc.Name, peer, UnitEnd999).runs, 3, "%s: %s/%s", file, sc.Name, peer)
		}
	}
}

func TestReportGolden(t *testing.T) {
	t.Parallel()
	f, err := os.Open(filepath.Join("testdata", "run.txt"))
	require.NoError(t, err)
	defer f.Close()
	run, err := ParseRun(f)
	require.NoError(t, err)
	got := Report(run, "run.txt")
	golden := filepath.Join("testdata", "report.golden")
	if *update {
		require.NoError(t, os.WriteFile(golden, []byte(got), 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	assert.Equal(t, string(want), got)
}

func TestReportSaysWherePeersWin(t *testing.T) {
	t.Parallel()
	const ours = "BenchmarkTrace1/peer=spandrel-2 10 100 cpu-ns/span 1.00 allocs/span\n" +
		"BenchmarkTrace1/peer=spandrel-2 10 200 cpu-ns/span 1.00 allocs/span\n"
	tests := []struct{ name, theirs, want string }{
		{
			name: "clearly", theirs: "BenchmarkTrace1/peer=zipkin-2 10 90 cpu-ns/span 2.00 allocs/span\n",
			want: "- A root span alone: `zipkin` is ahead of `spandrel` in CPU time, ns: 90.0 against 150\n",
		},
		{
			name: "within the noise", theirs: "BenchmarkTrace1/peer=otel-2 10 110 cpu-ns/span 2.00 allocs/span\n",
			want: "CPU time, ns: 110 against 150 (the ranges of the runs meet: no evidence)\n",
		},
		{
			name: "allocations", theirs: "BenchmarkTrace1/peer=datadog-2 10 900 cpu-ns/span 0.50 allocs/span\n",
			want: "`datadog` is ahead of `spandrel` in allocations: 0.50 against 1.00\n",
		},
		{
			name: "nowhere", theirs: "BenchmarkTrace1/peer=otel-2 10 900 cpu-ns/span 7.00 allocs/span\n",
			want: "no peer is ahead of spandrel",
		},
		{
			name: "a bound is no peer", theirs: "BenchmarkTrace1/peer=floor-2 10 1 cpu-ns/span 1.00 allocs/span\n",
			want: "no peer is ahead of spandrel",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			run, err := ParseRun(strings.NewReader(ours + tt.theirs))
			require.NoError(t, err)
			assert.Contains(t, Report(run, "x.txt"), tt.want)
		})
	}
}

func TestReportSaysThatTheMachineWasBusy(t *testing.T) {
	t.Parallel()
	for external, want := range map[string]bool{"7.90": false, "8.00": true, "-100.00": false} {
		run, err := ParseRun(strings.NewReader("BenchmarkTrace1/peer=otel-2 10 900 cpu-ns/span " + external + " %external\n"))
		require.NoError(t, err)
		assert.Equal(t, want, strings.Contains(Report(run, "x.txt"), "no evidence"), external)
	}
}

func TestSpread(t *testing.T) {
	t.Parallel()
	assert.Equal(t, spread{}, newSpread(nil))
	assert.Equal(t, spread{median: 2, min: 1, max: 9, runs: 3}, newSpread([]float64{9, 1, 2}))
	assert.Equal(t, spread{median: 2.5, min: 1, max: 9, runs: 4}, newSpread([]float64{9, 1, 2, 3}))
}
