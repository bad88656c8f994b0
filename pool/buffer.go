// SPDX-License-Identifier: Apache-2.0

package pool

// maxBufferBytes is the largest capacity of a buffer that is kept. A batch of 512 spans of a
// kilobyte, more than spans need, is half of it, so whole batches are encoded into a kept buffer
// after the slice's last doubling. Larger ones come from rare spans with huge attributes, and keeping
// these would hold their memory for good.
const maxBufferBytes = 1 << 20

var buffers = New(resetBuffer, nil)

// Buffer is a byte buffer for an exporter's request, to append to. It has one owner: the one who
// sends it releases it when the last reader is done. That is the Close of an HTTP request's body, not
// the return of the client's Do, after which net/http may still read it.
//
// A Buffer is not safe for concurrent use.
type Buffer struct {
	// B holds the bytes. The owner may append to it and may replace it by another slice of its own.
	B []byte `invariants:"reused"`
}

// GetBuffer returns a buffer with len(B) == 0 that the caller owns. It is safe for concurrent use.
func GetBuffer() *Buffer { return buffers.Get() }

// Release gives the buffer and B's array back; the caller must not touch either again. A B of more
// than 1 MiB of capacity is not kept. Checked builds overwrite B's array with 0xDB, and panic where
// a buffer is released twice.
func (b *Buffer) Release() {
	if Checked {
		poisonBytes(b.B)
	}
	buffers.Put(b)
}

func resetBuffer(b *Buffer) {
	if cap(b.B) > maxBufferBytes {
		*b = Buffer{}
		return
	}
	*b = Buffer{B: b.B[:0]}
}

func poisonBytes(b []byte) {
	b = b[:cap(b)]
	for i := range b {
		b[i] = 0xDB
	}
}
