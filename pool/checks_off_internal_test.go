// SPDX-License-Identifier: Apache-2.0

//go:build !invariants && !race

// Only plain builds are free of the checks.

package pool

import (
	"reflect"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestPlainBuildHasNoChecks(t *testing.T) {
	t.Parallel()
	assert.False(t, Checked)
	assert.Zero(t, reflect.TypeFor[checks[int]]().Size(), "a plain pool must hold nothing for the checks")

	poisoned := 0
	p := New(nil, func(*int) { poisoned++ })
	x := p.Get()
	p.Put(x)
	p.Put(x) // nobody gets it: the pool dies here
	assert.Zero(t, poisoned, "poison is for checked builds only")
}
