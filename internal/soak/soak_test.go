// SPDX-License-Identifier: Apache-2.0

package soak_test

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/spandrel-go/spandrel/exporters/zipkin"
	"github.com/spandrel-go/spandrel/internal/latency"
	"github.com/spandrel-go/spandrel/internal/testkit/backend"
	"github.com/spandrel-go/spandrel/pool"
	"github.com/spandrel-go/spandrel/tracing"
)

var soakTime = flag.Duration("soak", 6*time.Second, "how long spans are offered, in all settings together")

const (
	// patience is how long nothing may arrive at a backend that is well before a test gives up.
	patience = time.Minute
	// harness is what the test itself may have in memory besides what it had before: the backend's
	// bitmap, buffers and list of requests, and the histograms.
	harness = 16 << 20
)

// setting is one way to set the pipeline up.
type setting struct {
	name                   string
	queueSpans, queueBytes int
	spoolBytes             int64 // 0: no spool
	lossless               bool  // it is large enough
}

var settings = []setting{
	{name: "no spool", queueSpans: 1 << 14, queueBytes: 8 << 20},
	{name: "large spool", queueSpans: 1 << 16, queueBytes: 32 << 20, spoolBytes: 4 << 30, lossless: true},
	{name: "small spool", queueSpans: 1 << 14, queueBytes: 8 << 20, spoolBytes: 512 << 10},
}

// options are those of the pipeline.
func (s *setting) options(dir string, timeout time.Duration) []tracing.PipelineOption {
	opts := []tracing.PipelineOption{
		tracing.WithQueueSpans(s.queueSpans), tracing.WithQueueBytes(s.queueBytes), tracing.WithBatchDelay(100 * time.Millisecond),
		tracing.WithExportTimeout(timeout),
	}
	if s.spoolBytes > 0 {
		opts = append(opts, tracing.WithSpool(dir, s.spoolBytes))
	}
	return opts
}

// maxWaiting is the bound of ExporterStats.Waiting that docs/operations.md states.
func (s *setting) maxWaiting() int {
	const taken = 64 * 9 // the records that the worker takes from the queue at a time
	return 2*s.queueSpans + taken + 2*tracing.DefaultBatchSpans
}

// maxBytes is the bound of the pipeline's memory that docs/operations.md states.
func (s *setting) maxBytes() uint64 {
	n := 2*s.queueBytes + 3*tracing.DefaultBatchBytes
	if s.spoolBytes > 0 {
		n += 3 * tracing.DefaultBatchBytes
	}
	return uint64(n)
}

// rate is how many spans are offered a second: fewer where each costs many times as much.
func rate() int {
	if pool.Checked {
		return 5_000
	}
	return 100_000
}

// It is not parallel, and has a test program of its own: it measures the memory of the whole process.
func TestSoak(t *testing.T) {
	var summary strings.Builder
	fmt.Fprintf(&summary, "soak: %v of %d spans a second; the backend is gone half of the time\n", *soakTime, rate())
	for i := range settings {
		s := &settings[i]
		t.Run(s.name, func(t *testing.T) { summary.WriteString(s.soak(t, *soakTime/time.Duration(len(settings)))) })
	}
	t.Log(summary.String())
}

// soak offers spans for as long as d and returns what happened.
func (s *setting) soak(t *testing.T, d time.Duration) string {
	alone := goleak.IgnoreCurrent()
	dir := ""
	if s.spoolBytes > 0 {
		dir = t.TempDir()
	}
	phase := min(max(d/8, 100*time.Millisecond), 2*time.Second)
	books := newLedger(t)
	b := backend.New(t)
	b.Rest(books.well)
	before := settle()
	exporter, err := zipkin.New(b.URL(), zipkin.WithHTTPClient(&http.Client{Transport: books}))
	require.NoError(t, err)
	p, err := tracing.NewProvider(tracing.WithLogger(slog.New(slog.DiscardHandler)), tracing.WithIDGenerator(&sequence{}),
		tracing.WithExporter(exporter, s.options(dir, max(phase/2, 100*time.Millisecond))...))
	require.NoError(t, err)
	t.Cleanup(func() { _ = p.Shutdown(context.Background()) }) // where the test ends early

	l := &load{provider: p, rate: rate()}
	w := &watcher{t: t, setting: s, provider: p, load: l, maxLive: before + s.maxBytes() + harness, dir: dir}
	watching, stopWatching := context.WithCancel(t.Context())
	defer stopWatching()
	var watched, weather sync.WaitGroup
	watched.Go(func() { w.run(watching) })
	loading, stopLoad := context.WithTimeout(t.Context(), d)
	defer stopLoad()
	start := time.Now()
	var gone time.Duration
	weather.Go(func() { gone = books.outages(loading, b, phase) })
	l.run(loading)
	loaded := time.Since(start)
	weather.Wait()
	assert.True(t, drained(p), "%s: nothing arrives any more: %+v", s.name, p.Stats())
	drainedAfter := time.Since(start) - loaded
	stopWatching()
	watched.Wait()

	end, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	assert.NoError(t, p.Shutdown(end))
	b.Stop()
	books.next.CloseIdleConnections()
	goleak.VerifyNone(t, alone)
	assert.LessOrEqual(t, w.spoolSize(), s.spoolBytes)
	stats, have := p.Stats(), books.account()
	s.compare(t, stats, l.made, have)
	after := settle()
	assert.LessOrEqual(t, after, before+harness, "what is left in memory after Shutdown")
	return s.report(stats, have, l, w, loaded, gone, drainedAfter, before, after)
}

