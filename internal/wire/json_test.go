// SPDX-License-Identifier: Apache-2.0

package wire_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"

	"github.com/spandrel-go/spandrel/internal/wire"
)

func TestAppendJSONString(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, in, want string }{
		{"empty", "", `""`},
		{"plain", "GET /cart", `"GET /cart"`},
		{"quotation mark and reverse solidus", `a"b\c`, `"a\"b\\c"`},
		{"short escapes", "\b\f\n\r\t", `"\b\f\n\r\t"`},
		{"other control characters", "\x00\x01\x1f", `"\u0000\u0001\u001f"`},
		{"delete needs no escape", "\x7f", "\"\x7f\""},
		{"no HTML escaping", "<a href='x'>&</a>", `"<a href='x'>&</a>"`},
		{"solidus needs no escape", "a/b", `"a/b"`},
		{"two, three and four bytes", "é€😀", `"é€😀"`},
		{"line separators need no escape", "\u2028\u2029", "\"\u2028\u2029\""},
		{"a valid U+FFFD stays", "\ufffd", "\"\ufffd\""},
		{"invalid byte", "a\xffb", "\"a\ufffdb\""},
		{"invalid byte at both ends", "\x80b\xc3", "\"\ufffdb\ufffd\""},
		{"one U+FFFD for each invalid byte", "\xe2\x82", "\"\ufffd\ufffd\""},
		{"surrogate half", "\xed\xa0\x80", "\"\ufffd\ufffd\ufffd\""},
		{"overlong form", "\xc0\x80", "\"\ufffd\ufffd\""},
		{"each place in eight bytes", "0\"23456701\"34567012\x01456", "\"0\\\"23456701\\\"34567012\\u0001456\""},
		{"invalid byte behind eight", "01234567\xff", "\"01234567\ufffd\""},
		{"escape after invalid byte", "\xff\"", "\"\ufffd\\\"\""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, tt.want, string(wire.AppendJSONString(nil, tt.in)))
			assert.Equal(t, "x"+tt.want, string(wire.AppendJSONString([]byte("x"), tt.in)), "dst is kept")
		})
	}
}

// values has each type of attribute.Value, with its JSON.
var values = []struct {
	name string
	v    attribute.Value
	want string
}{
	{"empty", attribute.Value{}, `null`},
	{"true", attribute.BoolValue(true), `true`},
	{"false", attribute.BoolValue(false), `false`},
	{"integer", attribute.Int64Value(math.MinInt64), `-9223372036854775808`},
	{"float", attribute.Float64Value(0.1), `0.1`},
	{"whole float", attribute.Float64Value(3), `3`},
	{"large float", attribute.Float64Value(math.MaxFloat64), `1.7976931348623157e+308`},
	{"small float", attribute.Float64Value(5e-324), `5e-324`},
	{"negative zero", attribute.Float64Value(math.Copysign(0, -1)), `-0`},
	{"not a number", attribute.Float64Value(math.NaN()), `"NaN"`},
	{"positive infinity", attribute.Float64Value(math.Inf(1)), `"Infinity"`},
	{"negative infinity", attribute.Float64Value(math.Inf(-1)), `"-Infinity"`},
	{"string", attribute.StringValue("a\"b\n"), `"a\"b\n"`},
	{"string with invalid UTF-8", attribute.StringValue("a\xff"), "\"a\ufffd\""},
	{"bytes", attribute.ByteSliceValue([]byte{0, 0xff, '"'}), `"AP8i"`},
	{"no bytes", attribute.ByteSliceValue(nil), `""`},
	{"booleans", attribute.BoolSliceValue([]bool{true, false}), `[true,false]`},
	{"integers", attribute.Int64SliceValue([]int64{1, -2, 3, 4}), `[1,-2,3,4]`},
	{"no integers", attribute.Int64SliceValue(nil), `[]`},
	{"floats", attribute.Float64SliceValue([]float64{0.5, math.NaN(), math.Inf(-1)}), `[0.5,"NaN","-Infinity"]`},
	{"strings", attribute.StringSliceValue([]string{"a", `"`, "", "\x02"}), `["a","\"","","\u0002"]`},
	{
		"slice", attribute.SliceValue(attribute.IntValue(1), attribute.Value{},
			attribute.SliceValue(attribute.BoolValue(true)), attribute.ByteSliceValue([]byte("x"))),
		`[1,null,[true],"eA=="]`,
	},
	{
		"map", attribute.MapValue(attribute.String("b", "x"), attribute.Int("a", 1),
			attribute.KeyValue{Key: "c", Value: attribute.MapValue()}),
		`{"a":1,"b":"x","c":{}}`,
	},
	{"map with a key twice", attribute.MapValue(attribute.Int("a", 1), attribute.Int("b", 2), attribute.Int("a", 3)), `{"a":3,"b":2}`},
}

