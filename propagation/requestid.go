// SPDX-License-Identifier: Apache-2.0

package propagation

import (
	"context"

	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/internal/remote"
	"github.com/spandrel-go/spandrel/internal/requestid"
)

// uuidLen is the length of a UUID's text, with its four dashes.
const uuidLen = 36

// RequestIDFromContext returns the x-request-id of the request that ctx belongs to, as
// [Propagator.Inject] writes it: the one that arrived; else, in the service that started the trace,
// the one made of the trace id; else "".
func RequestIDFromContext(ctx context.Context) string {
	sc, r := trace.SpanContextFromContext(ctx), remote.FromContext(ctx)
	if r != nil && r.RequestID != "" {
		return r.RequestID
	}
	if !startsTrace(sc, r) {
		return ""
	}
	var buf [uuidLen]byte
	return string(appendUUID(buf[:0], sc.TraceID()))
}

// correlation is what arrived in headers that name a request and not a span. It travels on byte for byte.
type correlation struct{ requestID, clientTraceID, forceTrace, kongRequestID string }

// maxCorrelation bounds each of these headers, in bytes. Real ones have 32 or 36.
const maxCorrelation = 256

func (p *Propagator) readCorrelation(src *source) correlation {
	c := correlation{
		requestID:     p.readToken(src, &requestIDHeader),
		clientTraceID: p.readToken(src, &clientTraceIDHeader),
		forceTrace:    p.readToken(src, &forceTraceHeader),
		kongRequestID: p.readToken(src, &kongRequestIDHeader),
	}
	if c.requestID == "" {
		return c
	}
	if _, ok := requestid.Parse(c.requestID).Number(); !ok && p.untraceable.Add(1) == 1 {
		p.logger.Warn("spandrel: an x-request-id arrived with which Envoy does not trace; further ones are only counted",
			"x-request-id", c.requestID)
	}
	return c
}

// store sets what arrived in a Remote.
// store sets what arrived, and leaves the rest.
func (c *correlation) store(in *Remote) {
	if c.requestID != "" {
		in.RequestID = c.requestID
	}
	if c.clientTraceID == "" && c.forceTrace == "" && c.kongRequestID == "" {
		return
	}
	x := remote.AddExtra(in)
	if c.clientTraceID != "" {
		x.ClientTraceID = c.clientTraceID
	}
	if c.forceTrace != "" {
		x.ForceTrace = c.forceTrace
	}
	if c.kongRequestID != "" {
		x.KongRequestID = c.kongRequestID
	}
}

// forwardCorrelation sends what arrived on, but for the request id.
func forwardCorrelation(dst *target, x *remote.Extra) {
	if x.ClientTraceID != "" {
		dst.set(&clientTraceIDHeader, x.ClientTraceID)
	}
	if x.ForceTrace != "" {
		dst.set(&forceTraceHeader, x.ForceTrace)
	}
	if x.KongRequestID != "" {
		dst.set(&kongRequestIDHeader, x.KongRequestID)
	}
}

// readToken returns a header that is forwarded, or "" if it is none that an HTTP client would send.
func (p *Propagator) readToken(src *source, name *header) string {
	value := src.get(name)
	if len(value) > maxCorrelation {
		p.malformed.count(formatRequestID, reasonLength)
		return ""
	}
	for i := range len(value) {
		// RFC 9110, section 5.5. An HTTP client refuses to send a request with such a value.
		if c := value[i]; c < ' ' && c != '\t' || c == 0x7f {
			p.malformed.count(formatRequestID, reasonSyntax)
			return ""
		}
	}
	return value
}

// startsTrace reports whether the trace of sc began in this process.
func startsTrace(sc trace.SpanContext, r *Remote) bool {
	return sc.IsValid() && !sc.IsRemote() && !sameTrace(sc, r)
}

// sameTrace reports whether r arrived with the ids of the trace of sc, which is valid.
func sameTrace(sc trace.SpanContext, r *Remote) bool {
	return r != nil && r.SpanContext.TraceID() == sc.TraceID()
}

// appendUUID appends the version 4 UUID made of a trace id.
func appendUUID(dst []byte, id trace.TraceID) []byte {
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	dst = append(appendHex(dst, id[0:4]), '-')
	dst = append(appendHex(dst, id[4:6]), '-')
	dst = append(appendHex(dst, id[6:8]), '-')
	dst = append(appendHex(dst, id[8:10]), '-')
	return appendHex(dst, id[10:16])
}
