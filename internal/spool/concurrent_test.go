// SPDX-License-Identifier: Apache-2.0

package spool_test

import (
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/spandrel-go/spandrel/internal/spool"
)

func TestConcurrentSafe(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	const writers, readers, each = 3, 3, 120
	var appended, lost, delivered atomic.Int64
	var writing, reading sync.WaitGroup
	done := make(chan struct{})
	for w := range writers {
		writing.Go(func() {
			for i := range each {
				b := batchOf(1000*w+i, 1+i%3, 1+37*i)
				n, err := s.Append(b)
				assert.NoError(t, err)
				appended.Add(int64(len(b.Ends)))
				lost.Add(int64(n))
			}
		})
	}
	for range readers {
		reading.Go(func() {
			for i := 0; ; i++ {
				e, ok := s.Take()
				switch {
				case ok && i%4 == 0:
					lost.Add(int64(s.Return(&e)))
				case ok:
					s.Ack(&e)
					delivered.Add(int64(len(e.Ends)))
				default:
					select {
					case <-done:
						return
					default:
					}
				}
				assert.GreaterOrEqual(t, s.Stats().Spans, 0)
				assert.LessOrEqual(t, s.Stats().Bytes, int64(spool.MinBytes))
			}
		})
	}
	writing.Wait()
	close(done)
	reading.Wait()
	// A batch may have been returned after the other readers had left.
	for _, b := range drain(s) {
		delivered.Add(int64(len(b.Ends)))
	}
	assert.Equal(t, appended.Load(), lost.Load()+delivered.Load())
	assert.Equal(t, spool.Stats{}, s.Stats())
}

func TestConcurrentSafeClose(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	var work sync.WaitGroup
	for range 4 {
		work.Go(func() {
			for {
				if _, err := s.Append(batchOf(1, 1, 500)); err != nil {
					assert.ErrorIs(t, err, spool.ErrClosed)
					return
				}
				if e, ok := s.Take(); ok {
					s.Ack(&e)
				}
			}
		})
	}
	work.Go(func() { assert.NoError(t, s.Close()) })
	work.Go(func() { assert.NoError(t, s.Close()) })
	work.Wait()
}

// Stats answers while another method waits for the disk.
func TestStatsNeverWaits(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := open(t, dir)
		add(t, s, batchOf(0, 3, 10))
		disk := make(chan struct{})
		s.OnWrite(func(f *os.File, b []byte, at int64) (int, error) {
			<-disk
			return f.WriteAt(b, at)
		})
		appended := make(chan error)
		go func() {
			_, err := s.Append(batchOf(1, 4, 10))
			appended <- err
		}()
		synctest.Wait()
		assert.Equal(t, 3, s.Stats().Spans)
		close(disk)
		require.NoError(t, <-appended)
		assert.Equal(t, 7, s.Stats().Spans)
	})
}
