// SPDX-License-Identifier: Apache-2.0

package tracing_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/spandrel-go/spandrel/tracing"
)

// refuses makes a backend that never takes the spans of these names.
func refuses(names ...string) *backend {
	b := &backend{}
	b.send = func(_ context.Context, batch []string) error {
		if slices.ContainsFunc(batch, func(name string) bool { return slices.Contains(names, name) }) {
			return errAway
		}
		return nil
	}
	return b
}

// A batch that the backend never takes does not keep all others from it: it is dropped.
func TestReplayDropsWhatTheBackendNeverTakes(t *testing.T) {
	t.Parallel()
	for name, poison := range map[string][]string{"one": {"poison"}, "two": {"poison", "poison too"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := refuses(poison...)
				tracer, p := inBubble(t, b, tracing.WithSpool(t.TempDir(), spoolBytes),
					tracing.WithBatchSpans(1), tracing.WithBatchDelay(time.Second))
				for _, name := range poison {
					endOne(tracer, name)
				}
				for i := range 600 {
					endOne(tracer, strconv.Itoa(i))
					time.Sleep(time.Second)
				}
				s := p.Stats().Exporters[0]
				assert.Zero(t, s.Spool.Spans)
				assert.Equal(t, tracing.DroppedStats{ExportFailed: uint64(len(poison))}, s.Dropped)
				assert.ElementsMatch(t, numerals(0, 600), b.got())
				shutdown(t, p)
				sumsHold(t, p)
			})
		})
	}
}

// The first call with a batch out of the spool repeats none, and the calls with its halves neither.
func TestRetriedInAReplay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var calls []int // how many spans each had
		b := &backend{}
		b.send = func(_ context.Context, names []string) error {
			calls = append(calls, len(names))
			switch {
			case len(calls) < 5:
				return errAway
			case len(names) == 10:
				return &tracing.ExportError{Err: errBackend, TooLarge: true}
			}
			return nil
		}
		tracer, p := inBubble(t, b, tracing.WithSpool(t.TempDir(), spoolBytes), tracing.WithBatchSpans(10), tracing.WithBatchDelay(time.Second))
		endNumbered(tracer, 0, 10)
		time.Sleep(time.Minute)
		synctest.Wait()
		assert.Equal(t, []int{10, 10, 10, 10, 10, 5, 5}, calls)
		assert.EqualValues(t, 3, p.Stats().Exporters[0].Retried, "the third, the fourth and the fifth")
		shutdown(t, p)
		sumsHold(t, p)
	})
}

// leaveBehind fills a spool with batches of ten spans, numbered from 0, and shuts down.
func leaveBehind(t *testing.T, dir string, batches int) {
	t.Helper()
	tracer, p := inBubble(t, newBackend(true), tracing.WithSpool(dir, spoolBytes), tracing.WithBatchSpans(10))
	endNumbered(tracer, 0, 10*batches)
	shutdown(t, p)
}

// A replay in halves of which one never returns counts as a whole, or not at all, whatever became of the
// other half.
func TestAbandonedHalfOfAReplay(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]error{"the first was delivered": nil, "the first has to wait": errAway} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				dir, release := t.TempDir(), make(chan struct{})
				leaveBehind(t, dir, 1)
				b := &backend{}
				b.send = func(_ context.Context, names []string) error {
					switch {
					case len(names) > 5:
						return &tracing.ExportError{Err: errBackend, TooLarge: true}
					case names[0] == "0":
						return first
					}
					<-release
					return nil
				}
				_, p := inBubble(t, b, tracing.WithSpool(dir, spoolBytes))
				time.Sleep(time.Minute)
				ctx, cancel := context.WithTimeout(context.Background(), time.Second)
				defer cancel()
				require.ErrorIs(t, p.Shutdown(ctx), context.DeadlineExceeded)
				assert.Equal(t, 10, p.Stats().Exporters[0].Spool.Spans)
				sumsHold(t, p)
				close(release)
				synctest.Wait()
				sumsHold(t, p)

				b = newBackend(false)
				_, p = inBubble(t, b, tracing.WithSpool(dir, spoolBytes))
				synctest.Wait()
				assert.Equal(t, numerals(0, 10), b.got(), "what was not acknowledged comes again")
				shutdown(t, p)
				sumsHold(t, p)
			})
		})
	}
}

