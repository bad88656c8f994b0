// SPDX-License-Identifier: Apache-2.0

package propagationtest

import (
	"testing"

	"go.opentelemetry.io/otel/propagation"
)

// CheckPropagator does what Test does, where t is no *testing.T, with run in place of t.Run.
func CheckPropagator(
	t testing.TB, newPropagator func(t testing.TB) propagation.TextMapPropagator, opts []Option,
	run func(name string, check func(t testing.TB)),
) {
	for _, r := range rules(t, newPropagator, opts) {
		run(r.name, r.run)
	}
}
