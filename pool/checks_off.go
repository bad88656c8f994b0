// SPDX-License-Identifier: Apache-2.0

//go:build !invariants && !race

// The checks cost reflection and an allocation a Put: builds that were not asked for them have none.

package pool

// Checked says whether this is a checked build: one with -tags invariants or -race. It is a
// constant, so code behind it does not exist in other builds.
const Checked = false

type checks[T any] struct{}

func newChecks[T any](func(*T)) checks[T] { return checks[T]{} }

func (checks[T]) got(*Pool[T], *T) {}
func (checks[T]) putting(*T)       {}
func (checks[T]) blanked(*T)       {}
