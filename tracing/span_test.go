// SPDX-License-Identifier: Apache-2.0

package tracing_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/pool"
	"github.com/spandrel-go/spandrel/sampling"
	"github.com/spandrel-go/spandrel/tracing"
)

func TestSpanRecordsEverything(t *testing.T) {
	t.Parallel()
	tracer, c, p := newTracer(t)
	ctx, root := tracer.StartSpan(context.Background(), "root", tracing.WithKind(trace.SpanKindServer))
	link := trace.Link{SpanContext: remoteParent(true), Attributes: []attribute.KeyValue{attribute.Int("l", 1)}}
	_, child := tracer.StartSpan(ctx, "first name", tracing.WithKind(trace.SpanKindClient),
		tracing.WithAttributes(attribute.String("a", "1")), tracing.WithAttributes(attribute.String("b", "2")),
		tracing.WithLinks(link), tracing.WithLinks(link))
	child.SetName("name")
	child.SetAttributes(attribute.String("c", "3"))
	child.AddEvent("event", trace.WithAttributes(attribute.Int("e", 1)))
	child.SetStatus(codes.Error, "description")
	child.End()
	root.End()
	flush(t, p)
	d := c.span(t, "name")
	assert.Equal(t, child.SpanContext(), d.SpanContext)
	assert.True(t, d.SpanContext.IsSampled())
	assert.Equal(t, root.SpanContext(), d.Parent)
	assert.Equal(t, trace.SpanKindClient, d.Kind)
	assert.Equal(t, []attribute.KeyValue{attribute.String("a", "1"), attribute.String("b", "2"), attribute.String("c", "3")}, d.Attributes)
	assert.Equal(t, []tracing.Link{{SpanContext: link.SpanContext, Attributes: link.Attributes}, {SpanContext: link.SpanContext, Attributes: link.Attributes}}, d.Links)
	require.Len(t, d.Events, 1)
	assert.Equal(t, "event", d.Events[0].Name)
	assert.Equal(t, []attribute.KeyValue{attribute.Int("e", 1)}, d.Events[0].Attributes)
	assert.Equal(t, tracing.Status{Code: codes.Error, Description: "description"}, d.Status)
	assert.Zero(t, d.DroppedAttributes+d.DroppedEvents+d.DroppedLinks)
	assert.False(t, d.Debug)
	assert.Equal(t, trace.SpanKindServer, c.span(t, "root").Kind)
	assert.False(t, c.span(t, "root").Parent.IsValid())
}

// What Start is given by the caller is copied.
func TestStartCopiesItsArguments(t *testing.T) {
	t.Parallel()
	tracer, c, p := newTracer(t)
	attrs := []attribute.KeyValue{attribute.Int("i", 1)}
	linked := []attribute.KeyValue{attribute.Int("i", 1)}
	links := []trace.Link{{SpanContext: remoteParent(true), Attributes: linked}}
	noted := []attribute.KeyValue{attribute.Int("i", 1)}
	_, s := tracer.StartSpan(context.Background(), "one", tracing.WithAttributes(attrs...), tracing.WithLinks(links...))
	s.AddEvent("e", trace.WithAttributes(noted...))
	changed := attribute.Int("i", 2)
	attrs[0], linked[0], noted[0] = changed, changed, changed
	links[0] = trace.Link{}
	s.End()
	flush(t, p)
	want := []attribute.KeyValue{attribute.Int("i", 1)}
	d := c.span(t, "one")
	assert.Equal(t, want, d.Attributes)
	assert.Equal(t, want, d.Links[0].Attributes)
	assert.Equal(t, want, d.Events[0].Attributes)
}

func TestKind(t *testing.T) {
	t.Parallel()
	tracer, c, p := newTracer(t)
	for kind, want := range map[trace.SpanKind]trace.SpanKind{
		trace.SpanKindUnspecified: trace.SpanKindInternal, trace.SpanKindInternal: trace.SpanKindInternal,
		trace.SpanKindServer: trace.SpanKindServer, trace.SpanKindClient: trace.SpanKindClient,
		trace.SpanKindProducer: trace.SpanKindProducer, trace.SpanKindConsumer: trace.SpanKindConsumer,
		trace.SpanKind(99): trace.SpanKindInternal, trace.SpanKind(-1): trace.SpanKindInternal,
	} {
		name := fmt.Sprint("kind ", int(kind))
		endOne(tracer, name, tracing.WithKind(kind))
		flush(t, p)
		assert.Equal(t, want, c.span(t, name).Kind, name)
	}
}

