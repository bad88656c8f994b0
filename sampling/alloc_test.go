// SPDX-License-Identifier: Apache-2.0

//go:build !race

// The race detector allocates on its own account, so this guard is not built with it.

package sampling_test

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/spandrel-go/spandrel/sampling"
)

// Guards the promise of the package comment that Sample does not allocate. Not parallel: it counts
// the allocations of the whole process. A few of those are the runtime's own.
func TestSampleDoesNotAllocate(t *testing.T) {
	const runs, slack = 1_000, 20
	for _, s := range []sampling.Sampler{
		sampling.AlwaysOn(),
		sampling.AlwaysOff(),
		mustRatio(t, 0.5),
		mustKongRatio(t, 0.5),
		sampling.ParentBased(mustRatio(t, 0.5)),
	} {
		sampled := 0
		sampleAll := func() {
			for i := range runs {
				p := sampling.Parameters{Parent: remoteParent, ParentDecision: sampling.ParentDecision(i % 3)}
				p.TraceID[0], p.TraceID[8] = byte(i), byte(i)
				if s.Sample(p).Decision == sampling.RecordAndSample {
					sampled++
				}
			}
		}
		sampleAll()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		sampleAll()
		runtime.ReadMemStats(&after)
		assert.LessOrEqual(t, after.Mallocs-before.Mallocs, uint64(slack), s.Description())
		assert.Equal(t, s.Description() == "AlwaysOffSampler", sampled == 0, s.Description())
	}
}
