// SPDX-License-Identifier: Apache-2.0

package transport_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/spandrel-go/spandrel/internal/transport"
)

// serve starts a server on loopback and returns a client for its URL plus path. edit may be nil.
func serve(t *testing.T, path string, h http.HandlerFunc, edit func(*transport.Config)) *transport.Client {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	u, err := url.Parse(srv.URL + path)
	require.NoError(t, err)
	cfg := transport.Config{URL: u, Header: http.Header{}, Timeout: 10 * time.Second}
	if edit != nil {
		edit(&cfg)
	}
	c := transport.New(cfg)
	t.Cleanup(c.Close)
	return c
}

func answer(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func TestPostSendsBodyAndHeaders(t *testing.T) {
	t.Parallel()
	var got *http.Request
	var body []byte
	c := serve(t, "/spans?k=v", func(w http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
		w.WriteHeader(http.StatusAccepted)
	}, func(cfg *transport.Config) {
		cfg.URL.User = url.UserPassword("user", "secret")
		cfg.Header = http.Header{"Content-Type": {"application/json"}, "X-Both": {"config"}, "Host": {"zipkin.example"}}
	})
	resp, failure := c.Post(t.Context(), transport.Request{
		Body: []byte("[{}]"), Header: http.Header{"X-Count": {"1"}, "X-Both": {"request"}},
	})
	require.Nil(t, failure)
	assert.Equal(t, http.StatusAccepted, resp.StatusCode)
	assert.Equal(t, "[{}]", string(body))
	assert.Equal(t, http.MethodPost, got.Method)
	assert.Equal(t, "/spans?k=v", got.RequestURI)
	assert.Equal(t, int64(4), got.ContentLength)
	assert.Empty(t, got.TransferEncoding)
	assert.Equal(t, "zipkin.example", got.Host)
	assert.Equal(t, "application/json", got.Header.Get("Content-Type"))
	assert.Equal(t, "1", got.Header.Get("X-Count"))
	assert.Equal(t, []string{"request"}, got.Header.Values("X-Both"))
	user, password, _ := got.BasicAuth()
	assert.Equal(t, []string{"user", "secret"}, []string{user, password})
}

func TestPostEmptyBody(t *testing.T) {
	t.Parallel()
	length := int64(-1)
	c := serve(t, "/", func(_ http.ResponseWriter, r *http.Request) { length = r.ContentLength }, nil)
	_, failure := c.Post(t.Context(), transport.Request{})
	require.Nil(t, failure)
	assert.Zero(t, length)
}

func TestPostAnyStatus2xxIsSuccess(t *testing.T) {
	t.Parallel()
	for _, status := range []int{200, 201, 202, 204, 299} {
		c := serve(t, "/", answer(status, ""), nil)
		resp, failure := c.Post(t.Context(), transport.Request{Body: []byte("[]")})
		require.Nil(t, failure, "status %d", status)
		assert.Equal(t, status, resp.StatusCode)
	}
}

func TestPostFailureByStatus(t *testing.T) {
	t.Parallel()
	tests := []struct {
		status     int
		retryAfter string
		want       transport.Error
	}{
		{status: 400},
		{status: 401},
		{status: 404},
		{status: 408, want: transport.Error{Retryable: true}},
		{status: 413, retryAfter: "5", want: transport.Error{TooLarge: true}},
		{status: 429, retryAfter: "5", want: transport.Error{Retryable: true, RetryAfter: 5 * time.Second}},
		{status: 500, retryAfter: "5"},
		{status: 501},
		{status: 502, want: transport.Error{Retryable: true}},
		{status: 503, retryAfter: "Fri, 01 Jan 1999 00:00:00 GMT", want: transport.Error{Retryable: true}},
		{status: 504, want: transport.Error{Retryable: true}},
	}
	for _, tt := range tests {
		t.Run(http.StatusText(tt.status), func(t *testing.T) {
			t.Parallel()
			c := serve(t, "/", func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", tt.retryAfter)
				w.WriteHeader(tt.status)
			}, nil)
			_, failure := c.Post(t.Context(), transport.Request{Body: []byte("[]")})
			require.NotNil(t, failure)
			tt.want.Err, tt.want.StatusCode = failure.Err, tt.status
			assert.Equal(t, tt.want, *failure)
		})
	}
}

