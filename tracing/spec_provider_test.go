// SPDX-License-Identifier: Apache-2.0

package tracing_test

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
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
	"github.com/spandrel-go/spandrel/tracing/tracetest"
)

// The tests TestSpec_... show the rows of docs/otel-compliance.md, one each, through the API of
// OpenTelemetry where the row is about it. Package internal/compliance says which row is whose.

// api makes a provider with a recorder for its exporter, and a tracer of it, behind OpenTelemetry's
// interfaces. Spans come with flush only.
func api(t testing.TB, opts ...tracing.Option) (trace.Tracer, *tracetest.Recorder, *tracing.Provider) {
	t.Helper()
	r := tracetest.NewRecorder()
	opts = append([]tracing.Option{tracing.WithExporter(r, tracing.WithBatchDelay(time.Hour))}, opts...)
	p := newProvider(t, opts...)
	var tp trace.TracerProvider = p
	return tp.Tracer("test"), r, p
}

// apiOne makes one span through OpenTelemetry's interfaces and returns it as it was exported.
func apiOne(t testing.TB, f func(trace.Span), opts ...trace.SpanStartOption) *tracing.SpanData {
	t.Helper()
	tracer, r, p := api(t)
	_, s := tracer.Start(context.Background(), "one", opts...)
	f(s)
	s.End()
	flush(t, p)
	return r.Span(t, "one")
}

func TestSpec_Create_TracerProvider(t *testing.T) {
	t.Parallel()
	// Any number of providers, each with a configuration of its own.
	first, second := &collector{}, &collector{}
	one := newProvider(t, tracing.WithExporter(first), tracing.WithServiceName("first"))
	two := newProvider(t, tracing.WithExporter(second), tracing.WithServiceName("second"))
	for i, tp := range []trace.TracerProvider{one, two} {
		_, s := tp.Tracer("test").Start(context.Background(), fmt.Sprint("span ", i))
		assert.Same(t, tp, s.TracerProvider())
		s.End()
	}
	flush(t, one)
	flush(t, two)
	assert.Equal(t, []string{"span 0"}, first.names())
	assert.Equal(t, []string{"span 1"}, second.names())
	assert.Equal(t, "first", first.spans()[0].Resource.ServiceName())
	assert.Equal(t, "second", second.spans()[0].Resource.ServiceName())
}

func TestSpec_Get_Tracer(t *testing.T) {
	t.Parallel()
	_, r, p := api(t)
	var tp trace.TracerProvider = p
	for _, name := range []string{"example.com/library", ""} { // without a name a tracer works as well
		tracer := tp.Tracer(name, trace.WithInstrumentationVersion("1.2.3"))
		require.NotNil(t, tracer)
		_, s := tracer.Start(context.Background(), "of "+name)
		assert.True(t, s.IsRecording())
		s.End()
	}
	flush(t, p)
	assert.Equal(t, "example.com/library", r.Span(t, "of example.com/library").Scope.Name)
	assert.Equal(t, "1.2.3", r.Span(t, "of example.com/library").Scope.Version)
	assert.Empty(t, r.Span(t, "of ").Scope.Name)
}

func TestSpec_Get_Tracer_with_schema_URL(t *testing.T) {
	t.Parallel()
	_, r, p := api(t)
	const schema = "https://opentelemetry.io/schemas/1.37.0"
	tracers := []trace.Tracer{p.Tracer("library", trace.WithSchemaURL(schema)), p.Tracer("library")}
	assert.NotSame(t, tracers[0], tracers[1], "distinct: one parameter differs")
	for i, tracer := range tracers {
		_, s := tracer.Start(context.Background(), fmt.Sprint("span ", i))
		s.End()
	}
	flush(t, p)
	assert.Equal(t, schema, r.Span(t, "span 0").Scope.SchemaURL)
	assert.Empty(t, r.Span(t, "span 1").Scope.SchemaURL)
}

func TestSpec_Get_Tracer_with_scope_attributes(t *testing.T) {
	t.Parallel()
	_, r, p := api(t)
	attrs := []attribute.KeyValue{attribute.String("channel", "beta"), attribute.Int("shard", 7)}
	tracers := []trace.Tracer{
		p.Tracer("library", trace.WithInstrumentationAttributes(attrs...)),
		p.Tracer("library", trace.WithInstrumentationAttributes(attrs[0])),
		p.Tracer("library"),
	}
	for i, tracer := range tracers {
		_, s := tracer.Start(context.Background(), fmt.Sprint("span ", i))
		s.End()
	}
	flush(t, p)
	assert.ElementsMatch(t, attrs, r.Span(t, "span 0").Scope.Attributes)
	assert.Equal(t, attrs[:1], r.Span(t, "span 1").Scope.Attributes)
	assert.Empty(t, r.Span(t, "span 2").Scope.Attributes)
}