// A file of the spool that cannot be opened for a while is read later, without anything having to be spooled
// before.
func TestReplayGoesOnAfterATrouble(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		tracer, p := inBubble(t, newBackend(true), tracing.WithSpool(dir, 256<<10), tracing.WithBatchSpans(1))
		for range 100 { // more than a file
			endOne(tracer, strings.Repeat("x", 1000))
		}
		shutdown(t, p)
		files, err := filepath.Glob(filepath.Join(dir, "*.spool"))
		require.NoError(t, err)
		slices.Sort(files)
		require.Greater(t, len(files), 3)

		release := make(chan struct{})
		b := &backend{}
		b.send = func(ctx context.Context, _ []string) error { return blocked(release)(ctx, nil) }
		_, p = inBubble(t, b, tracing.WithSpool(dir, 256<<10), tracing.WithBatchSpans(1))
		synctest.Wait()
		for _, file := range files[1:] {
			require.NoError(t, os.Rename(file, file+".away"))
			require.NoError(t, os.Mkdir(file, 0o700))
		}
		close(release)
		time.Sleep(65 * time.Second) // not when the replay looks
		assert.Positive(t, p.Stats().Exporters[0].Spool.Spans)
		for _, file := range files[1:] {
			require.NoError(t, os.Remove(file))
			require.NoError(t, os.Rename(file+".away", file))
		}
		time.Sleep(time.Minute)
		s := p.Stats().Exporters[0]
		assert.Zero(t, s.Spool.Spans)
		assert.EqualValues(t, 100, s.Exported)
		shutdown(t, p)
		sumsHold(t, p)
	})
}

// A batch of the default size would not fit into a small spool; so it is made smaller.
func TestBatchesFitIntoTheSpool(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tracer, p := inBubble(t, newBackend(true), tracing.WithSpool(t.TempDir(), 256<<10), tracing.WithQueueSpans(4096))
		for range 512 { // 300 KiB
			endOne(tracer, strings.Repeat("x", 600))
		}
		_ = p.ForceFlush(context.Background()) // some find no room
		_ = p.Shutdown(context.Background())
		assert.Greater(t, p.Stats().Exporters[0].Spool.Spans, 300, "the spool holds more than half of them")
		sumsHold(t, p)
	})
}

// What is in a directory that somebody removes is lost, and Shutdown says so.
func TestSpoolDirectoryRemoved(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "spool")
		tracer, p := inBubble(t, newBackend(true), tracing.WithSpool(dir, spoolBytes), tracing.WithBatchSpans(1))
		endNumbered(tracer, 0, 10)
		synctest.Wait()
		require.NoError(t, os.RemoveAll(dir))
		endNumbered(tracer, 10, 20)
		require.ErrorContains(t, p.Shutdown(context.Background()), "WithSpool")
		sumsHold(t, p)
	})
}

// With neither a disk nor a backend the pipeline waits and does not spin.
func TestNoBusyLoopWithoutDiskAndBackend(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "spool")
		b := newBackend(true)
		tracer, p := inBubble(t, b, tracing.WithSpool(dir, spoolBytes), tracing.WithBatchSpans(1), tracing.WithWorkers(4))
		require.NoError(t, os.RemoveAll(dir))
		require.NoError(t, os.WriteFile(dir, nil, 0o600))
		endNumbered(tracer, 0, 100)
		time.Sleep(10 * time.Minute)
		assert.Less(t, len(b.tried()), 300)
		assert.Positive(t, len(b.tried()))
		_ = p.Shutdown(context.Background()) // its error is that of the disk
		sumsHold(t, p)
	})
}

