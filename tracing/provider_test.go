// SPDX-License-Identifier: Apache-2.0

package tracing_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/sampling"
	"github.com/spandrel-go/spandrel/tracing"
)

func TestBadOptionsAreNamed(t *testing.T) {
	t.Parallel()
	var nilExporter *collector
	var nilSampler samplerFunc
	var nilProcessor *processor
	var nilGenerator *countingIDs
	pipeline := func(o tracing.PipelineOption) tracing.Option { return tracing.WithExporter(&collector{}, o) }
	encoded := func(o tracing.PipelineOption) tracing.Option { return tracing.WithExporter(&encoder{}, o) }
	for name, opts := range map[string][]tracing.Option{
		"WithExporter":      {tracing.WithExporter(nil), tracing.WithExporter(nilExporter)},
		"WithProcessor":     {tracing.WithProcessor(nil), tracing.WithProcessor(nilProcessor)},
		"WithSampler":       {tracing.WithSampler(nil), tracing.WithSampler(nilSampler)},
		"WithServiceName":   {tracing.WithServiceName("")},
		"WithIDGenerator":   {tracing.WithIDGenerator(nil), tracing.WithIDGenerator(nilGenerator)},
		"WithLogger":        {tracing.WithLogger(nil)},
		"WithOpenSpanLimit": {tracing.WithOpenSpanLimit(0), tracing.WithOpenSpanLimit(-1)},
		"WithQueueSpans":    {pipeline(tracing.WithQueueSpans(0)), pipeline(tracing.WithQueueSpans(-1))},
		"WithQueueBytes":    {pipeline(tracing.WithQueueBytes(0)), pipeline(tracing.WithQueueBytes(-1))},
		"WithBatchSpans":    {pipeline(tracing.WithBatchSpans(0)), pipeline(tracing.WithBatchSpans(-1))},
		"WithBatchBytes":    {pipeline(tracing.WithBatchBytes(0)), pipeline(tracing.WithBatchBytes(-1))},
		"WithBatchDelay":    {pipeline(tracing.WithBatchDelay(0)), pipeline(tracing.WithBatchDelay(-1))},
		"WithExportTimeout": {pipeline(tracing.WithExportTimeout(0)), pipeline(tracing.WithExportTimeout(-1))},
		"WithQueueWait":     {pipeline(tracing.WithQueueWait(0)), pipeline(tracing.WithQueueWait(-1))},
		"WithWorkers":       {pipeline(tracing.WithWorkers(0)), pipeline(tracing.WithWorkers(65))},
		"WithRetryLimit":    {pipeline(tracing.WithRetryLimit(-1))},
		"WithSpool":         {pipeline(tracing.WithSpool("", 1<<20)), pipeline(tracing.WithSpool(t.TempDir(), 1<<20)), encoded(tracing.WithSpool(t.TempDir(), 1))},
		"WithDropOldest":    {tracing.WithExporter(&collector{}, tracing.WithDropOldest(), tracing.WithQueueWait(1))},
	} {
		for i, o := range opts {
			p, err := tracing.NewProvider(o)
			require.Error(t, err, "%s %d", name, i)
			assert.Nil(t, p)
			assert.True(t, strings.HasPrefix(err.Error(), "tracing: "), err)
			assert.Contains(t, err.Error(), name)
		}
	}
	_, err := tracing.NewProvider(tracing.WithServiceName(""), pipeline(tracing.WithBatchSpans(0)), tracing.WithOpenSpanLimit(0))
	require.ErrorContains(t, err, "WithServiceName")
	require.ErrorContains(t, err, "WithOpenSpanLimit")
	_, err = tracing.NewProvider(pipeline(tracing.WithBatchSpans(0)), pipeline(tracing.WithQueueWait(0)))
	require.ErrorContains(t, err, "WithBatchSpans")
	require.ErrorContains(t, err, "WithQueueWait")
	twice := &collector{}
	_, err = tracing.NewProvider(tracing.WithExporter(twice), tracing.WithExporter(twice))
	require.ErrorContains(t, err, "WithExporter", "the same exporter is given twice")
	_, err = tracing.NewProvider(tracing.WithServiceName("x"), nil, nil)
	require.EqualError(t, err, "tracing: NewProvider: opts[1] is nil\ntracing: NewProvider: opts[2] is nil")
	_, err = tracing.NewProvider(tracing.WithExporter(&collector{}, tracing.WithWorkers(1), nil))
	require.EqualError(t, err, "tracing: WithExporter: opts[1] is nil")
	_, err = sampling.Ratio(1.5)
	require.Error(t, err)
}

