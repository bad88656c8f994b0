// SPDX-License-Identifier: Apache-2.0

package lint_test

import (
	"path"
	"slices"
	"strings"
)

// required lists the modules that the root go.mod may require by itself.
var required = map[string]string{
	otel:                          "the OpenTelemetry API",
	otel + "/trace":               "the OpenTelemetry API",
	"go.yaml.in/yaml/v3":          "the resources of a mesh are YAML",
	"github.com/stretchr/testify": "tests",
	"go.uber.org/goleak":          "tests",
}

var moduleRules = []rule{
	{
		name:   "root module",
		advice: "Users of this module cannot follow a replace, and each requirement is one of theirs: see docs/adr",
		check:  checkRootModule,
		bad: []string{
			"-- go.mod --\nmodule m\n\nreplace a => ../a // want\n",
			"-- go.mod --\nmodule m\n\nrequire example.com/m v1.0.0 // want\n",
			"-- go.mod --\nmodule m\n\nrequire (\n\texample.com/m v1.0.0 // want\n)\nreplace (\n\ta => b // want\n)\n",
		},
		good: []string{
			"-- go.mod --\nmodule m\n\ngo 1.25.0\n\nrequire (\n\t" + otel + " v1.46.0\n\texample.com/m v1.0.0 // indirect\n)\n",
			"-- a/go.mod --\nmodule m\n\nrequire example.com/m v1.0.0\nreplace " + modulePath + " => ..\n",
		},
	},
	{
		name:   "nested modules",
		advice: "Write, with the path from the module's folder to the root: replace " + modulePath + " => ../..",
		check:  checkNestedModules,
		bad: []string{
			"-- a/go.mod want --\nmodule m\nrequire " + modulePath + " v0.0.0\n",
			"-- a/b/go.mod --\nmodule m\n\nreplace " + modulePath + " => .. // want\n",
		},
		good: []string{
			"-- a/go.mod --\nmodule m\nrequire example.com/m v1.0.0\n",
			"-- a/b/go.mod --\nmodule m\nrequire " + modulePath + " v0.0.0\nreplace " + modulePath + " => ../..\n",
		},
	},
	{
		name:   "no workspace",
		advice: "Remove it: it hides what a module lacks",
		check: func(files []*file) (found []finding) {
			for _, f := range files {
				if strings.HasPrefix(path.Base(f.path), "go.work") {
					found = append(found, finding{path: f.path, text: "a workspace file"})
				}
			}
			return found
		},
		bad:  []string{"-- go.work want --\n", "-- a/go.work.sum want --\n"},
		good: []string{"-- go.mod --\n"},
	},
}

// directive is one directive of a go.mod file, as if it stood in no block.
type directive struct {
	line     int      // from 1
	words    []string // at least one
	indirect bool
}

func directives(f *file) (found []directive) {
	var block []string
	for i, line := range strings.Split(f.text, "\n") {
		code, comment, _ := strings.Cut(line, "//")
		words := strings.Fields(code)
		switch {
		case len(words) == 0:
		case words[0] == ")":
			block = nil
		case words[len(words)-1] == "(":
			block = words[:1]
		default:
			found = append(found, directive{i + 1, slices.Concat(block, words), strings.TrimSpace(comment) == "indirect"})
		}
	}
	return found
}

func checkRootModule(files []*file) (found []finding) {
	for _, f := range files {
		if f.path != "go.mod" {
			continue
		}
		for _, d := range directives(f) {
			switch {
			case d.words[0] == "replace":
				found = append(found, finding{f.path, d.line, "a replace directive"})
			case d.words[0] == "require" && !d.indirect && required[d.words[1]] == "":
				found = append(found, finding{f.path, d.line, d.words[1] + " is not on the list in internal/lint/modules_test.go"})
			}
		}
	}
	return found
}

func checkNestedModules(files []*file) (found []finding) {
	for _, f := range files {
		if path.Base(f.path) != "go.mod" || f.path == "go.mod" || strings.Contains(f.path, "testdata/") {
			continue
		}
		up := strings.TrimSuffix(strings.Repeat("../", strings.Count(f.path, "/")), "/")
		needed, replaced := false, false
		for _, d := range directives(f) {
			if len(d.words) < 2 || d.words[1] != modulePath {
				continue
			}
			switch d.words[0] {
			case "require":
				needed = true
			case "replace":
				replaced = true
				if to := d.words[len(d.words)-1]; to != up {
					found = append(found, finding{f.path, d.line, "the root is " + up + ", not " + to})
				}
			}
		}
		if needed && !replaced {
			found = append(found, finding{path: f.path, text: "no replace directive for the root"})
		}
	}
	return found
}
