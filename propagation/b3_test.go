// SPDX-License-Identifier: Apache-2.0

package propagation_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/propagation"
)

// b3Case is a request and what is read from it.
type b3Case struct {
	name     string
	headers  []string // names and values in turn
	ids      string   // trace id, span id, parent, with spaces between
	decision propagation.Decision
	debug    bool
	format   string
	reason   string // why something was refused, as format/reason
}

const (
	multi  = "b3"
	single = "b3-single"
)

func TestB3Reads(t *testing.T) {
	t.Parallel()
	ids := traceHex + " " + spanHex
	withParent := ids + " " + parentHex
	both := []string{"x-b3-traceid", traceHex, "x-b3-spanid", spanHex}
	with := func(more ...string) []string { return append(both[:4:4], more...) }
	b3 := traceHex + "-" + spanHex
	zeros := strings.Repeat("0", 16)
	tests := []b3Case{
		{"several headers", with("x-b3-sampled", "1"), ids, propagation.Accept, false, multi, ""},
		{"with parent", with("x-b3-sampled", "0", "x-b3-parentspanid", parentHex), withParent, propagation.Deny, false, multi, ""},
		{"a parent of zeros is none", with("x-b3-parentspanid", zeros), ids, propagation.Defer, false, multi, ""},
		{"no decision", both, ids, propagation.Defer, false, multi, ""},
		{"true", with("x-b3-sampled", "true"), ids, propagation.Accept, false, multi, ""},
		{"False", with("x-b3-sampled", "False"), ids, propagation.Deny, false, multi, ""},
		{"debug", with("x-b3-flags", "1"), ids, propagation.Accept, true, multi, ""},
		{"debug beats a deny", with("x-b3-flags", "1", "x-b3-sampled", "0"), ids, propagation.Accept, true, multi, ""},
		{"flags 0", with("x-b3-flags", "0", "x-b3-sampled", "0"), ids, propagation.Deny, false, multi, ""},
		{"other flags", with("x-b3-flags", "2", "x-b3-sampled", "0"), ids, propagation.Deny, false, multi, "b3/decision"},
		{"unknown decision", with("x-b3-sampled", "d"), ids, propagation.Defer, false, multi, "b3/decision"},
		{
			"64 bits in upper case",
			[]string{"x-b3-traceid", strings.ToUpper(shortHex), "x-b3-spanid", strings.ToUpper(spanHex), "x-b3-sampled", "1"},
			shortHex + " " + spanHex, propagation.Accept, false, multi, "",
		},
		{"deny alone", []string{"x-b3-sampled", "0"}, "", propagation.Deny, false, multi, ""},
		{"accept alone", []string{"x-b3-sampled", "1"}, "", propagation.Accept, false, multi, ""},
		{"debug alone", []string{"x-b3-flags", "1"}, "", propagation.Accept, true, multi, ""},
		{"no span id", []string{"x-b3-traceid", traceHex, "x-b3-sampled", "0"}, "", propagation.Deny, false, multi, "b3/incomplete"},
		{"no trace id", []string{"x-b3-spanid", spanHex}, "", propagation.Defer, false, "", "b3/incomplete"},
		{"long trace id", []string{"x-b3-traceid", traceHex + "00", "x-b3-spanid", spanHex}, "", propagation.Defer, false, "", "b3/length"},
		{"short span id", []string{"x-b3-traceid", traceHex, "x-b3-spanid", "1"}, "", propagation.Defer, false, "", "b3/length"},
		{"short parent", with("x-b3-parentspanid", "0"), "", propagation.Defer, false, "", "b3/length"},
		{"bad parent", with("x-b3-parentspanid", strings.Repeat("z", 16)), "", propagation.Defer, false, "", "b3/syntax"},
		{"bad trace id", []string{"x-b3-traceid", strings.Repeat("g", 32), "x-b3-spanid", spanHex}, "", propagation.Defer, false, "", "b3/syntax"},
		{"trace id of zeros", []string{"x-b3-traceid", zeros, "x-b3-spanid", spanHex}, "", propagation.Defer, false, "", "b3/zero id"},
		{"span id of zeros", []string{"x-b3-traceid", traceHex, "x-b3-spanid", zeros}, "", propagation.Defer, false, "", "b3/zero id"},

		{"one header", []string{"b3", b3 + "-1"}, ids, propagation.Accept, false, single, ""},
		{"one header, deny", []string{"b3", b3 + "-0"}, ids, propagation.Deny, false, single, ""},
		{"one header, debug", []string{"b3", b3 + "-d"}, ids, propagation.Accept, true, single, ""},
		{"one header, parent", []string{"b3", b3 + "-1-" + parentHex}, withParent, propagation.Accept, false, single, ""},
		{"one header, no decision", []string{"b3", b3}, ids, propagation.Defer, false, single, ""},
		{"one header, parent, no decision", []string{"b3", b3 + "-" + parentHex}, withParent, propagation.Defer, false, single, ""},
		{"one header, dash at the end", []string{"b3", b3 + "-"}, ids, propagation.Defer, false, single, ""},
		{"one header, 64 bits", []string{"b3", shortHex + "-" + spanHex + "-1"}, shortHex + " " + spanHex, propagation.Accept, false, single, ""},
		{"one header, deny alone", []string{"b3", "0"}, "", propagation.Deny, false, single, ""},
		{"one header, accept alone", []string{"b3", "1"}, "", propagation.Accept, false, single, ""},
		{"one header, debug alone", []string{"b3", "d"}, "", propagation.Accept, true, single, ""},
		{"one header, D", []string{"b3", "D"}, "", propagation.Defer, false, "", "b3-single/syntax"},
		{"one header, a dash", []string{"b3", "-"}, "", propagation.Defer, false, "", "b3-single/syntax"},
		{"one header, two letters", []string{"b3", "dd"}, "", propagation.Defer, false, "", "b3-single/length"},
		{"one header, trace id only", []string{"b3", traceHex + "-"}, "", propagation.Defer, false, "", "b3-single/length"},
		{"one header, decision after it", []string{"b3", b3 + "1"}, "", propagation.Defer, false, "", "b3-single/syntax"},
		{"one header, unknown decision", []string{"b3", b3 + "-x"}, "", propagation.Defer, false, "", "b3-single/syntax"},
		{"one header, long decision", []string{"b3", b3 + "-11"}, "", propagation.Defer, false, "", "b3-single/syntax"},
		{"one header, short parent", []string{"b3", b3 + "-1-123"}, "", propagation.Defer, false, "", "b3-single/length"},
		{"one header, bad parent", []string{"b3", b3 + "-1-" + strings.Repeat("-", 16)}, "", propagation.Defer, false, "", "b3-single/syntax"},
		{"one header, more after the parent", []string{"b3", b3 + "-1-" + parentHex + "-"}, "", propagation.Defer, false, "", "b3-single/length"},
		{"one header, trace id of zeros", []string{"b3", zeros + "-" + spanHex + "-1"}, "", propagation.Defer, false, "", "b3-single/zero id"},

		{"both, the one wins, and its trace id is completed", with("b3", shortHex+"-"+parentHex+"-0", "x-b3-flags", "1"), traceHex + " " + parentHex, propagation.Deny, false, single, ""},
		{"both, decision from the many", []string{"b3", b3, "x-b3-sampled", "0"}, ids, propagation.Deny, false, single, ""},
		{"both, ids from the many", with("b3", "0", "x-b3-sampled", "1"), ids, propagation.Deny, false, single, ""},
		{"both, the one is bad", with("b3", "nonsense", "x-b3-sampled", "1"), ids, propagation.Accept, false, multi, "b3-single/length"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPropagator(t, propagation.Config{})
			got := extract(p, headers(tt.headers...))
			assert.Equal(t, tt.want(t), got)
			var malformed []propagation.Malformed
			if format, reason, ok := strings.Cut(tt.reason, "/"); ok {
				malformed = []propagation.Malformed{{Format: format, Reason: reason, Count: 1}}
			}
			assert.Equal(t, malformed, p.Stats().Malformed)

			// Any carrier reads the same.
			assert.Equal(t, got, extract(p, mapCarrier(tt.headers)))
		})
	}
}

