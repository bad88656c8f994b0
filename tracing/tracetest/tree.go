// SPDX-License-Identifier: Apache-2.0

package tracetest

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/tracing"
)

// Tree is a span with those below it.
type Tree struct {
	Span     *tracing.SpanData
	Children []*Tree
	// Detached says why a span that has a parent stands on top of a tree; "" where none of it holds.
	Detached Detached

	at int // in the order of arrival
}

// Detached is why a span's parent is not above it.
type Detached string

// The reasons.
const (
	RemoteParent  Detached = "remote parent"  // it belongs to another process, and is not among the spans
	ParentMissing Detached = "parent missing" // it did not come, or was sampled out
	ParentCycle   Detached = "parent cycle"   // the span is among its own ancestors; the one that starts first is put on top
)

// Trees makes trees of spans, in whatever order they came: each span stands in exactly one tree,
// whatever the ids say. The trees of one trace stand side by side.
//
// Siblings stand in the order of their start. Where starts are equal, as they are in a bubble of
// testing/synctest, the earlier end decides, and then the text that [Format] makes of the span and all
// below it, which has no ids in it: the order is the same in each run, unless siblings start side by
// side in real time (for those, see [ByName]). Trees and traces are ordered in the same way, a trace
// by its first tree.
//
// Of several spans that have one id, as the two sides of a call may in Zipkin, that of the callee stands
// below that of the caller, and what names this id as its parent below the callee's.
func Trees(spans []*tracing.SpanData) []*Tree {
	return slices.Concat(traces(spans, newFormat(nil, spans))...)
}

// traces returns the trees of each trace.
func traces(spans []*tracing.SpanData, f *format) [][]*Tree {
	byTrace := map[trace.TraceID][]*Tree{}
	for i, d := range spans {
		id := d.SpanContext.TraceID()
		byTrace[id] = append(byTrace[id], &Tree{Span: d, at: i})
	}
	all := make([][]*Tree, 0, len(byTrace))
	for _, nodes := range byTrace {
		top := link(nodes)
		f.sort(top)
		all = append(all, top)
	}
	slices.SortFunc(all, func(a, b []*Tree) int {
		return cmp.Or(f.compare(a[0], b[0]), cmp.Compare(a[0].at, b[0].at))
	})
	return all
}

// link fills in the children of the nodes of one trace and returns those on top.
func link(nodes []*Tree) (top []*Tree) {
	byID := map[trace.SpanID][]*Tree{}
	for _, n := range nodes {
		id := n.Span.SpanContext.SpanID()
		byID[id] = append(byID[id], n)
	}
	parents := make(map[*Tree]*Tree, len(nodes))
	for _, n := range nodes {
		parents[n] = parentOf(n, byID)
	}
	breakCycles(nodes, parents)
	for _, n := range nodes {
		if p := parents[n]; p != nil {
			p.Children = append(p.Children, n)
			continue
		}
		if n.Detached == "" && n.Span.Parent.SpanID().IsValid() {
			n.Detached = ParentMissing
			if n.Span.Parent.IsRemote() {
				n.Detached = RemoteParent
			}
		}
		top = append(top, n)
	}
	return top
}

// parentOf returns the node above n, or nil.
func parentOf(n *Tree, byID map[trace.SpanID][]*Tree) *Tree {
	if isCallee(n.Span.Kind) {
		for _, twin := range byID[n.Span.SpanContext.SpanID()] {
			if isCaller(twin.Span.Kind) {
				return twin
			}
		}
	}
	var parent *Tree
	for _, p := range byID[n.Span.Parent.SpanID()] {
		if p != n && n.Span.Parent.SpanID().IsValid() && (parent == nil || isCallee(p.Span.Kind) && !isCallee(parent.Span.Kind)) {
			parent = p
		}
	}
	if parent == nil && n.Span.Parent.SpanID().IsValid() && n.Span.Parent.SpanID() == n.Span.SpanContext.SpanID() {
		n.Detached = ParentCycle
	}
	return parent
}

