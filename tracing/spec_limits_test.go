// SPDX-License-Identifier: Apache-2.0

package tracing_test

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/sampling"
	"github.com/spandrel-go/spandrel/tracing"
)

// numbered returns n attributes with keys of their own.
func numbered(n int) []attribute.KeyValue {
	kvs := make([]attribute.KeyValue, n)
	for i := range kvs {
		kvs[i] = attribute.Int(fmt.Sprintf("k%d", i), i)
	}
	return kvs
}

// aroundLimit calls f with one less than a limit, the limit, and one more, and with what must be
// dropped of so many.
func aroundLimit(limit int, f func(n, dropped int)) {
	f(limit-1, 0)
	f(limit, 0)
	f(limit+1, 1)
}

func TestSpec_SpanLimits(t *testing.T) {
	t.Parallel()
	d := one(t, func(s *tracing.Span) {
		s.SetAttributes(numbered(3)...)
		s.AddEvent("e1", trace.WithAttributes(numbered(4)...))
		s.AddEvent("e2")
		s.AddLink(trace.Link{SpanContext: remoteParent(true)})
		s.AddLink(trace.Link{SpanContext: remoteParent(true), Attributes: numbered(5)})
	}, tracing.WithSpanLimits(tracing.SpanLimits{
		Attributes: 2, Events: 1, Links: 1, AttributesPerEvent: 3, AttributesPerLink: 4,
	}))
	assert.Equal(t, numbered(2), d.Attributes)
	assert.Equal(t, 1, d.DroppedAttributes)
	require.Len(t, d.Events, 1)
	assert.Equal(t, "e2", d.Events[0].Name)
	assert.Equal(t, 1, d.DroppedEvents)
	require.Len(t, d.Links, 1)
	assert.Equal(t, numbered(4), d.Links[0].Attributes)
	assert.Equal(t, 1, d.Links[0].DroppedAttributes)
	assert.Equal(t, 1, d.DroppedLinks)
}

func TestSpec_attribute_collection_size_limit(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		limits tracing.SpanLimits
		limit  int
	}{
		"default": {tracing.SpanLimits{}, 128},
		"one":     {tracing.SpanLimits{Attributes: 1}, 1},
		"twenty":  {tracing.SpanLimits{Attributes: 20}, 20}, // more than are looked at together
	} {
		aroundLimit(tt.limit, func(n, dropped int) {
			for how, set := range map[string]func(*tracing.Span, []attribute.KeyValue){
				"together": func(s *tracing.Span, kvs []attribute.KeyValue) { s.SetAttributes(kvs...) },
				"in turn": func(s *tracing.Span, kvs []attribute.KeyValue) {
					for _, kv := range kvs {
						s.SetAttributes(kv)
					}
				},
			} {
				d := one(t, func(s *tracing.Span) { set(s, numbered(n)) }, tracing.WithSpanLimits(tt.limits))
				require.Len(t, d.Attributes, n-dropped, "%s: %d %s", name, n, how)
				assert.Subset(t, numbered(n-dropped), d.Attributes, "%s: %d %s", name, n, how)
				assert.Equal(t, dropped, d.DroppedAttributes, "%s: %d %s", name, n, how)
			}
		})
	}
}

func TestAttributeLimitCountsWhatSamplerAndStartGive(t *testing.T) {
	t.Parallel()
	aroundLimit(4, func(n, dropped int) {
		limits := tracing.WithSpanLimits(tracing.SpanLimits{Attributes: 4, AttributeValueLength: 3})
		all := numbered(n)
		all[0] = attribute.String("k0", "long")
		tracer, c, p := newTracer(t, limits, tracing.WithSampler(attributeSampler(all[:2])))
		_, s := tracer.StartSpan(context.Background(), "one", tracing.WithAttributes(all[2:]...))
		s.End()
		flush(t, p)
		d := c.span(t, "one")
		require.Len(t, d.Attributes, n-dropped)
		assert.Equal(t, attribute.String("k0", "lon"), d.Attributes[0], "the sampler's is cut like any other")
		assert.Equal(t, all[1:n-dropped], d.Attributes[1:])
		assert.Equal(t, dropped, d.DroppedAttributes)
	})
}

// attributeSampler samples everything and adds attributes.
type attributeSampler []attribute.KeyValue

func (a attributeSampler) Sample(sampling.Parameters) sampling.Result {
	return sampling.Result{Decision: sampling.RecordAndSample, Attributes: a}
}
func (a attributeSampler) Description() string { return "attributeSampler" }

