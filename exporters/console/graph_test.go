// SPDX-License-Identifier: Apache-2.0

package console_test

import (
	"bytes"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/exporters/console"
)

// printed is one row of a rendering of spans that are named s0, s1, ...
type printed struct {
	span   int // -1 for a note
	note   string
	depth  int
	parent int // the index of the row above it in the tree, -1 for a top one
}

// treeColumn is where the tree begins when no service has a longer name than seven letters.
const treeColumn = 2 + 7 + 2

// parseRows reads the rows of one trace back.
func parseRows(t testing.TB, out []byte) (rows []printed) {
	t.Helper()
	var path []int // the last row of each depth
	for text := range strings.Lines(string(out)) {
		letters := []rune(strings.TrimSuffix(text, "\n"))
		if len(letters) <= treeColumn || strings.HasPrefix(text, "trace ") || strings.HasPrefix(text, "  service") {
			continue
		}
		tree := string(letters[treeColumn:])
		label := strings.TrimLeft(tree, "│├└─ ")
		row := printed{span: -1, depth: (utf8.RuneCountInString(tree) - utf8.RuneCountInString(label)) / 3, parent: -1}
		if label[0] == '(' {
			row.note = label
		} else {
			if label[0] == '+' {
				deeper, rest, _ := strings.Cut(label[1:], " ")
				n, err := strconv.Atoi(deeper)
				require.NoError(t, err, "%q", text)
				row.depth += n
				label = rest
			}
			name, _, _ := strings.Cut(label, " ")
			n, err := strconv.Atoi(strings.TrimPrefix(name, "s"))
			require.NoError(t, err, "%q", text)
			row.span = n
		}
		require.LessOrEqual(t, row.depth, len(path), "%q is deeper than a child of the row above", text)
		path = append(path[:row.depth], len(rows))
		if row.depth > 0 {
			row.parent = path[row.depth-1]
		}
		rows = append(rows, row)
	}
	return rows
}

// checkRows compares the rows with what the ids allow, by brute force.
func checkRows(t testing.TB, specs []spec, rows []printed) {
	t.Helper()
	// mayBeParent is the relation that a tree must be a part of. Id 0 is none.
	mayBeParent := func(parent, child int) bool {
		p, c := specs[parent], specs[child]
		if parent == child {
			return p.id == c.parent && p.id != 0
		}
		caller := p.kind == client || p.kind == producer
		callee := c.kind == server || c.kind == consumer
		return p.id == c.parent && p.id != 0 || p.id == c.id && caller && callee
	}
	var reaches func(from, to int, seen map[int]bool) bool
	reaches = func(from, to int, seen map[int]bool) bool {
		for p := range specs {
			if mayBeParent(p, from) && !seen[p] {
				seen[p] = true
				if p == to || reaches(p, to, seen) {
					return true
				}
			}
		}
		return false
	}

	seen := make([]int, len(specs))
	previous := make(map[int]int) // of each parent row, the child seen last
	for i, r := range rows {
		if r.span < 0 {
			assert.Zero(t, r.depth, "a note below a span")
			require.Less(t, i+1, len(rows), "a note about nothing")
			assert.Equal(t, i, rows[i+1].parent, "a note about nothing")
			continue
		}
		s := specs[r.span]
		seen[r.span]++
		candidates := 0
		for p := range specs {
			if p != r.span && mayBeParent(p, r.span) {
				candidates++
			}
		}
		switch {
		case r.parent < 0:
			assert.Zero(t, s.parent, "s%d has a parent but stands on top", r.span)
		case rows[r.parent].span >= 0:
			assert.True(t, mayBeParent(rows[r.parent].span, r.span), "s%d stands below s%d", r.span, rows[r.parent].span)
		case rows[r.parent].note == "(parents form a cycle)":
			assert.True(t, reaches(r.span, r.span, map[int]bool{}), "s%d is in no cycle", r.span)
		default:
			assert.Zero(t, candidates, "s%d has a parent, but %s", r.span, rows[r.parent].note)
			assert.Contains(t, rows[r.parent].note, spanID(s.parent).String())
			assert.Equal(t, s.remote, strings.HasPrefix(rows[r.parent].note, "(remote "))
		}
		if r.parent >= 0 {
			last, ok := previous[r.parent]
			assert.True(t, !ok || specs[last].start <= s.start, "s%d and s%d are not sorted", last, r.span)
			previous[r.parent] = r.span
		}
	}
	for i, n := range seen {
		assert.Equal(t, 1, n, "s%d", i)
	}
}

