// SPDX-License-Identifier: Apache-2.0

package tracing

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/internal/remote"
)

// defaultNamespace is the namespace of tracers without [WithNamespace], and Kong's own. Its active span
// is that of OpenTelemetry's API.
const defaultNamespace = "KONG"

// namespaceKey is the context key of a namespace's active span.
type namespaceKey string

// namespaceNode makes a span the active one of a namespace. Like the others, nodes of ours do not
// stack: among those that stand on each other each key occurs once.
type namespaceNode struct {
	context.Context
	key  any
	span *Span
}

func (c *namespaceNode) Value(key any) any {
	if key == c.key {
		return c.span
	}
	return c.Context.Value(key)
}

// String is what package context prints for a parent.
func (c *namespaceNode) String() string { return fmt.Sprint(c.span) }

// Format prints the ids of the span; see [Span.Format].
func (c *namespaceNode) Format(f fmt.State, verb rune) { c.span.Format(f, verb) }

// inNamespace returns a Go context in which s is the active span of a namespace.
func inNamespace(ctx context.Context, key any, s *Span) context.Context {
	if ctx == nil {
		ctx = context.Background()
	}
	base, _ := without(ctx, key)
	return &namespaceNode{base, key, s}
}

// without takes the node of key out of the nodes of ours that ctx begins with. It reports false, and
// returns ctx, if there is none.
func without(ctx context.Context, key any) (context.Context, bool) {
	switch c := ctx.(type) {
	case *spanContext:
		if key == spanKey {
			return c.base, true
		}
		if base, ok := without(c.base, key); ok {
			return &activeNode{base, (*Span)(c)}, true
		}
	case *activeNode:
		if key == spanKey {
			return c.Context, true
		}
		if base, ok := without(c.Context, key); ok {
			return &activeNode{base, c.span}, true
		}
	case *namespaceNode:
		if key == c.key {
			return c.Context, true
		}
		if base, ok := without(c.Context, key); ok {
			return &namespaceNode{base, c.key, c.span}, true
		}
	}
	return ctx, false
}

// belowNodes returns the Go context that the nodes of ours which ctx begins with stand on.
func belowNodes(ctx context.Context) context.Context {
	for {
		switch c := ctx.(type) {
		case *spanContext:
			ctx = c.base
		case *activeNode:
			ctx = c.Context
		case *namespaceNode:
			ctx = c.Context
		default:
			return ctx
		}
	}
}

// startInNamespace starts a span whose parent is the active span of the tracer's namespace or, where that
// has none, what came with the request: never the active span of another namespace. active is the
// foreign span under package otel/trace's key, which may be such an arrival.
func (t *Tracer) startInNamespace(ctx context.Context, name string, o *startOptions, active trace.Span) (context.Context, *Span) {
	base := belowNodes(ctx) // the new span must hold on to no other one
	// What the sampler and the processors see: a Go context that holds the parent.
	below := trace.ContextWithSpan(base, nil)
	if own, set := ctx.Value(t.namespace).(*Span); own != nil {
		below = withActive(base, own)
	} else if set {
		// SetActiveSpan with nil: nothing is active.
	} else if active != nil && active.SpanContext().IsRemote() {
		below = trace.ContextWithSpan(base, active)
	} else if r := remote.FromContext(ctx); r != nil && r.HasIDs() {
		below = trace.ContextWithRemoteSpanContext(base, r.SpanContext())
	}
	_, s := t.plain.start(below, name, o)
	if s == nil {
		return ctx, nil
	}
	return inNamespace(ctx, t.namespace, s), s
}
