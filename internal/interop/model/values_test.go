// SPDX-License-Identifier: Apache-2.0

package model_test

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

// values are what attributes may have. Programs name them by their index: new ones go to the end.
var values = []attribute.Value{
	attribute.IntValue(1),
	attribute.IntValue(2),
	attribute.BoolValue(true),
	attribute.Int64Value(math.MinInt64),
	attribute.Float64Value(0.5),
	attribute.Float64Value(math.NaN()),
	attribute.Float64Value(math.Copysign(0, -1)),
	attribute.Float64Value(math.Inf(1)),
	attribute.StringValue(""),
	attribute.StringValue("ascii text"),
	attribute.StringValue("h\u00e9llo w\u00f6rld \u65e5\u672c\u8a9e \U0001f600"),
	attribute.StringValue("broken \xff\xfe utf-8 \xe6\x97"),
	attribute.StringValue(strings.Repeat("long \u00e9 ", 200)),
	attribute.BoolSliceValue([]bool{true, false}),
	attribute.BoolSliceValue(nil),
	attribute.IntSliceValue([]int{1, -2}),
	attribute.Int64SliceValue([]int64{1 << 60}),
	attribute.Int64SliceValue([]int64{}),
	attribute.Float64SliceValue([]float64{1.5, math.Inf(-1), math.NaN()}),
	attribute.StringSliceValue([]string{"a", "", "\u65e5\u672c\u8a9e and more", "\xff"}),
	attribute.StringSliceValue([]string{}),
	attribute.ByteSliceValue([]byte{0, 1, 2, 3, 255, 254}),
	attribute.ByteSliceValue(nil),
	{}, // empty
	attribute.SliceValue(),
	attribute.MapValue(),
	attribute.SliceValue(attribute.IntValue(1), attribute.StringValue("nested \u00e9 text"), attribute.Value{}, attribute.SliceValue(attribute.BoolValue(true))),
	attribute.MapValue(attribute.Int("n", 1), attribute.String("s", "nested \u65e5\u672c\u8a9e"), attribute.ByteSlice("b", []byte{1, 2, 3, 4, 5}),
		attribute.Map("m", attribute.StringSlice("deep", []string{"first", "second"})), attribute.KeyValue{Key: "none"}),
	attribute.MapValue(attribute.Int("twice", 1), attribute.Int("", 2), attribute.String("twice", "last"), attribute.Map("m", attribute.Int("a", 1), attribute.Int("a", 2))),
	deep(70),
	attribute.SliceValue(attribute.SliceValue(attribute.ByteSliceValue([]byte{1}), attribute.BoolSliceValue(nil), attribute.MapValue()), attribute.Float64SliceValue([]float64{1})),
}

// deep returns slices and maps in each other.
func deep(n int) attribute.Value {
	v := attribute.IntSliceValue([]int{1})
	for i := 1; i < n; i++ {
		if i%2 == 0 {
			v = attribute.SliceValue(v)
		} else {
			v = attribute.MapValue(attribute.KeyValue{Key: "k", Value: v})
		}
	}
	return v
}

// keys are those of attributes.
var keys = []string{"a", "b", "c", "d", "e", "f", "g", "h", "exception.type", "exception.message", "\u00e9", ""}

func attributes(list []kv) []attribute.KeyValue {
	var out []attribute.KeyValue
	for _, a := range list {
		out = append(out, attribute.KeyValue{Key: attribute.Key(a.key), Value: values[a.value]})
	}
	return out
}

// valueText writes a value so that two of them are the same if their texts are. It tells types apart
// and compares numbers by their bits.
func valueText(v attribute.Value) string {
	text := func() string {
		switch v.Type() {
		case attribute.EMPTY:
			return ""
		case attribute.FLOAT64:
			return floatText(v.AsFloat64())
		case attribute.FLOAT64SLICE:
			var parts []string
			for _, f := range v.AsFloat64Slice() {
				parts = append(parts, floatText(f))
			}
			return strings.Join(parts, " ")
		case attribute.SLICE:
			var parts []string
			for _, e := range v.AsSlice() {
				parts = append(parts, valueText(e))
			}
			return strings.Join(parts, ", ")
		case attribute.MAP:
			return attributesText(v.AsMap())
		case attribute.STRING, attribute.STRINGSLICE:
			return fmt.Sprintf("%+q", v.AsInterface())
		default:
			return fmt.Sprint(v.AsInterface())
		}
	}
	return v.Type().String() + "(" + text() + ")"
}

func floatText(f float64) string {
	return fmt.Sprint(f, "/", strconv.FormatUint(math.Float64bits(f), 16))
}

func attributesText(attrs []attribute.KeyValue) string {
	var parts []string
	for _, a := range attrs {
		parts = append(parts, fmt.Sprintf("%q=%s", a.Key, valueText(a.Value)))
	}
	return strings.Join(parts, ", ")
}

