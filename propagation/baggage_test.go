// SPDX-License-Identifier: Apache-2.0

package propagation_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/baggage"
	otelprop "go.opentelemetry.io/otel/propagation"

	"github.com/spandrel-go/spandrel/internal/testkit"
	"github.com/spandrel-go/spandrel/propagation"
)

func newBaggage(tb testing.TB, formats ...string) *propagation.Baggage {
	tb.Helper()
	b, err := propagation.NewBaggage(formats...)
	require.NoError(tb, err)
	return b
}

// carrying returns a Go context with members as they stand: key, value, key, value.
func carrying(tb testing.TB, pairs ...string) context.Context {
	tb.Helper()
	var bag baggage.Baggage
	for i := 0; i < len(pairs); i += 2 {
		m, err := baggage.NewMemberRaw(pairs[i], pairs[i+1])
		require.NoError(tb, err)
		bag, err = bag.SetMember(m) // which has no limits
		require.NoError(tb, err)
	}
	return baggage.ContextWithBaggage(context.Background(), bag)
}

// items returns the baggage in ctx, key to value with properties as written.
func items(ctx context.Context) map[string]string {
	m := map[string]string{}
	for _, member := range baggage.FromContext(ctx).Members() {
		parts := []string{member.Value()}
		for _, p := range member.Properties() {
			if p.Key() != "" { // OpenTelemetry keeps empty ones, which are no properties
				parts = append(parts, p.String())
			}
		}
		m[member.Key()] = strings.Join(parts, ";")
	}
	return m
}

// keyed is a carrier that is no HeaderCarrier, with header names in lower case, such as gRPC's metadata.
type keyed struct{ otelprop.MapCarrier }

func (k keyed) Delete(key string) { delete(k.MapCarrier, key) }

func ExampleNewBaggage() {
	// Services behind an old Jaeger client beside those that read W3C.
	b, err := propagation.NewBaggage("w3c", "jaeger")
	if err != nil {
		fmt.Println(err)
		return
	}
	in := otelprop.HeaderCarrier(http.Header{"Uberctx-Tenant": {"blue%20moon"}})
	ctx := b.Extract(context.Background(), in)
	fmt.Println(baggage.FromContext(ctx).Member("tenant").Value())

	out := otelprop.HeaderCarrier(http.Header{})
	b.Inject(ctx, out)
	fmt.Println(out.Get("baggage"), out.Get("uberctx-tenant"))
	// Output:
	// blue moon
	// tenant=blue%20moon blue%20moon
}

func TestNewBaggageRefuses(t *testing.T) {
	t.Parallel()
	b, err := propagation.NewBaggage("w3c", "b3")
	assert.Nil(t, b)
	require.EqualError(t, err, `propagation: NewBaggage: unknown format "b3": it is one of w3c, jaeger, ot`)
	assert.Equal(t, []string{"baggage"}, newBaggage(t).Fields())
	assert.Equal(t, []string{"baggage"}, newBaggage(t, "ot", "w3c", "w3c").Fields())
	assert.Empty(t, newBaggage(t, "jaeger", "ot").Fields(), "their names cannot be listed")
}

