// SPDX-License-Identifier: Apache-2.0

package tracing

import (
	"strings"
	"unicode/utf8"
)

// addKey adds a glob for attribute keys.
func (x *Redactor) addKey(pattern string) {
	if strings.ContainsAny(pattern, "*?") {
		x.globs = append(x.globs, newGlob(pattern))
		return
	}
	for len(x.exact) <= len(pattern) {
		x.exact = append(x.exact, nil)
	}
	x.exact[len(pattern)] = append(x.exact[len(pattern)], pattern)
}

// matches says whether an attribute of this key is redacted.
func (x *Redactor) matches(key string) bool {
	if len(key) < len(x.exact) {
		for _, k := range x.exact[len(key)] {
			if foldEqual(k, key) {
				return true
			}
		}
	}
	for i := range x.globs {
		if x.globs[i].match(key) {
			return true
		}
	}
	return x.sql && (strings.HasPrefix(key, "db.query.parameter.") || strings.HasPrefix(key, "db.operation.parameter."))
}

// glob is a pattern with the wildcards * and ?, taken apart so that most texts fail at its literal ends.
type glob struct {
	prefix string // up to the first wildcard
	middle string // from there to the last; "" where there is none, and prefix is all
	suffix string
}

func newGlob(pattern string) glob {
	first := strings.IndexAny(pattern, "*?")
	if first < 0 {
		return glob{prefix: pattern}
	}
	last := strings.LastIndexAny(pattern, "*?")
	return glob{prefix: pattern[:first], middle: pattern[first : last+1], suffix: pattern[last+1:]}
}

func (g *glob) match(s string) bool {
	if g.middle == "" {
		return foldEqual(g.prefix, s)
	}
	if len(s) < len(g.prefix)+len(g.suffix) {
		return false
	}
	end := len(s) - len(g.suffix)
	return foldEqual(g.suffix, s[end:]) && foldEqual(g.prefix, s[:len(g.prefix)]) &&
		(g.middle == "*" || matchWildcards(g.middle, s[len(g.prefix):end]))
}

// matchWildcards goes back to the last * only: what an earlier one could take, the last can take too.
func matchWildcards(pattern, s string) bool {
	p, i := 0, 0
	star, from := -1, 0 // where the last * stands, and where the text that it leaves to the rest begins
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, from = p, i
			p++
		case p < len(pattern) && pattern[p] == '?':
			_, n := utf8.DecodeRuneInString(s[i:])
			p++
			i += n
		case p < len(pattern) && lower(pattern[p]) == lower(s[i]):
			p++
			i++
		case star >= 0:
			_, n := utf8.DecodeRuneInString(s[from:])
			from += n
			p, i = star+1, from
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// foldEqual compares without regard to case in ASCII letters. It begins at the end, where keys that share a
// namespace differ.
func foldEqual(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := len(a) - 1; i >= 0; i-- {
		if a[i] != b[i] && lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
