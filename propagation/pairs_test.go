// SPDX-License-Identifier: Apache-2.0

package propagation_test

import (
	"context"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/baggage"
	otelprop "go.opentelemetry.io/otel/propagation"

	"github.com/spandrel-go/spandrel/propagation"
)

// inFormat lists the headers of a sampled span in each format that is read. Its trace ids have 64 bits, which
// fit into all of them.
func inFormat(traceID, spanID, traceDecimal, spanDecimal string) map[string][]string {
	const zeros = "0000000000000000"
	return map[string][]string{
		"w3c":     {"traceparent", "00-" + zeros + traceID + "-" + spanID + "-01"},
		"b3":      {"x-b3-traceid", traceID, "x-b3-spanid", spanID, "x-b3-sampled", "1"},
		"jaeger":  {"uber-trace-id", traceID + ":" + spanID + ":0:1"},
		"ot":      {"ot-tracer-traceid", traceID, "ot-tracer-spanid", spanID, "ot-tracer-sampled", "1"},
		"datadog": {"x-datadog-trace-id", traceDecimal, "x-datadog-parent-id", spanDecimal, "x-datadog-sampling-priority", "1"},
		"aws":     {"x-amzn-trace-id", "Root=1-00000000-00000000" + traceID + ";Parent=" + spanID + ";Sampled=1"},
		"gcp":     {"x-cloud-trace-context", zeros + traceID + "/" + spanDecimal + ";o=1"},
		"instana": {"x-instana-t", traceID, "x-instana-s", spanID, "x-instana-l", "1"},
	}
}

// Whichever two formats disagree, the first by the order is joined and the other linked; where they agree there is
// nothing to link, and the width is that of the one that has a word for it.
func TestEveryPairOfFormats(t *testing.T) {
	t.Parallel()
	ones, twos := inFormat("00000000000000a1", "00000000000000b1", "161", "177"), inFormat("00000000000000a2", "00000000000000b2", "162", "178")
	noWidth := map[string]bool{"w3c": true, "aws": true, "gcp": true, "datadog": true}
	for _, first := range everyFormat {
		for _, second := range everyFormat {
			if first == second {
				continue
			}
			what := first + ", " + second
			p := newPropagator(t, propagation.Config{Extract: []string{first, second}})
			r := extract(p, headers(append(ones[first], twos[second]...)...))
			assert.Equal(t, first, r.Format, what)
			assert.Equal(t, "00000000000000b1", r.SpanContext.SpanID().String(), what)
			require.Len(t, r.Extras().Links, 1, what)
			assert.Equal(t, second, r.Extras().Links[0].Format, what)
			assert.Equal(t, "00000000000000a2", r.Extras().Links[0].SpanContext.TraceID().String()[16:], what)
			assert.Equal(t, []propagation.Conflict{{Joined: first, Linked: second, Count: 1}}, p.Stats().Conflicts, what)

			r = extract(p, headers(append(ones[first], ones[second]...)...))
			assert.Equal(t, "00000000000000b1", r.SpanContext.SpanID().String(), what)
			assert.Empty(t, r.Extras().Links, what)
			want := 128
			if !noWidth[first] || !noWidth[second] || first == "datadog" {
				want = 64
			}
			assert.Equal(t, want, r.TraceIDBits, what)

			// A third format that has no word for the width does not change it.
			for _, third := range []string{"aws", "gcp"} {
				if first == third || second == third {
					continue
				}
				p = newPropagator(t, propagation.Config{Extract: []string{first, second, third}})
				r = extract(p, headers(append(append(ones[first], ones[second]...), ones[third]...)...))
				assert.Equal(t, want, r.TraceIDBits, what+", "+third)
			}
		}
	}
}

// Three formats, three traces: both encodings of B3 are linked, also where another format comes first.
func TestBothEncodingsOfB3BesideAnotherFormat(t *testing.T) {
	t.Parallel()
	p := newPropagator(t, propagation.Config{Extract: []string{"jaeger", "b3"}})
	r := extract(p, headers("uber-trace-id", "1:1:0:1", "b3", kongTrace+"-"+kongSpan+"-1",
		"x-b3-traceid", clientTrace, "x-b3-spanid", clientSpan, "x-b3-sampled", "1"))
	assert.Equal(t, "jaeger", r.Format)
	var linked []string
	for _, l := range r.Extras().Links {
		linked = append(linked, l.Format+" "+l.SpanContext.TraceID().String())
	}
	assert.Equal(t, []string{"b3-single " + kongTrace, "b3 " + clientTrace}, linked)
}

