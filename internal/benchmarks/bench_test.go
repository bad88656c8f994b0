// SPDX-License-Identifier: Apache-2.0

package benchmarks

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func BenchmarkTrace10(b *testing.B)          { benchmark(b, "Trace10") }
func BenchmarkTrace1(b *testing.B)           { benchmark(b, "Trace1") }
func BenchmarkTrace200(b *testing.B)         { benchmark(b, "Trace200") }
func BenchmarkNoAttributes(b *testing.B)     { benchmark(b, "NoAttributes") }
func BenchmarkEvents(b *testing.B)           { benchmark(b, "Events") }
func BenchmarkFanOut(b *testing.B)           { benchmark(b, "FanOut") }
func BenchmarkParallel(b *testing.B)         { benchmark(b, "Parallel") }
func BenchmarkUnsampledTrace10(b *testing.B) { benchmark(b, "UnsampledTrace10") }
func BenchmarkUnsampledRoot(b *testing.B)    { benchmark(b, "UnsampledRoot") }
func BenchmarkUnsampledChild(b *testing.B)   { benchmark(b, "UnsampledChild") }
func BenchmarkDisabled(b *testing.B)         { benchmark(b, "Disabled") }

// benchmark runs one scenario with all its peers. One operation is a trace; what is reported is per
// span, and in place of ns/op there is the time until delivery.
func benchmark(b *testing.B, name string) {
	sc, ok := FindScenario(name)
	require.True(b, ok)
	for _, peerName := range sc.Peers {
		p, ok := FindPeer(peerName)
		require.True(b, ok)
		b.Run("peer="+p.Name, func(b *testing.B) {
			m, err := measure(p, sc, func(trace func()) int {
				if !sc.Parallel {
					for b.Loop() {
						trace()
					}
					return b.N
				}
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						trace()
					}
				})
				return b.N
			})
			require.NoError(b, err)
			b.ReportMetric(0, "ns/op")
			for _, metric := range m.Metrics() {
				b.ReportMetric(metric.Value, metric.Unit)
			}
		})
	}
}
