// SPDX-License-Identifier: Apache-2.0

package propagation_test

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	otelprop "go.opentelemetry.io/otel/propagation"

	"github.com/spandrel-go/spandrel/propagation"
)

// removingCarrier is a carrier that is no http.Header to a propagator, and can remove.
type removingCarrier struct{ otelprop.HeaderCarrier }

func (c removingCarrier) Delete(name string) { http.Header(c.HeaderCarrier).Del(name) }

// A header that is all that arrived may be sent on as it came, where it came in a map, and what is not in a
// map is not removed from it. Both come to the same as with any carrier, from which all is written anew.
func TestWhatIsSentOnAsItCameIsWhatIsWritten(t *testing.T) {
	t.Parallel()
	const state = "congo=t61,rojo=00f"
	upper := strings.ToUpper
	requests := map[string][]string{
		"traceparent":       {"traceparent", "00-" + traceHex + "-" + spanHex + "-01"},
		"other flags":       {"traceparent", "00-" + traceHex + "-" + spanHex + "-ff"},
		"random":            {"traceparent", "00-" + traceHex + "-" + spanHex + "-02"},
		"of the future":     {"traceparent", "01-" + traceHex + "-" + spanHex + "-01-x"},
		"with a state":      {"traceparent", "00-" + traceHex + "-" + spanHex + "-00", "tracestate", state},
		"with Datadog's":    {"traceparent", "00-" + traceHex + "-" + spanHex + "-00", "tracestate", "dd=s:1"},
		"upper case":        {"traceparent", "00-" + upper(traceHex) + "-" + spanHex + "-01"},
		"b3":                {"b3", traceHex + "-" + spanHex + "-1"},
		"b3 deny":           {"b3", traceHex + "-" + spanHex + "-0"},
		"b3 debug":          {"b3", traceHex + "-" + spanHex + "-d"},
		"b3 deferred":       {"b3", traceHex + "-" + spanHex},
		"b3 with a dash":    {"b3", traceHex + "-" + spanHex + "-"},
		"b3 upper case":     {"b3", upper(traceHex) + "-" + spanHex + "-1"},
		"b3 64 bits":        {"b3", shortHex + "-" + spanHex + "-1"},
		"b3 with a parent":  {"b3", traceHex + "-" + spanHex + "-1-" + parentHex},
		"b3 of zeros":       {"b3", strings.Repeat("0", 32) + "-" + spanHex + "-1"},
		"b3 alone":          {"b3", "0"},
		"both encodings":    {"b3", traceHex + "-" + spanHex + "-1", "x-b3-traceid", traceHex, "x-b3-spanid", parentHex, "x-b3-parentspanid", spanHex},
		"w3c and b3":        {"traceparent", "00-" + traceHex + "-" + spanHex + "-01", "b3", traceHex + "-" + spanHex + "-d"},
		"two traces":        {"traceparent", "00-" + traceHex + "-" + spanHex + "-01", "b3", shortHex + "-" + spanHex + "-d"},
		"b3 and jaeger":     {"b3", traceHex + "-" + spanHex + "-1", "uber-trace-id", traceHex + ":" + spanHex + ":" + parentHex + ":3"},
		"a random b3":       {"b3", traceHex + "-" + spanHex + "-1", "traceparent", "00-" + traceHex + "-" + spanHex + "-03"},
		"aws":               {"x-amzn-trace-id", awsRoot + ";Parent=" + spanHex + ";Sampled=1"},
		"aws deny":          {"x-amzn-trace-id", awsRoot + ";Parent=" + spanHex + ";Sampled=0"},
		"aws deferred":      {"x-amzn-trace-id", awsRoot + ";Parent=" + spanHex + ";Sampled=?"},
		"aws in disorder":   {"x-amzn-trace-id", "Parent=" + spanHex + ";" + awsRoot + ";Sampled=1"},
		"aws upper case":    {"x-amzn-trace-id", awsRoot + ";Parent=" + upper(spanHex) + ";Sampled=1"},
		"aws with a field":  {"x-amzn-trace-id", awsRoot + ";Parent=" + spanHex + ";Sampled=1;Lineage=a:0"},
		"aws with no digit": {"x-amzn-trace-id", awsRoot + ";Parent=" + spanHex[:15] + "g;Sampled=1"},
		"jaeger":            {"uber-trace-id", traceHex + ":" + spanHex + ":0:1"},
	}
	configs := []propagation.Config{
		{}, {Extract: everyFormat, Inject: []string{"preserve"}}, {Extract: []string{"b3", "w3c", "aws"}, Inject: []string{"preserve"}},
	}
	for _, format := range writtenFormats {
		configs = append(configs, propagation.Config{Extract: everyFormat, Inject: []string{format}},
			propagation.Config{Extract: everyFormat, Inject: []string{"preserve", format}, Clear: []string{"x-old"}})
	}
	old := http.Header{"X-Old": {"old"}, "Tracestate": {"old=1"}, "B3": {"0"}, "X-B3-Flags": {"1"}, "X-B3-Parentspanid": {parentHex}}
	for name, request := range requests {
		for _, more := range [][]string{nil, {"x-request-id", traceUUID}, {"x-envoy-force-trace", "1"}} {
			arriving := slices.Concat(request, more)
			for _, cfg := range configs {
				for _, opts := range [][]propagation.Option{nil, {propagation.WithForcedSamplingLimit(0)}} {
					p, err := propagation.New(cfg, opts...)
					require.NoError(t, err)
					fromMap := p.Extract(context.Background(), headers(arriving...))
					fromOther := p.Extract(context.Background(), mapCarrier(arriving))
					for _, own := range []bool{false, true} {
						if own {
							fromMap, fromOther = startSpan(t, fromMap, true), startSpan(t, fromOther, true)
						}
						for _, before := range []http.Header{{}, old, {"Tracestate": {"old=1"}}} {
							got, want := otelprop.HeaderCarrier(before.Clone()), otelprop.HeaderCarrier(before.Clone())
							p.Inject(fromMap, got)
							p.Inject(fromOther, removingCarrier{want})
							require.Equal(t, want, got, "%s: %v: %v", name, arriving, cfg)
							md := propagation.MetadataCarrier{}
							for name, values := range before {
								md[strings.ToLower(name)] = values
							}
							p.Inject(fromMap, md)
							require.Equal(t, lower(want), map[string][]string(md), "%s: %v: %v", name, arriving, cfg)
						}
					}
				}
			}
		}
	}
}

func lower(h otelprop.HeaderCarrier) map[string][]string {
	md := map[string][]string{}
	for name, values := range maps.All(h) {
		md[strings.ToLower(name)] = values
	}
	return md
}

// What is sent on as it came is the same string in a slice of its own: whoever changes the one header leaves
// the other alone.
func TestWhatIsSentOnIsASliceOfItsOwn(t *testing.T) {
	t.Parallel()
	p := newPropagator(t, propagation.Config{Inject: []string{"w3c"}})
	in := headers("traceparent", "00-"+traceHex+"-"+spanHex+"-01")
	ctx := p.Extract(context.Background(), in)
	first, second := inject(ctx, p), inject(ctx, p)
	first["Traceparent"][0] = "changed"
	want := []string{"00-" + traceHex + "-" + spanHex + "-01"}
	assert.Equal(t, want, in["Traceparent"])
	assert.Equal(t, want, second["Traceparent"])
}
