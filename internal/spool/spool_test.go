// SPDX-License-Identifier: Apache-2.0

package spool_test

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/spandrel-go/spandrel/internal/spool"
)

const format = "test/1"

// batchOf makes a batch whose bytes say its number, with the given spans of size bytes each.
func batchOf(number, spans, size int) spool.Batch {
	b := spool.Batch{Resource: fmt.Appendf(nil, "resource %d", number)}
	for i := range spans {
		span := fmt.Appendf(nil, "%d.%d;", number, i)
		for len(span) < size {
			span = append(span, byte(number))
		}
		b.Data = append(b.Data, span...)
		b.Ends = append(b.Ends, len(b.Data))
	}
	return b
}

// show says what a batch is, in a line; batches that differ have different lines.
func show(b spool.Batch) string {
	sum := crc32.Update(crc32.ChecksumIEEE(fmt.Append(nil, b.Ends)), crc32.IEEETable, b.Data)
	return fmt.Sprintf("%s: %d spans, %d bytes, %08x", b.Resource, len(b.Ends), len(b.Data), sum)
}

func showAll(list []spool.Batch) (lines []string) {
	for _, b := range list {
		lines = append(lines, show(b))
	}
	return lines
}

func open(t testing.TB, dir string) *spool.Spool {
	t.Helper()
	s, err := spool.Open(spool.Config{Dir: dir, MaxBytes: spool.MinBytes, Format: format})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	return s
}

func add(t testing.TB, s *spool.Spool, b spool.Batch) {
	t.Helper()
	lost, err := s.Append(b)
	require.NoError(t, err)
	require.Zero(t, lost)
}

func take(t testing.TB, s *spool.Spool) spool.Entry {
	t.Helper()
	e, ok := s.Take()
	require.True(t, ok, "there is no batch")
	return e
}

// drain takes and acknowledges all batches.
func drain(s *spool.Spool) (list []spool.Batch) {
	for {
		e, ok := s.Take()
		if !ok {
			return list
		}
		list = append(list, e.Batch)
		s.Ack(&e)
	}
}

// segmentFiles returns the paths of the segment files, oldest first.
func segmentFiles(t testing.TB, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*-*.spool"))
	require.NoError(t, err)
	return names
}

// bytesIn returns the size of all files.
func bytesIn(t testing.TB, dir string) (n int64) {
	t.Helper()
	names, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, name := range names {
		info, err := name.Info()
		require.NoError(t, err)
		n += info.Size()
	}
	return n
}

func TestBatchesComeInOrderWithTheirBytes(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a", "b")
	s := open(t, dir)
	want := []spool.Batch{
		batchOf(0, 1, 10), batchOf(1, 300, 20), batchOf(2, 2, 0),
		{Resource: []byte{}, Data: []byte{}, Ends: []int{0, 0}},
		{Resource: []byte{}, Data: []byte("x"), Ends: []int{0, 1, 1}},
	}
	spans := 0
	for _, b := range want {
		add(t, s, b)
		spans += len(b.Ends)
	}
	assert.Equal(t, spool.Stats{Spans: spans, Bytes: bytesIn(t, dir)}, s.Stats())
	assert.Equal(t, showAll(want), showAll(drain(s)))
	assert.Equal(t, spool.Stats{}, s.Stats(), "what is acknowledged is gone")
	assert.Empty(t, segmentFiles(t, dir))
}

