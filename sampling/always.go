// SPDX-License-Identifier: Apache-2.0

package sampling

type alwaysOn struct{}

type alwaysOff struct{}

var (
	_ HeadSampler = alwaysOn{}
	_ HeadSampler = alwaysOff{}
)

// AlwaysOn returns the sampler that samples every span, whatever its parent. Its description is
// "AlwaysOnSampler". Two of them are equal under ==.
func AlwaysOn() Sampler { return alwaysOn{} }

// AlwaysOff returns the sampler that drops every span, whatever its parent. Its description is
// "AlwaysOffSampler". Two of them are equal under ==.
func AlwaysOff() Sampler { return alwaysOff{} }

func (alwaysOn) Sample(Parameters) Result { return Result{Decision: RecordAndSample} }

func (alwaysOn) SampleHead(Head) (Decision, bool) { return RecordAndSample, true }

func (alwaysOn) Description() string { return "AlwaysOnSampler" }

func (alwaysOff) Sample(Parameters) Result { return Result{Decision: Drop} }

func (alwaysOff) SampleHead(Head) (Decision, bool) { return Drop, true }

func (alwaysOff) Description() string { return "AlwaysOffSampler" }
