// SPDX-License-Identifier: Apache-2.0

package spool_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/spandrel-go/spandrel/internal/spool"
)

// childVar makes the test binary a child that does what its value says: "append DIR FIRST", ...
const childVar = "SPANDREL_SPOOL_CHILD"

// child is the main function of a child process.
func child() (code int) {
	what, rest, _ := strings.Cut(os.Getenv(childVar), " ")
	number, dir, _ := strings.Cut(rest, " ")
	first, err := strconv.Atoi(number)
	if err != nil {
		return 2
	}
	c := spool.Config{Dir: dir, MaxBytes: 64 << 20, Format: format}
	if what == "limit" {
		if err := limitFileSize(uint64(first)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 2
		}
	}
	s, err := spool.Open(c)
	if errors.Is(err, spool.ErrInUse) {
		fmt.Println("in use")
		return 0
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	for i := first; ; i++ {
		switch _, err := s.Append(childBatch(i)); {
		case err != nil && what == "limit":
			// A smaller one has room in what the torn one was cut back to.
			_, again := s.Append(batchOf(i, 1, 10))
			fmt.Println("failed", i, err, again)
			return 0
		case err != nil:
			fmt.Fprintln(os.Stderr, err)
			return 2
		}
		if _, err := fmt.Println(i); err != nil {
			return 2
		}
		if what == "ack" && i%2 == 0 {
			if e, ok := s.Take(); ok {
				s.Ack(&e)
				fmt.Println("acked", string(e.Resource))
			}
		}
	}
}

func childBatch(i int) spool.Batch { return batchOf(i, 1+i%50, 10+i%2000) }

// process is a child that was started. What it says is read from out, to the end, before wait.
type process struct {
	cmd *exec.Cmd
	out *bufio.Scanner
}

func startChild(t *testing.T, what string, number int, dir string) *process {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d %s", childVar, what, number, dir))
	cmd.Stderr = os.Stderr
	pipe, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	p := &process{cmd, bufio.NewScanner(pipe)}
	t.Cleanup(p.end)
	return p
}

// kill sends SIGKILL.
func (p *process) kill() { _ = p.cmd.Process.Kill() } // it may have ended by itself

// end kills the process and waits until it is gone.
func (p *process) end() {
	p.kill()
	for p.out.Scan() {
	}
	_ = p.cmd.Wait() // "signal: killed"
}

// A process that is killed with SIGKILL loses nothing that Append had stored, and its lock is free.
func TestKilled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := 0 // of a round
	for round := range 8 {
		what := []string{"append", "ack"}[round%2]
		p := startChild(t, what, first, dir)
		last, acked := first-1, map[string]bool{}
		// It is killed while it is at work, and what it says until it is gone counts as well.
		for lines := 0; p.out.Scan(); lines++ {
			if lines == 20+31*round {
				p.kill()
			}
			if resource, ok := strings.CutPrefix(p.out.Text(), "acked "); ok {
				acked[resource] = true
				continue
			}
			i, err := strconv.Atoi(p.out.Text())
			require.NoError(t, err)
			last = i
		}
		p.end()
		require.Greater(t, last, first)

		s, err := spool.Open(spool.Config{Dir: dir, MaxBytes: 64 << 20, Format: format})
		require.NoError(t, err)
		assert.LessOrEqual(t, s.Stats().Damaged, uint64(1), "at most the one that was being written is torn")
		got, next := map[string]bool{}, last+1
		for _, b := range drain(s) {
			resource := string(b.Resource)
			i, err := strconv.Atoi(strings.TrimPrefix(resource, "resource "))
			require.NoError(t, err)
			require.GreaterOrEqual(t, i, first)
			assert.Equal(t, show(childBatch(i)), show(b))
			assert.False(t, got[resource], "%s comes twice", resource)
			assert.False(t, acked[resource], "%s comes after it was acknowledged", resource)
			got[resource] = true
			next = max(next, i+1)
		}
		lost := 0
		for i := first; i <= last; i++ {
			if resource := fmt.Sprintf("resource %d", i); !got[resource] && !acked[resource] {
				lost++
			}
		}
		if what == "ack" {
			assert.LessOrEqual(t, lost, 1, "it may have been killed before it said which one was acknowledged")
		} else {
			assert.Zero(t, lost)
		}
		require.NoError(t, s.Close())
		first = next
	}
}

func TestTwoProcesses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	p := startChild(t, "append", 0, dir)
	require.True(t, p.out.Scan())
	assert.Equal(t, "in use", p.out.Text())
	p.end()
	require.NoError(t, s.Close())

	p = startChild(t, "append", 0, dir)
	require.True(t, p.out.Scan())
	_, err := spool.Open(spool.Config{Dir: dir, MaxBytes: spool.MinBytes, Format: format})
	require.ErrorIs(t, err, spool.ErrInUse)
	p.end()
	open(t, dir)
}