func TestBaggageExtract(t *testing.T) {
	t.Parallel()
	all := []string{"w3c", "jaeger", "ot"}
	tests := []struct {
		name      string
		formats   []string
		headers   http.Header
		want      map[string]string
		malformed uint64
	}{
		{"nothing", all, http.Header{}, nil, 0},
		{"one", nil, http.Header{"Baggage": {"k=v"}}, map[string]string{"k": "v"}, 0},
		{
			"the specification's", nil,
			http.Header{"Baggage": {"key1=value1;property1;property2, key2 = value2, key3=value3; propertyKey=propertyValue"}},
			map[string]string{"key1": "value1;property1;property2", "key2": "value2", "key3": "value3;propertyKey=propertyValue"},
			0,
		},
		{
			"several headers", nil,
			http.Header{"Baggage": {"userId =   alice", "", "serverNode = DF%2028, isProduction = false"}},
			map[string]string{"userId": "alice", "serverNode": "DF 28", "isProduction": "false"},
			0,
		},
		{"empty members and properties", nil, http.Header{"Baggage": {" ,a=1,, \t,b=2;;p;", ","}}, map[string]string{"a": "1", "b": "2;p"}, 0},
		{"empty value", nil, http.Header{"Baggage": {"a=,b= ;p="}}, map[string]string{"a": "", "b": ";p="}, 0},
		{"equal signs", nil, http.Header{"Baggage": {"a=b=c==;p=q="}}, map[string]string{"a": "b=c==;p=q="}, 0},
		{"percent-encoded", nil, http.Header{"Baggage": {"a=%2C%3b%25+%C3%A9;p=%20"}}, map[string]string{"a": ",;%+é;p=%20"}, 0},
		{"no UTF-8", nil, http.Header{"Baggage": {"a=x%FF%FEy"}}, map[string]string{"a": "x\ufffd\ufffdy"}, 0},
		{"the last of a key", nil, http.Header{"Baggage": {"a=1,a=2", "a=3,A=4"}}, map[string]string{"a": "3", "A": "4"}, 0},
		{"key not decoded", nil, http.Header{"Baggage": {"a%20b=1"}}, map[string]string{"a%20b": "1"}, 0},
		{
			"malformed", nil,
			http.Header{"Baggage": {"a,=1,b c=1,d=\"x\",e=a b,f=%zz,g=%4,h=é,i=1;j k,l=1;=2,m=1;p=\\,ok=1,n=\x00"}},
			map[string]string{"ok": "1"},
			12,
		},
		{"all malformed", nil, http.Header{"Baggage": {"x"}}, nil, 1},
		{"w3c only", nil, http.Header{"Uberctx-A": {"1"}, "Ot-Baggage-A": {"1"}, "Jaeger-Baggage": {"a=1"}}, nil, 0},

		{
			"jaeger",
			[]string{"jaeger"},
			http.Header{"Uberctx-Foo": {"bar"}, "Uberctx-A": {"x%20y+z"}, "Baggage": {"k=v"}},
			map[string]string{"foo": "bar", "a": "x y z"},
			0,
		},
		{
			"jaeger by hand",
			[]string{"jaeger"},
			http.Header{"Jaeger-Baggage": {"k1=v1, K2 = v%2C2 ,,x=+=, bad,=1"}, "Uberctx-K1": {"wins"}},
			map[string]string{"k1": "wins", "k2": "v,2", "x": " ="},
			2,
		},
		{"ot", []string{"ot"}, http.Header{"Ot-Baggage-Foo": {"bar"}, "Ot-Baggage-A": {"x%20y+z"}}, map[string]string{"foo": "bar", "a": "x y+z"}, 0},
		{
			"values as they are",
			[]string{"jaeger", "ot"},
			http.Header{"Uberctx-A": {"100% + é"}, "Ot-Baggage-B": {"50%, \"x\"\xff"}},
			map[string]string{"a": "100% + é", "b": "50%, \"x\"\ufffd"},
			0,
		},
		{
			"odd case, no value", all,
			http.Header{"UBERCTX-A": {"1"}, "uberctx-b": {""}, "Ot-Baggage-C": nil, "Ot-Baggage-D": {"", "2"}},
			map[string]string{"a": "1", "b": "", "d": ""},
			0,
		},
		{"no key", all, http.Header{"Uberctx-": {"1"}, "Ot-Baggage-": {"1"}, "Uberctx": {"1"}}, nil, 2},
		{"key is no token", all, http.Header{"Uberctx-A B": {"1"}, "Ot-Baggage-É": {"1"}}, nil, 2},

		{
			"the first format wins", all,
			http.Header{"Baggage": {"a=1,a=2,b=2"}, "Uberctx-A": {"3"}, "Uberctx-C": {"3"}, "Ot-Baggage-C": {"4"}, "Ot-Baggage-D": {"4"}},
			map[string]string{"a": "2", "b": "2", "c": "3", "d": "4"},
			0,
		},
		{
			"another order",
			[]string{"ot", "jaeger", "w3c"},
			http.Header{"Baggage": {"a=1,c=1,b=2"}, "Uberctx-A": {"3"}, "Uberctx-C": {"3"}, "Ot-Baggage-C": {"4"}},
			map[string]string{"a": "3", "b": "2", "c": "4"},
			0,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBaggage(t, tt.formats...)
			ctx := b.Extract(context.Background(), otelprop.HeaderCarrier(tt.headers))
			if tt.want == nil {
				assert.Equal(t, context.Background(), ctx)
			} else {
				assert.Equal(t, tt.want, items(ctx))
			}
			assert.Equal(t, propagation.BaggageStats{Malformed: tt.malformed}, b.Stats())

			// Another carrier, which has one value of each name.
			other := keyed{otelprop.MapCarrier{}}
			for name, values := range tt.headers {
				if values != nil {
					other.Set(strings.ToLower(name), values[0])
				}
			}
			if len(tt.headers["Baggage"]) < 2 {
				want := tt.want
				if want == nil {
					want = map[string]string{}
				}
				assert.Equal(t, want, items(b.Extract(context.Background(), other)))
			}
		})
	}
}

