// SPDX-License-Identifier: Apache-2.0

package latency

import (
	"math"
	"math/bits"
	"time"
)

// Every power of two is divided into steps of the same width, so that a quantile is at most a sixteenth
// too high.
const (
	stepBits = 4
	steps    = 1 << stepBits
)

// Histogram counts durations. The zero value is empty.
type Histogram struct {
	counts [(64 - stepBits) * steps]uint64
	n      uint64
	max    time.Duration
}

// Record counts one duration; a negative one counts as 0.
func (h *Histogram) Record(d time.Duration) {
	d = max(d, 0)
	h.counts[bucket(uint64(d))]++
	h.n++
	h.max = max(h.max, d)
}

// bucket returns the number of the bucket that v falls into. The first 2*steps are one wide.
func bucket(v uint64) int {
	shift := max(bits.Len64(v)-stepBits-1, 0)
	return shift*steps + int(v>>shift)
}

// highest returns the largest value that falls into a bucket.
func highest(bucket int) uint64 {
	shift := max(bucket/steps-1, 0)
	return (uint64(bucket-shift*steps)+1)<<shift - 1
}

// Add adds what other has counted.
func (h *Histogram) Add(other *Histogram) {
	for i, n := range other.counts {
		h.counts[i] += n
	}
	h.n += other.n
	h.max = max(h.max, other.max)
}

// Count returns how many durations were counted.
func (h *Histogram) Count() uint64 { return h.n }

// Max returns the longest of them, 0 if there is none.
func (h *Histogram) Max() time.Duration { return h.max }

// Quantile returns a duration that the given part of all, from 0 to 1, does not exceed. It is at most a
// sixteenth above the least such duration, and 0 if nothing was counted.
func (h *Histogram) Quantile(q float64) time.Duration {
	rank := uint64(math.Ceil(min(max(q, 0), 1) * float64(h.n)))
	var seen uint64
	for i, n := range h.counts {
		if seen += n; seen >= rank && seen > 0 {
			return min(time.Duration(highest(i)), h.max)
		}
	}
	return 0
}
