// SPDX-License-Identifier: Apache-2.0

package headers_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/contrib/propagators/jaeger"
	"go.opentelemetry.io/contrib/propagators/ot"
	otelpropagation "go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/propagation"
)

// loose lists the formats that contrib writes in other words than we and Kong do. They are read alike,
// which is all that matters to a trace.
var loose = []struct {
	name   string
	ours   string
	theirs otelpropagation.TextMapPropagator
	// arrives is what is left of a trace id that starts here.
	arrives func(trace.TraceID) trace.TraceID
}{
	{"jaeger", "jaeger", jaeger.Jaeger{}, func(id trace.TraceID) trace.TraceID { return id }},
	{"ot", "ot", ot.OT{}, func(id trace.TraceID) trace.TraceID { clear(id[:8]); return id }},
}

// TestJaegerAndOTBothWays sends random span contexts from one library to the other and back, and lets
// each forward what the other wrote.
func TestJaegerAndOTBothWays(t *testing.T) {
	t.Parallel()
	for _, pair := range loose {
		t.Run(pair.name, func(t *testing.T) {
			t.Parallel()
			ours := newPropagator(t, pair.ours)
			for seed := range uint64(rounds) {
				sent := newSource(seed).spanContext(t, true).WithTraceState(trace.TraceState{})
				// Neither format has a bit for random.
				want := sent.WithTraceID(pair.arrives(sent.TraceID())).WithRemote(true).
					WithTraceFlags(sent.TraceFlags() & trace.FlagsSampled)

				theirHeaders := inject(active(sent), pair.theirs)
				ctx := extract(theirHeaders, ours)
				require.Equal(t, want, trace.SpanContextFromContext(ctx), "theirs to ours: %v", theirHeaders)
				remote, ok := propagation.RemoteFromContext(ctx)
				require.True(t, ok)
				require.Equal(t, sent.IsSampled(), remote.Decision == propagation.Accept)
				require.NotEqual(t, propagation.Defer, remote.Decision)
				require.False(t, remote.Debug)

				ourHeaders := inject(active(sent), ours)
				require.Equal(t, want, trace.SpanContextFromContext(extract(ourHeaders, pair.theirs)), "ours to theirs: %v", ourHeaders)
				forwarded := inject(ctx, ours)
				require.Equal(t, want, trace.SpanContextFromContext(extract(forwarded, pair.theirs)), "forwarded: %v", forwarded)
				require.Equal(t, theirHeaders, inject(extract(forwarded, pair.theirs), pair.theirs), "there and back")
			}
		})
	}
}

// TestJaegerAndOTAgreeWithContrib compares what both libraries read of headers that neither writes.
func TestJaegerAndOTAgreeWithContrib(t *testing.T) {
	t.Parallel()
	const traceID, spanID = "463ac35c9f6413ad48485a3953bb6124", "a2fb4a1d1a96d312"
	uber := func(value string) h { return h{"uber-trace-id": value} }
	tests := []struct {
		name    string
		format  string
		headers h
		// differs says why we read another thing.
		differs string
	}{
		{"zeros left out", "jaeger", uber("1234:ff:0:1"), ""},
		{"two digits of flags", "jaeger", uber(traceID + ":" + spanID + ":0:01"), ""},
		{"parent", "jaeger", uber(traceID + ":" + spanID + ":" + spanID + ":1"), ""},
		{"debug alone", "jaeger", uber(traceID + ":" + spanID + ":0:2"), ""},
		{"debug", "jaeger", uber(traceID + ":" + spanID + ":0:3"), ""},
		{"all flags", "jaeger", uber(traceID + ":" + spanID + ":0:ff"), ""},
		{"three parts", "jaeger", uber(traceID + ":" + spanID + ":1"), ""},
		{"long trace id", "jaeger", uber("0" + traceID + ":" + spanID + ":0:1"), ""},
		{"long span id", "jaeger", uber(traceID + ":0" + spanID + ":0:1"), ""},
		{"no digits", "jaeger", uber(traceID + ":x:0:1"), ""},
		{"zero trace id", "jaeger", uber("0:" + spanID + ":0:1"), ""},
		{"no flags", "jaeger", uber(traceID + ":" + spanID + ":0:"), "contrib takes none for a deny"},
		{"long flags", "jaeger", uber(traceID + ":" + spanID + ":0:001"), "contrib reads more than the byte that there is"},
		{"bad parent", "jaeger", uber(traceID + ":" + spanID + ":x:1"), "contrib does not look at it; Kong refuses it"},
		{"upper case", "jaeger", uber(strings.ToUpper(traceID) + ":" + spanID + ":0:1"), "Kong reads it"},
		{"URL-encoded", "jaeger", uber(traceID + "%3A" + spanID + "%3A0%3A1"), "Jaeger's own libraries read it"},

		{"words", "ot", h{"ot-tracer-traceid": traceID, "ot-tracer-spanid": spanID, "ot-tracer-sampled": "TRUE"}, ""},
		{"64 bits", "ot", h{"ot-tracer-traceid": traceID[16:], "ot-tracer-spanid": spanID, "ot-tracer-sampled": "1"}, ""},
		{"no decision", "ot", h{"ot-tracer-traceid": traceID, "ot-tracer-spanid": spanID}, ""},
		{"no span id", "ot", h{"ot-tracer-traceid": traceID}, ""},
		{"short span id", "ot", h{"ot-tracer-traceid": traceID, "ot-tracer-spanid": "1"}, ""},
		{"unknown decision", "ot", h{"ot-tracer-traceid": traceID, "ot-tracer-spanid": spanID, "ot-tracer-sampled": "d"}, "it makes the ids no worse"},
	}
	for _, test := range tests {
		t.Run(test.format+" "+test.name, func(t *testing.T) {
			t.Parallel()
			ours := newPropagator(t, test.format)
			theirs := loose[0].theirs
			if test.format == "ot" {
				theirs = loose[1].theirs
			}
			read := trace.SpanContextFromContext(extract(header(test.headers), ours))
			want := trace.SpanContextFromContext(extract(header(test.headers), theirs))
			if test.differs == "" {
				assert.Equal(t, want, read)
			} else {
				assert.NotEqual(t, want, read, "no longer: %s", test.differs)
			}
		})
	}
}

// TestJaegerDebugBothWays has the flag that a span context does not hold.
func TestJaegerDebugBothWays(t *testing.T) {
	t.Parallel()
	ours, theirs := newPropagator(t, "jaeger"), jaeger.Jaeger{}
	sent := header(h{"uber-trace-id": "463ac35c9f6413ad48485a3953bb6124:a2fb4a1d1a96d312:0:3"})
	for _, test := range []struct {
		name string
		hops []otelpropagation.TextMapPropagator
	}{
		{"ours", []otelpropagation.TextMapPropagator{ours, theirs}},
		{"theirs", []otelpropagation.TextMapPropagator{theirs, ours}},
	} {
		t.Run(test.name+" first", func(t *testing.T) {
			t.Parallel()
			headers := sent
			for _, p := range test.hops {
				headers = inject(extract(headers, p), p)
			}
			remote, ok := propagation.RemoteFromContext(extract(headers, ours))
			require.True(t, ok)
			assert.True(t, remote.Debug, "%v", headers)
		})
	}
	assert.Equal(t, http.Header{"Uber-Trace-Id": {"463ac35c9f6413ad48485a3953bb6124:a2fb4a1d1a96d312:0:03"}},
		inject(extract(sent, ours), ours))
}
