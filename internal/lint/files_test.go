// SPDX-License-Identifier: Apache-2.0

package lint_test

import (
	"fmt"
	"path"
	"regexp"
	"strings"
)

const (
	maxLines     = 700  // of a file
	maxTestLines = 1000 // of a test file
	spdx         = "// SPDX-License-Identifier: Apache-2.0\n"
)

var fileRules = []rule{
	{
		name:   "license line",
		advice: "Begin the file with: " + strings.TrimSpace(spdx),
		check: eachGo(func(f *file) []finding {
			if strings.HasPrefix(f.text, spdx) {
				return nil
			}
			return []finding{{f.path, 1, "no license line"}}
		}),
		bad:  []string{"-- a.go --\npackage a // want\n", "-- a.go --\n// Package a. // want\n" + spdx + "package a\n"},
		good: []string{"-- a.go --\n" + spdx + "\npackage a\n"},
	},
	{
		name:   "file length",
		advice: "One file is one concept: split it by topic",
		check: eachGo(func(f *file) []finding {
			limit := maxLines
			if f.isTest() {
				limit = maxTestLines
			}
			if strings.Count(f.text, "\n") <= limit {
				return nil
			}
			return []finding{{f.path, limit + 1, fmt.Sprintf("more than %d lines", limit)}}
		}),
		bad: []string{
			"-- a.go --\npackage a\n" + strings.Repeat("\n", maxLines-1) + "var x int // want\n",
			"-- a_test.go --\npackage a\n" + strings.Repeat("\n", maxTestLines-1) + "var x int // want\n",
		},
		good: []string{
			"-- a.go --\npackage a\n" + strings.Repeat("\n", maxLines-2) + "var x int\n",
			"-- a_test.go --\npackage a\n" + strings.Repeat("\n", maxTestLines-2) + "var x int\n",
		},
	},
	{
		name:   "package comment",
		advice: `Write doc.go with a comment that begins with "Package <name>" and says what it is for; in a main package any file will do`,
		check:  checkPackageComments,
		bad: []string{
			"-- p/a.go want --\n// Package p is p.\npackage p\n",
			"-- p/doc.go want --\npackage p\n-- q/doc.go want --\n// Does q.\npackage q\n",
			"-- cmd/main.go want --\npackage main\n",
		},
		good: []string{
			"-- p/a.go --\npackage p\n-- p/doc.go --\n// Package p is p.\npackage p\n",
			"-- p/a_test.go --\npackage p_test\n",
			"-- cmd/main.go --\n// Cmd does it.\npackage main\n",
		},
	},
	{
		name:   "changelog",
		advice: `Write what users notice under a line "## [Unreleased]" in CHANGELOG.md`,
		check: func(files []*file) []finding {
			unreleased := regexp.MustCompile(`(?m)^## \[Unreleased\]$`)
			for _, f := range files {
				if f.path == "CHANGELOG.md" && unreleased.MatchString(f.text) {
					return nil
				}
			}
			return []finding{{path: "CHANGELOG.md", text: "no section Unreleased"}}
		},
		bad:  []string{"-- CHANGELOG.md want --\n# Changelog\n## [0.1.0]\n"},
		good: []string{"-- CHANGELOG.md --\n# Changelog\n\n## [Unreleased]\n"},
	},
}

func checkPackageComments(files []*file) (found []finding) {
	documented := map[string]bool{}
	first := map[string]*file{} // of each package
	for _, f := range files {
		if f.ast == nil || f.isTest() {
			continue
		}
		if first[f.dir()] == nil {
			first[f.dir()] = f
		}
		doc := f.ast.Doc.Text()
		if f.isMain() && doc != "" || path.Base(f.path) == "doc.go" && strings.HasPrefix(doc, "Package "+f.ast.Name.Name+" ") {
			documented[f.dir()] = true
		}
	}
	for dir, f := range first {
		if !documented[dir] {
			found = append(found, finding{path: f.path, text: "no package comment"})
		}
	}
	return found
}
