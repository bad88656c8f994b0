// SPDX-License-Identifier: Apache-2.0

package tracing

import (
	"sync"
	"time"
)

// outbox holds the batches that wait for the sender: first in, first out. The worker puts, the
// sender takes.
type outbox struct {
	maxBytes int
	wake     chan struct{} // capacity 1; put sends, the sender receives

	mu     sync.Mutex // guards all below
	list   []*batch
	bytes  int
	closed bool          // nothing is put any more
	room   chan struct{} // closed by get when the worker waits for room; nil when it does not
}

// put adds a batch.
func (o *outbox) put(b *batch) {
	o.mu.Lock()
	o.add(b)
	o.mu.Unlock()
}

// add puts a batch behind the others and wakes the sender. Needs o.mu.
func (o *outbox) add(b *batch) {
	o.list = append(o.list, b)
	o.bytes += len(b.data)
	o.tell()
}

// putBounded adds a batch unless more bytes would wait than may; it waits for room up to d, or until
// stop is closed. An empty outbox takes any batch.
func (o *outbox) putBounded(b *batch, d time.Duration, stop <-chan struct{}) bool {
	var timeout *time.Timer
	o.mu.Lock()
	for o.bytes > 0 && o.bytes+len(b.data) > o.maxBytes {
		if d == 0 {
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
		o.mu.Lock()
		if len(o.list) > 0 {
			b := o.list[0]
			o.list[0] = nil
			o.list = o.list[1:] // append makes room again
			o.bytes -= len(b.data)
			if o.room != nil {
				close(o.room)
				o.room = nil
			}
			o.mu.Unlock()
			return b
		}
		closed := o.closed
		o.mu.Unlock()
		if closed {
			return nil
		}
		<-o.wake
	}
}
