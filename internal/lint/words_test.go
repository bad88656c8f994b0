// SPDX-License-Identifier: Apache-2.0

package lint_test

import (
	"fmt"
	"go/ast"
	"go/token"
	"regexp"
	"strings"
)

// banned lists words that no exported name contains, because another word says it here, and the
// folders that may: those that speak a vendor's language.
var banned = map[string]struct {
	say     string
	allowed []string
}{
	"Transaction": {"Trace", nil},
	"Segment":     {"Span", nil},
	"Chunk":       {"LocalTrace", []string{"exporters/datadog"}},
	"Annotation":  {"Event", []string{"exporters/zipkin"}},
	"Tag":         {"Attribute", []string{"exporters/zipkin", "exporters/datadog", "propagation", "mesh"}},
	"Tags":        {"Attributes", []string{"exporters/zipkin", "exporters/datadog", "propagation", "mesh"}},
	"Reporter":    {"Exporter", []string{"exporters/bridge"}},
	"Priority":    {"Decision", []string{"exporters/datadog", "propagation"}},
	"Impl":        {"the name of what it is", nil},
	"Util":        {"the name of what it is", nil},
	"Utils":       {"the name of what it is", nil},
	"Helper":      {"the name of what it does", nil},
	"Helpers":     {"the name of what it does", nil},
	"Put":         {"Release", []string{"pool"}},
}

// bannedPackages are names that say nothing.
var bannedPackages = []string{"util", "utils", "common", "helper", "helpers", "types", "impl"}

// The names are put together here, because this file is of the tree as well.
var (
	registryHosts = regexp.MustCompile(`\b(` + strings.Join([]string{
		`proxy\.` + `golang\.org`, `sum\.` + `golang\.org`, `registry\.` + `npmjs\.org`, `py` + `pi\.org`,
		`repo1?\.maven\.` + `(org|apache\.org)`, `index\.` + `crates\.io`, `GO` + `PROXY`,
	}, "|") + `)\b`)
	machinePaths = regexp.MustCompile(`(^|[^\w.*})/-])/(wo` + `rk|ro` + `ot)/[\w.]`)
)

var wordRules = []rule{
	{
		name:   "glossary",
		advice: "One thing has one name in this repository: take the glossary's",
		check:  eachGo(checkGlossary),
		bad: []string{
			"-- tracing/a.go --\n\ntype SpanImpl int // want\n",
			"-- tracing/a.go --\n\nfunc (s *Span) SetTag() {} // want\n",
			"-- sampling/a.go --\n\nconst (\n\tA, MaxPriority = 1, 2 // want\n)\n",
			"-- sampling/a.go --\ntype T struct {\n\tTags []string // want\n}\n",
			"-- sampling/a.go --\ntype T interface {\n\tReporter() // want\n}\n",
			"-- internal/a.go --\npackage util // want\n",
		},
		good: []string{
			"-- tracing/a.go --\nfunc setTag() {}; type Stage int; type t struct{ Tag string }\n",
			"-- exporters/datadog/a.go --\ntype Tag string\n",
			"-- internal/wire/a.go --\ntype Tag string\n",
			"-- tracing/a_test.go --\ntype Tag string\n",
		},
	},
	{
		name:   "no registry, no machine",
		advice: "Leave it out: the tools know their registries, and paths start at the root of the tree",
		check:  checkMachineWords,
		bad: []string{
			"-- a.txt --\nfrom " + "proxy." + "golang.org # want\n",
			"-- a.go --\nvar p = \"" + "/wo" + "rk/x\" // want\n",
			"-- a.txt --\n" + "/ro" + "ot/.cache # want\n",
		},
		good: []string{
			"-- a.txt --\nhttps://example.com" + "/wo" + "rk/x and a" + "/ro" + "ot/x\n",
		},
	},
}

func checkGlossary(f *file) (found []finding) {
	for _, name := range bannedPackages {
		if f.ast.Name.Name == name {
			found = append(found, f.at(f.ast.Package, "package name %q says nothing", name))
		}
	}
	if f.isTest() || f.isMain() || f.under("internal") {
		return found
	}
	check := func(id *ast.Ident) {
		if !id.IsExported() {
			return
		}
		for _, word := range camelWords(id.Name) {
			if b, ok := banned[word]; ok && !f.under(b.allowed...) {
				found = append(found, f.at(id.Pos(), "%s contains %q; here it is called %s", id.Name, word, b.say))
			}
		}
	}
	fields := func(list *ast.FieldList) {
		for _, field := range list.List {
			for _, id := range field.Names {
				check(id)
			}
		}
	}
	for _, d := range f.ast.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			check(d.Name)
		case *ast.GenDecl:
			if d.Tok == token.IMPORT {
				continue
			}
			for _, spec := range d.Specs {
				switch spec := spec.(type) {
				case *ast.ValueSpec:
					for _, id := range spec.Names {
						check(id)
					}
				case *ast.TypeSpec:
					check(spec.Name)
					switch body := spec.Type.(type) {
					case *ast.StructType:
						if spec.Name.IsExported() {
							fields(body.Fields)
						}
					case *ast.InterfaceType:
						fields(body.Methods)
					}
				}
			}
		}
	}
	return found
}

var camelWord = regexp.MustCompile(`[A-Z]+[a-z0-9]*|[a-z0-9]+`)

// camelWords returns the words of a name, each as it is written.
func camelWords(name string) []string { return camelWord.FindAllString(name, -1) }

func checkMachineWords(files []*file) (found []finding) {
	for _, f := range files {
		for i, line := range strings.Split(f.text, "\n") {
			for _, re := range []*regexp.Regexp{registryHosts, machinePaths} {
				if hit := re.FindString(line); hit != "" {
					found = append(found, finding{f.path, i + 1, fmt.Sprintf("the file mentions %q", strings.TrimSpace(hit))})
				}
			}
		}
	}
	return found
}
