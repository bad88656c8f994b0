// SPDX-License-Identifier: Apache-2.0

package zipkin_test

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/spandrel-go/spandrel/internal/testkit"
)

func TestMain(m *testing.M) {
	if directory := os.Getenv(spoolDirectory); directory != "" {
		if err := spoolUntilKilled(directory, os.Getenv(spoolBackend)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1) //nolint:forbidigo // it is a program of its own, not a test
		}
		return
	}
	testkit.ForgetEnvironment()
	goleak.VerifyTestMain(m)
}
