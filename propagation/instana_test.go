// SPDX-License-Identifier: Apache-2.0

package propagation_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/spandrel-go/spandrel/propagation"
)

func TestInstanaReads(t *testing.T) {
	t.Parallel()
	ids := traceHex + " " + spanHex
	with := func(traceID, spanID string) []string { return []string{"x-instana-t", traceID, "x-instana-s", spanID} }
	level := func(value string) []string { return append(with(traceHex, spanHex), "x-instana-l", value) }
	zeros := strings.Repeat("0", 16)
	tests := []struct {
		name     string
		headers  []string
		ids      string
		decision propagation.Decision
		reason   string
	}{
		{"level 1", level("1"), ids, propagation.Accept, ""},
		{"level 0", level("0"), ids, propagation.Deny, ""},
		{"no level", with(traceHex, spanHex), ids, propagation.Defer, ""},
		{"unknown level", level("5"), ids, propagation.Defer, "decision"},
		{"level with correlation", level("1,correlationType=web;correlationId=1234567890abcdef"), ids, propagation.Accept, ""},
		{"64 bits", with(shortHex, spanHex), shortHex + " " + spanHex, propagation.Defer, ""},
		{"zeros left out", with("abc", "DEF"), "0000000000000abc 0000000000000def", propagation.Defer, ""},
		{"upper case", with(strings.ToUpper(traceHex), strings.ToUpper(spanHex)), ids, propagation.Defer, ""},
		{"suppressed", []string{"x-instana-l", "0"}, "", propagation.Deny, ""},
		{"level 1 alone", []string{"x-instana-l", "1,correlationType=web"}, "", propagation.Defer, ""},
		{"bad ids, the deny stays", append(with("x", spanHex), "x-instana-l", "0"), "", propagation.Deny, "syntax"},
		{"bad ids, nothing is forced", append(with("x", spanHex), "x-instana-l", "1"), "", propagation.Defer, "syntax"},
		{"no span id", []string{"x-instana-t", traceHex, "x-instana-l", "1"}, "", propagation.Defer, "incomplete"},
		{"no trace id", []string{"x-instana-s", spanHex}, "", propagation.Defer, "incomplete"},
		{"long trace id", with("0"+traceHex, spanHex), "", propagation.Defer, "length"},
		{"long span id", with(traceHex, "0"+spanHex), "", propagation.Defer, "length"},
		{"span id is no number", with(traceHex, "g"), "", propagation.Defer, "syntax"},
		{"trace id of zeros", with(zeros, spanHex), "", propagation.Defer, "zero id"},
		{"span id of zeros", with(traceHex, "0"), "", propagation.Defer, "zero id"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			assertReads(t, "instana", tt.headers, b3Case{ids: tt.ids, decision: tt.decision}, tt.reason, nil)
		})
	}
}

func TestInstanaWrites(t *testing.T) {
	t.Parallel()
	of := func(traceID, spanID string, level ...string) []string {
		h := []string{"x-instana-t", traceID, "x-instana-s", spanID}
		for _, l := range level {
			h = append(h, "x-instana-l", l)
		}
		return h
	}
	testWrites(t, "instana", []writeCase{
		{"a trace that starts here", nil, true, of(traceHex, ownHex, "1")},
		{"a trace id that arrived in 64 bits", of(shortHex, spanHex, "1"), true, of(shortHex, ownHex, "1")},
		{"forwarded without what is for the edge", of(traceHex, spanHex, "1,correlationType=web"), false, of(traceHex, spanHex, "1")},
		{"forwarded in full length", of("abc", "def", "0"), false, of("0000000000000abc", "0000000000000def", "0")},
		{"deferred", of(traceHex, spanHex), false, of(traceHex, spanHex)},
		{"suppressed", []string{"x-instana-l", "0"}, false, []string{"x-instana-l", "0"}},
		{"an accept alone", []string{"b3", "1"}, false, nil},
	})
}

// A proxy copies the headers of the request that arrived to the one that it makes.
func TestInstanaLeavesNothingOld(t *testing.T) {
	t.Parallel()
	p := newPropagator(t, propagation.Config{Extract: everyFormat, Inject: []string{"instana"}})
	old := []string{"x-instana-t", shortHex, "x-instana-s", parentHex, "x-instana-l", "0"}
	carrier := headers(old...)
	p.Inject(p.Extract(context.Background(), headers("b3", traceHex+"-"+spanHex)), carrier)
	assert.Equal(t, headers("x-instana-t", traceHex, "x-instana-s", spanHex), carrier)
	carrier = headers(old...)
	p.Inject(p.Extract(context.Background(), headers("b3", "0")), carrier)
	assert.Equal(t, headers("x-instana-l", "0"), carrier)
}
