// SPDX-License-Identifier: Apache-2.0

package zipkinserver

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"

	"github.com/spandrel-go/spandrel/internal/interop/process"
)

// Span is a span as the server's API shows it. Times are in microseconds, since 1970 or long.
type Span struct {
	TraceID        string            `json:"traceId"`
	ParentID       string            `json:"parentId"`
	ID             string            `json:"id"`
	Kind           string            `json:"kind"`
	Name           string            `json:"name"`
	Timestamp      int64             `json:"timestamp"`
	Duration       int64             `json:"duration"`
	LocalEndpoint  *Endpoint         `json:"localEndpoint"`
	RemoteEndpoint *Endpoint         `json:"remoteEndpoint"`
	Annotations    []Annotation      `json:"annotations"` // by time
	Tags           map[string]string `json:"tags"`
	Debug          bool              `json:"debug"`
	Shared         bool              `json:"shared"`
}

// Endpoint is one side of a call.
type Endpoint struct {
	ServiceName string `json:"serviceName"`
	IPv4        string `json:"ipv4"`
	IPv6        string `json:"ipv6"`
	Port        int    `json:"port"`
}

// Annotation is a timed note.
type Annotation struct {
	Timestamp int64  `json:"timestamp"`
	Value     string `json:"value"`
}

// Trace returns the spans of a trace, none when the server does not know it. The id has 16 or 32
// hexadecimal digits.
func (s *Server) Trace(ctx context.Context, id string) ([]Span, error) {
	path := "/api/v2/trace/" + url.PathEscape(id)
	status, body, err := s.get(ctx, path)
	switch {
	case err != nil:
		return nil, err
	case status == http.StatusNotFound:
		return nil, nil
	case status != http.StatusOK:
		return nil, fmt.Errorf("zipkinserver: %s: status %d: %s", path, status, body)
	}
	return decode[[]Span](path, body)
}

// Traces searches for traces. The query's parameters are those of GET /api/v2/traces: serviceName,
// spanName, annotationQuery, limit and others.
func (s *Server) Traces(ctx context.Context, query url.Values) ([][]Span, error) {
	path := "/api/v2/traces?" + query.Encode()
	status, body, err := s.get(ctx, path)
	switch {
	case err != nil:
		return nil, err
	case status != http.StatusOK:
		return nil, fmt.Errorf("zipkinserver: %s: status %d: %s", path, status, body)
	}
	return decode[[][]Span](path, body)
}

// WaitForTrace polls until the server has n spans of a trace or more, or ctx is done. In both cases it
// returns those that are there.
func (s *Server) WaitForTrace(ctx context.Context, id string, n int) (spans []Span, err error) {
	err = process.Poll(ctx, func() (bool, error) {
		now, err := s.Trace(ctx, id)
		if err != nil {
			return false, err
		}
		spans = now
		return len(spans) >= n, nil
	})
	if err != nil {
		return spans, fmt.Errorf("zipkinserver: trace %s has %d spans of %d: %w", id, len(spans), n, err)
	}
	return spans, nil
}

// WaitForSpan polls until the server has a span, or ctx is done.
func (s *Server) WaitForSpan(ctx context.Context, traceID, id string) (span Span, err error) {
	err = process.Poll(ctx, func() (bool, error) {
		spans, err := s.Trace(ctx, traceID)
		if err != nil {
			return false, err
		}
		i := slices.IndexFunc(spans, func(s Span) bool { return s.ID == id })
		if i < 0 {
			return false, nil
		}
		span = spans[i]
		return true, nil
	})
	if err != nil {
		return span, fmt.Errorf("zipkinserver: span %s of trace %s is not there: %w", id, traceID, err)
	}
	return span, nil
}

func (s *Server) get(ctx context.Context, path string) (status int, body []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+path, http.NoBody)
	if err != nil {
		return 0, nil, err
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(resp.Body)
	return resp.StatusCode, body, err
}

func decode[T any](path string, body []byte) (v T, err error) {
	if err := json.Unmarshal(body, &v); err != nil {
		return v, fmt.Errorf("zipkinserver: %s: %w", path, err)
	}
	return v, nil
}
