// SPDX-License-Identifier: Apache-2.0

package tracehttp_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/baggage"
	otelpropagation "go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/propagation"
	"github.com/spandrel-go/spandrel/tracing"
	"github.com/spandrel-go/spandrel/tracing/tracehttp"
)

// everything is a propagator of trace headers and of all baggage.
func everything(t testing.TB) otelpropagation.TextMapPropagator {
	t.Helper()
	p, err := propagation.New(propagation.Config{})
	require.NoError(t, err)
	b, err := propagation.NewBaggage("w3c", "jaeger", "ot")
	require.NoError(t, err)
	return otelpropagation.NewCompositeTextMapPropagator(p, b)
}

// carried returns a Go context with a span of rec and with baggage.
func carried(t testing.TB, rec *recorder) context.Context {
	t.Helper()
	member, err := baggage.NewMember("tenant", "blue")
	require.NoError(t, err)
	bag, err := baggage.New(member)
	require.NoError(t, err)
	ctx, span := rec.Tracer("test").Start(baggage.ContextWithBaggage(t.Context(), bag), "parent")
	t.Cleanup(func() { span.End() })
	return ctx
}

// sentTo returns the headers that a transport with opts sends to u.
func sentTo(t testing.TB, u *url.URL, change func(*http.Request), opts ...tracehttp.Option) http.Header {
	t.Helper()
	rec := newRecorder(t)
	var sent http.Header
	base := roundTripper(func(r *http.Request) (*http.Response, error) {
		sent = r.Header
		return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
	})
	r := (&http.Request{Method: http.MethodGet, URL: u, Header: http.Header{}}).WithContext(carried(t, rec))
	if change != nil {
		change(r)
	}
	before := r.Header.Clone()
	resp, err := newTransport(base, rec, append([]tracehttp.Option{tracehttp.WithPropagator(everything(t))}, opts...)...).RoundTrip(r)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Equal(t, before, r.Header, "the caller's request")
	assert.Len(t, ofKind(rec.ended(), trace.SpanKindClient), 1, "there is always a span")
	return sent
}

var (
	traceNames   = []string{"Traceparent", "X-B3-Traceid", "X-B3-Spanid", "X-B3-Sampled", "X-Request-Id"}
	baggageNames = []string{"Baggage", "Uberctx-Tenant", "Ot-Baggage-Tenant"}
)

// assertSent checks which headers were sent beside others.
func assertSent(t *testing.T, sent http.Header, traced, bag bool, others ...string) {
	t.Helper()
	want := others
	if traced {
		want = append(want, traceNames...)
	}
	if bag {
		want = append(want, baggageNames...)
	}
	var got []string
	for name := range sent {
		got = append(got, name)
	}
	assert.ElementsMatch(t, want, got)
}

func TestTraceHostsMatch(t *testing.T) {
	t.Parallel()
	tests := []struct {
		pattern, url string
		want         bool
	}{
		{"api.example.com", "http://api.example.com/x", true},
		{"api.example.com", "https://api.example.com:8443", true},
		{"api.example.com", "http://API.Example.COM", true},
		{"API.Example.COM", "http://api.example.com", true},
		{"api.example.com", "http://api.example.com.", true},
		{"api.example.com.", "http://api.example.com", true},
		{"api.example.com", "http://api.example.com..", false},
		{"api.example.com", "http://example.com", false},
		{"api.example.com", "http://x.api.example.com", false},
		{"api.example.com", "http://api.example.com.evil.test", false},
		{"api.example.com", "http://evil.test/api.example.com", false},
		{"api.example.com", "http://api.example.com@evil.test", false},
		{"api.example.com", "http://api.example.com:pw@evil.test:80/", false},
		{"api.example.com", "http://evil.test?api.example.com", false},
		{"evil.test", "http://api.example.com@evil.test", true},
		{"api_1", "http://api_1", true},
		{"az-09.AZ", "http://az-09.az", true},

		{"*.example.com", "http://api.example.com", true},
		{"*.example.com", "http://a.b.EXAMPLE.com.:81", true},
		{"*.example.com", "http://example.com", false},
		{"*.example.com", "http://.example.com", false},
		{"*.example.com", "http://notexample.com", false},
		{"*.example.com", "http://api.example.com.evil.test", false},
		{"*.Example.com:81", "http://a.example.com:81", true},
		{"*.example.com:81", "http://a.example.com:82", false},
		{"*.0.1", "http://127.0.0.1", false},

		{"*", "http://anything.test:81", true},
		{"*", "http://[::1]", true},
		{"*:81", "http://anything.test:81", true},
		{"*:81", "http://anything.test", false},

		{"api.example.com:80", "http://api.example.com", true},
		{"api.example.com:80", "https://api.example.com", false},
		{"api.example.com:443", "https://api.example.com/", true},
		{"api.example.com:8080", "http://api.example.com:8080", true},
		{"api.example.com:8080", "http://api.example.com:80", false},

		{"127.0.0.1", "http://127.0.0.1:81", true},
		{"127.0.0.1", "http://127.0.0.1.:81", false},
		{"127.0.0.1", "http://127.0.0.10", false},
		{"127.0.0.1", "http://[::ffff:127.0.0.1]", true},
		{"::1", "http://[::1]:81", true},
		{"[::1]", "http://[::1]", true},
		{"[::1]:81", "http://[::1]:81", true},
		{"[::1]:81", "http://[::1]", false},
		{"2001:DB8:0::1", "http://[2001:db8::1]", true},
		{"2001:db8::1", "http://[2001:db8::2]", false},
		{"fe80::1%eth0", "http://[fe80::1%25eth0]", true},
		{"fe80::1", "http://[fe80::1%25eth0]", false},

		{"bücher.example", "http://bücher.example", true},
		{"bücher.example", "http://xn--bcher-kva.example", false},
		{"xn--bcher-kva.example", "http://XN--bcher-kva.example", true},
		{"*.bücher.example", "http://a.bücher.example", true},
		// Both become an i or a k when they are lowered, but the first is another host then.
		{"internal.example", "http://\u0130nternal.example", false},
		{"kelvin.example", "http://\u212aelvin.example", false},
		{"*.example.com", "http://evil.test\u3002example.com", false},
	}
	for _, tt := range tests {
		t.Run(tt.pattern+" "+tt.url, func(t *testing.T) {
			t.Parallel()
			u, err := url.Parse(tt.url)
			require.NoError(t, err)
			sent := sentTo(t, u, nil, tracehttp.WithTraceHosts("first.test", tt.pattern))
			assertSent(t, sent, tt.want, tt.want)
		})
	}
}

