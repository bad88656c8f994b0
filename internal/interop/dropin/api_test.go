// SPDX-License-Identifier: Apache-2.0

package dropin_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// failure is an error whose type has a name and a path.
type failure struct{}

func (failure) Error() string { return "failed" }

// fixed is a span context of another process.
func fixed(flags trace.TraceFlags) trace.SpanContext {
	state, _ := trace.ParseTraceState("vendor=1")
	return trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{1, 15: 2}, SpanID: trace.SpanID{3}, TraceFlags: flags, TraceState: state,
	})
}

// uses are ways to use the API. Each runs on our provider and on the SDK's; what they deliver must be
// the same.
var uses = []struct {
	name string
	use  func(t testing.TB, ctx context.Context, tracer trace.Tracer)
}{
	{"a span and its child", func(t testing.TB, ctx context.Context, tracer trace.Tracer) {
		ctx, parent := tracer.Start(ctx, "operation")
		defer parent.End()
		_, child := tracer.Start(ctx, "sub-operation", trace.WithSpanKind(trace.SpanKindClient))
		defer child.End()
		assert.Equal(t, parent.SpanContext().TraceID(), child.SpanContext().TraceID())
		assert.True(t, child.IsRecording())
		child.SetStatus(codes.Error, "no")
		child.RecordError(errors.New("no"))
	}},
	{"every option of Start", func(t testing.TB, ctx context.Context, tracer trace.Tracer) {
		at := time.Now().Add(-time.Hour)
		_, s := tracer.Start(ctx, "s", trace.WithSpanKind(trace.SpanKindProducer), trace.WithTimestamp(at),
			trace.WithAttributes(attribute.Int("a", 1), attribute.Int("b", 2)), trace.WithAttributes(attribute.String("a", "again")),
			trace.WithLinks(trace.Link{SpanContext: fixed(0), Attributes: []attribute.KeyValue{attribute.Bool("c", true)}}))
		s.End(trace.WithTimestamp(at.Add(time.Minute)))
	}},
	{"every type of attribute", func(_ testing.TB, ctx context.Context, tracer trace.Tracer) {
		_, s := tracer.Start(ctx, "s")
		s.SetAttributes(
			attribute.Bool("bool", true), attribute.Int("int", 1), attribute.Int64("int64", 1<<60), attribute.Float64("float", 0.5),
			attribute.String("string", "x"), attribute.BoolSlice("bools", []bool{true}), attribute.IntSlice("ints", []int{1, 2}),
			attribute.Int64Slice("int64s", []int64{3}), attribute.Float64Slice("floats", []float64{4}),
			attribute.StringSlice("strings", []string{"y"}), attribute.ByteSlice("bytes", []byte{1}),
			attribute.Slice("slice", attribute.IntValue(1)), attribute.Map("map", attribute.Int("n", 1)),
			attribute.Stringer("stringer", time.Second), attribute.KeyValue{Key: "empty"}, attribute.Int("int", 2), attribute.Int("", 3),
		)
		s.End()
	}},
	{"attributes of the caller's slice", func(_ testing.TB, ctx context.Context, tracer trace.Tracer) {
		attrs := []attribute.KeyValue{attribute.Int("a", 1)}
		_, s := tracer.Start(ctx, "s", trace.WithAttributes(attrs...))
		s.SetAttributes(attrs...)
		attrs[0] = attribute.Int("b", 2)
		s.End()
	}},
	{"too many attributes, events and links", func(_ testing.TB, ctx context.Context, tracer trace.Tracer) {
		_, s := tracer.Start(ctx, "s")
		many := make([]attribute.KeyValue, 200)
		for i := range many {
			many[i] = attribute.Int(fmt.Sprint("key", i), i)
			s.AddEvent(fmt.Sprint("event", i))
			s.AddLink(trace.Link{SpanContext: fixed(trace.FlagsSampled).WithSpanID(trace.SpanID{byte(i), 1})})
		}
		s.SetAttributes(many...)
		s.AddEvent("last", trace.WithAttributes(many...))
		s.AddLink(trace.Link{SpanContext: fixed(0), Attributes: many})
		s.End()
	}},
	{"events and links", func(_ testing.TB, ctx context.Context, tracer trace.Tracer) {
		_, s := tracer.Start(ctx, "s")
		s.AddEvent("plain")
		s.AddEvent("with all", trace.WithTimestamp(time.Now()), trace.WithAttributes(attribute.Int("a", 1), attribute.Int("a", 2)))
		s.AddLink(trace.Link{SpanContext: fixed(trace.FlagsSampled), Attributes: []attribute.KeyValue{attribute.Int("a", 1)}})
		s.AddLink(trace.Link{})
		s.AddLink(trace.Link{Attributes: []attribute.KeyValue{attribute.Int("only", 1)}})
		s.End()
	}},
	{"errors", func(_ testing.TB, ctx context.Context, tracer trace.Tracer) {
		_, s := tracer.Start(ctx, "s")
		s.RecordError(nil)
		s.RecordError(failure{})
		s.RecordError(&failure{}, trace.WithAttributes(attribute.Int("a", 1)))
		s.RecordError(fmt.Errorf("wrapped: %w", failure{}), trace.WithStackTrace(true))
		s.End()
	}},
	{"the order of statuses", func(_ testing.TB, ctx context.Context, tracer trace.Tracer) {
		for name, set := range map[string]func(trace.Span){
			"unset":             func(s trace.Span) { s.SetStatus(codes.Unset, "x") },
			"error":             func(s trace.Span) { s.SetStatus(codes.Error, "x") },
			"error twice":       func(s trace.Span) { s.SetStatus(codes.Error, "x"); s.SetStatus(codes.Error, "y") },
			"error then unset":  func(s trace.Span) { s.SetStatus(codes.Error, "x"); s.SetStatus(codes.Unset, "") },
			"error then ok":     func(s trace.Span) { s.SetStatus(codes.Error, "x"); s.SetStatus(codes.Ok, "y") },
			"ok then error":     func(s trace.Span) { s.SetStatus(codes.Ok, "x"); s.SetStatus(codes.Error, "y") },
			"unknown is no one": func(s trace.Span) { s.SetStatus(codes.Error, "x"); s.SetStatus(codes.Unset, "y") },
		} {
			_, s := tracer.Start(ctx, name)
			set(s)
			s.End()
		}
	}},
	{"nothing changes after the end", func(t testing.TB, ctx context.Context, tracer trace.Tracer) {
		_, s := tracer.Start(ctx, "s")
		sc := s.SpanContext()
		s.SetName("renamed")
		s.End()
		assert.False(t, s.IsRecording())
		assert.Equal(t, sc, s.SpanContext())
		s.SetName("late")
		s.SetAttributes(attribute.Int("late", 1))
		s.AddEvent("late")
		s.AddLink(trace.Link{SpanContext: fixed(0)})
		s.RecordError(failure{})
		s.SetStatus(codes.Error, "late")
		s.End()
	}},
	{"a child of an ended span", func(_ testing.TB, ctx context.Context, tracer trace.Tracer) {
		ctx, parent := tracer.Start(ctx, "parent")
		parent.End()
		_, child := tracer.Start(ctx, "child")
		child.End()
	}},
	{"a new root", func(t testing.TB, ctx context.Context, tracer trace.Tracer) {
		ctx, first := tracer.Start(ctx, "first")
		_, second := tracer.Start(ctx, "second", trace.WithNewRoot(), trace.WithLinks(trace.LinkFromContext(trace.ContextWithSpanContext(ctx, fixed(0)))))
		assert.NotEqual(t, first.SpanContext().TraceID(), second.SpanContext().TraceID())
		second.End()
		first.End()
	}},
	{"the span of a Go context", func(t testing.TB, ctx context.Context, tracer trace.Tracer) {
		assert.False(t, trace.SpanFromContext(ctx).SpanContext().IsValid())
		withSpan, s := tracer.Start(ctx, "s")
		assert.Same(t, s, trace.SpanFromContext(withSpan))
		assert.Equal(t, s.SpanContext(), trace.SpanContextFromContext(withSpan))
		type key struct{}
		deeper, cancel := context.WithCancel(context.WithValue(withSpan, key{}, "v"))
		assert.Same(t, s, trace.SpanFromContext(deeper))
		assert.Equal(t, "v", deeper.Value(key{}))
		cancel()
		trace.SpanFromContext(deeper).SetAttributes(attribute.Bool("through the Go context", true))

		// Moved to another Go context, as to that of a queue's worker.
		moved := trace.ContextWithSpan(context.Background(), trace.SpanFromContext(deeper))
		_, child := tracer.Start(moved, "child")
		child.End()
		none := trace.ContextWithSpan(withSpan, nil)
		assert.False(t, trace.SpanContextFromContext(none).IsValid())
		_, root := tracer.Start(none, "root")
		root.End()
		s.End()
	}},
	{"span contexts of elsewhere", func(_ testing.TB, ctx context.Context, tracer trace.Tracer) {
		for name, with := range map[string]context.Context{
			"remote sampled":   trace.ContextWithRemoteSpanContext(ctx, fixed(trace.FlagsSampled)),
			"remote unsampled": trace.ContextWithRemoteSpanContext(ctx, fixed(0)),
			"remote random":    trace.ContextWithRemoteSpanContext(ctx, fixed(trace.FlagsSampled|trace.FlagsRandom)),
			"local sampled":    trace.ContextWithSpanContext(ctx, fixed(trace.FlagsSampled)),
			"local unsampled":  trace.ContextWithSpanContext(ctx, fixed(0)),
			"empty":            trace.ContextWithSpanContext(ctx, trace.SpanContext{}),
		} {
			ctx, s := tracer.Start(with, name)
			_, child := tracer.Start(ctx, name+" child")
			child.End()
			s.End()
		}
	}},
	{"an unsampled trace", func(t testing.TB, ctx context.Context, tracer trace.Tracer) {
		ctx, s := tracer.Start(trace.ContextWithRemoteSpanContext(ctx, fixed(0)), "s")
		assert.False(t, s.IsRecording())
		assert.False(t, s.SpanContext().IsSampled())
		assert.Equal(t, fixed(0).TraceID(), s.SpanContext().TraceID())
		assert.NotEqual(t, fixed(0).SpanID(), s.SpanContext().SpanID())
		assert.Equal(t, "vendor=1", s.SpanContext().TraceState().String())
		s.SetAttributes(attribute.Int("a", 1))
		s.RecordError(failure{})
		_, child := tracer.Start(ctx, "child")
		assert.False(t, child.IsRecording())
		child.End()
		s.End()
	}},
	{"a foreign span that does nothing", func(_ testing.TB, ctx context.Context, tracer trace.Tracer) {
		ctx, s := tracer.Start(ctx, "outer")
		inside, foreign := noop.NewTracerProvider().Tracer("").Start(ctx, "ignored")
		_, child := tracer.Start(inside, "child")
		child.End()
		foreign.End()
		s.End()
	}},
	{"tracers through a span", func(_ testing.TB, ctx context.Context, tracer trace.Tracer) {
		ctx, s := tracer.Start(ctx, "s")
		other := trace.SpanFromContext(ctx).TracerProvider().Tracer("other", trace.WithInstrumentationVersion("v2"),
			trace.WithSchemaURL("https://example.com/schema"), trace.WithInstrumentationAttributes(attribute.Int("a", 1)))
		_, child := other.Start(ctx, "child")
		child.End()
		s.End()
	}},
	{"baggage beside", func(t testing.TB, ctx context.Context, tracer trace.Tracer) {
		member, err := baggage.NewMember("user", "alice")
		require.NoError(t, err)
		bag, err := baggage.New(member)
		require.NoError(t, err)
		ctx, s := tracer.Start(baggage.ContextWithBaggage(ctx, bag), "s")
		assert.Equal(t, "alice", baggage.FromContext(ctx).Member("user").Value())
		ctx, child := tracer.Start(ctx, "child")
		ctx = baggage.ContextWithoutBaggage(ctx)
		assert.Zero(t, baggage.FromContext(ctx).Len())
		assert.Same(t, child, trace.SpanFromContext(ctx))
		child.End()
		s.End()
	}},
	{"no Go context", func(t testing.TB, _ context.Context, tracer trace.Tracer) {
		ctx, s := tracer.Start(nil, "s") //nolint:staticcheck // what a careless caller does
		assert.Same(t, s, trace.SpanFromContext(ctx))
		s.End()
	}},
	{"deeply nested spans", func(_ testing.TB, ctx context.Context, tracer trace.Tracer) {
		spans := make([]trace.Span, 100)
		for i := range spans {
			ctx, spans[i] = tracer.Start(ctx, fmt.Sprint("level ", i), trace.WithAttributes(attribute.Int("level", i)))
		}
		for i := range spans {
			spans[i].End() // outermost first
		}
	}},
}

