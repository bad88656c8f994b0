// SPDX-License-Identifier: Apache-2.0

package lint_test

import (
	"go/ast"
	"go/token"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// mayPanic lists files and folders that call panic, with the reason. Files of checked builds, and a
// panic that goes on with what recover returned, need no entry.
var mayPanic = map[string]string{
	"internal/benchmarks":        "a program that measures ends where it cannot",
	"tracing/tracetest/fault.go": "an exporter that panics is one of the faults that a test asks for",
}

var codeRules = []rule{
	{
		name:   "no init",
		advice: "Do it in a constructor, or let a package variable have its value from a function",
		check: eachGo(func(f *file) (found []finding) {
			for _, d := range f.ast.Decls {
				if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
					found = append(found, f.at(fn.Pos(), "an init function"))
				}
			}
			return found
		}),
		bad:  []string{"-- a.go --\n\nfunc init() {} // want\n"},
		good: []string{"-- a.go --\nfunc Init() {}; type t int; func (t) init() {}\n"},
	},
	{
		name:   "no sleep",
		advice: "Wait for the event itself, or move the fake clock of a synctest bubble; a function that is called inside one says so in its comment with the word bubble",
		check:  eachGo(checkSleep),
		bad: []string{
			"-- a.go --\nfunc f() {\n\ttime.Sleep(1) // want\n}\n",
			"-- a_test.go --\nfunc f() {\n\ttime.Sleep(1) // want\n\tsynctest.Test(t, func() {})\n}\n",
			"-- a.go --\n// f runs in a bubble.\nfunc f() {\n\ttime.Sleep(1) // want\n}\n",
		},
		good: []string{
			"-- a_test.go --\nfunc f() { synctest.Test(t, func() { go func() { time.Sleep(1) }() }) }\n",
			"-- a_test.go --\n// f runs in a bubble.\nfunc f() { time.Sleep(1) }\n",
			"-- tracing/tracetest/a.go --\nfunc f() { synctest.Test(t, func() { time.Sleep(1) }) }\n",
			"-- a_test.go --\nfunc f() { tracetest.Run(t, func() { time.Sleep(1) }) }\n",
		},
	},
	{
		name:   "no panic",
		advice: "Return an error; the host program comes first. If it cannot be one, add the file and the reason to mayPanic in internal/lint/code_test.go",
		check:  eachGo(checkPanic),
		bad: []string{
			"-- a.go --\nfunc f() {\n\tpanic(1) // want\n}\n",
			"-- a.go --\nfunc f() {\n\tr := recover()\n\tpanic(1) // want\n}\n",
		},
		good: []string{
			"-- a_test.go --\nfunc f() { panic(1) }\n",
			"-- a.go --\n//go:build invariants || race\n\npackage a\n\nfunc f() { panic(1) }\n",
			"-- a.go --\nfunc f() { if r := recover(); r != nil { panic(r) } }\n",
		},
	},
	{
		name:   "no linkname",
		advice: "It breaks with the next Go release: use what is exported",
		check: eachGo(func(f *file) (found []finding) {
			for _, group := range f.ast.Comments {
				for _, c := range group.List {
					if strings.HasPrefix(c.Text, "//go:linkname ") {
						found = append(found, f.at(c.Pos(), "a linkname directive"))
					}
				}
			}
			return found
		}),
		bad:  []string{"-- a.go --\n\n//go:linkname a b // want\nfunc a()\n"},
		good: []string{"-- a.go --\n\n// Not a go:linkname directive.\nfunc a()\n"},
	},
	{
		name:   "loopback only",
		advice: `Listen on "127.0.0.1:0"`,
		check:  eachGo(checkLoopback),
		bad: []string{
			"-- a_test.go --\nfunc f() { net.Listen(\"tcp\", \":0\") } // want\n",
			"-- a_test.go --\nfunc f() { net.Listen(\"tcp\", \"localhost:0\") } // want\n",
			"-- a_test.go --\nfunc f() { c.ListenPacket(ctx, \"udp\", \"[::1]:0\") } // want\n",
			"-- a_test.go --\nfunc f() { http.ListenAndServe(\":80\", nil) } // want\n",
			"-- a_test.go --\nvar s = http.Server{Addr: \":80\"} // want\n",
			"-- tracing/tracetest/a.go --\nfunc f() { net.Listen(\"tcp\", \"0.0.0.0:0\") } // want\n",
		},
		good: []string{
			"-- a_test.go --\nfunc f() { net.Listen(\"tcp\", \"127.0.0.1:0\"); net.Listen(\"unix\", name) }\n",
			"-- a_test.go --\nvar s = http.Server{Addr: \"127.0.0.1:0\"}\n",
		},
	},
}

