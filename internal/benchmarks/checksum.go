// SPDX-License-Identifier: Apache-2.0

package benchmarks

import (
	"math"
	"math/bits"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

// Checksum is the work that every exporter here does with every field of every span: it reads all of
// it and keeps one number. The zero value is ready. Its result depends on the order of the calls,
// so that no field can stand for another.
type Checksum struct{ sum uint64 }

// checksumPrime is an odd multiplier with well spread bits (2^64 divided by the golden ratio).
const checksumPrime = 0x9e3779b97f4a7c15

// Value returns the number.
func (c *Checksum) Value() uint64 { return c.sum }

// Uint64 reads a number. Reading zero changes the sum too. The product does not wait for the sum
// before it: what is measured is the peers, not a chain of multiplications.
func (c *Checksum) Uint64(v uint64) { c.sum = bits.RotateLeft64(c.sum, 29) + (v+1)*checksumPrime }

// Bool reads a truth value.
func (c *Checksum) Bool(v bool) {
	if v {
		c.Uint64(1)
	} else {
		c.Uint64(2)
	}
}

// Time reads a time to the nanosecond.
func (c *Checksum) Time(t time.Time) { c.Uint64(uint64(t.UnixNano())) }

// String reads all bytes of s, and its length.
func (c *Checksum) String(s string) { readAll(c, s) }

// Bytes reads all bytes of b, and their number.
func (c *Checksum) Bytes(b []byte) { readAll(c, b) }

func readAll[T string | []byte](c *Checksum, s T) {
	n := uint64(len(s))
	i := 0
	for ; i+8 <= len(s); i += 8 {
		c.Uint64(uint64(s[i]) | uint64(s[i+1])<<8 | uint64(s[i+2])<<16 | uint64(s[i+3])<<24 |
			uint64(s[i+4])<<32 | uint64(s[i+5])<<40 | uint64(s[i+6])<<48 | uint64(s[i+7])<<56)
	}
	var tail uint64
	for ; i < len(s); i++ {
		tail = tail<<8 | uint64(s[i])
	}
	// Less than eight bytes are left, so the length's low byte has room at the top.
	c.Uint64(tail ^ n<<56 ^ n>>8)
}

// SpanContext reads ids, flags and trace state.
func (c *Checksum) SpanContext(sc trace.SpanContext) {
	traceID, spanID := sc.TraceID(), sc.SpanID()
	c.Bytes(traceID[:])
	c.Bytes(spanID[:])
	c.Uint64(uint64(sc.TraceFlags()))
	c.Bool(sc.IsRemote())
	if state := sc.TraceState(); state.Len() > 0 {
		c.String(state.String())
	}
}

// Attributes reads all keys and values.
func (c *Checksum) Attributes(attrs []attribute.KeyValue) {
	c.Uint64(uint64(len(attrs)))
	for i := range attrs {
		kv := &attrs[i]
		c.String(string(kv.Key))
		c.Uint64(uint64(kv.Value.Type()))
		switch kv.Value.Type() {
		case attribute.STRING:
			c.String(kv.Value.AsString())
		case attribute.INT64:
			c.Uint64(uint64(kv.Value.AsInt64()))
		case attribute.BOOL:
			c.Bool(kv.Value.AsBool())
		case attribute.FLOAT64:
			c.Uint64(math.Float64bits(kv.Value.AsFloat64()))
		default:
			c.String(kv.Value.String())
		}
	}
}
