// SPDX-License-Identifier: Apache-2.0

package tracing

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/spandrel-go/spandrel/internal/spool"
)

// sender sends batches. A pipeline has as many for the outbox as calls of its exporter may be under way
// at a time, and one for its spool; only they call AppendRequest, SendRequest and ExportSpans, each in
// one of the pipeline's slots.
type sender struct {
	pl   *pipeline
	body []byte // the request being sent

	entry  *spool.Entry // what is being replayed; nil for a batch of the outbox
	undone bool         // all of entry has to go back to the spool
	again  bool         // entry has failed before
}

// send sends what is in the outbox, until that is closed and empty.
func (pl *pipeline) send() {
	defer pl.senderEnds()
	s := sender{pl: pl}
	for {
		b := pl.outbox.get()
		if b == nil {
			return
		}
		number := b.number
		if b.views != nil {
			s.deliverViews(b)
		} else {
			s.deliver(b.encoded(pl.resource))
			batches.Put(b)
		}
		pl.outbox.done(number)
	}
}

// senderEnds closes pl.sent when the last sender ends.
func (pl *pipeline) senderEnds() {
	if pl.senders.Add(-1) == 0 {
		close(pl.sent)
	}
}

// deliver delivers a batch of bytes, in halves if it is too large.
func (s *sender) deliver(b EncodedBatch) {
	pl, n := s.pl, b.Len()
	var keep func() bool
	switch {
	case s.entry != nil:
		keep = func() bool { return s.keepUndone(b) }
	case pl.spool != nil:
		keep = func() bool { return pl.keep(b) }
	}
	sent := 0
	err := s.try(n, keep, func(ctx context.Context) error {
		s.body = pl.encoder.AppendRequest(s.body[:0], b)
		sent = len(s.body)
		defer reclaimBody(s.body)
		return pl.encoder.SendRequest(ctx, s.body, n)
	})
	if cap(s.body) > keepBatchBytes {
		s.body = nil
	}
	if pl.halves(err, n) {
		s.deliver(b.Part(0, n/2))
		s.deliver(b.Part(n/2, n))
		return
	}
	if err == nil && pl.move(0) {
		pl.sentBytes.Add(uint64(sent))
	}
	s.account(err, n)
}

// deliverViews delivers a batch of borrowed spans and gives their blocks back.
func (s *sender) deliverViews(b *batch) {
	pl := s.pl
	l := lendAll(b.views, pl.exporter, "ExportSpans")
	s.exportViews(l.views)
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
	pl.lent <- struct{}{}
}

// exportViews exports borrowed spans, in halves if they are too many.
func (s *sender) exportViews(views []*SpanData) {
	n := len(views)
	err := s.try(n, nil, func(ctx context.Context) error { return s.pl.exporter.ExportSpans(ctx, views[:n:n]) })
	if s.pl.halves(err, n) {
		s.exportViews(views[:n/2])
		s.exportViews(views[n/2:])
		return
	}
	s.account(err, n)
}

// halves says whether a batch of n spans should be tried again in two parts.
func (pl *pipeline) halves(err error, n int) bool {
	e := asExportError(err)
	return e != nil && e.TooLarge && n > 1 && pl.ctx.Err() == nil
}

// What try returns for a batch that nobody has refused.
var (
	errKept     = errors.New("tracing: the batch is in the spool")
	errNotTried = errors.New("tracing: the batch was not sent")
)

// account adds a batch of n spans to the counters.
func (s *sender) account(err error, n int) {
	pl, e := s.pl, asExportError(err)
	switch {
	case err == nil:
		s.settle(&pl.exported, n)
	case errors.Is(err, errKept):
	case e != nil && e.Rejected > 0 && e.Rejected <= n:
		s.settle(&pl.exported, n-e.Rejected)
		s.settle(&pl.rejected, e.Rejected)
	case errors.Is(err, errNotTried), pl.ctx.Err() != nil:
		s.settle(&pl.atEnd, n)
	case e != nil && e.TooLarge && n == 1:
		s.settle(&pl.tooLarge, n)
	default:
		s.settle(&pl.failed, n)
	}
}

// settle adds n spans to a counter.
func (s *sender) settle(c *atomic.Uint64, n int) {
	pl := s.pl
	if s.entry == nil {
		pl.resolve(c, n)
		return
	}
	if !pl.move(0) { // too late: the batch is still in the spool
		return
	}
	c.Add(uint64(n))
	if c == &pl.exported {
		pl.replayed.Add(uint64(n))
	}
}

// try calls f until it succeeds, fails for good, or time is up. keep, unless nil, takes the batch over
// where it would have to wait for the backend; the result is errKept then. During Shutdown a failure is
// final: a process that is asked to go does not wait for a backend to come back.
func (s *sender) try(spans int, keep func() bool, f func(context.Context) error) error {
	pl := s.pl
	patient := keep == nil || s.entry != nil
	var failure error
	var giveUp time.Time
	for {
		switch pl.circuit.enter(pl.ctx, patient) {
		case barred:
			if keep() {
				return errKept
			}
			patient = true
			continue
		case refused:
			if keep != nil && keep() {
				return errKept
			}
			if failure == nil {
				failure = errNotTried
			}
			return failure
		case entered:
		}
		if failure != nil || s.again {
			pl.retried.Add(1)
		}
		if giveUp.IsZero() {
			giveUp = time.Now().Add(pl.cfg.retryLimit)
		}
		failure = s.call(spans, f)
		if failure == nil {
			pl.circuit.answered()
			pl.health.succeeded()
			return nil
		}
		pl.health.failed(failure)
		e := asExportError(failure)
		if e == nil || !e.Retryable {
			pl.circuit.answered()
			if pl.ctx.Err() != nil && keep != nil && keep() { // it was Shutdown that cut it off
				return errKept
			}
			return failure
		}
		until := pl.circuit.failed(e.RetryAfter)
		if keep != nil && keep() {
			return errKept
		}
		if until.After(giveUp) {
			return failure
		}
		patient = true
	}
}

// call calls f with the deadline of one export. A panic becomes an error.
func (s *sender) call(spans int, f func(context.Context) error) (err error) {
	pl := s.pl
	select {
	case pl.slots <- struct{}{}:
	case <-pl.ctx.Done():
		return pl.ctx.Err()
	}
	defer func() { <-pl.slots }()
	ctx, cancel := context.WithTimeout(pl.ctx, pl.cfg.timeout)
	defer cancel()
	if s.entry == nil {
		pl.calling(spans)
		defer pl.calling(-spans)
	}
	defer func() {
		if x := recover(); x != nil {
			err = fmt.Errorf("tracing: exporter panicked: %v", x)
		}
	}()
	return f(ctx)
}

// calling notes that the exporter is being called with so many spans more.
func (pl *pipeline) calling(spans int) {
	pl.tally.Lock()
	if !pl.gaveUp {
		pl.inCall += spans
	}
	pl.tally.Unlock()
}

func asExportError(err error) *ExportError {
	var e *ExportError
	if errors.As(err, &e) {
		return e
	}
	return nil
}
