// SPDX-License-Identifier: Apache-2.0

package tracing

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spandrel-go/spandrel/pool"
)

// pipeline stands between a provider and one exporter. Ended spans come in blocks through the queue;
// the worker turns them into batches, bytes where the exporter encodes, views where it does not; the
// sender gives the batches to the exporter, tries again, and splits them. The worker releases each
// block as soon as it is encoded, so that records never wait for a backend.
type pipeline struct {
	provider *Provider
	exporter Exporter
	encoder  EncodingExporter // the same exporter; nil if it does not encode
	resource []byte           // what the encoder needs of the resource
	cfg      pipelineConfig
	queue    queue
	outbox   outbox
	flushes  chan chan struct{} // flush sends, the worker receives and closes what it got when done
	stop     chan struct{}      // closed by shutdown: the worker drains and ends
	worked   chan struct{}      // closed when the worker has ended
	sent     chan struct{}      // closed when the sender has ended
	ctx      context.Context    // of all calls of the exporter; cancelled at Shutdown's deadline
	cancel   context.CancelFunc

	batch *batch // what the worker is filling; nil when empty
	body  []byte // the sender's: the request it sends

	// gone is closed when shutdown leaves a call of the exporter behind: nobody waits for it any more.
	gone chan struct{}

	tally  sync.Mutex // guards the three below
	inCall int        // spans of the batch that the exporter has been called with
	taken  int        // spans taken from the queue and not accounted for
	gaveUp bool       // all of them have been, by giveUp

	exported, retried                                       atomic.Uint64
	queueFull, failed, tooLarge, rejected, atEnd, abandoned atomic.Uint64
	health                                                  health
}

// batch is what the sender gives to the exporter at once, in one of two forms. A batch that is a
// mere marker has neither.
type batch struct {
	spans int
	// Encoded: the spans' bytes one after the other, and where each ends.
	data []byte `invariants:"reused"`
	ends []int  `invariants:"reused"`
	// Views: what is lent, and the blocks that it borrows from, each held once.
	views  []*SpanData
	blocks []*block

	marker chan struct{} // closed by the sender when it comes to it
	done   chan struct{} // views only: closed by the sender, the worker waits
}

// batches holds empty batches with their buffers.
var batches = pool.New((*batch).reset, nil)

// keepBatchBytes caps the buffer that an empty batch keeps: a little above the default batch size.
const keepBatchBytes = DefaultBatchBytes + DefaultBatchBytes/4

func (b *batch) reset() {
	data, ends := b.data[:0], b.ends[:0]
	if cap(data) > keepBatchBytes {
		data, ends = nil, nil
	}
	*b = batch{data: data, ends: ends}
}

func newPipeline(p *Provider, e Exporter, cfg pipelineConfig) (pl *pipeline, err error) {
	pl = &pipeline{
		provider: p,
		exporter: e,
		cfg:      cfg,
		flushes:  make(chan chan struct{}),
		stop:     make(chan struct{}),
		worked:   make(chan struct{}),
		sent:     make(chan struct{}),
		gone:     make(chan struct{}),
		queue: queue{
			maxSpans: cfg.queueSpans, maxBytes: cfg.queueBytes, wait: cfg.queueWait,
			wakeSpans: min(cfg.batchSpans, max(1, cfg.queueSpans/4), wakeSpans),
			wake:      make(chan struct{}, 1),
		},
		outbox: outbox{maxBytes: cfg.queueBytes, wake: make(chan struct{}, 1)},
	}
	pl.health.name = fmt.Sprintf("%T", e)
	pl.health.logger = p.logger
	pl.ctx, pl.cancel = context.WithCancel(p.suppressed.asContext())
	if enc, ok := e.(EncodingExporter); ok {
		defer func() {
			if x := recover(); x != nil {
				err = fmt.Errorf("tracing: WithExporter: %T panicked in AppendResource: %v", e, x)
			}
		}()
		pl.encoder = enc
		pl.resource = enc.AppendResource(nil, p.resource)
	}
	return pl, nil
}

