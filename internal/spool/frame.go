// SPDX-License-Identifier: Apache-2.0

package spool

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"slices"
)

// The file format is in the package comment.
const (
	magic     = "spdspool"
	version   = 1
	headBytes = len(magic) + 2 + 2 + 4 // of a segment file, without the name of the encoding

	frameHead = 32      // bytes of a frame before its payload
	stateAt   = 8       // where the state stands in a frame
	maxFrame  = 1 << 28 // bytes; lengths fit an int on every platform
	maxFormat = 255
)

var (
	le         = binary.LittleEndian
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	ackedState = [4]byte{0xff, 0xff, 0xff, 0xff} // four bytes, so that no flipped bit makes it
)

// key is what makes the frames of one file its own.
type key struct {
	format string
	marker [8]byte
}

// frame is what stands before a batch in a file.
type frame struct {
	pos                   int64 // where it begins in its file
	resource, data, spans int
	sum                   uint32 // of the payload
	acked                 bool
}

func (fr frame) payload() int { return 4*fr.spans + fr.resource + fr.data }
func (fr frame) end() int64   { return fr.pos + frameHead + int64(fr.payload()) }

// frameBytes returns the size of b's frame.
func frameBytes(b Batch) int64 {
	return frameHead + 4*int64(len(b.Ends)) + int64(len(b.Resource)) + int64(len(b.Data))
}

// checkBatch says what is wrong with a batch.
func checkBatch(b Batch) error {
	switch {
	case len(b.Ends) == 0:
		return errors.New("spool: a batch without spans")
	case !soundEnds(b):
		return errors.New("spool: Ends must not fall, begin at 0 or more, and end at len(Data)")
	}
	return nil
}

func soundEnds(b Batch) bool {
	return len(b.Ends) > 0 && b.Ends[0] >= 0 && slices.IsSorted(b.Ends) && b.Ends[len(b.Ends)-1] == len(b.Data)
}

// appendHeader appends the header of a segment file.
func appendHeader(dst []byte, format string) []byte {
	start := len(dst)
	dst = append(dst, magic...)
	dst = le.AppendUint16(dst, version)
	dst = le.AppendUint16(dst, uint16(len(format)))
	dst = append(dst, format...)
	return le.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
}

// header is what the beginning of a segment file says.
type header int

const (
	headerDamaged header = iota
	headerForeign        // it is sound, of another encoding or another version of the file format
	headerSound
)

// readHeader reads the header of a segment file.
func readHeader(r io.ReaderAt, format string) (h header, name string) {
	// A header of another encoding may be longer or shorter than ours: read as much as one can have.
	head := make([]byte, headBytes+maxFormat)
	n, err := r.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return headerDamaged, ""
	}
	head = head[:n]
	const nameAt = len(magic) + 4
	if len(head) < headBytes || string(head[:len(magic)]) != magic {
		return headerDamaged, ""
	}
	n = int(le.Uint16(head[nameAt-2:]))
	if len(head) < headBytes+n || crc32.Checksum(head[:nameAt+n], castagnoli) != le.Uint32(head[nameAt+n:]) {
		return headerDamaged, ""
	}
	name = string(head[nameAt : nameAt+n])
	if le.Uint16(head[len(magic):]) != version || name != format {
		return headerForeign, name
	}
	return headerSound, name
}

// appendFrame appends b's frame for the position pos of a file.
func (k key) appendFrame(dst []byte, pos int64, b Batch) []byte {
	start := len(dst)
	dst = append(dst, k.marker[:]...)
	dst = le.AppendUint32(dst, 0)
	dst = le.AppendUint32(dst, uint32(len(b.Resource)))
	dst = le.AppendUint32(dst, uint32(len(b.Data)))
	dst = le.AppendUint32(dst, uint32(len(b.Ends)))
	dst = append(dst, 0, 0, 0, 0, 0, 0, 0, 0) // the checksums
	for _, end := range b.Ends {
		dst = le.AppendUint32(dst, uint32(end))
	}
	dst = append(dst, b.Resource...)
	dst = append(dst, b.Data...)
	head := dst[start : start+frameHead]
	le.PutUint32(head[24:], crc32.Checksum(dst[start+frameHead:], castagnoli))
	le.PutUint32(head[28:], k.headSum(head, pos))
	return dst
}

