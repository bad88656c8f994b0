// SPDX-License-Identifier: Apache-2.0

package tracetest

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spandrel-go/spandrel/tracing"
)

// UpdateVariable is the environment variable that, set to 1, makes [Recorder.Golden] rewrite its files.
const UpdateVariable = "TRACETEST_UPDATE"

// AssertTree compares the trees that were recorded with the wanted ones, in the form of [Outline]. In
// want the lines may be indented as a whole, with tabs or with spaces, an empty line at the beginning
// and at the end does not count, and a level is two spaces or one tab. A difference fails the test and
// is shown line by line; the test goes on.
//
//	recorder.AssertTree(t, `
//		GET /orders
//			reserve
//			publish
//	`)
func (r *Recorder) AssertTree(t testing.TB, want string, opts ...FormatOption) {
	t.Helper()
	want = dedent(want)
	spans := r.Spans()
	if got := outline(spans, newFormat(opts, spans)); got != want {
		t.Errorf("tracetest: the trees differ, - wanted, + recorded:\n%s", diff(want, got))
	}
}

// Golden compares what was recorded, in the form of [Format], with a file. A difference fails the test
// and is shown line by line; the test goes on.
//
// The file is written instead when the test binary has a flag -update that is set, or the environment
// variable [UpdateVariable] is 1. This package defines no flag: packages that have golden files of
// other kinds define their own -update, which then counts here too.
func (r *Recorder) Golden(t testing.TB, path string, opts ...FormatOption) {
	t.Helper()
	golden(t, path, r.Spans(), updating(), opts)
}

func golden(t testing.TB, path string, spans []*tracing.SpanData, update bool, opts []FormatOption) {
	t.Helper()
	got := Format(spans, opts...)
	if update {
		err := os.MkdirAll(filepath.Dir(path), 0o750)
		if err == nil {
			err = os.WriteFile(path, []byte(got), 0o600)
		}
		if err != nil {
			t.Fatalf("tracetest: golden file: %v", err)
		}
		return
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Errorf("tracetest: golden file: %v; run with -update or %s=1 to write it; recorded:\n%s", err, UpdateVariable, got)
		return
	}
	want := strings.ReplaceAll(string(file), "\r\n", "\n") // a checkout may have changed line ends
	if got != want {
		t.Errorf("tracetest: the trees differ from %s, - wanted, + recorded; run with -update or %s=1 if the change is meant:\n%s",
			path, UpdateVariable, diff(want, got))
	}
}

func updating() bool {
	if f := flag.Lookup("update"); f != nil && f.Value.String() == "true" {
		return true
	}
	return os.Getenv(UpdateVariable) == "1"
}

// dedent takes away what all lines begin with, and makes two spaces of each tab that is left in front.
func dedent(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " \t\r")
	}
	for len(lines) > 0 && lines[0] == "" {
		lines = lines[1:]
	}
	for len(lines) > 0 && lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	if len(lines) == 0 {
		return ""
	}
	common := lines[0][:len(lines[0])-len(strings.TrimLeft(lines[0], " \t"))]
	var b strings.Builder
	for _, line := range lines {
		line = strings.TrimPrefix(line, common)
		rest := strings.TrimLeft(line, " \t")
		b.WriteString(strings.ReplaceAll(line[:len(line)-len(rest)], "\t", "  ") + rest + "\n")
	}
	return b.String()
}
