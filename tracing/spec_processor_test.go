// SPDX-License-Identifier: Apache-2.0

package tracing_test

import (
	"context"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/tracing"
)

// callStack returns the stack of this goroutine.
func callStack() string {
	buf := make([]byte, 1<<16)
	return string(buf[:runtime.Stack(buf, false)])
}

// threeProcessors returns processors that note each call, in the order of the calls.
func threeProcessors() (calls *[]string, opts []tracing.Option) {
	calls = &[]string{}
	for i := range 3 {
		note := func(what string) { *calls = append(*calls, fmt.Sprint(what, " ", i)) }
		opts = append(opts, tracing.WithProcessor(&processor{
			onStart:  func(context.Context, *tracing.Span) { note("OnStart") },
			onEnding: func(*tracing.Span) { note("OnEnding") },
			onEnd:    func(*tracing.SpanData) { note("OnEnd") },
		}))
	}
	return calls, opts
}

func TestSpec_OnStart_in_order(t *testing.T) {
	t.Parallel()
	calls, opts := threeProcessors()
	stack := ""
	tracer, _, _ := api(t, append(opts, tracing.WithProcessor(&processor{
		onStart: func(context.Context, *tracing.Span) { stack = callStack() },
	}))...)
	_, s := tracer.Start(context.Background(), "one")
	assert.Equal(t, []string{"OnStart 0", "OnStart 1", "OnStart 2"}, *calls)
	assert.Contains(t, stack, "TestSpec_OnStart_in_order", "on the goroutine that called Start")
	s.End()
}

func TestSpec_OnStart_Span_may_be_kept(t *testing.T) {
	t.Parallel()
	var kept *tracing.Span
	tracer, _, _ := api(t, tracing.WithProcessor(&processor{onStart: func(_ context.Context, s *tracing.Span) { kept = s }}))
	_, s := tracer.Start(context.Background(), "first")
	s.SetName("second")
	s.SetAttributes(attribute.Int("a", 1))
	s.AddEvent("e")
	d := kept.Snapshot()
	require.NotNil(t, d)
	assert.Equal(t, "second", d.Name, "updates are reflected in it")
	assert.Equal(t, []attribute.KeyValue{attribute.Int("a", 1)}, d.Attributes)
	require.Len(t, d.Events, 1)
	kept.SetStatus(codes.Error, "written through it")
	assert.Equal(t, codes.Error, kept.Snapshot().Status.Code)
	s.End()
	assert.False(t, kept.IsRecording())
	assert.Nil(t, kept.Snapshot())
	assert.Equal(t, s.SpanContext(), kept.SpanContext())
}

// OnEnding as a whole; the rows of its details follow.
func TestSpec_OnEnding(t *testing.T) {
	t.Parallel()
	n := 0
	tracer, r, p := api(t, tracing.WithProcessor(&processor{onEnding: func(s *tracing.Span) {
		n++
		s.SetAttribute("seen by OnEnding", s.Snapshot().Name)
	}}))
	ctx, root := tracer.Start(context.Background(), "root")
	_, child := tracer.Start(ctx, "child")
	assert.Zero(t, n)
	child.End()
	child.End()
	root.End()
	assert.Equal(t, 2, n, "once for each span")
	flush(t, p)
	for _, name := range []string{"root", "child"} {
		assert.Equal(t, []attribute.KeyValue{attribute.String("seen by OnEnding", name)}, r.Span(t, name).Attributes)
	}
}

func TestSpec_OnEnding_after_End_timestamp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var known []time.Time
		tracer, r, p := api(t, tracing.WithProcessor(&processor{onEnding: func(s *tracing.Span) {
			known = append(known, s.Snapshot().EndTime)
			time.Sleep(time.Hour)
		}}))
		_, s := tracer.Start(context.Background(), "now")
		time.Sleep(time.Second)
		end := time.Now()
		s.End()
		at := time.Unix(1_700_000_000, 0)
		_, s = tracer.Start(context.Background(), "given", trace.WithTimestamp(at))
		s.End(trace.WithTimestamp(at.Add(time.Second)))
		flush(t, p)
		assert.True(t, end.Equal(r.Span(t, "now").EndTime), "the hour in OnEnding is no part of the span")
		require.Len(t, known, 2)
		assert.True(t, end.Equal(known[0]))
		assert.True(t, at.Add(time.Second).Equal(known[1]))
		shutdown(t, p)
	})
}

