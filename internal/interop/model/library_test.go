// SPDX-License-Identifier: Apache-2.0

package model_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/sampling"
	"github.com/spandrel-go/spandrel/tracing"
)

// library is a provider, ours or the SDK's, and what came out of it.
type library struct {
	provider interface {
		trace.TracerProvider
		ForceFlush(ctx context.Context) error
		Shutdown(ctx context.Context) error
	}
	ids ids

	mu  sync.Mutex // guards out
	out outcome
}

// outcome is all that can be seen of a program.
type outcome struct {
	notes    []note
	exported map[int]*span
	ended    map[int]*span  // as a processor sees them
	started  map[int]string // the same
	asked    map[int]string // what a custom sampler was asked
	wrong    []string       // what is wrong whatever the other library does
	handles  map[int]trace.Span
}

// note is what an operation and its span answered.
type note struct {
	span      int
	text      string
	recording bool
	sc        trace.SpanContext
}

func (n note) String() string {
	if n.span == 0 {
		return n.text
	}
	return fmt.Sprintf("%sspan %d: recording %t, %s", n.text, n.span, n.recording, spanContextText(n.sc))
}

// numberKey is the key of a span's number in the Go context that it is started with.
type numberKey struct{}

// ids makes ids of numbers, so that they are the same in both libraries.
type ids struct {
	current atomic.Int64 // the number where there is no Go context to say it
	random  bool
}

func (g *ids) RandomTraceIDs() bool { return g.random }

func (g *ids) number(ctx context.Context) int {
	if ctx != nil {
		if n, ok := ctx.Value(numberKey{}).(int); ok {
			return n
		}
	}
	return int(g.current.Load())
}

func (g *ids) NewIDs(ctx context.Context) (trace.TraceID, trace.SpanID) {
	n := g.number(ctx)
	return traceID(n), spanID(n)
}

func (g *ids) NewSpanID(ctx context.Context, _ trace.TraceID) trace.SpanID {
	return spanID(g.number(ctx))
}

func traceID(n int) (id trace.TraceID) {
	binary.BigEndian.PutUint64(id[:8], uint64(n))
	binary.BigEndian.PutUint64(id[8:], mix(uint64(n))) // which a ratio decides by
	return id
}

// spanID is never zero, not even that of a number that is.
func spanID(n int) (id trace.SpanID) {
	binary.BigEndian.PutUint64(id[:], uint64(n)+1)
	return id
}

func numberOf(id trace.SpanID) int { return int(binary.BigEndian.Uint64(id[:])) - 1 }

// mix spreads the bits of x.
func mix(x uint64) uint64 {
	x = (x ^ x>>31) * 0x9e3779b97f4a7c15
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// put notes a span under its number.
func (l *library) put(m map[int]*span, s *span) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := numberOf(s.sc.SpanID())
	if m[n] != nil {
		l.out.wrong = append(l.out.wrong, fmt.Sprintf("span %d comes twice", n))
	}
	m[n] = s
}

func (l *library) started(ctx context.Context, s trace.Span) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := numberOf(s.SpanContext().SpanID())
	l.out.started[n] += fmt.Sprintf("with the Go context of %d, a parent in it %t, recording %t, %s; ",
		l.ids.number(ctx), trace.SpanContextFromContext(ctx).IsValid(), s.IsRecording(), spanContextText(s.SpanContext()))
}

// result returns what has come out.
func (l *library) result() outcome {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := l.out
	out.exported, out.ended = maps.Clone(out.exported), maps.Clone(out.ended)
	out.started, out.asked = maps.Clone(out.started), maps.Clone(out.asked)
	out.notes, out.wrong = slices.Clone(out.notes), slices.Clone(out.wrong)
	return out
}

func newLibrary(c config) *library {
	return &library{ids: ids{random: c.random}, out: outcome{
		exported: map[int]*span{}, ended: map[int]*span{}, started: map[int]string{}, asked: map[int]string{},
		handles: map[int]trace.Span{},
	}}
}

// stop shuts the provider down, which it may have been already.
func (l *library) stop(t testing.TB) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	require.NoError(t, l.provider.Shutdown(ctx))
}