func TestPostErrorTextHidesSecretsAndIsBounded(t *testing.T) {
	t.Parallel()
	c := serve(t, "/spans?key=secret", answer(400, "line one\nline two\x1b[31m\n"+strings.Repeat("é", 1000)), func(cfg *transport.Config) {
		cfg.URL.User = url.UserPassword("user", "secret")
	})
	_, failure := c.Post(t.Context(), transport.Request{Body: []byte("[]")})
	require.NotNil(t, failure)
	text := failure.Error()
	assert.Regexp(t, `^post http://127\.0\.0\.1:\d+/spans: status 400: line one line two \[31m é+\??$`, text)
	_, body, _ := strings.Cut(text, "status 400: ")
	assert.LessOrEqual(t, len(body), 256)
	assert.NotContains(t, text, "secret")
	assert.NotContains(t, text, "\n")
}

func TestPostErrorTextWithoutBody(t *testing.T) {
	t.Parallel()
	c := serve(t, "/spans", answer(503, ""), nil)
	_, failure := c.Post(t.Context(), transport.Request{Body: []byte("[]")})
	require.NotNil(t, failure)
	assert.Regexp(t, `^post http://127\.0\.0\.1:\d+/spans: status 503$`, failure.Error())
}

func TestPostFollowsNoRedirect(t *testing.T) {
	t.Parallel()
	for _, status := range []int{301, 302, 303, 307, 308} {
		var followed atomic.Bool
		h := func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/new" {
				followed.Store(true)
				return
			}
			w.Header().Set("Location", "/new?key=secret")
			w.WriteHeader(status)
		}
		borrowed := &http.Client{Transport: transport.NewTransport()}
		for _, client := range []*http.Client{nil, borrowed} {
			c := serve(t, "/old", h, func(cfg *transport.Config) { cfg.HTTPClient = client })
			_, failure := c.Post(t.Context(), transport.Request{Body: []byte("[]")})
			require.NotNil(t, failure, "status %d", status)
			assert.False(t, failure.Retryable)
			assert.Equal(t, status, failure.StatusCode)
			assert.Regexp(t, `/old: status 30\d: redirects are not followed, location "/new"$`, failure.Error())
		}
		assert.False(t, followed.Load(), "status %d", status)
		borrowed.CloseIdleConnections()
	}
}

func TestPostNetworkErrorIsRetryable(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	c := transport.New(transport.Config{
		URL:     &url.URL{Scheme: "http", User: url.UserPassword("user", "secret"), Host: l.Addr().String(), RawQuery: "key=secret"},
		Timeout: 10 * time.Second,
	})
	defer c.Close()
	_, failure := c.Post(t.Context(), transport.Request{Body: []byte("[]")})
	require.NotNil(t, failure)
	assert.True(t, failure.Retryable)
	assert.Zero(t, failure.StatusCode)
	var op *net.OpError
	require.ErrorAs(t, failure, &op)
	assert.NotContains(t, failure.Error(), "secret")
}

func TestPostServerThatNeverAnswers(t *testing.T) {
	t.Parallel()
	hang := make(chan struct{})
	defer close(hang)
	h := func(http.ResponseWriter, *http.Request) { <-hang }
	t.Run("deadline of ctx", func(t *testing.T) {
		c := serveHanging(t, h, time.Hour)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		_, failure := c.Post(ctx, transport.Request{Body: []byte("[]")})
		require.NotNil(t, failure)
		require.ErrorIs(t, failure, context.DeadlineExceeded)
		assert.True(t, failure.Retryable)
	})
	t.Run("timeout of the configuration", func(t *testing.T) {
		c := serveHanging(t, h, 20*time.Millisecond)
		_, failure := c.Post(t.Context(), transport.Request{Body: []byte("[]")})
		require.NotNil(t, failure)
		require.ErrorIs(t, failure, context.DeadlineExceeded)
	})
	t.Run("cancelled before", func(t *testing.T) {
		c := serveHanging(t, h, time.Hour)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, failure := c.Post(ctx, transport.Request{Body: []byte("[]")})
		require.NotNil(t, failure)
		require.ErrorIs(t, failure, context.Canceled)
	})
}