func isCallee(k trace.SpanKind) bool { return k == trace.SpanKindServer || k == trace.SpanKindConsumer }
func isCaller(k trace.SpanKind) bool { return k == trace.SpanKindClient || k == trace.SpanKindProducer }

// breakCycles takes the parent from one span of each cycle.
func breakCycles(nodes []*Tree, parents map[*Tree]*Tree) {
	settled := make(map[*Tree]bool, len(nodes)) // it leads to a span on top
	for _, n := range nodes {
		var path []*Tree
		onPath := map[*Tree]bool{}
		for n != nil && !settled[n] && !onPath[n] {
			onPath[n] = true
			path = append(path, n)
			n = parents[n]
		}
		if n != nil && onPath[n] {
			first := slices.MinFunc(path[slices.Index(path, n):], func(a, b *Tree) int {
				return cmp.Or(compareTimes(a.Span, b.Span), cmp.Compare(a.Span.Name, b.Span.Name), cmp.Compare(a.at, b.at))
			})
			first.Detached = ParentCycle
			parents[first] = nil
		}
		for _, p := range path {
			settled[p] = true
		}
	}
}

// compareTimes compares starts, then ends, by the wall clock.
func compareTimes(a, b *tracing.SpanData) int {
	return cmp.Or(
		a.StartTime.Round(0).Compare(b.StartTime.Round(0)),
		a.EndTime.Round(0).Compare(b.EndTime.Round(0)),
	)
}

// Outline shows the trees of spans by their names: one span a line, two spaces for each level, an empty
// line between traces. Behind the name of a span whose parent is missing, or in a cycle, that is said in
// parentheses. A name that is empty, begins or ends with a space or holds what cannot be printed is quoted.
func Outline(spans []*tracing.SpanData) string { return outline(spans, newFormat(nil, spans)) }

func outline(spans []*tracing.SpanData, f *format) string {
	var b strings.Builder
	var walk func(n *Tree, depth int)
	walk = func(n *Tree, depth int) {
		b.WriteString(strings.Repeat("  ", depth))
		b.WriteString(nameText(n.Span.Name))
		if n.Detached != "" && n.Detached != RemoteParent {
			b.WriteString(" (" + string(n.Detached) + ")")
		}
		b.WriteByte('\n')
		for _, c := range n.Children {
			walk(c, depth+1)
		}
	}
	for i, trees := range traces(spans, f) {
		if i > 0 {
			b.WriteByte('\n')
		}
		for _, n := range trees {
			walk(n, 0)
		}
	}
	return b.String()
}

// paths names spans by the names of their ancestors.
type paths struct {
	byID map[spanKey]*tracing.SpanData
}

type spanKey struct {
	trace trace.TraceID
	span  trace.SpanID
}

func keyOf(sc trace.SpanContext) spanKey { return spanKey{sc.TraceID(), sc.SpanID()} }

func newPaths(spans []*tracing.SpanData) paths {
	p := paths{byID: make(map[spanKey]*tracing.SpanData, len(spans))}
	for _, d := range spans {
		k := keyOf(d.SpanContext)
		if p.byID[k] == nil || isCallee(d.Kind) {
			p.byID[k] = d
		}
	}
	return p
}

// of returns the names from the topmost ancestor down to d.
func (p paths) of(d *tracing.SpanData) string {
	names := []string{nameText(d.Name)}
	for seen := map[*tracing.SpanData]bool{d: true}; ; {
		d = p.byID[keyOf(d.Parent)]
		if d == nil || seen[d] {
			slices.Reverse(names)
			return strings.Join(names, " > ")
		}
		seen[d] = true
		names = append(names, nameText(d.Name))
	}
}

// duration returns how long a span took, by the wall clock.
func duration(d *tracing.SpanData) time.Duration {
	return d.EndTime.Round(0).Sub(d.StartTime.Round(0))
}
