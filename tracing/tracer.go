// SPDX-License-Identifier: Apache-2.0

package tracing

import (
	"context"
	"math"
	"slices"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/embedded"

	"github.com/spandrel-go/spandrel/internal/remote"
	"github.com/spandrel-go/spandrel/sampling"
)

// Tracer starts spans of one instrumentation scope. It is safe for concurrent use. A nil *Tracer, the
// zero value, one made by [WithNoop], and one of the global provider before [SetGlobal] start no spans:
// they return the Go context as it was and a span that does nothing.
type Tracer struct {
	embedded.Tracer
	provider *Provider // nil: the global one, whatever it is at the time
	scope    *Scope
	sampler  *samplerChoice // nil: the provider's
	rate     float64        // of WithSamplingRate, for SamplingDecision; 1 without it
	noop     bool

	// Of a namespace other than the default: the context key of its active span, a namespaceKey, and
	// the same tracer in the default namespace. Else nil.
	namespace any
	plain     *Tracer
}

var _ trace.Tracer = (*Tracer)(nil)

// samplerChoice is a sampler and what is known of it.
type samplerChoice struct {
	sampling.Sampler
	// head is the same sampler if it can decide without looking at the span, else nil.
	head sampling.HeadSampler
	// followsLocal: a local child always gets its parent's decision, so it need not be asked.
	followsLocal bool
}

func chooseSampler(s sampling.Sampler) *samplerChoice {
	f, ok := s.(interface{ FollowsLocalParent() bool })
	c := &samplerChoice{Sampler: s, followsLocal: ok && f.FollowsLocalParent()}
	c.head, _ = s.(sampling.HeadSampler)
	return c
}

// active returns the provider that t starts spans on, or nil.
func (t *Tracer) active() *Provider {
	if t == nil || t.noop {
		return nil
	}
	if t.provider != nil {
		return t.provider
	}
	if t.scope == nil { // the zero value
		return nil
	}
	return global.Load()
}

// Start starts a span as OpenTelemetry's API asks: a child of the span in ctx, which may be of
// another provider. The returned Go context holds the new span. Attributes given here are preferred to
// those set later: a sampler sees none but these.
func (t *Tracer) Start(ctx context.Context, name string, opts ...trace.SpanStartOption) (context.Context, trace.Span) {
	var o startOptions
	if len(opts) > 0 {
		cfg := trace.NewSpanStartConfig(withoutNil(opts)...)
		o.kind = cfg.SpanKind()
		o.newRoot = cfg.NewRoot()
		o.at = cfg.Timestamp()
		o.attrs = cfg.Attributes()
		o.links = cfg.Links()
	}
	ctx, s := t.start(ctx, name, &o)
	if s == nil {
		return ctx, trace.SpanFromContext(trace.ContextWithSpanContext(ctx, trace.SpanContextFromContext(ctx)))
	}
	return ctx, s
}

// StartSpan starts a span, as Kong's start_span does: a child of [WithParent]'s span, else of the
// active span in ctx, else of [WithRemoteParent]'s, else a root. The returned Go context holds the
// new span. It allocates only the span.
//
// The span is nil where no spans are made (see [Tracer]); every method accepts that.
func (t *Tracer) StartSpan(ctx context.Context, name string, opts ...SpanOption) (context.Context, *Span) {
	var o startOptions
	// The options are read here and not in a method of theirs: stores through a pointer would move
	// what they point to from the caller's stack to the heap.
	for i := range opts {
		switch opt := &opts[i]; opt.what {
		case optKind:
			o.kind = trace.SpanKind(opt.kind)
		case optParent:
			o.parent = opt.span
		case optRemoteParent:
			o.remoteParent = opt.remote
		case optStartTime:
			o.at = *opt.at
		case optShouldSample:
			o.decided, o.sample = true, opt.flag
		case optAttributes:
			if o.attrs == nil {
				o.attrs = opt.attrs
			} else {
				o.attrs = append(slices.Clip(o.attrs), opt.attrs...)
			}
		case optLinks:
			if o.links == nil {
				o.links = opt.links
			} else {
				o.links = append(slices.Clip(o.links), opt.links...)
			}
		case optNewRoot:
			o.newRoot = true
		case optUnlinked:
			o.unlinked = true
		}
	}
	return t.start(ctx, name, &o)
}

