// SPDX-License-Identifier: Apache-2.0

package propagation_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/spandrel-go/spandrel/internal/testkit"
	"github.com/spandrel-go/spandrel/propagation"
)

// metadataOf makes metadata of names in lower case and values in turn.
func metadataOf(namesAndValues ...string) propagation.MetadataCarrier {
	c := propagation.MetadataCarrier{}
	for i := 0; i < len(namesAndValues); i += 2 {
		c[namesAndValues[i]] = append(c[namesAndValues[i]], namesAndValues[i+1])
	}
	return c
}

func TestMetadataCarrier(t *testing.T) {
	t.Parallel()
	c := metadataOf("a", "1", "a", "2", "b", "3")
	assert.Equal(t, "1", c.Get("a"))
	assert.Equal(t, "1", c.Get("A"))
	assert.Empty(t, c.Get("c"))
	assert.Equal(t, []string{"1", "2"}, c.Values("A"))
	assert.Empty(t, c.Values("c"))
	c.Set("A", "4")
	assert.Equal(t, []string{"4"}, c.Values("a"))
	assert.ElementsMatch(t, []string{"a", "b"}, c.Keys())
	c.Set("B", "\t")
	assert.Equal(t, metadataOf("a", "4"), c, "gRPC refuses a tab: nothing is set, and the old value is gone")
	c.Delete("A")
	assert.Empty(t, c)

	var none propagation.MetadataCarrier
	assert.Empty(t, none.Get("a"))
	assert.Empty(t, none.Values("a"))
	assert.Empty(t, none.Keys())
}

// otherCarrier hides what a MetadataCarrier is, so that its methods are used.
type otherCarrier struct{ propagation.MetadataCarrier }

func TestMetadataIsReadAndWrittenAsHeadersAre(t *testing.T) {
	t.Parallel()
	p := newPropagator(t, propagation.Config{Extract: everyFormat, Inject: everyFormat, Clear: []string{"x-old"}})
	for _, a := range arrivals {
		want := extract(p, headers(a.headers...))
		ctx := p.Extract(context.Background(), metadataOf(a.headers...))
		got, _ := propagation.RemoteFromContext(ctx)
		assert.Equal(t, want, got, a.name)
		assert.Equal(t, want, extract(p, otherCarrier{metadataOf(a.headers...)}), a.name)

		ctx = startSpan(t, ctx, true)
		canonical := propagation.MetadataCarrier{}
		old := []string{"tracestate", "old=1", "x-old", "1", "x-other", "1"}
		written := metadataOf(old...)
		p.Inject(ctx, written)
		for name, values := range written {
			canonical[http.CanonicalHeaderKey(name)] = values
		}
		h := headers(old...)
		p.Inject(ctx, h)
		assert.Equal(t, map[string][]string(h), map[string][]string(canonical), a.name)
		other := metadataOf(old...)
		p.Inject(ctx, otherCarrier{other})
		assert.Equal(t, written, other, a.name)
	}
}

// Several lines of a header are several values of a name.
func TestMetadataValuesCount(t *testing.T) {
	t.Parallel()
	p := newPropagator(t, propagation.Config{})
	got := extract(p, metadataOf("traceparent", traceparent, "tracestate", "a=1", "tracestate", "", "tracestate", "b@=2"))
	assert.Equal(t, "a=1,b@=2", got.TraceState)
	assert.False(t, extract(p, metadataOf("traceparent", traceparent, "traceparent", traceparent)).SpanContext.IsValid())
	assert.Equal(t, []propagation.Malformed{{Format: "w3c", Reason: "duplicate", Count: 1}}, p.Stats().Malformed)
}

// A call must not fail for a request id that came over HTTP, where other characters are legal.
func TestMetadataHoldsOnlyWhatGRPCSends(t *testing.T) {
	t.Parallel()
	p := newPropagator(t, propagation.Config{})
	for id, want := range map[string][]string{
		"a b~":   {"a b~"},
		"a\tb":   nil,
		"\u00e9": nil,
		"\x80":   nil,
	} {
		ctx := startSpan(t, p.Extract(context.Background(), headers("traceparent", traceparent, "x-request-id", id)), true)
		require.Equal(t, id, propagation.RequestIDFromContext(ctx))
		c := metadataOf("x-request-id", "old")
		p.Inject(ctx, c)
		assert.Equal(t, want, c["x-request-id"], "%q", id)
		assert.NotEmpty(t, c["traceparent"])
	}
}

func TestNilMetadata(t *testing.T) {
	t.Parallel()
	p := newPropagator(t, propagation.Config{Clear: []string{"b3"}})
	ctx := startSpan(t, context.Background(), true)
	assert.Equal(t, ctx, p.Extract(ctx, propagation.MetadataCarrier(nil)))
	assert.NotPanics(t, func() { p.Inject(ctx, propagation.MetadataCarrier(nil)) })
}

// Metadata costs what headers cost. Not parallel, as testkit asks.
func TestMetadataAllocates(t *testing.T) {
	p := newPropagator(t, propagation.Config{})
	arrived := metadataOf("traceparent", traceparent, "x-request-id", traceUUID)
	testkit.MaxMallocs(t, 1_000, 3, func() { p.Extract(context.Background(), arrived) })
	nothing := metadataOf("user-agent", "grpc-go")
	testkit.MaxMallocs(t, 1_000, 0, func() { p.Extract(context.Background(), nothing) })
	ctx := startSpan(t, context.Background(), true)
	sent := propagation.MetadataCarrier{}
	testkit.MaxMallocs(t, 1_000, 2, func() { p.Inject(ctx, sent) })
}
