// SPDX-License-Identifier: Apache-2.0

// Package tracetest is for tests of programs that make spans, and for tests of exporters.
//
//	func TestOrders(t *testing.T) {
//		t.Parallel()
//		recorder := tracetest.New(t)
//		orders := NewService(recorder.Provider())
//
//		orders.Place(t.Context(), order)
//
//		recorder.AssertTree(t, `
//			place order
//				reserve
//				publish
//		`)
//	}
//
// [New] makes a provider of the test's own: there is no global state, so tests run in parallel. At the
// test's end it is shut down, and spans that nobody ended fail the test.
//
//   - A [Recorder] keeps copies of spans. [Recorder.Span] and [Recorder.Named] find them,
//     [Recorder.WaitFor] waits for those that another goroutine ends.
//   - [Recorder.AssertTree] compares the names of all spans, as trees; [Recorder.Golden] all that they hold
//     but ids and times, with a file. [Trees], [Outline] and [Format] do the parts of it.
//   - [Run] runs a test under a fake clock, with [IDs] that count. There is no clock to pass in: time is
//     that of a bubble of testing/synctest.
//   - A [FaultExporter] lets the calls of an exporter fail by a script, a [FaultEncoder] those of one that
//     encodes.
//   - [TestExporter] checks an exporter of your own against the rules of [tracing.Exporter].
//
// # Concurrency, errors, cost
//
// Everything is safe for concurrent use, unless its comment says otherwise. What a test gets wrong, and
// what is not as wanted, is reported to its testing.TB: methods that return a span end the test as Fatal
// does and so belong on its goroutine, the others let it go on. What a test makes here is gone when it ends,
// goroutines included. A recorder copies each span.
package tracetest
