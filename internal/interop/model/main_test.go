// SPDX-License-Identifier: Apache-2.0

// Package model_test runs random programs of tracing calls on our provider and on OpenTelemetry's SDK.
// Both must export the same spans, but for what stands on the list of deviations.
//
// A program is a value of type program: how the provider is set up, and the operations. One that fails
// is made as small as it still fails and printed as Go, to be put into the table of TestPrograms.
package model_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/spandrel-go/spandrel/internal/testkit"
)

func TestMain(m *testing.M) {
	testkit.ForgetEnvironment()
	goleak.VerifyTestMain(m)
}
