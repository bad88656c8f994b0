// SPDX-License-Identifier: Apache-2.0

package console

import (
	"encoding/hex"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spandrel-go/spandrel/tracing"
)

// Colours and weights, as arguments of the terminal's escape sequence SGR (ECMA-48, 8.3.117). Faint
// is used instead of grey, which is the background of some themes.
const (
	styleBold  = "1"
	styleFaint = "2"
	styleError = "31"
)

// serviceStyles are given to the services of one rendering in turn. Red is for errors only.
var serviceStyles = [...]string{"36", "32", "35", "33", "94", "96", "92", "95", "93"}

// renderer draws forests. It owns what it has drawn until the caller takes buf.
type renderer struct {
	buf    []byte
	color  bool
	layout layout
	styles map[string]string // of each service
	// open[d] says that a row of depth d follows below the rows of its predecessor; valid up to the
	// depth of the row that is drawn, and never longer than the levels that are drawn.
	open []bool
}

// render draws forests with a blank line after each.
func (r *renderer) render(forests []*forest) {
	for _, f := range forests {
		r.layout.include(f)
	}
	r.styles = make(map[string]string)
	r.open = make([]bool, r.layout.levels()+1)
	for _, f := range forests {
		for _, s := range f.services {
			if _, ok := r.styles[s]; !ok {
				r.styles[s] = serviceStyles[len(r.styles)%len(serviceStyles)]
			}
		}
		r.header(f)
		r.ruler(f)
		for i := range f.rows {
			r.row(f, &f.rows[i])
		}
		r.newline()
	}
}

// header draws the id of a trace and what is to be said of it, on one line if it fits.
func (r *renderer) header(f *forest) {
	const label = "trace "
	r.begin(styleBold)
	r.buf = append(r.buf, label...)
	r.buf = hex.AppendEncode(r.buf, f.traceID[:])
	r.end(styleBold)

	parts := headerParts(f)
	column := len(label) + hex.EncodedLen(len(f.traceID))
	whole := column - 1 // the first separator is shorter than the others
	for _, p := range parts {
		whole += 3 + utf8.RuneCountInString(p.text)
	}
	for i, p := range parts {
		separator, width := " · ", 3+utf8.RuneCountInString(p.text)
		if i == 0 {
			separator, width = "  ", width-1
		}
		if i == 0 && whole > r.layout.width || column+width > r.layout.width {
			separator, width, column = "\n  ", 2+utf8.RuneCountInString(p.text), 0
		}
		r.buf = append(r.buf, separator...)
		r.styled(p.style, p.text)
		column += width
	}
	r.newline()
}

type headerPart struct{ text, style string }

// headerParts returns what stands behind the id of a trace.
func headerParts(f *forest) []headerPart {
	var parts []headerPart
	add := func(text, style string) { parts = append(parts, headerPart{text, style}) }
	if !f.begin.IsZero() {
		add(f.begin.Format("15:04:05.000"), "")
	}
	add(string(appendDuration(nil, f.total)), "")
	add(count(f.spans, "span"), "")
	add(count(len(f.services), "service"), "")
	if f.errors > 0 {
		add(count(f.errors, "error"), styleError)
	}
	if f.partial {
		add("partial", "")
	}
	if f.dropped > 0 {
		add(count(f.dropped, "older span")+" dropped", "")
	}
	return parts
}

// ruler draws the titles of the columns and the scale of the bars.
func (r *renderer) ruler(f *forest) {
	r.begin(styleFaint)
	r.pad(markWidth)
	r.cell("service", r.layout.service)
	r.cell("span", r.layout.treeWidth())
	r.cell("kind", kindWidth)
	r.pad(r.layout.duration - len("duration"))
	r.buf = append(r.buf, "duration"...)
	r.pad(gap)

	r.buf = append(r.buf, '0')
	if f.total > 0 {
		used, bar := 1, r.layout.barWidth()
		half := string(appendDuration(nil, f.total/2))
		whole := string(appendDuration(nil, f.total))
		halfWidth, wholeWidth := utf8.RuneCountInString(half), utf8.RuneCountInString(whole)
		if at := (bar - halfWidth) / 2; at > used && at+halfWidth < bar-wholeWidth {
			r.pad(at - used)
			r.buf = append(r.buf, half...)
			used = at + halfWidth
		}
		r.pad(max(1, bar-wholeWidth-used))
		r.buf = append(r.buf, whole...)
	}
	r.end(styleFaint)
	r.newline()
}

// row draws a span and the description of its error, or a note.
func (r *renderer) row(f *forest, row *row) {
	if row.span == nil {
		r.note(row)
		return
	}
	d := row.span
	failed := isError(d)
	if row.depth < len(r.open) {
		r.open[row.depth] = !row.last
	}

	if failed {
		r.styled(styleError, errorMark)
	} else {
		r.pad(markWidth)
	}
	service := serviceOf(d)
	style := r.styles[service]
	r.begin(style)
	r.cell(serviceLabel(service), r.layout.service)
	r.end(style)

	prefix := r.prefix(row)
	nameStyle := ""
	if failed {
		nameStyle, style = styleError, styleError
	}
	r.begin(nameStyle)
	r.cell(d.Name, r.layout.treeWidth()-prefix)
	r.end(nameStyle)

	r.cell(kindLabel(d.Kind), kindWidth)
	var scratch [32]byte
	duration := appendSpanDuration(scratch[:0], d)
	r.pad(r.layout.duration - utf8.RuneCount(duration))
	r.buf = append(r.buf, duration...)

	if !d.StartTime.IsZero() {
		r.pad(gap)
		r.bar(f, d, style)
	}
	r.newline()
	if text := strings.TrimSpace(d.Status.Description); failed && text != "" {
		r.description(row, text)
	}
}

