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
	mu         sync.Mutex // guards all below
	opened     ticket     // how often it has been opened, also again after a probe, or another backend asked for
	renewed    ticket     // what opened was when the backend was last replaced
	failures   int        // that have opened it, in a row
	until      time.Time  // when the pause ends; zero: closed
	pause      time.Duration
	asked      bool      // for by the backend
	probing    bool      // a probe is under way
	answeredAt time.Time // when a call was last answered that began after the last opening
	stopping   bool      // no pauses any more: a failure is final
	dead       bool      // no calls any more
	changed    chan struct{}

	notifier TargetNotifier  // nil without one; set before the first call
	replaced <-chan struct{} // closed by notifier when another backend is asked for
}

// ticket is what a call enters with and reports with: it says which opening came before it. What a call
// has to say that began before the present one says nothing about it.
type ticket uint64

// pass is the answer of enter.
type pass uint8

const (
	entered pass = iota // the call may go out; its end must be reported
	barred              // not before the pause is over
	expired             // not before it is too late
	refused             // never
)

// terms say how a call waits for permission.
type terms struct {
	patient bool      // it does wait
	giveUp  time.Time // but not longer than this; zero: as long as it takes
	last    bool      // and gives others twice the time to be the probe
	second  bool      // it does not wait: a probe has just failed, and this one asks whether that was to blame
}

// enter asks for permission to make a call.
func (c *circuit) enter(ctx context.Context, w terms) (ticket, pass) {
	for {
		c.look()
		c.mu.Lock()
		now, due := time.Now(), c.until
		if w.last {
			due = due.Add(c.pause)
		}
		switch {
		case ctx.Err() != nil || c.dead:
			c.mu.Unlock()
			return 0, refused
		case c.until.IsZero():
			defer c.mu.Unlock()
			return c.opened, entered
		case !c.probing && (c.stopping || !now.Before(due) || w.second && !c.asked):
			defer c.mu.Unlock()
			c.probing = true
			return c.opened, entered
		case !w.patient:
			c.mu.Unlock()
			return 0, barred
		case !w.giveUp.IsZero() && (due.After(w.giveUp) || !now.Before(w.giveUp)):
			c.mu.Unlock()
			return 0, expired
		}
		if c.changed == nil {
			c.changed = make(chan struct{})
		}
		changed, replaced, pause := c.changed, c.replaced, due.Sub(now)
		if c.probing { // the probe's end changes the state
			pause = untilShutdown
			if !w.giveUp.IsZero() {
				pause = w.giveUp.Sub(now)
			}
		}
		c.mu.Unlock()
		timer := time.NewTimer(pause)
		select {
		case <-changed:
		case <-replaced:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// watch has the circuit notice when the exporter is pointed at another backend. It is called before any other
// method.
func (c *circuit) watch(n TargetNotifier) {
	c.notifier = n
	c.replaced = replacedOf(n)
}

// replacedOf returns the channel that tells of the next backend; nil, of which nothing is heard, if the exporter
// panics.
func replacedOf(n TargetNotifier) (replaced <-chan struct{}) {
	_ = guarded(func() error { replaced = n.TargetReplaced(); return nil })
	return replaced
}

// openOf is replacedOf for a channel that is not closed yet. A notifier that has none, though it is asked again in
// case a target has been replaced just then, would end all pauses: nothing more is heard of it.
func openOf(n TargetNotifier) <-chan struct{} {
	for range 10 {
		replaced := replacedOf(n)
		select {
		case <-replaced:
		default:
			return replaced
		}
	}
	return nil
}

// look finds out whether another backend has been asked for since it was last called. What the one before it
// has said, and will say, does not hold for that one: a pause is over, and a call goes out to probe it.
func (c *circuit) look() {
	if c.notifier == nil {
		return
	}
	c.mu.Lock()
	replaced := c.replaced
	c.mu.Unlock()
	select {
	case <-replaced:
	default:
		return
	}
	next := openOf(c.notifier) // foreign code: not under the lock
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.replaced != replaced {
		return // another call was here first
	}
	c.replaced = next
	c.opened++
	c.renewed = c.opened
	if !c.until.IsZero() {
		c.failures, c.until, c.pause, c.asked, c.probing = 0, time.Now(), 0, false, false
	}
	c.tell()
}

// holds reports whether a call may still go out that has entered.
func (c *circuit) holds(t ticket) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return t == c.opened
}

// answered reports that the backend has answered, whatever it said: the circuit is closed. It reports false,
// and does nothing, for a call that began before the last opening.
func (c *circuit) answered(t ticket) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t != c.opened {
		return false
	}
	c.answeredAt = time.Now()
	if !c.until.IsZero() {
		c.failures, c.until, c.pause, c.probing = 0, time.Time{}, 0, false
		c.tell()
	}
	return true
}

// answeredSince reports whether a call has been answered since then that began after the last opening.
func (c *circuit) answeredSince(then time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.answeredAt.Before(then)
}

// failed reports a call that failed for a reason that may pass, and opens the circuit. Of several calls
// under way only the first counts, but each may prolong the pause by what the backend has asked for.
func (c *circuit) failed(t ticket, retryAfter time.Duration) {
	c.look() // or what the old backend says would be the last word during Shutdown
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if t == c.opened {
		c.opened++
		c.failures++
		pause := retryMax
		if n := c.failures - 1; n < 5 {
			pause = min(retryFirst<<n, retryMax)
		}
		c.pause = pause - rand.N(pause/2)
		if c.asked = retryAfter > 0; c.asked {
			c.pause = asAsked(retryAfter)
		}
		c.until = now.Add(c.pause)
		c.probing = false
		c.dead = c.dead || c.stopping
	} else if retryAfter > 0 && !c.until.IsZero() && t >= c.renewed {
		if pause := asAsked(retryAfter); now.Add(pause).After(c.until) {
			c.pause, c.until, c.asked = pause, now.Add(pause), true
		}
	}
	c.tell()
}

// asAsked returns the pause that a backend has asked for.
func asAsked(retryAfter time.Duration) time.Duration {
	pause := min(retryAfter, retryAfterMax)
	return pause + rand.N(pause/10+1)
}

// stop ends all pauses. If the circuit is open, one more call is made where lastTry says so, and none if
// it fails; without lastTry there are none at once.
func (c *circuit) stop(lastTry bool) {
	c.mu.Lock()
	c.stopping = true
	c.dead = !c.until.IsZero() && !lastTry
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
