// SPDX-License-Identifier: Apache-2.0

package dropin_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/contrib/propagators/b3"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/codes"
	otelpropagation "go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/propagation"
)

func newPropagator(t testing.TB, cfg propagation.Config) otelpropagation.TextMapPropagator {
	t.Helper()
	p, err := propagation.New(cfg)
	require.NoError(t, err)
	return p
}

// site is a server that otelhttp traces, and a client for it that otelhttp traces too.
type site struct {
	url    string
	client *http.Client
	calls  sync.WaitGroup // of the handler: a client has its answer before the handler's span has ended
}

// newSite starts a server. The two propagators are of the side that they are named for.
func newSite(t testing.TB, serverLib, clientLib library, server, client otelpropagation.TextMapPropagator, h http.Handler, opts ...otelhttp.Option) *site {
	t.Helper()
	traced := otelhttp.NewHandler(h, "site", append([]otelhttp.Option{
		otelhttp.WithTracerProvider(serverLib.provider), otelhttp.WithPropagators(server),
	}, opts...)...)
	s := &site{}
	listening := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.calls.Add(1)
		defer s.calls.Done()
		defer func() {
			if v := recover(); v != nil {
				panic(http.ErrAbortHandler) // quietly
			}
		}()
		traced.ServeHTTP(w, r)
	}))
	listening.Start()
	t.Cleanup(listening.Close)
	connections := &http.Transport{MaxIdleConnsPerHost: 16}
	t.Cleanup(connections.CloseIdleConnections)
	s.url = listening.URL
	s.client = &http.Client{Transport: otelhttp.NewTransport(connections,
		otelhttp.WithTracerProvider(clientLib.provider), otelhttp.WithPropagators(client))}
	return s
}

// send sends a request and reads the answer, whose status it returns; 0 where none came.
func (s *site) send(ctx context.Context, t testing.TB, method, url, body string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	require.NoError(t, err)
	resp, err := s.client.Do(req)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	require.NoError(t, err)
	return resp.StatusCode
}

// shop is what the site serves.
func shop(tracer trace.Tracer) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /items/{id}", func(w http.ResponseWriter, r *http.Request) {
		_, s := tracer.Start(r.Context(), "look up", trace.WithAttributes(attribute.String("item", r.PathValue("id"))))
		defer s.End()
		_, _ = io.WriteString(w, "an item")
	})
	mux.HandleFunc("POST /orders", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		trace.SpanFromContext(r.Context()).AddEvent("ordered")
		w.WriteHeader(http.StatusCreated)
	})
	mux.HandleFunc("/broken", func(w http.ResponseWriter, r *http.Request) {
		trace.SpanFromContext(r.Context()).RecordError(errors.New("broken"))
		http.Error(w, "broken", http.StatusInternalServerError)
	})
	mux.HandleFunc("/panic", func(http.ResponseWriter, *http.Request) { panic("no") })
	return mux
}

// withoutPorts replaces what differs from run to run.
func withoutPorts(spans []*span, url string) []*span {
	host := strings.TrimPrefix(url, "http://")
	for _, s := range spans {
		for key, value := range s.Attributes {
			switch value := value.(type) {
			case string:
				s.Attributes[key] = strings.ReplaceAll(value, host, "HOST")
			case int64:
				if key == "server.port" || key == "network.peer.port" {
					s.Attributes[key] = "PORT"
				}
			}
		}
		for _, e := range s.Events {
			for key := range e.Attributes {
				if strings.HasPrefix(string(key), "http.") || strings.HasPrefix(string(key), "net.") {
					e.Attributes[key] = "ANY"
				}
			}
		}
	}
	return spans
}

