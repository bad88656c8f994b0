// SPDX-License-Identifier: Apache-2.0

package jaegerremote

import (
	"sync"
	"time"
)

// limiter lets so many pass a second. What was not used may be used later: a second's worth, or one, if
// that is more.
type limiter struct {
	mu      sync.Mutex // guards all below
	rate    float64    // a second
	balance float64    // how many may pass at last
	last    time.Time
}

func newLimiter(rate float64) *limiter {
	l := &limiter{rate: rate, last: time.Now()}
	if rate > 0 {
		l.balance = l.most()
	}
	return l
}

// most returns the largest balance. It needs l.mu, or a limiter that nobody else has.
func (l *limiter) most() float64 { return max(l.rate, 1) }

// take reports whether one more may pass, and counts it.
func (l *limiter) take() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fill()
	if l.balance < 1 {
		return false
	}
	l.balance--
	return true
}

// set changes the rate. What could pass before still can, in proportion: to start afresh with each new
// strategy would let a burst pass each time.
func (l *limiter) set(rate float64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if rate == l.rate {
		return
	}
	l.fill()
	share := l.balance / l.most()
	l.rate = rate
	l.balance = share * l.most()
	if rate == 0 {
		l.balance = 0
	}
}

// fill adds what has become due. It needs l.mu.
func (l *limiter) fill() {
	now := time.Now()
	l.balance = min(l.balance+now.Sub(l.last).Seconds()*l.rate, l.most())
	l.last = now
}
