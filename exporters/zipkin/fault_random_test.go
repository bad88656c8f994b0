// SPDX-License-Identifier: Apache-2.0

package zipkin_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"

	"github.com/spandrel-go/spandrel/exporters/zipkin"
	"github.com/spandrel-go/spandrel/internal/testkit/backend"
	"github.com/spandrel-go/spandrel/tracing"
)

// chaos is a provider with two exporters, random load, and a backend each that goes through random faults.
type chaos struct {
	seed     uint64
	provider *tracing.Provider
	backends []*backend.Server
	bounds   []bounds
}

// bounds is what one exporter's pipeline was set up with.
type bounds struct {
	queue, batch, workers int
	spool                 int64
	opts                  []tracing.PipelineOption
}

func (b bounds) String() string {
	return fmt.Sprintf("queue %d, batch %d, %d workers, spool %d", b.queue, b.batch, b.workers, b.spool)
}

func randomBounds(t *testing.T, rnd *rand.Rand) bounds {
	t.Helper()
	b := bounds{queue: 64 << rnd.IntN(6), batch: 1 + rnd.IntN(64), workers: 1 + rnd.IntN(3)}
	b.opts = []tracing.PipelineOption{
		tracing.WithQueueSpans(b.queue), tracing.WithBatchSpans(b.batch), tracing.WithWorkers(b.workers),
		tracing.WithBatchDelay(time.Duration(3+rnd.IntN(30)) * time.Millisecond),
	}
	switch rnd.IntN(4) {
	case 0:
		b.spool = 256 << 10
	case 1:
		b.spool = spoolBytes
	case 2:
		b.opts = append(b.opts, tracing.WithDropOldest())
	default:
		b.opts = append(b.opts, tracing.WithRetryLimit(time.Duration(rnd.IntN(2000))*time.Millisecond))
	}
	if b.spool > 0 {
		b.opts = append(b.opts, tracing.WithSpool(t.TempDir(), b.spool))
	}
	return b
}

func newChaos(t *testing.T, seed uint64) *chaos {
	t.Helper()
	rnd := rand.New(rand.NewPCG(seed, 0))
	c := &chaos{seed: seed}
	opts := []tracing.Option{tracing.WithLogger((&route{log: &logLines{}}).logger())}
	for range 2 {
		b, set := backend.New(t), randomBounds(t, rnd)
		e, err := zipkin.New(b.URL())
		require.NoError(t, err)
		c.backends, c.bounds = append(c.backends, b), append(c.bounds, set)
		opts = append(opts, tracing.WithExporter(e, set.opts...))
	}
	var err error
	c.provider, err = tracing.NewProvider(opts...)
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		_ = c.provider.Shutdown(ctx) // for a test that ended early
	})
	return c
}

// randomFault is a backend that is well most of the time: so many times to each kind of fault.
func randomFault(seed uint64, times int, well backend.Fault) backend.Fault {
	faults := []backend.Fault{
		backend.Reset(), backend.ResetInBody(), backend.ResetAfter(), backend.AcceptAndReset(), backend.Hangup(), backend.Garbage(),
		backend.Status(503), backend.Status(429, "Retry-After", "0"), backend.Status(502), backend.Status(400), backend.Status(500),
		backend.TooLargeAbove(2 << 10), backend.AcceptAndClose(true), backend.AcceptSlowly(20 * time.Millisecond), backend.AcceptAndFlood(64 << 10),
		func(x *backend.Exchange) { // it does not answer, and then it is gone
			if x.Read() && x.Wait(50*time.Millisecond) {
				x.Reset()
			}
		},
	}
	var mu sync.Mutex // guards rnd
	rnd := rand.New(rand.NewPCG(seed, 1))
	return func(x *backend.Exchange) {
		mu.Lock()
		i := rnd.IntN(len(faults) + times)
		mu.Unlock()
		if i < len(faults) {
			faults[i](x)
		} else {
			well(x)
		}
	}
}

// torment lets a backend go through good and bad times until ctx is done; then it is well.
func torment(ctx context.Context, b *backend.Server, seed uint64, well backend.Fault) {
	rnd := rand.New(rand.NewPCG(seed, 2))
	for ctx.Err() == nil {
		gone := false
		switch rnd.IntN(4) {
		case 0:
			gone = true
			b.Stop()
		case 1:
			b.Rest(backend.Status(503))
		default:
			b.Rest(randomFault(rnd.Uint64(), 5+rnd.IntN(100), well))
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Duration(20+rnd.IntN(300)) * time.Millisecond):
		}
		if gone {
			b.Start()
		}
	}
	b.Rest(well)
}

// load makes local traces of random size.
func (c *chaos) load(ctx context.Context, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 3))
	tracer := c.provider.NewTracer("chaos")
	tick := time.NewTicker(8 * time.Millisecond)
	defer tick.Stop()
	for range 250 {
		rootCtx, root := tracer.StartSpan(ctx, "root")
		for range rnd.IntN(6) {
			_, child := tracer.StartSpan(rootCtx, "child",
				tracing.WithAttributes(attribute.String("ballast", strings.Repeat("b", rnd.IntN(200)))))
			if rnd.IntN(100) == 0 {
				child.SetAttribute("large", strings.Repeat("b", 4<<10))
			}
			child.End()
		}
		root.End()
		if rnd.IntN(4) > 0 {
			<-tick.C
		}
	}
}

