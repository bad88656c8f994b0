// SPDX-License-Identifier: Apache-2.0

package propagation_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/spandrel-go/spandrel/propagation"
)

// assertReads checks what a propagator of all formats reads from headers of one of them, in a carrier of any
// kind: want in that format, if it is anything, and with what more adds. reason is why something was
// refused, or "".
func assertReads(t *testing.T, format string, values []string, want b3Case, reason string, more func(*propagation.Remote)) {
	t.Helper()
	p := newPropagator(t, propagation.Config{Extract: everyFormat})
	if want.ids != "" || want.decision != propagation.Defer {
		want.format = format
	}
	remote := want.want(t)
	if more != nil {
		more(&remote)
	}
	got := extract(p, headers(values...))
	assert.Equal(t, remote, got)
	var malformed []propagation.Malformed
	if reason != "" {
		malformed = []propagation.Malformed{{Format: format, Reason: reason, Count: 1}}
	}
	assert.Equal(t, malformed, p.Stats().Malformed)
	assert.Equal(t, got, extract(p, mapCarrier(values)), "any carrier reads the same")
}

// writeCase is what a propagator of one format sends where certain headers arrived.
type writeCase struct {
	name    string
	arrived []string
	span    bool // a span is made, which is sampled
	want    []string
}

func testWrites(t *testing.T, format string, cases []writeCase) {
	t.Helper()
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ctx := arrived(t, tt.arrived)
			if tt.span {
				ctx = startSpan(t, ctx, true)
			}
			assertWrites(ctx, t, format, tt.want)
		})
	}
}

// arrived returns the context of a request with the headers.
func arrived(t *testing.T, values []string) context.Context {
	t.Helper()
	return newPropagator(t, propagation.Config{Extract: everyFormat}).Extract(context.Background(), headers(values...))
}

// assertWrites checks what a propagator of one format sends, but for the x-request-id.
func assertWrites(ctx context.Context, t *testing.T, format string, want []string) {
	t.Helper()
	got := inject(ctx, newPropagator(t, propagation.Config{Inject: []string{format}}))
	delete(got, "X-Request-Id")
	assert.Equal(t, headers(want...), got)
}