// graph makes a span of each five bytes: its id, its parent's, its start, its length, and flags.
func graph(raw []byte) []spec {
	var specs []spec
	for i := 0; i+5 <= len(raw) && len(specs) < 300; i += 5 {
		b := raw[i : i+5]
		specs = append(specs, spec{
			id: uint64(b[0] % 32), parent: uint64(b[1] % 32),
			name:    "s" + strconv.Itoa(i/5),
			start:   int64(b[2]),
			end:     int64(b[2]) + int64(int8(b[3])),
			service: "shop-" + string('a'+rune(b[4]%3)),
			kind:    trace.SpanKind(b[4] / 3 % 6),
			remote:  b[4]&64 != 0,
			failed:  b[4]&128 != 0,
		})
	}
	return specs
}

func FuzzParents(f *testing.F) {
	f.Add([]byte{1, 0, 0, 9, 0, 2, 1, 1, 8, 0, 3, 2, 2, 7, 0}, true)    // a chain
	f.Add([]byte{1, 3, 0, 9, 0, 2, 1, 1, 8, 0, 3, 2, 2, 7, 0}, true)    // a cycle
	f.Add([]byte{1, 1, 0, 9, 0, 1, 1, 1, 8, 0}, false)                  // one id for all
	f.Add([]byte{1, 9, 0, 9, 9, 1, 9, 0, 8, 6, 2, 1, 5, 200, 1}, true)  // caller and callee share an id
	f.Add([]byte{7, 9, 5, 0, 64, 8, 9, 4, 1, 64, 9, 30, 4, 1, 0}, true) // orphans
	f.Add(bytes.Repeat([]byte{1, 1, 0, 0, 6, 1, 1, 0, 0, 9}, 20), true) // many of one id, both kinds
	f.Fuzz(func(t *testing.T, raw []byte, collect bool) {
		specs := graph(raw)
		if len(specs) == 0 {
			return
		}
		var out []byte
		if collect {
			out = renderTree(t, [][]spec{specs}, console.WithWidth(400))
		} else {
			out = printBatches(t, [][]spec{specs})
		}
		assertPrintable(t, out)
		rows := parseRows(t, out)
		checkRows(t, specs, rows)
		if t.Failed() {
			t.Logf("%+v\n%s", specs, out)
		}
	})
}

func TestHugeTraces(t *testing.T) {
	t.Parallel()
	const n = 10_000
	tests := []struct {
		name string
		make func(i int) spec
	}{
		{"one chain", func(i int) spec { return spec{id: uint64(i + 1), parent: uint64(i)} }},
		{"one cycle", func(i int) spec { return spec{id: uint64(i + 1), parent: uint64((i+n-1)%n + 1)} }},
		{"one family", func(i int) spec { return spec{id: uint64(i + 1), parent: uint64(min(i, 1))} }},
		{"only orphans", func(i int) spec { return spec{id: uint64(i + 1), parent: uint64(n + i + 1)} }},
		{"one id", func(int) spec { return spec{id: 1, parent: 1} }},
		{"one id, two sides", func(i int) spec { return spec{id: 1, parent: 1, kind: server + trace.SpanKind(i%2)} }},
		{"no ids", func(int) spec { return spec{} }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			specs := make([]spec, n)
			for i := range specs {
				specs[i] = tt.make(i)
				specs[i].name = "s" + strconv.Itoa(i)
				specs[i].start, specs[i].end = int64(i), int64(2*n-i)
			}
			seen := make([]int, n)
			for _, r := range parseRows(t, renderTree(t, [][]spec{specs})) {
				if r.span >= 0 {
					seen[r.span]++
				}
			}
			for i, times := range seen {
				require.Equal(t, 1, times, "s%d", i)
			}
		})
	}
}

// hangulParts are the letters that terminals draw onto the one before them.
var hangulParts = &unicode.RangeTable{R16: []unicode.Range16{{0x1160, 0x11ff, 1}, {0xd7b0, 0xd7ff, 1}}}

// FuzzLines checks what every line must keep to, whatever the names are.
func FuzzLines(f *testing.F) {
	f.Add("GET /", "shop", "refused", uint16(100), int64(5), int64(7))
	f.Add("文字\x1b[2J", "\u202e", "a\nb\xff", uint16(0), int64(-1), int64(1)<<62)
	f.Fuzz(func(t *testing.T, name, service, description string, width uint16, start, end int64) {
		columns := 80 + int(width)%321
		out := renderTree(t, [][]spec{{
			{id: 1, service: service, name: name, err: description, start: start, end: end},
			{id: 2, parent: 1, service: service, name: name, start: end, end: start},
			{id: 3, parent: 9, service: "other", name: "other", end: 1},
		}}, console.WithWidth(columns))
		assertPrintable(t, out)
		lines := strings.Split(string(out), "\n")
		for _, l := range lines {
			assert.Equal(t, strings.TrimRight(l, " "), l, "blanks at the end of a line")
			letters := 0
			for _, r := range l {
				if !unicode.In(r, unicode.Mn, unicode.Me, hangulParts) {
					letters++
				}
			}
			assert.LessOrEqual(t, letters, columns, "%q", l)
		}
	})
}
