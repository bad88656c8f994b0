// SPDX-License-Identifier: Apache-2.0

//go:build invariants || race

// The checks are for builds that look for mistakes: those that ask for them by tag, and race tests.

package pool

import (
	"fmt"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"weak"
)

// Checked says whether this is a checked build: one with -tags invariants or -race. It is a
// constant, so code behind it does not exist in other builds.
const Checked = true

// checks is what a checked build knows about one pool.
type checks[T any] struct {
	poison func(*T) // may be nil
	// seen maps each object that was ever put and is still alive, as weak.Pointer[T], to its
	// *atomic.Pointer[callers]: who put it, or nil while it is out. It publishes nothing else, and
	// there is no lock over all objects, because that would order the goroutines of a program so
	// well that the race detector finds nothing any more.
	seen *sync.Map
}

// callers are program counters, from the caller of Put upwards.
type callers [4]uintptr

func newChecks[T any](poison func(*T)) checks[T] {
	return checks[T]{poison: poison, seen: new(sync.Map)}
}

// putting panics where x is in the pool already.
func (c checks[T]) putting(x *T) {
	now := new(callers)
	runtime.Callers(3, now[:]) // leaves out Callers, putting and Put
	key := weak.Make(x)
	v, known := c.seen.Load(key)
	if !known {
		if v, known = c.seen.LoadOrStore(key, new(atomic.Pointer[callers])); !known {
			runtime.AddCleanup(x, func(k weak.Pointer[T]) { c.seen.Delete(k) }, key)
		}
	}
	if by := v.(*atomic.Pointer[callers]); !by.CompareAndSwap(nil, now) {
		first := by.Load()
		if first == nil {
			first = new(callers) // somebody got it between the two lines above
		}
		panic(fmt.Sprintf("pool: %T put twice: by %s, and before by %s", x, now, first))
	}
}

// blanked overwrites x, which has been reset.
func (c checks[T]) blanked(x *T) {
	if c.poison != nil {
		c.poison(x)
	}
}

// got panics where x, which comes out of the pool, is not blank.
func (c checks[T]) got(p *Pool[T], x *T) {
	if v, known := c.seen.Load(weak.Make(x)); known {
		v.(*atomic.Pointer[callers]).Store(nil)
	}
	if c.poison != nil {
		p.blank(x)
	}
	v := reflect.ValueOf(x).Elem()
	if v.Kind() != reflect.Struct {
		return // its kept buffers are the object itself: there is no field that could carry the tag
	}
	if path, dirty := dirtyField(v, ""); dirty {
		panic(fmt.Sprintf("pool: %T has field %s that is not zero: reset forgot it, or it was written to after Put",
			x, path))
	}
}

// dirtyField returns the path of the first field below v, a struct or an array, that is not zero and
// not tagged as reused.
func dirtyField(v reflect.Value, path string) (string, bool) {
	if v.IsZero() {
		return "", false
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if f.Tag.Get("invariants") == "reused" {
				continue
			}
			if p, dirty := dirtyField(v.Field(i), strings.TrimPrefix(path+"."+f.Name, ".")); dirty {
				return p, true
			}
		}
		return "", false
	case reflect.Array:
		for i := range v.Len() {
			if p, dirty := dirtyField(v.Index(i), path+"["+strconv.Itoa(i)+"]"); dirty {
				return p, true
			}
		}
		return "", false
	default:
		return path, true
	}
}

// String names the first caller that does not belong to this package.
func (c *callers) String() string {
	name := "an unknown caller"
	frames := runtime.CallersFrames(c[:])
	for {
		f, more := frames.Next()
		if f.Function != "" {
			name = fmt.Sprintf("%s (%s:%d)", f.Function, f.File, f.Line)
		}
		if !more || !inThisPackage(f.Function) {
			return name
		}
	}
}

func inThisPackage(function string) bool {
	return strings.HasPrefix(function, reflect.TypeFor[callers]().PkgPath()+".")
}
