// SPDX-License-Identifier: Apache-2.0

package tracing_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/spandrel-go/spandrel/tracing"
)

// A file of the spool that cannot be read does not keep the others from being sent, the log says so, and what is
// in it is sent when it can be.
func TestSpoolFileThatCannotBeRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		_, p := inBubble(t, newBackend(true), tracing.WithSpool(dir, spoolBytes))
		large := make([]byte, spoolBytes/16)
		for i := range large {
			large[i] = 'x'
		}
		for _, name := range []string{"0", "1", "2"} { // a file each
			endOne(p.NewTracer("test"), name+string(large))
			flush(t, p)
		}
		shutdown(t, p)
		files, err := filepath.Glob(filepath.Join(dir, "*-*.spool"))
		require.NoError(t, err)
		require.Len(t, files, 3)

		log := newEntries()
		b := newBackend(true)
		p = newProvider(t, tracing.WithLogger(slog.New(log)), tracing.WithExporter(b, tracing.WithSpool(dir, spoolBytes)))
		time.Sleep(time.Minute) // the first batch has been taken
		require.NoError(t, os.Rename(files[1], files[1]+".bak"))
		require.NoError(t, os.Mkdir(files[1], 0o700))
		b.away.Store(false)
		time.Sleep(time.Minute)
		assert.EqualValues(t, 2, p.Stats().Exporters[0].Exported)
		assert.Equal(t, 1, p.Stats().Exporters[0].Spool.Spans)
		sumsHold(t, p)
		assert.Contains(t, messages(log), "spandrel: reading the spool fails")
		assert.NotContains(t, messages(log), "spandrel: reading the spool works again")
		require.NoError(t, os.Remove(files[1]))
		require.NoError(t, os.Rename(files[1]+".bak", files[1]))
		time.Sleep(time.Minute)
		assert.EqualValues(t, 3, p.Stats().Exporters[0].Exported)
		assert.Contains(t, messages(log), "spandrel: reading the spool works again")
		assert.Equal(t, "1", b.got()[2][:1])
		shutdown(t, p)
		sumsHold(t, p)
	})
}

// messages returns what has been logged, without attributes.
func messages(e *entries) (list []string) {
	for _, line := range e.logged() {
		list = append(list, line.Message)
	}
	return list
}
