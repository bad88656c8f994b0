// SPDX-License-Identifier: Apache-2.0

package tracing

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/embedded"
)

// Provider makes tracers and owns what their spans pass through: sampler, processors, and a pipeline
// for each exporter. It implements OpenTelemetry's trace.TracerProvider. All methods are safe for
// concurrent use.
type Provider struct {
	embedded.TracerProvider
	resource      *Resource
	defaultLimits SpanLimits // what 0 becomes in limits
	ids           IDGenerator
	processors    []Processor
	pipelines     []*pipeline
	logger        *slog.Logger
	openLimit     int64
	openAge       time.Duration    // 0: it does not look for leaks
	epoch         time.Time        // where the monotonic clock of mono begins
	unsampledInfo traceInfo        // of all spans that are not recorded and have no trace state
	suppressed    *Span            // the active span of exporters' contexts: under it nothing is started
	newFlags      trace.TraceFlags // of traces that begin here
	mayWait       bool             // some pipeline has End wait for room
	noop          bool             // it makes no spans
	unused        []Exporter       // of a provider that the environment disables

	sampler atomic.Pointer[samplerChoice]
	limits  atomic.Pointer[SpanLimits] // never changed, only replaced; 0 in it means none
	closed  atomic.Bool                // set by Shutdown: no span is recorded any more

	limitsWarned           atomic.Bool // by warnLimits
	startedLate, endedLate atomic.Uint64
	unfinished             atomic.Uint64 // spans that Shutdown found open
	refusedEnds            atomic.Uint64
	neverLinked            atomic.Uint64
	overdue                atomic.Uint64

	shutdownOnce sync.Once
	shutdownDone chan struct{} // closed when the first Shutdown has returned
	shutdownErr  error         // what it returned

	stopSweeper chan struct{}  // closed by Shutdown
	sweeper     sync.WaitGroup // the goroutine that sweeps

	tracers tracers

	shards [shardCount]shard
}

var _ trace.TracerProvider = (*Provider)(nil)

