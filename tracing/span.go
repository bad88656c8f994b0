// SPDX-License-Identifier: Apache-2.0

package tracing

// Span is one timed operation.
type Span struct{}
