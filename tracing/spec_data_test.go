// SPDX-License-Identifier: Apache-2.0

package tracing_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/tracing"
)

// keeps checks that attributes come out as they were set, wherever attributes can be set: on a span, at
// its start and later, on an event and on a link.
func keeps(t *testing.T, attrs ...attribute.KeyValue) {
	t.Helper()
	link := trace.Link{SpanContext: remoteParent(true), Attributes: attrs}
	atStart := apiOne(t, func(trace.Span) {}, trace.WithAttributes(attrs...), trace.WithLinks(link))
	later := apiOne(t, func(s trace.Span) {
		s.SetAttributes(attrs...)
		s.AddLink(link)
		s.AddEvent("e", trace.WithAttributes(attrs...))
	})
	assert.Equal(t, attrs, atStart.Attributes)
	assert.Equal(t, attrs, atStart.Links[0].Attributes)
	assert.Equal(t, attrs, later.Attributes)
	assert.Equal(t, attrs, later.Links[0].Attributes)
	assert.Equal(t, attrs, later.Events[0].Attributes)
	assert.Zero(t, later.DroppedAttributes+later.Events[0].DroppedAttributes+later.Links[0].DroppedAttributes)
}

func TestSpec_SetAttribute(t *testing.T) {
	t.Parallel()
	d := apiOne(t, func(s trace.Span) {
		s.SetAttributes(attribute.Int("a", 1))
		s.SetAttributes(attribute.Int("b", 1), attribute.String("c", "x"))
		s.SetAttributes(attribute.String("a", "overwritten"))
	})
	assert.Equal(t, []attribute.KeyValue{attribute.String("a", "overwritten"), attribute.Int("b", 1), attribute.String("c", "x")}, d.Attributes)
	one := one(t, func(s *tracing.Span) { s.SetAttribute("a", 1); s.SetAttribute("a", true) })
	assert.Equal(t, []attribute.KeyValue{attribute.Bool("a", true)}, one.Attributes, "a single one, key and value as arguments")
}

func TestSpec_String_attribute(t *testing.T) {
	t.Parallel()
	keeps(t, attribute.String("s", "value"), attribute.String("long", strings.Repeat("x", 100_000)), attribute.String("zero", "a\x00b"))
}

func TestSpec_Boolean_attribute(t *testing.T) {
	t.Parallel()
	keeps(t, attribute.Bool("t", true), attribute.Bool("f", false))
}

func TestSpec_Double_attribute(t *testing.T) {
	t.Parallel()
	keeps(t, attribute.Float64("pi", math.Pi), attribute.Float64("max", math.MaxFloat64), attribute.Float64("min", math.SmallestNonzeroFloat64),
		attribute.Float64("inf", math.Inf(-1)))
	nan := apiOne(t, func(s trace.Span) { s.SetAttributes(attribute.Float64("nan", math.NaN())) })
	assert.True(t, math.IsNaN(nan.Attributes[0].Value.AsFloat64()))
}

func TestSpec_Int64_attribute(t *testing.T) {
	t.Parallel()
	keeps(t, attribute.Int64("max", math.MaxInt64), attribute.Int64("min", math.MinInt64), attribute.Int("one", 1))
}

func TestSpec_Array_attributes(t *testing.T) {
	t.Parallel()
	keeps(t,
		attribute.StringSlice("strings", []string{"a", "b"}), attribute.BoolSlice("bools", []bool{true, false}),
		attribute.Int64Slice("ints", []int64{math.MaxInt64, -1}), attribute.Float64Slice("floats", []float64{0.5, -0.5}))
	list := []string{"a", "b"}
	d := apiOne(t, func(s trace.Span) {
		s.SetAttributes(attribute.StringSlice("strings", list))
		list[0] = "changed"
	})
	assert.Equal(t, []string{"a", "b"}, d.Attributes[0].Value.AsStringSlice(), "as it was when it was set")
}

