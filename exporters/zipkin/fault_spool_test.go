// SPDX-License-Identifier: Apache-2.0

package zipkin_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/spandrel-go/spandrel/exporters/zipkin"
	"github.com/spandrel-go/spandrel/internal/testkit/backend"
	"github.com/spandrel-go/spandrel/tracing"
)

// spooled makes spans before a backend that is gone, shuts the provider down and returns their ids.
func spooled(t *testing.T, b *backend.Server, directory string, spans int) map[string]bool {
	t.Helper()
	b.Rest(backend.Status(503))
	defer b.Rest(backend.Accept())
	r := newRouteTo(t, b, tracing.WithSpool(directory, spoolBytes), tracing.WithBatchDelay(time.Hour))
	ids := map[string]bool{}
	tracer := r.provider.NewTracer("spooled")
	for range spans {
		_, span := tracer.StartSpan(t.Context(), "span")
		ids[span.SpanContext().SpanID().String()] = true
		span.End()
	}
	require.NoError(t, r.shutdown(patience))
	require.Equal(t, spans, r.stats().Spool.Spans)
	require.Empty(t, b.Accepted())
	return ids
}

// Whatever happens to the files of a spool: the next provider starts, what reaches the backend is whole,
// and what does not is counted, as far as anybody can know. The one after that finds nothing wrong.
func TestDamagedSpool(t *testing.T) {
	t.Parallel()
	damages := map[string]func(rnd *rand.Rand, content []byte) []byte{
		"a byte":         func(rnd *rand.Rand, c []byte) []byte { c[rnd.IntN(len(c))] ^= 1 << rnd.IntN(8); return c },
		"cut off":        func(rnd *rand.Rand, c []byte) []byte { return c[:rnd.IntN(len(c))] },
		"empty":          func(_ *rand.Rand, c []byte) []byte { return c[:0] },
		"zeros behind":   func(rnd *rand.Rand, c []byte) []byte { return append(c, make([]byte, 1+rnd.IntN(5000))...) },
		"zeros in it":    func(rnd *rand.Rand, c []byte) []byte { clear(c[rnd.IntN(len(c)):]); return c },
		"said twice":     func(_ *rand.Rand, c []byte) []byte { return append(c, c...) },
		"something else": func(rnd *rand.Rand, c []byte) []byte { return fmt.Appendf(nil, "no spool at all %d", rnd.Int()) },
		"none":           func(_ *rand.Rand, c []byte) []byte { return c },
	}
	for name, damage := range damages {
		for seed := range uint64(4) {
			t.Run(fmt.Sprint(name, " ", seed), func(t *testing.T) {
				t.Parallel()
				rnd := rand.New(rand.NewPCG(seed, 4))
				b, directory := backend.New(t), t.TempDir()
				const made = 60
				ids := spooled(t, b, directory, made)
				require.NoError(t, filepath.WalkDir(directory, func(path string, d fs.DirEntry, err error) error {
					if err != nil || d.IsDir() {
						return err
					}
					content, err := os.ReadFile(path)
					if err != nil || len(content) == 0 {
						return err
					}
					return os.WriteFile(path, damage(rnd, content), 0o600)
				}))

				next := newRouteTo(t, b, tracing.WithSpool(directory, spoolBytes))
				require.True(t, eventually(func() bool { return next.stats().Spool.Spans == 0 }))
				require.NoError(t, next.shutdown(patience))
				s := next.stats()
				accepted := b.Accepted()
				for id := range accepted {
					assert.True(t, ids[id], "span %s was never made", id)
				}
				assert.Equal(t, s.Spool.Recovered, s.Exported+s.Dropped.Sum(), "%+v", s)
				assert.GreaterOrEqual(t, s.Exported, uint64(len(accepted)), "%+v", s)
				switch name {
				case "none":
					assert.Len(t, accepted, made)
					assert.Zero(t, s.Spool.Damaged)
				case "zeros behind":
					assert.Len(t, accepted, made, "all that was written is there")
				case "empty": // as a process leaves it that is killed when it has just made the file: nothing says what was lost
					assert.Empty(t, accepted)
				default:
					if len(accepted) < made {
						assert.Positive(t, s.Spool.Damaged+s.Dropped.Sum(), "%d of %d spans are lost in silence: %+v", made-len(accepted), made, s)
					}
				}

				last := newRouteTo(t, b, tracing.WithSpool(directory, spoolBytes))
				assert.Zero(t, last.stats().Spool.Recovered)
				assert.Zero(t, last.stats().Spool.Damaged)
				last.spans(t.Context(), 10, 0)
				require.NoError(t, last.shutdown(patience))
				assert.Equal(t, uint64(10), last.stats().Exported)
			})
		}
	}
}

