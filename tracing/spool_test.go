// SPDX-License-Identifier: Apache-2.0

package tracing_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
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

const spoolBytes = 1 << 20

// errAway is what a backend returns that may come back.
var errAway = &tracing.ExportError{Err: errBackend, Retryable: true}

// backend is an encoder that may be away.
type backend struct {
	encoder
	away atomic.Bool
}

func newBackend(away bool) *backend {
	b := &backend{}
	b.away.Store(away)
	b.send = func(context.Context, []string) error {
		if b.away.Load() {
			return errAway
		}
		return nil
	}
	return b
}

// got returns the names of all spans that were delivered, in their order.
func (b *backend) got() []string { return slices.Concat(b.sent()...) }

func numerals(from, to int) []string {
	names := []string{}
	for i := from; i < to; i++ {
		names = append(names, strconv.Itoa(i))
	}
	return names
}

func endNumbered(tracer *tracing.Tracer, from, to int) {
	for _, name := range numerals(from, to) {
		endOne(tracer, name)
	}
}

// An outage: what ends meanwhile is on disk, and comes in order when the backend is back.
func TestSpoolOutlastsAnOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBackend(true)
		tracer, p := inBubble(t, b, tracing.WithSpool(t.TempDir(), spoolBytes), tracing.WithBatchSpans(10), tracing.WithBatchDelay(time.Second))
		for i := range 100 {
			endNumbered(tracer, 100*i, 100*(i+1))
			time.Sleep(time.Minute) // longer than the retry limit, all in all
		}
		flush(t, p)
		s := p.Stats().Exporters[0]
		assert.True(t, s.CircuitOpen)
		assert.Zero(t, s.Waiting, "nothing of it is in memory")
		assert.Equal(t, 10_000, s.Spool.Spans)
		assert.EqualValues(t, 10_000, s.Spool.Written)
		assert.Zero(t, s.Dropped)
		assert.Empty(t, b.got())
		sumsHold(t, p)
		b.away.Store(false)
		time.Sleep(20 * time.Second)
		s = p.Stats().Exporters[0]
		assert.False(t, s.CircuitOpen)
		assert.Zero(t, s.Spool.Spans)
		assert.EqualValues(t, 10_000, s.Spool.Replayed)
		assert.EqualValues(t, 10_000, s.Exported)
		assert.Equal(t, numerals(0, 10_000), b.got(), "in order")
		require.NoError(t, s.LastError)
		shutdown(t, p)
		sumsHold(t, p)
	})
}

// What one provider leaves behind the next one delivers, with the resource of the first.
func TestSpoolOutlastsTheProvider(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		b := newBackend(true)
		p := newProvider(t, quiet(), tracing.WithServiceName("first"),
			tracing.WithExporter(b, tracing.WithSpool(dir, spoolBytes), tracing.WithBatchSpans(10)))
		endNumbered(p.NewTracer("test"), 0, 25)
		require.NoError(t, p.Shutdown(context.Background()), "nothing is lost")
		s := p.Stats().Exporters[0]
		assert.Equal(t, 25, s.Spool.Spans)
		sumsHold(t, p)

		b = newBackend(false)
		p = newProvider(t, quiet(), tracing.WithServiceName("second"), tracing.WithExporter(b, tracing.WithSpool(dir, spoolBytes)))
		synctest.Wait()
		assert.Equal(t, numerals(0, 25), b.got())
		assert.Equal(t, "first", b.resource)
		s = p.Stats().Exporters[0]
		assert.EqualValues(t, 25, s.Spool.Recovered)
		assert.EqualValues(t, 25, s.Exported)
		assert.Zero(t, s.Queued)
		endOne(p.NewTracer("test"), "new")
		flush(t, p)
		assert.Equal(t, "second", b.resource)
		shutdown(t, p)
		sumsHold(t, p)
	})
}