func TestSpec_Tracer_has_instrumentation_scope(t *testing.T) {
	t.Parallel()
	_, r, p := api(t)
	// Spans of one trace, each of the scope whose tracer made it.
	ctx, outer := p.Tracer("outer", trace.WithInstrumentationVersion("1")).Start(context.Background(), "of outer")
	ctx, inner := p.Tracer("inner", trace.WithInstrumentationVersion("2")).Start(ctx, "of inner")
	_, again := p.Tracer("outer", trace.WithInstrumentationVersion("1")).Start(ctx, "of outer again")
	again.End()
	inner.End()
	outer.End()
	flush(t, p)
	assert.Equal(t, tracing.Scope{Name: "outer", Version: "1"}, *r.Span(t, "of outer").Scope)
	assert.Equal(t, tracing.Scope{Name: "inner", Version: "2"}, *r.Span(t, "of inner").Scope)
	assert.Equal(t, tracing.Scope{Name: "outer", Version: "1"}, *r.Span(t, "of outer again").Scope)
}

func TestSpec_TracerProvider_ConcurrentSafe(t *testing.T) {
	t.Parallel()
	c := &collector{}
	p := newProvider(t, tracing.WithExporter(c))
	var tp trace.TracerProvider = p
	var before uint64         // spans that have ended before Shutdown
	told := func(err error) { // of those that the others were at while Shutdown began
		var late *tracing.DeliveryError
		if errors.As(err, &late) {
			assert.LessOrEqual(t, late.Dropped, uint64(3))
			err = late.Err
		}
		assert.NoError(t, err)
	}
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for j := range 50 {
				_, s := tp.Tracer(fmt.Sprint("tracer ", j%5), trace.WithInstrumentationVersion(strconv.Itoa(i%2))).Start(context.Background(), "one")
				s.End()
				if j%10 == 0 {
					told(p.ForceFlush(context.Background()))
				}
				if i == 3 && j == 40 {
					before = p.Stats().Ended
					told(p.Shutdown(context.Background()))
				}
			}
		})
		wg.Go(func() { _ = p.Stats() })
	}
	wg.Wait()
	told(p.Shutdown(context.Background()))
	st := p.Stats()
	e := st.Exporters[0]
	assert.Len(t, c.spans(), int(e.Exported), "each once")
	assert.GreaterOrEqual(t, e.Exported, before, "each span that ended before Shutdown")
	assert.Equal(t, e.Dropped.Shutdown, e.Dropped.Sum())
	assert.LessOrEqual(t, e.Dropped.Shutdown, uint64(3), "likewise")
	assert.EqualValues(t, 200, st.Started+st.StartedAfterShutdown)
	sumsHold(t, p)
}

func TestSpec_Shutdown(t *testing.T) {
	t.Parallel()
	c := &collector{}
	p := newProvider(t, tracing.WithExporter(c, tracing.WithBatchDelay(time.Hour)))
	tracer := p.Tracer("test")
	_, s := tracer.Start(context.Background(), "ended")
	s.End()
	_, open := tracer.Start(context.Background(), "open")
	require.NoError(t, p.Shutdown(context.Background()))
	assert.ElementsMatch(t, []string{"ended", "open"}, c.names(), "what waited has been exported, and what was open")
	assert.False(t, open.IsRecording())
	_, late := tracer.Start(context.Background(), "late")
	assert.False(t, late.IsRecording())
	late.End()
	require.NoError(t, p.ForceFlush(context.Background()))
	require.NoError(t, p.Shutdown(context.Background()), "and once more, which does nothing")
	assert.Len(t, c.names(), 2)
	assert.Equal(t, 1, c.shutdowns)
	assert.Zero(t, c.late)
}

func TestSpec_Shutdown_calls_processors_and_exporters(t *testing.T) {
	t.Parallel()
	var calls []string
	note := func(name string) func(context.Context) error {
		return func(context.Context) error { calls = append(calls, name); return nil }
	}
	p := newProvider(t,
		tracing.WithProcessor(&processor{shutdown: note("processor 1")}),
		tracing.WithExporter(&collector{shutdown: note("exporter")}),
		tracing.WithProcessor(&processor{shutdown: note("processor 2")}))
	shutdown(t, p)
	assert.Equal(t, []string{"processor 1", "processor 2", "exporter"}, calls)
}

func TestSpec_ForceFlush(t *testing.T) {
	t.Parallel()
	tracer, r, p := api(t)
	ctx, root := tracer.Start(context.Background(), "root")
	_, child := tracer.Start(ctx, "child")
	child.End()
	require.NoError(t, p.ForceFlush(context.Background()))
	assert.Equal(t, []string{"child"}, r.Names(), "what has ended, although its trace goes on")
	root.End()
	require.NoError(t, p.ForceFlush(context.Background()))
	assert.Equal(t, []string{"child", "root"}, r.Names(), "the provider goes on after it")
}

