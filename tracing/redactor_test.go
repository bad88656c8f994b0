// SPDX-License-Identifier: Apache-2.0

package tracing_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/internal/testkit"
	"github.com/spandrel-go/spandrel/tracing"
)

func newRedactor(t testing.TB, opts ...tracing.RedactorOption) *tracing.Redactor {
	t.Helper()
	x, err := tracing.NewRedactor(opts...)
	require.NoError(t, err)
	return x
}

// redact returns what the exporter sees of one attribute.
func redact(t testing.TB, x *tracing.Redactor, kv attribute.KeyValue) attribute.Value {
	t.Helper()
	d := one(t, func(s *tracing.Span) { s.SetAttributes(kv) }, tracing.WithProcessor(x))
	require.Len(t, d.Attributes, 1)
	assert.Equal(t, kv.Key, d.Attributes[0].Key)
	return d.Attributes[0].Value
}

func TestNewRedactorRefuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		opt  tracing.RedactorOption
		want string
	}{
		{"nil option", nil, "tracing: NewRedactor: opts[0] is nil"},
		{"no glob", tracing.RedactKeys(), "tracing: RedactKeys: no glob"},
		{"empty glob", tracing.RedactKeys("a", ""), "tracing: RedactKeys: glob 1 is empty"},
		{"no parameter", tracing.RedactURLQuery(), "tracing: RedactURLQuery: no glob"},
		{"empty parameter", tracing.RedactURLQuery(""), "tracing: RedactURLQuery: glob 0 is empty"},
		{"empty name", tracing.RedactURLQueryExcept("a", ""), "tracing: RedactURLQueryExcept: name 1 is empty"},
		{"no pattern", tracing.RedactValues(), "tracing: RedactValues: no pattern"},
		{"bad pattern", tracing.RedactValues("a", "(b"), "tracing: RedactValues: pattern \"(b\": error parsing regexp: missing closing ): `(b`"},
		{"empty match", tracing.RedactValues("a*"), `tracing: RedactValues: pattern "a*" matches the empty string`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			x, err := tracing.NewRedactor(tt.opt)
			require.EqualError(t, err, tt.want)
			assert.Nil(t, x)
		})
	}
	_, err := tracing.NewRedactor(nil, tracing.RedactValues("", "["))
	require.ErrorContains(t, err, "opts[0]")
	require.ErrorContains(t, err, `pattern ""`, "all errors are told at once")
	require.ErrorContains(t, err, `pattern "["`)
}

func TestRedactorByDefault(t *testing.T) {
	t.Parallel()
	x := newRedactor(t)
	for _, key := range []string{
		"http.request.header.authorization", "http.request.header.proxy-authorization", "http.request.header.proxy_authorization",
		"http.request.header.cookie", "http.response.header.set-cookie", "http.request.header.X-Api-Key",
		"rpc.grpc.request.metadata.authorization", "rpc.request.metadata.cookie",
	} {
		assert.Equal(t, "REDACTED", redact(t, x, attribute.StringSlice(key, []string{"secret"})).AsString(), key)
	}
	for _, kv := range []attribute.KeyValue{
		attribute.String("http.request.header.accept", "text/html"),
		attribute.String("db.query.text", "SELECT 'a'"),
		attribute.String("db.query.parameter.0", "a"),
		attribute.String("user.email", "ann@example.com"),
		attribute.String("url.full", "https://example.com/search?q=secret#top"),
	} {
		assert.Equal(t, kv.Value, redact(t, x, kv), kv.Key)
	}
	got := redact(t, x, attribute.String("url.full", "https://ann:pw@example.com/a?b=1&sig=2"))
	assert.Equal(t, "https://REDACTED:REDACTED@example.com/a?b=1&sig=REDACTED", got.AsString())
}

