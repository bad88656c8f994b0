// SPDX-License-Identifier: Apache-2.0

package spool_test

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/spandrel-go/spandrel/internal/spool"
)

// written is what a spool left in its directory, with what a reader finds in it.
type written struct {
	names   []string
	files   [][]byte
	frames  [][]foundFrame // of each file
	batches map[string]int // what was appended, by show, and its place in the order
}

// write makes a spool of several files; every fifth batch is acknowledged.
func write(t testing.TB, batches int) *written {
	t.Helper()
	w := &written{batches: map[string]int{}}
	dir := t.TempDir()
	s := open(t, dir)
	for i := range batches {
		b := batchOf(i, 1+i%5, 400*(1+i%4))
		w.batches[show(b)] = i
		add(t, s, b)
	}
	for i := range batches {
		if e := take(t, s); i%5 == 2 {
			s.Ack(&e)
		}
	}
	require.NoError(t, s.Close())
	found := 0
	for _, path := range segmentFiles(t, dir) {
		file, err := os.ReadFile(path)
		require.NoError(t, err)
		frames := readFile(file, format, markerOf(filepath.Base(path)))
		found += len(frames)
		w.names = append(w.names, filepath.Base(path))
		w.files = append(w.files, file)
		w.frames = append(w.frames, frames)
	}
	require.Equal(t, batches, found, "the reader and the package agree on the file format")
	return w
}

// check writes the changed files into a new directory, opens it and takes all: what comes is what was appended, once
// and in order, and all that was not touched is among it.
func (w *written) check(t testing.TB, files [][]byte) spool.Stats {
	t.Helper()
	dir := t.TempDir()
	for i, name := range w.names {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), files[i], 0o600))
	}
	s := open(t, dir)
	stats := s.Stats()
	require.EqualValues(t, stats.Recovered, stats.Spans)
	require.Equal(t, bytesIn(t, dir), stats.Bytes)
	spans, last, got := 0, -1, map[string]bool{}
	for _, b := range drain(s) {
		line := show(b)
		i, ok := w.batches[line]
		require.True(t, ok, "%s was never appended", line)
		require.Greater(t, i, last, "%s is not in order", line)
		got[line], last = true, i
		spans += len(b.Ends)
	}
	for i, frames := range w.frames {
		for _, fr := range frames {
			if len(files[i]) >= fr.end && string(files[i][fr.pos:fr.end]) == string(w.files[i][fr.pos:fr.end]) {
				line := show(fr.batch)
				require.Equal(t, !fr.acked, got[line], "%s stands where it was; is it there?", line)
			}
		}
	}
	stats = s.Stats()
	require.Equal(t, int(stats.Recovered), spans+int(stats.Lost))
	require.Zero(t, stats.Spans)
	require.Zero(t, stats.Bytes)
	require.Empty(t, segmentFiles(t, dir))
	require.NoError(t, s.Close())
	return stats
}

// waiting returns the frames of a file that were not acknowledged.
func (w *written) waiting(file int) (list []foundFrame) {
	for _, fr := range w.frames[file] {
		if !fr.acked {
			list = append(list, fr)
		}
	}
	return list
}

func copyOf(files [][]byte) (list [][]byte) {
	for _, file := range files {
		list = append(list, append([]byte(nil), file...))
	}
	return list
}