func TestSpec_OnEnding_may_write(t *testing.T) {
	t.Parallel()
	link := trace.Link{SpanContext: remoteParent(true)}
	tracer, r, p := api(t, tracing.WithProcessor(&processor{onEnding: func(s *tracing.Span) {
		assert.True(t, s.IsRecording())
		s.SetAttributes(attribute.Int("a", 2), attribute.Int("b", 2))
		s.AddLink(link)
		s.AddEvent("of OnEnding")
		s.SetStatus(codes.Error, "of OnEnding")
		s.SetName("two")
	}}))
	_, s := tracer.Start(context.Background(), "one", trace.WithAttributes(attribute.Int("a", 1)))
	s.End()
	flush(t, p)
	d := r.Span(t, "two")
	assert.Equal(t, []attribute.KeyValue{attribute.Int("a", 2), attribute.Int("b", 2)}, d.Attributes)
	assert.Equal(t, recorded([]trace.Link{link}), d.Links)
	require.Len(t, d.Events, 1)
	assert.Equal(t, "of OnEnding", d.Events[0].Name)
	assert.Equal(t, tracing.Status{Code: codes.Error, Description: "of OnEnding"}, d.Status)
}

func TestSpec_OnEnding_in_order(t *testing.T) {
	t.Parallel()
	var calls []string
	stack := ""
	var opts []tracing.Option
	for i := range 3 {
		opts = append(opts, tracing.WithProcessor(&processor{onEnding: func(s *tracing.Span) {
			calls = append(calls, fmt.Sprint(i, " of ", s.Snapshot().Name))
			s.SetName(s.Snapshot().Name + "'")
			stack = callStack()
		}}))
	}
	tracer, _, _ := api(t, opts...)
	_, s := tracer.Start(context.Background(), "one")
	s.End()
	assert.Equal(t, []string{"0 of one", "1 of one'", "2 of one''"}, calls, "each sees what those before it wrote")
	assert.Contains(t, stack, "TestSpec_OnEnding_in_order", "on the goroutine that called End")
}

func TestSpec_OnEnding_before_OnEnd(t *testing.T) {
	t.Parallel()
	calls, opts := threeProcessors()
	tracer, _, _ := api(t, opts...)
	_, s := tracer.Start(context.Background(), "one")
	*calls = nil
	s.End()
	assert.Equal(t, []string{"OnEnding 0", "OnEnding 1", "OnEnding 2", "OnEnd 0", "OnEnd 1", "OnEnd 2"}, *calls)
}

// From the first OnEnding on nobody can write but the callbacks: not another goroutine, and not a
// processor that kept the span of OnStart.
func TestSpec_OnEnding_is_exclusive(t *testing.T) {
	t.Parallel()
	var user, kept *tracing.Span
	write := func(s *tracing.Span, who string) {
		assert.False(t, s.IsRecording(), who)
		s.SetAttributes(attribute.String("intruder", who))
		s.SetAttribute("intruder", who)
		s.AddEvent(who)
		s.AddLink(trace.Link{SpanContext: remoteParent(true)})
		s.SetName(who)
		s.SetStatus(codes.Error, who)
		s.RecordError(errBackend)
		s.End()
	}
	var last *tracing.Span
	tracer, r, p := api(t,
		tracing.WithProcessor(&processor{
			onStart: func(_ context.Context, s *tracing.Span) { kept = s },
			onEnding: func(*tracing.Span) {
				var wg sync.WaitGroup
				for range 4 {
					wg.Go(func() {
						write(user, "the user")
						write(kept, "a processor")
					})
				}
				wg.Wait()
			},
		}),
		tracing.WithProcessor(&processor{
			onEnding: func(s *tracing.Span) { s.SetAttribute("processor", true); last = s },
			onEnd:    func(*tracing.SpanData) { write(last, "after the last OnEnding") },
		}))
	_, s := tracer.Start(context.Background(), "one")
	user, _ = s.(*tracing.Span)
	require.NotNil(t, user)
	s.End()
	write(last, "later")
	flush(t, p)
	d := r.Span(t, "one")
	assert.Equal(t, []attribute.KeyValue{attribute.Bool("processor", true)}, d.Attributes)
	assert.Empty(t, d.Events)
	assert.Empty(t, d.Links)
	assert.Equal(t, tracing.Status{}, d.Status)
	assert.EqualValues(t, 1, p.Stats().Ended)
}