func TestRedactKeysWhateverTheType(t *testing.T) {
	t.Parallel()
	x := newRedactor(t, tracing.RedactKeys("secret", "*.Token", "card.????"))
	for _, v := range []attribute.Value{
		attribute.BoolValue(true), attribute.IntValue(1), attribute.Float64Value(1), attribute.StringValue("x"),
		attribute.BoolSliceValue([]bool{true}), attribute.Int64SliceValue([]int64{1}), attribute.Float64SliceValue([]float64{1}),
		attribute.StringSliceValue([]string{"x"}), attribute.ByteSliceValue([]byte("x")),
		attribute.SliceValue(attribute.IntValue(1)), attribute.MapValue(attribute.Int("inside", 1)),
		{},
	} {
		for _, key := range []attribute.Key{"secret", "Secret", "api.token", ".TOKEN", "card.name", "card.é123"} {
			assert.Equal(t, attribute.StringValue("REDACTED"), redact(t, x, attribute.KeyValue{Key: key, Value: v}), "%s, %s", key, v.Type())
		}
		for _, key := range []attribute.Key{"secrets", "a.secret", "token", "card.no", "card.number"} {
			assert.Equal(t, v, redact(t, x, attribute.KeyValue{Key: key, Value: v}), "%s, %s", key, v.Type())
		}
	}
}

// A limit cuts values before any processor sees them: the @ that ends a password may be gone.
func TestRedactorOfTruncatedURL(t *testing.T) {
	t.Parallel()
	x := newRedactor(t)
	for limit, want := range map[int]string{
		12: "https://admi", // a user's name looks like a host
		16: "https://REDACTED:REDACTED",
		26: "https://REDACTED:REDACTED",
		27: "https://REDACTED:REDACTED@",
		0:  "https://REDACTED:REDACTED@host:80/path",
	} {
		d := one(t, func(s *tracing.Span) {
			s.SetAttributes(attribute.String("url.full", "https://admin:secretsecret@host:80/path"))
		}, tracing.WithProcessor(x), tracing.WithSpanLimits(tracing.SpanLimits{AttributeValueLength: limit}))
		require.Len(t, d.Attributes, 1)
		assert.Equal(t, want, d.Attributes[0].Value.AsString(), "limit %d", limit)
	}
	for _, kept := range []string{"https://host:80", "//host", "host:port", "urn:isbn:0", "/a:b", "https://host:port/"} {
		assert.Equal(t, kept, redact(t, x, attribute.String("url.full", kept)).AsString())
	}
}

func TestRedactorLooksIntoSlicesAndMaps(t *testing.T) {
	t.Parallel()
	x := newRedactor(t, tracing.RedactKeys("password", "user.name"), tracing.RedactValues("s3cret"), tracing.RedactSQL())
	texts := []string{"a", "the s3cret b"}
	bytes := []byte("s3cret")
	elements := []attribute.Value{attribute.StringValue("s3cret"), attribute.IntValue(1), attribute.MapValue(attribute.String("x", "s3cret"))}
	entries := []attribute.KeyValue{
		attribute.String("name", "ann"), attribute.Int("password", 7), attribute.String("note", "s3cret"), attribute.Int("n", 2),
		attribute.Map("more", attribute.String("password", "x"), attribute.String("name", "kept")),
		attribute.StringSlice("list", []string{"s3cret"}),
	}
	d := one(t, func(s *tracing.Span) {
		s.SetAttributes(attribute.StringSlice("texts", texts), attribute.ByteSlice("bytes", bytes),
			attribute.Slice("slice", elements...), attribute.Map("user", entries...),
			attribute.Map("db", attribute.String("statement", "SELECT 1")),
			attribute.Slice("other", attribute.MapValue(attribute.Int("password", 1))),
			attribute.StringSlice("http.request.header.referer", []string{"/?sig=1"}), attribute.StringSlice("plain", []string{"a"}))
	}, tracing.WithProcessor(x))
	assert.Equal(t, []attribute.KeyValue{
		attribute.StringSlice("texts", []string{"a", "the REDACTED b"}),
		attribute.ByteSlice("bytes", []byte("REDACTED")),
		attribute.Slice("slice", attribute.StringValue("REDACTED"), attribute.IntValue(1), attribute.MapValue(attribute.String("x", "REDACTED"))),
		attribute.Map("user",
			attribute.String("name", "REDACTED"), attribute.String("password", "REDACTED"), attribute.String("note", "REDACTED"), attribute.Int("n", 2),
			attribute.Map("more", attribute.String("password", "REDACTED"), attribute.String("name", "kept")),
			attribute.StringSlice("list", []string{"REDACTED"})),
		attribute.Map("db", attribute.String("statement", "SELECT ?")),
		attribute.Slice("other", attribute.MapValue(attribute.String("password", "REDACTED"))),
		attribute.StringSlice("http.request.header.referer", []string{"/?sig=REDACTED"}),
		attribute.StringSlice("plain", []string{"a"}),
	}, d.Attributes)
	assert.Equal(t, []string{"a", "the s3cret b"}, texts, "what the caller gave stays the caller's")
	assert.Equal(t, "s3cret", string(bytes))
	assert.Equal(t, "s3cret", elements[0].AsString())
	assert.Equal(t, "ann", entries[0].Value.AsString())
}

