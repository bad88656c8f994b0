// SPDX-License-Identifier: Apache-2.0

package console

import (
	"strconv"
	"unicode"
	"unicode/utf8"
)

// ellipsis stands for what was cut off. It takes one column.
const ellipsis = "…"

// maxCombining is how many combining marks may follow one rune. No written language needs more on
// one letter; without a bound a name from the network could paint over the lines above it, and
// would be of any length without ever being wide enough to be cut.
const maxCombining = 4

// appendText appends s, made harmless and cut to at most columns columns, of which there is at least
// one, and returns how many it takes. What was cut is replaced by an ellipsis.
//
// Names, values and descriptions come from the network, so nothing but printable characters reaches
// the terminal: control characters (escape sequences begin with one), invisible format characters
// (some reverse the order of the text after them), bytes that are not UTF-8 and all blanks but the
// ASCII space are written as Go would quote them.
func appendText(dst []byte, s string, columns int) ([]byte, int) {
	used, marks := 0, maxCombining // so that a mark cannot begin the text and join what stands before it
	fit, fitUsed := len(dst), 0    // where to cut so that the ellipsis still fits
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		start, width := len(dst), 0
		switch {
		case r == utf8.RuneError && size == 1:
			dst = append(dst, '\\', 'x', hexDigits[s[i]>>4], hexDigits[s[i]&0xf])
			width, marks = 4, maxCombining
		case r == textStyle || r == emojiStyle:
			// It only asks for the other of two styles, which differ in width: every character keeps
			// the style, and so the width, that it has by itself.
		case !unicode.IsPrint(r), isCombining(r) && marks >= maxCombining:
			dst = appendEscaped(dst, r)
			width, marks = len(dst)-start, maxCombining
		case isCombining(r):
			dst = utf8.AppendRune(dst, r)
			marks++
		default:
			dst = utf8.AppendRune(dst, r)
			width, marks = runeWidth(r), 0
		}
		i += size
		if used+width > columns {
			return append(dst[:fit], ellipsis...), fitUsed + 1
		}
		used += width
		if used < columns {
			fit, fitUsed = len(dst), used
		}
	}
	return dst, used
}

// textWidth returns how many columns appendText needs for s, but no more than columns.
func textWidth(s string, columns int) int {
	var scratch [128]byte
	_, used := appendText(scratch[:0], s, columns)
	return used
}

const hexDigits = "0123456789abcdef"

// The variation selectors that choose between the two styles of a character.
const (
	textStyle  = '\ufe0e'
	emojiStyle = '\ufe0f'
)

// appendEscaped appends r as it stands in a Go string, such as \n, \x1b or \u202e.
func appendEscaped(dst []byte, r rune) []byte {
	var quoted [16]byte
	q := strconv.AppendQuoteRuneToASCII(quoted[:0], r)
	return append(dst, q[1:len(q)-1]...)
}
