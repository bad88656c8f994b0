// SPDX-License-Identifier: Apache-2.0

// Package pool reuses memory: [Pool] is a typed [sync.Pool], [Buffer] a byte buffer for what is sent
// over the network.
//
//	var records = pool.New(resetRecord, poisonRecord)
//
//	r := records.Get()
//	// use r, which is as resetRecord left it or new
//	records.Put(r)
//
// # Rules
//
// What user code can reach is not pooled. An object has one owner, who puts it back once or leaves it
// to the garbage collector; one that met an error is left. After Put nobody touches it. A reset
// function blanks the whole object (*r = record{...}) and keeps nothing but buffers of a bounded
// size; the fields that it keeps carry the struct tag
//
//	invariants:"reused"
//
// # Checked builds
//
// Builds with -tags invariants or -race check these rules, see [Checked]. Put panics where an object
// is put a second time, and names both callers; it overwrites the object by the poison function, so
// that who still reads it reads nonsense. Get panics where a field without the tag above is not
// zero: either the reset function forgot it, or somebody wrote to the object after Put. The checks
// use reflection and allocate. In other builds none of this code exists.
//
// # Concurrency, errors, cost
//
// All functions and methods are safe for concurrent use; an object is its owner's alone. Nothing
// returns an error. A pool is a package variable, and it must pay in a parallel benchmark: what is
// made once a batch, or fits the stack, needs none.
package pool