// wakeSpans is how many waiting spans wake the worker, if the configuration does not say fewer. Few
// enough that their records are still in a cache when the worker reads them, many enough to pay for
// waking it.
const wakeSpans = 256

// start runs the pipeline's two goroutines until shutdown.
func (pl *pipeline) start() {
	go pl.work()
	go pl.send()
}

// work is the worker: it alone touches pl.batch and calls AppendSpan.
func (pl *pipeline) work() {
	defer close(pl.worked)
	ticker := time.NewTicker(max(pl.cfg.delay/delayParts, 1))
	defer ticker.Stop()
	for {
		select {
		case <-pl.queue.wake:
			pl.drain(pl.queue.len(), pl.cfg.queueWait)
			pl.queue.rearm()
		case <-ticker.C:
			pl.drain(pl.queue.len(), pl.cfg.queueWait)
			pl.submit(pl.cfg.queueWait)
			pl.queue.rearm()
		case done := <-pl.flushes:
			pl.drain(pl.queue.len(), untilShutdown)
			pl.submit(untilShutdown)
			pl.outbox.put(&batch{marker: done})
			pl.queue.rearm()
		case <-pl.stop:
			pl.queue.close()
			pl.drain(math.MaxInt, untilShutdown)
			pl.submit(untilShutdown)
			pl.outbox.close()
			return
		}
	}
}

// untilShutdown is how long a batch waits for room in the outbox when the pipeline is flushed.
const untilShutdown = time.Duration(math.MaxInt64)

// drain turns the first n blocks of the queue into batches, which wait for room in the outbox as long
// as wait. What comes meanwhile is left for the next time: there may be no end to it.
func (pl *pipeline) drain(n int, wait time.Duration) {
	var buf [64]*block
	for n > 0 {
		blocks := pl.queue.take(buf[:min(n, len(buf))])
		if len(blocks) == 0 {
			return
		}
		n -= len(blocks)
		spans := 0
		for _, b := range blocks {
			spans += b.spans
		}
		pl.tally.Lock()
		pl.taken += spans
		pl.tally.Unlock()
		for _, b := range blocks {
			switch {
			case pl.ctx.Err() != nil: // Shutdown's time is up
				pl.resolve(&pl.atEnd, b.spans)
				b.release()
			case pl.encoder != nil:
				pl.encode(b, wait)
			default:
				pl.lend(b)
			}
		}
	}
}

// resolve accounts for n spans that were taken from the queue.
func (pl *pipeline) resolve(c *atomic.Uint64, n int) {
	pl.tally.Lock()
	if !pl.gaveUp {
		pl.taken -= n
		c.Add(uint64(n))
	}
	pl.tally.Unlock()
}

// giveUp accounts for everything that an exporter which ignores its context keeps from being
// delivered. What it delivers after all counts no more.
func (pl *pipeline) giveUp() {
	var buf [64]*block
	for blocks := pl.queue.take(buf[:]); len(blocks) > 0; blocks = pl.queue.take(buf[:]) {
		for _, b := range blocks {
			pl.atEnd.Add(uint64(b.spans))
			b.release()
		}
	}
	pl.tally.Lock()
	defer pl.tally.Unlock()
	pl.gaveUp = true
	lent := min(pl.inCall, pl.taken)
	pl.abandoned.Add(uint64(lent))
	pl.atEnd.Add(uint64(pl.taken - lent))
	pl.taken = 0
}

// current returns the batch being filled.
func (pl *pipeline) current() *batch {
	if pl.batch == nil {
		pl.batch = batches.Get()
	}
	return pl.batch
}

