// SPDX-License-Identifier: Apache-2.0

package tracehttp

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"runtime"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// This file is the only one that knows the semantic conventions of HTTP (semconv, docs/http/http-spans.md).

const schemaURL = semconv.SchemaURL

// The most attributes a server span and a client span are started with.
const (
	maxServerAttributes = 13
	maxClientAttributes = 5
)

// otherMethod is the value of http.request.method for a method that is not known.
const otherMethod = "_OTHER"

// knownMethods are those of RFC 9110, PATCH of RFC 5789, and QUERY, the commonest first.
var knownMethods = [...]string{
	http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodHead, http.MethodPatch,
	http.MethodOptions, http.MethodConnect, http.MethodTrace, "QUERY",
}

// knownMethod returns the method as the conventions know it, and as it reads in a span's name. Both
// are constants: a server's Request.Method is a piece of the whole request line.
func knownMethod(method string) (value, name string) {
	if method == "" {
		return http.MethodGet, http.MethodGet // net/http: for clients, "" is GET
	}
	for _, known := range &knownMethods {
		if method == known {
			return known, known
		}
	}
	return otherMethod, "HTTP"
}

// appendMethod appends a method and what knownMethod returned for it.
func appendMethod(attrs []attribute.KeyValue, r *http.Request, value string) []attribute.KeyValue {
	attrs = append(attrs, semconv.HTTPRequestMethodKey.String(value))
	if value == otherMethod {
		attrs = append(attrs, semconv.HTTPRequestMethodOriginalKey.String(limitPiece(r.Method, r.RequestURI)))
	}
	return attrs
}

// serverAttributes returns what is known when a request arrives; method is that of knownMethod and
// httpRoute may be "".
func serverAttributes(r *http.Request, method, httpRoute string) []attribute.KeyValue {
	attrs := appendMethod(make([]attribute.KeyValue, 0, maxServerAttributes), r, method)
	attrs = append(attrs, semconv.URLSchemeKey.String(scheme(r)))
	if r.URL != nil {
		if r.URL.Path != "" {
			attrs = append(attrs, semconv.URLPathKey.String(limitPiece(r.URL.Path, r.RequestURI)))
		}
		if r.URL.RawQuery != "" {
			attrs = append(attrs, semconv.URLQueryKey.String(limit(redactQuery(limitPiece(r.URL.RawQuery, r.RequestURI)))))
		}
	}
	if httpRoute != "" {
		attrs = append(attrs, semconv.HTTPRouteKey.String(httpRoute))
	}

	host := firstElement(r.Header.Get("X-Forwarded-Host"))
	if host == "" {
		host = limitPiece(r.Host, r.RequestURI) // a piece of it in absolute form
	}
	if address, port := splitHostPort(host); address != "" {
		attrs = append(attrs, semconv.ServerAddressKey.String(address))
		if port > 0 {
			attrs = append(attrs, semconv.ServerPortKey.Int(port))
		}
	}

	peer, peerPort := splitHostPort(limit(r.RemoteAddr))
	if peer == "@" { // an unnamed Unix socket
		peer = ""
	}
	client := firstElement(r.Header.Get("X-Forwarded-For"))
	if client == "" {
		client = peer
	}
	if client != "" {
		attrs = append(attrs, semconv.ClientAddressKey.String(client))
	}
	if peer != "" {
		attrs = append(attrs, semconv.NetworkPeerAddressKey.String(peer))
		if peerPort > 0 {
			attrs = append(attrs, semconv.NetworkPeerPortKey.Int(peerPort))
		}
	}

	if agent := r.UserAgent(); agent != "" {
		attrs = append(attrs, semconv.UserAgentOriginalKey.String(limit(agent)))
	}
	return appendProtocolVersion(attrs, r.ProtoMajor, r.ProtoMinor)
}

