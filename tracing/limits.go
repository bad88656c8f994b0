// SPDX-License-Identifier: Apache-2.0

package tracing

import (
	"fmt"
	"strings"

	"go.opentelemetry.io/otel/attribute"
)

// SpanLimits bounds what one span may hold. In each field 0 means the default and a negative number
// means no limit. What a count refuses is counted on the span ([SpanData.DroppedAttributes] and its
// neighbours), and the provider logs it once; what is cut is not counted. The environment can change
// the defaults, also to "none at all". [WithSpanLimits] sets them, [Provider.SetSpanLimits] replaces
// them while the program runs. Source: OpenTelemetry specification, trace/sdk.md, "Span
// Limits", and common/README.md, "Attribute Limits".
type SpanLimits struct {
	// Attributes, Events and Links bound the number of each on one span. The attributes that come
	// first stay, and of events and links those that come last. Default 128.
	Attributes, Events, Links int
	// AttributesPerEvent and AttributesPerLink bound the attributes of one event, of one link.
	// Default 128.
	AttributesPerEvent, AttributesPerLink int
	// AttributeValueLength bounds the length of a string, in characters (code points; each byte that
	// is not UTF-8 is one), and of a byte slice, in bytes; longer ones are cut. It holds for each
	// string and byte slice inside a slice or a map, at any depth, but not for keys. Default: no
	// limit.
	AttributeValueLength int
	// AttributeValueDepth bounds how deep slices and maps may stand in each other: a value is at
	// depth 1 and its elements at 2. A slice, of whatever type, or map that is deeper becomes an empty
	// value. It holds for the attributes of scopes too. Exporters walk values by recursion: do not
	// lift the limit where the depth comes from a program's input. Default 64.
	AttributeValueDepth int
}

const (
	defaultCountLimit = 128
	defaultDepthLimit = 64
	unlimited         = int(^uint(0) >> 1)
)

// over replaces 0 by what base has and negative numbers by the largest int. In what it returns, as in
// base, 0 means none.
func (l SpanLimits) over(base *SpanLimits) SpanLimits {
	for _, f := range []struct {
		n    *int
		base int
	}{
		{&l.Attributes, base.Attributes},
		{&l.Events, base.Events},
		{&l.Links, base.Links},
		{&l.AttributesPerEvent, base.AttributesPerEvent},
		{&l.AttributesPerLink, base.AttributesPerLink},
		{&l.AttributeValueLength, base.AttributeValueLength},
		{&l.AttributeValueDepth, base.AttributeValueDepth},
	} {
		switch {
		case *f.n == 0:
			*f.n = f.base
		case *f.n < 0:
			*f.n = unlimited
		}
	}
	return l
}

// public undoes over, but that a default stands where 0 was: what has no limit is -1.
func (l SpanLimits) public() SpanLimits {
	for _, n := range []*int{
		&l.Attributes, &l.Events, &l.Links, &l.AttributesPerEvent, &l.AttributesPerLink,
		&l.AttributeValueLength, &l.AttributeValueDepth,
	} {
		if *n == unlimited {
			*n = -1
		}
	}
	return l
}

// defaultLimits are the specification's.
func defaultLimits() SpanLimits {
	return SpanLimits{
		Attributes:           defaultCountLimit,
		Events:               defaultCountLimit,
		Links:                defaultCountLimit,
		AttributesPerEvent:   defaultCountLimit,
		AttributesPerLink:    defaultCountLimit,
		AttributeValueLength: unlimited,
		AttributeValueDepth:  defaultDepthLimit,
	}
}

// setAttribute stores kv in attrs: the last value of a key wins and keeps the key's place. It
// returns the extended slice, by how many bytes the span grew, and false if the limit, a number of
// attributes, refused kv.
func (l *SpanLimits) setAttribute(attrs []attribute.KeyValue, kv *attribute.KeyValue, limit int) ([]attribute.KeyValue, int, bool) {
	if kv.Key == "" {
		return attrs, 0, false
	}
	for i := range attrs {
		if attrs[i].Key == kv.Key {
			before := attributeSize(&attrs[i])
			attrs[i].Value = kv.Value
			return attrs, l.fit(&attrs[i]) - before, true
		}
	}
	if len(attrs) >= limit {
		return attrs, 0, false
	}
	attrs = append(attrs, *kv)
	return attrs, l.fit(&attrs[len(attrs)-1]), true
}

// distinct says whether all keys are valid and no key stands twice. It looks at few attributes only:
// the answer for many is no.
func distinct(kvs []attribute.KeyValue) bool {
	if len(kvs) > 16 {
		return false
	}
	for i := range kvs {
		key := kvs[i].Key
		if key == "" {
			return false
		}
		for j := range kvs[:i] {
			if kvs[j].Key == key {
				return false
			}
		}
	}
	return true
}

// fit makes the value of kv keep the limits and returns the attribute's size (see attributeSize).
// Simple values, which are nearly all, it leaves as they are at the cost of a look.
func (l *SpanLimits) fit(kv *attribute.KeyValue) int {
	switch kv.Value.Type() {
	case attribute.EMPTY, attribute.BOOL, attribute.INT64, attribute.FLOAT64:
		return len(kv.Key)
	case attribute.STRING:
		if n := len(kv.Value.AsString()); n <= l.AttributeValueLength { // bytes, so characters too
			return len(kv.Key) + n
		}
	}
	v, size, changed := l.fitValue(kv.Value, 1)
	if changed {
		kv.Value = v
	}
	return len(kv.Key) + size
}

