// SPDX-License-Identifier: Apache-2.0

package tracing

import (
	"context"
	"math"

	"go.opentelemetry.io/otel/attribute"

	"github.com/spandrel-go/spandrel/sampling"
)

// What SetShouldSample has said of a local trace.
const (
	undecided uint32 = iota
	lateAccept
	lateDeny
)

// override is what becomes of the sampler's decision about a span that starts after SetShouldSample.
// What is taken out is recorded all the same: it may be taken in again.
func override(decision sampling.Decision, late uint32) (sampling.Decision, withheldReason) {
	switch {
	case late == lateAccept:
		return sampling.RecordAndSample, notWithheld
	case decision == sampling.Drop:
		return sampling.Drop, notSampled
	default:
		return sampling.RecordAndSample, notSampled
	}
}

// settle is override for a span that joins the local trace, which a SetShouldSample since then is about as
// well. Needs lt.mu.
func (lt *localTrace) settle(withheld withheldReason) withheldReason {
	switch lt.late.Load() {
	case lateAccept:
		return notWithheld
	case lateDeny:
		return notSampled
	default:
		return withheld
	}
}

// SetShouldSample decides anew whether the whole local trace of the active span is exported, what has
// ended of it included: Kong's set_should_sample, a late decision. Spans that start afterwards carry it
// in their span contexts; that of a span which has started never changes, so what the sampler recorded
// only (RecordOnly) is exported with the flag of a span that is not sampled. Spans that are taken out
// count in [Stats.Withheld].
//
// It reports false, and has done nothing, where there is no active span, where nothing was recorded,
// and once any part of the local trace has been handed over to the exporters.
func (t *Tracer) SetShouldSample(ctx context.Context, sample bool) (applied bool) {
	s := t.spanIn(ctx)
	if s == nil || s.local == nil {
		return false
	}
	return s.local.setShouldSample(sample)
}

func (lt *localTrace) setShouldSample(sample bool) bool {
	lt.mu.Lock()
	defer lt.mu.Unlock()
	if lt.handedOver {
		return false
	}
	withheld, late := notSampled, lateDeny
	if sample {
		withheld, late = notWithheld, lateAccept
	}
	lt.late.Store(late)
	for b := lt.first; b != nil; b = b.next {
		b.spans = 0
		for i := range b.records[:b.used] {
			r := &b.records[i]
			if r.withheld != released {
				r.withheld = withheld
			}
			if r.ended && r.withheld == notWithheld {
				b.spans++
			}
		}
	}
	return true
}

// propagationOnly marks a root span that exists only so that headers can be sent on, as Kong does where
// tracing is off.
const propagationOnly attribute.Key = "kong.propagation_only"

// SamplingDecision decides by a rate about the trace of the active span: Kong's get_sampling_decision.
// parentSampled is the decision that came with the request, nil if none did. In this order:
//
//   - without an active span, or under a local root with the attribute kong.propagation_only set to
//     true, the answer is false;
//   - false, if that is what parentSampled says;
//   - otherwise what [sampling.KongRatio] says of the trace id, also where parentSampled is true: a
//     trace that arrives sampled is sampled again.
//
// A rate of 1 or more keeps all, one of 0 or less none. NaN stands for "not given": the rate of the
// tracer's [WithSamplingRate], else 1. The decision is only an answer; [Tracer.SetShouldSample] acts.
func (t *Tracer) SamplingDecision(ctx context.Context, parentSampled *bool, rate float64) bool {
	s := t.spanIn(ctx)
	if s == nil || s.local != nil && s.local.propagatesOnly() {
		return false
	}
	if parentSampled != nil && !*parentSampled {
		return false
	}
	if math.IsNaN(rate) {
		rate = t.rate
	}
	decision := kongRatio(rate).Sample(sampling.Parameters{TraceID: s.traceID.bytes()}).Decision
	return decision == sampling.RecordAndSample
}

// kongRatio returns Kong's sampler for any rate.
func kongRatio(rate float64) sampling.Sampler {
	switch {
	case rate >= 1:
		return sampling.AlwaysOn()
	case rate > 0:
		if s, err := sampling.KongRatio(rate); err == nil { // the rate is in range
			return s
		}
	}
	return sampling.AlwaysOff() // for NaN too
}

// propagatesOnly says whether the local root has the mark.
func (lt *localTrace) propagatesOnly() (yes bool) {
	look := func(r *record) {
		for i := range r.attrs {
			if kv := &r.attrs[i]; kv.Key == propagationOnly {
				yes = kv.Value.Type() == attribute.BOOL && kv.Value.AsBool()
			}
		}
	}
	lt.mu.Lock()
	defer lt.mu.Unlock()
	if r := lt.root.hold(); r != nil {
		look(r)
		lt.root.mu.Unlock()
	} else if r := lt.find(lt.root.id); r != nil && r.ended {
		look(r)
	}
	return yes
}
