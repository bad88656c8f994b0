// SPDX-License-Identifier: Apache-2.0

// Package interop proves that this library meets the others on the wire and in the API. It is a
// module of its own, because it links what the library itself must not: the official encoders,
// propagators, wrappers and SDK of OpenTelemetry, and those of Zipkin and Datadog.
//
//   - The tests of this package talk to real servers, which `make servers` fetches into the user's
//     cache folder. Where one is missing its tests are skipped with a reason; with the environment
//     variable SPANDREL_REQUIRE_SERVERS=1 they fail instead.
//   - Package process runs those servers, package zipkinserver one of them, package envoy another, on both
//     sides of a service.
//   - Package encoding compares what the exporters write with what the official exporters write.
//   - Package headers compares what the propagators read and write: ours, OpenTelemetry's, zipkin-go's and
//     dd-trace-go's, of which no tracer is started.
//   - Command w3cservice is a service for the validation suite of W3C's Trace Context; its test runs the
//     suite where `make w3c-suite` finds it.
//   - Package dropin runs OpenTelemetry's own instrumentation and API on our provider.
//   - Package metrics reads what a provider counts by Prometheus' parser, and compares it with what
//     OpenTelemetry's SDK says of itself.
//   - Package model runs random programs of calls on our provider and on the SDK, and lists where the
//     two are meant to differ.
//
// A test that needs a Zipkin server calls zipkinServer: all tests of the package share one, and each
// asks it for the traces that it made itself.
package interop
