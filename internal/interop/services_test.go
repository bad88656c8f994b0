// SPDX-License-Identifier: Apache-2.0

package interop_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	otelpropagation "go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/internal/interop/zipkinserver"
	"github.com/spandrel-go/spandrel/propagation"
	"github.com/spandrel-go/spandrel/tracing"
	"github.com/spandrel-go/spandrel/tracing/tracehttp"
)

// shop is three HTTP services on loopback that call each other: a gateway, orders, inventory. Each has
// a provider of its own, as if it were a process of its own; headers are all that joins them.
type shop struct {
	seen       *collector
	providers  []*tracing.Provider
	calls      sync.WaitGroup // of handlers: a client has its answer before the handler's span has ended
	gateway    string         // its URL
	propagator otelpropagation.TextMapPropagator

	mu         sync.Mutex          // guards requestIDs
	requestIDs map[string][]string // x-request-id as it arrived, by path
}

func newShop(t testing.TB, server *zipkinserver.Server, cfg propagation.Config) *shop {
	t.Helper()
	p, err := propagation.New(cfg)
	require.NoError(t, err)
	s := &shop{seen: &collector{}, propagator: p, requestIDs: map[string][]string{}}

	inventory := s.serve(t, server, "inventory", func(_ *http.Client, tracer trace.Tracer) http.Handler {
		mux := http.NewServeMux()
		mux.HandleFunc("GET /stock/{item}", func(w http.ResponseWriter, r *http.Request) {
			_, query := tracer.Start(r.Context(), "SELECT stock", trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(
				attribute.String("db.system.name", "postgresql"), attribute.String("peer.service", "Stock-DB")))
			defer query.End()
			switch r.PathValue("item") {
			case "slow":
				s.wait(r.Context(), 30*time.Millisecond)
			case "broken":
				err := errors.New("deadlock detected")
				query.RecordError(err)
				query.SetStatus(codes.Error, err.Error())
				http.Error(w, "stock unknown", http.StatusInternalServerError)
				return
			}
			query.SetAttributes(attribute.Int("db.response.returned_rows", 1))
			_, _ = io.WriteString(w, "7")
		})
		return mux
	})
	orders := s.serve(t, server, "orders", func(client *http.Client, tracer trace.Tracer) http.Handler {
		mux := http.NewServeMux()
		mux.HandleFunc("POST /orders/{item}", func(w http.ResponseWriter, r *http.Request) {
			ctx, span := tracer.Start(r.Context(), "place order")
			defer span.End()
			span.AddEvent("checked", trace.WithAttributes(attribute.String("by", "price <list>")))
			forward(ctx, w, client, http.MethodGet, inventory+"/stock/"+r.PathValue("item"))
		})
		return mux
	})
	s.gateway = s.serve(t, server, "Gateway", func(client *http.Client, _ trace.Tracer) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			forward(r.Context(), w, client, http.MethodPost, orders+r.URL.Path)
		})
	})
	return s
}

// serve starts a service and returns its URL.
func (s *shop) serve(t testing.TB, server *zipkinserver.Server, name string, handler func(*http.Client, trace.Tracer) http.Handler) string {
	t.Helper()
	p := newProvider(t, server, tracing.WithExporter(s.seen), tracing.WithServiceName(name))
	s.providers = append(s.providers, p)
	opts := []tracehttp.Option{tracehttp.WithTracerProvider(p), tracehttp.WithPropagator(s.propagator)}
	connections := &http.Transport{}
	t.Cleanup(connections.CloseIdleConnections)
	client := &http.Client{Transport: tracehttp.NewTransport(connections, opts...)}
	traced := tracehttp.NewHandler(handler(client, p.Tracer("shop/"+name)), "handle", opts...)
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.calls.Add(1)
		defer s.calls.Done()
		s.mu.Lock()
		s.requestIDs[r.URL.Path] = append(s.requestIDs[r.URL.Path], r.Header.Get("x-request-id"))
		s.mu.Unlock()
		traced.ServeHTTP(w, r)
	}))
	t.Cleanup(site.Close)
	return site.URL
}

// forward calls another service and answers as it does.
func forward(ctx context.Context, w http.ResponseWriter, client *http.Client, method, url string) {
	req, err := http.NewRequestWithContext(ctx, method, url, http.NoBody)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	resp, err := client.Do(req)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer resp.Body.Close()
	w.WriteHeader(resp.StatusCode)
	_, _ = io.Copy(w, resp.Body)
}

// wait waits as a slow database does.
func (s *shop) wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// order sends a request to the gateway and returns the status of the answer.
func (s *shop) order(t testing.TB, client *http.Client, item string, headers map[string]string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(soon(t), http.MethodPost, s.gateway+"/orders/"+item, http.NoBody)
	require.NoError(t, err)
	for name, value := range headers {
		req.Header.Set(name, value)
	}
	resp, err := client.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	require.NoError(t, err)
	return resp.StatusCode
}

