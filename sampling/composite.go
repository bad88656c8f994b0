// SPDX-License-Identifier: Apache-2.0

package sampling

import (
	"context"
	"encoding/binary"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"

	"go.opentelemetry.io/otel/trace"
)

// CompositeOption configures [Composite] and [Probability]. A nil one does nothing.
type CompositeOption interface{ apply(*composite) }

type compositeOptionFunc func(*composite)

func (f compositeOptionFunc) apply(c *composite) { f(c) }

// WithExplicitRandomness gives each trace that begins here with a trace id that is not known to be
// random a random number in its trace state (ot=rv:...), which all who sample the trace then go by.
// Use it with an id generator whose ids do not end in 56 random bits. A number that is there already
// stays. Without this option all trace ids are taken for random, as the specification asks.
func WithExplicitRandomness() CompositeOption {
	return compositeOptionFunc(func(c *composite) { c.explicit = true })
}

// WithLogger warns, once, when a trace that arrived is sampled by its trace id although its caller
// does not say that the id is random: an older SDK may have made it of other things. Nil does not
// warn, which is the default.
func WithLogger(logger *slog.Logger) CompositeOption {
	return compositeOptionFunc(func(c *composite) { c.logger = logger })
}

// composite decides by the intent of its delegate.
type composite struct {
	delegate    Composable
	fixed       *fixed // the same if it always wants the same, else nil
	description string

	explicit bool
	logger   *slog.Logger
	warned   atomic.Bool // publishes nothing: the first to set it warns
}

var _ HeadSampler = (*composite)(nil)

// Composite returns a sampler that decides by the intent of c (OpenTelemetry specification,
// trace/sdk.md, "CompositeSampler", in development). A span is sampled if the randomness of its trace
// reaches the threshold that c wants; see [Probability]. A sampled span's trace state tells the
// threshold (ot=th:...), if it is reliable; else, and if the span is dropped, it tells none.
//
// The trace state's entry ot is read strictly: one that breaks its grammar, repeats a key or is longer
// than 256 bytes counts as none and is removed. A member th that is no threshold, or contradicts the
// parent's decision, counts as none and is removed; a member rv that is no randomness counts as none.
// Besides th all members stay as they came. A threshold for which the 256 bytes leave no room is not
// told. A full trace state loses its last entry to the new one, as W3C Trace Context says.
//
// Sample allocates where the trace state changes, but for a span without one under a part that always
// has the same threshold. A nil c is [ComposableAlwaysOn]. The description is "Composite{...}".
func Composite(c Composable, opts ...CompositeOption) Sampler {
	if c == nil {
		c = ComposableAlwaysOn()
	}
	return newComposite(c, "Composite{"+c.Description()+"}", opts)
}

func newComposite(delegate Composable, description string, opts []CompositeOption) *composite {
	c := &composite{delegate: delegate, description: description}
	c.fixed, _ = delegate.(*fixed)
	for _, o := range opts {
		if o != nil {
			o.apply(c)
		}
	}
	return c
}

func (c *composite) Sample(p Parameters) Result {
	state := p.Parent.TraceState()
	e := parseEntry(state)
	rv, insert := c.randomness(&p, &e)
	in := c.delegate.Intent(newComposableParameters(&p, &e, rv))
	decision, threshold := c.decide(&p, &e, &in, rv)
	result := Result{Decision: decision}
	if decision == RecordAndSample && in.Attributes != nil {
		result.Attributes = in.Attributes()
	}
	switch {
	case in.TraceState != nil:
		own := e.rewrite(in.TraceState(state, decision), threshold, rv, insert)
		result.TraceState = &own
	case insert || !e.tells(threshold):
		if f := in.origin; f != nil && f.intent.Threshold == threshold && state.Len() == 0 && !insert {
			result.TraceState = &f.state
			break
		}
		own := e.rewrite(state, threshold, rv, insert)
		result.TraceState = &own
	}
	return result
}

// randomness returns that of the trace, and whether it is a new number that the trace state must tell.
func (c *composite) randomness(p *Parameters, e *entry) (rv uint64, insert bool) {
	switch {
	case e.hasRandomness:
		return e.randomness, false
	case c.explicit && !p.Random && !p.Parent.IsValid() && e.hasRoom():
		return random(), true
	default:
		return binary.BigEndian.Uint64(p.TraceID[8:]) & (noThreshold - 1), false
	}
}

func random() uint64 { return rand.Uint64() >> (64 - randomBits) }

// newComposableParameters returns what a part may know.
func newComposableParameters(p *Parameters, e *entry, rv uint64) ComposableParameters {
	q := ComposableParameters{Parameters: *p}
	q.TraceID = trace.TraceID{}
	sampled := p.Debug || p.ParentDecision == ParentAccept
	decided := sampled || p.ParentDecision == ParentDeny
	if e.hasThreshold && decided && sampled == (rv >= e.threshold) {
		q.ParentThreshold, q.HasParentThreshold = e.threshold, true
	}
	return q
}

// decide returns the decision, and the threshold that the trace state tells, or noThreshold.
func (c *composite) decide(p *Parameters, e *entry, in *Intent, rv uint64) (Decision, uint64) {
	if !in.Sample {
		return Drop, noThreshold
	}
	if !in.Reliable {
		if in.Threshold == 0 || random() >= in.Threshold {
			return RecordAndSample, noThreshold
		}
		return Drop, noThreshold
	}
	if c.logger != nil && c.fixed != nil && p.Parent.IsValid() && !p.Random && !e.hasRandomness && !c.warned.Swap(true) {
		c.warn(p.Context)
	}
	if rv < in.Threshold {
		return Drop, noThreshold
	}
	return RecordAndSample, in.Threshold
}

func (c *composite) warn(ctx context.Context) {
	if ctx == nil {
		ctx = context.Background()
	}
	c.logger.WarnContext(ctx, "spandrel: trace ids are taken for random, but a caller does not set the random trace flag",
		slog.String("sampler", c.description))
}

// SampleHead drops what begins here and does not reach a threshold that is always the same. All else
// depends on the trace state, or changes it.
func (c *composite) SampleHead(h Head) (Decision, bool) {
	if c.fixed == nil || c.explicit || !h.NoParent {
		return Drop, false
	}
	return Drop, !c.fixed.intent.Sample || h.TraceIDLow&(noThreshold-1) < c.fixed.intent.Threshold
}

func (c *composite) Description() string { return c.description }

// FollowsLocalParent reports whether a child of a local parent always has its parent's decision and
// trace state.
func (c *composite) FollowsLocalParent() bool {
	_, ok := c.delegate.(*parentThreshold)
	return ok
}
