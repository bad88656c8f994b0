// SPDX-License-Identifier: Apache-2.0

package tracing

import (
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/embedded"
)

// identity is what the spans of a local trace have in common in their span contexts. It is
// immutable. The embedded traceInfo gives Span the method that marks implementations of trace.Span.
type identity struct {
	*traceInfo
	traceID traceID
	flags   trace.TraceFlags
}

// traceInfo is the rarer part of an identity. Unsampled spans without a trace state share one of
// their provider. It is immutable.
type traceInfo struct {
	embedded.Span
	provider *Provider
	local    *localTrace // nil where nothing is recorded
	state    trace.TraceState
}

func (id *identity) spanContext(s spanID) trace.SpanContext {
	return trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: id.traceID.bytes(), SpanID: s.bytes(), TraceFlags: id.flags, TraceState: id.state,
	})
}

// localTrace holds the spans of one trace that one provider makes under one local root. It is
// allocated in one piece with the root's handle and never pooled: a late child can still ask it.
//
// Lock order: localTrace.mu, then Span.mu or shard.mu. Neither is held over user code or the queue.
type localTrace struct {
	root     Span
	identity identity
	info     traceInfo

	shard *shard
	// prev, next, listed, foldedStarted and foldedEnded belong to shard.mu.
	prev, next                 *localTrace
	foldedStarted, foldedEnded uint64
	listed                     bool

	mu sync.Mutex // guards everything below
	// The blocks in the order of their acquisition. Only last has free records.
	first, last    *block
	parent         trace.SpanContext // the root's parent
	wallOffset     int64             // wall clock = wallOffset + monotonic clock, both in ns
	anchorMono     int64             // when wallOffset was read
	touchedMono    int64             // when the trace began, or was last handed over in part
	started, ended uint64
	open           int // spans that have started and not finished
	finished       int // ended records that have not been handed over
	finishedBytes  int
	rootEnded      bool
	handedOver     bool // at least once
	debug          bool
}

const (
	// A local trace that holds this many ended spans, or this many bytes of them, is handed over in
	// part although it goes on: a long-lived root must neither hoard memory nor hide its children.
	partialSpans = 512
	partialBytes = 256 << 10

	// reanchorAfter is how long one reading of the wall clock serves a local trace. The monotonic
	// clock stops while a machine is suspended and does not follow corrections of the wall clock.
	reanchorAfter = int64(time.Minute)
)

// startSpan starts s in the local trace. name and the rest are recorded; parent is the span's
// parent, nil for the local root.
func (lt *localTrace) startSpan(s *Span, sp *spanStart) {
	mono := lt.provider().mono()
	lt.mu.Lock()
	if mono-lt.anchorMono > reanchorAfter {
		lt.anchor(time.Now())
	}
	victim := lt.claim(s, sp, mono)
	lt.mu.Unlock()
	if victim != nil {
		victim.abandonOpen(&lt.shard.evicted, nil)
	}
}

// spanStart is what startSpan records.
type spanStart struct {
	name      string
	scope     *Scope
	parent    spanID
	parentOwn *identity
	at        int64 // ns since the epoch; 0 for now
	kind      trace.SpanKind
	unsampled bool
}

func (lt *localTrace) provider() *Provider { return lt.info.provider }

// anchor reads the wall clock. Needs lt.mu.
func (lt *localTrace) anchor(now time.Time) {
	lt.anchorMono = lt.provider().monoAt(now)
	lt.wallOffset = now.UnixNano() - lt.anchorMono
}

// claim takes a record for s and fills it. It returns a local trace whose open spans must be
// abandoned because too many are open. Needs lt.mu.
func (lt *localTrace) claim(s *Span, sp *spanStart, mono int64) (victim *localTrace) {
	b := lt.last
	if b == nil || b.used == len(b.records) {
		b, victim = lt.grow()
	}
	r := &b.records[b.used]
	b.used++
	lt.open++
	lt.started++
	r.name = sp.name
	r.scope = sp.scope
	r.handle = s
	r.start = sp.at
	r.startMono = mono
	if sp.at == 0 {
		r.start = lt.wallOffset + mono
	} else {
		r.startMono = sp.at - lt.wallOffset // so that the end is now, by the wall clock
	}
	r.id = s.id
	r.parent = sp.parent
	r.parentOwn = sp.parentOwn
	if s.identity != &lt.identity {
		r.own = s.identity
	}
	r.kind = uint8(sp.kind)
	r.unsampled = sp.unsampled
	r.root = s == &lt.root
	s.rec = r
	return victim
}

// grow adds a block. Needs lt.mu.
func (lt *localTrace) grow() (b *block, victim *localTrace) {
	b = acquireBlock(lt.started == 0)
	b.context = lt.identity.spanContext(0)
	b.parent = lt.parent
	b.resource = lt.provider().resource
	b.debug = lt.debug
	if lt.last == nil {
		lt.first = b
	} else {
		lt.last.next = b
	}
	lt.last = b
	return b, lt.shard.enter(lt, len(b.records))
}

// finish takes a record back that End has detached and hands over what is due.
func (lt *localTrace) finish(r *record) {
	lt.mu.Lock()
	lt.takeBack(r)
	var blocks *block
	switch {
	case lt.open == 0 && lt.rootEnded:
		blocks = lt.takeAll()
	case lt.finished >= partialSpans || lt.finishedBytes >= partialBytes:
		blocks = lt.takeEnded()
	}
	lt.mu.Unlock()
	if blocks != nil {
		lt.provider().handOver(blocks, nil)
	}
}