func TestAppendJSONValue(t *testing.T) {
	t.Parallel()
	for _, tt := range values {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := wire.AppendJSONValue(nil, tt.v)
			assert.Equal(t, tt.want, string(got))
			assert.True(t, json.Valid(got), "valid JSON")
		})
	}
}

func TestAppendJSONTextIsStringOfValue(t *testing.T) {
	t.Parallel()
	for _, tt := range values {
		if strings.HasPrefix(tt.name, "map with") || strings.Contains(tt.name, "invalid") {
			continue // Value.String keeps both members, and invalid bytes
		}
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, tt.v.String(), decode[string](t, wire.AppendJSONText(nil, tt.v)))
		})
	}
	t.Run("map with a key twice", func(t *testing.T) {
		t.Parallel()
		v := attribute.MapValue(attribute.Int("a", 1), attribute.Int("a", 2))
		assert.Equal(t, `{"a":2}`, decode[string](t, wire.AppendJSONText(nil, v)))
	})
}

func TestAppendJSONObject(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		in   []attribute.KeyValue
		want string
	}{
		{"no attribute", nil, `{}`},
		{"in their order", []attribute.KeyValue{attribute.Int("b", 1), attribute.Int("a", 2)}, `{"b":1,"a":2}`},
		{"last of one key", []attribute.KeyValue{attribute.Int("a", 1), attribute.Int("b", 2), attribute.Int("a", 3)}, `{"b":2,"a":3}`},
		{"first is shadowed", []attribute.KeyValue{attribute.Int("a", 1), attribute.Int("a", 2)}, `{"a":2}`},
		{"keys equal after replacement", []attribute.KeyValue{attribute.Int("a\xff", 1), attribute.Int("a\xfe", 2)}, "{\"a\ufffd\":2}"},
		{"valid key equal to a replaced one", []attribute.KeyValue{attribute.Int("a\ufffd", 1), attribute.Int("a\xfe", 2)}, "{\"a\ufffd\":2}"},
		{"runs of invalid bytes differ in length", []attribute.KeyValue{attribute.Int("\xff", 1), attribute.Int("\xff\xff", 2)}, "{\"\ufffd\":1,\"\ufffd\ufffd\":2}"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, tt.want, string(wire.AppendJSONObject(nil, tt.in)))
		})
	}
}

func TestAppendJSONObjectWithMore(t *testing.T) {
	t.Parallel()
	got := wire.AppendJSONObject([]byte("x"), []attribute.KeyValue{attribute.Int("a", 1), attribute.Int("b", 2)},
		attribute.Int("c", 3), attribute.Int("a", 4), attribute.Int("c", 5))
	assert.Equal(t, `x{"b":2,"a":4,"c":5}`, string(got))
	assert.Equal(t, `{"a":1}`, string(wire.AppendJSONObject(nil, nil, attribute.Int("a", 1))))
}