func TestDamage(t *testing.T) {
	t.Parallel()
	w := write(t, 60)
	require.Greater(t, len(w.files), 3)
	newest := len(w.files) - 1
	zero := func(b []byte) []byte { clear(b); return b }
	for _, tt := range []struct {
		name    string
		damage  func(files [][]byte)
		damaged int // places
	}{
		{"none", func([][]byte) {}, 0},
		{"torn tail", func(f [][]byte) { f[newest] = f[newest][:len(f[newest])-1] }, 1},
		{"torn head", func(f [][]byte) { f[newest] = f[newest][:w.frames[newest][0].pos+31] }, 1},
		{"torn header", func(f [][]byte) { f[newest] = f[newest][:5] }, 1},
		{"empty newest", func(f [][]byte) { f[newest] = nil }, 0},
		{"tail of zeros", func(f [][]byte) { f[newest] = append(f[newest], make([]byte, 5000)...) }, 1},
		{"payload of zeros at the end", func(f [][]byte) { zero(f[newest][w.waiting(newest)[len(w.waiting(newest))-1].pos+32:]) }, 1},
		{"truncated in the middle", func(f [][]byte) { f[1] = f[1][:len(f[1])/2] }, 1},
		{"flipped bit in a payload", func(f [][]byte) { f[1][w.waiting(1)[1].pos+100] ^= 4 }, 1},
		{"flipped bit in the newest", func(f [][]byte) { f[newest][w.waiting(newest)[0].pos+100] ^= 4 }, 1},
		{"absurd resource", func(f [][]byte) { f[0][w.frames[0][0].pos+15] = 0xff }, 1},
		{"absurd data", func(f [][]byte) { f[0][w.frames[0][0].pos+19] = 0x7f }, 1},
		{"absurd spans", func(f [][]byte) { f[0][w.frames[0][0].pos+23] = 0x80 }, 1},
		{"header of zeros", func(f [][]byte) { zero(f[1][:16]) }, 1},
		{"header and first frame of zeros", func(f [][]byte) { zero(f[1][:w.frames[1][0].end]) }, 1},
		{"two places", func(f [][]byte) { f[1][w.frames[1][0].pos] ^= 1; f[1][w.frames[1][3].pos] ^= 1 }, 2},
		{"all of a file", func(f [][]byte) { zero(f[2]) }, 1},
		{"state", func(f [][]byte) { f[0][w.frames[0][2].pos+spool.StateAt] = 7 }, 0},
		{"three files", func(f [][]byte) { zero(f[0]); zero(f[2][:3000]); f[newest] = f[newest][:900] }, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			files := copyOf(w.files)
			tt.damage(files)
			assert.EqualValues(t, tt.damaged, w.check(t, files).Damaged)
		})
	}
}

// Damage that comes while the spool is open is found by Take.
func TestDamageWhileOpen(t *testing.T) {
	t.Parallel()
	for _, at := range []int{0, 8, 12, 24, 40, 500} { // in a frame
		t.Run(strconv.Itoa(at), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			s := open(t, dir)
			for i := range 5 {
				add(t, s, batchOf(i, 2, 300))
			}
			e := take(t, s)
			second := take(t, s)
			path := segmentFiles(t, dir)[0]
			file, err := os.ReadFile(path)
			require.NoError(t, err)
			frames := readFile(file, format, markerOf(path))
			file[frames[1].pos+at] ^= 0x10
			file[frames[3].pos+at] ^= 0x10
			require.NoError(t, os.WriteFile(path, file, 0o600))
			s.Return(&e)
			s.Return(&second)
			if at == 8 { // a state is not sound or damaged; it is acknowledged or not
				assert.Len(t, drain(s), 5)
				return
			}
			want := []spool.Batch{batchOf(0, 2, 300), batchOf(2, 2, 300), batchOf(4, 2, 300)}
			if at < spool.FrameHead { // the head of what is returned need not be read again
				want = append(want[:1], append([]spool.Batch{batchOf(1, 2, 300)}, want[1:]...)...)
			}
			assert.Equal(t, showAll(want), showAll(drain(s)))
			damaged := 5 - len(want)
			assert.Equal(t, spool.Stats{Damaged: uint64(damaged), Lost: uint64(2 * damaged)}, s.Stats())
			add(t, s, batchOf(9, 1, 1))
			assert.Len(t, drain(s), 1)
		})
	}
}

