// SPDX-License-Identifier: Apache-2.0

package tracing

import (
	"strings"

	"go.opentelemetry.io/otel/attribute"
)

// dialect is what the kinds of database disagree on, as far as it moves the ends of literals.
type dialect uint8

const (
	anySQL      dialect = iota // unknown: whatever can be read in two ways is redacted to the end
	standardSQL                // "..." is a name; `, # and [ are operators
	mysqlSQL                   // "..." is a string, # begins a comment
	sqlServer                  // [...] is a name, $1 is money
	commands                   // no SQL: a command and its arguments
)

// dialectOf reads the kind of database from a span's attributes. The names are those of the semantic
// conventions, old and new.
func dialectOf(attrs []attribute.KeyValue) dialect {
	for i := range attrs {
		if k := attrs[i].Key; k != "db.system.name" && k != "db.system" {
			continue
		}
		switch attrs[i].Value.AsString() {
		case "postgresql", "cockroachdb", "aws.redshift", "redshift", "oracle.db", "oracle", "ibm.db2", "db2", "trino":
			return standardSQL
		case "mysql", "mariadb":
			return mysqlSQL
		case "microsoft.sql_server", "mssql":
			return sqlServer
		case "redis", "valkey", "memcached":
			return commands
		}
	}
	return anySQL
}

// maxParameterDigits is how many digits the number of a parameter has at most; drivers have 16 bits for it.
const maxParameterDigits = 5

// redactSQL replaces the literals in s by "?" and comments by a space. The result is never longer than s,
// and a second pass does not change it.
func redactSQL(s string, d dialect) string {
	if d == commands {
		return redactCommand(s)
	}
	l := sqlLexer{edit: edit{s: s}, dialect: d}
	for i := 0; i < len(s); {
		i = l.next(i)
	}
	return l.text()
}

// redactCommand keeps the first word.
func redactCommand(s string) string {
	start := 0
	for start < len(s) && space(s[start]) {
		start++
	}
	end := len(strings.TrimRight(s, " \t\r\n\v\f"))
	for i := start; i < end; i++ {
		if space(s[i]) {
			e := edit{s: s}
			e.replace(i, len(s), " ?")
			return e.text()
		}
	}
	return s
}

type sqlLexer struct {
	edit
	dialect dialect
	last    byte // the last byte that is neither space nor comment; '?' for a literal, 0 at the start
	bracket bool // a [ is open that may begin a name
	object  bool // the text begins with {: it is JSON
}

// next redacts the token at i and returns where the next one begins.
func (l *sqlLexer) next(i int) int {
	s := l.s
	c := s[i]
	switch {
	case space(c):
		return i + 1
	case c == '\'', c == '"' && l.dialect != standardSQL:
		return l.quoted(i, i, false)
	case c == '"', c == '`' && l.dialect != standardSQL:
		return l.name(i)
	case c == '-' && l.at(i+1) == '-':
		return l.lineComment(i, l.dialect == standardSQL || l.dialect == sqlServer || i+2 == len(s) || space(s[i+2]))
	case c == '#' && l.dialect != standardSQL && l.dialect != sqlServer:
		return l.lineComment(i, l.dialect == mysqlSQL)
	case c == '/' && l.at(i+1) == '*':
		return l.comment(i)
	case c == '$':
		return l.dollar(i)
	case c == ':':
		return l.colon(i)
	case c == '[' && l.dialect == sqlServer:
		return l.name(i)
	case l.uuid(i):
		return l.literal(i, i+len("00000000-0000-0000-0000-000000000000"))
	case digit(c), c == '.' && digit(l.at(i+1)):
		return l.number(i, i)
	case (c == '-' || c == '+') && l.operand() && (digit(l.at(i+1)) || l.at(i+1) == '.' && digit(l.at(i+2))):
		return l.number(i, i+1)
	case c == '?':
		operand := l.last != '?'
		l.last = '?'
		if n := l.parameterNumber(i + 1); n > 0 && operand && l.dialect != standardSQL {
			return i + 1 + n
		}
		return i + 1
	case wordByte(c):
		return l.word(i)
	}
	if c == '[' || c == ']' {
		l.bracket = c == '['
	}
	l.object = l.object || c == '{' && l.last == 0
	l.last = c
	return i + 1
}

