// SPDX-License-Identifier: Apache-2.0

package headers_test

import (
	"context"
	"net/http"
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

	"github.com/spandrel-go/spandrel/internal/testkit"
	"github.com/spandrel-go/spandrel/propagation"
)

// peer reads one request's headers and writes those of the next.
type peer struct {
	name string
	pass func(in, out http.Header) error
}

// ofOTel is a peer behind OpenTelemetry's interface.
func ofOTel(name string, p otelpropagation.TextMapPropagator) peer {
	return peer{name, func(in, out http.Header) error {
		ctx := p.Extract(context.Background(), otelpropagation.HeaderCarrier(in))
		p.Inject(ctx, otelpropagation.HeaderCarrier(out))
		return nil
	}}
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
	p := newTheirs("datadog")
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
	headers []string // names and values in turn, as the format's own libraries write them
	theirs  []peer
}

func passings() []passing {
	return []passing{
		{
			"w3c",
			[]string{"traceparent", "00-" + benchTrace + "-" + benchSpan + "-01"},
			[]peer{ofOTel("otel", otelpropagation.TraceContext{})},
		},
		{
			"b3",
			[]string{"x-b3-traceid", benchTrace, "x-b3-spanid", benchSpan, "x-b3-sampled", "1"},
			[]peer{ofOTel("otel", b3.New(b3.WithInjectEncoding(b3.B3MultipleHeader))), ofZipkin()},
		},
		{
			"b3-single",
			[]string{"b3", benchTrace + "-" + benchSpan + "-1"},
			[]peer{ofOTel("otel", b3.New(b3.WithInjectEncoding(b3.B3SingleHeader))), ofZipkin(zipkinb3.WithSingleHeaderOnly())},
		},
		{
			"jaeger",
			[]string{"uber-trace-id", benchTrace + ":" + benchSpan + ":0:1"},
			[]peer{ofOTel("otel", jaeger.Jaeger{})},
		},
		{
			"ot",
			[]string{"ot-tracer-traceid", benchTrace[16:], "ot-tracer-spanid", benchSpan, "ot-tracer-sampled", "true"},
			[]peer{ofOTel("otel", ot.OT{})},
		},
		{
			"datadog",
			[]string{
				"x-datadog-trace-id", "9532127138774266268", "x-datadog-parent-id", "13235353014750950193",
				"x-datadog-sampling-priority", "1", "x-datadog-tags", "_dd.p.tid=0af7651916cd43dd",
			},
			[]peer{ofDatadog()},
		},
		{
			"aws",
			[]string{"x-amzn-trace-id", "Root=1-0af76519-16cd43dd8448eb211c80319c;Parent=" + benchSpan + ";Sampled=1"},
			[]peer{ofOTel("otel", xray.Propagator{})},
		},
	}
}

// ours is this module's propagator of one format alone.
func ours(tb testing.TB, format string) peer {
	tb.Helper()
	reader := format
	if format == "b3-single" {
		reader = "b3"
	}
	p, err := propagation.New(propagation.Config{Extract: []string{reader}, Inject: []string{format}})
	require.NoError(tb, err)
	return ofOTel("spandrel", p)
}

func (p *passing) peers(tb testing.TB) []peer { return append([]peer{ours(tb, p.format)}, p.theirs...) }

// arriving returns what a server got, with the headers that stand beside those of a trace.
func (p *passing) arriving() http.Header {
	h := http.Header{"Accept": {"*/*"}, "User-Agent": {"curl/8.5.0"}, "Content-Type": {"application/json"}}
	for i := 0; i < len(p.headers); i += 2 {
		h.Set(p.headers[i], p.headers[i+1])
	}
	return h
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
	}
}

// One Go context for what arrived, one string and one slice for what leaves. Not parallel, as testkit asks.
func TestPassingAllocates(t *testing.T) {
	for _, p := range passings() {
		in, out, ours := p.arriving(), http.Header{}, ours(t, p.format)
		testkit.MaxMallocs(t, 1_000, 3, func() { _ = ours.pass(in, out) })
	}
}

// BenchmarkHeaders is one service's work for one call: it reads the headers that arrived and writes those
// of its own call into the headers of a request that is used again, whose values are overwritten. A
// library that knows no context, as zipkin-go and dd-trace-go, is spared what one costs.
func BenchmarkHeaders(b *testing.B) {
	for _, p := range passings() {
		for _, peer := range p.peers(b) {
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
