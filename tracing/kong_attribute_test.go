// SPDX-License-Identifier: Apache-2.0

package tracing_test

import (
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/tracing"
)

func TestKongSetAttributeTypes(t *testing.T) {
	t.Parallel()
	type named string
	for _, tt := range []struct {
		name  string
		value any
		want  attribute.Value
	}{
		{"string", "v", attribute.StringValue("v")},
		{"empty string", "", attribute.StringValue("")},
		{"bool", true, attribute.BoolValue(true)},
		{"int", -1, attribute.Int64Value(-1)},
		{"int8", int8(-8), attribute.Int64Value(-8)},
		{"int16", int16(-16), attribute.Int64Value(-16)},
		{"int32", int32(-32), attribute.Int64Value(-32)},
		{"int64", int64(math.MinInt64), attribute.Int64Value(math.MinInt64)},
		{"uint", uint(1), attribute.Int64Value(1)},
		{"uint8", uint8(8), attribute.Int64Value(8)},
		{"uint16", uint16(16), attribute.Int64Value(16)},
		{"uint32", uint32(math.MaxUint32), attribute.Int64Value(math.MaxUint32)},
		{"uint64", uint64(math.MaxInt64), attribute.Int64Value(math.MaxInt64)},
		{"uint64 beyond int64", uint64(math.MaxInt64) + 1, attribute.StringValue("9223372036854775808")},
		{"uintptr", uintptr(7), attribute.Int64Value(7)},
		{"float32", float32(0.5), attribute.Float64Value(0.5)},
		{"float64", 1.5, attribute.Float64Value(1.5)},
		{"infinity", math.Inf(1), attribute.Float64Value(math.Inf(1))},
		{"bools", []bool{true, false}, attribute.BoolSliceValue([]bool{true, false})},
		{"ints", []int{1, 2}, attribute.IntSliceValue([]int{1, 2})},
		{"int64s", []int64{1, 2}, attribute.Int64SliceValue([]int64{1, 2})},
		{"float64s", []float64{1, 2}, attribute.Float64SliceValue([]float64{1, 2})},
		{"strings", []string{"a", "b"}, attribute.StringSliceValue([]string{"a", "b"})},
		{"no strings", []string{}, attribute.StringSliceValue([]string{})},
		{"bytes", []byte{0, 255}, attribute.ByteSliceValue([]byte{0, 255})},
		{
			"array",
			[]any{"a", 1, nil, []string{"b"}},
			attribute.SliceValue(attribute.StringValue("a"), attribute.Int64Value(1), attribute.Value{}, attribute.StringSliceValue([]string{"b"})),
		},
		{
			"map",
			map[string]any{"b": 2, "a": map[string]any{"c": []any{true}}, "n": nil},
			attribute.MapValue(
				attribute.KeyValue{Key: "a", Value: attribute.MapValue(attribute.KeyValue{Key: "c", Value: attribute.SliceValue(attribute.BoolValue(true))})},
				attribute.Int("b", 2), attribute.KeyValue{Key: "n"}),
		},
		{"empty map", map[string]any{}, attribute.MapValue()},
		{"attribute.Value", attribute.IntValue(3), attribute.IntValue(3)},
		{"struct", struct{}{}, attribute.StringValue("struct {}")},
		{"func", func() {}, attribute.StringValue("func()")},
		{"channel", make(chan int), attribute.StringValue("chan int")},
		{"complex", 1i, attribute.StringValue("complex128")},
		{"error", errors.New("e"), attribute.StringValue("*errors.errorString")},
		{"nil pointer", (*int)(nil), attribute.StringValue("*int")},
		{"named string", named("n"), attribute.StringValue("n")},
		{"named number", time.Second, attribute.Int64Value(1e9)},
		{"named unsigned", reflect.Kind(7), attribute.Int64Value(7)},
		{"map of another key", map[int]string{1: "a"}, attribute.StringValue("map[int]string")},
		{"slice of another type", []int32{1}, attribute.StringValue("[]int32")},
		{"unsupported inside", []any{struct{}{}}, attribute.SliceValue(attribute.StringValue("struct {}"))},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := one(t, func(s *tracing.Span) { s.SetAttribute("k", tt.value) })
			require.Len(t, d.Attributes, 1)
			assert.Equal(t, attribute.Key("k"), d.Attributes[0].Key)
			assert.Equal(t, tt.want, d.Attributes[0].Value)
			assert.Zero(t, d.DroppedAttributes)
		})
	}
}

