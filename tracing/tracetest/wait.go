// SPDX-License-Identifier: Apache-2.0

package tracetest

import (
	"testing"
	"time"

	"github.com/spandrel-go/spandrel/tracing"
)

// WaitTimeout is how long [Recorder.WaitFor] waits. In a bubble of testing/synctest it passes at once
// when nothing else can happen.
const WaitTimeout = 10 * time.Second

// WaitFor waits until a span of this name has come, and returns the first. When [WaitTimeout] has passed
// it ends the test with a text that shows what has come.
//
// A recorder that is registered as an exporter gets spans when its pipeline delivers them: flush the
// provider, or give the pipeline a short [tracing.WithBatchDelay].
func (r *Recorder) WaitFor(t testing.TB, name string) *tracing.SpanData {
	t.Helper()
	var found *tracing.SpanData
	r.WaitUntil(t, WaitTimeout, "a span called \""+name+"\"", func(spans []*tracing.SpanData) bool {
		for _, d := range spans {
			if d.Name == name {
				found = d
				return true
			}
		}
		return false
	})
	return found
}

// WaitUntil waits until done returns true for what has come so far. It calls done at first and then
// after each arrival, on its own goroutine, with no lock held. When the timeout has passed it ends the
// test; what is the thing waited for, in the words of that failure.
func (r *Recorder) WaitUntil(t testing.TB, timeout time.Duration, what string, done func(spans []*tracing.SpanData) bool) {
	t.Helper()
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	for {
		changed := r.watch() // before looking: what comes meanwhile closes it
		spans := r.Spans()
		if done(spans) {
			return
		}
		select {
		case <-changed:
		case <-timer.C:
			t.Fatalf("tracetest: waited %v in vain for %s; %s", timeout, what, r.show())
			return // a testing.TB that goes on
		}
	}
}

// watch returns a channel that the next arrival closes.
func (r *Recorder) watch() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.changed == nil {
		r.changed = make(chan struct{})
	}
	return r.changed
}
