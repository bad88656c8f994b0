// SPDX-License-Identifier: Apache-2.0

package propagationtest

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// recorder keeps what a check reports, of a rule that is known to be broken. Its methods are safe for
// concurrent use.
type recorder struct {
	testing.TB // the real one, for what is not below

	mu     sync.Mutex // guards all below
	failed bool
	text   strings.Builder
}

// reported returns what was reported, "" if nothing failed.
func (r *recorder) reported() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failed && r.text.Len() == 0 {
		return "failed without a word"
	}
	return r.text.String()
}

func (r *recorder) Failed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failed
}

func (r *recorder) Fail() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed = true
}

func (r *recorder) FailNow() {
	r.Fail()
	runtime.Goexit()
}

func (r *recorder) Error(args ...any) { r.Errorf("%s", fmt.Sprintln(args...)) }

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed = true
	fmt.Fprintf(&r.text, format+"\n", args...)
}

func (r *recorder) Fatal(args ...any) { r.Fatalf("%s", fmt.Sprintln(args...)) }

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}
