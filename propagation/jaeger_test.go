// SPDX-License-Identifier: Apache-2.0

package propagation_test

import (
	"strings"
	"testing"

	"github.com/spandrel-go/spandrel/propagation"
)

func TestJaegerReads(t *testing.T) {
	t.Parallel()
	ids := traceHex + " " + spanHex
	base := traceHex + ":" + spanHex
	tests := []struct {
		name, value string
		ids         string // trace id, span id, parent, with spaces between
		decision    propagation.Decision
		debug       bool
		reason      string
	}{
		{"sampled", base + ":0:1", ids, propagation.Accept, false, ""},
		{"not sampled", base + ":0:0", ids, propagation.Deny, false, ""},
		{"two digits of flags", base + ":0:01", ids, propagation.Accept, false, ""},
		{"debug", base + ":0:3", ids, propagation.Accept, true, ""},
		{"debug means nothing where not sampled", base + ":0:2", ids, propagation.Deny, false, ""},
		{"firehose and what is unknown", base + ":0:fd", ids, propagation.Accept, false, ""},
		{"parent", base + ":" + parentHex + ":1", ids + " " + parentHex, propagation.Accept, false, ""},
		{"a short parent", base + ":ff:1", ids + " 00000000000000ff", propagation.Accept, false, ""},
		{"a parent that is too long", base + ":" + traceHex + ":1", ids + " " + shortHex, propagation.Accept, false, ""},
		{"64 bits", shortHex + ":" + spanHex + ":0:1", shortHex + " " + spanHex, propagation.Accept, false, ""},
		{"zeros left out", "abc:DEF:0:1", "0000000000000abc 0000000000000def", propagation.Accept, false, ""},
		{"zeros left out of 128 bits", "1" + shortHex + ":" + spanHex + ":0:1", strings.Repeat("0", 15) + "1" + shortHex + " " + spanHex, propagation.Accept, false, ""},
		{"upper case", strings.ToUpper(base) + ":0:1", ids, propagation.Accept, false, ""},
		{"URL-encoded", strings.ReplaceAll(base, ":", "%3A") + "%3a0%3A1", ids, propagation.Accept, false, ""},

		{"three parts", base + ":1", "", propagation.Defer, false, "incomplete"},
		{"nothing of the kind", "nonsense", "", propagation.Defer, false, "incomplete"},
		{"five parts", base + ":0:1:", "", propagation.Defer, false, "syntax"},
		{"long trace id", "0" + base + ":0:1", "", propagation.Defer, false, "length"},
		{"long span id", traceHex + ":0" + spanHex + ":0:1", "", propagation.Defer, false, "length"},
		{"longer than any", base + ":" + strings.Repeat("0", 256) + ":1", "", propagation.Defer, false, "length"},
		{"long flags", base + ":0:001", "", propagation.Defer, false, "length"},
		{"empty trace id", ":" + spanHex + ":0:1", "", propagation.Defer, false, "syntax"},
		{"empty span id", traceHex + "::0:1", "", propagation.Defer, false, "syntax"},
		{"empty parent", base + "::1", "", propagation.Defer, false, "syntax"},
		{"empty flags", base + ":0:", "", propagation.Defer, false, "syntax"},
		{"trace id is no number", "x:" + spanHex + ":0:1", "", propagation.Defer, false, "syntax"},
		{"span id is no number", traceHex + ":x:0:1", "", propagation.Defer, false, "syntax"},
		{"parent is no number", base + ":x:1", "", propagation.Defer, false, "syntax"},
		{"parent is no number far in front", base + ":x" + parentHex + ":1", "", propagation.Defer, false, "syntax"},
		{"flags are no number", base + ":0:x", "", propagation.Defer, false, "syntax"},
		{"leading space", " " + base[1:] + ":0:1", "", propagation.Defer, false, "syntax"},
		{"another escape", base + "%2C0:1", "", propagation.Defer, false, "incomplete"},
		{"trace id of zeros", "0:" + spanHex + ":0:1", "", propagation.Defer, false, "zero id"},
		{"span id of zeros", traceHex + ":0:0:1", "", propagation.Defer, false, "zero id"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			assertReads(t, "jaeger", []string{"uber-trace-id", tt.value}, b3Case{ids: tt.ids, decision: tt.decision, debug: tt.debug}, tt.reason, nil)
		})
	}
}

func TestJaegerWrites(t *testing.T) {
	t.Parallel()
	testWrites(t, "jaeger", []writeCase{
		{"a trace that starts here", nil, true, []string{"uber-trace-id", traceHex + ":" + ownHex + ":0:01"}},
		{
			"a trace id that arrived in 64 bits",
			[]string{"uber-trace-id", shortHex + ":" + spanHex + ":" + parentHex + ":1"},
			true,
			[]string{"uber-trace-id", shortHex + ":" + ownHex + ":0:01"},
		},
		{
			"debug",
			[]string{"uber-trace-id", traceHex + ":" + spanHex + ":0:3"},
			true,
			[]string{"uber-trace-id", traceHex + ":" + ownHex + ":0:03"},
		},
		{
			"debug of B3",
			[]string{"b3", traceHex + "-" + spanHex + "-d"},
			true,
			[]string{"uber-trace-id", traceHex + ":" + ownHex + ":0:03"},
		},
		{
			"forwarded with its parent",
			[]string{"uber-trace-id", traceHex + ":" + spanHex + ":" + parentHex + ":0"},
			false,
			[]string{"uber-trace-id", traceHex + ":" + spanHex + ":" + parentHex + ":00"},
		},
		{
			"forwarded in full length",
			[]string{"uber-trace-id", "abc:def:1:2"},
			false,
			[]string{"uber-trace-id", "0000000000000abc:0000000000000def:0000000000000001:00"},
		},
		{"deferred, for which it has no word", []string{"b3", traceHex + "-" + spanHex}, false, nil},
		{"a decision alone", []string{"b3", "1"}, false, nil},
		{"the random flag is not debug", []string{"traceparent", "00-" + traceHex + "-" + spanHex + "-03"}, true, []string{
			"uber-trace-id", traceHex + ":" + ownHex + ":0:01",
		}},
		{"the random flag alone is no flag", []string{"traceparent", "00-" + traceHex + "-" + spanHex + "-02"}, false, []string{
			"uber-trace-id", traceHex + ":" + spanHex + ":0:00",
		}},
	})
}
