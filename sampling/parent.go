// SPDX-License-Identifier: Apache-2.0

package sampling

// ParentOption changes what [ParentBased] does for one kind of parent. A nil one does nothing.
type ParentOption interface{ apply(*parentBased) }

type parentOptionFunc func(*parentBased)

func (f parentOptionFunc) apply(pb *parentBased) { f(pb) }

// WithRemoteParentSampled sets the sampler for spans whose parent came from another process and is
// sampled, or forced by the debug flag. It is also asked when such a decision arrived without ids.
// The default, also for nil, is [AlwaysOn].
func WithRemoteParentSampled(s Sampler) ParentOption {
	return parentOptionFunc(func(pb *parentBased) { pb.remoteSampled.set(s) })
}

// WithRemoteParentNotSampled sets the sampler for spans whose parent came from another process and
// is not sampled. It is also asked when such a decision arrived without ids. The default, also for
// nil, is [AlwaysOff].
func WithRemoteParentNotSampled(s Sampler) ParentOption {
	return parentOptionFunc(func(pb *parentBased) { pb.remoteNotSampled.set(s) })
}

// WithLocalParentSampled sets the sampler for spans whose parent is a sampled span of this process.
// The default, also for nil, is [AlwaysOn].
func WithLocalParentSampled(s Sampler) ParentOption {
	return parentOptionFunc(func(pb *parentBased) { pb.localSampled.set(s) })
}

// WithLocalParentNotSampled sets the sampler for spans whose parent is a span of this process that
// is not sampled. The default, also for nil, is [AlwaysOff].
func WithLocalParentNotSampled(s Sampler) ParentOption {
	return parentOptionFunc(func(pb *parentBased) { pb.localNotSampled.set(s) })
}

// parentBased follows the parent's decision.
type parentBased struct {
	root, remoteSampled, remoteNotSampled, localSampled, localNotSampled branch

	followsLocal bool
	description  string
}

// branch is one of the samplers, and the same again if it is a HeadSampler, else nil.
type branch struct {
	Sampler
	head HeadSampler
}

func (b *branch) set(s Sampler) {
	if s == nil {
		return
	}
	b.Sampler = s
	b.head, _ = s.(HeadSampler)
}

var _ HeadSampler = (*parentBased)(nil)

// ParentBased returns a sampler that follows the decision of the parent, and asks root where there
// is none to follow. What it does depends on two things. The decision:
//
//   - [ParentAccept], or the debug flag: one of the samplers for sampled parents, by default
//     [AlwaysOn].
//   - [ParentDeny]: one of the samplers for parents that are not sampled, by default [AlwaysOff].
//   - [ParentDefer]: root. So root decides about traces that begin here, and about those whose
//     caller sent ids and left the decision to us: no decision is never taken for a deny.
//
// And where the parent lives: it is local if Parent is valid and not remote. A decision that
// arrived without ids ("b3: 0") counts as that of a remote parent.
//
// A nil root is [AlwaysOn], the default of OpenTelemetry's SDKs. The last of several options for one
// kind of parent wins.
//
// The sampler also has a method that [Sampler] does not ask for, to be found by type assertion:
// FollowsLocalParent() bool is true if neither sampler for local parents was replaced. A child of a
// span of this process then always has its parent's decision, and package tracing does not call
// Sample for it.
func ParentBased(root Sampler, opts ...ParentOption) Sampler {
	pb := &parentBased{}
	pb.root.set(AlwaysOn())
	pb.root.set(root)
	pb.remoteSampled.set(AlwaysOn())
	pb.remoteNotSampled.set(AlwaysOff())
	pb.localSampled.set(AlwaysOn())
	pb.localNotSampled.set(AlwaysOff())
	for _, o := range opts {
		if o != nil {
			o.apply(pb)
		}
	}
	pb.followsLocal = pb.localSampled.Sampler == AlwaysOn() && pb.localNotSampled.Sampler == AlwaysOff()
	pb.description = "ParentBased{root:" + pb.root.Description() +
		",remoteParentSampled:" + pb.remoteSampled.Description() +
		",remoteParentNotSampled:" + pb.remoteNotSampled.Description() +
		",localParentSampled:" + pb.localSampled.Description() +
		",localParentNotSampled:" + pb.localNotSampled.Description() + "}"
	return pb
}

func (pb *parentBased) Sample(p Parameters) Result {
	local := p.Parent.IsValid() && !p.Parent.IsRemote()
	return pb.branch(p.ParentDecision, p.Debug, local).Sample(p)
}

func (pb *parentBased) SampleHead(h Head) (Decision, bool) {
	b := pb.branch(h.ParentDecision, h.Debug, h.LocalParent)
	if b.head == nil {
		return Drop, false
	}
	return b.head.SampleHead(h)
}

// branch returns the sampler for one kind of parent.
func (pb *parentBased) branch(parent ParentDecision, debug, local bool) *branch {
	switch {
	case debug || parent == ParentAccept:
		if local {
			return &pb.localSampled
		}
		return &pb.remoteSampled
	case parent == ParentDeny:
		if local {
			return &pb.localNotSampled
		}
		return &pb.remoteNotSampled
	default:
		return &pb.root
	}
}

func (pb *parentBased) Description() string { return pb.description }

// FollowsLocalParent reports whether a child of a local parent always has its parent's decision, so
// that calling Sample for it would tell nothing new.
func (pb *parentBased) FollowsLocalParent() bool { return pb.followsLocal }
