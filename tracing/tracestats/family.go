// SPDX-License-Identifier: Apache-2.0

package tracestats

import (
	"math"

	"github.com/spandrel-go/spandrel/tracing"
)

// family is one metric: what Prometheus calls a metric family. It reads a T: [tracing.Stats], or the
// [tracing.ExporterStats] of one exporter.
type family[T any] struct {
	name string
	kind kind
	help string // one sentence, which names the unit where the name does not
	// samples has one entry, without a reason, or one for each reason.
	samples []sample[T]
}

type kind string

const (
	counter kind = "counter"
	gauge   kind = "gauge"
)

// sample reads one value. Prometheus knows floating point numbers only: they hold every integer up to
// 2^53, nine quadrillion spans.
type sample[T any] struct {
	reason string
	value  func(*T) float64 // NaN where there is nothing to show
}

// single makes the samples of a family without reasons.
func single[T any](value func(*T) float64) []sample[T] { return []sample[T]{{value: value}} }

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// failingSince is a time in seconds. There is none while nothing fails: 0 would look like a failure that
// has lasted since 1970.
func failingSince(s *tracing.ExporterStats) float64 {
	if s.LastError == nil || s.LastErrorSince.IsZero() {
		return math.NaN()
	}
	return float64(s.LastErrorSince.UnixMilli()) / 1000
}

// providerFamilies are about the provider. Each field of [tracing.Stats] stands in one place, here or in
// exporterFamilies; a test fails where one does not.
var providerFamilies = []family[tracing.Stats]{
	{
		"spandrel_spans_started_total", counter, "Recorded spans that were started.",
		single(func(s *tracing.Stats) float64 { return float64(s.Started) }),
	},
	{
		"spandrel_spans_ended_total", counter, "Recorded spans that have ended.",
		single(func(s *tracing.Stats) float64 { return float64(s.Ended) }),
	},
	{
		"spandrel_spans_open", gauge, "Recorded spans that have not ended.",
		single(func(s *tracing.Stats) float64 { return float64(s.Open) }),
	},
	{
		"spandrel_spans_sampled_out_total", counter, "Spans that the sampler dropped: they record nothing.",
		single(func(s *tracing.Stats) float64 { return float64(s.SampledOut) }),
	},
	{
		"spandrel_spans_unfinished_total", counter, "Spans that the provider ended itself, at shutdown or because too many were open.",
		single(func(s *tracing.Stats) float64 { return float64(s.Unfinished) }),
	},
	{
		"spandrel_spans_overdue_total", counter, "Spans found open for longer than the provider's age limit for open spans; 0 without one.",
		single(func(s *tracing.Stats) float64 { return float64(s.Overdue) }),
	},
	{
		"spandrel_spans_withheld_total", counter, "Spans that ended and were, as they should, not given to the exporters, by reason.",
		[]sample[tracing.Stats]{
			{"record_only", func(s *tracing.Stats) float64 { return float64(s.Withheld.RecordOnly) }},
			{"not_sampled", func(s *tracing.Stats) float64 { return float64(s.Withheld.NotSampled) }},
			{"released", func(s *tracing.Stats) float64 { return float64(s.Withheld.Released) }},
		},
	},
	{
		"spandrel_ends_refused_total", counter, "Calls that would have ended a span before its start.",
		single(func(s *tracing.Stats) float64 { return float64(s.RefusedEnds) }),
	},
	{
		"spandrel_spans_never_linked_total", counter, "Spans that were created without a trace and ended before they got one.",
		single(func(s *tracing.Stats) float64 { return float64(s.NeverLinked) }),
	},
	{
		"spandrel_spans_started_after_shutdown_total", counter, "Calls of Start after the provider's shutdown.",
		single(func(s *tracing.Stats) float64 { return float64(s.StartedAfterShutdown) }),
	},
	{
		"spandrel_spans_ended_after_shutdown_total", counter, "Spans that were open at the provider's shutdown and ended later.",
		single(func(s *tracing.Stats) float64 { return float64(s.EndedAfterShutdown) }),
	},
}