func newOurs(t testing.TB, c config) *library {
	t.Helper()
	l := newLibrary(c)
	opts := []tracing.Option{
		tracing.WithIDGenerator(&l.ids),
		tracing.WithLogger(slog.New(slog.DiscardHandler)), // which hears of limits
		tracing.WithResource(attributes(c.resource)...),
		tracing.WithSampler(ourSampler(t, l, c.sampler)),
	}
	if c.encoding {
		opts = append(opts, tracing.WithExporter(encodingExporter{ourExporter{l}}))
	} else {
		opts = append(opts, tracing.WithExporter(ourExporter{l}))
	}
	if !c.limits.environment {
		opts = append(opts, tracing.WithSpanLimits(tracing.SpanLimits{
			Attributes: c.limits.attributes, Events: c.limits.events, Links: c.limits.links,
			AttributesPerEvent: c.limits.perEvent, AttributesPerLink: c.limits.perLink, AttributeValueLength: c.limits.length,
			AttributeValueDepth: c.limits.depth,
		}))
	}
	for i := range c.processors {
		opts = append(opts, tracing.WithProcessor(ourProcessor{l, c, i == 0}))
	}
	p, err := tracing.NewProvider(opts...)
	require.NoError(t, err)
	l.provider = p
	return l
}

type ourExporter struct{ *library }

func (e ourExporter) ExportSpans(_ context.Context, spans []*tracing.SpanData) error {
	for _, d := range spans {
		e.put(e.out.exported, fromOurs(d))
	}
	return nil
}

func (ourExporter) Shutdown(context.Context) error { return nil }

// encodingExporter is lent one view after the other, where others are lent a batch of them.
type encodingExporter struct{ ourExporter }

func (encodingExporter) AppendResource(dst []byte, _ *tracing.Resource) []byte { return dst }

func (e encodingExporter) AppendSpan(dst []byte, d *tracing.SpanData) []byte {
	e.put(e.out.exported, fromOurs(d))
	return append(dst, '.')
}

func (encodingExporter) AppendRequest(dst []byte, _ tracing.EncodedBatch) []byte { return dst }

func (encodingExporter) SendRequest(context.Context, []byte, int) error { return nil }

type ourProcessor struct {
	*library
	config
	first bool
}

func (p ourProcessor) OnStart(ctx context.Context, s *tracing.Span) {
	p.started(ctx, s)
	for _, o := range p.onStart {
		apply(s, o)
	}
}

func (ourProcessor) OnEnding(*tracing.Span) {}

func (p ourProcessor) OnEnd(d *tracing.SpanData) {
	if p.first {
		p.put(p.out.ended, fromOurs(d))
	}
}

func (ourProcessor) ForceFlush(context.Context) error { return nil }
func (ourProcessor) Shutdown(context.Context) error   { return nil }

func newTheirs(t testing.TB, c config) *library {
	t.Helper()
	l := newLibrary(c)
	opts := []sdktrace.TracerProviderOption{
		sdktrace.WithIDGenerator(&l.ids),
		sdktrace.WithResource(resource.NewSchemaless(attributes(c.resource)...)),
		sdktrace.WithSampler(theirSampler(t, l, c.sampler)),
	}
	if !c.limits.environment {
		opts = append(opts, sdktrace.WithRawSpanLimits(sdktrace.SpanLimits{
			AttributeCountLimit: c.limits.attributes, EventCountLimit: c.limits.events, LinkCountLimit: c.limits.links,
			AttributePerEventCountLimit: c.limits.perEvent, AttributePerLinkCountLimit: c.limits.perLink, AttributeValueLengthLimit: c.limits.length,
			AttributeValueDepthLimit: c.limits.depth,
		}))
	}
	for i := range c.processors {
		opts = append(opts, sdktrace.WithSpanProcessor(theirProcessor{l, c, i == 0}))
	}
	l.provider = sdktrace.NewTracerProvider(append(opts, sdktrace.WithSyncer(theirExporter{l}))...)
	return l
}

type theirExporter struct{ *library }

func (e theirExporter) ExportSpans(_ context.Context, spans []sdktrace.ReadOnlySpan) error {
	for _, d := range spans {
		e.put(e.out.exported, fromTheirs(d))
	}
	return nil
}

func (theirExporter) Shutdown(context.Context) error { return nil }

type theirProcessor struct {
	*library
	config
	first bool
}

func (p theirProcessor) OnStart(ctx context.Context, s sdktrace.ReadWriteSpan) {
	p.started(ctx, s)
	for _, o := range p.onStart {
		apply(s, o)
	}
}

func (p theirProcessor) OnEnd(d sdktrace.ReadOnlySpan) {
	if p.first {
		p.put(p.out.ended, fromTheirs(d))
	}
}

func (theirProcessor) ForceFlush(context.Context) error { return nil }
func (theirProcessor) Shutdown(context.Context) error   { return nil }

// custom is a sampler of neither library. What it answers depends on the span's number only.
type custom struct {
	*library
	mode int
}

