// SPDX-License-Identifier: Apache-2.0

package tracing

import (
	"sync"
	"sync/atomic"
)

// shard is a part of a provider's list of live local traces: those that hold records. The parts
// keep goroutines of different traces out of each other's way; a trace stays in one of them.
type shard struct {
	mu         sync.Mutex  // guards the list and what localTrace says belongs to it
	head, tail *localTrace // oldest first
	// What the traces have started and ended, up to when they left the list.
	started, ended uint64

	held      atomic.Int64  // records in the blocks of listed traces
	unsampled atomic.Uint64 // spans that the sampler dropped
	evicted   atomic.Uint64 // open spans abandoned because too many were open
	withheld  [withheldReasons]atomic.Uint64
	_         [64]byte // keeps the neighbour off this shard's last cache line
}

// shardCount spreads the list. It is a power of two.
const shardCount = 32

// enter notes that lt has taken a block of n records. It returns a local trace, the one that has
// been here longest, if the provider holds too many records. Needs lt.mu.
func (sh *shard) enter(lt *localTrace, n int) (victim *localTrace) {
	sh.mu.Lock()
	if !lt.listed {
		lt.listed = true
		lt.prev = sh.tail
		if sh.tail == nil {
			sh.head = lt
		} else {
			sh.tail.next = lt
		}
		sh.tail = lt
	}
	// Only a shard that holds more than its share looks at the others.
	p := lt.provider()
	if held := sh.held.Add(int64(n)); held > p.openLimit/shardCount && p.held() > p.openLimit {
		victim = sh.head
	}
	sh.mu.Unlock()
	return victim
}

// leave notes that lt has given n records away, and takes it off the list when it is done: when it
// holds none any more. Needs lt.mu.
func (sh *shard) leave(lt *localTrace, n int, done bool) {
	sh.mu.Lock()
	sh.held.Add(int64(-n))
	if done && lt.listed {
		lt.listed = false
		if lt.prev == nil {
			sh.head = lt.next
		} else {
			lt.prev.next = lt.next
		}
		if lt.next == nil {
			sh.tail = lt.prev
		} else {
			lt.next.prev = lt.prev
		}
		lt.prev, lt.next = nil, nil
		sh.started += lt.started - lt.foldedStarted
		sh.ended += lt.ended - lt.foldedEnded
		lt.foldedStarted, lt.foldedEnded = lt.started, lt.ended
	}
	sh.mu.Unlock()
}

// live returns the listed local traces, oldest first.
func (sh *shard) live() []*localTrace {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	var list []*localTrace
	for lt := sh.head; lt != nil; lt = lt.next {
		list = append(list, lt)
	}
	return list
}

// count adds what the shard has seen to the statistics. The counters of a live trace are read after
// the shard's, and only what the shard does not hold already is added: no span counts twice, and no
// counter goes back from one call to the next.
func (sh *shard) count(s *Stats) {
	type part struct {
		lt             *localTrace
		started, ended uint64
	}
	sh.mu.Lock()
	started, ended := sh.started, sh.ended
	var parts []part
	for lt := sh.head; lt != nil; lt = lt.next {
		parts = append(parts, part{lt, lt.foldedStarted, lt.foldedEnded})
	}
	sh.mu.Unlock()
	for _, p := range parts {
		p.lt.mu.Lock()
		started += p.lt.started - p.started
		ended += p.lt.ended - p.ended
		s.Open += int(p.lt.open)
		p.lt.mu.Unlock()
	}
	s.Started += started
	s.Ended += ended
	s.SampledOut += sh.unsampled.Load()
	s.Unfinished += sh.evicted.Load()
	s.Withheld.RecordOnly += sh.withheld[recordOnly].Load()
	s.Withheld.NotSampled += sh.withheld[notSampled].Load()
	s.Withheld.Released += sh.withheld[released].Load()
}

// countWithheld counts the spans of a block on its way to the exporters that will not get there.
func (sh *shard) countWithheld(b *block) {
	if b.spans == b.ended {
		return
	}
	for i := range b.records[:b.used] {
		if r := &b.records[i]; r.ended && !r.moved && r.withheld != notWithheld {
			sh.withheld[r.withheld].Add(1)
		}
	}
}