func TestBaggageExtractKeepsWhatWasThere(t *testing.T) {
	t.Parallel()
	b := newBaggage(t)
	ctx := carrying(t, "old", "1")
	assert.Equal(t, ctx, b.Extract(ctx, nil))
	assert.Equal(t, ctx, b.Extract(ctx, headers()))
	assert.Equal(t, ctx, b.Extract(ctx, headers("baggage", "malformed")))
	assert.Equal(t, map[string]string{"new": "1"}, items(b.Extract(ctx, headers("baggage", "new=1"))), "as OpenTelemetry's")
}

func TestBaggageInject(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		formats []string
		ctx     context.Context
		want    otelprop.HeaderCarrier
	}{
		{"none", []string{"w3c", "jaeger", "ot"}, context.Background(), headers()},
		{"sorted", nil, carrying(t, "b", "2", "a", "1", "c", ""), headers("baggage", "a=1,b=2,c=")},
		{"escaped", []string{"w3c", "jaeger", "ot"}, carrying(t, "a", "a b/c+,;=%\"\\é\n"), headers(
			"baggage", "a=a%20b/c+%2C%3B=%25%22%5C%C3%A9%0A",
			"uberctx-a", "a%20b%2Fc%2B%2C%3B%3D%25%22%5C%C3%A9%0A",
			"ot-baggage-a", "a%20b%2Fc%2B%2C%3B%3D%25%22%5C%C3%A9%0A")},
		{
			"case of keys",
			[]string{"w3c", "ot"},
			carrying(t, "Ab", "1", "aB", "2", "ab", "3"),
			headers("baggage", "Ab=1,aB=2,ab=3", "ot-baggage-ab", "3"),
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBaggage(t, tt.formats...)
			got := headers()
			b.Inject(tt.ctx, got)
			assert.Equal(t, tt.want, got)
			assert.Zero(t, b.Stats())
			b.Inject(tt.ctx, otelprop.HeaderCarrier(nil)) // nothing to write to
			b.Inject(tt.ctx, nil)
		})
	}
}

func TestBaggageInjectsProperties(t *testing.T) {
	t.Parallel()
	b := newBaggage(t)
	const list = "a=1;p;q=%20x;r=,b=;s"
	got := headers()
	b.Inject(b.Extract(context.Background(), headers("baggage", list)), got)
	assert.Equal(t, headers("baggage", list), got)

	// A key that no header can have: all of a member, one property of another.
	p, err := baggage.NewKeyProperty("é")
	require.NoError(t, err)
	q, err := baggage.NewKeyProperty("q")
	require.NoError(t, err)
	m, err := baggage.NewMemberRaw("a", "1", p, q)
	require.NoError(t, err)
	bag, err := baggage.FromContext(carrying(t, "é", "1")).SetMember(m)
	require.NoError(t, err)
	got = headers()
	b.Inject(baggage.ContextWithBaggage(context.Background(), bag), got)
	assert.Equal(t, headers("baggage", "a=1;q"), got)
	assert.Equal(t, propagation.BaggageStats{Unwritten: 1}, b.Stats())
	got = headers()
	b.Inject(carrying(t, "é", "1"), got)
	assert.Empty(t, got)
}

