// SPDX-License-Identifier: Apache-2.0

// Package zipkinserver starts a real Zipkin server for tests and asks it for the spans it received.
//
//	var shared zipkinserver.Shared // stopped by TestMain
//
//	func TestX(t *testing.T) {
//		server := shared.Get(t)
//		// export to server.SpansURL()
//		spans, err := server.WaitForTrace(ctx, traceID, 3)
//
// The server keeps spans in memory and listens on 127.0.0.1 only, on a port of its own. It is the jar
// that `make servers` puts into the user's cache folder; Java 17 runs it.
//
// A [Server] and a [Shared] are safe for concurrent use.
package zipkinserver
