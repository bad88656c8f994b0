// SPDX-License-Identifier: Apache-2.0

package tracing_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/sampling"
	"github.com/spandrel-go/spandrel/tracing"
)

func TestKongParentResolutionOrder(t *testing.T) {
	t.Parallel()
	tracer, _, _ := exporting(t)
	_, explicit := tracer.StartSpan(context.Background(), "explicit")
	defer explicit.Finish()
	withActive, active := tracer.StartSpan(context.Background(), "active")
	defer active.Finish()
	ended, gone := tracer.StartSpan(context.Background(), "ended")
	gone.Finish()
	arrived := arriving(t, map[string]string{"traceparent": traceparent})
	arrivedContext := trace.SpanContextFromContext(arrived)
	require.True(t, arrivedContext.IsRemote())
	given := remoteParent(true)
	foreign := trace.ContextWithRemoteSpanContext(context.Background(), arrivedContext)

	for _, tt := range []struct {
		name string
		ctx  context.Context
		opts []tracing.SpanOption
		want trace.SpanContext // zero: a root
	}{
		{
			"WithParent beats the active span, and the ids given", withActive,
			[]tracing.SpanOption{tracing.WithRemoteParent(given), tracing.WithParent(explicit)},
			explicit.SpanContext(),
		},
		{"WithParent beats what arrived", arrived, []tracing.SpanOption{tracing.WithParent(explicit)}, explicit.SpanContext()},
		{"a nil WithParent is none", withActive, []tracing.SpanOption{tracing.WithParent(nil)}, active.SpanContext()},
		{"an ended WithParent is a parent", withActive, []tracing.SpanOption{tracing.WithParent(gone)}, gone.SpanContext()},
		{"the active span beats the ids given", withActive, []tracing.SpanOption{tracing.WithRemoteParent(given)}, active.SpanContext()},
		{"the active span may have ended", ended, nil, gone.SpanContext()},
		{"what arrived beats the ids given", arrived, []tracing.SpanOption{tracing.WithRemoteParent(given)}, arrivedContext},
		{"what another propagator read", foreign, []tracing.SpanOption{tracing.WithRemoteParent(given)}, arrivedContext},
		{"the ids given", context.Background(), []tracing.SpanOption{tracing.WithRemoteParent(given)}, given},
		{"the ids given are remote by definition", context.Background(), []tracing.SpanOption{tracing.WithRemoteParent(given.WithRemote(false))}, given},
		{"invalid ids are none", context.Background(), []tracing.SpanOption{tracing.WithRemoteParent(trace.SpanContext{})}, trace.SpanContext{}},
		{"nothing", context.Background(), nil, trace.SpanContext{}},
		{
			"WithNewRoot beats all", withActive,
			[]tracing.SpanOption{tracing.WithParent(explicit), tracing.WithRemoteParent(given), tracing.WithNewRoot()},
			trace.SpanContext{},
		},
		{"WithNewRoot beats what arrived", arrived, []tracing.SpanOption{tracing.WithNewRoot()}, trace.SpanContext{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ctx, s := tracer.StartSpan(tt.ctx, "span", tt.opts...)
			defer s.Finish()
			d := s.Snapshot()
			require.NotNil(t, d)
			assert.Equal(t, tt.want, d.Parent)
			assert.Same(t, s, tracer.ActiveSpan(ctx))
			sc := s.SpanContext()
			assert.False(t, sc.IsRemote())
			assert.NotEqual(t, tt.want.SpanID(), sc.SpanID(), "the span id is always fresh")
			if tt.want.IsValid() {
				assert.Equal(t, tt.want.TraceID(), sc.TraceID())
			} else {
				for _, other := range []trace.SpanContext{explicit.SpanContext(), active.SpanContext(), arrivedContext, given} {
					assert.NotEqual(t, other.TraceID(), sc.TraceID(), "the trace id is fresh")
				}
			}
		})
	}
}

