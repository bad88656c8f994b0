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
	headers   int // that Inject mostly sets
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
	for f := range numFormats {
		if c.inject.has(f) {
			p.headers += headersOf[f]
		}
	}
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

// read reads the headers of one format.
func (p *Propagator) read(f format, src *source, in *Remote) {
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

// Extract reads the carrier and returns ctx with what it found: the caller's span context as remote
// span context, under OpenTelemetry's key, so that a tracer of any provider joins the trace; and a
// [Remote] beside it. What stood in ctx before, even a span of this process, gives way to ids that
// arrived. A decision without ids, or a request id, is kept as a Remote and leaves the span in ctx
// as it is; a decision does so only where ctx has nothing of a trace that arrived with ids. If the carrier holds nothing usable ctx is returned as it was.
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
	var found Remote
	for _, f := range p.extract {
		if found.Format == "" { // the common case: nothing to compare with
			p.read(f, &src, &found)
			if !found.SpanContext.IsValid() && found.Decision == Defer {
				found = Remote{}
			}
			if f == formatB3 && found.SpanContext.IsValid() {
				p.meet(&src, &found, p.extractOtherB3(&src, &found))
			}
			continue
		}
		if found.SpanContext.IsValid() && !src.names(f) {
			continue
		}
		var in Remote
		p.read(f, &src, &in)
		p.meet(&src, &found, in)
		if f == formatB3 && in.SpanContext.IsValid() {
			p.meet(&src, &found, p.extractOtherB3(&src, &in))
		}
	}
	p.cap(&found)
	ids := p.readCorrelation(&src)
	if !found.SpanContext.IsValid() {
		old := remote.FromContext(ctx)
		known := old != nil && (found.Decision == Defer || old.SpanContext.IsValid())
		if ids == (correlation{}) && (known || found.Decision == Defer) {
			return ctx
		}
		// Neither a request id nor a decision alone is about another trace: what is known of that in ctx stays.
		if known {
			found = *old
			if old.Extra != nil {
				x := *old.Extra // that one is ctx's
				found.Extra = &x
			}
		}
		ids.store(&found)
		return &note{Context: ctx, remote: found}
	}
	ids.store(&found)
	if spanKey == nil {
		return trace.ContextWithRemoteSpanContext(&note{Context: ctx, remote: found}, found.SpanContext)
	}
	return &node{Context: ctx, remote: found}
}

// meet adds what was read in one format to what was found in others: ids, or a decision, or both.
func (p *Propagator) meet(src *source, found *Remote, in Remote) {
	switch {
	case !in.SpanContext.IsValid(): // a decision alone came before already
	case !found.SpanContext.IsValid():
		*found = in
	case !sameIDs(found, &in):
		p.disagree(src, found, in)
	case in.ParentSpanID.IsValid() && in.ParentSpanID == found.SpanContext.SpanID():
		if links := found.Extras().Links; links != nil {
			remote.AddExtra(&in).Links = links
		}
		*found = complete(in, *found)
	default:
		*found = complete(*found, in)
	}
}

// outgoing is what Inject sends.
type outgoing struct {
	spanContext   trace.SpanContext // invalid: there are no ids
	parent        trace.SpanID
	decision      Decision
	debug         bool
	traceIDBits   int     // as the trace id arrived; 0 if it did not
	arrived       *Remote // where the trace id arrived, else nil
	otherDecision bool    // the decision is not the one that arrived
	forwarded     bool    // no span was made here
}

// texts holds what is written of an outgoing, all substrings of one string.
type texts struct {
	traceparent, tracestate string
	traceID, spanID, parent string
	b3Single, jaeger        string
	otTraceID               string
	datadogTraceID          string
	datadogParentID         string
	datadogTags             string
	aws, gcp                string
	requestID               string
}

