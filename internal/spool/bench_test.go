// SPDX-License-Identifier: Apache-2.0

package spool_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/spandrel-go/spandrel/internal/spool"
)

// A batch of 512 spans of 400 bytes, as an exporter's default makes it.
func benchmarkBatch() spool.Batch { return batchOf(1, 512, 400) }

func benchmarkSpool(b *testing.B) *spool.Spool {
	b.Helper()
	s, err := spool.Open(spool.Config{Dir: b.TempDir(), MaxBytes: 64 << 20, Format: format})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, s.Close()) })
	return s
}

// BenchmarkAppend appends to a spool that is full before long: it syncs each file, and drops the oldest.
func BenchmarkAppend(b *testing.B) {
	batch := benchmarkBatch()
	b.Run("serial", func(b *testing.B) {
		s := benchmarkSpool(b)
		b.SetBytes(int64(len(batch.Data)))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := s.Append(batch); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("parallel", func(b *testing.B) {
		s := benchmarkSpool(b)
		b.SetBytes(int64(len(batch.Data)))
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := s.Append(batch); err != nil {
					b.Error(err)
				}
			}
		})
	})
}

// BenchmarkTake takes a batch; "acked" acknowledges and so deletes, "returned" leaves all where it is.
func BenchmarkTake(b *testing.B) {
	batch := benchmarkBatch()
	b.Run("returned", func(b *testing.B) {
		s := benchmarkSpool(b)
		add(b, s, batch)
		b.SetBytes(int64(len(batch.Data)))
		b.ReportAllocs()
		for b.Loop() {
			e, ok := s.Take()
			if !ok {
				b.Fatal("there is no batch")
			}
			s.Return(&e)
		}
	})
	b.Run("acked", func(b *testing.B) {
		s := benchmarkSpool(b)
		b.SetBytes(int64(len(batch.Data)))
		b.ReportAllocs()
		for b.Loop() {
			e, ok := s.Take()
			for !ok {
				b.StopTimer()
				for range 200 {
					add(b, s, batch)
				}
				b.StartTimer()
				e, ok = s.Take()
			}
			s.Ack(&e)
		}
	})
}