// partOf returns a string that is the beginning of a long one, as a server's may be that reads each request into one
// buffer. Some of those use the buffer again.
func partOf(value string) string {
	return (value + strings.Repeat("x", bufferBytes))[:len(value)]
}

const bufferBytes = 1 << 20

func heapBytes() uint64 {
	runtime.GC()
	runtime.GC() // what pools hold goes in the second
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// Nothing that is kept of a request is a part of what the carrier handed out, unless that is a map of Go's own servers.
// Not parallel: it looks at the whole heap.
func TestWhatIsKeptIsNotTheCarriers(t *testing.T) {
	const requests = 4
	all := newPropagator(t, propagation.Config{Extract: everyFormat, Inject: []string{"preserve"}})
	bag, err := propagation.NewBaggage("w3c", "jaeger", "ot")
	require.NoError(t, err)
	for _, request := range [][]string{
		{"traceparent", "00-" + traceHex + "-" + spanHex + "-01"},
		{"b3", traceHex + "-" + spanHex + "-1"},
		{"x-amzn-trace-id", awsRoot + ";Parent=" + spanHex + ";Sampled=1"},
		{"x-request-id", traceUUID},
		{"x-client-trace-id", "client"},
		{"x-envoy-force-trace", "1"},
		{"x-kong-request-id", "kong"},
		{"traceparent", "00-" + traceHex + "-" + spanHex + "-01", "tracestate", "a=b,a@=c,dd=s:2;o:rum;t.dm:-4"},
		{"x-amzn-trace-id", awsRoot + ";Parent=" + spanHex + ";Sampled=1;Lineage=a:0"},
		{"x-datadog-trace-id", "1", "x-datadog-parent-id", "2", "x-datadog-origin", "rum"},
		{"x-datadog-trace-id", "1", "x-datadog-parent-id", "2", "x-datadog-tags", "_dd.p.dm=-4,_dd.p.a=b"},
		{"baggage", "a=1,b=2"},
		{"jaeger-baggage", "c=3"},
		{"uberctx-d", "4"},
		{"ot-baggage-e", "5"},
	} {
		before := heapBytes()
		kept := make([]context.Context, requests)
		for i := range kept {
			c := otelprop.MapCarrier{}
			for i := 0; i < len(request); i += 2 {
				c[partOf(request[i])] = partOf(request[i+1])
			}
			kept[i] = bag.Extract(all.Extract(context.Background(), c), c)
		}
		assert.Less(t, heapBytes(), before+requests*bufferBytes/2, "%v", request)
		want, _ := propagation.RemoteFromContext(all.Extract(context.Background(), headers(request...)))
		for _, ctx := range kept {
			got, _ := propagation.RemoteFromContext(ctx)
			assert.Equal(t, want, got)
			assert.Equal(t, membersOf(bag.Extract(context.Background(), headers(request...))), membersOf(ctx))
		}
	}
}

func membersOf(ctx context.Context) map[string]string {
	m := map[string]string{}
	for _, member := range baggage.FromContext(ctx).Members() {
		m[member.Key()] = member.String()
	}
	return m
}

// The rest of a header that is too long goes when the request does, however small a part of it is kept. Not parallel:
// it looks at the whole heap.
func TestBaggageDoesNotKeepWhatIsBeyondItsLimit(t *testing.T) {
	const requests = 4
	bag, err := propagation.NewBaggage()
	require.NoError(t, err)
	before := heapBytes()
	kept := make([]context.Context, requests)
	for i := range kept {
		kept[i] = bag.Extract(context.Background(), headers("baggage", "a=1,"+strings.Repeat("x", bufferBytes)))
	}
	assert.Less(t, heapBytes(), before+requests*bufferBytes/2)
	for _, ctx := range kept {
		assert.Equal(t, map[string]string{"a": "a=1"}, membersOf(ctx))
	}
	assert.EqualValues(t, requests, bag.Stats().OverLimit)
}
