// SPDX-License-Identifier: Apache-2.0

package propagation

import (
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"
)

// TrustPolicy says what the headers of a listener's callers are worth. The wrappers of servers have an
// option for it; the zero value is Trust.
type TrustPolicy uint8

const (
	// Trust joins the caller's trace and keeps its decision: the caller is one's own gateway or service.
	Trust TrustPolicy = iota
	// Link starts a new trace with a link to the caller's span: a stranger chooses neither the trace id
	// nor the sampling decision, and nothing of what it sent goes on to others, not through a proxy that
	// copies headers either.
	Link
	// Ignore starts a new trace and reads no header at all. Nothing goes on, as with Link.
	Ignore
)

// String returns "trust", "link" or "ignore".
func (t TrustPolicy) String() string {
	switch t {
	case Trust:
		return "trust"
	case Link:
		return "link"
	case Ignore:
		return "ignore"
	default:
		return fmt.Sprintf("TrustPolicy(%d)", uint8(t))
	}
}

// WithForcedSamplingLimit bounds how many traces a second callers may have sampled, by a sampled flag or a
// debug flag: a stranger who sets it on every request would otherwise decide what tracing costs. Beyond n
// in one second the decision counts as not made, so that the sampler decides, and [Stats.Capped] counts it.
// A deny is always kept, and a service that makes no span sends on what arrived, capped or not.
//
// OpenTelemetry's SDK knows no decision that is not made: its parent-based sampler takes it for a deny. An
// x-request-id that Envoy has marked, which sampling.EnvoyRequestID follows, is not counted, and
// x-envoy-force-trace goes on to other Envoys; Envoy at the edge is who stops strangers there. One limit is
// shared by all listeners that use the propagator, also those with [Link].
//
// The default is no limit; with 0 callers never force sampling; a negative n is an error.
func WithForcedSamplingLimit(n int) Option {
	return optionFunc(func(c *config) { c.forcedLimit = &n })
}

// forced counts what callers have forced in the present second since start: the second in the upper half, the
// number in the lower.
type forced struct {
	start  time.Time
	now    atomic.Uint64
	capped atomic.Uint64
}

// second returns the present second. It follows the monotonic clock: one that is set back starts no new one.
func (f *forced) second() uint32 { return uint32(time.Since(f.start) / time.Second) }

// take reports whether one more may be forced in a second. Of two callers at the turn of a second the one that
// read the clock first may come last: it counts in the later second, and does not bring the earlier back.
func (f *forced) take(second, limit uint32) bool {
	for {
		old := f.now.Load()
		next := old + 1
		if uint32(old>>32) < second {
			next = uint64(second)<<32 | 1
		}
		if uint32(next) > limit {
			return false
		}
		if f.now.CompareAndSwap(old, next) {
			return true
		}
	}
}

// cap takes a decision to sample back if callers have forced too many. There is a limit.
func (p *Propagator) cap(in *arrival) {
	if in.Decision != Accept || p.forced.take(p.forced.second(), uint32(min(*p.forcedLimit, math.MaxInt32))) {
		return
	}
	p.forced.capped.Add(1)
	if in.Debug || in.Priority > 1 { // a user's will, which goes on where no span is made here
		r := in.AddRare()
		r.CappedDebug, r.CappedPriority = in.Debug, in.Priority
	}
	in.Decision, in.Debug, in.Priority, in.Capped, in.Text = Defer, false, 0, true, ""
	in.Flags &^= trace.FlagsSampled
}