func TestProviderWithNothing(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	tracer := p.NewTracer("test")
	ctx, s := tracer.StartSpan(context.Background(), "one")
	assert.True(t, s.IsRecording())
	_, child := tracer.StartSpan(ctx, "child")
	child.End()
	s.End()
	flush(t, p)
	st := p.Stats()
	assert.EqualValues(t, 2, st.Started)
	assert.EqualValues(t, 2, st.Ended)
	assert.Empty(t, st.Exporters)
	shutdown(t, p)
}

func TestTracersAreMemoised(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	assert.Same(t, p.NewTracer("a"), p.NewTracer("a"))
	assert.NotSame(t, p.NewTracer("a"), p.NewTracer("b"))
	assert.Same(t, p.NewTracer("v", tracing.WithVersion("1")), p.NewTracer("v", tracing.WithVersion("2")), "options count at the first call only")
	assert.Same(t, p.Tracer("a"), p.Tracer("a"))
	version := trace.WithInstrumentationVersion("1")
	assert.Same(t, p.Tracer("a", version), p.Tracer("a", version))
	different := map[trace.Tracer]bool{
		p.Tracer("a"): true, p.Tracer("b"): true, p.Tracer("a", version): true,
		p.Tracer("a", trace.WithSchemaURL("u")):                                            true,
		p.Tracer("a", trace.WithInstrumentationAttributes(attribute.Int("a", 1))):          true,
		p.Tracer("a", trace.WithInstrumentationAttributes(attribute.Int("a", 2)), version): true,
		p.Tracer("a", trace.WithInstrumentationAttributes(attribute.String("a", "1"))):     true,
	}
	assert.Len(t, different, 7)
	for i := range 10_000 { // names may come from a program's input
		require.NotNil(t, p.NewTracer(strconv.Itoa(i)))
	}
}

func TestScope(t *testing.T) {
	t.Parallel()
	_, c, p := newTracer(t)
	_, s := p.Tracer("api", trace.WithInstrumentationVersion("1.2"), trace.WithSchemaURL("https://example.com/schema"),
		trace.WithInstrumentationAttributes(attribute.String("k", "v"))).Start(context.Background(), "api")
	s.End()
	endOne(p.NewTracer("own", tracing.WithVersion("3")), "own")
	flush(t, p)
	assert.Equal(t, &tracing.Scope{
		Name: "api", Version: "1.2", SchemaURL: "https://example.com/schema",
		Attributes: []attribute.KeyValue{attribute.String("k", "v")},
	}, c.span(t, "api").Scope)
	assert.Equal(t, &tracing.Scope{Name: "own", Version: "3"}, c.span(t, "own").Scope)
}

