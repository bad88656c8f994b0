// SPDX-License-Identifier: Apache-2.0

package compliance_test

// The sections of the matrix on exporters, those that other parts of spandrel will show, and those that are out.

const (
	withOTLP        = "with the OTLP exporter"
	withConfig      = "in Development; after the exporters, which it sets up"
	withDurations   = "`Provider.Stats` has no durations"
	zipkinVersion1  = "not offered: Zipkin's servers, and Kong and Envoy, speak version 2"
	openTracingEnds = "not offered: OpenTracing has ended, and OpenTelemetry's own bridge works with any provider"
)

var declarative = section{
	name:   "Declarative configuration",
	source: matrixSource,
	matrix: true,
	rows: []row{
		{feature: "`Parse` a configuration file", upstream: "+", later: withConfig},
		{feature: "The `Parse` operation accepts the configuration YAML file format", upstream: "+", later: withConfig},
		{feature: "The `Parse` operation performs environment variable substitution", upstream: "+", later: withConfig},
		{feature: "The `Parse` operation returns configuration model", upstream: "+", later: withConfig},
		{feature: "The `Parse` operation resolves plugin component configuration to `properties`", later: withConfig},
		{feature: "`Create` SDK components", upstream: "+", later: withConfig},
		{feature: "The `Create` operation accepts configuration model", upstream: "+", later: withConfig},
		{feature: "The `Create` operation returns `TracerProvider`", upstream: "+", later: withConfig},
		{feature: "The `Create` operation returns `Propagators`", upstream: "+", later: withConfig},
		{feature: "The `Create` operation calls `CreateComponent` of corresponding `PluginComponentProvider` when encountering plugin components", later: withConfig},
		{feature: "Register a `PluginComponentProvider`", later: withConfig},
	},
}

var exporterRows = section{
	name:   "Exporters",
	source: matrixSource,
	matrix: true,
	rows: []row{
		{feature: "Exporter interface", upstream: "+", tests: spec("ExporterInterface"), remark: "`tracing.Exporter`, and a conformance kit: `tracetest.TestExporter`"},
		{feature: "Exporter interface has `ForceFlush`", upstream: "+", differs: noExporterFlush},
		{feature: "Standard output (logging)", upstream: "+", tests: spec("ConsoleExporter"), remark: "`exporters/console`"},
		{feature: "In-memory (mock exporter)", upstream: "+", tests: spec("InMemoryExporter"), remark: "`tracetest.Recorder`"},
		{group: "OTLP", feature: "OTLP/gRPC Exporter", upstream: "+", later: withOTLP},
		{group: "OTLP", feature: "OTLP/HTTP binary Protobuf Exporter", upstream: "+", later: withOTLP},
		{group: "OTLP", feature: "OTLP/HTTP JSON Protobuf Exporter", upstream: "+", later: withOTLP},
		{group: "OTLP", feature: "OTLP/HTTP gzip Content-Encoding support", optional: true, upstream: "+", later: withOTLP},
		{group: "OTLP", feature: "Enforces request size limit", later: withOTLP},
		{group: "OTLP", feature: "Enforces response size limit", later: withOTLP},
		{group: "OTLP", feature: "Concurrent sending", upstream: "+", later: withOTLP},
		{group: "OTLP", feature: "Honors retryable responses with backoff", optional: true, upstream: "+", later: withOTLP},
		{group: "OTLP", feature: "Honors non-retryable responses", optional: true, upstream: "+", later: withOTLP},
		{group: "OTLP", feature: "Honors throttling response", optional: true, upstream: "+", later: withOTLP},
		{group: "OTLP", feature: "Multi-destination spec compliance", optional: true, upstream: "+", later: withOTLP},
		{group: "OTLP", feature: "SchemaURL in ResourceSpans and ScopeSpans", upstream: "+", later: withOTLP},
		{group: "OTLP", feature: "Honors the user agent spec", upstream: "+", later: withOTLP},
		{group: "OTLP", feature: "Partial Success messages are handled and logged for OTLP/gRPC", optional: true, upstream: "+", later: withOTLP},
		{group: "OTLP", feature: "Partial Success messages are handled and logged for OTLP/HTTP", optional: true, upstream: "+", later: withOTLP},
		{group: "Zipkin", feature: "Zipkin V1 JSON", optional: true, upstream: "-", none: zipkinVersion1},
		{group: "Zipkin", feature: "Zipkin V1 Thrift", optional: true, upstream: "-", none: zipkinVersion1},
		{group: "Zipkin", feature: "Zipkin V2 JSON", optional: true, upstream: "+", tests: spec("Zipkin_V2_JSON")},
		{group: "Zipkin", feature: "Zipkin V2 Protobuf", optional: true, upstream: "-", none: "not offered: every server that takes version 2 takes its JSON"},
		{group: "Zipkin", feature: "Service name mapping", upstream: "+", tests: spec("Zipkin_service_name")},
		{group: "Zipkin", feature: "SpanKind mapping", upstream: "+", tests: spec("Zipkin_span_kind")},
		{group: "Zipkin", feature: "InstrumentationLibrary mapping", upstream: "+", tests: spec("Zipkin_scope")},
		{group: "Zipkin", feature: "InstrumentationScope mapping", tests: spec("Zipkin_scope")},
		{group: "Zipkin", feature: "Boolean attributes", upstream: "+", tests: spec("Zipkin_boolean_attributes")},
		{group: "Zipkin", feature: "Array attributes", upstream: "+", tests: spec("Zipkin_array_attributes")},
		{group: "Zipkin", feature: "Status mapping", upstream: "+", tests: spec("Zipkin_status")},
		{group: "Zipkin", feature: "Error Status mapping", upstream: "+", tests: spec("Zipkin_error_status")},
		{group: "Zipkin", feature: "Event attributes mapping to Annotations", upstream: "+", tests: spec("Zipkin_events")},
		{group: "Zipkin", feature: "Integer microseconds in timestamps", upstream: "N/A", tests: spec("Zipkin_microseconds")},
	},
}

