// SPDX-License-Identifier: Apache-2.0

package propagation

import (
	"maps"
	"net/url"
	"strings"

	"go.opentelemetry.io/otel/baggage"
)

// Jaeger's client libraries and OpenTracing's basic tracers have a header for each member of baggage:
//
//	uberctx-<key>: <value>
//	ot-baggage-<key>: <value>
//
// Kong encodes both values like those of URLs, and reads them so.

// readPrefixed reads the headers of one of the two. Where there are too many it depends on the carrier,
// a map mostly, which are read.
func (r *baggageReader) readPrefixed(f baggageFormat) {
	prefix := baggagePrefixes[f]
	if r.header != nil {
		for name, values := range r.header {
			if key, ok := cutPrefixFold(name, prefix); ok && len(values) > 0 && !r.readHeader(f, key, values[0]) {
				return
			}
		}
		return
	}
	for _, name := range r.carrier.Keys() {
		if key, ok := cutPrefixFold(name, prefix); ok && !r.readHeader(f, key, r.carrier.Get(name)) {
			return
		}
	}
}

// readHeader reads the value of one header and reports whether there may be more.
func (r *baggageReader) readHeader(f baggageFormat, key, value string) (more bool) {
	length := len(baggagePrefixes[f]) + len(key) + len(value)
	switch {
	case r.full():
		return false
	case length > r.left:
		r.over = true
	case !isToken(key):
		r.malformed++
		r.left -= length
	default:
		r.addPrefixed(f, r.keep(key), r.keep(value), length)
	}
	return true
}

// readJaegerBaggage reads jaeger-baggage: k1=v1,k2=v2.
func (r *baggageReader) readJaegerBaggage() {
	list := r.get(&jaegerBaggageHeader)
	if len(list) > r.left {
		list, r.over = "", true
	}
	list = r.keep(list)
	for list != "" {
		var item string
		item, list, _ = strings.Cut(list, ",")
		key, value, ok := strings.Cut(item, "=")
		key = strings.Trim(key, ows)
		switch {
		case strings.Trim(item, ows) == "":
			r.left -= len(item) + 1
		case r.full():
			return
		case !ok || !isToken(key):
			r.skip(len(item))
		default:
			r.addPrefixed(baggageJaeger, key, strings.Trim(value, ows), len(item)+1)
		}
	}
}

// addPrefixed adds a member whose key is a token.
func (r *baggageReader) addPrefixed(f baggageFormat, key, value string, read int) {
	if m, err := baggage.NewMemberRaw(strings.ToLower(key), unescapePrefixed(f, value)); err == nil {
		r.add(m, read)
	}
}

// unescapePrefixed decodes a value. Jaeger's Go client writes a space as +; of OT the one official library
// for Go writes values as they are, and + is a plus there.
func unescapePrefixed(f baggageFormat, value string) string {
	unescape := url.PathUnescape
	if f == baggageJaeger {
		unescape = url.QueryUnescape
	}
	if v, err := unescape(value); err == nil {
		value = v
	}
	return validUTF8(value)
}

// escapePrefixed encodes a value so that readers of either kind understand it: a space is no +.
func escapePrefixed(value string) string {
	return strings.ReplaceAll(url.QueryEscape(value), "+", "%20")
}

// isMetadataName reports whether gRPC sends a header of this name, a token in lower case: Header-Name in
// "gRPC over HTTP2". A call with another one fails.
func isMetadataName(name string) bool {
	return !strings.ContainsAny(name, "!#$%&'*+^`|~")
}

// cutPrefixFold is strings.CutPrefix for a prefix in lower case and names in any.
func cutPrefixFold(name, prefix string) (rest string, ok bool) {
	if len(name) < len(prefix) || !strings.EqualFold(name[:len(prefix)], prefix) {
		return "", false
	}
	return name[len(prefix):], true
}

// removePrefixed removes all headers with a prefix, where the carrier can.
func removePrefixed(dst *target, prefix string) {
	if dst.header != nil {
		maps.DeleteFunc(dst.header, func(name string, _ []string) bool {
			_, ok := cutPrefixFold(name, prefix)
			return ok
		})
		return
	}
	d, ok := dst.carrier.(deleter)
	if !ok {
		return
	}
	for _, name := range dst.carrier.Keys() {
		if _, ok := cutPrefixFold(name, prefix); ok {
			d.Delete(name)
		}
	}
}
