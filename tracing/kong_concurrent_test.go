// SPDX-License-Identifier: Apache-2.0

package tracing_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/sampling"
	"github.com/spandrel-go/spandrel/tracing"
)

// shared is a few spans with their Go contexts, which all goroutines use and replace.
type shared struct {
	mu    sync.Mutex // guards slots
	slots [16]slot
}

type slot struct {
	ctx  context.Context
	span *tracing.Span
}

func (s *shared) get(n int) slot {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.slots[n%len(s.slots)]
}

func (s *shared) put(n int, ctx context.Context, span *tracing.Span) { //nolint:revive // n is where
	s.mu.Lock()
	defer s.mu.Unlock()
	s.slots[n%len(s.slots)] = slot{ctx, span}
}

// step makes one call of one method.
func step(random *rand.Rand, p *tracing.Provider, tracers []*tracing.Tracer, spans *shared) {
	n := random.IntN(1 << 16)
	at := spans.get(n)
	tracer := tracers[random.IntN(len(tracers))]
	other := spans.get(n + 1).span
	s := at.span
	switch random.IntN(34) {
	case 0:
		ctx, s := tracer.StartSpan(at.ctx, "child", tracing.WithAttributes(attribute.Int("n", n)))
		spans.put(n, ctx, s)
	case 1:
		ctx, s := tracer.StartSpan(context.Background(), "root", tracing.WithShouldSample(n%4 > 0))
		spans.put(n, ctx, s)
	case 2:
		ctx, s := tracer.StartSpan(at.ctx, "of another", tracing.WithParent(other), tracing.WithKind(trace.SpanKindClient))
		spans.put(n, ctx, s)
	case 3:
		ctx, _ := tracer.Start(at.ctx, "through the API", trace.WithNewRoot())
		spans.put(n, ctx, tracer.ActiveSpan(ctx))
	case 4:
		ctx, s := tracer.CreateSpan(at.ctx)
		spans.put(n, ctx, s)
	case 5, 6:
		tracer.LinkSpan(s, "linked", tracing.WithAttributes(attribute.Int("n", n)))
	case 7:
		spans.put(n, tracer.SetActiveSpan(at.ctx, other), s)
	case 8:
		tracer.ActiveSpan(at.ctx).SetAttribute("active", n)
	case 9:
		tracer.RootSpan(at.ctx).SetAttribute("root", []any{n, map[string]any{"k": "v"}})
	case 10:
		tracer.ProcessSpans(at.ctx, func(d *tracing.SpanData) { _ = fmt.Sprint(d.Name, d.Attributes, d.EndTime) })
	case 11:
		tracer.SetShouldSample(at.ctx, n%2 == 0)
	case 12:
		tracer.SamplingDecision(at.ctx, nil, 0.5)
	case 13, 14:
		s.Finish()
	case 15:
		s.End(trace.WithTimestamp(time.Now()))
	case 16:
		s.FinishAt(time.Now().Add(time.Duration(n%3-1) * time.Hour))
	case 17:
		s.Release()
	case 18:
		s.SetAttribute("k", n)
	case 19:
		s.SetAttribute("k", nil)
	case 20:
		s.SetAttributes(attribute.Int("a", n), attribute.String("b", "c"), attribute.IntSlice("d", []int{n}))
	case 21:
		s.AddEvent("event", trace.WithAttributes(attribute.Int("n", n)))
	case 22:
		s.AddLink(trace.Link{SpanContext: other.SpanContext(), Attributes: []attribute.KeyValue{attribute.Int("n", n)}})
	case 23:
		s.RecordError(errors.New("error"))
	case 24:
		s.SetStatus(codes.Error, "why")
	case 25:
		s.SetName("renamed")
	case 26:
		_ = s.Snapshot()
	case 27:
		_ = fmt.Sprint(s, s.IsRecording(), s.SpanContext(), at.ctx)
	case 28:
		s.TracerProvider().Tracer("through a span")
	case 29:
		p.Stats()
	case 30:
		if n%16 == 0 {
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			_ = p.ForceFlush(ctx) // what it says is of no interest here
		}
	case 31:
		p.NewTracer("again", tracing.WithNamespace("A"))
	case 32:
		p.Tracer("again", trace.WithInstrumentationVersion("2"))
	case 33:
		tracer.RootSpan(at.ctx).Finish()
	}
}

// Every method of Span, Tracer and Provider against all others, on spans that are shared.
func TestKongEverythingConcurrentSafe(t *testing.T) {
	t.Parallel()
	dropAFew := samplerFunc(func(p sampling.Parameters) sampling.Result {
		switch p.TraceID[15] % 8 {
		case 0:
			return sampling.Result{Decision: sampling.Drop}
		case 1:
			return sampling.Result{Decision: sampling.RecordOnly}
		}
		return sampling.Result{Decision: sampling.RecordAndSample, Attributes: []attribute.KeyValue{attribute.Bool("sampled", true)}}
	})
	for name, opts := range map[string][]tracing.Option{
		"alone": nil,
		"with a processor": {tracing.WithProcessor(&processor{
			onStart: func(_ context.Context, s *tracing.Span) { s.SetAttribute("start", 1) },
			onEnding: func(s *tracing.Span) {
				s.SetAttribute("ending", 1)
				if d := s.Snapshot(); d.SpanContext.SpanID()[7]%32 == 0 {
					s.Release()
				}
			},
			onEnd: func(d *tracing.SpanData) { _ = fmt.Sprint(d.Name, d.Attributes) },
		})},
		"with a sampler":     {tracing.WithSampler(dropAFew)},
		"with an open limit": {tracing.WithOpenSpanLimit(20)},
	} {
		for _, shut := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, shut down meanwhile: %t", name, shut), func(t *testing.T) {
				t.Parallel()
				tracer, r, p := exporting(t, append(opts, tracing.WithSpanLimits(tracing.SpanLimits{Events: 4, Links: 4}), quiet())...)
				kong, a, b := namespaces(p)
				tracers := []*tracing.Tracer{tracer, kong, a, b}
				spans := &shared{}
				for i := range spans.slots {
					ctx, s := tracer.StartSpan(context.Background(), "first")
					spans.put(i, ctx, s)
				}
				var wg sync.WaitGroup
				for g := range 4 {
					wg.Go(func() {
						random := rand.New(rand.NewPCG(uint64(g), 7))
						for i := range 1500 {
							if shut && g == 0 && i == 1000 {
								assert.NoError(t, p.Shutdown(context.Background()))
							}
							step(random, p, tracers, spans)
						}
					})
				}
				wg.Wait()
				for i := range spans.slots {
					spans.get(i).span.Finish()
				}
				flush(t, p)
				shutdown(t, p)
				st := p.Stats()
				assert.Zero(t, st.Open)
				assert.Positive(t, st.Ended)
				assert.Len(t, r.Spans(), int(st.Exporters[0].Exported))
				sumsHold(t, p)
			})
		}
	}
}
