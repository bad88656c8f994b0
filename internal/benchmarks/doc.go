// SPDX-License-Identifier: Apache-2.0

// Package benchmarks does the same work with spandrel and with its peers, the OpenTelemetry SDK,
// dd-trace-go and zipkin-go, in one run, so that ratios can be read off.
//
//	go test -bench Trace10 -benchtime 1s .        # one scenario, all peers
//	go run ./cmd/compare                          # all scenarios, interleaved, into results/
//	go run ./cmd/compare -ends -duration 3s   # the latency of End, with the backend gone too, into results/end/
//	go run ./cmd/compare -update-docs             # docs/performance.md from the newest results
//
// # Equal duty
//
// Every peer makes the spans that its [Shape] asks for and hands them to its own exporter interface,
// on a goroutine of its own, where every field of every span is read into a [Checksum]. No peer may
// lose a span: [Measure] fails when the exporter saw fewer spans, or more, than were made. A test
// compares what each exporter saw, field by field.
//
// # What is measured
//
// [Measurement] says it: what the calling goroutine sees, the wall time up to the last delivery, the
// CPU time of the whole process with background workers, garbage collection, flush and shutdown, and
// the memory allocated by all of them.
//
// [MeasureEnd] measures something else: how long each End takes while a library delivers to a server, or
// cannot. There spans may be lost, and are counted.
//
// dd-trace-go keeps its tracer in a global, so that peers are measured one after the other; nothing
// here is safe for concurrent use unless it says so. The package needs getrusage(2): it builds on
// unix systems only.
package benchmarks
