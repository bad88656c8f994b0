// SPDX-License-Identifier: Apache-2.0

package console

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/tracing"
)

var _ tracing.Exporter = (*Collector)(nil)

// Collector keeps spans until it is asked to print them, each trace as one tree, whichever providers
// its spans come from and in whatever order. It is an exporter: give the same collector to all
// providers of a program, such as a test that runs several services in one process.
//
// It keeps at most as many spans as [WithMaxSpans] says. To make room for new ones it drops traces,
// first the one that has not received a span for longest; only when a single trace has more spans
// than that does it drop the older spans of that trace. [Collector.Render] says what is missing.
// What one span may hold is bounded by the span limits of its provider.
//
// All methods are safe for concurrent use.
type Collector struct {
	config config

	mu     sync.Mutex // guards what follows
	traces map[trace.TraceID]*list.Element
	recent *list.List // of *collected; the trace that received a span last stands at the back
	// spans is how many spans all traces have together, at most config.maxSpans.
	spans                       int
	droppedTraces, droppedSpans int
}

// collected is what a collector has of one trace: at least one span.
type collected struct {
	id      trace.TraceID
	spans   []*tracing.SpanData // owned; in the order of arrival; immutable
	dropped int                 // older spans that are gone
}

// NewCollector returns an empty collector.
func NewCollector(opts ...Option) (*Collector, error) {
	c, err := newConfig(opts)
	if err != nil {
		return nil, err
	}
	return &Collector{
		config: c,
		traces: make(map[trace.TraceID]*list.Element),
		recent: list.New(),
	}, nil
}

// ExportSpans keeps a copy of spans, which it borrows until it returns. It keeps none and returns an
// error when ctx is done.
func (c *Collector) ExportSpans(ctx context.Context, spans []*tracing.SpanData) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("console: %w", err)
	}
	clones := make([]*tracing.SpanData, len(spans))
	for i, d := range spans {
		clones[i] = d.Clone()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, d := range clones {
		c.add(d)
	}
	return nil
}

// Shutdown does nothing and returns nil, however often it is called: each provider that was given the
// collector shuts it down, and the others' spans are still welcome. What was collected stays.
func (c *Collector) Shutdown(context.Context) error { return nil }

// add makes room for one span and keeps it. c.mu must be held.
func (c *Collector) add(d *tracing.SpanData) {
	id := d.SpanContext.TraceID()
	e := c.traces[id]
	if e == nil {
		e = c.recent.PushBack(&collected{id: id})
		c.traces[id] = e
	} else {
		c.recent.MoveToBack(e)
	}
	t := e.Value.(*collected)
	t.spans = append(t.spans, d)
	c.spans++
	for c.spans > c.config.maxSpans {
		c.drop()
	}
}

// drop drops the trace that has been silent for longest, or one span if there is no other trace.
// c.mu must be held.
func (c *Collector) drop() {
	front := c.recent.Front()
	t := front.Value.(*collected)
	n := len(t.spans)
	if c.recent.Len() > 1 {
		c.recent.Remove(front)
		delete(c.traces, t.id)
		c.droppedTraces++
	} else {
		n = 1
		t.spans[0] = nil
		t.spans = t.spans[1:]
		t.dropped++
	}
	c.spans -= n
	c.droppedSpans += n
}

// Dropped returns how many traces were dropped whole and how many spans were dropped, theirs and
// those of traces that are still there.
func (c *Collector) Dropped() (traces, spans int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.droppedTraces, c.droppedSpans
}

// Render writes all traces collected so far to w, which must not be nil, the one that started first
// before the others, in one call of Write. Below the trees it says how much was dropped; JSON lines
// have no such note, see [Collector.Dropped]. Nothing is written when nothing was collected.
//
// The traces are kept, so a later call prints them again, with what came in between.
func (c *Collector) Render(w io.Writer) error {
	if w == nil {
		return errors.New("console: Render: w must not be nil")
	}
	traces, droppedTraces, droppedSpans := c.snapshot()
	slices.SortStableFunc(traces, func(a, b collected) int { return begin(a).Compare(begin(b)) })

	if c.config.json {
		var out []byte
		for _, t := range traces {
			slices.SortStableFunc(t.spans, compareSpans)
			for _, d := range t.spans {
				out = appendLine(out, d)
			}
		}
		return write(w, out)
	}

	forests := make([]*forest, len(traces))
	for i, t := range traces {
		forests[i] = newForest(t.spans, true)
		forests[i].dropped = t.dropped
	}
	r := renderer{color: c.config.colored(w), layout: newLayout(c.config.width)}
	r.render(forests)
	if droppedSpans > 0 {
		r.begin(styleFaint)
		r.buf = append(r.buf, count(droppedSpans, "span")+" dropped"...)
		if droppedTraces > 0 {
			r.buf = append(r.buf, ", among them "+count(droppedTraces, "whole trace")...)
		}
		r.buf = append(r.buf, ": the collector keeps at most "+count(c.config.maxSpans, "span")...)
		r.end(styleFaint)
		r.newline()
	}
	return write(w, r.buf)
}

// snapshot returns copies of the traces that share the spans, which nobody writes to.
func (c *Collector) snapshot() (traces []collected, droppedTraces, droppedSpans int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	traces = make([]collected, 0, c.recent.Len())
	for e := c.recent.Front(); e != nil; e = e.Next() {
		t := *e.Value.(*collected)
		t.spans = slices.Clone(t.spans)
		traces = append(traces, t)
	}
	return traces, c.droppedTraces, c.droppedSpans
}

// begin returns the earliest start of the spans of a trace, the zero time when one has none.
func begin(t collected) time.Time {
	first := t.spans[0].StartTime.Round(0)
	for _, d := range t.spans[1:] {
		if s := d.StartTime.Round(0); s.Before(first) {
			first = s
		}
	}
	return first
}
