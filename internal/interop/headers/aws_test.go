// SPDX-License-Identifier: Apache-2.0

package headers_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/contrib/propagators/aws/xray"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/propagation"
)

// TestAWSBothWays sends random span contexts from one library to the other and back, and lets each
// forward what the other wrote.
func TestAWSBothWays(t *testing.T) {
	t.Parallel()
	ours, theirs := newPropagator(t, "aws"), xray.Propagator{}
	for seed := range uint64(rounds) {
		sent := newSource(seed).spanContext(t, false)
		want := sent.WithRemote(true)
		theirHeaders := inject(active(sent), theirs)
		require.Equal(t, theirHeaders, inject(active(sent), ours), "the same bytes")
		ctx := extract(theirHeaders, ours)
		require.Equal(t, want, trace.SpanContextFromContext(ctx))
		remote, ok := propagation.RemoteFromContext(ctx)
		require.True(t, ok)
		require.Equal(t, sent.IsSampled(), remote.Decision == propagation.Accept)
		require.Equal(t, want, trace.SpanContextFromContext(extract(theirHeaders, theirs)))
		require.Equal(t, theirHeaders, inject(ctx, ours), "forwarded")
	}
}

// TestAWSAgreesWithContrib compares what both libraries read of headers that neither writes.
func TestAWSAgreesWithContrib(t *testing.T) {
	t.Parallel()
	const root, parent = "Root=1-463ac35c-9f6413ad48485a3953bb6124", ";Parent=a2fb4a1d1a96d312"
	tests := []struct {
		name, value string
		// differs says why we read another thing.
		differs string
	}{
		{"order", "Sampled=1" + parent + ";" + root, ""},
		{"no decision", root + parent, ""},
		{"asked for a decision", root + parent + ";Sampled=?", ""},
		{"unknown decision", root + parent + ";Sampled=2", ""},
		{"no parent", root + ";Sampled=1", ""},
		{"fields of others", "Self=1-2-3;" + root + parent + ";Lineage=a:0", ""},
		{"keys in lower case", "root=1-463ac35c-9f6413ad48485a3953bb6124" + parent, ""},
		{"short root", "Root=1-463ac35c-9f64" + parent, ""},
		{"short parent", root + ";Parent=a2", ""},
		{"other version", "Root=2" + root[6:] + parent, ""},
		{"spaces", root + "; Parent = a2fb4a1d1a96d312 ", "Kong trims them"},
		{"semicolon at the end", root + parent + ";", ""},
		{"two semicolons", root + ";" + parent, "an empty field is none"},
		{"upper case", "Root=1-463AC35C-9F6413AD48485A3953BB6124" + parent, "Kong reads it"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			headers := header(h{"x-amzn-trace-id": test.value})
			read := trace.SpanContextFromContext(extract(headers, newPropagator(t, "aws")))
			want := trace.SpanContextFromContext(extract(headers, xray.Propagator{}))
			if test.differs == "" {
				assert.Equal(t, want, read)
			} else {
				assert.NotEqual(t, want, read, "no longer: %s", test.differs)
			}
		})
	}
}
