// SPDX-License-Identifier: Apache-2.0

package tracing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"
)

// A batch that failed for a reason that may pass is sent again after a pause: half of retryFirst at
// the least, doubling up to retryMax, each shortened at random by up to a half so that many
// processes do not come back at once. After retryFor the batch is given up.
const (
	retryFirst = 500 * time.Millisecond
	retryMax   = 10 * time.Second
	retryFor   = time.Minute
)

// send is the sender: it alone calls AppendRequest, SendRequest and ExportSpans.
func (pl *pipeline) send() {
	defer close(pl.sent)
	for {
		b := pl.outbox.get()
		switch {
		case b == nil:
			return
		case b.marker != nil:
			close(b.marker)
		case b.views != nil:
			pl.sendViews(b)
		default:
			pl.sendEncoded(EncodedBatch{Resource: pl.resource, data: b.data, ends: b.ends})
			batches.Put(b)
		}
	}
}

// sendEncoded delivers a batch of bytes, in halves if it is too large.
func (pl *pipeline) sendEncoded(b EncodedBatch) {
	n := b.Len()
	err := pl.try(n, func(ctx context.Context) error {
		pl.body = pl.encoder.AppendRequest(pl.body[:0], b)
		defer reclaimBody(pl.body)
		return pl.encoder.SendRequest(ctx, pl.body, n)
	})
	if cap(pl.body) > keepBatchBytes {
		pl.body = nil
	}
	if pl.halves(err, n) {
		pl.sendEncoded(b.Part(0, n/2))
		pl.sendEncoded(b.Part(n/2, n))
		return
	}
	pl.account(err, n)
}

// sendViews delivers a batch of borrowed spans and gives their blocks back.
func (pl *pipeline) sendViews(b *batch) {
	l := lendAll(b.views, pl.exporter, "ExportSpans")
	pl.exportViews(l.views)
	select {
	case <-pl.gone: // Shutdown has left this call behind: who knows who reads what it was lent
	default:
		l.reclaim()
		for _, v := range b.views {
			releaseView(v)
		}
		for _, blk := range b.blocks {
			blk.release()
		}
	}
	close(b.done)
}

// exportViews exports borrowed spans, in halves if they are too many.
func (pl *pipeline) exportViews(views []*SpanData) {
	n := len(views)
	err := pl.try(n, func(ctx context.Context) error { return pl.exporter.ExportSpans(ctx, views[:n:n]) })
	if pl.halves(err, n) {
		pl.exportViews(views[:n/2])
		pl.exportViews(views[n/2:])
		return
	}
	pl.account(err, n)
}

// halves says whether a batch of n spans should be tried again in two parts.
func (pl *pipeline) halves(err error, n int) bool {
	e := asExportError(err)
	return e != nil && e.TooLarge && n > 1 && pl.ctx.Err() == nil
}

// account adds a batch of n spans to the counters.
func (pl *pipeline) account(err error, n int) {
	e := asExportError(err)
	switch {
	case err == nil:
		pl.resolve(&pl.exported, n)
	case e != nil && e.Rejected > 0 && e.Rejected <= n:
		pl.resolve(&pl.exported, n-e.Rejected)
		pl.resolve(&pl.rejected, e.Rejected)
	case pl.ctx.Err() != nil:
		pl.resolve(&pl.atEnd, n)
	case e != nil && e.TooLarge && n == 1:
		pl.resolve(&pl.tooLarge, n)
	default:
		pl.resolve(&pl.failed, n)
	}
}

// try calls f until it succeeds, fails for good, or time is up. During Shutdown a batch is tried
// once: a process that is asked to go does not wait for a backend to come back.
func (pl *pipeline) try(spans int, f func(context.Context) error) error {
	deadline := time.Now().Add(retryFor)
	pause := retryFirst
	for {
		if err := pl.ctx.Err(); err != nil {
			return err
		}
		err := pl.call(spans, f)
		if err == nil {
			pl.health.succeeded()
			return nil
		}
		pl.health.failed(err)
		e := asExportError(err)
		if e == nil || !e.Retryable {
			return err
		}
		wait := pause - time.Duration(rand.Int64N(int64(pause/2)))
		wait = max(wait, e.RetryAfter)
		if time.Now().Add(wait).After(deadline) {
			return err
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-pl.stop:
			timer.Stop()
			return err
		}
		pause = min(2*pause, retryMax)
		pl.retried.Add(1)
	}
}

// call calls f with the deadline of one export. A panic becomes an error.
func (pl *pipeline) call(spans int, f func(context.Context) error) (err error) {
	ctx, cancel := context.WithTimeout(pl.ctx, pl.cfg.timeout)
	defer cancel()
	pl.calling(spans)
	defer pl.calling(0)
	defer func() {
		if x := recover(); x != nil {
			err = fmt.Errorf("tracing: exporter panicked: %v", x)
		}
	}()
	return f(ctx)
}

// calling notes how many spans the exporter is being called with.
func (pl *pipeline) calling(spans int) {
	pl.tally.Lock()
	pl.inCall = spans
	pl.tally.Unlock()
}

func asExportError(err error) *ExportError {
	var e *ExportError
	if errors.As(err, &e) {
		return e
	}
	return nil
}

// health knows whether the backend answers, and says so in the log when that changes.
type health struct {
	name   string
	logger *slog.Logger

	mu    sync.Mutex // guards all below
	err   error      // of the newest failure; nil once a call succeeded
	since time.Time  // of the first failure in a row
	older error      // of the newest failure, ever
}

func (h *health) failed(err error) {
	h.mu.Lock()
	first := h.err == nil
	if first {
		h.since = time.Now()
	}
	h.err, h.older = err, err
	h.mu.Unlock()
	if first {
		h.logger.Warn("spandrel: exporter fails", "exporter", h.name, "error", err)
	}
}

func (h *health) succeeded() {
	h.mu.Lock()
	recovered, since := h.err != nil, h.since
	h.err, h.since = nil, time.Time{}
	h.mu.Unlock()
	if recovered {
		h.logger.Info("spandrel: exporter works again", "exporter", h.name, "failed_for", time.Since(since))
	}
}

func (h *health) last() (since time.Time, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.since, h.err
}

// notDelivered makes an error of the newest failure, if there was one.
func (h *health) notDelivered(spans uint64) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.older == nil { // the exporter is not to blame: there was no room, or no time
		return fmt.Errorf("%d spans not delivered", spans)
	}
	return fmt.Errorf("%d spans not delivered: %w", spans, h.older)
}