// More than memory takes goes to disk, though the backend answers, only slowly. WithQueueWait is for what the disk
// does not take.
func TestSpoolTakesWhatMemoryCannot(t *testing.T) {
	t.Parallel()
	t.Run("drop", func(t *testing.T) { spoolTakesWhatMemoryCannot(t) })
	t.Run("wait", func(t *testing.T) { spoolTakesWhatMemoryCannot(t, tracing.WithQueueWait(time.Hour)) })
}

func spoolTakesWhatMemoryCannot(t *testing.T, opts ...tracing.PipelineOption) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := newBackend(false)
		b.send = func(context.Context, []string) error { time.Sleep(time.Second); return nil }
		tracer, p := inBubble(t, b, append(opts, tracing.WithSpool(t.TempDir(), spoolBytes), tracing.WithQueueBytes(64<<10),
			tracing.WithQueueSpans(1000), tracing.WithBatchSpans(10), tracing.WithBatchDelay(time.Second))...)
		padding := strings.Repeat("x", 1<<10)
		begin := time.Now()
		for i := range 200 {
			endOne(tracer, strconv.Itoa(i)+padding)
			synctest.Wait()
		}
		assert.Equal(t, begin, time.Now(), "End must not wait")
		s := p.Stats().Exporters[0]
		assert.Positive(t, s.Spool.Spans)
		assert.Zero(t, s.Dropped)
		assert.LessOrEqual(t, s.WaitingBytes, 2*64<<10)
		sumsHold(t, p)
		time.Sleep(time.Minute)
		assert.EqualValues(t, 200, p.Stats().Exporters[0].Exported)
		assert.Len(t, b.got(), 200)
		shutdown(t, p)
		sumsHold(t, p)
	})
}

// A full spool loses the oldest, and counts them.
func TestFullSpoolDropsTheOldest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBackend(true)
		dir := t.TempDir()
		tracer, p := inBubble(t, b, tracing.WithSpool(dir, spoolBytes), tracing.WithBatchSpans(10), tracing.WithBatchDelay(time.Second))
		padding := strings.Repeat("x", 10<<10)
		for i := range 300 {
			endOne(tracer, strconv.Itoa(i)+padding)
			time.Sleep(time.Second)
		}
		flush(t, p)
		s := p.Stats().Exporters[0]
		assert.Positive(t, s.Dropped.SpoolFull)
		assert.Equal(t, s.Dropped.SpoolFull, s.Dropped.Sum())
		assert.LessOrEqual(t, s.Spool.Bytes, int64(spoolBytes))
		assert.LessOrEqual(t, sizeOf(t, dir), int64(spoolBytes))
		sumsHold(t, p)
		b.away.Store(false)
		time.Sleep(20 * time.Second)
		got := b.got()
		for i, name := range got {
			got[i] = strings.TrimRight(name, "x")
		}
		// The first is what the replay had in its hands when its file was dropped.
		assert.Equal(t, numerals(300-len(got)+1, 300), got[1:])
		assert.EqualValues(t, 300-len(got), p.Stats().Exporters[0].Dropped.SpoolFull)
		shutdown(t, p)
		sumsHold(t, p)
	})
}

func sizeOf(t *testing.T, dir string) (n int64) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		info, err := e.Info()
		require.NoError(t, err)
		n += info.Size()
	}
	return n
}

// A span too large for the backend is found out in a replay too, and what else it refuses is dropped.
func TestSpoolReplaysInHalves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBackend(true)
		send := b.send
		b.send = func(ctx context.Context, names []string) error {
			switch {
			case b.away.Load():
				return send(ctx, names)
			case slices.Contains(names, "13"):
				return &tracing.ExportError{Err: errBackend, TooLarge: true}
			case slices.Contains(names, "14"):
				return errBackend
			}
			return nil
		}
		tracer, p := inBubble(t, b, tracing.WithSpool(t.TempDir(), spoolBytes), tracing.WithBatchSpans(10), tracing.WithBatchDelay(time.Second))
		endNumbered(tracer, 0, 30)
		time.Sleep(5 * time.Second)
		b.away.Store(false)
		time.Sleep(20 * time.Second)
		s := p.Stats().Exporters[0]
		assert.EqualValues(t, 1, s.Dropped.TooLarge)
		assert.EqualValues(t, 1, s.Dropped.ExportFailed)
		assert.EqualValues(t, 28, s.Exported)
		assert.Zero(t, s.Spool.Spans)
		shutdown(t, p)
		sumsHold(t, p)
	})
}

