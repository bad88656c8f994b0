// SPDX-License-Identifier: Apache-2.0

package headers_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/contrib/propagators/b3"
	otelpropagation "go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/propagation"
)

// pairs lists for each format our propagator and OpenTelemetry's.
var pairs = []struct {
	name   string
	ours   string
	theirs otelpropagation.TextMapPropagator
	state  bool // carries a trace state
}{
	{"w3c", "w3c", otelpropagation.TraceContext{}, true},
	{"b3 single", "b3-single", b3.New(b3.WithInjectEncoding(b3.B3SingleHeader)), false},
	{"b3 multi", "b3", b3.New(b3.WithInjectEncoding(b3.B3MultipleHeader)), false},
}

// TestOtelBothWays sends random span contexts from one library to the other and back.
func TestOtelBothWays(t *testing.T) {
	t.Parallel()
	for _, pair := range pairs {
		t.Run(pair.name, func(t *testing.T) {
			t.Parallel()
			ours := newPropagator(t, pair.ours)
			for seed := range uint64(rounds) {
				sc := newSource(seed).spanContext(t, pair.state)
				want := sc.WithRemote(true)

				theirHeaders := inject(active(sc), pair.theirs)
				ctx := extract(theirHeaders, ours)
				require.Equal(t, want, trace.SpanContextFromContext(ctx), "theirs to ours: %v", theirHeaders)
				remote, ok := propagation.RemoteFromContext(ctx)
				require.True(t, ok)
				require.Equal(t, want, remote.SpanContext)
				decision := propagation.Deny
				if sc.IsSampled() {
					decision = propagation.Accept
				}
				require.Equal(t, decision, remote.Decision)
				require.False(t, remote.Debug)

				ourHeaders := inject(active(sc), ours)
				require.Equal(t, want, trace.SpanContextFromContext(extract(ourHeaders, pair.theirs)), "ours to theirs: %v", ourHeaders)

				// What starts here is written alike, and so is what is only forwarded.
				require.Equal(t, theirHeaders, ourHeaders)
				require.Equal(t, theirHeaders, inject(ctx, ours), "forwarded")
			}
		})
	}
}

// TestOtelReadsAllOurFormats writes all formats at once: each of OpenTelemetry's propagators finds the
// same span context among them.
func TestOtelReadsAllOurFormats(t *testing.T) {
	t.Parallel()
	ours := newPropagator(t, "w3c", "b3")
	both, err := propagation.New(propagation.Config{Inject: []string{"w3c", "b3", "b3-single"}})
	require.NoError(t, err)
	all := otelpropagation.NewCompositeTextMapPropagator(otelpropagation.TraceContext{},
		b3.New(b3.WithInjectEncoding(b3.B3SingleHeader|b3.B3MultipleHeader)))
	for seed := range uint64(rounds) {
		sc := newSource(seed).spanContext(t, false)
		h := inject(active(sc), both)
		for _, pair := range pairs {
			require.Equal(t, sc.WithRemote(true), trace.SpanContextFromContext(extract(h, pair.theirs)), pair.name)
		}
		require.Equal(t, inject(active(sc), all), h)
		require.Equal(t, sc.WithRemote(true), trace.SpanContextFromContext(extract(h, ours)))
	}
}

