// SPDX-License-Identifier: Apache-2.0

package compliance_test

// The sections below are normative sentences of the specification, shortened. What it says MUST be is
// required, the rest is optional.

var environmentRules = section{
	name:   "Values of environment variables",
	source: "[configuration/sdk-environment-variables.md](" + specTree + "configuration/sdk-environment-variables.md)",
	rows: []row{
		{feature: "What the environment configures can be configured in code", tests: spec("OTEL_SPAN_EVENT_COUNT_LIMIT", "OTEL_BSP_MAX_QUEUE_SIZE", "OTEL_TRACES_SAMPLER"), remark: "an option beats the environment"},
		{feature: "An empty value counts as none", tests: spec("OTEL_SPAN_EVENT_COUNT_LIMIT", "OTEL_SDK_DISABLED")},
		{feature: "Boolean: only `true`, in any case, is true; what is neither true nor false warns", tests: spec("OTEL_SDK_DISABLED")},
		{feature: "Numeric: a value that cannot be parsed, or is negative, warns and counts as none", optional: true, tests: spec("OTEL_SPAN_EVENT_COUNT_LIMIT", "OTEL_BSP_SCHEDULE_DELAY", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE")},
		{feature: "Enum: an unknown value warns and counts as none", tests: spec("OTEL_TRACES_SAMPLER")},
		{feature: "Enum: values are read in any case", optional: true, tests: spec("OTEL_TRACES_SAMPLER")},
		{feature: "A limit of spans goes before the general limit", tests: spec("OTEL_ATTRIBUTE_COUNT_LIMIT", "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT")},
	},
}

var tracerRules = section{
	name:   "Tracer provider and spans",
	source: "[trace/sdk.md](" + specTree + "trace/sdk.md)",
	rows: []row{
		{
			group: "Tracer provider", feature: "After Shutdown a tracer that is asked for is a valid no-op tracer", optional: true,
			tests: spec("Tracer_after_Shutdown"),
		},
		{
			group: "Tracer provider", feature: "A tracer without a name works, and its name is empty",
			tests: spec("Get_Tracer"),
		},
		{
			group: "Tracer provider", feature: "A message says that a tracer's name is invalid", optional: true,
			differs: "not logged: the empty name of the scope is seen where the spans are, and a library that has no name cannot mend it there",
		},
		{
			group: "Tracer provider", feature: "Shutdown and ForceFlush let the caller know whether they succeeded, failed or timed out", optional: true,
			tests: spec("Shutdown_reports_outcome", "ForceFlush_reports_outcome"),
		},
		{
			group: "Tracer provider", feature: "ForceFlush invokes ForceFlush on all registered processors",
			tests: spec("ForceFlush_calls_each_processor"),
		},
		{
			group: "Tracer configuration (Development)", feature: "TracerConfigurator and TracerConfig.enabled, also for tracers handed out before",
			differs: "in Development; a tracer is disabled by `WithNoop` when it is made",
		},
		{
			group: "Tracer configuration (Development)", feature: "Tracer.Enabled", optional: true,
			none: "OpenTelemetry's API for Go has no such method yet (v1.46)",
		},
		{
			group: "Readable span", feature: "All information that was added to the span, its resource and its instrumentation scope can be read",
			tests: spec("Readable_Span", "Scope_from_readable_Span"),
		},
		{
			group: "Readable span", feature: "Whether the span has ended can be determined",
			tests: spec("Readable_Span_has_ended"),
		},
		{
			group: "Readable span", feature: "Counts of dropped attributes, events and links are available to exporters",
			tests: spec("Dropped_counts"),
		},
		{
			group: "ID generators", feature: "Trace ID and span ID are random by default",
			tests: spec("Random_IDs"),
		},
		{
			group: "ID generators", feature: "The way both are generated can be customised",
			tests: spec("IDGenerators"),
		},
	},
}

var samplingRules = section{
	name:   "Sampling",
	source: "[trace/sdk.md](" + specTree + "trace/sdk.md#sampling)",
	rows: []row{
		{group: "Decisions", feature: "Recording and sampled: processors see the span, and so do exporters", tests: spec("Record_and_sample")},
		{group: "Decisions", feature: "Recording and not sampled: processors see the span, exporters do not", tests: spec("Record_only")},
		{group: "Decisions", feature: "Not recording and not sampled: neither sees the span", tests: spec("Drop")},
		{group: "Decisions", feature: "Sampled and not recording is not allowed", tests: spec("Sampled_Spans_record")},
		{group: "ShouldSample", feature: "A parent's trace ID is the one the sampler gets", tests: spec("Sampler_gets_parent_context")},
		{group: "ShouldSample", feature: "It gets trace ID, name, kind, initial attributes and links", tests: spec("Sampler_arguments")},
		{group: "ShouldSample", feature: "Its attributes are added to the span", tests: spec("Sampler_adds_attributes")},
		{group: "ShouldSample", feature: "An empty trace state that it returns clears the trace state", tests: spec("Sampler_modifies_tracestate")},
		{group: "ShouldSample", feature: "A new span ID is made independently of the decision", tests: spec("New_Span_ID_for_non_recording_Spans")},
		{group: "Built-in samplers", feature: "The default sampler is ParentBased(root=AlwaysOn)", tests: spec("Default_sampler")},
		{group: "Built-in samplers", feature: "AlwaysOn and AlwaysOff, with their descriptions", tests: spec("AlwaysOnAndAlwaysOff")},
		{group: "Built-in samplers", feature: "TraceIdRatioBased: deterministic, ignores the parent, a higher ratio keeps all that a lower one keeps, its description", tests: spec("TraceIDRatioBased", "RatioWithHigherRateKeepsAllThatALowerRateKeeps")},
		{group: "Built-in samplers", feature: "ParentBased with a sampler for each of five cases", tests: spec("ParentBased")},
		{group: "Built-in samplers", feature: "AlwaysRecord: Drop becomes RecordOnly, the rest stays", tests: spec("AlwaysRecord")},
		{group: "Built-in samplers", feature: "JaegerRemoteSampler", tests: spec("JaegerRemoteSampler")},
		{group: "Probability (Development)", feature: "ProbabilitySampler ignores the parent and sets `th` in the trace state", tests: spec("ProbabilitySampler")},
		{group: "Probability (Development)", feature: "CompositeSampler with ComposableAlwaysOn, AlwaysOff, Probability, ParentThreshold, RuleBased and Annotating", tests: spec("CompositeSampler")},
		{group: "Probability (Development)", feature: "Explicit randomness `rv` is never overwritten", tests: spec("ExplicitRandomness")},
		{group: "Probability (Development)", feature: "Trace IDs are presumed to be random where there is no `rv`", optional: true, tests: spec("PresumedRandomness")},
		{group: "Probability (Development)", feature: "A root's trace ID meets W3C Level 2 and its flags say so (bit 1, Random)", optional: true, tests: spec("Random_trace_flag")},
		{group: "Probability (Development)", feature: "An IdGenerator decides whether the Random flag is set", optional: true, tests: spec("IDGenerator_sets_random_flag")},
	},
}

var limitRules = section{
	name:   "Limits",
	source: "[common/README.md](" + specTree + "common/README.md#attribute-limits), [trace/sdk.md](" + specTree + "trace/sdk.md#span-limits)",
	rows: []row{
		{group: "Counts", feature: "128 attributes, events, links, attributes of an event and attributes of a link by default", tests: spec("Default_limits")},
		{group: "Counts", feature: "An attribute beyond the limit is discarded and counted; one whose key is there replaces it", tests: spec("attribute_collection_size_limit", "SetAttribute_at_the_limit")},
		{group: "Counts", feature: "Events and links beyond the limit are discarded and counted", tests: spec("events_collection_size_limit", "links_collection_size_limit")},
		{group: "Counts", feature: "All limits can be changed in code", tests: spec("SpanLimits", "Attribute_Limits", "Attribute_depth_limit")},
		{group: "Values", feature: "The length of values is not limited by default", tests: spec("Default_limits")},
		{group: "Values", feature: "Strings are cut at the limit, byte arrays at as many bytes, in arrays and maps recursively; nothing else is", tests: spec("Attribute_Limits")},
		{group: "Values", feature: "Arrays and maps deeper than the limit, 64 by default, become empty values", tests: spec("Attribute_depth_limit")},
		{group: "Values", feature: "Limits do not touch resource attributes", optional: true, tests: spec("Resource_attributes_have_no_limit")},
		{group: "Types", feature: "Bytes, arrays of any values, maps and empty values are stored and passed on", tests: spec("Any_value_attributes")},
		{group: "Types", feature: "Zero, the empty string and empty arrays are stored and passed on", tests: spec("Empty_and_zero_attributes")},
		{
			group: "Logs", feature: "A message, at most once a span, says that something was discarded", optional: true, tests: spec("Limits_are_logged_once"),
		},
	},
}

// noExporterFlush says why an exporter has no ForceFlush.
const noExporterFlush = "when ExportSpans or SendRequest returns, what it was given is delivered or has failed: nothing is left to flush"

var processorRules = section{
	name:   "Span processors",
	source: "[trace/sdk.md](" + specTree + "trace/sdk.md#span-processor)",
	rows: []row{
		{group: "OnStart", feature: "Called synchronously on the goroutine that started the span, in the order of registration", tests: spec("OnStart_in_order")},
		{group: "OnStart", feature: "The span may be kept, and updates are reflected in it", optional: true, tests: spec("OnStart_Span_may_be_kept")},
		{group: "OnEnding (Development)", feature: "The end timestamp has been taken: OnEnding is not part of the duration", tests: spec("OnEnding_after_End_timestamp")},
		{group: "OnEnding (Development)", feature: "The span is still mutable: attributes, links, events", tests: spec("OnEnding_may_write")},
		{group: "OnEnding (Development)", feature: "Called synchronously within End, in the order of registration", tests: spec("OnEnding_in_order")},
		{group: "OnEnding (Development)", feature: "All OnEnding callbacks run before any OnEnd", tests: spec("OnEnding_before_OnEnd")},
		{group: "OnEnding (Development)", feature: "No other goroutine can modify the span from the first OnEnding on", tests: spec("OnEnding_is_exclusive")},
		{group: "OnEnd", feature: "Called synchronously within End, with the end timestamp set, not writable", tests: spec("OnEnd")},
		{group: "Shutdown", feature: "Called once for each processor; later calls of the provider are ignored gracefully", optional: true, tests: spec("Processor_Shutdown_once")},
		{group: "Shutdown", feature: "Shutdown includes the effects of ForceFlush", tests: spec("Shutdown_flushes")},
		{group: "Shutdown", feature: "Shutdown and ForceFlush complete or abort within a timeout, which takes precedence over finishing", tests: spec("Shutdown_honours_deadline", "ForceFlush_honours_deadline")},
		{group: "ForceFlush", feature: "Exports all spans that have not been exported", tests: spec("Pipelines_ForceFlush")},
		{
			group: "ForceFlush", feature: "Invokes ForceFlush of the exporter",
			differs: noExporterFlush,
		},
		{group: "Custom", feature: "Users can implement and configure processors, and end each pipeline with its own exporter", tests: spec("Several_pipelines")},
	},
}

var batchRules = section{
	name:   "Batching processor",
	source: "[trace/sdk.md](" + specTree + "trace/sdk.md#batching-processor)",
	rows: []row{
		{feature: "Defaults: delay 5000 ms, export timeout 30000 ms, queue 2048, batch 512", tests: spec("Batch_defaults")},
		{
			feature: "Exports when the delay after the first span has elapsed", optional: true, tests: spec("Batch_after_delay"),
			remark: "at the delay at the latest: the pipeline wakes three times in it",
		},
		{feature: "Exports when the delay after the previous export has elapsed", optional: true, tests: spec("Batch_after_delay")},
		{feature: "Exports when the queue holds a batch", optional: true, tests: spec("Batch_when_full")},
		{feature: "Exports when ForceFlush is called", optional: true, tests: spec("Pipelines_ForceFlush")},
		{feature: "Each export only after the previous one has returned; never two at once on one exporter", tests: spec("Exports_do_not_overlap_ConcurrentSafe")},
		{feature: "Beyond the queue's size spans are dropped", tests: spec("Full_queue_drops"), remark: "and counted, see `ExporterStats.Dropped`"},
		{feature: "The batch is no larger than the queue", tests: spec("Batch_no_larger_than_queue")},
		{feature: "An export is cancelled after the export timeout", tests: spec("Export_timeout")},
		{
			feature: "A simple processor, which exports each span as it ends",
			differs: "exporters never run on the goroutine of the host; `WithBatchDelay` of a millisecond, or ForceFlush after a span, does what the simple processor is used for",
		},
	},
}

var concurrencyRules = section{
	name:   "Concurrency",
	source: "[trace/sdk.md](" + specTree + "trace/sdk.md#concurrency-requirements)",
	rows: []row{
		{feature: "Tracer creation, ForceFlush and Shutdown are safe to be called concurrently", tests: spec("TracerProvider_ConcurrentSafe")},
		{feature: "ShouldSample and GetDescription are safe to be called concurrently", tests: spec("SamplersAreConcurrentSafe")},
		{
			feature: "All methods of processors are safe to be called concurrently",
			tests:   spec("Processors_ConcurrentSafe"), remark: "asked of processors by the interface's documentation",
		},
		{
			feature: "ForceFlush and Shutdown of exporters are safe to be called concurrently",
			tests:   spec("Zipkin_ConcurrentSafe"), remark: "a provider calls Shutdown of an exporter once, and nothing beside it; there is no ForceFlush of exporters",
		},
	},
}

var errorRules = section{
	name:   "Error handling",
	source: "[error-handling.md](" + specTree + "error-handling.md)",
	rows: []row{
		{group: "Principles", feature: "API methods do not panic when they are used incorrectly", tests: spec("Misuse_does_not_panic", "Nil_options_do_not_panic")},
		{group: "Principles", feature: "Missing or invalid arguments get safe defaults", optional: true, tests: spec("Safe_defaults")},
		{
			group: "Principles", feature: "Fail on initialization at most, never later at runtime",
			tests: spec("Bad_options_fail_early"), remark: "by an error of `NewProvider`, not by a panic",
		},
		{group: "Principles", feature: "Errors of the SDK's own operations do not reach the application", tests: spec("Exporter_errors_stay_inside")},
		{
			group: "Guidance", feature: "Panics of callbacks are handled: those of exporters",
			tests: spec("Exporter_panics_stay_inside"),
		},
		{
			group: "Guidance", feature: "Panics of callbacks are handled: those of samplers and processors",
			differs: "not swallowed: they are on the goroutine of the caller, where Go's programs expect to see them; no span is lost by one",
		},
		{group: "Guidance", feature: "Background goroutines survive internal errors", optional: true, tests: spec("Pipeline_survives_panics")},
		{group: "Guidance", feature: "No method of a user's object is called that was not given as a callback", optional: true, tests: spec("No_string_method_is_called")},
		{group: "Guidance", feature: "What must not be nil is never nil: a no-op object is returned instead", tests: spec("Never_nil")},
		{group: "Self-diagnostics", feature: "A suppressed error is logged", optional: true, tests: spec("Suppressed_errors_are_logged")},
		{
			group: "Self-diagnostics", feature: "Self-observability metrics", optional: true,
			tests: metricsOfSpans, remark: "`Provider.Stats`, and by the names `otel.sdk.*` in `tracing/tracemetric`: [metrics](metrics.md)",
		},
		{group: "Error handlers", feature: "Users can change how errors are handled", tests: spec("Error_handler"), remark: "by the `slog.Logger` of `WithLogger`, which is Go's convention"},
	},
}