func TestSpec_OnEnd(t *testing.T) {
	t.Parallel()
	at := time.Unix(1_700_000_000, 0)
	var s trace.Span
	var got *tracing.SpanData
	stack := ""
	tracer, r, p := api(t, tracing.WithProcessor(&processor{onEnd: func(d *tracing.SpanData) {
		got, stack = d.Clone(), callStack()
		assert.False(t, s.IsRecording())
		s.SetAttributes(attribute.Int("too late", 1))
	}}))
	_, s = tracer.Start(context.Background(), "one", trace.WithTimestamp(at.Add(-time.Second)))
	s.End(trace.WithTimestamp(at))
	require.NotNil(t, got)
	assert.True(t, at.Equal(got.EndTime))
	assert.Equal(t, s.SpanContext(), got.SpanContext)
	assert.Contains(t, stack, "TestSpec_OnEnd", "on the goroutine that called End")
	flush(t, p)
	assert.Empty(t, r.Span(t, "one").Attributes)
}

func TestSpec_Processor_Shutdown_once(t *testing.T) {
	t.Parallel()
	var calls []string
	proc := &processor{
		onStart:  func(context.Context, *tracing.Span) { calls = append(calls, "OnStart") },
		onEnding: func(*tracing.Span) { calls = append(calls, "OnEnding") },
		onEnd:    func(*tracing.SpanData) { calls = append(calls, "OnEnd") },
		flush:    func(context.Context) error { calls = append(calls, "ForceFlush"); return nil },
		shutdown: func(context.Context) error { calls = append(calls, "Shutdown"); return nil },
	}
	tracer, _, p := api(t, tracing.WithProcessor(proc))
	_, open := tracer.Start(context.Background(), "open")
	open.End()
	for range 3 {
		require.NoError(t, p.Shutdown(context.Background()))
	}
	require.NotEmpty(t, calls)
	assert.Equal(t, "Shutdown", calls[len(calls)-1])
	calls = nil
	_, s := tracer.Start(context.Background(), "late")
	s.End()
	open.End()
	require.NoError(t, p.ForceFlush(context.Background()))
	assert.Empty(t, calls, "nothing reaches a processor after its Shutdown")
}

func TestSpec_Shutdown_flushes(t *testing.T) {
	t.Parallel()
	plain, encoding := &collector{}, &encoder{}
	p := newProvider(t, tracing.WithExporter(plain, tracing.WithBatchDelay(time.Hour)), tracing.WithExporter(encoding, tracing.WithBatchDelay(time.Hour)))
	tracer := p.Tracer("test")
	ctx, root := tracer.Start(context.Background(), "root")
	for i := range 100 {
		_, s := tracer.Start(ctx, strconv.Itoa(i))
		s.End()
	}
	root.End()
	require.NoError(t, p.Shutdown(context.Background()))
	assert.Len(t, plain.spans(), 101)
	assert.Len(t, slicesOf(encoding.sent()), 101)
}

// slicesOf puts lists one after the other.
func slicesOf[T any](lists [][]T) (all []T) {
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}

