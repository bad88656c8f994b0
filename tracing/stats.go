// SPDX-License-Identifier: Apache-2.0

package tracing

import (
	"log/slog"
	"time"
)

// Stats says what became of every span of a provider. Each counter is incremented on its own, none is
// computed from the others. At rest, when nothing is starting, ending or being sent,
//
//	Started = Ended + Open
//
// and for each exporter, once the provider has been flushed,
//
//	Ended = Queued + the sum of Withheld
//	Queued + Spool.Recovered = Exported + Waiting + Spool.Spans + the sum of Dropped
//
// While spans are made the counters are monotone and each is exact at some moment during the call.
type Stats struct {
	// Started counts recorded spans, Ended those of them that have ended, Open those that have not.
	Started, Ended uint64
	Open           int
	// SampledOut counts spans that the sampler dropped: they record nothing.
	SampledOut uint64
	// Unfinished counts spans that the provider has ended itself, with the attribute span.unfinished:
	// open at Shutdown, or among too many open ones ([WithOpenSpanLimit]). They count as Ended too.
	Unfinished uint64
	// Overdue counts spans that were found open for longer than [WithOpenSpanAge], each once and whatever
	// became of it. It is 0 without that option.
	Overdue uint64
	// Withheld counts spans that ended and were not given to the exporters, by reason.
	Withheld WithheldStats
	// RefusedEnds counts calls of [Span.FinishAt] with a time before the span's start.
	RefusedEnds uint64
	// NeverLinked counts spans made by [Tracer.CreateSpan] that ended without [Tracer.LinkSpan]. They
	// count neither as Started nor as Ended.
	NeverLinked uint64
	// StartedAfterShutdown counts calls of Start after Shutdown, EndedAfterShutdown spans that were
	// open at Shutdown and ended afterwards. Neither reaches an exporter any more.
	StartedAfterShutdown, EndedAfterShutdown uint64
	// Exporters has one entry for each exporter, in the order of [WithExporter].
	Exporters []ExporterStats
}

// WithheldStats counts spans that were recorded and, as they should, not exported.
type WithheldStats struct {
	// RecordOnly: the sampler wanted them for the processors only.
	RecordOnly uint64
	// NotSampled: [Tracer.SetShouldSample] took their local trace out.
	NotSampled uint64
	// Released: they were dropped by [Span.Release], in a processor's OnEnding too.
	Released uint64
}

// Sum returns the number of all withheld spans.
func (w WithheldStats) Sum() uint64 { return w.RecordOnly + w.NotSampled + w.Released }

// withheldReason says why a record is not exported.
type withheldReason uint8

const (
	notWithheld withheldReason = iota
	recordOnly
	notSampled
	released
	withheldReasons
)

// ExporterStats says what became of the spans given to one exporter's pipeline.
type ExporterStats struct {
	// Exporter is the exporter's Go type, such as "*zipkin.Exporter".
	Exporter string
	// Queued counts the spans given to the pipeline.
	Queued uint64
	// Exported counts the spans that the exporter delivered, those from the spool too.
	Exported uint64
	// Dropped counts the spans that it did not deliver, by reason.
	Dropped DroppedStats
	// Retried counts the calls of the exporter that repeat a failed one with the same batch. The first call
	// with a batch each time that it is taken out of the spool repeats none, nor does one with a half of a
	// batch that was too large.
	Retried uint64
	// Waiting is the number of spans in memory that have neither been delivered nor dropped nor spooled
	// yet. Of them, InQueue have not been taken into a batch yet, and InFlight are those that the exporter
	// is being called with.
	Waiting, InQueue, InFlight int
	// WaitingBytes is the estimated size of those that wait: of the records in the queue, and of the
	// encoded spans behind it.
	WaitingBytes int
	// QueueCapacity is how many may be InQueue ([WithQueueSpans]).
	QueueCapacity int
	// SentBytes counts the bytes of the request bodies that an exporter which encodes has delivered.
	SentBytes uint64
	// Spool says what is in the directory of [WithSpool]; it is zero without one.
	Spool SpoolStats
	// CircuitOpen: the newest call failed, and nothing is sent before the next probe.
	CircuitOpen bool
	// LastError is the error of the newest failed export, nil if the newest succeeded; LastErrorSince
	// is when the failures began.
	LastError      error
	LastErrorSince time.Time
}

// SpoolStats says what became of the spans given to a spool.
type SpoolStats struct {
	// Spans and Bytes are what the directory holds now, Capacity is how many bytes it may hold.
	Spans           int
	Bytes, Capacity int64
	// Written counts the spans appended by this provider, Replayed those delivered out of the
	// directory. A span that is appended again counts again.
	Written, Replayed uint64
	// Recovered counts the spans that were found at the start.
	Recovered uint64
	// Damaged counts the places where bytes could not be read: a batch torn by a crash, damage on the
	// disk, a file of another encoding. The spans in them are lost, and nobody knows how many they were.
	Damaged uint64
}

// DroppedStats counts dropped spans by reason.
type DroppedStats struct {
	// QueueFull: more waited than [WithQueueSpans] and [WithQueueBytes] allow.
	QueueFull uint64
	// ExportFailed: the exporter gave up on the batch, or the pipeline did after [WithRetryLimit].
	ExportFailed uint64
	// TooLarge: the span alone was too large for the backend.
	TooLarge uint64
	// Rejected: the exporter cannot express the span, or the backend refused it in a batch that it
	// accepted otherwise.
	Rejected uint64
	// Shutdown: it was still waiting when Shutdown's deadline passed, or when the backend failed during
	// Shutdown.
	Shutdown uint64
	// Abandoned: it was with an exporter that ignored its deadline when Shutdown gave up waiting.
	Abandoned uint64
	// SpoolFull: it was the oldest in a spool that had no room for newer ones, or too large for it.
	SpoolFull uint64
	// SpoolFailed: the spool could not write it, or not read it any more.
	SpoolFailed uint64
}

// Sum returns the number of all dropped spans.
func (d DroppedStats) Sum() uint64 {
	return d.QueueFull + d.ExportFailed + d.TooLarge + d.Rejected + d.Shutdown + d.Abandoned + d.SpoolFull + d.SpoolFailed
}

// LogValue shows the reasons for which spans were dropped.
func (d DroppedStats) LogValue() slog.Value {
	var attrs []slog.Attr
	for _, r := range []struct {
		name  string
		spans uint64
	}{
		{"queue_full", d.QueueFull},
		{"export_failed", d.ExportFailed},
		{"too_large", d.TooLarge},
		{"rejected", d.Rejected},
		{"shutdown", d.Shutdown},
		{"abandoned", d.Abandoned},
		{"spool_full", d.SpoolFull},
		{"spool_failed", d.SpoolFailed},
	} {
		if r.spans > 0 {
			attrs = append(attrs, slog.Uint64(r.name, r.spans))
		}
	}
	return slog.GroupValue(attrs...)
}
