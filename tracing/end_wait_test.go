// SPDX-License-Identifier: Apache-2.0

package tracing_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/spandrel-go/spandrel/tracing"
	"github.com/spandrel-go/spandrel/tracing/tracetest"
)

// endsWaited makes far more spans than a queue of 64 takes, in short traces and below a root that stays
// open, for so long, and returns how long its calls of End have waited, all together. It has to be called in
// a bubble, where the clock stands still unless everybody waits.
func endsWaited(tracer *tracing.Tracer, d time.Duration) (waited time.Duration) {
	end := func(s *tracing.Span) {
		begin := time.Now()
		s.End()
		waited += time.Since(begin)
	}
	longCtx, long := tracer.StartSpan(context.Background(), "long")
	for begin := time.Now(); time.Since(begin) < d; time.Sleep(100 * time.Millisecond) {
		for range 20 {
			ctx, root := tracer.StartSpan(context.Background(), "root")
			for range 9 {
				_, child := tracer.StartSpan(ctx, "child")
				end(child)
			}
			end(root)
			_, below := tracer.StartSpan(longCtx, "below")
			end(below)
		}
	}
	end(long)
	return waited
}

// End waits for no backend, whatever is wrong with it, for no spool and for no flush.
func TestEndNeverWaits(t *testing.T) {
	t.Parallel()
	faults := map[string]func() tracetest.Fault{
		"well":     tracetest.Pass,
		"slow":     func() tracetest.Fault { return tracetest.Delay(700*time.Millisecond, tracetest.Pass()) },
		"silent":   tracetest.Hang,
		"gone":     func() tracetest.Fault { return tracetest.FailForNow(0) },
		"busy":     func() tracetest.Fault { return tracetest.FailForNow(3 * time.Second) },
		"panicked": func() tracetest.Fault { return tracetest.Panic("fault") },
	}
	pipelines := map[string]func(t *testing.T) []tracing.PipelineOption{
		"drop newest": func(*testing.T) []tracing.PipelineOption { return nil },
		"drop oldest": func(*testing.T) []tracing.PipelineOption {
			return []tracing.PipelineOption{tracing.WithDropOldest()}
		},
		"workers": func(*testing.T) []tracing.PipelineOption { return []tracing.PipelineOption{tracing.WithWorkers(3)} },
		"spool": func(t *testing.T) []tracing.PipelineOption {
			return []tracing.PipelineOption{tracing.WithSpool(t.TempDir(), spoolBytes)}
		},
	}
	for fault, newFault := range faults {
		for name, options := range pipelines {
			t.Run(fault+", "+name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					e := tracetest.NewFaultEncoder(&encoder{})
					e.Rest(newFault())
					opts := append(options(t), tracing.WithQueueSpans(64), tracing.WithExportTimeout(2*time.Second))
					other := tracetest.NewFaultExporter(nil)
					other.Rest(tracetest.Hang()) // its pipeline is full as well, and does not encode
					p := newProvider(t, quiet(), tracing.WithExporter(e, opts...),
						tracing.WithExporter(other, tracing.WithQueueSpans(64), tracing.WithExportTimeout(2*time.Second)))
					ctx, cancel := context.WithCancel(context.Background())
					var flushing sync.WaitGroup
					flushing.Go(func() {
						for ctx.Err() == nil {
							soon, done := context.WithTimeout(ctx, 300*time.Millisecond)
							_ = p.ForceFlush(soon) // of a backend that is gone
							<-soon.Done()
							done()
						}
					})
					assert.Zero(t, endsWaited(p.NewTracer("test"), 4*time.Second))
					cancel()
					flushing.Wait()
					assert.Positive(t, e.Counts().Calls)
				})
			})
		}
	}
}

// It waits where it is asked to: so the test above would see it.
func TestEndWaitsWithQueueWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := tracetest.NewFaultEncoder(&encoder{})
		e.Rest(tracetest.Hang())
		p := newProvider(t, quiet(),
			tracing.WithExporter(e, tracing.WithQueueSpans(64), tracing.WithExportTimeout(2*time.Second), tracing.WithQueueWait(time.Second)))
		assert.Positive(t, endsWaited(p.NewTracer("test"), 4*time.Second))
	})
}
