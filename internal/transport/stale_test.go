// SPDX-License-Identifier: Apache-2.0

package transport_test

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/spandrel-go/spandrel/internal/transport"
)

// keptServer answers the first request on each connection with the first of answers, and the second one with the
// second. It counts the requests on each.
type keptServer struct {
	place
	answers [2]string

	mu       sync.Mutex // guards all below
	peers    []string
	requests []int // of each of peers
}

// accepted is an answer after which the connection is kept. After any other, which is sent as it is and with the
// request's body unread, it is closed.
const accepted = "202"

func newKeptServer(t *testing.T, first, second string) *keptServer {
	t.Helper()
	s := &keptServer{answers: [2]string{first, second}}
	s.place = newPlace(t, func(w http.ResponseWriter, r *http.Request) {
		answer := s.answers[s.count(r.RemoteAddr)-1]
		if answer == accepted {
			_, _ = io.Copy(io.Discard, r.Body)
			w.WriteHeader(http.StatusAccepted)
			return
		}
		conn, _, err := http.NewResponseController(w).Hijack()
		if assert.NoError(t, err) {
			_, _ = io.WriteString(conn, answer)
			_ = conn.Close()
		}
	})
	return s
}

// count counts a request, and returns which one it is on its connection.
func (s *keptServer) count(peer string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.Index(s.peers, peer)
	if i < 0 {
		i = len(s.peers)
		s.peers, s.requests = append(s.peers, peer), append(s.requests, 0)
	}
	s.requests[i]++
	return s.requests[i]
}

func (s *keptServer) seen() []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// A connection that the server closes when it is used again costs nothing, whatever the size of the body.
func TestPostOnAConnectionThatWasClosed(t *testing.T) {
	t.Parallel()
	for name, size := range map[string]int{"small": 2, "large": 1 << 20} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newKeptServer(t, accepted, "")
			c := clientFor(t, s.place, nil)
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
	_, failure := clientFor(t, s.place, nil).Post(t.Context(), transport.Request{Body: []byte("[]")})
	require.NotNil(t, failure)
	assert.True(t, failure.Retryable)
	assert.Len(t, s.seen(), 1)
}

// Once an answer has begun the request has arrived.
func TestPostWhoseAnswerBreaksOff(t *testing.T) {
	t.Parallel()
	s := newKeptServer(t, accepted, "HTTP/1.1 202 Acc")
	c := clientFor(t, s.place, nil)
	post(t, c)
	_, failure := c.Post(t.Context(), transport.Request{Body: []byte("[]")})
	require.NotNil(t, failure)
	assert.Equal(t, []int{2}, s.seen())
}
