// SPDX-License-Identifier: Apache-2.0

package benchmarks

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Run is a results file: where and how it was measured, and every single measurement. It is written in
// the format of Go benchmark output, so that benchstat reads it too.
type Run struct {
	Settings []Setting
	Rows     []Row
}

// Setting is one "key: value" line.
type Setting struct{ Key, Value string }

// Row is one measurement.
type Row struct {
	Scenario, Peer string
	Procs          int
	Spans          int64
	Metrics        []Metric
}

// Value returns the figure of the given unit, or false.
func (r *Row) Value(unit string) (float64, bool) {
	for _, m := range r.Metrics {
		if m.Unit == unit {
			return m.Value, true
		}
	}
	return 0, false
}

// NewRow makes a row of a measurement.
func NewRow(sc Scenario, p Peer, m Measurement) Row {
	return Row{Scenario: sc.Name, Peer: p.Name, Procs: runtime.GOMAXPROCS(0), Spans: m.Spans, Metrics: m.Metrics()}
}

// String returns the row as a line of benchmark output.
func (r *Row) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Benchmark%s/peer=%s-%d %d", r.Scenario, r.Peer, r.Procs, r.Spans)
	for _, m := range r.Metrics {
		fmt.Fprintf(&b, " %s %s", strconv.FormatFloat(m.Value, 'f', 2, 64), m.Unit)
	}
	return b.String()
}

var errRow = errors.New("benchmarks: not a row of a results file")

// ParseRow reads what String writes.
func ParseRow(line string) (Row, error) {
	var r Row
	words := strings.Fields(line)
	if len(words) < 2 || len(words)%2 != 0 {
		return r, fmt.Errorf("%w: %q", errRow, line)
	}
	name, found := strings.CutPrefix(words[0], "Benchmark")
	scenario, peer, isPair := strings.Cut(name, "/peer=")
	dash := strings.LastIndexByte(peer, '-')
	if !found || !isPair || dash < 0 {
		return r, fmt.Errorf("%w: %q", errRow, line)
	}
	r.Scenario, r.Peer = scenario, peer[:dash]
	var err error
	if r.Procs, err = strconv.Atoi(peer[dash+1:]); err != nil {
		return r, fmt.Errorf("%w: %q: %w", errRow, line, err)
	}
	if r.Spans, err = strconv.ParseInt(words[1], 10, 64); err != nil {
		return r, fmt.Errorf("%w: %q: %w", errRow, line, err)
	}
	for i := 2; i < len(words); i += 2 {
		v, err := strconv.ParseFloat(words[i], 64)
		if err != nil {
			return r, fmt.Errorf("%w: %q: %w", errRow, line, err)
		}
		r.Metrics = append(r.Metrics, Metric{Value: v, Unit: words[i+1]})
	}
	return r, nil
}

// WriteTo implements io.WriterTo.
func (r *Run) WriteTo(w io.Writer) (int64, error) {
	var b bytes.Buffer
	for _, s := range r.Settings {
		fmt.Fprintf(&b, "%s: %s\n", s.Key, s.Value)
	}
	for i := range r.Rows {
		b.WriteString(r.Rows[i].String())
		b.WriteByte('\n')
	}
	return b.WriteTo(w)
}

// ParseRun reads what WriteTo writes.
func ParseRun(src io.Reader) (*Run, error) {
	run := &Run{}
	lines := bufio.NewScanner(src)
	for lines.Scan() {
		line := lines.Text()
		if strings.HasPrefix(line, "Benchmark") {
			row, err := ParseRow(line)
			if err != nil {
				return nil, err
			}
			run.Rows = append(run.Rows, row)
		} else if key, value, ok := strings.Cut(line, ": "); ok {
			run.Settings = append(run.Settings, Setting{Key: key, Value: value})
		} else {
			return nil, fmt.Errorf("%w: %q", errRow, line)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("benchmarks: read results: %w", err)
	}
	return run, nil
}

// NewestRun reads the newest file of a results directory and returns its name too. The files have the
// time in their names.
func NewestRun(dir string) (*Run, string, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil {
		return nil, "", fmt.Errorf("benchmarks: results: %w", err)
	}
	if len(names) == 0 {
		return nil, "", fmt.Errorf("benchmarks: no results in %s", dir)
	}
	name := slices.Max(names)
	f, err := os.Open(name)
	if err != nil {
		return nil, "", fmt.Errorf("benchmarks: results: %w", err)
	}
	defer f.Close() //nolint:errcheck // it was only read
	run, err := ParseRun(f)
	return run, filepath.Base(name), err
}

// ResultsName returns the name of the file of a run that begins now.
func ResultsName(now time.Time) string { return now.UTC().Format("2006-01-02T150405Z") + ".txt" }

// peerModules are the modules whose versions a run records.
var peerModules = []string{
	"go.opentelemetry.io/otel/sdk", "go.opentelemetry.io/otel/exporters/zipkin", "github.com/DataDog/dd-trace-go/v2", "github.com/openzipkin/zipkin-go",
}

// Describe returns the settings of a run on this machine, started by the given command.
func Describe(now time.Time, command string) []Setting {
	gogc := os.Getenv("GOGC")
	if gogc == "" {
		gogc = "100"
	}
	settings := []Setting{
		{"date", now.UTC().Format(time.RFC3339)},
		{"commit", commit()},
		{"command", command},
		{"go", runtime.Version()},
		{"gogc", gogc},
		{"goos", runtime.GOOS},
		{"goarch", runtime.GOARCH},
		{"cpu", cpuModel()},
		{"cores", strconv.Itoa(runtime.NumCPU())},
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if slices.Contains(peerModules, m.Path) {
				settings = append(settings, Setting{m.Path, m.Version})
			}
		}
	}
	return settings
}

func commit() string {
	head, err := exec.Command("git", "rev-parse", "--short=12", "HEAD").Output()
	if err != nil {
		return "unknown"
	}
	changes, err := exec.Command("git", "status", "--porcelain", "--untracked-files=no", ":/").Output()
	if err != nil || len(changes) > 0 {
		return strings.TrimSpace(string(head)) + " with changes"
	}
	return strings.TrimSpace(string(head))
}

func cpuModel() string {
	b, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(b)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}