func TestSpec_Null_attribute_documented(t *testing.T) {
	t.Parallel()
	assert.Contains(t, docOf(t, "Span.SetAttribute"), "Nil removes the attribute")
	d := one(t, func(s *tracing.Span) {
		s.SetAttribute("a", 1)
		s.SetAttribute("b", 2)
		s.SetAttribute("a", nil)
		s.SetAttribute("never set", nil)
	})
	assert.Equal(t, []attribute.KeyValue{attribute.Int("b", 2)}, d.Attributes)
}

func TestSpec_Unicode_attributes(t *testing.T) {
	t.Parallel()
	keeps(t, attribute.String("ключ", "значение"), attribute.String("鍵", "値"), attribute.String("🔑", "👩‍👩‍👧"),
		attribute.StringSlice("e\u0301", []string{"é", "e\u0301"}), attribute.String("é", "another key"))
}

func TestSpec_Any_value_attributes(t *testing.T) {
	t.Parallel()
	nested := attribute.MapValue(
		attribute.String("Case", "kept"), attribute.String("case", "kept"),
		attribute.KeyValue{Key: "list", Value: attribute.SliceValue(attribute.IntValue(1), attribute.Value{}, attribute.MapValue(attribute.Bool("b", true)))})
	keeps(t,
		attribute.KeyValue{Key: "bytes", Value: attribute.ByteSliceValue([]byte{0, 0xFF, 0x80})},
		attribute.KeyValue{Key: "any values", Value: attribute.SliceValue(attribute.StringValue("s"), attribute.Float64Value(1.5), nested)},
		attribute.KeyValue{Key: "map", Value: nested},
		attribute.KeyValue{Key: "nothing", Value: attribute.Value{}})
}

// Values that say nothing are meaningful all the same.
func TestSpec_Empty_and_zero_attributes(t *testing.T) {
	t.Parallel()
	keeps(t,
		attribute.String("string", ""), attribute.Int("int", 0), attribute.Float64("float", 0), attribute.Bool("bool", false),
		attribute.StringSlice("strings", []string{}), attribute.Int64Slice("ints", []int64{}),
		attribute.Float64Slice("floats", []float64{}), attribute.BoolSlice("bools", []bool{}),
		attribute.KeyValue{Key: "bytes", Value: attribute.ByteSliceValue([]byte{})},
		attribute.KeyValue{Key: "any values", Value: attribute.SliceValue()},
		attribute.KeyValue{Key: "map", Value: attribute.MapValue()},
		attribute.KeyValue{Key: "nothing", Value: attribute.Value{}})
}

// linksTo returns n links that differ.
func linksTo(n int) (links []trace.Link) {
	for i := range n {
		sc := remoteParent(i%2 == 0).WithSpanID(trace.SpanID{7: byte(i + 1)}).WithRemote(false)
		links = append(links, trace.Link{SpanContext: sc, Attributes: []attribute.KeyValue{attribute.Int("i", i)}})
	}
	return links
}

func recorded(links []trace.Link) (list []tracing.Link) {
	for _, l := range links {
		list = append(list, tracing.Link{SpanContext: l.SpanContext, Attributes: l.Attributes})
	}
	return list
}

func TestSpec_Links_at_creation(t *testing.T) {
	t.Parallel()
	links := linksTo(2)
	d := apiOne(t, func(trace.Span) {}, trace.WithLinks(links...))
	assert.Equal(t, recorded(links), d.Links)
}

func TestSpec_Links_after_creation(t *testing.T) {
	t.Parallel()
	links := linksTo(1)
	state, err := trace.ParseTraceState("a=1")
	require.NoError(t, err)
	links = append(links,
		trace.Link{SpanContext: remoteParent(true).WithTraceState(state)},
		// Without ids a link is kept for what else it says.
		trace.Link{Attributes: []attribute.KeyValue{attribute.Int("a", 1)}},
		trace.Link{SpanContext: trace.SpanContext{}.WithTraceState(state)})
	d := apiOne(t, func(s trace.Span) {
		for _, l := range links {
			s.AddLink(l)
		}
		s.AddLink(trace.Link{}) // says nothing
	})
	assert.Equal(t, recorded(links), d.Links)
}

