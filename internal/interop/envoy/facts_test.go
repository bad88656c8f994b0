// SPDX-License-Identifier: Apache-2.0

package envoy_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/spandrel-go/spandrel/internal/interop/envoy"
	"github.com/spandrel-go/spandrel/propagation"
)

// probe is an Envoy with nothing of ours around it: what comes out of it is what it makes of what goes in.
type probe struct {
	*envoy.Sidecar
	client *http.Client

	mu   sync.Mutex  // guards seen
	seen http.Header // of the last request that came out
}

func newProbe(t testing.TB, tracer envoy.Tracer) *probe {
	t.Helper()
	p := &probe{client: &http.Client{Transport: noting(t, func(http.Header) {})}}
	behind := serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.seen = r.Header.Clone()
	}))
	p.Sidecar = envoy.Start(t, envoy.Config{Tracer: tracer, Collector: serve(t, &envoy.Receiver{}), App: behind, Next: behind})
	return p
}

// send sends a request to a listener and returns the headers that come out behind it.
func (p *probe) send(t testing.TB, listener string, headers map[string]string) http.Header {
	t.Helper()
	req, err := http.NewRequestWithContext(soon(t), http.MethodGet, listener, http.NoBody)
	require.NoError(t, err)
	for name, value := range headers {
		req.Header.Set(name, value)
	}
	resp, err := p.client.Do(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusOK, resp.StatusCode)
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seen
}

const (
	traceID = "463ac35c9f6413ad48485a3953bb6124"
	spanID  = "0020000000000001"
	absent  = ""
	present = ".+"
	another = "-[0-9a-f]{16}-" // span id
)

type headers = map[string]string

// fact is what a listener of Envoy's makes of the headers of a request.
type fact struct {
	name    string
	percent int // of random sampling
	in      headers
	out     headers // regular expressions of the whole values
}

// TestFacts holds what docs/envoy.md says of Envoy.
func TestFacts(t *testing.T) {
	t.Parallel()
	for _, group := range []struct {
		name   string
		tracer envoy.Tracer
		facts  []fact
	}{
		{"zipkin", envoy.ZipkinUnshared, zipkinFacts()},
		{"opentelemetry", envoy.OpenTelemetry, openTelemetryFacts()},
		{"opentelemetry, parent based", envoy.OpenTelemetryParent, []fact{
			{
				"its own rate drops what the caller sampled", 0,
				headers{"traceparent": "00-" + traceID + "-" + spanID + "-01"},
				headers{"traceparent": "00-" + traceID + another + "00"},
			},
			{
				"what the caller sampled stays so", 100,
				headers{"traceparent": "00-" + traceID + "-" + spanID + "-01"},
				headers{"traceparent": "00-" + traceID + another + "01"},
			},
		}},
		{"datadog", envoy.Datadog, datadogFacts()},
	} {
		t.Run(group.name, func(t *testing.T) {
			t.Parallel()
			p := newProbe(t, group.tracer)
			for _, fact := range group.facts {
				t.Run(fact.name, func(t *testing.T) {
					got := p.send(t, p.Inbound(fact.percent), fact.in)
					for name, want := range fact.out {
						assert.Regexp(t, "^(?:"+want+")$", got.Get(name), name)
					}
				})
			}
		})
	}
}

