// SPDX-License-Identifier: Apache-2.0

package tracing

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"go.opentelemetry.io/otel/attribute"
)

// redacted stands for what a [Redactor] takes out; the semantic conventions of url.full name it.
const redacted = "REDACTED"

// Redactor is a [Processor] that takes secrets out of spans before anything of them is queued: from the
// attributes of the span, of its events and of its links, and, for [RedactValues], also from the span's
// name, its status description and the names of its events. Spans that the provider ends itself pass it too.
//
// It works in OnEnding. What a processor behind it writes in its own OnEnding is not covered: give it to
// [WithProcessor] last. Resources, scopes, span contexts and trace states are left as they are, because
// all spans share them or they are sent in headers.
//
// A Redactor never writes to a slice or a map that it was given: it makes new values. It allocates where
// it replaces something, and where an attribute that it must look into is a slice, a map or bytes. The
// keys of all attributes are compared with the globs; regular expressions run over all strings and are
// what costs. It is immutable, safe for concurrent use, and may serve several providers. The zero value
// redacts nothing: use [NewRedactor].
type Redactor struct {
	exact   [][]string // keys without wildcards, by length
	globs   []glob
	query   []glob   // names of URL parameters
	keep    []string // with keepers, the only names whose values stay
	keepers bool
	sql     bool
	values  []*regexp.Regexp
}

var _ Processor = (*Redactor)(nil)

// RedactorOption sets up a [Redactor]. Options add to each other, and to what every redactor does; none
// takes anything away. A nil one is an error of [NewRedactor].
type RedactorOption interface{ apply(*redactorConfig) }

type redactorOptionFunc func(*redactorConfig)

func (f redactorOptionFunc) apply(c *redactorConfig) { f(c) }

type redactorConfig struct {
	redactor Redactor
	errs     []error
}

func (c *redactorConfig) fail(format string, args ...any) {
	c.errs = append(c.errs, fmt.Errorf("tracing: "+format, args...))
}

// Ready patterns for [RedactValues]. They find what usually looks like this, no more: an address in
// quotes, or a card number in groups of three, passes.
const (
	// PatternEmail matches e-mail addresses, also those with a percent-encoded @. It takes the user
	// information of a URL and its host for one.
	PatternEmail = `[A-Za-z0-9._%+'-]+(?:@|%40)[A-Za-z0-9.-]+\.[A-Za-z]{2,}`
	// PatternCardNumber matches payment card numbers of 13 to 19 digits that begin with 2 to 6, in one
	// piece or in groups parted by a space or a hyphen. It does not compute check digits: other numbers
	// of that length match too.
	PatternCardNumber = `\b(?:[2-6]\d{3}[ -]?\d{4}[ -]?\d{4}[ -]?\d{1,4}(?:[ -]?\d{1,3})?|3[47]\d\d[ -]?\d{6}[ -]?\d{5})\b`
	// PatternBearerToken matches the word Bearer, or Basic, and the credentials behind it (RFC 6750, RFC 7617).
	PatternBearerToken = `(?i)\b(?:bearer|basic)[ \t]+[A-Za-z0-9._~+/-]+=*`
	// PatternJWT matches JSON web tokens (RFC 7519), signed or not.
	PatternJWT = `\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*){0,3}`
)

// credentialKeys are keys that hold credentials in every program: headers and gRPC metadata. The
// semantic conventions once wrote hyphens as underscores.
var credentialKeys = [...]string{
	"*.header.authorization", "*.header.proxy?authorization", "*.header.cookie", "*.header.set?cookie", "*.header.x?api?key",
	"*.metadata.authorization", "*.metadata.proxy?authorization", "*.metadata.cookie", "*.metadata.set?cookie", "*.metadata.x?api?key",
}

// signatureNames are the parameters of signed URLs: those that the semantic conventions of url.full
// list, in any of their versions.
var signatureNames = [...]string{
	"AWSAccessKeyId", "Signature", "sig",
	"X-Amz-Credential", "X-Amz-Security-Token", "X-Amz-Signature", "X-Goog-Signature",
}

