// SPDX-License-Identifier: Apache-2.0

package benchmarks

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
)

var errAgent = errors.New("benchmarks: trace payload is not what dd-trace-go writes")

// agentInfo is what the agent says of itself: what a current one says, which makes the library choose
// the protocol 1.0. It is cheaper for the library than 0.4.
const agentInfo = `{"version":"7.80.0","endpoints":["/v0.4/traces","/v1.0/traces","/v0.6/stats"],` +
	`"client_drop_p0s":true,"span_events":true,"span_meta_structs":true}`

// datadogAgent is the Datadog agent as an http.RoundTripper: it reads the bodies of trace requests,
// in the protocol 1.0, into the sink, without allocating for each span.
type datadogAgent struct {
	sink   *Sink
	traces atomic.Int64
	err    atomic.Pointer[error] // the last error
	// arrived, of capacity one, gets a value after each trace request, unless one is waiting already.
	arrived chan struct{}

	mu   sync.Mutex // guards what follows, and the sink
	body []byte
	in   payloadReader
}

// RoundTrip implements http.RoundTripper.
func (a *datadogAgent) RoundTrip(req *http.Request) (*http.Response, error) {
	answer := "{}"
	switch {
	case strings.HasSuffix(req.URL.Path, "/info"):
		answer = agentInfo
	case strings.HasSuffix(req.URL.Path, "/v1.0/traces"):
		if err := a.read(req.Body); err != nil {
			a.err.Store(&err)
		}
		select {
		case a.arrived <- struct{}{}:
		default:
		}
	}
	if req.Body != nil {
		if err := req.Body.Close(); err != nil {
			return nil, err
		}
	}
	return &http.Response{
		StatusCode: http.StatusOK,
		Header:     http.Header{},
		Body:       io.NopCloser(strings.NewReader(answer)),
		Request:    req,
	}, nil
}

func (a *datadogAgent) read(r io.Reader) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	var err error
	if a.body, err = appendAll(a.body[:0], r); err != nil {
		return err
	}
	if a.sink.keep != nil {
		a.sink.keep(a.body)
	}
	traces, spans, err := a.in.read(&a.sink.Checksum, a.body)
	if err != nil {
		return err
	}
	a.sink.spans.Add(spans)
	a.traces.Add(traces)
	return nil
}

// appendAll is io.ReadAll into a slice that is used again.
func appendAll(b []byte, r io.Reader) ([]byte, error) {
	for {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if err == io.EOF {
			return b, nil
		}
		if err != nil {
			return b, err
		}
	}
}
