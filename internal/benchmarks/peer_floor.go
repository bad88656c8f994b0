// SPDX-License-Identifier: Apache-2.0

package benchmarks

import (
	"math/rand/v2"
	"sync"
	"time"
)

func floorPeer() Peer {
	return Peer{
		Name: "floor",
		About: "no library: per span time.Now, time.Since, eight random bytes, one 48-byte allocation, " +
			"one sync.Pool round trip",
		Start: func(Mode, *Sink) (Instance, error) { return &floor{}, nil },
	}
}

// floor does, for each span, the few things that a tracing library cannot avoid.
type floor struct{ pool sync.Pool }

// floorNode has the size of a Go context node, the least that a started span must allocate.
type floorNode struct {
	id      uint64
	start   time.Time
	parent  *floorNode
	elapsed time.Duration
}

func (f *floor) Trace(s *Shape) {
	root := f.span(nil)
	if s.Workers == 0 {
		for range s.Children {
			f.span(root)
		}
	} else {
		fanOut(s, func() { f.span(root) })
	}
}

// span must not be inlined, or its node would not reach the heap.
//
//go:noinline
func (f *floor) span(parent *floorNode) *floorNode {
	n := &floorNode{start: time.Now(), id: rand.Uint64(), parent: parent}
	record, ok := f.pool.Get().(*[256]byte)
	if !ok {
		record = new([256]byte)
	}
	record[0] = byte(n.id)
	f.pool.Put(record)
	n.elapsed = time.Since(n.start)
	return n
}

func (f *floor) Stop() error { return nil }