// startOptions is what the options of both ways to start a span come down to. It lives on the
// caller's stack, and so does what its fields point to: nothing of it is kept. That is why the name and
// the Go contexts, which are kept, are no part of it; escape analysis does not tell fields apart.
type startOptions struct {
	kind         trace.SpanKind
	newRoot      bool
	unlinked     bool // CreateSpan: the span does not join its local trace yet
	decided      bool // WithShouldSample was given: sample is its value
	sample       bool
	random       bool // the trace begins here, with an id whose end is random
	parent       *Span
	remoteParent *trace.SpanContext
	at           time.Time
	attrs        []attribute.KeyValue
	links        []trace.Link
}

// start is the hot path. Decide first: a span that is not sampled costs its handle and nothing else.
func (t *Tracer) start(ctx context.Context, name string, o *startOptions) (context.Context, *Span) {
	if ctx == nil {
		ctx = context.Background()
	}
	p := t.active()
	if p == nil {
		return ctx, nil
	}
	own, foreign, base := activeIn(ctx)
	if own == p.suppressed {
		return ctx, p.suppressed // not own: what the options point to must not leave the stack
	}
	if t.plain != nil {
		return t.startInNamespace(ctx, name, o, foreign)
	}
	if o.newRoot {
		if own != nil || foreign != nil { // the sampler and the processors must not take it for the parent
			ctx = trace.ContextWithSpan(base, nil)
		}
		return t.startTrace(ctx, base, p, name, o, nil)
	}
	if o.parent != nil && o.parent.identity != nil {
		own, foreign = o.parent, nil
	}
	if own != nil {
		if own.provider == p {
			return t.startChild(ctx, base, p, name, o, own)
		}
		// Of another provider of ours: a local parent, but not our local trace.
		return t.startRoot(ctx, base, p, name, o, own.SpanContext(), nil)
	}
	if foreign == nil && o.remoteParent == nil {
		return t.startTrace(ctx, base, p, name, o, remote.FromContext(ctx))
	}
	var parent trace.SpanContext
	if foreign != nil {
		parent = foreign.SpanContext()
	}
	if o.remoteParent != nil && !parent.IsValid() {
		parent = o.remoteParent.WithRemote(true)
	}
	if !parent.IsValid() {
		if state := parent.TraceState(); state.Len() > 0 {
			return t.startTraceWith(ctx, base, p, name, o, state, remote.FromContext(ctx))
		}
		return t.startTrace(ctx, base, p, name, o, remote.FromContext(ctx))
	}
	var arrived *remote.Arrived
	if parent.IsRemote() {
		arrived = remote.FromContext(ctx)
	}
	return t.startRoot(ctx, base, p, name, o, parent, arrived)
}

// samplerOf returns the sampler that decides about t's spans.
func (t *Tracer) samplerOf(p *Provider) *samplerChoice {
	if t.sampler != nil {
		return t.sampler
	}
	return p.sampler.Load()
}

// startChild starts a span under one of the same provider.
func (t *Tracer) startChild(ctx, base context.Context, p *Provider, name string, o *startOptions, parent *Span) (context.Context, *Span) {
	id := parent.identity
	if p.closed.Load() {
		return p.passThrough(base, id, parent.id)
	}
	decision := sampling.Drop
	var result *sampling.Result
	if sampler := t.samplerOf(p); !sampler.followsLocal {
		sc := parent.SpanContext()
		decision, result = sampler.ask(ctx, name, o, id.traceID, &sc, nil)
	} else if id.flags.IsSampled() {
		decision = sampling.RecordAndSample
	}
	lt := id.local
	if lt == nil && decision != sampling.Drop {
		// An unsampled parent has no local trace: this span is a local root.
		return t.record(ctx, base, p, name, o, id.traceID, p.newSpanID(ctx, id.traceID), parent.SpanContext(), nil, decision, result)
	}
	withheld := notWithheld
	if decision == sampling.RecordOnly {
		withheld = recordOnly
	}
	if lt != nil {
		if late := lt.late.Load(); late != undecided {
			decision, withheld = override(decision, late)
		}
	}
	flags := id.flags.WithSampled(decision == sampling.RecordAndSample && withheld == notWithheld)
	if flags != id.flags || result != nil && result.TraceState != nil {
		id = deviate(id, flags, result)
	}
	s := &Span{identity: id, base: base, id: p.newSpanID(ctx, id.traceID)}
	if decision == sampling.Drop {
		if lt != nil {
			s.rec = &sampledOut
		}
		p.shardOf(s.id).unsampled.Add(1)
		return s.asContext(), s
	}
	if o.unlinked {
		lt.startUnlinked(s, parent, t.scope, spanKind(o.kind), withheld)
		s.beginUnlinked(o, result)
		return s.asContext(), s
	}
	lt.startSpan(s, parent, name, t.scope, unixNano(o.at), spanKind(o.kind), withheld)
	s.begin(ctx, o, result)
	return s.asContext(), s
}

