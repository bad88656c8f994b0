// SPDX-License-Identifier: Apache-2.0

package model_test

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// source is where a generator takes its choices from.
type source interface {
	draw(n int) int // from 0 to n-1
	more() bool     // whether another operation follows
}

// seeded draws random numbers.
type seeded struct {
	*rand.Rand
	left int // operations
}

func fromSeed(seed uint64) source {
	r := rand.New(rand.NewPCG(seed, 0))
	return &seeded{r, 3 + r.IntN(60)}
}

func (s *seeded) draw(n int) int { return s.IntN(n) }

func (s *seeded) more() bool {
	s.left--
	return s.left >= 0
}

// bytes draws what a fuzzer made, and zeros behind it.
type bytes struct{ data []byte }

func (b *bytes) draw(n int) int {
	if len(b.data) == 0 {
		return 0
	}
	x := int(b.data[0])
	b.data = b.data[1:]
	return x % n
}

func (b *bytes) more() bool { return len(b.data) > 0 }

// generator makes a program.
type generator struct {
	source
	spans  int  // how many have been started
	blocks int  // how many operations have branches
	down   bool // Shutdown has been called
}

func generate(s source) program {
	g := &generator{source: s}
	p := program{config: g.config()}
	for g.more() && len(p.ops) < 200 {
		p.ops = append(p.ops, g.op())
	}
	return p
}

// oneOf returns one of a list.
func oneOf[T any](g *generator, list []T) T { return list[g.draw(len(list))] }

// chance is true once in n times; a fuzzer's zeros say no.
func (g *generator) chance(n int) bool { return g.draw(n) == n-1 }

func (g *generator) config() config {
	var c config
	if g.chance(2) {
		small := []int{0, 1, 2, 3, 5, -1}
		c.limits = limits{
			attributes: oneOf(g, small), events: oneOf(g, small), links: oneOf(g, small),
			perEvent: oneOf(g, small), perLink: oneOf(g, small), depth: oneOf(g, small),
		}
		if g.chance(2) {
			c.limits.length = oneOf(g, []int{1, 2, 4, 7, 13, 100, -1})
		}
	}
	if g.chance(2) {
		c.sampler = g.sampler(true)
	}
	c.random = g.chance(3)
	c.encoding = g.chance(2)
	if g.chance(4) {
		c.resource = g.attributes(false)
	}
	if g.chance(2) {
		c.processors = 1 + g.draw(2)
		for range g.draw(3) {
			c.onStart = append(c.onStart, g.write(0))
		}
	}
	return c
}

func (g *generator) sampler(nested bool) sampler {
	switch k := g.draw(6); {
	case k == 0:
		return sampler{kind: "on"}
	case k == 1 && g.chance(3): // most programs should have something to compare
		return sampler{kind: "off"}
	case k == 2:
		return sampler{kind: "ratio", ratio: oneOf(g, []float64{0, 0.3, 0.5, 0.8, 1})}
	case k <= 3 || !nested:
		return sampler{kind: "custom", mode: g.draw(8)}
	}
	s := sampler{kind: "parent"}
	for range 5 {
		var slot sampler
		if g.chance(2) {
			slot = g.sampler(false)
		}
		s.slots = append(s.slots, slot)
	}
	return s
}

// span returns one that has been started, mostly a late one.
func (g *generator) span() int {
	if g.spans == 0 {
		return 0
	}
	if g.chance(3) {
		return 1 + g.draw(g.spans)
	}
	return max(1, g.spans-g.draw(3))
}

func (g *generator) op() op {
	k := g.draw(40)
	switch {
	case g.spans == 0 || k < 9:
		return g.start()
	case k < 27:
		return g.write(g.span())
	case k < 34:
		return g.end()
	case k < 35:
		return op{do: "flush"}
	case k < 36:
		if g.chance(4) && !g.down {
			g.down = true
			return op{do: "shutdown"}
		}
		return op{do: "ask", span: g.span()}
	default:
		return g.parallel()
	}
}

func (g *generator) start() op {
	o := op{do: "start", name: oneOf(g, []string{"op", "", "caf\u00e9"}), parent: g.span()}
	g.spans++
	o.span = g.spans
	o.from = oneOf(g, parents)
	if o.from == "far" || o.from == "near" {
		o.remote = g.draw(len(spanContexts))
	}
	o.tracer = g.draw(len(tracers))
	if g.chance(2) {
		o.kind = trace.SpanKind(oneOf(g, []int{1, 2, 3, 4, 5, 0, 6, -1, 99}))
	}
	o.newRoot = g.chance(8)
	o.fresh = g.chance(4)
	if g.chance(2) {
		o.attrs = g.attributes(false)
	}
	if g.chance(3) {
		o.links = g.links()
	}
	if g.chance(3) {
		o.at = g.draw(len(times))
	}
	return o
}

