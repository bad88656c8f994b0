// SPDX-License-Identifier: Apache-2.0

package tracehttp_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/sampling"
	"github.com/spandrel-go/spandrel/tracing"
)

type spanData = tracing.SpanData

// collector is an exporter that keeps all spans.
type collector struct {
	mu    sync.Mutex // guards spans
	spans []*spanData
}

func (c *collector) ExportSpans(_ context.Context, spans []*tracing.SpanData) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, d := range spans {
		c.spans = append(c.spans, d.Clone())
	}
	return nil
}

func (c *collector) Shutdown(context.Context) error { return nil }

// recorder is a provider that shows the spans that have ended.
type recorder struct {
	trace.TracerProvider
	provider  *tracing.Provider
	collector *collector
}

// newRecorder makes a provider that records all spans.
func newRecorder(t testing.TB) *recorder { return newSampled(t, sampling.AlwaysOn()) }

// newDropper makes a provider that records none.
func newDropper(t testing.TB) *recorder { return newSampled(t, sampling.AlwaysOff()) }

func newSampled(t testing.TB, s sampling.Sampler) *recorder {
	t.Helper()
	c := &collector{}
	p, err := tracing.NewProvider(tracing.WithExporter(c), tracing.WithSampler(s))
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := p.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
	})
	return &recorder{TracerProvider: p, provider: p, collector: c}
}

// ended returns the spans that have ended so far.
func (r *recorder) ended(t testing.TB) []*spanData {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	require.NoError(t, r.provider.ForceFlush(ctx))
	r.collector.mu.Lock()
	defer r.collector.mu.Unlock()
	return append([]*spanData(nil), r.collector.spans...)
}
