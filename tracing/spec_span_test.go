// SPDX-License-Identifier: Apache-2.0

package tracing_test

import (
	"context"
	"fmt"
	"regexp"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/sampling"
	"github.com/spandrel-go/spandrel/tracing"
)

func TestSpec_SpanContext_IsValid(t *testing.T) {
	t.Parallel()
	on, _, _ := api(t)
	off, _, _ := api(t, tracing.WithSampler(sampling.AlwaysOff()))
	for name, tracer := range map[string]trace.Tracer{"sampled": on, "not sampled": off} {
		ctx, root := tracer.Start(context.Background(), "root")
		_, child := tracer.Start(ctx, "child")
		for _, s := range []trace.Span{root, child} {
			sc := s.SpanContext()
			assert.True(t, sc.IsValid(), name)
			assert.True(t, sc.TraceID().IsValid(), name)
			assert.True(t, sc.SpanID().IsValid(), name)
			s.End()
			assert.Equal(t, sc, s.SpanContext(), "%s: the same after End", name)
		}
	}
	var none *tracing.Span
	assert.False(t, none.SpanContext().IsValid())
}

func TestSpec_SpanContext_IsRemote(t *testing.T) {
	t.Parallel()
	tracer, r, p := api(t)
	ctx := trace.ContextWithRemoteSpanContext(context.Background(), remoteParent(true))
	ctx, server := tracer.Start(ctx, "server")
	_, child := tracer.Start(ctx, "child")
	assert.False(t, server.SpanContext().IsRemote())
	assert.False(t, child.SpanContext().IsRemote())
	child.End()
	server.End()
	flush(t, p)
	assert.True(t, r.Span(t, "server").Parent.IsRemote())
	assert.False(t, r.Span(t, "server").SpanContext.IsRemote())
	assert.False(t, r.Span(t, "child").Parent.IsRemote())
}

func TestSpec_SpanContext_conforms_to_W3C(t *testing.T) {
	t.Parallel()
	state, err := trace.ParseTraceState("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE")
	require.NoError(t, err)
	tracer, _, _ := api(t)
	_, root := tracer.Start(context.Background(), "root")
	ctx := trace.ContextWithRemoteSpanContext(context.Background(), remoteParent(true).WithTraceState(state))
	ctx, server := tracer.Start(ctx, "server")
	_, child := tracer.Start(ctx, "child")
	for _, s := range []trace.Span{root, server, child} {
		sc := s.SpanContext()
		assert.Regexp(t, regexp.MustCompile(`^[0-9a-f]{32}$`), sc.TraceID().String())
		assert.Regexp(t, regexp.MustCompile(`^[0-9a-f]{16}$`), sc.SpanID().String())
		assert.Zero(t, sc.TraceFlags()&^(trace.FlagsSampled|trace.FlagsRandom), "no other flag is defined")
		assert.True(t, sc.IsSampled())
	}
	assert.Zero(t, root.SpanContext().TraceState().Len())
	for _, s := range []trace.Span{server, child} {
		assert.Equal(t, state, s.SpanContext().TraceState(), "all members, in their order")
		assert.Equal(t, remoteParent(true).TraceID(), s.SpanContext().TraceID())
	}
}

// W3C trace context, level 2: the flag says that the rightmost seven bytes of the trace id are random.
func TestSpec_Random_trace_flag(t *testing.T) {
	t.Parallel()
	on, _, _ := api(t)
	off, _, _ := api(t, tracing.WithSampler(sampling.AlwaysOff()))
	for name, tracer := range map[string]trace.Tracer{"sampled": on, "not sampled": off} {
		ctx, root := tracer.Start(context.Background(), "root")
		_, child := tracer.Start(ctx, "child")
		assert.True(t, root.SpanContext().IsRandom(), name)
		assert.True(t, child.SpanContext().IsRandom(), "%s: all of a trace agree", name)
		for _, random := range []bool{true, false} { // what arrived is passed on: only a root's maker knows
			parent := remoteParent(true)
			parent = parent.WithTraceFlags(parent.TraceFlags().WithRandom(random))
			_, s := tracer.Start(trace.ContextWithRemoteSpanContext(context.Background(), parent), "server")
			assert.Equal(t, random, s.SpanContext().IsRandom(), name)
		}
	}
}

