// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"encoding/base64"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.opentelemetry.io/otel/attribute"
)

// replacement is U+FFFD, which stands for each byte that is not part of valid UTF-8.
const replacement = "\ufffd"

const hexDigits = "0123456789abcdef"

// AppendJSONString appends s as a JSON string (RFC 8259, section 7). It escapes what must be escaped
// and no more: quotation mark, reverse solidus and the control characters below U+0020. Each invalid
// byte of UTF-8 becomes U+FFFD.
func AppendJSONString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0 // s[start:i] needs no escape and is not yet written
	for i := plainPrefix(s); i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if c >= ' ' && c != '"' && c != '\\' {
				i++
				continue
			}
			dst = append(dst, s[start:i]...)
			dst = appendEscape(dst, c)
			i++
			start = i
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 {
			dst = append(dst, s[start:i]...)
			dst = append(dst, replacement...)
			start = i + 1
		}
		i += size
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}

// plainPrefix returns how many bytes at the start of s, a multiple of eight, are ASCII that needs no
// escape. Most keys and values of a span are nothing else; BenchmarkAppendJSONString shows the gain.
func plainPrefix(s string) int {
	const (
		ones = 0x0101010101010101 // times a byte: that byte in all eight places
		high = 0x80 * ones
	)
	i := 0
	for ; i+8 <= len(s); i += 8 {
		// The compiler makes one load of this.
		u := uint64(s[i]) | uint64(s[i+1])<<8 | uint64(s[i+2])<<16 | uint64(s[i+3])<<24 |
			uint64(s[i+4])<<32 | uint64(s[i+5])<<40 | uint64(s[i+6])<<48 | uint64(s[i+7])<<56
		// The high bit is set in a byte that is not ASCII, is below ' ', or is one of the two that need
		// an escape. Only such a byte borrows from the one above it, so the lowest is always seen.
		quote, solidus := u^'"'*ones, u^'\\'*ones
		if (u|(u-' '*ones)|(quote-ones)|(solidus-ones))&high != 0 {
			break
		}
	}
	return i
}

// appendEscape appends the escape sequence of a quotation mark, a reverse solidus or a control
// character.
func appendEscape(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\b':
		return append(dst, '\\', 'b')
	case '\f':
		return append(dst, '\\', 'f')
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	default:
		return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&0xf])
	}
}

// QuoteJSON replaces dst[start:], JSON text as the functions of this package write it, by a JSON string
// that holds it. Such text has no control characters and is valid UTF-8, so only quotation marks and
// reverse solidi need an escape.
func QuoteJSON(dst []byte, start int) []byte {
	end := len(dst)
	dst = append(dst, '"')
	from := start // dst[from:i] needs no escape and is not yet written
	for i := start; i < end; i++ {
		if c := dst[i]; c == '"' || c == '\\' {
			dst = append(dst, dst[from:i]...)
			dst = append(dst, '\\')
			from = i
		}
	}
	dst = append(dst, dst[from:end]...)
	dst = append(dst, '"')
	n := copy(dst[start:], dst[end:])
	return dst[:start+n]
}

// AppendJSONValue appends v as JSON, by OpenTelemetry's rules for protocols without a type of their
// own for each value (common/README.md, "AnyValue representation for non-OTLP protocols"):
//
//   - booleans, numbers, strings, slices and maps are what they are in JSON; a map is an object as
//     [AppendJSONObject] writes it;
//   - NaN and the infinities are the strings "NaN", "Infinity" and "-Infinity";
//   - bytes are a string in base64 (RFC 4648, section 4);
//   - the empty value is null.
func AppendJSONValue(dst []byte, v attribute.Value) []byte {
	switch v.Type() {
	case attribute.EMPTY:
		return append(dst, "null"...)
	case attribute.BOOL:
		return strconv.AppendBool(dst, v.AsBool())
	case attribute.INT64:
		return strconv.AppendInt(dst, v.AsInt64(), 10)
	case attribute.FLOAT64:
		return appendFloat(dst, v.AsFloat64())
	case attribute.STRING:
		return AppendJSONString(dst, v.AsString())
	case attribute.BYTESLICE:
		dst = append(dst, '"')
		dst = base64.StdEncoding.AppendEncode(dst, v.AsByteSlice())
		return append(dst, '"')
	case attribute.BOOLSLICE:
		return appendArray(dst, v.AsBoolSlice(), strconv.AppendBool)
	case attribute.INT64SLICE:
		return appendArray(dst, v.AsInt64Slice(), appendInt)
	case attribute.FLOAT64SLICE:
		return appendArray(dst, v.AsFloat64Slice(), appendFloat)
	case attribute.STRINGSLICE:
		return appendArray(dst, v.AsStringSlice(), AppendJSONString)
	case attribute.SLICE:
		return appendArray(dst, v.AsSlice(), AppendJSONValue)
	case attribute.MAP:
		return AppendJSONObject(dst, v.AsMap())
	default:
		return AppendJSONString(dst, v.String())
	}
}