// gRPC fails a call that has another character in the name of a header.
func TestBaggageInMetadata(t *testing.T) {
	t.Parallel()
	b := newBaggage(t, "w3c", "jaeger", "ot")
	md := propagation.MetadataCarrier{"uberctx-old": {"1"}, "ot-baggage-old": {"1"}, "jaeger-baggage": {"old=1"}}
	b.Inject(carrying(t, "Az09-_.", "é", "a!b", "2", "c", "3"), md)
	assert.Equal(t, propagation.MetadataCarrier{
		"baggage":            {"Az09-_.=%C3%A9,a!b=2,c=3"},
		"uberctx-az09-_.":    {"%C3%A9"},
		"ot-baggage-az09-_.": {"%C3%A9"},
		"uberctx-c":          {"3"},
		"ot-baggage-c":       {"3"},
	}, md)
	assert.Equal(t, propagation.BaggageStats{Unwritten: 2}, b.Stats())
	assert.Equal(t, map[string]string{"Az09-_.": "é", "az09-_.": "é", "a!b": "2", "c": "3"}, items(b.Extract(context.Background(), md)))
	b.Inject(carrying(t, "a", "1"), propagation.MetadataCarrier(nil))
}

// A proxy's outgoing request begins as a copy of the one that came in.
func TestBaggageInjectRemovesOldHeaders(t *testing.T) {
	t.Parallel()
	b := newBaggage(t, "w3c", "jaeger", "ot")
	old := []string{"baggage", "old=1", "uberctx-old", "1", "ot-baggage-old", "1", "jaeger-baggage", "old=1", "accept", "*/*"}
	want := []string{"baggage", "new=1", "uberctx-new", "1", "ot-baggage-new", "1", "accept", "*/*"}

	h := headers(old...)
	h["UBERCTX-odd"] = []string{"1"}
	b.Inject(carrying(t, "new", "1"), h)
	assert.Equal(t, headers(want...), h)

	k, wantKeyed := keyed{otelprop.MapCarrier{}}, keyed{otelprop.MapCarrier{}}
	for i := 0; i < len(old); i += 2 {
		k.Set(old[i], old[i+1])
	}
	for i := 0; i < len(want); i += 2 {
		wantKeyed.Set(want[i], want[i+1])
	}
	b.Inject(carrying(t, "new", "1"), k)
	assert.Equal(t, wantKeyed, k)

	m := otelprop.MapCarrier{"uberctx-old": "1"}
	b.Inject(carrying(t, "new", "1"), m)
	assert.Equal(t, "1", m["uberctx-old"], "it cannot be removed")

	h = headers(old...)
	b.Inject(context.Background(), h)
	assert.Equal(t, headers(old...), h, "without baggage nothing happens")
}

// list returns n members of the same length, in all length bytes with the commas.
func list(n, length int) string {
	each := (length+1)/n - 1
	members := make([]string, n)
	for i := range members {
		members[i] = fmt.Sprintf("%04d=", i)
		members[i] += strings.Repeat("x", each-len(members[i]))
	}
	members[0] += strings.Repeat("x", length-len(strings.Join(members, ",")))
	return strings.Join(members, ",")
}

