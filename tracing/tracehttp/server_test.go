// SPDX-License-Identifier: Apache-2.0

package tracehttp_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/propagation"
	"github.com/spandrel-go/spandrel/tracing/tracehttp"
)

// The tests of this file go through real connections.

// A service in a mesh: what arrives with a request goes on with the requests sent on its behalf.
func TestChainThroughService(t *testing.T) {
	t.Parallel()
	const (
		traceID   = "0af7651916cd43dd8448eb211c80319c"
		spanID    = "b7ad6b7169203331"
		requestID = "not a UUID; kept: byte/for=byte, %20~"
	)
	tests := []struct {
		name   string
		header http.Header
		// want are headers that the next service gets; "SPAN" stands for the client span's id.
		want map[string]string
	}{
		{
			"B3 and x-request-id",
			http.Header{
				"X-B3-Traceid": {traceID}, "X-B3-Spanid": {spanID}, "X-B3-Parentspanid": {"00f067aa0ba902b7"},
				"X-B3-Sampled": {"1"}, "X-Request-Id": {requestID},
			},
			map[string]string{"X-B3-Traceid": traceID, "X-B3-Spanid": "SPAN", "X-B3-Sampled": "1", "X-Request-Id": requestID},
		},
		{
			"B3 in one header",
			http.Header{"B3": {traceID + "-" + spanID + "-1"}, "X-Request-Id": {requestID}},
			map[string]string{"B3": traceID + "-SPAN-1", "X-Request-Id": requestID},
		},
		{
			"W3C",
			http.Header{"Traceparent": {"00-" + traceID + "-" + spanID + "-01"}, "Tracestate": {"a=1"}},
			map[string]string{"Traceparent": "00-" + traceID + "-SPAN-01", "Tracestate": "a=1"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rec := newRecorder(t)
			var got http.Header
			second := newSite(t, rec, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.Header.Clone() }))
			client := second.tracedClient(rec)
			first := newSite(t, rec, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				send(t, client, newRequest(t, r.Context(), second.URL))
			}))
			req := newRequest(t, t.Context(), first.URL)
			req.Header = tt.header
			send(t, first.Client(), req)
			second.calls.Wait()
			first.calls.Wait()

			spans := rec.ended()
			require.Len(t, spans, 3)
			clients, servers := ofKind(spans, trace.SpanKindClient), ofKind(spans, trace.SpanKindServer)
			require.Len(t, clients, 1)
			require.Len(t, servers, 2)
			sent := clients[0].SpanContext.SpanID()
			for _, d := range servers {
				switch d.Parent.SpanID() {
				case sent: // the second server's
				default:
					assert.Equal(t, spanID, d.Parent.SpanID().String(), "the first span hangs on the caller's")
					assert.Equal(t, clients[0].Parent.SpanID(), d.SpanContext.SpanID())
				}
				assert.Equal(t, traceID, d.SpanContext.TraceID().String())
			}
			for name, want := range tt.want {
				assert.Equal(t, strings.ReplaceAll(want, "SPAN", sent.String()), got.Get(name), name)
			}
		})
	}
}

func TestHTTP2(t *testing.T) {
	t.Parallel()
	rec := newRecorder(t)
	mux := http.NewServeMux()
	mux.HandleFunc("POST /echo/{id}", func(w http.ResponseWriter, r *http.Request) {
		assert.Implements(t, (*http.Flusher)(nil), w)
		assert.Implements(t, (*http.Pusher)(nil), w)
		_, isHijacker := w.(http.Hijacker)
		assert.False(t, isHijacker)
		_, err := io.Copy(w, r.Body)
		assert.NoError(t, err)
	})
	s := newUnstartedSite(t, rec, mux)
	s.EnableHTTP2 = true
	s.StartTLS()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/echo/1", strings.NewReader("text"))
	require.NoError(t, err)
	code, text := send(t, s.tracedClient(rec), req)
	assert.Equal(t, http.StatusOK, code)
	assert.Equal(t, "text", text)
	s.calls.Wait()

	spans := rec.ended()
	require.Len(t, spans, 2)
	for _, d := range spans {
		got := values(t, d.Attributes)
		assert.Equal(t, "2", got["network.protocol.version"])
		assert.Equal(t, "127.0.0.1", got["server.address"])
		if d.Kind == trace.SpanKindServer {
			assert.Equal(t, "POST /echo/{id}", d.Name)
			assert.Equal(t, "https", got["url.scheme"])
		}
	}
}