// startTrace starts the first span of a trace. arrived may hold a decision without ids, or a trace id alone.
func (t *Tracer) startTrace(ctx, base context.Context, p *Provider, name string, o *startOptions, arrived *remote.Arrived) (context.Context, *Span) {
	if arrived != nil && arrived.IsTraceAlone() {
		return t.startRoot(ctx, base, p, name, o, arrived.TraceAlone(), arrived)
	}
	trID, id := p.newIDs(ctx)
	if p.closed.Load() {
		return p.passThrough(base, p.unsampled(trID, p.newFlags, trace.TraceState{}).identity, id)
	}
	if arrived != nil && arrived.HasIDs() {
		arrived = nil // it speaks of another span
	}
	var decision sampling.Decision
	var result *sampling.Result
	if o.decided && (arrived == nil || arrived.Decision == remote.Defer) {
		if o.sample {
			decision = sampling.RecordAndSample
		}
	} else {
		sampler, ok := t.samplerOf(p), false
		if arrived == nil && sampler.head != nil { // nobody has a say but the trace id
			decision, ok = sampler.head.SampleHead(sampling.Head{TraceIDHigh: trID.high, TraceIDLow: trID.low, NoParent: true})
		}
		if !ok {
			o.random = p.newFlags.IsRandom()
			decision, result = sampler.ask(ctx, name, o, trID, &trace.SpanContext{}, arrived)
		}
	}
	if decision != sampling.Drop {
		return t.record(ctx, base, p, name, o, trID, id, trace.SpanContext{}, arrived, decision, result)
	}
	if result != nil && result.TraceState != nil {
		return p.dropRoot(base, trID, id, p.newFlags, *result.TraceState)
	}
	p.shardOf(id).unsampled.Add(1)
	s := &unsampledRoot{}
	s.Span.identity, s.Span.base, s.Span.id = &s.own, base, id
	s.own.traceInfo, s.own.traceID, s.own.flags = &p.unsampledInfo, trID, p.newFlags
	return s.Span.asContext(), &s.Span
}

// startTraceWith is startTrace for a trace that begins with a trace state, which the sampler sees.
func (t *Tracer) startTraceWith(ctx, base context.Context, p *Provider, name string, o *startOptions, state trace.TraceState, arrived *remote.Arrived) (context.Context, *Span) {
	trID, id := p.newIDs(ctx)
	if p.closed.Load() {
		return p.passThrough(base, p.unsampled(trID, p.newFlags, trace.TraceState{}).identity, id)
	}
	if arrived != nil && arrived.HasIDs() {
		arrived = nil // it speaks of another span
	}
	var decision sampling.Decision
	var result *sampling.Result
	if o.decided && (arrived == nil || arrived.Decision == remote.Defer) {
		if o.sample {
			decision = sampling.RecordAndSample
		}
	} else {
		o.random = p.newFlags.IsRandom()
		parent := trace.SpanContext{}.WithTraceState(state)
		decision, result = t.samplerOf(p).ask(ctx, name, o, trID, &parent, arrived)
	}
	result = beginningWith(state, result)
	if decision != sampling.Drop {
		return t.record(ctx, base, p, name, o, trID, id, trace.SpanContext{}, arrived, decision, result)
	}
	return p.dropRoot(base, trID, id, p.newFlags, *result.TraceState)
}

// beginningWith adds a trace state to the sampler's result, unless that has one.
func beginningWith(state trace.TraceState, result *sampling.Result) *sampling.Result {
	if result == nil {
		return &sampling.Result{TraceState: &state}
	}
	if result.TraceState == nil {
		result.TraceState = &state
	}
	return result
}

// unsampledRoot is the handle of a local root that is not recorded and has no trace state.
type unsampledRoot struct {
	Span
	own identity
}

