// SPDX-License-Identifier: Apache-2.0

package spool_test

import (
	"encoding/binary"
	"hash/crc32"
	"strings"

	"github.com/spandrel-go/spandrel/internal/spool"
)

// This is a reader of segment files as a stranger would write it from the package comment: slow and
// simple, to compare with.

var table = crc32.MakeTable(crc32.Castagnoli)

// foundFrame is a frame that readFile has found.
type foundFrame struct {
	pos, end int
	acked    bool
	sound    bool // also its payload
	batch    spool.Batch
}

// headerLength returns the length of the header of a file, or -1 if it is damaged; ours says whether it
// is of this encoding.
func headerLength(file []byte, encoding string) (n int, ours bool) {
	if len(file) < 16 || string(file[:8]) != "spdspool" {
		return -1, false
	}
	n = 12 + int(binary.LittleEndian.Uint16(file[10:]))
	if len(file) < n+4 || crc32.Checksum(file[:n], table) != binary.LittleEndian.Uint32(file[n:]) {
		return -1, false
	}
	return n + 4, binary.LittleEndian.Uint16(file[8:]) == 1 && string(file[12:n]) == encoding
}

// readFile returns the frames of a file, in order.
func readFile(file []byte, encoding string, marker [8]byte) (found []foundFrame) {
	pos, ours := headerLength(file, encoding)
	switch {
	case pos < 0:
		pos = 0
	case !ours:
		return nil
	}
	for ; pos+32 <= len(file); pos++ {
		if fr, ok := readFrame(file, pos, encoding, marker); ok {
			found = append(found, fr)
			pos = fr.end - 1
		}
	}
	return found
}

func readFrame(file []byte, pos int, encoding string, marker [8]byte) (fr foundFrame, ok bool) {
	head, rest := file[pos:pos+32], file[pos+32:]
	if [8]byte(head) != marker {
		return fr, false
	}
	number := func(at int) uint64 { return uint64(binary.LittleEndian.Uint32(head[at:])) }
	resource, data, spans := number(12), number(16), number(20)
	summed := binary.LittleEndian.AppendUint64([]byte(encoding), uint64(pos))
	summed = append(append(summed, head[:8]...), head[12:28]...)
	length := 4*spans + resource + data
	if crc32.Checksum(summed, table) != uint32(number(28)) || spans == 0 || length > uint64(len(rest)) || length+32 > 256<<20 {
		return fr, false
	}
	payload := rest[:length]
	fr = foundFrame{pos: pos, end: pos + 32 + len(payload), acked: number(8) == 0xffffffff}
	fr.batch.Resource = payload[4*spans : 4*spans+resource]
	fr.batch.Data = payload[4*spans+resource:]
	fr.sound = crc32.Checksum(payload, table) == uint32(number(24))
	last := 0
	for i := range int(spans) {
		end := int(binary.LittleEndian.Uint32(payload[4*i:]))
		fr.sound = fr.sound && end >= last
		fr.batch.Ends = append(fr.batch.Ends, end)
		last = end
	}
	fr.sound = fr.sound && last == len(fr.batch.Data)
	return fr, true
}

// markerOf returns the marker in a file's name.
func markerOf(name string) (marker [8]byte) {
	digits := strings.TrimSuffix(name, ".spool")
	digits = digits[len(digits)-16:]
	for i := range marker {
		for _, c := range []byte(digits[2*i : 2*i+2]) {
			marker[i] = marker[i]<<4 | byte(strings.IndexByte("0123456789abcdef", c))
		}
	}
	return marker
}
