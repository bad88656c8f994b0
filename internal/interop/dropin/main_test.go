// SPDX-License-Identifier: Apache-2.0

package dropin_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/spandrel-go/spandrel/internal/testkit"
)

func TestMain(m *testing.M) {
	testkit.ForgetEnvironment()
	goleak.VerifyTestMain(m)
}
