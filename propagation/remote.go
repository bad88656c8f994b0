// SPDX-License-Identifier: Apache-2.0

package propagation

import (
	"context"

	"github.com/spandrel-go/spandrel/internal/remote"
)

// Remote is what arrived with one request: the caller's span context, and what a span context cannot
// hold. [Propagator.Extract] makes it, [RemoteFromContext] returns it.
type Remote = remote.Remote

// Decision is the sampling decision that a caller sent.
type Decision = remote.Decision

// The three decisions. Defer is the zero value: the caller leaves the decision to us.
const (
	Defer  Decision = remote.Defer
	Deny   Decision = remote.Deny
	Accept Decision = remote.Accept
)

// RemoteFromContext returns what [Propagator.Extract] read from the headers of the request that ctx
// belongs to. It reports false if nothing usable arrived. The Remote's span context is not valid if
// there were only a decision or a request id.
func RemoteFromContext(ctx context.Context) (Remote, bool) {
	if r := remote.FromContext(ctx); r != nil {
		return *r, true
	}
	return Remote{}, false
}

// node is a Go context that holds a Remote: context.WithValue in one allocation instead of two.
type node struct {
	context.Context
	remote Remote
}

func (n *node) Value(key any) any {
	if key == remote.Key {
		return &n.remote
	}
	return n.Context.Value(key)
}
