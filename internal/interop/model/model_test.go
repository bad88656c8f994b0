// SPDX-License-Identifier: Apache-2.0

package model_test

import (
	"fmt"
	"go/parser"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// check fails with the smallest program that shows a difference.
func check(t testing.TB, p program) {
	t.Helper()
	differences := compare(t, p, "")
	if len(differences) == 0 {
		return
	}
	fails := func(p program) bool { return len(compare(t, p, "")) > 0 }
	small := shrink(p, fails)
	if again := compare(t, small, ""); len(again) > 0 {
		differences = again
	} else { // it depends on who comes first
		small = p
	}
	t.Fatalf("%s\n\n%s", small, strings.Join(differences, "\n"))
}

// programs are some that once failed, here or in a change that was never made, and some that show what
// random ones seldom do.
var programs = []struct {
	name    string
	program program
}{
	{"a value replaced at the limit of attributes", program{
		config: config{limits: limits{attributes: 2}},
		ops: []op{
			{do: "start", span: 1, attrs: []kv{{"a", 0}, {"a", 1}, {"", 0}}},
			{do: "attributes", span: 1, attrs: []kv{{"b", 0}, {"c", 0}, {"a", 2}, {"b", 3}}},
			{do: "end", span: 1},
		},
	}},
	{"events and links that push each other out", program{
		config: config{limits: limits{events: 2, links: 2, perEvent: 1, perLink: 1}},
		ops: []op{
			{do: "start", span: 1, links: []link{{to: 1}, {to: 2}, {to: 3, attrs: []kv{{"a", 0}, {"b", 0}}}}},
			{do: "event", span: 1, name: "e"},
			{do: "event", span: 1, name: "f", attrs: []kv{{"a", 0}, {"b", 0}, {"", 0}}},
			{do: "error", span: 1, err: 3, stack: true, attrs: []kv{{"exception.type", 0}}},
			{do: "link", span: 1, links: []link{{to: 8}, {to: 7}, {to: 7, attrs: []kv{{"a", 0}}}, {to: 10}}},
			{do: "end", span: 1},
		},
	}},
	{"a span ended by each way to end a goroutine", program{ops: []op{
		{do: "start", span: 1},
		{do: "start", span: 2, from: "ctx", parent: 1},
		{do: "start", span: 3, from: "ctx", parent: 2},
		{do: "end", span: 1, how: "goexit"},
		{do: "end", span: 2, how: "panic", err: 7, stack: true},
		{do: "end", span: 2, how: "panic", err: 6},
		{do: "end", span: 3, how: "goroutine"},
		{do: "start", span: 4, from: "ctx", parent: 3},
		{do: "status", span: 4, code: 2},
		{do: "end", span: 4, how: "panic", err: 2},
	}}},
	{"children of all kinds of parents", program{
		config: config{processors: 2, onStart: []op{{do: "attributes", attrs: []kv{{"a", 9}}}}},
		ops: []op{
			{do: "start", span: 1, from: "far", remote: 2},
			{do: "start", span: 2, from: "near", remote: 3},
			{do: "start", span: 3, from: "far", remote: 4, newRoot: true},
			{do: "start", span: 4, from: "ctx", parent: 2, fresh: true, tracer: 3},
			{do: "start", span: 5, from: "remote", parent: 1},
			{do: "start", span: 6, from: "local", parent: 1},
			{do: "start", span: 7, from: "noop", parent: 1},
			{do: "start", span: 8, from: "handle", parent: 2},
			{do: "start", span: 9, from: "nil"},
			{do: "start", span: 10, from: "nil span"},
			{do: "end", span: 1},
			{do: "start", span: 11, from: "ctx", parent: 1},
			{do: "end", span: 11},
			{do: "flush"},
			{do: "end", span: 2},
			{do: "end", span: 3},
			{do: "end", span: 4},
			{do: "end", span: 5},
			{do: "end", span: 6},
			{do: "end", span: 7},
			{do: "end", span: 8},
			{do: "end", span: 9},
			{do: "end", span: 10},
			{do: "shutdown"},
		},
	}},
	{"recorded, but not sampled, below and above what is", program{
		config: config{processors: 1, sampler: sampler{kind: "parent", slots: []sampler{
			{kind: "custom", mode: 1}, {kind: "custom", mode: 3}, {kind: "on"}, {kind: "custom", mode: 4}, {kind: "custom", mode: 2},
		}}},
		ops: []op{
			{do: "start", span: 1},
			{do: "start", span: 2, from: "ctx", parent: 1},
			{do: "start", span: 3, from: "ctx", parent: 2},
			{do: "start", span: 4, from: "ctx", parent: 3},
			{do: "start", span: 5, from: "far", remote: 1},
			{do: "start", span: 6, from: "ctx", parent: 5},
			{do: "end", span: 6},
			{do: "end", span: 5},
			{do: "end", span: 4},
			{do: "end", span: 1},
			{do: "end", span: 2},
			{do: "end", span: 3},
		},
	}},
}

// TestPrograms runs the programs of the table.
func TestPrograms(t *testing.T) {
	t.Parallel()
	for _, test := range programs {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			check(t, test.program)
		})
	}
}

// TestRandomPrograms runs random programs. The seed of a failure gives the program again.
func TestRandomPrograms(t *testing.T) {
	t.Parallel()
	for seed := range uint64(600) {
		check(seedOf{t, seed}, generate(fromSeed(seed)))
	}
}

