// SPDX-License-Identifier: Apache-2.0

package spool_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/spandrel-go/spandrel/internal/spool"
)

type state int

const (
	waiting state = iota
	taken
	acked
)

// modelBatch is a batch that was appended.
type modelBatch struct {
	batch spool.Batch
	frame int64
	state state
	file  *modelFile
}

func (b *modelBatch) spans() int { return len(b.batch.Ends) }

type modelFile struct {
	batches []*modelBatch
	bytes   int64
	dropped bool
}

// model is a spool in memory, of what the package comment says and nothing else.
type model struct {
	files  []*modelFile
	active *modelFile
	taken  map[*modelBatch]*spool.Entry
}

func (m *model) remove(f *modelFile) {
	m.files = slices.DeleteFunc(m.files, func(other *modelFile) bool { return f == other })
	if m.active == f {
		m.active = nil
	}
}

func (m *model) bytes() (n int64) {
	for _, f := range m.files {
		n += f.bytes
	}
	return n
}

func (m *model) append(b spool.Batch) (lost int) {
	header, frame := spool.HeaderBytes(format), int64(spool.FrameHead+4*len(b.Ends)+len(b.Resource)+len(b.Data))
	if m.active != nil && m.active.bytes+frame > spool.MinBytes/16 {
		m.active = nil
	}
	for {
		need := frame
		if m.active == nil {
			need += header
		}
		if m.bytes()+need <= spool.MinBytes {
			break
		}
		oldest := m.files[0]
		for _, old := range oldest.batches {
			if old.state == waiting {
				lost += old.spans()
			}
		}
		oldest.dropped = true
		m.remove(oldest)
	}
	if m.active == nil {
		m.active = &modelFile{bytes: header}
		m.files = append(m.files, m.active)
	}
	m.active.bytes += frame
	m.active.batches = append(m.active.batches, &modelBatch{batch: b, frame: frame, file: m.active})
	return lost
}

// take returns the oldest batch that waits; nil if there is none.
func (m *model) take() *modelBatch {
	for _, f := range m.files {
		for _, b := range f.batches {
			if b.state == waiting {
				return b
			}
		}
	}
	return nil
}

func (m *model) ack(b *modelBatch) {
	b.state = acked
	if !slices.ContainsFunc(b.file.batches, func(b *modelBatch) bool { return b.state != acked }) {
		m.remove(b.file)
	}
}

func (m *model) spans() (n int) {
	for b := range m.taken {
		if b.file.dropped {
			n += b.spans()
		}
	}
	for _, f := range m.files {
		for _, b := range f.batches {
			if b.state != acked {
				n += b.spans()
			}
		}
	}
	return n
}

func (m *model) reopen() {
	m.active = nil
	for _, f := range m.files {
		m.active = f
		for _, b := range f.batches {
			if b.state == taken {
				b.state = waiting
			}
		}
	}
	clear(m.taken)
}

// anyTaken returns one of the batches that are taken, in an order that the seed decides.
func (m *model) anyTaken(r *rand.Rand) *modelBatch {
	list := make([]*modelBatch, 0, len(m.taken))
	for b := range m.taken {
		list = append(list, b)
	}
	if len(list) == 0 {
		return nil
	}
	slices.SortFunc(list, func(a, b *modelBatch) int { return slices.Compare(a.batch.Resource, b.batch.Resource) })
	return list[r.IntN(len(list))]
}

// Whatever is done, and in whatever order, a spool does what the model does.
func TestModel(t *testing.T) {
	t.Parallel()
	for seed := range uint64(40) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			runModel(t, rand.New(rand.NewPCG(seed, 6)), 200)
		})
	}
}

func runModel(t *testing.T, r *rand.Rand, steps int) {
	dir := t.TempDir()
	s := open(t, dir)
	m := &model{taken: map[*modelBatch]*spool.Entry{}}
	// Some runs fill the spool, some nearly empty it, some are restarted all the time.
	appends, largest, restarts := 20+r.IntN(50), 100<<r.IntN(12), r.IntN(10)
	var stale []*spool.Entry
	for step := range steps {
		switch op := r.IntN(100); {
		case op < restarts:
			before := s.Stats()
			require.NoError(t, s.Close())
			for _, e := range m.taken {
				stale = append(stale, e)
			}
			m.reopen()
			s = open(t, dir)
			require.Equal(t, spool.Stats{Spans: m.spans(), Bytes: before.Bytes, Recovered: uint64(m.spans())}, s.Stats())
		case op < 10+appends:
			spans := 1 + r.IntN(20)
			b := batchOf(step, spans, r.IntN(1+largest/spans))
			lost, err := s.Append(b)
			require.NoError(t, err)
			require.Equal(t, m.append(b), lost, "step %d", step)
		case op < 55+appends/2:
			want := m.take()
			e, ok := s.Take()
			require.Equal(t, want != nil, ok, "step %d", step)
			if ok {
				require.Equal(t, show(want.batch), show(e.Batch), "step %d", step)
				want.state = taken
				m.taken[want] = &e
			}
		default:
			b := m.anyTaken(r)
			if b == nil {
				continue
			}
			e := m.taken[b]
			delete(m.taken, b)
			stale = append(stale, e)
			switch {
			case r.IntN(3) > 0:
				s.Ack(e)
				m.ack(b)
			case b.file.dropped:
				require.Equal(t, b.spans(), s.Return(e), "step %d", step)
			default:
				require.Zero(t, s.Return(e), "step %d", step)
				b.state = waiting
			}
		}
		if len(stale) > 0 && r.IntN(10) == 0 {
			s.Ack(stale[r.IntN(len(stale))]) // it was acknowledged, returned, or taken before a restart
		}
		stats := s.Stats()
		require.Equal(t, m.spans(), stats.Spans, "step %d", step)
		require.Equal(t, m.bytes(), stats.Bytes, "step %d", step)
		require.Equal(t, m.bytes(), bytesIn(t, dir), "step %d", step)
		require.LessOrEqual(t, stats.Bytes, int64(spool.MinBytes))
		require.Zero(t, stats.Damaged+stats.Lost)
	}
	var want []spool.Batch
	for b := m.take(); b != nil; b = m.take() {
		want = append(want, b.batch)
		b.state = acked
	}
	assert.Equal(t, showAll(want), showAll(drain(s)))
}
