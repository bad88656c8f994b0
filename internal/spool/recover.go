// SPDX-License-Identifier: Apache-2.0

package spool

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// recover reads what an earlier process left in the directory. Needs s.mu, or that nobody else has s.
func (s *Spool) recover() error {
	names, err := os.ReadDir(s.dir)
	if err != nil {
		return err
	}
	var found []*segment
	for _, name := range names {
		seq, marker, ok := parseSegmentName(name.Name())
		if !ok || !name.Type().IsRegular() {
			continue
		}
		found = append(found, &segment{
			seq: seq, key: key{format: s.format, marker: marker}, path: filepath.Join(s.dir, name.Name()),
		})
	}
	slices.SortFunc(found, func(a, b *segment) int { return cmp.Compare(a.seq, b.seq) })
	for i, g := range found {
		newest := i == len(found)-1
		ours, err := s.recoverSegment(g, newest)
		switch {
		case err != nil:
			return err
		case ours && newest:
			s.active = g // or each start of a program that delivers nothing would make another small file
		}
	}
	if n := len(s.segs); n > 0 { // what was no file of a spool says nothing
		s.nextSeq = s.segs[n-1].seq + 1
	}
	// MaxBytes may have been larger. One file that is too large alone goes first, or all others would.
	for _, g := range slices.Clone(s.segs) {
		if g.bytes > s.maxBytes {
			s.stats.Shrunk += uint64(s.drop(g))
		}
	}
	for len(s.segs) > 0 && s.stats.Bytes > s.maxBytes {
		s.stats.Shrunk += uint64(s.drop(s.segs[0]))
	}
	return nil
}

// recoverSegment reads the heads of the frames of g, and all of them if whole, counts, cuts off what is
// no frame at the end, and deletes the file if nothing waits in it. appendable says that frames can be
// appended to it.
func (s *Spool) recoverSegment(g *segment, whole bool) (appendable bool, err error) {
	f, err := g.open()
	if err != nil {
		return false, err
	}
	defer g.close()
	info, err := f.Stat()
	if err != nil {
		return false, err
	}
	g.bytes = info.Size()
	s.segs = append(s.segs, g)
	s.stats.Bytes += g.bytes

	if g.bytes > 0 { // or its maker was killed before the first write: nothing is damaged
		switch h, name := readHeader(f, s.format); h {
		case headerForeign:
			s.stats.Damaged++
			g.key.format = name
			_ = s.count(g, false) // it is one damaged place as a whole
			s.stats.Recovered += uint64(g.unseen)
			s.stats.Lost += uint64(g.unseen)
			s.remove(g)
			return false, nil
		case headerSound:
			appendable = true
			g.walked = int64(headBytes + len(s.format))
		case headerDamaged: // it is the first thing that the walk skips
		}
	}
	damaged := s.count(g, whole)
	s.stats.Damaged += uint64(damaged)
	s.stats.Spans += g.unseen
	s.stats.Recovered += uint64(g.unseen)
	if g.unseen == 0 {
		s.remove(g)
		return false, nil
	}
	if g.size < g.bytes {
		if err := f.Truncate(g.size); err != nil {
			return false, nil //nolint:nilerr // reading is sound without it
		}
		s.stats.Bytes -= g.bytes - g.size
		g.bytes = g.size
	}
	return appendable, nil
}

// count walks through the frames of g for the first time; it sets unseen, known and size, and returns the
// number of damaged places.
func (s *Spool) count(g *segment, whole bool) (damaged int) {
	g.size = g.walked
	var buf []byte
	for pos := g.walked; ; {
		fr, skipped, ok := g.key.next(g.file, pos, g.bytes)
		if skipped {
			damaged++
		}
		if !ok {
			return damaged
		}
		pos = fr.end()
		if !fr.acked {
			if whole {
				buf = slices.Grow(buf[:0], fr.payload())
				if _, ok := readBatch(g.file, fr, buf); !ok {
					damaged++
					continue
				}
			}
			g.unseen += fr.spans
		}
		g.size, g.known = pos, damaged
	}
}

// checkConfig says what is wrong with a configuration.
func checkConfig(c Config) error {
	switch {
	case c.Dir == "":
		return errors.New("spool: Dir is empty")
	case c.MaxBytes < MinBytes:
		return fmt.Errorf("spool: MaxBytes %d is less than %d", c.MaxBytes, int64(MinBytes))
	case c.Format == "" || len(c.Format) > maxFormat:
		return fmt.Errorf("spool: Format has %d bytes, not 1 to %d", len(c.Format), maxFormat)
	}
	return nil
}
