// SPDX-License-Identifier: Apache-2.0

package tracing

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// Snapshot returns a copy of what the span holds at this moment, which the caller owns, or nil if it is
// not recording. EndTime is zero, but in [Processor.OnEnding], where the end is known.
func (s *Span) Snapshot() *SpanData {
	r := s.hold()
	if r == nil {
		return nil
	}
	defer s.mu.Unlock()
	return r.snapshot(s.provider.resource)
}

// snapshot copies a record. Needs what guards it: the handle's lock, or once it has ended that of its
// local trace.
func (r *record) snapshot(resource *Resource) *SpanData {
	var d SpanData
	base := r.block.spanContext()
	r.view(&d, &base, false)
	d.Resource = resource
	if r.end == 0 {
		d.EndTime = time.Time{}
	}
	return d.Clone()
}

// ProcessSpans calls f with a snapshot of each span of the active span's local trace that was made by a
// tracer of this one's name, in the order of their start: Kong's process_span. Ended spans are among
// them until the local trace is handed over to the exporters, which is when its root ends, or before,
// in part, if it is large or old; open ones have no EndTime. No lock is held while f runs, and f owns
// what it is given.
func (t *Tracer) ProcessSpans(ctx context.Context, f func(*SpanData)) {
	s := t.spanIn(ctx)
	if s == nil || s.local == nil || f == nil {
		return
	}
	for _, d := range s.local.snapshots(t.scope.Name) {
		f(d)
	}
}

// snapshots copies the spans of the scopes with this name. One that is just ending, between its handle
// and the local trace, is left out.
func (lt *localTrace) snapshots(scope string) []*SpanData {
	type part struct {
		order uint32
		data  *SpanData
	}
	var parts []part
	resource := lt.provider().resource
	lt.mu.Lock()
	for b := lt.first; b != nil; b = b.next {
		for i := range b.records[:b.used] {
			r := &b.records[i]
			if r.moved || r.withheld == released || r.scope.Name != scope {
				continue
			}
			if r.ended {
				parts = append(parts, part{r.order, r.snapshot(resource)})
				continue
			}
			h := r.handle
			h.mu.Lock()
			if h.rec == r {
				parts = append(parts, part{r.order, r.snapshot(resource)})
			}
			h.mu.Unlock()
		}
	}
	lt.mu.Unlock()
	// Blocks do not stand in order: a hand-over in part moves open records.
	slices.SortFunc(parts, func(a, b part) int { return cmp.Compare(a.order, b.order) })
	list := make([]*SpanData, len(parts))
	for i := range parts {
		list[i] = parts[i].data
	}
	return list
}
