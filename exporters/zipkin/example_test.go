// SPDX-License-Identifier: Apache-2.0

package zipkin_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/exporters/zipkin"
	"github.com/spandrel-go/spandrel/tracing"
)

func ExampleNew() {
	// A server that shows what it gets stands in for Zipkin.
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var spans []struct {
			Name, Kind     string
			Tags           map[string]string
			RemoteEndpoint struct{ ServiceName string }
		}
		if err := json.NewDecoder(r.Body).Decode(&spans); err != nil {
			fmt.Println(err)
		}
		for _, s := range spans {
			fmt.Println(s.Kind, s.Name, s.RemoteEndpoint.ServiceName, s.Tags["cart.items"])
		}
		w.WriteHeader(http.StatusAccepted)
	}))
	defer server.Close()

	exporter, err := zipkin.New(server.URL + "/api/v2/spans")
	if err != nil {
		fmt.Println(err)
		return
	}
	provider, err := tracing.NewProvider(tracing.WithExporter(exporter), tracing.WithServiceName("shop"))
	if err != nil {
		fmt.Println(err)
		return
	}
	_, span := provider.Tracer("shop/cart").Start(context.Background(), "get cart",
		trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(attribute.String("peer.service", "carts"), attribute.Int("cart.items", 3)))
	span.End()
	if err := provider.Shutdown(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output: CLIENT get cart carts 3
}