// headSum returns the checksum that ends the head of a frame.
func (k key) headSum(head []byte, pos int64) uint32 {
	sum := crc32.Checksum([]byte(k.format), castagnoli)
	sum = crc32.Update(sum, castagnoli, le.AppendUint64(nil, uint64(pos)))
	sum = crc32.Update(sum, castagnoli, head[:stateAt])
	return crc32.Update(sum, castagnoli, head[stateAt+4:28])
}

// at reads the head of the frame at pos; ok says that it is sound and that all of the frame stands
// before end.
func (k key) at(r io.ReaderAt, pos, end int64) (fr frame, ok bool) {
	if end-pos < frameHead {
		return frame{}, false
	}
	var head [frameHead]byte
	if _, err := r.ReadAt(head[:], pos); err != nil {
		return frame{}, false
	}
	if [8]byte(head[:]) != k.marker || le.Uint32(head[28:]) != k.headSum(head[:], pos) {
		return frame{}, false
	}
	resource, data, spans := uint64(le.Uint32(head[12:])), uint64(le.Uint32(head[16:])), uint64(le.Uint32(head[20:]))
	// As sums of three 34-bit numbers these cannot overflow.
	if size := frameHead + 4*spans + resource + data; spans == 0 || size > maxFrame || size > uint64(end-pos) {
		return frame{}, false
	}
	return frame{
		pos: pos, resource: int(resource), data: int(data), spans: int(spans),
		sum: le.Uint32(head[24:]), acked: [4]byte(head[stateAt:]) == ackedState,
	}, true
}

// next finds the first sound head of a frame at pos or behind it. skipped says that there was something
// else before it, or before end if there is none.
func (k key) next(r io.ReaderAt, pos, end int64) (fr frame, skipped, ok bool) {
	if pos >= end {
		return frame{}, false, false
	}
	if fr, ok := k.at(r, pos, end); ok {
		return fr, false, true
	}
	var window []byte
	for from := pos + 1; end-from >= frameHead; {
		if window == nil {
			window = make([]byte, min(64<<10, end-from))
		}
		part := window[:min(int64(len(window)), end-from)]
		if _, err := r.ReadAt(part, from); err != nil {
			break // nothing behind can be read in one go; the file has become shorter, or the disk fails
		}
		for at := 0; ; at++ {
			i := bytes.Index(part[at:], k.marker[:])
			if i < 0 {
				break
			}
			at += i
			if fr, ok := k.at(r, from+int64(at), end); ok {
				return fr, true, true
			}
		}
		from += int64(len(part) - (len(k.marker) - 1)) // a marker may stand across the edge
	}
	return frame{}, true, false
}

// readBatch reads and checks the batch of a frame, into buf if it is large enough.
func readBatch(r io.ReaderAt, fr frame, buf []byte) (Batch, bool) {
	buf = slices.Grow(buf[:0], fr.payload())[:fr.payload()]
	if _, err := r.ReadAt(buf, fr.pos+frameHead); err != nil || crc32.Checksum(buf, castagnoli) != fr.sum {
		return Batch{}, false
	}
	ends := make([]int, fr.spans)
	for i := range ends {
		end := le.Uint32(buf[4*i:])
		if end > maxFrame {
			return Batch{}, false // it would be negative where an int has 32 bits
		}
		ends[i] = int(end)
	}
	rest := buf[4*fr.spans:]
	b := Batch{Resource: rest[:fr.resource:fr.resource], Data: rest[fr.resource:], Ends: ends}
	return b, soundEnds(b)
}