func TestSpec_events_collection_size_limit(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		limits tracing.SpanLimits
		limit  int
	}{
		"default": {tracing.SpanLimits{}, 128},
		"three":   {tracing.SpanLimits{Events: 3, AttributesPerEvent: 2}, 3},
	} {
		aroundLimit(tt.limit, func(n, dropped int) {
			d := one(t, func(s *tracing.Span) {
				for i := range n {
					s.AddEvent(strconv.Itoa(i), trace.WithAttributes(attribute.Int("i", i)))
				}
			}, tracing.WithSpanLimits(tt.limits))
			require.Len(t, d.Events, n-dropped, "%s: %d", name, n)
			for i, e := range d.Events {
				assert.Equal(t, strconv.Itoa(dropped+i), e.Name, "%s: the oldest go", name)
				assert.Equal(t, []attribute.KeyValue{attribute.Int("i", dropped+i)}, e.Attributes)
			}
			assert.Equal(t, dropped, d.DroppedEvents, "%s: %d", name, n)
		})
	}
	aroundLimit(2, func(n, dropped int) {
		d := one(t, func(s *tracing.Span) { s.AddEvent("e", trace.WithAttributes(numbered(n)...)) },
			tracing.WithSpanLimits(tracing.SpanLimits{AttributesPerEvent: 2}))
		assert.Equal(t, numbered(n-dropped), d.Events[0].Attributes)
		assert.Equal(t, dropped, d.Events[0].DroppedAttributes)
		assert.Zero(t, d.DroppedAttributes)
	})
}

func TestSpec_links_collection_size_limit(t *testing.T) {
	t.Parallel()
	link := func(i int) trace.Link {
		return trace.Link{SpanContext: remoteParent(true), Attributes: []attribute.KeyValue{attribute.Int("i", i)}}
	}
	for name, tt := range map[string]struct {
		limits tracing.SpanLimits
		limit  int
	}{
		"default": {tracing.SpanLimits{}, 128},
		"three":   {tracing.SpanLimits{Links: 3}, 3},
	} {
		aroundLimit(tt.limit, func(n, dropped int) {
			// Half of them at the start.
			tracer, c, p := newTracer(t, tracing.WithSpanLimits(tt.limits))
			var first []trace.Link
			for i := range n / 2 {
				first = append(first, link(i))
			}
			_, s := tracer.StartSpan(context.Background(), "one", tracing.WithLinks(first...))
			for i := n / 2; i < n; i++ {
				s.AddLink(link(i))
			}
			s.End()
			flush(t, p)
			d := c.span(t, "one")
			require.Len(t, d.Links, n-dropped, "%s: %d", name, n)
			for i, l := range d.Links {
				assert.Equal(t, []attribute.KeyValue{attribute.Int("i", dropped+i)}, l.Attributes, "%s: the oldest go", name)
			}
			assert.Equal(t, dropped, d.DroppedLinks, "%s: %d", name, n)
		})
	}
	aroundLimit(2, func(n, dropped int) {
		d := one(t, func(s *tracing.Span) {
			s.AddLink(trace.Link{SpanContext: remoteParent(true), Attributes: numbered(n)})
		}, tracing.WithSpanLimits(tracing.SpanLimits{AttributesPerLink: 2}))
		assert.Equal(t, numbered(n-dropped), d.Links[0].Attributes)
		assert.Equal(t, dropped, d.Links[0].DroppedAttributes)
		assert.Zero(t, d.DroppedAttributes)
	})
}

