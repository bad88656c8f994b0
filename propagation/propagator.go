// SPDX-License-Identifier: Apache-2.0

package propagation

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	otelprop "go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/internal/remote"
)

// Propagator reads and writes headers. It implements OpenTelemetry's TextMapPropagator. [New] makes
// it; the zero value is not usable.
//
// All methods are safe for concurrent use as long as each call has a carrier of its own.
type Propagator struct {
	config
	fields    []string
	malformed counters
	conflicts conflicts
	forced    forced

	untraceable atomic.Uint64 // request ids with which Envoy does not trace
}

var _ otelprop.TextMapPropagator = (*Propagator)(nil)

// New makes a propagator. It returns an error if cfg names a format that does not exist or that
// cannot stand where it does, with the list of those that can, if a name to clear cannot be the name
// of a header, or if an option is nil.
func New(cfg Config, opts ...Option) (*Propagator, error) {
	c, err := newConfig(cfg, opts)
	if err != nil {
		return nil, err
	}
	p := &Propagator{config: c, forced: forced{start: time.Now()}}
	p.fields = fieldsOf(c)
	return p, nil
}

// Fields returns the names, in lower case, of all headers that Inject may set. The caller owns the
// slice.
func (p *Propagator) Fields() []string { return slices.Clone(p.fields) }

func fieldsOf(c config) []string {
	set := c.inject
	if c.preserve {
		set = set.with(c.defaultFormat)
		for _, f := range c.extract {
			set = set.with(f)
			if f == formatB3 {
				set = set.with(formatB3Single)
			}
		}
	}
	var fields []string
	if set.has(formatW3C) {
		fields = append(fields, traceparentHeader.lower, tracestateHeader.lower)
	}
	if set.has(formatB3) {
		fields = append(fields, b3TraceIDHeader.lower, b3SpanIDHeader.lower, b3ParentSpanIDHeader.lower,
			b3SampledHeader.lower, b3FlagsHeader.lower)
	}
	if set.has(formatB3Single) {
		fields = append(fields, b3Header.lower)
	}
	if set.has(formatJaeger) {
		fields = append(fields, jaegerHeader.lower)
	}
	if set.has(formatOT) {
		fields = append(fields, otTraceIDHeader.lower, otSpanIDHeader.lower, otSampledHeader.lower)
	}
	if set.has(formatDatadog) {
		fields = append(fields, datadogTraceIDHeader.lower, datadogParentIDHeader.lower,
			datadogPriorityHeader.lower, datadogOriginHeader.lower, datadogTagsHeader.lower)
	}
	if set.has(formatAWS) {
		fields = append(fields, awsHeader.lower)
	}
	if set.has(formatGCP) {
		fields = append(fields, gcpHeader.lower)
	}
	if set.has(formatInstana) {
		fields = append(fields, instanaTraceIDHeader.lower, instanaSpanIDHeader.lower, instanaLevelHeader.lower)
	}
	return append(fields, requestIDHeader.lower, clientTraceIDHeader.lower, forceTraceHeader.lower, kongRequestIDHeader.lower)
}

// read reads the headers of one format into in, which is blank.
func (p *Propagator) read(f format, src *source, in *arrival) {
	switch f {
	case formatW3C:
		p.extractW3C(src, in)
	case formatB3:
		p.extractB3(src, in)
	case formatJaeger:
		p.extractJaeger(src, in)
	case formatOT:
		p.extractOT(src, in)
	case formatDatadog:
		p.extractDatadog(src, in)
	case formatAWS:
		p.extractAWS(src, in)
	case formatGCP:
		p.extractGCP(src, in)
	case formatInstana:
		p.extractInstana(src, in)
	}
}

