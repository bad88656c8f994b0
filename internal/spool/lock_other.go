// SPDX-License-Identifier: Apache-2.0

//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd || windows)

// Without a lock that ends with the process, two processes could write over each other's batches.

package spool

import (
	"errors"
	"fmt"
	"io"
	"runtime"
)

func lockFile(string) (io.Closer, error) {
	return nil, fmt.Errorf("a lock on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}

func syncDir(string) error { return nil }
