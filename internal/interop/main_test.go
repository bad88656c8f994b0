// SPDX-License-Identifier: Apache-2.0

package interop_test

import (
	"context"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/spandrel-go/spandrel/internal/interop/zipkinserver"
	"github.com/spandrel-go/spandrel/internal/testkit"
)

var sharedZipkin zipkinserver.Shared

// zipkinServer returns the Zipkin server that all tests of this package share, or skips the test.
func zipkinServer(t testing.TB) *zipkinserver.Server {
	t.Helper()
	return sharedZipkin.Get(t)
}

func TestMain(m *testing.M) {
	testkit.ForgetEnvironment()
	goleak.VerifyTestMain(stopAfter{m})
}

// stopAfter runs tests and then stops the servers that they share.
type stopAfter struct{ m *testing.M }

func (s stopAfter) Run() int {
	defer sharedZipkin.Stop()
	return s.m.Run()
}

// soon bounds what a test waits for on the network: a server on a busy machine is slow.
func soon(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}