// The attributes that the caller passed must not change, in whatever way the span took them.
func TestRedactorLeavesTheCallersAttributes(t *testing.T) {
	t.Parallel()
	attrs := []attribute.KeyValue{attribute.String("secret", "x"), attribute.Map("m", attribute.String("secret", "x"))}
	want := append([]attribute.KeyValue{}, attrs...)
	tracer, c, p := newTracer(t, tracing.WithProcessor(newRedactor(t, tracing.RedactKeys("secret"))))
	link := trace.Link{SpanContext: remoteParent(true), Attributes: attrs}
	_, s := tracer.StartSpan(context.Background(), "one", tracing.WithAttributes(attrs...), tracing.WithLinks(link))
	s.AddEvent("event", trace.WithAttributes(attrs...))
	s.End()
	flush(t, p)
	d := c.span(t, "one")
	for _, got := range [][]attribute.KeyValue{d.Attributes, d.Events[0].Attributes, d.Links[0].Attributes} {
		assert.Equal(t, []attribute.KeyValue{attribute.String("secret", "REDACTED"), attribute.Map("m", attribute.String("secret", "REDACTED"))}, got)
	}
	assert.Equal(t, want, attrs)
}

func TestRedactURL(t *testing.T) {
	t.Parallel()
	some := newRedactor(t, tracing.RedactURLQuery("*token*", "pass?"))
	except := newRedactor(t, tracing.RedactURLQueryExcept("page", "sig"))
	all := newRedactor(t, tracing.RedactURLQueryExcept())
	for _, tt := range []struct {
		name string
		x    *tracing.Redactor
		key  string
		in   string
		want string
	}{
		{"nothing", some, "url.full", "https://example.com:8080/a//b/../%7Ec?x=1&&y#z", ""},
		{"names by glob", some, "url.full", "/?Access_Token=1&pass1=2&password=3&x=4", "/?Access_Token=REDACTED&pass1=REDACTED&password=3&x=4"},
		{"encoded name", some, "http.url", "/?t%6Fken=1&%zz=2&a+token=3", "/?t%6Fken=REDACTED&%zz=2&a+token=REDACTED"},
		{"empty and missing values", some, "http.target", "/?token=&token&token=a", "/?token=&token&token=REDACTED"},
		{"value with any character", some, "url.full", "/?token=a=b;c?d/e%26&x=y", "/?token=REDACTED&x=y"},
		{"semicolons", some, "url.full", "/?a=1;token=2&b=3", "/?a=1;token=REDACTED&b=3"},
		{"nested URL", some, "url.full", "/?next=/x?token=2&b=3", "/?next=/x?token=REDACTED&b=3"},
		{"fragment", some, "url.full", "/cb?a=b#access_token=1&b=c", "/cb?a=b#access_token=REDACTED&b=c"},
		{"fragment without query", some, "url.full", "/cb#/route?token=1?2", "/cb#/route?token=REDACTED"},
		{"signatures stay secret", except, "url.full", "/?page=1&sig=2&x=3&flag", "/?page=1&sig=REDACTED&x=REDACTED&flag"},
		{"exact names", except, "url.full", "/?Page=1&%70age=2&=3", "/?Page=REDACTED&%70age=REDACTED&=REDACTED"},
		{"all", all, "url.full", "/?a=1#b=2", "/?a=REDACTED#b=REDACTED"},
		{"query alone", all, "url.query", "a=1#2&?b=3", "a=REDACTED&?b=REDACTED"},
		{"fragment alone", all, "url.fragment", "a=1", "a=REDACTED"},
		{"other keys", all, "browser.document.url.full", "/?a=1", "/?a=REDACTED"},
		{"referer", all, "http.request.header.referer", "/?a=1", "/?a=REDACTED"},
		{"location", all, "http.response.header.location", "/?a=1", "/?a=REDACTED"},
		{"content location", all, "http.response.header.content-location", "/?a=1", "/?a=REDACTED"},
		{"no URL", all, "server.location", "/?a=1", ""},
		{"user and password", some, "url.full", "https://ann:p%40w@example.com", "https://REDACTED:REDACTED@example.com"},
		{"user alone", some, "url.full", "ssh://token@example.com:22/x", "ssh://REDACTED:REDACTED@example.com:22/x"},
		{"several @", some, "url.full", "https://a@b:c@example.com/@d", "https://REDACTED:REDACTED@example.com/@d"},
		{"slash in password", some, "url.full", "https://ann:a/b?c@example.com/d", "https://REDACTED:REDACTED@example.com/d"},
		{"no scheme", some, "http.url", "ann:pw@example.com/x", "REDACTED:REDACTED@example.com/x"},
		{"no scheme, slashes", some, "url.full", "//ann:pw@example.com/x", "//REDACTED:REDACTED@example.com/x"},
		{"two schemes", some, "url.original", "jdbc:postgresql://ann:pw@db/x", "jdbc:postgresql://REDACTED:REDACTED@db/x"},
		{"one slash", some, "url.full", "https:/ann:pw@example.com/x", "https:/REDACTED:REDACTED@example.com/x"},
		{"backslashes", some, "url.full", `https:\\ann:pw@example.com\x`, `https:\\REDACTED:REDACTED@example.com\x`},
		{"@ in a path", some, "url.full", "https://example.com:443/@ann?a=b@c", ""},
		{"@ behind an IPv6 address", some, "url.full", "https://[::1]:443/@ann", ""},
		{"@ behind a host", some, "url.full", "https://example.com/@ann", ""},
		{"path with @", some, "http.target", "/@ann/x", ""},
		{"asterisk", some, "http.target", "*", ""},
		{"empty", some, "url.full", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			want := tt.want
			if want == "" {
				want = tt.in
			}
			got := redact(t, tt.x, attribute.String(tt.key, tt.in)).AsString()
			assert.Equal(t, want, got, "input %q", tt.in)
		})
	}
}

