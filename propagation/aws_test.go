// SPDX-License-Identifier: Apache-2.0

package propagation_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/spandrel-go/spandrel/propagation"
)

func TestAWSReads(t *testing.T) {
	t.Parallel()
	ids := traceHex + " " + spanHex
	base := awsRoot + ";Parent=" + spanHex
	zeros := strings.Repeat("0", 24)
	long := strings.Repeat("x", 508)
	tests := []struct {
		name, value string
		ids         string
		decision    propagation.Decision
		fields      string
		reason      string
	}{
		{"sampled", base + ";Sampled=1", ids, propagation.Accept, "", ""},
		{"not sampled", base + ";Sampled=0", ids, propagation.Deny, "", ""},
		{"no decision", base, ids, propagation.Defer, "", ""},
		{"asked for a decision", base + ";Sampled=?", ids, propagation.Defer, "", ""},
		{"empty decision", base + ";Sampled=", ids, propagation.Defer, "", ""},
		{"unknown decision", base + ";Sampled=2", ids, propagation.Defer, "", "decision"},
		{"any order, spaces", " Sampled = 1 ;\tParent= " + spanHex + " ; " + awsRoot + " ", ids, propagation.Accept, "", ""},
		{"upper case", "Root=1-0AF76519-16CD43DD8448EB211C80319C;Parent=" + strings.ToUpper(spanHex), ids, propagation.Defer, "", ""},
		{"semicolon at the end", base + ";", ids, propagation.Defer, "", ""},
		{"fields of others", "Self=1-2-3;" + base + ";Lineage=a87bd80c:0; Foo = bar ;Sampled=1", ids, propagation.Accept, "Lineage=a87bd80c:0;Foo = bar", ""},
		{"what is no field", base + ";x;=y", ids, propagation.Defer, "", ""},
		{"long field", base + ";a=1;b=" + long + ";c=2", ids, propagation.Defer, "a=1;c=2", "fields"},
		{"field with a control character", base + ";a=\x01", ids, propagation.Defer, "", "fields"},
		{"of a load balancer", "Self=1-67891234-12456789abcdef012345678;" + awsRoot, traceHex, propagation.Defer, "", ""},
		{"decision without a parent", awsRoot + ";Sampled=0;Lineage=a:0", traceHex, propagation.Deny, "Lineage=a:0", ""},
		{"root alone", awsRoot, traceHex, propagation.Defer, "", ""},
		{"root alone, of zeros", "Root=1-00000000-" + zeros + ";Sampled=1", "", propagation.Defer, "", "zero id"},
		{"decision alone", "Sampled=1", "", propagation.Accept, "", ""},

		{"keys in lower case", "root=1-0af76519-16cd43dd8448eb211c80319c;sampled=1", "", propagation.Defer, "", ""},
		{"parent without root", "Parent=" + spanHex + ";Sampled=1", "", propagation.Defer, "", "incomplete"},
		{"empty root", "Root=;Parent=" + spanHex, "", propagation.Defer, "", "length"},
		{"empty parent", awsRoot + ";Parent=;Sampled=1", "", propagation.Defer, "", "length"},
		{"longer than any", awsRoot + ";Parent=" + spanHex + ";Self=" + strings.Repeat("x", 1024), "", propagation.Defer, "", "length"},
		{"short parent", awsRoot + ";Parent=123", "", propagation.Defer, "", "length"},
		{"short root", "Root=1-8448eb21-1c80319c;Parent=" + spanHex, "", propagation.Defer, "", "length"},
		{"other version", "Root=2" + awsRoot[6:] + ";Parent=" + spanHex, "", propagation.Defer, "", "syntax"},
		{"no dash", "Root=1-0af765190" + awsRoot[16:] + ";Parent=" + spanHex, "", propagation.Defer, "", "syntax"},
		{"root is no number", "Root=1-0af7651x" + awsRoot[15:] + ";Parent=" + spanHex, "", propagation.Defer, "", "syntax"},
		{"parent is no number", awsRoot + ";Parent=x" + spanHex[1:], "", propagation.Defer, "", "syntax"},
		{"root of zeros", "Root=1-00000000-" + zeros + ";Parent=" + spanHex, "", propagation.Defer, "", "zero id"},
		{"parent of zeros", awsRoot + ";Parent=" + zeros[:16] + ";Sampled=1", "", propagation.Defer, "", "zero id"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			assertReads(t, "aws", []string{"x-amzn-trace-id", tt.value}, b3Case{ids: tt.ids, decision: tt.decision}, tt.reason, func(r *propagation.Remote) {
				if tt.fields != "" {
					r.Extra = &propagation.Extra{AWSFields: tt.fields}
				}
			})
		})
	}
}