// TestOtelhttpSameAsOnSDK runs otelhttp, with its usual options, on our provider and on the SDK.
func TestOtelhttpSameAsOnSDK(t *testing.T) {
	t.Parallel()
	ours, theirs := libraries(t)
	var got [2][]*tree
	for i, lib := range []library{ours, theirs} {
		s := newSite(t, lib, lib, otelpropagation.TraceContext{}, otelpropagation.TraceContext{}, shop(lib.provider.Tracer("shop")),
			otelhttp.WithMessageEvents(otelhttp.ReadEvents, otelhttp.WriteEvents),
			otelhttp.WithSpanOptions(trace.WithAttributes(attribute.String("deployment", "test"))))
		ctx := context.Background()
		assert.Equal(t, 200, s.send(ctx, t, "GET", s.url+"/items/7?q=1", ""))
		assert.Equal(t, 201, s.send(ctx, t, "POST", s.url+"/orders", "two books"))
		assert.Equal(t, 404, s.send(ctx, t, "GET", s.url+"/nowhere", ""))
		assert.Equal(t, 500, s.send(ctx, t, "GET", s.url+"/broken", ""))
		assert.Equal(t, 0, s.send(ctx, t, "GET", s.url+"/panic", ""))
		s.calls.Wait()
		spans := withoutPorts(lib.spans(t), s.url)
		for _, s := range spans {
			if len(s.Events) == 1 && s.Events[0].Name == "exception" && s.Events[0].Attributes["exception.message"] == "no" {
				// Ours says in the status that the handler panicked: see TestPanicSameAsSDK.
				if lib.name == "ours" {
					assert.Equal(t, codes.Error, s.Code)
					assert.Equal(t, "no", s.Description)
				}
				s.Code, s.Description = codes.Unset, ""
			}
		}
		got[i] = forest(t, spans)
	}
	assert.Equal(t, got[1], got[0])
	require.Len(t, got[0], 5)

	// The same in literals, for the request that does most.
	client := got[0][0]
	for _, tree := range got[0] {
		if tree.Children[0].Name == "GET /items/{id}" {
			client = tree
		}
	}
	assert.Equal(t, "HTTP GET", client.Name)
	assert.Equal(t, trace.SpanKindClient, client.Kind)
	assert.Equal(t, "http://HOST/items/7?q=1", client.Attributes["url.full"])
	assert.Equal(t, int64(200), client.Attributes["http.response.status_code"])
	server := client.Children[0]
	assert.Equal(t, trace.SpanKindServer, server.Kind)
	assert.Equal(t, "/items/7", server.Attributes["url.path"])
	assert.Equal(t, int64(200), server.Attributes["http.response.status_code"])
	assert.Equal(t, "test", server.Attributes["deployment"])
	assert.Equal(t, otelhttp.ScopeName, server.Scope.Name)
	assert.True(t, server.Remote)
	require.Len(t, server.Children, 1)
	assert.Equal(t, "look up", server.Children[0].Name)
	assert.Equal(t, "7", server.Children[0].Attributes["item"])
}

// TestOtelhttpPublicEndpoint has the option that links to the caller's span in place of joining it.
func TestOtelhttpPublicEndpoint(t *testing.T) {
	t.Parallel()
	ours, theirs := libraries(t)
	for _, lib := range []library{ours, theirs} {
		s := newSite(t, lib, lib, otelpropagation.TraceContext{}, otelpropagation.TraceContext{}, shop(lib.provider.Tracer("shop")),
			otelhttp.WithPublicEndpointFn(func(*http.Request) bool { return true }))
		s.send(context.Background(), t, "POST", s.url+"/orders", "")
		s.calls.Wait()
		var client, server *span
		for _, s := range lib.spans(t) {
			if s.Kind == trace.SpanKindClient {
				client = s
			} else {
				server = s
			}
		}
		require.NotNil(t, client, lib.name)
		require.NotNil(t, server, lib.name)
		assert.NotEqual(t, client.sc.TraceID(), server.sc.TraceID(), lib.name)
		assert.False(t, server.parent.IsValid(), lib.name)
		require.Len(t, server.Links, 1, lib.name)
		assert.Equal(t, client.sc.WithRemote(true), server.Links[0].SpanContext, lib.name)
	}
}

// TestOtelhttpClientTrace has spans made by callbacks of the HTTP client, out of the order of calls.
func TestOtelhttpClientTrace(t *testing.T) {
	t.Parallel()
	lib := newOurs(t)
	tracer := lib.provider.Tracer("client")
	s := newSite(t, lib, lib, otelpropagation.TraceContext{}, otelpropagation.TraceContext{}, shop(tracer))
	connections := &http.Transport{}
	t.Cleanup(connections.CloseIdleConnections)
	s.client.Transport = otelhttp.NewTransport(connections, otelhttp.WithTracerProvider(lib.provider),
		otelhttp.WithPropagators(otelpropagation.TraceContext{}),
		otelhttp.WithClientTrace(func(ctx context.Context) *httptrace.ClientTrace {
			var connect trace.Span
			return &httptrace.ClientTrace{
				ConnectStart: func(string, string) { _, connect = tracer.Start(ctx, "connect") },
				ConnectDone:  func(string, string, error) { connect.End() },
			}
		}))
	s.send(context.Background(), t, "POST", s.url+"/orders", "")
	s.calls.Wait()
	trees := forest(t, lib.spans(t))
	require.Len(t, trees, 1)
	require.Len(t, trees[0].Children, 2)
	assert.Equal(t, "POST /orders", trees[0].Children[0].Name)
	assert.Equal(t, "connect", trees[0].Children[1].Name)
}

// combinations are the propagators of the two sides of a call, ours and OpenTelemetry's.
func combinations(t testing.TB) map[string][2]otelpropagation.TextMapPropagator {
	t.Helper()
	ours := newPropagator(t, propagation.Config{})
	kong := newPropagator(t, propagation.Config{Extract: []string{"b3"}, Inject: []string{"b3"}})
	single := newPropagator(t, propagation.Config{Extract: []string{"b3"}, Inject: []string{"b3-single"}})
	w3c := otelpropagation.TraceContext{}
	multi, one := b3.New(b3.WithInjectEncoding(b3.B3MultipleHeader)), b3.New()
	return map[string][2]otelpropagation.TextMapPropagator{
		"ours both":               {ours, ours},
		"ours in B3 both":         {kong, kong},
		"ours in one header both": {single, single},
		"w3c both":                {w3c, w3c},
		"b3 both":                 {multi, multi},
		"b3 in one header both":   {one, one},
		"ours to w3c":             {ours, w3c},
		"ours to b3":              {ours, multi},
		"ours to b3 one header":   {single, one},
		"w3c to ours":             {w3c, ours},
		"b3 to ours":              {multi, ours},
		"b3 one header to ours":   {one, kong},
	}
}