// serveHanging is serve for a handler that outlives the test's clean-up: the server is not waited for.
func serveHanging(t *testing.T, h http.HandlerFunc, timeout time.Duration) *transport.Client {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(func() {
		_ = srv.Listener.Close()
		srv.CloseClientConnections()
	})
	u, err := url.Parse(srv.URL)
	require.NoError(t, err)
	c := transport.New(transport.Config{URL: u, Timeout: timeout})
	t.Cleanup(c.Close)
	return c
}

// The server answers while most of the body is still to be written. The bytes belong to the caller
// again when Post has returned: it writes to them, and the race detector watches.
func TestPostBodyIsNotTouchedAfterReturn(t *testing.T) {
	t.Parallel()
	c := serve(t, "/", answer(http.StatusRequestEntityTooLarge, "too large"), nil)
	body := make([]byte, 16<<20)
	for range 5 {
		_, failure := c.Post(t.Context(), transport.Request{Body: body})
		require.NotNil(t, failure)
		assert.True(t, failure.TooLarge, failure.Error())
		clear(body)
	}
}

// keeper is a RoundTripper that breaks the rule: it keeps the body and reads it later.
type keeper struct{ kept []io.Reader }

func (k *keeper) RoundTrip(r *http.Request) (*http.Response, error) {
	again, err := r.GetBody()
	if err != nil {
		return nil, err
	}
	k.kept = append(k.kept, r.Body, again)
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: r}, nil
}

func TestPostRevokesTheBody(t *testing.T) {
	t.Parallel()
	k := &keeper{}
	c := transport.New(transport.Config{
		URL: &url.URL{Scheme: "http", Host: "zipkin.example"}, HTTPClient: &http.Client{Transport: k}, Timeout: time.Second,
	})
	_, failure := c.Post(t.Context(), transport.Request{Body: []byte("[]")})
	require.Nil(t, failure)
	require.Len(t, k.kept, 2)
	for _, r := range k.kept {
		got, err := io.ReadAll(r)
		require.Error(t, err)
		assert.Empty(t, got)
	}
}

func TestPostResponseBodyIsBounded(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		max  int64
		sent int
		want int
	}{{"none asked for", 0, 100, 0}, {"shorter", 200, 100, 100}, {"longer", 50, 100, 50}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := serve(t, "/", answer(200, strings.Repeat("x", tt.sent)), func(cfg *transport.Config) { cfg.MaxResponseBytes = tt.max })
			resp, failure := c.Post(t.Context(), transport.Request{Body: []byte("[]")})
			require.Nil(t, failure)
			assert.Len(t, resp.Body, tt.want)
		})
	}
}

// A server that never ends its answer is cut off, and success stays success.
func TestPostDrainsNoMoreThanABound(t *testing.T) {
	t.Parallel()
	var sent atomic.Int64
	done := make(chan struct{})
	c := serve(t, "/", func(w http.ResponseWriter, _ *http.Request) {
		defer close(done)
		chunk := bytes.Repeat([]byte("x"), 64<<10)
		for {
			n, err := w.Write(chunk)
			sent.Add(int64(n))
			if err != nil {
				return
			}
		}
	}, nil)
	_, failure := c.Post(t.Context(), transport.Request{Body: []byte("[]")})
	require.Nil(t, failure)
	<-done
	assert.Less(t, sent.Load(), int64(64<<20))
}

func TestPostUsesItsConnectionAgain(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	peers := map[string]bool{}
	statuses := []int{200, 202, 400, 503, 204}
	c := serve(t, "/", func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		peers[r.RemoteAddr] = true
		w.WriteHeader(statuses[0])
		statuses = statuses[1:]
		_, _ = io.WriteString(w, strings.Repeat("x", 10<<10)) // refused with 204, which has no body
	}, nil)
	for range 5 {
		_, _ = c.Post(t.Context(), transport.Request{Body: []byte("[]")})
	}
	assert.Empty(t, statuses)
	assert.Len(t, peers, 1)
}

