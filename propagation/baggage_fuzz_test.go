// SPDX-License-Identifier: Apache-2.0

package propagation_test

import (
	"context"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/baggage"
	otelprop "go.opentelemetry.io/otel/propagation"

	"github.com/spandrel-go/spandrel/propagation"
)

// otherSpace matches what OpenTelemetry trims and W3C Baggage does not know as white space.
var otherSpace = regexp.MustCompile(`[^\x20-\x7e\t]`)

// FuzzBaggage reads headers as OpenTelemetry's own parser does, and what it has read it writes and reads
// again.
func FuzzBaggage(f *testing.F) {
	for _, list := range []string{
		"", "k=v", "key1=value1;property1;property2, key2 = value2, key3=value3; propertyKey=propertyValue",
		"a=%2C%3b%25+%C3%A9;p=%20", "a=x%FF%FEy", "a=1,a=2,A=3", "a,=1,b c=1,d=\"x\",e=a b,f=%zz,g=%4,ok=1",
		"a=b=c==;p=q=", " ,a=1,, \t,b=2;;p;", ";", "a=;=,b=2", "a=1;p=%zz", list(64, 8192), list(1, 8193), list(65, 700),
	} {
		f.Add(list, "b=2,c")
	}
	f.Fuzz(func(t *testing.T, first, second string) {
		b := newBaggage(t)
		carrier := otelprop.HeaderCarrier{"Baggage": {first, second}}
		ctx := b.Extract(context.Background(), carrier)
		stats := b.Stats()
		whole := first + "," + second
		got := items(ctx)
		require.LessOrEqual(t, len(got), 64)
		bag, err := baggage.Parse(whole)
		if stats.OverLimit == 0 && !otherSpace.MatchString(whole) {
			require.Equal(t, items(baggage.ContextWithBaggage(context.Background(), bag)), got, "%q", whole)
			if err == nil {
				require.Zero(t, stats.Malformed)
			}
		}
		if stats.OverLimit > 0 {
			require.True(t, len(whole) > 8192 || strings.Count(whole, ",") >= 64 || strings.Contains(whole, "%"), "%q", whole)
		}

		written := headers()
		b.Inject(ctx, written)
		require.LessOrEqual(t, len(written.Get("baggage")), 8192)
		require.Equal(t, got, items(b.Extract(context.Background(), written)), "%q", written)
		require.Equal(t, stats, b.Stats(), "nothing of it was refused")
		if len(got) > 0 {
			bag, err = baggage.Parse(written.Get("baggage"))
			require.NoError(t, err)
			require.Equal(t, got, items(baggage.ContextWithBaggage(context.Background(), bag)))
		}
	})
}

// FuzzBaggagePrefixes reads two headers with the key in the name against a simple second implementation,
// and writes what it has read.
func FuzzBaggagePrefixes(f *testing.F) {
	f.Add("foo", "bar", "a=1,b=2", true)
	f.Add("FOO", "x%20y+z", "k = v%2C2 ,,x=+=, bad,=1", false)
	f.Add("", "1", ",", true)
	f.Add("a b", "100%", "=", true)
	f.Add("\u212a", "\xff%ff", "k", true)
	f.Add("k", strings.Repeat(" ", 3000), strings.Repeat("a=1,", 65), false)
	f.Fuzz(func(t *testing.T, key, value, byHand string, jaeger bool) {
		format, prefix, unescape := "ot", "ot-baggage-", url.PathUnescape
		if jaeger {
			format, prefix, unescape = "jaeger", "uberctx-", url.QueryUnescape
		}
		plain := func(s string) string {
			if u, err := unescape(s); err == nil {
				s = u
			}
			return string([]rune(s))
		}
		token := regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")
		want := map[string]string{}
		if jaeger {
			for item := range strings.SplitSeq(byHand, ",") {
				k, v, ok := strings.Cut(item, "=")
				if k = strings.Trim(k, " \t"); ok && token.MatchString(k) {
					want[strings.ToLower(k)] = plain(strings.Trim(v, " \t"))
				}
			}
		}
		if token.MatchString(key) {
			want[strings.ToLower(key)] = plain(value)
		}

		b := newBaggage(t, format)
		carrier := keyed{otelprop.MapCarrier{prefix + key: value}}
		if jaeger {
			carrier.Set("jaeger-baggage", byHand)
		}
		ctx := b.Extract(context.Background(), carrier)
		got := items(ctx)
		if b.Stats().OverLimit == 0 {
			require.Equal(t, want, got)
		} else {
			// A byte that is no UTF-8 is %EF%BF%BD in the end.
			require.Greater(t, 9*len(key+value+byHand)+strings.Count(byHand, ",")*128, 8192)
		}
		for k, v := range got {
			require.Contains(t, want, k)
			require.True(t, utf8.ValidString(v), k)
		}
		for _, hop := range []string{"w3c", "jaeger", "ot"} {
			roundTripBaggage(t, ctx, newBaggage(t, hop))
		}
	})
}

func roundTripBaggage(t *testing.T, ctx context.Context, b *propagation.Baggage) {
	t.Helper()
	written := headers()
	b.Inject(ctx, written)
	got := items(b.Extract(context.Background(), written))
	if s := b.Stats(); s.OverLimit == 0 { // the prefixes need more room
		require.Equal(t, items(ctx), got, "%q", written)
		require.Zero(t, s)
	}
}
