// SPDX-License-Identifier: Apache-2.0

package propagation_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/baggage"
	otelprop "go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/propagation"
)

// fromVariable makes a propagator with OTEL_PROPAGATORS set, and returns the warnings, a line each.
func fromVariable(tb testing.TB, value string) (otelprop.TextMapPropagator, []string) {
	tb.Helper()
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	}))
	lookup := func(name string) string {
		assert.Equal(tb, "OTEL_PROPAGATORS", name)
		return value
	}
	p, err := propagation.FromLookup(lookup, []propagation.Option{propagation.WithLogger(logger)})
	require.NoError(tb, err)
	return p, strings.FieldsFunc(log.String(), func(r rune) bool { return r == '\n' })
}

const unknownValue = `level=WARN msg="spandrel: OTEL_PROPAGATORS has an unknown value, which is ignored" value=`

func TestFromEnvironment(t *testing.T) {
	t.Parallel()
	w3c := []string{"traceparent", "tracestate"}
	b3 := []string{"x-b3-traceid", "x-b3-spanid", "x-b3-parentspanid", "x-b3-sampled", "x-b3-flags"}
	ot := []string{"ot-tracer-traceid", "ot-tracer-spanid", "ot-tracer-sampled"}
	id, bag := []string{"x-request-id", "x-client-trace-id", "x-envoy-force-trace", "x-kong-request-id"}, []string{"baggage"}
	tests := []struct {
		name, value string
		fields      [][]string
		warnings    []string
	}{
		{"unset", "", [][]string{w3c, id, bag}, nil},
		{"blank", " , ", [][]string{w3c, id, bag}, nil},
		{"tracecontext", "tracecontext", [][]string{w3c, id}, nil},
		{"baggage", "baggage", [][]string{id, bag}, nil},
		{"b3", "b3", [][]string{{"b3"}, id}, nil},
		{"b3multi", "b3multi", [][]string{b3, id}, nil},
		{"both of b3", "b3multi,b3", [][]string{b3, {"b3"}, id}, nil},
		{"jaeger", "jaeger", [][]string{{"uber-trace-id"}, id}, nil},
		{"ottrace", "ottrace", [][]string{ot, id}, nil},
		{"xray", "xray", [][]string{{"x-amzn-trace-id"}, id}, nil},
		{"none", "none", nil, nil},
		{"several", "baggage,b3,tracecontext", [][]string{w3c, {"b3"}, id, bag}, nil},
		{"twice", "b3,baggage,b3,baggage", [][]string{{"b3"}, id, bag}, nil},
		{"upper case and space", " TraceContext ,\tBAGGAGE", [][]string{w3c, id, bag}, nil},
		{"unknown beside known", "zipkin,b3", [][]string{{"b3"}, id}, []string{unknownValue + "zipkin"}},
		{"nothing known", "sentry,a b", [][]string{w3c, id, bag}, []string{unknownValue + "sentry", unknownValue + `"a b"`}},
		{
			"none beside others", "b3,none", nil,
			[]string{`level=WARN msg="spandrel: OTEL_PROPAGATORS has values beside none, which are ignored"`},
		},
		{"none beside what is unknown", "none,x", nil, []string{unknownValue + "x"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p, warnings := fromVariable(t, tt.value)
			assert.ElementsMatch(t, tt.warnings, warnings)
			var want []string
			for _, f := range tt.fields {
				want = append(want, f...)
			}
			assert.ElementsMatch(t, want, p.Fields())
		})
	}
}

// As in OpenTelemetry's composite propagator, where each overwrites what the one before it found.
func TestFromEnvironmentTheLastFormatWins(t *testing.T) {
	t.Parallel()
	const other = "463ac35c9f6413ad48485a3953bb6124"
	carrier := headers("traceparent", "00-"+traceHex+"-"+spanHex+"-01", "b3", other+"-"+spanHex+"-1",
		"uber-trace-id", shortHex+":"+spanHex+":0:1")
	for value, want := range map[string]string{
		"tracecontext,b3":         other,
		"b3,tracecontext":         traceHex,
		"b3,tracecontext,b3multi": other,
		"b3multi,jaeger":          "0000000000000000" + shortHex,
		"tracecontext,ottrace":    traceHex,
	} {
		p, warnings := fromVariable(t, value)
		assert.Empty(t, warnings)
		got := trace.SpanContextFromContext(p.Extract(context.Background(), carrier))
		assert.Equal(t, want, got.TraceID().String(), value)
	}
}

// As in OpenTelemetry's library: ottrace has baggage of its own, and of what arrived in two headers the
// last on the list wins.
func TestFromEnvironmentBaggage(t *testing.T) {
	t.Parallel()
	carrier := headers("baggage", "k=w3c", "ot-baggage-k", "ot", "uberctx-k", "jaeger")
	for value, want := range map[string]map[string]string{
		"baggage":              {"k": "w3c"},
		"ottrace":              {"k": "ot"},
		"ottrace,baggage":      {"k": "w3c"},
		"baggage,ottrace":      {"k": "ot"},
		"jaeger":               {},
		"jaeger,baggage,x,b3,": {"k": "w3c"},
	} {
		p, _ := fromVariable(t, value)
		assert.Equal(t, want, items(p.Extract(context.Background(), carrier)), value)
	}
}

func TestFromEnvironmentNoneCarriesNothing(t *testing.T) {
	t.Parallel()
	p, _ := fromVariable(t, "none")
	ctx := context.Background()
	assert.Equal(t, ctx, p.Extract(ctx, headers("traceparent", "00-"+traceHex+"-"+spanHex+"-01", "x-request-id", "id")))
	carrier := headers()
	p.Inject(startSpan(t, ctx, true), carrier)
	assert.Empty(t, carrier)
}

func TestFromEnvironmentRefuses(t *testing.T) {
	t.Parallel()
	for want, opt := range map[string]propagation.Option{
		"propagation: WithLogger: logger is nil": propagation.WithLogger(nil),
		"propagation: opts[0] is nil":            nil,
	} {
		p, err := propagation.FromEnvironment(opt)
		assert.Nil(t, p)
		require.EqualError(t, err, want)
		_, err = propagation.New(propagation.Config{}, opt)
		require.EqualError(t, err, want)
	}
}

// Not parallel: it sets a variable.
func TestFromEnvironmentReadsTheEnvironment(t *testing.T) {
	t.Setenv("OTEL_PROPAGATORS", "baggage,b3multi")
	p, err := propagation.FromEnvironment()
	require.NoError(t, err)
	t.Setenv("OTEL_PROPAGATORS", "none")
	member, err := baggage.NewMember("tenant", "blue")
	require.NoError(t, err)
	bag, err := baggage.New(member)
	require.NoError(t, err)
	carrier := headers()
	p.Inject(baggage.ContextWithBaggage(startSpan(t, context.Background(), true), bag), carrier)
	assert.Equal(t, headers("x-b3-traceid", traceHex, "x-b3-spanid", ownHex, "x-b3-sampled", "1",
		"x-request-id", sampledUUID, "baggage", "tenant=blue"), carrier, "read once")
}

func ExampleFromEnvironment() {
	// OTEL_PROPAGATORS is not set here.
	p, err := propagation.FromEnvironment()
	if err != nil {
		fmt.Println(err)
		return
	}
	carrier := otelprop.MapCarrier{
		"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
		"baggage":     "tenant=blue",
	}
	ctx := p.Extract(context.Background(), carrier)
	fmt.Println(trace.SpanContextFromContext(ctx).TraceID(), baggage.FromContext(ctx))
	// Output: 0af7651916cd43dd8448eb211c80319c tenant=blue
}
