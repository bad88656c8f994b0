// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	traceHex    = "0af7651916cd43dd8448eb211c80319c"
	traceparent = "00-" + traceHex + "-b7ad6b7169203331-01"
)

// soon bounds what a test waits for on the network.
func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// startService runs the program on a free port and returns the URL that it prints.
func startService(t *testing.T) string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	in, out := io.Pipe()
	done := make(chan error, 1) // the program's end
	go func() {
		err := run(ctx, []string{"-listen", "127.0.0.1:0"}, out)
		_ = out.Close()
		done <- err
	}()
	t.Cleanup(func() {
		cancel()
		assert.NoError(t, <-done)
	})
	line, err := bufio.NewReader(in).ReadString('\n')
	require.NoError(t, err)
	return strings.TrimSpace(line)
}

// listener is where the service's calls arrive.
type listener struct {
	*httptest.Server
	mu      sync.Mutex // guards what follows
	headers []http.Header
	bodies  []string
}

func newListener(t *testing.T) *listener {
	t.Helper()
	l := &listener{}
	l.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		l.mu.Lock()
		defer l.mu.Unlock()
		l.headers = append(l.headers, r.Header.Clone())
		l.bodies = append(l.bodies, string(body))
		w.WriteHeader(http.StatusTeapot)
	}))
	t.Cleanup(l.Close)
	return l
}

// post posts a body with headers, names and values in turn, and returns the answer's status.
func post(t *testing.T, url, body string, namesAndValues ...string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(soon(t), http.MethodPost, url, bytes.NewReader([]byte(body)))
	require.NoError(t, err)
	for i := 0; i < len(namesAndValues); i += 2 {
		req.Header.Add(namesAndValues[i], namesAndValues[i+1])
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	_, err = io.Copy(io.Discard, res.Body)
	require.NoError(t, err)
	return res.StatusCode
}

func TestServiceMakesCalls(t *testing.T) {
	t.Parallel()
	url, l := startService(t), newListener(t)
	calls := fmt.Sprintf(`[{"url": "%[1]s/0", "arguments": [{"url": "x"}]}, {"url": "%[1]s/1"}, {"url": "%[1]s/2", "arguments": []}]`, l.URL)
	status := post(t, url, calls,
		"traceparent", traceparent, "tracestate", "a@=1,b=2", "tracestate", "", "tracestate", "b=3")
	assert.Equal(t, http.StatusOK, status)

	assert.Equal(t, []string{`[{"url": "x"}]`, "[]", "[]"}, l.bodies)
	parents := map[string]bool{}
	for _, h := range l.headers {
		require.Len(t, h["Traceparent"], 1)
		assert.Equal(t, "00-"+traceHex, h.Get("Traceparent")[:35])
		parents[h.Get("Traceparent")] = true
		assert.Equal(t, []string{"a@=1,b=2,b=3"}, h["Tracestate"])
	}
	assert.Len(t, parents, 3, "each call has a span")
	assert.NotContains(t, parents, traceparent)
}

func TestServiceStartsATrace(t *testing.T) {
	t.Parallel()
	url, l := startService(t), newListener(t)
	calls := fmt.Sprintf(`[{"url": %q}]`, l.URL)
	status := post(t, url, calls, "traceparent", traceparent, "traceparent", traceparent, "tracestate", "b=2")
	assert.Equal(t, http.StatusOK, status)
	require.Len(t, l.headers, 1)
	assert.Len(t, l.headers[0].Get("Traceparent"), 55)
	assert.NotContains(t, l.headers[0].Get("Traceparent"), traceHex, "two traceparents are none")
	assert.NotContains(t, l.headers[0], "Tracestate")
}

func TestServiceRefuses(t *testing.T) {
	t.Parallel()
	url := startService(t)
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	assert.Equal(t, http.StatusBadRequest, post(t, url, `{"url": 1}`))
	assert.Equal(t, http.StatusBadGateway, post(t, url, `[{"url": "no url\n"}]`))
	assert.Equal(t, http.StatusBadGateway, post(t, url, fmt.Sprintf(`[{"url": %q}]`, gone.URL)))
}

func TestBadArguments(t *testing.T) {
	t.Parallel()
	require.Error(t, run(t.Context(), []string{"-unknown"}, io.Discard))
	require.Error(t, run(t.Context(), []string{"-listen", "127.0.0.1"}, io.Discard))
	require.NoError(t, run(t.Context(), []string{"-help"}, io.Discard))
}
