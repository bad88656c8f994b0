// SPDX-License-Identifier: Apache-2.0

package tracetest_test

import (
	"context"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/internal/testkit"
	"github.com/spandrel-go/spandrel/sampling"
	"github.com/spandrel-go/spandrel/tracing"
	"github.com/spandrel-go/spandrel/tracing/tracetest"
)

// Not parallel: it changes the environment of the process.
func TestNewIgnoresTheEnvironment(t *testing.T) {
	t.Setenv("OTEL_SDK_DISABLED", "true")
	r := tracetest.New(t)
	_, s := r.Tracer("test").StartSpan(t.Context(), "one")
	s.End()
	assert.Equal(t, []string{"one"}, r.Names())
}

func TestNewRecordsAtOnce(t *testing.T) {
	t.Parallel()
	r := tracetest.New(t, tracing.WithServiceName("shop"))
	assert.Equal(t, []string{}, r.Names())
	ctx, root := r.Tracer("test").StartSpan(t.Context(), "root")
	_, child := r.Tracer("test").StartSpan(ctx, "child")
	child.End()
	assert.Equal(t, []string{"child"}, r.Names(), "no flush, and the root goes on")
	root.End()
	assert.Equal(t, []string{"child", "root"}, r.Names(), "in the order of their ends")
	d := r.Span(t, "child")
	assert.Equal(t, root.SpanContext().SpanID(), d.Parent.SpanID())
	assert.Equal(t, "shop", d.Resource.ServiceName())
	assert.Equal(t, "test", d.Scope.Name)
	assert.Len(t, r.Batches(), 2)
	assert.Len(t, r.Named("root"), 1)
	r.Reset()
	assert.Empty(t, r.Spans())
	assert.Empty(t, r.Named("root"))
}

func TestNewSeesWhatProcessorsLeave(t *testing.T) {
	t.Parallel()
	r := tracetest.New(t, tracing.WithProcessor(redactor{tracetest.NewRecorder()}))
	_, s := r.Tracer("test").StartSpan(t.Context(), "s")
	s.SetAttribute("password", "secret")
	s.End()
	assert.Equal(t, []attribute.KeyValue{attribute.String("password", "***")}, r.Span(t, "s").Attributes)
}

// redactor is a processor that hides an attribute.
type redactor struct{ *tracetest.Recorder }

func (redactor) OnEnding(s *tracing.Span) { s.SetAttribute("password", "***") }

func TestNewSeesWhatExportersSee(t *testing.T) {
	t.Parallel()
	for _, decision := range []sampling.Decision{sampling.Drop, sampling.RecordOnly, sampling.RecordAndSample} {
		r := tracetest.New(t, tracing.WithSampler(always(decision)))
		_, s := r.Tracer("test").StartSpan(t.Context(), "s")
		s.End()
		want := []string{}
		if decision == sampling.RecordAndSample {
			want = []string{"s"}
		}
		assert.Equal(t, want, r.Names(), "%v", decision)
	}
}

// always is a sampler that decides one thing.
type always sampling.Decision

func (a always) Sample(sampling.Parameters) sampling.Result {
	return sampling.Result{Decision: sampling.Decision(a)}
}
func (always) Description() string { return "always" }

func TestNewWithWrongOption(t *testing.T) {
	t.Parallel()
	text := testkit.Fake(t, func(t testing.TB) { tracetest.New(t, tracing.WithExporter(nil)) })
	assert.Equal(t, "tracetest: New: tracing: WithExporter: exporter is nil\n", text)
}

func TestSpec_InMemoryExporter(t *testing.T) {
	t.Parallel()
	r := tracetest.NewRecorder()
	assert.Nil(t, r.Provider())
	_, nothing := r.Tracer("test").StartSpan(t.Context(), "nothing")
	assert.False(t, nothing.IsRecording())

	p, err := tracing.NewProvider(tracing.WithExporter(r, tracing.WithBatchDelay(time.Hour), tracing.WithBatchSpans(2)))
	require.NoError(t, err)
	ctx, root := p.NewTracer("test").StartSpan(t.Context(), "root")
	for i := range 4 {
		_, s := p.NewTracer("test").StartSpan(ctx, strconv.Itoa(i))
		s.End()
	}
	root.End()
	require.NoError(t, p.Shutdown(t.Context()))
	assert.Equal(t, []string{"root", "0", "1", "2", "3"}, r.Names())
	var sizes []int
	for _, b := range r.Batches() {
		sizes = append(sizes, len(b))
	}
	assert.Equal(t, []int{2, 2, 1}, sizes)
}

