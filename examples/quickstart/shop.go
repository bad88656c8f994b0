// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/exporters/zipkin"
	"github.com/spandrel-go/spandrel/propagation"
	"github.com/spandrel-go/spandrel/tracing"
	"github.com/spandrel-go/spandrel/tracing/tracehttp"
)

// shop is the three services.
type shop struct{ services []*service }

// service is one HTTP server with a tracing provider of its own.
type service struct {
	name, url string
	provider  *tracing.Provider
	client    *http.Client
	server    *http.Server
}

// kongDefaults is the propagation block of Kong's Zipkin plugin: read B3 before W3C, send on what
// arrived, and B3 where nothing did.
var kongDefaults = propagation.Config{
	Extract: []string{"b3", "w3c"}, Inject: []string{"preserve"}, DefaultFormat: "b3",
}

// openShop starts the services. Their spans go to traces and, if zipkinURL is not empty, there.
func openShop(traces tracing.Exporter, zipkinURL string) (*shop, error) {
	s := &shop{}
	for _, svc := range []struct {
		name    string
		headers propagation.Config
		handler func(*service, *shop) http.Handler
	}{
		{"inventory", propagation.Config{}, inventoryHandler},
		{"orders", propagation.Config{}, ordersHandler},
		{"gateway", kongDefaults, gatewayHandler},
	} {
		if err := s.open(svc.name, svc.headers, svc.handler, traces, zipkinURL); err != nil {
			return nil, errors.Join(err, s.close(context.Background()))
		}
	}
	return s, nil
}

// open starts a service, with a provider of its own, on a free port of the loopback interface.
func (s *shop) open(name string, headers propagation.Config, handler func(*service, *shop) http.Handler, traces tracing.Exporter, zipkinURL string) error {
	opts := []tracing.Option{
		tracing.WithServiceName(name),
		tracing.WithExporter(traces),
		tracing.WithLogger(slog.New(slog.DiscardHandler)), // report says it in one place
	}
	if zipkinURL != "" {
		exporter, err := zipkin.New(zipkinURL)
		if err != nil {
			return err
		}
		opts = append(opts, tracing.WithExporter(exporter))
	}
	propagator, err := propagation.New(headers)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	provider, err := tracing.NewProvider(opts...)
	if err != nil {
		return errors.Join(err, listener.Close())
	}

	tracehttpOptions := []tracehttp.Option{
		tracehttp.WithTracerProvider(provider), tracehttp.WithPropagator(propagator),
	}
	svc := &service{
		name:     name,
		url:      "http://" + listener.Addr().String(),
		provider: provider,
		client:   &http.Client{Transport: tracehttp.NewTransport(&http.Transport{}, tracehttpOptions...)},
	}
	svc.server = &http.Server{
		Handler:           tracehttp.NewHandler(withRequestID(handler(svc, s)), name, tracehttpOptions...),
		ReadHeaderTimeout: time.Second,
	}
	s.services = append(s.services, svc)
	go func() { _ = svc.server.Serve(listener) }() // until close, which is all that its error says
	return nil
}

// url returns the base URL of a service that is open.
func (s *shop) url(name string) string {
	for _, svc := range s.services {
		if svc.name == name {
			return svc.url
		}
	}
	return ""
}

// withRequestID puts the request id on the span, under the name that Envoy uses, so that a trace can be
// found by it.
func withRequestID(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		trace.SpanFromContext(r.Context()).SetAttributes(
			attribute.String("guid:x-request-id", propagation.RequestIDFromContext(r.Context())))
		h.ServeHTTP(w, r)
	})
}

// close stops the servers and shuts the providers down, which sends what is left. The error says what
// was not sent.
func (s *shop) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, shutdownTimeout)
	defer cancel()
	var failure error
	for _, svc := range s.services {
		svc.client.CloseIdleConnections()
		failure = errors.Join(failure, svc.server.Shutdown(ctx))
	}
	errs := make(chan error)
	for _, svc := range s.services {
		go func() { errs <- svc.provider.Shutdown(ctx) }()
	}
	for range s.services {
		if err := <-errs; err != nil {
			failure = err // of the same collector: one line is enough
		}
	}
	return failure
}

// gatewayHandler passes everything on to orders.
func gatewayHandler(svc *service, s *shop) http.Handler {
	orders := s.url("orders")
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			if target, err := url.Parse(orders); err == nil {
				r.SetURL(target)
			}
		},
		Transport: svc.client.Transport,
	}
}

// ordersHandler takes orders and asks inventory for each of their items.
func ordersHandler(svc *service, s *shop) http.Handler {
	inventory := s.url("inventory")
	tracer := svc.provider.NewTracer("orders")
	mux := http.NewServeMux()
	mux.HandleFunc("POST /orders/{item}", func(w http.ResponseWriter, r *http.Request) {
		ctx, span := tracer.StartSpan(r.Context(), "validate order", tracing.WithAttributes(
			attribute.String("order.item", r.PathValue("item")),
		))
		if err := work(ctx, 2*time.Millisecond); err != nil {
			span.RecordError(err)
		}
		span.AddEvent("order accepted")
		span.End()

		status, err := svc.get(r.Context(), inventory+"/stock/"+url.PathEscape(r.PathValue("item")))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		w.WriteHeader(status)
	})
	return mux
}

// inventoryHandler knows what is in stock: it is slow for one item and fails for another.
func inventoryHandler(svc *service, _ *shop) http.Handler {
	tracer := svc.provider.NewTracer("inventory")
	mux := http.NewServeMux()
	mux.HandleFunc("GET /stock/{item}", func(w http.ResponseWriter, r *http.Request) {
		ctx, span := tracer.StartSpan(r.Context(), "SELECT stock")
		defer span.End()
		span.SetAttributes(attribute.String("db.system.name", "postgresql"))
		d := 3 * time.Millisecond
		if r.PathValue("item") == "piano" {
			d = 120 * time.Millisecond
		}
		err := work(ctx, d)
		if r.PathValue("item") == "harp" {
			err = errors.New("deadlock detected")
		}
		if err != nil {
			span.RecordError(err)
			span.SetStatus(codes.Error, err.Error())
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	return mux
}

// work takes some time.
func work(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// get sends a request and returns the status of the answer.
func (svc *service) get(ctx context.Context, target string) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return 0, err
	}
	return do(svc.client, req)
}

func do(client *http.Client, req *http.Request) (int, error) {
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, errors.Join(err, resp.Body.Close())
}

// visit orders a few things at the gateway, as customers do who know nothing of tracing; one of
// them sends a request id.
func (s *shop) visit(ctx context.Context) error {
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for _, item := range []string{"violin", "cello", "piano", "harp"} {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url("gateway")+"/orders/"+item, nil)
		if err != nil {
			return err
		}
		if item == "cello" {
			req.Header.Set("X-Request-Id", "7d5d2bf6-1f9c-4f0e-9c5b-4a3d0f6f2f0e")
		}
		if _, err := do(client, req); err != nil {
			return fmt.Errorf("ordering a %s: %w", item, err)
		}
	}
	return nil
}
