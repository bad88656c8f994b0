// SPDX-License-Identifier: Apache-2.0

package tracing

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// logEvery is the shortest time between two lines of the log about one trouble.
const logEvery = time.Minute

// health knows whether the backend answers, or the spool, and says so in the log when that changes.
type health struct {
	what   string // exporter, spool or reading the spool
	name   string // of the exporter
	logger *slog.Logger

	mu     sync.Mutex // guards all below
	err    error      // of the newest failure; nil once a call succeeded
	since  time.Time  // of the first failure in a row
	count  int        // failures in a row
	older  error      // of the newest failure, ever
	at     time.Time  // when that was
	logged time.Time  // when a failure was last in the log
	said   bool       // one of the failures in a row was in the log
}

func (h *health) failed(err error) {
	now := time.Now()
	h.mu.Lock()
	if h.err == nil {
		h.since, h.count, h.said = now, 0, false
	}
	h.count++
	h.err, h.older, h.at = err, err, now
	speak := h.logged.IsZero() || now.Sub(h.logged) >= logEvery
	again, since, count := h.said, h.since, h.count
	if speak {
		h.logged, h.said = now, true
	}
	h.mu.Unlock()
	switch {
	case speak && again:
		h.logger.Warn("spandrel: "+h.what+" still fails", "exporter", h.name, "error", err, "failures", count, "failing_for", now.Sub(since))
	case speak:
		h.logger.Warn("spandrel: "+h.what+" fails", "exporter", h.name, "error", err)
	}
}

func (h *health) succeeded() {
	h.mu.Lock()
	recovered, since, count := h.err != nil && h.said, h.since, h.count
	h.err, h.since = nil, time.Time{}
	h.mu.Unlock()
	if recovered {
		h.logger.Info("spandrel: "+h.what+" works again", "exporter", h.name, "failures", count, "failed_for", time.Since(since))
	}
}

// note keeps an error for DeliveryError that does not mean that the backend fails.
func (h *health) note(err error) {
	h.mu.Lock()
	h.older, h.at = err, time.Now()
	h.mu.Unlock()
}

func (h *health) last() (since time.Time, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.since, h.err
}

// fails reports whether the newest call failed.
func (h *health) fails() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.err != nil
}

// newest returns the newest failure, if that still lasts or was after then; or nil.
func (h *health) newest(then time.Time) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err == nil && h.at.Before(then) {
		return nil
	}
	return h.older
}

// DeliveryError is how ForceFlush and Shutdown say that spans were dropped, or may have been. It is
// found by errors.As, once for each exporter.
type DeliveryError struct {
	// Exporter is the exporter's Go type, such as "*zipkin.Exporter".
	Exporter string
	// Sent, Spooled and Dropped count spans from the call's beginning to its end.
	Sent, Spooled, Dropped uint64
	// Err is the cause: the call's deadline, the newest error of the exporter and of the spool, and that of
	// the exporter's Shutdown, joined. A context.DeadlineExceeded in it may be that of one export. It is
	// nil where none of them is to blame, such as for want of room.
	Err error
}

// Error says what happened to the spans, and why.
func (e *DeliveryError) Error() string {
	text := fmt.Sprintf("tracing: %s: %d spans sent, %d spooled, %d dropped", e.Exporter, e.Sent, e.Spooled, e.Dropped)
	if e.Err != nil {
		text += ": " + strings.ReplaceAll(e.Err.Error(), "\n", "; ")
	}
	return text
}

// Unwrap returns the cause.
func (e *DeliveryError) Unwrap() error { return e.Err }
