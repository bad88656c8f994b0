// SPDX-License-Identifier: Apache-2.0

//go:build invariants || race

// Only checked builds look for misuse.

package tracing

// Misuses makes checked builds call report in place of panicking, until restore is called. No other
// test may run meanwhile.
func Misuses(report func(text string)) (restore func()) {
	before := misused
	misused = report
	return func() { misused = before }
}
