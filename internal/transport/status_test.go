// SPDX-License-Identifier: Apache-2.0

package transport_test

import (
	"math"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/spandrel-go/spandrel/internal/transport"
)

func TestRetryable(t *testing.T) {
	t.Parallel()
	retryable := map[int]bool{408: true, 429: true, 502: true, 503: true, 504: true}
	for status := 100; status < 600; status++ {
		assert.Equal(t, retryable[status], transport.Retryable(status), "status %d", status)
	}
}

func TestParseRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 21, 8, 49, 37, 0, time.UTC)
	tests := []struct {
		name, value string
		want        time.Duration
	}{
		{"absent", "", 0},
		{"seconds", "120", 2 * time.Minute},
		{"zero", "0", 0},
		{"space around", " 7 ", 7 * time.Second},
		{"negative", "-1", 0},
		{"fraction", "1.5", 0},
		{"words", "soon", 0},
		{"more seconds than a duration holds", "9223372036854775807", math.MaxInt64},
		{"more digits than a number holds", "99999999999999999999", 0},
		{"date", "Sat, 21 Nov 2026 08:50:07 GMT", 30 * time.Second},
		{"date in the old form", "Saturday, 21-Nov-26 08:50:07 GMT", 30 * time.Second},
		{"date in the form of asctime", "Sat Nov 21 08:50:07 2026", 30 * time.Second},
		{"date that has passed", "Fri, 20 Nov 2026 08:49:37 GMT", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, tt.want, transport.ParseRetryAfter(tt.value, now))
		})
	}
}

func FuzzParseRetryAfter(f *testing.F) {
	f.Add("120", uint32(5))
	f.Add("Sat, 21 Nov 2026 08:50:07 GMT", uint32(86400))
	f.Fuzz(func(t *testing.T, value string, seconds uint32) {
		now := time.Date(2026, 11, 21, 8, 49, 37, 0, time.UTC)
		require.GreaterOrEqual(t, transport.ParseRetryAfter(value, now), time.Duration(0))

		want := time.Duration(seconds) * time.Second
		require.Equal(t, want, transport.ParseRetryAfter(strconv.FormatUint(uint64(seconds), 10), now))
		require.Equal(t, want, transport.ParseRetryAfter(now.Add(want).Format(http.TimeFormat), now))
	})
}

func TestParseURL(t *testing.T) {
	t.Parallel()
	const example = "http://localhost:1/path"
	for _, raw := range []string{
		"http://localhost:9411/api/v2/spans", "https://zipkin.example", "http://[::1]:9411/x", "http://u:p@host/?k=v",
		"http://host:65535", "http://host:1", "http://host:/", "http://host/a@b",
	} {
		u, err := transport.ParseURL(raw, example)
		require.NoError(t, err, raw)
		assert.Equal(t, raw, u.String())
	}
	const notValid = "not valid; in user information /, ?, # and % are written as %2F, %3F, %23 and %25"
	tests := []struct{ name, raw, want string }{
		{"no scheme", "zipkin:9411/api", `url "zipkin:9411/api": scheme must be http or https`},
		{"neither scheme nor port", "zipkin", `url "zipkin": scheme must be http or https`},
		{"another scheme", "ftp://zipkin/api", `url "ftp://zipkin/api": scheme must be http or https`},
		{"no host", "http:///api", `url "http:///api": no host`},
		{"port alone", "http://:9411/api", `url "http://:9411/api": no host`},
		{"port is no number", "http://zipkin:port/", `url "http://zipkin:port/": invalid port ":port" after host`},
		{"secrets are not shown", "ftp://user:secret@zipkin/api?key=secret#secret", `url "ftp://zipkin/api": scheme must be http or https`},
		{"secrets of an invalid url are not shown", "http://user:se\x00cret@zipkin/api?key=secret", `url "http://zipkin/api": net/url: invalid control character in URL`},
		{"password with a question mark", "http://user:se?cret@zipkin/api", `url "http://...": ` + notValid},
		{"password with a number sign", "http://user:se#cret@zipkin/api", `url "http://...": ` + notValid},
		{"password with a slash", "http://user:se/cret@zipkin/api", `url "http://zipkin/api": ` + notValid},
		{"password with a percent sign", "http://user:se%xxcret@zipkin/api", `url "http://zipkin/api": ` + notValid},
		{"at sign in the query of an invalid url", "http://zip kin/?key=sec@ret", `url "http://...": ` + notValid},
		{"fragment of an invalid url", "http://zip kin/api#secret", `url "http://zip kin/api": invalid character " " in host name`},
		{"forgotten scheme", "user:secret@zipkin:9411/api", `url "zipkin:9411/api": scheme must be http or https`},
		{"forgotten slashes", "http:user:secret@zipkin", `url "zipkin": no host`},
		{"forgotten slash", "http:/user:secret@zipkin/api", `url "zipkin/api": no host`},
		{"forgotten colon", "http//user:secret@zipkin/api", `url "zipkin/api": scheme must be http or https`},
		{"user information alone", "http://user:secret@", `url "http://": no host`},
		{"user information without scheme", "user:se\x00cret@zipkin", `url "zipkin": scheme must be http or https`},
		{"address and no scheme", "127.0.0.1:9411", `url "127.0.0.1:9411": scheme must be http or https`},
		{"empty", "", `url "": scheme must be http or https`},
		{"space before", " http://zipkin/api?key=secret", `url "http://zipkin/api": white space before or after it`},
		{"line end behind", "http://user:secret@zipkin/api\n", `url "http://zipkin/api": white space before or after it`},
		{"space behind the query", "http://zipkin/api?key=secret ", `url "http://zipkin/api": white space before or after it`},
		{"port 0", "http://zipkin:0/", `url "http://zipkin:0/": port 0 is not from 1 to 65535`},
		{"port too high", "http://user:secret@zipkin:65536/?key=secret", `url "http://zipkin:65536/": port 65536 is not from 1 to 65535`},
		{"port of many digits", "https://[::1]:99999999999999999999", `url "https://[::1]:99999999999999999999": port 99999999999999999999 is not from 1 to 65535`},
		{"password of digits and a slash", "http://user:0070070/secret@zipkin/api", `url "http://zipkin/api": ` + notValid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := transport.ParseURL(tt.raw, example)
			require.EqualError(t, err, tt.want+"; want one like "+example)
			assert.NotContains(t, err.Error(), "secret")
		})
	}
}

func TestRedactKeepsAnAtSignInThePath(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "http://host/a@b", transport.Redact("http://user@host/a@b?q#f"))
}

func TestHeader(t *testing.T) {
	t.Parallel()
	h, err := transport.Header(map[string]string{"authorization": "Bearer x", "X-Empty": ""}, "B3")
	require.NoError(t, err)
	assert.Equal(t, http.Header{"Authorization": {"Bearer x"}, "X-Empty": {""}}, h)

	tests := []struct {
		name   string
		fields map[string]string
		want   string
	}{
		{"empty name", map[string]string{"": "x"}, `header "": not a valid name`},
		{"space in the name", map[string]string{"a b": "x"}, `header "a b": not a valid name`},
		{"line break in the value", map[string]string{"a": "x\r\nb: y"}, `header "a": the value has control characters`},
		{"one name twice", map[string]string{"a": "x", "A": "y"}, `header "A": given twice`},
		{"reserved", map[string]string{"b3": "1"}, `header "b3": set by the exporter, cannot be changed`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := transport.Header(tt.fields, "B3")
			require.EqualError(t, err, tt.want)
		})
	}
}
