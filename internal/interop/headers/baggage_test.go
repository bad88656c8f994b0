// SPDX-License-Identifier: Apache-2.0

package headers_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/contrib/propagators/jaeger"
	"go.opentelemetry.io/contrib/propagators/ot"
	"go.opentelemetry.io/otel/baggage"
	otelpropagation "go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/propagation"
)

func newBaggage(t testing.TB, formats ...string) *propagation.Baggage {
	t.Helper()
	b, err := propagation.NewBaggage(formats...)
	require.NoError(t, err)
	return b
}

// baggage returns a few random members: keys of header names, values of the runes given.
func (r source) baggage(t testing.TB, runes string, properties bool) baggage.Baggage {
	t.Helper()
	alphabet := []rune(runes)
	text := func() string {
		var s strings.Builder
		for range r.IntN(12) {
			s.WriteRune(alphabet[r.IntN(len(alphabet))])
		}
		return s.String()
	}
	var members []baggage.Member
	for i := range 1 + r.IntN(5) {
		var props []baggage.Property
		for range r.IntN(3) * map[bool]int{true: 1}[properties] {
			p, err := baggage.NewKeyValuePropertyRaw("p", text())
			require.NoError(t, err)
			props = append(props, p)
		}
		m, err := baggage.NewMemberRaw(fmt.Sprintf("key-%d", i), text(), props...)
		require.NoError(t, err)
		members = append(members, m)
	}
	bag, err := baggage.New(members...)
	require.NoError(t, err)
	return bag
}

// items returns the baggage in ctx: key to value and properties. OpenTelemetry keeps properties that it
// has parsed in another form than those that it was given.
func items(ctx context.Context) map[string][]string {
	m := map[string][]string{}
	for _, member := range baggage.FromContext(ctx).Members() {
		m[member.Key()] = []string{member.Value()}
		for _, p := range member.Properties() {
			m[member.Key()] = append(m[member.Key()], p.String())
		}
	}
	return m
}

// TestBaggageBothWays sends random baggage from OpenTelemetry's propagator to ours and back.
func TestBaggageBothWays(t *testing.T) {
	t.Parallel()
	ours, theirs := newBaggage(t), otelpropagation.Baggage{}
	for seed := range uint64(rounds) {
		sent := newSource(seed).baggage(t, "aZ09 ,;=%\"\\\t\né\U0001f4bc", true)
		ctx := baggage.ContextWithBaggage(context.Background(), sent)
		want := items(ctx)
		theirHeaders, ourHeaders := inject(ctx, theirs), inject(ctx, ours)
		require.Equal(t, want, items(extract(theirHeaders, ours)), "theirs to ours: %v", theirHeaders)
		require.Equal(t, want, items(extract(ourHeaders, theirs)), "ours to theirs: %v", ourHeaders)
	}
	assert.Zero(t, ours.Stats())
}

// TestBaggageAgreesWithOpenTelemetry compares what both read of headers that neither writes.
func TestBaggageAgreesWithOpenTelemetry(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		lines []string
		// differs says why we read another thing.
		differs string
	}{
		{"space", []string{" a =\t1 ; p = 2 , b = 3 "}, ""},
		{"several lines", []string{"a=1,b=1", "b=2", "", "c=3;p"}, ""},
		{"malformed members", []string{"a,=1,b c=1,d=\"x\",e=%zz,f=1;\\,ok=1"}, ""},
		{"no UTF-8", []string{"a=%ff%C3%A9"}, ""},
		{"65 members", []string{strings.Repeat("x=1,", 10) + manyMembers(65)}, ""},
		{"too long", []string{"a=1,b=" + strings.Repeat("x", 8192)}, "OpenTelemetry drops all of it, and not what is beyond the limit"},
		{"too long in two lines", []string{"a=1", "b=" + strings.Repeat("x", 8192)}, "as above"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			headers := http.Header{"Baggage": test.lines}
			got := items(extract(headers, newBaggage(t)))
			want := items(extract(headers, otelpropagation.Baggage{}))
			if test.differs == "" {
				assert.Equal(t, want, got)
			} else {
				assert.NotEqual(t, want, got, "no longer: %s", test.differs)
			}
		})
	}
}

func manyMembers(n int) string {
	members := make([]string, n)
	for i := range members {
		members[i] = fmt.Sprintf("k%d=%d", i, i)
	}
	return strings.Join(members, ",")
}

// TestOTBaggageBothWays: contrib's writer does not encode values, and its reader decodes them, so that
// it does not understand all that it writes. Ours reads both, and writes what contrib reads.
func TestOTBaggageBothWays(t *testing.T) {
	t.Parallel()
	ours := otelpropagation.NewCompositeTextMapPropagator(newPropagator(t, "ot"), newBaggage(t, "ot"))
	theirs := ot.OT{}
	for seed := range uint64(rounds) {
		r := newSource(seed)
		sc := r.spanContext(t, true)
		plain := r.baggage(t, "aZ09+-/=&", false)
		ctx := baggage.ContextWithBaggage(active(sc), plain)
		require.Equal(t, plain, baggage.FromContext(extract(inject(ctx, theirs), ours)), "theirs to ours")
		require.Equal(t, plain, baggage.FromContext(extract(inject(ctx, ours), theirs)), "ours to theirs")

		odd := r.baggage(t, "aZ09 ,;=+%\"\\\t\né\U0001f4bc", false)
		ctx = baggage.ContextWithBaggage(active(sc), odd)
		require.Equal(t, odd, baggage.FromContext(extract(inject(ctx, ours), theirs)), "ours to theirs, encoded")

		unencoded := r.baggage(t, "aZ09 ,;=+\"é\U0001f4bc", false)
		ctx = baggage.ContextWithBaggage(active(sc), unencoded)
		require.Equal(t, unencoded, baggage.FromContext(extract(inject(ctx, theirs), ours)), "theirs to ours, not encoded")
	}
}

// TestJaegerOfContribHasNoBaggage says why there is no test both ways with it.
func TestJaegerOfContribHasNoBaggage(t *testing.T) {
	t.Parallel()
	r := newSource(1)
	ctx := baggage.ContextWithBaggage(active(r.spanContext(t, true)), r.baggage(t, "a", false))
	assert.Len(t, inject(ctx, jaeger.Jaeger{}), 1)
	read := extract(http.Header{"Uber-Trace-Id": {"1:1:0:1"}, "Uberctx-Foo": {"bar"}}, jaeger.Jaeger{})
	assert.True(t, trace.SpanContextFromContext(read).IsValid())
	assert.Zero(t, baggage.FromContext(read).Len())
}