// A backend that goes away in the middle of a replay in halves: what is left of it stays.
func TestSpoolKeepsWhatIsLeftOfAReplay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBackend(true)
		var calls int
		b.send = func(_ context.Context, names []string) error {
			calls++
			switch {
			case b.away.Load():
				return errAway
			case len(names) > 4:
				return &tracing.ExportError{Err: errBackend, TooLarge: true}
			case calls%3 == 0:
				return errAway
			}
			return nil
		}
		tracer, p := inBubble(t, b, tracing.WithSpool(t.TempDir(), spoolBytes), tracing.WithBatchSpans(16), tracing.WithBatchDelay(time.Second))
		endNumbered(tracer, 0, 64)
		time.Sleep(5 * time.Second)
		b.away.Store(false)
		time.Sleep(5 * time.Minute)
		s := p.Stats().Exporters[0]
		assert.EqualValues(t, 64, s.Exported)
		assert.Zero(t, s.Spool.Spans)
		assert.ElementsMatch(t, numerals(0, 64), b.got(), "each once")
		shutdown(t, p)
		sumsHold(t, p)
	})
}

// Shutdown leaves what it has no time for in the spool: with a backend that is away, and with one that
// does not answer.
func TestShutdownSpools(t *testing.T) {
	t.Parallel()
	for name, send := range map[string]func(context.Context, []string) error{
		"away": func(context.Context, []string) error { return errAway },
		"does not answer": func(ctx context.Context, _ []string) error {
			<-ctx.Done()
			return ctx.Err()
		},
		"does not answer, and says so": func(ctx context.Context, _ []string) error {
			<-ctx.Done()
			return &tracing.ExportError{Err: ctx.Err(), Retryable: true}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBackend(false)
				b.send = send
				dir := t.TempDir()
				tracer, p := inBubble(t, b, tracing.WithSpool(dir, spoolBytes), tracing.WithBatchSpans(10))
				endNumbered(tracer, 0, 505)
				begin := time.Now()
				ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
				defer cancel()
				require.NoError(t, p.Shutdown(ctx), "nothing is lost, and in time")
				assert.Less(t, time.Since(begin), 5*time.Second)
				assert.Equal(t, 505, p.Stats().Exporters[0].Spool.Spans)
				sumsHold(t, p)

				b = newBackend(false)
				_, p = inBubble(t, b, tracing.WithSpool(dir, spoolBytes))
				synctest.Wait()
				assert.ElementsMatch(t, numerals(0, 505), b.got())
				shutdown(t, p)
			})
		})
	}
}

// An exporter that ignores its context: all is spooled, what it has been called with too.
func TestShutdownSpoolsBehindAnExporterThatNeverReturns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		b := newBackend(false)
		b.send = func(context.Context, []string) error { <-release; return nil }
		dir := t.TempDir()
		tracer, p := inBubble(t, b, tracing.WithSpool(dir, spoolBytes), tracing.WithBatchSpans(10))
		endNumbered(tracer, 0, 100)
		synctest.Wait()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		var failure *tracing.DeliveryError
		require.ErrorAs(t, p.Shutdown(ctx), &failure)
		assert.EqualValues(t, 100, failure.Spooled)
		assert.Zero(t, failure.Dropped)
		s := p.Stats().Exporters[0]
		assert.Zero(t, s.Dropped)
		assert.Equal(t, 100, s.Spool.Spans)
		sumsHold(t, p)
		close(release)
		synctest.Wait()
		assert.Equal(t, s, p.Stats().Exporters[0], "that it returned in the end changes nothing")
	})
}

