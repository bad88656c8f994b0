// SPDX-License-Identifier: Apache-2.0

// Package sampling decides at a span's start whether the span is recorded.
//
// The smallest use is a rate for the traces that begin here, and the caller's decision for all
// others:
//
//	root, err := sampling.Ratio(0.1)
//	if err != nil {
//		return err
//	}
//	sampler := sampling.ParentBased(root)
//
// # Which sampler
//
//   - [AlwaysOn] and [AlwaysOff] ask nobody.
//   - [Ratio] decides by the end of the trace id, exactly as OpenTelemetry's TraceIDRatioBased does:
//     every service with an OpenTelemetry SDK and the same rate keeps the same traces.
//   - [KongRatio] decides by the beginning of the trace id, exactly as Kong Gateway does: a service
//     with the gateway's rate keeps the traces that the gateway keeps.
//   - [Probability] decides by the same end of the trace id, but by OpenTelemetry's newer rule, and
//     tells its rate in the trace state: backends can count by it, and services with different rates
//     keep traces whole.
//   - [Composite] makes a sampler of parts that know that rule: [ComposableParentThreshold],
//     [ComposableRuleBased], [ComposableProbability] and others.
//   - [AlwaysRecord] lets processors see what another sampler drops.
//   - [ParentBased] follows the caller's decision and asks another sampler where there is none.
//   - [EnvoyRequestID] follows the decision in an x-request-id of Envoy's, and asks another sampler where
//     there is none.
//
// The ratios and Probability keep different traces at the same rate. None looks at the parent: alone,
// each decides anew about a trace that arrived sampled, which [ParentBased] never does.
//
// # Decisions that arrive
//
// OpenTelemetry knows a parent that is sampled or not. B3 and Kong know a third case, a caller that
// sends its ids and leaves the decision to the callee, and a fourth, a decision without ids.
// [Parameters] holds all of them; [ParentBased] says what it does in each case.
//
// # Concurrency, errors, cost
//
// All samplers of this package are immutable and safe for concurrent use. Their Sample does not
// allocate, but where the trace state changes or a part adds attributes to those of another, does not
// lock and does not panic. Constructors report a rate that is not in 0..1 as an error; they do not
// clamp it.
package sampling
