// SPDX-License-Identifier: Apache-2.0

package tracing

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// outbox holds the batches that wait for the senders: first in, first out. The worker puts, the
// senders take, and say when they are done.
type outbox struct {
	maxSpans, maxBytes int
	wake               chan struct{} // capacity 1; put and get send, a sender receives
	refuses            atomic.Bool   // there was no room for the newest batch, and none has left since

	mu      sync.Mutex // guards all below
	list    []*batch
	spans   int           // in list
	bytes   int           // of list
	next    uint64        // number of the next batch
	busy    []uint64      // numbers of the batches that have been taken and are not done
	markers []marker      // in the order of their numbers
	closed  bool          // nothing is put any more
	room    chan struct{} // closed by get when the worker waits for room; nil when it does not
}

// marker is a flush on its way: done is closed as soon as all batches with smaller numbers are done.
type marker struct {
	number uint64
	done   chan<- struct{}
}

// put adds a batch.
func (o *outbox) put(b *batch) {
	o.mu.Lock()
	o.add(b)
	o.mu.Unlock()
}

// add puts a batch behind the others and wakes a sender. Needs o.mu.
func (o *outbox) add(b *batch) {
	b.number = o.next
	o.next++
	o.list = append(o.list, b)
	o.spans += b.spans
	o.bytes += len(b.data)
	o.tell()
}

// putBounded adds a batch unless more spans or bytes would wait than may; it waits for room up to d, or until
// stop is closed. An empty outbox takes any batch.
func (o *outbox) putBounded(b *batch, d time.Duration, stop <-chan struct{}) bool {
	var timeout *time.Timer
	o.mu.Lock()
	for len(o.list) > 0 && (o.bytes+len(b.data) > o.maxBytes || o.spans+b.spans > o.maxSpans) {
		if d == 0 {
			o.refuses.Store(true)
			o.mu.Unlock()
			return false
		}
		if timeout == nil {
			timeout = time.NewTimer(d)
			defer timeout.Stop()
		}
		if o.room == nil {
			o.room = make(chan struct{})
		}
		room := o.room
		o.mu.Unlock()
		select {
		case <-room:
		case <-timeout.C:
			return false
		case <-stop:
			return false
		}
		o.mu.Lock()
	}
	o.add(b)
	o.mu.Unlock()
	return true
}

// mark has done closed when all batches that have been put so far are done.
func (o *outbox) mark(done chan<- struct{}) {
	o.mu.Lock()
	o.markers = append(o.markers, marker{o.next, done})
	o.settle()
	o.mu.Unlock()
}

// done reports that a batch taken by get or tryGet has been delivered, dropped or spooled.
func (o *outbox) done(number uint64) {
	o.mu.Lock()
	if i := slices.Index(o.busy, number); i >= 0 {
		o.busy = slices.Delete(o.busy, i, i+1)
	}
	o.settle()
	o.mu.Unlock()
}

// settle closes the markers that have nothing before them any more. Needs o.mu.
func (o *outbox) settle() {
	if len(o.markers) == 0 {
		return
	}
	first := o.next // of the batches that are not done
	if len(o.list) > 0 {
		first = o.list[0].number
	}
	for _, n := range o.busy {
		first = min(first, n)
	}
	n := 0
	for n < len(o.markers) && o.markers[n].number <= first {
		close(o.markers[n].done)
		n++
	}
	o.markers = slices.Delete(o.markers, 0, n)
}

func (o *outbox) tell() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// close says that nothing is put any more.
func (o *outbox) close() {
	o.mu.Lock()
	o.closed = true
	o.mu.Unlock()
	o.tell()
}

// get waits for a batch. It returns nil once the outbox is closed and empty.
func (o *outbox) get() *batch {
	for {
		b, closed := o.tryGet()
		if b != nil || closed {
			return b
		}
		<-o.wake
	}
}

// tryGet takes the batch that has waited longest, or nil; then closed says that none will come.
func (o *outbox) tryGet() (b *batch, closed bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.list) > 0 {
		b = o.list[0]
		o.list[0] = nil
		o.list = o.list[1:] // append makes room again
		o.spans -= b.spans
		o.bytes -= len(b.data)
		o.busy = append(o.busy, b.number)
		o.refuses.Store(false)
		if o.room != nil {
			close(o.room)
			o.room = nil
		}
	}
	if len(o.list) > 0 || o.closed {
		o.tell() // the next sender
	}
	return b, b == nil && o.closed
}

// size returns the bytes that wait.
func (o *outbox) size() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.bytes
}
