// SPDX-License-Identifier: Apache-2.0

package propagation_test

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	otelprop "go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/propagation"
)

const (
	traceHex  = "0af7651916cd43dd8448eb211c80319c"
	spanHex   = "b7ad6b7169203331"
	parentHex = "b7ad6b7169203332"
	ownHex    = "00f067aa0ba902b7"
	shortHex  = "8448eb211c80319c"
	// traceHex, its second half and spanHex in the words of others.
	awsRoot      = "Root=1-0af76519-16cd43dd8448eb211c80319c"
	shortDecimal = "9532127138774266268"
	spanDecimal  = "13235353014750950193"
	// The x-request-id that belongs to traceHex, where it is not sampled and where it is.
	traceUUID   = "0af76519-16cd-43dd-8448-eb211c80319c"
	sampledUUID = "0af76519-16cd-93dd-8448-eb211c80319c"
)

// writtenFormats lists all formats that have a writer.
var writtenFormats = []string{"w3c", "b3", "b3-single", "jaeger", "ot", "datadog", "aws", "gcp", "instana"}

// everyFormat lists all formats that have a reader.
var everyFormat = []string{"w3c", "b3", "jaeger", "ot", "datadog", "aws", "gcp", "instana"}

func newPropagator(tb testing.TB, cfg propagation.Config) *propagation.Propagator {
	tb.Helper()
	p, err := propagation.New(cfg, propagation.WithLogger(slog.New(slog.DiscardHandler)))
	require.NoError(tb, err)
	return p
}

// traceID reads up to 32 digits, padded on the left.
func traceID(tb testing.TB, hex string) trace.TraceID {
	tb.Helper()
	id, err := trace.TraceIDFromHex(strings.Repeat("0", 32-len(hex)) + hex)
	require.NoError(tb, err)
	return id
}

func spanID(tb testing.TB, hex string) trace.SpanID {
	tb.Helper()
	id, err := trace.SpanIDFromHex(hex)
	require.NoError(tb, err)
	return id
}

func carrierOf(headers map[string][]string) otelprop.HeaderCarrier {
	h := http.Header{}
	for name, values := range headers {
		for _, v := range values {
			h.Add(name, v)
		}
	}
	return otelprop.HeaderCarrier(h)
}

// headers makes a carrier of names and values in turn.
func headers(namesAndValues ...string) otelprop.HeaderCarrier {
	h := http.Header{}
	for i := 0; i < len(namesAndValues); i += 2 {
		h.Add(namesAndValues[i], namesAndValues[i+1])
	}
	return otelprop.HeaderCarrier(h)
}

// extract reads a carrier with an empty ctx.
func extract(p *propagation.Propagator, carrier otelprop.TextMapCarrier) propagation.Remote {
	r, _ := propagation.RemoteFromContext(p.Extract(context.Background(), carrier))
	return r
}

// inject writes what ctx holds to an empty http.Header.
func inject(ctx context.Context, p *propagation.Propagator) otelprop.HeaderCarrier {
	carrier := otelprop.HeaderCarrier{}
	p.Inject(ctx, carrier)
	return carrier
}

// contextWith returns a Go context as Extract would, had it read r.
func contextWith(r propagation.Remote) context.Context {
	ctx := propagation.ContextWithRemote(context.Background(), r)
	return trace.ContextWithRemoteSpanContext(ctx, r.SpanContext)
}

// startSpan returns ctx with a span as a provider would make it: a child of what is in ctx, or the
// first span of a trace.
func startSpan(tb testing.TB, ctx context.Context, sampled bool) context.Context {
	tb.Helper()
	parent := trace.SpanContextFromContext(ctx)
	id := parent.TraceID()
	if !id.IsValid() {
		id = traceID(tb, traceHex)
	}
	return trace.ContextWithSpanContext(ctx, trace.NewSpanContext(trace.SpanContextConfig{
		TraceID:    id,
		SpanID:     spanID(tb, ownHex),
		TraceFlags: parent.TraceFlags().WithSampled(sampled),
		TraceState: parent.TraceState(),
	}))
}

// contextWithSpanOf returns ctx with the span of another.
func contextWithSpanOf(ctx, other context.Context) context.Context {
	return trace.ContextWithSpanContext(ctx, trace.SpanContextFromContext(other))
}
