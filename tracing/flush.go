// SPDX-License-Identifier: Apache-2.0

package tracing

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// flush is a call of ForceFlush: done is closed when the first blocks of the queue, up to the one with
// the number end, have been resolved.
type flush struct {
	end  uint64
	done chan struct{}
}

// flush waits until what was pushed before the call is resolved.
func (pl *pipeline) flush(ctx context.Context) error {
	before := pl.outcome()
	f := flush{end: pl.queue.end(), done: make(chan struct{})}
	select {
	case pl.flushes <- f:
	case <-pl.stop: // Shutdown flushes
		select {
		case <-pl.sent:
			return pl.deliveryError(before, nil)
		case <-pl.gone:
			return pl.deliveryError(before, errAbandoned)
		case <-ctx.Done():
			return pl.deliveryError(before, ctx.Err())
		}
	case <-ctx.Done():
		return pl.deliveryError(before, ctx.Err())
	}
	select {
	case <-f.done:
	case <-pl.gone: // there is nobody left who would close it
		return pl.deliveryError(before, errAbandoned)
	case <-ctx.Done():
		return pl.deliveryError(before, ctx.Err())
	}
	return pl.deliveryError(before, nil)
}

// outcome is what has become of spans up to a moment; those that found no room in the queue are not among
// them.
type outcome struct {
	sent, spooled, dropped uint64
	at                     time.Time
}

func (pl *pipeline) outcome() outcome {
	return outcome{
		sent: pl.exported.Load(), spooled: pl.written.Load(),
		dropped: pl.failed.Load() + pl.tooLarge.Load() + pl.rejected.Load() + pl.atEnd.Load() +
			pl.abandoned.Load() + pl.spoolFull.Load() + pl.spoolFailed.Load(),
		at: time.Now(),
	}
}

// deliveryError returns an error if err is one or spans have been dropped since before.
func (pl *pipeline) deliveryError(before outcome, err error) error {
	now := pl.outcome()
	e := &DeliveryError{
		Exporter: pl.health.name,
		Sent:     now.sent - before.sent, Spooled: now.spooled - before.spooled, Dropped: now.dropped - before.dropped,
	}
	if e.Dropped > 0 {
		err = errors.Join(err, pl.health.newest(before.at), pl.spoolHealth.newest(before.at))
	} else if err == nil {
		return nil
	}
	e.Err = err
	return e
}

// shutdownGrace is how long Shutdown waits, past its deadline, for calls that it has just cancelled.
const shutdownGrace = 100 * time.Millisecond

var errAbandoned = errors.New("it ignored its deadline and was abandoned")

// spoolTime is the most of its time that Shutdown keeps for writing to the spool what could not be
// sent; it is a tenth where that is less. Where its deadline leaves it none it takes so much more.
const spoolTime = time.Second

// shutdown drains the pipeline and ends it, by ctx at the latest. It is called once.
func (pl *pipeline) shutdown(ctx context.Context) error {
	before := pl.outcome()
	close(pl.stop)
	pl.circuit.stop(pl.spool == nil)
	if deadline, ok := ctx.Deadline(); ok && pl.spool != nil {
		left := time.Until(deadline)
		defer time.AfterFunc(left-min(left/10, spoolTime), pl.cancel).Stop()
	}
	var errs []error
	left := false
	// The senders end last, unless one is left behind in an exporter that does not return.
	if !await(pl.sent, ctx.Done()) {
		errs = append(errs, ctx.Err())
		pl.cancel()
		left = !within(pl.sent, shutdownGrace)
		if left && pl.spool != nil && len(pl.slots) == 0 { // nobody is in the exporter: it is the disk
			left = !within(pl.sent, spoolTime)
		}
		if left {
			close(pl.gone)
			pl.queue.close() // the worker may be stuck in the exporter too
			within(pl.worked, shutdownGrace)
			pl.leave()
		}
	}
	pl.cancel()
	if left { // the exporter must not be called twice at a time
		errs = append(errs, errAbandoned)
	} else {
		errs = append(errs, bounded(ctx, "Shutdown of the exporter", pl.exporter.Shutdown))
	}
	if pl.spool != nil {
		errs = append(errs, boundedBy(ctx, spoolTime, "closing the spool", func(context.Context) error { return pl.closeSpool() }))
	}
	if dropped := pl.stats().Dropped; dropped.Sum() > 0 {
		_ = bounded(ctx, "the logger", func(context.Context) error { // foreign code too
			pl.health.logger.Warn("spandrel: spans were dropped", "exporter", pl.health.name, "dropped", dropped)
			return nil
		})
	}
	return pl.deliveryError(before, errors.Join(errs...))
}

// leave leaves an exporter behind that does not return. What waits is spooled, and so is what the exporter
// has been called with, which may be delivered twice; or it is dropped.
func (pl *pipeline) leave() {
	for b, _ := pl.outbox.tryGet(); b != nil; b, _ = pl.outbox.tryGet() {
		number := b.number
		pl.evict(b)
		pl.outbox.done(number)
	}
	pl.giveUp()
}

// stopped reports whether Shutdown has begun.
func (pl *pipeline) stopped() bool {
	select {
	case <-pl.stop:
		return true
	default:
		return false
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
	return boundedBy(ctx, shutdownGrace, what, f)
}

// boundedBy is bounded with the time that f has when ctx is done.
func boundedBy(ctx context.Context, grace time.Duration, what string, f func(context.Context) error) error {
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
	if await(done, ctx.Done()) || within(done, grace) {
		return err
	}
	return fmt.Errorf("tracing: %s: %w: %w", what, errAbandoned, ctx.Err())
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
	var ours []EncodedBatch // what the exporter is being called with, and what is to follow, as bytes
	pl.tally.Lock()
	pl.gaveUp = true
	if pl.spool != nil {
		for _, s := range pl.live {
			for _, b := range append(s.rest, s.live) {
				if n := b.Len(); n > 0 {
					ours = append(ours, EncodedBatch{Resource: b.Resource}.with(b))
					pl.taken -= n
				}
			}
			pl.inCall -= s.live.Len()
		}
	}
	lent := min(pl.inCall, pl.taken)
	pl.abandoned.Add(uint64(lent))
	pl.atEnd.Add(uint64(pl.taken - lent))
	pl.taken, pl.inCall = 0, 0
	pl.tally.Unlock()
	for _, b := range ours { // without the lock: it is a disk
		if pl.appendToSpool(b) != nil {
			pl.abandoned.Add(uint64(b.Len()))
		}
	}
}
