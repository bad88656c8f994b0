// SPDX-License-Identifier: Apache-2.0

package benchmarks

import (
	"fmt"
	"runtime"
	"sync"
	"time"
)

// Measurement is what one run of one peer cost.
type Measurement struct {
	// Spans is the number of spans made.
	Spans int64
	// Caller is the time until the last span was ended, Wall the time until the last one was delivered
	// and the peer was shut down. In parallel scenarios both are the time that passed, not the sum.
	Caller, Wall time.Duration
	// CPU is the user and system time of the whole process, up to the end of Wall.
	CPU time.Duration
	// Bytes and Allocs are what the whole process allocated, up to the end of Wall.
	Bytes, Allocs uint64
	// External is the share of the machine's CPU time that other processes took during Wall, between 0
	// and 1; -1 where the system does not tell. It is coarse for runs of less than a second.
	External float64
}

// Metric is one figure of a [Measurement], with its unit as benchmark output has it.
type Metric struct {
	Value float64
	Unit  string
}

// The units of [Measurement.Metrics].
const (
	UnitCaller   = "caller-ns/span"
	UnitWall     = "wall-ns/span"
	UnitCPU      = "cpu-ns/span"
	UnitBytes    = "B/span"
	UnitAllocs   = "allocs/span"
	UnitExternal = "%external"
)

// Metrics returns the figures for one span, and External as a percentage.
func (m *Measurement) Metrics() []Metric {
	perSpan := func(v float64, unit string) Metric { return Metric{Value: v / float64(m.Spans), Unit: unit} }
	return []Metric{
		perSpan(float64(m.Caller), UnitCaller),
		perSpan(float64(m.Wall), UnitWall),
		perSpan(float64(m.CPU), UnitCPU),
		perSpan(float64(m.Bytes), UnitBytes),
		perSpan(float64(m.Allocs), UnitAllocs),
		{Value: 100 * m.External, Unit: UnitExternal},
	}
}

// Measure sets p up, makes at least the given number of spans with it, shuts it down, and returns
// what that cost. Setting up does not count. It fails when spans were lost.
func Measure(p Peer, sc Scenario, spans int) (Measurement, error) {
	traces := max(1, spans/sc.Shape.Spans())
	return measure(p, sc, func(trace func()) int {
		if !sc.Parallel {
			for range traces {
				trace()
			}
			return traces
		}
		var wg sync.WaitGroup
		workers := runtime.GOMAXPROCS(0)
		for range workers {
			wg.Go(func() {
				for range max(1, traces/workers) {
					trace()
				}
			})
		}
		wg.Wait()
		return workers * max(1, traces/workers)
	})
}

// measure is Measure for any loop: work calls trace any number of times, from any goroutine, and
// returns how often it did.
func measure(p Peer, sc Scenario, work func(trace func()) int) (m Measurement, err error) {
	sink := &Sink{}
	in, err := p.Start(sc.Mode, sink)
	if err != nil {
		return m, fmt.Errorf("benchmarks: %s: %w", p.Name, err)
	}
	shape := sc.Shape
	// Twice, because a sync.Pool survives one collection: every run begins without pooled memory.
	runtime.GC()
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	busyBefore, known := machineBusy()
	cpu, start := processCPU(), time.Now()

	traces := work(func() { in.Trace(&shape) })
	m.Caller = time.Since(start)
	err = in.Stop()
	m.Wall, m.CPU = time.Since(start), processCPU()-cpu

	busyAfter, _ := machineBusy()
	runtime.ReadMemStats(&after)
	m.Bytes, m.Allocs = after.TotalAlloc-before.TotalAlloc, after.Mallocs-before.Mallocs
	m.External = -1
	if known {
		others := busyAfter - busyBefore - m.CPU
		m.External = min(1, max(0, others.Seconds()/(m.Wall.Seconds()*float64(runtime.NumCPU()))))
	}
	m.Spans = int64(traces) * int64(shape.Spans())
	if err != nil {
		return m, fmt.Errorf("benchmarks: %s: %w", p.Name, err)
	}
	return m, checkDelivery(p, sc, sink, m.Spans)
}

func checkDelivery(p Peer, sc Scenario, sink *Sink, made int64) error {
	want := made
	if sc.Mode != Recorded || !p.Delivers {
		want = 0
	}
	if got := sink.Spans(); got != want {
		return fmt.Errorf("benchmarks: %s/%s: %d spans were made, %d delivered, want %d", sc.Name, p.Name, made, got, want)
	}
	if want > 0 && sink.Value() == 0 {
		return fmt.Errorf("benchmarks: %s/%s: the exporter read nothing", sc.Name, p.Name)
	}
	return nil
}
