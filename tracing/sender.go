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

	live    EncodedBatch   // of the outbox, while the exporter is called with it; guarded by pl.tally
	rest    []EncodedBatch // parts that wait for those before them; guarded by pl.tally
	second  bool           // see terms
	entry   *spool.Entry   // what is being replayed; nil for a batch of the outbox
	ended   bool           // there is nothing left to do
	todo    int            // spans of the batch at hand of which nothing has become yet
	fates   []count        // what has become of parts of entry
	left    []EncodedBatch // the parts that have to wait in the spool
	undone  bool           // entry has to wait as a whole
	failing time.Time      // when entry failed first; zero: it has not
}

// count is a number of spans on the way to a counter.
type count struct {
	to *atomic.Uint64
	n  int
}

// send sends what is in the outbox, until that is closed and empty.
func (s *sender) send() {
	pl := s.pl
	var b *batch
	defer s.restart(s.send, func() {
		s.account(result{fate: failed}, s.todo, 0)
		if b.views != nil {
			pl.lent <- struct{}{} // what was lent goes to the garbage collector
		}
		pl.outbox.done(b.number)
	})
	for {
		if b = pl.outbox.get(); b == nil {
			s.ended = true
			return
		}
		number := b.number
		s.todo = b.spans
		if b.views != nil {
			s.deliverViews(b)
		} else {
			s.deliver(b.encoded(pl.resource))
			batches.Put(b)
		}
		pl.outbox.done(number)
	}
}

var errGoexit = errors.New("tracing: exporter ended its goroutine")

// restart is deferred by what a sender does all its life. If that has not come to its end, the exporter has
// ended the goroutine, as FailNow does in an exporter of a test: the batch at hand has failed, which
// settle says, and another goroutine goes on.
func (s *sender) restart(run, settle func()) {
	if s.ended {
		s.pl.senderEnds()
		return
	}
	s.pl.health.failed(errGoexit)
	s.pl.tally.Lock()
	s.rest = nil
	s.pl.tally.Unlock()
	settle()
	go run()
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
		keep = func() bool {
			if s.undone = n == len(s.entry.Ends); !s.undone {
				s.left = append(s.left, b)
			}
			return true
		}
	case pl.spool != nil:
		keep = func() bool { return pl.keep(b) }
	}
	sent := 0
	r := s.try(n, b, keep, func(ctx context.Context) error {
		s.body = pl.encoder.AppendRequest(s.body[:0], b)
		sent = len(s.body)
		defer reclaimBody(s.body)
		return pl.encoder.SendRequest(ctx, s.body, n)
	})
	if cap(s.body) > keepBatchBytes {
		s.body = nil
	}
	if pl.halves(r, n) {
		s.shelve(b.Part(n/2, n))
		s.deliver(b.Part(0, n/2))
		s.deliver(s.unshelve())
		return
	}
	s.account(r, n, sent)
}

// shelve keeps a part of a live batch that is to be delivered after another, where giveUp finds it.
func (s *sender) shelve(b EncodedBatch) {
	s.pl.tally.Lock()
	s.rest = append(s.rest, b)
	s.pl.tally.Unlock()
}

// unshelve takes the newest part that shelve has kept.
func (s *sender) unshelve() EncodedBatch {
	s.pl.tally.Lock()
	defer s.pl.tally.Unlock()
	b := s.rest[len(s.rest)-1]
	s.rest = s.rest[:len(s.rest)-1]
	return b
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
	r := s.try(n, EncodedBatch{}, nil, func(ctx context.Context) error { return s.pl.exporter.ExportSpans(ctx, views[:n:n]) })
	if s.pl.halves(r, n) {
		s.exportViews(views[:n/2])
		s.exportViews(views[n/2:])
		return
	}
	s.account(r, n, 0)
}

// fate is what became of a batch.
type fate uint8

const (
	delivered fate = iota
	failed         // the exporter has refused it, or was tried for too long
	kept           // it is in the spool
	notTried       // there was no time
)

// result is what became of a batch, and what the exporter said of it.
type result struct {
	fate
	said ExportError
}

// halves says whether a batch of n spans should be tried again in two parts.
func (pl *pipeline) halves(r result, n int) bool {
	return r.fate == failed && r.said.TooLarge && n > 1
}

// account adds a batch of n spans to the counters, and the bytes of its request.
func (s *sender) account(r result, n, sent int) {
	pl := s.pl
	s.todo -= n
	switch {
	case r.fate == kept:
	case r.fate == delivered:
		s.settle(&pl.exported, n)
		s.settleBytes(sent)
	case r.said.partial(n):
		s.settle(&pl.exported, n-r.said.Rejected)
		s.settle(&pl.rejected, r.said.Rejected)
		s.settleBytes(sent)
	case r.fate == notTried || pl.ctx.Err() != nil:
		s.settle(&pl.atEnd, n)
	case r.said.TooLarge && n == 1:
		s.settle(&pl.tooLarge, n)
	default:
		s.settle(&pl.failed, n)
	}
}

