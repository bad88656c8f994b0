// SPDX-License-Identifier: Apache-2.0

package spool_test

import (
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/spandrel-go/spandrel/internal/spool"
)

// limitFileSize lets writes of this process fail beyond a size.
func limitFileSize(n uint64) error {
	signal.Ignore(syscall.SIGXFSZ)
	return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: n, Max: n})
}

// The operating system itself refuses a write in the middle of a batch.
func TestFileSizeLimit(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := startChild(t, "limit", 300_000, dir)
	stored := 0
	for p.out.Scan() && !strings.HasPrefix(p.out.Text(), "failed") {
		stored++
	}
	assert.Contains(t, p.out.Text(), "file too large")
	assert.Contains(t, p.out.Text(), "<nil>", "what has room is appended")
	p.end()
	s, err := spool.Open(spool.Config{Dir: dir, MaxBytes: 64 << 20, Format: format})
	require.NoError(t, err)
	assert.Zero(t, s.Stats().Damaged)
	assert.LessOrEqual(t, s.Stats().Bytes, int64(300_000))
	assert.Len(t, drain(s), stored+1)
	require.NoError(t, s.Close())
}
