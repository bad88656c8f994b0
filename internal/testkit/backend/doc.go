// SPDX-License-Identifier: Apache-2.0

// Package backend is a Zipkin server for tests that fails on command: it is slow or silent, resets
// connections, refuses, goes away and comes back on the same port. It says which spans it has.
//
//	b := backend.New(t)
//	b.Script(backend.Status(503), backend.ResetInBody()) // the first two requests; all others succeed
//	e, err := zipkin.New(b.URL())
//	// ...
//	require.Equal(t, 10, len(b.Accepted()))
//
// It speaks HTTP/1.1 on a TCP socket of 127.0.0.1 by itself, because a server of net/http does not let
// go wrong what shall. A [Server] and its methods are safe for concurrent use; an [Exchange] belongs to
// the one call of the [Fault] that it is given to. What a test makes here is gone when it ends.
package backend