// NewRedactor makes a redactor. Without options it takes out what no backend should ever see:
//
//   - values of the headers Authorization, Proxy-Authorization, Cookie, Set-Cookie and X-Api-Key, in
//     attributes whose key ends in .header.<name> or .metadata.<name>;
//   - user information in URLs, which becomes REDACTED:REDACTED, in the attributes that [RedactURLQuery]
//     lists;
//   - values of the URL parameters that sign URLs: AWSAccessKeyId, Signature, sig, X-Amz-Credential,
//     X-Amz-Security-Token, X-Amz-Signature, X-Goog-Signature.
//
// Options add to it: [RedactKeys], [RedactURLQuery], [RedactURLQueryExcept], [RedactSQL], [RedactValues].
// An option that cannot be followed is an error that names it. An attribute whose key says redact is not
// looked at any further; otherwise URLs and SQL come first and value patterns see what is left. Limits
// come before all: of a text that [SpanLimits] has cut in its midst a pattern may not match the rest.
func NewRedactor(opts ...RedactorOption) (*Redactor, error) {
	var c redactorConfig
	for _, k := range credentialKeys {
		c.redactor.addKey(k)
	}
	for _, n := range signatureNames {
		c.redactor.query = append(c.redactor.query, newGlob(n))
	}
	for i, o := range opts {
		if o == nil {
			c.fail("NewRedactor: opts[%d] is nil", i)
			continue
		}
		o.apply(&c)
	}
	if err := errors.Join(c.errs...); err != nil {
		return nil, err
	}
	return &c.redactor, nil
}

// RedactKeys redacts the attributes whose key matches one of globs: their value becomes the string
// REDACTED, whatever its type was. In a glob * stands for any text, dots included, ? for one character,
// anything else for itself; it is compared with the whole key, and case does not matter in ASCII letters,
// so "http.request.header.x-secret" finds X-Secret too. In a value that is a map the keys of its entries
// are compared as well, alone ("password") and with what they stand in ("user.password"). No glob at all
// and an empty one are errors.
func RedactKeys(globs ...string) RedactorOption {
	return redactorOptionFunc(func(c *redactorConfig) {
		if c.allGiven("RedactKeys", "glob", globs) {
			for _, g := range globs {
				c.redactor.addKey(g)
			}
		}
	})
}

// RedactURLQuery redacts the values of the URL parameters whose name matches one of globs (as in
// [RedactKeys]; "*" is all), in these attributes: url.full, url.query, url.fragment, url.original,
// http.url, http.target, each that ends in .url.full, and the headers Referer, Location and
// Content-Location (.header.referer and so on). Parameters stand in the query and, as OAuth may have it,
// in the fragment. Names are compared as they stand and percent-decoded. All else in the URL stays byte
// for byte, names without a value too. No glob at all and an empty one are errors.
func RedactURLQuery(globs ...string) RedactorOption {
	return redactorOptionFunc(func(c *redactorConfig) {
		if c.allGiven("RedactURLQuery", "glob", globs) {
			for _, g := range globs {
				c.redactor.query = append(c.redactor.query, newGlob(g))
			}
		}
	})
}

// RedactURLQueryExcept redacts the values of all URL parameters but those named, which are compared
// exactly as they stand in the URL. Where, see [RedactURLQuery], which wins where both name a parameter.
// Without names all values are redacted; an empty name is an error.
func RedactURLQueryExcept(names ...string) RedactorOption {
	return redactorOptionFunc(func(c *redactorConfig) {
		if len(names) > 0 && !c.allGiven("RedactURLQueryExcept", "name", names) {
			return
		}
		c.redactor.keepers = true
		c.redactor.keep = append(c.redactor.keep, names...)
	})
}

// RedactSQL replaces the literals in the attributes db.query.text and db.statement by "?", and redacts
// those that hold parameters, db.query.parameter.* and db.operation.parameter.*. Literals are strings and
// numbers in all their notations, and unquoted UUIDs. Names, keywords, TRUE, FALSE, NULL and parameters
// (?, $1, :1, :name, @p1) stay; comments become a space, whatever they hold.
//
// Dialects disagree on where a string ends, so the attribute db.system.name (or db.system) is looked at.
// Text in double quotes stays, as a name, only for systems where it is never a string: PostgreSQL,
// CockroachDB, Redshift, Oracle, DB2, Trino; elsewhere, and where the system is not known, it is a string.
// Where a text can be read in two ways (a backslash before a quote, nested comments, a quote that nothing
// closes, a letter right behind a string), the rest of it is redacted. Of the commands of Redis, Valkey
// and Memcached the first word stays.
func RedactSQL() RedactorOption {
	return redactorOptionFunc(func(c *redactorConfig) { c.redactor.sql = true })
}

