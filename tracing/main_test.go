// SPDX-License-Identifier: Apache-2.0

package tracing_test

import (
	"os"
	"runtime"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

// atStart holds the stacks of all goroutines before the first test made a provider.
var atStart string

func TestMain(m *testing.M) {
	buf := make([]byte, 1<<20)
	forgetEnvironment()
	atStart = string(buf[:runtime.Stack(buf, true)])
	os.Exit(runAll(m)) //nolint:forbidigo // TestMain ends the test program
}

// forgetEnvironment unsets what providers read: tests that are about the environment bring their own.
func forgetEnvironment() {
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "OTEL_") {
			if err := os.Unsetenv(name); err != nil {
				panic(err)
			}
		}
	}
}

// runAll runs the tests and then looks for goroutines that were left behind.
func runAll(m *testing.M) int {
	code := 1
	goleak.VerifyTestMain(m, goleak.Cleanup(func(c int) { code = c }))
	return code
}
