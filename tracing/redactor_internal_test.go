// SPDX-License-Identifier: Apache-2.0

package tracing

import (
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// The estimate of a record's size is what bounds queues in bytes: redaction must keep it right.
func TestRedactorKeepsTheSizeEstimate(t *testing.T) {
	t.Parallel()
	x, err := NewRedactor(RedactKeys("secret", "list"), RedactSQL(), RedactURLQueryExcept(), RedactValues("hidden value"))
	require.NoError(t, err)
	attrs := []attribute.KeyValue{
		attribute.Int("secret", 1), attribute.StringSlice("list", []string{"a", "b"}), attribute.String("text", "a hidden value"),
		attribute.StringSlice("texts", []string{"hidden value", "x"}), attribute.String("db.query.text", "SELECT 123456"),
		attribute.String("url.full", "http://u:p@h/?a=b"), attribute.ByteSlice("bytes", []byte("hidden value")),
		attribute.Map("map", attribute.String("k", "hidden value")), attribute.Bool("plain", true),
	}
	l := defaultLimits()
	var r record
	r.setAttributes(&l, attrs)
	r.addEvent(&l, "hidden value", time.Unix(1, 0), attrs)
	r.addLink(&l, trace.Link{Attributes: attrs})
	r.setStatus(codes.Error, "hidden value")
	x.record(&r)
	event, link := &r.extra.events[0], &r.extra.links[0]
	want := linkSize(link) + attributesSize(link.Attributes) + eventBytes + len(redacted) + attributesSize(event.Attributes) + len(redacted)
	for i := range r.attrs {
		want += attributeSize(&r.attrs[i])
	}
	assert.Equal(t, want, r.size)
	assert.Equal(t, redacted, r.statusDesc)
}

// FuzzGlob compares globs with regular expressions.
func FuzzGlob(f *testing.F) {
	for _, c := range [][2]string{
		{"*.header.authorization", "http.request.header.Authorization"},
		{"a*b?c", "aXbYc"},
		{"**", ""},
		{"?", "é"},
		{"*a*b*a", "abababa"},
		{"é*é", "éé"},
		{"", ""},
		{"x*?*y", "x\xffy"},
		{"plain", "PLAIN"},
	} {
		f.Add(c[0], c[1])
	}
	f.Fuzz(func(t *testing.T, pattern, text string) {
		if !utf8.ValidString(pattern) || len(pattern)+len(text) > 1000 {
			t.Skip("a glob that is not UTF-8 is no regular expression; long ones find nothing that short ones do not")
		}
		ascii := func(s string) string {
			b := []byte(s)
			for i, c := range b {
				b[i] = lower(c)
			}
			return string(b)
		}
		expr := strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(regexp.QuoteMeta(ascii(pattern)))
		want := regexp.MustCompile(`(?s)\A(?:` + expr + `)\z`).MatchString(ascii(text))
		g := newGlob(pattern)
		require.Equal(t, want, g.match(text), "glob %q, text %q", pattern, text)
		if pattern != "" {
			var x Redactor
			x.addKey(pattern)
			require.Equal(t, want, x.matches(text), "key glob %q, key %q", pattern, text)
		}
	})
}

var dialects = map[string]dialect{
	"any": anySQL, "standard": standardSQL, "mysql": mysqlSQL, "sqlserver": sqlServer, "commands": commands,
}

// FuzzRedactSQL checks what holds for any text: redacting twice is redacting once, nothing grows, no
// string is left, and digits stand only in names and parameters.
func FuzzRedactSQL(f *testing.F) {
	for _, c := range sqlCases {
		f.Add(c.in)
	}
	digits := regexp.MustCompile(`[0-9]+`)
	backticks := regexp.MustCompile("`(?:[^`]|``)*`")
	names := map[dialect]*regexp.Regexp{
		anySQL: backticks, mysqlSQL: backticks,
		standardSQL: regexp.MustCompile(`"(?:[^"]|"")*"`),
		sqlServer:   regexp.MustCompile("`(?:[^`]|``)*`|\\[(?:[^]]|\\]\\])*\\]"),
	}
	f.Fuzz(func(t *testing.T, s string) {
		for name, d := range dialects {
			out := redactSQL(s, d)
			require.LessOrEqual(t, len(out), len(s), "%s: %q became %q", name, s, out)
			require.Equal(t, out, redactSQL(out, d), "%s, the second pass: %q", name, s)
			if d == commands {
				continue
			}
			bare := names[d].ReplaceAllString(out, "n")
			require.NotContains(t, bare, "'", "%s: %q became %q", name, s, out)
			if d != standardSQL {
				require.NotContains(t, bare, `"`, "%s: %q became %q", name, s, out)
			}
			for _, at := range digits.FindAllStringIndex(bare, -1) {
				require.Positive(t, at[0], "%s: %q became %q", name, s, out)
				c := bare[at[0]-1]
				require.True(t, wordByte(c) || strings.IndexByte("$:?", c) >= 0, "%s: %q became %q", name, s, out)
			}
		}
	})
}

// FuzzRedactSQLString puts any text into a statement, quoted as standard SQL has it: either it is one
// string, or the statement ends there.
func FuzzRedactSQLString(f *testing.F) {
	for _, s := range []string{"", "bob", "it's", `C:\`, `\'`, `\\`, "--", "/*", "$$", "''", "]", "a\nb", `"`, "`", "'"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, secret string) {
		literal := "'" + strings.ReplaceAll(secret, "'", "''") + "'"
		for name, d := range map[string]dialect{"any": anySQL, "standard": standardSQL, "mysql": mysqlSQL, "sqlserver": sqlServer} {
			out := redactSQL("SELECT a FROM t WHERE b = "+literal+" AND c = 1", d)
			if out != "SELECT a FROM t WHERE b = ?" {
				require.Equal(t, "SELECT a FROM t WHERE b = ? AND c = ?", out, "%s, literal %q", name, literal)
			}
			if d != anySQL && !strings.Contains(secret, `\`) {
				require.Equal(t, "SELECT a FROM t WHERE b = ? AND c = ?", out, "%s, literal %q", name, literal)
			}
		}
	})
}

// FuzzRedactSQLTokens makes statements of tokens whose redacted form is known.
func FuzzRedactSQLTokens(f *testing.F) {
	tokens := [...][2]string{
		{"SELECT", "SELECT"},
		{"t1", "t1"},
		{"a.b", "a.b"},
		{"(", "("},
		{")", ")"},
		{",", ","},
		{"=", "="},
		{"é2", "é2"},
		{"'x'", "?"},
		{"'it''s'", "?"},
		{"N'x'", "?"},
		{"E'\\''", "?"},
		{"q'[it's]'", "?"},
		{"x'0f'", "?"},
		{"''", "?"},
		{"1", "?"},
		{"0xFF", "?"},
		{"1.5e-3", "?"},
		{".5", "?"},
		{"1_000", "?"},
		{"/* 'it is' 1 */", " "},
		{"$1", "$1"},
		{"$$it's$$", "?"},
		{"$a$ $$ 1 $a$", "?"},
		{"@p1", "@p1"},
		{"::", "::"},
		{"<>", "<>"},
		{"NULL", "NULL"},
		{";\n", ";\n"},
	}
	f.Add([]byte{0, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28})
	f.Fuzz(func(t *testing.T, program []byte) {
		var in, want strings.Builder
		for _, b := range program {
			token := tokens[int(b)%len(tokens)]
			in.WriteString(token[0] + " ")
			want.WriteString(token[1] + " ")
		}
		for name, d := range map[string]dialect{"any": anySQL, "standard": standardSQL, "mysql": mysqlSQL} {
			require.Equal(t, want.String(), redactSQL(in.String(), d), "%s: %q", name, in.String())
		}
	})
}

// FuzzRedactURL checks what holds for any text: redacting twice is redacting once, text before the
// parameters stays but for the user information, and without values to keep none is left.
func FuzzRedactURL(f *testing.F) {
	for _, s := range []string{
		"https://u:p@h/a?x=1&sig=2#f=3", "//u@h", "u:p@h/x", "http://u:p/w@h/?a=b", "/a?b;c=d?e=f", "?&&=&a==b;#", "jdbc:x://u:p@h",
		"http://[::1]:80/@x", `http:\\u:p@h`, "a?%73ig=x&s+g=%zz", "http://REDACTED:REDACTED@h",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		all, err := NewRedactor(RedactURLQueryExcept())
		require.NoError(t, err)
		some, err := NewRedactor()
		require.NoError(t, err)
		for _, x := range []*Redactor{all, some} {
			for _, f := range []func(string) string{x.url, x.parameters} {
				out := f(s)
				require.Equal(t, out, f(out), "the second pass: %q", s)
				require.LessOrEqual(t, strings.Count(out, "&"), strings.Count(s, "&"))
			}
		}
		out := all.parameters(s)
		from, to := strings.Split(s, "&"), strings.Split(out, "&")
		require.Len(t, to, len(from), "%q became %q", s, out)
		for i := range to {
			name, value, found := strings.Cut(to[i], "=")
			if found && value != "" {
				require.Equal(t, redacted, value, "%q became %q", s, out)
			}
			require.True(t, strings.HasPrefix(from[i], name), "%q became %q", s, out)
		}
		if at := strings.Index(s, "@"); at < 0 {
			head, _, _ := strings.Cut(s, "?")
			head, _, _ = strings.Cut(head, "#")
			out := all.url(s)
			cutOff := strings.HasSuffix(s, head) && // by a limit, within what looks like a password
				(strings.HasSuffix(out, "/REDACTED:REDACTED") || strings.HasSuffix(out, `\REDACTED:REDACTED`))
			require.True(t, cutOff || strings.HasPrefix(out, head), "%q became %q", s, out)
		}
	})
}

var sqlCases = []struct {
	name    string
	dialect dialect
	in      string
	want    string
}{
	{"nothing to do", anySQL, "SELECT a, t1.b2 FROM table1 WHERE x = ? AND y IS NULL", "SELECT a, t1.b2 FROM table1 WHERE x = ? AND y IS NULL"},
	{"parameters", anySQL, "a = $1 AND b = :2 AND c=:name OR d = ?3 OR e=@p4", "a = $1 AND b = :2 AND c=:name OR d = ?3 OR e=@p4"},
	{"string", anySQL, "WHERE a = 'secret' AND b = 1", "WHERE a = ? AND b = ?"},
	{"doubled quote", anySQL, "WHERE a = 'it''s' AND b = 1", "WHERE a = ? AND b = ?"},
	{"empty string", anySQL, "WHERE a = '' AND b = 1", "WHERE a = ? AND b = ?"},
	{"adjacent strings", anySQL, "'a' 'b'\n'c'", "? ?\n?"},
	{"even backslashes", anySQL, `a = 'C:\\' AND b = 'x'`, "a = ? AND b = ?"},
	{"backslash before a quote", anySQL, `a = 'it\'s bob' AND b = 1`, "a = ?"},
	{"backslash before a quote, PostgreSQL", standardSQL, `a = 'C:\' AND b = 'bob'`, "a = ?"},
	{"escape string", anySQL, `a = E'it\'s' AND b = e'\\' AND c = 1`, "a = ? AND b = ? AND c = ?"},
	{"prefixes", anySQL, "N'a', n'b', x'0f', B'01', r'x', rb'x'", "?, ?, ?, ?, ?, ?"},
	{"other prefixes", anySQL, "DATE'2020-01-01', _utf8'x', U&'x'", "DATE?, _utf8?, U&?"},
	{"Oracle's quotes", anySQL, "q'[it's]', nq'{a}', Q'!it's!', q'(it's' bob", "?, ?, ?, ?"},
	{"Oracle's quotes, unterminated", anySQL, "SELECT q'", "SELECT ?"},
	{"Oracle's quotes, a letter behind", anySQL, "SELECT q'[a]'bob", "SELECT ?"},
	{"Oracle's quotes, a delimiter of several bytes", anySQL, "SELECT q'éaé', 1", "SELECT ?"},
	{"dollar quotes", anySQL, "$$it's$$, $a1$ $$ bob's $b$ $a1$, 1", "?, ?, ?"},
	{"dollar quotes, unterminated", anySQL, "SELECT $a$ bob $b$ x", "SELECT ?"},
	{"dollar quotes, a letter behind", anySQL, "SELECT $$a$$bob", "SELECT ?"},
	{"dollar names", anySQL, "a$b$c, $name, $", "a$b$c, $name, $"},
	{"unterminated", anySQL, "a = 1 AND b = 'bob AND c = 2", "a = ? AND b = ?"},
	{"unescaped", anySQL, "name = 'O'Brien' AND x = 1", "name = ?"},
	{"three quotes", anySQL, "a = '''x''' AND b = 1", "a = ? AND b = ?"},
	{"three quotes, two ways", anySQL, "a = '''it's bob''' AND b = 1", "a = ?"},
	{"three quotes, PostgreSQL", standardSQL, "a = '''it' AND b = 'x'", "a = ? AND b = ?"},
	{"double quotes", anySQL, `"a" = "b"`, "? = ?"},
	{"double quotes, PostgreSQL", standardSQL, `SELECT "a1", "b""c'" FROM "t" WHERE x='y'`, `SELECT "a1", "b""c'" FROM "t" WHERE x=?`},
	{"double quotes, PostgreSQL, unterminated", standardSQL, `SELECT "a, 1`, `SELECT ?`},
	{"double quotes, MySQL", mysqlSQL, `x = "it's" AND y = 1`, `x = ? AND y = ?`},
	{"backticks", anySQL, "SELECT `a1` FROM `t``2` WHERE b = 'x'", "SELECT `a1` FROM `t``2` WHERE b = ?"},
	{"backticks with a quote", anySQL, "SELECT `it's` WHERE b = 'x'", "SELECT ?"},
	{"backticks, unterminated", anySQL, "SELECT `bob", "SELECT ?"},
	{"backticks, PostgreSQL", standardSQL, "SELECT ` 'bob' `", "SELECT ` ? `"},
	{"brackets", sqlServer, "SELECT [it's 1], [a]]b'] FROM [t] WHERE a = 'x'", "SELECT [it's 1], [a]]b'] FROM [t] WHERE a = ?"},
	{"brackets, unterminated", sqlServer, "SELECT [bob", "SELECT ?"},
	{"brackets, unknown", anySQL, "SELECT [it's] FROM t WHERE n = 'bob' AND x = 1", "SELECT [it?"},
	{"brackets, two ways, comment", anySQL, "SELECT [a /* x] FROM t */ 'bob'", "SELECT [a ?"},
	{"brackets, two ways, dollars", anySQL, "SELECT [$$] FROM t WHERE a = 'x $$ bob'", "SELECT [?"},
	{"brackets, two ways, backtick", anySQL, "SELECT [`] FROM t WHERE a = 'x ` bob'", "SELECT [?"},
	{"brackets, two ways, Oracle's quotes", anySQL, "SELECT [q'!] FROM t WHERE a = !' bob", "SELECT [?"},
	{"arrays", anySQL, "ARRAY['a', 'b'], a[1:2]", "ARRAY[?, ?], a[?:?]"},
	{"numbers", anySQL, "1, 1.5, .5, 1e10, 1.5E-3, 2e+5, 0xFF, 0b11, 1_000, 10MB, 10.0.0.1", "?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?"},
	{"signs", anySQL, "(-5, +.5) a=-1 b-2 LIMIT -3", "(?, ?) a=? b-? LIMIT -?"},
	{"IN list", anySQL, "id IN (1, 2,'c')", "id IN (?, ?,?)"},
	{"UUID", anySQL, "id = 550e8400-e29b-41d4-a716-446655440000 OR id=e50e8400-e29b-41d4-a716-446655440000", "id = ? OR id=?"},
	{"no UUID", anySQL, "a1234567-b", "a1234567-b"},
	{"no UUID either", anySQL, "a1234567-b123_c234-d345-e456-f56789012345", "a1234567-b123_c234-d345-e456-f56789012345"},
	{"digits in names", anySQL, "t1.c2, _3, é4, a$5", "t1.c2, _3, é4, a$5"},
	{"not a parameter", anySQL, "$123456, $1.5, :123456, ?123456, 12:30, f():1", "?, ?, :?, ??, ?:?, f():?"},
	{"money", sqlServer, "$100, $1.5", "?, ?"},
	{"cast", anySQL, "'5'::int, a::text", "?::int, a::text"},
	{"JSON", anySQL, `{"age":42,"name":"bob","n" :7}`, "{?:?,?:?,? :?}"},
	{"JSON without quotes", anySQL, ` {age :1}`, " {age :?}"},
	{"line comment", anySQL, "SELECT 1 -- for bob's 'x'\nFROM t", "SELECT ?  \nFROM t"},
	{"line comment to the end", anySQL, "SELECT a --", "SELECT a  "},
	{"line comment without a space", anySQL, "SELECT 5--bob\n, 3", "SELECT ? \n, ?"},
	{"line comment without a space, PostgreSQL", standardSQL, "SELECT 5--it's\n, 3", "SELECT ? \n, ?"},
	{"line comment, two ways", anySQL, "SELECT 5--'a\n, bob'", "SELECT ??"},
	{"line comment, carriage return", anySQL, "SELECT a -- it's\rbob\n'x'", "SELECT a ?"},
	{"line comment, lines of Windows", anySQL, "SELECT a -- it's\r\n, 'x'", "SELECT a  \n, ?"},
	{"hash", mysqlSQL, "SELECT a # it's bob\n, 'x'", "SELECT a  \n, ?"},
	{"hash, unknown", anySQL, "SELECT a # bob\n, 1 # it's bob\n, 2", "SELECT a  \n, ? ?"},
	{"hash, PostgreSQL", standardSQL, "a #> '{b}'", "a #> ?"},
	{"hash, SQL Server", sqlServer, "SELECT a FROM #t WHERE b = 'x'", "SELECT a FROM #t WHERE b = ?"},
	{"comment", anySQL, "SELECT/* it's bob */1", "SELECT ?"},
	{"comment, unterminated", anySQL, "SELECT a /* bob", "SELECT a ?"},
	{"comment, nested", anySQL, "SELECT a /* /* */ 'bob */ x'", "SELECT a ?"},
	{"comment, nested by half", anySQL, "SELECT a /* /*/ bob", "SELECT a ?"},
	{"Redis", commands, "SET user:1 bob", "SET ?"},
	{"Redis, one word", commands, " PING ", " PING "},
}

func TestRedactSQL(t *testing.T) {
	t.Parallel()
	for _, tt := range sqlCases {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, tt.want, redactSQL(tt.in, tt.dialect), "input %q", tt.in)
		})
	}
}

func TestDialectOf(t *testing.T) {
	t.Parallel()
	for system, want := range map[string]dialect{
		"postgresql": standardSQL, "oracle": standardSQL, "mysql": mysqlSQL, "mssql": sqlServer,
		"microsoft.sql_server": sqlServer, "redis": commands, "sqlite": anySQL, "": anySQL,
	} {
		assert.Equal(t, want, dialectOf([]attribute.KeyValue{attribute.Int("a", 1), attribute.String("db.system", system)}), system)
		assert.Equal(t, want, dialectOf([]attribute.KeyValue{attribute.String("db.system.name", system)}), system)
	}
	assert.Equal(t, anySQL, dialectOf([]attribute.KeyValue{attribute.Int("db.system", 1)}))
}
