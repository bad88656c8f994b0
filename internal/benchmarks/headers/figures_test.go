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

// tables are the benchmarks, each with what stands above its figures.
var tables = []struct{ benchmark, intro string }{
	{"Headers", `## What arrived goes on

A service that makes no span itself sends on what arrived. Where that is one header which would be written the
same, ours sends the string that came. *floor* is written by hand and does nothing but read and write a
traceparent: two look-ups in the one map, one Go context, one string, one slice and one assignment to the other
map. Nobody could use it; it is there to tell what all have to pay.
`},
	{"HeadersOwnSpan", `## A span in between

The service has made a span, which is not measured here, and sends its ids: a string has to be made of them,
here as by the peer. What ours has above the floor are mostly the look-ups of ` + "`x-request-id`" + ` and its three
neighbours in the map that arrived, and of what arrived in the Go context. The peers have none of them; in w3c and
b3-single, where theirs is little more than the floor, twice as fast is out of reach.
`},
	{"HeadersMetadata", `## gRPC's metadata

What arrived goes on, in gRPC's metadata. The peers use a carrier such as that of otelgrpc. Names are in lower
case there: the peers are spared what it costs them to bring a name into the form that an http.Header has,
which ours never pays.
`},
}

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
	for _, table := range tables {
		fmt.Fprintf(&b, "\n%s\n", table.intro)
		b.WriteString("| format | library | ns | × | B | allocs | runs |\n|---|---|---|---|---|---|---|\n")
		for _, p := range passings() {
			own := cells[table.benchmark+"/"+p.format+"/spandrel"]
			require.NotNil(t, own, "%s of %s was not measured", table.benchmark, p.format)
			peers := 0
			for _, peer := range []string{"spandrel", "otel", "zipkin", "datadog", "floor"} {
				c := cells[table.benchmark+"/"+p.format+"/"+peer]
				if c == nil {
					continue
				}
				peers++
				fmt.Fprintf(&b, "| %s | %s | %.0f | %.2f | %.0f | %.0f | %d |\n", p.format, peer, median(c.nanos),
					median(c.nanos)/median(own.nanos), median(c.bytes), median(c.allocs), len(c.nanos))
			}
			require.True(t, peers > 1 || p.otel == nil, "no peer of %s of %s was measured", table.benchmark, p.format)
		}
	}
	return b.String()
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}