// stubborn calls f of a provider whose processor, or whose exporter, does not even look at its Go
// context.
func stubborn(t *testing.T, f func(*tracing.Provider, context.Context) error) {
	t.Helper()
	for _, who := range []string{"processor", "exporter"} {
		t.Run(who, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				release := make(chan struct{})
				block := func(context.Context) error { <-release; return nil }
				opts := []tracing.Option{quiet(), tracing.WithProcessor(&processor{flush: block, shutdown: block})}
				if who == "exporter" {
					opts = []tracing.Option{quiet(), tracing.WithExporter(&collector{
						export: func(ctx context.Context, _ []*tracing.SpanData) error { return block(ctx) },
					})}
				}
				p := newProvider(t, opts...)
				_, s := p.Tracer("test").Start(context.Background(), "one")
				s.End()
				ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
				defer cancel()
				begin := time.Now()
				assert.ErrorIs(t, f(p, ctx), context.DeadlineExceeded)
				assert.GreaterOrEqual(t, time.Since(begin), 3*time.Second)
				assert.LessOrEqual(t, time.Since(begin), 3*time.Second+grace)
				close(release)
				shutdownQuietly(p)
			})
		})
	}
}

func TestSpec_Shutdown_honours_deadline(t *testing.T) {
	t.Parallel()
	stubborn(t, (*tracing.Provider).Shutdown)
}

func TestSpec_ForceFlush_honours_deadline(t *testing.T) {
	t.Parallel()
	stubborn(t, (*tracing.Provider).ForceFlush)
}

// Each exporter has a pipeline of its own: one that fails, or is slow, keeps nothing from the others.
func TestSpec_Several_pipelines(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		slow, failing, good := &collector{export: blocked(release)}, &encoder{send: func(context.Context, []string) error { return errBackend }}, &collector{}
		custom := 0
		short := tracing.WithBatchDelay(time.Second)
		p := newProvider(t, quiet(), tracing.WithExporter(slow, short), tracing.WithExporter(failing, short), tracing.WithExporter(good, short),
			tracing.WithProcessor(&processor{onEnd: func(*tracing.SpanData) { custom++ }}))
		for range 10 {
			_, s := p.Tracer("test").Start(context.Background(), "one")
			s.End()
		}
		time.Sleep(2 * time.Second)
		assert.Equal(t, 10, custom)
		assert.Len(t, good.spans(), 10)
		assert.Empty(t, slow.spans())
		assert.NotEmpty(t, failing.tried())
		close(release)
		shutdownQuietly(p)
		assert.Len(t, slow.spans(), 10)
	})
}

func TestSpec_Processors_ConcurrentSafe(t *testing.T) {
	t.Parallel()
	assert.Contains(t, docOfType(t, "Processor"), "All methods are called by many goroutines at once")
	// And so they are: two goroutines meet in each method.
	meet := func() func() {
		var n atomic.Int32
		both := make(chan struct{})
		return func() {
			if n.Add(1) == 2 {
				close(both)
			}
			<-both
		}
	}
	start, ending, end, flush := meet(), meet(), meet(), meet()
	tracer, _, p := api(t, tracing.WithProcessor(&processor{
		onStart:  func(context.Context, *tracing.Span) { start() },
		onEnding: func(*tracing.Span) { ending() },
		onEnd:    func(*tracing.SpanData) { end() },
		flush:    func(context.Context) error { flush(); return nil },
	}))
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			_, s := tracer.Start(context.Background(), "one")
			s.End()
			assert.NoError(t, p.ForceFlush(context.Background()))
		})
	}
	wg.Wait()
	assert.EqualValues(t, 2, p.Stats().Ended)
}

