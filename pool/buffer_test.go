// SPDX-License-Identifier: Apache-2.0

package pool_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/spandrel-go/spandrel/pool"
)

func ExampleGetBuffer() {
	b := pool.GetBuffer()
	defer b.Release()
	b.B = append(b.B, "spans"...)
	fmt.Printf("%s\n", b.B)
	// Output: spans
}

func TestBufferIsEmpty(t *testing.T) {
	t.Parallel()
	for range 100 {
		b := pool.GetBuffer()
		require.Empty(t, b.B)
		b.B = append(b.B, "abc"...)
		b.Release()
	}
}

func TestBufferCap(t *testing.T) {
	t.Parallel()
	const kept = 1 << 20 // as Release documents
	for range 100 {
		b := pool.GetBuffer()
		require.LessOrEqual(t, cap(b.B), kept, "a buffer above the cap was kept")
		b.B = make([]byte, 10, kept+1)
		b.Release()
	}
}

func TestBufferConcurrentSafe(t *testing.T) {
	t.Parallel()
	var wg sync.WaitGroup
	for id := range 8 {
		wg.Go(func() {
			for range 500 {
				b := pool.GetBuffer()
				for range 100 {
					b.B = append(b.B, byte(id))
				}
				for _, c := range b.B {
					if c != byte(id) {
						t.Errorf("another goroutine wrote to an owned buffer: got %d, want %d", c, id)
					}
				}
				assert.Len(t, b.B, 100)
				b.Release()
			}
		})
	}
	wg.Wait()
}