func TestLastValueOfAKeyWins(t *testing.T) {
	t.Parallel()
	d := one(t, func(s *tracing.Span) {
		s.SetAttributes(attribute.Int("a", 1), attribute.Int("b", 1), attribute.Int("a", 2))
		s.SetAttributes(attribute.String("b", "2"), attribute.Int("c", 1))
		s.SetAttributes()
		s.SetAttribute("a", 3)
	})
	assert.Equal(t, []attribute.KeyValue{attribute.Int("a", 3), attribute.String("b", "2"), attribute.Int("c", 1)}, d.Attributes,
		"each key once, in the order of the first setting")
	assert.Zero(t, d.DroppedAttributes)
}

func TestEveryAttributeType(t *testing.T) {
	t.Parallel()
	attrs := []attribute.KeyValue{
		attribute.Bool("bool", true),
		attribute.Int64("int64", math.MinInt64),
		attribute.Float64("float64", math.Inf(1)),
		attribute.String("string", "text \x00 \xff"),
		attribute.BoolSlice("bools", []bool{true, false}),
		attribute.Int64Slice("int64s", []int64{1, -1}),
		attribute.Float64Slice("float64s", []float64{1.5}),
		attribute.StringSlice("strings", []string{"a", ""}),
		attribute.StringSlice("empty", nil),
		{Key: "bytes", Value: attribute.ByteSliceValue([]byte{0, 1, 2})},
		{Key: "values", Value: attribute.SliceValue(attribute.IntValue(1), attribute.StringValue("b"))},
		{Key: "map", Value: attribute.MapValue(attribute.Int("k", 1))},
		{Key: "nothing", Value: attribute.Value{}},
	}
	want := append([]attribute.KeyValue(nil), attrs...)
	for name, limits := range map[string]tracing.SpanLimits{"no limit": {}, "a wide limit": {AttributeValueLength: 100}} {
		d := one(t, func(s *tracing.Span) {
			s.SetAttributes(attrs...)
			s.AddEvent("e", trace.WithAttributes(attrs...))
			s.AddLink(trace.Link{SpanContext: remoteParent(true), Attributes: attrs})
		}, tracing.WithSpanLimits(limits))
		assert.Equal(t, want, d.Attributes, name)
		assert.Equal(t, want, d.Events[0].Attributes, name)
		assert.Equal(t, want, d.Links[0].Attributes, name)
		assert.Equal(t, want, attrs, "what the caller gave is as it was")
	}
}