func TestResourceDefaults(t *testing.T) {
	t.Parallel()
	d := one(t, func(*tracing.Span) {})
	name, _ := value(d.Resource.Attributes(), "service.name")
	assert.True(t, strings.HasPrefix(name.AsString(), "unknown_service:"), name.AsString())
	assert.Equal(t, name.AsString(), d.Resource.ServiceName())
	for key, want := range map[attribute.Key]string{
		"telemetry.sdk.language": "go", "telemetry.sdk.name": "spandrel", "telemetry.sdk.version": tracing.Version,
	} {
		got, _ := value(d.Resource.Attributes(), key)
		assert.Equal(t, want, got.AsString(), key)
	}
	d = one(t, func(*tracing.Span) {}, tracing.WithServiceName("orders"),
		tracing.WithResource(attribute.String("host.name", "a"), attribute.String("", "no key")), tracing.WithResource(attribute.String("host.name", "b")))
	assert.Equal(t, "orders", d.Resource.ServiceName())
	host, _ := value(d.Resource.Attributes(), "host.name")
	assert.Equal(t, "b", host.AsString(), "the last value of a key wins")
	_, ok := value(d.Resource.Attributes(), "")
	assert.False(t, ok)
	d = one(t, func(*tracing.Span) {}, tracing.WithServiceName("orders"), tracing.WithResource(attribute.String("service.name", "later")))
	assert.Equal(t, "later", d.Resource.ServiceName())
}

func TestResourceIsSorted(t *testing.T) {
	t.Parallel()
	r := tracing.NewResource(attribute.Int("c", 1), attribute.Int("a", 1), attribute.Int("b", 1), attribute.Int("c", 2))
	assert.Equal(t, []attribute.KeyValue{attribute.Int("a", 1), attribute.Int("b", 1), attribute.Int("c", 2)}, r.Attributes())
	assert.Empty(t, r.ServiceName())
}

// countingIDs counts up.
type countingIDs struct{ n atomic.Uint64 }

func (g *countingIDs) NewIDs(ctx context.Context) (trace.TraceID, trace.SpanID) {
	id := trace.TraceID{0: 0xFE, 15: byte(g.n.Add(1))}
	return id, g.NewSpanID(ctx, id)
}

func (g *countingIDs) NewSpanID(_ context.Context, traceID trace.TraceID) trace.SpanID {
	return trace.SpanID{0: traceID[0], 1: traceID[15], 7: byte(g.n.Add(1))}
}

func TestIDGenerator(t *testing.T) {
	t.Parallel()
	tracer, c, p := newTracer(t, tracing.WithIDGenerator(&countingIDs{}))
	ctx, root := tracer.StartSpan(context.Background(), "root")
	_, child := tracer.StartSpan(ctx, "child")
	child.End()
	root.End()
	_, s := tracer.StartSpan(trace.ContextWithRemoteSpanContext(context.Background(), remoteParent(true)), "remote")
	s.End()
	flush(t, p)
	assert.Equal(t, "fe000000000000000000000000000001", c.span(t, "root").SpanContext.TraceID().String())
	assert.Equal(t, "fe01000000000002", c.span(t, "root").SpanContext.SpanID().String())
	assert.Equal(t, "fe01000000000003", c.span(t, "child").SpanContext.SpanID().String())
	assert.Equal(t, "aa01000000000004", c.span(t, "remote").SpanContext.SpanID().String())
}

func TestRandomIDsAreDifferent(t *testing.T) {
	t.Parallel()
	tracer, _, _ := newTracer(t, tracing.WithSampler(sampling.AlwaysOff()))
	traces, spans := map[trace.TraceID]bool{}, map[trace.SpanID]bool{}
	for range 10_000 {
		_, s := tracer.StartSpan(context.Background(), "one")
		require.True(t, s.SpanContext().IsValid())
		traces[s.SpanContext().TraceID()] = true
		spans[s.SpanContext().SpanID()] = true
	}
	assert.Len(t, traces, 10_000)
	assert.Len(t, spans, 10_000)
}