// at returns the byte at i, or 0 behind the end.
func (l *sqlLexer) at(i int) byte {
	if i < len(l.s) {
		return l.s[i]
	}
	return 0
}

// operand says that a value must follow, so that a sign belongs to it.
func (l *sqlLexer) operand() bool { return l.last != 0 && strings.IndexByte("=<>(,[", l.last) >= 0 }

// literal replaces s[from:to].
func (l *sqlLexer) literal(from, to int) int {
	l.replace(from, to, "?")
	l.last = '?'
	return to
}

// cut redacts all from here on: where it ends is not certain.
func (l *sqlLexer) cut(from int) int { return l.literal(from, len(l.s)) }

// quoted redacts the string that opens with the quote at i, and what belongs to it from from on. escapes
// says that a backslash takes the character behind it along. Otherwise that depends on the database and
// its settings, and so does where a string ends whose quote has a backslash before it.
func (l *sqlLexer) quoted(from, i int, escapes bool) int {
	s, quote := l.s, l.s[i]
	j := i + 1
	for closed := false; !closed; {
		if j >= len(s) {
			return l.cut(from)
		}
		switch {
		case s[j] == '\\':
			if !escapes && l.at(j+1) == quote {
				return l.cut(from)
			}
			j += 2 // two backslashes are two characters or one, and the string goes on
		case s[j] == quote && l.at(j+1) == quote:
			j += 2
		default:
			closed = s[j] == quote
			j++
		}
	}
	if l.dialect == anySQL {
		if l.bracket && strings.IndexByte(s[i:j], ']') >= 0 { // [it's] is a name in some dialects
			return l.cut(from)
		}
		if triple := s[i : i+1]; strings.HasPrefix(s[i:], triple+triple+triple) && l.tripleEnd(i) != j {
			return l.cut(from)
		}
	}
	if wordByte(l.at(j)) { // 'O'Brien'
		return l.cut(from)
	}
	return l.literal(from, j)
}

// tripleEnd returns the end of a string in three quotes, as Spanner and BigQuery have it, or -1.
func (l *sqlLexer) tripleEnd(i int) int {
	end := strings.Index(l.s[i+3:], l.s[i:i+3])
	if end < 0 {
		return -1
	}
	return i + 3 + end + 3
}

