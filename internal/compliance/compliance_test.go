// SPDX-License-Identifier: Apache-2.0

package compliance_test

import (
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write docs/otel-compliance.md")

const (
	root = "../.."
	page = root + "/docs/otel-compliance.md"
)

// findTests returns the tests of all modules of the repository that show a row, and the file of each.
func findTests(t *testing.T) map[string]string {
	t.Helper()
	places := map[string]string{}
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && name != root || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(name, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		for _, decl := range file.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok || fn.Recv != nil || !strings.HasPrefix(fn.Name.Name, testPrefix) {
				continue
			}
			if other, twice := places[fn.Name.Name]; twice {
				t.Errorf("%s is in %s and in %s: a page cannot tell them apart", fn.Name.Name, other, rel)
			}
			places[fn.Name.Name] = filepath.ToSlash(rel)
		}
		return err
	})
	require.NoError(t, err)
	return places
}

func TestEveryRowHasATestOrAReason(t *testing.T) {
	t.Parallel()
	places := findTests(t)
	seen, used := map[string]bool{}, map[string]bool{}
	for i := range sections {
		s := &sections[i]
		for j := range s.rows {
			r := &s.rows[j]
			name := s.name + "/" + r.group + "/" + r.feature
			assert.False(t, seen[name], "%s: twice", name)
			seen[name] = true
			assert.NotEqual(t, unclear, r.state(), "%s: give it tests, or one reason to have none", name)
			assert.True(t, s.matrix || r.upstream == "", "%s: only the matrix speaks of the Go SDK", name)
			assert.NotContains(t, r.feature+r.reason(), "|", "%s: would end a cell of the table", name)
			for _, test := range r.tests {
				used[test] = true
				assert.Contains(t, places, test, "%s: no such test", name)
			}
		}
	}
	for test, file := range places {
		assert.True(t, used[test], "%s in %s: belongs to no row", test, file)
	}
}

func TestPageIsWhatTheRowsSay(t *testing.T) {
	t.Parallel()
	want := document(findTests(t))
	if *update {
		require.NoError(t, os.WriteFile(page, []byte(want), 0o644))
	}
	got, err := os.ReadFile(page)
	require.NoError(t, err)
	if string(got) != want {
		lines := strings.Split(string(got), "\n")
		for i, line := range strings.Split(want, "\n") {
			if i >= len(lines) || lines[i] != line {
				require.Failf(t, "docs/otel-compliance.md is out of date", "line %d should be %q; run go test ./internal/compliance -update", i+1, line)
			}
		}
		require.Fail(t, "docs/otel-compliance.md is longer than it should be: run go test ./internal/compliance -update")
	}
}

// The numbers of the matrix's rows, so that none is lost. Left out are those of metrics, logs,
// Prometheus and OpenCensus.
func TestMatrixIsWhole(t *testing.T) {
	t.Parallel()
	want := map[string]int{
		"Traces": 64, "Baggage": 2, "Resource": 7, "Context Propagation": 19, "Environment Variables": 20,
		"Declarative configuration": 11, "Exporters": 33, "SDK Self-Observability": 8, "OpenTracing Compatibility": 7,
	}
	got := map[string]int{}
	for _, s := range sections {
		if s.matrix {
			got[s.name] = len(s.rows)
		}
	}
	assert.Equal(t, want, got)
}