func TestAWSWrites(t *testing.T) {
	t.Parallel()
	own := awsRoot + ";Parent=" + ownHex + ";Sampled=1"
	testWrites(t, "aws", []writeCase{
		{"a trace that starts here", nil, true, []string{"x-amzn-trace-id", own}},
		{
			"a trace id that arrived in 64 bits",
			[]string{"b3", shortHex + "-" + spanHex + "-1"},
			true,
			[]string{"x-amzn-trace-id", "Root=1-00000000-00000000" + shortHex + ";Parent=" + ownHex + ";Sampled=1"},
		},
		{
			"fields of others go on",
			[]string{"x-amzn-trace-id", "Self=1-2-3;Lineage=a:0;" + awsRoot + ";Parent=" + spanHex + ";Sampled=1"},
			true,
			[]string{"x-amzn-trace-id", own + ";Lineage=a:0"},
		},
		{
			"forwarded",
			[]string{"x-amzn-trace-id", "Sampled=0;Lineage=a:0;Foo=b;Parent=" + spanHex + ";" + awsRoot},
			false,
			[]string{"x-amzn-trace-id", awsRoot + ";Parent=" + spanHex + ";Sampled=0;Lineage=a:0;Foo=b"},
		},
		{
			"deferred",
			[]string{"x-amzn-trace-id", awsRoot + ";Parent=" + spanHex + ";Sampled=?"},
			false,
			[]string{"x-amzn-trace-id", awsRoot + ";Parent=" + spanHex},
		},
		{
			"debug of B3 is an accept",
			[]string{"b3", traceHex + "-" + spanHex + "-d"},
			false,
			[]string{"x-amzn-trace-id", awsRoot + ";Parent=" + spanHex + ";Sampled=1"},
		},
		{"a decision alone", []string{"x-amzn-trace-id", "Sampled=1"}, false, nil},
		{
			"of a load balancer, forwarded",
			[]string{"x-amzn-trace-id", "Self=1-2-3;" + awsRoot + ";Sampled=?;Lineage=a:0"},
			false,
			[]string{"x-amzn-trace-id", awsRoot + ";Lineage=a:0"},
		},
		{
			"of a load balancer, joined",
			[]string{"x-amzn-trace-id", "Self=1-2-3;" + awsRoot + ";Lineage=a:0"},
			true,
			[]string{"x-amzn-trace-id", own + ";Lineage=a:0"},
		},
		{"a trace id alone of another format", []string{"x-datadog-trace-id", "1", "x-datadog-origin", "synthetics"}, false, nil},
	})
}

// The fields belong to the trace that they came with.
func TestAWSFieldsStayWithTheirTrace(t *testing.T) {
	t.Parallel()
	p := newPropagator(t, propagation.Config{Extract: []string{"aws"}, Inject: []string{"aws"}})
	ctx := p.Extract(context.Background(), headers("x-amzn-trace-id", "Root=1-00000000-00000000"+shortHex+";Parent="+spanHex+";Lineage=a:0"))
	other := startSpan(t, context.Background(), true)
	both := contextWithSpanOf(ctx, other)
	assert.Equal(t, awsRoot+";Parent="+ownHex+";Sampled=1", inject(both, p).Get("x-amzn-trace-id"))
}
