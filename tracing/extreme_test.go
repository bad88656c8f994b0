// SPDX-License-Identifier: Apache-2.0

package tracing_test

import (
	"context"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/spandrel-go/spandrel/tracing"
)

// A bound that is as large as a number can be is none.
func TestLargestBounds(t *testing.T) {
	t.Parallel()
	queue := []tracing.PipelineOption{tracing.WithQueueBytes(math.MaxInt), tracing.WithQueueSpans(math.MaxInt)}
	for name, opts := range map[string][]tracing.PipelineOption{
		"queue":  queue,
		"oldest": append(queue, tracing.WithDropOldest()),
		"wait":   append(queue, tracing.WithQueueWait(math.MaxInt64)),
		"batch":  append(queue, tracing.WithBatchSpans(math.MaxInt), tracing.WithBatchBytes(math.MaxInt)),
		"time": append(queue, tracing.WithBatchDelay(math.MaxInt64), tracing.WithExportTimeout(math.MaxInt64),
			tracing.WithRetryLimit(math.MaxInt64)),
		"spool": append(queue, tracing.WithSpool(t.TempDir(), math.MaxInt64)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				e := &encoder{}
				failed := false
				e.send = func(context.Context, []string) error {
					if !failed && name == "time" {
						failed = true
						return errAway
					}
					return nil
				}
				tracer, p := inBubble(t, e, opts...)
				assert.Equal(t, math.MaxInt, p.Stats().Exporters[0].QueueCapacity)
				endMany(tracer, 10)
				ctx, root := tracer.StartSpan(context.Background(), "root")
				_, child := tracer.StartSpan(ctx, "child")
				child.End()
				flush(t, p) // moves the child too, though its trace goes on
				tracer.StartSpan(ctx, "open")
				root.End()
				shutdown(t, p)
				s := p.Stats().Exporters[0]
				assert.EqualValues(t, 13, s.Exported)
				assert.Zero(t, s.Dropped)
				sumsHold(t, p)
			})
		})
	}
}

// A batch is bounded by the queue that there is: a spool makes it larger.
func TestBatchSpansWithASpool(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const n = 2 * tracing.DefaultQueueSpans
		e := &encoder{}
		tracer, p := inBubble(t, e, tracing.WithSpool(t.TempDir(), 64<<20), tracing.WithBatchSpans(n), tracing.WithBatchDelay(time.Hour))
		endMany(tracer, n)
		time.Sleep(time.Second)
		synctest.Wait()
		require.Len(t, e.sent(), 1)
		assert.Len(t, e.sent()[0], n)
		shutdown(t, p)
		sumsHold(t, p)
	})
}

// Bounds that are as small as can be lose spans, and count them.
func TestSmallestBounds(t *testing.T) {
	t.Parallel()
	for _, kind := range []tracing.Exporter{&encoder{}, &collector{}} {
		p := newProvider(t, quiet(), tracing.WithExporter(kind, tracing.WithQueueSpans(1), tracing.WithBatchSpans(1),
			tracing.WithBatchBytes(1), tracing.WithBatchDelay(1), tracing.WithWorkers(tracing.MaxWorkers)))
		tracer := p.NewTracer("test")
		for range 100 {
			endOne(tracer, strings.Repeat("x", 1000))
		}
		shutdown(t, p)
		s := p.Stats().Exporters[0]
		assert.Positive(t, s.Exported)
		assert.EqualValues(t, 100, s.Exported+s.Dropped.QueueFull)
		sumsHold(t, p)
	}
}

// A nil context is a mistake of the caller that must not end the program.
func TestNilContextOfTheEnd(t *testing.T) {
	t.Parallel()
	var none context.Context
	e := &encoder{}
	p := newProvider(t, tracing.WithExporter(e))
	endOne(p.NewTracer("test"), "one")
	require.NoError(t, p.ForceFlush(none))
	assert.Len(t, e.sent(), 1)
	require.NoError(t, p.Shutdown(none))
	require.NoError(t, p.Shutdown(none), "again")
	require.NoError(t, p.ForceFlush(none), "after Shutdown")
}