// RedactValues replaces what patterns, regular expressions of package regexp, match by REDACTED: in
// strings and bytes, alone or in slices and maps, of attributes; in the span's name, its status
// description and its events' names. It does not look at numbers. Ready ones are [PatternEmail],
// [PatternCardNumber], [PatternBearerToken] and [PatternJWT]. They run in the order given, one after the
// other, over each string, on the goroutine that ends the span; one that begins with a literal text costs
// least. No pattern at all, one that does not compile, and one that matches the empty string are errors.
func RedactValues(patterns ...string) RedactorOption {
	return redactorOptionFunc(func(c *redactorConfig) {
		if len(patterns) == 0 {
			c.fail("RedactValues: no pattern")
		}
		for _, p := range patterns {
			re, err := regexp.Compile(p)
			switch {
			case err != nil:
				c.fail("RedactValues: pattern %q: %w", p, err)
			case re.MatchString(""):
				c.fail("RedactValues: pattern %q matches the empty string", p)
			default:
				c.redactor.values = append(c.redactor.values, re)
			}
		}
	})
}

// allGiven checks the arguments of an option: at least one, and none that is empty.
func (c *redactorConfig) allGiven(option, what string, args []string) bool {
	if len(args) == 0 {
		c.fail("%s: no %s", option, what)
		return false
	}
	for i, a := range args {
		if a == "" {
			c.fail("%s: %s %d is empty", option, what, i)
			return false
		}
	}
	return true
}

// OnStart does nothing.
func (x *Redactor) OnStart(context.Context, *Span) {}

// OnEnding redacts what the span has recorded.
func (x *Redactor) OnEnding(s *Span) {
	if r := s.hold(); r != nil {
		defer s.mu.Unlock()
		x.record(r)
	}
}

// OnEnd does nothing.
func (x *Redactor) OnEnd(*SpanData) {}

// ForceFlush does nothing and returns nil.
func (x *Redactor) ForceFlush(context.Context) error { return nil }

// Shutdown does nothing and returns nil: spans that end later are redacted too.
func (x *Redactor) Shutdown(context.Context) error { return nil }

// record redacts r. Needs the span's lock.
func (x *Redactor) record(r *record) {
	var d dialect
	if x.sql {
		d = dialectOf(r.attrs)
	}
	r.name = x.patterns(r.name) // its length counts when the span is finished
	description := x.patterns(r.statusDesc)
	r.size += len(description) - len(r.statusDesc)
	r.statusDesc = description
	r.size += x.attributes(r.attrs, d)
	if r.extra == nil {
		return
	}
	for i := range r.extra.events {
		e := &r.extra.events[i]
		name := x.patterns(e.Name)
		r.size += len(name) - len(e.Name)
		e.Name = name
		r.size += x.attributes(e.Attributes, d)
	}
	for i := range r.extra.links {
		r.size += x.attributes(r.extra.links[i].Attributes, d)
	}
}

// attributes redacts kvs, which the record owns, in place, and returns by how many bytes they grew.
func (x *Redactor) attributes(kvs []attribute.KeyValue, d dialect) (grown int) {
	for i := range kvs {
		kv := &kvs[i]
		var v attribute.Value
		var changed bool
		if x.matches(string(kv.Key)) {
			v, changed = hide(kv.Value)
		} else {
			v, changed = x.value(string(kv.Key), kv.Value, d)
		}
		if changed {
			grown -= attributeSize(kv)
			kv.Value = v
			grown += attributeSize(kv)
		}
	}
	return grown
}

// hide returns what stands for v, and whether that is another value.
func hide(v attribute.Value) (attribute.Value, bool) {
	if v.Type() == attribute.STRING && v.AsString() == redacted {
		return v, false
	}
	return attribute.StringValue(redacted), true
}