func TestRecorderOwnsItsSpans(t *testing.T) {
	t.Parallel()
	r := tracetest.NewRecorder()
	d := &tracing.SpanData{Name: "s", Attributes: []attribute.KeyValue{attribute.String("k", "v")}}
	require.NoError(t, r.ExportSpans(t.Context(), []*tracing.SpanData{d}))
	d.Name, d.Attributes[0] = "overwritten", attribute.String("over", "written")
	assert.Equal(t, []attribute.KeyValue{attribute.String("k", "v")}, r.Span(t, "s").Attributes)
	spans := r.Spans()
	spans[0] = nil
	assert.NotNil(t, r.Spans()[0], "the slice is the caller's")
}

func TestSpanSaysWhatThereIs(t *testing.T) {
	t.Parallel()
	text := testkit.Fake(t, func(t testing.TB) { tracetest.New(t).Span(t, "x") })
	assert.Equal(t, "tracetest: there are 0 spans called \"x\", want 1; nothing was recorded\n", text)
	text = testkit.Fake(t, func(t testing.TB) {
		r := tracetest.New(t)
		ctx, root := r.Tracer("test").StartSpan(context.Background(), "root")
		for range 2 {
			_, s := r.Tracer("test").StartSpan(ctx, "twice")
			s.End()
		}
		root.End()
		r.Span(t, "twice")
		t.Error("went on")
	})
	assert.Equal(t, "tracetest: there are 2 spans called \"twice\", want 1; recorded:\n  root\n    twice\n    twice\n\n", text)
}

// leaky leaves spans open.
func leaky(r *tracetest.Recorder) {
	ctx, root := r.Tracer("test").StartSpan(context.Background(), "root")
	_, s := r.Tracer("test").StartSpan(ctx, "query")
	s.SetAttribute("db", "orders")
	_, s = r.Tracer("test").StartSpan(ctx, "query")
	s.SetAttribute("db", "users")
	root.End()
}

func TestUnfinishedSpansFailTheTest(t *testing.T) {
	t.Parallel()
	text := testkit.Fake(t, func(t testing.TB) { leaky(tracetest.New(t, tracing.WithIDGenerator(&tracetest.IDs{}))) })
	assert.Equal(t, `tracetest: 2 spans were never ended (AllowUnfinished allows it):
  root > query, span id 0000000000000002, db="orders"
  root > query, span id 0000000000000003, db="users"
`, text)
	text = testkit.Fake(t, func(t testing.TB) {
		tracetest.New(t, tracing.WithSampler(always(sampling.RecordOnly))).Tracer("test").StartSpan(context.Background(), "unsampled")
	})
	assert.Contains(t, text, "1 span was never ended")
	for name, allow := range map[string][]string{"all": nil, "by name": {"query"}} {
		text = testkit.Fake(t, func(t testing.TB) {
			r := tracetest.New(t)
			leaky(r)
			r.AllowUnfinished(allow...)
		})
		assert.Empty(t, text, name)
	}
	text = testkit.Fake(t, func(t testing.TB) {
		r := tracetest.New(t)
		leaky(r)
		r.AllowUnfinished("root")
	})
	assert.Contains(t, text, "2 spans were never ended")
	text = testkit.Fake(t, func(t testing.TB) {
		leaky(tracetest.New(t))
		t.Fatal("something else")
	})
	assert.Equal(t, "something else\n\n", text)
}

func TestUnfinishedSpansOfAnExporter(t *testing.T) {
	t.Parallel()
	text := testkit.Fake(t, func(t testing.TB) {
		r := tracetest.NewRecorder()
		p, err := tracing.NewProvider(tracing.WithExporter(r), tracing.WithOpenSpanLimit(1))
		if err != nil {
			t.Fatal(err)
		}
		_, s := p.NewTracer("test").StartSpan(context.Background(), "s")
		if err := p.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		s.End()
		r.CheckUnfinished(t)
		r.Reset()
		r.CheckUnfinished(t)
	})
	assert.Regexp(t, `^tracetest: 1 span was never ended \(AllowUnfinished allows it\):\n  s, span id [0-9a-f]{16}\n$`, text)
}

func TestWaitForMeetsOtherGoroutines(t *testing.T) {
	t.Parallel()
	r := tracetest.New(t)
	_, root := r.Tracer("test").StartSpan(t.Context(), "root")
	var wg sync.WaitGroup
	wg.Go(root.Finish)
	assert.Equal(t, root.SpanContext(), r.WaitFor(t, "root").SpanContext)
	wg.Wait()
}

