// SPDX-License-Identifier: Apache-2.0

package envoy_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/spandrel-go/spandrel/exporters/zipkin"
	"github.com/spandrel-go/spandrel/internal/interop/envoy"
	"github.com/spandrel-go/spandrel/internal/interop/zipkinserver"
	"github.com/spandrel-go/spandrel/propagation"
	"github.com/spandrel-go/spandrel/sampling"
	"github.com/spandrel-go/spandrel/tracing"
	"github.com/spandrel-go/spandrel/tracing/tracehttp"
	"github.com/spandrel-go/spandrel/tracing/tracetest"
)

// setup is an Envoy with one of its tracers, and services with the propagation that belongs to it.
type setup struct {
	name    string
	tracer  envoy.Tracer
	client  propagation.Config // of the client, which no Envoy stands before
	service propagation.Config // of the service and the leaf
	read    func(testing.TB, http.Header) ids
	shared  bool // whether the inbound span has the id of the client's
	zipkin  bool // whether spans go to a real Zipkin, else to a receiver
	// dropped says that Envoy reports spans that are not sampled, too, for the agent to drop.
	dropped bool
}

// ids is what the headers of a request say.
type ids struct {
	traceID, spanID string
	parentID        string // "" where there is none or the format has no place for it
	sampled         bool
}

// caller is who sends the request to the first Envoy.
type caller string

const (
	plain   caller = "a client that does not trace"
	accepts caller = "a client that samples"
	denies  caller = "a client that does not sample"
)

// call is one request through the chain: client, inbound, service, outbound, leaf.
type call struct {
	caller            caller
	inbound, outbound int // random sampling of the listeners, percent
	// The headers of the request on its way.
	clientOut             http.Header // none of a plain client's
	serviceIn, serviceOut http.Header
	leafIn                http.Header
}

// chain is a running setup.
type chain struct {
	setup
	sidecar  *envoy.Sidecar
	server   *zipkinserver.Server
	receiver envoy.Receiver

	accepting, denying, service, leaf *tracetest.Recorder
	clients                           map[caller]*http.Client
	calls                             sync.WaitGroup // of handlers: a client has its answer before their spans have ended

	mu  sync.Mutex // guards now
	now call       // the request that is on its way
}

func newChain(t testing.TB, s setup) *chain {
	t.Helper()
	c := &chain{setup: s}
	var collector string
	if s.zipkin {
		c.server = sharedZipkin.Get(t)
		collector = c.server.SpansURL()
	} else {
		collector = serve(t, &c.receiver)
	}
	c.accepting = c.recorder(t, "client", sampling.AlwaysOn())
	c.denying = c.recorder(t, "client", sampling.AlwaysOff())
	// As they come: the caller decides, and who starts a trace samples it.
	c.service = c.recorder(t, "service", sampling.ParentBased(sampling.AlwaysOn()))
	c.leaf = c.recorder(t, "leaf", sampling.ParentBased(sampling.AlwaysOn()))

	note := func(h http.Header) { c.note(func(now *call) { now.clientOut = h }) }
	c.clients = map[caller]*http.Client{
		plain:   {Transport: noting(t, func(http.Header) {})},
		accepts: {Transport: tracehttp.NewTransport(noting(t, note), options(t, c.accepting, s.client)...)},
		denies:  {Transport: tracehttp.NewTransport(noting(t, note), options(t, c.denying, s.client)...)},
	}
	serviceOptions := options(t, c.service, s.service)
	client := &http.Client{Transport: tracehttp.NewTransport(
		noting(t, func(h http.Header) { c.note(func(now *call) { now.serviceOut = h }) }), serviceOptions...)}
	app := c.handler(func(now *call, h http.Header) { now.serviceIn = h }, tracehttp.NewHandler(
		http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			percent, err := strconv.Atoi(r.URL.Query().Get("outbound"))
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			req, err := http.NewRequestWithContext(r.Context(), http.MethodGet, c.sidecar.Outbound(percent), http.NoBody)
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
		}), "service", serviceOptions...))
	leaf := c.handler(func(now *call, h http.Header) { now.leafIn = h }, tracehttp.NewHandler(
		http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "leaf") }),
		"leaf", options(t, c.leaf, s.service)...))

	c.sidecar = envoy.Start(t, envoy.Config{Tracer: s.tracer, Collector: collector, App: serve(t, app), Next: serve(t, leaf)})
	return c
}

// recorder makes a provider whose spans are recorded, and sent where Envoy sends its own if that is a Zipkin.
func (c *chain) recorder(t testing.TB, service string, sampler sampling.Sampler) *tracetest.Recorder {
	t.Helper()
	opts := []tracing.Option{tracing.WithServiceName(service), tracing.WithSampler(sampler)}
	if c.zipkin {
		exporter, err := zipkin.New(c.server.SpansURL())
		require.NoError(t, err)
		opts = append(opts, tracing.WithExporter(exporter))
	}
	return tracetest.New(t, opts...)
}

