// SPDX-License-Identifier: Apache-2.0

package transport_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/spandrel-go/spandrel/internal/transport"
)

// keptServer answers the first request on each connection, and does with the second one what second says. It
// counts the connections, and the requests on each.
type keptServer struct {
	url *url.URL

	mu       sync.Mutex // guards requests
	requests []int
}

const accepted = "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"

func newKeptServer(t *testing.T, first, second string) *keptServer {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &keptServer{url: &url.URL{Scheme: "http", Host: listener.Addr().String(), Path: "/spans"}}
	var served sync.WaitGroup
	served.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			n := len(s.requests)
			s.requests = append(s.requests, 0)
			s.mu.Unlock()
			served.Go(func() { s.serve(conn, n, first, second) })
		}
	})
	t.Cleanup(func() {
		assert.NoError(t, listener.Close())
		served.Wait()
	})
	return s
}

func (s *keptServer) serve(conn net.Conn, n int, answers ...string) {
	defer func() { _ = conn.Close() }()
	in := bufio.NewReader(conn)
	for _, answer := range answers {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		s.mu.Lock()
		s.requests[n]++
		s.mu.Unlock()
		if answer == "" {
			return // with the body unread, which resets the connection
		}
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(conn, answer)
	}
}

func (s *keptServer) seen() []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]int(nil), s.requests...)
}

func (s *keptServer) client(t *testing.T) *transport.Client {
	t.Helper()
	c := transport.New(transport.Config{URL: s.url, Timeout: time.Minute})
	t.Cleanup(c.Close)
	return c
}

// A connection that the server closes when it is used again costs nothing, whatever the size of the body.
func TestPostOnAConnectionThatWasClosed(t *testing.T) {
	t.Parallel()
	for name, size := range map[string]int{"small": 2, "large": 1 << 20} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newKeptServer(t, accepted, "")
			c := s.client(t)
			body := []byte(strings.Repeat("x", size))
			for range 3 {
				_, failure := c.Post(t.Context(), transport.Request{Body: body})
				require.Nil(t, failure)
			}
			assert.Equal(t, []int{2, 2, 1}, s.seen(), "each was tried again once, on a new connection")
		})
	}
}

// A server that does not answer on a new connection has failed.
func TestPostOnANewConnectionThatIsClosed(t *testing.T) {
	t.Parallel()
	s := newKeptServer(t, "", "")
	_, failure := s.client(t).Post(t.Context(), transport.Request{Body: []byte("[]")})
	require.NotNil(t, failure)
	assert.True(t, failure.Retryable)
	assert.Len(t, s.seen(), 1)
}

// Once an answer has begun the request has arrived.
func TestPostWhoseAnswerBreaksOff(t *testing.T) {
	t.Parallel()
	s := newKeptServer(t, accepted, "HTTP/1.1 202 Acc")
	c := s.client(t)
	post(t, c)
	_, failure := c.Post(t.Context(), transport.Request{Body: []byte("[]")})
	require.NotNil(t, failure)
	assert.Equal(t, []int{2}, s.seen())
}
