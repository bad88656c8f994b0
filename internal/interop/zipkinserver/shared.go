// SPDX-License-Identifier: Apache-2.0

package zipkinserver

import (
	"context"
	"sync"
	"testing"

	"github.com/spandrel-go/spandrel/internal/interop/process"
)

// Shared is one server for all tests of a package, started when the first of them asks for it. The
// zero value is ready.
type Shared struct {
	mu      sync.Mutex // guards what follows
	started bool
	server  *Server
	err     error
}

// Get returns the server. Where it cannot be had the test is skipped, or fails with the environment
// variable SPANDREL_REQUIRE_SERVERS=1; where it does not start the test fails.
func (s *Shared) Get(t testing.TB) *Server {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.started {
		s.started = true
		s.server, s.err = Start(context.Background())
	}
	process.Check(t, s.err)
	return s.server
}

// Stop stops the server, if one was started.
func (s *Shared) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server != nil {
		s.server.Stop()
	}
}
