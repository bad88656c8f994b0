// SPDX-License-Identifier: Apache-2.0

package tracing_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/tracing"
)

// modelSpan is what a span should hold: the simple second implementation that FuzzProgram compares
// with.
type modelSpan struct {
	span       *tracing.Span
	ctx        context.Context
	name       string
	parent     trace.SpanContext
	attrs      []attribute.KeyValue
	events     []string
	status     tracing.Status
	ended      bool
	unfinished bool
}

func (m *modelSpan) setAttribute(key string, v int, remove bool) {
	i := slices.IndexFunc(m.attrs, func(kv attribute.KeyValue) bool { return string(kv.Key) == key })
	switch {
	case remove && i >= 0:
		m.attrs = slices.Delete(m.attrs, i, i+1)
	case remove:
	case i >= 0:
		m.attrs[i] = attribute.Int(key, v)
	default:
		m.attrs = append(m.attrs, attribute.Int(key, v))
	}
}

func (m *modelSpan) setStatus(code codes.Code, text string) {
	if m.status.Code == codes.Ok || code == codes.Unset {
		return
	}
	m.status = tracing.Status{Code: code}
	if code == codes.Error {
		m.status.Description = text
	}
}

// program runs one goroutine's part of a random program: each byte is an operation, on one of the
// spans that this goroutine has made. It returns the model of these spans.
func program(common context.Context, tracers []*tracing.Tracer, p []*tracing.Provider, who int, code []byte) []*modelSpan {
	var spans []*modelSpan
	last := func(op byte) *modelSpan { return spans[int(op>>4)%len(spans)] }
	for i, op := range code {
		if op&15 < 4 || len(spans) == 0 { // start
			ctx := common
			var parent trace.SpanContext
			if len(spans) > 0 && op&3 != 0 {
				ctx = last(op).ctx
			}
			parent = trace.SpanContextFromContext(ctx)
			m := &modelSpan{name: fmt.Sprintf("%d.%d", who, i), parent: parent}
			if op&3 == 3 {
				parent = trace.SpanContext{}
				m.parent = parent
				m.ctx, m.span = tracers[int(op>>4)%len(tracers)].StartSpan(ctx, m.name, tracing.WithNewRoot())
			} else {
				m.ctx, m.span = tracers[int(op>>4)%len(tracers)].StartSpan(ctx, m.name)
			}
			spans = append(spans, m)
			continue
		}
		m := last(op)
		key := fmt.Sprint("k", int(op>>6))
		switch op & 15 {
		case 4, 5, 6, 7:
			m.span.End()
			m.ended = true
		case 8, 9:
			m.span.SetAttributes(attribute.Int(key, i), attribute.Int("same", i))
			if !m.ended {
				m.setAttribute(key, i, false)
				m.setAttribute("same", i, false)
			}
		case 10:
			m.span.SetAttribute(key, nil)
			if !m.ended {
				m.setAttribute(key, 0, true)
			}
		case 11:
			m.span.AddEvent(strconv.Itoa(i))
			if !m.ended {
				m.events = append(m.events, strconv.Itoa(i))
			}
		case 12:
			m.span.SetStatus(codes.Error, strconv.Itoa(i))
			if !m.ended {
				m.setStatus(codes.Error, strconv.Itoa(i))
			}
		case 13:
			m.span.SetStatus(codes.Code(op>>6), "")
			if c := codes.Code(op >> 6); !m.ended && c <= codes.Ok {
				m.setStatus(c, "")
			}
		case 14:
			m.span.SetName(m.name) // the same: it is what finds the span again
		case 15:
			_ = p[int(op>>4)%len(p)].ForceFlush(context.Background())
		}
	}
	return spans
}

// FuzzProgram runs random programs of starts, ends and writes in several goroutines on two providers,
// and compares what is exported with a model: each span once, with its last state.
func FuzzProgram(f *testing.F) {
	f.Add([]byte{0, 8, 4, 1, 9, 5}, []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, []byte{})
	f.Add([]byte{0, 1, 1, 1, 15, 20, 36, 15, 52, 4}, []byte{1, 17, 33, 49, 65, 4, 20, 36, 15, 8, 24}, []byte{3, 3, 3, 4, 20, 36})
	f.Add([]byte{0, 0x88, 0x4A, 0xC9, 15, 0x0B, 0x0C, 15, 0x8D, 0x4C, 4, 0x0B, 0x08}, []byte{0, 16, 32, 48, 64, 80, 96, 112}, []byte{15, 15, 15})
	long := []byte{0}
	for i := range 400 {
		long = append(long, 1, byte(i), 4|byte(i<<4), 8|byte(i<<4))
	}
	f.Add(long, long, long)
	f.Fuzz(func(t *testing.T, a, b, c []byte) {
		if len(a)+len(b)+len(c) > 10_000 {
			t.Skip("long programs find nothing that short ones do not")
		}
		var collectors [2]*collector
		var providers []*tracing.Provider
		var tracers []*tracing.Tracer
		for i := range collectors {
			collectors[i] = &collector{}
			p := newProvider(t, tracing.WithExporter(collectors[i], tracing.WithBatchSpans(5),
				tracing.WithBatchDelay(time.Millisecond), tracing.WithQueueSpans(1<<20)))
			providers = append(providers, p)
			tracers = append(tracers, p.NewTracer(strconv.Itoa(i)))
		}
		common, root := tracers[0].StartSpan(context.Background(), "root")
		var models [3][]*modelSpan
		var wg sync.WaitGroup
		for i, code := range [][]byte{a, b, c} {
			wg.Go(func() { models[i] = program(common, tracers, providers, i, code) })
		}
		wg.Wait()
		want := map[string]*modelSpan{"root": {span: root, name: "root", unfinished: true}}
		for _, spans := range models {
			for _, m := range spans {
				if !m.ended {
					m.unfinished = true
				}
				want[m.name] = m
			}
		}
		for _, p := range providers {
			shutdown(t, p)
			sumsHold(t, p)
		}
		got := map[string]int{}
		for _, c := range collectors {
			for _, d := range c.spans() {
				got[d.Name]++
				m := want[d.Name]
				if !assert.NotNil(t, m, "span %q", d.Name) {
					continue
				}
				if m.unfinished {
					m.attrs = append(m.attrs, attribute.Bool("span.unfinished", true))
				}
				assert.Equal(t, m.span.SpanContext(), d.SpanContext, d.Name)
				assert.Equal(t, m.parent, d.Parent, d.Name)
				assert.ElementsMatch(t, m.attrs, d.Attributes, d.Name)
				assert.Equal(t, m.status, d.Status, d.Name)
				events := []string(nil)
				for _, e := range d.Events {
					events = append(events, e.Name)
				}
				if len(m.events) > 128 {
					m.events = m.events[len(m.events)-128:]
				}
				assert.Equal(t, m.events, events, d.Name)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(want)) {
			assert.Equal(t, 1, got[name], "times that span %s was exported", name)
		}
	})
}
