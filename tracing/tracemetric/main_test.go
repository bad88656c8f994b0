// SPDX-License-Identifier: Apache-2.0

package tracemetric_test

import (
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	for _, entry := range os.Environ() { // what stands in the environment of whoever runs the tests must not decide them
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "OTEL_") {
			_ = os.Unsetenv(name) // it fails for names that no entry can have
		}
	}
	goleak.VerifyTestMain(m)
}