func TestSpec_Create_root_Span(t *testing.T) {
	t.Parallel()
	tracer, r, p := api(t)
	ctx, first := tracer.Start(context.Background(), "no parent")
	_, second := tracer.Start(ctx, "asked for", trace.WithNewRoot())
	second.End()
	first.End()
	flush(t, p)
	for _, name := range []string{"no parent", "asked for"} {
		assert.False(t, r.Span(t, name).Parent.IsValid(), name)
		assert.True(t, r.Span(t, name).SpanContext.IsValid(), name)
	}
	assert.NotEqual(t, first.SpanContext().TraceID(), second.SpanContext().TraceID(), "a new trace id for each")
}

func TestSpec_Parent_is_active_Span(t *testing.T) {
	t.Parallel()
	tracer, r, p := api(t)
	// Nothing but the Go context says who the parent is: whoever is active in it.
	ctx, root := tracer.Start(context.Background(), "root")
	inner, child := tracer.Start(ctx, "child")
	_, grandchild := tracer.Start(inner, "grandchild")
	_, sibling := tracer.Start(ctx, "sibling")
	sibling.End()
	grandchild.End()
	child.End()
	_, late := tracer.Start(inner, "late") // whose parent has ended
	late.End()
	root.End()
	flush(t, p)
	assert.Equal(t, root.SpanContext(), r.Span(t, "child").Parent)
	assert.Equal(t, child.SpanContext(), r.Span(t, "grandchild").Parent)
	assert.Equal(t, root.SpanContext(), r.Span(t, "sibling").Parent)
	assert.Equal(t, child.SpanContext(), r.Span(t, "late").Parent)
	for _, d := range r.Spans() {
		assert.Equal(t, root.SpanContext().TraceID(), d.SpanContext.TraceID())
	}
}

func TestSpec_Parent_from_context(t *testing.T) {
	t.Parallel()
	tracer, r, p := api(t)
	foreign, _, _ := api(t)
	abroad, other := foreign.Start(context.Background(), "of another provider")
	for name, tt := range map[string]struct {
		ctx  context.Context
		want trace.SpanContext
	}{
		"remote":              {trace.ContextWithRemoteSpanContext(context.Background(), remoteParent(true)), remoteParent(true)},
		"wrapped":             {trace.ContextWithSpanContext(context.Background(), remoteParent(true).WithRemote(false)), remoteParent(true).WithRemote(false)},
		"of another provider": {abroad, other.SpanContext()},
		"none":                {context.Background(), trace.SpanContext{}},
		"invalid":             {trace.ContextWithSpanContext(context.Background(), trace.SpanContext{}), trace.SpanContext{}},
	} {
		_, s := tracer.Start(tt.ctx, name)
		s.End()
		flush(t, p)
		assert.Equal(t, tt.want, r.Span(t, name).Parent, name)
		if tt.want.IsValid() {
			assert.Equal(t, tt.want.TraceID(), s.SpanContext().TraceID(), name)
		}
	}
}

// Start takes a Go context and no Span or SpanContext as parent. Kong's verbs have an option for it,
// which cannot be given to Start.
func TestSpec_No_explicit_parent(t *testing.T) {
	t.Parallel()
	tracer, r, p := api(t)
	_, other := p.NewTracer("kong").StartSpan(context.Background(), "other")
	for _, opt := range []any{tracing.WithParent(other), tracing.WithRemoteParent(remoteParent(true))} {
		_, ok := opt.(trace.SpanStartOption)
		assert.False(t, ok)
	}
	// None of OpenTelemetry's options makes a parent, not even a link that stands there alone.
	_, s := tracer.Start(context.Background(), "one", trace.WithLinks(trace.Link{SpanContext: other.SpanContext()}),
		trace.WithAttributes(attribute.Int("a", 1)), trace.WithSpanKind(trace.SpanKindServer), trace.WithTimestamp(time.Unix(1, 0)))
	s.End()
	flush(t, p)
	assert.False(t, r.Span(t, "one").Parent.IsValid())
}