// times are those that programs give. Index 0 is none. Only the last is near the present: what is, was
// read from the clock.
var times = []time.Time{
	{},
	time.Unix(1_700_000_000, 123_456_789),
	time.Unix(1_700_000_000, 123_456_788).In(time.FixedZone("east", 3600)),
	time.Unix(1_700_000_001, 0).UTC(),
	time.Unix(0, 0),
	time.Unix(-1, 999_999_999),
	{}, // given, and the zero time: as if it were not
	time.Date(2250, 1, 1, 0, 0, 0, 1, time.UTC),
	time.Date(1700, 1, 1, 0, 0, 0, 1, time.UTC),
	time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC),
	time.Time{}.Add(1),
	time.Date(1600, 1, 1, 0, 0, 0, 0, time.UTC),
	time.Now().Add(-time.Hour), // with a reading of the monotonic clock
	{},                         // the present
}

// present is the index of the present in times.
var present = len(times) - 1

func timeAt(i int) time.Time {
	if i == present {
		return time.Now()
	}
	return times[i]
}

// spanContexts are those of other processes. Those from firstHalf on are not valid.
var spanContexts = []trace.SpanContext{
	spanContext(1, 1, 0, ""),
	spanContext(1, 1, trace.FlagsSampled, ""),
	spanContext(2, 1, trace.FlagsSampled|trace.FlagsRandom, "vendor=1,other=2"),
	spanContext(3, 2, trace.FlagsRandom, "vendor=2"),
	spanContext(4, 2, 0xff, ""),
	spanContext(5, 2, 0x80, "a=b"),
	spanContext(6, 3, trace.FlagsSampled, "").WithRemote(true),
	{},
	spanContext(7, 0, trace.FlagsSampled, "vendor=3"),
	spanContext(0, 4, trace.FlagsSampled, ""),
	spanContext(0, 0, trace.FlagsSampled|trace.FlagsRandom, "vendor=4"),
	spanContext(0, 0, trace.FlagsSampled, ""),
	spanContext(0, 0, 0, "vendor=3"),
	spanContext(0, 0, 0, "vendor=4"),
}

const firstHalf = 7

func spanContext(traceID, spanID byte, flags trace.TraceFlags, state string) trace.SpanContext {
	ts, _ := trace.ParseTraceState(state)
	sc := trace.SpanContext{}.WithTraceFlags(flags).WithTraceState(ts)
	if traceID != 0 {
		sc = sc.WithTraceID(trace.TraceID{traceID, 15: traceID * 37})
	}
	if spanID != 0 {
		sc = sc.WithSpanID(trace.SpanID{spanID})
	}
	return sc
}

func spanContextText(sc trace.SpanContext) string {
	return fmt.Sprintf("%s/%s flags %s state %q remote %t", sc.TraceID(), sc.SpanID(), sc.TraceFlags(), sc.TraceState(), sc.IsRemote())
}

// tracer is what a program asks a provider for.
type tracer struct {
	name string
	opts []trace.TracerOption
}

var tracers = []tracer{
	{"a", nil},
	{"a", []trace.TracerOption{trace.WithInstrumentationVersion("v1")}},
	{"a", []trace.TracerOption{trace.WithInstrumentationVersion("v2"), trace.WithSchemaURL("https://example.com/1")}},
	{"a", []trace.TracerOption{trace.WithInstrumentationAttributes(attribute.Int("n", 1), attribute.Int("n", 2), attribute.StringSlice("s", []string{"x"}))}},
	{"b", []trace.TracerOption{trace.WithInstrumentationAttributes(attribute.Int("n", 3)), trace.WithInstrumentationAttributes(attribute.Int("m", 4))}},
	{"", nil},
}

// failure is an error whose type has a name and a path.
type failure struct{ text string }

func (f failure) Error() string { return f.text }

// failures are what RecordError is given.
var failures = []error{
	nil,
	errors.New("plain"),
	failure{"typed"},
	&failure{"by pointer"},
	fmt.Errorf("wrapped: %w", failure{"inside"}),
	errors.Join(errors.New("one"), errors.New("two")),
	failure{""},
	&time.ParseError{Layout: "l", Value: "h\u00e9llo"},
}

// panics are ways to panic.
var panics = []func(){
	func() { panic("text") },
	func() { panic(failure{"typed"}) },
	func() { panic(&failure{"by pointer"}) },
	func() { panic(42) },
	func() { panic([]string{"a"}) },
	func() { panic(errors.New("plain")) },
	func() { panic(nil) },
	func() {
		var m map[string]int
		m["a"] = 1 //nolint:staticcheck // a panic of the runtime's
	},
}

// panicText is what a panic says.
func panicText(f func()) (text string) {
	defer func() { text = fmt.Sprint(recover()) }()
	f()
	return text
}