// value redacts v, the value of an attribute of this key, and says whether that changed it.
func (x *Redactor) value(key string, v attribute.Value, d dialect) (attribute.Value, bool) {
	t := v.Type()
	switch t {
	case attribute.STRING:
		before := v.AsString()
		after := x.text(x.contentOf(key), before, d)
		if after != before {
			return attribute.StringValue(after), true
		}
		return v, false
	case attribute.STRINGSLICE, attribute.BYTESLICE, attribute.SLICE, attribute.MAP:
	default:
		return v, false
	}
	content := x.contentOf(key)
	if t != attribute.MAP && t != attribute.SLICE && content == plain && len(x.values) == 0 {
		return v, false
	}
	changed := false
	switch t {
	case attribute.STRINGSLICE:
		list := v.AsStringSlice() // a copy
		for i, before := range list {
			list[i] = x.text(content, before, d)
			changed = changed || list[i] != before
		}
		if changed {
			v = attribute.StringSliceValue(list)
		}
	case attribute.BYTESLICE:
		before := string(v.AsByteSlice())
		if after := x.text(content, before, d); after != before {
			v, changed = attribute.ByteSliceValue([]byte(after)), true
		}
	case attribute.SLICE:
		list := v.AsSlice() // a copy
		for i := range list {
			var hit bool
			list[i], hit = x.value(key, list[i], d)
			changed = changed || hit
		}
		if changed {
			v = attribute.SliceValue(list...)
		}
	case attribute.MAP:
		entries := v.AsMap() // a copy
		for i := range entries {
			e := &entries[i]
			path := key + "." + string(e.Key)
			var hit bool
			if x.matches(string(e.Key)) || x.matches(path) {
				e.Value, hit = hide(e.Value)
			} else {
				e.Value, hit = x.value(path, e.Value, d)
			}
			changed = changed || hit
		}
		if changed {
			v = attribute.MapValue(entries...)
		}
	}
	return v, changed
}

// content is what the text in an attribute is, as its key says.
type content uint8

const (
	plain content = iota
	urlText
	parameters
	sqlText
)

func (x *Redactor) contentOf(key string) content {
	switch key {
	case "url.full", "url.original", "http.url", "http.target", "messaging.url", "db.connection_string":
		return urlText
	case "url.query", "url.fragment":
		return parameters
	case "db.query.text", "db.statement":
		if x.sql {
			return sqlText
		}
		return plain
	}
	switch {
	case strings.HasSuffix(key, ".url.full"),
		strings.HasSuffix(key, ".header.referer"),
		strings.HasSuffix(key, "location") && (strings.HasSuffix(key, ".header.location") || strings.HasSuffix(key, ".header.content-location")):
		return urlText
	}
	return plain
}

func (x *Redactor) text(c content, s string, d dialect) string {
	switch c {
	case urlText:
		s = x.url(s)
	case parameters:
		s = x.parameters(s)
	case sqlText:
		s = redactSQL(s, d)
	}
	return x.patterns(s)
}

// patterns replaces what the value patterns match in s.
func (x *Redactor) patterns(s string) string {
	for _, re := range x.values {
		if !re.MatchString(s) { // allocates nothing
			continue
		}
		e := edit{s: s}
		for _, at := range re.FindAllStringIndex(s, -1) {
			if at[0] < at[1] { // a pattern such as \b matches between the characters
				e.replace(at[0], at[1], redacted)
			}
		}
		s = e.text()
	}
	return s
}

// edit is a text in which parts are replaced from left to right. It allocates at the first one that
// differs from what it replaces.
type edit struct {
	s       string
	b       strings.Builder
	done    int // s[:done] is in b
	changed bool
}

func (e *edit) replace(from, to int, with string) {
	if e.s[from:to] == with {
		return
	}
	if !e.changed {
		e.b.Grow(len(e.s))
		e.changed = true
	}
	e.b.WriteString(e.s[e.done:from])
	e.b.WriteString(with)
	e.done = to
}

func (e *edit) text() string {
	if !e.changed {
		return e.s
	}
	e.b.WriteString(e.s[e.done:])
	return e.b.String()
}
