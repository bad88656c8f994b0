// SPDX-License-Identifier: Apache-2.0

package tracing

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// After a call that failed for a reason that may pass, nothing is sent for a pause: retryFirst, twice
// as much after each further failure, no more than retryMax, and each shortened at random by up to a
// half so that many processes do not come back at once. Where the backend says how long to wait, the
// pause is that, no more than retryAfterMax, and up to a tenth longer.
const (
	retryFirst    = 500 * time.Millisecond
	retryMax      = 10 * time.Second
	retryAfterMax = 5 * time.Minute
)

// circuit keeps a pipeline's calls away from a backend that fails. Closed, all calls go out. A failure
// opens it: calls wait. When the pause is over it is half open: one call goes out to probe the backend,
// and closes or opens it again.
type circuit struct {
	mu       sync.Mutex // guards all below
	failures int        // that have opened it, in a row
	until    time.Time  // when the pause ends; zero: closed
	probing  bool       // a probe is under way
	stopping bool       // no pauses any more: a failure is final
	dead     bool       // no calls any more
	changed  chan struct{}
}

// pass is the answer of enter.
type pass uint8

const (
	entered pass = iota // the call may go out; its end must be reported
	barred              // not before the pause is over
	refused             // never
)

// enter asks for permission to make a call. With patience it waits for it, no longer than ctx lasts;
// without, the answer may be barred.
func (c *circuit) enter(ctx context.Context, patience bool) pass {
	for {
		c.mu.Lock()
		now := time.Now()
		switch {
		case ctx.Err() != nil || c.dead:
			c.mu.Unlock()
			return refused
		case c.until.IsZero():
			c.mu.Unlock()
			return entered
		case !c.probing && !now.Before(c.until):
			c.probing = true
			c.mu.Unlock()
			return entered
		case !patience:
			c.mu.Unlock()
			return barred
		}
		if c.changed == nil {
			c.changed = make(chan struct{})
		}
		changed, probing, pause := c.changed, c.probing, c.until.Sub(now)
		c.mu.Unlock()
		if probing {
			pause = untilShutdown // for the probe's end, which changes the state
		}
		timer := time.NewTimer(pause)
		select {
		case <-changed:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// answered reports that the backend has answered, whatever it said: the circuit is closed.
func (c *circuit) answered() {
	c.mu.Lock()
	if !c.until.IsZero() {
		c.failures, c.until, c.probing = 0, time.Time{}, false
		c.tell()
	}
	c.mu.Unlock()
}

// failed reports a call that failed for a reason that may pass, and opens the circuit. It returns when
// the pause ends.
func (c *circuit) failed(retryAfter time.Duration) (until time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	// Of several calls under way at the failure of one only that one counts.
	if c.until.IsZero() || c.probing {
		c.failures++
		pause := retryMax
		if n := c.failures - 1; n < 5 {
			pause = min(retryFirst<<n, retryMax)
		}
		c.until = now.Add(pause - rand.N(pause/2))
	}
	if retryAfter > 0 {
		pause := min(retryAfter, retryAfterMax)
		if at := now.Add(pause + rand.N(pause/10+1)); at.After(c.until) {
			c.until = at
		}
	}
	c.probing = false
	c.dead = c.dead || c.stopping
	c.tell()
	return c.until
}

// stop ends all pauses. If the circuit is open, one more call is made where lastTry says so, and none if
// it fails; without lastTry there are none at once.
func (c *circuit) stop(lastTry bool) {
	c.mu.Lock()
	c.stopping = true
	if !c.until.IsZero() {
		c.until = time.Now()
		c.dead = !lastTry
	}
	c.tell()
	c.mu.Unlock()
}

// open reports whether calls wait.
func (c *circuit) open() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.until.IsZero()
}

// tell wakes those who wait. Needs c.mu.
func (c *circuit) tell() {
	if c.changed != nil {
		close(c.changed)
		c.changed = nil
	}
}
