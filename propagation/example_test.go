// SPDX-License-Identifier: Apache-2.0

package propagation_test

import (
	"context"
	"fmt"
	"net/http"

	otelprop "go.opentelemetry.io/otel/propagation"

	"github.com/spandrel-go/spandrel/propagation"
)

// A service that makes no spans hands the trace on.
func Example() {
	p, err := propagation.New(propagation.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	arrived := http.Header{}
	arrived.Set("X-B3-TraceId", "8448eb211c80319c")
	arrived.Set("X-B3-SpanId", "b7ad6b7169203331")
	arrived.Set("X-B3-Sampled", "1")
	arrived.Set("X-Request-Id", "125a4afb-6f55-94ba-ad80-413f09f48a28")
	ctx := p.Extract(context.Background(), otelprop.HeaderCarrier(arrived))

	outgoing := http.Header{}
	p.Inject(ctx, otelprop.HeaderCarrier(outgoing))
	for _, name := range []string{"traceparent", "x-b3-traceid", "x-b3-spanid", "x-b3-sampled", "x-request-id"} {
		fmt.Printf("%s: %s\n", name, outgoing.Get(name))
	}
	// Output:
	// traceparent: 00-00000000000000008448eb211c80319c-b7ad6b7169203331-01
	// x-b3-traceid: 8448eb211c80319c
	// x-b3-spanid: b7ad6b7169203331
	// x-b3-sampled: 1
	// x-request-id: 125a4afb-6f55-94ba-ad80-413f09f48a28
}

func ExampleNew() {
	_, err := propagation.New(propagation.Config{Extract: []string{"zipkin"}})
	fmt.Println(err)

	p, err := propagation.New(propagation.Config{
		Extract: []string{"w3c"},
		Inject:  []string{"w3c"},
		Clear:   []string{"b3", "x-b3-traceid"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(p.Fields())
	// Output:
	// propagation: extract: unknown format "zipkin": it is one of w3c, b3, jaeger, ot, datadog, aws, gcp, instana
	// [traceparent tracestate x-request-id x-client-trace-id x-envoy-force-trace x-kong-request-id]
}

func ExampleRemoteFromContext() {
	p, err := propagation.New(propagation.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	// The caller sent its ids and left the decision to us.
	carrier := otelprop.MapCarrier{"b3": "8448eb211c80319c-b7ad6b7169203331"}
	r, ok := propagation.RemoteFromContext(p.Extract(context.Background(), carrier))
	fmt.Println(ok, r.Format, r.TraceIDBits, r.Decision)
	// Output: true b3-single 64 defer
}

func ExampleRequestIDFromContext() {
	p, err := propagation.New(propagation.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	carrier := otelprop.MapCarrier{"x-request-id": "125a4afb-6f55-94ba-ad80-413f09f48a28"}
	fmt.Println(propagation.RequestIDFromContext(p.Extract(context.Background(), carrier)))
	// Output: 125a4afb-6f55-94ba-ad80-413f09f48a28
}

func ExamplePropagator_Stats() {
	p, err := propagation.New(propagation.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	p.Extract(context.Background(), otelprop.MapCarrier{"traceparent": "00-ABCD"})
	for _, m := range p.Stats().Malformed {
		fmt.Println(m.Format, m.Reason, m.Count)
	}
	// Output: w3c length 1
}
