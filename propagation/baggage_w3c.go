// SPDX-License-Identifier: Apache-2.0

package propagation

import (
	"net/url"
	"strings"
	"unicode/utf8"

	"go.opentelemetry.io/otel/baggage"
)

// W3C Baggage, section "Header Content":
//
//	baggage: key = value ; property ; property = value , key = value
//
// Keys are tokens. Values are percent-encoded UTF-8. Space and tabs around each part mean nothing.

// ows is optional white space (RFC 9110, section 5.6.3).
const ows = " \t"

// readW3C reads the baggage headers.
func (r *baggageReader) readW3C() {
	lists := r.values(&baggageHeader)
	if len(lists) == 0 {
		r.readBaggageList(r.get(&baggageHeader))
	}
	for _, list := range lists {
		r.readBaggageList(list)
	}
}

// readBaggageList reads the members of one header up to the limits. Empty ones are none: RFC 9110,
// section 5.6.1, has every list read so.
func (r *baggageReader) readBaggageList(list string) {
	if list == "" {
		return
	}
	if len(list) > r.left && r.left > 0 {
		list = strings.Clone(list[:r.left]) // which tells all that there is more, and does not keep that
	} else {
		list = r.keep(list)
	}
	for more := true; more; {
		if r.left <= 0 {
			r.over = true
			return
		}
		end := strings.IndexByte(list[:min(len(list), r.left)], ',')
		if end < 0 && len(list) >= r.left {
			r.over = true // and what is left of it may be the beginning of a member
			return
		}
		var member string
		if more = end >= 0; more {
			member, list = list[:end], list[end+1:]
		} else {
			member = list
		}
		if strings.Trim(member, ows) == "" {
			r.left -= len(member) + 1
			continue
		}
		if r.full() {
			return
		}
		r.readMember(member)
	}
}

// readMember reads key=value;properties. What one of them has wrong makes all of it malformed, as in
// OpenTelemetry, whose parser reads the properties: later versions keep them as they are written.
func (r *baggageReader) readMember(member string) {
	item, _, hasProperties := strings.Cut(member, ";")
	key, value, ok := parseBaggageItem(item)
	if !ok {
		r.skip(len(member))
		return
	}
	if !hasProperties {
		if m, err := baggage.NewMemberRaw(key, value); err == nil {
			r.add(m, len(member)+1)
		}
		return
	}
	bag, err := baggage.Parse(member)
	if err != nil {
		r.skip(len(member))
		return
	}
	r.add(bag.Member(key), len(member)+1)
}

// skip leaves out a malformed member.
func (r *baggageReader) skip(length int) {
	r.malformed++
	r.left -= length + 1
}

// parseBaggageItem reads key = value.
func parseBaggageItem(s string) (key, value string, ok bool) {
	key, value, ok = strings.Cut(s, "=")
	key, value = strings.Trim(key, ows), strings.Trim(value, ows)
	if !ok || !isToken(key) {
		return "", "", false
	}
	for i := range len(value) {
		if !isBaggageOctet(value[i]) {
			return "", "", false
		}
	}
	value, err := url.PathUnescape(value)
	return key, validUTF8(value), err == nil
}

// validUTF8 replaces each byte that is no UTF-8 with U+FFFD, as section "value" of W3C Baggage asks.
func validUTF8(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return string([]rune(s))
}

// isBaggageOctet reports whether c may stand in a value: section "Definition".
func isBaggageOctet(c byte) bool {
	return c > ' ' && c < 0x7f && c != '"' && c != ',' && c != ';' && c != '\\'
}
