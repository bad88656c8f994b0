// SPDX-License-Identifier: Apache-2.0

package envoy_test

import (
	"context"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/spandrel-go/spandrel/internal/interop/zipkinserver"
	"github.com/spandrel-go/spandrel/internal/testkit"
)

var sharedZipkin zipkinserver.Shared

func TestMain(m *testing.M) {
	testkit.ForgetEnvironment()
	goleak.VerifyTestMain(stopAfter{m})
}

// stopAfter runs tests and then stops the server that they share.
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
