// SPDX-License-Identifier: Apache-2.0

// Package propagationtest checks propagators: anything that implements OpenTelemetry's
// TextMapPropagator, of this module or of another one.
//
//	func TestConformance(t *testing.T) {
//		propagationtest.Test(t, func(testing.TB) propagation.TextMapPropagator {
//			return mypropagator.New()
//		})
//	}
//
// [Test] runs a subtest for each rule and says in words which one is broken. Options tell what a
// propagator carries beside ids and the sampled flag: trace state, the random flag, or, by example
// ([WithSample]), what a span context has no place for, such as a debug flag, a decision left to the
// callee, the width of a trace id or the parent's id. What is known to be broken stands beside its
// reason in [WithDeviation].
//
// # Concurrency, errors, cost
//
// Subtests are parallel, but for the one of [WithMaxAllocations]. What is broken is reported to the
// test. The kit reads some ten thousand malformed headers, which takes a fraction of a second. Nothing
// is left when it has returned.
package propagationtest
