// SPDX-License-Identifier: Apache-2.0

// Package soak makes many spans for a long time, before a backend that is gone half of the time, and
// compares what the provider counts with what the backend has.
//
//	make soak                          # ten minutes
//	make soak SOAKTIME=30s
//	go test ./internal/soak            # a few seconds
//
// 100,000 spans a second are offered, in traces of ten, from several goroutines; on a machine that makes
// fewer it is those, and the summary says so. It is done without a spool, with one that is large enough to
// lose nothing, and with one that is too small. No assertion is about time.
package soak
