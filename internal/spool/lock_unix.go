// SPDX-License-Identifier: Apache-2.0

//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

// These have flock, which the operating system frees with the process, and which meets other openings of
// the file in the same process too. Others have locks of whole processes only.

package spool

import (
	"errors"
	"io"
	"os"
	"syscall"
)

// fileLock is a locked file.
type fileLock struct{ f *os.File }

// Close frees the lock by name: a process that is just being started has a copy of the file until it
// has become another program, and closing ours alone would leave the lock to it for so long.
func (l fileLock) Close() error {
	return errors.Join(syscall.Flock(int(l.f.Fd()), syscall.LOCK_UN), l.f.Close())
}

// lockFile locks the file at path, and makes it if need be. Closing what it returns frees the lock.
func lockFile(path string) (io.Closer, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err == nil {
		return fileLock{f}, nil
	}
	_ = f.Close()
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = ErrInUse
	}
	return nil, &os.PathError{Op: "lock", Path: path, Err: err}
}

// syncDir writes the names in a directory to the disk.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close() //nolint:errcheck // it was opened for reading
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, errors.ErrUnsupported) {
		return err // some file systems know no sync of a directory
	}
	return nil
}