// URLs that no parser makes.
func TestTraceHostsOfOddURLs(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"", "a.test@b.example.com", "a.test/.example.com", "a.test:80/.example.com", "a.test%2f.example.com", "a.test\x00.example.com"} {
		sent := sentTo(t, &url.URL{Scheme: "http", Host: host}, nil, tracehttp.WithTraceHosts("*.example.com", "a.test", "[::1]"))
		assertSent(t, sent, false, false)
	}
	assertSent(t, sentTo(t, nil, nil, tracehttp.WithTraceHosts("*")), false, false)
}

// Of a URL that is opaque net/http sends that part to the host, or to a proxy, which goes where it says.
func TestTraceHostsOfOpaqueURLs(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		opaque string
		want   bool
	}{
		{"/a%2Fb", true},
		{"//a.test", true},
		{"//a.test/a%2Fb", true},
		{"//A.test?q", true},
		{"//a.test:80/", false}, // nobody writes another port than that of the URL
		{"//b.test/", false},
		{"//a.test.b.test/", false},
		{"//a.test@b.test/", false},
		{"http://a.test/", false},
		{"http://b.test/", false},
		{"b.test", false},
	} {
		u := &url.URL{Scheme: "http", Host: "a.test", Opaque: tt.opaque}
		assertSent(t, sentTo(t, u, nil, tracehttp.WithTraceHosts("a.test")), tt.want, tt.want)
		assertSent(t, sentTo(t, u, nil, tracehttp.WithTraceHosts("*")), true, true)
	}
}

func TestTraceHostsLookAtTheURLAndNotAtTheHostHeader(t *testing.T) {
	t.Parallel()
	allowed, other := &url.URL{Scheme: "http", Host: "a.test"}, &url.URL{Scheme: "http", Host: "b.test"}
	setHost := func(host string) func(*http.Request) { return func(r *http.Request) { r.Host = host } }
	assertSent(t, sentTo(t, allowed, setHost("b.test"), tracehttp.WithTraceHosts("a.test")), true, true)
	assertSent(t, sentTo(t, other, setHost("a.test"), tracehttp.WithTraceHosts("a.test")), false, false)
}

