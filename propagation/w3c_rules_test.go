// SPDX-License-Identifier: Apache-2.0

package propagation_test

import (
	"bufio"
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	otelprop "go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/propagation"
)

const (
	theirTrace = "4bf92f3577b34da6a3ce929d0e0e4736"
	theirSpan  = "e457b5a2e4d86bd1"
	joinable   = "traceparent: 00-" + theirTrace + "-" + theirSpan + "-00"
)

// requestOf reads header lines as a server does, white space and letter case included.
func requestOf(t *testing.T, lines ...string) *http.Request {
	t.Helper()
	text := "POST / HTTP/1.1\r\nHost: x\r\n" + strings.Join(append(lines, "", ""), "\r\n")
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text)))
	require.NoError(t, err)
	return r
}

// The rules that W3C's validation suite checks, each as a service obeys it that makes a span for the
// request and another for its call: `make w3c-suite` runs the suite itself.
func TestW3CRules(t *testing.T) {
	t.Parallel()
	const tail = "-" + theirTrace + "-" + theirSpan
	key, at := strings.Repeat("k", 256), strings.Repeat("k", 200)+"@"+strings.Repeat("s", 55)
	tests := []struct {
		name   string
		lines  []string
		joined bool   // the trace goes on; else it is a new one
		flags  string // of the call; a new trace is sampled
		state  string // of the call
	}{
		{"nothing arrives", nil, false, "01", ""},
		{"a traceparent alone", []string{joinable}, true, "00", ""},
		{"sampled", []string{"traceparent: 00" + tail + "-01"}, true, "01", ""},
		{"level 2: the random flag is kept", []string{"traceparent: 00" + tail + "-02"}, true, "02", ""},
		{"level 2: both flags are kept", []string{"traceparent: 00" + tail + "-03"}, true, "03", ""},
		{"two traceparents", []string{joinable, "traceparent: 00-" + traceHex + "-" + theirSpan + "-00", "tracestate: a=1"}, false, "01", ""},
		{"the same one twice", []string{joinable, joinable}, false, "01", ""},
		{"a name with a dash", []string{"trace-parent: 00" + tail + "-00"}, false, "01", ""},
		{"a name with a dot", []string{"trace.parent: 00" + tail + "-00"}, false, "01", ""},
		{"names in camel case", []string{"TraceParent: 00" + tail + "-00", "TraceState: a=1"}, true, "00", "a=1"},
		{"names in any case", []string{"tRACEpARENT: 00" + tail + "-00", "tRACEsTATE: a=1"}, true, "00", "a=1"},
		{"names in upper case", []string{"TRACEPARENT: 00" + tail + "-00", "TRACESTATE: a=1"}, true, "00", "a=1"},

		{"white space before", []string{"traceparent: \t 00" + tail + "-00", "tracestate: \t a=1"}, true, "00", "a=1"},
		{"white space after", []string{joinable + "\t ", "tracestate: a=1 \t"}, true, "00", "a=1"},
		{"version 00 and a character", []string{joinable + "x"}, false, "01", ""},
		{"version 00 and a field", []string{joinable + "-more-to-come"}, false, "01", ""},
		{"a later version", []string{"traceparent: a7" + tail + "-00"}, true, "00", ""},
		{"a later version with fields", []string{"traceparent: a7" + tail + "-01-more-to-come"}, true, "01", ""},
		{"a later version with a character", []string{"traceparent: a7" + tail + "-00x"}, false, "01", ""},
		{"version ff", []string{"traceparent: ff" + tail + "-00"}, false, "01", ""},
		{"a version that is no number", []string{"traceparent: .0" + tail + "-00"}, false, "01", ""},
		{"a version that is half a number", []string{"traceparent: 0." + tail + "-00"}, false, "01", ""},
		{"a version of three digits", []string{"traceparent: 000" + tail + "-00"}, false, "01", ""},
		{"a version of four digits", []string{"traceparent: 0000" + tail + "-00"}, false, "01", ""},
		{"a version of one digit", []string{"traceparent: 0" + tail + "-00"}, false, "01", ""},

		{"no trace id", []string{"traceparent: 00-00000000000000000000000000000000-" + theirSpan + "-00"}, false, "01", ""},
		{"a dot first in the trace id", []string{"traceparent: 00-." + theirTrace[1:] + "-" + theirSpan + "-00"}, false, "01", ""},
		{"a dot last in the trace id", []string{"traceparent: 00-" + theirTrace[:31] + ".-" + theirSpan + "-00"}, false, "01", ""},
		{"a trace id that is too long", []string{"traceparent: 00-" + theirTrace + "7-" + theirSpan + "-00"}, false, "01", ""},
		{"a trace id that is too short", []string{"traceparent: 00-" + theirTrace[:31] + "-" + theirSpan + "-00"}, false, "01", ""},
		{"no span id", []string{"traceparent: 00-" + theirTrace + "-0000000000000000-00"}, false, "01", ""},
		{"a dot first in the span id", []string{"traceparent: 00-" + theirTrace + "-." + theirSpan[1:] + "-00"}, false, "01", ""},
		{"a dot last in the span id", []string{"traceparent: 00-" + theirTrace + "-" + theirSpan[:15] + ".-00"}, false, "01", ""},
		{"a span id that is too long", []string{"traceparent: 00-" + theirTrace + "-" + theirSpan + "7-00"}, false, "01", ""},
		{"a span id that is too short", []string{"traceparent: 00-" + theirTrace + "-" + theirSpan[:15] + "-00"}, false, "01", ""},
		{"a dot first in the flags", []string{"traceparent: 00" + tail + "-.0"}, false, "01", ""},
		{"a dot last in the flags", []string{"traceparent: 00" + tail + "-0."}, false, "01", ""},
		{"flags that are too long", []string{"traceparent: 00" + tail + "-000"}, false, "01", ""},
		{"flags that are too short", []string{"traceparent: 00" + tail + "-0"}, false, "01", ""},

		{"a tracestate alone", []string{"tracestate: a=1,b=2"}, false, "01", ""},
		{"a tracestate", []string{joinable, "tracestate: a=1,b=2"}, true, "00", "a=1,b=2"},
		{"its name with a dash", []string{joinable, "trace-state: a=1"}, true, "00", ""},
		{"its name with a dot", []string{joinable, "trace.state: a=1"}, true, "00", ""},
		{"an empty one", []string{joinable, "tracestate:"}, true, "00", ""},
		{"an empty one last", []string{joinable, "tracestate: a=1", "tracestate: "}, true, "00", "a=1"},
		{"an empty one first", []string{joinable, "tracestate:", "tracestate: a=1"}, true, "00", "a=1"},
		{"several", []string{joinable, "tracestate: d=1,c=2", "tracestate: b=3", "tracestate: a=4,e=5"}, true, "00", "d=1,c=2,b=3,a=4,e=5"},
		{"a member twice", []string{joinable, "tracestate: a=1,a=1"}, true, "00", "a=1,a=1"},
		{"a key twice", []string{joinable, "tracestate: a=1,a=2"}, true, "00", "a=1,a=2"},
		{"a member twice in two lines", []string{joinable, "tracestate: a=1", "tracestate: a=1"}, true, "00", "a=1,a=1"},
		{"a key twice in two lines", []string{joinable, "tracestate: a=1", "tracestate: a=2"}, true, "00", "a=1,a=2"},
		{"every character of a value", []string{joinable, "tracestate: a=" + visible()}, true, "00", "a=" + visible()},
		{"every character of a key", []string{joinable, "tracestate: az09_-*/=1"}, true, "00", "az09_-*/=1"},
		{"every character of a key with a tenant", []string{joinable, "tracestate: az09_-*/@az09_-*/=1"}, true, "00", "az09_-*/@az09_-*/=1"},
		{"white space around commas", []string{joinable, "tracestate: a=1\t , b=2 \t,\tc=3"}, true, "00", "a=1,b=2,c=3"},
		{"a space in a key", []string{joinable, "tracestate: a =1"}, true, "00", ""},
		{"a key in upper case", []string{joinable, "tracestate: A=1"}, true, "00", ""},
		{"a dot in a key", []string{joinable, "tracestate: a.b=1"}, true, "00", ""},
		{"level 2: an at sign last in a key", []string{joinable, "tracestate: a@=1,b=2"}, true, "00", "a@=1,b=2"},
		{"level 2: two at signs in a key", []string{joinable, "tracestate: a@@b=1,a@b@c=2,b=3"}, true, "00", "a@@b=1,a@b@c=2,b=3"},
		{"an at sign first in a key", []string{joinable, "tracestate: @a=1,b=2"}, true, "00", ""},
		{"32 members", []string{joinable, "tracestate: " + members(1, 12), "tracestate: " + members(13, 32)}, true, "00", members(1, 32)},
		{"33 members", []string{joinable, "tracestate: " + members(1, 12), "tracestate: " + members(13, 33)}, true, "00", ""},
		{"a long key", []string{joinable, "tracestate: a=1", "tracestate: " + key + "=1"}, true, "00", "a=1," + key + "=1"},
		{"a key that is too long", []string{joinable, "tracestate: a=1", "tracestate: " + key + "k=1"}, true, "00", ""},
		{"level 2: a long key with an at sign", []string{joinable, "tracestate: " + at + "=1,a=1"}, true, "00", at + "=1,a=1"},
		{"two equals signs", []string{joinable, "tracestate: a=1=2"}, true, "00", ""},
		{"a key without a value", []string{joinable, "tracestate: a=,b=2"}, true, "00", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPropagator(t, propagation.Config{})
			ctx := p.Extract(context.Background(), otelprop.HeaderCarrier(requestOf(t, tt.lines...).Header))
			arrived := trace.SpanContextFromContext(ctx)
			want := traceHex // what startSpan starts a trace with
			if tt.joined {
				want = theirTrace
				assert.Equal(t, theirSpan, arrived.SpanID().String())
				assert.True(t, arrived.IsRemote())
			} else {
				assert.False(t, arrived.IsValid())
			}
			call := inject(startSpan(t, ctx, arrived.IsSampled() || !tt.joined), p)
			assert.Equal(t, []string{"00-" + want + "-" + ownHex + "-" + tt.flags}, call["Traceparent"])
			if tt.state != "" {
				assert.Equal(t, []string{tt.state}, call["Tracestate"])
			} else {
				assert.NotContains(t, call, "Tracestate", "an empty one is not sent")
			}
		})
	}
}

// Several calls for one request are of one trace, each from a span of its own.
func TestW3CSeveralCalls(t *testing.T) {
	t.Parallel()
	p := newPropagator(t, propagation.Config{})
	for _, lines := range [][]string{nil, {joinable, "tracestate: a=1"}, {"traceparent: 00-" + theirTrace + "-0000000000000000-01"}} {
		server := startSpan(t, p.Extract(context.Background(), otelprop.HeaderCarrier(requestOf(t, lines...).Header)), true)
		parent := trace.SpanContextFromContext(server)
		seen := map[string]bool{}
		for _, id := range []string{spanHex, parentHex, shortHex} {
			client := trace.ContextWithSpanContext(server, parent.WithSpanID(spanID(t, id)))
			call := inject(client, p)
			assert.Equal(t, "00-"+parent.TraceID().String()+"-"+id+"-01", call.Get("traceparent"))
			assert.Equal(t, parent.TraceState().String(), call.Get("tracestate"))
			seen[call.Get("traceparent")] = true
		}
		assert.Len(t, seen, 3)
	}
}