func TestSetAttributeTakesPlainValues(t *testing.T) {
	t.Parallel()
	type odd struct{ A int }
	var nilPointer *odd
	for name, tt := range map[string]struct {
		in   any
		want attribute.Value
	}{
		"string":          {"s", attribute.StringValue("s")},
		"bool":            {true, attribute.BoolValue(true)},
		"int":             {-1, attribute.IntValue(-1)},
		"int8":            {int8(-1), attribute.IntValue(-1)},
		"int16":           {int16(-1), attribute.IntValue(-1)},
		"int32":           {int32(-1), attribute.IntValue(-1)},
		"int64":           {int64(math.MinInt64), attribute.Int64Value(math.MinInt64)},
		"uint":            {uint(1), attribute.IntValue(1)},
		"uint8":           {uint8(255), attribute.IntValue(255)},
		"uint16":          {uint16(1), attribute.IntValue(1)},
		"uint32":          {uint32(math.MaxUint32), attribute.Int64Value(math.MaxUint32)},
		"uint64":          {uint64(1), attribute.IntValue(1)},
		"uintptr":         {uintptr(1), attribute.IntValue(1)},
		"uint64, large":   {uint64(math.MaxUint64), attribute.StringValue("18446744073709551615")},
		"float32":         {float32(0.5), attribute.Float64Value(0.5)},
		"float64":         {0.1, attribute.Float64Value(0.1)},
		"[]bool":          {[]bool{true}, attribute.BoolSliceValue([]bool{true})},
		"[]int":           {[]int{1}, attribute.IntSliceValue([]int{1})},
		"[]int64":         {[]int64{1}, attribute.Int64SliceValue([]int64{1})},
		"[]float64":       {[]float64{1}, attribute.Float64SliceValue([]float64{1})},
		"[]string":        {[]string{"a"}, attribute.StringSliceValue([]string{"a"})},
		"[]byte":          {[]byte{1}, attribute.ByteSliceValue([]byte{1})},
		"attribute.Value": {attribute.IntValue(7), attribute.IntValue(7)},
		"struct":          {odd{1}, attribute.StringValue("tracing_test.odd")},
		"pointer":         {&odd{1}, attribute.StringValue("*tracing_test.odd")},
		"nil pointer":     {nilPointer, attribute.StringValue("*tracing_test.odd")},
		"map":             {map[string]int{"a": 1}, attribute.StringValue("map[string]int")},
		"func":            {func() {}, attribute.StringValue("func()")},
		"complex":         {complex(1, 1), attribute.StringValue("complex128")},
	} {
		d := one(t, func(s *tracing.Span) { s.SetAttribute("k", tt.in) })
		got, ok := value(d.Attributes, "k")
		assert.True(t, ok, name)
		assert.Equal(t, tt.want, got, name)
	}
}

func TestSetAttributeNilRemoves(t *testing.T) {
	t.Parallel()
	d := one(t, func(s *tracing.Span) {
		s.SetAttributes(attribute.Int("a", 1), attribute.Int("b", 2), attribute.Int("c", 3))
		s.SetAttribute("b", nil)
		s.SetAttribute("b", nil)
		s.SetAttribute("never there", nil)
		s.SetAttribute("", nil)
		s.SetAttribute("d", 4)
		s.SetAttribute("a", nil)
		s.SetAttribute("a", 5)
	})
	assert.Equal(t, []attribute.KeyValue{attribute.Int("c", 3), attribute.Int("d", 4), attribute.Int("a", 5)}, d.Attributes)
	assert.Zero(t, d.DroppedAttributes)

	d = one(t, func(s *tracing.Span) {
		s.SetAttributes(attribute.Int("a", 1), attribute.Int("b", 2))
		s.SetAttribute("a", nil)
		s.SetAttributes(attribute.Int("c", 3))
	}, tracing.WithSpanLimits(tracing.SpanLimits{Attributes: 2}))
	assert.Equal(t, []attribute.KeyValue{attribute.Int("b", 2), attribute.Int("c", 3)}, d.Attributes, "what was removed makes room")
}

func TestStatusRules(t *testing.T) {
	t.Parallel()
	type set struct {
		code codes.Code
		text string
	}
	for name, tt := range map[string]struct {
		sets []set
		want tracing.Status
	}{
		"unset":                      {nil, tracing.Status{}},
		"error":                      {[]set{{codes.Error, "e"}}, tracing.Status{Code: codes.Error, Description: "e"}},
		"the last error":             {[]set{{codes.Error, "e"}, {codes.Error, "f"}}, tracing.Status{Code: codes.Error, Description: "f"}},
		"error without description":  {[]set{{codes.Error, "e"}, {codes.Error, ""}}, tracing.Status{Code: codes.Error}},
		"ok":                         {[]set{{codes.Ok, "ignored"}}, tracing.Status{Code: codes.Ok}},
		"ok is final":                {[]set{{codes.Ok, ""}, {codes.Error, "e"}, {codes.Unset, "u"}}, tracing.Status{Code: codes.Ok}},
		"ok beats error":             {[]set{{codes.Error, "e"}, {codes.Ok, "o"}}, tracing.Status{Code: codes.Ok}},
		"unset does not count":       {[]set{{codes.Error, "e"}, {codes.Unset, "u"}}, tracing.Status{Code: codes.Error, Description: "e"}},
		"unset takes no description": {[]set{{codes.Unset, "u"}}, tracing.Status{}},
		"an unknown code":            {[]set{{codes.Error, "e"}, {codes.Code(9), "x"}}, tracing.Status{Code: codes.Error, Description: "e"}},
	} {
		d := one(t, func(s *tracing.Span) {
			for _, set := range tt.sets {
				s.SetStatus(set.code, set.text)
			}
		})
		assert.Equal(t, tt.want, d.Status, name)
	}
}

