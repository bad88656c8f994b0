// SPDX-License-Identifier: Apache-2.0

package tracetest_test

import (
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/internal/testkit"
	"github.com/spandrel-go/spandrel/tracing"
	"github.com/spandrel-go/spandrel/tracing/tracetest"
)

var noon = time.Date(2026, time.August, 1, 12, 0, 0, 0, time.UTC)

// spec is a span by numbers.
type spec struct {
	name          string
	trace         byte // 1 unless it is given
	id, parent    uint64
	remote        bool
	kind          trace.SpanKind
	start, length int // milliseconds
}

func spanContext(traceID byte, id uint64, remote bool) (sc trace.SpanContext) {
	if id == 0 {
		return sc
	}
	var spanID trace.SpanID
	binary.BigEndian.PutUint64(spanID[:], id)
	return trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{0: 1, 15: traceID}, SpanID: spanID, TraceFlags: trace.FlagsSampled, Remote: remote,
	})
}

func build(specs ...spec) []*tracing.SpanData {
	var spans []*tracing.SpanData
	for _, s := range specs {
		s.trace = max(s.trace, 1)
		if s.kind == trace.SpanKindUnspecified {
			s.kind = trace.SpanKindInternal
		}
		start := noon.Add(time.Duration(s.start) * time.Millisecond)
		spans = append(spans, &tracing.SpanData{
			Name: s.name, Kind: s.kind, SpanContext: spanContext(s.trace, s.id, false), Parent: spanContext(s.trace, s.parent, s.remote),
			StartTime: start, EndTime: start.Add(time.Duration(s.length) * time.Millisecond),
			Resource: tracing.NewResource(), Scope: &tracing.Scope{},
		})
	}
	return spans
}

func TestOutline(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		specs []spec
		want  string
	}{
		{name: "nothing"},
		{
			name:  "children before their parents",
			specs: []spec{{name: "leaf", id: 3, parent: 2, start: 2}, {name: "second", id: 4, parent: 1, start: 3}, {name: "first", id: 2, parent: 1, start: 1}, {name: "root", id: 1}},
			want:  "root\n  first\n    leaf\n  second\n",
		},
		{
			name:  "traces by their start",
			specs: []spec{{name: "b", trace: 1, id: 1, start: 9}, {name: "a", trace: 2, id: 1, start: 3}, {name: "below a", trace: 2, id: 2, parent: 1, start: 10}},
			want:  "a\n  below a\n\nb\n",
		},
		{
			name:  "remote parent",
			specs: []spec{{name: "GET /", id: 2, parent: 9, remote: true}},
			want:  "GET /\n",
		},
		{
			name:  "a remote parent that is here",
			specs: []spec{{name: "callee", id: 2, parent: 9, remote: true}, {name: "caller", id: 9}},
			want:  "caller\n  callee\n",
		},
		{
			name:  "a parent of another trace is none",
			specs: []spec{{name: "a", trace: 2, id: 1}, {name: "b", id: 2, parent: 1, start: 1}},
			want:  "a\n\nb (parent missing)\n",
		},
		{
			name:  "parents missing",
			specs: []spec{{name: "orphan", id: 2, parent: 9, start: 5}, {name: "root", id: 1}, {name: "below", id: 3, parent: 2}},
			want:  "root\norphan (parent missing)\n  below\n",
		},
		{
			name:  "its own parent",
			specs: []spec{{name: "self", id: 2, parent: 2}},
			want:  "self (parent cycle)\n",
		},
		{
			name: "a cycle, and one that hangs on it",
			specs: []spec{
				{name: "hangs", id: 4, parent: 2, start: 9},
				{name: "b", id: 2, parent: 3, start: 1},
				{name: "a", id: 1, parent: 2, start: 0},
				{name: "c", id: 3, parent: 1, start: 2},
			},
			want: "a (parent cycle)\n  c\n    b\n      hangs\n",
		},
		{
			name: "both sides of a call with one id",
			specs: []spec{
				{name: "inside", id: 3, parent: 2, start: 2},
				{name: "callee", id: 2, parent: 1, kind: trace.SpanKindServer, start: 1},
				{name: "caller", id: 2, parent: 1, kind: trace.SpanKindClient, start: 1},
				{name: "root", id: 1},
			},
			want: "root\n  caller\n    callee\n      inside\n",
		},
		{
			name:  "a span that came twice",
			specs: []spec{{name: "root", id: 1}, {name: "child", id: 2, parent: 1}, {name: "root", id: 1}},
			want:  "root\nroot\n  child\n",
		},
		{
			name:  "equal starts: the earlier end, then the text",
			specs: []spec{{name: "root", id: 1, length: 9}, {name: "z", id: 2, parent: 1, length: 1}, {name: "y", id: 3, parent: 1, length: 2}, {name: "x", id: 4, parent: 1, length: 2}},
			want:  "root\n  z\n  x\n  y\n",
		},
		{
			name:  "odd names",
			specs: []spec{{name: "", id: 1}, {name: " a", id: 2, parent: 1}, {name: "b\n\x1b[2J", id: 3, parent: 1, start: 1}, {name: "\xff", id: 4, parent: 1, start: 2}, {name: "größer", id: 5, parent: 1, start: 3}},
			want:  "\"\"\n  \" a\"\n  \"b\\n\\x1b[2J\"\n  \"\\xff\"\n  größer\n",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			spans := build(tt.specs...)
			assert.Equal(t, tt.want, tracetest.Outline(spans))
			assert.Equal(t, len(spans), countTrees(tracetest.Trees(spans)), "each span stands in one tree")
			slices.Reverse(spans)
			assert.Equal(t, tt.want, tracetest.Outline(spans), "in another order of arrival")
		})
	}
}