// Inject writes the span context in ctx into the carrier, in all formats of the configuration.
//
// Where the span in ctx was made by a provider its sampled flag is the decision. Where the span
// context is the one that arrived, or there is none, Inject forwards what arrived, with its parent,
// debug flag and decision, be it deferred or without ids. Trace ids that arrived in 64 bits leave so,
// except in W3C; in OT they leave in 128 bits only if they arrived so. With neither a span nor anything that arrived, it only removes what Clear names.
//
// From a carrier that can remove, a HeaderCarrier or one with a method Delete(string), it first removes
// what Clear names. It also removes the other headers of each format that it writes, of either encoding
// for B3, so that nothing that was there before mixes with what it writes.
func (p *Propagator) Inject(ctx context.Context, carrier otelprop.TextMapCarrier) {
	dst, ok := newTarget(carrier)
	if !ok || ctx == nil {
		return
	}
	for i := range p.clear {
		dst.remove(&p.clear[i])
	}
	sc, r := trace.SpanContextFromContext(ctx), remote.FromContext(ctx)
	if !sc.IsValid() && r == nil {
		return
	}
	var out outgoing
	out.join(&sc, r)
	set := p.inject
	n := p.headers
	if p.preserve {
		if f := p.formatOf(r); !set.has(f) {
			set, n = set.with(f), n+headersOf[f]
		}
	}
	makeRequestID := startsTrace(sc, r) && (r == nil || r.RequestID == "")
	var t texts
	t.render(&out, set, makeRequestID)
	if !makeRequestID && r != nil {
		t.requestID = r.RequestID
	}

	if r != nil && r.Extra != nil {
		n += 4
	}
	for _, rare := range [...]string{t.tracestate, t.parent, t.requestID} {
		n += min(1, len(rare))
	}
	dst.reserve(n)
	if set.has(formatW3C) {
		injectW3C(&dst, &out, &t)
	}
	if set.has(formatB3) || set.has(formatB3Single) {
		injectB3(&dst, set, &out, &t)
	}
	if t.jaeger != "" {
		dst.set(&jaegerHeader, t.jaeger)
	}
	if set.has(formatOT) {
		injectOT(&dst, &out, &t)
	}
	if set.has(formatDatadog) {
		injectDatadog(&dst, &out, &t)
	}
	if t.aws != "" {
		dst.set(&awsHeader, t.aws)
	}
	if t.gcp != "" {
		dst.set(&gcpHeader, t.gcp)
	}
	if set.has(formatInstana) {
		injectInstana(&dst, &out, &t)
	}
	if t.requestID != "" {
		dst.set(&requestIDHeader, t.requestID)
	}
	if r != nil && r.Extra != nil {
		forwardCorrelation(&dst, r.Extra)
	}
}

// join joins the span context in ctx with what arrived. At least one of them is there; out is blank.
func (out *outgoing) join(sc *trace.SpanContext, r *Remote) {
	arrived := r != nil && r.SpanContext.IsValid()
	joined := arrived && sc.IsValid() && sameTrace(*sc, r)
	if !sc.IsValid() || joined && sc.IsRemote() && sc.SpanID() == r.SpanContext.SpanID() {
		out.spanContext = r.SpanContext
		if joined && sc.TraceState().Len()+r.SpanContext.TraceState().Len() > 0 {
			out.spanContext = out.spanContext.WithTraceState(sc.TraceState())
		}
		out.parent, out.decision, out.debug, out.traceIDBits = r.ParentSpanID, r.Decision, r.Debug, r.TraceIDBits
		if r.Capped { // which is about what is recorded here
			out.decision = Accept
			out.spanContext = out.spanContext.WithTraceFlags(out.spanContext.TraceFlags() | trace.FlagsSampled)
		}
		out.arrived, out.forwarded = r, true
		return
	}
	out.spanContext, out.decision = *sc, Deny
	if sc.IsSampled() {
		out.decision = Accept
		// A debug flag that came without ids is meant for the trace that this service started.
		out.debug = r != nil && r.Debug && (joined || !arrived)
	}
	if joined {
		out.traceIDBits = r.TraceIDBits
		out.arrived = r
		out.otherDecision = out.decision != r.Decision
	}
}

