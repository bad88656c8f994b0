// SPDX-License-Identifier: Apache-2.0

package encoding_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"math"
	"math/big"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"

	"github.com/spandrel-go/spandrel/tracing"
)

// object is a JSON object as it decodes; numbers are json.Number.
type object = map[string]any

// valid returns s as it stands in JSON: each byte that is not UTF-8 is U+FFFD.
func valid(s string) string { return string([]rune(s)) }

func decode[T any](t testing.TB, text []byte) T {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var v T
	require.NoError(t, dec.Decode(&v), string(text))
	return v
}

func encode(t testing.TB, v any) string {
	t.Helper()
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	require.NoError(t, enc.Encode(v))
	return strings.TrimSuffix(b.String(), "\n")
}

// plain returns what encoding/json should write as v: OpenTelemetry's representation of attribute
// values for protocols without types of their own.
func plain(v attribute.Value) any {
	switch v.Type() {
	case attribute.EMPTY:
		return nil
	case attribute.FLOAT64:
		switch f := v.AsFloat64(); {
		case math.IsNaN(f):
			return "NaN"
		case math.IsInf(f, 1):
			return "Infinity"
		case math.IsInf(f, -1):
			return "-Infinity"
		default:
			return f
		}
	case attribute.FLOAT64SLICE:
		list := []any{}
		for _, f := range v.AsFloat64Slice() {
			list = append(list, plain(attribute.Float64Value(f)))
		}
		return list
	case attribute.BYTESLICE:
		return base64.StdEncoding.EncodeToString(v.AsByteSlice())
	case attribute.SLICE:
		list := []any{}
		for _, e := range v.AsSlice() {
			list = append(list, plain(e))
		}
		return list
	case attribute.MAP:
		return plainMap(v.AsMap())
	case attribute.BOOLSLICE, attribute.INT64SLICE, attribute.STRINGSLICE:
		if v.String() == "[]" {
			return []any{}
		}
		return v.AsInterface()
	default:
		return v.AsInterface()
	}
}

func plainMap(attrs []attribute.KeyValue) object {
	m := object{}
	for _, kv := range attrs {
		m[valid(string(kv.Key))] = plain(kv.Value)
	}
	return m
}

// isJSON reports whether a tag that holds v is JSON text, which may be written in several ways.
func isJSON(v attribute.Value) bool {
	switch v.Type() {
	case attribute.BOOLSLICE, attribute.INT64SLICE, attribute.FLOAT64SLICE, attribute.STRINGSLICE, attribute.SLICE, attribute.MAP:
		return true
	default:
		return false
	}
}

// text returns the tag that should hold v.
func text(t testing.TB, v attribute.Value) string {
	t.Helper()
	if isJSON(v) {
		return encode(t, plain(v))
	}
	if v.Type() == attribute.FLOAT64 || v.Type() == attribute.BYTESLICE {
		if s, ok := plain(v).(string); ok {
			return s
		}
	}
	return valid(v.String())
}

// attributesOf returns the attributes that become tags of a span, the stronger ones first.
func attributesOf(d *tracing.SpanData) []attribute.KeyValue {
	return append(append([]attribute.KeyValue(nil), d.Attributes...), d.Scope.Attributes...)
}

// understand replaces JSON text inside of tags and annotations by what it says, so that the order of
// members, the form of numbers and the choice of escapes do not count.
func understand(t testing.TB, d *tracing.SpanData, span object) {
	t.Helper()
	if tags, ok := span["tags"].(object); ok {
		for _, kv := range attributesOf(d) {
			key := valid(string(kv.Key))
			if s, ok := tags[key].(string); ok && isJSON(kv.Value) && json.Valid([]byte(s)) {
				tags[key] = sameNumbers(decode[any](t, []byte(s)))
			}
		}
	}
	if annotations, ok := span["annotations"].([]any); ok {
		for i, a := range annotations {
			a := a.(object)
			value := a["value"].(string)
			if e := d.Events[i]; len(e.Attributes) == 0 && e.DroppedAttributes == 0 {
				continue
			}
			dec := json.NewDecoder(strings.NewReader(value))
			var name string
			if dec.Decode(&name) != nil {
				continue // which the comparison then shows
			}
			attrs, _ := strings.CutPrefix(value[dec.InputOffset():], ": ")
			a["value"] = []any{name, sameNumbers(decode[any](t, []byte(attrs)))}
		}
	}
}

// sameNumbers writes equal numbers equally.
func sameNumbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		if r, ok := new(big.Rat).SetString(v.String()); ok {
			return json.Number(r.RatString())
		}
	case []any:
		for i := range v {
			v[i] = sameNumbers(v[i])
		}
	case object:
		for k := range v {
			v[k] = sameNumbers(v[k])
		}
	}
	return v
}
