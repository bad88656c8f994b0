// SPDX-License-Identifier: Apache-2.0

package tracing

import "time"

// Stats says what became of every span of a provider. Each counter is incremented on its own, none is
// computed from the others. At rest, when nothing is starting, ending or being sent,
//
//	Started = Ended + Open
//
// and for each exporter, once the provider has been flushed,
//
//	Ended = Exported + Waiting + the sum of Dropped + the sum of Withheld
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
	// Queued counts the spans given to the pipeline.
	Queued uint64
	// Exported counts the spans that the exporter delivered.
	Exported uint64
	// Dropped counts the spans that it did not deliver, by reason.
	Dropped DroppedStats
	// Retried counts the times that a batch was sent again.
	Retried uint64
	// Waiting is the number of spans that have neither been delivered nor dropped yet.
	Waiting int
	// LastError is the error of the newest failed export, nil if the newest succeeded; LastErrorSince
	// is when the failures began.
	LastError      error
	LastErrorSince time.Time
}

// DroppedStats counts dropped spans by reason.
type DroppedStats struct {
	// QueueFull: more waited than [WithQueueSpans] and [WithQueueBytes] allow.
	QueueFull uint64
	// ExportFailed: the exporter gave up on the batch.
	ExportFailed uint64
	// TooLarge: the span alone was too large for the backend.
	TooLarge uint64
	// Rejected: the exporter cannot express the span, or the backend refused it in a batch that it
	// accepted otherwise.
	Rejected uint64
	// Shutdown: it was still waiting when Shutdown's deadline passed.
	Shutdown uint64
	// Abandoned: it was with an exporter that ignored its deadline when Shutdown gave up waiting.
	Abandoned uint64
}

// Sum returns the number of all dropped spans.
func (d DroppedStats) Sum() uint64 {
	return d.QueueFull + d.ExportFailed + d.TooLarge + d.Rejected + d.Shutdown + d.Abandoned
}
