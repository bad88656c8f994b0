// SPDX-License-Identifier: Apache-2.0

package tracing

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/embedded"

	"github.com/spandrel-go/spandrel/internal/remote"
	"github.com/spandrel-go/spandrel/sampling"
)

// Tracer starts spans of one instrumentation scope. It is safe for concurrent use. A nil *Tracer, one
// made by [WithNoop], and one of the global provider before [SetGlobal] start no spans: they return
// the Go context as it was and a span that does nothing.
type Tracer struct {
	embedded.Tracer
	provider *Provider // nil: the global one, whatever it is at the time
	scope    *Scope
	sampler  *samplerChoice // nil: the provider's
	noop     bool
}

var _ trace.Tracer = (*Tracer)(nil)

// samplerChoice is a sampler and what is known of it.
type samplerChoice struct {
	sampling.Sampler
	// followsLocal: a local child always gets its parent's decision, so it need not be asked.
	followsLocal bool
}

func chooseSampler(s sampling.Sampler) *samplerChoice {
	f, ok := s.(interface{ FollowsLocalParent() bool })
	return &samplerChoice{Sampler: s, followsLocal: ok && f.FollowsLocalParent()}
}

// active returns the provider that t starts spans on, or nil.
func (t *Tracer) active() *Provider {
	if t == nil || t.noop {
		return nil
	}
	if t.provider != nil {
		return t.provider
	}
	return global.Load()
}

