// SPDX-License-Identifier: Apache-2.0

package zipkin_test

import (
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/spandrel-go/spandrel/exporters/zipkin"
	faulty "github.com/spandrel-go/spandrel/internal/testkit/backend"
	"github.com/spandrel-go/spandrel/tracing"
)

func providerFor(t *testing.T, e *zipkin.Exporter, opts ...tracing.PipelineOption) *tracing.Provider {
	t.Helper()
	p, err := tracing.NewProvider(tracing.WithExporter(e, opts...))
	require.NoError(t, err)
	return p
}

// Under load the exporter moves between two servers with a new pair of headers each time. Each span arrives
// once, and each request carries a pair that belongs together and to the server.
func TestSetTargetUnderLoadConcurrentSafe(t *testing.T) {
	t.Parallel()
	servers := map[string]*faulty.Server{"a": faulty.New(t), "b": faulty.New(t)}
	for name, s := range servers {
		s.Rest(func(x *faulty.Exchange) {
			h := x.Header()
			if h == nil {
				return // the exporter closed an idle connection
			}
			token, id := h.Get("X-Token"), h.Get("X-Token-Id")
			assert.Regexp(t, "^"+name+`-\d+$`, token)
			assert.Equal(t, token, id)
			if x.Read() {
				x.Accept()
				x.Answer(http.StatusAccepted, "")
			}
		})
	}
	headers := func(name string, i int) map[string]string {
		token := fmt.Sprintf("%s-%d", name, i)
		return map[string]string{"X-Token": token, "X-Token-Id": token}
	}
	e, err := zipkin.New(servers["a"].URL(), zipkin.WithHeaders(headers("a", 0)))
	require.NoError(t, err)
	p := providerFor(t, e, tracing.WithQueueWait(time.Minute), tracing.WithBatchSpans(16), tracing.WithBatchDelay(10*time.Millisecond))

	var stop atomic.Bool
	var mu sync.Mutex
	want := map[string]int{}
	var load sync.WaitGroup
	for range 4 {
		load.Go(func() {
			tracer := p.NewTracer("load")
			for !stop.Load() {
				_, s := tracer.StartSpan(t.Context(), "span")
				s.Finish()
				mu.Lock()
				want[s.SpanContext().SpanID().String()] = 1
				mu.Unlock()
			}
		})
	}
	servers["a"].Script(faulty.Status(http.StatusServiceUnavailable)) // one batch is tried again, wherever it is by then
	for i := range 20 {
		name := []string{"b", "a"}[i%2]
		to := servers[name]
		before := len(to.Requests())
		require.NoError(t, e.SetTarget(to.URL(), headers(name, 2*i)))
		require.NoError(t, e.SetTarget("", headers(name, 2*i+1)))
		assert.True(t, to.Wait(30*time.Second, func(done []faulty.Request) bool { return len(done) > before }), "move %d", i)
	}
	stop.Store(true)
	load.Wait()
	require.NoError(t, p.Shutdown(t.Context()))

	got := servers["a"].Accepted()
	for id, n := range servers["b"].Accepted() {
		got[id] += n
	}
	assert.Equal(t, want, got)
	assert.NotEmpty(t, servers["b"].Accepted())
}

// A batch that has failed at the old place is delivered at the new one, however long the old one asked to wait.
func TestSetTargetRetriesAtTheNewPlace(t *testing.T) {
	t.Parallel()
	broken, working := faulty.New(t), faulty.New(t)
	broken.Rest(faulty.Status(http.StatusServiceUnavailable, "Retry-After", "86400"))
	e, err := zipkin.New(broken.URL())
	require.NoError(t, err)
	p := providerFor(t, e, tracing.WithBatchDelay(time.Millisecond), tracing.WithRetryLimit(time.Hour)) // or it would be dropped at once
	_, s := p.NewTracer("retry").StartSpan(t.Context(), "span")
	s.Finish()
	require.True(t, broken.Wait(30*time.Second, func(done []faulty.Request) bool { return len(done) > 0 }))
	require.NoError(t, e.SetTarget(working.URL(), nil))
	require.NoError(t, p.ForceFlush(t.Context()))
	assert.Equal(t, map[string]int{s.SpanContext().SpanID().String(): 1}, working.Accepted())
	assert.Empty(t, broken.Accepted())
	require.NoError(t, p.Shutdown(t.Context()))
}