// drained waits until nothing waits any more. It reports false when for long enough nothing has arrived.
func drained(p *tracing.Provider) bool {
	poll := time.NewTicker(2 * time.Millisecond)
	defer poll.Stop()
	for exported, since := uint64(0), time.Now(); time.Since(since) < patience; <-poll.C {
		s := p.Stats().Exporters[0]
		if s.Waiting == 0 && s.Spool.Spans == 0 {
			return true
		}
		if s.Exported > exported {
			exported, since = s.Exported, time.Now()
		}
	}
	return false
}

// compare compares the sums at rest with each other, with what was made, and with what the backend has.
func (s *setting) compare(t *testing.T, stats tracing.Stats, made uint64, have account) {
	e := stats.Exporters[0]
	assert.Positive(t, made)
	assert.Equal(t, made, stats.Started)
	assert.Equal(t, stats.Started, stats.Ended+uint64(stats.Open))
	assert.Zero(t, stats.Open)
	assert.Equal(t, stats.Ended, e.Queued)
	assert.Equal(t, e.Queued+e.Spool.Recovered, e.Exported+uint64(e.Waiting)+uint64(e.Spool.Spans)+e.Dropped.Sum(), "%+v", e)
	assert.Zero(t, e.Waiting+e.WaitingBytes+e.InQueue+e.InFlight+e.Spool.Spans)
	assert.Zero(t, e.Spool.Recovered+e.Spool.Damaged)

	assert.Equal(t, have.told, e.Exported, "what the backend has and said so counts as exported, and nothing else")
	assert.Equal(t, have.distinct+have.again, have.told+have.untold)
	assert.LessOrEqual(t, have.again, have.untold, "what came again is what the backend had and did not say so")
	assert.LessOrEqual(t, e.Exported, have.distinct)

	d := e.Dropped
	switch {
	case s.lossless:
		assert.Zero(t, d.Sum(), "%+v", d)
		assert.Equal(t, made, have.distinct, "nothing is lost")
		assert.Positive(t, e.Spool.Replayed)
	case s.spoolBytes > 0:
		assert.Positive(t, d.SpoolFull)
		assert.Equal(t, d.QueueFull+d.SpoolFull, d.Sum(), "%+v", d)
	default: // a probe may meet each time that the backend is gone for as long as WithRetryLimit
		assert.Equal(t, d.QueueFull+d.ExportFailed, d.Sum(), "%+v", d)
		assert.Zero(t, e.Spool)
	}
}

// report is what happened in one setting.
func (s *setting) report(
	stats tracing.Stats, have account, l *load, w *watcher, loaded, gone, drained time.Duration, before, after uint64,
) string {
	e := stats.Exporters[0]
	var b strings.Builder
	line := func(what, format string, args ...any) {
		fmt.Fprintf(&b, "  %-12s"+format+"\n", append([]any{what}, args...)...)
	}
	mib := func(bytes uint64) float64 { return float64(bytes) / (1 << 20) }
	fmt.Fprintf(&b, "\n%s: %v, the backend was gone for %v of them\n", s.name, loaded.Round(time.Millisecond), gone.Round(time.Millisecond))
	line("offered", "%d spans, %.0f a second", l.made, float64(l.made)/loaded.Seconds())
	line("exported", "%d, of which %d out of the spool; drained %v after the load", e.Exported, e.Spool.Replayed, drained.Round(time.Millisecond))
	line("backend", "has %d, and got %d of them again after an answer that was cut off", have.distinct, have.again)
	reasons := "none"
	if e.Dropped.Sum() > 0 {
		reasons = e.Dropped.LogValue().String()
	}
	line("dropped", "%d: %s", e.Dropped.Sum(), reasons)
	line("retries", "%d calls", e.Retried)
	line("waiting", "at most %d spans of %d and %.1f MiB of %.1f", w.peaks.waiting, s.maxWaiting(), mib(w.peaks.waitingBytes), mib(uint64(2*s.queueBytes)))
	if s.spoolBytes > 0 {
		line("spool", "at most %d spans and %.1f MiB of %.1f", w.peaks.spooled, mib(w.peaks.spoolBytes), mib(uint64(s.spoolBytes)))
	}
	line("live heap", "at most %.1f MiB, bound %.1f, of it %.1f before and %.1f after", mib(w.peaks.live), mib(w.maxLive), mib(before), mib(after))
	line("End", "p50 %v, p99 %v, p99.9 %v, max %v (with the clock's own %v)", l.ends.Quantile(0.5), l.ends.Quantile(0.99),
		l.ends.Quantile(0.999), l.ends.Max(), clock())
	return b.String()
}

// clock returns the median time between two readings of the clock.
func clock() time.Duration {
	var h latency.Histogram
	for range 10_000 {
		start := time.Now()
		h.Record(time.Since(start))
	}
	return h.Quantile(0.5)
}
