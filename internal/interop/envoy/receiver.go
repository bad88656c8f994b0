// SPDX-License-Identifier: Apache-2.0

package envoy

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"

	"github.com/tinylib/msgp/msgp"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/spandrel-go/spandrel/internal/interop/process"
)

// Span is a span as Envoy reported it. Ids are in hexadecimal digits, 32 of a trace, 16 of a span.
type Span struct {
	TraceID, ID string
	ParentID    string // "" of a root
	Kind        string // "SERVER" or "CLIENT"
	Sampled     bool   // Datadog's tracer also reports what the agent is to drop
	RequestID   string // the x-request-id of the request
}

// Receiver is an [http.Handler] that stands in for a Datadog agent and for an OTLP collector. The zero value
// is ready; it is safe for concurrent use.
type Receiver struct {
	mu     sync.Mutex // guards what follows
	spans  []Span
	broken error // of requests that could not be read
}

// ServeHTTP implements [http.Handler].
func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	spans, err := read(req)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.spans = append(r.spans, spans...)
	if err != nil {
		r.broken = errors.Join(r.broken, fmt.Errorf("%s %s: %w", req.Method, req.URL.Path, err))
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if req.URL.Path == datadogPath {
		_, _ = io.WriteString(w, `{"rate_by_service":{}}`)
	}
}

// Trace returns the spans of a trace that have arrived. The error is that of a request which could not be read.
func (r *Receiver) Trace(id string) ([]Span, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var found []Span
	for _, s := range r.spans {
		if s.TraceID == id {
			found = append(found, s)
		}
	}
	return found, r.broken
}

// WaitForTrace polls until n spans of a trace or more have arrived, or ctx is done. In both cases it returns
// those that are there.
func (r *Receiver) WaitForTrace(ctx context.Context, id string, n int) (found []Span, err error) {
	err = process.Poll(ctx, func() (bool, error) {
		var err error
		found, err = r.Trace(id)
		return len(found) >= n, err
	})
	if err != nil {
		return found, fmt.Errorf("trace %s has %d spans of %d: %w", id, len(found), n, err)
	}
	return found, nil
}

const (
	datadogPath = "/v0.4/traces"
	otlpPath    = "/v1/traces"
	// requestIDTag is where Envoy writes the x-request-id.
	requestIDTag = "guid:x-request-id"
)

func read(req *http.Request) ([]Span, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	switch req.URL.Path {
	case datadogPath:
		return readDatadog(body)
	case otlpPath:
		return readOTLP(body)
	default:
		return nil, errors.New("nothing is received here")
	}
}

func readDatadog(body []byte) ([]Span, error) {
	var text bytes.Buffer
	if _, err := msgp.UnmarshalAsJSON(&text, body); err != nil {
		return nil, err
	}
	var traces [][]struct {
		TraceID  uint64             `json:"trace_id"`
		SpanID   uint64             `json:"span_id"`
		ParentID uint64             `json:"parent_id"`
		Resource string             `json:"resource"`
		Meta     map[string]string  `json:"meta"`
		Metrics  map[string]float64 `json:"metrics"`
	}
	if err := json.Unmarshal(text.Bytes(), &traces); err != nil {
		return nil, fmt.Errorf("%w: %s", err, text.Bytes())
	}
	var spans []Span
	for _, trace := range traces {
		// The first span of those that come together has what is true of all.
		for _, s := range trace {
			span := Span{
				TraceID:   trace[0].Meta["_dd.p.tid"] + fmt.Sprintf("%016x", s.TraceID),
				ID:        fmt.Sprintf("%016x", s.SpanID),
				Kind:      "CLIENT",
				Sampled:   trace[0].Metrics["_sampling_priority_v1"] > 0,
				RequestID: s.Meta[requestIDTag],
			}
			if s.Resource == "ingress" {
				span.Kind = "SERVER"
			}
			if s.ParentID != 0 {
				span.ParentID = fmt.Sprintf("%016x", s.ParentID)
			}
			spans = append(spans, span)
		}
	}
	return spans, nil
}

func readOTLP(body []byte) ([]Span, error) {
	// The same on the wire as an ExportTraceServiceRequest, whose package links gRPC.
	var data tracepb.TracesData
	if err := proto.Unmarshal(body, &data); err != nil {
		return nil, err
	}
	var spans []Span
	for _, resource := range data.GetResourceSpans() {
		for _, scope := range resource.GetScopeSpans() {
			for _, s := range scope.GetSpans() {
				span := Span{
					TraceID:  hex.EncodeToString(s.GetTraceId()),
					ID:       hex.EncodeToString(s.GetSpanId()),
					ParentID: hex.EncodeToString(s.GetParentSpanId()),
					Sampled:  true,
				}
				switch s.GetKind() {
				case tracepb.Span_SPAN_KIND_SERVER:
					span.Kind = "SERVER"
				case tracepb.Span_SPAN_KIND_CLIENT:
					span.Kind = "CLIENT"
				default:
					return nil, errors.New("a span of kind " + strconv.Itoa(int(s.GetKind())))
				}
				for _, a := range s.GetAttributes() {
					if a.GetKey() == requestIDTag {
						span.RequestID = a.GetValue().GetStringValue()
					}
				}
				spans = append(spans, span)
			}
		}
	}
	return spans, nil
}