func (tt *b3Case) want(t *testing.T) propagation.Remote {
	t.Helper()
	r := propagation.Remote{Decision: tt.decision, Debug: tt.debug, Format: tt.format}
	if tt.ids == "" {
		return r
	}
	parts := strings.Fields(tt.ids)
	cfg := trace.SpanContextConfig{TraceID: traceID(t, parts[0]), Remote: true}
	if len(parts) > 1 { // else a trace id alone, which has no flags
		cfg.SpanID = spanID(t, parts[1])
	}
	if tt.decision == propagation.Accept && len(parts) > 1 {
		cfg.TraceFlags = trace.FlagsSampled
	}
	r.SpanContext = trace.NewSpanContext(cfg)
	r.TraceIDBits = len(parts[0]) * 4
	if len(parts) > 2 {
		r.ParentSpanID = spanID(t, parts[2])
	}
	return r
}

func TestB3Writes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		arrived []string
		sampled bool
		want    []string // several headers, then the b3 header
	}{
		{"sampled", nil, true, []string{
			"x-b3-traceid", traceHex, "x-b3-spanid", ownHex, "x-b3-sampled", "1", "b3", traceHex + "-" + ownHex + "-1",
		}},
		{"not sampled", nil, false, []string{
			"x-b3-traceid", traceHex, "x-b3-spanid", ownHex, "x-b3-sampled", "0", "b3", traceHex + "-" + ownHex + "-0",
		}},
		{"a trace id that arrived in 64 bits", []string{"b3", shortHex + "-" + spanHex + "-1"}, true, []string{
			"x-b3-traceid", shortHex, "x-b3-spanid", ownHex, "x-b3-sampled", "1", "b3", shortHex + "-" + ownHex + "-1",
		}},
		{"one with a high half of zeros that arrived in 128", []string{"b3", strings.Repeat("0", 16) + shortHex + "-" + spanHex + "-1"}, true, []string{
			"x-b3-traceid", strings.Repeat("0", 16) + shortHex, "x-b3-spanid", ownHex, "x-b3-sampled", "1",
			"b3", strings.Repeat("0", 16) + shortHex + "-" + ownHex + "-1",
		}},
		{"debug", []string{"b3", traceHex + "-" + spanHex + "-d"}, true, []string{
			"x-b3-traceid", traceHex, "x-b3-spanid", ownHex, "x-b3-flags", "1", "b3", traceHex + "-" + ownHex + "-d",
		}},
		{"debug that came without ids", []string{"b3", "d"}, true, []string{
			"x-b3-traceid", traceHex, "x-b3-spanid", ownHex, "x-b3-flags", "1", "b3", traceHex + "-" + ownHex + "-d",
		}},
		{"debug that the sampler did not follow", []string{"x-b3-flags", "1"}, false, []string{
			"x-b3-traceid", traceHex, "x-b3-spanid", ownHex, "x-b3-sampled", "0", "b3", traceHex + "-" + ownHex + "-0",
		}},
		{"the parent that arrived is not ours", []string{"b3", traceHex + "-" + spanHex + "-1-" + parentHex}, true, []string{
			"x-b3-traceid", traceHex, "x-b3-spanid", ownHex, "x-b3-sampled", "1", "b3", traceHex + "-" + ownHex + "-1",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPropagator(t, propagation.Config{Inject: []string{"b3", "b3-single"}})
			ctx := startSpan(t, p.Extract(context.Background(), headers(tt.arrived...)), tt.sampled)
			got := inject(ctx, p)
			delete(got, "X-Request-Id")
			assert.Equal(t, headers(tt.want...), got)
		})
	}
}