// The next frame is found wherever it begins, also across the edge of what is read at a time.
func TestFrameBehindALargeDamagedOne(t *testing.T) {
	t.Parallel()
	marker := [8]byte{8, 7, 6, 5, 4, 3, 2, 1}
	header := spool.AppendHeader(nil, format)
	for size := 64<<10 - 64; size < 64<<10+8; size++ {
		large := spool.Batch{Data: make([]byte, size), Ends: []int{size}}
		file := spool.AppendFrame(header[:len(header):len(header)], format, marker, int64(len(header)), large)
		file[len(header)] ^= 1
		file = spool.AppendFrame(file, format, marker, int64(len(file)), batchOf(1, 1, 1))
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, spool.SegmentName(3, marker)), file, 0o600))
		s := open(t, dir)
		require.Equal(t, showAll([]spool.Batch{batchOf(1, 1, 1)}), showAll(drain(s)), "size %d", size)
		require.NoError(t, s.Close())
	}
}

// When others take an acknowledgement back, a batch may come twice, but no count falls below zero.
func TestAckTakenBackByOthers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	add(t, s, batchOf(0, 5, 10))
	add(t, s, batchOf(1, 2, 10))
	e := take(t, s)
	s.Ack(&e)
	require.NoError(t, s.Close())
	s = open(t, dir)
	path := segmentFiles(t, dir)[0]
	file, err := os.ReadFile(path)
	require.NoError(t, err)
	clear(file[readFile(file, format, markerOf(path))[0].pos+spool.StateAt:][:4])
	require.NoError(t, os.WriteFile(path, file, 0o600))
	assert.Equal(t, showAll([]spool.Batch{batchOf(1, 2, 10)}), showAll(drain(s)))
	assert.Equal(t, spool.Stats{Recovered: 2, Damaged: 1}, s.Stats())
}

func TestTruncatedWhileOpen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	for i := range 6 {
		add(t, s, batchOf(i, 2, 300))
	}
	e := take(t, s)
	require.NoError(t, os.Truncate(segmentFiles(t, dir)[0], 1500))
	s.Return(&e)
	assert.Equal(t, showAll([]spool.Batch{batchOf(0, 2, 300), batchOf(1, 2, 300)}), showAll(drain(s)))
	stats := s.Stats()
	assert.EqualValues(t, 8, stats.Lost)
	assert.Positive(t, stats.Damaged)
	assert.Zero(t, stats.Spans)
}

// change damages one file as bytes say, in a way that moves nothing if still.
func change(file []byte, kind byte, at, n int, value byte, still bool) []byte {
	if len(file) == 0 {
		return file
	}
	at %= len(file)
	n = min(1+n, len(file)-at)
	switch kind % 6 {
	case 0:
		file[at] ^= value | 1
	case 1:
		clear(file[at : at+n])
	case 2:
		copy(file[at:at+n], file[(at+4096)%len(file):])
	case 3:
		if !still {
			return append(file[:at], file[at+n:]...)
		}
		file[at] = value
	case 4:
		return file[:at]
	case 5:
		for i := range file[at : at+n] {
			file[at+i] = value + byte(i)*3
		}
	}
	return file
}

func TestRandomDamage(t *testing.T) {
	t.Parallel()
	w := write(t, 40)
	r := rand.New(rand.NewPCG(6, 6))
	for range 150 {
		files := copyOf(w.files)
		for range 1 + r.IntN(8) {
			i := r.IntN(len(files))
			files[i] = change(files[i], byte(r.IntN(6)), r.IntN(1<<20), 1<<r.IntN(14), byte(r.Uint32()), r.IntN(2) == 0)
		}
		w.check(t, files)
	}
}

// FuzzDamage damages files in ways that the input says.
func FuzzDamage(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4, 5})
	f.Add([]byte{1, 4, 0, 0, 255, 255, 2, 3, 9, 9, 100, 1})
	w := write(f, 25)
	f.Fuzz(func(t *testing.T, how []byte) {
		files := copyOf(w.files)
		for ; len(how) >= 6; how = how[6:] {
			i := int(how[0]) % len(files)
			files[i] = change(files[i], how[1], int(how[2])<<8|int(how[3]), int(how[4])<<(how[5]%7), how[5], how[0] > 127)
		}
		w.check(t, files)
	})
}