// valueBytes is the size of one attribute.Value (64-bit machines).
const valueBytes = 48

// fitValue returns what the limits leave of a value at the given depth, the bytes that it keeps alive
// outside its own struct, and whether it differs from v. In maps the last value of a key wins.
//
// Package attribute gives slices and maps out as copies only: each of them costs one or two
// allocations here. Byte slices do not; the compiler removes the copy.
func (l *SpanLimits) fitValue(v attribute.Value, depth int) (_ attribute.Value, size int, changed bool) {
	switch v.Type() {
	case attribute.EMPTY, attribute.BOOL, attribute.INT64, attribute.FLOAT64:
		return v, 0, false
	case attribute.STRING:
		s := v.AsString()
		if cut := truncate(s, l.AttributeValueLength); len(cut) < len(s) {
			return attribute.StringValue(cut), len(cut), true
		}
		return v, len(s), false
	}
	if depth > l.AttributeValueDepth {
		return attribute.Value{}, 0, true
	}
	switch v.Type() {
	case attribute.BYTESLICE:
		size = len(v.AsByteSlice())
		if size > l.AttributeValueLength {
			size, changed = l.AttributeValueLength, true
			v = attribute.ByteSliceValue(v.AsByteSlice()[:size])
		}
	case attribute.BOOLSLICE:
		size = len(v.AsBoolSlice())
	case attribute.INT64SLICE:
		size = 8 * len(v.AsInt64Slice())
	case attribute.FLOAT64SLICE:
		size = 8 * len(v.AsFloat64Slice())
	case attribute.STRINGSLICE:
		list := v.AsStringSlice()
		for i, s := range list {
			list[i] = truncate(s, l.AttributeValueLength)
			size += 16 + len(list[i])
			changed = changed || len(list[i]) < len(s)
		}
		if changed {
			v = attribute.StringSliceValue(list)
		}
	case attribute.SLICE:
		list := v.AsSlice()
		for i := range list {
			e, n, c := l.fitValue(list[i], depth+1)
			list[i] = e
			size += valueBytes + n
			changed = changed || c
		}
		if changed {
			v = attribute.SliceValue(list...)
		}
	case attribute.MAP:
		list := v.AsMap() // sorted by key; those of one key stand as they were given
		kept := list[:0]
		for i, kv := range list {
			if i+1 < len(list) && list[i+1].Key == kv.Key {
				changed = true
				continue
			}
			e, n, c := l.fitValue(kv.Value, depth+1)
			kept = append(kept, attribute.KeyValue{Key: kv.Key, Value: e})
			size += 16 + valueBytes + len(kv.Key) + n
			changed = changed || c
		}
		if changed {
			v = attribute.MapValue(kept...)
		}
	}
	return v, size, changed
}

// truncate cuts s to at most n characters. What it cuts is a copy: a part of s would keep all of s in
// memory, past the bounds of the queues.
func truncate(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for i := range s {
		if n == 0 {
			return strings.Clone(s[:i])
		}
		n--
	}
	return s
}

// scopeAttributes returns the attributes of an instrumentation scope, which only the depth bounds, as
// in OpenTelemetry's own SDK: they come from the program's text.
func (l *SpanLimits) scopeAttributes(set attribute.Set) []attribute.KeyValue {
	attrs := set.ToSlice() // a copy
	depth := SpanLimits{AttributeValueLength: unlimited, AttributeValueDepth: l.AttributeValueDepth}
	for i := range attrs {
		depth.fit(&attrs[i])
	}
	return attrs
}

// attributeSize estimates the bytes that an attribute keeps alive outside its own struct. It is
// exact for strings, which is what makes spans large.
func attributeSize(kv *attribute.KeyValue) int {
	stored := *kv
	none := SpanLimits{AttributeValueLength: unlimited, AttributeValueDepth: unlimited}
	return none.fit(&stored)
}

func attributesSize(kvs []attribute.KeyValue) int {
	n := len(kvs) * attributeBytes
	for i := range kvs {
		n += attributeSize(&kvs[i])
	}
	return n
}

// warnLimits logs, once for a provider, that a span lost something. The worker calls it: where the
// limits refuse, the program holds the span's lock.
func (p *Provider) warnLimits(d *SpanData) {
	attrs := d.DroppedAttributes
	for i := range d.Events {
		attrs += d.Events[i].DroppedAttributes
	}
	for i := range d.Links {
		attrs += d.Links[i].DroppedAttributes
	}
	if attrs+d.DroppedEvents+d.DroppedLinks == 0 || p.limitsWarned.Load() || p.limitsWarned.Swap(true) {
		return
	}
	p.logger.Warn("spandrel: a span lost what its limits refuse; further spans are not logged",
		"span", d.Name, "attributes", attrs, "events", d.DroppedEvents, "links", d.DroppedLinks)
}

// checkPositive reports an option whose number must be positive.
func checkPositive(option string, n int) error {
	if n <= 0 {
		return fmt.Errorf("tracing: %s: %d is not positive", option, n)
	}
	return nil
}
