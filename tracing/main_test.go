// SPDX-License-Identifier: Apache-2.0

package tracing_test

import (
	"os"
	"runtime"
	"testing"

	"go.uber.org/goleak"

	"github.com/spandrel-go/spandrel/internal/testkit"
)

// atStart holds the stacks of all goroutines before the first test made a provider.
var atStart string

func TestMain(m *testing.M) {
	buf := make([]byte, 1<<20)
	testkit.ForgetEnvironment()
	atStart = string(buf[:runtime.Stack(buf, true)])
	os.Exit(runAll(m)) //nolint:forbidigo // TestMain ends the test program
}

// runAll runs the tests and then looks for goroutines that were left behind.
func runAll(m *testing.M) int {
	code := 1
	goleak.VerifyTestMain(m, goleak.Cleanup(func(c int) { code = c }))
	return code
}
