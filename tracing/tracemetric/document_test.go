// SPDX-License-Identifier: Apache-2.0

package tracemetric_test

import (
	"flag"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/spandrel-go/spandrel/tracing/tracemetric"
)

var update = flag.Bool("update", false, "write the table in docs/metrics.md")

const (
	document = "../../docs/metrics.md"
	begin    = "<!-- tracemetric: written by go test -run TestDocument -update . in tracing/tracemetric -->\n"
	end      = "<!-- tracemetric: end -->\n"
)

// Not parallel: it may write the page.
func TestDocument(t *testing.T) {
	page, err := os.ReadFile(document)
	require.NoError(t, err)
	before, rest, ok := strings.Cut(string(page), begin)
	require.True(t, ok, "%s lacks a line %q", document, begin)
	table, after, ok := strings.Cut(rest, end)
	require.True(t, ok, "%s lacks a line %q", document, end)
	want := metricsTable(t)
	if *update {
		require.NoError(t, os.WriteFile(document, []byte(before+begin+want+end+after), 0o600))
		return
	}
	assert.Equal(t, want, table, "out of date: run go test -run TestDocument -update . in tracing/tracemetric")
}

// The package's comment names every instrument of the conventions and every error type.
func TestPackageComment(t *testing.T) {
	t.Parallel()
	comment, err := os.ReadFile("doc.go")
	require.NoError(t, err)
	for _, in := range tracemetric.Instruments() {
		if !in.Convention {
			continue
		}
		assert.Contains(t, string(comment), "- "+in.Name+", "+in.Unit+":")
		for _, attr := range in.Attributes {
			assert.Contains(t, string(comment), `"`+attr.Value.AsString()+`"`, "%s", in.Name)
			assert.Contains(t, string(comment), string(attr.Key), "%s", in.Name)
		}
	}
}

func metricsTable(t *testing.T) string {
	t.Helper()
	fields := map[string][]string{} // by name, each once
	for name, list := range fieldsOf(t) {
		metric, _, _ := strings.Cut(name, "{")
		fields[metric] = append(fields[metric], list...)
	}
	order := map[string]int{}
	for i, l := range leaves("", reflect.ValueOf(fullStats(t)).Elem()) {
		order[l.path] = i
	}
	var b strings.Builder
	b.WriteString("\n| Metric | Type, unit | Of | Attribute | Fields of `Stats` | |\n|---|---|---|---|---|---|\n")
	for _, in := range tracemetric.Instruments() {
		shown := fields[in.Name]
		slices.SortFunc(shown, func(a, b string) int { return order[a] - order[b] })
		shown = slices.Compact(shown)
		var attrs []string
		for _, attr := range in.Attributes {
			attrs = append(attrs, "`"+attr.Value.AsString()+"`")
		}
		attr := strings.Join(attrs, ", ")
		if len(attrs) > 0 {
			attr = "`" + string(in.Attributes[0].Key) + "`: " + attr
			if in.Convention {
				attr += ", or none"
			}
		}
		of := in.Component
		if of == "" {
			of = "provider"
		}
		fmt.Fprintf(&b, "| `%s` | %s, `%s` | %s | %s | `%s` | %s |\n",
			in.Name, in.Kind, in.Unit, of, attr, strings.Join(shown, "`, `"), in.Description)
	}
	b.WriteString("\n")
	return b.String()
}
