// SPDX-License-Identifier: Apache-2.0

package propagation_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/propagation"
)

func TestW3CReads(t *testing.T) {
	t.Parallel()
	base := "-" + traceHex + "-" + spanHex + "-"
	tests := []struct {
		name, traceparent string
		flags             trace.TraceFlags
	}{
		{"sampled", "00" + base + "01", 0x01},
		{"not sampled", "00" + base + "00", 0x00},
		{"random", "00" + base + "02", 0x02},
		{"sampled and random", "00" + base + "03", 0x03},
		{"unknown flags are masked", "00" + base + "ff", 0x03},
		{"higher version", "01" + base + "01", 0x01},
		{"higher version, only the sampled flag is read", "fe" + base + "ff", 0x01},
		{"higher version with more fields", "cc" + base + "01-what-the-future", 0x01},
		{"higher version with an empty field", "cc" + base + "01-", 0x01},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPropagator(t, propagation.Config{})
			want := trace.NewSpanContext(trace.SpanContextConfig{
				TraceID: traceID(t, traceHex), SpanID: spanID(t, spanHex), TraceFlags: tt.flags, Remote: true,
			})
			decision := propagation.Deny
			if tt.flags.IsSampled() {
				decision = propagation.Accept
			}
			ctx := p.Extract(context.Background(), headers("traceparent", tt.traceparent))
			assert.Equal(t, want, trace.SpanContextFromContext(ctx))
			got, ok := propagation.RemoteFromContext(ctx)
			assert.True(t, ok)
			assert.Equal(t, propagation.Remote{
				SpanContext: want, Decision: decision, Format: "w3c", TraceIDBits: 128,
			}, got)
			assert.Empty(t, p.Stats().Malformed)
		})
	}
}

func TestW3CRefuses(t *testing.T) {
	t.Parallel()
	good := "00-" + traceHex + "-" + spanHex + "-01"
	tests := []struct{ name, traceparent, reason string }{
		{"short", good[:54], "length"},
		{"one character", "0", "length"},
		{"long", good + "0", "length"},
		{"more fields in version 00", good + "-01", "length"},
		{"version ff", "ff" + good[2:], "version"},
		{"version in upper case", "CC" + good[2:], "syntax"},
		{"version is no number", "0x" + good[2:], "syntax"},
		{"higher version without a dash after the flags", "01" + good[2:] + "0", "syntax"},
		{"upper-case trace id", strings.Replace(good, "a", "A", 1), "syntax"},
		{"upper-case span id", strings.Replace(good, "b7", "B7", 1), "syntax"},
		{"upper-case flags", good[:53] + "0A", "syntax"},
		{"flags are no number", good[:53] + ".0", "syntax"},
		{"another separator after the version", strings.Replace(good, "00-", "00_", 1), "syntax"},
		{"another separator after the trace id", good[:35] + "_" + good[36:], "syntax"},
		{"another separator after the span id", good[:52] + "_" + good[53:], "syntax"},
		{"leading space", " " + good, "syntax"},
		{"no trace id", "00-" + strings.Repeat("0", 32) + good[35:], "zero id"},
		{"no span id", good[:36] + strings.Repeat("0", 16) + "-01", "zero id"},
		{"not ASCII", "00-\xff\xff" + good[5:], "syntax"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPropagator(t, propagation.Config{})
			ctx := context.Background()
			assert.Equal(t, ctx, p.Extract(ctx, headers("traceparent", tt.traceparent, "tracestate", "=")))
			assert.Equal(t, []propagation.Malformed{{Format: "w3c", Reason: tt.reason, Count: 1}}, p.Stats().Malformed,
				"and tracestate is not read")
		})
	}
}

func TestW3CDuplicateIsMalformed(t *testing.T) {
	t.Parallel()
	traceparent := "00-" + traceHex + "-" + spanHex + "-01"
	for name, carrier := range map[string]valuesCarrier{
		"equal":           {"traceparent": {traceparent, traceparent}},
		"the first empty": {"traceparent": {"", traceparent}},
	} {
		p := newPropagator(t, propagation.Config{})
		assert.Zero(t, extract(p, carrierOf(carrier)), name)
		assert.Zero(t, extract(p, carrier), "%s, in a carrier with Values", name)
		assert.Equal(t, []propagation.Malformed{{Format: "w3c", Reason: "duplicate", Count: 2}}, p.Stats().Malformed, name)
	}
}

