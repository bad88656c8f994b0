// SPDX-License-Identifier: Apache-2.0

package propagation

import (
	"context"
	"encoding/binary"
	"slices"
	"strconv"
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
	var found arrival
	for _, f := range p.extract {
		if found.Format == formatNone { // the common case: nothing to compare with
			p.read(f, &src, &found)
			switch {
			case found.Format == formatB3Single && found.HasIDs():
				p.meetOtherB3(&src, &found, &found)
			case found.Format != formatNone && !found.HasIDs() && found.Decision == Defer:
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
	old := remote.FromContext(ctx)
	known := old != nil && (found.Decision == Defer || old.HasIDs())
	if !some && (known || found.Decision == Defer) {
		return ctx
	}
	// Neither a request id nor a decision alone is about another trace: what is known of that in ctx stays.
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
	case !in.HasIDs(): // a decision alone came before already
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

// outgoing is what Inject sends.
type outgoing struct {
	traceID       trace.TraceID
	spanID        trace.SpanID // invalid: there are no ids
	parent        trace.SpanID
	flags         trace.TraceFlags
	decision      Decision
	debug         bool
	otherDecision bool     // the decision is not the one that arrived
	forwarded     bool     // no span was made here
	traceIDBits   uint8    // as the trace id arrived; 0 if it did not
	arrived       *arrival // where the trace id arrived, else nil
	state         trace.TraceState
}

func (out *outgoing) hasIDs() bool { return out.spanID != trace.SpanID{} }

// extras returns what few requests have of what arrived, or nil.
func (out *outgoing) extras() *Extra {
	if out.arrived == nil {
		return nil
	}
	return out.arrived.Extras()
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
	if n, ok := ctx.(*node); ok && n.Text != "" && n.Rare == nil && p.injectsAlone(n.Format) {
		injectText(&dst, &n.arrival)
		return
	}
	var out outgoing
	r, ids, ok := out.from(ctx)
	if !ok {
		return
	}
	set := p.inject
	n := p.headers
	if p.preserve {
		f := p.defaultFormat
		if r != nil && r.Format != formatNone {
			f = r.Format
		}
		if !set.has(f) {
			set, n = set.with(f), n+headersOf[f]
		}
	}
	var t texts
	if out.hasIDs() {
		t.render(&out, set, ids)
	}
	requestID := t.part(partRequestID)
	if r != nil {
		if r.RequestID != "" {
			requestID = r.RequestID
		}
		if r.Rare != nil {
			n += 4
		}
	}
	for _, rare := range [...]string{t.tracestate, t.part(partParent), requestID} {
		n += min(1, len(rare))
	}
	dst.reserve(n)
	if set.has(formatW3C) {
		injectW3C(&dst, &out, &t)
	}
	if set.has(formatB3) || set.has(formatB3Single) {
		injectB3(&dst, set, &out, &t)
	}
	if text := t.part(partJaeger); text != "" {
		dst.set(&jaegerHeader, text)
	}
	if set.has(formatOT) {
		injectOT(&dst, &out, &t)
	}
	if set.has(formatDatadog) {
		injectDatadog(&dst, &out, &t)
	}
	if text := t.part(partAWS); text != "" {
		dst.set(&awsHeader, text)
	}
	if text := t.part(partGCP); text != "" {
		dst.set(&gcpHeader, text)
	}
	if set.has(formatInstana) {
		injectInstana(&dst, &out, &t)
	}
	if requestID != "" {
		dst.set(&requestIDHeader, requestID)
	}
	if r != nil {
		if x := r.Extras(); x != nil {
			forwardCorrelation(&dst, x)
		}
	}
}

// injectsAlone reports whether f is all that is written for what arrived in f.
func (p *Propagator) injectsAlone(f format) bool {
	set := formatSet(0).with(f)
	return p.inject == set || p.preserve && p.inject&^set == 0
}

// injectText sends on what arrived in one header, as it came, and removes what would change its meaning.
func injectText(dst *target, r *arrival) {
	dst.reserve(1 + min(1, len(r.RequestID)))
	switch r.Format {
	case formatW3C:
		dst.set(&traceparentHeader, r.Text)
	case formatB3Single:
		dst.set(&b3Header, r.Text)
	case formatAWS:
		dst.set(&awsHeader, r.Text)
	}
	if r.RequestID != "" {
		dst.set(&requestIDHeader, r.RequestID)
	}
	switch r.Format {
	case formatW3C:
		dst.remove(&tracestateHeader)
	case formatB3Single:
		for _, name := range b3ManyHeaders {
			dst.remove(name)
		}
	}
}

// from sets what is sent of what is in ctx. It returns what arrived, or nil, whether an x-request-id is to be
// made, and whether there is anything to send. out is blank.
func (out *outgoing) from(ctx context.Context) (r *arrival, makeRequestID, ok bool) {
	if n, isNode := ctx.(*node); isNode { // the most direct way of sending on what arrived
		out.forward(&n.arrival)
		return &n.arrival, false, true
	}
	sc := trace.SpanContextFromContext(ctx)
	r = remote.FromContext(ctx)
	if !sc.IsValid() {
		if r != nil {
			out.forward(r)
		}
		return r, false, r != nil
	}
	out.join(&sc, r)
	return r, startsTrace(&sc, r) && (r == nil || r.RequestID == ""), true
}

// forward has what arrived sent on.
func (out *outgoing) forward(r *arrival) {
	out.traceID, out.spanID, out.parent, out.flags, out.traceIDBits = r.TraceID, r.SpanID, r.ParentSpanID, r.Flags, r.TraceIDBits
	out.decision, out.debug = r.Decision, r.Debug
	if r.Capped { // which is about what is recorded here
		out.decision = Accept
		if out.hasIDs() {
			out.flags |= trace.FlagsSampled
		}
	}
	if r.Rare != nil {
		out.state = r.State
	}
	out.arrived, out.forwarded = r, true
}

// join joins the span context in ctx, which is valid, with what arrived, or nil.
func (out *outgoing) join(sc *trace.SpanContext, r *arrival) {
	joined := sameTrace(sc, r)
	if joined && sc.IsRemote() && sc.SpanID() == r.SpanID {
		out.forward(r)
		out.state = sc.TraceState()
		return
	}
	out.traceID, out.spanID, out.flags, out.state = sc.TraceID(), sc.SpanID(), sc.TraceFlags(), sc.TraceState()
	out.decision = Deny
	if sc.IsSampled() {
		out.decision = Accept
		// A debug flag that came without ids is meant for the trace that this service started.
		out.debug = r != nil && r.Debug && (joined || !r.HasIDs())
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

// part is a part of what Inject sends.
type part uint8

// The parts, in the order in which they stand in one string.
const (
	partStart  part = iota
	partIDs         // a traceparent, of whose ids other formats make use
	partParent      // the parent's id
	partB3Single
	partJaeger
	partDatadogTraceID
	partDatadogParentID
	partDatadogTags
	partAWS
	partGCP
	partRequestID
	partTraceState
	numParts
)

// texts holds what is written of an outgoing.
type texts struct {
	all  string
	ends [numParts]uint16 // where each part ends

	tracestate string
}

// part returns a part, or "" if it was not rendered.
func (t *texts) part(p part) string { return t.all[t.ends[p-1]:t.ends[p]] }

func (t *texts) traceparent() string { return t.part(partIDs) }

// traceID returns the trace id in as many digits as it arrived in, or "" if there is none.
func (t *texts) traceID(out *outgoing) string {
	switch {
	case !out.hasIDs():
		return ""
	case out.traceIDBits == 64:
		return t.all[19:35]
	default:
		return t.all[3:35]
	}
}

// otTraceID returns the trace id. Readers of OT expect 64 bits: more go only where more came from.
func (t *texts) otTraceID(out *outgoing) string {
	if out.traceIDBits == 128 {
		return t.all[3:35]
	}
	return t.all[19:35]
}

func (t *texts) spanID() string {
	if t.ends[partIDs] == 0 {
		return ""
	}
	return t.all[36:52]
}

const (
	// withIDs are the formats that make use of partIDs.
	withIDs = formatSet(1<<formatW3C | 1<<formatB3 | 1<<formatOT | 1<<formatInstana)
	// oneHeader are the formats that have one header.
	oneHeader = formatSet(1<<formatB3Single | 1<<formatJaeger | 1<<formatAWS | 1<<formatGCP)

	maxIDs   = traceparentLen + 2*8 // with a parent
	maxSmall = max(maxIDs, b3SingleMax, jaegerMax, awsMax, gcpMax) + uuidLen
	maxLarge = maxIDs + b3SingleMax + jaegerMax + datadogLen + awsMax + gcpMax + uuidLen
)

// render renders all that is needed into one string. There are ids. t is blank.
func (t *texts) render(out *outgoing, set formatSet, requestID bool) {
	if set&^withIDs == 0 || set&^oneHeader == 0 && set&(set-1) == 0 {
		var buf [maxSmall]byte // most often; a large one costs its clearing
		t.renderInto(buf[:0], out, set, requestID)
		return
	}
	var buf [maxLarge]byte
	t.renderInto(buf[:0], out, set, requestID)
}

func (t *texts) renderInto(b []byte, out *outgoing, set formatSet, requestID bool) {
	if set&withIDs != 0 {
		b = appendTraceparent(b, out)
	}
	t.ends[partIDs] = uint16(len(b))
	if out.parent != (trace.SpanID{}) && set.has(formatB3) {
		b = appendHex(b, out.parent[:])
	}
	t.ends[partParent] = uint16(len(b))
	if set.has(formatB3Single) {
		b = appendB3Single(b, out)
	}
	t.ends[partB3Single] = uint16(len(b))
	if set.has(formatJaeger) && out.decision != Defer {
		// It has no word for a deferred decision: its flags would be a deny.
		b = appendJaeger(b, out)
	}
	t.ends[partJaeger] = uint16(len(b))
	if set.has(formatDatadog) {
		b = strconv.AppendUint(b, binary.BigEndian.Uint64(out.traceID[8:]), 10)
		t.ends[partDatadogTraceID] = uint16(len(b))
		b = strconv.AppendUint(b, binary.BigEndian.Uint64(out.spanID[:]), 10)
		t.ends[partDatadogParentID] = uint16(len(b))
		b = appendDatadogTags(b, out)
	} else {
		t.ends[partDatadogTraceID], t.ends[partDatadogParentID] = uint16(len(b)), uint16(len(b))
	}
	t.ends[partDatadogTags] = uint16(len(b))
	if set.has(formatAWS) {
		b = appendAWS(b, out)
	}
	t.ends[partAWS] = uint16(len(b))
	if set.has(formatGCP) {
		b = appendGCP(b, out)
	}
	t.ends[partGCP] = uint16(len(b))
	if requestID {
		b = appendUUID(b, out.traceID)
	}
	t.ends[partRequestID] = uint16(len(b))
	if set.has(formatW3C) {
		t.tracestate = stateToSend(out.state, out.arrived)
		if was := datadogMember(t.tracestate); hasDatadogState(out, set, was) && out.decision != Defer {
			b = appendTraceState(b, out, t.tracestate, was)
		}
	}
	t.ends[partTraceState] = uint16(len(b))
	t.all = string(b)
	if state := t.part(partTraceState); state != "" {
		t.tracestate = state
	}
}