func TestQuoteJSONKeepsWhatStandsBefore(t *testing.T) {
	t.Parallel()
	dst := wire.QuoteJSON([]byte(`{"k":["a","b\\"]`), len(`{"k":`))
	assert.Equal(t, `{"k":"[\"a\",\"b\\\\\"]"`, string(dst))
}

// Each byte in each place of a string long enough for the fast path.
func TestAppendJSONStringEveryByteEverywhere(t *testing.T) {
	t.Parallel()
	for c := range 256 {
		for i := range 17 {
			text := bytes.Repeat([]byte("~ "), 9)[:17]
			text[i] = byte(c)
			want := string([]rune(string(text)))
			require.Equal(t, want, decode[string](t, wire.AppendJSONString(nil, string(text))), "%q", text)
		}
	}
}

func BenchmarkAppendJSONString(b *testing.B) {
	texts := []string{"http.request.method", "GET", "url.path", "/api/v1/carts/1234567890/items", "peer.service", "redis"}
	dst := make([]byte, 0, 1<<10)
	b.ReportAllocs()
	for b.Loop() {
		dst = dst[:0]
		for _, s := range texts {
			dst = wire.AppendJSONString(dst, s)
		}
	}
}

func FuzzAppendJSONString(f *testing.F) {
	for _, s := range []string{"", "GET /cart", "a\"b\\c\x00\x1f\x7f", "é€😀\u2028", "\xff\xe2\x82", "\xed\xa0\x80", "<&>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := wire.AppendJSONString(nil, s)
		require.True(t, utf8.Valid(got))

		var want bytes.Buffer
		enc := json.NewEncoder(&want)
		enc.SetEscapeHTML(false)
		require.NoError(t, enc.Encode(s))
		require.Equal(t, decode[string](t, want.Bytes()), decode[string](t, got))

		quoted := wire.QuoteJSON(append([]byte("x"), got...), 1)
		require.Equal(t, byte('x'), quoted[0])
		require.Equal(t, string(got), decode[string](t, quoted[1:]))
	})
}

func FuzzAppendJSONValue(f *testing.F) {
	f.Add("k", "v", int64(1), 0.5, true, []byte{1})
	f.Add("k\xff", "v\xfe", int64(-1), math.Inf(1), false, []byte(nil))
	f.Fuzz(func(t *testing.T, k, s string, i int64, x float64, b bool, raw []byte) {
		if k == "s" {
			k = "" // keeps the keys below apart
		}
		var xs any = x // a number, but for the three that JSON lacks
		switch {
		case math.IsNaN(x):
			xs = "NaN"
		case math.IsInf(x, 1):
			xs = "Infinity"
		case math.IsInf(x, -1):
			xs = "-Infinity"
		}
		v := attribute.MapValue(
			attribute.String(k+"s", s), attribute.Int64("i", i), attribute.Float64("x", x), attribute.Bool("b", b),
			attribute.ByteSlice("raw", raw), attribute.StringSlice("ss", []string{s, k, s, k}),
			attribute.KeyValue{Key: "l", Value: attribute.SliceValue(attribute.Float64Value(x), attribute.StringValue(s))},
			attribute.KeyValue{Key: "e"})
		simple, err := json.Marshal(map[string]any{
			k + "s": s, "i": i, "x": xs, "b": b, "raw": base64.StdEncoding.EncodeToString(raw),
			"ss": []string{s, k, s, k}, "l": []any{xs, s}, "e": nil,
		})
		require.NoError(t, err)
		got := wire.AppendJSONValue(nil, v)
		require.Equal(t, decode[any](t, simple), decode[any](t, got), string(got))
		require.Equal(t, string(got), decode[string](t, wire.AppendJSONText(nil, v)))
	})
}

// decode reads one JSON value and nothing behind it.
func decode[T any](t *testing.T, text []byte) T {
	t.Helper()
	var v T
	require.NoError(t, json.Unmarshal(text, &v), string(text))
	return v
}