func TestKongSetAttributeNil(t *testing.T) {
	t.Parallel()
	d := one(t, func(s *tracing.Span) {
		s.SetAttribute("a", 1)
		s.SetAttribute("b", 2)
		s.SetAttribute("c", 3)
		s.SetAttribute("d", 4) // the limit
		assert.Len(t, s.Snapshot().Attributes, 3)
		s.SetAttribute("a", nil)
		s.SetAttribute("none", nil)
		s.SetAttribute("", nil)
		s.SetAttribute("d", 4) // there is room again
		s.SetAttribute("b", "again")
		s.SetAttribute("c", nil)
		s.SetAttribute("c", "back")
	}, tracing.WithSpanLimits(tracing.SpanLimits{Attributes: 3}))
	assert.Equal(t, []attribute.KeyValue{
		attribute.String("b", "again"), attribute.Int("d", 4), attribute.String("c", "back"),
	}, d.Attributes)
	assert.Equal(t, 1, d.DroppedAttributes, "only what found no room")
}

func TestKongSetAttributeEmptyKey(t *testing.T) {
	t.Parallel()
	d := one(t, func(s *tracing.Span) { s.SetAttribute("", "v") })
	assert.Empty(t, d.Attributes)
	assert.Equal(t, 1, d.DroppedAttributes)
}

func TestKongSetAttributeCopies(t *testing.T) {
	t.Parallel()
	d := one(t, func(s *tracing.Span) {
		strs, raw, list := []string{"a"}, []byte("a"), []any{"a"}
		inner := map[string]any{"k": "a"}
		s.SetAttribute("strings", strs)
		s.SetAttribute("bytes", raw)
		s.SetAttribute("list", list)
		s.SetAttribute("map", map[string]any{"inner": inner})
		strs[0], raw[0], list[0], inner["k"] = "changed", 'c', "changed", "changed"
	})
	for _, kv := range d.Attributes {
		assert.NotContains(t, kv.Value.String(), "changed", kv.Key)
	}
	raw, _ := value(d.Attributes, "bytes")
	assert.Equal(t, []byte("a"), raw.AsByteSlice())
}

func TestKongSetAttributeLimits(t *testing.T) {
	t.Parallel()
	d := one(t, func(s *tracing.Span) {
		s.SetAttribute("text", "abcdef")
		s.SetAttribute("nested", map[string]any{"long key stays": []any{"abcdef", 7}})
		s.SetAttribute("big", uint64(math.MaxUint64))
	}, tracing.WithSpanLimits(tracing.SpanLimits{AttributeValueLength: 3}))
	text, _ := value(d.Attributes, "text")
	assert.Equal(t, "abc", text.AsString())
	nested, _ := value(d.Attributes, "nested")
	assert.Equal(t, attribute.MapValue(attribute.KeyValue{
		Key: "long key stays", Value: attribute.SliceValue(attribute.StringValue("abc"), attribute.IntValue(7)),
	}), nested)
	assert.Zero(t, d.DroppedAttributes, "what is cut is not counted")
}

// depth returns how deep slices and maps stand in each other.
func depth(v attribute.Value) int {
	deepest := 0
	switch v.Type() {
	case attribute.MAP:
		for _, kv := range v.AsMap() {
			deepest = max(deepest, depth(kv.Value))
		}
	case attribute.SLICE:
		for _, e := range v.AsSlice() {
			deepest = max(deepest, depth(e))
		}
	}
	return deepest + 1
}

func TestKongSetAttributeThatContainsItself(t *testing.T) {
	t.Parallel()
	self := map[string]any{"name": "self"}
	self["self"] = self
	list := []any{"list", nil}
	list[1] = list
	mutual := map[string]any{}
	mutual["list"] = []any{mutual}
	// Two references in each level make 2^64 values of 64 levels.
	twice := map[string]any{}
	twice["a"], twice["b"] = twice, twice
	shared := []any{}
	for range 60 {
		shared = []any{shared, shared}
	}
	for _, tt := range []struct {
		name  string
		value any
	}{{"map", self}, {"slice", list}, {"both", mutual}, {"twice", twice}, {"shared, without a circle", shared}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := one(t, func(s *tracing.Span) {
				s.SetAttribute("k", tt.value)
				s.SetAttribute("after", 1)
			}, tracing.WithSpanLimits(tracing.SpanLimits{AttributeValueDepth: -1}))
			require.Len(t, d.Attributes, 2, "the span goes on")
			got := depth(d.Attributes[0].Value)
			assert.LessOrEqual(t, got, 66)
			assert.Greater(t, got, 10)
		})
	}
}

