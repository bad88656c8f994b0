// SPDX-License-Identifier: Apache-2.0

// Package wire holds the encoders that the exporters share. Each appends to a byte slice and returns
// the extended slice:
//
//	dst = wire.AppendJSONString(dst, span.Name)
//
// None of them fails, keeps what it is given, or holds state, so all are safe for concurrent use.
// Nothing is allocated but what dst needs to grow, with one exception: the accessors of
// [attribute.Value] copy bytes, slices and maps.
package wire
