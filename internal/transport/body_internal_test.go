// SPDX-License-Identifier: Apache-2.0

package transport

import (
	"io"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestLoanReader(t *testing.T) {
	t.Parallel()
	l := &loan{data: []byte("some bytes")}
	for range 2 {
		r, err := l.reader()
		require.NoError(t, err)
		require.NoError(t, iotest.TestReader(r, []byte("some bytes")), "each reader begins at the start")
		require.NoError(t, r.Close())
	}
	r, err := l.reader()
	require.NoError(t, err)
	part := make([]byte, 4)
	_, err = io.ReadFull(r, part)
	require.NoError(t, err)

	l.revoke()
	n, err := r.Read(part)
	assert.Zero(t, n)
	require.ErrorIs(t, err, errRevoked)
	assert.Equal(t, "some", string(part), "a late read writes nothing")
	late, err := l.reader()
	require.NoError(t, err)
	_, err = late.Read(part)
	require.ErrorIs(t, err, errRevoked, "a reader made late")
}

// The owner writes to the bytes right after revoke; the race detector sees a reader that still
// touches them.
func TestLoanRevokeConcurrentSafe(t *testing.T) {
	t.Parallel()
	for range 100 {
		data := make([]byte, 4<<10)
		l := &loan{data: data}
		var readers sync.WaitGroup
		for range 4 {
			readers.Go(func() {
				r, _ := l.reader()
				p := make([]byte, 16)
				var err error
				for err == nil {
					_, err = r.Read(p)
				}
			})
		}
		l.revoke()
		clear(data)
		readers.Wait()
	}
}

func TestOneLine(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "queue full try later", oneLine([]byte(" queue\tfull\r\n\x1b\n try  later\u2028")))
	assert.Equal(t, "a?b?", oneLine([]byte("a\xffb\xe2\x82")[:4]))
	assert.Empty(t, oneLine([]byte("\n\n")))
}
