// SPDX-License-Identifier: Apache-2.0

package propagation_test

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write docs/propagation-vectors.md")

const vectorsDocument = "../docs/propagation-vectors.md"

// implementations are those whose behaviour the vectors show, in the order of the page.
var implementations = []struct{ impl, title string }{
	{"w3c-spec", "W3C Trace Context, level 2 (specification)"},
	{"b3-spec", "B3 (specification)"},
	{"kong", "Kong Gateway"},
	{"envoy", "Envoy"},
	{"otel-go", "OpenTelemetry Go 1.47"},
	{"dd-trace-go", "dd-trace-go 2.12"},
	{"zipkin-go", "zipkin-go 0.4.3"},
}

// Not parallel: it may write the page.
func TestVectorsDocument(t *testing.T) {
	want := vectorsPage(readVectors(t))
	if *update {
		require.NoError(t, os.WriteFile(vectorsDocument, []byte(want), 0o600))
	}
	got, err := os.ReadFile(vectorsDocument)
	require.NoError(t, err)
	assert.Equal(t, want, string(got), "out of date: run go test ./propagation -run TestVectorsDocument -update")
}

// vectorsPage writes the page. TestVectors shows that it tells the truth.
func vectorsPage(vectors []vector) string {
	var b strings.Builder
	b.WriteString("<!-- Written by: go test ./propagation -run TestVectorsDocument -update -->\n\n# Propagation, vector by vector\n\n" +
		"What others do with headers, and whether package `propagation` does the same. The vectors stand in\n" +
		"`propagation/testdata/vectors.json`: Kong Gateway, OpenTelemetry Go, dd-trace-go and zipkin-go were run, Envoy\n" +
		"was read, and the specifications are taken by their word. `TestVectors` fails where spandrel agrees with a\n" +
		"vector that is listed here, and where it does not agree with one that is not.\n\n" +
		"Two rules hold. What a specification demands is done: the one vector below that is a specification's is no\n" +
		"demand. And what any of these systems emits is read without complaint, with the ids that the system held, and\n" +
		"goes on as it came: `TestWhatPeersEmitIsRead`.\n\n" +
		"47 further vectors are about Kong's sampler. They stand in `sampling/testdata/kong_sampler.json`, and all of\n" +
		"them agree: `TestKongRatioDecidesAsKongDoes`.\n\n" +
		"| Whose behaviour | vectors | agree | differ | requests that it emitted, all read |\n|---|--:|--:|--:|--:|\n")
	for _, i := range implementations {
		count, differ, emitted := 0, 0, 0
		for _, v := range vectors {
			if v.Impl != i.impl {
				continue
			}
			count++
			if deviations[v.ID] != "" {
				differ++
			}
			requests, _ := v.emitted()
			emitted += len(requests)
		}
		fmt.Fprintf(&b, "| %s | %d | %d | %d | %d |\n", i.title, count, count-differ, differ, emitted)
	}
	b.WriteString("\n| Format | vectors | agree | differ |\n|---|--:|--:|--:|\n")
	for _, format := range formatsOf(vectors) {
		count, differ := 0, 0
		for _, v := range vectors {
			if v.Format == format {
				count++
				if deviations[v.ID] != "" {
					differ++
				}
			}
		}
		fmt.Fprintf(&b, "| %s | %d | %d | %d |\n", format, count, count-differ, differ)
	}
	for _, i := range implementations {
		fmt.Fprintf(&b, "\n## %s\n\n", i.title)
		rows := 0
		for _, v := range vectors {
			if v.Impl != i.impl || deviations[v.ID] == "" {
				continue
			}
			if rows++; rows == 1 {
				b.WriteString("| Vector | what | case | why spandrel differs |\n|---|---|---|---|\n")
			}
			fmt.Fprintf(&b, "| %s | %s, %s | %s | %s |\n", v.ID, v.Kind, v.Format, cell(v.Description), cell(deviations[v.ID]))
		}
		if rows == 0 {
			b.WriteString("No difference.\n")
		}
	}
	return b.String()
}

// formatsOf returns the formats of vectors in the order of their names.
func formatsOf(vectors []vector) []string {
	var formats []string
	for _, v := range vectors {
		if !slices.Contains(formats, v.Format) {
			formats = append(formats, v.Format)
		}
	}
	slices.Sort(formats)
	return formats
}

// cell makes text fit for a cell of a table.
func cell(text string) string {
	return strings.NewReplacer("|", "\\|", "<", "&lt;", "\n", " ").Replace(text)
}