// AppendJSONText appends a JSON string that holds v as text: what v.String() returns, for backends
// that know no other type than strings. It differs from [AppendJSONValue] in that a scalar is its text
// in quotation marks, a slice or map is its JSON in quotation marks, and the empty value is "".
func AppendJSONText(dst []byte, v attribute.Value) []byte {
	switch v.Type() {
	case attribute.EMPTY:
		return append(dst, `""`...)
	case attribute.STRING:
		return AppendJSONString(dst, v.AsString())
	case attribute.BOOL:
		dst = append(dst, '"')
		dst = strconv.AppendBool(dst, v.AsBool())
		return append(dst, '"')
	case attribute.INT64:
		dst = append(dst, '"')
		dst = strconv.AppendInt(dst, v.AsInt64(), 10)
		return append(dst, '"')
	default:
		start := len(dst)
		dst = AppendJSONValue(dst, v)
		if dst[start] == '"' { // bytes, NaN and the infinities are strings already
			return dst
		}
		return QuoteJSON(dst, start)
	}
}

// AppendJSONObject appends attrs and then more as one JSON object, in their order. No member name
// appears twice: of several attributes with one key the last one is written. Keys that differ only in
// bytes which are not valid UTF-8 become one member name and count as one key.
func AppendJSONObject(dst []byte, attrs []attribute.KeyValue, more ...attribute.KeyValue) []byte {
	start := len(dst)
	for i, kv := range attrs {
		if !Shadowed(kv.Key, attrs[i+1:]) && !Shadowed(kv.Key, more) {
			dst = appendMember(dst, kv)
		}
	}
	for i, kv := range more {
		if !Shadowed(kv.Key, more[i+1:]) {
			dst = appendMember(dst, kv)
		}
	}
	if len(dst) == start {
		return append(dst, "{}"...)
	}
	dst[start] = '{' // in place of the first member's comma
	return append(dst, '}')
}

func appendMember(dst []byte, kv attribute.KeyValue) []byte {
	dst = append(dst, ',')
	dst = AppendJSONString(dst, string(kv.Key))
	dst = append(dst, ':')
	return AppendJSONValue(dst, kv.Value)
}

// Shadowed reports whether one of attrs has a key that [AppendJSONString] writes as it writes key.
func Shadowed(key attribute.Key, attrs []attribute.KeyValue) bool {
	if len(attrs) == 0 {
		return false
	}
	ambiguous := Ambiguous(key)
	for i := range attrs {
		other := attrs[i].Key
		if other == key || ambiguous && replaceInvalid(other) == replaceInvalid(key) {
			return true
		}
	}
	return false
}

// Ambiguous reports whether [AppendJSONString] may write another key as it writes this one: whether
// U+FFFD stands in its output.
func Ambiguous(key attribute.Key) bool {
	ascii := true
	for i := 0; ascii && i < len(key); i++ {
		ascii = key[i] < utf8.RuneSelf
	}
	return !ascii && (!utf8.ValidString(string(key)) || strings.Contains(string(key), replacement))
}

// replaceInvalid returns s with each invalid byte replaced, as [AppendJSONString] does it.
// strings.ToValidUTF8 would replace a run of them by one U+FFFD.
func replaceInvalid(s attribute.Key) string {
	if utf8.ValidString(string(s)) {
		return string(s)
	}
	return string([]rune(string(s)))
}

func appendArray[T any](dst []byte, values []T, appendValue func([]byte, T) []byte) []byte {
	dst = append(dst, '[')
	for i, v := range values {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendValue(dst, v)
	}
	return append(dst, ']')
}

func appendInt(dst []byte, v int64) []byte { return strconv.AppendInt(dst, v, 10) }

// appendFloat appends the shortest number that reads back as v.
func appendFloat(dst []byte, v float64) []byte {
	switch {
	case math.IsNaN(v):
		return append(dst, `"NaN"`...)
	case math.IsInf(v, 1):
		return append(dst, `"Infinity"`...)
	case math.IsInf(v, -1):
		return append(dst, `"-Infinity"`...)
	default:
		return strconv.AppendFloat(dst, v, 'g', -1, 64)
	}
}
