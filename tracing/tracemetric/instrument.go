// SPDX-License-Identifier: Apache-2.0

package tracemetric

import (
	"math"
	"strconv"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/semconv/v1.43.0/otelconv"

	"github.com/spandrel-go/spandrel/tracing"
)

// schemaURL says which version of the conventions the names are from. This file is the only one that
// imports them.
const schemaURL = semconv.SchemaURL

// instrument is one observable instrument. It reads a T: [tracing.Stats], or the [tracing.ExporterStats]
// of one exporter.
type instrument[T any] struct {
	definition
	kind kind
	of   component
	// points has one entry without an attribute, one for each value of an attribute, or both.
	points []point[T]
}

// definition is what the types of otelconv and own have in common.
type definition interface {
	Name() string
	Unit() string
	Description() string
}

// own is an instrument that the conventions do not have.
type own struct{ name, unit, description string }

func (o own) Name() string        { return o.name }
func (o own) Unit() string        { return o.unit }
func (o own) Description() string { return o.description }

type kind string

const (
	counter       kind = "counter"
	upDownCounter kind = "updowncounter"
	gauge         kind = "gauge"
)

// component says whose attributes an instrument has.
type component string

const (
	ofProvider  component = ""
	ofProcessor component = "processor"
	ofExporter  component = "exporter"
)

// attributes returns those of the component at place i among the provider's exporters.
func (c component) attributes(i int, exporter string) []attribute.KeyValue {
	switch c {
	case ofProcessor:
		return componentAttributes(string(otelconv.ComponentTypeBatchingSpanProcessor), i)
	case ofExporter:
		if known, ok := exporterTypes[exporter]; ok {
			exporter = string(known)
		}
		return componentAttributes(exporter, i)
	default:
		return nil
	}
}

// exporterTypes are the exporters for which the conventions have a name.
var exporterTypes = map[string]otelconv.ComponentTypeAttr{
	"*zipkin.Exporter": otelconv.ComponentTypeZipkinHTTPSpanExporter,
}

// point reads one value.
type point[T any] struct {
	attribute attribute.KeyValue // none if it is not valid
	value     func(*T) int64     // nothing where there is nothing to show
}

const nothing = math.MinInt64

// reasonKey is the attribute of spandrel's own metrics that are counted by reason.
const reasonKey = attribute.Key("spandrel.reason")

func single[T any](value func(*T) int64) []point[T] { return []point[T]{{value: value}} }

func errorType(of string) attribute.KeyValue {
	return otelconv.SDKExporterSpanExported{}.AttrErrorType(otelconv.ErrorTypeAttr(of))
}

