// SPDX-License-Identifier: Apache-2.0

// Package envoy starts a real Envoy on both sides of a service, as the sidecar of a mesh does, once with
// each of its tracers, and receives the spans that it reports. Its tests put one of our services between the
// two listeners.
//
//	sidecar := envoy.Start(t, envoy.Config{Tracer: envoy.Zipkin, Collector: url, App: url, Next: url})
//	resp, err := http.Get(sidecar.Inbound(100))
//
// Envoy is the program that `make servers` puts into the user's cache folder. It listens on 127.0.0.1
// only, on free ports, and is gone when the test ends. Where it is missing the test is skipped, or fails
// with the environment variable SPANDREL_REQUIRE_SERVERS=1.
package envoy