func TestRedactSQLReadsTheDatabaseFromTheSpan(t *testing.T) {
	t.Parallel()
	const query = `SELECT "a" FROM t WHERE b = 'x' -- it's`
	for system, want := range map[string]string{
		"postgresql": `SELECT "a" FROM t WHERE b = ?  `, "mysql": `SELECT ? FROM t WHERE b = ?  `, "": `SELECT ? FROM t WHERE b = ?  `, "redis": `SELECT ?`,
	} {
		d := one(t, func(s *tracing.Span) {
			s.SetAttributes(attribute.String("db.query.text", query), attribute.Int("db.query.parameter.0", 5), attribute.String("db.operation.parameter.id", "x"))
			s.AddEvent("query", trace.WithAttributes(attribute.String("db.statement", query)))
			if system != "" {
				s.SetAttributes(attribute.String("db.system.name", system))
			}
		}, tracing.WithProcessor(newRedactor(t, tracing.RedactSQL())))
		assert.Equal(t, want, d.Attributes[0].Value.AsString(), system)
		assert.Equal(t, want, d.Events[0].Attributes[0].Value.AsString(), system)
		assert.Equal(t, "REDACTED", d.Attributes[1].Value.AsString())
		assert.Equal(t, "REDACTED", d.Attributes[2].Value.AsString())
	}
}

