// SPDX-License-Identifier: Apache-2.0

package zipkin_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/exporters/zipkin"
	"github.com/spandrel-go/spandrel/sampling"
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

// A handler, for a port that only operators reach, changes where the spans of a running program go and how
// many there are.
func ExampleExporter_SetTarget() {
	backend := func(name string) *httptest.Server { // stands in for Zipkin
		return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Printf("%s: %s\n", name, r.Header.Get("Authorization"))
			w.WriteHeader(http.StatusAccepted)
		}))
	}
	blue, green := backend("blue"), backend("green")
	defer blue.Close()
	defer green.Close()

	exporter, err := zipkin.New(blue.URL, zipkin.WithHeaders(map[string]string{"Authorization": "Bearer b1"}))
	if err != nil {
		fmt.Println(err)
		return
	}
	provider, err := tracing.NewProvider(tracing.WithExporter(exporter),
		tracing.WithSampler(sampling.ParentBased(sampling.AlwaysOn())))
	if err != nil {
		fmt.Println(err)
		return
	}

	admin := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rate, err := strconv.ParseFloat(r.PostFormValue("rate"), 64)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		root, err := sampling.Ratio(rate)
		if err == nil {
			err = exporter.SetTarget(r.PostFormValue("url"), map[string]string{"Authorization": r.PostFormValue("auth")})
		}
		if err == nil {
			err = provider.SetSampler(sampling.ParentBased(root)) // running traces stay whole
		}
		if err != nil { // nothing has changed
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		fmt.Fprintln(w, provider.Sampler().Description(), exporter.URL())
	})
	post := func(form url.Values) {
		r := httptest.NewRequest(http.MethodPost, "/", nil)
		r.PostForm = form
		admin.ServeHTTP(httptest.NewRecorder(), r)
	}

	span := func() {
		_, s := provider.Tracer("shop").Start(context.Background(), "work")
		s.End()
		if err := provider.ForceFlush(context.Background()); err != nil {
			fmt.Println(err)
		}
	}
	span()
	post(url.Values{"rate": {"1"}, "url": {green.URL}, "auth": {"Bearer g1"}})
	span()
	post(url.Values{"rate": {"0"}, "auth": {"Bearer g2"}}) // no url: it stays
	span()
	if err := provider.Shutdown(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// blue: Bearer b1
	// green: Bearer g1
}
