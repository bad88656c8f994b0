// SPDX-License-Identifier: Apache-2.0

package headers_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/contrib/propagators/autoprop"
	"go.opentelemetry.io/contrib/propagators/envcar"
	"go.opentelemetry.io/otel/baggage"
	otelpropagation "go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/propagation"
)

// TestPropagatorsVariableAsAutoprop sets OTEL_PROPAGATORS for both libraries: they read the same of each
// other's headers. Not parallel: it sets a variable.
func TestPropagatorsVariableAsAutoprop(t *testing.T) {
	for _, value := range []string{
		"", "tracecontext", "baggage", "tracecontext,baggage", "b3", "b3multi", "b3,b3multi", "jaeger", "ottrace", "xray", "none",
		"tracecontext,xray", "tracecontext,b3,b3multi,jaeger,baggage", "jaeger,tracecontext", "tracecontext,jaeger", "ottrace,baggage", "baggage,ottrace", "none,b3", "tracecontext,unheard-of",
	} {
		t.Run(value, func(t *testing.T) {
			t.Setenv("OTEL_PROPAGATORS", value)
			ours, err := propagation.FromEnvironment()
			require.NoError(t, err)
			theirs := autoprop.NewTextMapPropagator()

			member, err := baggage.NewMemberRaw("tenant", "a b")
			require.NoError(t, err)
			bag, err := baggage.New(member)
			require.NoError(t, err)
			ctx := baggage.ContextWithBaggage(active(newSource(1).spanContext(t, false)), bag)

			ourHeaders, theirHeaders := inject(ctx, ours), inject(ctx, theirs)
			if _, ok := theirHeaders["Ot-Baggage-Tenant"]; ok {
				// Theirs is written as it is, which their own reader refuses.
				theirHeaders.Set("ot-baggage-tenant", "a%20b")
			}
			for name := range theirHeaders {
				assert.Contains(t, ourHeaders, name)
			}
			assert.Len(t, ourHeaders, len(theirHeaders))
			for _, headers := range []map[string][]string{ourHeaders, theirHeaders, disagreeing} {
				got, want := extract(headers, ours), extract(headers, theirs)
				assert.Equal(t, trace.SpanContextFromContext(want), trace.SpanContextFromContext(got), "%v", headers)
				assert.Equal(t, baggage.FromContext(want).String(), baggage.FromContext(got).String(), "%v", headers)
			}
		})
	}
}

// disagreeing is a request whose formats tell of different traces.
var disagreeing = header(h{
	"traceparent":       "00-11111111111111111111111111111111-1111111111111111-01",
	"b3":                "22222222222222222222222222222222-2222222222222222-1",
	"uber-trace-id":     "33333333333333333333333333333333:3333333333333333:0:1",
	"ot-tracer-traceid": "4444444444444444",
	"ot-tracer-spanid":  "4444444444444444",
	"ot-tracer-sampled": "true",
	"baggage":           "tenant=blue",
})

// TestEnvCarrierAsEnvcar gives both libraries' carriers random keys.
func TestEnvCarrierAsEnvcar(t *testing.T) {
	t.Parallel()
	const alphabet = "aZ09_-. =\x00é\xff"
	for seed := range uint64(rounds) {
		r := newSource(seed)
		var key strings.Builder
		for range r.IntN(6) {
			key.WriteByte(alphabet[r.IntN(len(alphabet))])
		}
		var theirs []string
		their := envcar.Carrier{SetEnvFunc: func(name, value string) { theirs = append(theirs, name+"="+value) }}
		their.Set(key.String(), "value")
		var ours propagation.EnvCarrier
		ours.Set(key.String(), "value")
		require.Equal(t, theirs, ours.Environ(), "%q", key.String())
	}
}

// TestEnvCarrierToEnvcar hands a trace over as to a child process. Not parallel: it sets variables.
func TestEnvCarrierToEnvcar(t *testing.T) {
	ours := newPropagator(t, "w3c")
	sc := newSource(1).spanContext(t, true)
	var carrier propagation.EnvCarrier
	ours.Inject(active(sc), &carrier)
	for _, entry := range carrier.Environ() {
		name, value, _ := strings.Cut(entry, "=")
		t.Setenv(name, value)
	}
	ctx := otelpropagation.TraceContext{}.Extract(context.Background(), &envcar.Carrier{})
	assert.Equal(t, sc.WithRemote(true), trace.SpanContextFromContext(ctx))
}