func TestHEAD(t *testing.T) {
	t.Parallel()
	for _, http2 := range []bool{false, true} {
		rec := newRecorder(t)
		s := newUnstartedSite(t, rec, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "7")
		}))
		s.EnableHTTP2 = http2
		s.StartTLS()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodHead, s.URL, http.NoBody)
		require.NoError(t, err)
		resp, err := s.tracedClient(rec).Do(req)
		require.NoError(t, err)
		assert.Equal(t, int64(7), resp.ContentLength)
		require.NoError(t, resp.Body.Close())
		s.calls.Wait()
		spans := rec.ended()
		require.Len(t, spans, 2)
		for _, d := range spans {
			assert.Equal(t, int64(200), values(t, d.Attributes)["http.response.status_code"])
		}
	}
}

func TestExpectContinue(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		handler  http.HandlerFunc
		wantCode int64
		wantText string
	}{
		"the body is wanted": {func(w http.ResponseWriter, r *http.Request) {
			_, err := io.Copy(w, r.Body)
			assert.NoError(t, err)
		}, 200, "text"},
		"the body is not wanted": {answer(http.StatusExpectationFailed).ServeHTTP, 417, ""},
	} {
		rec := newRecorder(t)
		s := newSite(t, rec, tt.handler)
		base := &http.Transport{ExpectContinueTimeout: time.Minute}
		client := &http.Client{Transport: newTransport(base, rec)}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL, strings.NewReader("text"))
		require.NoError(t, err)
		req.Header.Set("Expect", "100-continue")
		code, text := send(t, client, req)
		base.CloseIdleConnections()
		assert.Equal(t, tt.wantCode, int64(code), name)
		assert.Equal(t, tt.wantText, text, name)
		s.calls.Wait()
		for _, d := range rec.ended() {
			assert.Equal(t, tt.wantCode, values(t, d.Attributes)["http.response.status_code"], name)
		}
	}
}

// An upgrade as a WebSocket makes it: the handler hijacks, the client gets a body to write to.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	rec := newRecorder(t)
	s := newSite(t, rec, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, "echo", r.Header.Get("Upgrade"))
		conn, rw, err := w.(http.Hijacker).Hijack()
		if !assert.NoError(t, err) {
			return
		}
		defer conn.Close()
		_, _ = rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		_ = rw.Flush()
		line, err := rw.ReadString('\n')
		assert.NoError(t, err)
		_, _ = rw.WriteString("echo " + line)
		_ = rw.Flush()
	}))
	req := newRequest(t, t.Context(), s.URL)
	req.Header.Set("Connection", "Upgrade")
	req.Header.Set("Upgrade", "echo")
	resp, err := s.tracedClient(rec).Do(req)
	require.NoError(t, err)
	require.Equal(t, http.StatusSwitchingProtocols, resp.StatusCode)
	rwc, ok := resp.Body.(io.ReadWriteCloser)
	require.True(t, ok)
	_, err = io.WriteString(rwc, "hello\n")
	require.NoError(t, err)
	line, err := bufio.NewReader(rwc).ReadString('\n')
	require.NoError(t, err)
	assert.Equal(t, "echo hello\n", line)
	s.calls.Wait()
	require.NoError(t, rwc.Close())

	spans := rec.ended()
	require.Len(t, spans, 2)
	assert.Equal(t, int64(101), values(t, ofKind(spans, trace.SpanKindClient)[0].Attributes)["http.response.status_code"])
	assert.NotContains(t, values(t, ofKind(spans, trace.SpanKindServer)[0].Attributes), "http.response.status_code")
}

// exchange sends raw bytes to s and returns the status line of the response.
func exchange(t *testing.T, s *site, request string) string {
	t.Helper()
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, request)
	require.NoError(t, err)
	line, err := bufio.NewReader(conn).ReadString('\n')
	require.NoError(t, err)
	return line
}