// encode appends the spans of a block to the batch and gives the block back.
func (pl *pipeline) encode(b *block, wait time.Duration) {
	v := acquireView()
	v.Resource = pl.provider.resource
	base := b.spanContext()
	var parent spanID // whose span context v.Parent is; 0 when it is no plain one
	for i := range b.records[:b.used] {
		r := &b.records[i]
		if r.moved || r.withheld != notWithheld {
			continue
		}
		r.view(v, &base, parent != 0 && r.parent == parent && r.parentOwn == nil)
		pl.provider.warnLimits(v)
		parent = r.parent
		if r.parentOwn != nil {
			parent = 0
		}
		out := pl.current()
		n := len(out.data)
		l := lend(v, pl.encoder, "AppendSpan")
		data, err := pl.appendSpan(out.data, l.view)
		l.reclaim()
		if err != nil || len(data) <= n {
			out.data = out.data[:n]
			pl.resolve(&pl.rejected, 1)
			if err != nil {
				pl.health.failed(err)
			}
			continue
		}
		if out.spans > 0 && len(data) > pl.cfg.batchBytes {
			// The span does not fit in behind the others: it begins the next batch. It is copied
			// before this one is submitted, and perhaps sent and reused at once.
			next := batches.Get()
			next.data = append(next.data, data[n:]...)
			pl.submit(wait)
			out, data = next, next.data
			pl.batch = next
		}
		out.data = data
		out.ends = append(out.ends, len(data))
		out.spans++
		if out.spans >= pl.cfg.batchSpans {
			pl.submit(wait)
		}
	}
	releaseView(v)
	b.release()
}

// appendSpan calls the encoder; its panic becomes an error.
func (pl *pipeline) appendSpan(dst []byte, v *SpanData) (data []byte, err error) {
	defer func() {
		if x := recover(); x != nil {
			data, err = dst, fmt.Errorf("tracing: exporter panicked in AppendSpan: %v", x)
		}
	}()
	return pl.encoder.AppendSpan(dst, v), nil
}

// lend adds views of a block's spans to the batch, for an exporter that does not encode.
func (pl *pipeline) lend(b *block) {
	held := false // by the batch being filled
	base := b.spanContext()
	for i := range b.records[:b.used] {
		r := &b.records[i]
		if r.moved || r.withheld != notWithheld {
			continue
		}
		if pl.ctx.Err() != nil {
			pl.resolve(&pl.atEnd, 1)
			continue
		}
		out := pl.current()
		if !held {
			b.refs.Add(1)
			out.blocks = append(out.blocks, b)
			held = true
		}
		v := acquireView()
		v.Resource = pl.provider.resource
		r.view(v, &base, false)
		pl.provider.warnLimits(v)
		out.views = append(out.views, v)
		out.spans++
		if out.spans >= pl.cfg.batchSpans {
			pl.submit(0)
			held = false
		}
	}
	b.release()
}

// submit gives the batch to the sender. Bytes wait in the outbox, for room there no longer than wait;
// of views there is one batch at a time, which the worker waits for, because its records are in use.
func (pl *pipeline) submit(wait time.Duration) {
	out := pl.batch
	if out == nil || out.spans == 0 {
		return
	}
	pl.batch = nil
	if pl.encoder != nil {
		if !pl.outbox.putBounded(out, wait, pl.ctx.Done()) {
			reason := &pl.queueFull
			if pl.ctx.Err() != nil {
				reason = &pl.atEnd
			}
			pl.resolve(reason, out.spans)
			batches.Put(out)
		}
		return
	}
	out.done = make(chan struct{})
	pl.outbox.put(out)
	select {
	case <-out.done:
	case <-pl.gone: // the blocks go to the garbage collector: the exporter may still read them
	}
}

// flush waits until what was pushed before the call is resolved.
func (pl *pipeline) flush(ctx context.Context) error {
	before := pl.lost()
	done := make(chan struct{})
	select {
	case pl.flushes <- done:
	case <-pl.stop:
		return nil // shutting down, which flushes
	case <-ctx.Done():
		return fmt.Errorf("tracing: flush of %T: %w", pl.exporter, ctx.Err())
	}
	select {
	case <-done:
	case <-ctx.Done():
		return fmt.Errorf("tracing: flush of %T: %w", pl.exporter, ctx.Err())
	}
	if n := pl.lost() - before; n > 0 {
		return fmt.Errorf("tracing: flush of %T: %w", pl.exporter, pl.health.notDelivered(n))
	}
	return nil
}

