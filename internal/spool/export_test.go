// SPDX-License-Identifier: Apache-2.0

package spool

import "os"

// Names and sizes that tests need of the file format.
const (
	FrameHead = frameHead
	StateAt   = stateAt
	LockName  = lockName
)

// OpenError is what Open returns.
var OpenError = openError

// HeaderBytes returns the size of the header of a segment file.
func HeaderBytes(format string) int64 { return int64(headBytes + len(format)) }

// SegmentName returns the name of a segment file.
func SegmentName(seq uint64, marker [8]byte) string { return segmentName(seq, marker) }

// AppendHeader appends the header of a segment file.
func AppendHeader(dst []byte, format string) []byte { return appendHeader(dst, format) }

// AppendFrame appends a frame, for the position of a file with this marker.
func AppendFrame(dst []byte, format string, marker [8]byte, pos int64, b Batch) []byte {
	return key{format: format, marker: marker}.appendFrame(dst, pos, b)
}

// OnWrite makes all writes of s go through write.
func (s *Spool) OnWrite(write func(f *os.File, b []byte, at int64) (int, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.write = write
}

// OpenFiles returns how many segment files are open.
func (s *Spool) OpenFiles() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range s.segs {
		if g.file != nil {
			n++
		}
	}
	return n
}
