// SPDX-License-Identifier: Apache-2.0

package tracing_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/tracing"
)

// stress is the stress test of use after end. Its goroutines make spans on three providers, spans of
// one under Go contexts of another, and children of spans that ended long ago; each span is written
// through only by its maker while it is open, and by everybody after it has ended. What each span
// records says whose it is; what is exported must say the same.
type stress struct {
	providers [3]*tracing.Provider
	tracers   [3]*tracing.Tracer
	exporters [3]*checkingExporter

	made [3]atomic.Uint64

	mu    sync.Mutex // guards old
	old   []oldSpan  // spans that have ended, with their Go contexts
	ghost atomic.Uint64
}

type oldSpan struct {
	ctx  context.Context
	span *tracing.Span
	sc   trace.SpanContext
}

// checkingExporter checks each span that it gets and counts how often it came.
type checkingExporter struct {
	provider int

	mu   sync.Mutex // guards all below
	seen map[string]int
	bad  []string
}

func (e *checkingExporter) check(d *tracing.SpanData) {
	var problems []string
	complain := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	id := d.SpanContext.SpanID().String()
	name, n, _ := strings.Cut(d.Name, "#")
	var want int
	if _, err := fmt.Sscan(n, &want); err != nil {
		complain("name %q", d.Name)
	}
	if name != fmt.Sprintf("p%d %s", e.provider, id) {
		complain("name %q of span %s at exporter %d", d.Name, id, e.provider)
	}
	if len(d.Attributes) != want+1 {
		complain("%d attributes, want %d", len(d.Attributes), want+1)
	}
	for i, kv := range d.Attributes {
		if i == 0 && kv.Key == "trace" {
			if kv.Value.AsString() != d.SpanContext.TraceID().String() {
				complain("attribute %v in trace %s", kv, d.SpanContext.TraceID())
			}
		} else if string(kv.Key) != fmt.Sprint("k", i) || kv.Value.AsString() != id {
			complain("attribute %d: %v", i, kv)
		}
	}
	if len(d.Events) != want%3 {
		complain("%d events, want %d", len(d.Events), want%3)
	}
	for _, ev := range d.Events {
		if ev.Name != id || len(ev.Attributes) != 1 || ev.Attributes[0] != attribute.String("of", id) {
			complain("event %+v", ev)
		}
	}
	if len(d.Links) != want%2 {
		complain("%d links, want %d", len(d.Links), want%2)
	}
	for _, l := range d.Links {
		if len(l.Attributes) != 1 || l.Attributes[0] != attribute.String("of", id) {
			complain("link %+v", l)
		}
	}
	if want%4 == 3 {
		if d.Status != (tracing.Status{Code: codes.Error, Description: id}) {
			complain("status %+v", d.Status)
		}
	} else if d.Status != (tracing.Status{}) {
		complain("status %+v", d.Status)
	}
	if d.DroppedAttributes+d.DroppedEvents+d.DroppedLinks > 0 {
		complain("dropped counts")
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.seen[id]++
	for _, p := range problems {
		if len(e.bad) < 20 {
			e.bad = append(e.bad, fmt.Sprintf("span %s: %s", id, p))
		}
	}
}

func (e *checkingExporter) ExportSpans(_ context.Context, spans []*tracing.SpanData) error {
	for _, d := range spans {
		e.check(d)
	}
	return nil
}

func (e *checkingExporter) Shutdown(context.Context) error { return nil }

// checkingEncoder is the same for the way that encoding exporters take.
type checkingEncoder struct{ *checkingExporter }

func (e checkingEncoder) AppendResource(dst []byte, _ *tracing.Resource) []byte { return dst }

func (e checkingEncoder) AppendSpan(dst []byte, d *tracing.SpanData) []byte {
	e.check(d)
	return append(dst, 1)
}
func (e checkingEncoder) AppendRequest(dst []byte, _ tracing.EncodedBatch) []byte { return dst }
func (e checkingEncoder) SendRequest(context.Context, []byte, int) error          { return nil }

// open makes a span of provider i and records, as its owner, what checkingExporter looks for.
func (st *stress) open(ctx context.Context, i, n int) (context.Context, *tracing.Span) {
	ctx, s := st.tracers[i].StartSpan(ctx, "not yet", tracing.WithKind(trace.SpanKindClient))
	st.made[i].Add(1)
	id := s.SpanContext().SpanID().String()
	s.SetName(fmt.Sprintf("p%d %s#%d", i, id, n))
	s.SetAttributes(attribute.String("trace", s.SpanContext().TraceID().String()))
	for k := range n {
		s.SetAttributes(attribute.String(fmt.Sprint("k", k+1), id))
	}
	for range n % 3 {
		s.AddEvent(id, trace.WithAttributes(attribute.String("of", id)))
	}
	for range n % 2 {
		s.AddLink(trace.Link{SpanContext: s.SpanContext(), Attributes: []attribute.KeyValue{attribute.String("of", id)}})
	}
	if n%4 == 3 {
		s.SetStatus(codes.Error, id)
	}
	return ctx, s
}

// haunt uses a span that has ended in every way there is.
func (st *stress) haunt(o oldSpan) {
	const foreign = "foreign"
	o.span.SetName(foreign)
	o.span.SetAttributes(attribute.String(foreign, foreign))
	o.span.SetAttribute(foreign, 1)
	o.span.SetAttribute("trace", nil)
	o.span.AddEvent(foreign, trace.WithAttributes(attribute.Bool(foreign, true)))
	o.span.AddLink(trace.Link{SpanContext: o.sc, Attributes: []attribute.KeyValue{attribute.Bool(foreign, true)}})
	o.span.SetStatus(codes.Ok, "")
	o.span.RecordError(errors.New(foreign))
	o.span.End()
	o.span.Finish()
	if o.span.IsRecording() || !o.span.SpanContext().Equal(o.sc) || !trace.SpanContextFromContext(o.ctx).Equal(o.sc) {
		st.ghost.Add(1)
	}
	if text := fmt.Sprintf("%v %+v", o.span, o.ctx); !strings.Contains(text, o.sc.SpanID().String()) || strings.Contains(text, "#") {
		st.ghost.Add(1)
	}
	for _, tr := range st.tracers {
		if a := tr.ActiveSpan(o.ctx); a == o.span {
			st.ghost.Add(1)
		}
		tr.RootSpan(o.ctx)
	}
}

// remember keeps a span that has ended, in the place of another.
func (st *stress) remember(ctx context.Context, s *tracing.Span) {
	o := oldSpan{ctx, s, s.SpanContext()}
	st.mu.Lock()
	defer st.mu.Unlock()
	if len(st.old) < 300 {
		st.old = append(st.old, o)
	} else {
		st.old[rand.IntN(len(st.old))] = o
	}
}

// recall returns a span that has ended, if there is one yet.
func (st *stress) recall() (oldSpan, bool) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if len(st.old) == 0 {
		return oldSpan{}, false
	}
	return st.old[rand.IntN(len(st.old))], true
}