func countTrees(trees []*tracetest.Tree) int {
	n := len(trees)
	for _, tree := range trees {
		n += countTrees(tree.Children)
	}
	return n
}

func TestTreesSayWhyTheyStandAlone(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		spec spec
		want tracetest.Detached
	}{
		{spec{id: 1}, ""},
		{spec{id: 1, parent: 2}, tracetest.ParentMissing},
		{spec{id: 1, parent: 2, remote: true}, tracetest.RemoteParent},
		{spec{id: 1, parent: 1}, tracetest.ParentCycle},
	} {
		trees := tracetest.Trees(build(tt.spec))
		require.Len(t, trees, 1)
		assert.Equal(t, tt.want, trees[0].Detached)
		assert.Empty(t, trees[0].Children)
	}
}

// Long chains, long cycles and many equal ids take neither forever nor the stack.
func TestTreesOfHugeTraces(t *testing.T) {
	t.Parallel()
	const n = 3000
	specs := map[string]func(i int) spec{
		"chain": func(i int) spec { return spec{id: uint64(i + 1), parent: uint64(i)} },
		"cycle": func(i int) spec { return spec{id: uint64(i + 1), parent: uint64((i+1)%n + 1)} },
		"one":   func(int) spec { return spec{id: 1} },
		"wide":  func(i int) spec { return spec{id: uint64(i + 2), parent: 1} },
	}
	for name, makeSpec := range specs {
		list := make([]spec, n)
		for i := range list {
			list[i] = makeSpec(i)
			list[i].start = i
		}
		assert.Equal(t, n, countTrees(tracetest.Trees(build(list...))), name)
	}
}

// everything records all that a span can hold. It runs in a bubble.
func everything(r *tracetest.Recorder) {
	tracer := r.Tracer("shop")
	remote := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{1}, TraceFlags: trace.FlagsSampled, Remote: true})
	state, err := trace.ParseTraceState("vendor=1")
	if err == nil {
		remote = remote.WithTraceState(state)
	}
	ctx := trace.ContextWithRemoteSpanContext(context.Background(), remote)
	ctx, root := tracer.StartSpan(ctx, "GET /orders", tracing.WithKind(trace.SpanKindServer))
	_, reserve := tracer.StartSpan(ctx, "reserve", tracing.WithAttributes(
		attribute.String("z", "last"), attribute.Bool("bool", true), attribute.Int("int", 1), attribute.Float64("float", 1),
		attribute.Float64("float.e", 1e100), attribute.StringSlice("strings", []string{"a", "b\n"}), attribute.IntSlice("ints", nil),
		attribute.BoolSlice("bools", []bool{true, false}), attribute.Float64Slice("floats", []float64{0.5, 2}),
		attribute.ByteSlice("bytes", []byte{0, 'a'}), attribute.Slice("slice", attribute.IntValue(1), attribute.StringValue("x")),
		attribute.Map("map", attribute.Int("b", 2), attribute.Int("a", 1)), attribute.KeyValue{Key: "empty"}, attribute.Int("port", 12345),
	))
	time.Sleep(10 * time.Millisecond)
	reserve.AddEvent("retry", trace.WithAttributes(attribute.Int("attempt", 2)))
	reserve.SetStatus(codes.Error, "no \"stock\"")
	reserve.End()
	_, publish := tracer.StartSpan(ctx, "publish", tracing.WithKind(trace.SpanKindProducer), tracing.WithLinks(
		trace.Link{SpanContext: reserve.SpanContext(), Attributes: []attribute.KeyValue{attribute.Bool("mine", true)}},
		trace.Link{SpanContext: spanContext(9, 9, true)},
	))
	publish.SetStatus(codes.Ok, "")
	publish.End()
	root.SetStatus(codes.Error, "")
	root.End()
	_, second := tracer.StartSpan(context.Background(), "second")
	second.AddEvent("a")
	second.AddEvent("b")
	second.End()
}

