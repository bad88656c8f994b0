// SPDX-License-Identifier: Apache-2.0

package propagation

import "github.com/spandrel-go/spandrel/internal/requestid"

// RequestID is what Envoy has written into an x-request-id. [ParseRequestID] makes it. It is a value: it
// can be copied and compared.
type RequestID = requestid.ID

// RequestIDReason is why Envoy traces a request, or does not: [RequestID.Reason]. Its String explains it
// in words; its Traced reports whether it says that Envoy traces the request.
type RequestIDReason = requestid.Reason

// The reasons, which stand in character 14 of the UUID, the first being 0.
const (
	// RequestIDNotTraceable: the id is not 36 characters long, or has another character there.
	RequestIDNotTraceable RequestIDReason = requestid.NotTraceable
	// RequestIDNoTrace, "4": Envoy does not trace the request. A random UUID that Envoy did not make
	// has a 4 there as well.
	RequestIDNoTrace RequestIDReason = requestid.NoTrace
	// RequestIDSampled, "9": random sampling chose the request.
	RequestIDSampled RequestIDReason = requestid.Sampled
	// RequestIDServerForced, "a": x-envoy-force-trace asked for a trace.
	RequestIDServerForced RequestIDReason = requestid.ServerForced
	// RequestIDClientForced, "b": x-client-trace-id asked for a trace.
	RequestIDClientForced RequestIDReason = requestid.ClientForced
)

// ParseRequestID reads an x-request-id as Envoy does: why it traces the request, and the number by which
// all Envoys on the request's way sample alike. It takes any text and does not allocate. The String of
// what it returns explains the id in words.
//
// An id says something about Envoy only where Envoy made it. Whether one did cannot be seen. Sampler
// EnvoyRequestID of package sampling follows it.
func ParseRequestID(id string) RequestID { return requestid.Parse(id) }