func zipkinFacts() []fact {
	return []fact{
		{
			"without B3 it writes several headers", 100, nil,
			headers{"x-b3-traceid": present, "x-b3-spanid": present, "x-b3-parentspanid": absent, "x-b3-sampled": "1", "b3": absent},
		},
		{
			"one header stays one", 100,
			headers{"b3": traceID + "-" + spanID + "-0"},
			headers{"b3": present, "x-b3-traceid": absent, "x-b3-sampled": absent},
		},
		{
			"the caller decides", 0,
			headers{"x-b3-traceid": traceID, "x-b3-spanid": spanID, "x-b3-sampled": "1"},
			headers{"x-b3-traceid": traceID, "x-b3-spanid": present, "x-b3-parentspanid": spanID, "x-b3-sampled": "1"},
		},
		{
			"it decides what the caller left open", 0,
			headers{"x-b3-traceid": traceID, "x-b3-spanid": spanID},
			headers{"x-b3-traceid": traceID, "x-b3-sampled": "0"},
		},
		{
			"a trace id of 64 bits stays one", 100,
			headers{"x-b3-traceid": traceID[16:], "x-b3-spanid": spanID},
			headers{"x-b3-traceid": traceID[16:], "x-b3-sampled": "1"},
		},
		{
			"debug passes, and is not read", 0,
			headers{"x-b3-traceid": traceID, "x-b3-spanid": spanID, "x-b3-flags": "1"},
			headers{"x-b3-traceid": traceID, "x-b3-sampled": "0", "x-b3-flags": "1"},
		},
		{
			"the d of the b3 header is not sampled", 100,
			headers{"x-b3-sampled": "d"},
			headers{"x-b3-sampled": "0"},
		},
		{
			"a bad id passes, and there is no span", 100,
			headers{"x-b3-traceid": "nohex", "x-b3-spanid": spanID, "x-b3-sampled": "1"},
			headers{"x-b3-traceid": "nohex", "x-b3-spanid": spanID, "x-b3-sampled": "1"},
		},
		{
			"traceparent passes, and is not read", 100,
			headers{"traceparent": "00-" + traceID + "-" + spanID + "-00"},
			headers{"traceparent": "00-" + traceID + "-" + spanID + "-00", "x-b3-traceid": present, "x-b3-sampled": "1"},
		},
		{
			"the x-request-id of an Envoy that sampled is obeyed", 0,
			headers{"x-request-id": "19635dec-812c-985f-a491-ad845fcce1a5"},
			headers{"x-request-id": "19635dec-812c-985f-a491-ad845fcce1a5", "x-b3-sampled": "1"},
		},
		{
			"an x-request-id that is no UUID switches tracing off", 100,
			headers{"x-request-id": "abc"},
			headers{"x-request-id": "abc", "x-b3-sampled": "0"},
		},
		{
			"x-client-trace-id forces", 0,
			headers{"x-client-trace-id": "c1"},
			headers{"x-client-trace-id": "c1", "x-b3-sampled": "1"},
		},
		{
			"x-envoy-force-trace is for Envoys alone", 0,
			headers{"x-envoy-force-trace": "true"},
			headers{"x-envoy-force-trace": absent, "x-b3-sampled": "0"},
		},
	}
}

func openTelemetryFacts() []fact {
	return []fact{
		{
			"its own rate drops what the caller sampled", 0,
			headers{"traceparent": "00-" + traceID + "-" + spanID + "-01"},
			headers{"traceparent": "00-" + traceID + another + "00"},
		},
		{
			"but not with the x-request-id of an Envoy that sampled", 0,
			headers{"traceparent": "00-" + traceID + "-" + spanID + "-01", "x-request-id": "19635dec-812c-985f-a491-ad845fcce1a5"},
			headers{"traceparent": "00-" + traceID + another + "01"},
		},
		{
			"what the caller dropped stays so", 100,
			headers{"traceparent": "00-" + traceID + "-" + spanID + "-00"},
			headers{"traceparent": "00-" + traceID + another + "00"},
		},
		{
			"the random flag is lost, tracestate stays", 100,
			headers{"traceparent": "00-" + traceID + "-" + spanID + "-03", "tracestate": "foo=1,bar@=2"},
			headers{"traceparent": "00-" + traceID + another + "01", "tracestate": "foo=1,bar@=2"},
		},
		{
			"a version to come passes, and there is no span", 100,
			headers{"traceparent": "01-" + traceID + "-" + spanID + "-01-more"},
			headers{"traceparent": "01-" + traceID + "-" + spanID + "-01-more"},
		},
		{
			"a bad traceparent passes, and there is no span", 100,
			headers{"traceparent": "nonsense"},
			headers{"traceparent": "nonsense"},
		},
		{
			"B3 passes, and is not read", 100,
			headers{"b3": traceID + "-" + spanID + "-0"},
			headers{"b3": traceID + "-" + spanID + "-0", "traceparent": ".*-01"},
		},
	}
}

