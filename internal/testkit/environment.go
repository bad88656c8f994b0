// SPDX-License-Identifier: Apache-2.0

package testkit

import (
	"os"
	"strings"
)

// ForgetEnvironment unsets the variables of OpenTelemetry, which providers and exporters read, for the
// rest of the test program: what stands in the environment of whoever runs the tests must not decide
// them. TestMain calls it first. Tests that are about the environment set their own.
func ForgetEnvironment() {
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "OTEL_") {
			_ = os.Unsetenv(name) // it fails for names that no entry can have
		}
	}
}
