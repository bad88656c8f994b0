// SPDX-License-Identifier: Apache-2.0

package sampling

import (
	"fmt"
	"math"
)

// minRate is the lowest rate that a trace's randomness can tell from none.
const minRate = 1.0 / noThreshold

// precision is how many hexadecimal digits of a threshold count, after those that are f: what the
// specification recommends to SDKs.
const precision = 4

// Probability returns a sampler that samples the given share of all traces and says so in the trace
// state: OpenTelemetry's ProbabilitySampler (specification, trace/sdk.md and
// trace/tracestate-probability-sampling.md, in development). A trace is sampled if its randomness is
// at least the threshold (1-rate)*2^56. The randomness is the member rv of the trace state's entry ot,
// or else the last 56 bits of the trace id. Services that sample so at different rates keep the same
// traces as far as their rates allow, and from the member th a backend knows how many spans each span
// stands for.
//
// The parent's decision plays no part; see [ParentBased], or [ComposableParentThreshold], which also
// checks the threshold that arrived. [Ratio] is older and keeps other traces.
//
// The rate must be 0, or in 2^-56..1: 0 samples nothing, 1 everything. Any other, and NaN, is an
// error. It is rounded to 4 significant hexadecimal digits of the threshold. The description is
// "Probability{rate}".
func Probability(rate float64, opts ...CompositeOption) (Sampler, error) {
	delegate, err := composableRate("Probability", rate)
	if err != nil {
		return nil, err
	}
	return newComposite(delegate, describeRate("Probability", rate), opts), nil
}

// ComposableProbability returns the composable form of [Probability]: a threshold for the given rate,
// which must be 0, or in 2^-56..1. A rate of 0 is [ComposableAlwaysOff]. The description is
// "ComposableProbability{rate}".
func ComposableProbability(rate float64) (Composable, error) {
	return composableRate("ComposableProbability", rate)
}

func composableRate(constructor string, rate float64) (Composable, error) {
	if err := checkRate(constructor, rate); err != nil {
		return nil, err
	}
	if rate == 0 {
		return ComposableAlwaysOff(), nil
	}
	if rate < minRate {
		return nil, fmt.Errorf("sampling: %s: rate %v is neither 0 nor in 2^-56..1", constructor, rate)
	}
	return newFixed(thresholdOf(rate), describeRate("ComposableProbability", rate)), nil
}

// thresholdOf returns the threshold for a rate in 2^-56..1, rounded to its significant digits. The
// specification computes in floating-point numbers, which is the same but for rates so low that those
// run out of digits; whole numbers do not.
func thresholdOf(rate float64) uint64 {
	threshold := noThreshold - uint64(math.Round(rate*noThreshold))
	_, exponent := math.Frexp(rate)
	digits := precision + max(0, -exponent)/4 // every 4 bits that rate is lower begin with one more f
	if digits >= hexDigits {
		return threshold
	}
	unit := uint64(1) << (4 * (hexDigits - digits))
	threshold = (threshold + unit/2) / unit * unit
	return min(threshold, noThreshold-unit) // never rounded up to nothing
}
