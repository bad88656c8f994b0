// SPDX-License-Identifier: Apache-2.0

package sampling_test

import (
	"testing"

	"github.com/spandrel-go/spandrel/sampling"
)

func BenchmarkSample(b *testing.B) {
	for _, bb := range []struct {
		name    string
		sampler sampling.Sampler
	}{
		{"AlwaysOn", sampling.AlwaysOn()},
		{"Ratio", mustRatio(b, 0.5)},
		{"KongRatio", mustKongRatio(b, 0.5)},
		{"Probability", mustProbability(b, 0.5)},
		{"ParentBased", sampling.ParentBased(mustRatio(b, 0.5))},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			p := sampling.Parameters{Parent: remoteParent, ParentDecision: sampling.ParentAccept}
			for b.Loop() {
				bb.sampler.Sample(p)
			}
		})
	}
}
