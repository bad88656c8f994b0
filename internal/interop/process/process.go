// SPDX-License-Identifier: Apache-2.0

package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// pollEvery is how long one look at a server waits for the next.
const pollEvery = 50 * time.Millisecond

// requireVariable names the environment variable that makes a missing server a failure.
const requireVariable = "SPANDREL_REQUIRE_SERVERS"

// ErrMissing is what [Cached] fails with where `make servers` has not put a file there.
var ErrMissing = errors.New("run `make servers`")

// Cached returns the path of a file that `make servers` puts into the user's cache folder. The error
// wraps [ErrMissing] where it is not there.
func Cached(name string) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("%w: no cache folder: %w", ErrMissing, err)
	}
	path := filepath.Join(cache, "spandrel-interop", name)
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("%w: %w", ErrMissing, err)
	}
	return path, nil
}

// Check ends a test whose server did not start, for the reason err; nil is none. A server that is
// missing ([ErrMissing]) skips the test, but fails it with the environment variable
// SPANDREL_REQUIRE_SERVERS=1; any other reason fails it.
func Check(t testing.TB, err error) {
	t.Helper()
	switch {
	case errors.Is(err, ErrMissing) && os.Getenv(requireVariable) != "1":
		t.Skip(err)
	case err != nil:
		t.Fatal(err)
	}
}

// Process is a running program. [Process.Stop] ends it.
type Process struct {
	stop   context.CancelFunc
	done   chan struct{} // closed when the process has ended and output is complete
	output tail
}

// Start starts a program with its arguments in an environment of variables, as of [exec.Cmd]. It ends
// with [Process.Stop], or with ctx, or with this process. Why one did not start stands in its output.
func Start(ctx context.Context, env []string, program string, args ...string) *Process {
	ctx, cancel := context.WithCancel(ctx)
	p := &Process{stop: cancel, done: make(chan struct{})}
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = env
	cmd.Stdout, cmd.Stderr = &p.output, &p.output
	cmd.WaitDelay = 5 * time.Second
	go func() {
		defer close(p.done)
		if err := run(cmd); err != nil {
			_, _ = fmt.Fprintf(&p.output, "\n%v\n", err)
		}
	}()
	return p
}

// Stop ends the process and waits until it is gone. It is idempotent.
func (p *Process) Stop() {
	p.stop()
	<-p.done
}

// Output returns the end of what the process has printed.
func (p *Process) Output() string { return p.output.String() }

// WaitUntil polls until ready says yes or fails, the process ends, or ctx is done.
func (p *Process) WaitUntil(ctx context.Context, ready func() (bool, error)) error {
	return Poll(ctx, func() (bool, error) {
		select {
		case <-p.done:
			return false, errors.New("the process ended before it was ready")
		default:
			return ready()
		}
	})
}

// Poll calls f again and again until it says yes, fails, or ctx is done.
func Poll(ctx context.Context, f func() (bool, error)) error {
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for {
		if done, err := f(); done || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

// tail keeps the last bytes of what is written to it. The zero value is ready.
type tail struct {
	mu   sync.Mutex // guards text
	text []byte
}

const maxTailBytes = 8 << 10

// Write implements io.Writer.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if n := len(t.text) - maxTailBytes; n > 0 {
		t.text = append(t.text[:0], t.text[n:]...)
	}
	return len(p), nil
}

// String returns what was kept.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.text)
}