func TestEntryOwnsItsBytes(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	b := batchOf(1, 2, 5)
	add(t, s, b)
	e := take(t, s)
	assert.Equal(t, len(e.Resource), cap(e.Resource), "an append must not reach the data")
	clear(e.Data)
	s.Return(&e)
	e = take(t, s)
	assert.Equal(t, b, e.Batch)
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	noLock := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(noLock, spool.LockName), 0o700))
	for _, tt := range []struct {
		name string
		c    spool.Config
		want string
	}{
		{"no directory", spool.Config{MaxBytes: spool.MinBytes, Format: "x"}, "Dir is empty"},
		{"too small", spool.Config{Dir: t.TempDir(), MaxBytes: spool.MinBytes - 1, Format: "x"}, "MaxBytes 262143 is less than 262144"},
		{"no format", spool.Config{Dir: t.TempDir(), MaxBytes: spool.MinBytes}, "Format has 0 bytes, not 1 to 255"},
		{"long format", spool.Config{Dir: t.TempDir(), MaxBytes: spool.MinBytes, Format: strings.Repeat("x", 256)}, "Format has 256 bytes"},
		{"a file", spool.Config{Dir: file, MaxBytes: spool.MinBytes, Format: "x"}, file + " is a file, not a directory"},
		{"no lock", spool.Config{Dir: noLock, MaxBytes: spool.MinBytes, Format: "x"}, "directory " + noLock + ": open "},
		{"below a file", spool.Config{Dir: filepath.Join(file, "x"), MaxBytes: spool.MinBytes, Format: "x"}, "directory " + filepath.Join(file, "x") + ": mkdir "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, err := spool.Open(tt.c)
			require.ErrorContains(t, err, tt.want)
			assert.ErrorContains(t, err, "spool: ")
			assert.Nil(t, s)
		})
	}
}

func TestOneSpoolADirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	_, err := spool.Open(spool.Config{Dir: dir, MaxBytes: spool.MinBytes, Format: format})
	require.ErrorIs(t, err, spool.ErrInUse)
	require.EqualError(t, err, "spool: directory "+dir+": in use by another process or another exporter; each needs a directory of its own")
	require.NoError(t, s.Close())
	open(t, dir)
}

// The text alone: a test may run as a user who may do everything.
func TestOpenErrorOfPermissions(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	err := spool.OpenError(dir, &fs.PathError{Op: "open", Path: "lock", Err: fs.ErrPermission})
	require.ErrorIs(t, err, fs.ErrPermission)
	assert.EqualError(t, err, "spool: directory "+dir+": open lock: permission denied; the program's user must be able to make, read and delete files in it")
}

func TestOthersMayWrite(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		mode fs.FileMode
		want bool
	}{
		{0o700, false},
		{0o775, false}, // a group is somebody's choice
		{0o777, true},
		{0o777 | fs.ModeSticky, true}, // it keeps them from deleting only
	} {
		dir := t.TempDir()
		require.NoError(t, os.Chmod(dir, tt.mode))
		assert.Equal(t, tt.want && runtime.GOOS != "windows", open(t, dir).OthersMayWrite(), tt.mode)
	}
	assert.False(t, open(t, filepath.Join(t.TempDir(), "new")).OthersMayWrite())
}

func TestFilesAreTheOwnersAlone(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "spool")
	s := open(t, dir)
	add(t, s, batchOf(1, 1, 1))
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		require.NoError(t, err)
		info, err := d.Info()
		require.NoError(t, err)
		assert.Zero(t, info.Mode().Perm()&0o077, path)
		return nil
	}))
}

func TestAppendRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	add(t, s, batchOf(1, 1, 1))
	for name, b := range map[string]spool.Batch{
		"no spans":       {Resource: []byte("r"), Data: []byte("d")},
		"falling":        {Data: []byte("abc"), Ends: []int{2, 1, 3}},
		"negative":       {Data: []byte("abc"), Ends: []int{-1, 3}},
		"too short":      {Data: []byte("abc"), Ends: []int{2}},
		"beyond the end": {Data: []byte("abc"), Ends: []int{4}},
	} {
		lost, err := s.Append(b)
		assert.Error(t, err, name)
		assert.Zero(t, lost, name)
	}
	overhead := int(spool.HeaderBytes(format)) + spool.FrameHead + 4
	most := spool.Batch{Resource: []byte{}, Data: make([]byte, spool.MinBytes-overhead), Ends: []int{spool.MinBytes - overhead}}
	lost, err := s.Append(spool.Batch{Resource: []byte("1"), Data: most.Data, Ends: most.Ends})
	require.ErrorIs(t, err, spool.ErrTooLarge)
	assert.Zero(t, lost, "it drops nothing in vain")
	lost, err = s.Append(most)
	require.NoError(t, err)
	assert.Equal(t, 1, lost)
	assert.EqualValues(t, spool.MinBytes, s.Stats().Bytes)
	assert.EqualValues(t, spool.MinBytes, bytesIn(t, dir))
	assert.Equal(t, showAll([]spool.Batch{most}), showAll(drain(s)))
}

