// SPDX-License-Identifier: Apache-2.0

package model_test

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"testing"

	"go.opentelemetry.io/otel/attribute"
)

// compare runs a program on both libraries and returns how they differ, beyond the deviations on the
// list. One of these may be left out, to see what it is for.
func compare(t testing.TB, p program, without string) (differences []string) {
	t.Helper()
	list := slices.DeleteFunc(slices.Clone(deviations), func(d deviation) bool { return d.name == without })
	ours := newOurs(t, p.config)
	when := interpret(ours, p)
	got := ours.result()
	ours.stop(t)
	want := runTheirs(t, p, list, &when)

	differ := func(format string, args ...any) { differences = append(differences, fmt.Sprintf(format, args...)) }
	for i := range max(len(got.notes), len(want.notes)) {
		switch {
		case i >= len(got.notes):
			differ("answers: ours none; theirs %s", want.notes[i])
		case i >= len(want.notes):
			differ("answers: ours %s; theirs none", got.notes[i])
		case got.notes[i].String() != want.notes[i].String():
			differ("answers: ours %s; theirs %s", got.notes[i], want.notes[i])
		}
	}
	writers := p.writers()
	// The wall clock, which a user reads, and a span's own run side by side only nearly.
	twoClocks := slices.ContainsFunc(p.config.onStart, func(o op) bool { return o.at == present })
	p.each(func(o *op) { twoClocks = twoClocks || o.at == present })
	spans := func(what string, got, want map[int]*span) {
		for _, n := range slices.Sorted(maps.Keys(both(got, want))) {
			g, w := got[n], want[n]
			if g == nil || w == nil {
				differ("span %d %s: ours %t, theirs %t", n, what, g != nil, w != nil)
				continue
			}
			theirFields := w.fields(when, writers[n] > one)
			for i, f := range g.fields(when, writers[n] > one) {
				if f.value != theirFields[i].value && (writers[n] < racing || f.settled()) {
					differ("span %d %s, %s: ours %s; theirs %s", n, what, f.name, f.value, theirFields[i].value)
				}
			}
			if text := g.order(when, writers[n] == racing); text != "" && !twoClocks {
				differ("span %d %s: ours %s", n, what, text)
			}
		}
	}
	spans("exported", got.exported, want.exported)
	if p.config.processors > 0 {
		spans("at its end", got.ended, want.ended)
	}
	texts := func(what string, got, want map[int]string) {
		for _, n := range slices.Sorted(maps.Keys(both(got, want))) {
			if got[n] != want[n] {
				differ("span %d %s: ours %s; theirs %s", n, what, got[n], want[n])
			}
		}
	}
	texts("at its start", got.started, want.started)
	texts("in the sampler", got.asked, want.asked)
	for _, text := range got.wrong {
		differ("ours: %s", text)
	}
	if raced := slices.Collect(keysOf(writers, racing)); len(raced) > 0 {
		most := runTheirs(t, p.unraced(), list, &when)
		for _, n := range raced {
			if g, m := got.exported[n], most.exported[n]; g != nil && m != nil {
				for _, text := range slices.Concat(g.beyond(m, when), p.gaps(n, g)) {
					differ("span %d: ours %s", n, text)
				}
			}
		}
	}
	return differences
}

// runTheirs runs a program on the SDK, as the deviations of the list say.
func runTheirs(t testing.TB, p program, list []deviation, when *period) outcome {
	t.Helper()
	q := p.clone()
	for _, d := range list {
		if d.program != nil {
			q = d.program(q)
		}
	}
	theirs := newTheirs(t, q.config)
	when.to = interpret(theirs, q).to
	out := theirs.result()
	theirs.stop(t)
	for _, d := range list {
		if d.outcome != nil {
			d.outcome(p, *when, &out)
		}
	}
	return out
}

func keysOf(m map[int]int, value int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for n, v := range m {
			if v == value && !yield(n) {
				return
			}
		}
	}
}

func both[V any](a, b map[int]V) map[int]V {
	m := maps.Clone(a)
	maps.Copy(m, b)
	return m
}

// How many goroutines write to a span.
const (
	one     = iota // at a time
	several        // at once: in which order is not known
	racing         // with its end: so what it holds is not known
)

// writers says for each span how many write to it.
func (p program) writers() map[int]int {
	writers := map[int]int{}
	for _, o := range p.ops {
		branches, ends := map[int]int{}, map[int]bool{}
		for _, b := range o.branches {
			here := map[int]bool{}
			for _, o := range b {
				if o.do != "start" {
					here[o.span] = true
					ends[o.span] = ends[o.span] || o.do == "end"
				}
			}
			for n := range here {
				branches[n]++
			}
		}
		for n, count := range branches {
			if count > 1 {
				writers[n] = max(writers[n], several)
				if ends[n] {
					writers[n] = racing
				}
			}
		}
	}
	return writers
}

// settled says whether a field does not depend on when a span ends.
func (f field) settled() bool {
	return slices.Contains([]string{"span context", "parent", "kind", "start", "scope", "resource"}, f.name)
}

// unraced returns the program with its branches one after the other, and spans that were ended in a race
// ended behind them: so they hold the most that they can.
func (p program) unraced() program {
	writers := p.writers()
	q := program{config: p.config}
	for _, o := range p.ops {
		var ends []op
		for _, b := range o.branches {
			for _, o := range b {
				if o.do == "end" && writers[o.span] == racing {
					ends = append(ends, o)
				} else {
					q.ops = append(q.ops, o)
				}
			}
		}
		if o.branches == nil {
			q.ops = append(q.ops, o)
		}
		q.ops = append(q.ops, ends...)
	}
	return q
}

// beyond says what a span holds that another, which holds the most, does not. What limits leave depends
// on the order, so spans that lost something are not looked at.
func (s *span) beyond(most *span, when period) (texts []string) {
	pieces := func(s *span) (list []string) {
		for _, a := range s.attrs {
			list = append(list, attributesText([]attribute.KeyValue{a}))
		}
		for _, e := range slices.Concat(s.events, s.links) {
			list = append(list, entriesText([]entry{e}, when, false, 0))
		}
		return list
	}
	if most.droppedAttrs+most.droppedEvents+most.droppedLinks > 0 {
		return nil
	}
	left := pieces(most)
	for _, text := range pieces(s) {
		i := slices.Index(left, text)
		if i < 0 {
			texts = append(texts, "has "+text)
			continue
		}
		left = slices.Delete(left, i, i+1)
	}
	return texts
}

// gaps says where a span that was ended in a race lacks what a branch wrote but has what the same branch
// wrote later. See label.
func (p program) gaps(n int, s *span) (texts []string) {
	if s.droppedAttrs+s.droppedEvents > 0 {
		return nil
	}
	for _, o := range p.ops {
		for _, b := range o.branches {
			missing := ""
			for _, o := range b {
				if o.span != n || o.do != "attributes" && o.do != "event" || len(o.attrs)+len(o.name) == 0 {
					continue
				}
				has := slices.ContainsFunc(s.events, func(e entry) bool { return o.do == "event" && e.name == o.name }) ||
					slices.ContainsFunc(s.attrs, func(a attribute.KeyValue) bool { return o.do == "attributes" && string(a.Key) == o.attrs[0].key })
				switch {
				case !has:
					missing = o.name
					if o.do == "attributes" {
						missing = o.attrs[0].key
					}
				case missing != "":
					texts = append(texts, fmt.Sprintf("lacks %q and has what was written after it", missing))
				}
			}
		}
	}
	return texts
}
