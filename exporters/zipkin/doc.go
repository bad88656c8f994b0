// SPDX-License-Identifier: Apache-2.0

// Package zipkin exports spans to Zipkin, or to anything that takes Zipkin's v2 JSON over HTTP.
//
//	exp, err := zipkin.New("http://localhost:9411/api/v2/spans")
//	if err != nil {
//		return err
//	}
//	provider, err := tracing.NewProvider(tracing.WithExporter(exp))
//
// # What a span becomes
//
// The mapping is OpenTelemetry's (trace/sdk_exporters/zipkin.md and common/mapping-to-non-otlp.md of
// its specification, v1.60.0). Where it is silent, or Zipkin's API asks for something else:
//
//   - A trace ID whose high half is zero is written with 16 digits, as it came; all others with 32.
//   - The name is kept as it is. Zipkin's server makes it lower case itself; other servers that take
//     this format show what was recorded. Service names are lower case, as the format defines them.
//   - Times are whole microseconds, cut and not rounded; a time before 1970 becomes 1. So does a
//     duration below 1 µs, also zero and negative ones, because Zipkin reads 0 as "absent". A span
//     that was handed over without an end has no duration.
//   - kind is absent for an internal span. shared is never set: a span of ours never has the ID of its
//     parent. debug is set when the caller's headers forced the trace.
//   - remoteEndpoint, for CLIENT and PRODUCER, is made of the first of these attributes that is a
//     string and not empty: peer.service, server.address, net.peer.name, network.peer.address,
//     server.socket.domain, server.socket.address, net.sock.peer.name, net.sock.peer.addr,
//     peer.hostname, peer.address, db.name. An IP address in one that ends in address or addr, but
//     server.address, is an address in Zipkin too, with the port beside it; all else is a service name.
//   - An event becomes an annotation: its name, or `"name": {"key":"value"}` with attributes.
//   - Attributes become tags, also those of the scope. Tags that the exporter makes itself, such as
//     otel.status_code, win over an attribute of the same key, and a span's attribute wins over the
//     scope's. Keys that differ only in bytes that are not valid UTF-8 are one tag.
//   - An attribute error that is false, as a boolean or as text, is left out: Zipkin takes any span
//     with a tag error as failed.
//   - Attributes of the resource are not sent, but for service.name and service.namespace.
//   - Links, trace state and flags have no place in the format.
//
// A span without valid IDs cannot be expressed and is rejected; nothing else fails.
//
// # Sending
//
// Requests carry "b3: 0", so that a sidecar does not trace them. Any status 2xx is success. A request
// is worth another try after a network error or status 408, 429, 502, 503 or 504; Retry-After is
// passed on. Status 413 asks for a smaller batch. All others are final, and so are redirects, which
// are not followed: configure the URL that the error names. [Exporter.SetTarget] changes the URL and the
// headers of a running exporter.
//
// An [Exporter] is safe for concurrent use and starts no goroutine but those of its connections, which
// end with [Exporter.Shutdown]. Encoding allocates nothing for attributes that are strings, numbers or
// booleans.
package zipkin