func datadogFacts() []fact {
	return []fact{
		{
			"it writes W3C as well", 100, nil,
			headers{"x-datadog-trace-id": present, "x-datadog-sampling-priority": "1", "traceparent": ".*-01", "tracestate": "dd=s:1.*"},
		},
		{
			"what it drops itself has priority -1", 0, nil,
			headers{"x-datadog-sampling-priority": "-1", "traceparent": ".*-00", "tracestate": "dd=s:-1.*"},
		},
		{
			"the caller decides", 0,
			headers{"x-datadog-trace-id": "1234", "x-datadog-parent-id": "77", "x-datadog-sampling-priority": "2", "x-datadog-origin": "rum"},
			headers{"x-datadog-trace-id": "1234", "x-datadog-sampling-priority": "2", "x-datadog-origin": "rum", "traceparent": ".*-01"},
		},
		{
			"it decides what the caller left open", 0,
			headers{"x-datadog-trace-id": "1234", "x-datadog-parent-id": "77"},
			headers{"x-datadog-trace-id": "1234", "x-datadog-sampling-priority": "-1"},
		},
		{
			"it reads W3C, a version to come too", 0,
			headers{"traceparent": "01-" + traceID + "-" + spanID + "-01-more", "tracestate": "a=1"},
			headers{"traceparent": "00-" + traceID + another + "01", "x-datadog-trace-id": "5208512171318403364", "tracestate": "dd=s:1.*,a=1"},
		},
		{
			"a bad id starts a new trace", 100,
			headers{"x-datadog-trace-id": "zzz", "x-datadog-parent-id": "77"},
			headers{"x-datadog-trace-id": "[0-9]+", "x-datadog-sampling-priority": "1"},
		},
	}
}

// TestRequestIDs compares what ParseRequestID says of an x-request-id with what Envoy does at a rate of 30 %.
func TestRequestIDs(t *testing.T) {
	t.Parallel()
	p := newProbe(t, envoy.ZipkinUnshared)
	const rate = 3000 // of 10,000
	ids := []string{
		"00000bb7-812c-485f-a491-ad845fcce1a5", // 2999
		"00000bb8-812c-485f-a491-ad845fcce1a5", // 3000
		"ffffffff-812c-485f-a491-ad845fcce1a5",
		"00000BB7-812C-485F-A491-AD845FCCE1A5",
		"0000xbb7-812c-485f-a491-ad845fcce1a5",
		"00000bb7-812c-485f-a491-ad845fcce1a",
		"00000bb7-812c-485f-a491-ad845fcce1a55",
		"00000bb7",
		"0000270f-812c-A85f-a491-ad845fcce1a5", // 9999
		"Req/1",
	}
	for _, reason := range "0123456789abcdef" {
		ids = append(ids, fmt.Sprintf("0000270f-812c-%c85f-a491-ad845fcce1a5", reason),
			fmt.Sprintf("00000000-812c-%c85f-a491-ad845fcce1a5", reason))
	}
	for n := range 50 {
		ids = append(ids, fmt.Sprintf("%08x-812c-485f-a491-ad845fcce1a5", n*82_595_524))
	}
	for _, id := range ids {
		parsed := propagation.ParseRequestID(id)
		want, traced := id, parsed.Reason().Traced()
		if !traced && parsed.Sampled(rate) {
			traced = true
			if len(id) == 36 { // others have no place for the answer
				want = id[:14] + "9" + id[15:]
			}
		}
		got := p.send(t, p.Inbound(30), headers{"x-request-id": id})
		assert.Equal(t, want, got.Get("x-request-id"))
		assert.Equal(t, map[bool]string{false: "0", true: "1"}[traced], got.Get("x-b3-sampled"), id)
	}
}
