// SPDX-License-Identifier: Apache-2.0

package console

import (
	"math"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
)

func TestAppendText(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		in      string
		columns int
		want    string
		width   int
	}{
		{name: "empty", columns: 1},
		{name: "fits exactly", in: "abc", columns: 3, want: "abc", width: 3},
		{name: "one too many", in: "abcd", columns: 3, want: "ab…", width: 3},
		{name: "one column", in: "abcd", columns: 1, want: "…", width: 1},
		{name: "wide fits exactly", in: "文字", columns: 4, want: "文字", width: 4},
		{name: "wide does not fit beside the ellipsis", in: "文字文", columns: 5, want: "文字…", width: 5},
		{name: "half of a wide character is left", in: "文字文", columns: 4, want: "文…", width: 3},
		{name: "escape is not split", in: "ab\x1bcd", columns: 5, want: "ab…", width: 3},
		{name: "escape fits", in: "ab\x1b", columns: 6, want: `ab\x1b`, width: 6},
		{name: "mark belongs to the letter before the cut", in: "ae\u0301bc", columns: 3, want: "ae\u0301…", width: 3},
		{name: "mark on the last letter", in: "abe\u0301", columns: 3, want: "abe\u0301", width: 3},
		{name: "mark at the beginning", in: "\u0301a", columns: 9, want: `\u0301a`, width: 7},
		{name: "mark after an escape", in: "\n\u0301", columns: 9, want: `\n\u0301`, width: 8},
		{name: "too many marks", in: "e" + strings.Repeat("\u0301", 6), columns: 20, want: "e\u0301\u0301\u0301\u0301" + `\u0301\u0301`, width: 13},
		{name: "hangul letters join", in: "\u1112\u1161\u11ab", columns: 2, want: "\u1112\u1161\u11ab", width: 2},
		{name: "emoji", in: "a🍜b", columns: 4, want: "a🍜b", width: 4},
		{name: "style selector", in: "❤\ufe0f", columns: 1, want: "❤", width: 1},
		{name: "beyond 16 bits", in: "\U000e0041", columns: 10, want: `\U000e0041`, width: 10},
		{name: "replacement character itself", in: "\ufffd", columns: 1, want: "\ufffd", width: 1},
		{name: "invalid byte", in: "\xff", columns: 4, want: `\xff`, width: 4},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, width := appendText([]byte("| "), tt.in, tt.columns)
			assert.Equal(t, "| "+tt.want, string(got))
			assert.Equal(t, tt.width, width)
			assert.Equal(t, tt.width, textWidth(tt.in, tt.columns))
		})
	}
}

func FuzzAppendText(f *testing.F) {
	f.Add("GET /items", 5)
	f.Add("文字\x1b[31m\u202e\xff", 9)
	f.Add("e\u0301\u0301\u0301\u0301\u0301\ufe0f", 3)
	f.Fuzz(func(t *testing.T, s string, columns int) {
		columns = 1 + int(uint(columns)%500)
		got, width := appendText(nil, s, columns)
		assert.LessOrEqual(t, width, columns)

		// An oracle without tables of widths: each rune that is no mark takes a column or two.
		letters := 0
		for _, r := range string(got) {
			assert.True(t, unicode.IsPrint(r), "%q in %q", r, got)
			if !isCombining(r) {
				letters++
			}
		}
		assert.LessOrEqual(t, letters, width)
		assert.LessOrEqual(t, width, 2*letters)
		assert.True(t, utf8.Valid(got))
		assert.LessOrEqual(t, utf8.RuneCount(got), (1+maxCombining)*columns)

		// Cutting is all that a smaller width changes.
		whole, wholeWidth := appendText(nil, s, 10*len(s)+1)
		if wholeWidth <= columns {
			assert.Equal(t, string(whole), string(got))
		} else {
			kept, cut := strings.CutSuffix(string(got), ellipsis)
			assert.True(t, cut)
			assert.True(t, strings.HasPrefix(string(whole), kept))
		}
	})
}

func TestAppendDuration(t *testing.T) {
	t.Parallel()
	tests := []struct {
		in   time.Duration
		want string
	}{
		{0, "0ns"},
		{999, "999ns"},
		{1000, "1.0µs"},
		{999_949, "999.9µs"},
		{999_950, "1.0ms"},
		{142_310_000, "142.3ms"},
		{999_949_999, "999.9ms"},
		{999_950_000, "1.00s"},
		{12_344_000_000, "12.34s"},
		{59_994_999_999, "59.99s"},
		{59_995_000_000, "1m00s"},
		{3*time.Minute + 7*time.Second, "3m07s"},
		{time.Hour - time.Millisecond, "1h00m00s"},
		{49*time.Hour + 5*time.Minute + 9*time.Second, "49h05m09s"},
		{-2_500_000, "-2.5ms"},
		{math.MaxInt64, "2562047h47m16s"},
		{math.MinInt64, "-2562047h47m16s"},
	}
	for _, tt := range tests {
		assert.Equal(t, tt.want, string(appendDuration(nil, tt.in)), "%d", tt.in)
	}
}
