// SPDX-License-Identifier: Apache-2.0

package tracehttp_test

import (
	"testing"

	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/sampling"
	"github.com/spandrel-go/spandrel/tracing"
	"github.com/spandrel-go/spandrel/tracing/tracetest"
)

type spanData = tracing.SpanData

// recorder is a provider that shows the spans that have ended.
type recorder struct {
	trace.TracerProvider
	seen *tracetest.Recorder
}

// newRecorder makes a provider that records all spans.
func newRecorder(t testing.TB) *recorder { return newSampled(t, sampling.AlwaysOn()) }

// newDropper makes a provider that records none.
func newDropper(t testing.TB) *recorder { return newSampled(t, sampling.AlwaysOff()) }

func newSampled(t testing.TB, s sampling.Sampler) *recorder {
	t.Helper()
	r := tracetest.New(t, tracing.WithSampler(s))
	return &recorder{TracerProvider: r.Provider(), seen: r}
}

// ended returns the spans that have ended so far.
func (r *recorder) ended() []*spanData { return r.seen.Spans() }