func TestGoldenHoldsEverything(t *testing.T) {
	t.Parallel()
	limits := tracing.WithSpanLimits(tracing.SpanLimits{Events: 1})
	tracetest.Run(t, func(t *testing.T, r *tracetest.Recorder) {
		everything(r)
		r.Golden(t, "testdata/everything.golden")
		r.Golden(t, "testdata/options.golden", tracetest.Mask("port", "attempt"), tracetest.WithTimes(), tracetest.ByName(), nil)
		r.AssertTree(t, `
			GET /orders
				reserve
				publish

			second
		`)
		r.AssertTree(t, "GET /orders\n  publish\n  reserve\n\nsecond", tracetest.ByName())
	}, limits)
}

func TestAssertTreeShowsADiff(t *testing.T) {
	t.Parallel()
	text := testkit.Fake(t, func(t testing.TB) {
		r := tracetest.NewRecorder()
		_ = r.ExportSpans(context.Background(), build(spec{name: "root", id: 1}, spec{name: "query", id: 2, parent: 1}, spec{name: "leaf", id: 3, parent: 2}, spec{name: "publish", id: 4, parent: 1, start: 3}))
		r.AssertTree(t, `
    root
      reserve
        leaf
      publish
`)
		r.AssertTree(t, "")
		r.Reset()
		r.AssertTree(t, "")
		r.AssertTree(t, "root")
	})
	assert.Equal(t, `tracetest: the trees differ, - wanted, + recorded:
  root
-   reserve
+   query
      leaf
    publish

tracetest: the trees differ, - wanted, + recorded:
+ root
+   query
+     leaf
+   publish

tracetest: the trees differ, - wanted, + recorded:
- root

`, text)
}

func TestDiffOfLongTexts(t *testing.T) {
	t.Parallel()
	text := testkit.Fake(t, func(t testing.TB) {
		r := tracetest.NewRecorder()
		for i := range 3000 {
			_ = r.ExportSpans(context.Background(), build(spec{name: "x", id: uint64(i) + 1, start: i}))
		}
		r.AssertTree(t, strings.Repeat("y\n", 3000))
	})
	assert.Equal(t, 3000, strings.Count(text, "- y\n"))
	assert.Equal(t, 3000, strings.Count(text, "+ x\n"))
}

func TestGoldenFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "folder", "x.golden")
	r := tracetest.NewRecorder()
	require.NoError(t, r.ExportSpans(t.Context(), build(spec{name: "root", id: 1})))
	text := testkit.Fake(t, func(t testing.TB) { r.Golden(t, path) })
	assert.Contains(t, text, "run with -update or TRACETEST_UPDATE=1 to write it; recorded:\nroot\n")
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o750))
	require.NoError(t, os.WriteFile(path, []byte("root\r\n"), 0o600))
	assert.Empty(t, testkit.Fake(t, func(t testing.TB) { r.Golden(t, path) }))
	require.NoError(t, r.ExportSpans(t.Context(), build(spec{name: "child", id: 2, parent: 1})))
	text = testkit.Fake(t, func(t testing.TB) { r.Golden(t, path) })
	assert.Contains(t, text, "if the change is meant:\n  root\n+ └── child\n")
}

// It is not parallel: it changes the environment.
func TestGoldenFileIsWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "folder", "x.golden")
	t.Setenv(tracetest.UpdateVariable, "1")
	r := tracetest.NewRecorder()
	require.NoError(t, r.ExportSpans(t.Context(), build(spec{name: "root", id: 1})))
	r.Golden(t, path)
	text := testkit.Fake(t, func(t testing.TB) { r.Golden(t, filepath.Join(path, "below a file")) })
	assert.Contains(t, text, "tracetest: golden file: ")
	t.Setenv(tracetest.UpdateVariable, "")
	r.Golden(t, path)
}
