// SPDX-License-Identifier: Apache-2.0

package tracing_test

import (
	"context"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"go.opentelemetry.io/otel/attribute"

	"github.com/spandrel-go/spandrel/tracing"
	"github.com/spandrel-go/spandrel/tracing/tracetest"
)

// Everything that moves or takes away records, while the table is read and ages are looked at.
func TestOpenSpansConcurrentSafe(t *testing.T) {
	t.Parallel()
	redactor, err := tracing.NewRedactor(tracing.RedactKeys("secret"))
	assert.NoError(t, err)
	for round := range 6 { // each combination of what depends on it
		c := &collector{}
		opts := []tracing.Option{
			quiet(), tracing.WithOpenSpanAge(time.Nanosecond), tracing.WithOpenSpanLimit(200), tracing.WithIDGenerator(&tracetest.IDs{}),
			tracing.WithExporter(c, tracing.WithBatchSpans(16), tracing.WithBatchDelay(time.Millisecond), tracing.WithQueueSpans(1<<16)),
		}
		if round%2 == 0 {
			opts = append(opts, tracing.WithProcessor(redactor))
		}
		p := newProvider(t, opts...)
		tracer := p.NewTracer("test")
		stop := make(chan struct{})
		var watchers, wg sync.WaitGroup
		watchers.Go(func() { watchOpen(t, p, stop) })
		watchers.Go(func() {
			for again(stop) {
				tracing.CheckAges(p)
			}
		})
		watchers.Go(func() {
			for again(stop) {
				assert.NoError(t, p.WriteOpenSpans(io.Discard))
				_ = p.ForceFlush(context.Background())
			}
		})
		for range 4 {
			wg.Go(func() {
				for i := range 40 {
					ctx, root := tracer.StartSpan(context.Background(), "root")
					_, unlinked := tracer.CreateSpan(ctx)
					var inner sync.WaitGroup
					for range 3 {
						inner.Go(func() {
							_, s := tracer.StartSpan(ctx, "child", tracing.WithAttributes(attribute.String("secret", "x")))
							s.SetName("renamed")
							for j := range 8 {
								s.SetAttribute("late", j)
							}
							switch i % 4 {
							case 0: // it stays open
							case 1:
								s.Release()
							default:
								s.End()
							}
						})
					}
					tracer.LinkSpan(unlinked, "linked")
					tracer.SetShouldSample(ctx, i%8 != 0)
					root.SetAttribute("late", "root")
					unlinked.End()
					root.End()
					inner.Wait()
				}
			})
		}
		if round%3 == 0 {
			wg.Go(func() { _ = p.Shutdown(context.Background()) })
		}
		wg.Wait()
		open := p.Stats().Open
		if round%3 != 0 {
			assert.Len(t, p.OpenSpans(), open, "at rest the table has what the statistics count")
			tracing.CheckAges(p)
			assert.GreaterOrEqual(t, p.Stats().Overdue, uint64(open))
		}
		_ = p.Shutdown(context.Background())
		close(stop)
		watchers.Wait()
		assert.Empty(t, p.OpenSpans())
		s := p.Stats()
		assert.LessOrEqual(t, s.Overdue, s.Started)
		assert.EqualValues(t, len(c.spans()), s.Exporters[0].Exported)
		sumsHold(t, p)
	}
}

// again says whether stop is still open.
func again(stop <-chan struct{}) bool {
	select {
	case <-stop:
		return false
	default:
		return true
	}
}

// watchOpen checks, until stop is closed, that each row of the table is whole.
func watchOpen(t *testing.T, p *tracing.Provider, stop <-chan struct{}) {
	var overdue uint64
	for again(stop) {
		var last time.Time
		for _, o := range p.OpenSpans() {
			assert.True(t, o.SpanContext.IsValid())
			assert.Equal(t, o.LocalRoot, !o.Parent.IsValid())
			assert.Contains(t, []string{"root", "child", "renamed", "linked"}, o.Name)
			assert.Equal(t, "test", o.Scope.Name)
			assert.False(t, o.StartTime.Before(last), "oldest first")
			last = o.StartTime
			for _, kv := range o.Attributes {
				assert.Contains(t, []attribute.Key{"secret", "late"}, kv.Key)
			}
		}
		s := p.Stats()
		assert.GreaterOrEqual(t, s.Overdue, overdue)
		overdue = s.Overdue
	}
}
