// SPDX-License-Identifier: Apache-2.0

package propagation_test

import (
	"strings"
	"testing"

	"github.com/spandrel-go/spandrel/propagation"
)

func TestGCPReads(t *testing.T) {
	t.Parallel()
	ids := traceHex + " " + spanHex
	base := traceHex + "/" + spanDecimal
	tests := []struct {
		name, value string
		ids         string
		decision    propagation.Decision
		reason      string
	}{
		{"sampled", base + ";o=1", ids, propagation.Accept, ""},
		{"not sampled", base + ";o=0", ids, propagation.Deny, ""},
		{"no options", base, ids, propagation.Defer, ""},
		{"another option", base + ";o=2", ids, propagation.Deny, ""},
		{"both options", base + ";o=3", ids, propagation.Accept, ""},
		{"small span id", traceHex + "/1;o=1", traceHex + " 0000000000000001", propagation.Accept, ""},
		{"zeros in front", traceHex + "/00000000000000000001", traceHex + " 0000000000000001", propagation.Defer, ""},
		{"largest span id", traceHex + "/18446744073709551615;o=1", traceHex + " ffffffffffffffff", propagation.Accept, ""},
		{"span id of zero, the decision stays", traceHex + "/0;o=1", "", propagation.Accept, "zero id"},
		{"trace id of zeros, the decision stays", strings.Repeat("0", 32) + "/1;o=0", "", propagation.Deny, "zero id"},

		{"trace id alone", traceHex, "", propagation.Defer, "incomplete"},
		{"trace id with options", traceHex + ";o=1", "", propagation.Defer, "incomplete"},
		{"short trace id", shortHex + "/1;o=1", "", propagation.Defer, "length"},
		{"long trace id", "0" + base + ";o=1", "", propagation.Defer, "length"},
		{"upper case", strings.ToUpper(traceHex) + "/1;o=1", "", propagation.Defer, "syntax"},
		{"no span id", traceHex + "/;o=1", "", propagation.Defer, "syntax"},
		{"hexadecimal span id", traceHex + "/" + spanHex + ";o=1", "", propagation.Defer, "syntax"},
		{"negative span id", traceHex + "/-1;o=1", "", propagation.Defer, "syntax"},
		{"65 bits of span id", traceHex + "/18446744073709551616;o=1", "", propagation.Defer, "length"},
		{"20 digits too many", traceHex + "/99999999999999999999;o=1", "", propagation.Defer, "length"},
		{"21 digits", traceHex + "/000000000000000000001;o=1", "", propagation.Defer, "length"},
		{"empty options", base + ";o=", "", propagation.Defer, "syntax"},
		{"long options", base + ";o=01", "", propagation.Defer, "syntax"},
		{"options are no number", base + ";o=v", "", propagation.Defer, "syntax"},
		{"other options", base + ";p=1", "", propagation.Defer, "syntax"},
		{"semicolon at the end", base + ";", "", propagation.Defer, "syntax"},
		{"leading space", " " + base, "", propagation.Defer, "length"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			assertReads(t, "gcp", []string{"x-cloud-trace-context", tt.value}, b3Case{ids: tt.ids, decision: tt.decision}, tt.reason, nil)
		})
	}
}

func TestGCPWrites(t *testing.T) {
	t.Parallel()
	testWrites(t, "gcp", []writeCase{
		{"a trace that starts here", nil, true, []string{"x-cloud-trace-context", traceHex + "/" + ownDecimal + ";o=1"}},
		{
			"a trace id that arrived in 64 bits",
			[]string{"b3", shortHex + "-" + spanHex + "-1"},
			true,
			[]string{"x-cloud-trace-context", strings.Repeat("0", 16) + shortHex + "/" + ownDecimal + ";o=1"},
		},
		{
			"forwarded",
			[]string{"x-cloud-trace-context", traceHex + "/1;o=2"},
			false,
			[]string{"x-cloud-trace-context", traceHex + "/1;o=0"},
		},
		{
			"deferred",
			[]string{"x-cloud-trace-context", traceHex + "/1"},
			false,
			[]string{"x-cloud-trace-context", traceHex + "/1"},
		},
		{"a decision alone", []string{"b3", "1"}, false, nil},
	})
}