func TestSpec_Attribute_Limits(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ in, want attribute.Value }{
		"string at the limit":  {attribute.StringValue("äöü"), attribute.StringValue("äöü")},
		"string beyond":        {attribute.StringValue("äöüß"), attribute.StringValue("äöü")},
		"empty string":         {attribute.StringValue(""), attribute.StringValue("")},
		"bytes below":          {attribute.ByteSliceValue([]byte{1, 2}), attribute.ByteSliceValue([]byte{1, 2})},
		"bytes at the limit":   {attribute.ByteSliceValue([]byte("ä1")), attribute.ByteSliceValue([]byte("ä1"))},
		"bytes beyond":         {attribute.ByteSliceValue([]byte("äö")), attribute.ByteSliceValue([]byte("ä\xc3"))},
		"strings":              {attribute.StringSliceValue([]string{"abcd", "", "abc", "€€€€"}), attribute.StringSliceValue([]string{"abc", "", "abc", "€€€"})},
		"strings within":       {attribute.StringSliceValue([]string{"abc"}), attribute.StringSliceValue([]string{"abc"})},
		"no strings":           {attribute.StringSliceValue([]string{}), attribute.StringSliceValue([]string{})},
		"number":               {attribute.IntValue(123456), attribute.IntValue(123456)},
		"float":                {attribute.Float64Value(1.23456), attribute.Float64Value(1.23456)},
		"truth":                {attribute.BoolValue(true), attribute.BoolValue(true)},
		"numbers":              {attribute.IntSliceValue([]int{1, 2, 3, 4, 5}), attribute.IntSliceValue([]int{1, 2, 3, 4, 5})},
		"floats":               {attribute.Float64SliceValue([]float64{1, 2, 3, 4, 5}), attribute.Float64SliceValue([]float64{1, 2, 3, 4, 5})},
		"truths":               {attribute.BoolSliceValue([]bool{true, true, true, true}), attribute.BoolSliceValue([]bool{true, true, true, true})},
		"empty":                {attribute.Value{}, attribute.Value{}},
		"slice":                {attribute.SliceValue(attribute.StringValue("abcd"), attribute.IntValue(12345)), attribute.SliceValue(attribute.StringValue("abc"), attribute.IntValue(12345))},
		"slice of six, within": {attribute.SliceValue(make([]attribute.Value, 6)...), attribute.SliceValue(make([]attribute.Value, 6)...)},
		"map": {
			attribute.MapValue(attribute.String("a long key", "abcd"), attribute.ByteSlice("b", []byte("abcd"))),
			attribute.MapValue(attribute.String("a long key", "abc"), attribute.ByteSlice("b", []byte("abc"))),
		},
		"nested": {
			attribute.MapValue(attribute.Slice("l", attribute.MapValue(attribute.StringSlice("s", []string{"abcd"})))),
			attribute.MapValue(attribute.Slice("l", attribute.MapValue(attribute.StringSlice("s", []string{"abc"})))),
		},
	} {
		kvs := []attribute.KeyValue{{Key: "a key that is longer than the limit", Value: tt.in}}
		want := []attribute.KeyValue{{Key: kvs[0].Key, Value: tt.want}}
		d := one(t, func(s *tracing.Span) {
			s.SetAttributes(kvs...)
			s.SetAttributes(kvs...)
			s.AddEvent("a long name", trace.WithAttributes(kvs...))
			s.AddLink(trace.Link{SpanContext: remoteParent(true), Attributes: kvs})
		}, tracing.WithSpanLimits(tracing.SpanLimits{AttributeValueLength: 3}))
		assert.Equal(t, want, d.Attributes, name)
		assert.Equal(t, want, d.Events[0].Attributes, name)
		assert.Equal(t, "a long name", d.Events[0].Name, name)
		assert.Equal(t, want, d.Links[0].Attributes, name)
		assert.Zero(t, d.DroppedAttributes, "%s: what is cut is not dropped", name)
	}
}

// wrap puts v into depth slices and maps, by turns.
func wrap(v attribute.Value, depth int) attribute.Value {
	for i := range depth {
		if i%2 == 0 {
			v = attribute.SliceValue(attribute.IntValue(i), v)
		} else {
			v = attribute.MapValue(attribute.KeyValue{Key: "in", Value: v})
		}
	}
	return v
}

func TestSpec_Attribute_depth_limit(t *testing.T) {
	t.Parallel()
	empty := attribute.Value{}
	for name, tt := range map[string]struct {
		limit    int
		in, want attribute.Value
	}{
		"a list at depth 1":             {1, attribute.IntSliceValue([]int{1}), attribute.IntSliceValue([]int{1})},
		"a list at depth 2":             {1, wrap(attribute.IntSliceValue([]int{1}), 1), wrap(empty, 1)},
		"bytes at depth 2":              {1, wrap(attribute.ByteSliceValue([]byte{1}), 1), wrap(empty, 1)},
		"an empty map at depth 2":       {1, wrap(attribute.MapValue(), 1), wrap(empty, 1)},
		"simple values may stand lower": {1, wrap(attribute.StringValue("s"), 1), wrap(attribute.StringValue("s"), 1)},
		"below the limit":               {3, wrap(attribute.StringSliceValue([]string{"s"}), 1), wrap(attribute.StringSliceValue([]string{"s"}), 1)},
		"at the limit":                  {3, wrap(attribute.StringSliceValue([]string{"s"}), 2), wrap(attribute.StringSliceValue([]string{"s"}), 2)},
		"beyond the limit":              {3, wrap(attribute.StringSliceValue([]string{"s"}), 3), wrap(empty, 3)},
		"far beyond the limit": { // of nine, the three on the outside stay
			3, wrap(attribute.StringValue("s"), 9),
			attribute.SliceValue(attribute.IntValue(8), attribute.MapValue(attribute.KeyValue{
				Key: "in", Value: attribute.SliceValue(attribute.IntValue(6), empty),
			})),
		},
		"default, at the limit":     {0, wrap(attribute.MapValue(), 63), wrap(attribute.MapValue(), 63)},
		"default, beyond the limit": {0, wrap(attribute.MapValue(), 64), wrap(empty, 64)},
		"no limit":                  {-1, wrap(attribute.MapValue(), 1000), wrap(attribute.MapValue(), 1000)},
	} {
		kvs := []attribute.KeyValue{{Key: "k", Value: tt.in}, attribute.Int("other", 1)}
		want := []attribute.KeyValue{{Key: "k", Value: tt.want}, attribute.Int("other", 1)}
		tracer, c, p := newTracer(t, tracing.WithSpanLimits(tracing.SpanLimits{AttributeValueDepth: tt.limit}))
		_, s := tracer.StartSpan(context.Background(), "one", tracing.WithAttributes(kvs...))
		s.AddEvent("e", trace.WithAttributes(kvs...))
		s.AddLink(trace.Link{SpanContext: remoteParent(true), Attributes: kvs})
		s.End()
		_, scoped := p.Tracer("scope", trace.WithInstrumentationAttributes(kvs...)).Start(context.Background(), "scoped")
		scoped.End()
		flush(t, p)
		d := c.span(t, "one")
		assert.Equal(t, want, d.Attributes, name)
		assert.Equal(t, want, d.Events[0].Attributes, name)
		assert.Equal(t, want, d.Links[0].Attributes, name)
		assert.Zero(t, d.DroppedAttributes, name)
		assert.Equal(t, want, c.span(t, "scoped").Scope.Attributes, name)
	}
}