func TestSpec_Links_order(t *testing.T) {
	t.Parallel()
	links := linksTo(100)
	d := apiOne(t, func(s trace.Span) {
		for _, l := range links[40:] {
			s.AddLink(l)
		}
	}, trace.WithLinks(links[:20]...), trace.WithLinks(links[20:40]...))
	assert.Equal(t, recorded(links), d.Links)
}

func TestSpec_AddEvent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tracer, r, p := api(t)
		_, s := tracer.Start(context.Background(), "one")
		begin := time.Now()
		s.AddEvent("now")
		time.Sleep(time.Second)
		s.AddEvent("later, with attributes", trace.WithAttributes(attribute.Int("a", 1), attribute.String("b", "2")))
		s.AddEvent("before the start", trace.WithTimestamp(begin.Add(-time.Hour)))
		s.End()
		s.AddEvent("too late")
		flush(t, p)
		events := r.Span(t, "one").Events
		require.Len(t, events, 3)
		assert.Equal(t, "now", events[0].Name)
		assert.True(t, begin.Equal(events[0].Time))
		assert.Empty(t, events[0].Attributes)
		assert.True(t, begin.Add(time.Second).Equal(events[1].Time))
		assert.Equal(t, []attribute.KeyValue{attribute.Int("a", 1), attribute.String("b", "2")}, events[1].Attributes)
		assert.True(t, begin.Add(-time.Hour).Equal(events[2].Time), "as it was given")
		shutdown(t, p)
	})
}

func TestSpec_Events_order(t *testing.T) {
	t.Parallel()
	at := time.Unix(1_700_000_000, 0)
	d := apiOne(t, func(s trace.Span) {
		for i := range 100 {
			s.AddEvent(fmt.Sprint("event ", i), trace.WithTimestamp(at.Add(-time.Duration(i)*time.Second)))
		}
	})
	require.Len(t, d.Events, 100)
	for i, e := range d.Events {
		assert.Equal(t, fmt.Sprint("event ", i), e.Name, "in the order of recording, not of their times")
	}
}

func TestSpec_Events_ConcurrentSafe(t *testing.T) {
	t.Parallel()
	const writers, each = 4, 30
	d := apiOne(t, func(s trace.Span) {
		var wg sync.WaitGroup
		for i := range writers {
			wg.Go(func() {
				for j := range each {
					s.AddEvent(fmt.Sprint("of ", i), trace.WithAttributes(attribute.Int("j", j)))
				}
			})
		}
		wg.Wait()
	})
	require.Len(t, d.Events, writers*each)
	next := map[string]int64{}
	for _, e := range d.Events {
		j, _ := value(e.Attributes, "j")
		assert.Equal(t, next[e.Name], j.AsInt64(), "%s: in the order of its goroutine", e.Name)
		next[e.Name]++
	}
}

type timeoutError struct{ after time.Duration }

func (e timeoutError) Error() string { return "no answer after " + e.after.String() }

func TestSpec_RecordException(t *testing.T) {
	t.Parallel()
	d := apiOne(t, func(s trace.Span) {
		s.RecordError(timeoutError{time.Second})
		s.RecordError(fmt.Errorf("wrapped: %w", errBackend))
		s.RecordError(nil)
	})
	require.Len(t, d.Events, 2)
	assert.Equal(t, "exception", d.Events[0].Name)
	assert.Equal(t, []attribute.KeyValue{
		attribute.String("exception.type", "github.com/spandrel-go/spandrel/tracing_test.timeoutError"),
		attribute.String("exception.message", "no answer after 1s"),
	}, d.Events[0].Attributes)
	message, _ := value(d.Events[1].Attributes, "exception.message")
	assert.Equal(t, "wrapped: "+errBackend.Error(), message.AsString())
	assert.Equal(t, tracing.Status{}, d.Status, "an exception that was caught is not the span's failure")
}