func TestOldestGoWhenThereIsNoRoom(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	const batches = 500
	lost, spans := 0, 0
	for i := range batches {
		b := batchOf(i, 1+i%7, 300)
		n, err := s.Append(b)
		require.NoError(t, err)
		lost += n
		spans += len(b.Ends)
		assert.LessOrEqual(t, bytesIn(t, dir), int64(spool.MinBytes))
	}
	assert.Equal(t, spans, lost+s.Stats().Spans)
	assert.Greater(t, s.Stats().Bytes, int64(spool.MinBytes*7/8), "no more than two files of room are left")
	left := drain(s)
	for i, b := range left {
		assert.Equal(t, show(batchOf(batches-len(left)+i, len(b.Ends), 300)), show(b))
		lost += len(b.Ends)
	}
	assert.Equal(t, spans, lost)
}

func TestAckInAnyOrderSurvivesARestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	var entries []spool.Entry
	for i := range 6 {
		add(t, s, batchOf(i, 1, 9000)) // one file holds one
		add(t, s, batchOf(10+i, 2, 9))
		entries = append(entries, take(t, s), take(t, s))
	}
	for _, i := range []int{11, 4, 0, 5, 7} {
		s.Ack(&entries[i])
		s.Ack(&entries[i])
	}
	s.Return(&entries[11])
	assert.Equal(t, 6+12-(2+1+1+2+2), s.Stats().Spans)
	files := len(segmentFiles(t, dir))
	require.NoError(t, s.Close())
	after := s.Stats()

	s = open(t, dir)
	assert.Equal(t, spool.Stats{Spans: after.Spans, Bytes: after.Bytes, Recovered: uint64(after.Spans)}, s.Stats())
	assert.Len(t, segmentFiles(t, dir), files)
	var want []spool.Batch
	for _, i := range []int{1, 2, 3, 6, 8, 9, 10} {
		want = append(want, entries[i].Batch)
	}
	assert.Equal(t, showAll(want), showAll(drain(s)))
	assert.Zero(t, s.Stats().Bytes)
}

func TestReturnedIsTheOldestAgain(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	var entries []spool.Entry
	for i := range 5 {
		add(t, s, batchOf(i, 1, 9000))
	}
	for range 4 {
		entries = append(entries, take(t, s))
	}
	for _, i := range []int{2, 0, 3} {
		assert.Zero(t, s.Return(&entries[i]))
		assert.Zero(t, s.Return(&entries[i]), "once is enough")
		s.Ack(&entries[i])
	}
	assert.Equal(t, 5, s.Stats().Spans)
	assert.Equal(t, showAll([]spool.Batch{batchOf(0, 1, 9000), batchOf(2, 1, 9000), batchOf(3, 1, 9000), batchOf(4, 1, 9000)}), showAll(drain(s)))
	assert.Equal(t, 1, s.Stats().Spans, "one is still taken")
	s.Ack(&entries[1])
	assert.Equal(t, spool.Stats{}, s.Stats())
}

func TestTakenOfADroppedFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	add(t, s, batchOf(0, 2, 10))
	add(t, s, batchOf(1, 3, 10))
	add(t, s, batchOf(2, 4, 10))
	acked, returned := take(t, s), take(t, s)
	lost, err := s.Append(batchOf(3, 1, spool.MinBytes-200))
	require.NoError(t, err)
	assert.Equal(t, 4, lost, "only what was not taken")
	assert.Equal(t, 2+3+1, s.Stats().Spans)
	assert.Equal(t, batchOf(1, 3, 10), returned.Batch)
	assert.Equal(t, 3, s.Return(&returned))
	assert.Equal(t, 0, s.Return(&returned))
	s.Ack(&acked)
	assert.Equal(t, spool.Stats{Spans: 1, Bytes: bytesIn(t, dir)}, s.Stats())
}

