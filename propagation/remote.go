// SPDX-License-Identifier: Apache-2.0

package propagation

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/spandrel-go/spandrel/internal/remote"
)

// Remote is what arrived with one request: the caller's span context, and what a span context cannot
// hold. [Propagator.Extract] makes it, [RemoteFromContext] returns it.
type Remote = remote.Remote

// Extra is the part of a [Remote] that few requests have.
type Extra = remote.Extra

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
// there were only a decision or a request id. The caller owns what it gets: what Inject sends stays as it
// arrived.
func RemoteFromContext(ctx context.Context) (Remote, bool) {
	a := remote.FromContext(ctx)
	if a == nil {
		return Remote{}, false
	}
	return a.Remote(formatNames[a.Format]), true
}

// arrival is what arrived, as a Go context holds it.
type arrival = remote.Arrived

// note is a Go context that holds what arrived and leaves the active span as it is.
type note struct {
	context.Context
	arrival
}

func (n *note) Value(key any) any {
	if remote.IsKey(key) {
		return &n.arrival
	}
	return n.Context.Value(key)
}

// node is a Go context that holds what arrived, with ids, and is the active span, as package otel/trace keeps
// it: one allocation for what context.WithValue and trace.ContextWithRemoteSpanContext make of four.
type node struct {
	context.Context
	arrival
}

func (n *node) Value(key any) any {
	switch {
	case remote.IsKey(key):
		return &n.arrival
	case key == spanKey && spanKey != nil:
		return (*remoteSpan)(n)
	default:
		return n.Context.Value(key)
	}
}

// remoteSpan is a node as the caller's span: a span context, and nothing else.
type remoteSpan node

var _ trace.Span = (*remoteSpan)(nil)

func (s *remoteSpan) SpanContext() trace.SpanContext        { return s.arrival.SpanContext() }
func (*remoteSpan) IsRecording() bool                       { return false }
func (*remoteSpan) End(...trace.SpanEndOption)              {}
func (*remoteSpan) AddEvent(string, ...trace.EventOption)   {}
func (*remoteSpan) AddLink(trace.Link)                      {}
func (*remoteSpan) RecordError(error, ...trace.EventOption) {}
func (*remoteSpan) SetStatus(codes.Code, string)            {}
func (*remoteSpan) SetName(string)                          {}
func (*remoteSpan) SetAttributes(...attribute.KeyValue)     {}
func (*remoteSpan) TracerProvider() trace.TracerProvider    { return noop.NewTracerProvider() }

// spanKey is the key under which package otel/trace keeps the active span. It is not exported there.
// Nil: it could not be learnt.
var spanKey = remote.SpanKey()