func TestRedactValues(t *testing.T) {
	t.Parallel()
	x := newRedactor(t, tracing.RedactValues(`\bann\b`, `\d{4}|\b`))
	d := one(t, func(s *tracing.Span) {
		s.SetName("GET /users/ann")
		s.SetStatus(codes.Error, "ann: 1234")
		s.SetAttributes(attribute.String("a", "ann and ann, anna 12345"), attribute.Int("n", 1234))
		s.AddEvent("ann came", trace.WithAttributes(attribute.String("b", "ann")))
	}, tracing.WithProcessor(x))
	assert.Equal(t, "GET /users/REDACTED", d.Name)
	assert.Equal(t, "REDACTED: REDACTED", d.Status.Description)
	assert.Equal(t, "REDACTED and REDACTED, anna REDACTED5", d.Attributes[0].Value.AsString())
	assert.Equal(t, int64(1234), d.Attributes[1].Value.AsInt64(), "numbers are not looked at")
	assert.Equal(t, "REDACTED came", d.Events[0].Name)
	assert.Equal(t, "REDACTED", d.Events[0].Attributes[0].Value.AsString())
}

func TestReadyPatterns(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, pattern string
		hits, misses  []string
	}{
		{
			"e-mail", tracing.PatternEmail,
			[]string{"ann@example.com", "a.b+c_d%e-f'g@sub.example.co.uk", "ann%40example.com", "1@2.io"},
			[]string{"ann@localhost", "@example.com", "ann at example.com", "pkg@v1.2.3"},
		},
		{
			"card number", tracing.PatternCardNumber,
			[]string{"4111111111111111", "4111 1111 1111 1111", "5500-0000-0000-0004", "2221000000000009", "340000000000009", "3782 822463 10005", "6011000000000004", "4222222222222", "6304000000000000000"},
			[]string{"411111111111", "1700000000000", "1700000000000000000", "44444444444444444444", "a4111111111111111", "4bf92f3577b34da6a3ce929d0e0e4736", "0000000000000000"},
		},
		{
			"bearer token", tracing.PatternBearerToken,
			[]string{"Bearer abc.def-_~+/==", "bearer x", "BASIC YW5uOnB3", "Bearer\tabc"},
			[]string{"Bearer", "forbearer x", "bearer: x", "basics of"},
		},
		{
			"JSON web token", tracing.PatternJWT,
			[]string{"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.sig-_", "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.", "eyJh.eyJz", "eyJh.a.b.c.d"},
			[]string{"eyJhbGciOiJIUzI1NiJ9", "keyJh.x", "eyJ.x"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			x := newRedactor(t, tracing.RedactValues(tt.pattern))
			for _, s := range tt.hits {
				got := redact(t, x, attribute.String("a", "<"+s+"> x")).AsString()
				assert.Equal(t, "<REDACTED> x", got, "input %q", s)
			}
			for _, s := range tt.misses {
				assert.Equal(t, s, redact(t, x, attribute.String("a", s)).AsString())
			}
		})
	}
}

