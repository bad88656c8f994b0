// SPDX-License-Identifier: Apache-2.0

package interop_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/exporters/zipkin"
	"github.com/spandrel-go/spandrel/internal/interop/zipkinserver"
	"github.com/spandrel-go/spandrel/tracing"
	"github.com/spandrel-go/spandrel/tracing/tracetest"
)

// collector is an exporter that keeps copies of all spans of all providers that it is given to.
type collector struct{ tracetest.Recorder }

// traces returns the spans by trace.
func (c *collector) traces() map[trace.TraceID][]*tracing.SpanData {
	traces := map[trace.TraceID][]*tracing.SpanData{}
	for _, d := range c.Spans() {
		id := d.SpanContext.TraceID()
		traces[id] = append(traces[id], d)
	}
	return traces
}

// newProvider makes a provider that exports to the server. It is shut down with the test, after which
// all its spans must have been delivered.
func newProvider(t testing.TB, server *zipkinserver.Server, opts ...tracing.Option) *tracing.Provider {
	t.Helper()
	exporter, err := zipkin.New(server.SpansURL())
	require.NoError(t, err)
	p, err := tracing.NewProvider(append([]tracing.Option{tracing.WithExporter(exporter)}, opts...)...)
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, p.Shutdown(soon(t)))
		requireAllDelivered(t, p)
	})
	return p
}

// requireAllDelivered checks that every span that was started has ended and has reached each exporter.
func requireAllDelivered(t testing.TB, p *tracing.Provider) {
	t.Helper()
	s := p.Stats()
	assert.Equal(t, s.Started, s.Ended, "started and ended")
	assert.Zero(t, s.Unfinished, "unfinished")
	require.NotEmpty(t, s.Exporters)
	for i, e := range s.Exporters {
		assert.Equal(t, s.Ended, e.Exported, "exporter %d: ended and exported", i)
		assert.Zero(t, e.Dropped.Sum(), "exporter %d: dropped: %+v", i, e.Dropped)
		assert.NoError(t, e.LastError, "exporter %d", i)
	}
}