// sameTexts replaces what cannot be equal: the text of a stack.
func sameTexts(spans []*span) []*span {
	for _, s := range spans {
		for _, e := range s.Events {
			if stack, ok := e.Attributes["exception.stacktrace"].(string); ok {
				e.Attributes["exception.stacktrace"] = strings.HasPrefix(stack, "goroutine ")
			}
		}
	}
	return spans
}

// TestAPISameAsSDK runs all uses of the API on both libraries.
func TestAPISameAsSDK(t *testing.T) {
	t.Parallel()
	for _, test := range uses {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			ours, theirs := libraries(t)
			var got [2][]*tree
			for i, lib := range []library{ours, theirs} {
				tracer := lib.provider.Tracer("use", trace.WithInstrumentationVersion("v1"))
				test.use(t, context.Background(), tracer)
				got[i] = forest(t, sameTexts(lib.spans(t)))
			}
			assert.Equal(t, got[1], got[0])
			assert.True(t, len(got[0]) > 0 || test.name == "an unsampled trace")
		})
	}
}

// TestPanicSameAsSDK ends a span while its goroutine panics. Both libraries record the panic and let it
// go on; ours says in the status, too, that the span failed.
func TestPanicSameAsSDK(t *testing.T) {
	t.Parallel()
	for _, value := range []any{"text", failure{}, &failure{}, 42} {
		t.Run(fmt.Sprintf("%T", value), func(t *testing.T) {
			t.Parallel()
			ours, theirs := libraries(t)
			var got [2][]*tree
			for i, lib := range []library{ours, theirs} {
				assert.PanicsWithValue(t, value, func() {
					_, s := lib.provider.Tracer("use").Start(context.Background(), "s")
					defer s.End(trace.WithStackTrace(true))
					panic(value)
				}, lib.name)
				got[i] = forest(t, sameTexts(lib.spans(t)))
			}
			require.Len(t, got[0], 1)
			require.Len(t, got[1], 1)
			assert.Equal(t, codes.Error, got[0][0].Code)
			assert.Equal(t, fmt.Sprint(value), got[0][0].Description)
			got[0][0].Code, got[0][0].Description = codes.Unset, ""
			assert.Equal(t, got[1], got[0])
		})
	}
}