// Extract reads the carrier and returns ctx with what it found: the caller's span context as remote span
// context, under OpenTelemetry's key, so that a tracer of any provider joins the trace; and a [Remote] beside
// it. What stood in ctx before, even a span of this process, gives way to ids that arrived. A decision
// without ids, or a request id, is kept as a Remote and leaves the span in ctx as it is; a decision does so
// only where ctx has nothing of a trace that arrived with ids. If the carrier holds nothing usable ctx is
// returned as it was.
//
// Where headers of several formats name different traces, the span that starts here joins the first,
// in the order of the configuration, and links to the others; spans of package tracing do so, another
// provider's need links of their own, from [RemoteFromContext]. Where a later format names a child of the
// span that the first one names, in the same trace, a proxy in between knows the later one only: the child
// is the caller. Both encodings of B3 are two formats here, with the b3 header first.
func (p *Propagator) Extract(ctx context.Context, carrier otelprop.TextMapCarrier) context.Context {
	if ctx == nil {
		ctx = context.Background()
	}
	if carrier == nil {
		return ctx
	}
	src := newSource(carrier)
	var found arrival
	for _, f := range p.extract {
		if found.Format == formatNone { // the common case: nothing to compare with
			p.read(f, &src, &found)
			switch {
			case found.Format == formatB3Single && found.HasIDs():
				p.meetOtherB3(&src, &found, &found)
			case found.Format != formatNone && !saysSomething(&found):
				found = arrival{}
			}
			continue
		}
		if found.HasIDs() && !src.names(f) {
			continue
		}
		var in arrival
		p.read(f, &src, &in)
		of := in
		p.meet(&src, &found, &in)
		if f == formatB3 && of.HasIDs() {
			p.meetOtherB3(&src, &found, &of)
		}
	}
	if p.forcedLimit != nil {
		p.cap(&found)
	}
	if found.HasIDs() {
		p.readCorrelation(&src, &found)
		if spanKey == nil {
			return trace.ContextWithRemoteSpanContext(&note{ctx, found}, found.SpanContext())
		}
		return &node{ctx, found}
	}
	some := p.readCorrelation(&src, &found)
	old, says := remote.FromContext(ctx), saysSomething(&found)
	known := old != nil && (!says || old.HasIDs())
	if !some && (known || !says) {
		return ctx
	}
	// Neither a request id nor a decision alone is about another trace: what is known of that in ctx stays. A trace
	// id alone names no span to join instead.
	if known {
		in := found
		found = *old
		found.OwnRare() // that one is ctx's
		addCorrelation(&found, &in)
	}
	return &note{ctx, found}
}

// meet adds what was read in one format to what was found in others: ids, or a decision, or both. It may
// change in.
func (p *Propagator) meet(src *source, found, in *arrival) {
	switch {
	case !in.HasIDs():
		if !found.HasIDs() {
			meetAlone(found, in)
		}
	case !found.HasIDs():
		*found = *in
	case !sameIDs(found, in):
		p.disagree(src, found, in)
	case in.ParentSpanID.IsValid() && in.ParentSpanID == found.SpanID:
		if links := found.Links(); links != nil {
			in.AddExtra().Links = links
		}
		complete(in, found)
		*found = *in
	default:
		complete(found, in)
	}
}

// saysSomething reports whether there are ids, a trace id or a decision, be it one that was taken back.
func saysSomething(in *arrival) bool {
	return in.Decision != Defer || in.Capped || in.TraceID != trace.TraceID{}
}

// meetAlone adds what a format says without a span id to what another one did: a decision, or a trace id. The first
// of each counts, and of one decision all that is said.
func meetAlone(found, in *arrival) {
	first := *found // to decide
	if first.Decision == Defer {
		first = *in
	}
	if !found.IsTraceAlone() && in.IsTraceAlone() {
		*found, *in = *in, *found
	}
	if found.Decision != first.Decision {
		found.Decision, found.Debug, found.Priority = first.Decision, first.Debug, first.Priority
	}
	if in.Decision == found.Decision {
		found.Debug = found.Debug || in.Debug
		if found.Priority == 0 {
			found.Priority = in.Priority
		}
	}
}