// Whoever has a batch at Close relies on the directory, which may not have it any more.
func TestTakenOfADroppedFileAtClose(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	for i := range 4 {
		add(t, s, batchOf(i, 2+i, 10))
	}
	acked, returned, taken := take(t, s), take(t, s), take(t, s)
	lost, err := s.Append(batchOf(4, 1, spool.MinBytes-200))
	require.NoError(t, err)
	assert.Equal(t, 5, lost)
	assert.True(t, s.Ack(&acked))
	assert.Equal(t, 3, s.Return(&returned))
	require.NoError(t, s.Close())
	want := spool.Stats{Spans: 1, Lost: 4, Bytes: bytesIn(t, dir)}
	assert.Equal(t, want, s.Stats())
	assert.False(t, s.Ack(&taken))
	assert.Equal(t, want, s.Stats())
	assert.Equal(t, 1, open(t, dir).Stats().Spans)
}

func TestClosed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	add(t, s, batchOf(0, 1, 1))
	add(t, s, batchOf(1, 1, 1))
	acked, returned := take(t, s), take(t, s)
	require.NoError(t, s.Close())
	require.NoError(t, s.Close())
	_, err := s.Append(batchOf(2, 1, 1))
	require.ErrorIs(t, err, spool.ErrClosed)
	_, ok := s.Take()
	assert.False(t, ok)
	s.Ack(&acked)
	assert.Zero(t, s.Return(&returned))
	assert.Equal(t, 2, s.Stats().Spans, "they wait for the next Open")
	assert.Len(t, drain(open(t, dir)), 2)
}

func TestZeroEntry(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	s.Ack(nil)
	s.Ack(&spool.Entry{})
	assert.Zero(t, s.Return(&spool.Entry{}))
	assert.Equal(t, spool.Stats{}, s.Stats())
}

func TestForeignFilesAreLeftAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	foreign := []string{
		"notes.txt", "x.spool", "0000000000000001.spool", "0000000000000001-.spool", "1-0000000000000001.spool",
		"0000000000000001-000000000000000G.spool", "000000000000000A-0000000000000001.spool",
		"ffffffffffffffff-0000000000000001.spool", "0000000000000001-0000000000000001.spool.bak",
		"0000000000000001-0000000000000001",
	}
	for _, name := range foreign {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("mine"), 0o600))
	}
	folder := spool.SegmentName(7, [8]byte{1})
	require.NoError(t, os.Mkdir(filepath.Join(dir, folder), 0o700))
	s := open(t, dir)
	assert.Equal(t, spool.Stats{}, s.Stats(), "they do not count")
	for i := range 40 {
		_, err := s.Append(batchOf(i, 1, 20000))
		require.NoError(t, err)
	}
	drain(s)
	require.NoError(t, s.Close())
	names, err := os.ReadDir(dir)
	require.NoError(t, err)
	var left []string
	for _, name := range names {
		left = append(left, name.Name())
	}
	assert.ElementsMatch(t, append(foreign, folder, spool.LockName), left)
}

func TestOtherFormatIsDiscarded(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, other := range []string{"test/2", "t", strings.Repeat("long", 60)} {
		s, err := spool.Open(spool.Config{Dir: dir, MaxBytes: spool.MinBytes, Format: other})
		require.NoError(t, err)
		add(t, s, batchOf(1, 1, 10000))
		add(t, s, batchOf(2, 1, 10000))
		require.Len(t, segmentFiles(t, dir), 2)
		require.NoError(t, s.Close())
		s = open(t, dir)
		assert.Equal(t, spool.Stats{Damaged: 2, Recovered: 2, Lost: 2}, s.Stats(), other)
		assert.Empty(t, segmentFiles(t, dir), other)
		require.NoError(t, s.Close())
	}
}

func TestMaxBytesBecomesSmaller(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := spool.Config{Dir: dir, MaxBytes: 8 * spool.MinBytes, Format: format}
	s, err := spool.Open(c)
	require.NoError(t, err)
	add(t, s, batchOf(100, 5, 100))
	add(t, s, batchOf(101, 1, 2*spool.MinBytes)) // larger than all will be
	for i := range 20 {
		add(t, s, batchOf(i, 1, 50000))
	}
	require.NoError(t, s.Close())

	s = open(t, dir)
	stats := s.Stats()
	assert.Equal(t, spool.Stats{Spans: 4, Bytes: bytesIn(t, dir), Recovered: 26, Shrunk: 22}, stats)
	assert.LessOrEqual(t, stats.Bytes, int64(spool.MinBytes))
	for i, b := range drain(s) {
		assert.Equal(t, show(batchOf(16+i, 1, 50000)), show(b))
	}
}