func TestKongStartSpanLeavesTheGoContextAlone(t *testing.T) {
	t.Parallel()
	tracer, _, _ := exporting(t)
	assert.Nil(t, tracer.ActiveSpan(context.Background()))
	ctx, root := tracer.StartSpan(context.Background(), "root")
	inner, child := tracer.StartSpan(ctx, "child")
	assert.Same(t, root, tracer.ActiveSpan(ctx), "starting a span makes it active in the returned Go context only")
	assert.Same(t, child, tracer.ActiveSpan(inner))
	assert.Same(t, root, tracer.RootSpan(inner))
	child.Finish()
	root.Finish()
}

func TestKongSpanOptionDefaults(t *testing.T) {
	t.Parallel()
	tracer, r, p := exporting(t)
	before := time.Now()
	_, s := tracer.StartSpan(context.Background(), "bare")
	s.Finish()
	_, s = tracer.StartSpan(context.Background(), "zero time", tracing.WithStartTime(time.Time{}), tracing.SpanOption{})
	s.Finish()
	at := time.Unix(1_600_000_000, 123_456_789)
	kvs := []attribute.KeyValue{attribute.String("a", "1")}
	links := []trace.Link{{SpanContext: remoteParent(true)}}
	_, s = tracer.StartSpan(context.Background(), "all", tracing.WithStartTime(at), tracing.WithKind(trace.SpanKindClient),
		tracing.WithAttributes(kvs...), tracing.WithAttributes(attribute.Int("b", 2)), tracing.WithLinks(links...))
	kvs[0], links[0] = attribute.String("a", "changed"), trace.Link{}
	s.Finish()
	_, s = tracer.StartSpan(context.Background(), "")
	assert.True(t, s.IsRecording(), "Kong refuses an empty name; a start in Go has no error to return")
	s.Finish()
	flush(t, p)
	for _, name := range []string{"bare", "zero time"} {
		d := r.Span(t, name)
		assert.Equal(t, trace.SpanKindInternal, d.Kind)
		assert.WithinRange(t, d.StartTime, before.Add(-time.Second), time.Now().Add(time.Second))
		assert.False(t, d.EndTime.Before(d.StartTime))
		assert.Empty(t, d.Attributes)
		assert.Empty(t, d.Links)
		assert.Equal(t, trace.SpanContext{}, d.Parent)
		assert.True(t, d.SpanContext.IsSampled())
	}
	d := r.Span(t, "all")
	assert.True(t, at.Equal(d.StartTime), "nanoseconds: %v", d.StartTime)
	assert.Equal(t, trace.SpanKindClient, d.Kind)
	assert.Equal(t, []attribute.KeyValue{attribute.String("a", "1"), attribute.Int("b", 2)}, d.Attributes, "copied, and added up")
	require.Len(t, d.Links, 1)
	assert.Equal(t, remoteParent(true), d.Links[0].SpanContext)
}

// Kong's numbers of kinds are OTLP's, and so are OpenTelemetry's in Go.
func TestKongKindNumbers(t *testing.T) {
	t.Parallel()
	tracer, r, p := exporting(t)
	for number, want := range []trace.SpanKind{
		trace.SpanKindInternal, // unspecified: the default
		trace.SpanKindInternal, trace.SpanKindServer, trace.SpanKindClient, trace.SpanKindProducer, trace.SpanKindConsumer,
		trace.SpanKindInternal, // there is no such kind
	} {
		_, s := tracer.StartSpan(context.Background(), want.String(), tracing.WithKind(trace.SpanKind(number)))
		s.Finish()
		flush(t, p)
		got := r.Spans()
		assert.Equal(t, want, got[len(got)-1].Kind, "kind %d", number)
	}
}

