// SPDX-License-Identifier: Apache-2.0

package tracing

import (
	"context"
	"fmt"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/internal/remote"
)

// spanContext is the Go context that Start returns: the same object as the span, under a type of its
// own so that Err, Done and Value are no methods of *Span. Made on top of another of our nodes it
// stands on that node's base, not on the node: look-ups stay flat however deep the spans nest, and a
// loop that reassigns its ctx retains nothing.
type spanContext Span

var (
	_ context.Context = (*spanContext)(nil)
	_ fmt.Formatter   = (*spanContext)(nil)
)

func (c *spanContext) Deadline() (time.Time, bool) { return c.base.Deadline() }
func (c *spanContext) Done() <-chan struct{}       { return c.base.Done() }
func (c *spanContext) Err() error                  { return c.base.Err() }

func (c *spanContext) Value(key any) any {
	if key == spanKey {
		return (*Span)(c)
	}
	return c.base.Value(key)
}

// String is what package context prints for a parent.
func (c *spanContext) String() string { return fmt.Sprint((*Span)(c)) }

// Format prints the ids of the span; see [Span.Format].
func (c *spanContext) Format(f fmt.State, verb rune) { (*Span)(c).Format(f, verb) }

// activeNode makes a span active that was started elsewhere.
type activeNode struct {
	context.Context
	span *Span
}

func (c *activeNode) Value(key any) any {
	if key == spanKey {
		return c.span
	}
	return c.Context.Value(key)
}

// String is what package context prints for a parent.
func (c *activeNode) String() string { return fmt.Sprint(c.span) }

// Format prints the ids of the span; see [Span.Format].
func (c *activeNode) Format(f fmt.State, verb rune) { c.span.Format(f, verb) }

// withActive returns a Go context above base in which s is active.
func withActive(base context.Context, s *Span) context.Context {
	if foreignKeys {
		return trace.ContextWithSpan(base, s)
	}
	return &activeNode{Context: base, span: s}
}

// spanKey is the key under which package otel/trace keeps the active span. It is not exported there,
// so learnSpanKey asks for it. It is set before the first node of ours exists that asks for it, and never again.
var (
	spanKey     any = ownKey{}
	learnKey    sync.Once
	foreignKeys bool // the key could not be learnt: nodes are wrapped by trace.ContextWithSpan
)

type ownKey struct{}

func learnSpanKey() {
	learnKey.Do(func() {
		key := remote.SpanKey()
		foreignKeys = key == nil
		if !foreignKeys {
			spanKey = key
		}
	})
}

// asContext returns the Go context that a started span is.
func (s *Span) asContext() context.Context {
	if foreignKeys {
		return trace.ContextWithSpan((*spanContext)(s), s)
	}
	return (*spanContext)(s)
}

// activeIn returns the active span in ctx: ours, or anybody's, or neither, and the Go context that a
// new node should stand on.
func activeIn(ctx context.Context) (own *Span, foreign trace.Span, base context.Context) {
	switch c := ctx.(type) {
	case *spanContext:
		return (*Span)(c), nil, c.base
	case *activeNode:
		base = c.Context
	case *namespaceNode:
		base, _ = without(c, spanKey)
	default:
		base = ctx
	}
	var active any
	if foreignKeys {
		active = trace.SpanFromContext(ctx)
	} else {
		active = ctx.Value(spanKey)
	}
	switch v := active.(type) {
	case *Span:
		if v != nil && v.identity == nil {
			v = nil
		}
		return v, nil, base // nil is no span, and neither is the zero value
	case trace.Span:
		return nil, v, base
	default:
		return nil, nil, base
	}
}
