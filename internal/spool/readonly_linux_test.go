// SPDX-License-Identifier: Apache-2.0

package spool_test

import (
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/spandrel-go/spandrel/internal/spool"
)

// asNobody runs f on a thread that may do no more than others may, also where the user is root. The thread ends
// with it.
func asNobody(t *testing.T, f func()) {
	t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked
		err := error(nil)
		if os.Geteuid() == 0 {
			err = syscall.Setfsuid(65534)
		}
		if err == nil {
			f()
		}
		done <- err
	}()
	require.NoError(t, <-done)
}

// A directory that has become read-only is read, and nothing of it is given up.
func TestReadOnlyDirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, batches := full(t, dir)
	for _, path := range segmentFiles(t, dir) {
		require.NoError(t, os.Chmod(path, 0o444))
	}
	require.NoError(t, os.Chmod(dir, 0o555))
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o711)) //nolint:gosec // for nobody, on the way to dir
	var unreachable error
	asNobody(t, func() {
		if _, unreachable = os.Stat(dir); unreachable != nil {
			return
		}
		lost, err := s.Append(batchOf(66, 1, 19<<10))
		assert.ErrorContains(t, err, "cannot be deleted")
		assert.Zero(t, lost)
		assert.Equal(t, showAll(batches), showAll(drain(s)))
		assert.NoError(t, s.PassedOver())
	})
	require.NoError(t, os.Chmod(dir, 0o700))
	if unreachable != nil {
		require.NoError(t, s.Close())
		t.Skipf("no user but this one can reach the folder of temporary files: %v", unreachable)
	}
	assert.Zero(t, s.Stats().Spans)
	require.NoError(t, s.Close())
	assert.Equal(t, spool.Stats{Recovered: 13}, s.Stats())
	assert.Empty(t, segmentFiles(t, dir))
}
