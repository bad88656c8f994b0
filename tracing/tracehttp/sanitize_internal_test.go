// SPDX-License-Identifier: Apache-2.0

package tracehttp

import (
	"net"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
)

func TestLimit(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", maxValueLen)
	for _, tt := range []struct{ name, in, want string }{
		{"empty", "", ""},
		{"short", "abc", "abc"},
		{"just fits", long, long},
		{"one too long", long + "y", long},
		{"no rune is cut", long[1:] + "ä", long[1:]},
		{"three bytes", long[1:] + "€", long[1:]},
		{"four bytes", long[3:] + "😀", long[3:]},
		{"not UTF-8", "a\xff\xfeb", "a\uFFFDb"},
		{"too long once it is UTF-8", long[2:] + "\xff", long[2:]},
	} {
		assert.Equal(t, tt.want, limit(tt.in), tt.name)
	}
}

func FuzzLimit(f *testing.F) {
	f.Add("abc")
	f.Add("a\xffb")
	f.Add(strings.Repeat("x", maxValueLen-1) + "€")
	f.Add(strings.Repeat("\xff", 2*maxValueLen))
	f.Fuzz(func(t *testing.T, s string) {
		got := limit(s)
		if !utf8.ValidString(got) || len(got) > maxValueLen {
			t.Errorf("got %q of %d bytes for %q", got, len(got), s)
		}
		if utf8.ValidString(s) {
			if !strings.HasPrefix(s, got) || len(got) < min(len(s), maxValueLen-utf8.UTFMax+1) {
				t.Errorf("got %q, want the start of %q", got, s)
			}
		}
	})
}

func TestRedactQuery(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ in, want string }{
		{"", ""},
		{"a=1&b=2", "a=1&b=2"},
		{"sig=1", "sig=REDACTED"},
		{"sig=1&a=2", "sig=REDACTED&a=2"},
		{"a=2&sig=1", "a=2&sig=REDACTED"},
		{"sig=1&sig=2", "sig=REDACTED&sig=REDACTED"},
		{"sig=a=b", "sig=REDACTED"},
		{"sig", "sig"},
		{"sig=", "sig="},
		{"&&sig=1&&", "&&sig=REDACTED&&"},
		{"Sig=1&xsig=2&sigx=3", "Sig=1&xsig=2&sigx=3"},
		{"AWSAccessKeyId=1&Signature=2&X-Goog-Signature=3", "AWSAccessKeyId=REDACTED&Signature=REDACTED&X-Goog-Signature=REDACTED"},
		{
			"X-Amz-Credential=1&X-Amz-Security-Token=2&X-Amz-Signature=3",
			"X-Amz-Credential=REDACTED&X-Amz-Security-Token=REDACTED&X-Amz-Signature=REDACTED",
		},
	} {
		assert.Equal(t, tt.want, redactQuery(tt.in), "redactQuery(%q)", tt.in)
	}
}

var secretPattern = regexp.MustCompile(
	`(?s)(^|&)(AWSAccessKeyId|Signature|sig|X-Amz-Credential|X-Amz-Security-Token|X-Amz-Signature|X-Goog-Signature)=[^&]+`)

func FuzzRedactQuery(f *testing.F) {
	f.Add("a=1&sig=2&&sig=&Signature=x=y")
	f.Add("X-Amz-Signature=1&X-Amz-Credential=2&X-Goog-Signature=3")
	f.Fuzz(func(t *testing.T, s string) {
		// The oracle is bytewise as well: a regexp replaces what is not UTF-8 only where it matches.
		if got, want := redactQuery(s), secretPattern.ReplaceAllString(s, "${1}${2}=REDACTED"); got != want {
			t.Errorf("got %q, want %q for %q", got, want, s)
		}
	})
}

func TestFullURLKeepsNoSecret(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ in, want string }{
		{"http://a.example", "http://a.example"},
		{"http://a.example/x%20y?q=1#f", "http://a.example/x%20y?q=1#f"},
		{"http://me:pw@a.example/", "http://a.example/"},
		{"http://me@a.example/?sig=1", "http://a.example/?sig=REDACTED"},
	} {
		u, err := url.Parse(tt.in)
		if assert.NoError(t, err) {
			before := *u
			assert.Equal(t, tt.want, fullURL(u))
			assert.Equal(t, before, *u, "the URL is the caller's")
		}
	}
}

func TestSplitHostPort(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		in   string
		host string
		port int
	}{
		{"", "", 0},
		{"a", "a", 0},
		{"a:80", "a", 80},
		{"a:", "a", 0},
		{":80", "", 80},
		{"a:b", "a", 0},
		{"a:-1", "a", 0},
		{"a:0", "a", 0},
		{"a:65535", "a", 65535},
		{"a:65536", "a", 0},
		{"a:1:2", "a:1:2", 0},
		{"::1", "::1", 0},
		{"[::1]", "::1", 0},
		{"[::1]:80", "::1", 80},
		{"[::1]x:80", "::1", 0},
		{"[::1", "[::1", 0},
		{"[", "[", 0},
		{"[]", "", 0},
		{"fe80::1%eth0", "fe80::1%eth0", 0},
	} {
		host, port := splitHostPort(tt.in)
		assert.Equal(t, tt.host, host, "host of %q", tt.in)
		assert.Equal(t, tt.port, port, "port of %q", tt.in)
	}
}

func FuzzSplitHostPort(f *testing.F) {
	f.Add("a:80")
	f.Add("[::1]:80")
	f.Add("[::1")
	f.Add("0[:1")
	f.Fuzz(func(t *testing.T, s string) {
		host, port := splitHostPort(s)
		wantHost, portText, err := net.SplitHostPort(s)
		if err != nil {
			_, after, _ := strings.Cut(s, host)
			if _, digits, _ := strings.Cut(after, ":"); port != 0 && strings.TrimLeft(digits, "0") != strconv.Itoa(port) {
				t.Errorf("got %q, %d for %q", host, port, s)
			}
			return
		}
		wantPort, err := strconv.ParseUint(portText, 10, 16)
		if err != nil {
			wantPort = 0
		}
		if host != wantHost || port != int(wantPort) {
			t.Errorf("got %q, %d for %q, want %q, %d", host, port, s, wantHost, wantPort)
		}
	})
}

func TestRoute(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ in, want string }{
		{"", ""},
		{"/", "/"},
		{"/a/{b}", "/a/{b}"},
		{"GET /a", "/a"},
		{"GET\t/a", "/a"},
		{"a.example/", "/"},
		{"POST a.example/b/", "/b/"},
		{"named", "named"}, // a router that is not net/http's
	} {
		assert.Equal(t, tt.want, route(tt.in), "route(%q)", tt.in)
	}
}