// startRoot starts the first span that this provider makes of a trace. parent is valid, or has a trace id only.
func (t *Tracer) startRoot(ctx, base context.Context, p *Provider, name string, o *startOptions, parent trace.SpanContext, arrived *remote.Arrived) (context.Context, *Span) {
	trID := traceIDOf(parent.TraceID())
	if p.closed.Load() {
		s := p.unsampled(trID, parent.TraceFlags(), parent.TraceState())
		return p.passThrough(base, s.identity, spanIDOf(parent.SpanID()))
	}
	if arrived != nil && (arrived.TraceID != parent.TraceID() || arrived.SpanID != parent.SpanID()) {
		arrived = nil // it speaks of another span, or of none
	}
	id := p.newSpanID(ctx, trID)
	var decision sampling.Decision
	var result *sampling.Result
	if o.decided && arrived != nil && arrived.Format != 0 && arrived.Decision == remote.Defer {
		if o.sample { // the caller left the decision to us
			decision = sampling.RecordAndSample
		}
	} else {
		decision, result = t.samplerOf(p).ask(ctx, name, o, trID, &parent, arrived)
	}
	if decision != sampling.Drop {
		return t.record(ctx, base, p, name, o, trID, id, parent, arrived, decision, result)
	}
	state := parent.TraceState()
	if result != nil && result.TraceState != nil {
		state = *result.TraceState
	}
	return p.dropRoot(base, trID, id, parent.TraceFlags(), state)
}

// dropRoot makes the handle of a local root that the sampler dropped.
func (p *Provider) dropRoot(base context.Context, trID traceID, id spanID, flags trace.TraceFlags, state trace.TraceState) (context.Context, *Span) {
	p.shardOf(id).unsampled.Add(1)
	s := p.unsampled(trID, flags.WithSampled(false), state)
	s.base, s.id = base, id
	return s.asContext(), s
}

// passThrough is what a provider that has been shut down makes: a handle that records nothing and
// answers with its parent's ids, so that what a service sends on stays whole.
func (p *Provider) passThrough(base context.Context, id *identity, span spanID) (context.Context, *Span) {
	p.startedLate.Add(1)
	if id.local != nil { // its spans have ended, and so has this one
		d := *id
		d.traceInfo = &traceInfo{provider: id.provider, state: id.state}
		id = &d
	}
	s := &Span{identity: id, base: base, id: span}
	return s.asContext(), s
}

// unsampled makes the handle of a local root that is not recorded, in one allocation.
func (p *Provider) unsampled(id traceID, flags trace.TraceFlags, state trace.TraceState) *Span {
	if state.Len() > 0 {
		s := &struct {
			Span
			id   identity
			info traceInfo
		}{}
		s.info = traceInfo{provider: p, state: state}
		s.id = identity{traceInfo: &s.info, traceID: id, flags: flags}
		s.Span.identity = &s.id
		return &s.Span
	}
	s := &unsampledRoot{}
	s.own.traceInfo, s.own.traceID, s.own.flags = &p.unsampledInfo, id, flags
	s.Span.identity = &s.own
	return &s.Span
}

// deviate makes the identity of a span that the sampler gave other flags or another trace state than
// its local trace has.
func deviate(id *identity, flags trace.TraceFlags, result *sampling.Result) *identity {
	d := &identity{traceInfo: id.traceInfo, traceID: id.traceID, flags: flags}
	if result != nil && result.TraceState != nil {
		d.traceInfo = &traceInfo{provider: id.provider, local: id.local, state: *result.TraceState}
	}
	return d
}

// record starts a local root that records.
func (t *Tracer) record(ctx, base context.Context, p *Provider, name string, o *startOptions, trID traceID, id spanID, parent trace.SpanContext, arrived *remote.Arrived, decision sampling.Decision, result *sampling.Result) (context.Context, *Span) {
	lt := &localTrace{}
	lt.info.provider, lt.info.local = p, lt
	if parent.IsValid() {
		lt.parent.id, lt.parent.flags, lt.parent.remote = spanIDOf(parent.SpanID()), parent.TraceFlags(), parent.IsRemote()
		lt.info.state = parent.TraceState()
	}
	if result != nil && result.TraceState != nil {
		state := lt.info.state
		lt.parent.state = &state
		lt.info.state = *result.TraceState
	}
	sampled, withheld := true, notWithheld
	if decision == sampling.RecordOnly {
		sampled, withheld = false, recordOnly
	}
	lt.identity.traceInfo, lt.identity.traceID = &lt.info, trID
	lt.identity.flags = p.newFlags.WithSampled(sampled)
	if parent.HasTraceID() {
		lt.identity.flags = parent.TraceFlags().WithSampled(sampled)
	}
	s := &lt.root
	s.identity, s.base, s.id = &lt.identity, base, id
	lt.shard = p.shardOf(id)
	lt.debug = arrived != nil && arrived.Debug
	o.linkArrived(arrived)
	if o.unlinked {
		lt.startUnlinked(s, nil, t.scope, spanKind(o.kind), withheld)
		s.beginUnlinked(o, result)
		return s.asContext(), s
	}
	lt.startRoot(name, t.scope, unixNano(o.at), spanKind(o.kind), withheld)
	s.begin(ctx, o, result)
	return s.asContext(), s
}