// lost counts the spans that were not delivered although there was room for them.
func (pl *pipeline) lost() uint64 {
	return pl.failed.Load() + pl.tooLarge.Load() + pl.rejected.Load() + pl.atEnd.Load() + pl.abandoned.Load()
}

// shutdownGrace is how long Shutdown waits, past its deadline, for calls that it has just cancelled.
const shutdownGrace = 100 * time.Millisecond

var errAbandoned = errors.New("it ignored its deadline and was abandoned")

// shutdown drains the pipeline and ends it, by ctx at the latest. It is called once.
func (pl *pipeline) shutdown(ctx context.Context) error {
	before := pl.lost()
	close(pl.stop)
	var errs []error
	left := false
	// The sender ends last, unless it is left behind in an exporter that does not return.
	if !await(pl.sent, ctx.Done()) {
		errs = append(errs, ctx.Err())
		pl.cancel()
		if left = !within(pl.sent, shutdownGrace); left {
			close(pl.gone)
			pl.queue.close() // the worker may be stuck in the exporter too
			within(pl.worked, shutdownGrace)
			pl.giveUp()
		}
	}
	pl.cancel()
	if left { // the exporter must not be called twice at a time
		errs = append(errs, errAbandoned)
	} else {
		errs = append(errs, bounded(ctx, "Shutdown of the exporter", pl.exporter.Shutdown))
	}
	if n := pl.lost() - before; n > 0 {
		errs = append(errs, pl.health.notDelivered(n))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("tracing: shutdown of %T: %w", pl.exporter, err)
	}
	return nil
}

// await reports whether done was closed before stop.
func await(done, stop <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
	}
	select {
	case <-done:
		return true
	case <-stop:
		return false
	}
}

// within reports whether done is closed before d has passed.
func within(done <-chan struct{}, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-done:
		return true
	case <-t.C:
		return false
	}
}

// bounded calls f, foreign code, and returns when it does or, if it ignores ctx, soon after that is
// done; then f is left behind. A panic in f becomes an error.
func bounded(ctx context.Context, what string, f func(context.Context) error) error {
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if x := recover(); x != nil {
				err = fmt.Errorf("tracing: %s panicked: %v", what, x)
			}
		}()
		err = f(ctx)
	}()
	if await(done, ctx.Done()) || within(done, shutdownGrace) {
		return err
	}
	return fmt.Errorf("tracing: %s: %w: %w", what, errAbandoned, ctx.Err())
}

// stats reads what has been resolved before what has been queued, so that no span counts as exported
// before it counts as queued.
func (pl *pipeline) stats() ExporterStats {
	s := ExporterStats{
		Exporter: pl.health.name, QueueCapacity: pl.cfg.queueSpans,
		Exported: pl.exported.Load(), Retried: pl.retried.Load(),
	}
	s.Dropped = DroppedStats{
		QueueFull:    pl.queueFull.Load(),
		ExportFailed: pl.failed.Load(),
		TooLarge:     pl.tooLarge.Load(),
		Rejected:     pl.rejected.Load(),
		Shutdown:     pl.atEnd.Load(),
		Abandoned:    pl.abandoned.Load(),
	}
	s.LastErrorSince, s.LastError = pl.health.last()
	pl.tally.Lock()
	s.Waiting, s.InFlight = pl.taken, pl.inCall
	pl.tally.Unlock()
	q := &pl.queue
	q.mu.Lock()
	s.Queued = q.pushed
	s.Waiting += q.spans
	s.Dropped.QueueFull += q.dropped
	s.Dropped.Shutdown += q.late
	q.mu.Unlock()
	return s
}
