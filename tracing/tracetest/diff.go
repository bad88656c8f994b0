// SPDX-License-Identifier: Apache-2.0

package tracetest

import "strings"

// diffCells bounds the table that diff fills: 2,000 lines against 2,000.
const diffCells = 4 << 20

// diff shows two texts line by line: "-" before what is only wanted, "+" before what is only there.
func diff(want, got string) string {
	a, b := splitLines(want), splitLines(got)
	var out strings.Builder
	line := func(mark, text string) { out.WriteString(strings.TrimRight(mark+text, " ") + "\n") }
	for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
		line("  ", a[0])
		a, b = a[1:], b[1:]
	}
	var tail []string
	for len(a) > 0 && len(b) > 0 && a[len(a)-1] == b[len(b)-1] {
		tail = append(tail, a[len(a)-1])
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	if len(a)*len(b) > diffCells {
		for _, s := range a {
			line("- ", s)
		}
		for _, s := range b {
			line("+ ", s)
		}
		a, b = nil, nil
	}
	common := commonLengths(a, b)
	for i, j := 0, 0; i < len(a) || j < len(b); {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			line("  ", a[i])
			i++
			j++
		case j == len(b) || i < len(a) && common[i+1][j] >= common[i][j+1]:
			line("- ", a[i])
			i++
		default:
			line("+ ", b[j])
			j++
		}
	}
	for i := len(tail) - 1; i >= 0; i-- {
		line("  ", tail[i])
	}
	return out.String()
}

// splitLines returns the lines of a text, none for an empty one.
func splitLines(text string) []string {
	text = strings.TrimRight(text, "\n")
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}

// commonLengths returns, for all i and j, how many lines a[i:] and b[j:] have in common, in order.
func commonLengths(a, b []string) [][]int {
	n := make([][]int, len(a)+1)
	for i := range n {
		n[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				n[i][j] = n[i+1][j+1] + 1
			} else {
				n[i][j] = max(n[i+1][j], n[i][j+1])
			}
		}
	}
	return n
}
