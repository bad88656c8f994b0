// SPDX-License-Identifier: Apache-2.0

package propagation_test

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/propagation"
)

func TestEnvCarrierNames(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, key, want string }{
		{"lower case", "traceparent", "TRACEPARENT"},
		{"dashes", "x-b3-traceid", "X_B3_TRACEID"},
		{"normalized", "_A1", "_A1"},
		{"empty", "", "_"},
		{"a digit in front", "1a", "_1A"},
		{"a digit in front of a dash", "0-", "_0_"},
		{"one underscore a character", "é=\x00 ", "____"},
		{"bytes that are no character", "a\xff\xfe", "A__"},
		{"only ASCII is made upper case", "ßı", "__"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var c propagation.EnvCarrier
			c.Set(tt.key, "a=b")
			assert.Equal(t, []string{tt.want + "=a=b"}, c.Environ())
			assert.Equal(t, []string{tt.want}, c.Keys())
			assert.Equal(t, "a=b", c.Get(tt.key))
			assert.Equal(t, "a=b", c.Get(tt.want))
			c.Delete(tt.key)
			assert.Empty(t, c.Environ())
			assert.Empty(t, c.Get(tt.key))
		})
	}
}

func TestEnvCarrierReadsOnlyNormalizedNames(t *testing.T) {
	t.Parallel()
	c := propagation.NewEnvCarrier([]string{
		"traceparent=lower", "x-b3-traceid=dashes", "=C:=C:\\", "=", "", "NOVALUE", "EMPTY=", "TRACE=1", "1A=1", "PATH=/bin", "PATH=/usr/bin",
	})
	assert.Empty(t, c.Get("traceparent"))
	assert.Empty(t, c.Get("x-b3-traceid"))
	assert.Empty(t, c.Get("novalue"))
	assert.Empty(t, c.Get("1a"), "1A is not _1A")
	assert.Empty(t, c.Get(""), "an empty name is not _")
	assert.Equal(t, "/usr/bin", c.Get("path"), "the last one counts, as in exec.Cmd")
	assert.Equal(t, []string{"EMPTY", "TRACE", "PATH"}, c.Keys())
}

func TestEnvCarrierReplaces(t *testing.T) {
	t.Parallel()
	environ := []string{"A=1", "traceparent=kept", "TRACEPARENT=1", "B=2", "TRACEPARENT=2"}
	c := propagation.NewEnvCarrier(environ)
	c.Set("traceparent", "new")
	assert.Equal(t, []string{"A=1", "traceparent=kept", "B=2", "TRACEPARENT=new"}, c.Environ())
	assert.Equal(t, "A=1 traceparent=kept TRACEPARENT=1 B=2 TRACEPARENT=2", strings.Join(environ, " "), "the caller's slice is not touched")
	c.Environ()[0] = "changed"
	assert.Equal(t, "1", c.Get("a"), "the caller owns the slice")
}

func TestEnvCarrierDropsWhatNoProcessTakes(t *testing.T) {
	t.Parallel()
	const longest = 32_767 - len("NAME=")
	tests := []struct {
		name, value string
		set         bool
	}{
		{"any bytes", "\xff\n\x01=", true},
		{"empty", "", true},
		{"as long as may be", strings.Repeat("x", longest), true},
		{"longer", strings.Repeat("x", longest+1), false},
		{"a zero byte", "a\x00b", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := propagation.NewEnvCarrier([]string{"NAME=old"})
			c.Set("name", tt.value)
			if tt.set {
				assert.Equal(t, []string{"NAME=" + tt.value}, c.Environ())
			} else {
				assert.Empty(t, c.Environ(), "nor does the old one stay")
			}
		})
	}
}

