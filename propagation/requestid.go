// SPDX-License-Identifier: Apache-2.0

package propagation

import (
	"context"

	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/internal/remote"
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

// readRequestID returns the x-request-id that arrived, or "".
func (p *Propagator) readRequestID(src *source) string {
	id := src.get(&requestIDHeader)
	for i := range len(id) {
		// RFC 9110, section 5.5. An HTTP client refuses to send a request with such a value.
		if c := id[i]; c < ' ' && c != '\t' || c == 0x7f {
			p.malformed.count(formatRequestID, reasonSyntax)
			return ""
		}
	}
	return id
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