func TestW3CWrites(t *testing.T) {
	t.Parallel()
	p := newPropagator(t, propagation.Config{Inject: []string{"w3c"}})
	state, err := trace.ParseTraceState("congo=t61,rojo=00f")
	assert.NoError(t, err)
	tests := []struct {
		name  string
		flags trace.TraceFlags
		state trace.TraceState
		want  map[string][]string
	}{
		{"sampled", 1, trace.TraceState{}, map[string][]string{"Traceparent": {"00-" + traceHex + "-" + ownHex + "-01"}}},
		{"not sampled", 0, trace.TraceState{}, map[string][]string{"Traceparent": {"00-" + traceHex + "-" + ownHex + "-00"}}},
		{"random is kept", 3, trace.TraceState{}, map[string][]string{"Traceparent": {"00-" + traceHex + "-" + ownHex + "-03"}}},
		{"other flags are not", 0xff, trace.TraceState{}, map[string][]string{"Traceparent": {"00-" + traceHex + "-" + ownHex + "-03"}}},
		{"trace state", 1, state, map[string][]string{
			"Traceparent": {"00-" + traceHex + "-" + ownHex + "-01"}, "Tracestate": {"congo=t61,rojo=00f"},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ctx := trace.ContextWithSpanContext(context.Background(), trace.NewSpanContext(trace.SpanContextConfig{
				TraceID: traceID(t, traceHex), SpanID: spanID(t, ownHex), TraceFlags: tt.flags, TraceState: tt.state,
			}))
			got := inject(ctx, p)
			want := map[bool]string{false: traceUUID, true: sampledUUID}[tt.flags.IsSampled()]
			assert.Equal(t, []string{want}, got["X-Request-Id"])
			delete(got, "X-Request-Id")
			assert.Equal(t, carrierOf(tt.want), got)
		})
	}
}

// Level 2 knows two flags. What stands in the other bits of a span context, and what other formats have
// no word for, is not sent; the decision is the sampled flag alone.
func TestFlagsInEveryFormat(t *testing.T) {
	t.Parallel()
	p := newPropagator(t, propagation.Config{Extract: everyFormat, Inject: []string{"w3c", "b3", "b3-single", "jaeger", "ot"}})
	for _, tt := range []struct {
		flags       trace.TraceFlags
		traceparent string
		sampled     string
		decision    propagation.Decision
	}{
		{0x00, "00", "0", propagation.Deny},
		{0x01, "01", "1", propagation.Accept},
		{0x02, "02", "0", propagation.Deny},
		{0x03, "03", "1", propagation.Accept},
		{0xfe, "02", "0", propagation.Deny},
		{0xff, "03", "1", propagation.Accept},
	} {
		t.Run(tt.flags.String(), func(t *testing.T) {
			t.Parallel()
			sc := trace.NewSpanContext(trace.SpanContextConfig{TraceID: traceID(t, traceHex), SpanID: spanID(t, ownHex), TraceFlags: tt.flags})
			got := inject(trace.ContextWithSpanContext(context.Background(), sc), p)
			assert.Equal(t, headers(
				"traceparent", "00-"+traceHex+"-"+ownHex+"-"+tt.traceparent,
				"x-b3-traceid", traceHex, "x-b3-spanid", ownHex, "x-b3-sampled", tt.sampled,
				"b3", traceHex+"-"+ownHex+"-"+tt.sampled,
				"uber-trace-id", traceHex+":"+ownHex+":0:0"+tt.sampled,
				"ot-tracer-traceid", shortHex, "ot-tracer-spanid", ownHex, "ot-tracer-sampled", tt.sampled,
				"x-request-id", map[string]string{"0": traceUUID, "1": sampledUUID}[tt.sampled],
			), got)
			for format, flags := range map[string]trace.TraceFlags{
				"w3c": tt.flags & 0x03, "b3": tt.flags & 0x01, "jaeger": tt.flags & 0x01, "ot": tt.flags & 0x01,
			} {
				r := extract(newPropagator(t, propagation.Config{Extract: []string{format}}), got)
				assert.Equal(t, flags, r.SpanContext.TraceFlags(), format)
				assert.Equal(t, tt.decision, r.Decision, format)
				assert.False(t, r.Debug, format)
			}
		})
	}
}