func TestMalformedRequestsOnTheWire(t *testing.T) {
	t.Parallel()
	huge := strings.Repeat("x", 1<<20)
	tests := []struct {
		name, request string
		want          map[string]any
	}{
		{"Host with two ports", "GET / HTTP/1.1\r\nHost: a:1:2\r\n\r\n", map[string]any{"server.address": "a:1:2"}},
		{"Host with an open bracket", "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", map[string]any{"server.address": "[::1"}},
		{"Host with a word as port", "GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", map[string]any{"server.address": "a"}},
		{"Host of a megabyte", "GET / HTTP/1.1\r\nHost: " + huge + "\r\n\r\n", map[string]any{"server.address": huge[:1024]}},
		{"User-Agent of a megabyte", "GET / HTTP/1.0\r\nUser-Agent: " + huge + "\r\n\r\n", map[string]any{"user_agent.original": huge[:1024]}},
		{"bytes that are not UTF-8", "GET /%80 HTTP/1.0\r\nUser-Agent: a\xffb\r\n\r\n", map[string]any{"user_agent.original": "a\uFFFDb", "url.path": "/\uFFFD"}},
		{"method of its own", "BREW / HTTP/1.0\r\n\r\n", map[string]any{"http.request.method_original": "BREW"}},
		{"asterisk", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", map[string]any{"url.path": "*"}},
		{"absolute form", "GET http://a.example:81/p HTTP/1.1\r\nHost: b\r\n\r\n", map[string]any{"server.address": "a.example", "server.port": int64(81)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rec := newRecorder(t)
			s := newUnstartedSite(t, rec, answer(http.StatusNoContent))
			s.Config.MaxHeaderBytes = 4 << 20
			s.Config.DisableGeneralOptionsHandler = true
			s.Start()
			assert.Contains(t, exchange(t, s, tt.request), " 204 ")
			s.calls.Wait()
			got := values(t, only(t, rec).Attributes)
			for key, want := range tt.want {
				assert.Equal(t, want, got[key], key)
			}
		})
	}
}

func TestWrappersConcurrentSafe(t *testing.T) {
	t.Parallel()
	const goroutines, requests = 8, 20
	rec := newRecorder(t)
	mux := http.NewServeMux()
	mux.HandleFunc("/items/{id}", func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, "item %s", r.PathValue("id"))
	})
	s := newUnstartedSite(t, rec, mux)
	s.EnableHTTP2 = true
	s.StartTLS()
	client := s.tracedClient(rec)
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			for i := range requests {
				want := fmt.Sprintf("%d-%d", g, i)
				code, text := get(t, client, s.URL+"/items/"+want)
				assert.Equal(t, http.StatusOK, code)
				assert.Equal(t, "item "+want, text)
			}
		})
	}
	wg.Wait()
	s.calls.Wait()

	spans := rec.ended()
	servers := ofKind(spans, trace.SpanKindServer)
	assert.Len(t, servers, goroutines*requests)
	clients := map[trace.SpanID]bool{}
	for _, d := range ofKind(spans, trace.SpanKindClient) {
		clients[d.SpanContext.SpanID()] = true
	}
	for _, d := range servers {
		assert.Equal(t, "GET /items/{id}", d.Name)
		assert.True(t, clients[d.Parent.SpanID()], "each server span has a client span of its own")
		delete(clients, d.Parent.SpanID())
	}
	assert.Empty(t, clients)
}

// A handler under a timeout goes on writing after its time; that is no race of ours.
func TestTimeoutHandler(t *testing.T) {
	t.Parallel()
	rec := newRecorder(t)
	written := make(chan struct{})
	slow := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(written)
		<-r.Context().Done()
		_, _ = io.WriteString(w, "late")
	})
	s := newSite(t, rec, http.TimeoutHandler(slow, time.Millisecond, "timeout"))
	code, text := get(t, s.Client(), s.URL)
	assert.Equal(t, http.StatusServiceUnavailable, code)
	assert.Equal(t, "timeout", text)
	s.calls.Wait()
	<-written
	assert.Equal(t, "503", values(t, only(t, rec).Attributes)["error.type"])
}

// What a stranger sent to a public endpoint goes no further.
func TestLinkForwardsNothing(t *testing.T) {
	t.Parallel()
	rec := newRecorder(t)
	var got http.Header
	second := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.Header.Clone() }))
	t.Cleanup(second.Close)
	client := &http.Client{Transport: newTransport(second.Client().Transport, rec)}
	r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
	r.Header.Set("Traceparent", traceparent)
	r.Header.Set("X-Request-Id", "theirs")
	handle(t, rec, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		send(t, client, newRequest(t, r.Context(), second.URL))
	}), r, tracehttp.WithTrust(propagation.Link))
	assert.NotContains(t, got.Get("Traceparent"), "0af7651916cd43dd8448eb211c80319c")
	assert.NotEqual(t, "theirs", got.Get("X-Request-Id"))
	assert.Len(t, ofKind(rec.ended(), trace.SpanKindClient), 1)
}
