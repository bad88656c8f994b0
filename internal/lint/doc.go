// SPDX-License-Identifier: Apache-2.0

// Package lint holds the rules of this repository that no linter knows, as tests. They read every
// file of the tree, of all modules, with go/parser alone:
//
//	go test ./internal/lint
//
// Each rule is a value in a table, with trees that break it and trees that keep it, which its test
// reads as well. A failure names file and line, and says what to do. What Go code may import stands
// as data in imports_test.go; exceptions of other rules stand beside the rule, with their reason.
package lint