// With a spool a deadline costs nothing: what the backend has not answered for by then is on disk.
func TestSpoolAtTheDeadline(t *testing.T) {
	t.Parallel()
	const deadline = time.Second
	for name, fault := range map[string]backend.Fault{
		"never answers": backend.Never(), "answers too late": backend.AcceptSlowly(time.Hour), "byte by byte": backend.AcceptByteByByte(time.Hour),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			directory := t.TempDir()
			r := newRoute(t, tracing.WithSpool(directory, spoolBytes), tracing.WithWorkers(3))
			r.backend.Rest(fault)
			r.spans(t.Context(), 50, 1000)
			begin := time.Now()
			err := r.shutdown(deadline)
			assert.Less(t, time.Since(begin), deadline+grace)
			s := r.stats()
			// A busy machine may not get the last calls back in time.
			assert.Equal(t, 50, s.Spool.Spans+int(s.Dropped.Abandoned), "%+v, %v", s, err)
			assert.Equal(t, s.Dropped.Abandoned, s.Dropped.Sum(), "%+v", s)
			if err != nil {
				var delivery *tracing.DeliveryError
				require.ErrorAs(t, err, &delivery)
				assert.Equal(t, []uint64{0, s.Spool.Written, s.Dropped.Sum()}, []uint64{delivery.Sent, delivery.Spooled, delivery.Dropped}, "%v", err)
			} else {
				assert.Zero(t, s.Dropped.Sum())
			}

			r.backend.Rest(backend.Accept())
			next := newRouteTo(t, r.backend, tracing.WithSpool(directory, spoolBytes))
			require.True(t, eventually(func() bool { return next.stats().Spool.Spans == 0 }))
			require.NoError(t, next.shutdown(patience))
			assert.Equal(t, uint64(s.Spool.Spans), next.stats().Exported)
		})
	}
}

// Many goroutines shut down, with and without patience, while others make spans and flush: one shutdown
// happens, and all learn the same.
func TestShutdownInAnOutageConcurrentSafe(t *testing.T) {
	t.Parallel()
	r := newRoute(t, tracing.WithWorkers(2))
	r.backend.Rest(backend.Status(503))
	tracer := r.provider.NewTracer("outage")
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 200 {
				_, span := tracer.StartSpan(t.Context(), "span")
				span.End()
			}
		})
		all.Go(func() {
			var delivery *tracing.DeliveryError
			if err := r.flush(20 * time.Millisecond); err != nil && !errors.As(err, &delivery) {
				assert.ErrorIs(t, err, context.DeadlineExceeded)
			}
		})
	}
	require.True(t, r.failing())
	said := make(chan string, 8)
	for range 8 {
		all.Go(func() { said <- fmt.Sprint(r.shutdown(patience)) })
	}
	all.Wait()
	first := <-said
	for range 7 {
		assert.Equal(t, first, <-said)
	}
	assert.Equal(t, first, fmt.Sprint(r.shutdown(patience)))
	assert.Contains(t, first, "dropped")
	s := r.stats()
	assert.Equal(t, s.Queued, s.Dropped.Sum(), "%+v", s)
	assert.Zero(t, s.Waiting)
	assert.Empty(t, r.backend.Accepted())
}

// A target that is replaced while the old one fails gets what waits; nothing comes twice.
func TestTargetReplacedInAnOutage(t *testing.T) {
	t.Parallel()
	gone, well := backend.New(t), backend.New(t)
	gone.Stop()
	e, err := zipkin.New(gone.URL())
	require.NoError(t, err)
	p, err := tracing.NewProvider(tracing.WithLogger((&route{log: &logLines{}}).logger()), tracing.WithExporter(e, tracing.WithBatchSpans(4)))
	require.NoError(t, err)
	r := &route{backend: well, provider: p}
	r.spans(t.Context(), 40, 0)
	require.True(t, r.failing())
	require.NoError(t, e.SetTarget(well.URL(), nil))
	require.NoError(t, r.flush(patience))
	require.NoError(t, r.shutdown(patience))
	requireSums(t, r, false)
	assert.Equal(t, uint64(40), r.stats().Exported)
	assert.Empty(t, gone.Accepted())
}