// b3Headers are requests that say more than a span context holds. Both libraries must agree on what
// they say, and on what goes to the next service.
var b3Headers = []struct {
	name      string
	headers   map[string]string
	decision  propagation.Decision
	debug     bool
	valid     bool // there are ids
	forwarded map[string]string
	// differs says why the contrib propagator forwards another thing.
	differs string
}{
	{
		name: "single, accepted", headers: h{"b3": "463ac35c9f6413ad48485a3953bb6124-a2fb4a1d1a96d312-1"},
		decision: propagation.Accept, valid: true,
		forwarded: h{"b3": "463ac35c9f6413ad48485a3953bb6124-a2fb4a1d1a96d312-1"},
	},
	{
		name: "single, denied", headers: h{"b3": "463ac35c9f6413ad48485a3953bb6124-a2fb4a1d1a96d312-0"},
		decision: propagation.Deny, valid: true,
		forwarded: h{"b3": "463ac35c9f6413ad48485a3953bb6124-a2fb4a1d1a96d312-0"},
	},
	{
		name: "single, deferred", headers: h{"b3": "463ac35c9f6413ad48485a3953bb6124-a2fb4a1d1a96d312"},
		decision: propagation.Defer, valid: true,
		forwarded: h{"b3": "463ac35c9f6413ad48485a3953bb6124-a2fb4a1d1a96d312"},
	},
	{
		name: "single, debug", headers: h{"b3": "463ac35c9f6413ad48485a3953bb6124-a2fb4a1d1a96d312-d"},
		decision: propagation.Accept, debug: true, valid: true,
		forwarded: h{"b3": "463ac35c9f6413ad48485a3953bb6124-a2fb4a1d1a96d312-d"},
	},
	{
		name: "single, with parent", headers: h{"b3": "463ac35c9f6413ad48485a3953bb6124-a2fb4a1d1a96d312-1-0020000000000001"},
		decision: propagation.Accept, valid: true,
		forwarded: h{"b3": "463ac35c9f6413ad48485a3953bb6124-a2fb4a1d1a96d312-1-0020000000000001"},
		differs:   "contrib forgets the parent",
	},
	{
		name: "single, 64 bits", headers: h{"b3": "48485a3953bb6124-a2fb4a1d1a96d312-1"},
		decision: propagation.Accept, valid: true,
		forwarded: h{"b3": "48485a3953bb6124-a2fb4a1d1a96d312-1"},
		differs:   "contrib widens the trace id to 128 bits",
	},
	{
		name: "single, denied without ids", headers: h{"b3": "0"},
		decision: propagation.Deny, forwarded: h{"b3": "0"},
	},
	{
		name: "single, accepted without ids", headers: h{"b3": "1"},
		decision: propagation.Accept, forwarded: h{"b3": "1"},
		differs: "contrib turns accept into deny, for it has no span context to put it in",
	},
	{
		name: "single, debug without ids", headers: h{"b3": "d"},
		decision: propagation.Accept, debug: true, forwarded: h{"b3": "d"},
	},
	{
		name:     "multi, accepted",
		headers:  h{"X-B3-Traceid": "463ac35c9f6413ad48485a3953bb6124", "X-B3-Spanid": "a2fb4a1d1a96d312", "X-B3-Sampled": "1"},
		decision: propagation.Accept, valid: true,
		forwarded: h{"X-B3-Traceid": "463ac35c9f6413ad48485a3953bb6124", "X-B3-Spanid": "a2fb4a1d1a96d312", "X-B3-Sampled": "1"},
	},
	{
		name:     "multi, denied in words",
		headers:  h{"X-B3-Traceid": "463ac35c9f6413ad48485a3953bb6124", "X-B3-Spanid": "a2fb4a1d1a96d312", "X-B3-Sampled": "False"},
		decision: propagation.Deny, valid: true,
		forwarded: h{"X-B3-Traceid": "463ac35c9f6413ad48485a3953bb6124", "X-B3-Spanid": "a2fb4a1d1a96d312", "X-B3-Sampled": "0"},
	},
	{
		name:     "multi, deferred",
		headers:  h{"X-B3-Traceid": "463ac35c9f6413ad48485a3953bb6124", "X-B3-Spanid": "a2fb4a1d1a96d312"},
		decision: propagation.Defer, valid: true,
		forwarded: h{"X-B3-Traceid": "463ac35c9f6413ad48485a3953bb6124", "X-B3-Spanid": "a2fb4a1d1a96d312"},
	},
	{
		name:     "multi, debug",
		headers:  h{"X-B3-Traceid": "463ac35c9f6413ad48485a3953bb6124", "X-B3-Spanid": "a2fb4a1d1a96d312", "X-B3-Flags": "1"},
		decision: propagation.Accept, debug: true, valid: true,
		forwarded: h{"X-B3-Traceid": "463ac35c9f6413ad48485a3953bb6124", "X-B3-Spanid": "a2fb4a1d1a96d312", "X-B3-Flags": "1"},
	},
	{
		name: "multi, with parent",
		headers: h{
			"X-B3-Traceid": "463ac35c9f6413ad48485a3953bb6124", "X-B3-Spanid": "a2fb4a1d1a96d312",
			"X-B3-Parentspanid": "0020000000000001", "X-B3-Sampled": "1",
		},
		decision: propagation.Accept, valid: true,
		forwarded: h{
			"X-B3-Traceid": "463ac35c9f6413ad48485a3953bb6124", "X-B3-Spanid": "a2fb4a1d1a96d312",
			"X-B3-Parentspanid": "0020000000000001", "X-B3-Sampled": "1",
		},
		differs: "contrib forgets the parent",
	},
	{
		name: "multi, denied without ids", headers: h{"X-B3-Sampled": "0"},
		decision: propagation.Deny, forwarded: h{"X-B3-Sampled": "0"},
	},
}