type closeCounter struct {
	http.RoundTripper
	closed atomic.Int64
}

func (c *closeCounter) CloseIdleConnections() { c.closed.Add(1) }

func TestCloseLeavesAClientOfTheUserAlone(t *testing.T) {
	t.Parallel()
	rt := &closeCounter{RoundTripper: &keeper{}}
	user := &http.Client{Transport: rt}
	c := transport.New(transport.Config{URL: &url.URL{Scheme: "http", Host: "zipkin.example"}, HTTPClient: user, Timeout: time.Second})
	c.Close()
	_, failure := c.Post(t.Context(), transport.Request{Body: []byte("[]")})
	require.Nil(t, failure)
	assert.Zero(t, rt.closed.Load())
	assert.Nil(t, user.CheckRedirect, "the user's client is not changed")
}

// goleak, in main_test.go, sees the goroutines of a connection that falls idle after Close.
func TestPostAfterCloseLeavesNoConnection(t *testing.T) {
	t.Parallel()
	c := serve(t, "/", answer(202, ""), nil)
	c.Close()
	_, failure := c.Post(t.Context(), transport.Request{Body: []byte("[]")})
	require.Nil(t, failure)
}

func TestPostConcurrentSafe(t *testing.T) {
	t.Parallel()
	var received atomic.Int64
	c := serve(t, "/", func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		received.Add(n)
		w.WriteHeader(http.StatusAccepted)
	}, nil)
	var posts sync.WaitGroup
	for i := range 8 {
		posts.Go(func() {
			body := bytes.Repeat([]byte{byte(i)}, 1000)
			for range 10 {
				_, failure := c.Post(t.Context(), transport.Request{Body: body})
				assert.Nil(t, failure)
				clear(body)
			}
		})
	}
	posts.Wait()
	assert.Equal(t, int64(80*1000), received.Load())
}

// A server that answers and then says nothing more does not hold the sender up: the answer is known. It
// would wait for the whole timeout, an hour.
func TestPostDoesNotWaitForAnEmptyRest(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusAccepted, http.StatusServiceUnavailable} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			t.Parallel()
			gone := make(chan struct{})
			c := serve(t, "/", func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(status)
				_ = http.NewResponseController(w).Flush()
				<-r.Context().Done()
				close(gone)
			}, func(c *transport.Config) { c.Timeout = time.Hour })
			_, failure := c.Post(t.Context(), transport.Request{Body: []byte("[]")})
			if status == http.StatusAccepted {
				require.Nil(t, failure)
			} else {
				require.NotNil(t, failure)
				assert.Equal(t, status, failure.StatusCode)
			}
			<-gone
		})
	}
}

// A server that switches protocols hands its connection over, and no timeout would end a read of that.
func TestPostSwitchingProtocols(t *testing.T) {
	t.Parallel()
	gone := make(chan struct{})
	c := serve(t, "/", func(w http.ResponseWriter, _ *http.Request) {
		defer close(gone)
		conn, in, err := http.NewResponseController(w).Hijack()
		if !assert.NoError(t, err) {
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n")
		_, _ = io.Copy(io.Discard, in) // until the client closes the connection
		_ = conn.Close()
	}, nil)
	_, failure := c.Post(t.Context(), transport.Request{Body: []byte("[]")})
	require.NotNil(t, failure)
	assert.Equal(t, http.StatusSwitchingProtocols, failure.StatusCode)
	assert.False(t, failure.Retryable)
	<-gone
}

func TestPostResponseHeaderIsBounded(t *testing.T) {
	t.Parallel()
	c := serve(t, "/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Long", strings.Repeat("x", 128<<10))
	}, nil)
	_, failure := c.Post(t.Context(), transport.Request{Body: []byte("[]")})
	require.NotNil(t, failure)
	assert.True(t, failure.Retryable)
	assert.Contains(t, failure.Error(), "response headers exceeded 65536 bytes")
}
