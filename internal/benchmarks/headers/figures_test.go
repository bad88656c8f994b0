// SPDX-License-Identifier: Apache-2.0

package headers_test

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/spandrel-go/spandrel/internal/benchmarks"
)

var update = flag.Bool("update", false, "rewrite docs/propagation-performance.md from testdata/headers.txt")

// record is the raw output of the command that stands in figuresIntro.
var record = filepath.Join("testdata", "headers.txt")

const figuresIntro = `<!-- Generated from internal/benchmarks/headers/testdata/headers.txt by
` + "`go test ./headers -run Figures -update`" + ` in internal/benchmarks. Do not edit. -->

# What propagation costs

One service's work for one call, in one run beside the libraries of each format: it reads the headers that
arrived, among three others, and writes those of its own call. Figures are medians of the runs, in
nanoseconds of wall time; *×* is the peer's divided by ours, so below 1 the peer is faster. Ours also reads
` + "`x-request-id`" + ` and its three neighbours, keeps what a span context cannot hold, and counts what it refuses;
the peers do not. zipkin-go and dd-trace-go are spared a Go context.

`

// TestFiguresAreRecorded compares the page with what the raw output makes of it.
func TestFiguresAreRecorded(t *testing.T) {
	t.Parallel()
	page := filepath.Join("..", "..", "..", "docs", "propagation-performance.md")
	want := figures(t)
	if *update {
		require.NoError(t, os.WriteFile(page, []byte(want), 0o644))
	}
	got, err := os.ReadFile(page)
	require.NoError(t, err)
	require.Equal(t, want, string(got), "go test ./headers -run Figures -update")
}

// cell is what was measured of one peer in one format.
type cell struct{ nanos, bytes, allocs []float64 }

func figures(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(record)
	require.NoError(t, err)
	cells := map[string]*cell{}
	var settings []string
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		row, err := benchmarks.ParseRow(lines.Text())
		if err != nil {
			if key, _, ok := strings.Cut(lines.Text(), ": "); ok && key != "pkg" {
				settings = append(settings, lines.Text())
			}
			continue
		}
		c := cells[row.Scenario+"/"+row.Peer]
		if c == nil {
			c = &cell{}
			cells[row.Scenario+"/"+row.Peer] = c
		}
		for unit, values := range map[string]*[]float64{"ns/op": &c.nanos, "B/op": &c.bytes, "allocs/op": &c.allocs} {
			v, ok := row.Value(unit)
			require.True(t, ok, lines.Text())
			*values = append(*values, v)
		}
	}
	var b strings.Builder
	b.WriteString(figuresIntro)
	for _, s := range settings {
		fmt.Fprintf(&b, "- %s\n", s)
	}
	b.WriteString("\n| format | library | ns | × | B | allocs | runs |\n|---|---|---|---|---|---|---|\n")
	for _, p := range passings() {
		own := median(cells["Headers/"+p.format+"/spandrel"].nanos)
		for _, peer := range append([]string{"spandrel"}, names(p.theirs)...) {
			c := cells["Headers/"+p.format+"/"+peer]
			require.NotNil(t, c, "%s of %s was not measured", peer, p.format)
			fmt.Fprintf(&b, "| %s | %s | %.0f | %.2f | %.0f | %.0f | %d |\n", p.format, peer, median(c.nanos), median(c.nanos)/own,
				median(c.bytes), median(c.allocs), len(c.nanos))
		}
	}
	return b.String()
}

func names(peers []peer) (names []string) {
	for _, p := range peers {
		names = append(names, p.name)
	}
	return names
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}
