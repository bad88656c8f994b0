// SPDX-License-Identifier: Apache-2.0

package compliance_test

var baggage = section{
	name:   "Baggage",
	source: matrixSource,
	matrix: true,
	rows: []row{
		{feature: "Basic support", upstream: "+", tests: spec("Basic_support")},
		{feature: "Use official header name `baggage`", upstream: "+", tests: spec("Use_official_header_name_baggage")},
	},
}

var resource = section{
	name:   "Resource",
	source: matrixSource,
	matrix: true,
	rows: []row{
		{feature: "Create from Attributes", upstream: "+", tests: spec("Create_from_Attributes")},
		{feature: "Create empty", upstream: "+", tests: spec("Create_empty")},
		{feature: "Merge (v2)", upstream: "+", tests: spec("Merge_v2")},
		{feature: "Retrieve attributes", upstream: "+", tests: spec("Retrieve_attributes")},
		{feature: "Default value for service.name", upstream: "+", tests: spec("Default_value_for_service_name")},
		{feature: "Resource detector interface/mechanism", upstream: "+", tests: spec("Resource_detector_interface_mechanism")},
		{feature: "Resource detectors populate Schema URL", upstream: "+", tests: spec("Resource_detectors_populate_Schema_URL")},
	},
}

var contextPropagation = section{
	name:   "Context Propagation",
	source: matrixSource,
	matrix: true,
	rows: []row{
		{feature: "Create Context Key", upstream: "+", tests: spec("Create_Context_Key")},
		{feature: "Get value from Context", upstream: "+", tests: spec("Get_value_from_Context")},
		{feature: "Set value for Context", upstream: "+", tests: spec("Set_value_for_Context")},
		{feature: "Attach Context", upstream: "N/A", none: "Go has no implicit context: it is passed as an argument"},
		{feature: "Detach Context", upstream: "N/A", none: "Go has no implicit context: it is passed as an argument"},
		{feature: "Get current Context", upstream: "N/A", none: "Go has no implicit context: it is passed as an argument"},
		{feature: "Composite Propagator", upstream: "+", tests: spec("Composite_Propagator")},
		{feature: "Global Propagator", upstream: "+", tests: spec("Global_Propagator")},
		{feature: "TraceContext Propagator", upstream: "+", tests: spec("TraceContext_Propagator")},
		{feature: "B3 Propagator", upstream: "+", tests: spec("B3_Propagator"), remark: "where a service makes no span, the caller's `x-b3-parentspanid` is forwarded with the rest"},
		{feature: "Jaeger Propagator", optional: true, upstream: "+", tests: spec("Jaeger_Propagator"), remark: "without its baggage headers"},
		{feature: "OT Propagator", optional: true, upstream: "+", tests: spec("OT_Propagator"), remark: "without its baggage headers"},
		{feature: "OpenCensus Binary Propagator", upstream: "+", none: "the specification leaves it open (`context/api-propagators.md`: MAY) and OpenCensus has ended; OpenTelemetry's own, `contrib/propagators/opencensus`, needs no more than a span context and works beside spandrel's in a composite"},
		{feature: "TextMapPropagator", upstream: "+", tests: spec("TextMapPropagator")},
		{feature: "Fields", upstream: "+", tests: spec("Fields")},
		{feature: "Setter argument", optional: true, upstream: "N/A", none: "in Go the carrier sets, gets and lists its keys by itself (`propagation.TextMapCarrier`)"},
		{feature: "Getter argument", optional: true, upstream: "N/A", none: "in Go the carrier sets, gets and lists its keys by itself (`propagation.TextMapCarrier`)"},
		{feature: "Getter argument returning Keys", optional: true, upstream: "N/A", none: "in Go the carrier sets, gets and lists its keys by itself (`propagation.TextMapCarrier`)"},
		{feature: "Environment Variables as Context Propagation Carriers", upstream: "+", tests: spec("Environment_Variables_as_Context_Propagation_Carriers")},
	},
}

var environment = section{
	name:   "Environment Variables",
	source: matrixSource,
	matrix: true,
	rows: []row{
		{feature: "OTEL_SDK_DISABLED", upstream: "-", tests: spec("OTEL_SDK_DISABLED")},
		{feature: "OTEL_RESOURCE_ATTRIBUTES", upstream: "+", tests: spec("OTEL_RESOURCE_ATTRIBUTES")},
		{feature: "OTEL_SERVICE_NAME", upstream: "+", tests: spec("OTEL_SERVICE_NAME")},
		{feature: "OTEL_LOG_LEVEL", upstream: "-", tests: spec("OTEL_LOG_LEVEL")},
		{feature: "OTEL_PROPAGATORS", upstream: "-", tests: spec("OTEL_PROPAGATORS"), remark: "`propagation.FromEnvironment`; every known value, and `xray`, a third party's"},
		{feature: "OTEL_BSP_*", upstream: "+", tests: spec("OTEL_BSP_SCHEDULE_DELAY", "OTEL_BSP_EXPORT_TIMEOUT", "OTEL_BSP_MAX_QUEUE_SIZE", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE")},
		{feature: "OTEL_EXPORTER_OTLP_*", upstream: "+", later: "with the OTLP exporter"},
		{feature: "OTEL_EXPORTER_ZIPKIN_*", upstream: "+", later: "with the package that reads an exporter from the environment"},
		{feature: "OTEL_TRACES_EXPORTER", upstream: "-", later: "with the package that reads an exporter from the environment"},
		{feature: "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", upstream: "+", tests: spec("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT")},
		{feature: "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", upstream: "+", tests: spec("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT")},
		{feature: "OTEL_SPAN_EVENT_COUNT_LIMIT", upstream: "+", tests: spec("OTEL_SPAN_EVENT_COUNT_LIMIT")},
		{feature: "OTEL_SPAN_LINK_COUNT_LIMIT", upstream: "+", tests: spec("OTEL_SPAN_LINK_COUNT_LIMIT")},
		{feature: "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", upstream: "+", tests: spec("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT")},
		{feature: "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", upstream: "+", tests: spec("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT")},
		{feature: "OTEL_TRACES_SAMPLER", upstream: "+", tests: spec("OTEL_TRACES_SAMPLER"), remark: "but `jaeger_remote`, a package that `tracing` does not link: it is given to `WithSampler`, and its name here warns"},
		{feature: "OTEL_TRACES_SAMPLER_ARG", upstream: "+", tests: spec("OTEL_TRACES_SAMPLER_ARG")},
		{feature: "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", upstream: "+", tests: spec("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT")},
		{feature: "OTEL_ATTRIBUTE_COUNT_LIMIT", upstream: "+", tests: spec("OTEL_ATTRIBUTE_COUNT_LIMIT")},
		{feature: "OTEL_CONFIG_FILE", upstream: "+", later: "declarative configuration is in Development, and comes after the exporters"},
	},
}
