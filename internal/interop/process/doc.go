// SPDX-License-Identifier: Apache-2.0

// Package process runs the real servers that tests talk to, each as a process of its own.
//
//	program, err := process.Cached("envoy-1.40.0")     // what `make servers` fetched
//	p := process.Start(ctx, exec.CommandContext(...))
//	defer p.Stop()                                     // it is gone when Stop returns
//	err = p.WaitUntil(ctx, ready)
//
// A [Process] is safe for concurrent use.
package process
