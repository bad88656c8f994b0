// SPDX-License-Identifier: Apache-2.0

package tracing_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/spandrel-go/spandrel/tracing"
)

// dice are random numbers for many goroutines.
type dice struct {
	mu sync.Mutex // guards r
	r  *rand.Rand
}

func newDice(seed uint64) *dice { return &dice{r: rand.New(rand.NewPCG(seed, 7))} }

// roll returns a number from 0 to n-1.
func (d *dice) roll(n int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.r.IntN(n)
}

// within returns a time below most, in steps of a millisecond.
func (d *dice) within(most time.Duration) time.Duration {
	return time.Duration(d.roll(int(most/time.Millisecond))) * time.Millisecond
}

// answer is what a backend does with a call; where hang is not nil, it may ignore ctx until that is closed.
func (d *dice) answer(ctx context.Context, hang <-chan struct{}) error {
	switch d.roll(14) {
	case 0:
		return errors.New("no")
	case 1, 2, 3:
		return errAway
	case 4:
		return &tracing.ExportError{Err: errBackend, TooLarge: true}
	case 5:
		return &tracing.ExportError{Err: errBackend, Rejected: 1}
	case 6:
		panic("exporter")
	case 7:
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(d.within(3 * time.Second)):
		}
	case 8:
		return &tracing.ExportError{Err: errBackend, Retryable: true, RetryAfter: 2*d.within(3*time.Second) - time.Second}
	case 9:
		if hang != nil && d.roll(50) == 0 {
			<-hang
		}
	}
	return nil
}

// options returns random options of a pipeline.
func (d *dice) options() []tracing.PipelineOption {
	opts := []tracing.PipelineOption{
		tracing.WithBatchSpans(1 + d.roll(20)), tracing.WithBatchDelay(time.Second), tracing.WithWorkers(1 + d.roll(4)),
		tracing.WithExportTimeout(2 * time.Second), tracing.WithRetryLimit(d.within(time.Minute)),
	}
	if d.roll(2) == 0 {
		opts = append(opts, tracing.WithQueueSpans(5+d.roll(100)))
	}
	if d.roll(3) == 0 {
		opts = append(opts, tracing.WithQueueBytes(5000+d.roll(100_000)))
	}
	if d.roll(3) == 0 {
		opts = append(opts, tracing.WithBatchBytes(1+d.roll(100)))
	}
	switch d.roll(3) {
	case 0:
		opts = append(opts, tracing.WithDropOldest())
	case 1:
		opts = append(opts, tracing.WithQueueWait(1+d.within(2*time.Second)))
	}
	return opts
}

// exporter returns an exporter that encodes, or not, and fails at random.
func (d *dice) exporter(encodes bool, hang <-chan struct{}) tracing.Exporter {
	if !encodes {
		return &collector{export: func(ctx context.Context, spans []*tracing.SpanData) error {
			defer func() { _ = len(spans[0].Name) }() // what is lent is there to the end
			return d.answer(ctx, hang)
		}}
	}
	b := &backend{}
	b.send = func(ctx context.Context, _ []string) error { return d.answer(ctx, hang) }
	b.appendSpan = func(dst []byte, s *tracing.SpanData) []byte {
		switch d.roll(200) {
		case 0:
			panic("append")
		case 1:
			return dst
		}
		return appendName(dst, s.Name)
	}
	return b
}

