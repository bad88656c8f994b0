// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/tracing"
	"github.com/spandrel-go/spandrel/tracing/tracetest"
)

// visitShop runs the services as run does and returns every span.
func visitShop(t *testing.T, zipkinURL string) []*tracing.SpanData {
	t.Helper()
	r := tracetest.NewRecorder()
	s, err := openShop(r, zipkinURL)
	require.NoError(t, err)
	require.NoError(t, s.visit(context.Background()))
	require.NoError(t, s.close(context.Background()))
	r.CheckUnfinished(t)
	return r.Spans()
}

func TestEveryTraceIsWhole(t *testing.T) {
	t.Parallel()
	byTrace := map[trace.TraceID][]*tracing.SpanData{}
	for _, d := range visitShop(t, "") {
		byTrace[d.SpanContext.TraceID()] = append(byTrace[d.SpanContext.TraceID()], d)
	}
	require.Len(t, byTrace, 4, "one trace a customer")
	failed, cello := 0, 0
	for id, spans := range byTrace {
		require.Len(t, spans, 7, "trace %s", id)
		ids := map[trace.SpanID]bool{}
		for _, d := range spans {
			ids[d.SpanContext.SpanID()] = true
		}
		requestIDs := map[string]int{}
		roots := 0
		for _, d := range spans {
			if !d.Parent.IsValid() {
				roots++
				assert.Equal(t, "gateway", d.Resource.ServiceName(), "the gateway starts the trace")
			} else {
				assert.True(t, ids[d.Parent.SpanID()], "trace %s: %s has no parent", id, d.Name)
			}
			if d.Status.Code == codes.Error && d.Name == "SELECT stock" {
				failed++
				assert.Equal(t, "deadlock detected", d.Status.Description)
			}
			for _, kv := range d.Attributes {
				if kv.Key == attribute.Key("guid:x-request-id") {
					requestIDs[kv.Value.AsString()]++
				}
			}
		}
		assert.Equal(t, 1, roots, "trace %s", id)
		require.Len(t, requestIDs, 1, "all services of a trace see one request id: %v", requestIDs)
		for requestID, services := range requestIDs {
			assert.Equal(t, 3, services)
			assert.Len(t, requestID, 36)
			if requestID == "7d5d2bf6-1f9c-4f0e-9c5b-4a3d0f6f2f0e" {
				cello++
			}
		}
	}
	assert.Equal(t, 1, failed, "one customer wants a harp")
	assert.Equal(t, 1, cello, "a request id that a customer sends is kept")
}

func TestRunPrintsTreesAndStatistics(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, run(context.Background(), nil, &out))
	text := out.String()
	assert.Equal(t, 4, strings.Count(text, "\ntrace ")+1, "a tree for each trace")
	for _, want := range []string{"POST /orders/{item}", "GET /stock/{item}", "deadlock detected", "3 services"} {
		assert.Contains(t, text, want)
	}
	assert.Regexp(t, `gateway +8 +8 +8 +0\n`, text)
	assert.Regexp(t, `orders +12 +12 +12 +0\n`, text)
	assert.Regexp(t, `inventory +8 +8 +8 +0\n`, text)
	assert.NotContains(t, text, "accepted", "nobody asked for a collector")
}

func TestRunSendsToACollector(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	received := 0
	zipkin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var spans []json.RawMessage
		if err := json.NewDecoder(r.Body).Decode(&spans); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		mu.Lock()
		received += len(spans)
		mu.Unlock()
		w.WriteHeader(http.StatusAccepted)
	}))
	defer zipkin.Close()

	var out bytes.Buffer
	require.NoError(t, run(context.Background(), []string{"-zipkin", zipkin.URL + "/api/v2/spans"}, &out))
	assert.Contains(t, out.String(), "/api/v2/spans accepted 28 of 28 spans\n")
	assert.Equal(t, 28, received)
}

func TestRunWithAnUnreachableCollector(t *testing.T) {
	t.Parallel()
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()

	var out bytes.Buffer
	require.NoError(t, run(context.Background(), []string{"-zipkin", closed.URL}, &out))
	assert.Contains(t, out.String(), "POST /orders/{item}", "the trees are printed all the same")
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	last := lines[len(lines)-1]
	assert.Contains(t, last, " accepted 0 of 28 spans: ")
	assert.Contains(t, last, "refused")
	assert.Equal(t, 1, strings.Count(out.String(), "refused"), "one clear line")
}

func TestRunRefusesABadURL(t *testing.T) {
	t.Parallel()
	err := run(context.Background(), []string{"-zipkin", "localhost:9411"}, &bytes.Buffer{})
	require.Error(t, err)
	assert.Contains(t, err.Error(), "localhost:9411")
}