// TestInvalidParentIsNone starts a span below half a span context. A span context without a span id is
// not valid, so the span is the root of a new trace, which begins with the trace state; the SDK keeps the
// trace id too.
func TestInvalidParentIsNone(t *testing.T) {
	t.Parallel()
	half := fixed(trace.FlagsSampled).WithSpanID(trace.SpanID{})
	lib := newOurs(t)
	_, s := lib.provider.Tracer("").Start(trace.ContextWithRemoteSpanContext(context.Background(), half), "s")
	s.End()
	spans := lib.spans(t)
	require.Len(t, spans, 1)
	assert.Equal(t, trace.SpanContext{}, spans[0].parent)
	assert.NotEqual(t, half.TraceID(), spans[0].sc.TraceID())
	assert.Equal(t, "vendor=1", spans[0].State)
	assert.True(t, spans[0].sc.IsSampled())
}

// TestTimesGivenByUser compares times that the user gave, to the nanosecond.
func TestTimesGivenByUser(t *testing.T) {
	t.Parallel()
	ours, theirs := libraries(t)
	start, end := time.Unix(1_700_000_000, 123_456_789), time.Unix(1_700_000_001, 987_654_321)
	for _, lib := range []library{ours, theirs} {
		_, s := lib.provider.Tracer("").Start(context.Background(), "s", trace.WithTimestamp(start))
		s.End(trace.WithTimestamp(end))
		spans := lib.spans(t)
		require.Len(t, spans, 1)
		assert.True(t, spans[0].start.Equal(start), lib.name)
		assert.True(t, spans[0].end.Equal(end), lib.name)
	}
}

// TestUnderEachOther starts spans of both libraries in one Go context: each is the parent of the
// other's, in one trace.
func TestUnderEachOther(t *testing.T) {
	t.Parallel()
	ours, theirs := libraries(t)
	for _, order := range [][]library{{ours, theirs, ours, theirs}, {theirs, ours, theirs, ours}} {
		ctx := context.Background()
		var made []trace.Span
		for i, lib := range order {
			var s trace.Span
			ctx, s = lib.provider.Tracer("").Start(ctx, strconv.Itoa(i))
			made = append(made, s)
		}
		for _, s := range made {
			s.End()
		}
		byID := map[trace.SpanID]*span{}
		for _, s := range append(ours.spans(t), theirs.spans(t)...) {
			byID[s.sc.SpanID()] = s
		}
		for i := 1; i < len(made); i++ {
			s := byID[made[i].SpanContext().SpanID()]
			require.NotNil(t, s)
			assert.Equal(t, made[i-1].SpanContext(), s.parent)
			assert.Equal(t, made[0].SpanContext().TraceID(), s.sc.TraceID())
			assert.False(t, s.Remote)
		}
	}
}
