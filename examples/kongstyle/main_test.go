// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/spandrel-go/spandrel/internal/testkit"
	"github.com/spandrel-go/spandrel/tracing"
)

func TestMain(m *testing.M) {
	testkit.ForgetEnvironment()
	goleak.VerifyTestMain(m)
}

const want = `request: url.path=/health
check quota: quota.left=7 [quota found]
balancer try 1: server.address=orders.internal

request: url.path=/orders
check quota: quota.left=7 [quota found]
balancer try 1: server.address=orders.internal [exception]
balancer try 2: server.address=orders.internal [exception]

trace ID TIME 4 spans · 1 service · 3 errors
service span kind duration
× kongstyle request server DURATION
│ error: connection refused
kongstyle ├─ check quota internal DURATION
× kongstyle ├─ balancer try 1 client DURATION
│ error: connection refused
× kongstyle └─ balancer try 2 client DURATION
error: connection refused

7 spans: 4 exported, 3 not worth keeping
`

// masked replaces what differs from run to run: ids, times and the bars.
func masked(text string) string {
	for _, m := range []struct{ pattern, with string }{
		{`trace [0-9a-f]{32} +[0-9:.]+ · \S+ ·`, "trace ID TIME"},
		{`(?m)( kind +duration) .*$`, "$1"},
		{`(?m) +-?[0-9.]+(ns|µs|ms|s)( +[━╸╺┃ ]*)?$`, " DURATION"},
		{` +`, " "},
		{`(?m)^ | $`, ""},
	} {
		text = regexp.MustCompile(m.pattern).ReplaceAllString(text, m.with)
	}
	return text
}

// Not parallel: the global provider is one for all.
func TestRun(t *testing.T) {
	for range 2 {
		var out bytes.Buffer
		require.NoError(t, run(context.Background(), &out))
		assert.Equal(t, want, masked(out.String()), "%s", out.String())
		assert.NotContains(t, out.String(), "secret")
	}
	_, s := tracer.StartSpan(context.Background(), "after the program")
	assert.Nil(t, s, "the tracer is a no-op again")
	assert.Nil(t, tracing.ActiveSpan(context.Background()))
}

// Not parallel: the global provider is one for all.
func TestRunWhereNothingCanBeWritten(t *testing.T) {
	for _, prefix := range []string{"request", "trace", "7 spans"} {
		require.ErrorIs(t, run(context.Background(), brokenWriter{prefix}), errBroken, prefix)
	}
}

var errBroken = errors.New("broken")

// brokenWriter takes all but what begins with prefix.
type brokenWriter struct{ prefix string }

func (w brokenWriter) Write(p []byte) (int, error) {
	if strings.HasPrefix(string(p), w.prefix) {
		return 0, errBroken
	}
	return len(p), nil
}
