// SPDX-License-Identifier: Apache-2.0

// Package propagation carries span contexts in headers: it reads what a caller sent and writes what
// a callee needs to join the trace.
//
// The smallest use is the zero [Config], installed as OpenTelemetry's propagator:
//
//	p, err := propagation.New(propagation.Config{})
//	if err != nil {
//		return err
//	}
//	otel.SetTextMapPropagator(p)
//
// [FromEnvironment] makes one as OTEL_PROPAGATORS asks instead.
//
// A [Propagator] works with any tracer provider, and without one: it then forwards what arrived, so
// that a service which makes no spans does not break the trace.
//
// # Formats
//
//   - "w3c" is traceparent and tracestate, read strictly as the W3C Trace Context specification asks.
//
//   - "b3" is Zipkin's format. It reads both encodings, the x-b3-* headers and the b3 header, and
//     writes the x-b3-* headers. It is read leniently: whatever Kong, Envoy, Zipkin's,
//     OpenTelemetry's and Datadog's libraries write.
//
//   - "b3-single" writes the b3 header. It has no reader of its own, as in Kong.
//
//   - "jaeger" is uber-trace-id, of Jaeger's client libraries. Zeros in front of ids may be missing,
//     and the value may be URL-encoded, as some of those write it. It carries the debug flag.
//
//   - "ot" is ot-tracer-traceid, -spanid and -sampled, of OpenTracing's basic tracers. Its readers
//     expect trace ids of 64 bits: one of 128 bits is written whole only where it arrived so, and
//     loses its first half otherwise. Use it beside another format, and only for services that read
//     no other.
//
//   - "datadog" is x-datadog-trace-id, -parent-id, -sampling-priority, -origin and -tags. Trace ids of
//     128 bits keep their first half, which Kong loses, in the tag _dd.p.tid. Origin and tags go on in
//     the same trace; so does the priority, as long as the decision stays the same. All of this also
//     arrives with w3c, in the member dd of a tracestate. Where that member arrived, or datadog is read
//     or written, w3c writes it anew for a span of ours, in front of the others.
//
//   - "aws" is x-amzn-trace-id, of AWS X-Ray. What others put into the header, such as Lambda's Lineage, goes on in it.
//
//   - "gcp" is x-cloud-trace-context, of Google Cloud. Without options the decision is left to us; Kong
//     takes that for a deny.
//
//   - "instana" is x-instana-t, -s and -l. A level of 0 is a deny, with ids or without. A level of 1
//     without ids, which every browser sends, is no decision.
//
// Two of them send a trace id without a span: aws from a load balancer, datadog from a synthetic test. A root span
// of package tracing that starts here has that trace id, as with X-Ray's and Datadog's own libraries; with
// another provider it has one of its own. Where a format names a span, that one is joined. A service that makes
// no span forwards the trace id in the same format.
//
// Baggage in any of these has a propagator of its own: [NewBaggage].
//
// docs/propagation-vectors.md lists, vector by vector, where we differ from Kong Gateway, Envoy and others,
// and why.
//
// Which are read and written says [Config], in the words of Kong's propagation block. In any of
// them a header that is refused starts a new trace, and is counted in [Stats].
//
// # What is kept of what arrived
//
// A span context says less than the headers do. The rest stands in the Go context beside it, as a
// [Remote]: a decision that the caller left to us, a decision without ids, the debug flag, the width
// of the trace id. [Propagator.Inject] uses it so that what arrived in B3 goes on in B3 unchanged. A
// deferred decision never becomes a deny: W3C and Jaeger cannot express one, so neither traceparent
// nor uber-trace-id is written when a deferred decision is forwarded. The decision of a span that a
// provider made is its sampled flag. The random flag of W3C's level 2 is carried by traceparent alone;
// of other flags nothing is forwarded.
//
// A tracestate goes on as it came, as Remote.TraceState has it, also where a trace.TraceState can hold
// only a part: that one knows level 1 of the W3C specification and refuses some keys of level 2, such as
// a@, and lists with duplicates. What a sampler or a user changes in the span context's TraceState is
// sent instead, with the members that it could not hold in their places; emptied, it sends none. A list
// is refused whole, and counted, for one illegal member, for more than 32 members, or for being longer
// than the longest legal list, 16,447 bytes.
//
// # Headers that disagree
//
// A request may carry two traces, because something on its way started a trace of its own and passed the
// other headers on. The span that starts here joins the first by the order of [Config] and links to the
// others (with a provider of package tracing), and [Stats] counts it. A format that names a child of what
// another one names is the caller's. Kong Gateway's default configuration is known: behind it the zero
// Config joins Kong's x-b3-* and links the client's traceparent (docs/adr/0006).
//
// A decision without ids, such as x-b3-flags: 1, which people set by hand, says nothing of the trace that
// another format names: whoever made those ids has decided. Envoy and Datadog's libraries do not read that
// header at all, and Kong stops at the first format in its order; B3 knows of no other format. Inject removes
// it where it writes B3.
//
// How far a caller is to be trusted is a matter of the listener ([TrustPolicy]); how many traces a second
// callers may force to be sampled, of [WithForcedSamplingLimit].
//
// # x-request-id
//
// Envoy finds its logs, and its sampling decision, by x-request-id, and asks services to forward it.
// docs/envoy.md says how to configure a service behind Envoy, tracer by tracer.
// It is carried byte for byte from the request that arrived to every request made on its behalf. A
// value with control characters, which no HTTP client would send on, is refused and counted.
//
// If none arrived, a service that starts the trace makes one as Envoy would: a UUID out of the trace id, with
// a 9 in place of the version if the trace is sampled, and a 4 if not. An Envoy that receives a 9 keeps the
// trace, whatever its own rate; with a 4, which stands in every random UUID, it decides. All calls of one
// trace so carry the same one although nothing remembers it; a span whose decision is another than its
// parent's, which package tracing makes only where it is told to, changes that digit. Where the trace itself
// arrived without x-request-id none is made, since another service may have chosen another one. A trace
// arrived if Extract of this package read its ids. [RequestIDFromContext] returns what Inject writes.
//
// # Carriers
//
// Any TextMapCarrier will do; names are looked up in lower case. With OpenTelemetry's HeaderCarrier
// the http.Header is used directly, under canonical names, and so is gRPC's metadata with
// [MetadataCarrier]. [EnvCarrier] carries the same in environment variables, to a child process. Headers
// can be removed from these, and from any carrier that has a method Delete(string); with others [Config]
// Clear does nothing, and old headers of a format that is written stay, but for those that would make another
// trace of it: b3, tracestate, x-datadog-tags and x-datadog-origin are left empty. Two traceparent headers, which
// only a HeaderCarrier, a MetadataCarrier or a carrier with a Values method can show, are malformed;
// several tracestate headers are one list.
//
// In these two maps a name in another case, such as traceparent in an http.Header, is that of another header:
// it is neither read, nor replaced, nor removed. No server of net/http or gRPC hands one out, and only a direct
// assignment to the map makes one. An HTTP client sends it beside ours: two traceparent headers then, which
// break the trace.
//
// # Concurrency, errors, cost
//
// A Propagator is immutable apart from its counters; all methods are safe for concurrent use, each
// with a carrier of its own. Only [New] and [FromEnvironment] return an error. No header makes a
// method panic. Extract and Inject belong to the hot path; BenchmarkExtract and BenchmarkInject
// measure them.
package propagation