func TestBaggageLimitsOfReading(t *testing.T) {
	t.Parallel()
	const most = 8192
	all := []string{"w3c", "jaeger", "ot"}
	long := strings.Repeat("x", most)
	tests := []struct {
		name    string
		headers otelprop.HeaderCarrier
		want    int // members
		over    uint64
	}{
		{"64 members of 8,192 bytes", headers("baggage", list(64, most)), 64, 0},
		{"one member of 8,192 bytes", headers("baggage", list(1, most)), 1, 0},
		{"8,193 bytes", headers("baggage", list(64, most+1)), 63, 1},
		{"one of 8,193 bytes", headers("baggage", list(1, most+1)), 0, 1},
		{"65 members", headers("baggage", list(65, 1000)), 64, 1},
		{"a megabyte of members", headers("baggage", list(1<<17, 1<<20)), 64, 1},
		{"a megabyte of nothing", headers("baggage", strings.Repeat(", ", 1<<19)+"a=1"), 0, 1},
		{"a megabyte of dirt", headers("baggage", strings.Repeat("x,", 1<<19)+"a=1"), 0, 1},
		{"a megabyte of one key", headers("baggage", strings.Repeat("a=1,", 1<<18)), 1, 1},
		{"too long, then short ones", headers("baggage", "a="+long+",b=1"), 0, 1},
		{"escapes that grow", headers("baggage", "a="+strings.Repeat("%FF", 2000)+",b=1"), 1, 1},
		{"several headers", otelprop.HeaderCarrier{"Baggage": {list(60, 4000), "a=1,b=1,c=1,d=1", "e=1"}}, 64, 1},
		{"several long headers", otelprop.HeaderCarrier{"Baggage": {list(2, 5000), "a=" + long[:5000], "b=1"}}, 3, 1},
		{"prefix", headers("uberctx-a", long, "ot-baggage-b", "1"), 1, 1},
		{"prefixes that grow", headers("uberctx-a", strings.Repeat(" ", 4000), "ot-baggage-b", "1"), 1, 1},
		{"jaeger-baggage", headers("jaeger-baggage", list(1, most+2), "ot-baggage-b", "1"), 1, 1},
		{"jaeger-baggage of 65", headers("jaeger-baggage", list(65, 1000), "ot-baggage-b", "1"), 64, 1},
		{"over all formats", headers("baggage", list(62, 8000), "uberctx-a", "1", "ot-baggage-b", "1", "ot-baggage-c", "1"), 64, 1},
		{"bytes over all formats", headers("baggage", list(2, 8000), "uberctx-a", long[:200], "ot-baggage-b", "1"), 3, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBaggage(t, all...)
			ctx := b.Extract(context.Background(), tt.headers)
			assert.Equal(t, tt.want, baggage.FromContext(ctx).Len())
			assert.Equal(t, tt.over, b.Stats().OverLimit)
			// What has been read can be written.
			b.Inject(ctx, headers())
			assert.Zero(t, b.Stats().Unwritten)
		})
	}
}

func TestBaggageLimitsOfWriting(t *testing.T) {
	t.Parallel()
	var pairs []string
	for i := range 100 {
		pairs = append(pairs, fmt.Sprintf("%03d", i), strings.Repeat("x", 90))
	}
	b := newBaggage(t)
	got := headers()
	b.Inject(carrying(t, pairs...), got)
	assert.Equal(t, uint64(36), b.Stats().Unwritten)
	assert.True(t, strings.HasPrefix(got.Get("baggage"), "000=x"))
	assert.Contains(t, got.Get("baggage"), ",063=x")
	assert.NotContains(t, got.Get("baggage"), ",064=x")

	b = newBaggage(t)
	b.Inject(carrying(t, "a", strings.Repeat("x", 4000), "b", strings.Repeat(" ", 1400), "c", strings.Repeat("x", 4187)), got)
	assert.Equal(t, uint64(1), b.Stats().Unwritten, "b does not fit beside a, c does")
	assert.Len(t, got.Get("baggage"), 8192)
}

func TestBaggageConcurrentSafe(t *testing.T) {
	t.Parallel()
	b := newBaggage(t, "w3c", "ot")
	ctx := carrying(t, "a", "1", "é", "2")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				h := headers()
				b.Inject(ctx, h)
				h.Set("baggage", h.Get("baggage")+",x")
				assert.Len(t, items(b.Extract(context.Background(), h)), 1)
				b.Stats()
			}
		})
	}
	wg.Wait()
	assert.Equal(t, propagation.BaggageStats{Malformed: 800, Unwritten: 800}, b.Stats())
}

// Most requests carry no baggage. Not parallel, as testkit asks.
func TestBaggageOfNoneAllocatesNothing(t *testing.T) {
	b := newBaggage(t, "w3c", "jaeger", "ot")
	ctx := context.Background()
	h := headers("accept", "*/*", "traceparent", "00-"+traceHex+"-"+spanHex+"-01")
	var carrier otelprop.TextMapCarrier = h
	same := 0
	testkit.MaxMallocs(t, 1_000, 0, func() {
		if b.Extract(ctx, carrier) == ctx {
			same++
		}
		b.Inject(ctx, carrier)
	})
	assert.Positive(t, same)
}
