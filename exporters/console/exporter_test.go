// SPDX-License-Identifier: Apache-2.0

package console_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/spandrel-go/spandrel/exporters/console"
	"github.com/spandrel-go/spandrel/tracing"
)

func TestOptionsOutOfRange(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		opt  console.Option
		want string
	}{
		{"width below", console.WithWidth(79), "console: WithWidth(79): must be from 80 to 400 columns"},
		{"width above", console.WithWidth(401), "console: WithWidth(401): must be from 80 to 400 columns"},
		{"spans below", console.WithMaxSpans(0), "console: WithMaxSpans(0): must be from 1 to 1000000 spans"},
		{"spans above", console.WithMaxSpans(1_000_001), "console: WithMaxSpans(1000001): must be from 1 to 1000000 spans"},
		{"nil", nil, "console: opts[0] is nil"},
		{"color", console.WithColor(3), "console: WithColor(3): must be ColorAuto, ColorAlways or ColorNever"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e, err := console.New(&bytes.Buffer{}, tt.opt)
			assert.Nil(t, e)
			assert.EqualError(t, err, tt.want)
			c, err := console.NewCollector(tt.opt)
			assert.Nil(t, c)
			assert.EqualError(t, err, tt.want)
		})
	}
}

func TestOptionsAtTheEdges(t *testing.T) {
	t.Parallel()
	for _, opt := range []console.Option{
		console.WithWidth(80), console.WithWidth(400), console.WithMaxSpans(1), console.WithMaxSpans(1_000_000),
		console.WithColor(console.ColorAuto), console.WithColor(console.ColorAlways), console.WithColor(console.ColorNever),
	} {
		_, err := console.New(&bytes.Buffer{}, opt)
		assert.NoError(t, err)
	}
}

func TestNilWriter(t *testing.T) {
	t.Parallel()
	e, err := console.New(nil)
	assert.Nil(t, e)
	require.EqualError(t, err, "console: New: w must not be nil")

	c, err := console.NewCollector()
	require.NoError(t, err)
	assert.EqualError(t, c.Render(nil), "console: Render: w must not be nil")
}

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }

func TestWriteErrorIsReturned(t *testing.T) {
	t.Parallel()
	w := failingWriter{err: errors.New("broken pipe")}
	for _, opts := range [][]console.Option{nil, {console.WithJSON()}} {
		e, err := console.New(w, opts...)
		require.NoError(t, err)
		err = e.ExportSpans(context.Background(), data(spec{id: 1, name: "span"}))
		require.ErrorIs(t, err, w.err)
		require.EqualError(t, err, "console: write: broken pipe")

		c, err := console.NewCollector(opts...)
		require.NoError(t, err)
		export(t, c, spec{id: 1, name: "span"})
		require.ErrorIs(t, c.Render(w), w.err)
	}
}

func TestExportHonoursContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var out bytes.Buffer
	e, err := console.New(&out)
	require.NoError(t, err)
	require.ErrorIs(t, e.ExportSpans(ctx, data(spec{id: 1, name: "span"})), context.Canceled)
	assert.Empty(t, out.String())

	c, err := console.NewCollector()
	require.NoError(t, err)
	require.ErrorIs(t, c.ExportSpans(ctx, data(spec{id: 1, name: "span"})), context.Canceled)
	require.NoError(t, c.Render(&out))
	assert.Empty(t, out.String())
}

func TestExporterAfterShutdown(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	e, err := console.New(&out)
	require.NoError(t, err)
	require.NoError(t, e.Shutdown(context.Background()))
	require.NoError(t, e.Shutdown(context.Background()))
	err = e.ExportSpans(context.Background(), data(spec{id: 1, name: "span"}))
	require.EqualError(t, err, "console: the exporter is shut down")
	assert.Empty(t, out.String())
}

// oneWriteAtATime fails the test when calls of Write overlap. It counts them.
type oneWriteAtATime struct {
	bytes.Buffer
	t     testing.TB
	busy  sync.Mutex
	calls int
}

func (w *oneWriteAtATime) Write(p []byte) (int, error) {
	if !w.busy.TryLock() {
		w.t.Error("two calls of Write at once")
		return 0, nil
	}
	defer w.busy.Unlock()
	w.calls++
	return w.Buffer.Write(p)
}

func TestExporterConcurrentSafe(t *testing.T) {
	t.Parallel()
	const goroutines, batches = 8, 25
	for _, opts := range [][]console.Option{nil, {console.WithJSON()}} {
		w := &oneWriteAtATime{t: t}
		e, err := console.New(w, opts...)
		require.NoError(t, err)
		var wg sync.WaitGroup
		for g := range goroutines {
			wg.Go(func() {
				for b := range batches {
					err := e.ExportSpans(context.Background(), data(
						spec{trace: uint64(g + 1), id: uint64(b + 1), name: fmt.Sprintf("first-%d-%d.", g, b), end: 10},
						spec{trace: uint64(g + 1), id: 0xff, parent: uint64(b + 1), name: fmt.Sprintf("second-%d-%d.", g, b), end: 5},
					))
					assert.NoError(t, err)
				}
			})
		}
		wg.Wait()
		assert.NoError(t, e.Shutdown(context.Background()))
		assert.Equal(t, goroutines*batches, w.calls)
		for g := range goroutines {
			for b := range batches {
				first := strings.Index(w.String(), fmt.Sprintf("first-%d-%d.", g, b))
				second := strings.Index(w.String(), fmt.Sprintf("second-%d-%d.", g, b))
				require.Positive(t, first)
				require.Greater(t, second, first)
				between := w.String()[first:second]
				require.Equal(t, 1, strings.Count(between, "\n"), "a batch was torn apart")
			}
		}
	}
}

// Data made by hand may lack what the pipeline always fills in.
func TestBlankSpan(t *testing.T) {
	t.Parallel()
	blank := []*tracing.SpanData{{}}
	for name, opts := range map[string][]console.Option{
		"blank_tree.golden": nil,
		"blank_json.golden": {console.WithJSON()},
	} {
		var out bytes.Buffer
		e, err := console.New(&out, opts...)
		require.NoError(t, err)
		require.NoError(t, e.ExportSpans(context.Background(), blank))
		require.NoError(t, e.ExportSpans(context.Background(), nil))
		assertGolden(t, name, out.Bytes())
	}
}
