// SPDX-License-Identifier: Apache-2.0

package tracing_test

import (
	"context"
	"encoding/binary"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/sampling"
	"github.com/spandrel-go/spandrel/tracing"
	"github.com/spandrel-go/spandrel/tracing/tracetest"
)

// collector is a recorder that is a plain exporter, and counts how it is called. Its hooks may be set
// before the first span; a nil one does nothing.
type collector struct {
	tracetest.Recorder

	// export is called before anything is kept; what it returns is returned, and with an error nothing
	// is kept.
	export func(ctx context.Context, spans []*tracing.SpanData) error
	// shutdown is what Shutdown does.
	shutdown func(ctx context.Context) error

	inside atomic.Int32 // calls of ExportSpans at this moment

	mu        sync.Mutex // guards all below
	overlaps  int        // calls that met another
	late      int        // calls after Shutdown
	shutdowns int
}

func (c *collector) ExportSpans(ctx context.Context, spans []*tracing.SpanData) error {
	alone := c.inside.Add(1) == 1
	defer c.inside.Add(-1)
	c.mu.Lock()
	if !alone {
		c.overlaps++
	}
	if c.shutdowns > 0 {
		c.late++
	}
	c.mu.Unlock()
	if c.export != nil {
		if err := c.export(ctx, spans); err != nil {
			return err
		}
	}
	return c.Recorder.ExportSpans(ctx, spans)
}

func (c *collector) Shutdown(ctx context.Context) error {
	c.mu.Lock()
	c.shutdowns++
	c.mu.Unlock()
	if c.shutdown != nil {
		return c.shutdown(ctx)
	}
	return nil
}

// The words of these tests for what the recorder has.

func (c *collector) spans() []*tracing.SpanData { return c.Spans() }
func (c *collector) names() []string            { return c.Names() }

func (c *collector) span(t testing.TB, name string) *tracing.SpanData {
	t.Helper()
	return c.Span(t, name)
}

// sizes returns how many spans each batch held.
func (c *collector) sizes() []int {
	sizes := []int{}
	for _, b := range c.Batches() {
		sizes = append(sizes, len(b))
	}
	return sizes
}

// encoder is an exporter that encodes. Its encoding of a span is a length and the span's name; a
// request is the resource and the encodings one after the other.
type encoder struct {
	collector
	// appendSpan, if set, replaces the encoding.
	appendSpan func(dst []byte, d *tracing.SpanData) []byte
	// send is called with the names of the spans of each request; what it returns is returned.
	send func(ctx context.Context, names []string) error

	sending atomic.Int32 // calls of SendRequest at this moment

	mu       sync.Mutex // guards all below
	requests [][]string // the names in each request that succeeded
	tries    [][]string // the names in each request
	counts   []int      // what SendRequest was told
	resource string
	met      int // calls of SendRequest that met another
}

var _ tracing.EncodingExporter = (*encoder)(nil)

func (e *encoder) AppendResource(dst []byte, r *tracing.Resource) []byte {
	return append(dst, r.ServiceName()...)
}

func (e *encoder) AppendSpan(dst []byte, d *tracing.SpanData) []byte {
	if e.appendSpan != nil {
		return e.appendSpan(dst, d)
	}
	return appendName(dst, d.Name)
}

func appendName(dst []byte, name string) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(name)))
	return append(dst, name...)
}

func (e *encoder) AppendRequest(dst []byte, b tracing.EncodedBatch) []byte {
	dst = appendName(dst, string(b.Resource))
	for i := range b.Len() {
		dst = append(dst, b.Span(i)...)
	}
	return dst
}

func (e *encoder) SendRequest(ctx context.Context, body []byte, spans int) error {
	alone := e.sending.Add(1) == 1
	defer e.sending.Add(-1)
	var parts []string
	for len(body) > 0 {
		n := binary.BigEndian.Uint32(body)
		parts = append(parts, string(body[4:4+n]))
		body = body[4+n:]
	}
	e.mu.Lock()
	e.resource = parts[0]
	e.tries = append(e.tries, parts[1:])
	e.counts = append(e.counts, spans)
	if !alone {
		e.met++
	}
	e.mu.Unlock()
	if e.send != nil {
		if err := e.send(ctx, parts[1:]); err != nil {
			return err
		}
	}
	e.mu.Lock()
	e.requests = append(e.requests, parts[1:])
	e.mu.Unlock()
	return nil
}

// sent returns the names in each request that succeeded.
func (e *encoder) sent() [][]string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([][]string{}, e.requests...)
}

// tried returns the names in each request.
func (e *encoder) tried() [][]string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([][]string{}, e.tries...)
}

