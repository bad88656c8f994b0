// SPDX-License-Identifier: Apache-2.0

package spool

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
)

// MinBytes is the least Config.MaxBytes.
const MinBytes = 256 << 10

const (
	maxSegment = 16 << 20 // bytes: what a power cut may cost
	maxBuffer  = 1 << 20  // bytes of a buffer that is kept for the next Append
	lockName   = "spool.lock"
)

var (
	// ErrInUse is why Open fails while this or another process has the directory open.
	ErrInUse = errors.New("in use by another process or another exporter; each needs a directory of its own")
	// ErrTooLarge is why Append does not store a batch that has no room in an empty directory, or whose
	// frame is larger than 256 MiB.
	ErrTooLarge = errors.New("spool: the batch is larger than the spool may be")
	// ErrClosed is what Append returns after Close.
	ErrClosed = errors.New("spool: it is closed")
)

// Config says how to open a spool.
type Config struct {
	// Dir is the directory. It is made if it is not there, with mode 0700: spans may hold personal data.
	// Files have mode 0600.
	Dir string
	// MaxBytes bounds the size of all files together; at least MinBytes. Files are made to hold a
	// sixteenth of it, at most 16 MiB: so much is dropped at a time when there is no room.
	MaxBytes int64
	// Format names the encoding of the batches, in 1 to 255 bytes. What Open finds of another one is
	// deleted and counted.
	Format string
}

// Batch is an encoded batch.
type Batch struct {
	Resource []byte
	Data     []byte
	Ends     []int // Ends[i] is where span i ends in Data, and the last is len(Data); at least one
}

// Entry is a batch that was taken. It owns its bytes. Copies are the same entry.
type Entry struct {
	Batch
	at *place // nil in the zero Entry
}

// Stats says what is in a spool, and what was found in it.
type Stats struct {
	Spans     int    // that wait now, those taken included
	Bytes     int64  // of all files
	Recovered uint64 // spans that waited at Open
	Damaged   uint64 // damaged or torn places, and files of another format, found by Open or Take
	// Lost counts spans that waited and were found damaged by Take or in files of another format by Open,
	// or were taken at Close while their file had been dropped for room; Shrunk those that Open dropped
	// because MaxBytes had become smaller. They are lost without a method having returned their number.
	Lost, Shrunk uint64
}

// Spool is a bounded directory of batches. All methods are safe for concurrent use.
type Spool struct {
	dir          string
	format       string
	maxBytes     int64
	segmentBytes int64
	mode         fs.FileMode                                       // of the directory, at Open
	write        func(f *os.File, b []byte, at int64) (int, error) // (*os.File).WriteAt, but in tests

	mu      sync.Mutex // guards all below, and what is in the directory
	closed  bool
	lock    io.Closer
	syncs   *syncer // has a lock of its own
	nextSeq uint64
	segs    []*segment // by age, the oldest first
	active  *segment   // the one of them that frames are appended to; nil: a new one is to be made
	stuck   []*segment // files that could not be deleted
	buf     []byte     // for the frame of Append
	stats   Stats
	// What PassedOver returns.
	passedOver error
	// Spans that are taken while their file has been dropped for room. They count in stats.
	homeless int

	shownMu sync.Mutex // guards shown
	shown   Stats      // stats, for readers that must not wait for the disk
}

// Open opens a spool and locks its directory. The error is [ErrInUse] by errors.Is when it is open already,
// in any process.
func Open(c Config) (*Spool, error) {
	if err := checkConfig(c); err != nil {
		return nil, err
	}
	// Absolute, because the program may change its working directory.
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, openError(dir, err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return nil, openError(dir, err)
	}
	lock, err := lockFile(filepath.Join(dir, lockName))
	if err != nil {
		return nil, openError(dir, err)
	}
	s := &Spool{
		dir: dir, format: c.Format, maxBytes: c.MaxBytes, segmentBytes: min(c.MaxBytes/16, maxSegment),
		write: (*os.File).WriteAt, lock: lock, syncs: newSyncer(dir), mode: info.Mode(),
	}
	if err := s.recover(); err != nil {
		_ = lock.Close() // nothing was written
		return nil, openError(dir, err)
	}
	s.show()
	return s, nil
}

// openError names the directory that cannot be opened, and what to do about it.
func openError(dir string, err error) error {
	advice := ""
	info, statErr := os.Stat(dir)
	switch {
	case errors.Is(err, ErrInUse):
		err = ErrInUse // the name of the lock file helps nobody
	case statErr == nil && !info.IsDir():
		return fmt.Errorf("spool: %s is a file, not a directory", dir)
	case errors.Is(err, fs.ErrPermission):
		advice = "; the program's user must be able to make, read and delete files in it"
	}
	return fmt.Errorf("spool: directory %s: %w%s", dir, err, advice)
}

