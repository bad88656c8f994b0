// SPDX-License-Identifier: Apache-2.0

package tracing

import (
	"fmt"

	"go.opentelemetry.io/otel/attribute"
)

// SpanLimits bounds what one span may hold. In each field 0 means the default and a negative number
// means no limit. What a limit refuses is counted on the span ([SpanData.DroppedAttributes] and its
// neighbours). Source: OpenTelemetry specification, trace/sdk.md, "Span Limits".
type SpanLimits struct {
	// Attributes, Events and Links bound the number of each on one span. Default 128.
	Attributes, Events, Links int
	// AttributesPerEvent and AttributesPerLink bound the attributes of one event, of one link.
	// Default 128.
	AttributesPerEvent, AttributesPerLink int
	// AttributeValueLength bounds the length of a string value and of each string in a string slice,
	// in bytes; longer ones are cut at a UTF-8 boundary. Default: no limit.
	AttributeValueLength int
}

const (
	defaultCountLimit = 128
	unlimited         = int(^uint(0) >> 1)
)

// resolved replaces 0 by the default and negative numbers by the largest int.
func (l SpanLimits) resolved() SpanLimits {
	for _, f := range []*int{
		&l.Attributes, &l.Events, &l.Links, &l.AttributesPerEvent, &l.AttributesPerLink,
	} {
		*f = resolveLimit(*f, defaultCountLimit)
	}
	l.AttributeValueLength = resolveLimit(l.AttributeValueLength, unlimited)
	return l
}

func resolveLimit(n, def int) int {
	switch {
	case n == 0:
		return def
	case n < 0:
		return unlimited
	default:
		return n
	}
}

// setAttribute stores kv in attrs: the last value of a key wins and keeps the key's place. It
// returns the extended slice, by how many bytes the span grew, and false if the limit refused kv.
func setAttribute(attrs []attribute.KeyValue, kv *attribute.KeyValue, limit, valueLimit int) ([]attribute.KeyValue, int, bool) {
	if kv.Key == "" {
		return attrs, 0, false
	}
	for i := range attrs {
		if attrs[i].Key == kv.Key {
			before := attributeSize(&attrs[i])
			attrs[i].Value = limitValue(kv.Value, valueLimit)
			return attrs, attributeSize(&attrs[i]) - before, true
		}
	}
	if len(attrs) >= limit {
		return attrs, 0, false
	}
	attrs = append(attrs, *kv)
	last := &attrs[len(attrs)-1]
	if valueLimit != unlimited {
		last.Value = limitValue(last.Value, valueLimit)
	}
	return attrs, attributeSize(last), true
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

// limitValue cuts strings that are longer than n bytes.
func limitValue(v attribute.Value, n int) attribute.Value {
	if n == unlimited {
		return v
	}
	switch v.Type() {
	case attribute.STRING:
		if s := v.AsString(); len(s) > n {
			return attribute.StringValue(truncate(s, n))
		}
	case attribute.STRINGSLICE:
		list := v.AsStringSlice() // a copy
		for i := range list {
			list[i] = truncate(list[i], n)
		}
		return attribute.StringSliceValue(list)
	}
	return v
}

// truncate cuts s to at most n bytes without splitting a UTF-8 sequence.
func truncate(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && s[n]&0xC0 == 0x80 { // a continuation byte: its sequence began earlier
		n--
	}
	return s[:n]
}

// attributeSize estimates the bytes that an attribute keeps alive outside its own struct. It is
// exact for strings, which is what makes spans large.
func attributeSize(kv *attribute.KeyValue) int {
	switch kv.Value.Type() {
	case attribute.EMPTY, attribute.BOOL, attribute.INT64, attribute.FLOAT64:
		return len(kv.Key)
	case attribute.STRING:
		return len(kv.Key) + len(kv.Value.AsString())
	default:
		return len(kv.Key) + valueSize(kv.Value)
	}
}

func attributesSize(kvs []attribute.KeyValue) int {
	n := len(kvs) * attributeBytes
	for i := range kvs {
		n += attributeSize(&kvs[i])
	}
	return n
}

func valueSize(v attribute.Value) int {
	const valueBytes = 48 // of one attribute.Value
	n := 0
	switch v.Type() {
	case attribute.STRING:
		n = len(v.AsString())
	case attribute.BOOLSLICE:
		n = len(v.AsBoolSlice())
	case attribute.INT64SLICE:
		n = 8 * len(v.AsInt64Slice())
	case attribute.FLOAT64SLICE:
		n = 8 * len(v.AsFloat64Slice())
	case attribute.STRINGSLICE:
		for _, s := range v.AsStringSlice() {
			n += 16 + len(s)
		}
	case attribute.BYTESLICE:
		n = len(v.AsByteSlice())
	case attribute.SLICE:
		for _, e := range v.AsSlice() {
			n += valueBytes + valueSize(e)
		}
	case attribute.MAP:
		for _, kv := range v.AsMap() {
			n += 16 + valueBytes + len(kv.Key) + valueSize(kv.Value)
		}
	}
	return n
}

// checkPositive reports an option whose number must be positive.
func checkPositive(option string, n int) error {
	if n <= 0 {
		return fmt.Errorf("tracing: %s: %d is not positive", option, n)
	}
	return nil
}
