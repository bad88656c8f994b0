// SPDX-License-Identifier: Apache-2.0

package pool

import "sync"

// Pool is a [sync.Pool] of *T, safe for concurrent use. It is made by [New] and must not be copied.
// T has a size other than zero.
type Pool[T any] struct {
	checks checks[T] // no field and no code outside checked builds
	pool   sync.Pool // holds *T only
	reset  func(*T)  // nil: the whole object is set to its zero value
}

// New makes a pool.
//
// reset makes an object blank. Put calls it. All that it leaves must be zero, except fields with the
// tag invariants:"reused". Where reset is nil, the object is set to T's zero value.
//
// poison overwrites an object, and what its kept buffers hold, with values that no reader can take
// for real ones. Only Put of a checked build calls it, after reset; Get of such a build calls reset
// again. Where poison is nil, a put object stays as reset left it, and checked builds find who
// wrote to it after Put instead.
func New[T any](reset, poison func(*T)) *Pool[T] {
	return &Pool[T]{checks: newChecks(poison), reset: reset}
}

// Get returns a blank object that the caller owns: a new one, which is T's zero value, or one that
// was put. It panics in checked builds where the object is not blank.
func (p *Pool[T]) Get() *T {
	x, ok := p.pool.Get().(*T)
	if !ok {
		return new(T)
	}
	p.checks.got(p, x)
	return x
}

// Put takes x, which is not nil, from the caller, who must not touch it again. x need not come from
// Get. Put panics in checked builds where x was put before and has not been got since.
func (p *Pool[T]) Put(x *T) {
	p.checks.putting(x)
	p.blank(x)
	p.checks.blanked(x)
	p.pool.Put(x)
}

func (p *Pool[T]) blank(x *T) {
	if p.reset != nil {
		p.reset(x)
		return
	}
	var zero T
	*x = zero
}