// OthersMayWrite reports whether every user of the machine could put files into the directory when it was
// opened: they would be replayed like its own. That a sticky bit keeps them from deleting does not help. Of
// Windows, where a mode says nothing about that, it is false.
func (s *Spool) OthersMayWrite() bool { return runtime.GOOS != "windows" && s.mode.Perm()&0o002 != 0 }

// Append stores a batch behind all others. lost is the number of waiting spans that went with the oldest
// files to make room, also when there is an error; then b is not stored. It borrows b until it returns.
// The error is [ErrTooLarge] by errors.Is when there can be no room.
func (s *Spool) Append(b Batch) (lost int, err error) {
	if err := checkBatch(b); err != nil {
		return 0, err
	}
	n, header := frameBytes(b), int64(headBytes+len(s.format))
	if n > maxFrame || header+n > s.maxBytes {
		return 0, fmt.Errorf("%w: %d bytes, with %d spans", ErrTooLarge, n, len(b.Ends))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, ErrClosed
	}
	defer s.show()
	if s.active != nil && s.active.size+n > s.segmentBytes {
		s.finish()
	}
	if lost, err = s.makeRoom(n, header); err != nil {
		return lost, err
	}
	if err := s.append(b); err != nil {
		return lost, fmt.Errorf("spool: %w", err)
	}
	return lost, nil
}

// makeRoom drops the oldest files that can be deleted until a frame of n bytes has room, with the header of a
// file if it needs one. Needs s.mu.
func (s *Spool) makeRoom(n, header int64) (lost int, err error) {
	for {
		need := n
		if s.active == nil {
			need += header
		}
		if s.stats.Bytes+need <= s.maxBytes {
			return lost, nil
		}
		s.removeStuck()
		if s.stats.Bytes+need <= s.maxBytes {
			return lost, nil
		}
		// What cannot be deleted makes no room, and can be delivered yet.
		i := slices.IndexFunc(s.segs, (*segment).unlink)
		if i < 0 {
			return lost, fmt.Errorf("spool: no room: %d bytes are in files that cannot be deleted", s.stats.Bytes)
		}
		lost += s.drop(s.segs[i])
	}
}

// append writes b's frame, into a new file if there is no active one. Needs s.mu, and room.
func (s *Spool) append(b Batch) (err error) {
	g := s.active
	s.buf = s.buf[:0]
	if g == nil {
		if g, err = s.newSegment(); err != nil {
			return err
		}
		s.buf = appendHeader(s.buf, s.format)
	}
	f, err := g.open()
	if err != nil {
		s.active = nil // somebody has deleted it: the next batch needs a new one
		return err
	}
	header := int64(len(s.buf))
	s.buf = g.key.appendFrame(s.buf, g.size+header, b)
	n := int64(len(s.buf))
	_, err = s.write(f, s.buf, g.size)
	if cap(s.buf) > maxBuffer {
		s.buf = nil
	}
	if err != nil {
		s.cut(g, n)
		return err
	}
	if s.active == nil {
		s.active = g
		s.segs = append(s.segs, g)
		g.walked = header
	}
	g.size += n
	g.bytes += n
	g.unseen += len(b.Ends)
	s.stats.Bytes += n
	s.stats.Spans += len(b.Ends)
	return nil
}

// cut takes back what a failed write of n bytes may have left behind the frames of g. Needs s.mu.
func (s *Spool) cut(g *segment, n int64) {
	if g != s.active { // it is new
		g.bytes = n
		s.stats.Bytes += n
		s.remove(g)
		return
	}
	if err := g.file.Truncate(g.size); err == nil {
		return
	}
	// The torn part stays until the next Open: nothing can be appended behind it.
	if info, err := g.file.Stat(); err == nil {
		n = info.Size() - g.bytes
	}
	g.bytes += n
	s.stats.Bytes += n
	s.finish()
}

// finish has the active file and the directory synced. The next frame needs a new file. Needs s.mu.
func (s *Spool) finish() {
	g := s.active
	if g == nil {
		return
	}
	s.active = nil
	f, err := g.open() // one that a killed process wrote to may not have been synced either
	if err != nil {
		s.syncs.fail(err)
	} else {
		g.file = nil // it is the syncer's; whoever needs it opens it again
		s.syncs.add(f)
	}
	s.tidy(g)
}

// Take returns the oldest batch that is neither acknowledged nor taken; false if there is none. Files that
// cannot be opened now are passed over: see [Spool.PassedOver]. Damaged places on the way are counted.
func (s *Spool) Take() (Entry, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return Entry{}, false
	}
	defer s.show()
	s.passedOver = nil
	for i := 0; i < len(s.segs); {
		g := s.segs[i]
		if g.unseen == 0 && len(g.returned) == 0 {
			i++
			continue
		}
		fr, b, ok, err := s.takeFrom(g) // which may delete g
		if err != nil {
			s.passedOver = err
			i++
			continue
		}
		if ok {
			g.taken += fr.spans
			return Entry{b, &place{owner: s, seg: g, fr: fr}}, true
		}
	}
	return Entry{}, false
}

