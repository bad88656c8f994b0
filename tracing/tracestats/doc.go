// SPDX-License-Identifier: Apache-2.0

// Package tracestats shows what [tracing.Provider.Stats] counts: as Prometheus text over HTTP, and as
// a variable of package expvar.
//
//	mux.Handle("GET /metrics", tracestats.Handler(provider))
//	expvar.Publish("spandrel", tracestats.Var(provider))
//
// Package tracemetric, a module of its own, shows the same through OpenTelemetry's metrics API.
//
// # Metrics
//
// docs/metrics.md lists every metric with its type, its labels and the field of [tracing.Stats] that it
// shows, and the alerts that are worth having. Names begin with spandrel_, counters end in _total, bytes
// are bytes and times are seconds since 1970. Those of an exporter carry two labels: exporter, its Go
// type, and index, its place in the order of [tracing.WithExporter] from 0, which tells two exporters of
// one type apart. Where spans are counted by reason there is a label reason.
//
// No error's text is a label or a value here: it would make a new series of each text, and say in
// public what an address is. Only [Var] has it.
//
// # Concurrency and cost
//
// Handlers and variables are safe for concurrent use. They hold no state but the provider, start no
// goroutine and link nothing outside the standard library. A scrape calls Stats once, which
// takes the locks of the local traces that are alive, one after the other.
package tracestats