func TestTraceAndBaggageHosts(t *testing.T) {
	t.Parallel()
	traced, bagged := tracehttp.WithTraceHosts("a.test", "both.test"), tracehttp.WithBaggageHosts("b.test", "both.test")
	tests := []struct {
		name        string
		host        string
		opts        []tracehttp.Option
		traced, bag bool
	}{
		{"no option", "a.test", nil, true, true},
		{"both, in both", "both.test", []tracehttp.Option{traced, bagged}, true, true},
		{"both, in the first", "a.test", []tracehttp.Option{traced, bagged}, true, false},
		{"both, in the second", "b.test", []tracehttp.Option{traced, bagged}, false, true},
		{"both, in neither", "c.test", []tracehttp.Option{traced, bagged}, false, false},
		{"trace hosts alone, in", "a.test", []tracehttp.Option{traced}, true, true},
		{"trace hosts alone, not in", "b.test", []tracehttp.Option{traced}, false, false},
		{"baggage hosts alone, in", "b.test", []tracehttp.Option{bagged}, true, true},
		{"baggage hosts alone, not in", "a.test", []tracehttp.Option{bagged}, true, false},
		{"no pattern", "a.test", []tracehttp.Option{tracehttp.WithTraceHosts()}, false, false},
		{"no pattern for baggage", "a.test", []tracehttp.Option{tracehttp.WithBaggageHosts()}, true, false},
		{"options add up", "c.test", []tracehttp.Option{traced, tracehttp.WithTraceHosts("c.test")}, true, true},
	}
	// What is on the request before: of another span, in whatever case.
	stale := func(r *http.Request) {
		for _, name := range []string{
			"traceparent", "Tracestate", "X-B3-TraceId", "x-b3-parentspanid", "X-Request-Id",
			"baggage", "UBERCTX-Old", "Ot-Baggage-Old", "Jaeger-Baggage", "Accept", "Baggage-Claim",
		} {
			r.Header[name] = []string{"stale"}
		}
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			u := &url.URL{Scheme: "http", Host: tt.host}
			assertSent(t, sentTo(t, u, nil, tt.opts...), tt.traced, tt.bag)

			sent := sentTo(t, u, stale, tt.opts...)
			assert.Equal(t, "stale", sent.Get("Accept"))
			assert.Equal(t, "stale", sent.Get("Baggage-Claim"), "is no baggage")
			for name := range sent {
				lower := strings.ToLower(name)
				switch {
				case lower == "baggage" || strings.HasPrefix(lower, "uberctx-") || strings.HasPrefix(lower, "ot-baggage-") || lower == "jaeger-baggage":
					assert.True(t, tt.bag, name)
				case strings.HasPrefix(lower, "trace") || strings.HasPrefix(lower, "x-"):
					assert.True(t, tt.traced, name)
				}
			}
			if tt.bag {
				assert.Equal(t, "tenant=blue", sent.Get("Baggage"))
				assert.NotContains(t, sent, "Ot-Baggage-Old")
			}
			if tt.traced {
				assert.NotEqual(t, "stale", sent.Get("Traceparent"))
				assert.NotContains(t, sent, "Tracestate")
			}
		})
	}
}

// A reverse proxy copies the headers of its caller, also in formats that it does not write itself.
func TestTraceHostsKeepOtherFormatsBack(t *testing.T) {
	t.Parallel()
	names := []string{
		"Traceparent", "Tracestate", "B3", "X-B3-Traceid", "X-B3-Flags", "Uber-Trace-Id", "Ot-Tracer-Traceid",
		"X-Datadog-Trace-Id", "X-Datadog-Tags", "X-Amzn-Trace-Id", "X-Cloud-Trace-Context", "X-Instana-T",
		"X-Request-Id", "X-Client-Trace-Id", "X-Envoy-Force-Trace", "X-Kong-Request-Id", "x-own", "Own",
	}
	w3c, err := propagation.New(propagation.Config{Extract: []string{"w3c"}, Inject: []string{"w3c"}})
	require.NoError(t, err)
	own := ownPropagator{}
	for name, p := range map[string]otelpropagation.TextMapPropagator{"w3c": w3c, "one of a third party": own} {
		rec := newRecorder(t)
		var sent http.Header
		base := roundTripper(func(r *http.Request) (*http.Response, error) {
			sent = r.Header
			return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
		})
		r := newRequest(t, carried(t, rec), "http://b.test")
		for _, name := range names {
			r.Header[name] = []string{"copied"}
		}
		resp, err := newTransport(base, rec, tracehttp.WithPropagator(p), tracehttp.WithTraceHosts("a.test")).RoundTrip(r)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		want := http.Header{"Own": {"copied"}, "x-own": {"copied"}}
		if name != "w3c" {
			delete(want, "x-own")
		}
		assert.Equal(t, want, sent, name)
	}
}

// ownPropagator is a propagator of a header that package propagation does not know.
type ownPropagator struct{ otelpropagation.TraceContext }

func (ownPropagator) Fields() []string { return []string{"X-Own"} }