// Not parallel: the global provider is one for all.
func TestGlobal(t *testing.T) {
	before := tracing.NewTracer("before", tracing.WithVersion("1"))
	ctx, s := before.StartSpan(context.Background(), "no provider")
	assert.Nil(t, s)
	assert.Equal(t, context.Background(), ctx)
	_, s = tracing.StartSpan(context.Background(), "no provider")
	assert.Nil(t, s)
	apiCtx, api := before.Start(context.Background(), "no provider")
	assert.False(t, api.IsRecording())
	assert.False(t, trace.SpanContextFromContext(apiCtx).IsValid())
	arrived := trace.ContextWithRemoteSpanContext(context.Background(), remoteParent(true))
	_, api = before.Start(arrived, "no provider")
	assert.Equal(t, remoteParent(true).TraceID(), api.SpanContext().TraceID(), "a no-op span passes its parent's ids through")

	_, c, p := newTracer(t)
	tracing.SetGlobal(p)
	defer tracing.SetGlobal(nil)
	ctx, root := before.StartSpan(context.Background(), "root")
	require.NotNil(t, root, "a tracer made before SetGlobal works after it")
	assert.Same(t, root, tracing.ActiveSpan(ctx))
	_, child := tracing.StartSpan(ctx, "child")
	child.End()
	root.End()
	_, none := tracing.NewTracer("noop", tracing.WithNoop()).StartSpan(ctx, "none")
	assert.Nil(t, none)
	flush(t, p)
	assert.Equal(t, root.SpanContext(), c.span(t, "child").Parent)
	assert.Equal(t, &tracing.Scope{Name: "before", Version: "1"}, c.span(t, "root").Scope)

	tracing.SetGlobal(nil)
	_, s = before.StartSpan(context.Background(), "no provider")
	assert.Nil(t, s)
	assert.Nil(t, tracing.ActiveSpan(ctx))
}

func TestProcessorsAreCalledInOrder(t *testing.T) {
	t.Parallel()
	type key struct{}
	var calls []string
	log := func(format string, args ...any) { calls = append(calls, fmt.Sprintf(format, args...)) }
	named := func(name string) tracing.Option {
		return tracing.WithProcessor(&processor{
			onStart: func(ctx context.Context, s *tracing.Span) {
				log("%s start %v %v", name, ctx.Value(key{}), s.IsRecording())
				s.SetAttribute("start", name)
			},
			onEnding: func(s *tracing.Span) {
				log("%s ending %v", name, s.IsRecording())
				s.SetAttribute("ending", name)
				s.SetName("renamed by " + name)
				s.End() // it is already ending
			},
			onEnd: func(d *tracing.SpanData) { log("%s end %s", name, d.Name) },
			flush: func(context.Context) error { log("%s flush", name); return nil },
			shutdown: func(context.Context) error {
				log("%s shutdown", name)
				return nil
			},
		})
	}
	tracer, c, p := newTracer(t, named("a"), named("b"))
	_, s := tracer.StartSpan(context.WithValue(context.Background(), key{}, "value"), "one")
	s.SetAttribute("secret", "x")
	s.End()
	s.End()
	assert.False(t, s.IsRecording())
	flush(t, p)
	shutdown(t, p)
	assert.Equal(t, []string{
		"a start value true", "b start value true", "a ending true", "b ending true",
		"a end renamed by b", "b end renamed by b", "a flush", "b flush", "a shutdown", "b shutdown",
	}, calls)
	d := c.span(t, "renamed by b")
	assert.Equal(t, []attribute.KeyValue{
		attribute.String("start", "b"), attribute.String("secret", "x"), attribute.String("ending", "b"),
	}, d.Attributes)
	sumsHold(t, p)
}

// Redaction goes into OnEnding: also what Shutdown finds open must pass there before it is exported.
func TestUnfinishedSpansPassTheProcessors(t *testing.T) {
	t.Parallel()
	var ended []string
	tracer, c, p := newTracer(t, tracing.WithProcessor(&processor{
		onEnding: func(s *tracing.Span) { s.SetAttribute("secret", "redacted") },
		onEnd:    func(d *tracing.SpanData) { ended = append(ended, strings.Clone(d.Name)) },
	}))
	_, s := tracer.StartSpan(context.Background(), "open")
	s.SetAttribute("secret", "1234")
	shutdown(t, p)
	got, _ := value(c.span(t, "open").Attributes, "secret")
	assert.Equal(t, "redacted", got.AsString())
	assert.Equal(t, []string{"open"}, ended)
}