// exporterFamilies are about each exporter and its pipeline.
var exporterFamilies = []family[tracing.ExporterStats]{
	{
		"spandrel_exporter_spans_queued_total", counter, "Spans given to the exporter's pipeline.",
		single(func(s *tracing.ExporterStats) float64 { return float64(s.Queued) }),
	},
	{
		"spandrel_exporter_spans_exported_total", counter, "Spans that were delivered.",
		single(func(s *tracing.ExporterStats) float64 { return float64(s.Exported) }),
	},
	{
		"spandrel_exporter_spans_dropped_total", counter, "Spans that were not delivered and never will be, by reason.",
		[]sample[tracing.ExporterStats]{
			{"queue_full", func(s *tracing.ExporterStats) float64 { return float64(s.Dropped.QueueFull) }},
			{"export_failed", func(s *tracing.ExporterStats) float64 { return float64(s.Dropped.ExportFailed) }},
			{"too_large", func(s *tracing.ExporterStats) float64 { return float64(s.Dropped.TooLarge) }},
			{"rejected", func(s *tracing.ExporterStats) float64 { return float64(s.Dropped.Rejected) }},
			{"shutdown", func(s *tracing.ExporterStats) float64 { return float64(s.Dropped.Shutdown) }},
			{"abandoned", func(s *tracing.ExporterStats) float64 { return float64(s.Dropped.Abandoned) }},
			{"spool_full", func(s *tracing.ExporterStats) float64 { return float64(s.Dropped.SpoolFull) }},
			{"spool_failed", func(s *tracing.ExporterStats) float64 { return float64(s.Dropped.SpoolFailed) }},
		},
	},
	{
		"spandrel_exporter_retries_total", counter, "Calls of the exporter that repeat a failed one with the same batch, but for the first out of the spool.",
		single(func(s *tracing.ExporterStats) float64 { return float64(s.Retried) }),
	},
	{
		"spandrel_exporter_spans_waiting", gauge, "Spans in memory that are neither delivered nor dropped nor in the spool yet.",
		single(func(s *tracing.ExporterStats) float64 { return float64(s.Waiting) }),
	},
	{
		"spandrel_exporter_spans_in_queue", gauge, "Those of the waiting spans that have not been taken into a batch yet.",
		single(func(s *tracing.ExporterStats) float64 { return float64(s.InQueue) }),
	},
	{
		"spandrel_exporter_spans_in_flight", gauge, "Those of the waiting spans that the exporter is sending now.",
		single(func(s *tracing.ExporterStats) float64 { return float64(s.InFlight) }),
	},
	{
		"spandrel_exporter_waiting_bytes", gauge, "Estimated size of the waiting spans.",
		single(func(s *tracing.ExporterStats) float64 { return float64(s.WaitingBytes) }),
	},
	{
		"spandrel_exporter_queue_capacity_spans", gauge, "Spans that may be in the queue.",
		single(func(s *tracing.ExporterStats) float64 { return float64(s.QueueCapacity) }),
	},
	{
		"spandrel_exporter_sent_bytes_total", counter, "Size of the request bodies that were delivered.",
		single(func(s *tracing.ExporterStats) float64 { return float64(s.SentBytes) }),
	},
	{
		"spandrel_exporter_circuit_open", gauge, "1 while nothing is sent because the newest call failed, else 0.",
		single(func(s *tracing.ExporterStats) float64 { return truth(s.CircuitOpen) }),
	},
	{
		"spandrel_exporter_failing", gauge, "1 if the newest export failed, else 0.",
		single(func(s *tracing.ExporterStats) float64 { return truth(s.LastError != nil) }),
	},
	{
		"spandrel_exporter_failing_since_timestamp_seconds", gauge, "When the failures began, in seconds since 1970; absent while the exporter does not fail.",
		single(failingSince),
	},
	{
		"spandrel_exporter_spool_spans", gauge, "Spans in the spool's directory.",
		single(func(s *tracing.ExporterStats) float64 { return float64(s.Spool.Spans) }),
	},
	{
		"spandrel_exporter_spool_bytes", gauge, "Size of what is in the spool's directory.",
		single(func(s *tracing.ExporterStats) float64 { return float64(s.Spool.Bytes) }),
	},
	{
		"spandrel_exporter_spool_capacity_bytes", gauge, "What may be in the spool's directory; 0 without a spool.",
		single(func(s *tracing.ExporterStats) float64 { return float64(s.Spool.Capacity) }),
	},
	{
		"spandrel_exporter_spool_spans_written_total", counter, "Spans appended to the spool.",
		single(func(s *tracing.ExporterStats) float64 { return float64(s.Spool.Written) }),
	},
	{
		"spandrel_exporter_spool_spans_replayed_total", counter, "Spans delivered out of the spool.",
		single(func(s *tracing.ExporterStats) float64 { return float64(s.Spool.Replayed) }),
	},
	{
		"spandrel_exporter_spool_spans_recovered_total", counter, "Spans that were in the spool when the provider was made.",
		single(func(s *tracing.ExporterStats) float64 { return float64(s.Spool.Recovered) }),
	},
	{
		"spandrel_exporter_spool_damages_total", counter, "Places in the spool that could not be read; nobody knows how many spans were there.",
		single(func(s *tracing.ExporterStats) float64 { return float64(s.Spool.Damaged) }),
	},
}