func TestEventsKeepTheirOrder(t *testing.T) {
	t.Parallel()
	at := time.Unix(1_700_000_000, 123)
	d := one(t, func(s *tracing.Span) {
		s.AddEvent("b")
		s.AddEvent("a", trace.WithTimestamp(at))
		s.AddEvent("b", trace.WithAttributes(attribute.Int("i", 1)))
		s.AddEvent("")
	})
	require.Len(t, d.Events, 4)
	for i, name := range []string{"b", "a", "b", ""} {
		assert.Equal(t, name, d.Events[i].Name, "in the order of recording, not of their times")
	}
	assert.True(t, at.Equal(d.Events[1].Time), "a time given by the user is kept as given")
	assert.Empty(t, d.Events[0].Attributes)
	for _, i := range []int{0, 2, 3} {
		assert.False(t, d.Events[i].Time.Before(d.StartTime), "event %d", i)
		assert.False(t, d.Events[i].Time.After(d.EndTime), "event %d", i)
	}
}

type customError struct{ code int }

func (e customError) Error() string { return fmt.Sprint("code ", e.code) }

func TestRecordError(t *testing.T) {
	t.Parallel()
	at := time.Unix(1_700_000_000, 0)
	d := one(t, func(s *tracing.Span) {
		s.RecordError(nil)
		s.RecordError(errors.New("plain"))
		s.RecordError(customError{7}, trace.WithTimestamp(at), trace.WithAttributes(attribute.Int("i", 1)))
		s.RecordError(fmt.Errorf("wrapped: %w", customError{8}), trace.WithStackTrace(true))
		s.RecordError(errors.New("hidden"), trace.WithAttributes(attribute.String("exception.message", "shown")))
	})
	require.Len(t, d.Events, 4)
	assert.Equal(t, tracing.Status{}, d.Status, "it does not change the status")
	for i, want := range []struct{ typ, message string }{
		{"*errors.errorString", "plain"},
		{"github.com/spandrel-go/spandrel/tracing_test.customError", "code 7"},
		{"*fmt.wrapError", "wrapped: code 8"},
		{"*errors.errorString", "shown"}, // additional attributes take precedence (trace/api.md, "Record Exception")
	} {
		e := d.Events[i]
		assert.Equal(t, "exception", e.Name)
		typ, _ := value(e.Attributes, "exception.type")
		assert.Equal(t, want.typ, typ.AsString())
		message, _ := value(e.Attributes, "exception.message")
		assert.Equal(t, want.message, message.AsString())
		stack, ok := value(e.Attributes, "exception.stacktrace")
		assert.Equal(t, i == 2, ok)
		if ok {
			assert.Contains(t, stack.AsString(), "TestRecordError")
		}
		keys := map[attribute.Key]int{}
		for _, kv := range e.Attributes {
			keys[kv.Key]++
			assert.Equal(t, 1, keys[kv.Key], "%s in event %d", kv.Key, i)
		}
	}
	assert.True(t, at.Equal(d.Events[1].Time))
	i, _ := value(d.Events[1].Attributes, "i")
	assert.EqualValues(t, 1, i.AsInt64())
}

func TestAddLinkRules(t *testing.T) {
	t.Parallel()
	state, err := trace.ParseTraceState("a=b")
	require.NoError(t, err)
	attrs := []attribute.KeyValue{attribute.Int("i", 1)}
	onlyState := trace.NewSpanContext(trace.SpanContextConfig{TraceState: state})
	d := one(t, func(s *tracing.Span) {
		s.AddLink(trace.Link{})
		s.AddLink(trace.Link{SpanContext: remoteParent(true)})
		s.AddLink(trace.Link{Attributes: attrs})
		s.AddLink(trace.Link{SpanContext: onlyState})
		s.AddLink(trace.Link{SpanContext: remoteParent(true)})
	})
	assert.Equal(t, []tracing.Link{
		{SpanContext: remoteParent(true)}, {Attributes: attrs}, {SpanContext: onlyState}, {SpanContext: remoteParent(true)},
	}, d.Links, "links are kept in order, also equal ones, and those without ids that say something else")
}

