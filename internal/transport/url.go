// SPDX-License-Identifier: Apache-2.0

package transport

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// ParseURL parses the URL of a backend: http or https, with a host, with a port from 1 to 65535 or none, and
// without white space around it. Its errors name the URL without user information and query, and show
// example, which is one that is right.
func ParseURL(raw, example string) (*url.URL, error) {
	u, err := url.Parse(raw)
	shown := Redact(raw)
	switch {
	case strings.TrimSpace(raw) != raw:
		shown = Redact(strings.TrimSpace(raw))
		err = errors.New("white space before or after it")
	case err != nil && !strings.Contains(raw, "://"):
		err = errScheme // whatever net/url makes of it
	case err != nil:
		var parse *url.Error
		if errors.As(err, &parse) {
			err = parse.Err // the outer text repeats the URL as it is
		}
		if strings.Contains(raw, "@") && strings.Contains(err.Error(), `"`) { // it quotes what may be a password
			err = errUserInformation
		}
	case u.Scheme != "http" && u.Scheme != "https":
		err = errScheme
	case u.Hostname() == "":
		err = errors.New("no host")
	case !validPort(u.Port()) && strings.Contains(u.Path, "@"): // host and port may be a user and a password
		shown, err = cutUserInformation(raw), errUserInformation
	case !validPort(u.Port()):
		err = fmt.Errorf("port %s is not from 1 to 65535", u.Port())
	default:
		return u, nil
	}
	return nil, fmt.Errorf("url %q: %w; want one like %s", shown, err, example)
}

var (
	errScheme          = errors.New("scheme must be http or https")
	errUserInformation = errors.New("not valid; in user information /, ?, # and % are written as %2F, %3F, %23 and %25")
)

// validPort reports whether s, digits only, is a port that can be connected to, or none.
func validPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return s == "" || err == nil && n > 0
}

// Redact returns a URL, valid or not, without what may be secret: user information, query and
// fragment.
func Redact(raw string) string {
	// Without a host what looks like a path, or like a scheme, may be user information.
	if u, err := url.Parse(raw); err == nil && (u.Host != "" || !strings.Contains(raw, "@")) {
		u.User, u.RawQuery, u.ForceQuery, u.Fragment, u.RawFragment = nil, "", false, "", ""
		return u.String()
	}
	return cutUserInformation(raw)
}

// cutUserInformation is Redact without an idea of what is what.
func cutUserInformation(raw string) string {
	scheme, rest, found := strings.Cut(raw, "://")
	if !found {
		scheme, rest = "", raw
	} else {
		scheme += "://"
	}
	// What stands before the last @ may be a password that made the URL invalid.
	at, end := strings.LastIndexByte(rest, '@'), strings.IndexAny(rest, "?#")
	switch {
	case end < 0:
		return scheme + rest[at+1:]
	case end < at: // in the password, or the @ is in the query: nobody knows
		return scheme + "..."
	default:
		return scheme + rest[at+1:end]
	}
}

// Header makes a header of the given fields, for a [Config]. It refuses what net/http would refuse
// with each request, a field given twice in different spelling, and the reserved fields, which the
// exporter sets itself; reserved holds canonical names.
func Header(fields map[string]string, reserved ...string) (http.Header, error) {
	h := make(http.Header, len(fields))
	for name, value := range fields {
		key := http.CanonicalHeaderKey(name)
		switch {
		case !validName(name):
			return nil, fmt.Errorf("header %q: not a valid name", name)
		case !validValue(value):
			return nil, fmt.Errorf("header %q: the value has control characters", name)
		case h[key] != nil:
			return nil, fmt.Errorf("header %q: given twice", key)
		}
		for _, r := range reserved {
			if key == r {
				return nil, fmt.Errorf("header %q: set by the exporter, cannot be changed", name)
			}
		}
		h[key] = []string{value}
	}
	return h, nil
}

// validName reports whether s is a token (RFC 9110, section 5.6.2).
func validName(s string) bool {
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0:
		default:
			return false
		}
	}
	return s != ""
}

// validValue reports whether s may stand in a header field (RFC 9110, section 5.5).
func validValue(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}
