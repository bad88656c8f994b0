// SPDX-License-Identifier: Apache-2.0

package testkit

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// fakeTB is a test that a test looks at. Its methods are safe for concurrent use.
type fakeTB struct {
	testing.TB // the real one, for what is not below

	mu       sync.Mutex // guards all below
	failed   bool
	text     strings.Builder
	cleanups []func()
}

// Fake runs f as a test and returns what it reported, "" if it passed: for tests of helpers that report to a
// testing.TB.
func Fake(t *testing.T, f func(t testing.TB)) string {
	t.Helper()
	fb := &fakeTB{TB: t}
	inGoroutine(func() { f(fb) })
	for {
		fb.mu.Lock()
		n := len(fb.cleanups)
		if n == 0 {
			break
		}
		last := fb.cleanups[n-1]
		fb.cleanups = fb.cleanups[:n-1]
		fb.mu.Unlock()
		inGoroutine(last)
	}
	defer fb.mu.Unlock()
	if fb.failed && fb.text.Len() == 0 {
		return "failed without a word"
	}
	return fb.text.String()
}

// inGoroutine lets f end by runtime.Goexit, as FailNow does.
func inGoroutine(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	<-done
}

func (fb *fakeTB) Helper() {}

func (fb *fakeTB) Cleanup(f func()) {
	fb.mu.Lock()
	defer fb.mu.Unlock()
	fb.cleanups = append(fb.cleanups, f)
}

func (fb *fakeTB) Failed() bool {
	fb.mu.Lock()
	defer fb.mu.Unlock()
	return fb.failed
}

func (fb *fakeTB) Fail() {
	fb.mu.Lock()
	defer fb.mu.Unlock()
	fb.failed = true
}

func (fb *fakeTB) FailNow() {
	fb.Fail()
	runtime.Goexit()
}

func (fb *fakeTB) Errorf(format string, args ...any) {
	fb.mu.Lock()
	defer fb.mu.Unlock()
	fb.failed = true
	fmt.Fprintf(&fb.text, format+"\n", args...)
}

func (fb *fakeTB) Error(args ...any) { fb.Errorf("%s", fmt.Sprintln(args...)) }

func (fb *fakeTB) Fatalf(format string, args ...any) {
	fb.Errorf(format, args...)
	runtime.Goexit()
}

func (fb *fakeTB) Fatal(args ...any) { fb.Fatalf("%s", fmt.Sprintln(args...)) }