func TestSpec_Tracer_after_Shutdown(t *testing.T) {
	t.Parallel()
	_, r, p := api(t)
	require.NoError(t, p.Shutdown(context.Background()))
	tracer := p.Tracer("late")
	require.NotNil(t, tracer)
	ctx := trace.ContextWithRemoteSpanContext(context.Background(), remoteParent(true))
	ctx, s := tracer.Start(ctx, "late")
	assert.False(t, s.IsRecording())
	assert.Equal(t, remoteParent(true).TraceID(), trace.SpanContextFromContext(ctx).TraceID(), "the trace goes on past it")
	s.SetAttributes(attribute.Int("a", 1))
	s.End()
	assert.Empty(t, r.Spans())
}

// outcomes calls f of a provider whose exporter succeeds, fails and does not answer, in a bubble.
func outcomes(t *testing.T, f func(*tracing.Provider, context.Context) error) {
	t.Helper()
	for name, tt := range map[string]struct {
		export func(context.Context, []*tracing.SpanData) error
		want   error
	}{
		"succeeds": {nil, nil},
		"fails":    {func(context.Context, []*tracing.SpanData) error { return errBackend }, errBackend},
		"times out": {
			func(ctx context.Context, _ []*tracing.SpanData) error { <-ctx.Done(); return ctx.Err() },
			context.DeadlineExceeded,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := newProvider(t, quiet(), tracing.WithExporter(&collector{export: tt.export}))
				_, s := p.Tracer("test").Start(context.Background(), "one")
				s.End()
				ctx, cancel := context.WithTimeout(context.Background(), time.Second)
				defer cancel()
				begin := time.Now()
				err := f(p, ctx)
				if tt.want == nil {
					require.NoError(t, err)
				} else {
					require.ErrorIs(t, err, tt.want)
				}
				assert.LessOrEqual(t, time.Since(begin), time.Second+grace)
				shutdownQuietly(p)
			})
		})
	}
}

// shutdownQuietly ends a provider whose exporter may be failing.
func shutdownQuietly(p *tracing.Provider) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = p.Shutdown(ctx) // the test has seen what it wanted to see
}

func TestSpec_Shutdown_reports_outcome(t *testing.T) {
	t.Parallel()
	outcomes(t, (*tracing.Provider).Shutdown)
}

func TestSpec_ForceFlush_reports_outcome(t *testing.T) {
	t.Parallel()
	outcomes(t, (*tracing.Provider).ForceFlush)
}

func TestSpec_ForceFlush_calls_each_processor(t *testing.T) {
	t.Parallel()
	var calls []string
	failed := errors.New("first processor")
	p := newProvider(t,
		tracing.WithProcessor(&processor{flush: func(context.Context) error { calls = append(calls, "first"); return failed }}),
		tracing.WithProcessor(&processor{flush: func(context.Context) error { calls = append(calls, "second"); return nil }}))
	require.ErrorIs(t, p.ForceFlush(context.Background()), failed)
	assert.Equal(t, []string{"first", "second"}, calls, "the second one too")
}

func TestSpec_Get_active_Span(t *testing.T) {
	t.Parallel()
	tracer, _, _ := api(t)
	none := trace.SpanFromContext(context.Background())
	assert.False(t, none.SpanContext().IsValid())
	assert.False(t, none.IsRecording())
	ctx, s := tracer.Start(context.Background(), "one")
	assert.Same(t, s, trace.SpanFromContext(ctx))
	assert.Equal(t, s.SpanContext(), trace.SpanContextFromContext(ctx))
	derived, cancel := context.WithCancel(context.WithValue(ctx, ctxKey("k"), 1))
	defer cancel()
	assert.Same(t, s, trace.SpanFromContext(derived), "through Go contexts made of it")
	s.End()
	assert.Same(t, s, trace.SpanFromContext(ctx), "End does not inactivate it")
}

func TestSpec_Set_active_Span(t *testing.T) {
	t.Parallel()
	tracer, r, p := api(t)
	ctx, first := tracer.Start(context.Background(), "first")
	_, second := tracer.Start(context.Background(), "second")
	inSecond := trace.ContextWithSpan(ctx, second)
	assert.Same(t, second, trace.SpanFromContext(inSecond))
	assert.Same(t, first, trace.SpanFromContext(ctx), "the Go context it was made of is as it was")
	_, child := tracer.Start(inSecond, "child")
	child.End()
	second.End()
	_, late := tracer.Start(trace.ContextWithSpan(ctx, second), "late") // an ended span can be set, too
	late.End()
	first.End()
	flush(t, p)
	assert.Equal(t, second.SpanContext().SpanID(), r.Span(t, "child").Parent.SpanID())
	assert.Equal(t, second.SpanContext().SpanID(), r.Span(t, "late").Parent.SpanID())
}

