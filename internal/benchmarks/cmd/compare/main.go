// SPDX-License-Identifier: Apache-2.0

// Command compare measures spandrel beside its peers.
//
//	go run ./cmd/compare                       # everything; writes a file into results/
//	go run ./cmd/compare -scenarios Trace10    # a part; writes nothing
//	go run ./cmd/compare -ends                 # the latency of End; writes a file into results/end/
//	go run ./cmd/compare -update-docs          # measures nothing; writes docs/performance.md
//
// Run it in internal/benchmarks. Every run of a peer is a process of its own, so that no peer pays
// for the heap, the pools or the goroutines of another. Rounds are interleaved: every peer once, then
// every peer again. A run during which other processes took too much of the machine is repeated.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spandrel-go/spandrel/internal/benchmarks"
)

type config struct {
	rounds           int
	duration         time.Duration
	scenarios, peers string
	maxExternal      float64
	results, docs    string
	updateDocs, ends bool
	unit             string
	// out gets the report, log a line for every run.
	out, log io.Writer
}

func main() {
	c := config{out: os.Stdout, log: os.Stderr}
	flag.IntVar(&c.rounds, "rounds", 5, "how often each peer does each scenario")
	flag.DurationVar(&c.duration, "duration", time.Second, "how long one run takes, about")
	flag.StringVar(&c.scenarios, "scenarios", "", "names, with commas; default all. A part is not written to -results")
	flag.StringVar(&c.peers, "peers", "", "names, with commas; default all. A part is not written to -results")
	flag.Float64Var(&c.maxExternal, "max-external", 8,
		"repeat a run, twice at most, when other processes took that many percent of the machine")
	flag.StringVar(&c.results, "results", "results", "directory for raw output")
	flag.StringVar(&c.docs, "docs", filepath.Join("..", "..", "docs", "performance.md"), "the page that -update-docs writes")
	flag.BoolVar(&c.updateDocs, "update-docs", false, "write -docs from the newest file in -results, and do nothing else")
	flag.BoolVar(&c.ends, "ends", false, "measure the latency of End, with the backend up and gone, and nothing else")
	flag.StringVar(&c.unit, "unit", "", "scenario/peer: do one run in this process and print its row")
	flag.Parse()
	if err := c.run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func (c *config) run() error {
	switch {
	case c.updateDocs:
		return c.writeDocs()
	case c.unit != "":
		row, err := c.measureHere()
		if err == nil {
			_, err = fmt.Fprintln(c.out, row.String())
		}
		return err
	default:
		return c.compare()
	}
}

func (c *config) writeDocs() error {
	page, err := benchmarks.Page(c.results)
	if err != nil {
		return err
	}
	if err := os.WriteFile(c.docs, []byte(page), 0o644); err != nil {
		return fmt.Errorf("compare: write docs: %w", err)
	}
	return nil
}

// firstSpans is how many spans the first run of a process makes.
const firstSpans = 10_000

// measureHere does the run that c.unit names, after two shorter ones that warm the process up and tell
// how many spans fill the duration.
func (c *config) measureHere() (row benchmarks.Row, err error) {
	scenario, peer, _ := strings.Cut(c.unit, "/")
	if sc, ok := benchmarks.FindEndScenario(scenario); ok {
		if _, err := benchmarks.MeasureEnd(sc, peer, c.duration/5); err != nil {
			return row, err
		}
		return benchmarks.MeasureEnd(sc, peer, c.duration)
	}
	sc, found := benchmarks.FindScenario(scenario)
	p, foundPeer := benchmarks.FindPeer(peer)
	if !found || !foundPeer {
		return row, fmt.Errorf("compare: -unit %q: no such scenario and peer", c.unit)
	}
	spans := firstSpans
	for _, next := range []time.Duration{c.duration / 5, c.duration} {
		m, err := benchmarks.Measure(p, sc, spans)
		if err != nil {
			return row, err
		}
		spans = int(float64(m.Spans) * float64(next) / float64(m.Wall))
	}
	m, err := benchmarks.Measure(p, sc, spans)
	if err != nil {
		return row, err
	}
	return benchmarks.NewRow(sc, p, m), nil
}

func (c *config) compare() error {
	units, err := c.units()
	if err != nil {
		return err
	}
	results, report := c.results, benchmarks.Report
	if c.ends {
		results, report = filepath.Join(c.results, benchmarks.EndResults), benchmarks.ReportEnds
	}
	start := time.Now()
	run := &benchmarks.Run{}
	run.Settings = benchmarks.Describe(start, strings.Join(append([]string{"go run ./cmd/compare"}, os.Args[1:]...), " "))
	for round := range c.rounds {
		for _, unit := range units {
			row, err := c.quietest(unit)
			if err != nil {
				return err
			}
			run.Rows = append(run.Rows, row)
			if _, err := fmt.Fprintf(c.log, "round %d of %d: %s\n", round+1, c.rounds, row.String()); err != nil {
				return err
			}
		}
	}
	file := benchmarks.ResultsName(start)
	if _, err := fmt.Fprintln(c.out, report(run, file)); err != nil {
		return err
	}
	if c.scenarios != "" || c.peers != "" {
		return nil
	}
	f, err := os.Create(filepath.Join(results, file))
	if err != nil {
		return fmt.Errorf("compare: write results: %w", err)
	}
	_, err = run.WriteTo(f)
	return errors.Join(err, f.Close())
}

// units returns what is to be done in each round, as scenario/peer.
func (c *config) units() (units []string, err error) {
	if c.ends {
		for _, sc := range benchmarks.EndScenarios() {
			for _, peer := range benchmarks.EndPeers() {
				units = append(units, sc.Name+"/"+peer)
			}
		}
		return units, nil
	}
	scenarios, err := c.selected()
	for _, sc := range scenarios {
		for _, peer := range sc.Peers {
			units = append(units, sc.Name+"/"+peer)
		}
	}
	return units, err
}

// selected returns the scenarios and peers that the flags ask for.
func (c *config) selected() ([]benchmarks.Scenario, error) {
	pick := func(list string, names []string) ([]string, error) {
		if list == "" {
			return names, nil
		}
		picked := strings.Split(list, ",")
		for _, n := range picked {
			if !slices.Contains(names, n) {
				return nil, fmt.Errorf("compare: no %q among %s", n, strings.Join(names, ", "))
			}
		}
		return picked, nil
	}
	var names, peerNames []string
	for _, sc := range benchmarks.Scenarios() {
		names = append(names, sc.Name)
	}
	for _, p := range benchmarks.Peers() {
		peerNames = append(peerNames, p.Name)
	}
	names, err := pick(c.scenarios, names)
	if err != nil {
		return nil, err
	}
	if peerNames, err = pick(c.peers, peerNames); err != nil {
		return nil, err
	}
	scenarios := slices.DeleteFunc(benchmarks.Scenarios(), func(sc benchmarks.Scenario) bool {
		return !slices.Contains(names, sc.Name)
	})
	for i := range scenarios {
		scenarios[i].Peers = slices.DeleteFunc(slices.Clone(scenarios[i].Peers), func(p string) bool {
			return !slices.Contains(peerNames, p)
		})
	}
	return scenarios, nil
}

// tries is how often a noisy run is done at most.
const tries = 3

// quietest does one run in a new process, again if it was disturbed, and returns the least disturbed.
func (c *config) quietest(unit string) (best benchmarks.Row, err error) {
	least := 0.0
	for try := range tries {
		row, err := c.measureThere(unit)
		if err != nil {
			return best, err
		}
		external, _ := row.Value(benchmarks.UnitExternal)
		if try == 0 || external < least {
			best, least = row, external
		}
		if least < c.maxExternal {
			break
		}
	}
	return best, nil
}

func (c *config) measureThere(unit string) (row benchmarks.Row, err error) {
	self, err := os.Executable()
	if err != nil {
		return row, fmt.Errorf("compare: %w", err)
	}
	cmd := exec.Command(self, "-unit", unit, "-duration", c.duration.String())
	cmd.Stderr = c.log
	out, err := cmd.Output()
	if err != nil {
		return row, fmt.Errorf("compare: %s: %w", unit, err)
	}
	return benchmarks.ParseRow(string(out))
}
