// SPDX-License-Identifier: Apache-2.0

package tracing

import (
	"context"
	"sync/atomic"
)

// global is the provider that package-level functions use; nil before SetGlobal.
var global atomic.Pointer[Provider]

// globalTracers memoises the tracers of the global provider.
var globalTracers tracers

// globalTracer is the one behind the package's functions.
var globalTracer = &Tracer{scope: &Scope{Name: "default"}, rate: 1}

// SetGlobal makes p the provider of [NewTracer], [StartSpan] and [ActiveSpan]; nil makes them no-ops
// again, and so does one that OTEL_SDK_DISABLED disables. Tracers made before follow. It does not touch
// OpenTelemetry's global provider.
func SetGlobal(p *Provider) {
	if p != nil && p.noop {
		p = nil // it would start spans here
	}
	global.Store(p)
}

// NewTracer returns a tracer of the global provider. One made before [SetGlobal], in a package
// variable for example, works after it. It is memoised as by [Provider.NewTracer].
func NewTracer(name string, opts ...TracerOption) *Tracer {
	return globalTracers.kong(nil, name, opts)
}

// StartSpan starts a span on the global provider; see [Tracer.StartSpan].
func StartSpan(ctx context.Context, name string, opts ...SpanOption) (context.Context, *Span) {
	return globalTracer.StartSpan(ctx, name, opts...)
}

// ActiveSpan returns the active span of the global provider; see [Tracer.ActiveSpan].
func ActiveSpan(ctx context.Context) *Span { return globalTracer.ActiveSpan(ctx) }