func TestSpec_Create_Span(t *testing.T) {
	t.Parallel()
	tracer, r, p := api(t)
	before := context.Background()
	link := trace.Link{SpanContext: remoteParent(true)}
	ctx, s := tracer.Start(before, "name", trace.WithSpanKind(trace.SpanKindConsumer),
		trace.WithAttributes(attribute.Int("a", 1)), trace.WithLinks(link))
	assert.False(t, trace.SpanFromContext(before).SpanContext().IsValid(), "active in the Go context that Start returns, not in the one it was given")
	assert.Same(t, s, trace.SpanFromContext(ctx))
	_, plain := tracer.Start(ctx, "plain")
	plain.End()
	s.End()
	flush(t, p)
	d := r.Span(t, "name")
	assert.Equal(t, trace.SpanKindConsumer, d.Kind)
	assert.Equal(t, []attribute.KeyValue{attribute.Int("a", 1)}, d.Attributes)
	assert.Equal(t, []tracing.Link{{SpanContext: link.SpanContext}}, d.Links)
	assert.Equal(t, trace.SpanKindInternal, r.Span(t, "plain").Kind, "the default")
}

// packageDoc reads the documentation of this package.
func packageDoc(t *testing.T) *doc.Package {
	t.Helper()
	names, err := filepath.Glob("*.go")
	require.NoError(t, err)
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range names {
		if !strings.HasSuffix(name, "_test.go") {
			file, err := parser.ParseFile(fset, name, nil, parser.ParseComments)
			require.NoError(t, err)
			files = append(files, file)
		}
	}
	pkg, err := doc.NewFromFiles(fset, files, "tracing")
	require.NoError(t, err)
	return pkg
}

// docOf returns the documentation of a function, or of a method as "Type.Method".
func docOf(t *testing.T, name string) string {
	t.Helper()
	pkg := packageDoc(t)
	for _, f := range pkg.Funcs {
		if f.Name == name {
			return strings.Join(strings.Fields(f.Doc), " ")
		}
	}
	for _, typ := range pkg.Types {
		for _, f := range append(typ.Funcs, typ.Methods...) {
			if f.Name == name || typ.Name+"."+f.Name == name {
				return strings.Join(strings.Fields(f.Doc), " ")
			}
		}
	}
	require.Fail(t, "no documentation of "+name)
	return ""
}

func TestSpec_Documentation_prefers_attributes_at_creation(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"WithAttributes", "Tracer.Start"} {
		assert.Contains(t, docOf(t, name), "referred", name)
		assert.Contains(t, docOf(t, name), "sampler", name)
	}
}

func TestSpec_Tracer_get_active_Span(t *testing.T) {
	t.Parallel()
	_, _, p := api(t)
	tracer := p.NewTracer("test")
	assert.Nil(t, tracer.ActiveSpan(context.Background()))
	ctx, s := tracer.Start(context.Background(), "one")
	assert.Same(t, s, trace.Span(tracer.ActiveSpan(ctx)))
}

func TestSpec_Tracer_mark_Span_active(t *testing.T) {
	t.Parallel()
	_, r, p := api(t)
	tracer := p.NewTracer("test")
	_, s := tracer.StartSpan(context.Background(), "one")
	ctx := tracer.SetActiveSpan(context.Background(), s)
	assert.Same(t, s, tracer.ActiveSpan(ctx))
	assert.Same(t, trace.Span(s), trace.SpanFromContext(ctx), "for everybody who uses OpenTelemetry's API")
	_, child := p.Tracer("another").Start(ctx, "child")
	child.End()
	s.End()
	flush(t, p)
	assert.Equal(t, s.SpanContext(), r.Span(t, "child").Parent)
}

func TestSpec_Tracer_ConcurrentSafe(t *testing.T) {
	t.Parallel()
	tracer, r, p := api(t)
	ctx, root := tracer.Start(context.Background(), "root")
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 100 {
				_, s := tracer.Start(ctx, fmt.Sprint(i, " ", j), trace.WithAttributes(attribute.Int("i", i), attribute.Int("j", j)))
				s.End()
			}
		})
	}
	wg.Wait()
	root.End()
	flush(t, p)
	require.Len(t, r.Spans(), 801)
	ids := map[trace.SpanID]bool{}
	for _, d := range r.Spans() {
		ids[d.SpanContext.SpanID()] = true
		if d.Name != "root" {
			assert.Equal(t, root.SpanContext(), d.Parent)
			i, _ := value(d.Attributes, "i")
			j, _ := value(d.Attributes, "j")
			assert.Equal(t, fmt.Sprint(i.AsInt64(), " ", j.AsInt64()), d.Name)
		}
	}
	assert.Len(t, ids, 801)
}