// partial reports whether some spans of n were refused and the others delivered.
func (e *ExportError) partial(n int) bool { return e.Rejected > 0 && e.Rejected <= n }

// settle adds n to a counter: of a batch that is replayed not before all of it is settled.
func (s *sender) settle(c *atomic.Uint64, n int) {
	if s.entry == nil {
		s.pl.resolve(c, n)
		return
	}
	s.fates = append(s.fates, count{c, n})
}

// settleBytes adds the bytes of a request to those that were sent, likewise.
func (s *sender) settleBytes(n int) {
	switch {
	case s.entry != nil:
		s.fates = append(s.fates, count{&s.pl.sentBytes, n})
	case s.pl.move(0):
		s.pl.sentBytes.Add(uint64(n))
	}
}

// try calls f until it succeeds, fails for good, or time is up. keep, unless nil, takes the batch over
// where it would have to wait for the backend. During Shutdown a failure is final: a process that is asked
// to go does not wait for a backend to come back.
func (s *sender) try(spans int, b EncodedBatch, keep func() bool, f func(context.Context) error) result {
	pl := s.pl
	how := terms{patient: (keep == nil || s.entry != nil) && !s.second, last: s.suspect(), second: s.second}
	r := result{fate: notTried}
	for {
		t, pass := pl.circuit.enter(pl.ctx, how)
		switch pass {
		case barred:
			if keep() {
				return result{fate: kept}
			}
			how.patient = true
			continue
		case expired:
			return r
		case refused:
			if keep != nil && keep() {
				return result{fate: kept}
			}
			return r
		case entered:
		}
		fail, called := s.call(spans, b, t, r.fate == failed, f)
		if !called { // another call has opened the circuit meanwhile
			continue
		}
		if fail == nil {
			if pl.circuit.answered(t) {
				pl.health.succeeded()
			}
			return result{fate: delivered}
		}
		r = result{fate: failed, said: fail.said}
		switch {
		case r.said.partial(spans):
			pl.circuit.answered(t)
			pl.health.succeeded()
			pl.health.note(fail.err)
			return r
		case pl.ctx.Err() != nil: // it may have been Shutdown that has cut it off
			continue // and is refused
		case !r.said.Retryable, r.said.TooLarge && spans > 1:
			pl.circuit.answered(t)
			pl.health.failed(fail.err)
			return r
		}
		pl.circuit.failed(t, r.said.RetryAfter)
		pl.health.failed(fail.err)
		if keep != nil && keep() {
			return result{fate: kept}
		}
		how.patient = true
		if how.giveUp.IsZero() && s.entry == nil {
			how.giveUp = fail.began.Add(pl.cfg.retryLimit)
		}
	}
}

// failure is why a call failed.
type failure struct {
	err   error
	said  ExportError // what the exporter says of it
	began time.Time
}

// call calls f with the deadline of one export, as soon as one of the slots is free. It reports false, and
// has not called f, if t does not hold any more.
func (s *sender) call(spans int, b EncodedBatch, t ticket, again bool, f func(context.Context) error) (*failure, bool) {
	pl := s.pl
	select {
	case pl.slots <- struct{}{}:
	case <-pl.ctx.Done():
		return nil, false
	}
	defer func() { <-pl.slots }()
	if !pl.circuit.holds(t) {
		return nil, false
	}
	if again || s.entry != nil && !s.failing.IsZero() && spans == len(s.entry.Ends) {
		pl.retried.Add(1)
	}
	ctx, cancel := context.WithTimeout(pl.ctx, pl.cfg.timeout)
	defer cancel()
	if s.entry == nil {
		s.calling(b, spans)
		defer s.calling(EncodedBatch{}, -spans)
	}
	began := time.Now()
	returned := false
	defer func() {
		if !returned { // nor panicked: see restart
			pl.circuit.answered(t)
		}
	}()
	err := guarded(func() error { return f(ctx) })
	returned = true
	if err == nil {
		return nil, true
	}
	said := asked(&err)
	return &failure{err: err, said: said, began: began}, true
}

// guarded calls foreign code; its panic becomes an error.
func guarded(f func() error) (err error) {
	defer func() {
		if x := recover(); x != nil {
			err = fmt.Errorf("tracing: exporter panicked: %v", x)
		}
	}()
	return f()
}

// asked returns what *err says as an [*ExportError]. The methods of an error are foreign code too: one that
// panics is replaced.
func asked(err *error) (said ExportError) {
	broken := guarded(func() error {
		if e := asExportError(*err); e != nil {
			said = *e
		}
		_ = (*err).Error()
		return nil
	})
	if broken != nil {
		*err = broken
	}
	return said
}

// calling notes that the exporter is being called with so many spans more, and with b.
func (s *sender) calling(b EncodedBatch, spans int) {
	pl := s.pl
	pl.tally.Lock()
	defer pl.tally.Unlock()
	s.live = b
	if !pl.gaveUp {
		pl.inCall += spans
	}
}

func asExportError(err error) *ExportError {
	var e *ExportError
	if errors.As(err, &e) {
		return e
	}
	return nil
}