// linkArrived adds links, before the others, to the traces that headers named beside the one that is joined.
func (o *startOptions) linkArrived(arrived *remote.Arrived) {
	if arrived == nil {
		return
	}
	more := arrived.Links()
	if len(more) == 0 {
		return
	}
	links := make([]trace.Link, 0, len(more)+len(o.links))
	for i := range more {
		links = append(links, more[i].OnSpan())
	}
	o.links = append(links, o.links...)
}

// begin records what Start was given and tells the processors.
func (s *Span) begin(ctx context.Context, o *startOptions, result *sampling.Result) {
	if result == nil && len(o.attrs)+len(o.links)+len(s.provider.processors) == 0 {
		return
	}
	s.beginWith(ctx, o, result)
}

func (s *Span) beginWith(ctx context.Context, o *startOptions, result *sampling.Result) {
	s.beginUnlinked(o, result)
	s.onStart(ctx)
}

// beginUnlinked records what Start was given, all of it under the same limits.
func (s *Span) beginUnlinked(o *startOptions, result *sampling.Result) {
	l := s.provider.limits.Load()
	if result != nil && len(result.Attributes) > 0 {
		s.setAttributes(l, result.Attributes)
	}
	if len(o.attrs) > 0 {
		s.setAttributes(l, o.attrs)
	}
	for i := range o.links {
		s.addLink(l, o.links[i])
	}
}

// onStart tells the processors. A span whose start panics is ended: nobody else has it to do so.
func (s *Span) onStart(ctx context.Context) {
	returned := false
	defer func() {
		if !returned {
			s.end(time.Time{})
		}
	}()
	for _, proc := range s.provider.processors {
		proc.OnStart(ctx, s)
	}
	returned = true
}

// ask asks the sampler about one span. The result is nil where the decision is all there is.
func (sc *samplerChoice) ask(ctx context.Context, name string, o *startOptions, id traceID, parent *trace.SpanContext, arrived *remote.Arrived) (sampling.Decision, *sampling.Result) {
	head := sampling.Head{TraceIDHigh: id.high, TraceIDLow: id.low}
	if parent.IsValid() {
		head.LocalParent = !parent.IsRemote()
		head.ParentDecision = sampling.ParentDeny
		if parent.IsSampled() {
			head.ParentDecision = sampling.ParentAccept
		}
	}
	if arrived != nil && arrived.Format != 0 && arrived.Flags.IsSampled() == parent.IsSampled() { // else it was changed since
		head.ParentDecision, head.Debug = arrived.Decision, arrived.Debug
	}
	if sc.head != nil {
		if d, ok := sc.head.SampleHead(head); ok {
			return d, nil
		}
	}
	params := sampling.Parameters{
		Context:        ctx,
		Parent:         *parent,
		ParentDecision: head.ParentDecision,
		Debug:          head.Debug,
		TraceID:        id.bytes(),
		Random:         o.random || parent.TraceFlags().IsRandom(),
		Name:           name,
		Kind:           spanKind(o.kind),
		// Copies: else the interface call would move those of every caller of Start to the heap.
		Attributes: slices.Clone(o.attrs),
		Links:      slices.Clone(o.links),
	}
	if arrived == nil { // a child, for which nobody has looked yet, or it spoke of another span
		arrived = remote.FromContext(ctx)
	}
	if arrived != nil {
		params.RequestID = arrived.RequestID
	}
	result := sc.Sample(params)
	return result.Decision, &result
}

// spanKind returns kind, or internal where none or an unknown one was given.
func spanKind(kind trace.SpanKind) trace.SpanKind { return trace.ValidateSpanKind(kind) }

// unixNano returns ns since the epoch, or startNow for the zero time. Times that a number of ns cannot
// express, before 1678 and after 2261, become the nearest that it can.
func unixNano(t time.Time) int64 {
	const maxSeconds = math.MaxInt64/int64(time.Second) - 1
	switch s := t.Unix(); {
	case t.IsZero():
		return startNow
	case s > maxSeconds:
		return math.MaxInt64
	case s < -maxSeconds:
		return -math.MaxInt64
	}
	return t.UnixNano()
}

// noopProvider is what a nil span's TracerProvider answers.
var noopProvider trace.TracerProvider = newNoopProvider()
