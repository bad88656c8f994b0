// SPDX-License-Identifier: Apache-2.0

// Package tracing is a tracing SDK: it makes spans, keeps them safe, and hands them to exporters.
//
//	provider, err := tracing.NewProvider(
//		tracing.WithServiceName("orders"),
//		tracing.WithExporter(exporter),
//	)
//	if err != nil {
//		return err
//	}
//	defer provider.Shutdown(context.Background())
//
//	ctx, span := provider.NewTracer("orders").StartSpan(ctx, "validate")
//	defer span.End()
//
// A [Provider] is an OpenTelemetry trace.TracerProvider: otel.SetTracerProvider(provider) puts it under
// every library that speaks that API. Kong's verbs, [Tracer.StartSpan] and its neighbours, work on the
// same spans and cost less, because they need no slices and closures on the heap.
//
// # Spans
//
// A [Span] is a handle that may be kept and used for ever. What it records is pooled storage behind it,
// which End takes away: from then on the handle's methods do nothing, and nothing of another span can
// be reached through it. The Go context that starts return holds the span; printing it shows ids only.
//
// The spans of one trace that a provider makes in this process under one local root form a local
// trace. It is handed to the exporters when its root has ended and no span is open; a large or
// long-lived one in parts, whose spans are marked [SpanData.Partial]. A program that does not end its
// spans sees them exported with the attribute span.unfinished ([WithOpenSpanLimit], [Provider.Shutdown]);
// [Provider.OpenSpans] lists what is open, and [WithOpenSpanAge] finds what stays so.
//
// # Kong's verbs
//
// What a plugin does with kong.tracing is written with [Tracer.StartSpan], [Tracer.SetActiveSpan],
// [Span.SetAttribute], [Span.FinishAt], [Tracer.ProcessSpans], [Tracer.SetShouldSample] and their
// neighbours; docs/kong.md has the table. [NewTracer] and [StartSpan] use the provider given to
// [SetGlobal], and do nothing before. [WithNamespace] gives a tracer's spans an active span of their own.
//
// # Processors
//
// A [Processor] sees spans start and end, in the order of registration. In OnEnding it may still write
// to the span, read it by [Span.Snapshot], and drop it by [Span.Release]. What it takes out there never
// reaches a queue: [NewRedactor] makes one that takes secrets out.
//
// # Resource and environment
//
// Each span carries the provider's [Resource]: defaults, what detectors find ([WithResourceDetectors]),
// what the environment says, and options, of which the later take precedence. [NewProvider] reads the
// environment variables that OpenTelemetry gives an SDK (general, sampler, limits, batches); options beat
// them. docs/environment.md lists each with its default and range.
//
// # Exporters
//
// Each exporter has a pipeline of its own: a queue bounded in spans and bytes, a goroutine that
// encodes, and one that sends, tries again for up to a minute, and halves what is too large. When the
// queue is full, new spans are dropped and counted, unless [WithQueueWait] says otherwise.
// [Provider.Stats] accounts for every span. See [Exporter] and [EncodingExporter] for writing one.
//
// # Concurrency, errors, cost
//
// Everything is safe for concurrent use unless its comment says otherwise. Recording never blocks, never
// panics of itself and returns no errors: what cannot be kept is counted. Constructors return errors that
// name the option. [Provider.SetSampler] and [Provider.SetSpanLimits] change a provider that is in use.
//
// A recorded span costs one allocation, an unsampled one too, and no more than 80 bytes. The hot path is
// Start, StartSpan, SetAttributes, AddEvent, SetStatus, End, the hand-over to the queue, and the loop
// that encodes; a change there comes with figures from internal/benchmarks.
package tracing

// Version is the version of this library, as it stands in telemetry.sdk.version.
const Version = "0.1.0-dev"