// newProvider makes a provider that the test's end shuts down.
func newProvider(t testing.TB, opts ...tracing.Option) *tracing.Provider {
	t.Helper()
	p, err := tracing.NewProvider(opts...)
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = p.Shutdown(ctx) // the test looks at errors where it expects none
	})
	return p
}

// newTracer makes a provider with one collector, and a tracer on it. Spans come with flush only.
func newTracer(t testing.TB, opts ...tracing.Option) (*tracing.Tracer, *collector, *tracing.Provider) {
	t.Helper()
	c := &collector{}
	opts = append([]tracing.Option{tracing.WithExporter(c, tracing.WithBatchDelay(time.Hour))}, opts...)
	p := newProvider(t, opts...)
	return p.NewTracer("test"), c, p
}

// patience is what a test gives to something that ends by itself, on a machine that is busy.
const patience = 5 * time.Minute

func flush(t testing.TB, p *tracing.Provider) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	require.NoError(t, p.ForceFlush(ctx))
}

func shutdown(t testing.TB, p *tracing.Provider) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	require.NoError(t, p.Shutdown(ctx))
}

// one makes one span by f, ends it, and returns it as it was exported.
func one(t testing.TB, f func(*tracing.Span), opts ...tracing.Option) *tracing.SpanData {
	t.Helper()
	tracer, c, p := newTracer(t, opts...)
	_, s := tracer.StartSpan(context.Background(), "one")
	f(s)
	s.End()
	flush(t, p)
	spans := c.spans()
	require.Len(t, spans, 1)
	return spans[0]
}

// sumsHold checks what Stats promises of a provider at rest.
func sumsHold(t testing.TB, p *tracing.Provider) {
	t.Helper()
	s := p.Stats()
	assert.Equal(t, s.Started, s.Ended+uint64(s.Open), "Started = Ended + Open: %+v", s)
	for i, e := range s.Exporters {
		assert.Equal(t, s.Ended, e.Queued+s.Withheld.Sum(), "exporter %d: Ended = Queued + Withheld: %+v", i, s)
		assert.Equal(t, e.Queued+e.Spool.Recovered, e.Exported+uint64(e.Waiting+e.Spool.Spans)+e.Dropped.Sum(),
			"exporter %d: Queued + Recovered = Exported + Waiting + Spool + Dropped: %+v", i, s)
	}
}

// value returns the attribute of this key, or false.
func value(attrs []attribute.KeyValue, key attribute.Key) (v attribute.Value, ok bool) {
	for _, kv := range attrs {
		if kv.Key == key {
			return kv.Value, true
		}
	}
	return attribute.Value{}, false
}

// samplerFunc is a sampler made of a function.
type samplerFunc func(sampling.Parameters) sampling.Result

func (f samplerFunc) Sample(p sampling.Parameters) sampling.Result { return f(p) }
func (samplerFunc) Description() string                            { return "samplerFunc" }

// decide returns a sampler that always gives this answer.
func decide(r sampling.Result) sampling.Sampler {
	return samplerFunc(func(sampling.Parameters) sampling.Result { return r })
}

// processor is a processor made of functions; nil ones do nothing.
type processor struct {
	onStart  func(context.Context, *tracing.Span)
	onEnding func(*tracing.Span)
	onEnd    func(*tracing.SpanData)
	flush    func(context.Context) error
	shutdown func(context.Context) error
}

func (p *processor) OnStart(ctx context.Context, s *tracing.Span) {
	if p.onStart != nil {
		p.onStart(ctx, s)
	}
}

func (p *processor) OnEnding(s *tracing.Span) {
	if p.onEnding != nil {
		p.onEnding(s)
	}
}

func (p *processor) OnEnd(d *tracing.SpanData) {
	if p.onEnd != nil {
		p.onEnd(d)
	}
}

func (p *processor) ForceFlush(ctx context.Context) error {
	if p.flush != nil {
		return p.flush(ctx)
	}
	return nil
}

func (p *processor) Shutdown(ctx context.Context) error {
	if p.shutdown != nil {
		return p.shutdown(ctx)
	}
	return nil
}

// remoteParent returns a span context of another process.
func remoteParent(sampled bool) trace.SpanContext {
	return trace.NewSpanContext(trace.SpanContextConfig{
		TraceID:    trace.TraceID{0: 0xAA, 15: 1},
		SpanID:     trace.SpanID{0: 0xBB, 7: 2},
		TraceFlags: trace.TraceFlags(0).WithSampled(sampled),
		Remote:     true,
	})
}

// full gives s n attributes, events and links.
func full(s *tracing.Span, n int) {
	for i := range n {
		kv := attribute.Int(string(rune('a'+i)), i)
		s.SetAttributes(kv)
		s.AddEvent("event", trace.WithAttributes(kv))
		s.AddLink(trace.Link{SpanContext: remoteParent(true), Attributes: []attribute.KeyValue{kv}})
	}
}