// options are those of the wrappers in one service.
func options(t testing.TB, r *tracetest.Recorder, cfg propagation.Config) []tracehttp.Option {
	t.Helper()
	p, err := propagation.New(cfg)
	require.NoError(t, err)
	return []tracehttp.Option{tracehttp.WithTracerProvider(r.Provider()), tracehttp.WithPropagator(p)}
}

// note writes down something about the request that is on its way.
func (c *chain) note(f func(*call)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f(&c.now)
}

// handler notes the headers that h receives.
func (c *chain) handler(note func(*call, http.Header), h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.calls.Add(1)
		defer c.calls.Done()
		c.note(func(now *call) { note(now, r.Header.Clone()) })
		h.ServeHTTP(w, r)
	})
}

func serve(t testing.TB, h http.Handler) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// roundTripper notes the headers of the requests that it sends.
type roundTripper struct {
	*http.Transport
	note func(http.Header)
}

func noting(t testing.TB, note func(http.Header)) *roundTripper {
	t.Helper()
	connections := &http.Transport{}
	t.Cleanup(connections.CloseIdleConnections)
	return &roundTripper{Transport: connections, note: note}
}

// RoundTrip implements http.RoundTripper.
func (r *roundTripper) RoundTrip(req *http.Request) (*http.Response, error) {
	r.note(req.Header.Clone())
	return r.Transport.RoundTrip(req)
}

// run sends a request through the chain; one at a time.
func (c *chain) run(t testing.TB, from caller, inbound, outbound int, headers map[string]string) call {
	t.Helper()
	c.note(func(now *call) { *now = call{caller: from, inbound: inbound, outbound: outbound} })
	req, err := http.NewRequestWithContext(soon(t), http.MethodGet,
		c.sidecar.Inbound(inbound)+"/?outbound="+strconv.Itoa(outbound), http.NoBody)
	require.NoError(t, err)
	for name, value := range headers {
		req.Header.Set(name, value)
	}
	resp, err := c.clients[from].Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, "leaf", string(body))
	c.calls.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// flush waits until our own spans are delivered.
func (c *chain) flush(t testing.TB) {
	t.Helper()
	for _, r := range []*tracetest.Recorder{c.accepting, c.denying, c.service, c.leaf} {
		require.NoError(t, r.Provider().ForceFlush(soon(t)))
	}
}

// reported waits for the two spans that Envoy has reported for a trace, and returns them. In Zipkin the trace has
// n spans.
func (c *chain) reported(t testing.TB, traceID string, n int) (inbound, outbound envoy.Span) {
	t.Helper()
	var spans []envoy.Span
	if c.zipkin {
		all, err := c.server.WaitForTrace(soon(t), traceID, n)
		require.NoError(t, err)
		require.Len(t, all, n)
		requireOneTree(t, all)
		spans = ofEnvoy(all)
	} else {
		var err error
		spans, err = c.receiver.WaitForTrace(soon(t), traceID, 2)
		require.NoError(t, err)
	}
	require.Len(t, spans, 2)
	if spans[0].Kind == "CLIENT" {
		slices.Reverse(spans)
	}
	require.Equal(t, []string{"SERVER", "CLIENT"}, []string{spans[0].Kind, spans[1].Kind})
	return spans[0], spans[1]
}

// requireNoneReported checks that nobody has reported a span of a trace.
func (c *chain) requireNoneReported(t testing.TB, traceID string) {
	t.Helper()
	if c.zipkin {
		spans, err := c.server.Trace(soon(t), traceID)
		require.NoError(t, err)
		require.Empty(t, spans)
		return
	}
	spans, err := c.receiver.Trace(traceID)
	require.NoError(t, err)
	require.Empty(t, spans)
}

// ofEnvoy returns those of the spans in Zipkin that Envoy has made.
func ofEnvoy(all []zipkinserver.Span) (spans []envoy.Span) {
	for _, s := range all {
		if s.Tags["component"] == "proxy" {
			spans = append(spans, envoy.Span{
				TraceID: s.TraceID, ID: s.ID, ParentID: s.ParentID, Kind: s.Kind,
				Sampled: true, RequestID: s.Tags["guid:x-request-id"],
			})
		}
	}
	return spans
}

// requireOneTree checks that all spans in Zipkin hang together, below one root.
func requireOneTree(t testing.TB, spans []zipkinserver.Span) {
	t.Helper()
	known := map[string]bool{"": true}
	for _, s := range spans {
		known[s.ID] = true
	}
	roots := map[string]bool{} // one id, which two spans may share
	for _, s := range spans {
		require.True(t, known[s.ParentID], "%s %s: nobody knows its parent %s", s.Kind, s.ID, s.ParentID)
		if s.ParentID == "" {
			roots[s.ID] = true
		}
	}
	require.Len(t, roots, 1)
}

// of returns the spans of a trace, in the order of their ends.
func of(r *tracetest.Recorder, traceID string) []*tracing.SpanData {
	return slices.DeleteFunc(r.Spans(), func(d *tracing.SpanData) bool { return d.SpanContext.TraceID().String() != traceID })
}

