// SPDX-License-Identifier: Apache-2.0

package headers_test

import (
	"encoding/binary"
	"net/http"
	"strings"
	"testing"

	"github.com/openzipkin/zipkin-go/model"
	"github.com/openzipkin/zipkin-go/propagation/b3"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/propagation"
)

// zipkinContext returns a random span context of zipkin-go, with all that its B3 can carry.
func (r source) zipkinContext() model.SpanContext {
	traceID := r.traceID()
	sc := model.SpanContext{
		TraceID: model.TraceID{High: binary.BigEndian.Uint64(traceID[:8]), Low: binary.BigEndian.Uint64(traceID[8:])},
		ID:      zipkinID(r.spanID()),
	}
	switch r.IntN(4) {
	case 0:
		sc.Debug = true
	case 1:
		yes := true
		sc.Sampled = &yes
	case 2:
		no := false
		sc.Sampled = &no
	}
	// The b3 header has no place for a parent of a deferred decision.
	if (sc.Debug || sc.Sampled != nil) && r.rarely(2) {
		parent := zipkinID(r.spanID())
		sc.ParentID = &parent
	}
	return sc
}

func zipkinID(id trace.SpanID) model.ID { return model.ID(binary.BigEndian.Uint64(id[:])) }

func requireRemote(t testing.TB, want model.SpanContext, got propagation.Remote) {
	t.Helper()
	id := got.SpanContext.TraceID()
	require.Equal(t, want.TraceID.High, binary.BigEndian.Uint64(id[:8]))
	require.Equal(t, want.TraceID.Low, binary.BigEndian.Uint64(id[8:]))
	require.Equal(t, want.ID, zipkinID(got.SpanContext.SpanID()))
	require.True(t, got.SpanContext.IsRemote())
	parent := model.ID(0)
	if want.ParentID != nil {
		parent = *want.ParentID
	}
	require.Equal(t, parent, zipkinID(got.ParentSpanID))
	decision := propagation.Defer
	switch {
	case want.Debug, want.Sampled != nil && *want.Sampled:
		decision = propagation.Accept
	case want.Sampled != nil:
		decision = propagation.Deny
	}
	require.Equal(t, decision, got.Decision)
	require.Equal(t, want.Debug, got.Debug)
	require.Equal(t, decision == propagation.Accept, got.SpanContext.IsSampled())
	bits := 128
	if want.TraceID.High == 0 {
		bits = 64
	}
	require.Equal(t, bits, got.TraceIDBits)
}

// TestZipkinGoBothWays sends random span contexts from zipkin-go to us and on to zipkin-go: all that
// its B3 carries arrives, the headers of a forwarded request are the same, and those of a span below
// keep ids, decision and width.
func TestZipkinGoBothWays(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, format string
		options      []b3.InjectOption
	}{
		{"single", "b3-single", []b3.InjectOption{b3.WithSingleHeaderOnly()}},
		{"multi", "b3", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			ours := newPropagator(t, test.format)
			for seed := range uint64(rounds) {
				r := newSource(seed)
				sent := r.zipkinContext()
				theirs := &http.Request{Header: http.Header{}}
				require.NoError(t, b3.InjectHTTP(theirs, test.options...)(sent))

				ctx := extract(theirs.Header, ours)
				remote, ok := propagation.RemoteFromContext(ctx)
				require.True(t, ok, "%v", theirs.Header)
				requireRemote(t, sent, remote)
				require.Equal(t, theirs.Header, inject(ctx, ours), "forwarded")

				got, err := b3.ExtractHTTP(&http.Request{Header: inject(ctx, ours)})()
				require.NoError(t, err)
				require.Equal(t, sent, *got)

				// A span of ours below the caller's.
				below := remote.SpanContext.WithSpanID(r.spanID()).WithRemote(false)
				headers := inject(trace.ContextWithSpanContext(ctx, below), ours)
				single, _, _ := strings.Cut(headers.Get("b3"), "-")
				require.Len(t, single+headers.Get("x-b3-traceid"), remote.TraceIDBits/4, "the width as it came")
				got, err = b3.ExtractHTTP(&http.Request{Header: headers})()
				require.NoError(t, err)
				require.Equal(t, sent.TraceID, got.TraceID)
				require.Equal(t, zipkinID(below.SpanID()), got.ID)
				require.Equal(t, sent.Debug, got.Debug)
				if !sent.Debug { // which implies sampled, and is sent instead
					require.NotNil(t, got.Sampled, "a span decides")
					require.Equal(t, below.IsSampled(), *got.Sampled)
				}
			}
		})
	}
}

// TestZipkinGoReadsOurs sends random span contexts that were made here.
func TestZipkinGoReadsOurs(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"b3", "b3-single"} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			ours := newPropagator(t, format)
			for seed := range uint64(rounds) {
				sc := newSource(seed).spanContext(t, false)
				got, err := b3.ExtractHTTP(&http.Request{Header: inject(active(sc), ours)})()
				require.NoError(t, err)
				traceID, spanID := sc.TraceID(), sc.SpanID()
				sampled := sc.IsSampled()
				require.Equal(t, &model.SpanContext{
					TraceID: model.TraceID{High: binary.BigEndian.Uint64(traceID[:8]), Low: binary.BigEndian.Uint64(traceID[8:])},
					ID:      zipkinID(spanID),
					Sampled: &sampled,
				}, got)
			}
		})
	}
}

// TestZipkinGoDecisionWithoutIDs has decisions that come alone.
func TestZipkinGoDecisionWithoutIDs(t *testing.T) {
	t.Parallel()
	yes, no := true, false
	for _, test := range []struct {
		name     string
		sent     model.SpanContext
		decision propagation.Decision
	}{
		{"accept", model.SpanContext{Sampled: &yes}, propagation.Accept},
		{"deny", model.SpanContext{Sampled: &no}, propagation.Deny},
		{"debug", model.SpanContext{Debug: true}, propagation.Accept},
	} {
		for format, options := range map[string][]b3.InjectOption{"b3": nil, "b3-single": {b3.WithSingleHeaderOnly()}} {
			t.Run(test.name+" "+format, func(t *testing.T) {
				t.Parallel()
				ours := newPropagator(t, format)
				theirs := &http.Request{Header: http.Header{}}
				require.NoError(t, b3.InjectHTTP(theirs, options...)(test.sent))
				ctx := extract(theirs.Header, ours)
				remote, ok := propagation.RemoteFromContext(ctx)
				require.True(t, ok)
				require.Equal(t, test.decision, remote.Decision)
				require.Equal(t, test.sent.Debug, remote.Debug)
				require.False(t, trace.SpanContextFromContext(ctx).IsValid())
				got, err := b3.ExtractHTTP(&http.Request{Header: inject(ctx, ours)})()
				require.NoError(t, err)
				require.Equal(t, test.sent, *got)
			})
		}
	}
}
