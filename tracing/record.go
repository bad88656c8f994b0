// SPDX-License-Identifier: Apache-2.0

package tracing

import (
	"slices"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// record is the pooled storage behind a [Span]: what the span has recorded. It is small, because
// what costs is cold memory that crosses cores on its way to the worker: events and links, which few
// spans have, stand apart in extra.
//
// Who may touch it:
//   - from Start to End: holders of handle.mu that found handle.rec == this record; its local trace
//     may additionally, under its own lock, read handle, block, ended and what is never changed (ids,
//     start, scope, order), and write withheld and overdue;
//   - from End to the end of finish: the goroutine that called End, or whom it shows the span to;
//   - after that: its local trace under its lock, then the queue, then the worker.
type record struct {
	name       string
	statusDesc string
	attrs      []attribute.KeyValue `invariants:"reused"`
	extra      *extra               `invariants:"reused"`
	scope      *Scope
	handle     *Span     // nil once the record is the local trace's
	block      *block    `invariants:"reused"` // where the record stands
	own        *identity // the span's identity where it differs from its local trace's; mostly nil
	parentOwn  *identity // the same for its parent
	numbers
}

// numbers is the part of a record without pointers, apart because it can be cleared without telling
// the garbage collector.
type numbers struct {
	start     int64 // ns since the epoch
	startMono int64 // the provider's monotonic clock at start: end = start + (mono - startMono)
	end       int64 // ns since the epoch; 0 while it is not known
	id        spanID
	parent    spanID
	size      int    // estimated bytes that the record keeps alive outside itself
	dropped   int32  // attributes refused
	order     uint32 // how many spans of the local trace started before
	kind      uint8
	status    uint8
	ending    bool // End is calling OnEnding
	ended     bool // finish has been through; the record is the local trace's
	moved     bool // the open span moved to another record; this one holds nothing any more
	idle      bool // abandoned or sampledOut: nothing is recorded
	unlinked  bool // made by CreateSpan and not linked yet: the record is in no block's list
	overdue   bool // counted in Stats.Overdue; belongs to the local trace's lock
	root      bool // the local root
	withheld  withheldReason
}

// extra holds what few spans have. It stays with its record when that is reused.
type extra struct {
	events        []Event
	links         []Link
	kvs           []attribute.KeyValue // backing of the attributes of events and links
	droppedEvents int
	droppedLinks  int
}

// Caps of what a record keeps when it goes back to the pool. They cover what instrumentation
// libraries set (an HTTP span has about 12 attributes); a larger span's memory goes to the collector.
//
// Attributes of no more than keepBytes are not even cleared: they are overwritten soon, or go when the
// collector empties the pool, and clearing them is the dearest part of giving a record back
// (docs/adr/0004-what-pooled-records-keep.md).
const (
	keepBytes      = 1 << 10
	keepAttributes = 32
	keepEvents     = 16
	keepExtraAttrs = 64
)

// inlineAttributes is how many attributes a record has room for without a slice of its own.
const inlineAttributes = 4

// reset makes r blank for reuse and drops every reference but the kept storage. It writes no pointer
// that is nil already: each such store costs while the garbage collector runs.
func (r *record) reset() {
	if r.size > keepBytes {
		clear(r.attrs)
	}
	r.attrs = r.attrs[:0]
	if cap(r.attrs) > keepAttributes {
		r.attrs = nil
	}
	if r.extra != nil && !r.extra.reset() {
		r.extra = nil
	}
	r.name, r.scope = "", nil
	if r.statusDesc != "" {
		r.statusDesc = ""
	}
	if r.handle != nil {
		r.handle = nil
	}
	if r.own != nil {
		r.own = nil
	}
	if r.parentOwn != nil {
		r.parentOwn = nil
	}
	r.numbers = numbers{}
}

// reset makes x blank and reports whether it may be kept.
func (x *extra) reset() bool {
	if cap(x.events) > keepEvents || cap(x.links) > keepEvents || cap(x.kvs) > keepExtraAttrs {
		return false
	}
	clear(x.events)
	clear(x.links)
	clear(x.kvs)
	*x = extra{events: x.events[:0], links: x.links[:0], kvs: x.kvs[:0]}
	return true
}

// more returns the record's extra, making it at first use.
func (r *record) more() *extra {
	if r.extra == nil {
		r.extra = &extra{}
	}
	return r.extra
}

func (r *record) setAttributes(l *SpanLimits, kvs []attribute.KeyValue) {
	if len(r.attrs) == 0 && len(kvs) <= l.Attributes && distinct(kvs) {
		// The first ones, as a span mostly gets them: copied in one go.
		r.attrs = append(r.attrs, kvs...)
		for i := range r.attrs {
			r.size += l.fit(&r.attrs[i])
		}
		return
	}
	for i := range kvs {
		var grown int
		var ok bool
		r.attrs, grown, ok = l.setAttribute(r.attrs, &kvs[i], l.Attributes)
		r.size += grown
		if !ok {
			r.dropped++
		}
	}
}

// copyAttributes copies the valid ones of kvs, at most limit and one for each key, into the extra
// storage, and adds their size.
func (r *record) copyAttributes(l *SpanLimits, kvs []attribute.KeyValue, limit int) (kept []attribute.KeyValue, dropped int) {
	if len(kvs) == 0 {
		return nil, 0
	}
	x := r.more()
	from := len(x.kvs)
	x.kvs = slices.Grow(x.kvs, min(len(kvs), limit))
	kept = x.kvs[from:]
	for i := range kvs {
		var grown int
		var ok bool
		kept, grown, ok = l.setAttribute(kept, &kvs[i], limit) // there is room: it never moves
		r.size += grown
		if !ok {
			dropped++
		}
	}
	r.size += len(kept) * attributeBytes
	x.kvs = x.kvs[:from+len(kept)]
	return slices.Clip(kept), dropped
}

func (r *record) addEvent(l *SpanLimits, name string, at time.Time, kvs []attribute.KeyValue) {
	x := r.more()
	if l.Events == 0 {
		x.droppedEvents++
		return
	}
	if len(x.events) >= l.Events {
		// The oldest goes, as in the OpenTelemetry SDK: the last events are those near the failure.
		x.droppedEvents++
		r.size -= eventBytes + len(x.events[0].Name) + attributesSize(x.events[0].Attributes)
		copy(x.events, x.events[1:])
		x.events = x.events[:len(x.events)-1]
		x.compact()
	}
	kept, dropped := r.copyAttributes(l, kvs, l.AttributesPerEvent)
	x.events = append(x.events, Event{Name: name, Time: at, Attributes: kept, DroppedAttributes: dropped})
	r.size += eventBytes + len(name)
}

func (r *record) addLink(l *SpanLimits, link trace.Link) {
	x := r.more()
	if l.Links == 0 {
		x.droppedLinks++
		return
	}
	if len(x.links) >= l.Links {
		x.droppedLinks++
		r.size -= linkSize(&x.links[0]) + attributesSize(x.links[0].Attributes)
		copy(x.links, x.links[1:])
		x.links = x.links[:len(x.links)-1]
		x.compact()
	}
	kept, dropped := r.copyAttributes(l, link.Attributes, l.AttributesPerLink)
	x.links = append(x.links, Link{SpanContext: link.SpanContext, Attributes: kept, DroppedAttributes: dropped})
	r.size += linkSize(&x.links[len(x.links)-1])
}

// linkSize estimates the bytes of a link without its attributes.
func linkSize(l *Link) int {
	return linkBytes + traceStateBytes*l.SpanContext.TraceState().Len()
}

// compact gives the attributes of evicted events and links back, once they outnumber the others.
func (x *extra) compact() {
	live := 0
	for i := range x.events {
		live += len(x.events[i].Attributes)
	}
	for i := range x.links {
		live += len(x.links[i].Attributes)
	}
	if len(x.kvs) <= 2*live+keepExtraAttrs {
		return
	}
	kvs := make([]attribute.KeyValue, 0, 2*live+keepExtraAttrs)
	move := func(kept []attribute.KeyValue) []attribute.KeyValue {
		from := len(kvs)
		kvs = append(kvs, kept...)
		return kvs[from:len(kvs):len(kvs)]
	}
	for i := range x.events {
		x.events[i].Attributes = move(x.events[i].Attributes)
	}
	for i := range x.links {
		x.links[i].Attributes = move(x.links[i].Attributes)
	}
	x.kvs = kvs
}

func (r *record) setStatus(code codes.Code, description string) {
	if code > codes.Ok || codes.Code(r.status) > code { // Ok is final, Error beats Unset
		return
	}
	r.status = uint8(code)
	if code != codes.Error {
		description = ""
	}
	r.size += len(description) - len(r.statusDesc)
	r.statusDesc = description
}

// markUnfinished adds the mark of a span that is exported without having been ended. It is ours, so no
// limit refuses it.
func (r *record) markUnfinished() {
	mark := attribute.Bool("span.unfinished", true)
	r.attrs, _, _ = (&SpanLimits{}).setAttribute(r.attrs, &mark, unlimited)
}

// Sizes for the estimate of a record's bytes (64-bit machines).
const (
	attributeBytes = 64
	eventBytes     = 80
	linkBytes      = 96
	// traceStateBytes is for one member: W3C allows 512 for 32 of them, which is more than most have.
	traceStateBytes = 64
	recordBytes     = 200 + inlineAttributes*attributeBytes
)

// view fills d with what the record holds, but for the resource, which is the same for all spans of a
// provider. base is the block's span context. d borrows from the record.
func (r *record) view(d *SpanData, base *trace.SpanContext, keepParent bool) {
	d.SpanContext = base.WithSpanID(r.id.bytes())
	if r.own != nil {
		d.SpanContext = r.own.spanContext(r.id)
	}
	switch {
	case r.root:
		d.Parent = r.block.parent.spanContext(base)
	case keepParent:
	case r.parentOwn != nil:
		d.Parent = r.parentOwn.spanContext(r.parent)
	default:
		d.Parent = base.WithSpanID(r.parent.bytes())
	}
	d.Name = r.name
	d.Kind = trace.SpanKind(r.kind)
	d.StartTime = time.Unix(0, r.start)
	d.EndTime = time.Unix(0, r.end)
	d.Attributes = r.attrs[:len(r.attrs):len(r.attrs)]
	if x := r.extra; x != nil {
		d.Events = x.events[:len(x.events):len(x.events)]
		d.Links = x.links[:len(x.links):len(x.links)]
		d.DroppedEvents, d.DroppedLinks = x.droppedEvents, x.droppedLinks
	} else if d.Events != nil || d.Links != nil || d.DroppedEvents+d.DroppedLinks > 0 {
		d.Events, d.Links, d.DroppedEvents, d.DroppedLinks = nil, nil, 0, 0
	}
	d.Status = Status{Code: codes.Code(r.status), Description: r.statusDesc}
	d.Scope = r.scope
	d.DroppedAttributes = int(r.dropped)
	d.Partial = r.block.partial
	d.Debug = r.block.debug
}
