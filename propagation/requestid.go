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
	if !startsTrace(&sc, r) {
		return ""
	}
	var buf [uuidLen]byte
	return string(appendUUID(buf[:0], sc.TraceID(), sc.IsSampled()))
}

// maxCorrelation bounds each of these headers, in bytes. Real ones have 32 or 36.
const maxCorrelation = 256

// readCorrelation reads the headers that name a request and not a span into in. They travel on byte for
// byte. It reports whether there was one.
func (p *Propagator) readCorrelation(src *source, in *arrival) (some bool) {
	var requestID, clientTraceID, forceTrace, kongRequestID string
	if src.header != nil { // without a call for each
		requestID, clientTraceID = src.first(&requestIDHeader), src.first(&clientTraceIDHeader)
		forceTrace, kongRequestID = src.first(&forceTraceHeader), src.first(&kongRequestIDHeader)
	} else {
		requestID, clientTraceID = src.get(&requestIDHeader), src.get(&clientTraceIDHeader)
		forceTrace, kongRequestID = src.get(&forceTraceHeader), src.get(&kongRequestIDHeader)
	}
	if requestID != "" && p.isCorrelation(requestID) {
		some = true
		in.RequestID = src.keep(requestID)
		if _, ok := requestid.Parse(requestID).Number(); !ok && p.untraceable.Add(1) == 1 {
			p.logger.Warn("spandrel: an x-request-id arrived with which Envoy does not trace; further ones are only counted",
				"x-request-id", in.RequestID)
		}
	}
	if clientTraceID != "" && p.isCorrelation(clientTraceID) {
		some = true
		in.AddExtra().ClientTraceID = src.keep(clientTraceID)
	}
	if forceTrace != "" && p.isCorrelation(forceTrace) {
		some = true
		in.AddExtra().ForceTrace = src.keep(forceTrace)
	}
	if kongRequestID != "" && p.isCorrelation(kongRequestID) {
		some = true
		in.AddExtra().KongRequestID = src.keep(kongRequestID)
	}
	return some
}

// addCorrelation adds what readCorrelation has read to what is known already.
func addCorrelation(known, in *arrival) {
	if in.RequestID != "" {
		known.RequestID = in.RequestID
	}
	from := in.Extras()
	if from == nil || from.ClientTraceID+from.ForceTrace+from.KongRequestID == "" {
		return // of what else there is nothing is added
	}
	x := known.AddExtra()
	if from.ClientTraceID != "" {
		x.ClientTraceID = from.ClientTraceID
	}
	if from.ForceTrace != "" {
		x.ForceTrace = from.ForceTrace
	}
	if from.KongRequestID != "" {
		x.KongRequestID = from.KongRequestID
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

// isCorrelation reports whether value is forwarded: it is one that an HTTP client would send.
func (p *Propagator) isCorrelation(value string) bool {
	if len(value) > maxCorrelation {
		p.malformed.count(formatRequestID, reasonLength)
		return false
	}
	if isPrintable(value) { // as good as always
		return true
	}
	for i := range len(value) {
		// RFC 9110, section 5.5. An HTTP client refuses to send a request with such a value.
		if c := value[i]; c < ' ' && c != '\t' || c == 0x7f {
			p.malformed.count(formatRequestID, reasonSyntax)
			return false
		}
	}
	return true
}

// startsTrace reports whether the first span of the trace of sc was made in this process.
func startsTrace(sc *trace.SpanContext, r *arrival) bool {
	return sc.IsValid() && !sc.IsRemote() && (!sameTrace(sc, r) || !r.HasIDs())
}

// sameTrace reports whether r arrived with the trace id of sc, which is valid.
func sameTrace(sc *trace.SpanContext, r *arrival) bool {
	return r != nil && r.TraceID == sc.TraceID()
}

// appendUUID appends the UUID made of a trace id, as Envoy would write it: what is the version in the UUIDs of
// others is its answer to whether the trace is sampled, so that the Envoys that follow keep it.
func appendUUID(dst []byte, id trace.TraceID, sampled bool) []byte {
	id[6] = id[6]&0x0f | 0x40
	if sampled {
		id[6] = id[6]&0x0f | 0x90
	}
	id[8] = id[8]&0x3f | 0x80
	dst = append(appendHex(dst, id[0:4]), '-')
	dst = append(appendHex(dst, id[4:6]), '-')
	dst = append(appendHex(dst, id[6:8]), '-')
	dst = append(appendHex(dst, id[8:10]), '-')
	return appendHex(dst, id[10:16])
}