// attributes makes some. Where empty keys count against the limit, in events and links on the SDK, they
// come last: there it makes no difference.
func (g *generator) attributes(emptyLast bool) []kv {
	var list []kv
	for range g.draw(5) {
		list = append(list, kv{oneOf(g, keys), g.draw(len(values))})
	}
	if emptyLast {
		slices.SortStableFunc(list, func(a, b kv) int {
			if (a.key == "") == (b.key == "") {
				return 0
			}
			if b.key == "" {
				return -1
			}
			return 1
		})
	}
	return list
}

func (g *generator) links() []link {
	var list []link
	for range 1 + g.draw(2) {
		list = append(list, link{to: g.draw(len(spanContexts)), attrs: g.attributes(true)})
	}
	return list
}

// write makes an operation that writes to a span.
func (g *generator) write(n int) op {
	o := op{span: n}
	switch k := g.draw(18); {
	case k < 5:
		o.do, o.attrs = "attributes", g.attributes(false)
	case k < 9:
		o.do, o.name, o.attrs = "event", oneOf(g, []string{"e", "f", "\u00e9v\u00e9nement"}), g.attributes(true)
		o.stack = g.chance(5)
	case k < 11:
		o.do, o.err, o.stack = "error", g.draw(len(failures)), g.chance(3)
		if g.chance(2) {
			o.attrs = g.attributes(true)
		}
	case k < 13:
		o.do, o.links = "link", g.links()
	case k < 16:
		o.do, o.code, o.text = "status", codes.Code(oneOf(g, []int{1, 1, 0, 2, 3, 99})), oneOf(g, []string{"", "bad", "worse"})
	default:
		o.do, o.name = "name", oneOf(g, []string{"renamed", "", "again"})
	}
	if (o.do == "event" || o.do == "error") && g.chance(3) {
		o.at = g.draw(len(times))
	}
	return o
}

func (g *generator) end() op {
	o := op{do: "end", span: g.span()}
	switch g.draw(9) {
	case 5:
		o.how = "goroutine"
	case 8:
		o.how = "goexit"
	case 6:
		o.how, o.err, o.stack = "panic", g.draw(len(panics)), g.chance(2)
	case 7:
		o.at = g.draw(len(times))
	}
	return o
}

// label is the key or name of what the i-th operation of a branch writes to a span that several write to.
func label(block, branch, i int) string { return fmt.Sprintf("parallel %d.%d.%d", block, branch, i) }

// parallel makes branches that write to spans at once, in ways whose outcome does not depend on which
// comes first: attributes have keys of their own, statuses are all the same.
func (g *generator) parallel() op {
	o := op{do: "parallel"}
	shared := g.span()
	before := g.spans
	g.blocks++
	status := codes.Code(1 + g.draw(2))
	for b := range 2 + g.draw(3) {
		var branch []op
		own := 0
		for i := range 1 + g.draw(4) {
			switch n := shared; g.draw(8) {
			case 0, 1:
				branch = append(branch, op{do: "attributes", span: n, attrs: []kv{{label(g.blocks, b, i), g.draw(len(values))}}})
			case 2, 3:
				branch = append(branch, op{do: "event", span: n, name: label(g.blocks, b, i), attrs: g.attributes(true)})
			case 4:
				if g.chance(3) {
					branch = append(branch, op{do: "flush"})
				} else {
					branch = append(branch, op{do: "link", span: n, links: g.links()})
				}
			case 5:
				branch = append(branch, op{do: "status", span: n, code: status, text: "in parallel"})
			case 6:
				started := g.start()
				started.parent, started.fresh = 1+g.draw(before), false
				if own > 0 && g.chance(2) {
					started.parent = own
				}
				if started.from == "nil" { // the number of a span stands in the Go context
					started.from = ""
				}
				own = started.span
				branch = append(branch, started, g.write(own))
			default:
				if own > 0 {
					branch = append(branch, op{do: "end", span: own})
				} else if g.chance(2) {
					branch = append(branch, op{do: "end", span: n})
				}
			}
		}
		o.branches = append(o.branches, branch)
	}
	return o
}
