// SPDX-License-Identifier: Apache-2.0

package tracing

import (
	"errors"

	"github.com/spandrel-go/spandrel/sampling"
)

// SetSampler replaces the provider's sampler. Spans that start after it has returned are decided by s;
// one that is starting meanwhile is decided by the old sampler or by the new one. Tracers with a sampler
// of their own ([WithTracerSampler], [WithSamplingRate]) keep that. The old sampler is not closed: what
// was opened for it is the caller's to end.
//
// Spans that have started keep their decision. Whether a trace that is running stays whole is up to s,
// which is asked about its further spans: one made by sampling.ParentBased follows the decision that was
// taken, AlwaysOff itself would cut the trace off. Nil is an error, and then nothing changes.
func (p *Provider) SetSampler(s sampling.Sampler) error {
	if isNil(s) {
		return errors.New("tracing: SetSampler: sampler is nil")
	}
	if !p.shared() {
		p.sampler.Store(chooseSampler(s))
	}
	return nil
}

// Sampler returns the provider's sampler, which decides about the spans of each tracer that has none of
// its own. Its Description says what it does.
func (p *Provider) Sampler() sampling.Sampler { return p.sampler.Load().Sampler }

// SetSpanLimits replaces the provider's span limits, all of them at once. l means what it means to
// [WithSpanLimits]: in each field 0 is the default, which the environment may have changed, and a negative
// number no limit. There are no wrong values.
//
// The new limits hold for what is recorded from now on, on open spans too. What a span has recorded stays
// as it is: no attribute is taken away, and where a span has more events or links than it now may, the
// oldest goes for each that is added. Each call of a span's method, and all that Start was given, meets
// either the old limits or the new ones, never some of each. A tracer keeps the attributes of its scope
// as they were.
func (p *Provider) SetSpanLimits(l SpanLimits) {
	if !p.shared() {
		p.setLimits(l)
	}
}

func (p *Provider) setLimits(l SpanLimits) {
	l = l.over(&p.defaultLimits)
	p.limits.Store(&l)
}

// shared reports whether p is noopProvider, which is everybody's and so nobody's to change.
func (p *Provider) shared() bool { return p.shutdownDone == nil }

// SpanLimits returns the limits that hold now. It can be given to [Provider.SetSpanLimits] again, changed
// in a field or as it is: a field that has no limit is -1, and one is 0 only where that is the default.
func (p *Provider) SpanLimits() SpanLimits { return p.limits.Load().public() }

// newNoopProvider makes a provider that makes no spans and belongs to nobody.
func newNoopProvider() *Provider {
	p := &Provider{noop: true, defaultLimits: defaultLimits()}
	p.sampler.Store(chooseSampler(sampling.AlwaysOff()))
	p.setLimits(SpanLimits{})
	return p
}