func TestSpec_RecordException_with_extra_parameters(t *testing.T) {
	t.Parallel()
	at := time.Unix(1_700_000_000, 0)
	d := apiOne(t, func(s trace.Span) {
		s.RecordError(errors.New("cause"), trace.WithTimestamp(at), trace.WithStackTrace(true),
			trace.WithAttributes(attribute.Int("attempt", 3), attribute.String("exception.message", "takes precedence")))
	})
	require.Len(t, d.Events, 1)
	assert.True(t, at.Equal(d.Events[0].Time))
	got := map[attribute.Key]string{}
	for _, kv := range d.Events[0].Attributes {
		got[kv.Key] = kv.Value.String()
	}
	assert.Contains(t, got["exception.stacktrace"], "TestSpec_RecordException_with_extra_parameters")
	delete(got, "exception.stacktrace")
	assert.Equal(t, map[attribute.Key]string{"exception.type": "*errors.errorString", "exception.message": "takes precedence", "attempt": "3"}, got)
	assert.Len(t, d.Events[0].Attributes, 4, "no key twice")
}

func TestSpec_Default_limits(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 1<<20)
	d := one(t, func(s *tracing.Span) {
		for i := range 200 {
			kv := attribute.Int(fmt.Sprint("k", i), i)
			s.SetAttributes(kv)
			s.AddEvent(fmt.Sprint("event ", i))
			s.AddLink(trace.Link{SpanContext: remoteParent(true)})
		}
		s.AddEvent("full", trace.WithAttributes(numbered(200)...))
		s.AddLink(trace.Link{SpanContext: remoteParent(true), Attributes: numbered(200)})
		s.AddEvent("long", trace.WithAttributes(attribute.String("long", long)))
	}, quiet())
	assert.Len(t, d.Attributes, 128)
	assert.Equal(t, 72, d.DroppedAttributes)
	require.Len(t, d.Events, 128)
	assert.Equal(t, 74, d.DroppedEvents)
	require.Len(t, d.Links, 128)
	assert.Equal(t, 73, d.DroppedLinks)
	assert.Len(t, d.Events[126].Attributes, 128)
	assert.Equal(t, 72, d.Events[126].DroppedAttributes)
	assert.Len(t, d.Links[127].Attributes, 128)
	assert.Equal(t, 72, d.Links[127].DroppedAttributes)
	assert.Equal(t, []attribute.KeyValue{attribute.String("long", long)}, d.Events[127].Attributes)
}

func TestSpec_SetAttribute_at_the_limit(t *testing.T) {
	t.Parallel()
	d := one(t, func(s *tracing.Span) {
		s.SetAttributes(attribute.Int("a", 1), attribute.Int("b", 1))
		s.SetAttributes(attribute.Int("c", 1), attribute.Int("a", 2)) // c is one too many, a is there
	}, quiet(), tracing.WithSpanLimits(tracing.SpanLimits{Attributes: 2}))
	assert.Equal(t, []attribute.KeyValue{attribute.Int("a", 2), attribute.Int("b", 1)}, d.Attributes)
	assert.Equal(t, 1, d.DroppedAttributes)
}

func TestSpec_Resource_attributes_have_no_limit(t *testing.T) {
	t.Parallel()
	long := attribute.String("long", strings.Repeat("x", 1000))
	d := one(t, func(*tracing.Span) {}, tracing.WithResource(append(numbered(200), long)...),
		tracing.WithSpanLimits(tracing.SpanLimits{Attributes: 1, AttributeValueLength: 1, AttributeValueDepth: 1}))
	assert.Subset(t, d.Resource.Attributes(), append(numbered(200), long))
}
