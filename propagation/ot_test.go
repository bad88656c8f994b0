// SPDX-License-Identifier: Apache-2.0

package propagation_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/spandrel-go/spandrel/propagation"
)

func TestOTReads(t *testing.T) {
	t.Parallel()
	ids := traceHex + " " + spanHex
	both := []string{"ot-tracer-traceid", traceHex, "ot-tracer-spanid", spanHex}
	with := func(sampled string) []string { return append(both[:4:4], "ot-tracer-sampled", sampled) }
	zeros := strings.Repeat("0", 16)
	tests := []struct {
		name     string
		headers  []string
		ids      string
		decision propagation.Decision
		reason   string
	}{
		{"1", with("1"), ids, propagation.Accept, ""},
		{"0", with("0"), ids, propagation.Deny, ""},
		{"true", with("true"), ids, propagation.Accept, ""},
		{"False", with("False"), ids, propagation.Deny, ""},
		{"no decision", both, ids, propagation.Defer, ""},
		{"unknown decision", with("d"), ids, propagation.Defer, "decision"},
		{"64 bits", []string{"ot-tracer-traceid", shortHex, "ot-tracer-spanid", spanHex}, shortHex + " " + spanHex, propagation.Defer, ""},
		{"upper case", []string{"ot-tracer-traceid", strings.ToUpper(traceHex), "ot-tracer-spanid", strings.ToUpper(spanHex)}, ids, propagation.Defer, ""},
		{"a decision alone", []string{"ot-tracer-sampled", "0"}, "", propagation.Deny, ""},
		{"bad ids, the decision stays", []string{"ot-tracer-traceid", "x", "ot-tracer-spanid", spanHex, "ot-tracer-sampled", "1"}, "", propagation.Accept, "length"},
		{"no span id", []string{"ot-tracer-traceid", traceHex}, "", propagation.Defer, "incomplete"},
		{"no trace id", []string{"ot-tracer-spanid", spanHex}, "", propagation.Defer, "incomplete"},
		{"short span id", []string{"ot-tracer-traceid", traceHex, "ot-tracer-spanid", "1"}, "", propagation.Defer, "length"},
		{"trace id is no number", []string{"ot-tracer-traceid", strings.Repeat("g", 16), "ot-tracer-spanid", spanHex}, "", propagation.Defer, "syntax"},
		{"trace id of zeros", []string{"ot-tracer-traceid", zeros, "ot-tracer-spanid", spanHex}, "", propagation.Defer, "zero id"},
		{"span id of zeros", []string{"ot-tracer-traceid", traceHex, "ot-tracer-spanid", zeros}, "", propagation.Defer, "zero id"},
		{"baggage alone", []string{"ot-baggage-a", "b"}, "", propagation.Defer, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			assertReads(t, "ot", tt.headers, b3Case{ids: tt.ids, decision: tt.decision}, tt.reason, nil)
		})
	}
}

func TestOTWrites(t *testing.T) {
	t.Parallel()
	short := []string{"ot-tracer-traceid", shortHex, "ot-tracer-spanid"}
	long := []string{"ot-tracer-traceid", traceHex, "ot-tracer-spanid"}
	testWrites(t, "ot", []writeCase{
		{"a trace that starts here leaves in 64 bits", nil, true, append(short, ownHex, "ot-tracer-sampled", "1")},
		{
			"128 bits that arrived",
			[]string{"traceparent", "00-" + traceHex + "-" + spanHex + "-01"},
			true,
			append(long, ownHex, "ot-tracer-sampled", "1"),
		},
		{
			"64 bits that arrived",
			[]string{"b3", shortHex + "-" + spanHex + "-1"},
			true,
			append(short, ownHex, "ot-tracer-sampled", "1"),
		},
		{
			"forwarded", append(long, spanHex, "ot-tracer-sampled", "false"), false,
			append(long, spanHex, "ot-tracer-sampled", "0"),
		},
		{"deferred", append(long, spanHex), false, append(long, spanHex)},
		{
			"debug of B3 is an accept",
			[]string{"b3", traceHex + "-" + spanHex + "-d"},
			false,
			append(long, spanHex, "ot-tracer-sampled", "1"),
		},
		{"the random flag is no decision", []string{"traceparent", "00-" + traceHex + "-" + spanHex + "-02"}, false, append(
			long, spanHex, "ot-tracer-sampled", "0")},
		{"a decision alone", []string{"ot-tracer-sampled", "0"}, false, nil},
	})
}

// A proxy copies the headers of the request that arrived to the one that it makes.
func TestOTLeavesNoOldDecision(t *testing.T) {
	t.Parallel()
	p := newPropagator(t, propagation.Config{Extract: everyFormat, Inject: []string{"ot"}})
	ctx := p.Extract(context.Background(), headers("ot-tracer-traceid", traceHex, "ot-tracer-spanid", spanHex))
	carrier := headers("ot-tracer-traceid", shortHex, "ot-tracer-sampled", "0")
	p.Inject(ctx, carrier)
	assert.Equal(t, headers("ot-tracer-traceid", traceHex, "ot-tracer-spanid", spanHex), carrier)
}
