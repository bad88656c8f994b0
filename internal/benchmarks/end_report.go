// SPDX-License-Identifier: Apache-2.0

package benchmarks

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// EndResults is the directory, in that of the results, of those of [MeasureEnd].
const EndResults = "end"

// Page returns docs/performance.md: the newest run in a results directory and, if there is one, the newest
// of its [EndResults].
func Page(results string) (string, error) {
	run, file, err := NewestRun(results)
	if err != nil {
		return "", err
	}
	page := Report(run, file)
	dir := filepath.Join(results, EndResults)
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		return page, nil
	}
	ends, file, err := NewestRun(dir)
	if err != nil {
		return "", err
	}
	return page + ReportEnds(ends, file), nil
}

// ReportEnds returns the section of docs/performance.md about the latency of End.
func ReportEnds(run *Run, file string) string {
	var b strings.Builder
	b.WriteString(endIntro)
	fmt.Fprintf(&b, "\nRaw output: [%s](../internal/benchmarks/results/%s/%s).\n\n", file, EndResults, file)
	for _, s := range run.Settings {
		fmt.Fprintf(&b, "- %s: `%s`\n", s.Key, s.Value)
	}
	if noise := newSpread(run.values("", "", UnitExternal)); noise.runs > 0 && noise.min >= 0 {
		fmt.Fprintf(&b, "- CPU time of the machine that other processes took during a run: median %.1f %%, at most %.1f %%\n",
			noise.median, noise.max)
		if noise.median >= quietPercent {
			b.WriteString("\n**The machine was busy with other work: the tails below are also those of its scheduler.**\n")
		}
	}
	for _, sc := range EndScenarios() {
		writeEndTable(&b, run, sc)
	}
	return b.String()
}

const endIntro = `
## How long End takes while the backend is gone

Each call of End has the clock read before and after it; the peer ` + "`clock`" + ` reads it and ends nothing, which is part of
every figure. Two goroutines make 20,000 spans a second, in traces of ten, through the OpenTelemetry API. spandrel and the
OpenTelemetry SDK have the defaults of their queues, and each its own Zipkin exporter and a server in the same process.

- Each figure is the median of the rounds, in brackets the lowest and the highest.
- *× p50*, *× p99.9*: the OpenTelemetry SDK's figure divided by this.
- *mutex*: what all goroutines of the process, the backend's too, waited for locks, for one span.
- *delivered*: what the backend had when the library had been shut down. The queues of both drop what
  finds no room.
- Now and then End wakes the goroutine that encodes or sends. Where no thread is running that could, it is
  a system call: p99.9 shows it when more than one End in a thousand does so.
- *max* is one call: the scheduler of the machine is in it, and so it is no evidence.
`

func writeEndTable(b *strings.Builder, run *Run, sc EndScenario) {
	if len(run.values(sc.Name, "", UnitEnd999)) == 0 {
		return
	}
	fmt.Fprintf(b, "\n### End while %s\n\n`%s`, nanoseconds for one End; bytes and allocations for one span.\n\n", sc.Title, sc.Name)
	b.WriteString("| peer | p50 | p99 | p99.9 | max | mutex | B | allocs | delivered | × p50 | × p99.9 |\n|---|---|---|---|---|---|---|---|---|---|---|\n")
	for _, peer := range EndPeers() {
		of := func(unit string) spread { return run.spread(sc.Name, peer, unit) }
		otel := func(unit string) string {
			if peer == "clock" {
				return "-"
			}
			return ratio(run.spread(sc.Name, "otel", unit), of(unit))
		}
		if of(UnitEnd999).runs == 0 {
			continue
		}
		delivered := "-"
		if peer != "clock" {
			delivered = fmt.Sprintf("%.0f %%", of(UnitDelivered).median)
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s | %s | %s | %s | %s | %s | %s | %s |\n", peer,
			ranged(of(UnitEndMedian)), ranged(of(UnitEnd99)), ranged(of(UnitEnd999)), ranged(of(UnitEndMax)),
			figure(of(UnitMutex).median), figure(of(UnitBytes).median), precise(of(UnitAllocs).median), delivered,
			otel(UnitEndMedian), otel(UnitEnd999))
	}
}

// ranged is a figure with its range.
func ranged(s spread) string {
	return fmt.Sprintf("%s (%s–%s)", figure(s.median), figure(s.min), figure(s.max))
}
