// SPDX-License-Identifier: Apache-2.0

// Package console shows traces in the terminal, with no backend at all.
//
// An [Exporter] prints what a provider has ended, batch by batch:
//
//	exporter, err := console.New(os.Stderr)
//	...
//	provider, err := tracing.NewProvider(tracing.WithExporter(exporter))
//
// A [Collector] is for several services in one process, such as those of a test: given to all their
// providers as their exporter, it joins the spans of each trace and prints them when asked to:
//
//	trace 4bf92f3577b34da6a3ce929d0e0e4736  12:00:00.000 · 171.0ms · 6 spans · 3 services · 1 error
//	  service   span                     kind      duration  0               85.5ms          171.0ms
//	  gateway   POST /checkout           server     142.3ms  ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━╸
//	  gateway   ├─ rate-limiting         internal   810.0µs  ╸
//	  gateway   └─ POST /checkout        client     140.5ms  ╺━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━╸
//	  checkout     └─ POST /checkout     server     138.2ms  ╺━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━
//	× checkout        ├─ POST /charges   client      88.2ms    ━━━━━━━━━━━━━━━━━━━━╸
//	                  │     error: payments: 502 Bad Gateway
//	  mailer          └─ orders process  consumer    40.0ms                                ━━━━━━━━━
//
// # Trees
//
// A cross stands before each span whose status is Error, the description of the status below it.
// The bars show on one axis for the whole trace when each span ran; ┃ is a span without a length. A
// duration is negative when a span ends before it starts. Siblings are sorted by their start.
//
// A line in brackets says that the parent of the spans below it is not shown, and why: "remote
// parent" (it belongs to another process), "parent in another batch" (the exporter prints it later),
// "parent missing" and "remote parent missing" (it never arrived, or was dropped), "parents form a
// cycle". Two spans that share one id, as those of the two sides of a call may in Zipkin, are both
// shown, the callee's below the caller's. A tree that is deeper than the terminal is wide is not
// indented further: +3 before a name says that the span lies three levels deeper than it is drawn.
//
// Names and descriptions are cut to the width of the terminal. Whatever in them is not a printable
// character is written as an escape sequence of Go, so that a request cannot steer the terminal that
// shows it.
//
// # JSON lines
//
// With [WithJSON] each span is one line, a JSON object with these fields in this order:
//
//	trace_id, span_id    32 and 16 hexadecimal digits
//	trace_state          as in the tracestate header of W3C; only if there is one
//	parent_id            16 hexadecimal digits, "" for a root span
//	name                 string
//	kind                 "internal", "server", "client", "producer", "consumer" or "unspecified"
//	service              the resource's service.name, "" if it has none
//	start                RFC 3339 in UTC, up to nine decimals
//	duration_ns          below 0 if the span ends before it starts, null if it lacks a time
//	status               "unset", "ok" or "error"
//	status_description   string; only if there is one
//	attributes           object
//	events               array of objects: name, time (as start), attributes
//	links                array of objects: trace_id, span_id, trace_state, attributes
//	scope                object: name, version, attributes
//	resource             object: the attributes of the process
//	parent_remote        true if the parent belongs to another process, else absent
//	partial              true if the rest of the local trace comes in other batches, else absent
//	debug                true if the caller's headers forced the trace through, else absent
//
// Behind attributes, events and links stands dropped_attributes, dropped_events or dropped_links, how
// many of them the span limits refused, unless it is 0. Attribute values are written as OpenTelemetry
// asks of protocols without types of their own: bytes in base64, NaN and the infinities as strings.
// New fields may be added at the end.
//
// # Concurrency, errors, cost
//
// Everything is safe for concurrent use. Each batch and each rendering is one call of Write, whose
// error is returned wrapped. A collector keeps a bounded number of spans, an exporter none. The
// package starts no goroutine.
package console
