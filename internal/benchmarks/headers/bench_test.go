// SPDX-License-Identifier: Apache-2.0

// Package headers_test measures package propagation beside the libraries of each format. What they write and read
// is compared in internal/interop/headers.
package headers_test

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"testing"

	"github.com/DataDog/dd-trace-go/v2/ddtrace/tracer"
	zipkinb3 "github.com/openzipkin/zipkin-go/propagation/b3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/contrib/propagators/aws/xray"
	"go.opentelemetry.io/contrib/propagators/b3"
	"go.opentelemetry.io/contrib/propagators/jaeger"
	"go.opentelemetry.io/contrib/propagators/ot"
	otelpropagation "go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/metadata"

	"github.com/spandrel-go/spandrel/internal/testkit"
	"github.com/spandrel-go/spandrel/propagation"
)

// peer reads one request's headers and writes those of the next.
type peer struct {
	name string
	pass func(in, out http.Header) error
}

// propagator is a peer behind OpenTelemetry's interface.
type propagator struct {
	name     string
	p        otelpropagation.TextMapPropagator
	metadata func(metadata.MD) otelpropagation.TextMapCarrier
}

func ofOTel(p otelpropagation.TextMapPropagator) propagator {
	return propagator{"otel", p, func(md metadata.MD) otelpropagation.TextMapCarrier { return supplier(md) }}
}

// supplier is a carrier on gRPC's metadata by its own methods, as OpenTelemetry's otelgrpc has one.
type supplier metadata.MD

func (s supplier) Get(key string) string {
	if values := metadata.MD(s).Get(key); len(values) > 0 {
		return values[0]
	}
	return ""
}

func (s supplier) Set(key, value string) { metadata.MD(s).Set(key, value) }

func (s supplier) Keys() []string { return slices.Collect(maps.Keys(s)) }

// peer returns what the propagator does for one call.
func (p propagator) peer() peer {
	return peer{p.name, func(in, out http.Header) error {
		ctx := p.p.Extract(context.Background(), otelpropagation.HeaderCarrier(in))
		p.p.Inject(ctx, otelpropagation.HeaderCarrier(out))
		return nil
	}}
}

// withOwnSpan returns ctx with a child of the span in it, as a provider makes one.
func withOwnSpan(ctx context.Context) context.Context {
	sc := trace.SpanContextFromContext(ctx)
	return trace.ContextWithSpanContext(ctx, sc.WithRemote(false).WithSpanID(trace.SpanID{7: 1}))
}

// ofZipkin is zipkin-go, which takes requests.
func ofZipkin(opts ...zipkinb3.InjectOption) peer {
	return peer{"zipkin", func(in, out http.Header) error {
		sc, err := zipkinb3.ExtractHTTP(&http.Request{Header: in})()
		if err != nil {
			return err
		}
		return zipkinb3.InjectHTTP(&http.Request{Header: out}, opts...)(*sc)
	}}
}

func ofDatadog() peer {
	p := tracer.NewPropagator(&tracer.PropagatorConfig{InjectStyle: "datadog", ExtractStyle: "datadog", MaxTagsHeaderLen: 512})
	return peer{"datadog", func(in, out http.Header) error {
		sc, err := p.Extract(tracer.HTTPHeadersCarrier(in))
		if err != nil {
			return err
		}
		return p.Inject(sc, tracer.HTTPHeadersCarrier(out))
	}}
}

const (
	benchTrace = "0af7651916cd43dd8448eb211c80319c"
	benchSpan  = "b7ad6b7169203331"
)

// passing is what each format's peers do.
type passing struct {
	format  string
	headers []string                          // names and values in turn, as the format's own libraries write them
	otel    otelpropagation.TextMapPropagator // nil: OpenTelemetry has none
	theirs  []peer                            // others
}