// name keeps a quoted name. One in which another quote stands may be something else.
func (l *sqlLexer) name(i int) int {
	s, quote := l.s, l.s[i]
	if quote == '[' {
		quote = ']'
	}
	for j := i + 1; j < len(s); j++ {
		if s[j] != quote {
			continue
		}
		if l.at(j+1) == quote {
			j++
			continue
		}
		if quote == '`' && (l.openName() || strings.ContainsAny(s[i:j], `'"\`)) {
			break
		}
		l.last = quote
		return j + 1
	}
	return l.cut(i)
}

// lineComment redacts a comment that goes on to the end of the line. Where it is not certain that it is
// one, nothing in it may change what the next line is.
func (l *sqlLexer) lineComment(i int, certain bool) int {
	end := len(l.s)
	if n := strings.IndexByte(l.s[i:], '\n'); n >= 0 {
		end = i + n
	}
	line := strings.TrimSuffix(l.s[i:end], "\r")
	certain = certain && !l.openName() && strings.IndexByte(line, '\r') < 0
	if !certain && strings.ContainsAny(line, "'\"`$*[]") {
		return l.cut(i)
	}
	l.replace(i, end, " ")
	return end
}

// openName says that this may stand in a name in brackets, of which quotes and comments are no end.
func (l *sqlLexer) openName() bool { return l.bracket && l.dialect == anySQL }

// comment redacts a comment in /* and */. Only some dialects nest them.
func (l *sqlLexer) comment(i int) int {
	end := strings.Index(l.s[i+2:], "*/")
	if end < 0 || l.openName() || strings.Contains(l.s[i+2:i+2+end+1], "/*") {
		return l.cut(i)
	}
	end += i + 2 + 2
	l.replace(i, end, " ")
	return end
}

// dollar is for $1 and $name, which stay, for $tag$...$tag$ and for money.
func (l *sqlLexer) dollar(i int) int {
	if digit(l.at(i + 1)) {
		if n := l.parameterNumber(i + 1); n > 0 && l.dialect != sqlServer {
			l.last = '$'
			return i + 1 + n
		}
		return l.number(i, i+1)
	}
	j := i + 1
	for j < len(l.s) && wordByte(l.s[j]) {
		j++
	}
	l.last = '$'
	if l.at(j) != '$' {
		return j
	}
	j++
	end := strings.Index(l.s[j:], l.s[i:j])
	if end < 0 {
		return l.cut(i)
	}
	end += j + (j - i)
	if wordByte(l.at(end)) || l.openName() {
		return l.cut(i)
	}
	return l.literal(i, end)
}

// colon is for :1, which stays where a value can stand: in 12:30, a[1:2] and {"a":1} it is no parameter.
func (l *sqlLexer) colon(i int) int {
	value := strings.IndexByte("?$)]}`\"", l.last) >= 0 || i > 0 && wordByte(l.s[i-1]) || l.object
	l.last = ':'
	if l.at(i+1) == ':' { // a cast
		return i + 2
	}
	if n := l.parameterNumber(i + 1); n > 0 && !value {
		l.last = '$'
		return i + 1 + n
	}
	return i + 1
}

// parameterNumber returns how many digits at i are the number of a parameter; 0 says it is none.
func (l *sqlLexer) parameterNumber(i int) int {
	n := 0
	for digit(l.at(i + n)) {
		n++
	}
	if c := l.at(i + n); n > maxParameterDigits || wordByte(c) || c == '.' {
		return 0
	}
	return n
}

// number redacts the number whose digits begin at i, with its sign, its unit and all letters that follow.
func (l *sqlLexer) number(from, i int) int {
	s := l.s
	hexadecimal := s[i] == '0' && lower(l.at(i+1)) == 'x'
	j := i
	for j < len(s) {
		c := s[j]
		exponent := (c == '-' || c == '+') && j > i && lower(s[j-1]) == 'e' && !hexadecimal && digit(l.at(j+1))
		if !wordByte(c) && c != '.' && !exponent {
			break
		}
		j++
	}
	return l.literal(from, j)
}

// word keeps a keyword, a name or the name of a parameter, and redacts a string that it is the prefix of.
func (l *sqlLexer) word(i int) int {
	s := l.s
	j := i
	for j < len(s) && (wordByte(s[j]) || s[j] == '$') {
		j++
	}
	l.last = 'a'
	if q := l.at(j); q != '\'' && (q != '"' || l.dialect == standardSQL) || j-i > 2 {
		return j
	}
	switch w := s[i:j]; {
	case foldEqual(w, "e"):
		return l.quoted(i, j, true)
	case foldEqual(w, "n"), foldEqual(w, "x"), foldEqual(w, "b"), foldEqual(w, "r"), foldEqual(w, "rb"), foldEqual(w, "br"):
		return l.quoted(i, j, false)
	case foldEqual(w, "q"), foldEqual(w, "nq"):
		return l.delimited(i, j+1)
	}
	return j
}

// delimited redacts Oracle's q'[...]', whose delimiter stands at i.
func (l *sqlLexer) delimited(from, i int) int {
	c := l.at(i)
	if c == 0 || c >= 0x80 {
		return l.cut(from)
	}
	if n := strings.IndexByte("[{(<", c); n >= 0 {
		c = "]})>"[n]
	}
	end := strings.Index(l.s[i+1:], string([]byte{c, l.s[i-1]}))
	if end < 0 {
		return l.cut(from)
	}
	end += i + 1 + 2
	if wordByte(l.at(end)) || l.openName() {
		return l.cut(from)
	}
	return l.literal(from, end)
}

// uuid says whether an unquoted UUID begins at i, as Cassandra has it.
func (l *sqlLexer) uuid(i int) bool {
	const form = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"
	if l.at(i+8) != '-' || len(l.s)-i < len(form) {
		return false
	}
	for n := range len(form) {
		if c := l.s[i+n]; form[n] == '-' && c != '-' || form[n] == 'x' && !hexDigit(c) {
			return false
		}
	}
	return !wordByte(l.at(i + len(form)))
}

func space(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' }

// wordByte says whether c may stand in a name; bytes of other than ASCII letters do.
func wordByte(c byte) bool {
	return 'a' <= lower(c) && lower(c) <= 'z' || digit(c) || c == '_' || c >= 0x80
}