func TestSpec_Readable_Span(t *testing.T) {
	t.Parallel()
	at := time.Unix(1_700_000_000, 0)
	seen := map[string]*tracing.SpanData{}
	tracer, r, p := api(t, tracing.WithResource(attribute.String("region", "north")), tracing.WithProcessor(&processor{
		onEnding: func(s *tracing.Span) { seen["OnEnding"] = s.Snapshot() },
		onEnd:    func(d *tracing.SpanData) { seen["OnEnd"] = d.Clone() },
	}))
	parent := remoteParent(true).WithTraceState(parseState(t, "a=1"))
	ctx := trace.ContextWithRemoteSpanContext(context.Background(), parent)
	_, s := tracer.Start(ctx, "name", trace.WithTimestamp(at), trace.WithSpanKind(trace.SpanKindServer),
		trace.WithAttributes(attribute.Int("a", 1)), trace.WithLinks(linksTo(1)...))
	s.AddEvent("e", trace.WithTimestamp(at.Add(time.Second)), trace.WithAttributes(attribute.Int("b", 2)))
	s.SetStatus(codes.Error, "why")
	s.End(trace.WithTimestamp(at.Add(time.Minute)))
	flush(t, p)
	seen["exporter"] = r.Span(t, "name")
	require.Len(t, seen, 3)
	for where, d := range seen {
		assert.Equal(t, s.SpanContext(), d.SpanContext, where)
		assert.Equal(t, parent, d.Parent, where)
		assert.Equal(t, "name", d.Name, where)
		assert.Equal(t, trace.SpanKindServer, d.Kind, where)
		assert.True(t, at.Equal(d.StartTime), where)
		assert.True(t, at.Add(time.Minute).Equal(d.EndTime), where)
		assert.Equal(t, []attribute.KeyValue{attribute.Int("a", 1)}, d.Attributes, where)
		assert.Equal(t, recorded(linksTo(1)), d.Links, where)
		require.Len(t, d.Events, 1, where)
		assert.Equal(t, "e", d.Events[0].Name, where)
		assert.True(t, at.Add(time.Second).Equal(d.Events[0].Time), where)
		assert.Equal(t, []attribute.KeyValue{attribute.Int("b", 2)}, d.Events[0].Attributes, where)
		assert.Equal(t, tracing.Status{Code: codes.Error, Description: "why"}, d.Status, where)
		assert.Contains(t, d.Resource.Attributes(), attribute.String("region", "north"), where)
		assert.Equal(t, "test", d.Scope.Name, where)
	}
}

func TestSpec_Readable_Span_has_ended(t *testing.T) {
	t.Parallel()
	ended := map[string]bool{}
	tracer, _, _ := api(t, tracing.WithProcessor(&processor{
		onStart: func(_ context.Context, s *tracing.Span) { ended["OnStart"] = !s.Snapshot().EndTime.IsZero() },
		onEnd:   func(d *tracing.SpanData) { ended["OnEnd"] = !d.EndTime.IsZero() },
	}))
	_, s := tracer.Start(context.Background(), "one")
	own, _ := s.(*tracing.Span)
	ended["before End"] = !own.Snapshot().EndTime.IsZero()
	s.End()
	assert.Equal(t, map[string]bool{"OnStart": false, "before End": false, "OnEnd": true}, ended)
}

func TestSpec_Dropped_counts(t *testing.T) {
	t.Parallel()
	d := one(t, func(s *tracing.Span) {
		s.SetAttributes(numbered(4)...)
		for range 5 {
			s.AddEvent("e", trace.WithAttributes(numbered(7)...))
		}
		for range 6 {
			s.AddLink(trace.Link{SpanContext: remoteParent(true), Attributes: numbered(9)})
		}
	}, quiet(), tracing.WithSpanLimits(tracing.SpanLimits{Attributes: 1, Events: 1, Links: 1, AttributesPerEvent: 1, AttributesPerLink: 1}))
	assert.Equal(t, 3, d.DroppedAttributes)
	assert.Equal(t, 4, d.DroppedEvents)
	assert.Equal(t, 5, d.DroppedLinks)
	assert.Equal(t, 6, d.Events[0].DroppedAttributes)
	assert.Equal(t, 8, d.Links[0].DroppedAttributes)
}

// docOfType returns the documentation of a type.
func docOfType(t *testing.T, name string) string {
	t.Helper()
	for _, typ := range packageDoc(t).Types {
		if typ.Name == name {
			return strings.Join(strings.Fields(typ.Doc), " ")
		}
	}
	require.Fail(t, "no documentation of "+name)
	return ""
}