// growing lists the counters of an exporter that never become less.
func growing(s tracing.ExporterStats) []uint64 {
	d := s.Dropped
	return []uint64{
		s.Queued, s.Exported, s.Retried, s.SentBytes, s.Spool.Written, s.Spool.Replayed, s.Spool.Recovered, s.Spool.Damaged,
		d.QueueFull, d.ExportFailed, d.TooLarge, d.Rejected, d.Shutdown, d.Abandoned, d.SpoolFull, d.SpoolFailed, d.Sum(),
	}
}

// watch reads the statistics while everything moves, until ctx is done.
func (c *chaos) watch(ctx context.Context, t *testing.T) {
	before := c.provider.Stats()
	for ctx.Err() == nil && !t.Failed() {
		now := c.provider.Stats()
		assert.LessOrEqual(t, before.Ended, now.Started)
		for i, s := range now.Exporters {
			was, set := before.Exporters[i], c.bounds[i]
			for j, n := range growing(s) {
				if n < growing(was)[j] {
					t.Errorf("seed %d: counter %d of exporter %d was %d and is %d", c.seed, j, i, growing(was)[j], n)
				}
			}
			for what, holds := range map[string]bool{
				// What was delivered or dropped a moment ago had been given to the pipeline by now.
				"delivered or dropped without being queued": was.Exported+was.Dropped.Sum() <= s.Queued+s.Spool.Recovered,
				"queued without having ended":               was.Queued <= now.Ended,
				"more in flight than workers can have":      s.InFlight <= set.workers*set.batch,
				"more in the spool than it may hold":        s.Spool.Bytes <= set.spool,
				"less than none":                            min(s.Waiting, s.InFlight, s.WaitingBytes, s.Spool.Spans) >= 0,
				"an error without a time":                   (s.LastError == nil) == s.LastErrorSince.IsZero(),
			} {
				if !holds {
					t.Errorf("seed %d: %s: %v: %+v, before: %+v", c.seed, what, set, s, was)
				}
			}
		}
		before = now
		select {
		case <-ctx.Done():
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// run is the whole story; it ends at rest, after Shutdown.
func (c *chaos) run(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	watching, stopWatching := context.WithCancel(t.Context())
	defer stopWatching()
	var load, rest sync.WaitGroup
	rest.Go(func() { torment(ctx, c.backends[0], c.seed, backend.Accept()) })
	rest.Go(func() { torment(ctx, c.backends[1], c.seed+1<<32, backend.TooLargeAbove(3<<10)) })
	var watched sync.WaitGroup
	watched.Go(func() { c.watch(watching, t) })
	for i := range 3 {
		load.Go(func() { c.load(ctx, c.seed+uint64(i)<<32) })
	}
	rest.Go(func() {
		for ctx.Err() == nil {
			soon, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
			var delivery *tracing.DeliveryError
			if err := c.provider.ForceFlush(soon); err != nil && !errors.As(err, &delivery) {
				assert.ErrorIs(t, err, soon.Err())
			}
			<-soon.Done()
			cancel()
		}
	})
	load.Wait()
	stop()
	rest.Wait() // now the backends are well
	assert.True(t, eventually(func() bool {
		for _, s := range c.provider.Stats().Exporters {
			if s.Waiting > 0 || s.Spool.Spans > 0 {
				return false
			}
		}
		return true
	}), "seed %d: %+v", c.seed, c.provider.Stats())
	stopWatching()
	watched.Wait()
	ending, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	assert.NoError(t, c.provider.Shutdown(ending), "seed %d", c.seed)
	for _, b := range c.backends {
		b.Stop()
	}
}

// judge compares the sums with each other and with what the backends have counted.
func (c *chaos) judge(t *testing.T) {
	stats := c.provider.Stats()
	assert.Equal(t, stats.Started, stats.Ended)
	for i, s := range stats.Exporters {
		about := fmt.Sprintf("%v: %+v", c.bounds[i], s)
		assert.Equal(t, stats.Ended, s.Queued, about)
		assert.Equal(t, s.Queued+s.Spool.Recovered, s.Exported+uint64(s.Waiting)+uint64(s.Spool.Spans)+s.Dropped.Sum(), about)
		assert.Zero(t, s.Waiting+s.InFlight+s.WaitingBytes+s.Spool.Spans, about)
		if c.bounds[i].spool > 0 {
			assert.GreaterOrEqual(t, s.Spool.Written, s.Spool.Replayed, about)
		} else {
			assert.Zero(t, s.Spool, about)
		}

		accepted := c.backends[i].Accepted()
		told := map[string]int{}
		for _, request := range c.backends[i].Requests() {
			if request.Accepted && request.Status != 0 {
				for _, id := range request.IDs {
					if told[id]++; told[id] > 1 {
						t.Errorf("span %s was sent again, though the backend had said that it has it: %s", id, about)
					}
				}
			}
		}
		assert.GreaterOrEqual(t, s.Exported, uint64(len(told)), about)
		assert.LessOrEqual(t, s.Exported, uint64(len(accepted)), about)
		assert.Positive(t, s.Exported, about)
	}
}

// Under random load and faults the statistics agree with what the backends count.
func TestRandomFaults(t *testing.T) {
	t.Parallel()
	var done sync.WaitGroup
	var all []*chaos
	for seed := range uint64(6) {
		c := newChaos(t, seed)
		all = append(all, c)
		done.Go(func() { c.run(t) })
	}
	done.Wait()
	for _, c := range all {
		t.Run(fmt.Sprintf("seed %d", c.seed), c.judge)
	}
}
