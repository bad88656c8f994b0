// SPDX-License-Identifier: Apache-2.0

package tracehttp

import (
	"context"
	"fmt"
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	otelpropagation "go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/propagation"
)

// serverErrors is the lowest status code that makes a server span an error.
const serverErrors = 500

// abortType is the error.type of http.ErrAbortHandler, whose Go type says nothing.
const abortType = "net/http.ErrAbortHandler"

type handler struct {
	config
	next      http.Handler
	operation string
}

// NewHandler returns a handler that reads the trace headers of each request, starts a server span,
// and calls h with a request whose Go context holds that span. The span ends when h returns; it is
// named by method and route, or operation where there is no route, or the method where operation is
// "". The package documentation says what is recorded.
//
// The response writer that h gets implements [http.Flusher], [http.Hijacker], [http.Pusher],
// [io.ReaderFrom] and CloseNotify where the server's does, and Unwrap for [http.ResponseController].
func NewHandler(h http.Handler, operation string, opts ...Option) http.Handler {
	return &handler{config: newConfig(opts), next: h, operation: operation}
}

// ServeHTTP implements [http.Handler].
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !h.traced(r) {
		h.next.ServeHTTP(w, r)
		return
	}

	// A mux outside of this handler has set the pattern already.
	outerRoute := limit(route(r.Pattern))
	method, name := knownMethod(r.Method)
	switch {
	case outerRoute != "":
		name = spanName(name, outerRoute, r.Pattern)
	case h.operation != "":
		name = h.operation
	}
	ctx, span := h.start(r, name, serverAttributes(r, method, outerRoute))
	req := r.WithContext(ctx)
	if h.trust != propagation.Trust {
		req.Header = h.withoutTrace(r.Header)
	}
	if !span.IsRecording() {
		defer span.End()
		defer giveBackForm(r, req)
		h.next.ServeHTTP(w, req)
		return
	}

	rw := &responseWriter{ResponseWriter: w}
	returned := false
	defer func() {
		v := recover()
		giveBackForm(r, req)
		if returned {
			rw.assumeOK()
		}
		end(span, r, req, rw.status, v)
		if v != nil {
			panic(v)
		}
	}()
	h.next.ServeHTTP(rw.wrap(), req)
	returned = true
}

func (h *handler) start(r *http.Request, name string, attrs []attribute.KeyValue) (context.Context, trace.Span) {
	headers := otelpropagation.HeaderCarrier(r.Header)
	if h.trust == propagation.Trust {
		ctx := h.propagator.Extract(r.Context(), headers)
		return h.tracer.Start(ctx, name, h.serverKind, trace.WithAttributes(attrs...))
	}

	opts := []trace.SpanStartOption{h.serverKind, trace.WithAttributes(attrs...), trace.WithNewRoot()}
	if h.trust == propagation.Link {
		ctx := h.propagator.Extract(context.Background(), headers)
		if caller := trace.SpanContextFromContext(ctx); caller.IsValid() {
			opts = append(opts, trace.WithLinks(linksTo(ctx, caller)...))
		}
	}
	return h.tracer.Start(r.Context(), name, opts...)
}

// linksTo links to the caller whose headers were read into ctx, and to what else they named.
func linksTo(ctx context.Context, caller trace.SpanContext) []trace.Link {
	links := []trace.Link{{SpanContext: caller}}
	r, _ := propagation.RemoteFromContext(ctx)
	for _, l := range r.Extras().Links {
		links = append(links, l.OnSpan())
	}
	return links
}

// giveBackForm shows the server the form that a handler parsed: net/http removes its temporary files
// through the request that it knows, not through our copy.
func giveBackForm(r, req *http.Request) {
	if req.MultipartForm != nil {
		r.MultipartForm = req.MultipartForm
	}
}

// end ends the span of a request r that was handled as req, with the status code that was written or
// 0, by a handler that panicked with v or did not. A handler that panics before it has written makes
// the server close the connection: there is no status code then.
func end(span trace.Span, r, req *http.Request, status int, v any) {
	attrs := appendStatus(make([]attribute.KeyValue, 0, 3), status)
	if req.Pattern != r.Pattern { // a mux in the handler has set it
		if rt := limit(route(req.Pattern)); rt != "" {
			_, name := knownMethod(req.Method)
			span.SetName(spanName(name, rt, req.Pattern))
			attrs = appendRoute(attrs, rt)
		}
	}
	switch {
	case v == http.ErrAbortHandler: //nolint:errorlint // net/http compares so, too
		attrs = appendErrorType(attrs, abortType)
		span.SetStatus(codes.Error, "")
	case v != nil:
		message, kind := limit(fmt.Sprint(v)), errorType(v)
		addException(span, kind, message, stack())
		attrs = appendErrorType(attrs, kind)
		span.SetStatus(codes.Error, message)
	case status >= serverErrors:
		attrs = appendErrorStatus(attrs, status)
		span.SetStatus(codes.Error, "")
	}
	span.SetAttributes(attrs...)
	span.End()
}

// spanName returns method and rt with a space between; that is pattern itself in the usual case of
// "GET /users/{id}".
func spanName(method, rt, pattern string) string {
	n := len(method)
	if len(pattern) == n+1+len(rt) && pattern[:n] == method && pattern[n] == ' ' {
		return pattern
	}
	return method + " " + rt
}