// A program that is restarted again and again makes no file each time.
func TestOpenGoesOnInTheNewestFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for i := range 20 {
		s := open(t, dir)
		add(t, s, batchOf(i, 1, 10))
		require.NoError(t, s.Close())
	}
	assert.Len(t, segmentFiles(t, dir), 1)
	assert.Len(t, drain(open(t, dir)), 20)
}

func TestFewFilesAreOpen(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	var entries []spool.Entry
	for i := range 15 {
		add(t, s, batchOf(i, 1, 10000))
		add(t, s, batchOf(i, 1, 10))
	}
	assert.LessOrEqual(t, s.OpenFiles(), 2, "the oldest and the newest")
	for range 20 {
		entries = append(entries, take(t, s))
	}
	for i := range entries {
		if i%2 == 0 {
			s.Ack(&entries[i])
		} else {
			s.Return(&entries[i])
		}
	}
	assert.LessOrEqual(t, s.OpenFiles(), 2, "the oldest and the newest")
}

// A failed write leaves nothing behind, whatever it has written before it failed.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	full := errors.New("no space left on device")
	for _, before := range []int{0, 1} { // batches in the file
		for _, written := range []int{0, 5, 40, 200} {
			t.Run(fmt.Sprintf("after %d batches and %d bytes", before, written), func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				s := open(t, dir)
				var want []spool.Batch
				for i := range before {
					want = append(want, batchOf(i, 1, 100))
					add(t, s, want[i])
				}
				was := s.Stats()
				s.OnWrite(func(f *os.File, b []byte, at int64) (int, error) {
					n, err := f.WriteAt(b[:min(written, len(b))], at)
					return n, errors.Join(full, err)
				})
				lost, err := s.Append(batchOf(10, 1, 1000))
				require.ErrorIs(t, err, full)
				assert.Zero(t, lost)
				assert.Equal(t, was, s.Stats())
				assert.Equal(t, was.Bytes, bytesIn(t, dir))
				s.OnWrite((*os.File).WriteAt)
				for i := range 2 {
					want = append(want, batchOf(20+i, 1, 100))
					add(t, s, want[len(want)-1])
				}
				require.NoError(t, s.Close())
				s = open(t, dir)
				assert.Zero(t, s.Stats().Damaged)
				assert.Equal(t, showAll(want), showAll(drain(s)))
			})
		}
	}
}

// When the torn part cannot be cut off either, nothing is appended behind it.
func TestDiskFullAndNoTruncate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	add(t, s, batchOf(0, 1, 100))
	s.OnWrite(func(f *os.File, b []byte, at int64) (int, error) {
		n, err := f.WriteAt(b[:50], at)
		return n, errors.Join(errors.New("disk gone"), err, f.Close())
	})
	_, err := s.Append(batchOf(1, 1, 100))
	require.ErrorContains(t, err, "disk gone")
	s.OnWrite((*os.File).WriteAt)
	add(t, s, batchOf(2, 1, 100))
	assert.Len(t, segmentFiles(t, dir), 2)
	assert.GreaterOrEqual(t, s.Stats().Bytes, bytesIn(t, dir))
	require.Error(t, s.Close(), "the sync that failed")
	s = open(t, dir)
	assert.EqualValues(t, 1, s.Stats().Damaged, "the torn part")
	assert.Equal(t, bytesIn(t, dir), s.Stats().Bytes)
	assert.Equal(t, showAll([]spool.Batch{batchOf(0, 1, 100), batchOf(2, 1, 100)}), showAll(drain(s)))
}

// An acknowledgement that cannot be written counts until the restart, and not after it.
func TestAckThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	add(t, s, batchOf(0, 1, 100))
	add(t, s, batchOf(1, 1, 100))
	s.OnWrite(func(*os.File, []byte, int64) (int, error) { return 0, errors.New("disk gone") })
	e := take(t, s)
	s.Ack(&e)
	assert.Equal(t, 1, s.Stats().Spans)
	require.NoError(t, s.Close())
	assert.Len(t, drain(open(t, dir)), 2)
}

