// SPDX-License-Identifier: Apache-2.0

package lint_test

import (
	"go/ast"
	"path"
)

// mayLeak lists folders whose packages need not look for leaks, with the reason.
var mayLeak = map[string]string{
	"internal/benchmarks": "the peers leave goroutines behind",
}

var goroutineRules = []rule{{
	name:   "goleak",
	advice: "Write main_test.go with: func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }",
	check:  checkGoleak,
	bad: []string{
		"-- p/a.go want --\nfunc f() { go f() }\n",
		"-- p/a.go want --\nfunc f() { wg.Go(f) }\n",
		"-- p/a.go want --\nfunc f() { time.AfterFunc(1, f) }\n",
		"-- p/a.go want --\nvar c = http.Client{}\n",
		"-- p/a_test.go want --\nfunc f() { httptest.NewServer(h) }\n",
		"-- p/a.go want --\nfunc f() { go f() }\n-- p/main_test.go --\nfunc TestMain() {}\n",
		"-- p/a.go want --\nfunc f() { go f() }\n-- q/main_test.go --\nfunc TestMain() { goleak.VerifyTestMain(m) }\n",
	},
	good: []string{
		"-- p/a.go --\nfunc f() { go f() }\n-- p/main_test.go --\nfunc TestMain() { goleak.VerifyTestMain(m) }\n",
		"-- p/a.go --\nfunc f() {}\n-- p/a_test.go --\nfunc f() { go f() }\n",
		"-- cmd/main.go --\npackage main\nfunc f() { go f() }\n",
	},
}}

// checkGoleak finds packages that start goroutines, or speak HTTP, and do not look for leaks. Main
// packages without tests are left out: their goroutines end with the process.
func checkGoleak(files []*file) (found []finding) {
	guarded, tested := map[string]bool{}, map[string]bool{}
	for _, f := range files {
		if f.ast == nil || !f.isTest() {
			continue
		}
		tested[f.dir()] = true
		if path.Base(f.path) == "main_test.go" && has(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			return ok && (calls(call, "goleak", "VerifyTestMain") || calls(call, "goleak", "Find"))
		}) {
			guarded[f.dir()] = true
		}
	}
	reported := map[string]bool{}
	for _, f := range files {
		if f.ast == nil || mayLeak[f.dir()] != "" || guarded[f.dir()] || reported[f.dir()] || f.isMain() && !tested[f.dir()] {
			continue
		}
		if has(f, func(n ast.Node) bool { return startsGoroutine(f, n) }) {
			reported[f.dir()] = true
			found = append(found, finding{path: f.path, text: "the package starts goroutines, and no main_test.go looks for leaks"})
		}
	}
	return found
}

// has reports whether f has a node for which is returns true.
func has(f *file, is func(ast.Node) bool) bool {
	return len(inspect(f, func(n ast.Node) *finding {
		if is(n) {
			return &finding{}
		}
		return nil
	})) > 0
}

// startsGoroutine reports whether n starts a goroutine. In tests only servers count: goroutines that
// a test starts are the test's own to wait for.
func startsGoroutine(f *file, n ast.Node) bool {
	switch n := n.(type) {
	case *ast.GoStmt:
		return !f.isTest()
	case *ast.CallExpr:
		if calls(n, "httptest", "NewServer") || calls(n, "httptest", "NewTLSServer") || calls(n, "httptest", "NewUnstartedServer") {
			return true
		}
		sel, ok := n.Fun.(*ast.SelectorExpr)
		return ok && !f.isTest() && (sel.Sel.Name == "Go" || selects(sel, "time", "AfterFunc"))
	case *ast.CompositeLit:
		sel, ok := n.Type.(*ast.SelectorExpr)
		return ok && (selects(sel, "http", "Server") || selects(sel, "http", "Client") || selects(sel, "http", "Transport"))
	default:
		return false
	}
}
