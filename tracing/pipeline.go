// SPDX-License-Identifier: Apache-2.0

package tracing

import (
	"context"
	"errors"
	"fmt"
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

	// stuck says that the exporter has ignored the deadline of its call and is still in it. The worker
	// sets it, the sender clears it; in between the worker takes nothing from the queue.
	stuck atomic.Bool

	exported, retried                                       atomic.Uint64
	queueFull, failed, tooLarge, rejected, atEnd, abandoned atomic.Uint64
	waiting                                                 atomic.Int64 // spans taken from the queue, not resolved
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
	// resolved is set by whoever accounts for a batch of views: the sender, or the worker that
	// abandons it.
	resolved atomic.Bool
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
		queue: queue{
			maxSpans: cfg.queueSpans, maxBytes: cfg.queueBytes, wait: cfg.queueWait,
			wakeSpans: min(cfg.batchSpans, max(1, cfg.queueSpans/4), wakeSpans),
			wake:      make(chan struct{}, 1),
		},
		outbox: outbox{maxBytes: cfg.queueBytes, wake: make(chan struct{}, 1)},
	}
	pl.health.name = fmt.Sprintf("%T", e)
	pl.health.logger = p.logger
	pl.ctx, pl.cancel = context.WithCancel(context.Background())
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
	var flushes []chan struct{} // asked for; they wait while the exporter is stuck
	for {
		select {
		case <-pl.queue.wake:
			pl.drain()
		case <-ticker.C:
			pl.drain()
			pl.submit()
		case done := <-pl.flushes:
			flushes = append(flushes, done)
		case <-pl.stop:
			pl.queue.close()
			pl.drain()
			pl.submit()
			pl.mark(flushes)
			pl.outbox.close()
			return
		}
		if len(flushes) > 0 && !pl.stuck.Load() {
			pl.drain()
			pl.submit()
			pl.mark(flushes)
			flushes = nil
		}
	}
}

// mark has the sender close the channels of flushes when it has sent what was submitted before.
func (pl *pipeline) mark(flushes []chan struct{}) {
	for _, done := range flushes {
		pl.outbox.put(&batch{marker: done})
	}
}

// drain turns what is in the queue into batches.
func (pl *pipeline) drain() {
	var buf [64]*block
	for !pl.stuck.Load() {
		blocks := pl.queue.take(buf[:])
		if len(blocks) == 0 {
			return
		}
		for _, b := range blocks {
			pl.waiting.Add(int64(b.spans))
		}
		for i, b := range blocks {
			if pl.ctx.Err() != nil || pl.stuck.Load() {
				pl.discard(blocks[i:])
				break
			}
			if pl.encoder != nil {
				pl.encode(b)
			} else {
				pl.lend(b)
			}
		}
	}
	if pl.ctx.Err() != nil { // stuck, and the time is up
		for blocks := pl.queue.take(buf[:]); len(blocks) > 0; blocks = pl.queue.take(buf[:]) {
			for _, b := range blocks {
				pl.waiting.Add(int64(b.spans))
			}
			pl.discard(blocks)
		}
	}
}

// discard drops blocks that can no longer be delivered.
func (pl *pipeline) discard(blocks []*block) {
	for _, b := range blocks {
		if pl.ctx.Err() != nil {
			pl.resolve(&pl.atEnd, b.spans)
		} else {
			pl.resolve(&pl.failed, b.spans)
		}
		b.release()
	}
}

// resolve accounts for n spans.
func (pl *pipeline) resolve(c *atomic.Uint64, n int) {
	c.Add(uint64(n))
	pl.waiting.Add(int64(-n))
}

// current returns the batch being filled.
func (pl *pipeline) current() *batch {
	if pl.batch == nil {
		pl.batch = batches.Get()
	}
	return pl.batch
}