// FuzzFile opens any bytes as a segment file, and compares with the simple reader.
func FuzzFile(f *testing.F) {
	marker := [8]byte{'m', 'a', 'r', 'k', 'e', 'r', '!', '!'}
	header := spool.AppendHeader(nil, format)
	file := header
	for i := range 4 {
		file = spool.AppendFrame(file, format, marker, int64(len(file)), batchOf(i, 1+i, 3*i))
	}
	f.Add(file)
	f.Add(header)
	f.Add(file[len(header):])
	f.Add(spool.AppendHeader(nil, "other"))
	f.Add(spool.AppendFrame(header, format, marker, int64(len(header)), spool.Batch{Data: []byte("abc"), Ends: []int{2, 1}}))
	f.Add(spool.AppendFrame(header, format, marker, int64(len(header)), spool.Batch{Data: []byte("abc")}))
	f.Add(spool.AppendFrame(header, format, marker, int64(len(header)), spool.Batch{Data: []byte("abc"), Ends: []int{-1, 3}}))
	f.Fuzz(func(t *testing.T, file []byte) {
		dir := t.TempDir()
		path := filepath.Join(dir, spool.SegmentName(1, marker))
		for _, newest := range []bool{true, false} {
			require.NoError(t, os.WriteFile(path, file, 0o600))
			if !newest {
				other := spool.AppendHeader(nil, format)
				other = spool.AppendFrame(other, format, [8]byte{1}, int64(len(other)), batchOf(99, 1, 1))
				require.NoError(t, os.WriteFile(filepath.Join(dir, spool.SegmentName(2, [8]byte{1})), other, 0o600))
			}
			var want []string
			spans := 0
			for _, fr := range readFile(file, format, marker) {
				if fr.sound && !fr.acked {
					want = append(want, show(fr.batch))
				}
				if !fr.acked && (fr.sound || !newest) {
					spans += len(fr.batch.Ends)
				}
			}
			if !newest {
				want = append(want, show(batchOf(99, 1, 1)))
				spans++
			}
			s := open(t, dir)
			require.EqualValues(t, spans, s.Stats().Recovered)
			got := drain(s)
			require.Equal(t, want, showAll(got))
			for _, b := range got {
				spans -= len(b.Ends)
			}
			require.EqualValues(t, spans, s.Stats().Lost)
			require.Zero(t, s.Stats().Bytes)
			require.NoError(t, s.Close())
		}
	})
}

// A file with the last number that there is, whatever it holds, has nothing written behind it that is never read.
func TestLastNumber(t *testing.T) {
	t.Parallel()
	const last = 1<<62 - 1
	marker := [8]byte{1, 2, 3}
	sound := spool.AppendFrame(spool.AppendHeader(nil, format), format, marker, spool.HeaderBytes(format), batchOf(0, 1, 20000))
	for name, file := range map[string][]byte{"garbage": []byte("garbage"), "sound": sound} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(dir, spool.SegmentName(last, marker)), file, 0o600))
			s, err := spool.Open(spool.Config{Dir: dir, MaxBytes: spool.MinBytes, Format: format})
			require.NoError(t, err)
			_, err = s.Append(batchOf(1, 1, 100))
			require.NoError(t, s.Close())
			s = open(t, dir)
			if name == "garbage" {
				require.NoError(t, err)
				assert.Equal(t, showAll([]spool.Batch{batchOf(1, 1, 100)}), showAll(drain(s)))
			} else {
				require.ErrorContains(t, err, "the last number")
				assert.Equal(t, showAll([]spool.Batch{batchOf(0, 1, 20000)}), showAll(drain(s)))
			}
		})
	}
}
