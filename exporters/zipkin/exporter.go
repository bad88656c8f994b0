// SPDX-License-Identifier: Apache-2.0

package zipkin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	neturl "net/url"
	"strings"
	"sync/atomic"

	"github.com/spandrel-go/spandrel/internal/transport"
	"github.com/spandrel-go/spandrel/pool"
	"github.com/spandrel-go/spandrel/tracing"
)

var errShutdown = errors.New("zipkin: exporter is shut down")

// Exporter sends spans to Zipkin. It is safe for concurrent use.
type Exporter struct {
	client  *transport.Client
	stopped atomic.Bool // publishes that Shutdown was called
}

var (
	_ tracing.EncodingExporter = (*Exporter)(nil)
	_ tracing.EncodingNamer    = (*Exporter)(nil)
	_ tracing.TargetNotifier   = (*Exporter)(nil)
)

// New makes an exporter that posts to url, which is used as it stands, path included. With an empty
// url the environment variable OTEL_EXPORTER_ZIPKIN_ENDPOINT names it, and without that it is
// http://localhost:9411/api/v2/spans. User information in it becomes basic authentication. A URL that
// is not http or https, has no host, a port that is not from 1 to 65535, or white space around it (but in
// the variable) is an error, and so is an option or an environment variable out of its range. New connects to nothing.
func New(url string, opts ...Option) (*Exporter, error) {
	c, err := newConfig(url, opts)
	if err != nil {
		return nil, err
	}
	return &Exporter{client: transport.New(transport.Config{
		URL: c.url, Header: c.header, HTTPClient: c.client, Timeout: c.timeout,
	})}, nil
}

// SetTarget replaces where the exporter sends to, and with which headers, in one step. An empty url keeps
// the present one, user information included, and nil headers keep the present ones; an empty map takes
// them away. To another host give its headers as well: a token that is kept goes there. What is wrong for
// [New] or [WithHeaders] is an error here, and then nothing changes.
//
// A request carries the URL and all the headers of one call, never some of another's. Those that begin
// after SetTarget has returned go to the new place, also with a batch that has failed at the old one; those
// under way end as they began, and what they answer counts. A pause that the old place has caused or asked for
// ends if the new URL is another. Connections to the old host are closed as they fall idle, but not those of
// [WithHTTPClient].
func (e *Exporter) SetTarget(url string, headers map[string]string) error {
	var (
		u      *neturl.URL // nil: as it is
		header http.Header // nil: as it is
		err    error
	)
	if url != "" {
		if u, err = transport.ParseURL(url, defaultURL); err != nil {
			return fmt.Errorf("zipkin: SetTarget: %w", err)
		}
	}
	if headers != nil {
		if header, err = newHeader(headers); err != nil {
			return fmt.Errorf("zipkin: SetTarget: %w", err)
		}
	}
	e.client.SetTarget(u, header)
	return nil
}

// TargetReplaced returns a channel that is closed by the next [Exporter.SetTarget] with another URL: by it a
// provider knows that it need not wait for the old place any more.
func (e *Exporter) TargetReplaced() <-chan struct{} { return e.client.TargetReplaced() }

// URL returns where the exporter sends to, without user information and query.
func (e *Exporter) URL() string { return e.client.URL() }

// ExportSpans encodes spans and sends them in one request. A failure is a [*tracing.ExportError].
// Spans that cannot be expressed are left out and counted in its Rejected.
func (e *Exporter) ExportSpans(ctx context.Context, spans []*tracing.SpanData) error {
	body, resource := pool.GetBuffer(), pool.GetBuffer()
	defer body.Release() // SendRequest has revoked what net/http could still read
	defer resource.Release()

	body.B = append(body.B, '[')
	sent := 0
	for i, d := range spans {
		if i == 0 || d.Resource != spans[i-1].Resource {
			resource.B = e.AppendResource(resource.B[:0], d.Resource)
		}
		before := len(body.B)
		if sent > 0 {
			body.B = append(body.B, ',')
		}
		start := len(body.B)
		if body.B = appendSpan(body.B, resource.B, d); len(body.B) == start {
			body.B = body.B[:before]
			continue
		}
		sent++
	}
	body.B = append(body.B, ']')

	rejected := len(spans) - sent
	if sent > 0 {
		if err := e.SendRequest(ctx, body.B, sent); err != nil {
			return err
		}
	}
	if rejected == 0 {
		return nil
	}
	failure := &tracing.ExportError{Err: fmt.Errorf("zipkin: %d of %d spans have no valid ids", rejected, len(spans))}
	if sent > 0 {
		failure.Rejected = rejected
	}
	return failure
}

// EncodingName names what AppendResource and AppendSpan append: the JSON of Zipkin v2, in the first form
// that spandrel gave it.
func (e *Exporter) EncodingName() string { return "zipkin-v2-json/1" }

// AppendResource appends the local endpoint, which AppendRequest puts into each span.
func (e *Exporter) AppendResource(dst []byte, r *tracing.Resource) []byte {
	return appendLocalEndpoint(dst, r)
}

// AppendSpan appends one span as a JSON object without its local endpoint. It returns dst as it was
// when the span's trace ID or span ID is zero.
func (e *Exporter) AppendSpan(dst []byte, d *tracing.SpanData) []byte {
	return appendSpan(dst, nil, d)
}

// AppendRequest appends the spans of b as one JSON array, each with the local endpoint.
func (e *Exporter) AppendRequest(dst []byte, b tracing.EncodedBatch) []byte {
	dst = append(dst, '[')
	first := true
	for i := range b.Len() {
		span := b.Span(i)
		if len(span) == 0 { // rejected by AppendSpan
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		if len(b.Resource) > 0 {
			dst = append(dst, '{')
			dst = append(dst, b.Resource...)
			dst = append(dst, ',')
			span = span[1:] // its own opening brace
		}
		dst = append(dst, span...)
	}
	return append(dst, ']')
}

// SendRequest posts one request body and waits for the answer. body is borrowed until it returns. The
// error is a [*tracing.ExportError] whose text names the URL without user information and query, the
// status, and the start of the answer.
func (e *Exporter) SendRequest(ctx context.Context, body []byte, _ int) error {
	if e.stopped.Load() {
		return &tracing.ExportError{Err: errShutdown}
	}
	_, failure := e.client.Post(ctx, transport.Request{Body: body})
	if failure == nil {
		return nil
	}
	var advice string
	switch failure.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusNotFound, http.StatusMethodNotAllowed:
		_, rest, _ := strings.Cut(e.client.URL(), "://")
		if _, path, _ := strings.Cut(rest, "/"); path == "" {
			advice = "; the URL has no path, and Zipkin's is /api/v2/spans"
		}
	}
	return &tracing.ExportError{
		Err:       fmt.Errorf("zipkin: %w%s", failure, advice),
		Retryable: failure.Retryable, TooLarge: failure.TooLarge, RetryAfter: failure.RetryAfter,
	}
}

// Shutdown closes the exporter's connections; a request that is under way is finished first. It does
// not wait, and its error is always nil. After it nothing is sent any more, and whoever tries gets an
// error. It is idempotent.
func (e *Exporter) Shutdown(context.Context) error {
	e.stopped.Store(true)
	e.client.Close()
	return nil
}