// TestOtelhttpPropagators sends requests from one service to another, each with a provider of its own:
// the trace is whole whichever libraries and propagators meet.
func TestOtelhttpPropagators(t *testing.T) {
	t.Parallel()
	for name, pair := range combinations(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, libs := range [][2]library{{newOurs(t), newOurs(t)}, {newOurs(t), newTheirs(t)}, {newTheirs(t), newOurs(t)}} {
				clientLib, serverLib := libs[0], libs[1]
				s := newSite(t, serverLib, clientLib, pair[1], pair[0], shop(serverLib.provider.Tracer("shop")))
				ctx, root := clientLib.provider.Tracer("client").Start(context.Background(), "root")
				assert.Equal(t, 200, s.send(ctx, t, "GET", s.url+"/items/7", ""))
				root.End()
				s.calls.Wait()

				trees := forest(t, append(clientLib.spans(t), serverLib.spans(t)...))
				require.Len(t, trees, 1)
				var chain []string
				for at := trees[0]; ; at = at.Children[0] {
					chain = append(chain, at.Name)
					assert.Equal(t, at.Kind == trace.SpanKindServer, at.Remote, at.Name)
					if len(at.Children) == 0 {
						break
					}
					require.Len(t, at.Children, 1)
				}
				assert.Equal(t, []string{"root", "HTTP GET", "GET /items/{id}", "look up"}, chain)

				// A caller that was sampled out stays so.
				unsampled := trace.ContextWithRemoteSpanContext(context.Background(), fixed(0))
				before := len(serverLib.spans(t))
				assert.Equal(t, 200, s.send(unsampled, t, "GET", s.url+"/items/7", ""))
				s.calls.Wait()
				assert.Len(t, serverLib.spans(t), before)
			}
		})
	}
}

// TestOtelhttpBaggage carries baggage beside the span context, by our propagator and OpenTelemetry's
// for baggage.
func TestOtelhttpBaggage(t *testing.T) {
	t.Parallel()
	lib := newOurs(t)
	both := otelpropagation.NewCompositeTextMapPropagator(newPropagator(t, propagation.Config{}), otelpropagation.Baggage{})
	got := make(chan string, 1)
	s := newSite(t, lib, lib, both, both, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		ctx, span := lib.provider.Tracer("").Start(r.Context(), "inside")
		defer span.End()
		got <- baggage.FromContext(ctx).Member("user").Value() + " " + propagation.RequestIDFromContext(ctx)
	}))
	member, err := baggage.NewMember("user", "alice")
	require.NoError(t, err)
	bag, err := baggage.New(member)
	require.NoError(t, err)
	ctx := both.Extract(context.Background(), otelpropagation.MapCarrier{"x-request-id": "id-1"})
	s.send(baggage.ContextWithBaggage(ctx, bag), t, "GET", s.url, "")
	s.calls.Wait()
	assert.Equal(t, "alice id-1", <-got)
	trees := forest(t, lib.spans(t))
	require.Len(t, trees, 1)
	assert.Equal(t, "inside", trees[0].Children[0].Children[0].Name)
}

// TestOtelhttpConcurrentSafe sends many requests at once: no span is lost, and none stands in another
// request's trace.
func TestOtelhttpConcurrentSafe(t *testing.T) {
	t.Parallel()
	const workers, requests = 16, 25
	clientLib, serverLib := newOurs(t), newOurs(t)
	ours := newPropagator(t, propagation.Config{})
	s := newSite(t, serverLib, clientLib, ours, ours, shop(serverLib.provider.Tracer("shop")))
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for i := range requests {
				if i%5 == 0 {
					assert.Equal(t, 500, s.send(context.Background(), t, "GET", s.url+"/broken", ""))
				} else {
					assert.Equal(t, 200, s.send(context.Background(), t, "GET", s.url+"/items/7", ""))
				}
			}
		})
	}
	group.Wait()
	s.calls.Wait()
	trees := forest(t, withoutPorts(append(clientLib.spans(t), serverLib.spans(t)...), s.url))
	require.Len(t, trees, workers*requests)
	broken := 0
	for _, tree := range trees {
		require.Equal(t, trace.SpanKindClient, tree.Kind)
		require.Len(t, tree.Children, 1)
		server := tree.Children[0]
		if server.Name == "GET /broken" {
			broken++
			require.Equal(t, codes.Error, server.Code)
			require.Equal(t, codes.Error, tree.Code)
			require.Len(t, server.Events, 1)
			require.Empty(t, server.Children)
			continue
		}
		require.Equal(t, "GET /items/{id}", server.Name)
		require.Equal(t, codes.Unset, server.Code)
		require.Len(t, server.Children, 1)
		require.Equal(t, map[attribute.Key]any{"item": "7"}, server.Children[0].Attributes)
	}
	assert.Equal(t, workers*requests/5, broken)
}
