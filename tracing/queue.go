// SPDX-License-Identifier: Apache-2.0

package tracing

import (
	"sync"
	"sync/atomic"
	"time"
)

// queue holds the blocks that wait for a pipeline's worker: first in, first out, bounded in spans and
// in bytes. Any number of goroutines push, the worker takes.
type queue struct {
	maxSpans, maxBytes int
	wakeSpans          int           // so many waiting spans wake the worker
	wait               time.Duration // how long End waits for room; 0: not at all
	dropOldest         bool          // what does not fit drives out what has waited longest
	wake               chan struct{} // capacity 1; push sends, the worker receives
	isFull             atomic.Bool   // what full says, for End to see without the lock

	mu           sync.Mutex // guards all below; nothing else is locked under it
	ring         []*block   // a power of two of places
	head, n      int
	spans, bytes int
	out          uint64        // blocks that have left the ring, ever
	pushed       uint64        // spans pushed, ever, also those dropped here
	dropped      uint64        // of them: not taken in, because the queue was full
	late         uint64        // of them: not taken in, because the queue was closed
	closed       bool          // the worker is gone
	woken        bool          // the worker has been told, or looks anyway, and need not be told again
	room         chan struct{} // closed when there is room again; nil when nobody waits for it
}

// urgency says what push does with blocks that do not fit.
type urgency uint8

const (
	// routine: they are dropped, unless the queue is one that End waits for. That one takes what its
	// callers bring after having waited: they cannot bring more before there is room.
	routine urgency = iota
	// waitedInVain: they are dropped.
	waitedInVain
	// forced: they are taken. ForceFlush and Shutdown move what the provider holds anyway.
	forced
)

// push adds a list of blocks, next to each other. Those that do not fit are dropped, and released.
func (q *queue) push(list *block, u urgency) {
	q.mu.Lock()
	defer q.mu.Unlock()
	force := u == forced || u == routine && q.wait > 0
	for b := list; b != nil; {
		next := b.next // b may be gone once it is released
		q.pushed += uint64(b.spans)
		switch {
		case q.closed:
			q.late += uint64(b.spans)
			b.release()
		case !q.fits(b, force) && !q.makeRoom(b):
			q.dropped += uint64(b.spans)
			b.release()
		default:
			q.add(b)
		}
		b = next
	}
	q.isFull.Store(q.full())
	if q.due() {
		q.tell()
	}
}

// due says whether it is time for the worker to look. Needs q.mu.
func (q *queue) due() bool { return q.spans >= q.wakeSpans || q.bytes >= q.maxBytes/4 }

// urgent says whether the worker must look at once, though it will soon. Needs q.mu.
func (q *queue) urgent() bool { return q.spans >= q.maxSpans/2 || q.bytes >= q.maxBytes/2 }

// fits says whether the queue takes b. However urgent, it takes no more than twice its bytes, and no
// block that is larger than the whole queue. Needs q.mu.
func (q *queue) fits(b *block, force bool) bool {
	if force {
		return b.bytes <= q.maxBytes && q.bytes+b.bytes-q.maxBytes <= q.maxBytes // twice it may be too much for an int
	}
	return q.bytes+b.bytes <= q.maxBytes && (q.n == 0 || q.spans+b.spans <= q.maxSpans)
}

// makeRoom drops blocks from the head until b fits, where that is wanted and helps. Needs q.mu.
func (q *queue) makeRoom(b *block) bool {
	if !q.dropOldest || b.bytes > q.maxBytes {
		return false
	}
	for !q.fits(b, false) {
		old := q.pop()
		q.dropped += uint64(old.spans)
		old.release()
	}
	return true
}

// full says whether it is time to wait. Needs q.mu.
func (q *queue) full() bool { return q.spans >= q.maxSpans || q.bytes >= q.maxBytes }

func (q *queue) add(b *block) {
	if q.n == len(q.ring) {
		q.grow()
	}
	q.ring[(q.head+q.n)&(len(q.ring)-1)] = b
	q.n++
	q.spans += b.spans
	q.bytes += b.bytes
}

func (q *queue) grow() {
	ring := make([]*block, max(64, 2*len(q.ring)))
	for i := range q.n {
		ring[i] = q.ring[(q.head+i)&(len(q.ring)-1)]
	}
	q.ring, q.head = ring, 0
}

// tell wakes the worker. Needs q.mu.
func (q *queue) tell() {
	if q.woken && !q.urgent() {
		return
	}
	q.woken = true
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// waitForRoom waits while the queue is full, no longer than it may. It reports false if it waited in
// vain.
func (q *queue) waitForRoom() bool {
	if q.wait == 0 || !q.isFull.Load() {
		return true
	}
	timeout := time.NewTimer(q.wait)
	defer timeout.Stop()
	for {
		q.mu.Lock()
		if q.closed || !q.full() {
			q.mu.Unlock()
			return true
		}
		if q.room == nil {
			q.room = make(chan struct{})
		}
		room := q.room
		q.tell()
		q.mu.Unlock()
		select {
		case <-room:
		case <-timeout.C:
			return false
		}
	}
}

// take moves up to len(dst) blocks to dst.
func (q *queue) take(dst []*block) []*block {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := min(len(dst), q.n)
	for i := range n {
		dst[i] = q.pop()
	}
	if !q.full() {
		q.isFull.Store(false)
		q.letIn()
	}
	return dst[:n]
}

// pop takes the block at the head, which there must be. Needs q.mu.
func (q *queue) pop() *block {
	b := q.ring[q.head]
	q.ring[q.head] = nil
	q.head = (q.head + 1) & (len(q.ring) - 1)
	q.n--
	q.out++
	q.spans -= b.spans
	q.bytes -= b.bytes
	return b
}

// rearm says that the worker has looked, and wakes it again if enough has come meanwhile.
func (q *queue) rearm() {
	q.mu.Lock()
	q.woken = false
	if q.due() {
		q.tell()
	}
	q.mu.Unlock()
}

// waiting returns how many blocks wait, and spans in them.
func (q *queue) waiting() (blocks, spans int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.n, q.spans
}

// end returns how many blocks will have left the queue when all that wait now have.
func (q *queue) end() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.out + uint64(q.n)
}

// until returns how many blocks wait before that number has left the queue.
func (q *queue) until(end uint64) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return int(max(end, q.out) - q.out)
}

// letIn tells those who wait for room. Needs q.mu.
func (q *queue) letIn() {
	if q.room != nil {
		close(q.room)
		q.room = nil
	}
}

// close refuses all further blocks.
func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.letIn()
	q.mu.Unlock()
}
