// SPDX-License-Identifier: Apache-2.0

package propagation

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
)

// Only the inside shows a caller that read the clock before others and counts after them.
func TestForcedSamplingLimitAtTheTurnOfASecond(t *testing.T) {
	t.Parallel()
	var f forced
	assert.True(t, f.take(7, 2))
	assert.True(t, f.take(8, 2))
	assert.True(t, f.take(7, 2), "the second of the eighth second")
	assert.False(t, f.take(8, 2))
	assert.False(t, f.take(7, 2))
	assert.True(t, f.take(9, 2))
}

// However many callers there are at once, no more than the limit are forced in one second, and no fewer.
func TestForcedSamplingLimitConcurrentSafe(t *testing.T) {
	t.Parallel()
	const goroutines, calls, limit = 8, 5_000, 30_000
	var f forced
	for second := range uint32(10) {
		var forced atomic.Int64
		var wg sync.WaitGroup
		for range goroutines {
			wg.Go(func() {
				for range calls {
					if f.take(second, limit) {
						forced.Add(1)
					}
				}
			})
		}
		wg.Wait()
		assert.EqualValues(t, limit, forced.Load(), "second %d", second)
	}
}