func TestSpec_OnStart_gets_parent_context(t *testing.T) {
	t.Parallel()
	type seen struct {
		value  any
		parent trace.SpanContext
	}
	got := map[string]seen{}
	tracer, _, _ := api(t, tracing.WithProcessor(&processor{onStart: func(parent context.Context, s *tracing.Span) {
		got[s.Snapshot().Name] = seen{parent.Value(ctxKey("k")), trace.SpanContextFromContext(parent)}
	}}))
	base := context.WithValue(context.Background(), ctxKey("k"), "v")
	ctx, root := tracer.Start(base, "root")
	_, child := tracer.Start(ctx, "child")
	_, server := tracer.Start(trace.ContextWithRemoteSpanContext(base, remoteParent(true)), "server")
	for _, s := range []trace.Span{server, child, root} {
		s.End()
	}
	assert.Equal(t, seen{"v", trace.SpanContext{}}, got["root"])
	assert.Equal(t, seen{"v", root.SpanContext()}, got["child"])
	assert.Equal(t, seen{"v", remoteParent(true)}, got["server"])
}

func TestSpec_UpdateName(t *testing.T) {
	t.Parallel()
	tracer, r, p := api(t)
	_, s := tracer.Start(context.Background(), "first")
	s.SetName("second")
	s.SetName("third")
	s.End()
	s.SetName("too late")
	flush(t, p)
	assert.Equal(t, []string{"third"}, r.Names())
}

func TestSpec_Start_timestamp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tracer, r, p := api(t)
		at := time.Now().Add(-time.Hour)
		_, given := tracer.Start(context.Background(), "given", trace.WithTimestamp(at))
		now := time.Now()
		_, current := tracer.Start(context.Background(), "current")
		time.Sleep(time.Second)
		given.End()
		current.End()
		flush(t, p)
		assert.True(t, at.Equal(r.Span(t, "given").StartTime))
		assert.True(t, now.Equal(r.Span(t, "current").StartTime))
		shutdown(t, p)
	})
}

func TestSpec_End(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tracer, r, p := api(t)
		ctx, root := tracer.Start(context.Background(), "root")
		_, child := tracer.Start(ctx, "child")
		time.Sleep(time.Second)
		end := time.Now()
		root.End()
		assert.True(t, child.IsRecording(), "End has no effect on children")
		time.Sleep(time.Second)
		root.End() // ignored, as all else
		root.SetAttributes(attribute.Int("a", 1))
		root.AddEvent("e")
		root.AddLink(trace.Link{SpanContext: remoteParent(true)})
		root.SetStatus(codes.Error, "e")
		root.RecordError(errBackend)
		child.End()
		flush(t, p)
		d := r.Span(t, "root")
		assert.True(t, end.Equal(d.EndTime))
		assert.Empty(t, d.Attributes)
		assert.Empty(t, d.Events)
		assert.Empty(t, d.Links)
		assert.Equal(t, codes.Unset, d.Status.Code)
		assert.True(t, end.Add(time.Second).Equal(r.Span(t, "child").EndTime))
		shutdown(t, p)
	})
}

func TestSpec_End_with_timestamp(t *testing.T) {
	t.Parallel()
	at := time.Unix(1_700_000_000, 987_654_321)
	tracer, r, p := api(t)
	_, s := tracer.Start(context.Background(), "one", trace.WithTimestamp(at.Add(-time.Nanosecond)))
	s.End(trace.WithTimestamp(at))
	flush(t, p)
	assert.True(t, at.Equal(r.Span(t, "one").EndTime))
	assert.True(t, at.Add(-time.Nanosecond).Equal(r.Span(t, "one").StartTime))
}

func TestSpec_IsRecording(t *testing.T) {
	t.Parallel()
	for decision, want := range map[sampling.Decision]bool{sampling.RecordAndSample: true, sampling.RecordOnly: true, sampling.Drop: false} {
		tracer, _, _ := api(t, tracing.WithSampler(decide(sampling.Result{Decision: decision})))
		ctx, root := tracer.Start(context.Background(), "root")
		_, child := tracer.Start(ctx, "child")
		assert.Equal(t, want, root.IsRecording(), decision)
		assert.Equal(t, want, child.IsRecording(), decision)
	}
	var none *tracing.Span
	assert.False(t, none.IsRecording())
}

