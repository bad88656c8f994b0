// SPDX-License-Identifier: Apache-2.0

package sampling

import "github.com/spandrel-go/spandrel/internal/requestid"

// envoyRequestID follows the decision in an x-request-id of Envoy's.
type envoyRequestID struct {
	next        branch
	description string
}

var _ HeadSampler = (*envoyRequestID)(nil)

// EnvoyRequestID returns a sampler that follows the decision which Envoy has put into x-request-id, where
// no other one arrived, and asks next where there is none either. A nil next is [AlwaysOn]. It is meant
// to be the root of [ParentBased]:
//
//	sampling.ParentBased(sampling.EnvoyRequestID(ratio))
//
// A sidecar that makes no spans sends no tracing header, only an x-request-id; other Envoys on the
// request's way read the decision there. Character 14 of the UUID decides: "9", "a" and "b" are
// [RecordAndSample], "4" is [Drop]. All other ids are left to next. So is every span whose parent has a
// decision, or whose caller sent one: the tracing header wins, as in Envoy. A caller's ids without a
// decision do not matter.
//
// Use it only where every request comes through Envoy: every random UUID of somebody else has a "4" there,
// and nothing would be traced. Envoy itself writes "4" as well where its sampling is set to 0.
//
// Only what package propagation has read from a request is in [Parameters] RequestID; an id that is made
// here does not count.
func EnvoyRequestID(next Sampler) Sampler {
	e := &envoyRequestID{}
	e.next.set(AlwaysOn())
	e.next.set(next)
	e.description = "EnvoyRequestID{" + e.next.Description() + "}"
	return e
}

func (e *envoyRequestID) Sample(p Parameters) Result {
	if p.ParentDecision == ParentDefer && !p.Debug {
		switch reason := requestid.Parse(p.RequestID).Reason(); {
		case reason.Traced():
			return Result{Decision: RecordAndSample}
		case reason == requestid.NoTrace:
			return Result{Decision: Drop}
		}
	}
	return e.next.Sample(p)
}

// SampleHead cannot see the request id: it decides where there is none, or where none is asked for.
func (e *envoyRequestID) SampleHead(h Head) (Decision, bool) {
	decided := h.ParentDecision != ParentDefer || h.Debug
	if e.next.head == nil || !h.NoParent && !decided {
		return Drop, false
	}
	return e.next.head.SampleHead(h)
}

func (e *envoyRequestID) Description() string { return e.description }
