// SPDX-License-Identifier: Apache-2.0

package envoy_test

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/spandrel-go/spandrel/internal/interop/envoy"
	"github.com/spandrel-go/spandrel/propagation"
)

var (
	b3       = propagation.Config{Extract: []string{"b3", "w3c"}, Inject: []string{"b3"}}
	datadog  = propagation.Config{Extract: []string{"datadog", "w3c"}, Inject: []string{"datadog"}}
	w3c      = propagation.Config{Extract: []string{"w3c"}, Inject: []string{"w3c"}}
	b3Single = propagation.Config{Extract: []string{"b3"}, Inject: []string{"b3-single"}}
)

func setups() []setup {
	return []setup{
		{name: "zipkin", tracer: envoy.Zipkin, client: b3, service: b3, read: readB3, shared: true, zipkin: true},
		{name: "zipkin, spans not shared", tracer: envoy.ZipkinUnshared, client: b3, service: b3, read: readB3, zipkin: true},
		{name: "zipkin, b3 header", tracer: envoy.ZipkinUnshared, client: b3Single, service: b3Single, read: readB3, zipkin: true},
		{name: "zipkin, W3C as well", tracer: envoy.ZipkinW3C, read: readW3C, zipkin: true},
		{name: "zipkin, zero config", tracer: envoy.ZipkinUnshared, read: readB3, zipkin: true},
		{name: "opentelemetry", tracer: envoy.OpenTelemetry, read: readW3C},
		{name: "datadog", tracer: envoy.Datadog, client: datadog, service: datadog, read: readDatadog, dropped: true},
		{name: "datadog, W3C alone", tracer: envoy.Datadog, client: w3c, service: w3c, read: readW3C, dropped: true},
	}
}

// TestChain sends requests through a real Envoy, a service of ours, the same Envoy and another service of ours:
// the spans of all of them are one chain, the decision of the first Envoy or of the client before it holds at
// every hop, whatever rate the second one has, and x-request-id stays.
func TestChain(t *testing.T) {
	t.Parallel()
	for _, s := range setups() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			c := newChain(t, s)
			var calls []call
			for _, from := range []caller{denies, accepts, plain} {
				for _, inbound := range []int{0, 100} {
					for _, outbound := range []int{100, 0} {
						calls = append(calls, c.run(t, from, inbound, outbound, nil))
					}
				}
			}
			c.flush(t)
			for _, k := range calls {
				t.Run(fmt.Sprintf("%s, %d %%, %d %%", k.caller, k.inbound, k.outbound), func(t *testing.T) { c.check(t, k) })
			}
			// By now the spans of the last call have come, and would have come after those of any other.
			for _, k := range calls {
				if !c.sampled(k) && !c.dropped {
					c.requireNoneReported(t, c.read(t, k.serviceIn).traceID)
				}
			}
		})
	}
}

// TestChainKeeps shows what a client sends that has to be at the end of the chain, too.
func TestChainKeeps(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		setup   string // of setups
		percent int
		in, out headers // out: regular expressions of the whole values, at the leaf
	}{
		{
			"a trace id of 64 bits", "zipkin", 100,
			headers{"x-b3-traceid": traceID[16:], "x-b3-spanid": spanID, "x-b3-sampled": "1"},
			headers{"x-b3-traceid": traceID[16:], "x-b3-sampled": "1"},
		},
		{
			"a trace state", "opentelemetry", 100,
			headers{"traceparent": "00-" + traceID + "-" + spanID + "-01", "tracestate": "foo=1,bar@=2"},
			headers{"traceparent": "00-" + traceID + another + "01", "tracestate": "foo=1,bar@=2"},
		},
		{
			"a user's priority, the origin, tags", "datadog", 0,
			headers{
				"x-datadog-trace-id": "1234", "x-datadog-parent-id": "77", "x-datadog-sampling-priority": "2",
				"x-datadog-origin": "rum", "x-datadog-tags": "_dd.p.tid=6b01261000000000,_dd.p.dm=-4",
			},
			headers{
				"x-datadog-trace-id": "1234", "x-datadog-sampling-priority": "2", "x-datadog-origin": "rum",
				"x-datadog-tags": ".*_dd.p.tid=6b01261000000000.*", "traceparent": "00-6b0126100000000000000000000004d2" + another + "01",
			},
		},
		{
			"what a user rejects", "datadog", 100,
			headers{"x-datadog-trace-id": "1234", "x-datadog-parent-id": "77", "x-datadog-sampling-priority": "-1"},
			headers{"x-datadog-trace-id": "1234", "x-datadog-sampling-priority": "-1"},
		},
		{
			"the mechanism of a decision", "datadog", 100, nil,
			headers{"x-datadog-sampling-priority": "1", "x-datadog-tags": ".*_dd.p.dm=-0.*"},
		},
		{
			"the reason of a forced trace", "zipkin", 0,
			headers{"x-client-trace-id": "c1"},
			headers{"x-b3-sampled": "1", "x-request-id": ".{14}b.*"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			all := setups()
			i := slices.IndexFunc(all, func(s setup) bool { return s.name == test.setup })
			c := newChain(t, all[i])
			leafIn := c.run(t, plain, test.percent, test.percent, test.in).leafIn
			for name, want := range test.out {
				assert.Regexp(t, "^(?:"+want+")$", leafIn.Get(name), name)
			}
		})
	}
}

// readB3 reads either form of B3. There must be one of them only.
func readB3(t testing.TB, h http.Header) ids {
	t.Helper()
	if single := h.Get("b3"); single != "" {
		require.Empty(t, h.Values("x-b3-traceid"))
		parts := append(strings.Split(single, "-"), "")
		require.GreaterOrEqual(t, len(parts), 4, h)
		return ids{traceID: parts[0], spanID: parts[1], sampled: flag(t, parts[2]), parentID: parts[3]}
	}
	return ids{
		traceID: h.Get("x-b3-traceid"), spanID: h.Get("x-b3-spanid"), parentID: h.Get("x-b3-parentspanid"),
		sampled: flag(t, h.Get("x-b3-sampled")),
	}
}

func readW3C(t testing.TB, h http.Header) ids {
	t.Helper()
	parts := strings.Split(h.Get("traceparent"), "-")
	require.Len(t, parts, 4, h)
	flags, err := strconv.ParseUint(parts[3], 16, 8)
	require.NoError(t, err)
	return ids{traceID: parts[1], spanID: parts[2], sampled: flags&1 != 0}
}

// readDatadog reads Datadog's headers. A traceparent beside them, which Envoy writes, must say the same.
func readDatadog(t testing.TB, h http.Header) ids {
	t.Helper()
	_, high, _ := strings.Cut(h.Get("x-datadog-tags"), "_dd.p.tid=")
	high, _, _ = strings.Cut(high, ",")
	require.Len(t, high, 16, h)
	priority, err := strconv.Atoi(h.Get("x-datadog-sampling-priority"))
	require.NoError(t, err)
	got := ids{
		traceID: high + decimal(t, h.Get("x-datadog-trace-id")), spanID: decimal(t, h.Get("x-datadog-parent-id")),
		sampled: priority > 0,
	}
	if h.Get("traceparent") != "" {
		require.Equal(t, readW3C(t, h), got)
	}
	return got
}

// decimal returns a number's hexadecimal digits.
func decimal(t testing.TB, s string) string {
	t.Helper()
	n, err := strconv.ParseUint(s, 10, 64)
	require.NoError(t, err)
	return fmt.Sprintf("%016x", n)
}

func flag(t testing.TB, s string) bool {
	t.Helper()
	assert.Contains(t, []string{"0", "1"}, s)
	return s == "1"
}