func passings() []passing {
	return []passing{
		{
			"w3c",
			[]string{"traceparent", "00-" + benchTrace + "-" + benchSpan + "-01"},
			otelpropagation.TraceContext{},
			nil,
		},
		{
			"b3",
			[]string{"x-b3-traceid", benchTrace, "x-b3-spanid", benchSpan, "x-b3-sampled", "1"},
			b3.New(b3.WithInjectEncoding(b3.B3MultipleHeader)),
			[]peer{ofZipkin()},
		},
		{
			"b3-single",
			[]string{"b3", benchTrace + "-" + benchSpan + "-1"},
			b3.New(b3.WithInjectEncoding(b3.B3SingleHeader)),
			[]peer{ofZipkin(zipkinb3.WithSingleHeaderOnly())},
		},
		{
			"jaeger",
			[]string{"uber-trace-id", benchTrace + ":" + benchSpan + ":0:1"},
			jaeger.Jaeger{},
			nil,
		},
		{
			"ot",
			[]string{"ot-tracer-traceid", benchTrace[16:], "ot-tracer-spanid", benchSpan, "ot-tracer-sampled", "true"},
			ot.OT{},
			nil,
		},
		{
			"datadog",
			[]string{
				"x-datadog-trace-id", "9532127138774266268", "x-datadog-parent-id", "13235353014750950193",
				"x-datadog-sampling-priority", "1", "x-datadog-tags", "_dd.p.tid=0af7651916cd43dd",
			},
			nil,
			[]peer{ofDatadog()},
		},
		{
			"aws",
			[]string{"x-amzn-trace-id", "Root=1-0af76519-16cd43dd8448eb211c80319c;Parent=" + benchSpan + ";Sampled=1"},
			xray.Propagator{},
			nil,
		},
	}
}

// ours is this module's propagator of one format alone.
func ours(tb testing.TB, format string) propagator {
	tb.Helper()
	reader := format
	if format == "b3-single" {
		reader = "b3"
	}
	p, err := propagation.New(propagation.Config{Extract: []string{reader}, Inject: []string{format}})
	require.NoError(tb, err)
	return propagator{"spandrel", p, func(md metadata.MD) otelpropagation.TextMapCarrier { return propagation.MetadataCarrier(md) }}
}

// propagators returns ours and OpenTelemetry's.
func (p *passing) propagators(tb testing.TB) []propagator {
	all := []propagator{ours(tb, p.format)}
	if p.otel != nil {
		all = append(all, ofOTel(p.otel))
	}
	return all
}

func (p *passing) peers(tb testing.TB) []peer {
	var peers []peer
	for _, own := range p.propagators(tb) {
		peers = append(peers, own.peer())
	}
	return append(peers, p.theirs...)
}

// arriving returns what a server got, with the headers that stand beside those of a trace.
func (p *passing) arriving() http.Header {
	h := http.Header{"Accept": {"*/*"}, "User-Agent": {"curl/8.5.0"}, "Content-Type": {"application/json"}}
	for i := 0; i < len(p.headers); i += 2 {
		h.Set(p.headers[i], p.headers[i+1])
	}
	return h
}

func asMetadata(h http.Header) metadata.MD {
	md := metadata.MD{}
	for name, values := range h {
		md.Set(name, values...)
	}
	return md
}