// FuzzDelivery gives random load to random exporters, by a seed, and shuts down at a random moment: Shutdown
// is in time, the counters only grow, the sums hold, and what returns too late changes nothing.
func FuzzDelivery(f *testing.F) {
	for seed := range uint64(30) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		synctest.Test(t, func(t *testing.T) {
			d, release := newDice(seed), make(chan struct{})
			var hang chan struct{}
			if seed%3 == 0 {
				hang = release
			}
			opts := []tracing.Option{quiet()}
			for range 1 + d.roll(3) {
				po, encodes := d.options(), d.roll(3) > 0
				if encodes && d.roll(2) == 0 {
					po = append(po, tracing.WithSpool(t.TempDir(), 256<<10))
				}
				opts = append(opts, tracing.WithExporter(d.exporter(encodes, hang), po...))
			}
			p := newProvider(t, opts...)
			tracer := p.NewTracer("test")
			stop := make(chan struct{})
			var load sync.WaitGroup
			load.Go(func() { watchDelivery(t, p, stop) })
			for range 3 {
				load.Go(func() {
					for i := range 300 {
						endOne(tracer, fmt.Sprint("span ", i))
						if i%50 == 49 {
							ctx, cancel := context.WithTimeout(context.Background(), time.Duration(i)*20*time.Millisecond)
							_ = p.ForceFlush(ctx)
							cancel()
						}
						time.Sleep(time.Duration(i%7) * 20 * time.Millisecond)
					}
				})
			}
			time.Sleep([]time.Duration{30 * time.Second, d.within(10 * time.Second)}[d.roll(2)])
			allowed := d.within(5 * time.Second)
			ctx, cancel := context.WithTimeout(context.Background(), allowed)
			begin := time.Now()
			err := p.Shutdown(ctx)
			assert.Less(t, time.Since(begin)-allowed, grace, "Shutdown is late: %v", err)
			cancel()
			sumsHold(t, p)
			before := p.Stats().Exporters
			for _, e := range before {
				assert.Zero(t, e.Waiting+e.InFlight+e.WaitingBytes, "%+v", e)
			}
			close(stop)
			load.Wait()
			close(release)
			time.Sleep(time.Minute)
			sumsHold(t, p)
			for i, after := range p.Stats().Exporters {
				assert.Equal(t, before[i].Exported, after.Exported)
				assert.Equal(t, before[i].Spool, after.Spool)
				assert.Equal(t, before[i].Dropped, after.Dropped)
			}
		})
	})
}

// watchDelivery looks at the statistics until stop is closed. All in a bubble.
func watchDelivery(t *testing.T, p *tracing.Provider, stop <-chan struct{}) {
	old := p.Stats().Exporters
	for {
		now := p.Stats().Exporters
		for i, e := range now {
			o := old[i]
			if e.Queued < o.Queued || e.Exported < o.Exported || e.Dropped.Sum() < o.Dropped.Sum() || e.Spool.Written < o.Spool.Written {
				assert.Fail(t, "a counter went back", "%+v, then %+v", o, e)
			}
			assert.LessOrEqual(t, e.Exported, e.Queued+e.Spool.Recovered)
			assert.LessOrEqual(t, max(e.InFlight, e.InQueue, 0), e.Waiting)
			assert.LessOrEqual(t, e.Spool.Bytes, max(e.Spool.Capacity, 0))
		}
		old = now
		select {
		case <-stop:
			return
		case <-time.After(37 * time.Millisecond):
		}
	}
}

// FuzzFlush flushes under random faults, by a seed, also those of a disk that goes and comes: each flush
// returns, and then nothing waits.
func FuzzFlush(f *testing.F) {
	for seed := range uint64(16) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		synctest.Test(t, func(t *testing.T) {
			d := newDice(seed)
			dir := filepath.Join(t.TempDir(), "spool")
			po, kind := d.options(), d.roll(4)
			if kind > 1 {
				po = append(po, tracing.WithSpool(dir, 256<<10))
			}
			p := newProvider(t, quiet(), tracing.WithExporter(d.exporter(kind > 0, nil), po...))
			tracer := p.NewTracer("test")
			for range 15 {
				if kind == 3 { // neither need succeed
					switch d.roll(4) {
					case 0:
						_ = os.Rename(dir, dir+".away")
					case 1:
						_ = os.Rename(dir+".away", dir)
					}
				}
				for i := range d.roll(200) {
					endOne(tracer, strings.Repeat("x", i))
				}
				ctx, cancel := context.WithTimeout(context.Background(), 2*time.Hour)
				_ = p.ForceFlush(ctx) // that something was dropped is none of this test
				require.NoError(t, ctx.Err(), "%+v", p.Stats().Exporters[0])
				cancel()
				require.Zero(t, p.Stats().Exporters[0].Waiting, "after a flush: %+v", p.Stats().Exporters[0])
				if kind < 2 { // a replay is never at rest
					sumsHold(t, p)
				}
			}
			_ = os.Rename(dir+".away", dir)
			_ = p.Shutdown(context.Background())
			sumsHold(t, p)
		})
	})
}
