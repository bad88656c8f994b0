// SPDX-License-Identifier: Apache-2.0

package propagation

import (
	"strings"

	otelprop "go.opentelemetry.io/otel/propagation"
)

// MetadataCarrier is a carrier for gRPC's metadata, whose names are in lower case and have a list of
// values each. It is converted from what gRPC has, without a copy, and reads and writes that:
//
//	md, _ := metadata.FromIncomingContext(ctx)
//	ctx = p.Extract(ctx, propagation.MetadataCarrier(md))
//
//	md, ok := metadata.FromOutgoingContext(ctx) // a copy
//	if !ok {
//		md = metadata.MD{}
//	}
//	p.Inject(ctx, propagation.MetadataCarrier(md))
//	ctx = metadata.NewOutgoingContext(ctx, md)
//
// gRPC fails a call that has characters in its metadata that are not printable ASCII. Neither Set nor
// Inject writes such a value: what was there under the name is removed, so that a call loses an odd
// x-request-id and goes on.
//
// As with any map, a nil one can be read, and Set panics on it; [Propagator.Inject] leaves it alone. It is
// not safe for concurrent use.
type MetadataCarrier map[string][]string

var (
	_ otelprop.TextMapCarrier = MetadataCarrier(nil)
	_ otelprop.ValuesGetter   = MetadataCarrier(nil)
)

// Get returns the first value of key, in any letter case, or "".
func (c MetadataCarrier) Get(key string) string {
	if v := c[strings.ToLower(key)]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// Values returns all values of key, in any letter case. They belong to the metadata.
func (c MetadataCarrier) Values(key string) []string { return c[strings.ToLower(key)] }

// Set replaces all values of key by value, or by none where gRPC would refuse it.
func (c MetadataCarrier) Set(key, value string) {
	key = strings.ToLower(key)
	if !isMetadata(value) {
		delete(c, key)
		return
	}
	c[key] = []string{value}
}

// Delete removes all values of key.
func (c MetadataCarrier) Delete(key string) { delete(c, strings.ToLower(key)) }

// Keys returns the names, in no order.
func (c MetadataCarrier) Keys() []string {
	keys := make([]string, 0, len(c))
	for key := range c {
		keys = append(keys, key)
	}
	return keys
}

// isMetadata reports whether gRPC sends value: ASCII-Value in "gRPC over HTTP2".
func isMetadata(value string) bool { return isPrintable(value) }