// TestPeersPassTheSameOn reads with our propagator what each peer writes: all do the work that the
// benchmark measures.
func TestPeersPassTheSameOn(t *testing.T) {
	t.Parallel()
	for _, p := range passings() {
		reader, err := propagation.New(propagation.Config{Extract: []string{"w3c", "b3", "jaeger", "ot", "datadog", "aws"}})
		require.NoError(t, err)
		read := func(h http.Header) propagation.Remote {
			r, ok := propagation.RemoteFromContext(reader.Extract(context.Background(), otelpropagation.HeaderCarrier(h)))
			require.True(t, ok, "%s: %v", p.format, h)
			return r
		}
		want := read(p.arriving())
		for _, peer := range p.peers(t) {
			out := http.Header{}
			require.NoError(t, peer.pass(p.arriving(), out), "%s: %s", p.format, peer.name)
			got := read(out)
			assert.Equal(t, want.SpanContext, got.SpanContext, "%s: %s: %v", p.format, peer.name, out)
			assert.Equal(t, want.Decision, got.Decision, "%s: %s: %v", p.format, peer.name, out)
		}
		for _, peer := range p.propagators(t) {
			in, out := peer.metadata(asMetadata(p.arriving())), metadata.MD{}
			ctx := peer.p.Extract(context.Background(), in)
			peer.p.Inject(ctx, peer.metadata(out))
			h := http.Header{}
			for name, values := range out {
				h.Set(name, values[0])
			}
			assert.Equal(t, want.SpanContext, read(h).SpanContext, "%s: %s: %v", p.format, peer.name, out)

			own, h := withOwnSpan(ctx), http.Header{}
			peer.p.Inject(own, otelpropagation.HeaderCarrier(h))
			assert.Equal(t, trace.SpanContextFromContext(own).WithRemote(true), read(h).SpanContext, "%s: %s: %v", p.format, peer.name, h)
		}
	}
}

// One Go context for what arrived, one string and one slice for what leaves. Not parallel, as testkit asks.
func TestPassingAllocates(t *testing.T) {
	for _, p := range passings() {
		in, out, ours := p.arriving(), http.Header{}, ours(t, p.format).peer()
		testkit.MaxMallocs(t, 1_000, 3, func() { _ = ours.pass(in, out) })
	}
}

// BenchmarkHeaders is one service's work for one call: it reads the headers that arrived and writes those
// of its own call into the headers of a request that is used again, whose values are overwritten. A
// library that knows no context, as zipkin-go and dd-trace-go, is spared what one costs.
func BenchmarkHeaders(b *testing.B) {
	for _, p := range passings() {
		peers := p.peers(b)
		if p.format == "w3c" {
			peers = append(peers, floor())
		}
		for _, peer := range peers {
			b.Run(p.format+"/peer="+peer.name, func(b *testing.B) {
				in, out := p.arriving(), http.Header{}
				b.ReportAllocs()
				for b.Loop() {
					if err := peer.pass(in, out); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkHeadersOwnSpan is the same where the service has made a span in between: what leaves are its ids.
// It was made before, for making one is not measured here.
func BenchmarkHeadersOwnSpan(b *testing.B) {
	for _, p := range passings() {
		for _, peer := range p.propagators(b) {
			b.Run(p.format+"/peer="+peer.name, func(b *testing.B) {
				in, out := otelpropagation.HeaderCarrier(p.arriving()), otelpropagation.HeaderCarrier{}
				own := withOwnSpan(peer.p.Extract(context.Background(), in))
				b.ReportAllocs()
				for b.Loop() {
					peer.p.Extract(context.Background(), in)
					peer.p.Inject(own, out)
				}
			})
		}
	}
	b.Run("w3c/peer=floor", func(b *testing.B) {
		in, out := passings()[0].arriving(), http.Header{}
		own := floorExtract(context.Background(), in)
		b.ReportAllocs()
		for b.Loop() {
			floorExtract(context.Background(), in)
			floorInject(own, out)
		}
	})
}

// BenchmarkHeadersMetadata is BenchmarkHeaders on gRPC's metadata.
func BenchmarkHeadersMetadata(b *testing.B) {
	for _, p := range passings() {
		for _, peer := range p.propagators(b) {
			b.Run(p.format+"/peer="+peer.name, func(b *testing.B) {
				from, to := peer.metadata(asMetadata(p.arriving())), peer.metadata(metadata.MD{})
				b.ReportAllocs()
				for b.Loop() {
					peer.p.Inject(peer.p.Extract(context.Background(), from), to)
				}
			})
		}
	}
}