func TestSetTargetHeaders(t *testing.T) {
	t.Parallel()
	var got http.Header
	b := faulty.New(t)
	b.Rest(func(x *faulty.Exchange) {
		got = x.Header().Clone()
		x.Answer(http.StatusAccepted, "")
	})
	e := exporterFor(t, b.URL(), zipkin.WithHeaders(map[string]string{"X-Key": "one", "User-Agent": "mine"}))
	send := func() http.Header {
		require.NoError(t, e.SendRequest(t.Context(), []byte("[]"), 0))
		return got
	}
	require.NoError(t, e.SetTarget(b.URL(), nil))
	assert.Equal(t, "one", send().Get("X-Key"), "nil keeps the headers")
	require.NoError(t, e.SetTarget("", map[string]string{"X-Other": "two"}))
	h := send()
	assert.Equal(t, "two", h.Get("X-Other"))
	assert.Empty(t, h.Values("X-Key"), "headers are replaced, not added")
	assert.Equal(t, "spandrel/"+tracing.Version, h.Get("User-Agent"))
	require.NoError(t, e.SetTarget("", map[string]string{}))
	h = send()
	assert.Empty(t, h.Values("X-Other"), "an empty map takes them away")
	assert.Equal(t, []string{"0"}, h.Values("B3"), "but not the exporter's own")
	assert.Equal(t, "application/json", h.Get("Content-Type"))
}

func TestSetTargetErrors(t *testing.T) {
	t.Parallel()
	b := faulty.New(t)
	e := exporterFor(t, b.URL(), zipkin.WithHeaders(map[string]string{"X-Key": "one"}))
	tests := []struct {
		name    string
		url     string
		headers map[string]string
		want    string
	}{
		{"scheme", "ftp://host/", nil, `zipkin: SetTarget: url "ftp://host/": scheme must be http or https; want one like http://localhost:9411/api/v2/spans`},
		{"no host", "http:///spans", map[string]string{"X-Key": "two"}, `zipkin: SetTarget: url "http:///spans": no host; want one like http://localhost:9411/api/v2/spans`},
		{"secret", "http://user:se cret@host", nil, `zipkin: SetTarget: url "http://host": net/url: invalid userinfo; want one like http://localhost:9411/api/v2/spans`},
		{"port", "http://user:secret@host:65536", nil, `zipkin: SetTarget: url "http://host:65536": port 65536 is not from 1 to 65535; want one like http://localhost:9411/api/v2/spans`},
		{"header of the exporter", "http://127.0.0.1:1", map[string]string{"b3": "1"}, `zipkin: SetTarget: header "b3": set by the exporter, cannot be changed`},
		{"header with a line", "http://127.0.0.1:1", map[string]string{"X-Key": "a\nb"}, `zipkin: SetTarget: header "X-Key": the value has control characters`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			require.EqualError(t, e.SetTarget(tt.url, tt.headers), tt.want)
			assert.Equal(t, b.URL(), e.URL(), "nothing has changed")
		})
	}
	require.NoError(t, e.SendRequest(t.Context(), []byte("[]"), 0))
	require.NoError(t, e.SetTarget("http://user:secret@127.0.0.1:1/new?key=secret", nil))
	assert.Equal(t, "http://127.0.0.1:1/new", e.URL())
	err := e.SendRequest(t.Context(), []byte("[]"), 0)
	require.ErrorContains(t, err, "zipkin: post http://127.0.0.1:1/new: ")
	assert.NotContains(t, err.Error(), "secret")
}