// A spool that cannot be written is as if there were none: batches are tried again out of memory.
func TestSpoolThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "spool")
		b := newBackend(true)
		tracer, p := inBubble(t, b, tracing.WithSpool(dir, spoolBytes), tracing.WithBatchSpans(10), tracing.WithBatchDelay(time.Second))
		require.NoError(t, os.RemoveAll(dir))
		endNumbered(tracer, 0, 50)
		time.Sleep(10 * time.Second)
		s := p.Stats().Exporters[0]
		assert.Equal(t, 50, s.Waiting)
		assert.Zero(t, s.Dropped)
		b.away.Store(false)
		time.Sleep(20 * time.Second)
		assert.Equal(t, numerals(0, 50), b.got())
		require.ErrorContains(t, p.Shutdown(context.Background()), "0 dropped: tracing: WithSpool")
		sumsHold(t, p)
	})
}

func TestSpoolDirectoryInUse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := newProvider(t, tracing.WithExporter(&encoder{}, tracing.WithSpool(dir, spoolBytes)))
	other := t.TempDir()
	_, err := tracing.NewProvider(
		tracing.WithExporter(&encoder{}, tracing.WithSpool(other, spoolBytes)),
		tracing.WithExporter(&encoder{}, tracing.WithSpool(dir, spoolBytes)))
	require.ErrorContains(t, err, "WithSpool")
	require.ErrorContains(t, err, dir)
	require.ErrorContains(t, err, "in use")
	shutdown(t, p)
	p, err = tracing.NewProvider(
		tracing.WithExporter(&encoder{}, tracing.WithSpool(other, spoolBytes)),
		tracing.WithExporter(&encoder{}, tracing.WithSpool(dir, spoolBytes)))
	require.NoError(t, err, "the failed attempt holds nothing")
	shutdown(t, p)
}

// What any user of the machine could put there would be sent to the backend.
func TestSpoolDirectoryOfEverybody(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o777))
	var log syncBuffer
	p := newProvider(t, withEnv(nil), tracing.WithLogger(logTo(&log)),
		tracing.WithExporter(&encoder{}, tracing.WithSpool(dir, spoolBytes)),
		tracing.WithExporter(&encoder{}, tracing.WithSpool(filepath.Join(dir, "own"), spoolBytes)))
	endNumbered(p.NewTracer("test"), 0, 10)
	shutdown(t, p)
	if runtime.GOOS == "windows" { // modes say nothing there
		assert.Empty(t, log.String())
		return
	}
	warnings(t, &log, `msg="spandrel: every user may write to the spool's directory, and what is there is sent;`+
		` use a directory that only this program writes to, such as a new one below it"`+
		" exporter=*tracing_test.encoder directory="+dir)
	assert.NotContains(t, log.String(), filepath.Join(dir, "own"))
}

func TestSpoolErrorsSayWhere(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err := tracing.NewProvider(tracing.WithExporter(&encoder{}, tracing.WithSpool(file, spoolBytes)))
	require.EqualError(t, err, "tracing: WithSpool: spool: "+file+" is a file, not a directory")
	_, err = tracing.NewProvider(tracing.WithExporter(&encoder{}, tracing.WithSpool(t.TempDir(), 256<<10-1)))
	require.EqualError(t, err, "tracing: WithSpool: maxBytes 262143 is less than 262144 (256 KiB)")
}

// namedEncoder has a name for its encoding.
type namedEncoder struct {
	*backend
	name string
}

func (e namedEncoder) EncodingName() string { return e.name }

// What another encoding has written is not sent as if it were one's own.
func TestSpoolOfAnotherEncoding(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := newBackend(true)
	p := newProvider(t, quiet(), tracing.WithExporter(namedEncoder{b, "names/1"}, tracing.WithSpool(dir, spoolBytes)))
	endNumbered(p.NewTracer("test"), 0, 10)
	shutdown(t, p)
	b = newBackend(false)
	p = newProvider(t, quiet(), tracing.WithExporter(namedEncoder{b, "names/2"}, tracing.WithSpool(dir, spoolBytes)))
	endOne(p.NewTracer("test"), "new")
	flush(t, p)
	s := p.Stats().Exporters[0]
	assert.EqualValues(t, 1, s.Spool.Damaged)
	assert.EqualValues(t, 10, s.Dropped.SpoolFailed, "they are lost, and not in silence")
	assert.Equal(t, []string{"new"}, b.got())
	shutdown(t, p)
	sumsHold(t, p)
}