func TestKongSetAttributeThatIsHuge(t *testing.T) {
	t.Parallel()
	d := one(t, func(s *tracing.Span) {
		s.SetAttribute("fits", make([]any, 1<<16))
		s.SetAttribute("too many", make([]any, 1<<16+1))
		s.SetAttribute("no room for the second", []any{make([]any, 1<<16-2), map[string]any{"k": 1}})
		s.SetAttribute("typed slices have no bound", make([]int, 1<<16+1))
	})
	require.Len(t, d.Attributes, 4)
	assert.Len(t, d.Attributes[0].Value.AsSlice(), 1<<16)
	assert.Equal(t, attribute.StringValue("[]interface {}"), d.Attributes[1].Value)
	parts := d.Attributes[2].Value.AsSlice()
	require.Len(t, parts, 2)
	assert.Len(t, parts[0].AsSlice(), 1<<16-2)
	assert.Equal(t, attribute.StringValue("map[string]interface {}"), parts[1])
	assert.Len(t, d.Attributes[3].Value.AsInt64Slice(), 1<<16+1)
}

func TestKongAddEvent(t *testing.T) {
	t.Parallel()
	at := time.Unix(1_600_000_000, 1)
	before := time.Now()
	d := one(t, func(s *tracing.Span) {
		s.AddEvent("bare")
		s.AddEvent("with all", trace.WithTimestamp(at), trace.WithAttributes(attribute.Int("n", 1)))
		s.AddEvent("")
	})
	require.Len(t, d.Events, 3)
	assert.Equal(t, "bare", d.Events[0].Name)
	assert.WithinRange(t, d.Events[0].Time, before.Add(-time.Second), time.Now().Add(time.Second), "the time is now")
	assert.Empty(t, d.Events[0].Attributes)
	assert.True(t, at.Equal(d.Events[1].Time))
	assert.Equal(t, []attribute.KeyValue{attribute.Int("n", 1)}, d.Events[1].Attributes)
	assert.Empty(t, d.Events[2].Name, "Kong raises an error; a recording method in Go has none to return")
}

func TestKongRecordError(t *testing.T) {
	t.Parallel()
	d := one(t, func(s *tracing.Span) {
		s.RecordError(errors.New("it broke"))
		s.RecordError(nil)
		assert.Equal(t, tracing.Status{}, s.Snapshot().Status, "the status is the caller's to set")
	})
	require.Len(t, d.Events, 1)
	assert.Equal(t, "exception", d.Events[0].Name)
	assert.Equal(t, []attribute.KeyValue{
		attribute.String("exception.type", "*errors.errorString"), // which Kong does not know
		attribute.String("exception.message", "it broke"),
	}, d.Events[0].Attributes)
}

// Kong's numbers are OTLP's, 1 for ok and 2 for an error; Go's codes are the other way round. So a plugin's
// set_status(2) is SetStatus(codes.Error), by name.
func TestKongStatusByName(t *testing.T) {
	t.Parallel()
	for kong, code := range map[int]codes.Code{0: codes.Unset, 1: codes.Ok, 2: codes.Error} {
		d := one(t, func(s *tracing.Span) { s.SetStatus(code, "") })
		assert.Equal(t, code, d.Status.Code)
		if kong != 0 {
			assert.NotEqual(t, kong, int(code), "the numbers differ")
		}
	}
	d := one(t, func(s *tracing.Span) {
		s.SetStatus(codes.Error, "why")
		s.SetStatus(codes.Code(7), "no such code")
	})
	assert.Equal(t, tracing.Status{Code: codes.Error, Description: "why"}, d.Status)
	d = one(t, func(s *tracing.Span) {
		s.SetStatus(codes.Ok, "")
		s.SetStatus(codes.Error, "too late")
	})
	assert.Equal(t, tracing.Status{Code: codes.Ok}, d.Status, "Ok is final; Kong's last call wins")
}

func TestKongLongNames(t *testing.T) {
	t.Parallel()
	name := strings.Repeat("n", 1<<16)
	d := one(t, func(s *tracing.Span) {
		s.SetName(name)
		s.AddEvent(name)
		s.SetAttribute(name, name)
	})
	assert.Equal(t, name, d.Name)
	assert.Equal(t, name, d.Events[0].Name)
	assert.Equal(t, attribute.String(name, name), d.Attributes[0])
}
