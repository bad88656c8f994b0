// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/spandrel-go/spandrel/internal/benchmarks"
	"github.com/spandrel-go/spandrel/internal/testkit"
)

// TestMain lets the test binary be the command that compare starts for each run.
func TestMain(m *testing.M) {
	testkit.ForgetEnvironment()
	if slices.Contains(os.Args, "-unit") {
		main()
		return
	}
	os.Exit(m.Run())
}

func TestCompareMeasuresInterleaved(t *testing.T) {
	t.Parallel()
	var out, log strings.Builder
	c := config{
		rounds: 2, duration: time.Millisecond, maxExternal: 100,
		scenarios: "Trace10,UnsampledRoot", peers: "spandrel,zipkin",
		results: t.TempDir(), out: &out, log: &log,
	}
	require.NoError(t, c.run())

	var order []string
	for line := range strings.Lines(log.String()) {
		_, text, found := strings.Cut(line, ": ")
		require.True(t, found, line)
		row, err := benchmarks.ParseRow(text)
		require.NoError(t, err)
		order = append(order, row.Scenario+"/"+row.Peer)
	}
	round := []string{"Trace10/spandrel", "Trace10/zipkin", "UnsampledRoot/spandrel", "UnsampledRoot/zipkin"}
	assert.Equal(t, append(round, round...), order)
	assert.Contains(t, out.String(), "# Performance")
	assert.Contains(t, out.String(), "| `zipkin` |")

	files, err := os.ReadDir(c.results)
	require.NoError(t, err)
	assert.Empty(t, files, "a part of the scenarios is not a result")
}

func TestCompareEnds(t *testing.T) {
	t.Parallel()
	var out, log strings.Builder
	c := config{ends: true, rounds: 2, duration: 5 * time.Millisecond, maxExternal: 100, results: t.TempDir(), out: &out, log: &log}
	dir := filepath.Join(c.results, benchmarks.EndResults)
	require.NoError(t, os.Mkdir(dir, 0o700))
	require.NoError(t, c.run())
	assert.Contains(t, out.String(), "## How long End takes")
	run, _, err := benchmarks.NewestRun(dir)
	require.NoError(t, err)
	assert.Len(t, run.Rows, 2*len(benchmarks.EndScenarios())*len(benchmarks.EndPeers()))
}

func TestUnitPrintsOneRow(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	c := config{unit: "Disabled/noop", duration: time.Millisecond, out: &out}
	require.NoError(t, c.run())
	row, err := benchmarks.ParseRow(out.String())
	require.NoError(t, err)
	assert.Equal(t, "Disabled", row.Scenario)
	assert.Equal(t, "noop", row.Peer)
}

func TestUnknownNames(t *testing.T) {
	t.Parallel()
	for _, c := range []config{
		{unit: "Trace10"},
		{unit: "Trace10/nobody"},
		{unit: "Nothing/otel"},
		{scenarios: "Nothing"},
		{peers: "nobody"},
	} {
		c.out, c.log = io.Discard, io.Discard
		assert.ErrorContains(t, c.run(), "no ", "%+v", c)
	}
}

func TestUpdateDocs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const rows = "commit: abc\nBenchmarkTrace1/peer=otel-2 1 2.00 cpu-ns/span\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "2026-01-01T000000Z.txt"), []byte(rows), 0o600))
	c := config{updateDocs: true, results: dir, docs: filepath.Join(dir, "performance.md")}
	require.NoError(t, c.run())
	got, err := os.ReadFile(c.docs)
	require.NoError(t, err)
	assert.Contains(t, string(got), "- commit: `abc`")

	c.results = filepath.Join(dir, "nothing")
	assert.ErrorContains(t, c.run(), "no results")
}
