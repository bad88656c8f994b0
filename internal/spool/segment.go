// SPDX-License-Identifier: Apache-2.0

package spool

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

const (
	extension = ".spool"
	maxSeq    = 1 << 62 // so that counting on never overflows
)

// segment is one segment file. The lock of the Spool guards it.
type segment struct {
	seq  uint64
	key  key
	path string
	file *os.File // nil while it is closed

	size  int64 // where the next frame would go; frames end at or before it
	bytes int64 // of the file; more than size where a torn part could not be cut off

	// Take walks through the frames from the beginning to size. Those before walked have been taken, or
	// were acknowledged before Open, or are damaged.
	walked   int64
	unseen   int      // spans of the batches behind walked that wait
	known    int      // damaged places behind walked that have been counted
	returned []*place // before walked, waiting again; in the order of the file
	taken    int      // spans of the batches that are taken now
	dropped  bool     // for room: what is taken of it cannot be returned
}

// place is where a taken batch stands.
type place struct {
	owner *Spool
	seg   *segment
	fr    frame
	done  bool // acknowledged or returned
}

// segmentName returns the name of a segment file.
func segmentName(seq uint64, marker [8]byte) string {
	return fmt.Sprintf("%016x-%x%s", seq, marker, extension)
}

// parseSegmentName is the reverse of segmentName; ok is false for any other name.
func parseSegmentName(name string) (seq uint64, marker [8]byte, ok bool) {
	digits, mark, _ := strings.Cut(strings.TrimSuffix(name, extension), "-")
	seq, err := strconv.ParseUint(digits, 16, 64)
	if err != nil || seq >= maxSeq || len(mark) != 2*len(marker) {
		return 0, marker, false
	}
	if _, err := hex.Decode(marker[:], []byte(mark)); err != nil {
		return 0, marker, false
	}
	return seq, marker, segmentName(seq, marker) == name
}

// newSegment makes a file, which is empty yet.
func (s *Spool) newSegment() (*segment, error) {
	if s.nextSeq >= maxSeq {
		return nil, fmt.Errorf("directory %s has the last number that a file may have", s.dir) // the next one would never be read
	}
	g := &segment{seq: s.nextSeq, key: key{format: s.format}}
	_, _ = rand.Read(g.key.marker[:]) // it never fails
	g.path = filepath.Join(s.dir, segmentName(g.seq, g.key.marker))
	f, err := os.OpenFile(g.path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	g.file = f
	s.nextSeq++
	return g, nil
}

// open returns the file of g, open: for reading only where it cannot be written any more.
func (g *segment) open() (*os.File, error) {
	if g.file == nil {
		f, err := os.OpenFile(g.path, os.O_RDWR, 0)
		if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
			f, err = os.Open(g.path)
		}
		if err != nil {
			return nil, err
		}
		g.file = f
	}
	return g.file, nil
}

// close closes the file of g if it is open.
func (g *segment) close() {
	if g.file != nil {
		_ = g.file.Close() // what matters has been synced, or is in the operating system's hands
		g.file = nil
	}
}

// waiting returns the spans of g that wait, without those that are taken.
func (g *segment) waiting() int {
	n := g.unseen
	for _, p := range g.returned {
		n += p.fr.spans
	}
	return n
}

// tidy deletes g when nothing waits in it, and else closes its file when it is not the next to be used.
// Needs s.mu.
func (s *Spool) tidy(g *segment) {
	switch {
	case g.dropped || g.taken > 0:
	case g.unseen == 0 && len(g.returned) == 0:
		s.remove(g)
	case g != s.active && g != s.segs[0]:
		g.close()
	}
}

// remove deletes g. If that fails its bytes go on to count, and it is tried again. Needs s.mu.
func (s *Spool) remove(g *segment) {
	g.close()
	s.segs = slices.DeleteFunc(s.segs, func(other *segment) bool { return other == g })
	if s.active == g {
		s.active = nil
	}
	s.stuck = append(s.stuck, g)
	s.removeStuck()
}

// removeStuck deletes the files that are to go. Needs s.mu.
func (s *Spool) removeStuck() {
	s.stuck = slices.DeleteFunc(s.stuck, func(g *segment) bool {
		if !g.unlink() {
			return false
		}
		s.stats.Bytes -= g.bytes
		return true
	})
}

// unlink deletes the file of g and reports whether it is gone.
func (g *segment) unlink() bool {
	g.close()
	err := os.Remove(g.path)
	return err == nil || errors.Is(err, fs.ErrNotExist)
}

// drop deletes g for room, and returns how many spans that wait it held. Needs s.mu.
func (s *Spool) drop(g *segment) (lost int) {
	lost = g.waiting()
	s.stats.Spans -= lost
	s.homeless += g.taken
	g.unseen, g.returned, g.dropped = 0, nil, true
	s.remove(g)
	return lost
}

// giveUp counts spans that waited as lost to damage. Needs s.mu.
func (s *Spool) giveUp(spans int) {
	s.stats.Spans -= spans
	s.stats.Lost += uint64(spans)
}

// met counts a damaged place that the walk through g has met, unless Open did. Needs s.mu.
func (s *Spool) met(g *segment) {
	if g.known > 0 {
		g.known--
		return
	}
	s.stats.Damaged++
}