// answer is of a custom sampler; 0 is to drop, 1 to record only, 2 to record and sample.
func (c custom) answer(ctx context.Context, id trace.TraceID, parent trace.SpanContext, name string, kind trace.SpanKind,
	attrs []attribute.KeyValue, links []trace.Link,
) (decision int, more []attribute.KeyValue, state trace.TraceState) {
	n := c.ids.number(ctx)
	var question strings.Builder
	fmt.Fprintf(&question, "mode %d: %q, %s, trace %s below %s (in the Go context: %t), {%s}",
		c.mode, name, kind, id, spanContextText(parent), trace.SpanContextFromContext(ctx).IsValid(), attributesText(attrs))
	for _, l := range links { // a program may give the SDK's no key twice: see the deviations
		set := attribute.NewSet(slices.Clone(l.Attributes)...)
		fmt.Fprintf(&question, ", link %s {%s}", spanContextText(l.SpanContext), attributesText(set.ToSlice()))
	}
	c.mu.Lock()
	c.out.asked[n] += question.String() + "; "
	c.mu.Unlock()
	x := mix(uint64(n)*16 + uint64(c.mode))
	if decision = int(x % 3); c.mode < 3 {
		decision = c.mode
	}
	if x>>8%2 == 0 {
		more = []attribute.KeyValue{attribute.Int("sampler", n), attribute.String("a", "of the sampler"), attribute.Int("", 1)}
	}
	switch x >> 16 % 4 {
	case 0: // none
	case 1:
		state, _ = state.Insert("sampler", strconv.Itoa(n))
	default:
		state = parent.TraceState()
	}
	return decision, more, state
}

func (custom) Description() string { return "custom" }

type ourCustom struct{ custom }

func (c ourCustom) Sample(p sampling.Parameters) sampling.Result {
	d, attrs, state := c.answer(p.Context, p.TraceID, p.Parent, p.Name, p.Kind, p.Attributes, p.Links)
	decision := []sampling.Decision{sampling.Drop, sampling.RecordOnly, sampling.RecordAndSample}[d]
	return sampling.Result{Decision: decision, Attributes: attrs, TraceState: &state}
}

type theirCustom struct{ custom }

func (c theirCustom) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	parent := trace.SpanContextFromContext(p.ParentContext)
	d, attrs, state := c.answer(p.ParentContext, p.TraceID, parent, p.Name, p.Kind, p.Attributes, p.Links)
	decision := []sdktrace.SamplingDecision{sdktrace.Drop, sdktrace.RecordOnly, sdktrace.RecordAndSample}[d]
	return sdktrace.SamplingResult{Decision: decision, Attributes: attrs, Tracestate: state}
}

func ourSampler(t testing.TB, l *library, s sampler) sampling.Sampler {
	switch s.kind {
	case "on":
		return sampling.AlwaysOn()
	case "off":
		return sampling.AlwaysOff()
	case "ratio":
		r, err := sampling.Ratio(s.ratio)
		require.NoError(t, err)
		return r
	case "custom":
		return ourCustom{custom{l, s.mode}}
	}
	root := sampling.AlwaysOn()
	var opts []sampling.ParentOption
	for i, slot := range s.slots {
		if slot.kind == "" {
			continue
		}
		in := ourSampler(t, l, slot)
		switch i {
		case 0:
			root = in
		case 1:
			opts = append(opts, sampling.WithRemoteParentSampled(in))
		case 2:
			opts = append(opts, sampling.WithRemoteParentNotSampled(in))
		case 3:
			opts = append(opts, sampling.WithLocalParentSampled(in))
		case 4:
			opts = append(opts, sampling.WithLocalParentNotSampled(in))
		}
	}
	return sampling.ParentBased(root, opts...)
}

func theirSampler(t testing.TB, l *library, s sampler) sdktrace.Sampler {
	switch s.kind {
	case "on":
		return sdktrace.AlwaysSample()
	case "off":
		return sdktrace.NeverSample()
	case "ratio":
		return sdktrace.TraceIDRatioBased(s.ratio)
	case "custom":
		return theirCustom{custom{l, s.mode}}
	}
	root := sdktrace.AlwaysSample()
	var opts []sdktrace.ParentBasedSamplerOption
	for i, slot := range s.slots {
		if slot.kind == "" {
			continue
		}
		in := theirSampler(t, l, slot)
		switch i {
		case 0:
			root = in
		case 1:
			opts = append(opts, sdktrace.WithRemoteParentSampled(in))
		case 2:
			opts = append(opts, sdktrace.WithRemoteParentNotSampled(in))
		case 3:
			opts = append(opts, sdktrace.WithLocalParentSampled(in))
		case 4:
			opts = append(opts, sdktrace.WithLocalParentNotSampled(in))
		}
	}
	return sdktrace.ParentBased(root, opts...)
}
