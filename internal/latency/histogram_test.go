// SPDX-License-Identifier: Apache-2.0

package latency_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/spandrel-go/spandrel/internal/latency"
)

// A sorted list of all durations says the same, but for the width of a step.
func TestQuantileAgreesWithSorting(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(1, 2))
	var h, half latency.Histogram
	var all []time.Duration
	for i := range 10_000 {
		d := time.Duration(math.Exp(rnd.Float64() * math.Log(math.MaxInt64-1)))
		all = append(all, d)
		if i%2 == 0 {
			h.Record(d)
		} else {
			half.Record(d)
		}
	}
	h.Add(&half)
	slices.Sort(all)
	assert.Equal(t, uint64(len(all)), h.Count())
	assert.Equal(t, all[len(all)-1], h.Max())
	for _, q := range []float64{0, 0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 0.9999, 1} {
		want := all[max(int(math.Ceil(q*float64(len(all))))-1, 0)]
		got := h.Quantile(q)
		assert.GreaterOrEqual(t, got, want, "quantile %v", q)
		assert.LessOrEqual(t, float64(got), float64(want)*(1+1./16), "quantile %v", q)
	}
}

func TestHistogramEdges(t *testing.T) {
	t.Parallel()
	var h latency.Histogram
	assert.Zero(t, h.Quantile(1))
	assert.Zero(t, h.Max())
	h.Record(-time.Second)
	assert.Zero(t, h.Quantile(1))
	assert.Equal(t, uint64(1), h.Count())
	h.Record(math.MaxInt64)
	assert.Equal(t, time.Duration(math.MaxInt64), h.Quantile(1))
	assert.Zero(t, h.Quantile(0.5))
	for d := range time.Duration(32) { // these are exact
		var one latency.Histogram
		one.Record(d)
		one.Record(time.Hour)
		assert.Equal(t, d, one.Quantile(0.5))
	}
}