// NewProvider makes a provider. Without an exporter and without a processor its spans go nowhere.
// The error names each option that is wrong. The caller calls [Provider.Shutdown] in the end.
//
// The environment variables that OpenTelemetry defines are read here, once; explicit options beat
// them, and they beat defaults. docs/environment.md lists them. With OTEL_SDK_DISABLED the provider
// makes no spans: it only shuts down what it was given.
//
// A provider with exporters has one goroutine of its own and, for each of them, one, one for each of its
// workers, and one for its spool. Without exporters it has none, or with [WithOpenSpanAge] the one of its
// own.
func NewProvider(opts ...Option) (*Provider, error) {
	c, err := newConfig(opts)
	if err != nil {
		return nil, err
	}
	learnSpanKey()
	p := &Provider{
		resource:     c.resource(),
		ids:          c.ids,
		processors:   c.processors,
		logger:       c.logger,
		openLimit:    int64(c.openLimit),
		openAge:      c.openAge,
		epoch:        time.Now(),
		shutdownDone: make(chan struct{}),
		stopSweeper:  make(chan struct{}),
		noop:         c.disabled,
	}
	if random, ok := c.ids.(RandomIDGenerator); c.ids == nil || ok && random.RandomTraceIDs() {
		p.newFlags = trace.FlagsRandom
	}
	p.unsampledInfo.provider = p
	// An exporter that uses a traced client must not feed itself.
	p.suppressed = &Span{identity: &identity{traceInfo: &p.unsampledInfo}, base: context.Background()}
	p.sampler.Store(chooseSampler(c.sampler))
	p.defaultLimits = c.defaultLimits
	p.SetSpanLimits(c.limits)
	var errs []error
	for _, e := range c.exporters {
		pc, err := c.newPipelineConfig(e.opts)
		errs = append(errs, err)
		if c.disabled {
			p.unused = append(p.unused, e.exporter)
			continue
		}
		pl, err := newPipeline(p, e.exporter, pc)
		errs = append(errs, err)
		p.pipelines = append(p.pipelines, pl)
	}
	if errors.Join(errs...) == nil {
		errs = append(errs, p.openSpools())
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if c.disabled {
		p.logger.Info("spandrel: OTEL_SDK_DISABLED is true: no spans are made")
	}
	var delay time.Duration
	for _, pl := range p.pipelines {
		pl.start()
		p.mayWait = p.mayWait || pl.cfg.queueWait > 0
		if d := pl.cfg.delay; delay == 0 || d < delay {
			delay = d
		}
	}
	if delay > 0 {
		delay = max(delay/delayParts, 1)
	}
	if (delay > 0 || p.openAge > 0) && !c.disabled {
		p.sweeper.Go(func() { p.sweepEvery(delay) })
	}
	return p, nil
}

// openSpools opens the spools of all pipelines, or of none.
func (p *Provider) openSpools() error {
	var errs []error
	for _, pl := range p.pipelines {
		errs = append(errs, pl.openSpool())
	}
	if errors.Join(errs...) != nil {
		for _, pl := range p.pipelines {
			errs = append(errs, pl.closeSpool())
		}
	}
	return errors.Join(errs...)
}

// Tracer returns the tracer of the named instrumentation scope; the same arguments give the same
// tracer.
func (p *Provider) Tracer(name string, opts ...trace.TracerOption) trace.Tracer {
	cfg := trace.NewTracerConfig(withoutNil(opts)...)
	attrs := cfg.InstrumentationAttributes()
	key := tracerKey{
		name: name, version: cfg.InstrumentationVersion(), schemaURL: cfg.SchemaURL(),
		attrs: attrs.Equivalent(),
	}
	return p.tracers.get(key, func() *Tracer {
		return &Tracer{provider: p, noop: p.noop, rate: 1, scope: &Scope{
			Name: name, Version: key.version, SchemaURL: key.schemaURL, Attributes: p.limits.Load().scopeAttributes(attrs),
		}}
	})
}

// NewTracer returns the named tracer, as Kong's kong.tracing.new does: the same namespace and name give
// the same tracer, and the other options count at the first call only. An empty name is "default". Its
// spans are those of [Provider.Tracer]; it returns the concrete type, through which starting a span
// costs least.
func (p *Provider) NewTracer(name string, opts ...TracerOption) *Tracer {
	return p.tracers.kong(p, name, opts)
}

// ForceFlush gives every span that has ended before the call to the exporters and waits until they
// have delivered or dropped it, or ctx is done. Spans of local traces that go on are included. The
// error says what was not delivered.
func (p *Provider) ForceFlush(ctx context.Context) error {
	if p == nil || p.closed.Load() {
		return nil
	}
	ctx = orBackground(ctx)
	errs := make([]error, 0, len(p.processors)+len(p.pipelines))
	for _, proc := range p.processors {
		errs = append(errs, bounded(ctx, "ForceFlush of a processor", proc.ForceFlush))
	}
	p.sweep(0, forced)
	errs = append(errs, p.each(func(pl *pipeline) error { return pl.flush(ctx) }))
	return errors.Join(errs...)
}

// Shutdown ends the provider: it stops recording, exports what is waiting and what is open, marked
// span.unfinished, and shuts processors and exporters down, the exporters side by side. It returns
// when that is done or ctx is, and then the provider's goroutines are gone; the error says what was
// not delivered. After it Start makes spans that record nothing. Further calls wait for the first
// one, or their ctx, and return its error. On a nil provider, such as that of a NewProvider that failed, it
// does nothing.
func (p *Provider) Shutdown(ctx context.Context) error {
	if p == nil || p.shared() {
		return nil
	}
	ctx = orBackground(ctx)
	first := false
	p.shutdownOnce.Do(func() { first = true })
	if !first {
		select {
		case <-p.shutdownDone:
			return p.shutdownErr
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	defer close(p.shutdownDone)
	p.closed.Store(true)
	close(p.stopSweeper)
	var errs []error
	if len(p.processors) == 0 {
		p.endOpen()
	} else { // which are foreign code
		errs = append(errs, bounded(ctx, "OnEnding or OnEnd of a processor", func(context.Context) error {
			p.endOpen()
			return nil
		}))
	}
	for _, proc := range p.processors {
		errs = append(errs, bounded(ctx, "Shutdown of a processor", proc.Shutdown))
	}
	errs = append(errs, p.each(func(pl *pipeline) error { return pl.shutdown(ctx) }))
	errs = append(errs, sideBySide(p.unused, func(e Exporter) error {
		return bounded(ctx, "Shutdown of the exporter", e.Shutdown)
	}))
	if p.openAge == 0 {
		p.sweeper.Wait() // it waits for nothing
	} else { // but the logger, which is foreign code
		errs = append(errs, bounded(ctx, "the logger", func(context.Context) error {
			p.sweeper.Wait()
			return nil
		}))
	}
	p.shutdownErr = errors.Join(errs...)
	return p.shutdownErr
}

// orBackground returns ctx, or for nil what lasts for ever: it is used on goroutines of the provider, whose panic
// would end the program.
func orBackground(ctx context.Context) context.Context {
	if ctx == nil {
		return context.Background()
	}
	return ctx
}

// endOpen ends all open spans from outside.
func (p *Provider) endOpen() {
	for i := range p.shards {
		for _, lt := range p.shards[i].live() {
			lt.abandonOpen(&abandoned, &p.unfinished, forced)
		}
	}
}

// each calls f for all pipelines side by side.
func (p *Provider) each(f func(*pipeline) error) error { return sideBySide(p.pipelines, f) }

func sideBySide[T any](list []T, f func(T) error) error {
	errs := make([]error, len(list))
	var wg sync.WaitGroup
	for i, e := range list {
		wg.Go(func() { errs[i] = f(e) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// Stats returns what became of the provider's spans so far.
func (p *Provider) Stats() Stats {
	s := Stats{
		Unfinished:           p.unfinished.Load(),
		StartedAfterShutdown: p.startedLate.Load(),
		EndedAfterShutdown:   p.endedLate.Load(),
		RefusedEnds:          p.refusedEnds.Load(),
		NeverLinked:          p.neverLinked.Load(),
		Overdue:              p.overdue.Load(),
	}
	for i := range p.shards {
		p.shards[i].count(&s)
	}
	for _, pl := range p.pipelines {
		s.Exporters = append(s.Exporters, pl.stats())
	}
	return s
}

// sweep hands over what has ended in local traces that are older than age.
func (p *Provider) sweep(age time.Duration, u urgency) {
	mono := p.mono()
	for i := range p.shards {
		for _, lt := range p.shards[i].live() {
			lt.sweep(mono, int64(age), u)
		}
	}
}

// delayParts divides a batch delay: a span that has ended waits at most one part for its local trace
// to be old enough, one for the sweep, and one for the worker.
const delayParts = 3

// sweepEvery hands over, until Shutdown, what has ended in local traces that go on; with a d of 0, which
// is for a provider without exporters, it does not. It also looks for spans that are open for too long.
func (p *Provider) sweepEvery(d time.Duration) {
	var due, check <-chan time.Time // nil: never
	if d > 0 {
		ticker := time.NewTicker(d)
		defer ticker.Stop()
		due = ticker.C
	}
	if p.openAge > 0 {
		ticker := time.NewTicker(checkEvery(p.openAge))
		defer ticker.Stop()
		check = ticker.C
	}
	var overdue overdueSpans
	for {
		select {
		case <-due:
			p.sweep(d, routine)
		case <-check:
			p.checkAges(&overdue)
		case <-p.stopSweeper:
			return
		}
	}
}

// handOver gives a list of blocks to the pipelines. Each of them reads and releases each block once.
func (p *Provider) handOver(list *block, u urgency) {
	// A block without an exported span goes back at once; the others stay a list.
	head := &list
	for b := list; b != nil; {
		next := b.next
		if b.spans == 0 || len(p.pipelines) == 0 {
			*head = next
			b.refs.Store(1)
			b.release()
		} else {
			b.refs.Store(int32(len(p.pipelines)))
			b.bytes += (len(b.records) - b.ended) * recordBytes // it waits as a whole
			head = &b.next
		}
		b = next
	}
	for _, pl := range p.pipelines {
		pl.queue.push(list, u)
	}
}

// waitForRoom waits for each queue that may be waited for. It reports false if it waited in vain.
func (p *Provider) waitForRoom() bool {
	ok := true
	for _, pl := range p.pipelines {
		ok = pl.queue.waitForRoom() && ok
	}
	return ok
}

// onEnd shows an ended span to the processors.
func (p *Provider) onEnd(r *record) {
	v := acquireView()
	v.Resource = p.resource
	base := r.block.spanContext()
	r.view(v, &base, false)
	for _, proc := range p.processors {
		l := lend(v, proc, "OnEnd")
		proc.OnEnd(l.view)
		l.reclaim()
	}
	releaseView(v)
}

// mono is the provider's monotonic clock in nanoseconds: one reading costs less than time.Now.
func (p *Provider) mono() int64 { return int64(time.Since(p.epoch)) }

// monoAt is mono at a time that was read by time.Now.
func (p *Provider) monoAt(t time.Time) int64 { return int64(t.Sub(p.epoch)) }

func (p *Provider) held() (n int64) {
	for i := range p.shards {
		n += p.shards[i].held.Load()
	}
	return n
}

func (p *Provider) shardOf(id spanID) *shard { return &p.shards[id%shardCount] }
