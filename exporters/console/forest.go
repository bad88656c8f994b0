// SPDX-License-Identifier: Apache-2.0

package console

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/tracing"
)

// maxShared is how many spans of one id are looked at when a parent is chosen. Two share an id in
// real traces; a bound keeps traces whose spans all carry one id from taking quadratic time.
const maxShared = 16

// forest is the spans of one trace in the order in which they are printed.
//
// Invariants, whatever the parent ids are:
//   - each span stands in exactly one row;
//   - a row of depth d > 0 follows its parent's row, with only rows of depth >= d between them;
//   - siblings are sorted by their start.
type forest struct {
	traceID trace.TraceID
	rows    []row
	begin   time.Time     // the earliest start; zero when no span has one
	total   time.Duration // from begin to the latest end, >= 0
	spans   int
	errors  int
	// services holds each service once, in the order of the rows.
	services []string
	partial  bool
	dropped  int // spans of the trace that a collector had to let go
}

// row is one span, or a note about the rows below it.
type row struct {
	span *tracing.SpanData // nil for a note
	note string            // why the rows below have no parent here
	// parentID is the id of the parent that a note speaks of, zero when it speaks of none.
	parentID trace.SpanID
	depth    int
	last     bool // no sibling follows
	isParent bool // rows of depth+1 follow
}

// The notes. The first two are for spans of a single batch, the parent of which is elsewhere as a
// rule; the next two for spans joined over services, where it should have been here.
const (
	noteRemote        = "remote parent"
	noteOtherBatch    = "parent in another batch"
	noteMissing       = "parent missing"
	noteRemoteMissing = "remote parent missing"
	noteCycle         = "parents form a cycle"
)

// node is a row whose place is not known yet.
type node struct {
	row
	parent   int // an index, or one of the values below
	children []int
}

const (
	parentNone    = -1 // a root span
	parentMissing = -2 // has a parent id that no span of the trace has
	parentCycle   = -3 // is among its own ancestors
)

// newForest orders the spans of one trace, of which there is at least one. joined says that spans of
// other processes would be among them, had they arrived. It borrows spans and sorts the slice.
//
// It neither recurses nor trusts ids: traces come from the network, as deep, as wide and as
// contradictory as somebody likes.
func newForest(spans []*tracing.SpanData, joined bool) *forest {
	slices.SortStableFunc(spans, compareSpans)
	f := &forest{traceID: spans[0].SpanContext.TraceID(), spans: len(spans)}
	f.measure(spans)

	nodes := make([]node, len(spans), len(spans)+1)
	index := indexSpans(spans)
	for i, d := range spans {
		nodes[i] = node{row: row{span: d}, parent: index.parentOf(i)}
	}
	breakCycles(nodes)
	nodes, top := link(nodes, joined)
	f.rows = preorder(nodes, top)

	seen := make(map[string]bool)
	for _, r := range f.rows {
		if r.span == nil {
			continue
		}
		if s := serviceOf(r.span); !seen[s] {
			seen[s] = true
			f.services = append(f.services, s)
		}
	}
	return f
}

// compareSpans sorts by start, of equal starts the longer span first: it is the likelier parent. The
// rest makes the order independent of that of arrival. Clock readings are compared without their
// monotonic part, which means nothing between processes.
func compareSpans(a, b *tracing.SpanData) int {
	aID, bID := a.SpanContext.SpanID(), b.SpanContext.SpanID()
	return cmp.Or(
		a.StartTime.Round(0).Compare(b.StartTime.Round(0)),
		b.EndTime.Round(0).Compare(a.EndTime.Round(0)),
		bytes.Compare(aID[:], bID[:]),
		cmp.Compare(rank(b.Kind), rank(a.Kind)),
		cmp.Compare(serviceOf(a), serviceOf(b)),
		cmp.Compare(a.Name, b.Name),
	)
}

// rank says which of two spans that share an id is the inner one: that of the callee has the lower.
func rank(k trace.SpanKind) int {
	switch k {
	case trace.SpanKindServer, trace.SpanKindConsumer:
		return 0
	case trace.SpanKindClient, trace.SpanKindProducer:
		return 2
	default:
		return 1
	}
}

// measure finds the bounds of the trace and counts what its header shows.
func (f *forest) measure(spans []*tracing.SpanData) {
	var end time.Time
	for _, d := range spans {
		if start := d.StartTime.Round(0); !start.IsZero() {
			if f.begin.IsZero() || start.Before(f.begin) {
				f.begin = start
			}
			if start.After(end) {
				end = start
			}
		}
		if e := d.EndTime.Round(0); e.After(end) {
			end = e
		}
		if isError(d) {
			f.errors++
		}
		f.partial = f.partial || d.Partial
	}
	if !f.begin.IsZero() {
		f.total = end.Sub(f.begin)
	}
}

