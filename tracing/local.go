// SPDX-License-Identifier: Apache-2.0

package tracing

import (
	"math"
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
// Lock order: localTrace.mu, then Span.mu, then one of shard.mu and queue.mu. None is held over user
// code.
type localTrace struct {
	root     Span
	identity identity
	info     traceInfo

	shard *shard
	// prev, next, listed, foldedStarted and foldedEnded belong to shard.mu.
	prev, next                 *localTrace
	foldedStarted, foldedEnded uint64

	mu sync.Mutex // guards everything below but listed; late is also read without it
	// The blocks in the order of their acquisition. Only last has free records.
	first, last    *block
	wallOffset     int64 // wall clock = wallOffset + monotonic clock, both in ns
	anchorMono     int64 // when wallOffset was read
	touchedMono    int64 // when the trace began, or was last handed over in part
	started, ended uint64
	finishedBytes  int
	finished       int32 // ended records that have not been handed over
	open           int32 // spans that have started and not finished
	parent         parentContext
	rootEnded      bool
	handedOver     bool // at least once
	debug          bool
	listed         bool
	late           atomic.Uint32 // what SetShouldSample has said
}

// parentContext is what the span context of a local root's parent has of its own: the trace id and,
// mostly, the trace state are those of the local trace.
type parentContext struct {
	state  *trace.TraceState // nil: that of the local trace
	id     spanID            // 0: there is no parent
	flags  trace.TraceFlags
	remote bool
}

// spanContext returns the parent's span context; base is that of the local trace.
func (p *parentContext) spanContext(base *trace.SpanContext) trace.SpanContext {
	if p.id == 0 {
		return trace.SpanContext{}
	}
	sc := base.WithSpanID(p.id.bytes()).WithTraceFlags(p.flags).WithRemote(p.remote)
	if p.state != nil {
		sc = sc.WithTraceState(*p.state)
	}
	return sc
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

// startNow stands for the present where a start in ns since the epoch is asked for.
const startNow = math.MinInt64

// startSpan starts s, a child of parent, in the local trace. at is its start in ns since the epoch, or
// startNow.
func (lt *localTrace) startSpan(s, parent *Span, name string, scope *Scope, at int64, kind trace.SpanKind, withheld withheldReason) {
	mono := lt.provider().mono()
	lt.mu.Lock()
	if mono-lt.anchorMono > reanchorAfter {
		lt.anchor(time.Now())
	}
	r, victim := lt.claim(s, at, mono)
	r.name, r.scope = name, scope
	r.kind, r.withheld = uint8(kind), lt.settle(withheld)
	r.parent = parent.id
	if parent.identity != &lt.identity {
		r.parentOwn = parent.identity
	}
	if s.identity != &lt.identity {
		r.own = s.identity
	}
	lt.mu.Unlock()
	lt.joined(victim)
}

// startRoot starts the local root.
func (lt *localTrace) startRoot(name string, scope *Scope, at int64, kind trace.SpanKind, withheld withheldReason) {
	now := time.Now()
	lt.mu.Lock()
	lt.anchor(now)
	lt.touchedMono = lt.anchorMono
	r, victim := lt.claim(&lt.root, at, lt.anchorMono)
	r.name, r.scope = name, scope
	r.kind, r.withheld, r.root = uint8(kind), withheld, true
	lt.mu.Unlock()
	lt.joined(victim)
}

// joined follows the start of a span. victim is a local trace that has to make room, mostly nil. A span
// that starts while Shutdown collects the open ones may come too late for that, and is abandoned here.
func (lt *localTrace) joined(victim *localTrace) {
	if victim != nil || lt.info.provider.closed.Load() {
		lt.makeRoom(victim)
	}
}

func (lt *localTrace) makeRoom(victim *localTrace) {
	if victim != nil {
		victim.abandonOpen(&evicted, &lt.shard.evicted, routine)
	}
	if p := lt.provider(); p.closed.Load() {
		lt.abandonOpen(&abandoned, &p.unfinished, forced)
	}
}

func (lt *localTrace) provider() *Provider { return lt.info.provider }

// anchor reads the wall clock. Needs lt.mu.
func (lt *localTrace) anchor(now time.Time) {
	lt.anchorMono = lt.provider().monoAt(now)
	lt.wallOffset = now.UnixNano() - lt.anchorMono
}

// claim takes a record for s. It returns a local trace whose open spans must be abandoned because too
// many are open. Needs lt.mu.
func (lt *localTrace) claim(s *Span, at, mono int64) (r *record, victim *localTrace) {
	b := lt.last
	if b == nil || b.used == len(b.records) {
		b, victim = lt.grow()
	}
	r = &b.records[b.used]
	b.used++
	lt.open++
	r.order = uint32(lt.started)
	lt.started++
	r.handle = s
	r.id = s.id
	if at == startNow {
		r.start = lt.wallOffset + mono
		r.startMono = mono
	} else {
		r.start = at
		r.startMono = at - lt.wallOffset // so that the end is now, by the wall clock
	}
	s.rec = r
	return r, victim
}

// grow adds a block. Needs lt.mu.
func (lt *localTrace) grow() (b *block, victim *localTrace) {
	b = lt.newBlock(lt.started == 0)
	if lt.last == nil {
		lt.first = b
	} else {
		lt.last.next = b
	}
	lt.last = b
	return b, lt.shard.enter(lt, len(b.records))
}

// newBlock takes a block from the pool.
func (lt *localTrace) newBlock(small bool) *block {
	b := acquireBlock(small)
	lt.label(b)
	return b
}

// label copies to a block what the spans have in common.
func (lt *localTrace) label(b *block) {
	b.traceID, b.flags, b.debug = lt.identity.traceID, lt.identity.flags, lt.debug
	if lt.info.state.Len() > 0 {
		b.state = lt.info.state
	}
	if lt.parent.id != 0 {
		b.parent = lt.parent
	}
}

// finish takes a record back that End has detached and hands over what is due.
func (lt *localTrace) finish(r *record, u urgency) {
	lt.mu.Lock()
	lt.takeBack(r)
	switch {
	case lt.open == 0 && lt.rootEnded:
		lt.handOverAll(u)
	case lt.finished >= partialSpans || lt.finishedBytes >= partialBytes:
		lt.handOverEnded(u)
	}
	lt.mu.Unlock()
}

// discard takes back a record that Release has detached.
func (lt *localTrace) discard(r *record, u urgency) {
	lt.mu.Lock()
	r.withheld = released
	lt.mu.Unlock()
	lt.finish(r, u)
}

// takeBack accounts for a record whose handle no longer reaches it. Needs lt.mu.
func (lt *localTrace) takeBack(r *record) {
	r.ended, r.handle = true, nil
	size := r.size + len(r.name) + recordBytes
	b := r.block
	b.ended++
	b.bytes += size
	if r.withheld == notWithheld {
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

// handOverAll gives all blocks to the queues; no span is open. Needs lt.mu, under which all of it
// happens: a flush finds a span either here or there.
func (lt *localTrace) handOverAll(u urgency) {
	blocks := lt.first
	lt.first, lt.last = nil, nil
	lt.finished, lt.finishedBytes = 0, 0
	slots := 0
	for b := blocks; b != nil; b = b.next {
		b.partial = lt.handedOver
		slots += len(b.records)
		lt.shard.countWithheld(b)
	}
	lt.handedOver = true
	lt.provider().handOver(blocks, u)
	lt.shard.leave(lt, slots, true) // last: whoever does not find the trace listed finds its spans queued
}

// handOverEnded gives the ended records of a local trace that goes on to the queues. Blocks move as a
// whole, so the open records among them move to a new block first. Where a span is just ending,
// between the handle's lock and finish, its record cannot move, and the ended ones do. Needs lt.mu.
func (lt *localTrace) handOverEnded(u urgency) {
	list := lt.first
	lt.first, lt.last = nil, nil
	var taken *block
	tail := &taken
	slots := 0
	for b := list; b != nil; {
		next := b.next
		b.next = nil
		switch {
		case b.ended == 0:
			lt.append(b)
		case lt.evacuate(b):
			slots += len(b.records)
			b.partial = true
			lt.shard.countWithheld(b)
			*tail = b
			tail = &b.next
		default:
			lt.append(b)
			out := lt.extract(b)
			out.partial = true
			lt.shard.countWithheld(out)
			*tail = out
			tail = &out.next
		}
		b = next
	}
	lt.finished, lt.finishedBytes = 0, 0
	lt.touchedMono = lt.provider().mono()
	if taken != nil {
		lt.handedOver = true
		lt.provider().handOver(taken, u)
	}
	lt.shard.leave(lt, slots, lt.open == 0 && lt.first == nil)
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
	s := r.handle
	s.rec = b.adopt(r)
}

// extract moves the ended records of b, of which there is at least one, to a block of their own.
// Needs lt.mu.
func (lt *localTrace) extract(b *block) *block {
	out := lt.newBlock(false)
	for i := range b.records[:b.used] {
		if r := &b.records[i]; r.ended && !r.moved {
			out.adopt(r)
		}
	}
	out.ended, out.spans, out.bytes = b.ended, b.spans, b.bytes
	b.ended, b.spans, b.bytes = 0, 0, 0
	return out
}

// adopt moves the content of r, a record of another block, to the next free record of b.
func (b *block) adopt(r *record) *record {
	to := &b.records[b.used]
	b.used++
	attrs, x := to.attrs, to.extra
	*to = *r
	to.attrs = append(attrs, r.attrs...)
	to.block = b
	r.extra = x // exchanged: its slices stay where they are
	r.handle, r.moved = nil, true
	return to
}

// sweep hands over what has ended in a local trace that is older than age.
func (lt *localTrace) sweep(mono, age int64, u urgency) {
	lt.mu.Lock()
	if lt.finished > 0 && mono-lt.touchedMono >= age {
		lt.handOverEnded(u)
	}
	lt.mu.Unlock()
}

// eachOpen calls f with the record of each span that has not finished, also of one that is just ending,
// whose handle does not hold it any more. Needs lt.mu.
func (lt *localTrace) eachOpen(f func(*record)) {
	for b := lt.first; b != nil; b = b.next {
		for i := range b.records[:b.used] {
			if r := &b.records[i]; !r.ended && !r.moved {
				f(r)
			}
		}
	}
}

// abandonOpen ends the open spans from outside, marks them span.unfinished, and hands over
// everything. Their handles become no-ops that hold as in their record's place. n counts them.
func (lt *localTrace) abandonOpen(as *record, n *atomic.Uint64, u urgency) {
	var open []*Span
	lt.mu.Lock()
	lt.eachOpen(func(r *record) { open = append(open, r.handle) })
	lt.mu.Unlock()
	mono := lt.provider().mono()
	for _, s := range open {
		if s.endWith(time.Time{}, mono, as, u) {
			n.Add(1)
		}
	}
	lt.sweep(0, math.MinInt64, u)
}

// What a handle holds in place of a record: one that Shutdown abandoned, so that its End can be counted;
// one that had to make room; one that the sampler dropped below a recorded one, so that it does not look
// as if it had ended. They are never written to.
var (
	abandoned  = record{numbers: numbers{idle: true}}
	evicted    = record{numbers: numbers{idle: true}}
	sampledOut = record{numbers: numbers{idle: true}}
)