// seedOf says in a failure which seed it was.
type seedOf struct {
	testing.TB
	seed uint64
}

func (t seedOf) Fatalf(format string, args ...any) {
	t.Helper()
	t.TB.Fatalf("seed %d: "+format, append([]any{t.seed}, args...)...)
}

// FuzzProgram makes programs of the fuzzer's bytes.
func FuzzProgram(f *testing.F) {
	for seed := range byte(8) {
		data := make([]byte, 200)
		for i := range data {
			data[i] = byte(mix(uint64(seed)<<32 | uint64(i)))
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) { check(t, generate(&bytes{data})) })
}

// TestLimitsOfEnvironment runs random programs with limits that stand in the environment. It is not
// parallel because it sets that.
func TestLimitsOfEnvironment(t *testing.T) {
	for i, l := range []limits{
		{environment: true},
		{attributes: 1, events: 0, links: 2, perEvent: 0, perLink: 1, length: 3, environment: true},
		{attributes: 0, events: 2, links: 0, perEvent: 1, perLink: 0, length: -1, environment: true},
		{attributes: -1, events: 1, links: -1, perEvent: 2, perLink: -1, length: 0, environment: true},
		{attributes: 3, events: -1, links: 1, perEvent: -1, perLink: 2, length: 10, environment: true},
	} {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			l.set(t)
			check(t, everySecond(config{limits: l, encoding: true}))
			for seed := range uint64(40) {
				p := generate(fromSeed(seed))
				p.config.limits = l
				check(seedOf{t, seed}, p)
			}
		})
	}
}

// everySecond makes a program of spans in each other, of which every second has an event and a link: what
// one of them lost must not show in the next.
func everySecond(c config) program {
	const spans = 30
	p := program{config: c}
	for n := 1; n <= spans; n++ {
		p.ops = append(p.ops, op{do: "start", span: n, from: "ctx", parent: n - 1})
		if n%2 == 0 {
			p.ops = append(p.ops, op{do: "event", span: n, name: "e"}, op{do: "link", span: n, links: []link{{to: 1}}})
		}
	}
	for n := 1; n <= spans; n++ {
		p.ops = append(p.ops, op{do: "end", span: n})
	}
	return p
}

// TestConcurrentSafePrograms runs those random programs again that write from several goroutines.
func TestConcurrentSafePrograms(t *testing.T) {
	t.Parallel()
	for seed := range uint64(60) {
		p := generate(fromSeed(seed))
		if len(p.writers()) == 0 {
			continue
		}
		for range 3 {
			check(seedOf{t, seed}, p)
		}
	}
}

// TestRandomProgramsDoAll checks that the random programs are worth running: what they can do they do,
// and much comes out of it.
func TestRandomProgramsDoAll(t *testing.T) {
	t.Parallel()
	done := map[string]int{}
	exported, recorded, writers := 0, 0, map[int]int{}
	for seed := range uint64(300) {
		p := generate(fromSeed(seed))
		p.each(func(o *op) {
			done[o.do]++
			done["from "+o.from]++
			done["end by "+o.how]++
			done[fmt.Sprint("new root ", o.newRoot)]++
		})
		done["sampler "+p.config.sampler.kind]++
		for _, w := range p.writers() {
			writers[w]++
		}
		l := newOurs(t, p.config)
		interpret(l, p)
		out := l.result()
		l.stop(t)
		exported += len(out.exported)
		recorded += len(out.ended)
	}
	for _, what := range parents {
		assert.Greater(t, done["from "+what], 20, what)
	}
	for _, what := range []string{
		"start", "name", "attributes", "event", "error", "link", "status", "end", "flush", "shutdown", "parallel",
		"end by panic", "end by goroutine", "end by goexit", "new root true",
		"sampler ", "sampler on", "sampler off", "sampler ratio", "sampler custom", "sampler parent",
	} {
		assert.Greater(t, done[what], 5, what)
	}
	assert.Greater(t, exported, 500)
	assert.Greater(t, recorded, 200)
	assert.Greater(t, writers[several], 50)
	assert.Greater(t, writers[racing], 50)
}

// TestShrink makes a program small that fails for a reason that is known, and reads what it prints.
func TestShrink(t *testing.T) {
	t.Parallel()
	var p program
	for seed := uint64(0); len(p.ops) < 50; seed++ {
		p = generate(fromSeed(seed))
	}
	p.ops = append(p.ops, op{do: "parallel", branches: [][]op{
		{{do: "ask", span: 1}},
		{{do: "event", span: 1, name: "e", attrs: []kv{{"a", 1}, {"b", 2}, {"c", 3}}, at: 3}},
	}})
	fails := func(p program) bool {
		found := false
		p.each(func(o *op) {
			found = found || o.do == "event" && o.name == "e" && o.at == 3 && slices.Contains(o.attrs, kv{"b", 2})
		})
		return found
	}
	require.True(t, fails(p))
	small := shrink(p, fails)
	want := "program{\n\tops: []op{\n\t\t{do: \"event\", span: 1, name: \"e\", attrs: []kv{{key: \"b\", value: 2}}, at: 3},\n\t},\n}"
	assert.Equal(t, want, small.String())
	_, err := parser.ParseExpr(p.String())
	require.NoError(t, err, p.String())
}
