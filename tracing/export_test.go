// SPDX-License-Identifier: Apache-2.0

package tracing

import (
	"sync"
	"time"
)

// ForgetSpanKey makes f run as if package otel/trace's context key could not be learnt. No other
// goroutine may use the package meanwhile.
func ForgetSpanKey(f func()) {
	learnSpanKey()
	key := spanKey
	spanKey, foreignKeys = ownKey{}, true
	defer func() { spanKey, foreignKeys = key, false }()
	f()
}

// BeforeAnyProvider makes f run as if no provider had been made yet in this process. No other goroutine
// may use the package meanwhile.
func BeforeAnyProvider(f func()) {
	learnSpanKey()
	spanKey, learnKey = ownKey{}, sync.Once{}
	defer learnSpanKey()
	f()
}

// DelayClock makes the local trace of s believe that it is d earlier than it is, as after a suspend of
// the machine, in which the monotonic clock stops.
func DelayClock(s *Span, d time.Duration) {
	lt := s.local
	lt.mu.Lock()
	defer lt.mu.Unlock()
	lt.wallOffset -= int64(d)
}
