// SPDX-License-Identifier: Apache-2.0

package tracing

import (
	"context"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spandrel-go/spandrel/internal/spool"
	"github.com/spandrel-go/spandrel/pool"
)

// pipeline stands between a provider and one exporter. Ended spans come in blocks through the queue;
// the worker turns them into batches, bytes where the exporter encodes, views where it does not; the
// senders give the batches to the exporter, try again, and split them. The worker releases each
// block as soon as it is encoded, so that records never wait for a backend. Bytes that have to wait
// for one go to the spool, if there is one.
type pipeline struct {
	provider *Provider
	exporter Exporter
	encoder  EncodingExporter // the same exporter; nil if it does not encode
	resource []byte           // what the encoder needs of the resource
	cfg      pipelineConfig
	queue    queue
	outbox   outbox
	circuit  circuit
	spool    *spool.Spool    // nil without one
	spooled  chan struct{}   // capacity 1; sent to when something has been appended to the spool
	slots    chan struct{}   // holds one element for each call of the exporter that is under way
	lent     chan struct{}   // one for each batch of views that the worker need not wait for
	flushes  chan flush      // ForceFlush sends, the worker receives
	stop     chan struct{}   // closed by shutdown: the worker drains and ends
	worked   chan struct{}   // closed when the worker has ended
	senders  atomic.Int32    // that have not ended
	sent     chan struct{}   // closed when the last sender has ended
	ctx      context.Context // of all calls of the exporter; cancelled at Shutdown's deadline
	cancel   context.CancelFunc

	batch *batch // what the worker is filling; nil when empty
	// What the newest batch held, for the worker to make the next one.
	usualBytes, usualSpans int
	hand                   int    // spans that it has taken and not put into a batch; for encoders only
	pushing                *flush // that it is at work for; nil when at none
	// Of the worker: dropped spans, as far as the log knows, and since when.
	dropsLogged uint64
	dropsLog    time.Time

	// gone is closed when shutdown leaves a call of the exporter behind: nobody waits for it any more.
	gone chan struct{}

	tally  sync.Mutex // guards the four below
	live   []*sender  // those of the outbox; written by start only
	inCall int        // spans of the live batches that the exporter has been called with
	taken  int        // spans taken from the queue and not accounted for
	gaveUp bool       // all of them have been, by giveUp

	exported, retried, sentBytes                            atomic.Uint64
	queueFull, failed, tooLarge, rejected, atEnd, abandoned atomic.Uint64
	spoolFull, spoolFailed, written, replayed               atomic.Uint64
	health, spoolHealth, readHealth                         health
}

