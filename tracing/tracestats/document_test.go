// SPDX-License-Identifier: Apache-2.0

package tracestats_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/spandrel-go/spandrel/tracing/tracestats"
)

const (
	document = "../../docs/metrics.md"
	begin    = "<!-- tracestats: written by go test ./tracing/tracestats -run TestDocument -update -->\n"
	end      = "<!-- tracestats: end -->\n"
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
	assert.Equal(t, want, table, "out of date: run go test ./tracing/tracestats -run TestDocument -update")

	// What the text around the table speaks of is there.
	names := []string{}
	for _, f := range tracestats.Families() {
		names = append(names, f.Name)
	}
	for _, word := range strings.FieldsFunc(before+after, func(r rune) bool { return r != '_' && (r < 'a' || r > 'z') }) {
		if strings.HasPrefix(word, "spandrel_") {
			assert.Contains(t, names, word, "%s speaks of a metric that is not there", document)
		}
	}
}

func metricsTable(t *testing.T) string {
	t.Helper()
	fields := map[string][]string{} // by name and reason
	for name, list := range fieldsOf(t) {
		metric, labels, _ := strings.Cut(name, "{")
		_, reason, _ := strings.Cut(strings.TrimSuffix(labels, "}"), "reason=")
		fields[metric+strings.Trim(reason, `"`)] = list
	}
	var b strings.Builder
	b.WriteString("\n| Metric | Type | Fields of `Stats` | |\n|---|---|---|---|\n")
	for _, f := range tracestats.Families() {
		name, shown := "`"+f.Name+"`", slices.Clone(fields[f.Name])
		for _, reason := range f.Reasons {
			shown = append(shown, fields[f.Name+reason]...)
		}
		for i, field := range shown {
			shown[i] = "`" + field + "`"
		}
		if len(f.Reasons) > 0 {
			name += ", `reason`: `" + strings.Join(f.Reasons, "`, `") + "`"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", name, f.Kind, strings.Join(shown, ", "), f.Help)
	}
	b.WriteString("\n")
	return b.String()
}
