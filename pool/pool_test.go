// SPDX-License-Identifier: Apache-2.0

package pool_test

import (
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/spandrel-go/spandrel/pool"
)

// record is a pooled object as packages of this module have them.
type record struct {
	name  string
	inner [2]struct {
		key   string
		bytes []byte `invariants:"reused"`
	}
	count int
	buf   []byte `invariants:"reused"`
}

func resetRecord(r *record) { *r = record{buf: r.buf[:0]} }

func TestGetReturnsABlankObject(t *testing.T) {
	t.Parallel()
	// More than one round, because under race a quarter of all Puts are dropped on purpose.
	for name, reset := range map[string]func(*record){"with reset": resetRecord, "without reset": nil} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := pool.New(reset, nil)
			for range 100 {
				r := p.Get()
				require.NotNil(t, r)
				require.Empty(t, r.name)
				require.Zero(t, r.count)
				require.Empty(t, r.inner[1].key)
				require.Empty(t, r.inner[1].bytes)
				require.Empty(t, r.buf)
				r.name, r.count, r.buf = "a", 1, append(r.buf, "abc"...)
				r.inner[1].key, r.inner[1].bytes = "b", []byte("c")
				p.Put(r)
			}
		})
	}
}

func TestPutRunsReset(t *testing.T) {
	t.Parallel()
	calls := 0
	p := pool.New(func(r *record) { calls++; resetRecord(r) }, nil)
	r := p.Get()
	assert.Zero(t, calls, "a new object is blank without reset")
	p.Put(r)
	assert.Equal(t, 1, calls)
}

func TestPutTakesObjectsThatWereNotGot(t *testing.T) {
	t.Parallel()
	p := pool.New(resetRecord, nil)
	for range 100 {
		p.Put(&record{name: "a"})
		require.Empty(t, p.Get().name)
	}
}

func TestPoolOfSlices(t *testing.T) {
	t.Parallel()
	p := pool.New(func(s *[]int) { *s = (*s)[:0] }, nil)
	for range 100 {
		s := p.Get()
		require.Empty(t, *s, "a kept array is no breach: a slice has no field that could be tagged")
		*s = append(*s, 1, 2, 3)
		p.Put(s)
	}
}

func TestPoolConcurrentSafe(t *testing.T) {
	t.Parallel()
	p := pool.New(resetRecord, func(r *record) { r.count = -1 })
	var wg sync.WaitGroup
	for id := range 8 {
		wg.Go(func() {
			for range 500 {
				r := p.Get()
				if r.count != 0 || len(r.buf) != 0 {
					t.Errorf("got an object that is not blank: count %d, buf %v", r.count, r.buf)
				}
				r.count, r.buf = id+1, append(r.buf, byte(id))
				runtime.Gosched()
				if r.count != id+1 || len(r.buf) != 1 || r.buf[0] != byte(id) {
					t.Errorf("another goroutine wrote to an owned object: count %d, buf %v, want %d", r.count, r.buf, id+1)
				}
				p.Put(r)
			}
		})
	}
	wg.Wait()
}

func BenchmarkPool(b *testing.B) {
	p := pool.New(resetRecord, nil)
	b.Run("serial", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			p.Put(p.Get())
		}
	})
	b.Run("parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				p.Put(p.Get())
			}
		})
	})
}