// scheme returns "http" or "https".
func scheme(r *http.Request) string {
	switch proto := firstElement(r.Header.Get("X-Forwarded-Proto")); {
	case strings.EqualFold(proto, "https"):
		return "https"
	case strings.EqualFold(proto, "http"):
		return "http"
	case r.TLS != nil:
		return "https"
	}
	return "http"
}

// clientAttributes returns what is known before a request is sent; method is that of knownMethod.
// r.URL may be nil: it is for the base transport to refuse such a request.
func clientAttributes(r *http.Request, method string) []attribute.KeyValue {
	attrs := appendMethod(make([]attribute.KeyValue, 0, maxClientAttributes), r, method)
	if r.URL == nil {
		return attrs
	}
	host := r.Host
	if host == "" {
		host = r.URL.Host
	}
	if address, port := splitHostPort(limit(host)); address != "" {
		if port == 0 {
			port = 80
			if r.URL.Scheme == "https" {
				port = 443
			}
		}
		attrs = append(attrs, semconv.ServerAddressKey.String(address), semconv.ServerPortKey.Int(port))
	}
	return append(attrs, semconv.URLFullKey.String(fullURL(r.URL)))
}

// appendStatus appends a response's status code; 0 is none.
func appendStatus(attrs []attribute.KeyValue, status int) []attribute.KeyValue {
	if status == 0 {
		return attrs
	}
	return append(attrs, semconv.HTTPResponseStatusCodeKey.Int(status))
}

// appendErrorStatus appends the error type of a response whose status code is an error.
func appendErrorStatus(attrs []attribute.KeyValue, status int) []attribute.KeyValue {
	return append(attrs, semconv.ErrorTypeKey.String(strconv.Itoa(status)))
}

func appendRoute(attrs []attribute.KeyValue, httpRoute string) []attribute.KeyValue {
	return append(attrs, semconv.HTTPRouteKey.String(httpRoute))
}

func appendErrorType(attrs []attribute.KeyValue, value string) []attribute.KeyValue {
	return append(attrs, semconv.ErrorTypeKey.String(limit(value)))
}

// appendProtocolVersion appends the version in the form that ALPN and the conventions use.
func appendProtocolVersion(attrs []attribute.KeyValue, major, minor int) []attribute.KeyValue {
	var version string
	switch {
	case major == 1 && minor == 1:
		version = "1.1"
	case major == 2:
		version = "2"
	case major == 3:
		version = "3"
	case major == 1 && minor == 0:
		version = "1.0"
	default:
		return attrs // a request or a response made by hand
	}
	return append(attrs, semconv.NetworkProtocolVersionKey.String(version))
}

// errorType names the type of what a handler panicked with, or of an error. The two errors of package
// context have names that say more than their types.
func errorType(v any) string {
	err, ok := v.(error)
	switch {
	case !ok:
		return reflect.TypeOf(v).String()
	case errors.Is(err, context.Canceled):
		return "context.Canceled"
	case errors.Is(err, context.DeadlineExceeded):
		return "context.DeadlineExceeded"
	}
	return semconv.ErrorType(err).Value.AsString()
}

// addException records an exception event. It is not RecordError, which takes errors only and whose
// message nobody limits: net/http quotes in its errors what a peer sent. stack may be nil.
func addException(span trace.Span, exceptionType, message string, stack []byte) {
	attrs := make([]attribute.KeyValue, 0, 3)
	attrs = append(attrs,
		semconv.ExceptionTypeKey.String(limit(exceptionType)),
		semconv.ExceptionMessageKey.String(message))
	if len(stack) > 0 {
		attrs = append(attrs, semconv.ExceptionStacktraceKey.String(string(stack)))
	}
	span.AddEvent(semconv.ExceptionEventName, trace.WithAttributes(attrs...))
}

// maxStackSize bounds a recorded stack, in bytes. The frames nearest to the panic come first.
const maxStackSize = 8 << 10

// stack returns the stack of the calling goroutine, in the form of runtime.Stack.
func stack() []byte {
	b := make([]byte, maxStackSize)
	return b[:runtime.Stack(b, false)]
}
