// SPDX-License-Identifier: Apache-2.0

package sampling

// ParentOption changes what [ParentBased] does for one kind of parent.
type ParentOption interface{ apply(*parentBased) }

type parentOptionFunc func(*parentBased)

func (f parentOptionFunc) apply(pb *parentBased) { f(pb) }

// WithRemoteParentSampled sets the sampler for spans whose parent came from another process and is
// sampled, or forced by the debug flag. It is also asked when such a decision arrived without ids.
// The default, also for nil, is [AlwaysOn].
func WithRemoteParentSampled(s Sampler) ParentOption {
	return parentOptionFunc(func(pb *parentBased) { setSampler(&pb.remoteSampled, s) })
}

// WithRemoteParentNotSampled sets the sampler for spans whose parent came from another process and
// is not sampled. It is also asked when such a decision arrived without ids. The default, also for
// nil, is [AlwaysOff].
func WithRemoteParentNotSampled(s Sampler) ParentOption {
	return parentOptionFunc(func(pb *parentBased) { setSampler(&pb.remoteNotSampled, s) })
}

// WithLocalParentSampled sets the sampler for spans whose parent is a sampled span of this process.
// The default, also for nil, is [AlwaysOn].
func WithLocalParentSampled(s Sampler) ParentOption {
	return parentOptionFunc(func(pb *parentBased) { setSampler(&pb.localSampled, s) })
}

// WithLocalParentNotSampled sets the sampler for spans whose parent is a span of this process that
// is not sampled. The default, also for nil, is [AlwaysOff].
func WithLocalParentNotSampled(s Sampler) ParentOption {
	return parentOptionFunc(func(pb *parentBased) { setSampler(&pb.localNotSampled, s) })
}

func setSampler(dst *Sampler, s Sampler) {
	if s != nil {
		*dst = s
	}
}

// parentBased follows the parent's decision.
type parentBased struct {
	root, remoteSampled, remoteNotSampled, localSampled, localNotSampled Sampler

	followsLocal bool
	description  string
}

var _ Sampler = (*parentBased)(nil)

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
	pb := &parentBased{
		root:             AlwaysOn(),
		remoteSampled:    AlwaysOn(),
		remoteNotSampled: AlwaysOff(),
		localSampled:     AlwaysOn(),
		localNotSampled:  AlwaysOff(),
	}
	setSampler(&pb.root, root)
	for _, o := range opts {
		o.apply(pb)
	}
	pb.followsLocal = pb.localSampled == AlwaysOn() && pb.localNotSampled == AlwaysOff()
	pb.description = "ParentBased{root:" + pb.root.Description() +
		",remoteParentSampled:" + pb.remoteSampled.Description() +
		",remoteParentNotSampled:" + pb.remoteNotSampled.Description() +
		",localParentSampled:" + pb.localSampled.Description() +
		",localParentNotSampled:" + pb.localNotSampled.Description() + "}"
	return pb
}

func (pb *parentBased) Sample(p Parameters) Result {
	local := p.Parent.IsValid() && !p.Parent.IsRemote()
	switch {
	case p.Debug || p.ParentDecision == ParentAccept:
		if local {
			return pb.localSampled.Sample(p)
		}
		return pb.remoteSampled.Sample(p)
	case p.ParentDecision == ParentDeny:
		if local {
			return pb.localNotSampled.Sample(p)
		}
		return pb.remoteNotSampled.Sample(p)
	default:
		return pb.root.Sample(p)
	}
}

func (pb *parentBased) Description() string { return pb.description }

// FollowsLocalParent reports whether a child of a local parent always has its parent's decision, so
// that calling Sample for it would tell nothing new.
func (pb *parentBased) FollowsLocalParent() bool { return pb.followsLocal }
