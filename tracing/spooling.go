// SPDX-License-Identifier: Apache-2.0

package tracing

import (
	"errors"
	"fmt"
	"time"

	"github.com/spandrel-go/spandrel/internal/spool"
)

// EncodingNamer is an [EncodingExporter] that names the encoding of what it appends. A spool
// ([WithSpool]) is replayed only by an exporter that names the same one: change the name whenever
// AppendRequest could no longer read what an older version has appended. Without it the exporter's Go
// type is the name.
type EncodingNamer interface {
	// EncodingName returns the name, such as "zipkin-v2-json/1".
	EncodingName() string
}

// openSpool opens the directory of WithSpool, if there is one.
func (pl *pipeline) openSpool() error {
	if pl.cfg.spoolDir == "" {
		return nil
	}
	if pl.encoder == nil {
		return fmt.Errorf("tracing: WithSpool: %T does not encode spans (EncodingExporter)", pl.exporter)
	}
	format := pl.health.name
	if named, ok := pl.exporter.(EncodingNamer); ok {
		if err := guarded(func() error { format = named.EncodingName(); return nil }); err != nil {
			return fmt.Errorf("tracing: WithSpool: %w in EncodingName", err)
		}
	}
	s, err := spool.Open(spool.Config{Dir: pl.cfg.spoolDir, MaxBytes: pl.cfg.spoolBytes, Format: format})
	if err != nil {
		return fmt.Errorf("tracing: WithSpool: %w", err)
	}
	pl.spool = s
	if s.OthersMayWrite() {
		pl.health.logger.Warn("spandrel: every user may write to the spool's directory, and what is there is sent;"+
			" use a directory that only this program writes to, such as a new one below it",
			"exporter", pl.health.name, "directory", pl.cfg.spoolDir)
	}
	if damaged := s.Stats().Damaged; damaged > 0 {
		pl.health.logger.Warn("spandrel: parts of the spool could not be read and are lost",
			"exporter", pl.health.name, "directory", pl.cfg.spoolDir, "parts", damaged)
	}
	return nil
}

// closeSpool closes the spool, if there is one.
func (pl *pipeline) closeSpool() error {
	if pl.spool == nil {
		return nil
	}
	if err := pl.spool.Close(); err != nil {
		return fmt.Errorf("tracing: WithSpool: %w", err)
	}
	return nil
}

// keep moves a live batch from memory to the spool. It reports false, and has moved nothing, if the
// spool cannot write it.
func (pl *pipeline) keep(b EncodedBatch) bool {
	n := b.Len()
	if !pl.move(-n) {
		return true // it has been accounted for
	}
	err := pl.appendToSpool(b)
	switch {
	case err == nil:
		return true
	case errors.Is(err, spool.ErrTooLarge):
		pl.spoolFull.Add(uint64(n))
		return true
	case !pl.move(n):
		pl.atEnd.Add(uint64(n))
		return true
	}
	return false
}

// appendToSpool writes a batch to the spool.
func (pl *pipeline) appendToSpool(b EncodedBatch) error {
	n := b.Len()
	ends := make([]int, n)
	for i, end := range b.ends {
		ends[i] = end - b.start
	}
	lost, err := pl.spool.Append(spool.Batch{Resource: b.Resource, Data: b.data[b.start:b.ends[n-1]], Ends: ends})
	pl.spoolFull.Add(uint64(lost))
	switch {
	case err == nil:
		pl.spoolHealth.succeeded()
		pl.written.Add(uint64(n))
		select {
		case pl.spooled <- struct{}{}:
		default:
		}
	case !errors.Is(err, spool.ErrTooLarge):
		pl.spoolHealth.failed(err)
	}
	return err
}

const (
	// replayEvery is how long a spool that seems empty is not looked at when nothing is appended: a
	// file that cannot be opened now may be opened later.
	replayEvery = retryMax
	// suspectAfter is how long a batch of the spool may fail before others get the chance to show that
	// it is not the backend's fault, and then how long it may fail while others are answered.
	suspectAfter = time.Minute
	// askAfter is how long a batch of the spool may fail before the one behind it is sent in its place, to
	// find out; and how long it is until that is done again, if it fails too.
	askAfter = 10 * time.Minute
)