// With a spool that cannot be written the drops are not blamed on the exporter alone.
func TestDeliveryErrorNamesTheSpool(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "spool")
		tracer, p := inBubble(t, newBackend(true), tracing.WithSpool(dir, spoolBytes))
		require.NoError(t, os.RemoveAll(dir))
		require.NoError(t, os.WriteFile(dir, nil, 0o600))
		endNumbered(tracer, 0, 10)
		err := p.Shutdown(context.Background())
		require.ErrorIs(t, err, errBackend)
		require.ErrorContains(t, err, "10 dropped")
		require.ErrorContains(t, err, dir)
		sumsHold(t, p)
	})
}

// Shutdown with a context that is done: all that waits goes to the spool, and nobody is abandoned.
func TestShutdownWithADoneContextSpoolsAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, shutdownWithADoneContext) // where the second that it has does not pass while it works
}

func shutdownWithADoneContext(t *testing.T) {
	const spans = 3_000
	b := newBackend(true)
	p := newProvider(t, quiet(), tracing.WithExporter(b, tracing.WithSpool(t.TempDir(), 1<<30), tracing.WithQueueSpans(spans),
		tracing.WithQueueBytes(1<<30), tracing.WithBatchDelay(time.Hour)))
	endNumbered(p.NewTracer("test"), 0, spans)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	err := p.Shutdown(ctx)
	if err != nil { // it may have been quick enough
		assert.NotContains(t, err.Error(), "abandoned")
	}
	s := p.Stats().Exporters[0]
	assert.Zero(t, s.Dropped)
	assert.Equal(t, spans, s.Spool.Spans)
	assert.Equal(t, 1, b.shutdowns)
	sumsHold(t, p)
}

// A provider that makes no spans leaves the directory alone: another may be using it.
func TestDisabledProviderDoesNotTouchTheSpool(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "spool")
	p := newProvider(t, quiet(), withEnv(env{"OTEL_SDK_DISABLED": "true"}),
		tracing.WithExporter(newBackend(false), tracing.WithSpool(dir, spoolBytes)))
	endMany(p.NewTracer("test"), 10)
	shutdown(t, p)
	assert.NoDirExists(t, dir)
	_, err := tracing.NewProvider(withEnv(env{"OTEL_SDK_DISABLED": "true"}), tracing.WithExporter(newBackend(false), tracing.WithSpool(dir, 1)))
	require.ErrorContains(t, err, "WithSpool", "a wrong option is an error all the same")
}

// The spool of a backend that is away for an hour is replayed whole, also where a call that was under way
// at the beginning is answered later.
func TestReplayOutlastsAnOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir, begin := t.TempDir(), time.Now()
		leaveBehind(t, dir, 10)
		b := newBackend(true)
		b.send = func(_ context.Context, names []string) error {
			switch {
			case names[0] == "slow":
				time.Sleep(5 * time.Second)
			case names[0] == "live" && time.Since(begin) >= time.Hour: // not just before askNext, which would not keep the order
				b.away.Store(false)
			case b.away.Load():
				time.Sleep(time.Second)
				return errAway
			}
			return nil
		}
		tracer, p := inBubble(t, b, tracing.WithSpool(dir, spoolBytes), tracing.WithWorkers(2), tracing.WithBatchSpans(1))
		endOne(tracer, "slow")
		for time.Since(begin) < time.Hour+time.Minute {
			endOne(tracer, "live")
			time.Sleep(10 * time.Second)
		}
		s := p.Stats().Exporters[0]
		assert.Zero(t, s.Dropped)
		assert.Zero(t, s.Spool.Spans)
		got := slices.DeleteFunc(b.got(), func(name string) bool { return name == "live" || name == "slow" })
		assert.Equal(t, numerals(0, 100), got, "in order")
		shutdown(t, p)
		sumsHold(t, p)
	})
}