// Start starts a span as OpenTelemetry's API asks: a child of the span in ctx, which may be of
// another provider. The returned Go context holds the new span.
func (t *Tracer) Start(ctx context.Context, name string, opts ...trace.SpanStartOption) (context.Context, trace.Span) {
	var o startOptions
	if len(opts) > 0 {
		cfg := trace.NewSpanStartConfig(opts...)
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
	for i := range opts {
		opts[i].apply(&o)
	}
	return t.start(ctx, name, &o)
}

// startOptions is what both ways to start a span come down to.
type startOptions struct {
	kind         trace.SpanKind
	newRoot      bool
	decided      bool // WithShouldSample was given: sample is its value
	sample       bool
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
	if o.parent != nil {
		own, foreign = o.parent, nil
	}
	if o.newRoot {
		own, foreign = nil, nil
	}
	if own != nil && own.provider == p {
		return t.startChild(p, ctx, base, own, name, o)
	}

	var parent trace.SpanContext
	switch {
	case own != nil: // of another provider of ours: a local parent, but not our local trace
		parent = own.SpanContext()
	case foreign != nil:
		parent = foreign.SpanContext()
	case o.remoteParent != nil && !o.newRoot:
		parent = o.remoteParent.WithRemote(true)
	}
	var arrived *remote.Remote
	if !o.newRoot && (parent.IsRemote() || !parent.IsValid()) {
		arrived = remote.FromContext(ctx)
	}
	return t.startRoot(p, ctx, base, parent, arrived, name, o)
}

// startChild starts a span under one of the same provider.
func (t *Tracer) startChild(p *Provider, ctx, base context.Context, parent *Span, name string, o *startOptions) (context.Context, *Span) {
	sampler := t.sampler
	if sampler == nil {
		sampler = p.sampler.Load()
	}
	id := parent.identity
	lt := id.local
	decision := sampling.Drop
	var result sampling.Result
	if sampler.followsLocal {
		if id.flags.IsSampled() {
			decision = sampling.RecordAndSample
		}
	} else {
		result = t.ask(sampler, ctx, id.traceID, parent.SpanContext(), nil, name, o)
		decision = result.Decision
	}
	if p.closed.Load() {
		return p.passThrough(base, id, parent.id)
	}
	if lt == nil && decision != sampling.Drop {
		// An unsampled parent has no local trace: this span is a local root.
		return t.record(p, ctx, base, parent.SpanContext(), nil, result, id.traceID, trace.SpanID{}, name, o)
	}
	flags := id.flags.WithSampled(decision == sampling.RecordAndSample)
	if flags != id.flags || result.TraceState != nil {
		id = deviate(id, flags, result.TraceState)
	}
	s := &Span{identity: id, base: base, id: p.newSpanID(ctx, id.traceID)}
	if decision == sampling.Drop {
		p.shardOf(s.id).unsampled.Add(1)
		return s.asContext(), s
	}
	start := spanStart{
		name: name, scope: t.scope, parent: parent.id, kind: spanKind(o.kind),
		unsampled: decision == sampling.RecordOnly,
	}
	if parent.identity != &lt.identity {
		start.parentOwn = parent.identity
	}
	if !o.at.IsZero() {
		start.at = o.at.UnixNano()
	}
	lt.startSpan(s, &start)
	s.begin(ctx, o, &result)
	return s.asContext(), s
}

// startRoot starts the first span of a trace in this process and provider.
func (t *Tracer) startRoot(p *Provider, ctx, base context.Context, parent trace.SpanContext, arrived *remote.Remote, name string, o *startOptions) (context.Context, *Span) {
	if arrived != nil && arrived.SpanContext.IsValid() &&
		(arrived.SpanContext.TraceID() != parent.TraceID() || arrived.SpanContext.SpanID() != parent.SpanID()) {
		arrived = nil // it speaks of another span
	}
	var traceID trace.TraceID
	var spanID trace.SpanID
	if parent.IsValid() {
		traceID = parent.TraceID()
	} else {
		parent = trace.SpanContext{}
		traceID, spanID = p.newIDs(ctx)
	}
	result := sampling.Result{Decision: sampling.Drop}
	deferred := arrived == nil || arrived.Decision == remote.Defer
	if o.decided && !parent.IsValid() && deferred {
		if o.sample {
			result.Decision = sampling.RecordAndSample
		}
	} else {
		sampler := t.sampler
		if sampler == nil {
			sampler = p.sampler.Load()
		}
		result = t.ask(sampler, ctx, traceID, parent, arrived, name, o)
	}
	if p.closed.Load() {
		s := newUnsampled(p, traceID, parent.TraceFlags(), parent.TraceState())
		if parent.IsValid() {
			spanID = parent.SpanID()
		}
		return p.passThrough(base, s.identity, spanID)
	}
	if !spanID.IsValid() {
		spanID = p.newSpanID(ctx, traceID)
	}
	if result.Decision != sampling.Drop {
		return t.record(p, ctx, base, parent, arrived, result, traceID, spanID, name, o)
	}
	state := parent.TraceState()
	if result.TraceState != nil {
		state = *result.TraceState
	}
	p.shardOf(spanID).unsampled.Add(1)
	s := newUnsampled(p, traceID, parent.TraceFlags().WithSampled(false), state)
	s.base, s.id = base, spanID
	return s.asContext(), s
}

// passThrough is what a provider that has been shut down makes: a handle that records nothing and
// answers with its parent's ids, so that what a service sends on stays whole.
func (p *Provider) passThrough(base context.Context, id *identity, spanID trace.SpanID) (context.Context, *Span) {
	p.startedLate.Add(1)
	s := &Span{identity: id, base: base, id: spanID}
	return s.asContext(), s
}

// newUnsampled makes the handle of a local root that is not recorded, in one allocation.
func newUnsampled(p *Provider, traceID trace.TraceID, flags trace.TraceFlags, state trace.TraceState) *Span {
	if state.Len() > 0 {
		s := &struct {
			Span
			id   identity
			info traceInfo
		}{}
		s.info = traceInfo{provider: p, state: state}
		s.id = identity{traceInfo: &s.info, traceID: traceID, flags: flags}
		s.Span.identity = &s.id
		return &s.Span
	}
	s := &struct {
		Span
		id identity
	}{}
	s.id = identity{traceInfo: &p.unsampledInfo, traceID: traceID, flags: flags}
	s.Span.identity = &s.id
	return &s.Span
}

// deviate makes the identity of a span that the sampler gave other flags or another trace state than
// its local trace has.
func deviate(id *identity, flags trace.TraceFlags, state *trace.TraceState) *identity {
	d := &identity{traceInfo: id.traceInfo, traceID: id.traceID, flags: flags}
	if state != nil {
		d.traceInfo = &traceInfo{provider: id.provider, local: id.local, state: *state}
	}
	return d
}

// record starts a local root that records.
func (t *Tracer) record(p *Provider, ctx, base context.Context, parent trace.SpanContext, arrived *remote.Remote, result sampling.Result, traceID trace.TraceID, spanID trace.SpanID, name string, o *startOptions) (context.Context, *Span) {
	if !spanID.IsValid() {
		spanID = p.newSpanID(ctx, traceID)
	}
	lt := &localTrace{parent: parent}
	lt.info = traceInfo{provider: p, local: lt, state: parent.TraceState()}
	if result.TraceState != nil {
		lt.info.state = *result.TraceState
	}
	sampled := result.Decision == sampling.RecordAndSample
	lt.identity = identity{
		traceInfo: &lt.info, traceID: traceID, flags: parent.TraceFlags().WithSampled(sampled),
	}
	s := &lt.root
	s.identity, s.base, s.id = &lt.identity, base, spanID
	lt.shard = p.shardOf(s.id)
	lt.debug = arrived != nil && arrived.Debug
	start := spanStart{
		name: name, scope: t.scope, parent: parent.SpanID(), kind: spanKind(o.kind), unsampled: !sampled,
	}
	if !o.at.IsZero() {
		start.at = o.at.UnixNano()
	}
	now := time.Now()
	lt.mu.Lock()
	lt.anchor(now)
	lt.touchedMono = lt.anchorMono
	victim := lt.claim(s, &start, lt.anchorMono)
	lt.mu.Unlock()
	if victim != nil {
		victim.abandonOpen(&lt.shard.evicted)
	}
	s.begin(ctx, o, &result)
	return s.asContext(), s
}

// begin records what Start was given and tells the processors.
func (s *Span) begin(ctx context.Context, o *startOptions, result *sampling.Result) {
	if len(result.Attributes) > 0 {
		s.SetAttributes(result.Attributes...)
	}
	if len(o.attrs) > 0 {
		s.SetAttributes(o.attrs...)
	}
	for i := range o.links {
		s.AddLink(o.links[i])
	}
	for _, proc := range s.provider.processors {
		proc.OnStart(ctx, s)
	}
}

// ask asks the sampler. It copies what the interface call would otherwise move to the heap for
// every caller of Start.
func (t *Tracer) ask(s *samplerChoice, ctx context.Context, traceID trace.TraceID, parent trace.SpanContext, arrived *remote.Remote, name string, o *startOptions) sampling.Result {
	params := sampling.Parameters{
		Context: ctx,
		Parent:  parent,
		TraceID: traceID,
		Name:    name,
		Kind:    spanKind(o.kind),
	}
	if len(o.attrs) > 0 {
		params.Attributes = append([]attribute.KeyValue(nil), o.attrs...)
	}
	if len(o.links) > 0 {
		params.Links = append([]trace.Link(nil), o.links...)
	}
	if parent.IsValid() {
		params.ParentDecision = sampling.ParentDeny
		if parent.IsSampled() {
			params.ParentDecision = sampling.ParentAccept
		}
	}
	if arrived != nil {
		params.RequestID = arrived.RequestID
		if arrived.Format != "" {
			params.ParentDecision = arrived.Decision
			params.Debug = arrived.Debug
		}
	}
	return s.Sample(params)
}

// spanKind returns kind, or internal where none or an unknown one was given.
func spanKind(kind trace.SpanKind) trace.SpanKind { return trace.ValidateSpanKind(kind) }

// noopProvider is what a nil span's TracerProvider answers.
var noopProvider trace.TracerProvider = &Provider{noop: true}