func TestCloneIsDeep(t *testing.T) {
	t.Parallel()
	kv := func() []attribute.KeyValue { return []attribute.KeyValue{attribute.Int("i", 1)} }
	make1 := func() *tracing.SpanData {
		return &tracing.SpanData{
			SpanContext: remoteParent(true), Parent: remoteParent(false), Name: "n", Kind: trace.SpanKindClient,
			StartTime: time.Unix(1, 0), EndTime: time.Unix(2, 0), Attributes: kv(),
			Events:   []tracing.Event{{Name: "e", Attributes: kv(), DroppedAttributes: 1}},
			Links:    []tracing.Link{{SpanContext: remoteParent(true), Attributes: kv(), DroppedAttributes: 2}},
			Status:   tracing.Status{Code: codes.Error, Description: "d"},
			Resource: tracing.NewResource(), Scope: &tracing.Scope{Name: "s"},
			DroppedAttributes: 3, DroppedEvents: 4, DroppedLinks: 5, Partial: true, Debug: true,
		}
	}
	d := make1()
	c := d.Clone()
	assert.Equal(t, d, c)
	d.Attributes[0], d.Events[0].Attributes[0], d.Links[0].Attributes[0] = attribute.KeyValue{}, attribute.KeyValue{}, attribute.KeyValue{}
	d.Events[0].Name = ""
	d.Links[0].SpanContext = trace.SpanContext{}
	want := make1()
	want.Resource, want.Scope = c.Resource, c.Scope
	assert.Equal(t, want, c)
}

func TestLimits(t *testing.T) {
	t.Parallel()
	attrs := make([]attribute.KeyValue, 0, 300)
	for i := range 300 {
		attrs = append(attrs, attribute.Int(strconv.Itoa(i), i))
	}
	fill := func(s *tracing.Span) {
		for i := range 300 {
			s.SetAttributes(attrs[i])
			s.AddEvent(strconv.Itoa(i), trace.WithAttributes(attrs[:i]...))
			s.AddLink(trace.Link{SpanContext: remoteParent(true), Attributes: attrs[:i]})
		}
		s.SetAttributes(attribute.String("0", "again")) // a key that is there needs no room
	}
	for name, tt := range map[string]struct {
		limits                       tracing.SpanLimits
		attrs, events, links, ea, la int
	}{
		"default":   {tracing.SpanLimits{}, 128, 128, 128, 128, 128},
		"set":       {tracing.SpanLimits{Attributes: 5, Events: 6, Links: 7, AttributesPerEvent: 8, AttributesPerLink: 9}, 5, 6, 7, 8, 9},
		"one":       {tracing.SpanLimits{Attributes: 1, Events: 1, Links: 1, AttributesPerEvent: 1, AttributesPerLink: 1}, 1, 1, 1, 1, 1},
		"unlimited": {tracing.SpanLimits{Attributes: -1, Events: -1, Links: -1, AttributesPerEvent: -1, AttributesPerLink: -1}, 300, 300, 300, 300, 300},
	} {
		d := one(t, fill, tracing.WithSpanLimits(tt.limits))
		require.Len(t, d.Attributes, tt.attrs, name)
		assert.Equal(t, attribute.String("0", "again"), d.Attributes[0], name)
		if tt.attrs > 1 {
			assert.Equal(t, attrs[1:tt.attrs], d.Attributes[1:], name)
		}
		assert.Equal(t, 300-tt.attrs, d.DroppedAttributes, name)
		require.Len(t, d.Events, tt.events, name)
		assert.Equal(t, 300-tt.events, d.DroppedEvents, name)
		require.Len(t, d.Links, tt.links, name)
		assert.Equal(t, 300-tt.links, d.DroppedLinks, name)
		for i, e := range d.Events {
			n := 300 - tt.events + i // the oldest went
			require.Equal(t, strconv.Itoa(n), e.Name, name)
			require.Len(t, e.Attributes, min(n, tt.ea), name)
			require.Equal(t, max(0, n-tt.ea), e.DroppedAttributes, name)
			if n > 0 {
				require.Equal(t, attrs[:min(n, tt.ea)], e.Attributes, name)
			}
		}
		for i, l := range d.Links {
			n := 300 - tt.links + i
			require.Len(t, l.Attributes, min(n, tt.la), name)
			require.Equal(t, max(0, n-tt.la), l.DroppedAttributes, name)
			if n > 0 {
				require.Equal(t, attrs[:min(n, tt.la)], l.Attributes, name)
			}
		}
	}
}

