// SPDX-License-Identifier: Apache-2.0

package compliance_test

import (
	"fmt"
	"slices"
	"strings"
)

// Where the specification stands.
const (
	specBlob     = "https://github.com/open-telemetry/opentelemetry-specification/blob/v" + specVersion + "/"
	specTree     = specBlob + "specification/"
	matrixSource = "[compliance matrix](" + specBlob + "spec-compliance-matrix.md)"
)

// state is what became of a row.
type state string

const (
	shown    state = "yes"
	notYet   state = "not yet"
	deviates state = "differs"
	notForUs state = "n/a"
	unclear  state = ""
)

// state returns the row's state, unclear where none of its fields says it, or more than one.
func (r *row) state() state {
	states := []state{}
	for s, is := range map[state]bool{
		shown: len(r.tests) > 0, notYet: r.later != "", deviates: r.differs != "", notForUs: r.none != "",
	} {
		if is {
			states = append(states, s)
		}
	}
	if len(states) != 1 {
		return unclear
	}
	return states[0]
}

// reason returns what the last column says.
func (r *row) reason() string { return r.later + r.differs + r.none + r.remark }

// document writes the page. places says in which file of the repository a test stands.
func document(places map[string]string) string {
	var b strings.Builder
	b.WriteString("<!-- Written by: go test ./internal/compliance -update -->\n\n# OpenTelemetry compliance\n\n")
	fmt.Fprintf(&b, "What the OpenTelemetry specification, version %s, asks of a tracing SDK, and the test that shows each row.\n"+
		"The rows stand in `internal/compliance`; its test fails where a row has neither a test nor a reason, where\n"+
		"a test `%s...` belongs to no row, and where this page is not what the rows say.\n\n", specVersion, testPrefix)
	b.WriteString("| Section | rows | yes | differs | not yet | n/a |\n|---|--:|--:|--:|--:|--:|\n")
	total := map[state]int{}
	rows := 0
	for i := range sections {
		count := map[state]int{}
		for j := range sections[i].rows {
			s := sections[i].rows[j].state()
			count[s]++
			total[s]++
		}
		rows += len(sections[i].rows)
		writeCounts(&b, fmt.Sprintf("[%s](#%s)", sections[i].name, anchor(sections[i].name)), len(sections[i].rows), count)
	}
	writeCounts(&b, "**all**", rows, total)
	b.WriteString("\n`yes`: the linked tests show it. `differs`: spandrel does something else, on purpose. `not yet`: it comes with a\n" +
		"later part of spandrel. `n/a`: it asks nothing of a Go library, or is about what spandrel does not offer. The\n" +
		"column \"Go SDK\" is what the specification's matrix says of OpenTelemetry's own; it lags behind that SDK's code.\n")
	for i := range sections {
		writeSection(&b, &sections[i], places)
	}
	return b.String()
}

func writeCounts(b *strings.Builder, name string, rows int, count map[state]int) {
	fmt.Fprintf(b, "| %s | %d |", name, rows)
	for _, s := range []state{shown, deviates, notYet, notForUs} {
		fmt.Fprintf(b, " %d |", count[s])
	}
	b.WriteByte('\n')
}

func writeSection(b *strings.Builder, s *section, places map[string]string) {
	fmt.Fprintf(b, "\n## %s\n\nSource: %s.\n\n", s.name, s.source)
	grouped := slices.ContainsFunc(s.rows, func(r row) bool { return r.group != "" })
	head := []string{"Feature", "", "State", "Tests", "Remarks"}
	if s.matrix {
		head = slices.Insert(head, 2, "Go SDK")
	}
	writeLine(b, head...)
	b.WriteString("|" + strings.Repeat("---|", len(head)) + "\n")
	group := ""
	for i := range s.rows {
		r := &s.rows[i]
		if grouped && r.group != group {
			group = r.group
			writeLine(b, append([]string{"**" + group + "**"}, make([]string, len(head)-1)...)...)
		}
		required := "required"
		if r.optional {
			required = "optional"
		}
		links := make([]string, len(r.tests))
		for j, name := range r.tests {
			links[j] = fmt.Sprintf("[%s](../%s)", title(name), places[name])
		}
		cells := []string{r.feature, required, string(r.state()), strings.Join(links, ", "), r.reason()}
		if s.matrix {
			cells = slices.Insert(cells, 2, r.upstream)
		}
		writeLine(b, cells...)
	}
}

func writeLine(b *strings.Builder, cells ...string) {
	b.WriteByte('|')
	for _, c := range cells {
		b.WriteString(" " + c)
		if c != "" {
			b.WriteByte(' ')
		}
		b.WriteByte('|')
	}
	b.WriteByte('\n')
}

// anchor returns the anchor that a heading has on the page.
func anchor(heading string) string {
	return strings.ReplaceAll(strings.ToLower(heading), " ", "-")
}

// title returns what a link to a test says: what it shows, without the words of the code.
func title(test string) string {
	name := strings.TrimPrefix(test, testPrefix)
	if strings.HasPrefix(name, "OTEL_") {
		return "`" + name + "`"
	}
	return strings.ReplaceAll(name, "_", " ")
}