// metricsOfSpans are of module tracing/tracemetric.
var metricsOfSpans = spec("Metrics_of_real_spans", "Metrics_are_those_of_the_conventions")

var selfObservability = section{
	name:   "SDK Self-Observability",
	source: matrixSource,
	matrix: true,
	rows: []row{
		{group: "Span metrics", feature: "`otel.sdk.span.started`", upstream: "+", tests: metricsOfSpans, remark: "without `otel.span.parent.origin`, which `Provider.Stats` does not count apart"},
		{group: "Span metrics", feature: "`otel.sdk.span.live`", upstream: "+", tests: metricsOfSpans},
		{group: "Span metrics", feature: "`otel.sdk.processor.span.queue.size`", upstream: "+", tests: metricsOfSpans},
		{group: "Span metrics", feature: "`otel.sdk.processor.span.queue.capacity`", upstream: "+", tests: metricsOfSpans},
		{group: "Span metrics", feature: "`otel.sdk.processor.span.processed`", upstream: "+", tests: metricsOfSpans},
		{group: "Span metrics", feature: "`otel.sdk.exporter.span.inflight`", upstream: "+", tests: metricsOfSpans},
		{group: "Span metrics", feature: "`otel.sdk.exporter.span.exported`", upstream: "+", tests: metricsOfSpans},
		{group: "Shared metrics", feature: "`otel.sdk.exporter.operation.duration`", upstream: "+", later: withDurations},
	},
}

var openTracing = section{
	name:   "OpenTracing Compatibility",
	source: matrixSource,
	matrix: true,
	rows: []row{
		{feature: "Create OpenTracing Shim", none: openTracingEnds},
		{feature: "Tracer", none: openTracingEnds},
		{feature: "Span", none: openTracingEnds},
		{feature: "SpanContext", none: openTracingEnds},
		{feature: "ScopeManager", none: openTracingEnds},
		{feature: "Error mapping for attributes/events", none: openTracingEnds},
		{feature: "Migration to OpenTelemetry guide", none: openTracingEnds},
	},
}