func TestWaitInBubble(t *testing.T) {
	t.Parallel()
	tracetest.Run(t, func(t *testing.T, r *tracetest.Recorder) {
		begin := time.Now()
		for i := range 3 {
			go func() {
				_, s := r.Tracer("test").StartSpan(context.Background(), "s")
				time.Sleep(time.Duration(i+1) * time.Second)
				s.End()
			}()
		}
		r.WaitFor(t, "s")
		assert.Equal(t, time.Second, time.Since(begin))
		r.WaitUntil(t, time.Minute, "three spans", func(spans []*tracing.SpanData) bool { return len(spans) == 3 })
		assert.Equal(t, 3*time.Second, time.Since(begin))
	})
}

func TestWaitInVain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		text := testkit.Fake(t, func(t testing.TB) {
			r := tracetest.New(t)
			_, s := r.Tracer("test").StartSpan(context.Background(), "other")
			s.End()
			r.WaitFor(t, "x")
			t.Error("went on")
		})
		assert.Equal(t, "tracetest: waited 10s in vain for a span called \"x\"; recorded:\n  other\n\n", text)
		assert.Equal(t, tracetest.WaitTimeout, time.Since(begin))
	})
}

func TestRecorderConcurrentSafe(t *testing.T) {
	t.Parallel()
	const goroutines, spans = 8, 50
	r := tracetest.New(t)
	other := tracetest.NewRecorder()
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			for range spans {
				_, s := r.Tracer("test").StartSpan(context.Background(), "s")
				s.End()
				_ = r.Names()
				assert.NoError(t, other.ExportSpans(context.Background(), r.Named("s")[:1]))
			}
		})
		wg.Go(func() { r.WaitFor(t, "s") })
	}
	r.WaitUntil(t, tracetest.WaitTimeout, "all", func(all []*tracing.SpanData) bool { return len(all) == goroutines*spans })
	wg.Wait()
	assert.Len(t, other.Spans(), goroutines*spans)
}

func TestRunHasFakeClockAndIDs(t *testing.T) {
	t.Parallel()
	tracetest.Run(t, func(t *testing.T, r *tracetest.Recorder) {
		ctx, root := r.Tracer("test").StartSpan(t.Context(), "root")
		time.Sleep(time.Second)
		_, child := r.Tracer("test").StartSpan(ctx, "child")
		time.Sleep(time.Millisecond)
		child.End()
		root.End()
		_, second := r.Tracer("test").StartSpan(t.Context(), "second")
		second.End()
		d := r.Span(t, "child")
		assert.Equal(t, time.Date(2000, 1, 1, 0, 0, 1, 0, time.UTC), d.StartTime.UTC())
		assert.Equal(t, time.Millisecond, d.EndTime.Sub(d.StartTime))
		assert.Equal(t, "7370616e6472656c0000000000000001", d.SpanContext.TraceID().String())
		assert.Equal(t, "0000000000000002", d.SpanContext.SpanID().String())
		assert.Equal(t, "7370616e6472656c0000000000000002", r.Span(t, "second").SpanContext.TraceID().String())
	})
	tracetest.Run(t, func(t *testing.T, r *tracetest.Recorder) {
		_, s := r.Tracer("test").StartSpan(t.Context(), "s")
		s.End()
		assert.Equal(t, "0000000000000007", s.SpanContext().SpanID().String())
	}, tracing.WithIDGenerator(sevens{}))
}

type sevens struct{}

func (sevens) NewIDs(context.Context) (trace.TraceID, trace.SpanID) {
	return trace.TraceID{15: 7}, trace.SpanID{7: 7}
}
func (sevens) NewSpanID(context.Context, trace.TraceID) trace.SpanID { return trace.SpanID{7: 7} }

func TestIDsConcurrentSafe(t *testing.T) {
	t.Parallel()
	const goroutines, each = 8, 200
	var ids tracetest.IDs
	var wg sync.WaitGroup
	var mu sync.Mutex
	spans, traces := map[trace.SpanID]bool{}, map[trace.TraceID]bool{}
	for range goroutines {
		wg.Go(func() {
			for range each {
				traceID, root := ids.NewIDs(t.Context())
				child := ids.NewSpanID(t.Context(), traceID)
				mu.Lock()
				spans[root], spans[child], traces[traceID] = true, true, true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	assert.Len(t, traces, goroutines*each)
	assert.Len(t, spans, 2*goroutines*each)
	assert.NotContains(t, spans, trace.SpanID{})
}
