// SPDX-License-Identifier: Apache-2.0

package tracing_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// kongNames is everything of kong.tracing that docs/kong.md has a row for: what kong/pdk/tracing.lua
// exports, takes as an option, or keeps on a span.
var kongNames = []string{
	"kong.tracing.new(name, options)", "kong.tracing(name)", "options.name", "options.namespace", "options.sampling_rate",
	"options.noop", "noop tracer", "set_global_tracer(tracer)", "active_span()", "set_active_span(span)",
	"start_span(name, options)", "create_span(tracer, options)", "link_span(tracer, span, name, options)",
	"init_spans()", "get_spans()", "get_root_span()", "process_span(fn, ...)", "set_should_sample(bool)",
	"get_sampling_decision(parent_should_sample, plugin_rate)", "get_trace_id_based_sampler(rate)",
	"options", "options.start_time_ns", "options.span_kind", "options.should_sample", "options.attributes",
	"options.parent", "options.trace_id", "options.parent_id",
	"span:finish([end_time_ns])", "finish", "span:set_attribute(key, value)", "span:add_event(name, attributes, time_ns)",
	"span:record_error(err)", "span:set_status(n)", "span:each_baggage_item(fn)", "span:release()", "noop span",
	"span.name", "span.trace_id", "span.span_id", "span.parent_id", "span.parent", "span.kind", "span.start_time_ns",
	"span.end_time_ns", "span.should_sample", "span.attributes", "span.events", "span.status", "span.tracer",
	"span.active", "span.linked", "span.is_recording",
	"SPAN_KIND", "status 0, 1, 2", "trace id", "span id", "time in ns", "valid phases",
	"ngx.ctx.KONG_active_span", "ngx.ctx.KONG_SPANS",
}

// kongDefaults are the values that stand behind an option's name.
var kongDefaults = []string{`"default"`, `"KONG"`, "1.0", "INTERNAL"}

// kongErrors is every error of kong.tracing; the page says what becomes of it.
var kongErrors = []string{
	"invalid tracer", "invalid options type", "invalid start time", "invalid start kind", "invalid sampled",
	"invalid attributes", "invalid key", "processor must be a function", "invalid span name", "invalid span end time",
	"invalid name", "invalid attribute", "invalid status", "invalid fraction",
}

type docRow struct{ kong, forms, remark string }

// kongRows reads the tables of docs/kong.md.
func kongRows(t *testing.T) (rows []docRow, text string) {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "docs", "kong.md"))
	require.NoError(t, err)
	for line := range strings.Lines(string(page)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if !strings.HasPrefix(line, "|") || strings.HasPrefix(line, "| Kong |") || strings.HasPrefix(line, "|---") {
			continue
		}
		require.Len(t, cells, 3, line)
		rows = append(rows, docRow{cells[0], cells[1], strings.TrimSpace(cells[2])})
	}
	require.NotEmpty(t, rows)
	return rows, string(page)
}

var inBackticks = regexp.MustCompile("`([^`]+)`")

// quoted returns what stands in backticks.
func quoted(cell string) (list []string) {
	for _, m := range inBackticks.FindAllStringSubmatch(cell, -1) {
		list = append(list, m[1])
	}
	return list
}

// declared returns what the package in a folder declares: functions and types by name, methods and fields by
// Type.Name; of the test files if tests is set, else of the others.
func declared(t *testing.T, dir string, tests bool) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	require.NoError(t, err)
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") != tests {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, d := range f.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				receiver := ""
				if d.Recv != nil {
					typ := d.Recv.List[0].Type
					if star, ok := typ.(*ast.StarExpr); ok {
						typ = star.X
					}
					if id, ok := typ.(*ast.Ident); ok {
						receiver = id.Name + "."
					}
				}
				names[receiver+d.Name.Name] = true
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					switch spec := spec.(type) {
					case *ast.TypeSpec:
						names[spec.Name.Name] = true
						if s, ok := spec.Type.(*ast.StructType); ok {
							for _, field := range s.Fields.List {
								for _, id := range field.Names {
									names[spec.Name.Name+"."+id.Name] = true
								}
							}
						}
					case *ast.ValueSpec:
						for _, id := range spec.Names {
							names[id.Name] = true
						}
					}
				}
			}
		}
	}
	require.NotEmpty(t, names)
	return names
}

func TestKongDocHasARowForEachName(t *testing.T) {
	t.Parallel()
	rows, text := kongRows(t)
	count := map[string]int{}
	for _, row := range rows {
		names := slices.DeleteFunc(quoted(row.kong), func(name string) bool { return slices.Contains(kongDefaults, name) })
		assert.NotEmpty(t, names, row.kong)
		for _, name := range names {
			count[name]++
			assert.Contains(t, kongNames, name, "a name that Kong does not have")
		}
	}
	for _, name := range kongNames {
		assert.Equal(t, 1, count[name], "rows of %q", name)
	}
	for _, err := range kongErrors {
		assert.Contains(t, text, "`"+err+"`", "what becomes of this error")
	}
}

func TestKongDocNamesWhatExists(t *testing.T) {
	t.Parallel()
	rows, text := kongRows(t)
	ours := map[string]map[string]bool{
		"":         declared(t, ".", false),
		"sampling": declared(t, filepath.Join("..", "sampling"), false),
	}
	foreign := []string{"trace", "codes", "time"} // not ours: the compiler checks them in the tests
	tests := declared(t, ".", true)
	for _, row := range rows {
		forms := quoted(row.forms)
		if strings.TrimSpace(row.forms) == "none" {
			assert.NotEmpty(t, row.remark, "%s: none needs a reason", row.kong)
			assert.NotEqual(t, "same", row.remark, row.kong)
			continue
		}
		assert.NotEmpty(t, forms, "%s: no Go form", row.kong)
		for _, form := range forms {
			pkg, name := "", form
			if before, after, ok := strings.Cut(form, "."); ok && strings.ToLower(before) == before {
				pkg, name = before, after
			}
			if slices.Contains(foreign, pkg) {
				continue
			}
			require.Contains(t, ours, pkg, form)
			assert.True(t, ours[pkg][name], "%s: %s does not exist", row.kong, form)
			first, _, _ := strings.Cut(name, ".")
			assert.True(t, ast.IsExported(first), "%s: %s is not exported", row.kong, form)
		}
		if row.remark == "same" {
			continue
		}
		named := slices.DeleteFunc(quoted(row.remark), func(name string) bool { return !strings.HasPrefix(name, "Test") })
		assert.NotEmpty(t, named, "%s: a row that differs names its test", row.kong)
		for _, name := range named {
			assert.True(t, tests[name], "%s: %s is no test of this package", row.kong, name)
		}
	}
	// What the remarks speak of.
	for _, name := range []string{"Stats.RefusedEnds", "Stats.Withheld"} {
		assert.Contains(t, text, name)
		assert.True(t, ours[""][name], name)
	}
}