func TestKongShouldSampleOnlyWithoutADecidingParent(t *testing.T) {
	t.Parallel()
	b3 := func(headers ...string) map[string]string {
		m := map[string]string{"X-B3-TraceId": arrivedTrace, "X-B3-SpanId": arrivedSpan}
		for i := 0; i < len(headers); i += 2 {
			m[headers[i]] = headers[i+1]
		}
		return m
	}
	counts := [2]bool{false, true} // what becomes of WithShouldSample(false) and of (true)
	denied, accepted := [2]bool{false, false}, [2]bool{true, true}
	for _, tt := range []struct {
		name    string
		headers map[string]string
		want    [2]bool
	}{
		{"nothing arrived", nil, counts},
		{"W3C, sampled", map[string]string{"traceparent": traceparent}, accepted},
		{"W3C, not sampled", map[string]string{"traceparent": traceparent[:53] + "00"}, denied},
		{"B3, sampled", b3("X-B3-Sampled", "1"), accepted},
		{"B3, not sampled", b3("X-B3-Sampled", "0"), denied},
		{"B3, debug", b3("X-B3-Flags", "1"), accepted},
		{"B3, deferred", b3(), counts},
		{"B3 single, sampled", map[string]string{"b3": arrivedTrace + "-" + arrivedSpan + "-1"}, accepted},
		{"B3 single, not sampled", map[string]string{"b3": arrivedTrace + "-" + arrivedSpan + "-0"}, denied},
		{"B3 single, debug", map[string]string{"b3": arrivedTrace + "-" + arrivedSpan + "-d"}, accepted},
		{"B3 single, deferred", map[string]string{"b3": arrivedTrace + "-" + arrivedSpan}, counts},
		{"B3 without ids, denied", map[string]string{"b3": "0"}, denied},
		{"B3 without ids, accepted", map[string]string{"b3": "1"}, accepted},
		{"B3 without ids, X-B3-Sampled", map[string]string{"X-B3-Sampled": "0"}, denied},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for i, want := range tt.want {
				// The sampler of roots says the opposite of what is asked for.
				asked := i == 1
				root := sampling.AlwaysOn()
				if asked {
					root = sampling.AlwaysOff()
				}
				tracer, _, _ := exporting(t, tracing.WithSampler(sampling.ParentBased(root)))
				ctx, s := tracer.StartSpan(arriving(t, tt.headers), "span", tracing.WithShouldSample(asked))
				assert.Equal(t, want, s.SpanContext().IsSampled(), "asked for %t", asked)
				assert.Equal(t, want, s.IsRecording(), "asked for %t", asked)
				_, child := tracer.StartSpan(ctx, "child", tracing.WithShouldSample(!want))
				assert.Equal(t, want, child.IsRecording(), "a child follows its parent")
				child.Finish()
				s.Finish()
			}
		})
	}
}

func TestKongShouldSampleAgainstParents(t *testing.T) {
	t.Parallel()
	tracer, r, p := exporting(t)
	ctx, kept := tracer.StartSpan(context.Background(), "kept", tracing.WithShouldSample(true))
	off, dropped := tracer.StartSpan(context.Background(), "dropped", tracing.WithShouldSample(false))
	require.True(t, kept.IsRecording())
	require.False(t, dropped.IsRecording())
	assert.True(t, dropped.SpanContext().IsValid(), "it has ids all the same")

	_, a := tracer.StartSpan(ctx, "under kept", tracing.WithShouldSample(false))
	_, b := tracer.StartSpan(off, "under dropped", tracing.WithShouldSample(true))
	_, c := tracer.StartSpan(ctx, "below dropped", tracing.WithParent(dropped), tracing.WithShouldSample(true))
	_, d := tracer.StartSpan(context.Background(), "remote sampled", tracing.WithRemoteParent(remoteParent(true)), tracing.WithShouldSample(false))
	_, e := tracer.StartSpan(context.Background(), "remote unsampled", tracing.WithRemoteParent(remoteParent(false)), tracing.WithShouldSample(true))
	_, f := tracer.StartSpan(ctx, "new root", tracing.WithNewRoot(), tracing.WithShouldSample(false))
	for _, s := range []*tracing.Span{a, b, c, d, e, f, kept, dropped} {
		s.Finish()
	}
	flush(t, p)
	assert.ElementsMatch(t, []string{"kept", "under kept", "remote sampled"}, r.Names())
	assert.Equal(t, uint64(5), p.Stats().SampledOut)
	sumsHold(t, p)
}
