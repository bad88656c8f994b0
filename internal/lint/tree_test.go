// SPDX-License-Identifier: Apache-2.0

package lint_test

import (
	"bytes"
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// modulePath is the root module's.
const modulePath = "github.com/spandrel-go/spandrel"

// file is one text file of the tree.
type file struct {
	path string // from the root of the tree, with slashes
	text string
	// Only for Go files outside testdata; else nil.
	fset *token.FileSet
	ast  *ast.File
}

func (f *file) dir() string  { return path.Dir(f.path) }
func (f *file) isTest() bool { return strings.HasSuffix(f.path, "_test.go") }
func (f *file) isMain() bool { return f.ast.Name.Name == "main" }
func (f *file) under(dirs ...string) bool {
	return slices.ContainsFunc(dirs, func(dir string) bool {
		return dir == "." || f.path == dir || strings.HasPrefix(f.path, dir+"/")
	})
}

// at makes a finding at a place in f.
func (f *file) at(pos token.Pos, format string, args ...any) finding {
	return finding{f.path, f.fset.Position(pos).Line, fmt.Sprintf(format, args...)}
}

// imports returns f's imports by path.
func (f *file) imports() map[string]*ast.ImportSpec {
	specs := map[string]*ast.ImportSpec{}
	for _, spec := range f.ast.Imports {
		name, _ := strconv.Unquote(spec.Path.Value)
		specs[name] = spec
	}
	return specs
}

// calls reports whether call has the form pkg.name(...), or name(...) for an empty pkg.
func calls(call *ast.CallExpr, pkg, name string) bool {
	switch fun := call.Fun.(type) {
	case *ast.Ident:
		return pkg == "" && fun.Name == name
	case *ast.SelectorExpr:
		return selects(fun, pkg, name)
	default:
		return false
	}
}

// selects reports whether sel has the form pkg.name.
func selects(sel *ast.SelectorExpr, pkg, name string) bool {
	x, ok := sel.X.(*ast.Ident)
	return ok && x.Name == pkg && sel.Sel.Name == name
}

// finding is one breach of a rule.
type finding struct {
	path string
	line int // from 1; 0 for the whole file, which is shown as its first line
	text string
}

func (f finding) place() string { return fmt.Sprintf("%s:%d", f.path, max(f.line, 1)) }

// rule is one rule of the house.
type rule struct {
	name   string
	advice string // what to do about a finding
	check  func(files []*file) []finding
	// bad holds trees that break the rule, in the form of parseTree. A comment "want" stands on each
	// line that must be found, or the file's name followed by " want" for a finding about the file.
	bad []string
	// good holds trees that keep the rule.
	good []string
}

// eachGo makes a check of one that looks at one Go file.
func eachGo(check func(f *file) []finding) func([]*file) []finding {
	return func(files []*file) (found []finding) {
		for _, f := range files {
			if f.ast != nil {
				found = append(found, check(f)...)
			}
		}
		return found
	}
}

// inspect calls visit for each node of a Go file and collects what it finds.
func inspect(f *file, visit func(n ast.Node) *finding) (found []finding) {
	ast.Inspect(f.ast, func(n ast.Node) bool {
		if n != nil {
			if hit := visit(n); hit != nil {
				found = append(found, *hit)
			}
		}
		return true
	})
	return found
}

// parseFile makes a file; a Go file that does not parse is an error.
func parseFile(name, text string) (*file, error) {
	f := &file{path: name, text: text}
	if path.Ext(name) != ".go" || strings.Contains("/"+name, "/testdata/") {
		return f, nil
	}
	var err error
	f.fset = token.NewFileSet()
	f.ast, err = parser.ParseFile(f.fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
	return f, err
}

// readTree reads all text files of the repository. Folders that begin with a dot are not of the
// project, but that of the CI.
func readTree(t *testing.T) []*file {
	t.Helper()
	const root = "../.."
	var files []*file
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		if d.IsDir() {
			if strings.HasPrefix(rel, ".") && rel != "." && rel != ".ci" {
				return filepath.SkipDir
			}
			return nil
		}
		if !d.Type().IsRegular() || rel == ".git" { // which is a file in a linked work tree
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil || bytes.IndexByte(text, 0) >= 0 {
			return err // a zero byte: a binary file
		}
		f, err := parseFile(filepath.ToSlash(rel), string(text))
		files = append(files, f)
		return err
	})
	require.NoError(t, err)
	require.True(t, slices.ContainsFunc(files, func(f *file) bool { return f.path == "go.mod" }), "not the root of the tree")
	return files
}

var fileHeader = regexp.MustCompile(`(?m)^-- (\S+)( want)? --\n`)

// parseTree makes a tree of "-- path --" lines, each followed by the file's text, and lists the
// places that it says must be found. Go files may lack their package clause.
func parseTree(t *testing.T, text string) (files []*file, want []string) {
	t.Helper()
	heads := fileHeader.FindAllStringSubmatchIndex(text, -1)
	require.NotEmpty(t, heads, "no file in %q", text)
	for i, h := range heads {
		end := len(text)
		if i+1 < len(heads) {
			end = heads[i+1][0]
		}
		name, body := text[h[2]:h[3]], text[h[1]:end]
		if path.Ext(name) == ".go" && !regexp.MustCompile(`(?m)^package `).MatchString(body) {
			body = "package p\n" + body
		}
		f, err := parseFile(name, body)
		require.NoError(t, err)
		files = append(files, f)
		if h[4] >= 0 {
			want = append(want, finding{path: name}.place())
		}
		for n, line := range strings.Split(body, "\n") {
			if strings.HasSuffix(line, "// want") || strings.HasSuffix(line, "# want") {
				want = append(want, finding{path: name, line: n + 1}.place())
			}
		}
	}
	return files, want
}

func TestHouseRules(t *testing.T) {
	t.Parallel()
	files := readTree(t)
	for _, r := range slices.Concat(fileRules, importRules, codeRules, goroutineRules, moduleRules, wordRules) {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			require.NotEmpty(t, r.bad, "a rule needs a tree that breaks it")
			for _, text := range r.bad {
				tree, want := parseTree(t, text)
				require.NotEmpty(t, want, "nothing to find in %s", text)
				var got []string
				for _, hit := range r.check(tree) {
					got = append(got, hit.place())
				}
				assert.ElementsMatch(t, want, got, "in the tree\n%s", text)
			}
			for _, text := range r.good {
				tree, _ := parseTree(t, text)
				assert.Empty(t, r.check(tree), "in the tree\n%s", text)
			}
			found := r.check(files)
			slices.SortFunc(found, func(a, b finding) int {
				return cmp.Or(cmp.Compare(a.path, b.path), cmp.Compare(a.line, b.line))
			})
			for _, hit := range found {
				t.Errorf("%s: %s. %s", hit.place(), hit.text, r.advice)
			}
		})
	}
}
