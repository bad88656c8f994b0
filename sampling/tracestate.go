// SPDX-License-Identifier: Apache-2.0

package sampling

import (
	"strings"

	"go.opentelemetry.io/otel/trace"
)

const (
	// otKey is the key of OpenTelemetry's own entry in a trace state.
	otKey = "ot"
	// maxEntryBytes bounds the value of that entry (specification, trace/tracestate-handling.md).
	maxEntryBytes = 256
	// randomBits is how many bits of a trace id are random (W3C Trace Context Level 2).
	randomBits = 56
	// hexDigits is how many digits those are.
	hexDigits = randomBits / 4
	// noThreshold is one more than any randomness: nothing reaches it.
	noThreshold = 1 << randomBits
)

// entry is OpenTelemetry's entry of a trace state, in the terms of the specification: a list of
// members key:value. Only th is ever changed; all others, known or not, are sent on as they came.
type entry struct {
	// value is the entry as it arrived, "" if there is none. An entry that breaks the grammar counts as
	// none, and is not sent on: nobody could say what it means.
	value string
	// malformed says that there was one that broke the grammar.
	malformed bool
	// from and to bound the member th in value, whether its value is valid or not; to is 0 without one.
	from, to int
	// threshold is the value of th, hasThreshold says whether there is a valid one.
	threshold    uint64
	hasThreshold bool
	// randomness is the value of rv, hasRandomness says whether there is a valid one.
	randomness    uint64
	hasRandomness bool
}

// parseEntry reads OpenTelemetry's entry of a trace state.
func parseEntry(state trace.TraceState) entry {
	if state.Len() == 0 {
		return entry{}
	}
	value := state.Get(otKey)
	if value == "" {
		return entry{}
	}
	e := entry{value: value}
	if len(value) > maxEntryBytes {
		return entry{malformed: true}
	}
	for at := 0; at <= len(value); {
		end := at + memberLen(value[at:])
		key, text, found := strings.Cut(value[at:end], ":")
		if !found || !validKey(key) || !validText(text) || hasKey(value[:at], key) {
			return entry{malformed: true}
		}
		switch key {
		case "th":
			e.from, e.to = at, end
			e.threshold, e.hasThreshold = parseHex(text)
		case "rv":
			if len(text) == hexDigits {
				e.randomness, e.hasRandomness = parseHex(text)
			}
		}
		at = end + 1
	}
	return e
}

// memberLen returns the length of the first member of a list.
func memberLen(list string) int {
	if n := strings.IndexByte(list, ';'); n >= 0 {
		return n
	}
	return len(list)
}

// hasKey reports whether a member of list has the key. Lists are short: no map is worth its memory.
func hasKey(list, key string) bool {
	for list != "" {
		n := memberLen(list)
		if strings.HasPrefix(list, key) && list[len(key)] == ':' {
			return true
		}
		list = list[min(n+1, len(list)):]
	}
	return false
}

func validKey(key string) bool {
	for i := range len(key) {
		if !isLower(key[i]) && (i == 0 || !isDigit(key[i])) {
			return false
		}
	}
	return key != ""
}

func validText(text string) bool {
	for i := range len(text) {
		c := text[i]
		if !isLower(c) && !isDigit(c) && (c < 'A' || c > 'Z') && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return true
}

func isLower(c byte) bool { return 'a' <= c && c <= 'z' }

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// parseHex reads 1 to 14 lower-case hexadecimal digits as the first of 14.
func parseHex(text string) (n uint64, ok bool) {
	if text == "" || len(text) > hexDigits {
		return 0, false
	}
	for i := range len(text) {
		c := text[i]
		switch {
		case isDigit(c):
			n = n<<4 | uint64(c-'0')
		case 'a' <= c && c <= 'f':
			n = n<<4 | uint64(c-'a'+10)
		default:
			return 0, false
		}
	}
	return n << (4 * (hexDigits - len(text))), true
}

// appendThreshold appends a threshold as th has it: 14 digits without the zeros at the end.
func appendThreshold(dst []byte, threshold uint64) []byte {
	if threshold == 0 {
		return append(dst, '0')
	}
	dst = appendRandomness(dst, threshold)
	for dst[len(dst)-1] == '0' {
		dst = dst[:len(dst)-1]
	}
	return dst
}

// appendRandomness appends 14 digits.
func appendRandomness(dst []byte, n uint64) []byte {
	const digits = "0123456789abcdef"
	for shift := randomBits - 4; shift >= 0; shift -= 4 {
		dst = append(dst, digits[n>>shift&15])
	}
	return dst
}

// tells reports whether the entry tells just this threshold already, none for noThreshold.
func (e *entry) tells(threshold uint64) bool {
	if threshold == noThreshold {
		return e.to == 0 && !e.malformed
	}
	return e.hasThreshold && e.threshold == threshold
}

// hasRoom reports whether rv fits beside what the entry has.
func (e *entry) hasRoom() bool { return len(e.value)+len(";rv:")+hexDigits <= maxEntryBytes }

// rewrite returns state with another threshold in OpenTelemetry's entry, none for noThreshold, and
// with the randomness rv if insert says so. A threshold with which the entry would exceed its limit is
// left out: one that is not told is unknown, which is true.
func (e *entry) rewrite(state trace.TraceState, threshold, rv uint64, insert bool) trace.TraceState {
	var buf [maxEntryBytes]byte
	var number [hexDigits]byte
	dst := appendMember(buf[:0], "", strings.TrimSuffix(e.value[:e.from], ";"))
	dst = appendMember(dst, "", strings.TrimPrefix(e.value[e.to:], ";"))
	if insert {
		dst = appendMember(dst, "rv:", appendRandomness(number[:0], rv))
	}
	if threshold < noThreshold {
		dst = appendMember(dst, "th:", appendThreshold(number[:0], threshold))
	}
	if len(dst) > 0 {
		if out, err := state.Insert(otKey, string(dst)); err == nil {
			return out
		}
	}
	return state.Delete(otKey)
}

// appendMember appends one member, or several that are none or a list already, if they fit.
func appendMember[T string | []byte](dst []byte, key string, value T) []byte {
	if len(value) == 0 {
		return dst
	}
	before := len(dst)
	if before > 0 {
		dst = append(dst, ';')
	}
	dst = append(append(dst, key...), value...)
	if len(dst) > maxEntryBytes {
		return dst[:before]
	}
	return dst
}
