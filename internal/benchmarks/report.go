// SPDX-License-Identifier: Apache-2.0

package benchmarks

import (
	"fmt"
	"slices"
	"strings"
)

// Report returns docs/performance.md for one run. file is the name of the run's results file.
func Report(run *Run, file string) string {
	var b strings.Builder
	b.WriteString("<!-- Generated from internal/benchmarks/results/" + file +
		" by `go run ./cmd/compare -update-docs`. Do not edit. -->\n\n")
	b.WriteString(reportIntro)
	fmt.Fprintf(&b, "\nRaw output: [%s](../internal/benchmarks/results/%s).\n\n", file, file)
	for _, s := range run.Settings {
		fmt.Fprintf(&b, "- %s: `%s`\n", s.Key, s.Value)
	}
	if noise := newSpread(run.values("", "", UnitExternal)); noise.runs > 0 && noise.min >= 0 {
		fmt.Fprintf(&b, "- CPU time of the machine that other processes took during a run: median %.1f %%, at most %.1f %%\n",
			noise.median, noise.max)
		if noise.median >= quietPercent {
			b.WriteString("\n**The machine was busy with other work: the times below are no evidence.** Bytes and allocations are.\n")
		}
	}
	b.WriteString("\n## Peers\n\n")
	for _, p := range Peers() {
		if len(run.values("", p.Name, UnitCPU)) > 0 {
			fmt.Fprintf(&b, "- `%s`: %s\n", p.Name, p.About)
		}
	}
	for _, sc := range Scenarios() {
		writeTable(&b, run, sc)
	}
	if len(run.values("", "spandrel", UnitCPU)) > 0 {
		writeWins(&b, run)
	}
	return b.String()
}

const reportIntro = `# Performance

The same spans made with spandrel and with its peers, in one run, one peer after the other in several
rounds. Every exporter reads every field of every span, on a goroutine of its own, and no peer loses a
span: a run in which the exporter saw fewer spans than were made is an error.

- *caller*: wall time until the last span was ended; *wall*: until the last one was delivered and the
  library was shut down. On all cores at once both are the time that passed, not a sum.
- *CPU*: user and system time of the whole process, with background workers, garbage collection, flush
  and shutdown. It is the honest cost, and what the ratios are made of.
- *B* and *allocs*: what the whole process allocated.
- Each figure is the median of the rounds, for one span; in brackets the lowest and the highest. Every
  run is a process of its own with a small heap, where the collector runs often: a service with a larger
  heap pays less for allocations.
- *× otel*: CPU of the OpenTelemetry SDK divided by this; */ noop*: this divided by the CPU of the
  OpenTelemetry API with its no-op provider.
- dd-trace-go has no exporter interface: its spans are encoded and sent to an agent in the same
  process, which decodes them. The others hand over spans as they are.
`

// quietPercent is how much of the machine other processes may take for times to count.
const quietPercent = 8

// spread is the middle and the ends of several runs.
type spread struct {
	median, min, max float64
	runs             int
}

func newSpread(values []float64) spread {
	if len(values) == 0 {
		return spread{}
	}
	v := slices.Sorted(slices.Values(values))
	n := len(v)
	return spread{median: (v[(n-1)/2] + v[n/2]) / 2, min: v[0], max: v[n-1], runs: n}
}

// values returns the figures of one unit; an empty scenario or peer stands for all.
func (r *Run) values(scenario, peer, unit string) []float64 {
	var values []float64
	for i := range r.Rows {
		row := &r.Rows[i]
		if (scenario == "" || row.Scenario == scenario) && (peer == "" || row.Peer == peer) {
			if v, ok := row.Value(unit); ok {
				values = append(values, v)
			}
		}
	}
	return values
}

func (r *Run) spread(scenario, peer, unit string) spread {
	return newSpread(r.values(scenario, peer, unit))
}

// otelOf returns the name of the peer that is OpenTelemetry's in a scenario.
func otelOf(sc Scenario) string {
	if slices.Contains(sc.Peers, "otel") {
		return "otel"
	}
	return "otel-global"
}

func writeTable(b *strings.Builder, run *Run, sc Scenario) {
	if len(run.values(sc.Name, "", UnitCPU)) == 0 {
		return
	}
	fmt.Fprintf(b, "\n## %s\n\n`Benchmark%s`, nanoseconds, bytes and allocations for one span.\n\n", sc.Title, sc.Name)
	b.WriteString("| peer | caller | wall | CPU | B | allocs | × otel | / noop |\n|---|---|---|---|---|---|---|---|\n")
	otel := run.spread(sc.Name, otelOf(sc), UnitCPU)
	noop := run.spread(sc.Name, "noop", UnitCPU)
	for _, peer := range sc.Peers {
		cpu := run.spread(sc.Name, peer, UnitCPU)
		if cpu.runs == 0 {
			continue
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s (%s–%s) | %s | %.2f | %s | %s |\n", peer,
			figure(run.spread(sc.Name, peer, UnitCaller).median),
			figure(run.spread(sc.Name, peer, UnitWall).median),
			figure(cpu.median), figure(cpu.min), figure(cpu.max),
			figure(run.spread(sc.Name, peer, UnitBytes).median),
			run.spread(sc.Name, peer, UnitAllocs).median,
			ratio(otel, cpu), ratio(cpu, noop))
	}
}

// figure writes a number with as many digits as it deserves.
func figure(v float64) string {
	if v < 99.95 {
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.0f", v)
}

func ratio(a, b spread) string {
	if a.runs == 0 || b.median == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", a.median/b.median)
}

// winUnits are the units in which peers are compared, with the words for them.
var winUnits = []struct{ unit, words string }{
	{UnitCaller, "caller's time, ns"},
	{UnitWall, "wall time, ns"},
	{UnitCPU, "CPU time, ns"},
	{UnitBytes, "bytes allocated"},
	{UnitAllocs, "allocations"},
}

// isCompetitor says whether a peer is another library; noop and floor are bounds, which nobody meets.
func isCompetitor(peer string) bool {
	return !strings.HasPrefix(peer, "spandrel") && peer != "noop" && peer != "floor"
}

// writeWins lists every figure in which another library is ahead of spandrel.
func writeWins(b *strings.Builder, run *Run) {
	b.WriteString("\n## Where a peer wins\n\n")
	wins := 0
	for _, sc := range Scenarios() {
		for _, ours := range sc.Peers {
			if !strings.HasPrefix(ours, "spandrel") {
				continue
			}
			for _, theirs := range sc.Peers {
				for _, u := range winUnits {
					a, c := run.spread(sc.Name, ours, u.unit), run.spread(sc.Name, theirs, u.unit)
					if !isCompetitor(theirs) || a.runs == 0 || c.runs == 0 || c.median >= a.median {
						continue
					}
					wins++
					fmt.Fprintf(b, "- %s: `%s` is ahead of `%s` in %s: %s against %s", sc.Title, theirs, ours, u.words,
						precise(c.median), precise(a.median))
					if c.max >= a.min {
						b.WriteString(" (the ranges of the runs meet: no evidence)")
					}
					b.WriteString("\n")
				}
			}
		}
	}
	if wins == 0 {
		b.WriteString("In this run no peer is ahead of spandrel in any figure above. `noop` and `floor` are bounds, not peers.\n")
		return
	}
	b.WriteString("\nIn every other figure above spandrel is level with its peers or ahead; `noop` and `floor` are bounds, not peers.\n")
}

// precise is figure with the decimals that small numbers of allocations need.
func precise(v float64) string {
	if v < 9.995 {
		return fmt.Sprintf("%.2f", v)
	}
	return figure(v)
}
