// SPDX-License-Identifier: Apache-2.0

package model_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
)

// compare runs a program on both libraries and returns how they differ, beyond the deviations on the
// list. One of these may be left out, to see what it is for.
func compare(t testing.TB, p program, without string) (differences []string) {
	t.Helper()
	list := slices.DeleteFunc(slices.Clone(deviations), func(d deviation) bool { return d.name == without })
	forTheirs := p.clone()
	for _, d := range list {
		if d.program != nil {
			forTheirs = d.program(forTheirs)
		}
	}
	ours, theirs := newOurs(t, p.config), newTheirs(t, forTheirs.config)
	when := interpret(ours, p)
	when.to = interpret(theirs, forTheirs).to
	got, want := ours.result(), theirs.result()
	ours.stop(t)
	theirs.stop(t)
	for _, d := range list {
		if d.outcome != nil {
			d.outcome(p, when, &want)
		}
	}

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
			if text := g.order(when, writers[n] == racing); text != "" {
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
	return differences
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
	return slices.Contains([]string{"span context", "parent", "kind", "start", "scope"}, f.name)
}