// headersOf is how many headers Inject sets in a format, but for those that few requests have.
var headersOf = [numFormats]int{
	formatW3C: 1, formatB3: 3, formatB3Single: 1, formatJaeger: 1, formatOT: 3, formatDatadog: 4, formatAWS: 1, formatGCP: 1,
	formatInstana: 3,
}

// formatOf returns the format that preserve stands for.
func (p *Propagator) formatOf(r *Remote) format {
	if r != nil {
		if f, ok := findFormat(r.Format, injectable); ok {
			return f
		}
	}
	return p.defaultFormat
}

// render renders all that is needed into one string. The parts of a traceparent serve B3 too. t is blank.
func (t *texts) render(out *outgoing, set formatSet, requestID bool) {
	if !out.spanContext.IsValid() {
		return
	}
	if set&^formatSet(0).with(formatW3C).with(formatB3).with(formatOT) == 0 && !requestID {
		var buf [traceparentLen + 2*8]byte // most often; a large one costs its clearing
		t.renderInto(buf[:0], out, set, false)
		return
	}
	var buf [traceparentLen + 2*8 + b3SingleMax + jaegerMax + datadogLen + awsMax + gcpMax + uuidLen]byte
	t.renderInto(buf[:0], out, set, requestID)
}

func (t *texts) renderInto(b []byte, out *outgoing, set formatSet, requestID bool) {
	b = appendTraceparent(b, &out.spanContext)
	if out.parent.IsValid() {
		b = appendHex(b, out.parent[:])
	}
	parentEnd := len(b)
	if set.has(formatB3Single) {
		b = appendB3Single(b, out)
	}
	singleEnd := len(b)
	if set.has(formatJaeger) && out.decision != Defer {
		// It has no word for a deferred decision: its flags would be a deny.
		b = appendJaeger(b, out)
	}
	jaegerEnd := len(b)
	var datadogTraceIDEnd, datadogIDsEnd int
	if set.has(formatDatadog) {
		b, datadogTraceIDEnd = appendDatadogIDs(b, out)
		datadogIDsEnd = len(b)
		b = appendDatadogTags(b, out)
	}
	datadogEnd := len(b)
	if set.has(formatAWS) {
		b = appendAWS(b, out)
	}
	awsEnd := len(b)
	if set.has(formatGCP) {
		b = appendGCP(b, out)
	}
	gcpEnd := len(b)
	if requestID {
		b = appendUUID(b, out.spanContext.TraceID())
	}
	stateStart := len(b)
	if set.has(formatW3C) {
		t.tracestate = stateToSend(out.spanContext.TraceState(), out.arrived)
		if was := datadogMember(t.tracestate); hasDatadogState(out, set, was) && out.decision != Defer {
			b = appendTraceState(b, out, t.tracestate, was)
		}
	}
	s := string(b)
	if stateStart < len(b) {
		t.tracestate = s[stateStart:]
	}
	t.traceparent = s[:traceparentLen]
	t.traceID = s[3:35]
	if out.traceIDBits == 64 {
		t.traceID = s[19:35]
	}
	// Readers of OT expect 64 bits: more go only where more came from.
	t.otTraceID = s[19:35]
	if out.traceIDBits == 128 {
		t.otTraceID = s[3:35]
	}
	t.spanID = s[36:52]
	t.parent = s[traceparentLen:parentEnd]
	t.b3Single = s[parentEnd:singleEnd]
	t.jaeger = s[singleEnd:jaegerEnd]
	if set.has(formatDatadog) {
		t.datadogTraceID = s[jaegerEnd:datadogTraceIDEnd]
		t.datadogParentID = s[datadogTraceIDEnd:datadogIDsEnd]
		t.datadogTags = s[datadogIDsEnd:datadogEnd]
	}
	t.aws = s[datadogEnd:awsEnd]
	t.gcp = s[awsEnd:gcpEnd]
	t.requestID = s[gcpEnd:stateStart]
}