// leaky writes the secret into every place of a span that a redactor covers.
func leaky(s *tracing.Span) {
	attrs := []attribute.KeyValue{
		attribute.String("password", "s3cret"), attribute.String("url.full", "https://s3cret@h/?q=s3cret"),
		attribute.String("db.query.text", "SELECT 's3cret'"), attribute.String("note", "is s3cret-0042"),
		attribute.Map("m", attribute.String("x", "s3cret-0042"), attribute.StringSlice("password", []string{"s3cret"})),
	}
	s.SetName("of s3cret-0042")
	s.SetAttributes(attrs...)
	for range 5 {
		s.AddEvent("event s3cret-0042", trace.WithAttributes(attrs...))
		s.AddLink(trace.Link{SpanContext: remoteParent(true), Attributes: attrs})
	}
	s.RecordError(errors.New("no s3cret-0042"))
	s.SetStatus(codes.Error, "s3cret-0042")
}

func leakRedactor(t testing.TB) *tracing.Redactor {
	return newRedactor(t, tracing.RedactKeys("pass*"), tracing.RedactURLQueryExcept(), tracing.RedactSQL(), tracing.RedactValues(`s3cret-\d+`))
}

// Whoever ends a span, and however, nothing of the secret reaches an exporter.
func TestNothingUnredactedReachesAnExporter(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		opts []tracing.Option
		run  func(*tracing.Tracer, *tracing.Provider)
		want int
	}{
		{"End", nil, func(tracer *tracing.Tracer, _ *tracing.Provider) {
			_, s := tracer.StartSpan(context.Background(), "x")
			leaky(s)
			s.End()
		}, 1},
		{"Shutdown", nil, func(tracer *tracing.Tracer, _ *tracing.Provider) {
			ctx, root := tracer.StartSpan(context.Background(), "x")
			leaky(root)
			_, child := tracer.StartSpan(ctx, "x")
			leaky(child)
		}, 2},
		{"eviction", []tracing.Option{tracing.WithOpenSpanLimit(64)}, func(tracer *tracing.Tracer, p *tracing.Provider) {
			for range 300 {
				_, s := tracer.StartSpan(context.Background(), "x")
				leaky(s)
			}
			assert.Positive(t, p.Stats().Unfinished)
		}, 300},
		{"panic", nil, func(tracer *tracing.Tracer, _ *tracing.Provider) {
			defer func() { _ = recover() }()
			_, s := tracer.StartSpan(context.Background(), "x")
			defer s.End()
			leaky(s)
			panic("with s3cret-0042")
		}, 1},
		{"a processor that panics", nil, func(tracer *tracing.Tracer, _ *tracing.Provider) {
			defer func() { _ = recover() }()
			_, s := tracer.StartSpan(context.Background(), "x")
			leaky(s)
			s.End()
		}, 1},
		{"partial traces", nil, func(tracer *tracing.Tracer, p *tracing.Provider) {
			ctx, root := tracer.StartSpan(context.Background(), "x")
			leaky(root)
			for range 20 {
				_, s := tracer.StartSpan(ctx, "x")
				leaky(s)
				s.End()
			}
			_ = p.ForceFlush(context.Background())
			root.End()
		}, 21},
		{
			"limits",
			[]tracing.Option{tracing.WithSpanLimits(tracing.SpanLimits{Attributes: 3, Events: 2, Links: 2, AttributesPerEvent: 2, AttributesPerLink: 1})},
			func(tracer *tracing.Tracer, _ *tracing.Provider) {
				_, s := tracer.StartSpan(context.Background(), "x")
				leaky(s)
				s.End()
			}, 1,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var shown []string
			fail := &processor{onEnding: func(*tracing.Span) {
				if tt.name == "a processor that panics" {
					panic("of a processor")
				}
			}}
			look := &processor{onEnd: func(d *tracing.SpanData) { shown = append(shown, d.Name) }}
			opts := append([]tracing.Option{tracing.WithProcessor(fail), tracing.WithProcessor(leakRedactor(t)), tracing.WithProcessor(look)}, tt.opts...)
			tracer, c, p := newTracer(t, opts...)
			tt.run(tracer, p)
			shutdown(t, p)
			sumsHold(t, p)
			require.Len(t, c.spans(), tt.want)
			for _, d := range c.spans() {
				assert.NotContains(t, fmt.Sprintf("%+v", d.Attributes)+fmt.Sprintf("%+v", d.Events)+fmt.Sprintf("%+v", d.Links)+d.Name+d.Status.Description, "s3cret")
				assert.Equal(t, "of REDACTED", d.Name)
				v, ok := value(d.Attributes, "password")
				assert.True(t, ok)
				assert.Equal(t, "REDACTED", v.AsString())
			}
			assert.NotContains(t, strings.Join(shown, ""), "s3cret", "OnEnd sees what the exporter sees")
		})
	}
}

