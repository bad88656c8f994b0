// SPDX-License-Identifier: Apache-2.0

package console

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Only the inside shows whether colours are used on a terminal: a test has none to write to. The null
// device stands in for one, being a character device like it. The environment belongs to the whole
// process, so this test is not parallel.
func TestColored(t *testing.T) {
	device, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, device.Close()) })
	file, err := os.Create(filepath.Join(t.TempDir(), "file"))
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, file.Close()) })

	tests := []struct {
		name          string
		mode          ColorMode
		w             io.Writer
		noColor, term string
		want          bool
	}{
		{name: "auto, terminal", w: device, term: "xterm", want: true},
		{name: "auto, terminal, NO_COLOR", w: device, term: "xterm", noColor: "1"},
		{name: "auto, terminal, dumb", w: device, term: "dumb"},
		{name: "auto, file", w: file, term: "xterm"},
		{name: "auto, nil file", w: (*os.File)(nil), term: "xterm"},
		{name: "auto, no file", w: &bytes.Buffer{}, term: "xterm"},
		{name: "always, no file, NO_COLOR, dumb", mode: ColorAlways, w: &bytes.Buffer{}, noColor: "1", term: "dumb", want: true},
		{name: "never, terminal", mode: ColorNever, w: device, term: "xterm"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("NO_COLOR", tt.noColor)
			t.Setenv("TERM", tt.term)
			c, err := newConfig([]Option{WithColor(tt.mode)})
			require.NoError(t, err)
			assert.Equal(t, tt.want, c.colored(tt.w))
		})
	}
}
