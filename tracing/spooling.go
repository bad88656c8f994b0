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
		format = named.EncodingName()
	}
	s, err := spool.Open(spool.Config{Dir: pl.cfg.spoolDir, MaxBytes: pl.cfg.spoolBytes, Format: format})
	if err != nil {
		return fmt.Errorf("tracing: WithSpool: %w", err)
	}
	pl.spool = s
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

// replayEvery is how long a spool that seemed empty is not looked at when nothing is appended.
const replayEvery = time.Minute

// replay sends what is in the spool, oldest first, whenever the backend answers. It ends at Shutdown,
// which has no time for it.
func (pl *pipeline) replay() {
	defer pl.senderEnds()
	s := sender{pl: pl}
	for {
		select {
		case <-pl.stop:
			return
		default:
		}
		entry, ok := pl.spool.Take()
		if !ok {
			// The clock is for a file that could not be opened.
			timer := time.NewTimer(replayEvery)
			select {
			case <-pl.spooled:
			case <-timer.C:
			case <-pl.stop:
			}
			timer.Stop()
			continue
		}
		s.entry, s.undone = &entry, false
		s.deliver(EncodedBatch{Resource: entry.Resource, data: entry.Data, ends: entry.Ends})
		if s.again = s.undone; s.undone {
			pl.spoolFull.Add(uint64(pl.spool.Return(&entry)))
		} else {
			pl.spool.Ack(&entry)
		}
	}
}

// keepUndone is keep for a batch, or a part of one, that came out of the spool.
func (s *sender) keepUndone(b EncodedBatch) bool {
	if b.Len() == len(s.entry.Ends) {
		s.undone = true
		return true
	}
	return s.pl.appendToSpool(b) == nil
}