// replay sends what is in the spool, oldest first, whenever the backend answers. It ends at Shutdown,
// which has no time for it.
func (s *sender) replay() {
	pl := s.pl
	defer s.restart(s.replay, func() {
		s.account(result{fate: failed}, s.todo, 0)
		s.commit()
	})
	for !pl.stopped() {
		e, ok := pl.spool.Take()
		if err := pl.spool.PassedOver(); err != nil {
			pl.readHealth.failed(err)
		} else {
			pl.readHealth.succeeded()
		}
		if ok {
			s.entry = &e
			s.replayEntry()
			continue
		}
		timer := time.NewTimer(replayEvery)
		select {
		case <-pl.spooled:
		case <-timer.C:
		case <-pl.stop:
		}
		timer.Stop()
	}
	s.ended = true
}

// replayEntry sends s.entry until it is delivered or dropped, or until Shutdown, when it goes back.
func (s *sender) replayEntry() {
	pl, e := s.pl, s.entry
	s.failing = time.Time{}
	var last, blamed time.Time // when e failed last, and first although others were answered in between
	var asked time.Time        // when askNext was last called
	helped := false            // it was delivered
	for {
		s.fates, s.left, s.undone, s.todo = s.fates[:0], s.left[:0], false, len(e.Ends)
		s.deliver(batchOf(e))
		now := time.Now()
		switch {
		case !s.undone:
			s.commit()
			return
		case pl.stopped():
			pl.spoolFull.Add(uint64(pl.spool.Return(e)))
			return
		case s.failing.IsZero():
			s.failing = now
		case !pl.circuit.answeredSince(last): // it may be the backend's fault
		case blamed.IsZero():
			blamed = now
		case now.Sub(blamed) >= suspectAfter:
			// The backend takes others and not this one, which keeps all behind it waiting.
			s.settle(&pl.failed, len(e.Ends))
			s.commit()
			return
		}
		last = now
		if helped || now.Sub(s.failing) >= askAfter && now.Sub(asked) >= askAfter {
			asked, helped = now, pl.askNext()
		}
	}
}

// commit takes a batch out of the spool and counts what has become of it. Parts that have to wait go
// back in, as one. If that cannot be written, or Shutdown has left this sender behind, the batch stays as it
// is.
func (s *sender) commit() {
	pl := s.pl
	if len(s.left) > 0 {
		rest := EncodedBatch{Resource: s.entry.Resource}
		for _, b := range s.left {
			rest = rest.with(b)
		}
		if pl.appendToSpool(rest) != nil {
			pl.spoolFull.Add(uint64(pl.spool.Return(s.entry)))
			return
		}
	}
	if !pl.spool.Ack(s.entry) {
		return
	}
	for _, f := range s.fates {
		f.to.Add(uint64(f.n))
		if f.to == &pl.exported {
			pl.replayed.Add(uint64(f.n))
		}
	}
}

// askNext sends the batch behind the one that has just failed, once and without a pause, to find out whether
// that one is to blame, and reports whether it was delivered. It comes second so that the order stays as it
// is when an outage ends, unless that is just between the two.
func (pl *pipeline) askNext() bool {
	e, ok := pl.spool.Take()
	if !ok {
		return false
	}
	s := sender{pl: pl, entry: &e, second: true, todo: len(e.Ends)}
	s.deliver(batchOf(&e))
	if s.undone {
		pl.spoolFull.Add(uint64(pl.spool.Return(&e)))
		return false
	}
	s.commit()
	return true
}

// batchOf returns what was taken out of the spool as exporters see it.
func batchOf(e *spool.Entry) EncodedBatch {
	return EncodedBatch{Resource: e.Resource, data: e.Data, ends: e.Ends}
}

// suspect reports whether the batch that is being replayed has failed for so long that it may be to blame.
func (s *sender) suspect() bool {
	return s.entry != nil && !s.failing.IsZero() && time.Since(s.failing) >= suspectAfter
}
