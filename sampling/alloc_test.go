// SPDX-License-Identifier: Apache-2.0

package sampling_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/spandrel-go/spandrel/internal/testkit"
	"github.com/spandrel-go/spandrel/sampling"
)

// Guards the promise of the package comment that Sample does not allocate. Not parallel, as testkit
// asks. The sum keeps the compiler from leaving the calls out.
func TestSampleDoesNotAllocate(t *testing.T) {
	sampled := 0
	for _, s := range []sampling.Sampler{
		sampling.AlwaysOn(),
		sampling.AlwaysOff(),
		mustRatio(t, 0.5),
		mustKongRatio(t, 0.5),
		sampling.ParentBased(mustRatio(t, 0.5)),
		sampling.AlwaysRecord(mustRatio(t, 0.5)),
		// Of a root, and where the trace state stays as it is.
		mustProbability(t, 0.5),
		sampling.Composite(sampling.ComposableParentThreshold(nil)),
	} {
		i := 0
		testkit.MaxMallocs(t, 1_000, 0, func() {
			p := sampling.Parameters{Parent: remoteParent, ParentDecision: sampling.ParentDecision(i % 3)}
			p.TraceID[0], p.TraceID[8] = byte(i), byte(i)
			if s.Sample(p).Decision == sampling.RecordAndSample {
				sampled++
			}
			i++
		})
	}
	assert.Positive(t, sampled)
}

func TestSampleDoesNotAllocateWhereTheTraceStateStays(t *testing.T) {
	s := sampling.Composite(sampling.ComposableParentThreshold(nil))
	p := underParent(t, "a=1,ot=rv:6e6d1a75832a2f;k:1;th:4", sampling.ParentAccept, randomID(1<<55))
	sampled := 0
	testkit.MaxMallocs(t, 1_000, 0, func() {
		if r := s.Sample(p); r.Decision == sampling.RecordAndSample && r.TraceState == nil {
			sampled++
		}
	})
	assert.Positive(t, sampled)
}