func truth(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// givenUp is how many spans the exporter has not delivered, once it had them.
func givenUp(d *tracing.DroppedStats) uint64 {
	return d.ExportFailed + d.TooLarge + d.Rejected + d.Abandoned
}

// failingSince is a time in seconds. There is none while nothing fails: 0 would look like a failure that
// has lasted since 1970.
func failingSince(s *tracing.ExporterStats) int64 {
	if s.LastError == nil || s.LastErrorSince.IsZero() {
		return nothing
	}
	return s.LastErrorSince.Unix()
}

// providerInstruments are about the provider. Each field of [tracing.Stats] stands here or in
// exporterInstruments; a test fails where one does not.
var providerInstruments = []instrument[tracing.Stats]{
	{otelconv.SDKSpanStartedObservable{}, counter, ofProvider, []point[tracing.Stats]{
		{value: func(s *tracing.Stats) int64 { return int64(s.Started) }},
		{
			otelconv.SDKSpanStarted{}.AttrSpanSamplingResult(otelconv.SpanSamplingResultDrop),
			func(s *tracing.Stats) int64 { return int64(s.SampledOut) },
		},
	}},
	{
		otelconv.SDKSpanLiveObservable{},
		upDownCounter, ofProvider,
		single(func(s *tracing.Stats) int64 { return int64(s.Open) }),
	},
	{
		own{"spandrel.span.ended", "{span}", "The number of recorded spans that have ended."},
		counter, ofProvider, single(func(s *tracing.Stats) int64 { return int64(s.Ended) }),
	},
	{
		own{"spandrel.span.unfinished", "{span}", "The number of spans that the provider ended itself, at shutdown or because too many were open."},
		counter, ofProvider, single(func(s *tracing.Stats) int64 { return int64(s.Unfinished) }),
	},
	{
		own{"spandrel.span.overdue", "{span}", "The number of spans found open for longer than the provider's age limit for open spans; 0 without one."},
		counter, ofProvider, single(func(s *tracing.Stats) int64 { return int64(s.Overdue) }),
	},
	{
		own{"spandrel.span.withheld", "{span}", "The number of spans that ended and were, as they should, not given to the exporters."},
		counter, ofProvider,
		[]point[tracing.Stats]{
			{reasonKey.String("record_only"), func(s *tracing.Stats) int64 { return int64(s.Withheld.RecordOnly) }},
			{reasonKey.String("not_sampled"), func(s *tracing.Stats) int64 { return int64(s.Withheld.NotSampled) }},
			{reasonKey.String("released"), func(s *tracing.Stats) int64 { return int64(s.Withheld.Released) }},
		},
	},
	{
		own{"spandrel.span.end_refused", "{call}", "The number of calls that would have ended a span before its start."},
		counter, ofProvider, single(func(s *tracing.Stats) int64 { return int64(s.RefusedEnds) }),
	},
	{
		own{"spandrel.span.never_linked", "{span}", "The number of spans that were created without a trace and ended before they got one."},
		counter, ofProvider, single(func(s *tracing.Stats) int64 { return int64(s.NeverLinked) }),
	},
	{
		own{"spandrel.span.started_after_shutdown", "{call}", "The number of calls of Start after the provider's shutdown."},
		counter, ofProvider, single(func(s *tracing.Stats) int64 { return int64(s.StartedAfterShutdown) }),
	},
	{
		own{"spandrel.span.ended_after_shutdown", "{span}", "The number of spans that were open at the provider's shutdown and ended later."},
		counter, ofProvider, single(func(s *tracing.Stats) int64 { return int64(s.EndedAfterShutdown) }),
	},
}

// exporterInstruments are about each exporter and its pipeline.
var exporterInstruments = []instrument[tracing.ExporterStats]{
	{
		otelconv.SDKProcessorSpanQueueSize{},
		upDownCounter, ofProcessor,
		single(func(s *tracing.ExporterStats) int64 { return int64(s.InQueue) }),
	},
	{
		otelconv.SDKProcessorSpanQueueCapacity{},
		upDownCounter, ofProcessor,
		single(func(s *tracing.ExporterStats) int64 { return int64(s.QueueCapacity) }),
	},
	{otelconv.SDKProcessorSpanProcessedObservable{}, counter, ofProcessor, []point[tracing.ExporterStats]{
		{value: func(s *tracing.ExporterStats) int64 { return int64(s.Exported + givenUp(&s.Dropped)) }},
		{errorType("queue_full"), func(s *tracing.ExporterStats) int64 { return int64(s.Dropped.QueueFull) }},
		{errorType("shutdown"), func(s *tracing.ExporterStats) int64 { return int64(s.Dropped.Shutdown) }},
		{errorType("spool_full"), func(s *tracing.ExporterStats) int64 { return int64(s.Dropped.SpoolFull) }},
		{errorType("spool_failed"), func(s *tracing.ExporterStats) int64 { return int64(s.Dropped.SpoolFailed) }},
	}},
	{
		otelconv.SDKExporterSpanInflightObservable{},
		upDownCounter, ofExporter,
		single(func(s *tracing.ExporterStats) int64 { return int64(s.InFlight) }),
	},
	{otelconv.SDKExporterSpanExportedObservable{}, counter, ofExporter, []point[tracing.ExporterStats]{
		{value: func(s *tracing.ExporterStats) int64 { return int64(s.Exported) }},
		{errorType("export_failed"), func(s *tracing.ExporterStats) int64 { return int64(s.Dropped.ExportFailed) }},
		{errorType("too_large"), func(s *tracing.ExporterStats) int64 { return int64(s.Dropped.TooLarge) }},
		{errorType("rejected"), func(s *tracing.ExporterStats) int64 { return int64(s.Dropped.Rejected) }},
		{errorType("abandoned"), func(s *tracing.ExporterStats) int64 { return int64(s.Dropped.Abandoned) }},
	}},
	{
		own{"spandrel.processor.span.queued", "{span}", "The number of spans given to the exporter's pipeline."},
		counter, ofProcessor, single(func(s *tracing.ExporterStats) int64 { return int64(s.Queued) }),
	},
	{
		own{"spandrel.processor.span.waiting", "{span}", "The number of spans in memory that are neither delivered nor dropped nor in the spool yet."},
		upDownCounter, ofProcessor, single(func(s *tracing.ExporterStats) int64 { return int64(s.Waiting) }),
	},
	{
		own{"spandrel.processor.span.waiting.size", "By", "The estimated size of the spans that wait in memory."},
		upDownCounter, ofProcessor, single(func(s *tracing.ExporterStats) int64 { return int64(s.WaitingBytes) }),
	},
	{
		own{"spandrel.exporter.retried", "{call}", "The number of calls of the exporter that repeat a failed one with the same batch, but for the first out of the spool."},
		counter, ofExporter, single(func(s *tracing.ExporterStats) int64 { return int64(s.Retried) }),
	},
	{
		own{"spandrel.exporter.sent", "By", "The size of the request bodies that were delivered."},
		counter, ofExporter, single(func(s *tracing.ExporterStats) int64 { return int64(s.SentBytes) }),
	},
	{
		own{"spandrel.exporter.circuit_open", "1", "1 while nothing is sent because the newest call failed, else 0."},
		gauge, ofExporter, single(func(s *tracing.ExporterStats) int64 { return truth(s.CircuitOpen) }),
	},
	{
		own{"spandrel.exporter.failing", "1", "1 if the newest export failed, else 0."},
		gauge, ofExporter, single(func(s *tracing.ExporterStats) int64 { return truth(s.LastError != nil) }),
	},
	{
		own{"spandrel.exporter.failing_since", "s", "When the failures began, in seconds since 1970; absent while the exporter does not fail."},
		gauge, ofExporter, single(failingSince),
	},
	{
		own{"spandrel.spool.span.count", "{span}", "The number of spans in the spool's directory."},
		upDownCounter, ofProcessor, single(func(s *tracing.ExporterStats) int64 { return int64(s.Spool.Spans) }),
	},
	{
		own{"spandrel.spool.size", "By", "The size of what is in the spool's directory."},
		upDownCounter, ofProcessor, single(func(s *tracing.ExporterStats) int64 { return s.Spool.Bytes }),
	},
	{
		own{"spandrel.spool.capacity", "By", "The size that what is in the spool's directory may have, 0 without a spool."},
		upDownCounter, ofProcessor, single(func(s *tracing.ExporterStats) int64 { return s.Spool.Capacity }),
	},
	{
		own{"spandrel.spool.span.written", "{span}", "The number of spans appended to the spool."},
		counter, ofProcessor, single(func(s *tracing.ExporterStats) int64 { return int64(s.Spool.Written) }),
	},
	{
		own{"spandrel.spool.span.replayed", "{span}", "The number of spans delivered out of the spool."},
		counter, ofProcessor, single(func(s *tracing.ExporterStats) int64 { return int64(s.Spool.Replayed) }),
	},
	{
		own{"spandrel.spool.span.recovered", "{span}", "The number of spans that were in the spool when the provider was made."},
		counter, ofProcessor, single(func(s *tracing.ExporterStats) int64 { return int64(s.Spool.Recovered) }),
	},
	{
		own{"spandrel.spool.damaged", "{place}", "The number of places in the spool that could not be read; nobody knows how many spans were there."},
		counter, ofProcessor, single(func(s *tracing.ExporterStats) int64 { return int64(s.Spool.Damaged) }),
	},
}

// componentAttributes says which component a value is about. Source: otel.component.name of the
// conventions, which asks for names that are unique in an SDK and the same after a restart.
func componentAttributes(of string, i int) []attribute.KeyValue {
	return []attribute.KeyValue{
		semconv.OTelComponentTypeKey.String(of),
		semconv.OTelComponentName(of + "/" + strconv.Itoa(i)),
	}
}