// encode appends the spans of a block to the batch and gives the block back.
func (pl *pipeline) encode(b *block) {
	v := acquireView()
	v.Resource = pl.provider.resource
	base := b.spanContext()
	for i := range b.records[:b.used] {
		r := &b.records[i]
		if r.moved || r.unsampled {
			continue
		}
		r.view(v, &base)
		out := pl.current()
		n := len(out.data)
		data, err := pl.appendSpan(out.data, v)
		if err != nil || len(data) <= n {
			out.data = out.data[:n]
			pl.resolve(&pl.rejected, 1)
			if err != nil {
				pl.health.failed(err)
			}
			continue
		}
		if out.spans > 0 && len(data) > pl.cfg.batchBytes {
			// The span does not fit in behind the others: it begins the next batch.
			span := data[n:]
			pl.submit()
			out = pl.current()
			data = append(out.data, span...)
		}
		out.data = data
		out.ends = append(out.ends, len(data))
		out.spans++
		if out.spans >= pl.cfg.batchSpans {
			pl.submit()
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
		if r.moved || r.unsampled {
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
		r.view(v, &base)
		out.views = append(out.views, v)
		out.spans++
		if out.spans >= pl.cfg.batchSpans {
			pl.submit()
			held = false
		}
	}
	b.release()
}

// submit gives the batch to the sender. Bytes wait in the outbox, within its bound; of views there is
// one batch at a time, which the worker waits for, because its records are still in use.
func (pl *pipeline) submit() {
	out := pl.batch
	if out == nil || out.spans == 0 {
		return
	}
	pl.batch = nil
	if pl.encoder != nil {
		if !pl.outbox.putBounded(out, pl.cfg.queueWait, pl.ctx.Done()) {
			pl.resolve(&pl.queueFull, out.spans)
			batches.Put(out)
		}
		return
	}
	out.done = make(chan struct{})
	pl.outbox.put(out)
	// The exporter gets the time of its calls and of the pauses between them; who exceeds a call's
	// deadline by as much again is taken to ignore it.
	patience := time.NewTimer(2*pl.cfg.timeout + retryFor)
	defer patience.Stop()
	select {
	case <-out.done:
		return
	case <-patience.C:
	case <-pl.ctx.Done():
		// Shutdown's deadline: give a call that honours it the time to come back.
		select {
		case <-out.done:
			return
		case <-time.After(shutdownGrace):
		}
	}
	pl.stuck.Store(true) // before the exchange: the sender clears it after losing that
	if out.resolved.CompareAndSwap(false, true) {
		// The blocks go to the garbage collector: the exporter may still read them.
		pl.resolve(&pl.abandoned, out.spans)
	} else {
		pl.stuck.Store(false)
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
		return fmt.Errorf("tracing: flush of %T: %d spans not delivered: %w", pl.exporter, n, pl.health.cause())
	}
	return nil
}

// lost counts the spans that were not delivered for the exporter's sake.
func (pl *pipeline) lost() uint64 {
	return pl.failed.Load() + pl.tooLarge.Load() + pl.rejected.Load() + pl.atEnd.Load() + pl.abandoned.Load()
}

// shutdownGrace is how long Shutdown waits, past its deadline, for calls that it has just cancelled.
const shutdownGrace = 250 * time.Millisecond

var errAbandoned = errors.New("the exporter ignored its deadline and was abandoned")

// shutdown drains the pipeline and ends it, by ctx at the latest. It is called once.
func (pl *pipeline) shutdown(ctx context.Context) error {
	before := pl.lost()
	close(pl.stop)
	var errs []error
	// The sender ends last, unless it is left behind in an exporter that does not return.
	if !await(pl.sent, ctx.Done()) {
		errs = append(errs, ctx.Err())
		pl.cancel()
		pl.queue.close()                  // the worker may be stuck in the exporter too
		after(pl.worked, 2*shutdownGrace) // it gives the sender one of them
		after(pl.sent, shutdownGrace)
	}
	pl.cancel()
	select {
	case <-pl.sent:
		errs = append(errs, pl.shutdownExporter(ctx))
	default: // still in the exporter, which must not be called twice at a time
		errs = append(errs, errAbandoned)
	}
	if n := pl.lost() - before; n > 0 {
		errs = append(errs, fmt.Errorf("%d spans not delivered: %w", n, pl.health.cause()))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("tracing: shutdown of %T: %w", pl.exporter, err)
	}
	return nil
}

// shutdownExporter calls the exporter's Shutdown; one that ignores ctx is left behind.
func (pl *pipeline) shutdownExporter(ctx context.Context) error {
	result := make(chan error, 1)
	go func() {
		defer func() {
			if x := recover(); x != nil {
				result <- fmt.Errorf("exporter panicked in Shutdown: %v", x)
			}
		}()
		result <- pl.exporter.Shutdown(ctx)
	}()
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
	}
	grace := time.NewTimer(shutdownGrace)
	defer grace.Stop()
	select {
	case err := <-result:
		return err
	case <-grace.C:
		return errAbandoned
	}
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

// after waits until done is closed, for d at the most.
func after(done <-chan struct{}, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-done:
	case <-t.C:
	}
}

func (pl *pipeline) stats() ExporterStats {
	q := &pl.queue
	q.mu.Lock()
	s := ExporterStats{Queued: q.pushed, Waiting: q.spans}
	s.Dropped.QueueFull = q.dropped
	s.Dropped.Shutdown = q.late
	q.mu.Unlock()
	s.Waiting += int(pl.waiting.Load())
	s.Exported = pl.exported.Load()
	s.Retried = pl.retried.Load()
	s.Dropped.QueueFull += pl.queueFull.Load()
	s.Dropped.ExportFailed = pl.failed.Load()
	s.Dropped.TooLarge = pl.tooLarge.Load()
	s.Dropped.Rejected = pl.rejected.Load()
	s.Dropped.Shutdown += pl.atEnd.Load()
	s.Dropped.Abandoned = pl.abandoned.Load()
	s.LastErrorSince, s.LastError = pl.health.last()
	return s
}
