// SPDX-License-Identifier: Apache-2.0

package tracing

import (
	"sync"
	"time"
)

// queue holds the blocks that wait for a pipeline's worker: first in, first out, bounded in spans and
// in bytes. Any number of goroutines push, the worker takes.
type queue struct {
	maxSpans, maxBytes int
	wakeSpans          int           // so many waiting spans wake the worker
	wait               time.Duration // how long push waits for room
	wake               chan struct{} // capacity 1; push sends, the worker receives

	mu           sync.Mutex // guards all below
	ring         []*block   // a power of two of places
	head, n      int
	spans, bytes int
	pushed       uint64        // spans pushed, ever, also those dropped here
	dropped      uint64        // of them: not taken in, because the queue was full
	late         uint64        // of them: not taken in, because the queue was closed
	closed       bool          // the worker is gone
	woken        bool          // the worker has been told and has not looked yet
	room         chan struct{} // closed by take when somebody waits for room; nil when nobody does
}

// push adds a block. It reports false if it dropped it: then the caller still owns the block. Where
// the queue is full and push may wait, it waits no longer than until stop is closed; then the block is
// added all the same, because whoever closes it flushes or shuts down.
func (q *queue) push(b *block, stop <-chan struct{}) bool {
	var timeout *time.Timer
	q.mu.Lock()
	q.pushed += uint64(b.spans)
	for stopped := false; q.closed || !stopped && q.full(b); {
		if q.closed {
			q.late += uint64(b.spans)
			q.mu.Unlock()
			return false
		}
		if q.wait == 0 || b.bytes > q.maxBytes { // the latter never fits
			q.dropped += uint64(b.spans)
			q.mu.Unlock()
			return false
		}
		if timeout == nil {
			timeout = time.NewTimer(q.wait)
			defer timeout.Stop()
		}
		if q.room == nil {
			q.room = make(chan struct{})
		}
		room := q.room
		q.tell()
		q.mu.Unlock()
		select {
		case <-room:
			q.mu.Lock()
		case <-stop:
			stopped = true
			q.mu.Lock()
		case <-timeout.C:
			q.mu.Lock()
			q.dropped += uint64(b.spans)
			q.mu.Unlock()
			return false
		}
	}
	if q.n == len(q.ring) {
		q.grow()
	}
	q.ring[(q.head+q.n)&(len(q.ring)-1)] = b
	q.n++
	q.spans += b.spans
	q.bytes += b.bytes
	if q.spans >= q.wakeSpans {
		q.tell()
	}
	q.mu.Unlock()
	return true
}

// full says whether b does not fit. An empty queue takes any block that is no larger than the whole
// queue's bytes. Needs q.mu.
func (q *queue) full(b *block) bool {
	if q.bytes+b.bytes > q.maxBytes {
		return true
	}
	return q.n > 0 && q.spans+b.spans > q.maxSpans
}

// tell wakes the worker. Needs q.mu.
func (q *queue) tell() {
	if q.woken {
		return
	}
	q.woken = true
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

func (q *queue) grow() {
	ring := make([]*block, max(64, 2*len(q.ring)))
	for i := range q.n {
		ring[i] = q.ring[(q.head+i)&(len(q.ring)-1)]
	}
	q.ring, q.head = ring, 0
}

// take moves up to len(dst) blocks to dst.
func (q *queue) take(dst []*block) []*block {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := min(len(dst), q.n)
	for i := range n {
		at := (q.head + i) & (len(q.ring) - 1)
		b := q.ring[at]
		q.ring[at] = nil
		dst[i] = b
		q.spans -= b.spans
		q.bytes -= b.bytes
	}
	q.head = (q.head + n) & max(0, len(q.ring)-1)
	q.n -= n
	if q.n == 0 {
		q.woken = false
	}
	if q.room != nil && n > 0 {
		close(q.room)
		q.room = nil
	}
	return dst[:n]
}

// close refuses all further blocks.
func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	if q.room != nil {
		close(q.room)
		q.room = nil
	}
	q.mu.Unlock()
}

// retell wakes the worker whether or not it has been told.
func (q *queue) retell() {
	q.mu.Lock()
	q.woken = false
	q.tell()
	q.mu.Unlock()
}
