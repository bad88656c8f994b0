// SPDX-License-Identifier: Apache-2.0

// Package testkit holds what tests of several packages need. Only tests and test kits import it.
//
//	func TestStartDoesNotAllocate(t *testing.T) {
//		testkit.MaxMallocs(t, 1000, 0, func() { start() })
//	}
package testkit
