// SPDX-License-Identifier: Apache-2.0

package propagation_test

import (
	"context"
	"slices"
	"testing"

	otelprop "go.opentelemetry.io/otel/propagation"

	"github.com/spandrel-go/spandrel/internal/testkit"
	"github.com/spandrel-go/spandrel/propagation"
)

// arrivals are requests as they come from a sidecar.
var arrivals = []struct {
	name    string
	headers []string
}{
	{"nothing", []string{"accept", "*/*", "user-agent", "x"}},
	{"w3c", []string{"traceparent", "00-" + traceHex + "-" + spanHex + "-01", "x-request-id", traceUUID}},
	{"w3c with tracestate", []string{
		"traceparent", "00-" + traceHex + "-" + spanHex + "-01", "tracestate", "congo=t61,rojo=00f", "x-request-id", traceUUID,
	}},
	{"b3", []string{"x-b3-traceid", traceHex, "x-b3-spanid", spanHex, "x-b3-sampled", "1", "x-request-id", traceUUID}},
	{"b3-single", []string{"b3", traceHex + "-" + spanHex + "-1", "x-request-id", traceUUID}},
	{"jaeger", []string{"uber-trace-id", traceHex + ":" + spanHex + ":0:1", "x-request-id", traceUUID}},
	{"ot", []string{
		"ot-tracer-traceid", shortHex, "ot-tracer-spanid", spanHex, "ot-tracer-sampled", "true", "x-request-id", traceUUID,
	}},
	{"datadog", []string{
		"x-datadog-trace-id", shortDecimal, "x-datadog-parent-id", spanDecimal, "x-datadog-sampling-priority", "1",
		"x-datadog-tags", "_dd.p.dm=-1,_dd.p.tid=0af7651916cd43dd", "x-request-id", traceUUID,
	}},
	{"aws", []string{"x-amzn-trace-id", awsRoot + ";Parent=" + spanHex + ";Sampled=1;Lineage=a:0", "x-request-id", traceUUID}},
	{"gcp", []string{"x-cloud-trace-context", traceHex + "/" + spanDecimal + ";o=1", "x-request-id", traceUUID}},
	{"instana", []string{"x-instana-t", traceHex, "x-instana-s", spanHex, "x-instana-l", "1", "x-request-id", traceUUID}},
}

// arrivalConfig reads what arrives, and with it no more than by default.
func arrivalConfig(name string) propagation.Config {
	if slices.Contains(everyFormat[2:], name) {
		return propagation.Config{Extract: []string{name}}
	}
	return propagation.Config{}
}

func BenchmarkExtract(b *testing.B) {
	for _, bb := range arrivals {
		p := newPropagator(b, arrivalConfig(bb.name))
		carrier := headers(bb.headers...)
		b.Run(bb.name+"/serial", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p.Extract(context.Background(), carrier)
			}
		})
		b.Run(bb.name+"/parallel", func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					p.Extract(context.Background(), carrier)
				}
			})
		})
	}
}

func BenchmarkInject(b *testing.B) {
	for _, bb := range []struct {
		name   string
		inject []string
	}{
		{"default", nil},
		{"w3c", []string{"w3c"}},
		{"b3", []string{"b3"}},
		{"b3-single", []string{"b3-single"}},
		{"jaeger", []string{"jaeger"}},
		{"ot", []string{"ot"}},
		{"datadog", []string{"datadog"}},
		{"aws", []string{"aws"}},
		{"gcp", []string{"gcp"}},
		{"instana", []string{"instana"}},
	} {
		p := newPropagator(b, propagation.Config{Inject: bb.inject})
		ctx := startSpan(b, context.Background(), true)
		b.Run(bb.name+"/serial", func(b *testing.B) {
			b.ReportAllocs()
			carrier := otelprop.HeaderCarrier{}
			for b.Loop() {
				p.Inject(ctx, carrier)
			}
		})
		b.Run(bb.name+"/parallel", func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				carrier := otelprop.HeaderCarrier{}
				for pb.Next() {
					p.Inject(ctx, carrier)
				}
			})
		})
	}
}

// One Go context holds all that arrived, the span context as well. Not parallel, as testkit asks.
func TestExtractAllocates(t *testing.T) {
	for _, a := range arrivals {
		p := newPropagator(t, arrivalConfig(a.name))
		bound := 1.0
		switch a.name {
		case "nothing":
			bound = 0
		case "aws", "datadog": // their further fields stand apart
			bound = 2
		case "w3c with tracestate":
			continue // what trace.ParseTraceState allocates is not promised
		}
		carrier := headers(a.headers...)
		testkit.MaxMallocs(t, 1_000, bound, func() { p.Extract(context.Background(), carrier) })
	}
}

// One string holds all values, one slice all headers. Not parallel, as testkit asks.
func TestInjectAllocates(t *testing.T) {
	ctx := startSpan(t, context.Background(), true)
	sets := [][]string{nil, writtenFormats}
	for i := range writtenFormats {
		sets = append(sets, writtenFormats[i:i+1])
	}
	for _, formats := range sets {
		p := newPropagator(t, propagation.Config{Inject: formats})
		carrier := otelprop.HeaderCarrier{}
		testkit.MaxMallocs(t, 1_000, 2, func() { p.Inject(ctx, carrier) })
	}
}
