// SPDX-License-Identifier: Apache-2.0

package tracing_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"

	"github.com/spandrel-go/spandrel/tracing"
)

// reader is a plain exporter that reads all it is lent when it is called and again before it returns, and
// fails at random; some calls do not return before release is closed.
type reader struct {
	release  <-chan struct{}
	hangs    atomic.Int32  // calls that may still hang
	inside   atomic.Int32  // calls under way
	mistakes *atomic.Int64 // spans that were not what they should be
}

func (r *reader) read(spans []*tracing.SpanData) {
	for _, d := range spans {
		unfinished := d.Attributes[len(d.Attributes)-1].Key == "span.unfinished"
		if !unfinished && (len(d.Attributes) != 2 || d.Attributes[0].Value.AsString() != d.Name || d.Attributes[1].Value.AsString() != d.Name+"!") {
			r.mistakes.Add(1)
		}
	}
}

func (r *reader) ExportSpans(_ context.Context, spans []*tracing.SpanData) error {
	r.inside.Add(1)
	defer r.inside.Add(-1)
	r.read(spans)
	defer r.read(spans)
	switch n := rand.IntN(60); {
	case n == 0:
		panic("exporter")
	case n == 1 && r.hangs.Add(-1) >= 0:
		<-r.release
	case n < 10:
		<-time.After(time.Duration(rand.IntN(300)) * time.Microsecond)
	case n < 12:
		return &tracing.ExportError{Err: errBackend, TooLarge: true}
	}
	return nil
}

func (r *reader) Shutdown(context.Context) error { return nil }

// What an exporter is lent stays what it was until it returns, also past Shutdown: with several workers,
// calls that never return, and blocks shared with neighbours that drop the oldest.
func TestLentSpansStayConcurrentSafe(t *testing.T) {
	t.Parallel()
	for round := range 4 {
		release := make(chan struct{})
		var mistakes atomic.Int64
		var readers []*reader
		for range 2 {
			r := &reader{release: release, mistakes: &mistakes}
			r.hangs.Store(2)
			readers = append(readers, r)
		}
		p := newProvider(t, quiet(),
			tracing.WithExporter(readers[0], tracing.WithWorkers(3), tracing.WithBatchSpans(4), tracing.WithDropOldest(), tracing.WithQueueSpans(64)),
			tracing.WithExporter(readers[1], tracing.WithWorkers(3), tracing.WithBatchSpans(7)),
			tracing.WithExporter(newBackend(false), tracing.WithBatchSpans(3), tracing.WithDropOldest(), tracing.WithQueueSpans(16)),
			tracing.WithExporter(newBackend(true), tracing.WithBatchSpans(3), tracing.WithSpool(t.TempDir(), 256<<10)))
		tracer := p.NewTracer("test")
		var load sync.WaitGroup
		for g := range 4 {
			load.Go(func() {
				for i := range 1000 {
					ctx, root := tracer.StartSpan(context.Background(), "")
					for k := range i % 5 {
						_, child := tracer.StartSpan(ctx, "")
						endAs(child, fmt.Sprintf("%d-%d-%d", g, i, k))
					}
					endAs(root, fmt.Sprintf("%d-%d", g, i))
				}
			})
		}
		if round%2 == 0 {
			load.Wait()
		} else {
			<-time.After(2 * time.Millisecond)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		_ = p.Shutdown(ctx)
		cancel()
		load.Wait()
		other := newProvider(t, quiet(), tracing.WithExporter(newBackend(false))) // it uses the same pools
		for i := range 2000 {
			endOne(other.NewTracer("test"), fmt.Sprint("other ", i))
		}
		close(release)
		for _, r := range readers {
			require.Eventually(t, func() bool { return r.inside.Load() == 0 }, time.Minute, time.Millisecond)
		}
		shutdown(t, other)
		assert.Zero(t, mistakes.Load())
		sumsHold(t, p)
		for _, e := range p.Stats().Exporters {
			assert.Zero(t, e.Waiting)
		}
	}
}

// endAs ends a span with a name and attributes that say it again.
func endAs(s *tracing.Span, name string) {
	s.SetName(name)
	s.SetAttributes(attribute.String("a", name), attribute.String("b", name+"!"))
	s.End()
}