func TestEnvCarrierOfAChild(t *testing.T) {
	t.Parallel()
	p := newPropagator(t, propagation.Config{Clear: []string{"Ot-Tracer-TraceID"}})
	parent := propagation.NewEnvCarrier([]string{
		"PATH=/bin", "TRACEPARENT=00-" + traceHex + "-" + spanHex + "-03", "TRACESTATE=a=1", "B3=" + shortHex + "-" + spanHex + "-1",
		"X_B3_FLAGS=1", "OT_TRACER_TRACEID=" + shortHex, "X_REQUEST_ID=" + traceUUID,
	})
	ctx := p.Extract(context.Background(), parent)
	sc := trace.SpanContextFromContext(ctx)
	assert.Equal(t, traceHex, sc.TraceID().String())
	assert.Equal(t, trace.TraceFlags(3), sc.TraceFlags())

	below := trace.NewSpanContext(trace.SpanContextConfig{TraceID: sc.TraceID(), SpanID: spanID(t, ownHex), TraceFlags: sc.TraceFlags()})
	p.Inject(trace.ContextWithSpanContext(ctx, below), parent)
	assert.Equal(t, []string{
		"PATH=/bin", "TRACEPARENT=00-" + traceHex + "-" + ownHex + "-03",
		"X_B3_TRACEID=" + traceHex, "X_B3_SPANID=" + ownHex, "X_B3_SAMPLED=1", "X_REQUEST_ID=" + traceUUID,
	}, parent.Environ(), "nothing old is left of what is written, nor of what is to be cleared")

	child := propagation.NewEnvCarrier(parent.Environ())
	assert.Equal(t, below.WithRemote(true), trace.SpanContextFromContext(p.Extract(context.Background(), child)))
}

// The environment of this process is only read. Not parallel: it sets a variable.
func TestEnvCarrierOfThisProcess(t *testing.T) {
	t.Setenv("TRACEPARENT", "00-"+traceHex+"-"+spanHex+"-01")
	p := newPropagator(t, propagation.Config{})
	c := propagation.NewEnvCarrier(os.Environ())
	ctx := p.Extract(context.Background(), c)
	assert.Equal(t, spanHex, trace.SpanContextFromContext(ctx).SpanID().String())
	p.Inject(startSpan(t, ctx, true), c)
	assert.Contains(t, c.Environ(), "TRACEPARENT=00-"+traceHex+"-"+ownHex+"-01")
	assert.Equal(t, "00-"+traceHex+"-"+spanHex+"-01", os.Getenv("TRACEPARENT"))
}

func FuzzEnvCarrier(f *testing.F) {
	for _, key := range []string{"", "traceparent", "x-b3-traceid", "9", "_", "é", "\xff", "a=b", "\x00"} {
		f.Add(key, "value")
	}
	notAllowed := regexp.MustCompile(`[^A-Za-z0-9_]`)
	f.Fuzz(func(t *testing.T, key, value string) {
		want := strings.Map(func(r rune) rune {
			if 'a' <= r && r <= 'z' {
				r -= 'a' - 'A'
			}
			return r
		}, notAllowed.ReplaceAllString(key, "_"))
		if want == "" || want[0] >= '0' && want[0] <= '9' {
			want = "_" + want
		}
		var c propagation.EnvCarrier
		c.Set(key, value)
		if strings.Contains(value, "\x00") || len(want)+1+len(value) > 32_767 {
			require.Empty(t, c.Environ())
			return
		}
		require.Equal(t, []string{want + "=" + value}, c.Environ())
		require.Equal(t, value, c.Get(key))
		require.Equal(t, []string{want}, c.Keys())
	})
}

func ExampleEnvCarrier() {
	p, err := propagation.New(propagation.Config{Inject: []string{"w3c"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	// What a build server started this process with.
	ctx := p.Extract(context.Background(), propagation.NewEnvCarrier([]string{
		"TRACEPARENT=00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
	}))

	// A child gets a copy of the environment, os.Environ(), with the trace in it.
	carrier := propagation.NewEnvCarrier([]string{"HOME=/root"})
	p.Inject(ctx, carrier)
	for _, variable := range carrier.Environ() { // exec.Cmd.Env
		fmt.Println(variable)
	}
	// Output:
	// HOME=/root
	// TRACEPARENT=00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01
}