func TestSpec_IsRecording_after_End(t *testing.T) {
	t.Parallel()
	tracer, _, _ := api(t)
	ctx, root := tracer.Start(context.Background(), "root")
	_, child := tracer.Start(ctx, "child")
	require.True(t, child.IsRecording())
	child.End()
	assert.False(t, child.IsRecording())
	assert.True(t, root.IsRecording())
	root.End(trace.WithTimestamp(time.Now().Add(time.Hour)))
	assert.False(t, root.IsRecording(), "even if it ends in the future")
}

func TestSpec_SetStatus(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		set  func(trace.Span)
		want tracing.Status
	}{
		"default":                     {func(trace.Span) {}, tracing.Status{}},
		"ok, without its description": {func(s trace.Span) { s.SetStatus(codes.Ok, "ignored") }, tracing.Status{Code: codes.Ok}},
		"error":                       {func(s trace.Span) { s.SetStatus(codes.Error, "why") }, tracing.Status{Code: codes.Error, Description: "why"}},
		"the last error": {func(s trace.Span) {
			s.SetStatus(codes.Error, "first")
			s.SetStatus(codes.Error, "second")
		}, tracing.Status{Code: codes.Error, Description: "second"}},
		"unset is ignored": {func(s trace.Span) {
			s.SetStatus(codes.Error, "why")
			s.SetStatus(codes.Unset, "ignored")
		}, tracing.Status{Code: codes.Error, Description: "why"}},
		"ok overrides an error": {func(s trace.Span) {
			s.SetStatus(codes.Error, "why")
			s.SetStatus(codes.Ok, "")
		}, tracing.Status{Code: codes.Ok}},
		"ok is final": {func(s trace.Span) {
			s.SetStatus(codes.Ok, "")
			s.SetStatus(codes.Error, "why")
			s.SetStatus(codes.Unset, "")
		}, tracing.Status{Code: codes.Ok}},
	} {
		assert.Equal(t, tt.want, apiOne(t, tt.set).Status, name)
	}
}

func TestSpec_Span_ConcurrentSafe(t *testing.T) {
	t.Parallel()
	tracer, r, p := api(t)
	const spans, writers = 50, 4
	for i := range spans {
		name := fmt.Sprint("span ", i)
		ctx, s := tracer.Start(context.Background(), name)
		var wg sync.WaitGroup
		for j := range writers {
			wg.Go(func() {
				s.SetAttributes(attribute.Int(fmt.Sprint("a", j), j))
				s.AddLink(trace.Link{SpanContext: remoteParent(true)})
				s.SetStatus(codes.Error, "e")
				s.SetName(name)
				_, child := tracer.Start(ctx, "child")
				child.End()
				assert.True(t, s.IsRecording())
				assert.True(t, s.SpanContext().IsValid())
			})
		}
		wg.Wait()
		for range writers {
			wg.Go(func() { s.End() })
		}
		wg.Wait()
	}
	flush(t, p)
	assert.Len(t, r.Spans(), spans*(writers+1), "each span once")
	for i := range spans {
		d := r.Span(t, fmt.Sprint("span ", i))
		assert.Len(t, d.Attributes, writers)
		assert.Len(t, d.Links, writers)
		assert.Equal(t, codes.Error, d.Status.Code)
	}
}

// What OnStart and the sampler are given holds no parent that the span does not have.
func TestSpec_New_root_has_no_parent_context(t *testing.T) {
	t.Parallel()
	seen := map[string]context.Context{}
	tracer, _, _ := api(t,
		tracing.WithProcessor(&processor{onStart: func(parent context.Context, s *tracing.Span) {
			seen["OnStart of "+s.Snapshot().Name] = parent
		}}),
		tracing.WithSampler(samplerFunc(func(p sampling.Parameters) sampling.Result {
			seen["Sample of "+p.Name] = p.Context
			return sampling.Result{Decision: sampling.RecordAndSample}
		})))
	ctx, root := tracer.Start(context.WithValue(context.Background(), ctxKey("k"), "v"), "root")
	_, s := tracer.Start(ctx, "new root", trace.WithNewRoot())
	s.End()
	root.End()
	for _, name := range []string{"OnStart of new root", "Sample of new root"} {
		assert.False(t, trace.SpanContextFromContext(seen[name]).IsValid(), name)
		assert.Equal(t, "v", seen[name].Value(ctxKey("k")), name)
	}
}