// ForceFlush is done when what ended before is delivered or on disk; it does not wait for the replay.
func TestForceFlushDoesNotWaitForTheSpool(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBackend(true)
		tracer, p := inBubble(t, b, tracing.WithSpool(t.TempDir(), spoolBytes), tracing.WithBatchSpans(10))
		endNumbered(tracer, 0, 100)
		begin := time.Now()
		require.NoError(t, p.ForceFlush(context.Background()))
		assert.Equal(t, begin, time.Now())
		assert.Equal(t, 100, p.Stats().Exporters[0].Spool.Spans)
		shutdown(t, p)
	})
}

// Random load on a backend that comes and goes, several workers: nothing is lost or sent twice.
func TestSpoolUnderRandomFaultsConcurrentSafe(t *testing.T) {
	t.Parallel()
	var sent atomic.Int64
	b := newBackend(false)
	b.send = func(_ context.Context, names []string) error {
		switch n := sent.Add(1); {
		case n%7 == 0:
			return &tracing.ExportError{Err: errBackend, Retryable: true, RetryAfter: time.Microsecond}
		case n%11 == 0 && len(names) > 1:
			return &tracing.ExportError{Err: errBackend, TooLarge: true}
		}
		return nil
	}
	dir := t.TempDir()
	p := newProvider(t, quiet(), tracing.WithExporter(b, tracing.WithSpool(dir, 16<<20), tracing.WithWorkers(3),
		tracing.WithBatchSpans(8), tracing.WithBatchDelay(5*time.Millisecond), tracing.WithQueueSpans(100_000)))
	tracer := p.NewTracer("test")
	done := make(chan struct{})
	for g := range 4 {
		go func() {
			endNumbered(tracer, 1000*g, 1000*(g+1))
			done <- struct{}{}
		}()
	}
	for range 4 {
		<-done
	}
	require.NoError(t, p.Shutdown(context.Background()))
	sumsHold(t, p)
	again := newBackend(false)
	p = newProvider(t, quiet(), tracing.WithExporter(again, tracing.WithSpool(dir, 16<<20)))
	require.Eventually(t, func() bool { return p.Stats().Exporters[0].Spool.Spans == 0 }, time.Minute, time.Millisecond)
	shutdown(t, p)
	assert.ElementsMatch(t, numerals(0, 4000), append(b.got(), again.got()...))
}

func TestDeliveryErrorUnwraps(t *testing.T) {
	t.Parallel()
	err := &tracing.DeliveryError{Exporter: "*x.Exporter", Sent: 1, Spooled: 2, Dropped: 3}
	assert.EqualError(t, err, "tracing: *x.Exporter: 1 spans sent, 2 spooled, 3 dropped")
	err.Err = errBackend
	require.ErrorIs(t, err, errBackend)
	err.Err = errors.Join(context.DeadlineExceeded, errBackend)
	assert.NotContains(t, err.Error(), "\n", "one line")
}

// A spool that is given less room than it had drops its oldest, for want of room.
func TestSpoolThatIsMadeSmaller(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := newProvider(t, quiet(), tracing.WithExporter(newBackend(true), tracing.WithSpool(dir, 4<<20), tracing.WithBatchSpans(1)))
	for range 40 {
		endOne(p.NewTracer("test"), strings.Repeat("x", 30<<10))
	}
	shutdown(t, p)
	p = newProvider(t, quiet(), tracing.WithExporter(newBackend(true), tracing.WithSpool(dir, 256<<10)))
	s := p.Stats().Exporters[0]
	assert.EqualValues(t, 40, s.Spool.Recovered)
	assert.Positive(t, s.Dropped.SpoolFull)
	assert.Equal(t, s.Dropped.SpoolFull, s.Dropped.Sum())
	shutdown(t, p)
	sumsHold(t, p)
}