// batch is what a sender gives to the exporter at once, in one of two forms.
type batch struct {
	spans int
	// Encoded: the spans' bytes one after the other, and where each ends.
	data []byte `invariants:"reused"`
	ends []int  `invariants:"reused"`
	// Views: what is lent, and the blocks that it borrows from, each held once.
	views  []*SpanData
	blocks []*block

	number uint64 // given by the outbox
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

// encoded returns the batch as exporters see it.
func (b *batch) encoded(resource []byte) EncodedBatch {
	return EncodedBatch{Resource: resource, data: b.data, ends: b.ends}
}

func newPipeline(p *Provider, e Exporter, cfg pipelineConfig) (pl *pipeline, err error) {
	name := fmt.Sprintf("%T", e)
	pl = &pipeline{
		provider: p,
		exporter: e,
		cfg:      cfg,
		spooled:  make(chan struct{}, 1),
		slots:    make(chan struct{}, cfg.workers),
		lent:     make(chan struct{}, 2*cfg.workers),
		flushes:  make(chan flush),
		stop:     make(chan struct{}),
		worked:   make(chan struct{}),
		sent:     make(chan struct{}),
		gone:     make(chan struct{}),
		queue: queue{
			maxSpans: cfg.queueSpans, maxBytes: cfg.queueBytes, wait: cfg.queueWait, dropOldest: cfg.dropOldest,
			wakeSpans: min(cfg.batchSpans, max(1, cfg.queueSpans/4), wakeSpans),
			wake:      make(chan struct{}, 1),
		},
		outbox:      outbox{maxSpans: cfg.encodedSpans, maxBytes: cfg.queueBytes, wake: make(chan struct{}, 1)},
		health:      health{what: "exporter", name: name, logger: p.logger},
		spoolHealth: health{what: "spool", name: name, logger: p.logger},
		readHealth:  health{what: "reading the spool", name: name, logger: p.logger},
	}
	for range cfg.workers - 1 {
		pl.lent <- struct{}{}
	}
	pl.ctx, pl.cancel = context.WithCancel(p.suppressed.asContext())
	if n, ok := e.(TargetNotifier); ok {
		pl.circuit.watch(n)
	}
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

// pollEvery is how soon a worker that has found much looks again.
const pollEvery = 10 * time.Millisecond

// start runs the pipeline's goroutines until shutdown.
func (pl *pipeline) start() {
	go pl.work()
	pl.senders.Store(int32(pl.cfg.workers))
	if pl.spool != nil {
		pl.senders.Add(1)
		go (&sender{pl: pl}).replay()
	}
	for range pl.cfg.workers {
		pl.live = append(pl.live, &sender{pl: pl})
	}
	for _, s := range pl.live {
		go s.send()
	}
}

// work is the worker: it alone touches pl.batch and calls AppendSpan.
func (pl *pipeline) work() {
	ended := false
	defer func() {
		if ended {
			close(pl.worked)
			return
		}
		// AppendSpan has ended the goroutine, as FailNow does in an exporter of a test.
		pl.health.failed(errGoexit)
		pl.resolve(&pl.failed, pl.hand)
		pl.hand = 0
		go pl.work()
	}()
	if pl.pushing != nil {
		pl.pushOn(*pl.pushing)
	}
	ticker := time.NewTicker(max(pl.cfg.delay/delayParts, 1))
	defer ticker.Stop()
	poll := time.NewTimer(time.Hour)
	poll.Stop()
	defer poll.Stop()
	for {
		// A flush goes first: under load there is always a reason to drain what came after it.
		select {
		case f := <-pl.flushes:
			pl.pushOn(f)
			continue
		default:
		}
		select {
		case <-pl.queue.wake:
			pl.look(poll)
		case <-poll.C:
			pl.look(poll)
		case <-ticker.C:
			pl.drainAll()
			pl.submit(pl.cfg.queueWait)
			pl.queue.rearm()
			pl.logDrops()
		case f := <-pl.flushes:
			pl.pushOn(f)
		case <-pl.stop:
			pl.queue.close()
			pl.drain(math.MaxInt, untilShutdown)
			pl.submit(untilShutdown)
			pl.outbox.close()
			ended = true
			return
		}
	}
}

// look drains the queue. As long as there is much in it the worker looks again by itself, so that hardly
// any End has to wake it: that is what costs End most.
func (pl *pipeline) look(poll *time.Timer) {
	if pl.drainAll() >= wakeSpans/2 {
		poll.Reset(pollEvery)
	} else {
		pl.queue.rearm()
	}
}

// drainAll turns what is in the queue now into batches, and returns how many spans that were.
func (pl *pipeline) drainAll() (spans int) {
	blocks, spans := pl.queue.waiting()
	pl.drain(blocks, pl.cfg.queueWait)
	return spans
}

// pushOn moves what a flush waits for on to the senders.
func (pl *pipeline) pushOn(f flush) {
	pl.pushing = &f
	pl.drain(pl.queue.until(f.end), untilShutdown)
	pl.submit(untilShutdown)
	pl.outbox.mark(f.done)
	pl.pushing = nil
	pl.queue.rearm()
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
		if !pl.move(spans) {
			pl.atEnd.Add(uint64(spans))
			for _, b := range blocks {
				b.release()
			}
			continue
		}
		pl.hand = spans
		for _, b := range blocks {
			switch {
			case pl.ctx.Err() != nil && pl.spool == nil: // Shutdown's time is up
				pl.resolve(&pl.atEnd, b.spans)
				pl.hand -= b.spans
				b.release()
			case wait == 0 && pl.spool == nil && !pl.cfg.dropOldest && pl.outbox.refuses.Load():
				pl.resolve(&pl.queueFull, b.spans) // it need not be encoded to be dropped
				pl.hand -= b.spans
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

// move adds n, which may be negative, to the spans that are not accounted for. It reports false, and has
// done nothing, when giveUp has accounted for all of them.
func (pl *pipeline) move(n int) bool {
	pl.tally.Lock()
	defer pl.tally.Unlock()
	if pl.gaveUp {
		return false
	}
	pl.taken += n
	return true
}

// current returns the batch being filled.
func (pl *pipeline) current() *batch {
	if pl.batch == nil {
		pl.batch = pl.newBatch()
	}
	return pl.batch
}

// newBatch returns an empty batch that is as large as batches are, so that it does not have to grow: in
// an outage none comes back.
func (pl *pipeline) newBatch() *batch {
	b := batches.Get()
	if pl.encoder != nil && b.data == nil {
		b.data = make([]byte, 0, min(pl.usualBytes+pl.usualBytes/8, keepBatchBytes))
		b.ends = make([]int, 0, pl.usualSpans)
	}
	return b
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
			pl.hand--
			if err != nil {
				pl.health.failed(err)
			}
			continue
		}
		if out.spans > 0 && len(data) > pl.cfg.batchBytes {
			// The span does not fit in behind the others: it begins the next batch. It is copied
			// before this one is submitted, and perhaps sent and reused at once.
			next := pl.newBatch()
			next.data = append(next.data, data[n:]...)
			pl.submit(wait)
			out, data = next, next.data
			pl.batch = next
		}
		out.data = data
		out.ends = append(out.ends, len(data))
		out.spans++
		pl.hand--
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

// submit gives the batch to the senders. Bytes wait in the outbox, for room there no longer than wait,
// and not at all where there is a spool. Of views there are as many batches at a time as senders, for
// which the worker waits, because their records are in use.
func (pl *pipeline) submit(wait time.Duration) {
	out := pl.batch
	if out == nil || out.spans == 0 {
		return
	}
	pl.batch = nil
	if pl.encoder == nil {
		pl.outbox.put(out)
		select {
		case <-pl.lent:
		case <-pl.gone: // the blocks go to the garbage collector: the exporter may still read them
		}
		return
	}
	pl.usualBytes, pl.usualSpans = len(out.data), len(out.ends)
	if pl.spool != nil {
		wait = 0
	}
	for !pl.outbox.putBounded(out, wait, pl.ctx.Done()) {
		if pl.spool == nil && !pl.cfg.dropOldest {
			pl.dropBatch(out)
			return
		}
		// What has waited longest makes room.
		old, _ := pl.outbox.tryGet()
		if old == nil {
			continue // a sender was faster
		}
		number := old.number
		pl.evict(old)
		pl.outbox.done(number)
	}
}

// evict spools or drops a batch for which there is no room in memory.
func (pl *pipeline) evict(b *batch) {
	switch {
	case pl.spool == nil:
		pl.dropBatch(b)
	case !pl.keep(b.encoded(pl.resource)):
		pl.resolve(&pl.spoolFailed, b.spans)
		fallthrough
	default:
		batches.Put(b)
	}
}

// dropBatch drops a batch for want of room.
func (pl *pipeline) dropBatch(b *batch) {
	reason := &pl.queueFull
	if pl.ctx.Err() != nil {
		reason = &pl.atEnd
	}
	pl.resolve(reason, b.spans)
	batches.Put(b)
}

// logDrops says in the log that spans are dropped, once in a while. While the exporter fails, health has
// the word, and about what failed it has had it.
func (pl *pipeline) logDrops() {
	now, all := time.Now(), pl.stats().Dropped
	if !pl.dropsLog.IsZero() && now.Sub(pl.dropsLog) < logEvery || pl.health.fails() {
		return
	}
	total := all
	total.ExportFailed = 0
	if n := total.Sum() - pl.dropsLogged; n > 0 {
		pl.dropsLogged, pl.dropsLog = total.Sum(), now
		pl.health.logger.Warn("spandrel: spans are dropped", "exporter", pl.health.name, "spans", n, "all", all)
	}
}

// stats reads what has been resolved before what has been queued, so that no span counts as exported
// before it counts as queued.
func (pl *pipeline) stats() ExporterStats {
	s := ExporterStats{
		Exporter: pl.health.name, QueueCapacity: pl.cfg.queueSpans,
		Exported: pl.exported.Load(), Retried: pl.retried.Load(), SentBytes: pl.sentBytes.Load(),
		CircuitOpen: pl.circuit.open(),
	}
	s.Dropped = DroppedStats{
		QueueFull:    pl.queueFull.Load(),
		ExportFailed: pl.failed.Load(),
		TooLarge:     pl.tooLarge.Load(),
		Rejected:     pl.rejected.Load(),
		Shutdown:     pl.atEnd.Load(),
		Abandoned:    pl.abandoned.Load(),
		SpoolFull:    pl.spoolFull.Load(),
		SpoolFailed:  pl.spoolFailed.Load(),
	}
	if pl.spool != nil {
		now := pl.spool.Stats()
		s.Spool = SpoolStats{
			Spans: now.Spans, Bytes: now.Bytes, Capacity: pl.cfg.spoolBytes, Recovered: now.Recovered, Damaged: now.Damaged,
			Written: pl.written.Load(), Replayed: pl.replayed.Load(),
		}
		s.Dropped.SpoolFailed += now.Lost
		s.Dropped.SpoolFull += now.Shrunk
	}
	s.LastErrorSince, s.LastError = pl.health.last()
	s.WaitingBytes = pl.outbox.size()
	pl.tally.Lock()
	s.Waiting, s.InFlight = pl.taken, pl.inCall
	pl.tally.Unlock()
	q := &pl.queue
	q.mu.Lock()
	s.Queued, s.InQueue = q.pushed, q.spans
	s.Waiting += q.spans
	s.WaitingBytes += q.bytes
	s.Dropped.QueueFull += q.dropped
	s.Dropped.Shutdown += q.late
	q.mu.Unlock()
	return s
}