func TestKeysAreUniqueInEveryCollection(t *testing.T) {
	t.Parallel()
	twice := []attribute.KeyValue{attribute.Int("a", 1), attribute.Int("b", 2), attribute.Int("a", 3), attribute.Int("A", 4)}
	once := []attribute.KeyValue{attribute.Int("a", 3), attribute.Int("b", 2), attribute.Int("A", 4)}
	value := attribute.KeyValue{Key: "m", Value: attribute.SliceValue(attribute.MapValue(twice...))}
	d := one(t, func(s *tracing.Span) {
		s.SetAttributes(twice...)
		s.SetAttributes(value)
		s.AddEvent("e", trace.WithAttributes(append(twice, value)...))
		s.AddLink(trace.Link{SpanContext: remoteParent(true), Attributes: append(twice, value)})
	})
	want := append(once, attribute.KeyValue{Key: "m", Value: attribute.SliceValue(attribute.MapValue(once...))})
	assert.Equal(t, want, d.Attributes)
	assert.Equal(t, want, d.Events[0].Attributes)
	assert.Equal(t, want, d.Links[0].Attributes)
	assert.Zero(t, d.DroppedAttributes+d.Events[0].DroppedAttributes+d.Links[0].DroppedAttributes,
		"a replaced value is not a dropped one")
	assert.Equal(t, []attribute.KeyValue{{Key: "m", Value: attribute.MapValue(attribute.Int("a", 2))}},
		tracing.NewResource(attribute.KeyValue{Key: "m", Value: attribute.MapValue(attribute.Int("a", 1), attribute.Int("a", 2))}).Attributes())
}

// Not parallel: it measures the heap.
func TestCutValuesDoNotKeepTheWhole(t *testing.T) {
	tracer, _, _ := newTracer(t, tracing.WithSpanLimits(tracing.SpanLimits{AttributeValueLength: 10}))
	_, s := tracer.StartSpan(context.Background(), "one")
	defer s.End()
	grew := retained(func() any {
		for i := range 100 {
			s.SetAttributes(attribute.String(strconv.Itoa(i), strings.Repeat("x", 1<<16)))
		}
		return s
	})
	assert.Less(t, grew, int64(1<<20), "bytes held by 100 values of 10 characters")
}

// syncBuffer is a buffer that several goroutines write to.
type syncBuffer struct {
	mu  sync.Mutex // guards buf
	buf strings.Builder
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func TestSpec_Limits_are_logged_once(t *testing.T) {
	t.Parallel()
	var log syncBuffer
	tracer, _, p := newTracer(t, tracing.WithSpanLimits(tracing.SpanLimits{AttributesPerEvent: 1}),
		tracing.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	for range 3 {
		_, s := tracer.StartSpan(context.Background(), "small")
		s.End()
	}
	flush(t, p)
	assert.Empty(t, log.String(), "nothing was lost")
	for range 3 {
		_, s := tracer.StartSpan(context.Background(), "large")
		s.AddEvent("e", trace.WithAttributes(numbered(3)...))
		s.End()
	}
	flush(t, p)
	assert.Equal(t, 1, strings.Count(log.String(), "\n"), log.String())
	assert.Contains(t, log.String(), "span=large attributes=2 events=0 links=0")
}
