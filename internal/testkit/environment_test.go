// SPDX-License-Identifier: Apache-2.0

package testkit_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/spandrel-go/spandrel/internal/testkit"
)

// Not parallel: it changes the environment of the process.
func TestForgetEnvironment(t *testing.T) {
	t.Setenv("OTEL_SDK_DISABLED", "true")
	t.Setenv("SPANDREL_TEST_OTEL_", "stays")
	testkit.ForgetEnvironment()
	_, ok := os.LookupEnv("OTEL_SDK_DISABLED")
	assert.False(t, ok)
	assert.Equal(t, "stays", os.Getenv("SPANDREL_TEST_OTEL_"))
}
