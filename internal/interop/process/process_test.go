// SPDX-License-Identifier: Apache-2.0

package process_test

import (
	"context"
	"errors"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/spandrel-go/spandrel/internal/interop/process"
)

// shell returns the path of a shell, which runs whatever program a test needs.
func shell(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("sh")
	require.NoError(t, err)
	return path
}

func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func TestStopEndsTheProcess(t *testing.T) {
	t.Parallel()
	p := process.Start(t.Context(), []string{"WORD=here"}, shell(t), "-c", `echo "$WORD $0"; exec sleep 600`, "it is")
	t.Cleanup(p.Stop)
	require.NoError(t, p.WaitUntil(soon(t), func() (bool, error) { return p.Output() == "here it is\n", nil }))
	p.Stop()
	p.Stop()
	assert.Error(t, p.WaitUntil(soon(t), func() (bool, error) { return true, nil }), "it has ended")
}

func TestOneThatEndsEarlySaysWhy(t *testing.T) {
	t.Parallel()
	p := process.Start(t.Context(), nil, shell(t), "-c", "echo no such option; exit 3")
	t.Cleanup(p.Stop)
	err := p.WaitUntil(soon(t), func() (bool, error) { return false, nil })
	require.EqualError(t, err, "the process ended before it was ready")
	assert.Contains(t, p.Output(), "no such option")
	assert.Contains(t, p.Output(), "exit status 3")
}

func TestOutputKeepsTheEnd(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("0123456789", 1000)
	p := process.Start(t.Context(), nil, shell(t), "-c", `echo "$0" end`, text)
	t.Cleanup(p.Stop)
	require.NoError(t, process.Poll(soon(t), func() (bool, error) { return strings.HasSuffix(p.Output(), "end\n"), nil }))
	assert.Len(t, p.Output(), 8<<10)
}

func TestPollEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	calls := 0
	err := process.Poll(ctx, func() (bool, error) {
		if calls++; calls == 3 {
			cancel()
		}
		return false, nil
	})
	require.ErrorIs(t, err, context.Canceled)
	assert.Equal(t, 3, calls)

	broken := errors.New("broken")
	require.ErrorIs(t, process.Poll(t.Context(), func() (bool, error) { return false, broken }), broken)
}