// A partial success that comes when Shutdown's time is up is one: it is not spooled to be sent once more.
func TestPartialSuccessAtTheDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &backend{}
		b.send = func(ctx context.Context, _ []string) error {
			<-ctx.Done()
			return &tracing.ExportError{Err: errBackend, Rejected: 1}
		}
		tracer, p := inBubble(t, b, tracing.WithSpool(t.TempDir(), spoolBytes))
		endNumbered(tracer, 0, 10)
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		require.ErrorIs(t, p.Shutdown(ctx), errBackend)
		s := p.Stats().Exporters[0]
		assert.EqualValues(t, 9, s.Exported)
		assert.Equal(t, tracing.DroppedStats{Rejected: 1}, s.Dropped)
		assert.Zero(t, s.Spool.Spans)
		sumsHold(t, p)
	})
}

// Also when nothing else ends: the batches behind it are asked for, and it alone stays until others show
// that it is to blame.
func TestReplayGetsPastWhatTheBackendNeverTakes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		tracer, p := inBubble(t, newBackend(true), tracing.WithSpool(dir, spoolBytes), tracing.WithBatchSpans(1))
		endOne(tracer, "poison")
		endNumbered(tracer, 0, 9)
		shutdown(t, p)

		b := refuses("poison")
		tracer, p = inBubble(t, b, tracing.WithSpool(dir, spoolBytes), tracing.WithBatchSpans(1))
		time.Sleep(20 * time.Minute)
		s := p.Stats().Exporters[0]
		assert.Equal(t, numerals(0, 9), b.got())
		assert.Equal(t, 1, s.Spool.Spans)
		assert.Zero(t, s.Dropped)
		for range 10 {
			endOne(tracer, "live")
			time.Sleep(time.Minute)
		}
		s = p.Stats().Exporters[0]
		assert.Zero(t, s.Spool.Spans)
		assert.Equal(t, tracing.DroppedStats{ExportFailed: 1}, s.Dropped)
		assert.Len(t, b.got(), 9+10)
		shutdown(t, p)
		sumsHold(t, p)
	})
}

// A batch that is sent in halves when Shutdown leaves the exporter: the half that waits is spooled too.
func TestShutdownSpoolsTheHalfThatWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		b := &backend{}
		b.send = func(_ context.Context, names []string) error {
			if len(names) > 5 {
				return &tracing.ExportError{Err: errBackend, TooLarge: true}
			}
			<-release
			return nil
		}
		tracer, p := inBubble(t, b, tracing.WithSpool(t.TempDir(), spoolBytes))
		endNumbered(tracer, 0, 10)
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		require.ErrorIs(t, p.Shutdown(ctx), context.DeadlineExceeded)
		s := p.Stats().Exporters[0]
		assert.Zero(t, s.Dropped)
		assert.Equal(t, 10, s.Spool.Spans)
		sumsHold(t, p)
		close(release)
		synctest.Wait()
		sumsHold(t, p)
	})
}

// asks is a handler that asks for the statistics of the provider that logs to it.
type asks struct {
	slog.Handler
	provider *atomic.Pointer[tracing.Provider]
}

func (asks) Enabled(context.Context, slog.Level) bool { return true }

func (a asks) Handle(context.Context, slog.Record) error {
	if p := a.provider.Load(); p != nil {
		_ = p.Stats()
	}
	return nil
}

// Nothing is logged under a lock that Stats takes, not even when the disk fails while an exporter is left.
func TestLoggerMayAskForStats(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "spool")
		release := make(chan struct{})
		e := &encoder{send: func(context.Context, []string) error { <-release; return nil }}
		var asked atomic.Pointer[tracing.Provider]
		p := newProvider(t, tracing.WithLogger(slog.New(asks{slog.DiscardHandler, &asked})),
			tracing.WithExporter(e, tracing.WithSpool(dir, spoolBytes), tracing.WithBatchSpans(1)))
		asked.Store(p)
		endOne(p.NewTracer("test"), "one")
		synctest.Wait()
		require.NoError(t, os.RemoveAll(dir))
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		require.ErrorIs(t, p.Shutdown(ctx), context.DeadlineExceeded)
		sumsHold(t, p)
		close(release)
	})
}
