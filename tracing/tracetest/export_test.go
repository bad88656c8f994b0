// SPDX-License-Identifier: Apache-2.0

package tracetest

import "testing"

// CheckExporter does what TestExporter does, where t is no *testing.T, with run in place of t.Run.
func CheckExporter(t testing.TB, newTarget func(t testing.TB) Target, run func(name string, check func(t testing.TB))) {
	for _, r := range rules(t, newTarget) {
		run(r.name, r.run)
	}
}