func TestTraceHostsWithFilter(t *testing.T) {
	t.Parallel()
	var sent http.Header
	base := roundTripper(func(r *http.Request) (*http.Response, error) {
		sent = r.Header
		return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
	})
	rt := newTransport(base, newRecorder(t), tracehttp.WithTraceHosts(),
		tracehttp.WithFilter(func(*http.Request) bool { return false }))
	r := newRequest(t, t.Context(), "http://a.test")
	r.Header.Set("traceparent", "as it is")
	resp, err := rt.RoundTrip(r)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Equal(t, "as it is", sent.Get("traceparent"))
}

// Each hop is looked at by itself, there and back, although the client copies the first one's headers.
func TestTraceHostsOfRedirects(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex // guards hops
	var hops []string
	var servers [3]*httptest.Server
	for i := range servers {
		servers[i] = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			hops = append(hops, fmt.Sprintf("%d %t %t %s", i, r.Header.Get("Traceparent") != "", r.Header.Get("Baggage") != "", r.Header.Get("X-Own")))
			if i < 2 {
				http.Redirect(w, r, servers[i+1].URL, http.StatusFound)
			}
		}))
		t.Cleanup(servers[i].Close)
	}
	rec := newRecorder(t)
	host := func(i int) string { return strings.TrimPrefix(servers[i].URL, "http://") }
	client := &http.Client{Transport: newTransport(servers[0].Client().Transport, rec, tracehttp.WithPropagator(everything(t)),
		tracehttp.WithTraceHosts(host(0), host(2)), tracehttp.WithBaggageHosts(host(2)))}
	r := newRequest(t, carried(t, rec), servers[0].URL)
	r.Header.Set("x-own", "kept")
	r.Header.Set("traceparent", "stale")
	r.Header.Set("baggage", "stale=1")
	code, _ := send(t, client, r)
	assert.Equal(t, http.StatusOK, code)
	mu.Lock()
	defer mu.Unlock()
	assert.Equal(t, []string{"0 true false kept", "1 false false kept", "2 true true kept"}, hops)
	assert.Len(t, ofKind(rec.ended(), trace.SpanKindClient), 3)
}

// Not parallel: it sets the default logger.
func TestBadHostPatternsAllowNothing(t *testing.T) {
	var log bytes.Buffer
	defer slog.SetDefault(slog.New(slog.NewTextHandler(os.Stderr, nil))) // package log follows the first SetDefault for good
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	bad := []string{
		"", ".", "*.", "**", "*.*.test", "a*.test", "a.*", "http://a.test", "//a.test", "a.test/", "a.test/x", "me@a.test", "a.test:", "a.test:x",
		"a.test:0", "a.test:65536", "a.test:080", "a..test", ".a.test", " a.test", "a.test, b.test", "[a.test]", "[127.0.0.1]", "[::1", "::1]:80",
		"*.127.0.0.1", "*.::1", "10.0.0.0/8", "%61.test", ":80", "*:", "a.test\n",
	}
	for _, pattern := range bad {
		log.Reset()
		opts := []tracehttp.Option{tracehttp.WithTraceHosts(pattern), tracehttp.WithBaggageHosts(pattern)}
		for _, u := range []string{"http://a.test", "http://127.0.0.1", "http://[::1]"} {
			parsed, err := url.Parse(u)
			require.NoError(t, err)
			assertSent(t, sentTo(t, parsed, nil, opts...), false, false)
		}
		for _, option := range []string{"WithTraceHosts", "WithBaggageHosts"} {
			want := `level=WARN msg="spandrel: tracehttp: ` + option + `: the pattern matches no host and is ignored" pattern=`
			assert.Equal(t, 3, strings.Count(log.String(), want), "once a transport: %q", pattern)
		}
	}
	log.Reset()
	sentTo(t, &url.URL{Scheme: "http", Host: "a.test"}, nil, tracehttp.WithTraceHosts("a.test", "*"))
	tracehttp.NewHandler(nothing, "", tracehttp.WithTraceHosts("*."))
	assert.Empty(t, log.String())
}

func ExampleWithTraceHosts() {
	provider, err := tracing.NewProvider()
	if err != nil {
		fmt.Println(err)
		return
	}
	base := roundTripper(func(r *http.Request) (*http.Response, error) {
		fmt.Println(r.URL.Host, r.Header.Get("traceparent") != "")
		return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
	})
	client := &http.Client{Transport: tracehttp.NewTransport(base,
		tracehttp.WithTracerProvider(provider),
		tracehttp.WithTraceHosts("*.example.com", "partner.test"), // ids
		tracehttp.WithBaggageHosts("*.example.com"),               // and what our own services tell each other
	)}
	for _, u := range []string{"http://api.example.com", "http://partner.test", "http://stranger.test"} {
		resp, err := client.Get(u)
		if err != nil {
			fmt.Println(err)
			return
		}
		resp.Body.Close()
	}
	if err := provider.Shutdown(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// api.example.com true
	// partner.test true
	// stranger.test false
}
