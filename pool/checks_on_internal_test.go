// SPDX-License-Identifier: Apache-2.0

//go:build invariants || race

// Only checked builds have the checks.

package pool

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestChecksForgetDeadObjects(t *testing.T) {
	t.Parallel()
	const objects = 1000
	p := New[[64]byte](nil, nil)
	for range objects {
		p.Put(new([64]byte))
	}
	alive := func() (n int) {
		p.checks.seen.Range(func(any, any) bool { n++; return true })
		return n
	}
	for range 1000 {
		if alive() < objects/10 {
			break
		}
		runtime.GC() // sync.Pool lets go of an object after two
	}
	assert.Less(t, alive(), objects/10, "what is known of objects must go with them")
}
