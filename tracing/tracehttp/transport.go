// SPDX-License-Identifier: Apache-2.0

package tracehttp

import (
	"errors"
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// clientErrors is the lowest status code that makes a client span an error.
const clientErrors = 400

// errNoResponse is recorded for a base transport that breaks the contract of [http.RoundTripper].
var errNoResponse = errors.New("tracehttp: the base transport returned neither a response nor an error")

type transport struct {
	config
	base http.RoundTripper
}

// NewTransport returns a transport that starts a client span for each request, as a child of the span
// in the request's Go context, adds the trace headers, and lets base send it; nil is
// [http.DefaultTransport]. base gets a copy of the request: the caller's is not changed.
//
// The span ends when the response body has been read to its end, has been closed, or has failed; a
// response without a body ends it at once. A body that is never closed, which leaks its connection
// too, keeps its span open. An [http.Client] sends each redirect as a request of its own, with a
// span of its own.
//
// A body that implements [io.Writer], and perhaps CloseWrite, as that of a 101 response does, still
// does so. CloseIdleConnections reaches base.
func NewTransport(base http.RoundTripper, opts ...Option) http.RoundTripper {
	if base == nil {
		base = http.DefaultTransport
	}
	t := &transport{config: newConfig(opts), base: base}
	t.traceHosts.warn()
	t.baggageHosts.warn()
	return t
}

// RoundTrip implements [http.RoundTripper].
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if !t.traced(r) {
		return t.base.RoundTrip(r)
	}

	method, name := knownMethod(r.Method)
	ctx, span := t.tracer.Start(r.Context(), name, t.clientKind, trace.WithAttributes(clientAttributes(r, method)...))
	req := r.WithContext(ctx)
	req.Header = r.Header.Clone()
	if req.Header == nil {
		req.Header = make(http.Header)
	}
	t.inject(ctx, req)

	returned := false
	defer func() {
		if !returned { // base has panicked, and the panic goes on
			span.SetStatus(codes.Error, "panic in the base transport")
			span.End()
		}
	}()
	resp, err := t.base.RoundTrip(req)
	returned = true
	switch {
	case !span.IsRecording():
		span.End()
	case err != nil:
		fail(span, err)
		span.End()
	case resp == nil:
		fail(span, errNoResponse)
		span.End()
	default:
		t.respond(span, resp)
	}
	return resp, err
}

// respond records a response and leaves the end of the span to its body.
func (t *transport) respond(span trace.Span, resp *http.Response) {
	attrs := make([]attribute.KeyValue, 0, 3)
	attrs = appendProtocolVersion(attrs, resp.ProtoMajor, resp.ProtoMinor)
	attrs = appendStatus(attrs, resp.StatusCode)
	if resp.StatusCode >= clientErrors {
		attrs = appendErrorStatus(attrs, resp.StatusCode)
		span.SetStatus(codes.Error, "")
	}
	span.SetAttributes(attrs...)
	if resp.Body == nil || resp.Body == http.NoBody {
		span.End()
		return
	}
	resp.Body = wrapBody(resp.Body, span)
}

// CloseIdleConnections passes on what [http.Client.CloseIdleConnections] asks for.
func (t *transport) CloseIdleConnections() {
	if c, ok := t.base.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// fail records what made a request fail.
func fail(span trace.Span, err error) {
	message, kind := limit(err.Error()), errorType(err)
	addException(span, kind, message, nil)
	span.SetAttributes(appendErrorType(make([]attribute.KeyValue, 0, 1), kind)...)
	span.SetStatus(codes.Error, message)
}
