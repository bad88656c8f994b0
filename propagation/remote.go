// SPDX-License-Identifier: Apache-2.0

package propagation

import (
	"context"

	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

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

// node is a Go context that holds a Remote and, if its span is set, the remote span context as package
// otel/trace keeps it: one allocation for what context.WithValue and trace.ContextWithRemoteSpanContext
// make of four.
type node struct {
	context.Context
	remote Remote
	span   remoteSpan
}

func (n *node) Value(key any) any {
	switch {
	case key == remote.Key:
		return &n.remote
	case n.span.remote != nil && key == spanKey:
		return &n.span
	default:
		return n.Context.Value(key)
	}
}

// withSpan returns n with its span context as that of the active span, which must be valid and remote.
func (n *node) withSpan() context.Context {
	if spanKey == nil {
		return trace.ContextWithRemoteSpanContext(n, n.remote.SpanContext)
	}
	n.span.remote = &n.remote
	return n
}

// remoteSpan is a caller's span: a span context, and nothing else.
type remoteSpan struct {
	noop.Span
	remote *Remote // in the same node; nil: the node says nothing about the span
}

func (s *remoteSpan) SpanContext() trace.SpanContext { return s.remote.SpanContext }

// spanKey is the key under which package otel/trace keeps the active span. It is not exported there.
// Nil: it could not be learnt.
var spanKey = learnSpanKey()

func learnSpanKey() any {
	p := &probe{Context: context.Background()}
	trace.SpanFromContext(p)
	return p.key
}

// probe is a Go context that notes which key is asked for.
type probe struct {
	context.Context
	key any
}

func (p *probe) Value(key any) any {
	p.key = key
	return nil
}