// A panic of a processor reaches the caller; the other spans of the trace are exported all the same.
func TestProcessorPanicReachesTheCaller(t *testing.T) {
	t.Parallel()
	tracer, c, p := newTracer(t, tracing.WithProcessor(&processor{onEnding: func(*tracing.Span) {
		if s := panicking.Load(); s {
			panic("a bug in the processor")
		}
	}}))
	ctx, root := tracer.StartSpan(context.Background(), "root")
	_, before := tracer.StartSpan(ctx, "before")
	before.End()
	_, bad := tracer.StartSpan(ctx, "bad")
	panicking.Store(true)
	assert.PanicsWithValue(t, "a bug in the processor", func() { bad.End() })
	panicking.Store(false)
	_, after := tracer.StartSpan(ctx, "after")
	after.End()
	root.End()
	flush(t, p)
	assert.Subset(t, c.names(), []string{"before", "after", "root"})
	shutdown(t, p)
	sumsHold(t, p)
}

var panicking atomic.Bool

// A span whose OnStart panics ends at once: the caller of Start never gets it, and an open span would keep
// its local trace in memory for good.
func TestProcessorPanicInOnStartEndsTheSpan(t *testing.T) {
	t.Parallel()
	var ended []string
	tracer, c, p := newTracer(t, tracing.WithProcessor(&processor{
		onStart: func(_ context.Context, s *tracing.Span) {
			if d := s.Snapshot(); strings.HasPrefix(d.Name, "bad") {
				panic("a bug in the processor")
			}
		},
		onEnd: func(d *tracing.SpanData) { ended = append(ended, strings.Clone(d.Name)) },
	}))
	bug := func(f func()) { assert.PanicsWithValue(t, "a bug in the processor", f) }
	bug(func() { tracer.StartSpan(context.Background(), "bad root") })
	ctx, root := tracer.StartSpan(context.Background(), "root")
	bug(func() { tracer.Start(ctx, "bad child") })
	_, unlinked := tracer.CreateSpan(ctx)
	bug(func() { tracer.LinkSpan(unlinked, "bad link") })
	assert.False(t, unlinked.IsRecording())
	assert.Equal(t, 1, p.Stats().Open, "the root")
	root.End()
	flush(t, p)
	assert.Equal(t, []string{"bad root", "bad child", "bad link", "root"}, ended)
	assert.ElementsMatch(t, ended, c.names())
	assert.Zero(t, p.Stats().Unfinished)
	sumsHold(t, p)
}

func TestProcessorsErrorsAreReturned(t *testing.T) {
	t.Parallel()
	fail := func(context.Context) error { return errBackend }
	p := newProvider(t, tracing.WithProcessor(&processor{flush: fail, shutdown: fail}))
	require.ErrorIs(t, p.ForceFlush(context.Background()), errBackend)
	require.ErrorIs(t, p.Shutdown(context.Background()), errBackend)
}

// Everything that may be called by many goroutines at once is.
func TestProviderConcurrentSafe(t *testing.T) {
	t.Parallel()
	p := newProvider(t, quiet(), tracing.WithExporter(&collector{}, tracing.WithBatchDelay(time.Millisecond)))
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 100 {
				endOne(p.NewTracer(strconv.Itoa(j%7)), "one")
				_, s := p.Tracer(strconv.Itoa(j%5), trace.WithInstrumentationVersion(strconv.Itoa(i))).Start(context.Background(), "two")
				s.End()
				p.Stats()
				if j%10 == 0 {
					_ = p.ForceFlush(context.Background())
				}
			}
		})
	}
	wg.Wait()
	flush(t, p)
	assert.EqualValues(t, 1600, p.Stats().Ended)
	sumsHold(t, p)
}

// The deferred Shutdown of a provider that could not be made does nothing.
func TestNilProviderShutsDown(t *testing.T) {
	t.Parallel()
	p, err := tracing.NewProvider(tracing.WithServiceName(""))
	require.Error(t, err)
	require.Nil(t, p)
	require.NoError(t, p.ForceFlush(t.Context()))
	require.NoError(t, p.Shutdown(t.Context()))
}