func (st *stress) run(rounds int) {
	for range rounds {
		ctx := context.Background()
		if o, ok := st.recall(); ok && rand.IntN(2) == 0 {
			ctx = o.ctx // under a span that ended long ago
		}
		ctx, root := st.open(ctx, rand.IntN(3), rand.IntN(7))
		type opened struct {
			ctx context.Context
			s   *tracing.Span
		}
		list := []opened{{ctx, root}}
		for range rand.IntN(25) {
			parent := list[rand.IntN(len(list))]
			c, s := st.open(parent.ctx, rand.IntN(3), rand.IntN(7))
			list = append(list, opened{c, s})
			if rand.IntN(3) == 0 {
				s.End()
				st.remember(c, s)
			}
			if o, ok := st.recall(); ok {
				st.haunt(o)
			}
		}
		rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		for _, o := range list {
			o.s.End()
			st.remember(o.ctx, o.s)
		}
	}
}

func TestUseAfterEndConcurrentSafe(t *testing.T) {
	t.Parallel()
	st := &stress{}
	for i := range st.providers {
		e := &checkingExporter{provider: i, seen: map[string]int{}}
		st.exporters[i] = e
		var exporter tracing.Exporter = e
		if i == 1 {
			exporter = checkingEncoder{e}
		}
		opts := []tracing.Option{tracing.WithExporter(exporter, tracing.WithBatchSpans(3),
			tracing.WithBatchDelay(time.Millisecond), tracing.WithQueueSpans(1<<20), tracing.WithQueueBytes(1<<30))}
		if i == 2 { // with processors, spans end another way
			opts = append(opts, tracing.WithProcessor(&processor{}))
		}
		st.providers[i] = newProvider(t, opts...)
		st.tracers[i] = st.providers[i].NewTracer("stress")
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { st.run(60) })
	}
	stop := make(chan struct{})
	var flushers sync.WaitGroup
	for _, p := range st.providers {
		flushers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					_ = p.ForceFlush(context.Background())
				}
			}
		})
	}
	wg.Wait()
	close(stop)
	flushers.Wait()
	for _, o := range st.old { // once more, now that their records serve nobody or others
		st.haunt(o)
	}
	assert.Zero(t, st.ghost.Load(), "spans that had ended and did not look so")
	for i, p := range st.providers {
		flush(t, p)
		e := st.exporters[i]
		assert.Empty(t, e.bad, "provider %d", i)
		doubled := 0
		for _, n := range e.seen {
			if n != 1 {
				doubled++
			}
		}
		assert.Zero(t, doubled, "provider %d: spans that came more than once", i)
		s := p.Stats()
		assert.EqualValues(t, st.made[i].Load(), s.Started, "provider %d", i)
		assert.EqualValues(t, s.Started, s.Ended, "provider %d", i)
		assert.Len(t, e.seen, int(s.Started), "provider %d: every span arrives", i)
		assert.EqualValues(t, s.Started, s.Exporters[0].Exported, "provider %d", i)
		sumsHold(t, p)
	}
}

