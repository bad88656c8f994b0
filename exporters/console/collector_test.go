// SPDX-License-Identifier: Apache-2.0

package console_test

import (
	"bytes"
	"context"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/exporters/console"
	"github.com/spandrel-go/spandrel/tracing"
)

// Several providers share one collector: what arrives in which batch must not show.
func TestCollectorJoinsBatchesInAnyOrder(t *testing.T) {
	t.Parallel()
	want := string(renderTree(t, [][]spec{checkout()}))
	var backwards [][]spec
	for _, s := range checkout() {
		backwards = append([][]spec{{s}}, backwards...)
	}
	assert.Equal(t, want, string(renderTree(t, backwards)))
}

func TestCollectorRendersAgain(t *testing.T) {
	t.Parallel()
	c, err := console.NewCollector()
	require.NoError(t, err)
	var nothing, first, again, more bytes.Buffer
	require.NoError(t, c.Render(&nothing))
	assert.Empty(t, nothing.String())

	export(t, c, checkout()...)
	require.NoError(t, c.Render(&first))
	require.NoError(t, c.Shutdown(context.Background()))
	require.NoError(t, c.Render(&again))
	assert.Equal(t, first.String(), again.String())

	require.NoError(t, c.Shutdown(context.Background()))
	export(t, c, spec{trace: 2, id: 1, name: "of a provider that is not shut down", start: 900_000, end: 900_001})
	require.NoError(t, c.Render(&more))
	assert.Contains(t, more.String(), "of a provider that is not")
	assert.Equal(t, 2, strings.Count(more.String(), "trace "))
}

// Spans are borrowed: the pipeline overwrites them when ExportSpans has returned.
func TestCollectorKeepsCopies(t *testing.T) {
	t.Parallel()
	for _, opts := range [][]console.Option{nil, {console.WithJSON()}} {
		c, err := console.NewCollector(opts...)
		require.NoError(t, err)
		spans := data(checkout()...)
		for _, d := range spans {
			d.Attributes = []attribute.KeyValue{attribute.String("kept", "yes")}
			d.Events = []tracing.Event{{Name: "event", Attributes: []attribute.KeyValue{attribute.Int("n", 1)}}}
			d.Links = []tracing.Link{{Attributes: []attribute.KeyValue{attribute.Int("n", 1)}}}
		}
		require.NoError(t, c.ExportSpans(context.Background(), spans))
		var before, after bytes.Buffer
		require.NoError(t, c.Render(&before))
		for i, d := range spans {
			d.Name, d.Kind, d.StartTime, d.EndTime = "overwritten", 0, noon, noon
			d.SpanContext, d.Parent, d.Status = trace.SpanContext{}, trace.SpanContext{}, tracing.Status{}
			d.Attributes[0] = attribute.String("kept", "no")
			d.Events[0].Attributes[0] = attribute.Int("n", 2)
			d.Events[0].Name = "overwritten"
			d.Links[0].Attributes[0] = attribute.Int("n", 2)
			spans[i] = nil
		}
		require.NoError(t, c.Render(&after))
		assert.Equal(t, before.String(), after.String())
	}
}

// An exporter must not write to what it borrows either: not even sort the batch.
func TestExporterLeavesTheBatchAlone(t *testing.T) {
	t.Parallel()
	specs := checkout()
	specs[0], specs[5] = specs[5], specs[0]
	e, err := console.New(&bytes.Buffer{})
	require.NoError(t, err)
	spans := data(specs...)
	require.NoError(t, e.ExportSpans(context.Background(), spans))
	for i, d := range spans {
		assert.Equal(t, spanID(specs[i].id), d.SpanContext.SpanID())
	}
}

