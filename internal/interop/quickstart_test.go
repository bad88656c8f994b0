// SPDX-License-Identifier: Apache-2.0

package interop_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/spandrel-go/spandrel/internal/interop/zipkinserver"
)

// wiretap passes requests on to a Zipkin server and keeps the spans in them.
type wiretap struct {
	target string

	mu    sync.Mutex // guards all below
	spans []zipkinserver.Span
	err   error
}

func (w *wiretap) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var spans []zipkinserver.Span
	if err == nil {
		err = json.Unmarshal(body, &spans)
	}
	var resp *http.Response
	if err == nil {
		resp, err = http.Post(w.target, r.Header.Get("Content-Type"), bytes.NewReader(body))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.err = err
		rw.WriteHeader(http.StatusBadGateway)
		return
	}
	defer resp.Body.Close()
	w.spans = append(w.spans, spans...)
	rw.WriteHeader(resp.StatusCode)
}

// The quickstart's traces arrive whole: the program runs as a user runs it, and what it puts on the wire
// is what the server gives back.
func TestQuickstartInZipkin(t *testing.T) {
	t.Parallel()
	server := zipkinServer(t)
	tap := &wiretap{target: server.SpansURL()}
	proxy := httptest.NewServer(tap)
	defer proxy.Close()
	defer http.DefaultClient.CloseIdleConnections()

	program := filepath.Join(t.TempDir(), "quickstart")
	build := exec.CommandContext(soon(t), "go", "build", "-o", program, "./examples/quickstart")
	build.Dir = "../.."
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	out, err = exec.CommandContext(soon(t), program, "-zipkin", proxy.URL+"/api/v2/spans").CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.NoError(t, tap.err)
	require.Contains(t, string(out), "accepted 28 of 28 spans")

	sent := map[string][]zipkinserver.Span{}
	for _, s := range tap.spans {
		s.Name = strings.ToLower(s.Name) // as the server does
		sent[s.TraceID] = append(sent[s.TraceID], s)
	}
	require.Len(t, sent, 4, "one trace a customer")
	for id, want := range sent {
		got, err := server.WaitForTrace(soon(t), id, len(want))
		require.NoError(t, err)
		requireSameSpans(t, want, got)
		requireOneTree(t, got)
		services := map[string]bool{}
		requestIDs := map[string]bool{}
		for _, s := range got {
			services[s.LocalEndpoint.ServiceName] = true
			if requestID := s.Tags["guid:x-request-id"]; requestID != "" {
				requestIDs[requestID] = true
			}
		}
		assert.Len(t, services, 3, "trace %s", id)
		assert.Len(t, requestIDs, 1, "trace %s: one x-request-id in all services", id)
		assert.Contains(t, string(out), id, "the terminal shows the trace too")
	}
}
