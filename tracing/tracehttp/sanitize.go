// SPDX-License-Identifier: Apache-2.0

package tracehttp

import (
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxValueLen bounds each attribute value that comes from the network, in bytes. Package
// documentation names it.
const maxValueLen = 1024

// redacted stands for a secret value; the semantic conventions of url.query name it.
const redacted = "REDACTED"

// limit returns s as valid UTF-8 of at most maxValueLen bytes. What it cuts it copies, so that a span
// does not keep a header of a megabyte alive.
func limit(s string) string {
	if len(s) > maxValueLen {
		s = strings.Clone(cut(s))
	}
	if utf8.ValidString(s) {
		return s
	}
	// A replacement is longer than the byte it replaces.
	return cut(strings.ToValidUTF8(s, string(utf8.RuneError)))
}

// limitPiece is limit for a piece of a longer string, of which it copies the piece if the whole is long:
// a span with a short path must not keep a request line of a megabyte alive.
func limitPiece(piece, whole string) string {
	if len(whole) > maxValueLen && len(piece) <= maxValueLen {
		piece = strings.Clone(piece)
	}
	return limit(piece)
}

// cut shortens s to at most maxValueLen bytes, at the start of a rune where there is one near.
func cut(s string) string {
	if len(s) <= maxValueLen {
		return s
	}
	n := maxValueLen
	for n > maxValueLen-utf8.UTFMax && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// redactQuery replaces the values of secret parameters. Without any it returns query itself.
// Names are compared as they stand: the conventions ask for case-sensitive comparison.
func redactQuery(query string) string {
	var b strings.Builder
	done := 0 // query[:done] is in b
	for i := 0; i < len(query); {
		end := len(query)
		if n := strings.IndexByte(query[i:], '&'); n >= 0 {
			end = i + n
		}
		if name, value, _ := strings.Cut(query[i:end], "="); value != "" && secretParameter(name) {
			b.WriteString(query[done : i+len(name)+len("=")])
			b.WriteString(redacted)
			done = end
		}
		i = end + len("&")
	}
	if done == 0 {
		return query
	}
	b.WriteString(query[done:])
	return b.String()
}

// secretParameter lists what the semantic conventions of url.query have listed so far, in any of
// their versions: the list shrank and grew.
func secretParameter(name string) bool {
	switch name {
	case "AWSAccessKeyId", "Signature", "sig",
		"X-Amz-Credential", "X-Amz-Security-Token", "X-Amz-Signature", "X-Goog-Signature":
		return true
	}
	return false
}

// fullURL returns u without user information and without the values of secret parameters.
func fullURL(u *url.URL) string {
	query := redactQuery(u.RawQuery)
	if u.User == nil && u.Opaque == "" && query == u.RawQuery {
		return limit(u.String())
	}
	c := *u
	c.User = nil
	c.RawQuery = query
	if c.Host != "" {
		c.Opaque = "" // it may hold what User and RawQuery usually hold
	}
	return limit(c.String())
}

// splitHostPort splits the value of a Host header or of RemoteAddr. It takes what net.SplitHostPort
// refuses: no port, a bare IPv6 address, nonsense. port is 0 where there is none in 1 to 65535.
func splitHostPort(s string) (host string, port int) {
	colon := strings.LastIndexByte(s, ':')
	if strings.HasPrefix(s, "[") {
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return s, 0
		}
		host = s[1:end]
		if colon != end+1 {
			return host, 0
		}
	} else {
		if colon < 0 || strings.IndexByte(s, ':') != colon {
			return s, 0
		}
		host = s[:colon]
	}
	n, err := strconv.ParseUint(s[colon+1:], 10, 16)
	if err != nil {
		return host, 0
	}
	return host, int(n)
}

// firstElement returns the first element of a comma-separated header value, limited.
func firstElement(value string) string {
	first, _, _ := strings.Cut(value, ",")
	return limitPiece(strings.TrimSpace(first), value)
}

// route returns the path of a pattern "[METHOD ][HOST]/[PATH]" of net/http's ServeMux.
func route(pattern string) string {
	if i := strings.IndexAny(pattern, " \t"); i >= 0 {
		pattern = strings.TrimLeft(pattern[i+1:], " \t")
	}
	if i := strings.IndexByte(pattern, '/'); i > 0 {
		pattern = pattern[i:]
	}
	return pattern
}
