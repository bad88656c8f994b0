// SPDX-License-Identifier: Apache-2.0

package tracing

import (
	"context"
	"slices"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

// CreateSpan makes a span that does not belong to its local trace yet: Kong's create_span. It has its
// ids, so that headers can be written before it is known when the operation begins, and takes data, but
// only [Tracer.LinkSpan] gives it a name and a start, and until then it keeps nothing open and is not
// exported. Parent and sampling are decided as in [Tracer.StartSpan]; the sampler sees no name.
// [WithStartTime] has no effect here. The returned Go context holds the span.
//
// A span that is never linked is dropped; one that is ended or released unlinked counts in
// [Stats.NeverLinked].
func (t *Tracer) CreateSpan(ctx context.Context, opts ...SpanOption) (context.Context, *Span) {
	return t.StartSpan(ctx, "", append(slices.Clip(opts), SpanOption{what: optUnlinked})...)
}

// LinkSpan starts a span made by [Tracer.CreateSpan], as one of this tracer's: Kong's link_span. It
// starts now, unless [WithStartTime] is given. [WithAttributes] replaces the attributes that it has; the
// other options have no effect. Processors see the start, with a Go context that holds, in
// its parent's place, the span itself, and the values that [Tracer.CreateSpan] was given.
//
// It reports false, and does nothing, if the span was not sampled, has been linked, has ended, is of
// another provider, or the provider has been shut down.
func (t *Tracer) LinkSpan(s *Span, name string, opts ...SpanOption) (linked bool) {
	p := t.active()
	if p == nil || s.inert() || s.provider != p {
		return false
	}
	if p.closed.Load() {
		p.startedLate.Add(1)
		return false
	}
	var at time.Time
	var attrs []attribute.KeyValue
	replace := false
	for i := range opts {
		switch opts[i].what {
		case optStartTime:
			at = *opts[i].at
		case optAttributes:
			attrs, replace = append(slices.Clip(attrs), opts[i].attrs...), true
		}
	}
	if !s.local.link(s, name, t.scope, unixNano(at), attrs, replace) {
		return false
	}
	s.onStart(s.asContext())
	return true
}

// startUnlinked gives s, a child of parent or without one the local root, a record that is in no block's list.
func (lt *localTrace) startUnlinked(s, parent *Span, scope *Scope, kind trace.SpanKind, withheld withheldReason) {
	held := &struct {
		record
		block block
	}{}
	now := time.Now()
	lt.mu.Lock()
	if lt.anchorMono == 0 {
		lt.anchor(now)
		lt.touchedMono = lt.anchorMono
	}
	lt.label(&held.block)
	r := &held.record
	r.block = &held.block
	r.startMono = lt.provider().monoAt(now)
	r.start = lt.wallOffset + r.startMono
	lt.mu.Unlock()
	r.unlinked = true
	r.handle, r.id = s, s.id
	r.scope, r.kind, r.withheld = scope, uint8(kind), withheld
	if parent == nil {
		r.root = true
	} else {
		r.parent = parent.id
		if parent.identity != &lt.identity {
			r.parentOwn = parent.identity
		}
	}
	if s.identity != &lt.identity {
		r.own = s.identity
	}
	s.rec = r
}

// link gives an unlinked span a record of the local trace. at is its start in ns since the epoch, or
// startNow. With replace it loses its attributes for attrs.
func (lt *localTrace) link(s *Span, name string, scope *Scope, at int64, attrs []attribute.KeyValue, replace bool) bool {
	mono := lt.provider().mono()
	lt.mu.Lock()
	s.mu.Lock()
	old := s.rec
	if old == nil || !old.unlinked {
		s.mu.Unlock()
		lt.mu.Unlock()
		return false
	}
	if mono-lt.anchorMono > reanchorAfter {
		lt.anchor(time.Now())
	}
	r, victim := lt.claim(s, at, mono)
	begin := r.numbers
	to, reused, block := r.attrs, r.extra, r.block
	*r = *old
	r.name, r.scope, r.attrs, r.block = name, scope, append(to, old.attrs...), block
	if r.extra == nil {
		r.extra = reused
	}
	r.start, r.startMono, r.order, r.unlinked = begin.start, begin.startMono, begin.order, false
	r.withheld = lt.settle(r.withheld)
	if replace {
		for i := range r.attrs {
			r.size -= attributeSize(&r.attrs[i])
		}
		clear(r.attrs) // the pool must not keep them alive
		r.attrs = r.attrs[:0]
		r.setAttributes(s.provider.limits.Load(), attrs)
	}
	s.mu.Unlock()
	lt.mu.Unlock()
	lt.joined(victim)
	return true
}

// forget counts a span that ended without having been linked; r is what its handle held. A local root's
// children wait for it no longer.
func (lt *localTrace) forget(r *record) {
	lt.provider().neverLinked.Add(1)
	if !r.root {
		return
	}
	lt.mu.Lock()
	lt.rootEnded = true
	if lt.open == 0 && lt.first != nil {
		lt.handOverAll(routine)
	}
	lt.mu.Unlock()
}
