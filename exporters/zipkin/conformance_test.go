// SPDX-License-Identifier: Apache-2.0

package zipkin_test

import (
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/exporters/zipkin"
	"github.com/spandrel-go/spandrel/tracing/tracetest"
)

// conforming is a server that answers as the conformance kit asks it to.
type conforming struct {
	mu     sync.Mutex // guards all below
	answer tracetest.Answer
	spans  []json.RawMessage
}

func (c *conforming) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client has gone away
	}
	c.mu.Lock()
	answer := c.answer
	c.mu.Unlock()
	switch answer {
	case tracetest.AnswerNo:
		w.WriteHeader(http.StatusBadRequest)
	case tracetest.AnswerBusy:
		w.Header().Set("Retry-After", strconv.Itoa(int(tracetest.BusyFor/time.Second)))
		w.WriteHeader(http.StatusTooManyRequests)
	case tracetest.AnswerTooLarge:
		w.WriteHeader(http.StatusRequestEntityTooLarge)
	case tracetest.AnswerNever:
		<-r.Context().Done()
	default:
		var spans []json.RawMessage
		if err := json.Unmarshal(body, &spans); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		c.mu.Lock()
		c.spans = append(c.spans, spans...)
		c.mu.Unlock()
		w.WriteHeader(http.StatusAccepted)
	}
}

func (c *conforming) Answer(a tracetest.Answer) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answer = a
	return true
}

func (c *conforming) received(t testing.TB) (list []tracetest.Received) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, raw := range c.spans {
		var span struct{ TraceID, ID, Name string }
		assert.NoError(t, json.Unmarshal(raw, &span))
		r := tracetest.Received{Name: span.Name, Rest: string(raw)}
		n, err := hex.Decode(r.TraceID[:], []byte(span.TraceID))
		assert.NoError(t, err)
		assert.Equal(t, len(trace.TraceID{}), n)
		_, err = hex.Decode(r.SpanID[:], []byte(span.ID))
		assert.NoError(t, err)
		list = append(list, r)
	}
	return list
}

func TestConformance(t *testing.T) {
	t.Parallel()
	tracetest.TestExporter(t, func(t testing.TB) tracetest.Target {
		c := &conforming{}
		srv := httptest.NewServer(c)
		t.Cleanup(srv.Close)
		e, err := zipkin.New(srv.URL)
		require.NoError(t, err)
		return tracetest.Target{
			Exporter: e, Answer: c.Answer,
			Received: func() []tracetest.Received { return c.received(t) },
		}
	})
}