// errorMark stands before a span whose status is Error. It is as wide as markWidth says.
const errorMark = "× "

// note draws a line that says where the parent of the rows below it is.
func (r *renderer) note(row *row) {
	r.pad(r.layout.treeColumn())
	r.begin(styleFaint)
	r.buf = append(r.buf, '(')
	r.buf = append(r.buf, row.note...)
	if row.parentID.IsValid() {
		r.buf = append(r.buf, ' ')
		r.buf = appendSpanID(r.buf, row.parentID)
	}
	r.buf = append(r.buf, ')')
	r.end(styleFaint)
	r.newline()
}

// description draws the line below a failed span.
func (r *renderer) description(row *row, text string) {
	r.pad(r.layout.treeColumn())
	r.begin(styleFaint)
	used := r.lines(min(row.depth+1, len(r.open)))
	if row.isParent && row.depth+1 < len(r.open) {
		r.buf = append(r.buf, "│  "...)
	} else {
		r.pad(levelWidth)
	}
	r.end(styleFaint)
	used += r.layout.treeColumn() + levelWidth

	const label = "error: "
	r.begin(styleError)
	r.buf = append(r.buf, label...)
	r.buf, _ = appendText(r.buf, text, r.layout.width-used-len(label))
	r.end(styleError)
	r.newline()
}

// prefix draws the branch that leads to a span and returns its width.
func (r *renderer) prefix(row *row) int {
	if row.depth == 0 {
		return 0
	}
	levels := len(r.open) - 1
	r.begin(styleFaint)
	if row.depth > levels {
		r.lines(levels + 1)
		r.buf = append(r.buf, '+')
		r.buf = strconv.AppendInt(r.buf, int64(row.depth-levels), 10)
		r.buf = append(r.buf, ' ')
	} else {
		r.lines(row.depth)
		if row.last {
			r.buf = append(r.buf, "└─ "...)
		} else {
			r.buf = append(r.buf, "├─ "...)
		}
	}
	r.end(styleFaint)
	return prefixWidth(row.depth, levels)
}

// lines draws the branches that pass a row on their way down, those of the depths 1 to n-1, and
// returns their width. The top level has no branch.
func (r *renderer) lines(n int) int {
	for d := 1; d < n; d++ {
		if r.open[d] {
			r.buf = append(r.buf, "│  "...)
		} else {
			r.pad(levelWidth)
		}
	}
	return (n - 1) * levelWidth
}

// bar draws when a span ran, in steps of half a column. What has no length is drawn as an instant.
func (r *renderer) bar(f *forest, d *tracing.SpanData, style string) {
	width := r.layout.barWidth()
	start := halfColumn(f, d.StartTime, width)
	end := start
	if d.EndTime.After(d.StartTime) {
		start = min(start, 2*width-1)
		end = max(halfColumn(f, d.EndTime, width), start+1)
	}
	r.pad(min(start/2, width-1))
	r.begin(style)
	if start == end {
		r.buf = append(r.buf, "┃"...)
	}
	for c := start / 2; start < end && 2*c < end; c++ {
		switch left, right := 2*c >= start, 2*c+1 < end; {
		case left && right:
			r.buf = append(r.buf, "━"...)
		case left:
			r.buf = append(r.buf, "╸"...)
		default:
			r.buf = append(r.buf, "╺"...)
		}
	}
	r.end(style)
}

// halfColumn returns where t stands on the axis of f, in half columns from 0 to 2*width.
func halfColumn(f *forest, t time.Time, width int) int {
	if f.total <= 0 {
		return 0
	}
	share := float64(t.Round(0).Sub(f.begin)) / float64(f.total)
	return int(min(max(share, 0), 1)*float64(2*width) + 0.5)
}

// cell draws s, cut to width columns and filled up to them, and the gap to the next column.
func (r *renderer) cell(s string, width int) {
	var used int
	r.buf, used = appendText(r.buf, s, width)
	r.pad(width - used + gap)
}

func (r *renderer) pad(n int) {
	for range n {
		r.buf = append(r.buf, ' ')
	}
}

func (r *renderer) newline() { r.buf = append(r.buf, '\n') }

// begin starts a style, of which "" is none.
func (r *renderer) begin(style string) {
	if r.color && style != "" {
		r.buf = append(r.buf, "\x1b["...)
		r.buf = append(r.buf, style...)
		r.buf = append(r.buf, 'm')
	}
}

// end ends the style that begin started.
func (r *renderer) end(style string) {
	if r.color && style != "" {
		r.buf = append(r.buf, "\x1b[0m"...)
	}
}

func (r *renderer) styled(style, s string) {
	r.begin(style)
	r.buf = append(r.buf, s...)
	r.end(style)
}

// count returns n and a noun, such as "1 span" or "2 spans".
func count(n int, noun string) string {
	s := strconv.Itoa(n) + " " + noun
	if n != 1 {
		s += "s"
	}
	return s
}
