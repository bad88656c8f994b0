// SPDX-License-Identifier: Apache-2.0

package propagationtest

import (
	"errors"
	"fmt"

	"go.opentelemetry.io/otel/trace"
)

// Option says what a propagator carries, beside ids and the sampled flag. A nil one is an error of [Test].
type Option interface{ apply(*config) }

type optionFunc func(*config)

func (f optionFunc) apply(c *config) { f(c) }

// config is what the options say.
type config struct {
	traceState, randomFlag, shortIDs, nothing, bounded bool

	extractMallocs, injectMallocs float64
	samples                       []Sample
	deviations                    map[string]string // reasons, by rule
}

// WithTraceState says that the trace state travels. Without it, the kit does not look at it.
func WithTraceState() Option { return optionFunc(func(c *config) { c.traceState = true }) }

// WithRandomFlag says that the random flag, bit 1 of the trace flags in W3C Trace Context level 2,
// travels. Without it, the kit does not look at it.
func WithRandomFlag() Option { return optionFunc(func(c *config) { c.randomFlag = true }) }

// With64BitTraceIDs says that only the last 64 bits of a trace id travel. Without it, all 128 must.
func With64BitTraceIDs() Option { return optionFunc(func(c *config) { c.shortIDs = true }) }

// WithoutSpanContext says that the propagator carries no span context, like one of baggage. It goes
// with neither of WithTraceState, WithRandomFlag and With64BitTraceIDs.
func WithoutSpanContext() Option { return optionFunc(func(c *config) { c.nothing = true }) }

// Sample is a request that a propagator understands: the way to show what it carries that no span
// context holds, such as a debug flag or a decision without ids. The kit makes malformed headers out of
// it as well.
type Sample struct {
	// Name says what is special about it. It names the subtest, "sample/" before it, and must neither
	// be empty nor occur twice.
	Name string
	// Headers are those that arrive, at least one, with names in any case.
	Headers map[string]string
	// SpanContext is what is read; its remote bit does not count. The zero value: there is none.
	SpanContext trace.SpanContextConfig
	// Forwarded is what Inject writes into an empty carrier where no span was made in between. Nil: the
	// same as Headers. Names have any case here too.
	Forwarded map[string]string
}

// WithSample adds samples to those of earlier options.
func WithSample(samples ...Sample) Option {
	return optionFunc(func(c *config) { c.samples = append(c.samples, samples...) })
}

// WithDeviation says that a rule, by the name of its subtest, is known to be broken, and why. The
// subtest then fails if the rule is kept. The reason must not be empty.
func WithDeviation(rule, reason string) Option {
	return optionFunc(func(c *config) { c.deviations[rule] = reason })
}

// WithMaxAllocations bounds what one Extract and one Inject allocate on the heap: headers that Inject
// wrote, in an http.Header, the second time with values for it to overwrite. Bounds are averages of
// 1,000 calls, from 0. [Test] must then be called from a test that is not parallel. The rule is skipped
// under the race detector and with coverage, which allocate themselves.
func WithMaxAllocations(extract, inject float64) Option {
	return optionFunc(func(c *config) { c.bounded, c.extractMallocs, c.injectMallocs = true, extract, inject })
}

func newConfig(opts []Option) (*config, error) {
	c := &config{deviations: map[string]string{}}
	for i, o := range opts {
		if o == nil {
			return nil, fmt.Errorf("propagationtest: Test: opts[%d] is nil", i)
		}
		o.apply(c)
	}
	if c.nothing && (c.traceState || c.randomFlag || c.shortIDs) {
		return nil, errors.New("propagationtest: WithoutSpanContext: another option says that a part of one travels")
	}
	if !(c.extractMallocs >= 0 && c.injectMallocs >= 0) {
		return nil, fmt.Errorf("propagationtest: WithMaxAllocations: %g and %g: a bound is at least 0", c.extractMallocs, c.injectMallocs)
	}
	names := map[string]bool{}
	for _, s := range c.samples {
		if s.Name == "" || names[s.Name] || len(s.Headers) == 0 {
			return nil, fmt.Errorf("propagationtest: WithSample: %q: a sample needs a name of its own and headers", s.Name)
		}
		names[s.Name] = true
	}
	for rule, reason := range c.deviations {
		if reason == "" {
			return nil, fmt.Errorf("propagationtest: WithDeviation: %q: no reason is given", rule)
		}
	}
	return c, nil
}
