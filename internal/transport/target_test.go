// SPDX-License-Identifier: Apache-2.0

package transport_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/spandrel-go/spandrel/internal/transport"
)

// place is a server, its URL, and a channel that is sent the address of each connection that was closed.
type place struct {
	url    *url.URL
	closed chan string
}

func newPlace(t *testing.T, h http.HandlerFunc) place {
	t.Helper()
	p := place{closed: make(chan string, 10_000)}
	srv := httptest.NewUnstartedServer(h)
	srv.Config.ConnState = func(c net.Conn, state http.ConnState) {
		if state == http.StateClosed {
			p.closed <- c.RemoteAddr().String()
		}
	}
	srv.Start()
	t.Cleanup(srv.Close)
	var err error
	p.url, err = url.Parse(srv.URL)
	require.NoError(t, err)
	return p
}

// at returns a URL of the same server.
func (p place) at(path string) *url.URL {
	u := *p.url
	u.Path = path
	return &u
}

func clientFor(t *testing.T, p place, header http.Header) *transport.Client {
	t.Helper()
	c := transport.New(transport.Config{URL: p.url, Header: header, Timeout: time.Minute})
	t.Cleanup(c.Close)
	return c
}

func post(t *testing.T, c *transport.Client) {
	t.Helper()
	_, failure := c.Post(t.Context(), transport.Request{Body: []byte("[]")})
	require.Nil(t, failure)
}

// seen keeps the requests of a server.
type seen struct {
	mu    sync.Mutex
	peers []string
	keys  []string // the header X-Key of each
}

func (s *seen) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.peers = append(s.peers, r.RemoteAddr)
	s.keys = append(s.keys, r.Header.Get("X-Key"))
	w.WriteHeader(http.StatusAccepted)
}

func TestSetTargetClosesWhatIsIdle(t *testing.T) {
	t.Parallel()
	var a, b seen
	from, to := newPlace(t, a.ServeHTTP), newPlace(t, b.ServeHTTP)
	c := clientFor(t, from, http.Header{"X-Key": {"one"}})
	post(t, c)
	c.SetTarget(to.url, nil)
	assert.Equal(t, a.peers[0], <-from.closed)
	post(t, c)
	assert.Equal(t, []string{"one"}, a.keys)
	assert.Equal(t, []string{"one"}, b.keys, "the header is kept")
	assert.Equal(t, to.url.String(), c.URL())
}

func TestSetTargetOnOneServerKeepsTheConnection(t *testing.T) {
	t.Parallel()
	var a seen
	p := newPlace(t, a.ServeHTTP)
	c := clientFor(t, p, http.Header{"X-Key": {"one"}})
	post(t, c)
	c.SetTarget(nil, http.Header{"X-Key": {"two"}})
	post(t, c)
	c.SetTarget(p.at("/elsewhere"), http.Header{})
	post(t, c)
	assert.Equal(t, []string{"one", "two", ""}, a.keys)
	assert.Equal(t, []string{a.peers[0], a.peers[0], a.peers[0]}, a.peers)
	assert.Empty(t, p.closed)
}

// Whoever waits for the old place hears of another URL, and of nothing else.
func TestTargetReplaced(t *testing.T) {
	t.Parallel()
	u := &url.URL{Scheme: "http", Host: "a.example"}
	c := transport.New(transport.Config{URL: u, Timeout: time.Second})
	defer c.Close()
	replaced := c.TargetReplaced()
	heard := func() bool {
		select {
		case <-replaced:
			return true
		default:
			return false
		}
	}
	c.SetTarget(nil, http.Header{"X-Key": {"one"}})
	c.SetTarget(u, http.Header{"X-Key": {"two"}})
	c.SetTarget(nil, nil)
	assert.False(t, heard())
	assert.Equal(t, replaced, c.TargetReplaced())
	c.SetTarget(&url.URL{Scheme: "http", Host: "a.example", Path: "/api"}, nil)
	assert.True(t, heard())
	replaced = c.TargetReplaced()
	assert.False(t, heard())
}

// A request that is under way ends where it began, and its connection, which was not idle at the change, is
// closed then.
func TestSetTargetLeavesRequestsUnderWayAlone(t *testing.T) {
	t.Parallel()
	arrived, release := make(chan *http.Request), make(chan struct{})
	from := newPlace(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		arrived <- r
		<-release
		w.WriteHeader(http.StatusNoContent)
	})
	var b seen
	to := newPlace(t, b.ServeHTTP)
	c := clientFor(t, from, http.Header{"X-Key": {"one"}})
	answered := make(chan int)
	go func() {
		resp, failure := c.Post(t.Context(), transport.Request{Body: []byte("[]")})
		assert.Nil(t, failure)
		answered <- resp.StatusCode
	}()
	first := <-arrived
	c.SetTarget(to.url, http.Header{"X-Key": {"two"}})
	post(t, c) // the transport keeps connections again
	assert.Empty(t, from.closed)
	close(release)
	assert.Equal(t, http.StatusNoContent, <-answered)
	assert.Equal(t, "one", first.Header.Get("X-Key"))
	assert.Equal(t, first.RemoteAddr, <-from.closed)
	assert.Equal(t, []string{"two"}, b.keys)
}