func TestDirectoryGone(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "spool")
	s, err := spool.Open(spool.Config{Dir: dir, MaxBytes: spool.MinBytes, Format: format})
	require.NoError(t, err)
	add(t, s, batchOf(0, 1, 20000))
	add(t, s, batchOf(1, 2, 20000))
	add(t, s, batchOf(2, 3, 20000))
	e := take(t, s) // its file stays open
	require.NoError(t, os.RemoveAll(dir))
	_, err = s.Append(batchOf(3, 1, 100))
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, ok := s.Take()
	assert.False(t, ok)
	assert.Zero(t, s.Return(&e))
	assert.Len(t, drain(s), 1)
	assert.Equal(t, spool.Stats{Damaged: 2, Lost: 5}, s.Stats())
	require.ErrorIs(t, s.Close(), fs.ErrNotExist)
}

// A file that cannot be opened for a while is not given up.
func TestFileThatCannotBeOpened(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	add(t, s, batchOf(0, 1, 100))
	require.NoError(t, s.Close())
	s = open(t, dir)
	path := segmentFiles(t, dir)[0]
	require.NoError(t, os.Rename(path, path+".bak"))
	require.NoError(t, os.Mkdir(path, 0o700))
	_, ok := s.Take()
	assert.False(t, ok)
	assert.Equal(t, 1, s.Stats().Spans)
	require.NoError(t, os.Remove(path))
	require.NoError(t, os.Rename(path+".bak", path))
	assert.Len(t, drain(s), 1)
}

func TestNewestFileDeletedByOthers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	add(t, s, batchOf(0, 3, 100))
	require.NoError(t, s.Close())
	s = open(t, dir)
	require.NoError(t, os.Remove(segmentFiles(t, dir)[0]))
	_, err := s.Append(batchOf(1, 1, 100))
	require.ErrorIs(t, err, fs.ErrNotExist)
	add(t, s, batchOf(2, 1, 100))
	assert.Equal(t, showAll([]spool.Batch{batchOf(2, 1, 100)}), showAll(drain(s)))
	assert.Equal(t, spool.Stats{Recovered: 3, Damaged: 1, Lost: 3}, s.Stats())
}

// The bytes of a file that cannot be deleted count until it can.
func TestFileThatCannotBeDeleted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	add(t, s, batchOf(0, 1, 100))
	e := take(t, s)
	path := segmentFiles(t, dir)[0]
	require.NoError(t, os.Remove(path))
	require.NoError(t, os.MkdirAll(filepath.Join(path, "full"), 0o700)) // a folder that is not empty stays
	bytes := s.Stats().Bytes
	s.Ack(&e)
	assert.Equal(t, spool.Stats{Bytes: bytes}, s.Stats())
	large := batchOf(1, 1, spool.MinBytes-120)
	_, err := s.Append(large)
	require.ErrorContains(t, err, "cannot be deleted")
	require.NoError(t, os.RemoveAll(path))
	add(t, s, large)
	assert.Equal(t, bytesIn(t, dir), s.Stats().Bytes)
}

// What stands in a stranger's request is never taken for a batch, even by who knows marker and format.
func TestFramesInsideOfData(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	marker := [8]byte{1, 2, 3, 4, 5, 6, 7, 8}
	fake := spool.AppendFrame(nil, format, marker, spool.HeaderBytes(format), batchOf(66, 1, 10))
	inner := bytes.Repeat(fake, 10)
	outer := spool.Batch{Resource: []byte("r"), Data: inner, Ends: []int{len(inner)}}
	file := spool.AppendHeader(nil, format)
	damaged := len(file) + 14 // a length
	file = spool.AppendFrame(file, format, marker, int64(len(file)), outer)
	file = spool.AppendFrame(file, format, marker, int64(len(file)), batchOf(2, 1, 10))
	file[damaged] ^= 1
	require.NoError(t, os.WriteFile(filepath.Join(dir, spool.SegmentName(1, marker)), file, 0o600))
	s := open(t, dir)
	assert.Equal(t, showAll([]spool.Batch{batchOf(2, 1, 10)}), showAll(drain(s)))
	assert.EqualValues(t, 1, s.Stats().Damaged)
}