// flush waits until all services have exported what they have recorded.
func (s *shop) flush(t testing.TB) {
	t.Helper()
	s.calls.Wait()
	for _, p := range s.providers {
		require.NoError(t, p.ForceFlush(soon(t)))
	}
}

// spansOfOrder is how many spans one order makes in the three services together.
const spansOfOrder = 7

// TestServicesInZipkin runs requests through three services and reads their traces back from a real
// server: every tree is whole, and equal to what a collecting exporter saw beside it.
func TestServicesInZipkin(t *testing.T) {
	t.Parallel()
	server := zipkinServer(t)
	for _, test := range []struct {
		name string
		cfg  propagation.Config
	}{
		{"b3", propagation.Config{Extract: []string{"b3"}, Inject: []string{"b3"}}},
		{"b3-single", propagation.Config{Extract: []string{"b3"}, Inject: []string{"b3-single"}}},
		{"w3c", propagation.Config{Extract: []string{"w3c"}, Inject: []string{"w3c"}}},
		{"default", propagation.Config{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newShop(t, server, test.cfg)
			client := &http.Client{Transport: &http.Transport{}}
			t.Cleanup(client.CloseIdleConnections)

			assert.Equal(t, http.StatusOK, s.order(t, client, "book", nil))
			assert.Equal(t, http.StatusOK, s.order(t, client, "slow", map[string]string{"x-request-id": "Req/ÄÖ 1"}))
			assert.Equal(t, http.StatusInternalServerError, s.order(t, client, "broken", nil))
			var requests sync.WaitGroup
			for i := range 8 {
				requests.Go(func() { assert.Equal(t, http.StatusOK, s.order(t, client, fmt.Sprint("item", i), nil)) })
			}
			requests.Wait()
			s.flush(t)

			traces := s.seen.traces()
			require.Len(t, traces, 11)
			for _, recorded := range traces {
				require.Len(t, recorded, spansOfOrder)
				spans := requireTrace(t, server, recorded)
				requireOneTree(t, spans)
				s.requireChain(t, spans)
			}
			s.requireRequestIDs(t)
		})
	}
}

// requireChain checks the spans of one order from the root down, with literals.
func (s *shop) requireChain(t testing.TB, spans []zipkinserver.Span) {
	t.Helper()
	children := map[string]zipkinserver.Span{} // each span of an order has one child
	for _, span := range spans {
		children[span.ParentID] = span
	}
	broken := strings.HasSuffix(children[""].Tags["url.path"], "/broken")
	status := "200"
	if broken {
		status = "500"
	}
	parent := ""
	for _, want := range []struct{ service, name, kind, remote string }{
		{"gateway", "handle", "SERVER", ""},
		{"gateway", "post", "CLIENT", "127.0.0.1"},
		{"orders", "post /orders/{item}", "SERVER", ""},
		{"orders", "place order", "", ""},
		{"orders", "get", "CLIENT", "127.0.0.1"},
		{"inventory", "get /stock/{item}", "SERVER", ""},
		{"inventory", "select stock", "CLIENT", "stock-db"},
	} {
		got := children[parent]
		require.Equal(t, want.service, got.LocalEndpoint.ServiceName, got.Name)
		require.Equal(t, want.name, got.Name)
		require.Equal(t, want.kind, got.Kind, got.Name)
		if want.remote == "" {
			require.Nil(t, got.RemoteEndpoint, got.Name)
		} else {
			require.NotNil(t, got.RemoteEndpoint, got.Name)
			require.Equal(t, want.remote, got.RemoteEndpoint.ServiceName, got.Name)
		}
		if _, ok := got.Tags["http.request.method"]; ok {
			require.Equal(t, status, got.Tags["http.response.status_code"], got.Name)
		}
		failed := broken && got.Name != "place order" // which sets no status
		require.Equal(t, failed, got.Tags["otel.status_code"] == "ERROR", got.Name)
		if failed && got.Name == "select stock" {
			require.Equal(t, "deadlock detected", got.Tags["error"])
			require.Len(t, got.Annotations, 1)
		}
		parent = got.ID
	}
}

// requireRequestIDs checks that each service behind the gateway saw the request id that belongs to the
// request: what the caller sent, byte for byte, or the one that the gateway made, the same for all.
func (s *shop) requireRequestIDs(t testing.TB) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for path, ids := range s.requestIDs {
		item, ok := strings.CutPrefix(path, "/orders/")
		if !ok {
			continue
		}
		require.Len(t, ids, 2, "requests for %s: to the gateway, to orders", item)
		stock := s.requestIDs["/stock/"+item]
		require.Len(t, stock, 1)
		if item == "slow" {
			assert.Equal(t, []string{"Req/ÄÖ 1", "Req/ÄÖ 1", "Req/ÄÖ 1"}, append(ids, stock...))
			continue
		}
		assert.Equal(t, []string{"", stock[0]}, ids)
		assert.Regexp(t, `^[0-9a-f]{8}-[0-9a-f]{4}-9[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`, stock[0])
	}
}