type h = map[string]string

func header(m map[string]string) http.Header {
	headers := http.Header{}
	for name, value := range m {
		headers.Set(name, value)
	}
	return headers
}

// TestB3AgreesWithContrib compares how both libraries understand a request and what they forward where
// nobody makes a span.
func TestB3AgreesWithContrib(t *testing.T) {
	t.Parallel()
	for _, test := range b3Headers {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			format, encoding := "b3", b3.B3MultipleHeader
			if test.headers["b3"] != "" {
				format, encoding = "b3-single", b3.B3SingleHeader
			}
			ours, theirs := newPropagator(t, format), b3.New(b3.WithInjectEncoding(encoding))
			headers := header(test.headers)

			ctx := extract(headers, ours)
			remote, ok := propagation.RemoteFromContext(ctx)
			require.True(t, ok)
			assert.Equal(t, test.decision, remote.Decision)
			assert.Equal(t, test.debug, remote.Debug)
			assert.Equal(t, test.valid, remote.SpanContext.IsValid())
			assert.Equal(t, header(test.forwarded), inject(ctx, ours))

			theirCtx := extract(headers, theirs)
			assert.Equal(t, trace.SpanContextFromContext(theirCtx), trace.SpanContextFromContext(ctx))
			if theirForwarded := inject(theirCtx, theirs); test.differs == "" {
				assert.Equal(t, header(test.forwarded), theirForwarded)
			} else {
				assert.NotEqual(t, header(test.forwarded), theirForwarded, "no longer: %s", test.differs)
			}
		})
	}
}

// TestW3CRefusesAsOtel compares what both libraries do not read.
func TestW3CRefusesAsOtel(t *testing.T) {
	t.Parallel()
	ours, theirs := newPropagator(t, "w3c"), otelpropagation.TraceContext{}
	for _, test := range []struct{ name, traceparent string }{
		{"empty", ""},
		{"too short", "00-463ac35c9f6413ad48485a3953bb6124-a2fb4a1d1a96d312-0"},
		{"too long", "00-463ac35c9f6413ad48485a3953bb6124-a2fb4a1d1a96d312-01-x"},
		{"upper case", "00-463AC35C9F6413AD48485A3953BB6124-a2fb4a1d1a96d312-01"},
		{"zero trace id", "00-00000000000000000000000000000000-a2fb4a1d1a96d312-01"},
		{"zero span id", "00-463ac35c9f6413ad48485a3953bb6124-0000000000000000-01"},
		{"version ff", "ff-463ac35c9f6413ad48485a3953bb6124-a2fb4a1d1a96d312-01"},
		{"no digits", "00-463ac35c9f6413ad48485a3953bb612g-a2fb4a1d1a96d312-01"},
		{"b3", "463ac35c9f6413ad48485a3953bb6124-a2fb4a1d1a96d312-1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			headers := header(h{"traceparent": test.traceparent, "tracestate": "a=b"})
			assert.False(t, trace.SpanContextFromContext(extract(headers, theirs)).IsValid())
			assert.False(t, trace.SpanContextFromContext(extract(headers, ours)).IsValid())
		})
	}
	t.Run("a later version is read", func(t *testing.T) {
		t.Parallel()
		headers := header(h{"traceparent": "cc-463ac35c9f6413ad48485a3953bb6124-a2fb4a1d1a96d312-01-more"})
		want := trace.SpanContextFromContext(extract(headers, theirs))
		require.True(t, want.IsValid())
		assert.Equal(t, want, trace.SpanContextFromContext(extract(headers, ours)))
	})
}
