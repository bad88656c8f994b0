// SPDX-License-Identifier: Apache-2.0

package testkit

import (
	"runtime"
	"runtime/debug"
	"testing"
)

// ownMallocs is what the runtime may allocate for itself in all runs together, a cache that grows or a thread
// that starts: a bound without it breaks once in some hundred runs of a test.
const ownMallocs = 3

// attempts is how often a bound is measured before it counts as broken. What the runtime and the
// testing package allocate now and then can only add; what f allocates is there each time.
const attempts = 3

// MaxMallocs fails t where calls of f allocate more than perRun objects on average of runs calls. It
// bounds the total, and that of the whole process: goroutines that f gives work to count as well.
// testing.AllocsPerRun rounds down, so that one allocation in four calls reads as none. Three in all are the
// runtime's own.
//
// f is called runs times or a few more before measuring, so that pools and maps are warm, and up to
// three times as often while measuring. The garbage collector, which empties pools, is off meanwhile.
// runs is at least 1; 1,000 is usual.
//
// The test must not be parallel, and MaxMallocs panics where any parallel test is running. It skips
// t under race, with coverage, and with -tags invariants, which allocate by themselves: give it a
// test function of its own.
func MaxMallocs(t testing.TB, runs int, perRun float64, f func()) {
	t.Helper()
	bound(t, "mallocs", runs, perRun, ownMallocs, f, func(m *runtime.MemStats) uint64 { return m.Mallocs })
}

// MaxBytes fails t where calls of f allocate more than perRun bytes of heap on average of runs calls.
// Bytes are those of the size classes that the runtime rounds up to. All else is as in [MaxMallocs].
func MaxBytes(t testing.TB, runs int, perRun float64, f func()) {
	t.Helper()
	bound(t, "bytes", runs, perRun, 0, f, func(m *runtime.MemStats) uint64 { return m.TotalAlloc })
}

func bound(t testing.TB, unit string, runs int, perRun, own float64, f func(), read func(*runtime.MemStats) uint64) {
	t.Helper()
	if checkedBuild {
		t.Skipf("the race detector and the checks of -tags invariants allocate: %s would not be those of f", unit)
	}
	if testing.CoverMode() != "" {
		t.Skipf("coverage changes what the compiler puts on the heap: %s would not be those of f", unit)
	}

	testing.AllocsPerRun(1, f) // for its panic when a parallel test is running
	for range runs {
		f()
	}

	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	var least uint64
	for i := range attempts {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range runs {
			f()
		}
		runtime.ReadMemStats(&after)
		total := read(&after) - read(&before)
		if float64(total) <= perRun*float64(runs)+own {
			return
		}
		if i == 0 || total < least {
			least = total
		}
	}
	t.Errorf("got %d %s in %d runs (%.3f a run), want at most %g a run",
		least, unit, runs, float64(least)/float64(runs), perRun)
}
