// SPDX-License-Identifier: Apache-2.0

// Package spandrel is a tracing library for Go services behind Kong Gateway or inside a Kong Mesh, Kuma
// or Envoy mesh. What it is made of:
//
//   - [github.com/spandrel-go/spandrel/tracing]: the SDK, a drop-in for OpenTelemetry's
//     trace.TracerProvider, with Kong's verbs on the same spans
//   - [github.com/spandrel-go/spandrel/tracing/tracehttp]: wrappers for net/http
//   - [github.com/spandrel-go/spandrel/propagation]: B3, x-request-id and W3C headers
//   - [github.com/spandrel-go/spandrel/sampling]: the samplers
//   - [github.com/spandrel-go/spandrel/exporters/zipkin] and
//     [github.com/spandrel-go/spandrel/exporters/console]: where traces go
//
// To see it work: go run github.com/spandrel-go/spandrel/examples/quickstart.
package spandrel
