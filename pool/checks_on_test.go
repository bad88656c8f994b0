// SPDX-License-Identifier: Apache-2.0

//go:build invariants || race

// Only checked builds have the checks.

package pool_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/spandrel-go/spandrel/pool"
)

// panicOf returns what f panics with, or "".
func panicOf(f func()) (text string) {
	defer func() {
		if r := recover(); r != nil {
			text, _ = r.(string)
		}
	}()
	f()
	return ""
}

// panicOfGet puts an object, lets spoil have it, and gets it again. It does so until Get panics,
// because sync.Pool may lose an object, and under race it does.
func panicOfGet(p *pool.Pool[record], spoil func(*record)) string {
	for range 1000 {
		r := p.Get()
		p.Put(r)
		spoil(r)
		if text := panicOf(func() { p.Get() }); text != "" {
			return text
		}
	}
	return ""
}

func TestChecked(t *testing.T) {
	t.Parallel()
	assert.True(t, pool.Checked)
}

func firstPut(p *pool.Pool[record], r *record)  { p.Put(r) }
func secondPut(p *pool.Pool[record], r *record) { p.Put(r) }

func TestSecondPutPanics(t *testing.T) {
	t.Parallel()
	p := pool.New(resetRecord, nil)
	r := p.Get()
	firstPut(p, r)
	text := panicOf(func() { secondPut(p, r) })
	assert.Regexp(t, `^pool: \*pool_test\.record put twice: `+
		`by .*pool_test\.secondPut \(.*checks_on_test\.go:\d+\), and before by .*pool_test\.firstPut \(.*\)$`, text)
}

func TestPutAfterGetIsNoSecondPut(t *testing.T) {
	t.Parallel()
	p := pool.New(resetRecord, nil)
	r := &record{}
	for range 100 {
		p.Put(r)
		r = p.Get()
	}
}

func TestGetPanicsOnAForgottenField(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		spoil func(*record)
		want  string
	}{
		{"plain field", func(r *record) { r.name = "a" }, "name"},
		{"last field", func(r *record) { r.count = 1 }, "count"},
		{"field of a struct in an array", func(r *record) { r.inner[1].key = "a" }, "inner[1].key"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			want := "pool: *pool_test.record has field " + tt.want + " that is not zero"
			nothing := func(*record) {}

			forgetful := pool.New(tt.spoil, nil)
			assert.Contains(t, panicOfGet(forgetful, nothing), want, "reset that leaves it")
			poisoned := pool.New(tt.spoil, func(*record) {})
			assert.Contains(t, panicOfGet(poisoned, nothing), want, "reset that leaves it, with poison")
			kept := pool.New(resetRecord, nil)
			assert.Contains(t, panicOfGet(kept, tt.spoil), want, "write after Put")
		})
	}
}

func TestGetAcceptsReusedFields(t *testing.T) {
	t.Parallel()
	p := pool.New(resetRecord, nil)
	text := panicOfGet(p, func(r *record) { r.buf, r.inner[0].bytes = []byte("abc"), []byte("abc") })
	assert.Empty(t, text)
}

func TestPutPoisons(t *testing.T) {
	t.Parallel()
	p := pool.New(resetRecord, func(r *record) { r.name, r.count = "released", -1 })
	for range 100 {
		r := p.Get()
		require.Empty(t, r.name, "Get must undo the poison")
		r.name = "a"
		p.Put(r)
		require.Equal(t, "released", r.name)
		require.Equal(t, -1, r.count)
	}
}

func releaseAgain(b *pool.Buffer) { b.Release() }

// Not parallel: other tests must not get the buffer before its second Release.
func TestBufferSecondReleasePanics(t *testing.T) {
	for name, size := range map[string]int{"small": 10, "above the cap": 2 << 20} {
		t.Run(name, func(t *testing.T) {
			b := pool.GetBuffer()
			b.B = make([]byte, size)
			b.Release()
			text := panicOf(func() { releaseAgain(b) })
			assert.Regexp(t, `^pool: \*pool\.Buffer put twice: by .*pool_test\.releaseAgain \(`, text)
		})
	}
}

// Not parallel: other tests must not get the buffer before its array has been looked at.
func TestBufferReleasePoisons(t *testing.T) {
	for name, size := range map[string]int{"small": 10, "above the cap": 2 << 20} {
		t.Run(name, func(t *testing.T) {
			array := bytes.Repeat([]byte{1}, size)
			b := &pool.Buffer{B: array[:size/2]}
			b.Release()
			assert.True(t, bytes.Equal(bytes.Repeat([]byte{0xDB}, size), array),
				"the whole array must be overwritten, got %x...", array[:5])
		})
	}
}
