// SPDX-License-Identifier: Apache-2.0

package spool_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/spandrel-go/spandrel/internal/spool"
)

// block puts folders in the place of files, which can neither be opened nor deleted then, whoever the user is.
// What it returns undoes that.
func block(t *testing.T, paths ...string) (unblock func()) {
	t.Helper()
	for _, path := range paths {
		require.NoError(t, os.Rename(path, path+".bak"))
		require.NoError(t, os.MkdirAll(filepath.Join(path, "full"), 0o700))
	}
	return func() {
		for _, path := range paths {
			require.NoError(t, os.RemoveAll(path))
			require.NoError(t, os.Rename(path+".bak", path))
		}
	}
}

// full opens a spool with batches of one file each, and no room for another. None of the files is open. The caller
// closes it.
func full(t *testing.T, dir string) (s *spool.Spool, batches []spool.Batch) {
	t.Helper()
	s = open(t, dir)
	for i := range 13 {
		batches = append(batches, batchOf(i, 1, 19<<10))
		add(t, s, batches[i])
	}
	require.NoError(t, s.Close())
	s, err := spool.Open(spool.Config{Dir: dir, MaxBytes: spool.MinBytes, Format: format})
	require.NoError(t, err)
	return s, batches
}

// A file that cannot be opened does not keep those behind it waiting, and is not given up.
func TestFileThatCannotBeOpenedIsPassedOver(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, batches := full(t, dir)
	unblock := block(t, segmentFiles(t, dir)[0])
	assert.Equal(t, showAll(batches[1:]), showAll(drain(s)))
	require.ErrorContains(t, s.PassedOver(), segmentFiles(t, dir)[0])
	assert.Equal(t, 1, s.Stats().Spans)
	unblock()
	assert.Equal(t, showAll(batches[:1]), showAll(drain(s)))
	require.NoError(t, s.PassedOver())
	assert.Equal(t, spool.Stats{Recovered: 13}, s.Stats())
	require.NoError(t, s.Close())
}

// When no file can be deleted, as on a disk that has become read-only, there is no room, and what waits is
// not given up in vain.
func TestFilesThatCannotBeDeletedAreNotGivenUp(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, batches := full(t, dir)
	bytes := s.Stats().Bytes
	unblock := block(t, segmentFiles(t, dir)...)
	for range 3 {
		lost, err := s.Append(batchOf(66, 1, 19<<10))
		require.ErrorContains(t, err, "cannot be deleted")
		assert.Zero(t, lost)
	}
	assert.Equal(t, spool.Stats{Spans: len(batches), Bytes: bytes, Recovered: 13}, s.Stats())
	unblock()
	assert.Equal(t, showAll(batches), showAll(drain(s)))
	require.ErrorContains(t, s.Close(), "open", "the newest file could not be synced in the meantime")
}

// Room is made by the oldest file that can be deleted.
func TestRoomBesideAFileThatCannotBeDeleted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, batches := full(t, dir)
	unblock := block(t, segmentFiles(t, dir)[0])
	last := batchOf(66, 1, 19<<10)
	lost, err := s.Append(last)
	require.NoError(t, err)
	assert.Equal(t, 1, lost)
	unblock()
	assert.Equal(t, showAll(append(append(batches[:1:1], batches[2:]...), last)), showAll(drain(s)))
	assert.Equal(t, spool.Stats{Recovered: 13}, s.Stats())
	require.NoError(t, s.Close())
}