// takeBack accounts for a record whose handle no longer reaches it. Needs lt.mu.
func (lt *localTrace) takeBack(r *record) {
	r.ended, r.handle = true, nil
	size := r.size + recordBytes
	b := r.block
	b.ended++
	b.bytes += size
	if !r.unsampled {
		b.spans++
	}
	lt.open--
	lt.ended++
	lt.finished++
	lt.finishedBytes += size
	if r.root {
		lt.rootEnded = true
	}
}

// takeAll detaches all blocks; no span is open. Needs lt.mu.
func (lt *localTrace) takeAll() *block {
	blocks := lt.first
	lt.first, lt.last = nil, nil
	lt.finished, lt.finishedBytes = 0, 0
	if lt.handedOver {
		for b := blocks; b != nil; b = b.next {
			b.partial = true
		}
	}
	lt.handedOver = true
	n := 0
	for b := blocks; b != nil; b = b.next {
		n += len(b.records)
	}
	lt.shard.leave(lt, n, true)
	return blocks
}

// takeEnded detaches the ended records of a local trace that goes on. Blocks move as a whole, so
// the open records among them move to a new block first. A block with a span that is just ending
// stays. Needs lt.mu.
func (lt *localTrace) takeEnded() (taken *block) {
	list := lt.first
	lt.first, lt.last = nil, nil
	var tail *block
	slots := 0
	for b := list; b != nil; {
		next := b.next
		b.next = nil
		if b.ended > 0 && lt.evacuate(b) {
			b.partial = true
			lt.finished -= b.ended
			lt.finishedBytes -= b.bytes
			slots += len(b.records)
			if tail == nil {
				taken = b
			} else {
				tail.next = b
			}
			tail = b
		} else {
			lt.append(b)
		}
		b = next
	}
	if taken != nil {
		lt.handedOver = true
	}
	lt.touchedMono = lt.provider().mono()
	lt.shard.leave(lt, slots, lt.open == 0 && lt.first == nil)
	return taken
}

// append puts a block into the list of a local trace, keeping the one with free records last.
// Needs lt.mu.
func (lt *localTrace) append(b *block) {
	switch {
	case lt.last == nil:
		lt.first, lt.last = b, b
	case lt.last.used < len(lt.last.records): // there is free room: it stays last
		b.next = lt.first
		lt.first = b
	default:
		lt.last.next = b
		lt.last = b
	}
}

// evacuate moves the open records of b to blocks of lt. It reports false, and has moved nothing,
// when a span of b is between detaching its record and finish. Needs lt.mu.
func (lt *localTrace) evacuate(b *block) bool {
	if b.ended == b.used {
		return true
	}
	// Hold the open spans so that none starts to end in between.
	var held [blockRecords]*record
	n := 0
	ok := true
	for i := range b.records[:b.used] {
		r := &b.records[i]
		if r.ended || r.moved {
			continue
		}
		s := r.handle
		s.mu.Lock()
		held[n] = r
		n++
		if s.rec != r || r.ending {
			ok = false
			break
		}
	}
	for _, r := range held[:n] {
		s := r.handle
		if ok {
			lt.move(r)
		}
		s.mu.Unlock()
	}
	return ok
}

// move gives the open span of r another record with the same content. Needs lt.mu and the span's.
func (lt *localTrace) move(r *record) {
	b := lt.last
	if b == nil || b.used == len(b.records) {
		b, _ = lt.grow()
	}
	to := &b.records[b.used]
	b.used++
	attrs, x, home := to.attrs, to.extra, to.block
	*to = *r
	to.attrs = append(attrs, r.attrs...)
	to.block = home
	r.extra = x // exchanged: its slices stay where they are
	s := r.handle
	s.rec = to
	r.handle, r.moved = nil, true
}

// sweep hands over what has ended in a local trace that is older than age.
func (lt *localTrace) sweep(mono, age int64) *block {
	lt.mu.Lock()
	defer lt.mu.Unlock()
	if lt.finished == 0 || mono-lt.touchedMono < age {
		return nil
	}
	return lt.takeEnded()
}

// abandonOpen ends the open spans from outside, marks them span.unfinished, and hands over
// everything (see handOver). Their handles become no-ops. n counts them.
func (lt *localTrace) abandonOpen(n *atomic.Uint64, stop <-chan struct{}) {
	p := lt.provider()
	mono := p.mono()
	lt.mu.Lock()
	for b := lt.first; b != nil; b = b.next {
		for i := range b.records[:b.used] {
			r := &b.records[i]
			if r.ended || r.moved {
				continue
			}
			s := r.handle
			s.mu.Lock()
			if s.rec != r || r.ending { // End is at work: finish will come
				s.mu.Unlock()
				continue
			}
			s.rec = &abandoned
			r.end = r.start + (mono - r.startMono)
			r.markUnfinished()
			s.mu.Unlock()
			lt.takeBack(r)
			n.Add(1)
		}
	}
	blocks := lt.takeEnded()
	lt.mu.Unlock()
	if blocks != nil {
		p.handOver(blocks, stop)
	}
}

// abandoned is what the handle of an abandoned span holds in place of its record, so that its End
// can be counted. It is never written to.
var abandoned record