// sampled reports what the first Envoy has to decide.
func (c *chain) sampled(k call) bool {
	own := k.inbound == 100
	switch k.caller {
	case accepts: // OpenTelemetry's tracer asks x-request-id as well, and the client's says so
		return true
	case denies:
		return false
	default:
		return own
	}
}

// check checks one call: the headers at every hop, the decision, x-request-id, and the chain of parents.
func (c *chain) check(t testing.TB, k call) {
	t.Helper()
	serviceIn, serviceOut, leafIn := c.read(t, k.serviceIn), c.read(t, k.serviceOut), c.read(t, k.leafIn)
	want := c.sampled(k)
	traceID := serviceIn.traceID
	hops := []ids{serviceIn, serviceOut, leafIn}
	if k.clientOut != nil {
		clientOut := c.read(t, k.clientOut)
		assert.Equal(t, traceID, clientOut.traceID, "client")
		assert.Equal(t, k.caller == accepts, clientOut.sampled, "client")
		assert.Equal(t, c.shared, clientOut.spanID == serviceIn.spanID, "an inbound span with the client's id")
	}
	for i, hop := range hops {
		assert.Equal(t, traceID, hop.traceID, "hop %d", i)
		assert.Equal(t, want, hop.sampled, "hop %d", i)
	}
	assert.NotEqual(t, serviceIn.spanID, serviceOut.spanID)
	assert.NotEqual(t, serviceOut.spanID, leafIn.spanID)
	if leafIn.parentID != "" {
		assert.Equal(t, serviceOut.spanID, leafIn.parentID)
	}
	c.checkRequestID(t, k)
	if want || c.dropped {
		c.checkSpans(t, k, serviceIn, serviceOut, leafIn, want)
	}
}

// checkRequestID checks that x-request-id is at each hop what the first Envoy made of it, or the client before it.
func (c *chain) checkRequestID(t testing.TB, k call) {
	t.Helper()
	id := k.serviceIn.Get("x-request-id")
	assert.Len(t, id, 36)
	reason := propagation.RequestIDNoTrace
	if k.inbound == 100 || k.caller == accepts {
		reason = propagation.RequestIDSampled
	}
	assert.Equal(t, reason, propagation.ParseRequestID(id).Reason())
	assert.Equal(t, []string{id}, k.serviceOut.Values("x-request-id"))
	if k.inbound == k.outbound || reason == propagation.RequestIDSampled {
		assert.Equal(t, []string{id}, k.leafIn.Values("x-request-id"))
		return
	}
	// The second Envoy would sample what the first did not. It writes its own answer over the digit that is the
	// first one's, and then obeys the trace headers all the same.
	got := k.leafIn.Get("x-request-id")
	require.Len(t, got, 36)
	assert.Equal(t, id[:14]+"9"+id[15:], got)
}

// checkSpans checks the chain of parents in what was reported.
func (c *chain) checkSpans(t testing.TB, k call, serviceIn, serviceOut, leafIn ids, sampled bool) {
	t.Helper()
	n := 5
	if k.caller != plain {
		n++
	}
	inbound, outbound := c.reported(t, serviceIn.traceID, n)
	id := k.serviceIn.Get("x-request-id")
	assert.Equal(t, envoy.Span{
		TraceID: serviceIn.traceID, ID: serviceIn.spanID, ParentID: c.parentOfInbound(t, k),
		Kind: "SERVER", Sampled: sampled, RequestID: id,
	}, inbound)
	assert.Equal(t, envoy.Span{
		TraceID: serviceIn.traceID, ID: leafIn.spanID, ParentID: serviceOut.spanID,
		Kind: "CLIENT", Sampled: sampled, RequestID: k.leafIn.Get("x-request-id"),
	}, outbound)

	ours, leaf := of(c.service, serviceIn.traceID), of(c.leaf, serviceIn.traceID)
	if !sampled {
		assert.Empty(t, ours)
		assert.Empty(t, leaf)
		return
	}
	require.Len(t, ours, 2)
	client, server := ours[0], ours[1]
	assert.Equal(t, inbound.ID, server.Parent.SpanID().String())
	assert.True(t, server.Parent.IsRemote())
	assert.Equal(t, server.SpanContext.SpanID(), client.Parent.SpanID())
	assert.Equal(t, outbound.ParentID, client.SpanContext.SpanID().String())
	require.Len(t, leaf, 1)
	assert.Equal(t, outbound.ID, leaf[0].Parent.SpanID().String())
	for _, d := range []*tracing.SpanData{server, client, leaf[0]} {
		assert.Empty(t, d.Links)
	}
}

// parentOfInbound returns the parent that the inbound span has to have.
func (c *chain) parentOfInbound(t testing.TB, k call) string {
	t.Helper()
	if k.caller == plain || c.shared {
		return "" // the client's span, whose id it shares, is a root
	}
	return c.read(t, k.clientOut).spanID
}
