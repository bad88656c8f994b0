// SPDX-License-Identifier: Apache-2.0

package tracing

import (
	"sync"

	"go.opentelemetry.io/otel/attribute"
)

// tracers memoises the tracers of one provider, or of the global one.
type tracers struct {
	mu    sync.Mutex // guards known
	known map[tracerKey]*Tracer
}

// tracerKey is what a tracer is memoised by.
type tracerKey struct {
	name, version, schemaURL string
	attrs                    attribute.Distinct
	namespace                string // made by NewTracer, where options count at the first call only; else ""
}

// maxTracers bounds how many tracers are memoised: names may come from a program's input.
const maxTracers = 4096

// noopTracer is what WithNoop gives.
var noopTracer = &Tracer{noop: true, scope: &Scope{Name: "noop"}}

// kong returns the tracer of a namespace and a name; p is nil for the global provider.
func (ts *tracers) kong(p *Provider, name string, opts []TracerOption) *Tracer {
	c := newTracerConfig(opts)
	if c.noop || p != nil && p.noop {
		return noopTracer
	}
	if name == "" {
		name = "default"
	}
	if c.namespace == "" {
		c.namespace = defaultNamespace
	}
	return ts.get(tracerKey{name: name, namespace: c.namespace}, func() *Tracer {
		t := &Tracer{provider: p, scope: &Scope{Name: name, Version: c.version}, rate: c.rate}
		if c.sampler != nil {
			t.sampler = chooseSampler(c.sampler)
		}
		if c.namespace != defaultNamespace {
			plain := *t
			t.namespace, t.plain = namespaceKey(c.namespace), &plain
		}
		return t
	})
}

// get returns the tracer of key, created at the first call.
func (ts *tracers) get(key tracerKey, create func() *Tracer) *Tracer {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if t, ok := ts.known[key]; ok {
		return t
	}
	t := create()
	if ts.known == nil {
		ts.known = map[tracerKey]*Tracer{}
	}
	if len(ts.known) < maxTracers {
		ts.known[key] = t
	}
	return t
}
