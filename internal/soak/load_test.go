// SPDX-License-Identifier: Apache-2.0

package soak_test

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/internal/latency"
	"github.com/spandrel-go/spandrel/tracing"
)

const (
	// loaders is the number of goroutines that make spans.
	loaders    = 4
	traceSpans = 10
	// behind is how much a loader makes up for at once when it has been kept from running.
	behind = 50 * time.Millisecond
)

// load offers spans from several goroutines.
type load struct {
	provider *tracing.Provider
	rate     int         // spans a second, of all goroutines
	hold     atomic.Bool // no spans are to be offered now; set by the watcher

	mu   sync.Mutex // guards those below, to which each goroutine adds at its end
	made uint64
	ends latency.Histogram
}

// run offers spans until ctx is done.
func (l *load) run(ctx context.Context) {
	var wg sync.WaitGroup
	for range loaders {
		wg.Go(func() { l.loader(ctx) })
	}
	wg.Wait()
}

func (l *load) loader(ctx context.Context) {
	var ends latency.Histogram
	var made uint64
	tracer := l.provider.NewTracer("soak")
	every := time.Second * traceSpans * loaders / time.Duration(l.rate)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	due := time.Now()
	for ctx.Err() == nil {
		now := time.Now()
		if l.hold.Load() || now.Sub(due) > behind {
			due = now
		}
		for ; !due.After(now); due = due.Add(every) {
			l.trace(tracer, &ends)
			made += traceSpans
		}
		<-tick.C
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.made += made
	l.ends.Add(&ends)
}

// trace makes a trace of a root span and nine children.
func (l *load) trace(tracer *tracing.Tracer, ends *latency.Histogram) {
	end := func(s *tracing.Span) {
		start := time.Now()
		s.End()
		ends.Record(time.Since(start))
	}
	ctx, root := tracer.StartSpan(context.Background(), "GET /orders/{id}", tracing.WithKind(trace.SpanKindServer))
	for range traceSpans - 1 {
		_, child := tracer.StartSpan(ctx, "SELECT orders", tracing.WithKind(trace.SpanKindClient))
		child.SetAttributes(attribute.String("db.system", "postgresql"), attribute.Int("db.rows", 17), attribute.Bool("cache.hit", true))
		end(child)
	}
	root.SetAttributes(attribute.String("http.request.method", "GET"), attribute.Int("http.response.status_code", 500))
	root.SetStatus(codes.Error, "failed")
	end(root)
}

// peaks is the most that a watcher has seen.
type peaks struct {
	live, waitingBytes, spoolBytes uint64
	waiting, spooled               int
}

// watcher reads statistics and memory while everything moves.
type watcher struct {
	t        *testing.T
	setting  *setting
	provider *tracing.Provider
	load     *load
	maxLive  uint64
	dir      string // of the spool, "" without one

	before tracing.Stats
	peaks  peaks
}

// run looks until ctx is done, and stops looking at the first thing that is wrong.
func (w *watcher) run(ctx context.Context) {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	w.before = w.provider.Stats()
	for i := 0; ctx.Err() == nil && !w.t.Failed(); i++ {
		w.look()
		if i%128 == 0 {
			w.lookAtSpool()
		}
		<-tick.C
	}
	w.load.hold.Store(false)
}

func (w *watcher) look() {
	now := w.provider.Stats()
	s, was, set := now.Exporters[0], w.before.Exporters[0], w.setting
	live := liveHeap()
	p := &w.peaks
	p.live = max(p.live, live)
	p.waitingBytes, p.waiting = max(p.waitingBytes, uint64(s.WaitingBytes)), max(p.waiting, s.Waiting)
	p.spoolBytes, p.spooled = max(p.spoolBytes, uint64(s.Spool.Bytes)), max(p.spooled, s.Spool.Spans)
	for i, n := range growing(s) {
		if old := growing(was)[i]; n < old {
			w.t.Errorf("%s: %s was %d and is %d", set.name, counters[i], old, n)
		}
	}
	for what, holds := range map[string]bool{
		"fewer spans started or ended than before":         w.before.Started <= now.Started && w.before.Ended <= now.Ended,
		"ended without having started":                     w.before.Ended <= now.Started,
		"queued without having ended":                      was.Queued <= now.Ended,
		"delivered or dropped without having been queued":  was.Exported+was.Dropped.Sum() <= s.Queued,
		"the queue holds more spans than it may":           s.InQueue <= set.queueSpans,
		"more spans wait than may":                         s.Waiting <= set.maxWaiting(),
		"more bytes wait than may":                         s.WaitingBytes <= 2*set.queueBytes,
		"more in flight than there are calls":              s.InFlight <= tracing.DefaultBatchSpans,
		"the spool says that it is larger than it may be":  s.Spool.Bytes <= set.spoolBytes,
		"the live heap is larger than the bound":           live <= w.maxLive,
		"an error without a time, or a time without error": (s.LastError == nil) == s.LastErrorSince.IsZero(),
	} {
		if !holds {
			w.t.Errorf("%s: %s: %+v, before: %+v, %d bytes of %d live", set.name, what, now, w.before, live, w.maxLive)
		}
	}
	w.before = now
	// What must lose nothing is not given more than the machine can take: it would be a matter of time.
	w.load.hold.Store(set.lossless && (s.InQueue > set.queueSpans/2 || s.Spool.Bytes > set.spoolBytes/4*3))
}

// lookAtSpool adds the files up. While it looks, the oldest may go for newer ones: that is one file more.
func (w *watcher) lookAtSpool() {
	if size := w.spoolSize(); size > w.setting.spoolBytes+w.setting.spoolBytes/16 {
		w.t.Errorf("%s: the files of the spool have %d bytes of %d", w.setting.name, size, w.setting.spoolBytes)
	}
}

// spoolSize returns the bytes of all files in the spool's directory.
func (w *watcher) spoolSize() (bytes int64) {
	if w.dir == "" {
		return 0
	}
	if err := filepath.WalkDir(w.dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if info, err := d.Info(); err == nil { // else it is gone
			bytes += info.Size()
		}
		return nil
	}); err != nil && !os.IsNotExist(err) {
		w.t.Errorf("%s: %v", w.setting.name, err)
	}
	return bytes
}

// counters names what growing lists.
var counters = []string{
	"Queued", "Exported", "Retried", "SentBytes", "Spool.Written", "Spool.Replayed", "Spool.Recovered", "Spool.Damaged",
	"Dropped.QueueFull", "Dropped.ExportFailed", "Dropped.TooLarge", "Dropped.Rejected", "Dropped.Shutdown",
	"Dropped.Abandoned", "Dropped.SpoolFull", "Dropped.SpoolFailed",
}

// growing lists the counters of an exporter that never become less.
func growing(s tracing.ExporterStats) []uint64 {
	d := s.Dropped
	return []uint64{
		s.Queued, s.Exported, s.Retried, s.SentBytes, s.Spool.Written, s.Spool.Replayed, s.Spool.Recovered, s.Spool.Damaged,
		d.QueueFull, d.ExportFailed, d.TooLarge, d.Rejected, d.Shutdown, d.Abandoned, d.SpoolFull, d.SpoolFailed,
	}
}

// liveHeap returns the bytes that the newest collection found in use.
func liveHeap() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// settle collects what is garbage, and what pools hold: that survives one collection.
func settle() uint64 {
	for range 3 {
		runtime.GC()
	}
	return liveHeap()
}