func TestRedactorSeesWhatProcessorsBeforeItWrite(t *testing.T) {
	t.Parallel()
	writer := &processor{onEnding: func(s *tracing.Span) { s.SetAttribute("secret", "x") }}
	d := one(t, func(*tracing.Span) {}, tracing.WithProcessor(writer), tracing.WithProcessor(newRedactor(t, tracing.RedactKeys("secret"))))
	assert.Equal(t, []attribute.KeyValue{attribute.String("secret", "REDACTED")}, d.Attributes)
}

func TestTwoRedactorsAddUp(t *testing.T) {
	t.Parallel()
	x, y := newRedactor(t, tracing.RedactKeys("a", "b")), newRedactor(t, tracing.RedactKeys("b", "c"))
	d := one(t, func(s *tracing.Span) {
		s.SetAttributes(attribute.Int("a", 1), attribute.Int("b", 1), attribute.Int("c", 1), attribute.Int("d", 1))
	}, tracing.WithProcessor(x), tracing.WithProcessor(y))
	assert.Equal(t, []attribute.KeyValue{
		attribute.String("a", "REDACTED"), attribute.String("b", "REDACTED"), attribute.String("c", "REDACTED"), attribute.Int("d", 1),
	}, d.Attributes)
}

func TestRedactorConcurrentSafe(t *testing.T) {
	t.Parallel()
	tracer, c, p := newTracer(t, tracing.WithProcessor(leakRedactor(t)))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				_, s := tracer.StartSpan(context.Background(), "x")
				var writers sync.WaitGroup
				writers.Go(func() { leaky(s) })
				s.End()
				writers.Wait()
			}
		})
	}
	wg.Wait()
	flush(t, p)
	leak := regexp.MustCompile(`s3cret-\d`)
	for _, d := range c.spans() {
		assert.NotRegexp(t, leak, fmt.Sprint(d.Name, d.Status.Description, d.Attributes))
	}
}

// A redactor that finds nothing to redact costs no allocation.
func TestRedactorAllocatesNothingWhereNothingMatches(t *testing.T) {
	x, err := tracing.NewRedactor(tracing.RedactKeys("secret", "*.token", "a*b?c"), tracing.RedactURLQuery("*token*"),
		tracing.RedactSQL(), tracing.RedactValues(tracing.PatternEmail, tracing.PatternCardNumber, "s3cret"))
	require.NoError(t, err)
	e := &countingEncoder{}
	p := newProvider(t, tracing.WithExporter(e), tracing.WithProcessor(x))
	_, s := p.NewTracer("test").StartSpan(context.Background(), "GET /orders/{id}")
	defer s.End()
	fill(s)
	s.SetAttributes(
		attribute.String("url.full", "https://example.com/orders?page=2&sort=name#top"),
		attribute.String("Db.Query.Text", "x"), attribute.String("db.query.text", "SELECT a FROM t1 WHERE b = $1 AND c = ?"),
		attribute.StringSlice("list", nil))
	s.AddEvent("event", trace.WithAttributes(attribute.String("note", "nothing here")))
	testkit.MaxMallocs(t, 1000, 0, func() { x.OnEnding(s) })
}
