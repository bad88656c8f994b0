// SPDX-License-Identifier: Apache-2.0

// Package tracemetric shows what [tracing.Provider.Stats] counts through OpenTelemetry's metrics API, by
// the names of OpenTelemetry's semantic conventions for SDKs, version 1.43.
//
//	registration, err := tracemetric.Register(meterProvider, provider)
//	...
//	err = registration.Unregister() // when the provider is not used any more
//
// It is a module of its own, because the metrics API is no dependency of the library. docs/metrics.md
// lists every metric with its unit, its attributes and the fields of [tracing.Stats] that it shows.
//
// # Components
//
// OpenTelemetry has a span processor that batches, and an exporter behind it. Here the pipeline of an
// exporter is the first: it has the attributes otel.component.type "batching_span_processor" and
// otel.component.name, the type with the exporter's place in the order of [tracing.WithExporter], as in
// "batching_span_processor/0". The exporter has the same number, as in "zipkin_http_span_exporter/0"; where
// the conventions have no name for its type, the type is its Go type.
//
// # Metrics of the conventions
//
//   - otel.sdk.span.started, {span}: recorded spans, and with otel.span.sampling_result "DROP" those that
//     the sampler dropped.
//   - otel.sdk.span.live, {span}: recorded spans that have not ended.
//   - otel.sdk.processor.span.queue.size, {span}: spans that have not been taken into a batch yet. Those that
//     have, and wait to be sent or sent again, are among spandrel.processor.span.waiting.
//   - otel.sdk.processor.span.queue.capacity, {span}: see [tracing.WithQueueSpans].
//   - otel.sdk.processor.span.processed, {span}: spans that the pipeline is done with. Without error.type
//     the exporter has had its say, whatever it was; with error.type "queue_full", "shutdown", "spool_full"
//     or "spool_failed" they were dropped before.
//   - otel.sdk.exporter.span.inflight, {span}: spans that the exporter is being called with, but for those
//     that come out of the spool. To try again is the pipeline's work here: a batch that waits for that is not
//     in flight.
//   - otel.sdk.exporter.span.exported, {span}: without error.type spans that were delivered; with
//     error.type "export_failed", "too_large", "rejected" or "abandoned" those that were not, after the
//     last try. [tracing.DroppedStats] says what these words mean.
//
// What the conventions have no name for begins with spandrel.
//
// # What is missing
//
// Statistics do not count apart where a span's parent was, nor whether a recorded one was also sampled:
// otel.span.parent.origin is never there, and otel.span.sampling_result only where it is "DROP". They do
// not know an exporter's address: server.address and server.port are not there. They have no durations:
// otel.sdk.exporter.operation.duration is not there. error.type never holds an error's text, which would
// make a series of each.
//
// # Concurrency and cost
//
// Everything is safe for concurrent use. The package starts no goroutine. A collection calls Stats once;
// between collections nothing is done, and the path of a span does not know that it is measured.
package tracemetric