func TestEmptyKeysAreRefusedAndCounted(t *testing.T) {
	t.Parallel()
	bad := attribute.String("", "no key")
	good := attribute.String("key", "v")
	d := one(t, func(s *tracing.Span) {
		s.SetAttributes(bad, good, bad)
		s.SetAttribute("", 1)
		s.AddEvent("e", trace.WithAttributes(bad, good))
		s.AddLink(trace.Link{SpanContext: remoteParent(true), Attributes: []attribute.KeyValue{good, bad}})
	})
	want := []attribute.KeyValue{good}
	assert.Equal(t, want, d.Attributes)
	assert.Equal(t, 3, d.DroppedAttributes)
	assert.Equal(t, want, d.Events[0].Attributes)
	assert.Equal(t, 1, d.Events[0].DroppedAttributes)
	assert.Equal(t, want, d.Links[0].Attributes)
	assert.Equal(t, 1, d.Links[0].DroppedAttributes)
}

func TestLongValuesAreCutAtACharacter(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		limit    int
		in, want string
	}{
		{3, "abc", "abc"},
		{3, "abcd", "abc"},
		{3, "äöü", "äöü"},
		{2, "äöü", "äö"},
		{1, "€", "€"},
		{2, "a€€", "a€"},
		{1, "😀b", "😀"},
		{2, "\xff\xfe\xfd", "\xff\xfe"}, // no UTF-8: each byte counts
		{2, "a\xe2\x82b", "a\xe2"},
		{1, "\uFFFD\uFFFD", "\uFFFD"},
		{-1, strings.Repeat("x", 1000), strings.Repeat("x", 1000)},
		{0, strings.Repeat("x", 1000), strings.Repeat("x", 1000)},
	} {
		list := []string{tt.in, "", "a"}
		d := one(t, func(s *tracing.Span) {
			kvs := []attribute.KeyValue{attribute.String("s", tt.in), attribute.StringSlice("l", list), attribute.Int("i", 123456789)}
			s.SetAttributes(kvs...)
			s.SetAttributes(attribute.String("s", tt.in)) // replaced
			s.AddEvent("e", trace.WithAttributes(kvs...))
			s.AddLink(trace.Link{SpanContext: remoteParent(true), Attributes: kvs})
		}, tracing.WithSpanLimits(tracing.SpanLimits{AttributeValueLength: tt.limit}))
		want := []attribute.KeyValue{attribute.String("s", tt.want), attribute.StringSlice("l", []string{tt.want, "", "a"}), attribute.Int("i", 123456789)}
		assert.Equal(t, want, d.Attributes, "%d characters of %q", tt.limit, tt.in)
		assert.Equal(t, want, d.Events[0].Attributes, "%d characters of %q", tt.limit, tt.in)
		assert.Equal(t, want, d.Links[0].Attributes, "%d characters of %q", tt.limit, tt.in)
		assert.Equal(t, tt.in, list[0], "what the caller gave is as it was")
	}
}

