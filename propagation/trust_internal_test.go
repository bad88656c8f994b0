// SPDX-License-Identifier: Apache-2.0

package propagation

import (
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
