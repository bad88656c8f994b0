// SPDX-License-Identifier: Apache-2.0

package console

import (
	"strconv"
	"unicode/utf8"

	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/tracing"
)

// A line is, from left to right, the error mark, the service, the span's name in the tree, its kind,
// its duration and its bar, with a gap between each two.
const (
	markWidth  = 2
	gap        = 2
	kindWidth  = len("producer")
	levelWidth = 3 // of one level of the tree
	// minNameWidth is what deep trees leave to the name and the count of levels that are not drawn.
	minNameWidth = 12
)

// layout holds the widths of the columns that depend on what is printed. It only grows, so that the
// columns of an exporter's successive batches soon stand below each other.
type layout struct {
	width                   int // of the whole line
	service, tree, duration int
}

func newLayout(width int) layout {
	return layout{width: width, service: len("service"), tree: len("span"), duration: len("duration")}
}

// include makes room for f.
func (l *layout) include(f *forest) {
	var scratch [32]byte
	for _, s := range f.services {
		l.service = max(l.service, textWidth(serviceLabel(s), l.width/6))
	}
	for _, r := range f.rows {
		if r.span != nil {
			label := appendSpanDuration(scratch[:0], r.span)
			l.duration = max(l.duration, utf8.RuneCount(label))
		}
	}
	limit, levels := l.treeLimit(), l.levels()
	for _, r := range f.rows {
		if r.span != nil {
			prefix := prefixWidth(r.depth, levels)
			l.tree = max(l.tree, prefix+textWidth(r.span.Name, limit-prefix))
		}
	}
}

// free is what the columns of a fixed width leave for the tree and the bars.
func (l *layout) free() int {
	return l.width - markWidth - l.service - kindWidth - l.duration - 4*gap
}

// treeLimit is how wide the tree may grow: the bars keep a third of what is free.
func (l *layout) treeLimit() int { return l.free() - l.free()/3 }

// treeWidth is how wide the tree is.
func (l *layout) treeWidth() int { return min(l.tree, l.treeLimit()) }

// barWidth is how wide the bars are.
func (l *layout) barWidth() int { return l.free() - l.treeWidth() }

// treeColumn is where the tree begins.
func (l *layout) treeColumn() int { return markWidth + l.service + gap }

// levels is how many levels of the tree are drawn below the top one. What lies deeper is not
// indented further, it shows the number of levels instead.
func (l *layout) levels() int { return (l.treeLimit() - minNameWidth) / levelWidth }

// prefixWidth returns how many columns stand before the name of a span.
func prefixWidth(depth, levels int) int {
	if depth <= levels {
		return depth * levelWidth
	}
	return levels*levelWidth + len("+ ") + len(strconv.Itoa(depth-levels))
}

// serviceLabel is what the column of services shows.
func serviceLabel(name string) string {
	if name == "" {
		return "-"
	}
	return name
}

// kindLabel is what the column of kinds shows.
func kindLabel(k trace.SpanKind) string {
	switch k {
	case trace.SpanKindInternal, trace.SpanKindServer, trace.SpanKindClient,
		trace.SpanKindProducer, trace.SpanKindConsumer:
		return k.String()
	default:
		return "-"
	}
}

// appendSpanDuration appends what the column of durations shows.
func appendSpanDuration(dst []byte, d *tracing.SpanData) []byte {
	if !hasDuration(d) {
		return append(dst, '-')
	}
	return appendDuration(dst, d.EndTime.Sub(d.StartTime))
}
