// SPDX-License-Identifier: Apache-2.0

// Package headers_test compares what package propagation and the official propagators write and read, both ways,
// on random input that the same seed makes again: those of OpenTelemetry and its contrib repository, zipkin-go's and
// dd-trace-go's. Where they differ a table says why, and the test fails when they no longer do.
package headers_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	otelpropagation "go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/propagation"
)

// rounds is how many random span contexts each test looks at.
const rounds = 2000

func newPropagator(t testing.TB, formats ...string) *propagation.Propagator {
	t.Helper()
	extract := formats
	if formats[0] == "b3-single" {
		extract = []string{"b3"}
	}
	p, err := propagation.New(propagation.Config{Extract: extract, Inject: formats})
	require.NoError(t, err)
	return p
}

// source makes random span contexts. The same seed makes the same ones.
type source struct{ *rand.Rand }

func newSource(seed uint64) source { return source{rand.New(rand.NewPCG(seed, 1))} }

func (r source) rarely(n int) bool { return r.IntN(n) == 0 }

func (r source) traceID() (id trace.TraceID) {
	for i := range id {
		id[i] = byte(r.IntN(256))
	}
	switch r.IntN(4) {
	case 0:
		clear(id[:8]) // 64 bits
	case 1:
		clear(id[:7]) // leading zeros
	}
	id[15] |= 1
	return id
}

func (r source) spanID() (id trace.SpanID) {
	for i := range id {
		id[i] = byte(r.IntN(256))
	}
	if r.rarely(3) {
		clear(id[:5])
	}
	id[7] |= 1
	return id
}

// spanContext returns a span context with a sampled flag or not, and with a trace state if asked.
func (r source) spanContext(t testing.TB, state bool) trace.SpanContext {
	t.Helper()
	cfg := trace.SpanContextConfig{
		TraceID: r.traceID(), SpanID: r.spanID(), TraceFlags: trace.TraceFlags(r.IntN(2)),
	}
	if state {
		cfg.TraceFlags |= trace.TraceFlags(r.IntN(2)) << 1 // random
		members := make([]string, r.IntN(32))
		for i := range members {
			members[i] = fmt.Sprintf("k%d@v-%d=%s", i, r.IntN(9), strings.Repeat("!x~ y", r.IntN(5)+1))
		}
		var err error
		cfg.TraceState, err = trace.ParseTraceState(strings.Join(members, ","))
		require.NoError(t, err)
	}
	return trace.NewSpanContext(cfg)
}

// active returns a Go context whose active span has this span context and was made here.
func active(sc trace.SpanContext) context.Context {
	return trace.ContextWithSpanContext(context.Background(), sc)
}

// inject returns the headers that p writes, without x-request-id, which the others do not know.
func inject(ctx context.Context, p otelpropagation.TextMapPropagator) http.Header {
	h := http.Header{}
	p.Inject(ctx, otelpropagation.HeaderCarrier(h))
	h.Del("x-request-id")
	return h
}

func extract(h http.Header, p otelpropagation.TextMapPropagator) context.Context {
	return p.Extract(context.Background(), otelpropagation.HeaderCarrier(maps.Clone(h)))
}
