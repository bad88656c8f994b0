// SPDX-License-Identifier: Apache-2.0

package propagation_test

import (
	"testing"

	"github.com/spandrel-go/spandrel/internal/testkit"
)

func TestMain(m *testing.M) {
	testkit.ForgetEnvironment()
	m.Run()
}