// PassedOver returns why the newest Take could not open a file in which batches wait; nil if it could open all
// that it had to.
func (s *Spool) PassedOver() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.passedOver
}

// takeFrom goes one step through what waits in g: ok says that it has come to a sound batch. The error is
// that of a file that is there and cannot be opened. Needs s.mu.
func (s *Spool) takeFrom(g *segment) (fr frame, b Batch, ok bool, err error) {
	f, err := g.open()
	if errors.Is(err, os.ErrNotExist) {
		s.stats.Damaged++
		s.giveUp(g.waiting())
		g.unseen, g.returned = 0, nil
		s.tidy(g)
		return frame{}, Batch{}, false, nil
	}
	if err != nil {
		return frame{}, Batch{}, false, err
	}
	if len(g.returned) > 0 {
		fr := g.returned[0].fr
		g.returned = slices.Delete(g.returned, 0, 1)
		if b, ok = readBatch(f, fr, nil); ok {
			return fr, b, true, nil
		}
		s.stats.Damaged++ // it was sound when it was taken before
		s.giveUp(fr.spans)
		s.tidy(g)
		return frame{}, Batch{}, false, nil
	}
	fr, skipped, ok := g.key.next(f, g.walked, g.size)
	if skipped {
		s.met(g)
	}
	if !ok { // what has not been seen was behind damage
		g.walked = g.size
		s.giveUp(g.unseen)
		g.unseen = 0
		s.tidy(g)
		return frame{}, Batch{}, false, nil
	}
	g.walked = fr.end()
	if fr.acked {
		return frame{}, Batch{}, false, nil
	}
	b, ok = readBatch(f, fr, nil)
	if !ok || fr.spans > g.unseen { // more than there were: somebody else has written into the file
		s.met(g)
		return frame{}, Batch{}, false, nil
	}
	g.unseen -= fr.spans
	return fr, b, true, nil
}

// Ack says that a batch was delivered or given up: it never comes again. It reports false for an entry that
// has been acknowledged or returned already, for one of another Spool, and for any after Close: that is left
// as it is.
func (s *Spool) Ack(e *Entry) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.done(e)
	if g == nil || s.closed {
		return false // the lock of the directory may be another's: the batch comes again
	}
	defer s.show()
	s.stats.Spans -= e.at.fr.spans
	if g.dropped {
		s.homeless -= e.at.fr.spans
		return true
	}
	if f, err := g.open(); err == nil {
		_, _ = s.write(f, ackedState[:], e.at.fr.pos+stateAt) // at worst the batch comes again after a restart
	}
	s.tidy(g)
	return true
}

// Return says that a batch was not delivered: it is among the oldest again. lost is the number of its
// spans, if its file was dropped for room meanwhile. Entries are left as they are as with Ack; what was
// taken before Close is there after the next Open.
func (s *Spool) Return(e *Entry) (lost int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.done(e)
	if g == nil || s.closed {
		return 0
	}
	defer s.show()
	p := e.at
	if g.dropped {
		s.homeless -= p.fr.spans
		s.stats.Spans -= p.fr.spans
		return p.fr.spans
	}
	i, _ := slices.BinarySearchFunc(g.returned, p, func(a, b *place) int { return cmp.Compare(a.fr.pos, b.fr.pos) })
	g.returned = slices.Insert(g.returned, i, p)
	s.tidy(g)
	return 0
}

// done ends the taking of an entry and returns its segment; nil if it has ended before, or if the entry is
// not of s. Needs s.mu.
func (s *Spool) done(e *Entry) *segment {
	if e == nil || e.at == nil || e.at.owner != s || e.at.done {
		return nil
	}
	e.at.done = true
	e.at.seg.taken -= e.at.fr.spans
	return e.at.seg
}

// Stats returns what is in the spool. It never waits for the disk: while another method is at work, it
// tells how it was before. After Close it tells how Close left it.
func (s *Spool) Stats() Stats {
	s.shownMu.Lock()
	defer s.shownMu.Unlock()
	return s.shown
}

// show publishes the counters for Stats. Needs s.mu.
func (s *Spool) show() {
	s.shownMu.Lock()
	s.shown = s.stats
	s.shownMu.Unlock()
}

// Close syncs what has been appended and frees the directory. What is taken waits in it for the next
// Open. The error is the first of a sync since Open. Further calls do nothing.
func (s *Spool) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	defer s.show()
	s.closed = true
	s.finish()
	err := s.syncs.wait() // on Windows a file that is open cannot be deleted
	s.removeStuck()
	for _, g := range s.segs {
		g.close()
	}
	s.buf = nil
	s.giveUp(s.homeless) // nobody will find them
	// Not finished by the active file: the names of those that were deleted since.
	err = errors.Join(err, syncDir(s.dir), s.lock.Close())
	if err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	return nil
}