func TestCollectorDropsSilentTracesFirst(t *testing.T) {
	t.Parallel()
	c, err := console.NewCollector(console.WithMaxSpans(5))
	require.NoError(t, err)
	export(t, c,
		spec{trace: 1, id: 0x11, name: "t1, first", end: 9_000},
		spec{trace: 2, id: 0x21, name: "t2, first", start: 1_000, end: 9_000},
		spec{trace: 2, id: 0x22, parent: 0x21, name: "t2, second", start: 2_000, end: 3_000},
	)
	export(t, c, spec{trace: 1, id: 0x12, parent: 0x11, name: "t1, second", start: 1_000, end: 2_000})
	export(t, c,
		spec{trace: 3, id: 0x31, name: "t3, first", start: 5_000, end: 9_000},
		spec{trace: 3, id: 0x32, parent: 0x31, name: "t3, second", start: 5_000, end: 6_000},
	)
	var out bytes.Buffer
	require.NoError(t, c.Render(&out))
	assertGolden(t, "dropped_trace.golden", out.Bytes())
	traces, spans := c.Dropped()
	assert.Equal(t, 1, traces)
	assert.Equal(t, 2, spans)
}

func TestCollectorDropsOlderSpansOfTheOnlyTrace(t *testing.T) {
	t.Parallel()
	c, err := console.NewCollector(console.WithMaxSpans(3))
	require.NoError(t, err)
	var specs []spec
	for i := range uint64(8) {
		specs = append(specs, spec{id: i + 2, parent: 1, name: "child " + strconv.Itoa(int(i)), start: int64(i) * 1000, end: int64(i+1) * 1000})
	}
	export(t, c, append(specs, spec{id: 1, name: "root, ended last", kind: server, end: 9_000})...)
	var out bytes.Buffer
	require.NoError(t, c.Render(&out))
	assertGolden(t, "dropped_spans.golden", out.Bytes())

	export(t, c, spec{trace: 2, id: 1, name: "another trace"})
	traces, spans := c.Dropped()
	assert.Equal(t, 1, traces)
	assert.Equal(t, 9, spans, "each dropped span counts once")
}

func TestCollectorJSONIsSorted(t *testing.T) {
	t.Parallel()
	got := renderTree(t, [][]spec{
		{{trace: 2, id: 0x21, name: "d", start: 4_000}, {trace: 1, id: 0x12, name: "b", start: 2_000, end: 3_000}},
		{{trace: 1, id: 0x11, name: "a", start: 1_000, end: 3_000}, {trace: 1, id: 0x13, name: "c", start: 2_000, end: 2_500}},
	}, console.WithJSON())
	var names []string
	for _, l := range decodeLines(t, got) {
		names = append(names, l.Name)
	}
	assert.Equal(t, []string{"a", "b", "c", "d"}, names)
}

func TestCollectorConcurrentSafe(t *testing.T) {
	t.Parallel()
	const goroutines, batches, perBatch, limit = 6, 60, 3, 200
	c, err := console.NewCollector(console.WithMaxSpans(limit), console.WithJSON())
	require.NoError(t, err)
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			for b := range batches {
				var specs []spec
				for i := range perBatch {
					// Every third trace is shared by all goroutines.
					id := uint64(1000*(g+1) + b)
					if b%3 == 0 {
						id = uint64(1 + b)
					}
					specs = append(specs, spec{trace: id, id: uint64(g*perBatch + i + 1), name: "span", start: int64(b)})
				}
				assert.NoError(t, c.ExportSpans(context.Background(), data(specs...)))
			}
			assert.NoError(t, c.Shutdown(context.Background()))
		})
	}
	wg.Go(func() {
		for range 20 {
			var out bytes.Buffer
			assert.NoError(t, c.Render(&out))
			assert.LessOrEqual(t, bytes.Count(out.Bytes(), []byte("\n")), limit)
			traces, spans := c.Dropped()
			assert.LessOrEqual(t, traces, spans)
		}
	})
	wg.Wait()
	var out bytes.Buffer
	require.NoError(t, c.Render(&out))
	_, dropped := c.Dropped()
	assert.Equal(t, goroutines*batches*perBatch, dropped+len(decodeLines(t, out.Bytes())))
}