// Deterministic: the record of a span that has ended serves another one, and the stale handle reads
// and changes nothing of it.
func TestStaleHandleDoesNotReachAReusedRecord(t *testing.T) {
	t.Parallel()
	tracer, c, p := newTracer(t)
	type stale struct {
		ctx context.Context
		s   *tracing.Span
	}
	var handles []stale
	for i := range 200 {
		ctx, s := tracer.StartSpan(context.Background(), fmt.Sprint("first ", i), tracing.WithAttributes(attribute.Int("i", i)))
		full(s, 3)
		s.End()
		handles = append(handles, stale{ctx, s})
	}
	flush(t, p) // the records are back
	for i, h := range handles {
		_, s := tracer.StartSpan(context.Background(), fmt.Sprint("second ", i))
		s.SetAttributes(attribute.String("owner", "second"))
		h.s.SetName("stale")
		h.s.SetAttributes(attribute.String("stale", "stale"))
		h.s.AddEvent("stale")
		h.s.AddLink(trace.Link{SpanContext: h.s.SpanContext()})
		h.s.SetStatus(codes.Error, "stale")
		h.s.End()
		require.True(t, s.IsRecording())
		require.False(t, h.s.IsRecording())
		_, child := tracer.StartSpan(h.ctx, fmt.Sprint("child ", i))
		child.End()
		s.End()
	}
	flush(t, p)
	for i, h := range handles {
		d := c.span(t, fmt.Sprint("second ", i))
		assert.Equal(t, []attribute.KeyValue{attribute.String("owner", "second")}, d.Attributes)
		assert.Empty(t, d.Events)
		assert.Empty(t, d.Links)
		assert.Equal(t, tracing.Status{}, d.Status)
		assert.False(t, d.Parent.IsValid())
		assert.Equal(t, h.s.SpanContext(), c.span(t, fmt.Sprint("child ", i)).Parent)
		first := c.span(t, fmt.Sprint("first ", i))
		assert.Len(t, first.Attributes, 4)
		assert.Len(t, first.Events, 3)
		assert.Equal(t, h.s.SpanContext(), first.SpanContext)
	}
	assert.Len(t, c.spans(), 600)
}

// A nil span accepts every method.
func TestNilSpanIsNoSpan(t *testing.T) {
	t.Parallel()
	var s *tracing.Span
	s.SetName("n")
	s.SetAttributes(attribute.Int("a", 1))
	s.SetAttribute("a", 1)
	s.SetAttribute("a", nil)
	s.SetStatus(codes.Error, "e")
	s.AddEvent("e", trace.WithAttributes(attribute.Int("a", 1)))
	s.AddLink(trace.Link{SpanContext: remoteParent(true)})
	s.RecordError(errBackend)
	s.End()
	s.Finish()
	assert.False(t, s.IsRecording())
	assert.Equal(t, trace.SpanContext{}, s.SpanContext())
	require.NotNil(t, s.TracerProvider())
	ctx, none := s.TracerProvider().Tracer("test").Start(context.Background(), "one")
	require.NotNil(t, none)
	assert.False(t, none.IsRecording())
	assert.False(t, trace.SpanContextFromContext(ctx).IsValid())
	none.End()
	p, ok := s.TracerProvider().(*tracing.Provider)
	require.True(t, ok)
	for range 2 {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		require.NoError(t, p.Shutdown(ctx), "also the second time")
		require.NoError(t, p.ForceFlush(ctx))
		cancel()
	}
	assert.Zero(t, p.Stats().Started)
}

func TestTracerProviderOfASpan(t *testing.T) {
	t.Parallel()
	tracer, _, p := newTracer(t, tracing.WithSampler(samplerFunc(dropped)))
	_, recorded := tracer.StartSpan(context.Background(), "recorded")
	_, unsampled := tracer.StartSpan(context.Background(), "drop")
	assert.Same(t, p, recorded.TracerProvider())
	assert.Same(t, p, unsampled.TracerProvider())
	recorded.End()
	unsampled.End()
	assert.Same(t, p, recorded.TracerProvider(), "after the end too")
}
