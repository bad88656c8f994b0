// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"bufio"
	"errors"
	"maps"
	"net"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"
)

// Request says what became of one request.
type Request struct {
	// At is when its first byte came, Until when the server was done with it.
	At, Until time.Time
	// IDs are those of the spans in it, if its body was read to the end; Spans is their number, and Bytes
	// the size of what was read of the body.
	IDs          []string
	Spans, Bytes int
	// Status is what was answered, 0 for no answer or one that could not be written whole.
	Status int
	// Accepted says that the server has the spans. The client knows it if Status is 2xx.
	Accepted bool
}

// Server is a backend that fails on command. Each request meets a [Fault]: the next one of the script
// or, when that is at its end, the rest.
type Server struct {
	tb   testing.TB
	addr string
	wg   sync.WaitGroup // of the goroutines that accept and serve

	mu       sync.Mutex // guards all below
	listener net.Listener
	conns    map[net.Conn]struct{}
	script   []Fault
	rest     Fault
	accepted map[string]int
	requests []Request
	opened   int
	changed  chan struct{} // closed, and made anew, when a request is done
}

// New starts a server on a free port of 127.0.0.1 that accepts everything until it is told otherwise.
// It is closed when the test ends. A body that is no JSON array of spans fails the test.
func New(tb testing.TB) *Server {
	tb.Helper()
	s := &Server{
		tb: tb, rest: Accept(),
		conns: map[net.Conn]struct{}{}, accepted: map[string]int{}, changed: make(chan struct{}),
	}
	var err error
	for range 1000 {
		if err = s.reserve(); err == nil {
			return s
		}
	}
	tb.Fatalf("backend: no free port: %v", err)
	return nil
}

// reserve finds a port and listens there. A port that the system gives out must not be it: as soon as
// Stop frees it, the system gives it to the next one who asks, and a test would talk to the server of
// another. So the port is one that the system gives to nobody, and the one that it stands for, on which
// nobody calls, is kept until the test ends: it belongs to no other server, in whatever process.
func (s *Server) reserve() error {
	const distance, systems = 22768, 32768 // the lowest port that any system gives out by itself
	kept, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	port := kept.Addr().(*net.TCPAddr).Port - distance
	if s.addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(port)); port >= systems {
		err = errors.New("out of range")
	} else {
		err = s.listen()
	}
	if err != nil {
		return errors.Join(err, kept.Close())
	}
	s.tb.Cleanup(func() {
		s.Stop()
		kept.Close() //nolint:errcheck // nothing was promised
	})
	return nil
}

// URL is where the server takes spans; it stays the same when the server is started again.
func (s *Server) URL() string { return "http://" + s.addr + "/api/v2/spans" }

// Rest sets what becomes of all requests after the script.
func (s *Server) Rest(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rest = f
}

// Script adds faults for the next requests, one for each.
func (s *Server) Script(faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.script = append(s.script, faults...)
}

// Stop makes the server refuse connections and closes those that are open. When it returns the server
// has no goroutine left. What the server has accepted stays. It is idempotent.
func (s *Server) Stop() {
	s.mu.Lock()
	if s.listener != nil {
		if err := s.listener.Close(); err != nil {
			s.tb.Errorf("backend: %v", err)
		}
		s.listener = nil
	}
	for c := range s.conns {
		c.Close() //nolint:errcheck // the goroutine that serves it notices
	}
	s.mu.Unlock()
	s.wg.Wait()
}

// Start starts the server again, on its port, after Stop.
func (s *Server) Start() {
	if err := s.listen(); err != nil {
		s.tb.Errorf("backend: start again: %v", err)
	}
}

// Accepted returns how often the server has accepted each span, by its id in hexadecimal digits. The
// map is the caller's own.
func (s *Server) Accepted() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.accepted)
}

// Requests returns what became of each request that the server is done with, in the order in which it
// was done with them.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Connections returns how many connections were opened so far.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.opened
}

// Wait waits until enough says of the requests that are done that they are what the test waits for, and
// reports whether it did within the given time.
func (s *Server) Wait(within time.Duration, enough func([]Request) bool) bool {
	deadline := time.NewTimer(within)
	defer deadline.Stop()
	for {
		s.mu.Lock()
		ok, changed := enough(s.requests), s.changed
		s.mu.Unlock()
		if ok {
			return true
		}
		select {
		case <-changed:
		case <-deadline.C:
			return false
		}
	}
}

func (s *Server) listen() error {
	l, err := net.Listen("tcp", s.addr)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.listener = l
	s.mu.Unlock()
	s.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return // closed by Stop
			}
			s.mu.Lock()
			if s.listener != l { // Stop did not see the connection
				c.Close() //nolint:errcheck // nothing was promised
				s.mu.Unlock()
				return
			}
			s.conns[c] = struct{}{}
			s.opened++
			s.mu.Unlock()
			s.wg.Go(func() { s.serve(c) })
		}
	})
	return nil
}

// serve serves a connection until one of the sides closes it.
func (s *Server) serve(c net.Conn) {
	defer func() {
		c.Close() //nolint:errcheck // most often it is closed
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.conns, c)
	}()
	in := bufio.NewReader(c)
	for {
		if _, err := in.Peek(1); err != nil {
			return
		}
		x := &Exchange{server: s, conn: c, in: in, result: Request{At: time.Now()}}
		s.next()(x)
		x.result.Until = time.Now()
		s.mu.Lock()
		s.requests = append(s.requests, x.result)
		close(s.changed)
		s.changed = make(chan struct{})
		s.mu.Unlock()
		if x.closed {
			return
		}
	}
}

// next takes the fault for one request.
func (s *Server) next() Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.script) == 0 {
		return s.rest
	}
	f := s.script[0]
	s.script = s.script[1:]
	return f
}
