// SPDX-License-Identifier: Apache-2.0

package compliance_test

// The sections below are normative sentences of the specification, shortened. What it says MUST be is
// required, the rest is optional.

var tracerRules = section{
	name:   "Tracer provider and spans",
	source: "[trace/sdk.md](" + specTree + "trace/sdk.md)",
	rows: []row{
		{
			group: "Tracer provider", feature: "After Shutdown a tracer that is asked for is a valid no-op tracer", optional: true,
			tests: spec("TracerAfterShutdown"),
		},
		{
			group: "Tracer provider", feature: "Shutdown and ForceFlush let the caller know whether they succeeded, failed or timed out", optional: true,
			tests: spec("ShutdownReportsOutcome", "ForceFlushReportsOutcome"),
		},
		{
			group: "Tracer provider", feature: "ForceFlush invokes ForceFlush on all registered processors",
			tests: spec("ForceFlushCallsEachProcessor"),
		},
		{
			group: "Tracer configuration (Development)", feature: "TracerConfigurator and TracerConfig.enabled, also for tracers handed out before",
			differs: "in Development; a tracer is disabled by `WithNoop` when it is made",
		},
		{
			group: "Tracer configuration (Development)", feature: "Tracer.Enabled", optional: true,
			none: "the Go API v1.46 has it, and a tracer of spandrel answers it as soon as the API's interface asks for it",
		},
		{
			group: "Readable span", feature: "All information that was added to the span, its resource and its instrumentation scope can be read",
			tests: spec("ReadableSpan", "ScopeFromReadableSpan"),
		},
		{
			group: "Readable span", feature: "Whether the span has ended can be determined",
			tests: spec("ReadableSpanHasEnded"),
		},
		{
			group: "Readable span", feature: "Counts of dropped attributes, events and links are available to exporters",
			tests: spec("DroppedCounts"),
		},
		{
			group: "ID generators", feature: "Trace ID and span ID are random by default",
			tests: spec("RandomIDs"),
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
		{group: "Decisions", feature: "Recording and sampled: processors see the span, and so do exporters", tests: spec("RecordAndSample")},
		{group: "Decisions", feature: "Recording and not sampled: processors see the span, exporters do not", tests: spec("RecordOnly")},
		{group: "Decisions", feature: "Not recording and not sampled: neither sees the span", tests: spec("Drop")},
		{group: "Decisions", feature: "Sampled and not recording is not allowed", tests: spec("SampledSpansRecord")},
		{group: "ShouldSample", feature: "A parent's trace ID is the one the sampler gets", tests: spec("SamplerGetsParentContext")},
		{group: "ShouldSample", feature: "It gets trace ID, name, kind, initial attributes and links", tests: spec("SamplerArguments")},
		{group: "ShouldSample", feature: "Its attributes are added to the span", tests: spec("SamplerAddsAttributes")},
		{group: "ShouldSample", feature: "An empty trace state that it returns clears the trace state", tests: spec("SamplerModifiesTraceState")},
		{group: "ShouldSample", feature: "A new span ID is made independently of the decision", tests: spec("NewSpanIDForNonRecordingSpans")},
		{group: "Built-in samplers", feature: "The default sampler is ParentBased(root=AlwaysOn)", tests: spec("DefaultSampler")},
		{group: "Built-in samplers", feature: "AlwaysOn and AlwaysOff, with their descriptions"},
		{group: "Built-in samplers", feature: "TraceIdRatioBased: deterministic, ignores the parent, a higher ratio keeps all that a lower one keeps, its description"},
		{group: "Built-in samplers", feature: "ParentBased with a sampler for each of five cases"},
		{group: "Built-in samplers", feature: "AlwaysRecord: Drop becomes RecordOnly, the rest stays"},
		{group: "Built-in samplers", feature: "JaegerRemoteSampler"},
		{group: "Probability (Development)", feature: "ProbabilitySampler ignores the parent and sets `th` in the trace state"},
		{group: "Probability (Development)", feature: "CompositeSampler with ComposableAlwaysOn, AlwaysOff, Probability, ParentThreshold, RuleBased and Annotating"},
		{group: "Probability (Development)", feature: "Explicit randomness `rv` is never overwritten"},
		{group: "Probability (Development)", feature: "Trace IDs are presumed to be random where there is no `rv`", optional: true},
		{group: "Probability (Development)", feature: "A root's trace ID meets W3C Level 2 and its flags say so (bit 1, Random)", optional: true, tests: spec("RandomTraceFlag")},
		{group: "Probability (Development)", feature: "An IdGenerator decides whether the Random flag is set", optional: true, tests: spec("IDGeneratorSetsRandomFlag")},
	},
}

var limitRules = section{
	name:   "Limits",
	source: "[common/README.md](" + specTree + "common/README.md#attribute-limits), [trace/sdk.md](" + specTree + "trace/sdk.md#span-limits)",
	rows: []row{
		{group: "Counts", feature: "128 attributes, events, links, attributes of an event and attributes of a link by default"},
		{group: "Counts", feature: "An attribute beyond the limit is discarded and counted; one whose key is there replaces it"},
		{group: "Counts", feature: "Events and links beyond the limit are discarded and counted"},
		{group: "Counts", feature: "All limits can be changed in code"},
		{group: "Values", feature: "The length of values is not limited by default"},
		{group: "Values", feature: "Strings are cut at the limit, byte arrays at as many bytes, in arrays and maps recursively; nothing else is"},
		{group: "Values", feature: "Arrays and maps deeper than the limit, 64 by default, become empty values"},
		{group: "Values", feature: "Limits do not touch resource attributes", optional: true},
		{group: "Types", feature: "Bytes, arrays of any values, maps and empty values are stored and passed on", tests: spec("AnyValueAttributes")},
		{group: "Types", feature: "Zero, the empty string and empty arrays are stored and passed on", tests: spec("EmptyAndZeroAttributes")},
		{
			group: "Logs", feature: "A message, at most once a span, says that something was discarded", optional: true,
			differs: "counted instead, on the span and in what exporters send: a line for each span would be as much output as traces",
		},
	},
}

var processorRules = section{
	name:   "Span processors",
	source: "[trace/sdk.md](" + specTree + "trace/sdk.md#span-processor)",
	rows: []row{
		{group: "OnStart", feature: "Called synchronously on the goroutine that started the span, in the order of registration", tests: spec("OnStartInOrder")},
		{group: "OnStart", feature: "The span may be kept, and updates are reflected in it", optional: true, tests: spec("OnStartSpanMayBeKept")},
		{group: "OnEnding (Development)", feature: "The end timestamp has been taken: OnEnding is not part of the duration", tests: spec("OnEndingAfterEndTimestamp")},
		{group: "OnEnding (Development)", feature: "The span is still mutable: attributes, links, events", tests: spec("OnEndingMayWrite")},
		{group: "OnEnding (Development)", feature: "Called synchronously within End, in the order of registration", tests: spec("OnEndingInOrder")},
		{group: "OnEnding (Development)", feature: "All OnEnding callbacks run before any OnEnd", tests: spec("OnEndingBeforeOnEnd")},
		{group: "OnEnding (Development)", feature: "No other goroutine can modify the span from the first OnEnding on", tests: spec("OnEndingIsExclusive")},
		{group: "OnEnd", feature: "Called synchronously within End, with the end timestamp set, not writable", tests: spec("OnEnd")},
		{group: "Shutdown", feature: "Called once for each processor; later calls of the provider are ignored gracefully", optional: true, tests: spec("ProcessorShutdownOnce")},
		{group: "Shutdown", feature: "Shutdown includes the effects of ForceFlush", tests: spec("ShutdownFlushes")},
		{group: "Shutdown", feature: "Shutdown and ForceFlush complete or abort within a timeout, which takes precedence over finishing", tests: spec("ShutdownHonoursDeadline", "ForceFlushHonoursDeadline")},
		{group: "ForceFlush", feature: "Exports all spans that have not been exported", tests: spec("PipelinesForceFlush")},
		{
			group: "ForceFlush", feature: "Invokes ForceFlush of the exporter",
			differs: "an `Exporter` has no ForceFlush: when ExportSpans or SendRequest returns, what it was given is delivered or failed; the bridge to exporters written for OpenTelemetry's SDK calls theirs",
		},
		{group: "Custom", feature: "Users can implement and configure processors, and end each pipeline with its own exporter", tests: spec("SeveralPipelines")},
	},
}

var batchRules = section{
	name:   "Batching processor",
	source: "[trace/sdk.md](" + specTree + "trace/sdk.md#batching-processor)",
	rows: []row{
		{feature: "Defaults: delay 5000 ms, export timeout 30000 ms, queue 2048, batch 512", tests: spec("BatchDefaults")},
		{
			feature: "Exports when the delay after the first span has elapsed", optional: true, tests: spec("BatchAfterDelay"),
			remark: "at the delay at the latest: the pipeline wakes three times in it",
		},
		{feature: "Exports when the delay after the previous export has elapsed", optional: true, tests: spec("BatchAfterDelay")},
		{feature: "Exports when the queue holds a batch", optional: true, tests: spec("BatchWhenFull")},
		{feature: "Exports when ForceFlush is called", optional: true, tests: spec("PipelinesForceFlush")},
		{feature: "Each export only after the previous one has returned; never two at once on one exporter", tests: spec("ExportsDoNotOverlapConcurrentSafe")},
		{feature: "Beyond the queue's size spans are dropped", tests: spec("FullQueueDrops"), remark: "and counted, see `ExporterStats.Dropped`"},
		{feature: "The batch is no larger than the queue", tests: spec("BatchNoLargerThanQueue")},
		{feature: "An export is cancelled after the export timeout", tests: spec("ExportTimeout")},
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
		{feature: "Tracer creation, ForceFlush and Shutdown are safe to be called concurrently", tests: spec("TracerProviderConcurrentSafe")},
		{feature: "ShouldSample and GetDescription are safe to be called concurrently"},
		{
			feature: "All methods of processors are safe to be called concurrently",
			tests:   spec("ProcessorsConcurrentSafe"), remark: "asked of processors by the interface's documentation",
		},
		{
			feature: "ForceFlush and Shutdown of exporters are safe to be called concurrently",
			later:   "a check of `tracetest.TestExporter`, which each exporter passes when it comes",
		},
	},
}

var errorRules = section{
	name:   "Error handling",
	source: "[error-handling.md](" + specTree + "error-handling.md)",
	rows: []row{
		{group: "Principles", feature: "API methods do not panic when they are used incorrectly", tests: spec("MisuseDoesNotPanic")},
		{group: "Principles", feature: "Missing or invalid arguments get safe defaults", optional: true, tests: spec("SafeDefaults")},
		{
			group: "Principles", feature: "Fail on initialization at most, never later at runtime",
			tests: spec("BadOptionsFailEarly"), remark: "by an error of `NewProvider`, not by a panic",
		},
		{group: "Principles", feature: "Errors of the SDK's own operations do not reach the application", tests: spec("ExporterErrorsStayInside")},
		{
			group: "Guidance", feature: "Panics of callbacks are handled",
			tests:  spec("ExporterPanicsStayInside"),
			remark: "those of exporters, on spandrel's goroutines; a panic of a sampler or a processor is on the caller's goroutine, is not swallowed, and loses no span",
		},
		{group: "Guidance", feature: "Background goroutines survive internal errors", optional: true, tests: spec("PipelineSurvivesPanics")},
		{group: "Guidance", feature: "No method of a user's object is called that was not given as a callback", optional: true, tests: spec("NoStringMethodIsCalled")},
		{group: "Guidance", feature: "What must not be nil is never nil: a no-op object is returned instead", tests: spec("NeverNil")},
		{group: "Self-diagnostics", feature: "A suppressed error is logged", optional: true, tests: spec("SuppressedErrorsAreLogged")},
		{
			group: "Self-diagnostics", feature: "Self-observability metrics", optional: true,
			later: "the counters are there (`Provider.Stats`); the metrics `otel.sdk.*` are to come",
		},
		{group: "Error handlers", feature: "Users can change how errors are handled", tests: spec("ErrorHandler"), remark: "by the `slog.Logger` of `WithLogger`, which is Go's convention"},
	},
}
