// SPDX-License-Identifier: Apache-2.0

// Kongstyle traces a program as a plugin of Kong Gateway is traced: with the verbs of kong.tracing, on a
// tracer that is a package variable. It handles two requests, decides late that only the one with an
// error is worth keeping, and prints that one as a tree.
//
//	go run ./examples/kongstyle
//
// docs/kong.md lists all of Kong's functions with their Go forms.
package main
