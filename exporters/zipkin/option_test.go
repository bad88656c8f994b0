// SPDX-License-Identifier: Apache-2.0

package zipkin_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/spandrel-go/spandrel/exporters/zipkin"
	"github.com/spandrel-go/spandrel/tracing"
)

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	const good = "http://localhost:9411/api/v2/spans"
	tests := []struct {
		name, url string
		opt       zipkin.Option
		want      string
	}{
		{"url without scheme", "localhost:9411/api", nil, `zipkin: url "localhost:9411/api": scheme must be http or https; want one like http://localhost:9411/api/v2/spans`},
		{"url of another scheme", "ftp://zipkin/x", nil, `zipkin: url "ftp://zipkin/x": scheme must be http or https; want one like http://localhost:9411/api/v2/spans`},
		{"url without host", "http:///api/v2/spans", nil, `zipkin: url "http:///api/v2/spans": no host; want one like http://localhost:9411/api/v2/spans`},
		{"secrets are not shown", "ftp://user:secret@zipkin/x?key=secret", nil, `zipkin: url "ftp://zipkin/x": scheme must be http or https; want one like http://localhost:9411/api/v2/spans`},
		{"port", "http://zipkin:94110/x", nil, `zipkin: url "http://zipkin:94110/x": port 94110 is not from 1 to 65535; want one like http://localhost:9411/api/v2/spans`},
		{"line end", good + "\n", nil, `zipkin: url "http://localhost:9411/api/v2/spans": white space before or after it; want one like http://localhost:9411/api/v2/spans`},
		{"nil client", good, zipkin.WithHTTPClient(nil), "zipkin: WithHTTPClient: client is nil"},
		{"no time", good, zipkin.WithTimeout(0), "zipkin: WithTimeout: 0s is not positive"},
		{"negative time", good, zipkin.WithTimeout(-time.Second), "zipkin: WithTimeout: -1s is not positive"},
		{"header of the exporter", good, zipkin.WithHeaders(map[string]string{"b3": "1"}), `zipkin: WithHeaders: header "b3": set by the exporter, cannot be changed`},
		{"another header of the exporter", good, zipkin.WithHeaders(map[string]string{"content-type": "x"}), `zipkin: WithHeaders: header "content-type": set by the exporter, cannot be changed`},
		{"header name", good, zipkin.WithHeaders(map[string]string{"a b": "x"}), `zipkin: WithHeaders: header "a b": not a valid name`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var opts []zipkin.Option
			if tt.opt != nil {
				opts = append(opts, tt.opt)
			}
			e, err := zipkin.New(tt.url, opts...)
			require.EqualError(t, err, tt.want)
			assert.Nil(t, e)
		})
	}
}

func TestNewRefusesANilOption(t *testing.T) {
	t.Parallel()
	_, err := zipkin.New("", zipkin.WithTimeout(1), nil)
	require.EqualError(t, err, "zipkin: New: opts[1] is nil")
}

// roundTripper answers without a network.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// sent returns the URL of the one request that an exporter makes, and how long it would wait.
func sent(t *testing.T, url string, opts ...zipkin.Option) (target string, wait time.Duration) {
	t.Helper()
	opts = append(opts, zipkin.WithHTTPClient(&http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		deadline, _ := r.Context().Deadline()
		target, wait = r.URL.String(), time.Until(deadline)
		return &http.Response{StatusCode: http.StatusAccepted, Body: http.NoBody, Request: r}, nil
	})}))
	e, err := zipkin.New(url, opts...)
	require.NoError(t, err)
	require.NoError(t, e.SendRequest(t.Context(), []byte("[]"), 0))
	return target, wait
}

// The environment is the process's, so this test is not parallel.
func TestEnvironment(t *testing.T) {
	const endpoint, timeout = "OTEL_EXPORTER_ZIPKIN_ENDPOINT", "OTEL_EXPORTER_ZIPKIN_TIMEOUT"
	set := func(t *testing.T, endpointValue, timeoutValue string) {
		t.Helper()
		t.Setenv(endpoint, endpointValue)
		t.Setenv(timeout, timeoutValue)
	}
	t.Run("defaults", func(t *testing.T) {
		set(t, "", "")
		target, wait := sent(t, "")
		assert.Equal(t, "http://localhost:9411/api/v2/spans", target)
		assert.InDelta(t, 10, wait.Seconds(), 1)
	})
	t.Run("used", func(t *testing.T) {
		set(t, " https://zipkin.example/x ", " 3000 ")
		target, wait := sent(t, "")
		assert.Equal(t, "https://zipkin.example/x", target)
		assert.InDelta(t, 3, wait.Seconds(), 1)
	})
	t.Run("arguments win, and what they replace is not read", func(t *testing.T) {
		set(t, "nonsense", "nonsense")
		target, wait := sent(t, "http://other.example", zipkin.WithTimeout(time.Minute))
		assert.Equal(t, "http://other.example", target)
		assert.InDelta(t, 60, wait.Seconds(), 1)
	})
	for _, bad := range []string{"0", "-1", "1.5", "10s", "9223372036855"} {
		t.Run("timeout "+bad, func(t *testing.T) {
			set(t, "", bad)
			_, err := zipkin.New("")
			require.EqualError(t, err, `zipkin: OTEL_EXPORTER_ZIPKIN_TIMEOUT: "`+bad+`" is not a positive number of milliseconds`)
		})
	}
	t.Run("endpoint", func(t *testing.T) {
		set(t, "zipkin:9411", "")
		_, err := zipkin.New("")
		require.EqualError(t, err, `zipkin: OTEL_EXPORTER_ZIPKIN_ENDPOINT: url "zipkin:9411": scheme must be http or https; want one like http://localhost:9411/api/v2/spans`)
	})
}

func TestHeadersOfARequest(t *testing.T) {
	t.Parallel()
	var got *http.Request
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r }))
	defer srv.Close()
	send := func(opts ...zipkin.Option) {
		e, err := zipkin.New(srv.URL, opts...)
		require.NoError(t, err)
		require.NoError(t, e.SendRequest(t.Context(), []byte("[]"), 0))
		require.NoError(t, e.Shutdown(t.Context()))
	}
	send(zipkin.WithHeaders(map[string]string{"authorization": "Bearer x", "Host": "zipkin.example"}))
	assert.Equal(t, http.Header{
		"Content-Type": {"application/json"}, "Content-Length": {"2"}, "B3": {"0"}, "User-Agent": {"spandrel/" + tracing.Version},
		"Authorization": {"Bearer x"},
	}, got.Header)
	assert.Equal(t, "zipkin.example", got.Host)

	send(zipkin.WithHeaders(map[string]string{"user-agent": "shop/1"}))
	assert.Equal(t, "shop/1", got.UserAgent())
}