func TestSetTargetErrorTexts(t *testing.T) {
	t.Parallel()
	p := newPlace(t, answer(http.StatusBadRequest, "no"))
	c := clientFor(t, newPlace(t, answer(http.StatusOK, "")), nil)
	u := p.at("/new")
	u.User, u.RawQuery = url.UserPassword("user", "secret"), "key=secret"
	c.SetTarget(u, nil)
	_, failure := c.Post(t.Context(), transport.Request{Body: []byte("[]")})
	require.NotNil(t, failure)
	require.EqualError(t, failure, "post "+p.url.String()+"/new: status 400: no")
	assert.Equal(t, p.url.String()+"/new", c.URL())
}

func TestSetTargetLeavesAClientOfTheUserAlone(t *testing.T) {
	t.Parallel()
	rt := &closeCounter{RoundTripper: &keeper{}}
	c := transport.New(transport.Config{
		URL: &url.URL{Scheme: "http", Host: "a.example"}, HTTPClient: &http.Client{Transport: rt}, Timeout: time.Second,
	})
	c.SetTarget(&url.URL{Scheme: "http", Host: "b.example"}, nil)
	post(t, c)
	assert.Zero(t, rt.closed.Load())
	assert.Equal(t, "http://b.example", c.URL())
}

// A change closes no connection on which an answer is coming in: the request would count as failed, be tried
// again, and arrive twice.
func TestSetTargetLosesNoAnswerConcurrentSafe(t *testing.T) {
	t.Parallel()
	var received atomic.Int64
	count := func(w http.ResponseWriter, _ *http.Request) {
		received.Add(1)
		w.WriteHeader(http.StatusAccepted)
	}
	places := []place{newPlace(t, count), newPlace(t, count)}
	c := clientFor(t, places[0], nil)
	var stop atomic.Bool
	var changes sync.WaitGroup
	changes.Go(func() {
		for i := 0; !stop.Load(); i++ {
			c.SetTarget(places[i%2].url, nil)
			runtime.Gosched()
		}
	})
	var posts sync.WaitGroup
	for range 4 {
		posts.Go(func() {
			for range 500 {
				if _, failure := c.Post(context.Background(), transport.Request{Body: []byte("[]")}); failure != nil {
					t.Error(failure)
				}
			}
		})
	}
	posts.Wait()
	stop.Store(true)
	changes.Wait()
	assert.EqualValues(t, 2000, received.Load())
}

// pairs is a RoundTripper that compares what belongs together: the name of the host and two header fields.
type pairs struct{ mixed, seen atomic.Int64 }

func (p *pairs) RoundTrip(r *http.Request) (*http.Response, error) {
	p.seen.Add(1)
	if name := r.URL.Hostname(); r.Header.Get("X-One") != name || r.Header.Get("X-Two") != name {
		p.mixed.Add(1)
	}
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: r}, nil
}

func hostTarget(name string) (*url.URL, http.Header) {
	return &url.URL{Scheme: "http", Host: name}, http.Header{"X-One": {name}, "X-Two": {name}}
}

func pairsClient(p *pairs) *transport.Client {
	u, h := hostTarget("a")
	return transport.New(transport.Config{URL: u, Header: h, HTTPClient: &http.Client{Transport: p}, Timeout: time.Minute})
}

// No request has parts of two targets.
func TestSetTargetIsOneStepConcurrentSafe(t *testing.T) {
	t.Parallel()
	var p pairs
	c := pairsClient(&p)
	var stop atomic.Bool
	var changes sync.WaitGroup
	changes.Go(func() {
		for !stop.Load() {
			c.SetTarget(hostTarget("b"))
			c.SetTarget(hostTarget("a"))
		}
	})
	var posts sync.WaitGroup
	for range 4 {
		posts.Go(func() {
			for range 10_000 {
				_, failure := c.Post(context.Background(), transport.Request{Body: []byte("[]")})
				if failure != nil {
					t.Error(failure)
					return
				}
			}
		})
	}
	posts.Wait()
	stop.Store(true)
	changes.Wait()
	assert.EqualValues(t, 40_000, p.seen.Load())
	assert.Zero(t, p.mixed.Load())
}

// Who sets the URL and who sets the header do not undo each other.
func TestSetTargetOfPartsConcurrentSafe(t *testing.T) {
	t.Parallel()
	var p pairs
	c := pairsClient(&p)
	for i := range 2000 {
		u, h := hostTarget(strconv.Itoa(i))
		var sets sync.WaitGroup
		sets.Go(func() { c.SetTarget(u, nil) })
		sets.Go(func() { c.SetTarget(nil, h) })
		sets.Wait()
		post(t, c)
	}
	assert.EqualValues(t, 2000, p.seen.Load())
	assert.Zero(t, p.mixed.Load())
}