// Not parallel: it measures the heap.
func TestMillionEventsNeedBoundedMemory(t *testing.T) {
	events := 1_000_000
	if pool.Checked { // each costs many times as much, and a tenth of them is far above the bound too
		events = 100_000
	}
	tracer, c, p := newTracer(t)
	_, s := tracer.StartSpan(context.Background(), "one")
	// Now and then something is refused and something is linked, as in a span that lives long.
	grew := retained(func() any {
		for i := range events {
			s.AddEvent("event", trace.WithAttributes(attribute.Int("i", i), attribute.String("s", "t")))
			if i%10 == 0 {
				s.AddLink(trace.Link{SpanContext: remoteParent(true), Attributes: []attribute.KeyValue{attribute.Int("i", i)}})
			}
		}
		return s
	})
	assert.Less(t, grew, int64(1<<20), "bytes held by 128 events and 128 links")
	s.End()
	flush(t, p)
	d := c.span(t, "one")
	require.Len(t, d.Events, 128)
	assert.Equal(t, events-128, d.DroppedEvents)
	assert.Equal(t, events/10-128, d.DroppedLinks)
	for i, e := range d.Events {
		assert.Equal(t, []attribute.KeyValue{attribute.Int("i", events-128+i), attribute.String("s", "t")}, e.Attributes)
	}
	for i, l := range d.Links {
		assert.Equal(t, []attribute.KeyValue{attribute.Int("i", 10*(events/10-128+i))}, l.Attributes)
	}
}

func TestUnsampledSpanDoesNothing(t *testing.T) {
	t.Parallel()
	tracer, c, p := newTracer(t, tracing.WithSampler(sampling.AlwaysOff()))
	ctx, s := tracer.StartSpan(context.Background(), "one")
	full(s, 3)
	s.SetStatus(codes.Error, "e")
	s.RecordError(errBackend)
	s.SetAttribute("a", nil)
	assert.False(t, s.IsRecording())
	assert.Same(t, s, tracer.ActiveSpan(ctx))
	assert.Nil(t, tracer.RootSpan(ctx), "nil when the trace is not recorded")
	s.End()
	s.Finish()
	flush(t, p)
	assert.Empty(t, c.spans())
	assert.EqualValues(t, 1, p.Stats().SampledOut)
	assert.Zero(t, p.Stats().Started)
}

// A time that the user gives is kept, also one that time.Now made and that lies ahead.
func TestEventTimeAheadIsKept(t *testing.T) {
	t.Parallel()
	ahead := time.Now().Add(time.Hour)
	d := one(t, func(s *tracing.Span) {
		s.AddEvent("ahead", trace.WithTimestamp(ahead))
		s.RecordError(errors.New("failed"), trace.WithTimestamp(ahead))
	})
	require.Len(t, d.Events, 2)
	for _, e := range d.Events {
		assert.True(t, ahead.Equal(e.Time), "%s: got %v, want %v", e.Name, e.Time, ahead)
	}
}

// The counts of one span do not stay in the view that is lent for the next.
func TestDroppedCountsAreEachSpansOwn(t *testing.T) {
	t.Parallel()
	env := map[string]string{"OTEL_SPAN_EVENT_COUNT_LIMIT": "0", "OTEL_SPAN_LINK_COUNT_LIMIT": "0"}
	dropped := map[string][2]int{}
	e := &encoder{appendSpan: func(dst []byte, d *tracing.SpanData) []byte {
		dropped[d.Name] = [2]int{d.DroppedEvents, d.DroppedLinks}
		return appendName(dst, d.Name)
	}}
	p := newProvider(t, tracing.WithExporter(e), quiet(), tracing.WithEnvironment(func(name string) (string, bool) {
		v, ok := env[name]
		return v, ok
	}))
	tracer := p.NewTracer("test")
	ctx, root := tracer.StartSpan(context.Background(), "root")
	for i := range 5 {
		_, s := tracer.StartSpan(ctx, fmt.Sprint("full ", i))
		full(s, 1)
		s.End()
		_, s = tracer.StartSpan(ctx, fmt.Sprint("empty ", i))
		s.End()
	}
	root.End()
	flush(t, p)
	for i := range 5 {
		assert.Equal(t, [2]int{1, 1}, dropped[fmt.Sprint("full ", i)])
		assert.Equal(t, [2]int{0, 0}, dropped[fmt.Sprint("empty ", i)])
	}
}
