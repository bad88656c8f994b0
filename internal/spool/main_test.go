// SPDX-License-Identifier: Apache-2.0

package spool_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if os.Getenv(childVar) != "" {
		os.Exit(child()) //nolint:forbidigo // this is the host program
	}
	goleak.VerifyTestMain(m)
}
