// SPDX-License-Identifier: Apache-2.0

// Package latency counts durations, so that their quantiles can be read off:
//
//	var h latency.Histogram
//	start := time.Now()
//	span.End()
//	h.Record(time.Since(start))
//	fmt.Println(h.Quantile(0.999), h.Max())
//
// A [Histogram] takes 8 KiB however many durations it counts, and recording one allocates nothing. It
// is not safe for concurrent use: each goroutine has one of its own, and [Histogram.Add] joins them.
package latency
