// SPDX-License-Identifier: Apache-2.0

package zipkin_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/spandrel-go/spandrel/exporters/zipkin"
	"github.com/spandrel-go/spandrel/internal/testkit/backend"
	"github.com/spandrel-go/spandrel/tracing"
)

// The environment variables that make of the test program one that spools spans.
const (
	spoolDirectory = "SPANDREL_TEST_SPOOL"
	spoolBackend   = "SPANDREL_TEST_BACKEND"
)

// spoolBytes is more than any test here fills.
const spoolBytes = 64 << 20

// spoolUntilKilled makes spans until it is killed or its standard input ends. It writes a line with the
// ids of spans once a flush says that they are safe: delivered, or in the spool. Beside them it makes
// spans that nobody vouches for, so that it is killed in the middle of something.
func spoolUntilKilled(directory, url string) error {
	e, err := zipkin.New(url)
	if err != nil {
		return err
	}
	p, err := tracing.NewProvider(tracing.WithLogger(slog.New(slog.DiscardHandler)), tracing.WithExporter(e,
		tracing.WithSpool(directory, spoolBytes), tracing.WithBatchSpans(16), tracing.WithBatchDelay(5*time.Millisecond),
		tracing.WithExportTimeout(100*time.Millisecond)))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // it ends with the parent
		cancel()
	}()
	go func() {
		tracer := p.NewTracer("not vouched for")
		for tick := time.Tick(200 * time.Microsecond); ctx.Err() == nil; <-tick {
			_, span := tracer.StartSpan(ctx, "other")
			span.End()
		}
	}()
	tracer := p.NewTracer("vouched for")
	for ctx.Err() == nil {
		var line strings.Builder
		line.WriteString("safe")
		for range 1 + rand.N(40) {
			_, span := tracer.StartSpan(ctx, "span")
			line.WriteString(" " + span.SpanContext().SpanID().String())
			span.End()
		}
		if err := p.ForceFlush(ctx); err == nil {
			fmt.Fprintln(os.Stdout, line.String())
		}
	}
	return p.Shutdown(ctx)
}

// spooler is a process that runs spoolUntilKilled.
type spooler struct {
	cmd   *exec.Cmd
	input io.Closer
	lines *bufio.Reader
}

func newSpooler(t *testing.T, directory, url string) *spooler {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	s := &spooler{cmd: exec.Command(self)}
	s.cmd.Env = append(os.Environ(), spoolDirectory+"="+directory, spoolBackend+"="+url)
	s.cmd.Stderr = os.Stderr
	s.input, err = s.cmd.StdinPipe()
	require.NoError(t, err)
	out, err := s.cmd.StdoutPipe()
	require.NoError(t, err)
	s.lines = bufio.NewReader(out)
	require.NoError(t, s.cmd.Start())
	t.Cleanup(func() { s.kill() })
	return s
}

// kill sends SIGKILL, waits until the process is gone and returns the ids that it had still written. It
// may be called again.
func (s *spooler) kill() (ids []string) {
	_ = s.cmd.Process.Kill() // it may be gone
	for more := s.safe(); more != nil; more = s.safe() {
		ids = append(ids, more...)
	}
	_ = s.cmd.Wait() // it ends with "signal: killed"
	s.input.Close()
	return ids
}

// safe reads one line of ids; nil when the process is gone.
func (s *spooler) safe() []string {
	line, err := s.lines.ReadString('\n')
	if err != nil { // a line that was not written whole does not count
		return nil
	}
	return strings.Fields(line)[1:]
}

// A process is killed in the middle of its work, several times, and started again with the same spool:
// nothing is lost that a flush has called safe.
func TestSpoolOutlivesSIGKILL(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		gone   bool            // it accepts nothing while a process lives
		rounds []backend.Fault // what the backend does in each; nil: it refuses connections
	}{
		{"the backend is gone", true, []backend.Fault{nil, backend.Status(503), nil, backend.Reset(), backend.Never()}},
		{"the backend comes and goes", false, []backend.Fault{backend.Accept(), sometimes(3), nil, sometimes(2), backend.Accept(), sometimes(5)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			directory := t.TempDir()
			b := backend.New(t)
			var safe []string
			for i, fault := range tt.rounds {
				if b.Rest(fault); fault == nil {
					b.Stop()
				}
				s := newSpooler(t, directory, b.URL())
				for range 3 + rand.N(20) {
					ids := s.safe()
					require.NotEmpty(t, ids, "round %d: the process ended by itself", i)
					safe = append(safe, ids...)
				}
				if i == 0 {
					requireSpoolTaken(t, directory)
				}
				safe = append(safe, s.kill()...)
				if fault == nil {
					b.Start()
				}
			}

			b.Rest(backend.Accept())
			r := newRouteTo(t, b, tracing.WithSpool(directory, spoolBytes))
			recovered := r.stats().Spool.Recovered
			require.True(t, eventually(func() bool { return r.stats().Spool.Spans == 0 }), "%+v", r.stats().Spool)
			require.NoError(t, r.shutdown(patience))
			s := r.stats()
			assert.Equal(t, recovered, s.Exported, "%+v", s)
			assert.Equal(t, recovered, s.Spool.Replayed, "%+v", s)
			assert.Zero(t, s.Dropped)
			accepted := b.Accepted()
			for _, id := range safe {
				require.Positive(t, accepted[id], "span %s of %d was called safe and is lost", id, len(safe))
			}
			times := 1 + len(tt.rounds) // a process may have been killed before it could note that a batch was delivered
			if tt.gone {
				times = 1
				assert.Len(t, accepted, int(recovered))
			}
			for id := range accepted {
				require.LessOrEqual(t, accepted[id], times, "span %s", id)
			}

			again := newRouteTo(t, b, tracing.WithSpool(directory, spoolBytes))
			require.NoError(t, again.shutdown(patience))
			assert.Zero(t, again.stats().Exported)
			assert.Zero(t, again.stats().Spool.Recovered)
			assert.Zero(t, again.stats().Spool.Damaged)
		})
	}
}

// sometimes accepts, but refuses one request in n for now.
func sometimes(n int) backend.Fault {
	return func(x *backend.Exchange) {
		if rand.N(n) == 0 {
			backend.Status(503)(x)
		} else {
			backend.Accept()(x)
		}
	}
}

// requireSpoolTaken tries to use the spool of another process.
func requireSpoolTaken(t *testing.T, directory string) {
	t.Helper()
	e, err := zipkin.New("http://127.0.0.1:9411/api/v2/spans")
	require.NoError(t, err)
	_, err = tracing.NewProvider(tracing.WithExporter(e, tracing.WithSpool(directory, spoolBytes)))
	require.ErrorContains(t, err, directory)
	require.ErrorContains(t, err, "another process")
	require.ErrorContains(t, err, "WithSpool")
}
