// SPDX-License-Identifier: Apache-2.0

package tracing

import (
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/pool"
)

// block is a run of records that moves as a whole: from the pool to a local trace, from there to
// the queues, and back when the last pipeline has read it. One pool operation serves many spans.
//
// It carries a copy of what its records share, so that a waiting block keeps neither the local
// trace nor the user's Go contexts alive.
type block struct {
	records []record    `invariants:"reused"` // all of them; the first used ones are taken
	small   *smallBlock `invariants:"reused"` // what the block is a part of: this one
	large   *largeBlock `invariants:"reused"` // or that one

	used    int
	ended   int    // records that are the local trace's again
	spans   int    // those of them that are sampled, and so exported
	bytes   int    // estimate for the ended ones
	next    *block // in the list of a local trace, or of a hand-over
	traceID traceID
	flags   trace.TraceFlags
	partial bool
	debug   bool
	state   trace.TraceState
	parent  parentContext // the local root's

	refs atomic.Int32 // the pipelines that still read it
}

// blockRecords is the number of records in a block: a local trace of ten spans, which is what a
// request usually makes, takes one small block for its root and one of these. Larger blocks would
// hold more idle memory for each open trace, smaller ones cost more pool operations.
const blockRecords = 9

// The storage of a block and of its records' first attributes is one allocation.
type (
	smallBlock struct {
		block
		store [1]record
		attrs [1 * inlineAttributes]attribute.KeyValue `invariants:"reused"`
	}
	largeBlock struct {
		block
		store [blockRecords]record
		attrs [blockRecords * inlineAttributes]attribute.KeyValue `invariants:"reused"`
	}
)

var (
	smallBlocks = pool.New(
		func(b *smallBlock) { b.reset() },
		func(b *smallBlock) { b.poison(b.store[:]) },
	)
	largeBlocks = pool.New(
		func(b *largeBlock) { b.reset() },
		func(b *largeBlock) { b.poison(b.store[:]) },
	)
)

// acquireBlock takes a blank block from its pool: one record for a local root, more for the rest.
func acquireBlock(small bool) *block {
	if small {
		b := smallBlocks.Get()
		if b.records == nil {
			b.small = b
			b.init(b.store[:], b.attrs[:])
		}
		return &b.block
	}
	b := largeBlocks.Get()
	if b.records == nil {
		b.large = b
		b.init(b.store[:], b.attrs[:])
	}
	return &b.block
}

func (b *block) init(store []record, attrs []attribute.KeyValue) {
	b.records = store
	for i := range store {
		n := i * inlineAttributes
		store[i].attrs = attrs[n : n : n+inlineAttributes]
		store[i].block = b
	}
}

// release gives one reader's hold back; the last one returns the block to its pool.
func (b *block) release() {
	if b.refs.Add(-1) > 0 {
		return
	}
	if b.small != nil {
		smallBlocks.Put(b.small)
	} else {
		largeBlocks.Put(b.large)
	}
}

// reset is as sparing with pointers as that of a record.
func (b *block) reset() {
	for i := range b.records[:b.used] {
		b.records[i].reset()
	}
	b.used, b.ended, b.spans, b.bytes = 0, 0, 0, 0
	if b.next != nil {
		b.next = nil
	}
	b.traceID, b.flags, b.partial, b.debug = traceID{}, 0, false, false
	if b.state.Len() > 0 {
		b.state = trace.TraceState{}
	}
	if b.parent.id != 0 {
		b.parent = parentContext{}
	}
	b.refs.Store(0)
}

// spanContext returns what the span contexts of the block's records have in common.
func (b *block) spanContext() trace.SpanContext {
	return trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: b.traceID.bytes(), TraceFlags: b.flags, TraceState: b.state,
	})
}

// poison overwrites records that have been given back, in checked builds.
func (b *block) poison(store []record) {
	b.used = len(store) // for the reset that follows when the block is taken again
	for i := range store {
		r := &store[i]
		r.name, r.statusDesc = poisoned, poisoned
		for j := range r.attrs[:cap(r.attrs)] {
			r.attrs[:cap(r.attrs)][j] = attribute.String(poisoned, poisoned)
		}
	}
}

// poisoned is what stands in records that have been given back, in a checked build.
const poisoned = "tracing: this record was read after it had been given back"
