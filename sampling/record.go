// SPDX-License-Identifier: Apache-2.0

package sampling

// alwaysRecord turns Drop into RecordOnly.
type alwaysRecord struct {
	branch
	description string
}

var _ HeadSampler = (*alwaysRecord)(nil)

// AlwaysRecord returns a sampler that decides as root does, but records the spans that root drops:
// [Drop] becomes [RecordOnly]. Processors then see every span, which metrics made from spans need,
// and exporters and the sampled flag still follow root (OpenTelemetry specification, trace/sdk.md,
// "AlwaysRecord"). Attributes and trace state of root's answer stay.
//
// A span that is recorded costs the same whether it is exported or not. A nil root is [AlwaysOn]. The
// description is "AlwaysRecord{root:...}".
func AlwaysRecord(root Sampler) Sampler {
	s := &alwaysRecord{}
	s.set(AlwaysOn())
	s.set(root)
	s.description = "AlwaysRecord{root:" + s.branch.Description() + "}"
	return s
}

func (s *alwaysRecord) Sample(p Parameters) Result {
	r := s.branch.Sample(p)
	r.Decision = recorded(r.Decision)
	return r
}

func (s *alwaysRecord) SampleHead(h Head) (Decision, bool) {
	if s.head == nil {
		return Drop, false
	}
	d, ok := s.head.SampleHead(h)
	return recorded(d), ok
}

func (s *alwaysRecord) Description() string { return s.description }

func recorded(d Decision) Decision {
	if d == Drop {
		return RecordOnly
	}
	return d
}
