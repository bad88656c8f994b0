// SPDX-License-Identifier: Apache-2.0

package tracetest

import (
	"slices"
	"testing"
	"testing/synctest"

	"github.com/spandrel-go/spandrel/tracing"
)

// Run runs a test with a fake clock and ids that count ([IDs]): f is called in a bubble of
// testing/synctest, where the time is 2000-01-01 00:00:00 UTC at first and moves only when all goroutines
// of the bubble wait, for instance in time.Sleep. Its recorder is made by [New] in the bubble; opts may
// replace the ids. As in each bubble, t.Run and t.Parallel are not for f, and goroutines that f starts
// must end before the test does.
func Run(t *testing.T, f func(t *testing.T, r *Recorder), opts ...tracing.Option) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f(t, New(t, slices.Concat([]tracing.Option{tracing.WithIDGenerator(&IDs{})}, opts)...))
	})
}
