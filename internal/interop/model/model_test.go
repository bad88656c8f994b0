// SPDX-License-Identifier: Apache-2.0

package model_test

import (
	"strings"
	"testing"
)

// check fails with the smallest program that shows a difference.
func check(t testing.TB, p program) {
	t.Helper()
	differences := compare(t, p, "")
	if len(differences) == 0 {
		return
	}
	fails := func(p program) bool { return len(compare(t, p, "")) > 0 }
	small := shrink(p, fails)
	if again := compare(t, small, ""); len(again) > 0 {
		differences = again
	} else { // it depends on who comes first
		small = p
	}
	t.Fatalf("%s\n\n%s", small, strings.Join(differences, "\n"))
}

// TestRandomPrograms runs random programs. The seed of a failure gives the program again.
func TestRandomPrograms(t *testing.T) {
	t.Parallel()
	for seed := range uint64(400) {
		check(seedOf{t, seed}, generate(fromSeed(seed)))
	}
}

// seedOf says in a failure which seed it was.
type seedOf struct {
	testing.TB
	seed uint64
}

func (t seedOf) Fatalf(format string, args ...any) {
	t.Helper()
	t.TB.Fatalf("seed %d: "+format, append([]any{t.seed}, args...)...)
}

// FuzzProgram makes programs of the fuzzer's bytes.
func FuzzProgram(f *testing.F) {
	for seed := range byte(8) {
		data := make([]byte, 200)
		for i := range data {
			data[i] = byte(mix(uint64(seed)<<32 | uint64(i)))
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) { check(t, generate(&bytes{data})) })
}