func checkSleep(f *file) []finding {
	bubbles := f.isTest() || f.under(testKits...)
	var inside []ast.Node // code that runs in a bubble
	ast.Inspect(f.ast, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			if calls(n, "synctest", "Test") || calls(n, "tracetest", "Run") {
				inside = append(inside, n)
			}
		case *ast.FuncDecl:
			if regexp.MustCompile(`\bbubble\b`).MatchString(n.Doc.Text()) {
				inside = append(inside, n)
			}
		}
		return true
	})
	return inspect(f, func(n ast.Node) *finding {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok || !selects(sel, "time", "Sleep") {
			return nil
		}
		if bubbles && slices.ContainsFunc(inside, func(in ast.Node) bool { return in.Pos() <= n.Pos() && n.Pos() < in.End() }) {
			return nil
		}
		hit := f.at(n.Pos(), "time.Sleep")
		return &hit
	})
}

func checkPanic(f *file) []finding {
	if f.isTest() || f.under(slices.Collect(maps.Keys(mayPanic))...) || buildTagged(f, "invariants") {
		return nil
	}
	recovered := map[string]bool{}
	ast.Inspect(f.ast, func(n ast.Node) bool {
		if a, ok := n.(*ast.AssignStmt); ok && len(a.Lhs) == 1 && len(a.Rhs) == 1 {
			name, isName := a.Lhs[0].(*ast.Ident)
			call, isCall := a.Rhs[0].(*ast.CallExpr)
			if isName && isCall && calls(call, "", "recover") {
				recovered[name.Name] = true
			}
		}
		return true
	})
	return inspect(f, func(n ast.Node) *finding {
		call, ok := n.(*ast.CallExpr)
		if !ok || !calls(call, "", "panic") {
			return nil
		}
		if arg, ok := call.Args[0].(*ast.Ident); ok && recovered[arg.Name] {
			return nil
		}
		hit := f.at(call.Pos(), "a panic")
		return &hit
	})
}

// buildTagged reports whether f's build constraint asks for tag.
func buildTagged(f *file, tag string) bool {
	head := f.text[:f.fset.Position(f.ast.Package).Offset]
	return regexp.MustCompile(`(?m)^//go:build (.*[( |&])?` + tag + `\b`).MatchString(head)
}

func checkLoopback(f *file) []finding {
	if !f.isTest() && !f.under(testKits...) {
		return nil
	}
	bad := func(e ast.Expr) *finding {
		lit, ok := e.(*ast.BasicLit)
		if !ok || lit.Kind != token.STRING {
			return nil
		}
		addr, err := strconv.Unquote(lit.Value)
		if err != nil || !strings.Contains(addr, ":") || strings.HasPrefix(addr, "127.0.0.1:") {
			return nil
		}
		hit := f.at(e.Pos(), "a test listens on %q", addr)
		return &hit
	}
	return inspect(f, func(n ast.Node) *finding {
		switch n := n.(type) {
		case *ast.CallExpr:
			sel, ok := n.Fun.(*ast.SelectorExpr)
			if !ok || !strings.HasPrefix(sel.Sel.Name, "Listen") {
				return nil
			}
			for _, arg := range n.Args {
				if hit := bad(arg); hit != nil {
					return hit
				}
			}
		case *ast.KeyValueExpr:
			if key, ok := n.Key.(*ast.Ident); ok && key.Name == "Addr" {
				return bad(n.Value)
			}
		}
		return nil
	})
}
