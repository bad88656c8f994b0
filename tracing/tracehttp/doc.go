// SPDX-License-Identifier: Apache-2.0

// Package tracehttp traces net/http: a span for each request that a server handles, a span for each
// request that a client sends, and the headers that join the two.
//
//	mux := http.NewServeMux()
//	mux.HandleFunc("GET /users/{id}", user)
//	server := &http.Server{Handler: tracehttp.NewHandler(mux, "users")}
//
//	client := &http.Client{Transport: tracehttp.NewTransport(nil)}
//
// A handler must give the Go context of its request to the requests that it sends: the chain hangs
// on it.
//
//	func user(w http.ResponseWriter, r *http.Request) {
//		req, err := http.NewRequestWithContext(r.Context(), http.MethodGet, url, nil)
//		...
//
// The package uses the OpenTelemetry API only and works with any [trace.TracerProvider].
//
// # Headers
//
// Unless [WithPropagator] says otherwise, headers are read and written by package propagation with
// its zero Config, so that the formats of Kong and Envoy work and an x-request-id that arrived with a
// request stands byte for byte on the requests sent on its behalf. OpenTelemetry's global propagator
// is not used: until somebody sets it, it does nothing, and a chain breaks without a word.
//
// Baggage is not carried by default. It has a propagator of its own, to be put beside the other:
//
//	baggage, err := propagation.NewBaggage()
//	...
//	both := otelpropagation.NewCompositeTextMapPropagator(propagator, baggage)
//	handler := tracehttp.NewHandler(mux, "users", tracehttp.WithPropagator(both))
//
// Headers go to every host that a client calls. Third parties need to see neither ids nor baggage:
// [WithTraceHosts] and [WithBaggageHosts] list the hosts that may.
//
// # Span names
//
// A server span is named by method and route, as in "GET /users/{id}". The route is
// [http.Request.Pattern] without method and host. An [http.ServeMux] inside the handler sets the
// pattern on the request that it is given, and the span reads it there after the handler has
// returned. Code between the two that makes a copy of the request, by WithContext for example, hides
// it: put NewHandler inside of such code, or around the handlers behind the mux. Where there is no
// pattern the span keeps the name that it has: the operation, the method, or what the handler chose
// by SetName. A path is never part of a name.
//
// A client span is named by its method. Methods other than those of RFC 9110, PATCH and QUERY are
// recorded as "_OTHER" and read "HTTP" in names.
//
// # Attributes, status, errors
//
// Attributes follow OpenTelemetry's stable semantic conventions for HTTP. Those known at the start
// are given to Start, where samplers see them. X-Forwarded-For, X-Forwarded-Host and
// X-Forwarded-Proto take precedence over what the connection says, as the conventions ask; whoever
// can reach the server can write them, as any other header.
//
// Values that come from the network, messages of errors among them, are cut at 1,024 bytes, and bytes in them
// that are not UTF-8 become U+FFFD. Stacks are cut at 8 KiB. User information is removed from URLs, and the
// values of these query parameters become REDACTED: AWSAccessKeyId, Signature, sig, X-Amz-Credential,
// X-Amz-Security-Token, X-Amz-Signature, X-Goog-Signature.
//
// A status code of 500 or more is an error, for clients one of 400 or more. error.type is the status
// code; the Go type of an error or of a panic's value; "context.Canceled" or
// "context.DeadlineExceeded"; or "net/http.ErrAbortHandler".
//
// A panic of a handler is recorded as an event with its stack and goes on unchanged.
// [http.ErrAbortHandler] makes the span an error too, for the client does not get its whole response,
// but it is no event: it is how a handler gives up in silence.
//
// # Concurrency and cost
//
// Handlers, transports and options are safe for concurrent use. The package starts no goroutine. A
// request whose span does not record costs the start attributes, the headers and a copy of the
// request; its response writer and response body are not wrapped.
package tracehttp