// spanIndex finds the spans of one trace by their id.
type spanIndex struct {
	spans []*tracing.SpanData
	byID  map[trace.SpanID][]int // ascending; at most maxShared of each id
}

func indexSpans(spans []*tracing.SpanData) spanIndex {
	x := spanIndex{spans: spans, byID: make(map[trace.SpanID][]int, len(spans))}
	for i, d := range spans {
		id := d.SpanContext.SpanID()
		if same := x.byID[id]; len(same) < maxShared {
			x.byID[id] = append(same, i)
		}
	}
	return x
}

// parentOf returns the index of span i's parent, or why it has none.
//
// Ids are not unique: Zipkin's instrumentation and Kong's plugin let the callee's span share the id
// of the caller's. The callee's then stands below the caller's, and a span whose parent id both have
// belongs to the one of its own service, else to the callee's.
func (x spanIndex) parentOf(i int) int {
	d := x.spans[i]
	if rank(d.Kind) == 0 {
		for _, j := range x.byID[d.SpanContext.SpanID()] {
			if rank(x.spans[j].Kind) == 2 {
				return j
			}
		}
	}
	id := d.Parent.SpanID()
	if !id.IsValid() {
		return parentNone
	}
	best, bestScore := parentMissing, -1
	for _, j := range x.byID[id] {
		if j == i {
			continue
		}
		score := 0
		if serviceOf(x.spans[j]) == serviceOf(d) {
			score += 2
		}
		if rank(x.spans[j].Kind) == 0 {
			score++
		}
		if score > bestScore {
			best, bestScore = j, score
		}
	}
	if best == parentMissing && id == d.SpanContext.SpanID() {
		return parentCycle
	}
	return best
}

// breakCycles takes the parent from the first span of each cycle of parents.
func breakCycles(nodes []node) {
	const (
		unseen  = iota
		walked  // on the path that is being walked
		settled // leads to a root
	)
	state := make([]uint8, len(nodes))
	var path []int
	for i := range nodes {
		path = path[:0]
		j := i
		for j >= 0 && state[j] == unseen {
			state[j] = walked
			path = append(path, j)
			j = nodes[j].parent
		}
		if j >= 0 && state[j] == walked {
			cycle := path[slices.Index(path, j):]
			nodes[slices.Min(cycle)].parent = parentCycle
		}
		for _, k := range path {
			state[k] = settled
		}
	}
}

// link fills in who is whose child and returns the nodes that have no parent, in the order of their
// start. Nodes whose parent is elsewhere become children of a note, one for each such parent.
func link(nodes []node, joined bool) (all []node, top []int) {
	type noteKey struct {
		text string
		id   trace.SpanID
	}
	notes := make(map[noteKey]int)
	for i := range len(nodes) {
		parent := nodes[i].parent
		switch parent {
		case parentNone:
			top = append(top, i)
			continue
		case parentMissing, parentCycle:
			key := noteKey{text: noteCycle}
			if parent == parentMissing {
				key = noteKey{noteFor(nodes[i].span, joined), nodes[i].span.Parent.SpanID()}
			}
			n, ok := notes[key]
			if !ok {
				n = len(nodes)
				notes[key] = n
				nodes = append(nodes, node{row: row{note: key.text, parentID: key.id}})
				top = append(top, n)
			}
			parent = n
		}
		nodes[parent].children = append(nodes[parent].children, i)
	}
	return nodes, top
}

func noteFor(d *tracing.SpanData, joined bool) string {
	switch remote := d.Parent.IsRemote(); {
	case joined && remote:
		return noteRemoteMissing
	case remote:
		return noteRemote
	case d.Partial && !joined:
		return noteOtherBatch
	default:
		return noteMissing
	}
}

// preorder returns the rows of top and of everything below, each before its children.
func preorder(nodes []node, top []int) []row {
	rows := make([]row, 0, len(nodes))
	type entry struct {
		node, depth int
		last        bool
	}
	var stack []entry
	push := func(siblings []int, depth int) {
		for k := len(siblings) - 1; k >= 0; k-- {
			stack = append(stack, entry{siblings[k], depth, k == len(siblings)-1})
		}
	}
	push(top, 0)
	for len(stack) > 0 {
		e := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		n := &nodes[e.node]
		n.depth, n.last, n.isParent = e.depth, e.last, len(n.children) > 0
		rows = append(rows, n.row)
		push(n.children, e.depth+1)
	}
	return rows
}
