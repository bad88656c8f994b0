// SPDX-License-Identifier: Apache-2.0

//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

// It is about flock.

package spool

import (
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A process that is being started has copies of all files for a moment.
func TestLockIsFreeWhileItsFileIsOpenElsewhere(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), lockName)
	lock, err := lockFile(path)
	require.NoError(t, err)
	fl, ok := lock.(fileLock)
	require.True(t, ok)
	fd, err := syscall.Dup(int(fl.f.Fd()))
	require.NoError(t, err)
	defer func() { assert.NoError(t, syscall.Close(fd)) }()
	_, err = lockFile(path)
	require.ErrorIs(t, err, ErrInUse)
	require.NoError(t, lock.Close())
	lock, err = lockFile(path)
	require.NoError(t, err)
	require.NoError(t, lock.Close())
}
