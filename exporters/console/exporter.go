// SPDX-License-Identifier: Apache-2.0

package console

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/tracing"
)

var _ tracing.Exporter = (*Exporter)(nil)

// errShutdown is what ExportSpans returns after Shutdown, so that the spans count as not delivered.
var errShutdown = errors.New("console: the exporter is shut down")

// Exporter writes each batch of spans as it comes: as trees, one for each trace of the batch, or as
// JSON lines. It keeps nothing.
//
// A batch holds what one provider has ended, so a tree shows the spans of one process. The spans
// whose parent is elsewhere stand below a note that says where; see [Collector] for trees that are
// joined over processes.
//
// All methods are safe for concurrent use. Each batch is one call of the writer's Write.
type Exporter struct {
	config config
	color  bool

	mu     sync.Mutex // guards what follows, and serialises calls of w
	w      io.Writer
	layout layout
	closed bool
}

// New returns an exporter that writes to w, which must not be nil. The exporter never closes w.
func New(w io.Writer, opts ...Option) (*Exporter, error) {
	if w == nil {
		return nil, errors.New("console: New: w must not be nil")
	}
	c, err := newConfig(opts)
	if err != nil {
		return nil, err
	}
	return &Exporter{config: c, color: c.colored(w), w: w, layout: newLayout(c.width)}, nil
}

// ExportSpans writes spans, which it borrows until it returns. It writes nothing and returns an error
// when ctx is done or Shutdown was called. A Write that has begun is not interrupted.
func (e *Exporter) ExportSpans(ctx context.Context, spans []*tracing.SpanData) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("console: %w", err)
	}
	var forests []*forest
	if !e.config.json {
		forests = forestsOf(spans)
	}

	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return errShutdown
	}
	var out []byte
	if e.config.json {
		for _, d := range spans {
			out = appendLine(out, d)
		}
	} else {
		r := renderer{color: e.color, layout: e.layout}
		r.render(forests)
		e.layout = r.layout
		out = r.buf
	}
	return write(e.w, out)
}

// Shutdown makes the exporter refuse further spans. It writes nothing, since nothing waits, and
// always returns nil.
func (e *Exporter) Shutdown(context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closed = true
	return nil
}

// forestsOf groups a batch by trace, in the order in which the traces begin in the batch.
func forestsOf(spans []*tracing.SpanData) []*forest {
	byTrace := make(map[trace.TraceID][]*tracing.SpanData)
	var order []trace.TraceID
	for _, d := range spans {
		id := d.SpanContext.TraceID()
		if byTrace[id] == nil {
			order = append(order, id)
		}
		byTrace[id] = append(byTrace[id], d)
	}
	forests := make([]*forest, 0, len(order))
	for _, id := range order {
		forests = append(forests, newForest(byTrace[id], false))
	}
	return forests
}

// write writes out, which may be empty.
func write(w io.Writer, out []byte) error {
	if len(out) == 0 {
		return nil
	}
	if _, err := w.Write(out); err != nil {
		return fmt.Errorf("console: write: %w", err)
	}
	return nil
}
