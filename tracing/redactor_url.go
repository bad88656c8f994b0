// SPDX-License-Identifier: Apache-2.0

package tracing

import (
	"slices"
	"strings"
)

// url redacts user information and parameters of a URL, absolute or not. It does not parse it: what it
// does not redact stays byte for byte, and what is no URL is searched for the same marks.
func (x *Redactor) url(s string) string {
	e := edit{s: s}
	from, to := userinfo(s)
	if from < to {
		e.replace(from, to, redacted+":"+redacted)
	}
	query := strings.IndexAny(s[to:], "?#")
	if query < 0 {
		return e.text()
	}
	query += to
	fragment := strings.IndexByte(s[query:], '#')
	if fragment < 0 {
		x.pairs(&e, query+1, len(s))
		return e.text()
	}
	fragment += query
	if query < fragment {
		x.pairs(&e, query+1, fragment)
	}
	x.pairs(&e, fragment+1, len(s))
	return e.text()
}

// userinfo returns where the user information of a URL stands, without the @. from == to says that there
// is none; the path and the query are behind to.
func userinfo(s string) (from, to int) {
	head := s
	if i := strings.IndexAny(s, "?#"); i >= 0 {
		head = s[:i]
	}
	slashes := 0
	if i := schemeEnd(head); i > 0 {
		from, slashes = i, 2 // a scheme with one slash, or with backslashes: browsers take it
	}
	for from < len(head) && slash(head[from]) {
		from++
		slashes++
	}
	if slashes == 1 { // a path
		return 0, 0
	}
	end := from
	for end < len(head) && !slash(head[end]) {
		end++
	}
	if at := strings.LastIndexByte(s[from:end], '@'); at >= 0 {
		return from, from + at
	}
	// A password with an unencoded slash or question mark: what stands behind the colon is no port.
	if at := strings.LastIndexByte(s[end:], '@'); at >= 0 && !hostPort(s[from:end]) {
		return from, end + at
	}
	// No @ at all, and no port: the limit of the value's length may have cut it off, within a password.
	if slashes > 1 && end == len(s) && !hostPort(s[from:end]) {
		return from, end
	}
	return from, from
}

func slash(c byte) bool { return c == '/' || c == '\\' }

// schemeEnd returns where the slashes behind a scheme begin, or 0.
func schemeEnd(s string) int {
	for i := 1; i < len(s); i++ {
		if slash(s[i]) && s[i-1] == ':' {
			return i
		}
	}
	return 0
}

// hostPort says whether s may be a host with or without a port.
func hostPort(s string) bool {
	if strings.HasPrefix(s, "[") {
		_, s, _ = strings.Cut(s, "]")
	}
	_, port, found := strings.Cut(s, ":")
	if !found {
		return true
	}
	for i := range len(port) {
		if !digit(port[i]) {
			return false
		}
	}
	return 0 < len(port) && len(port) <= 5
}

// parameters redacts a query or a fragment that stands alone.
func (x *Redactor) parameters(s string) string {
	e := edit{s: s}
	x.pairs(&e, 0, len(s))
	return e.text()
}

// pairs redacts the parameters in e.s[from:to].
func (x *Redactor) pairs(e *edit, from, to int) {
	for from < to {
		end := to
		if i := strings.IndexByte(e.s[from:to], '&'); i >= 0 {
			end = from + i
		}
		x.pair(e, from, end)
		from = end + 1
	}
}

// pair redacts e.s[from:to], which has no &. Some servers part parameters at a semicolon too, and a
// question mark begins the query of a URL in a value or in a fragment: a name behind one counts. The
// value of a secret name goes on to the end all the same, because it may hold these characters.
func (x *Redactor) pair(e *edit, from, to int) {
	for from < to {
		end := to
		if i := strings.IndexAny(e.s[from:to], ";?"); i >= 0 {
			end = from + i
		}
		if i := strings.IndexByte(e.s[from:end], '='); i >= 0 && from+i+1 < to && x.secret(e.s[from:from+i]) {
			e.replace(from+i+1, to, redacted)
			return
		}
		from = end + 1
	}
}

// secret says whether the value of the URL parameter of this name is redacted.
func (x *Redactor) secret(name string) bool {
	if x.keepers && !slices.Contains(x.keep, name) {
		return true
	}
	if x.listed(name) {
		return true
	}
	return strings.ContainsAny(name, "%+") && x.listed(unescape(name))
}

func (x *Redactor) listed(name string) bool {
	for i := range x.query {
		if x.query[i].match(name) {
			return true
		}
	}
	return false
}

// unescape percent-decodes s and, unlike package net/url, leaves what is malformed as it is.
func unescape(s string) string {
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '+':
			c = ' '
		case c == '%' && i+2 < len(s) && hexDigit(s[i+1]) && hexDigit(s[i+2]):
			c = hexValue(s[i+1])<<4 | hexValue(s[i+2])
			i += 2
		}
		b = append(b, c)
	}
	return string(b)
}

func digit(c byte) bool { return '0' <= c && c <= '9' }

func hexDigit(c byte) bool { return digit(c) || 'a' <= lower(c) && lower(c) <= 'f' }

func hexValue(c byte) byte {
	if digit(c) {
		return c - '0'
	}
	return lower(c) - 'a' + 10
}
