// SPDX-License-Identifier: Apache-2.0

package zipkin

import (
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/internal/wire"
	"github.com/spandrel-go/spandrel/tracing"
)

const (
	errorKey             attribute.Key = "error"
	serviceNamespaceKey  attribute.Key = "service.namespace"
	reservedPrefix                     = "otel."
	statusCodeKey                      = "otel.status_code"
	scopeNameKey                       = "otel.scope.name"
	scopeVersionKey                    = "otel.scope.version"
	libraryNameKey                     = "otel.library.name"    // deprecated, still demanded
	libraryVersionKey                  = "otel.library.version" // deprecated, still demanded
	droppedAttributesKey               = "otel.dropped_attributes_count"
	droppedEventsKey                   = "otel.dropped_events_count"
	droppedLinksKey                    = "otel.dropped_links_count"

	// maxMadeTags is how many tags ownTags can make: two of the status, four of the scope, three
	// counts and the namespace.
	maxMadeTags = 10

	// unknownService is OpenTelemetry's name for a service that has none. A provider never needs it:
	// its resource always has a name.
	unknownService = "unknown_service"
)

// appendLocalEndpoint appends the member localEndpoint, which stands for the resource.
func appendLocalEndpoint(dst []byte, r *tracing.Resource) []byte {
	name := unknownService
	if r != nil && r.ServiceName() != "" {
		name = r.ServiceName()
	}
	dst = append(dst, `"localEndpoint":{"serviceName":`...)
	dst = appendLower(dst, name)
	return append(dst, '}')
}

// appendSpan appends one span as a JSON object that begins with the given members, if any. It returns
// dst as it was for a span without valid IDs, which Zipkin refuses together with its whole batch.
func appendSpan(dst, members []byte, d *tracing.SpanData) []byte {
	if !d.SpanContext.IsValid() {
		return dst
	}
	dst = append(dst, '{')
	if len(members) > 0 {
		dst = append(dst, members...)
		dst = append(dst, ',')
	}
	dst = append(dst, `"traceId":"`...)
	dst = appendTraceID(dst, d.SpanContext.TraceID())
	if d.Parent.HasSpanID() {
		dst = append(dst, `","parentId":"`...)
		dst = appendSpanID(dst, d.Parent.SpanID())
	}
	dst = append(dst, `","id":"`...)
	dst = appendSpanID(dst, d.SpanContext.SpanID())
	dst = append(dst, '"')
	if kind := kindName(d.Kind); kind != "" {
		dst = append(dst, `,"kind":"`...)
		dst = append(dst, kind...)
		dst = append(dst, '"')
	}
	if d.Name != "" {
		dst = append(dst, `,"name":`...)
		dst = wire.AppendJSONString(dst, d.Name)
	}
	dst = append(dst, `,"timestamp":`...)
	dst = strconv.AppendInt(dst, micros(d.StartTime), 10)
	if !d.EndTime.IsZero() {
		dst = append(dst, `,"duration":`...)
		dst = strconv.AppendInt(dst, max(d.EndTime.Sub(d.StartTime).Microseconds(), 1), 10)
	}
	if d.Kind == trace.SpanKindClient || d.Kind == trace.SpanKindProducer {
		dst = appendRemoteEndpoint(dst, d.Attributes)
	}
	dst = appendAnnotations(dst, d.Events)
	dst = appendTags(dst, d)
	if d.Debug {
		dst = append(dst, `,"debug":true`...)
	}
	return append(dst, '}')
}

func appendTraceID(dst []byte, id trace.TraceID) []byte {
	if [8]byte(id[:8]) == ([8]byte{}) {
		return hex.AppendEncode(dst, id[8:])
	}
	return hex.AppendEncode(dst, id[:])
}

func appendSpanID(dst []byte, id trace.SpanID) []byte { return hex.AppendEncode(dst, id[:]) }

// kindName returns Zipkin's name of a kind, "" for one that must be left out.
func kindName(k trace.SpanKind) string {
	switch k {
	case trace.SpanKindClient:
		return "CLIENT"
	case trace.SpanKindServer:
		return "SERVER"
	case trace.SpanKindProducer:
		return "PRODUCER"
	case trace.SpanKindConsumer:
		return "CONSUMER"
	default:
		return ""
	}
}

// micros returns microseconds since 1970, at least 1: Zipkin reads 0 as "absent", and refuses an
// annotation without a time together with its whole batch.
func micros(t time.Time) int64 { return max(t.UnixMicro(), 1) }

// appendLower appends s in lower case as a JSON string.
func appendLower(dst []byte, s string) []byte {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return wire.AppendJSONString(dst, strings.ToLower(s))
		}
	}
	start := len(dst)
	dst = wire.AppendJSONString(dst, s) // whose escapes have no upper case letters
	for i := start; i < len(dst); i++ {
		if c := dst[i]; 'A' <= c && c <= 'Z' {
			dst[i] = c + 'a' - 'A'
		}
	}
	return dst
}

// appendAnnotations appends the member annotations with one annotation for each event.
func appendAnnotations(dst []byte, events []tracing.Event) []byte {
	if len(events) == 0 {
		return dst
	}
	dst = append(dst, `,"annotations":[`...)
	for i := range events {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"timestamp":`...)
		dst = strconv.AppendInt(dst, micros(events[i].Time), 10)
		dst = append(dst, `,"value":`...)
		dst = appendAnnotationValue(dst, &events[i])
		dst = append(dst, '}')
	}
	return append(dst, ']')
}

// appendAnnotationValue appends the name, or `"name": {"key":"value"}` if there are attributes, or if
// there would be had the span limits not refused them.
func appendAnnotationValue(dst []byte, e *tracing.Event) []byte {
	if len(e.Attributes) == 0 && e.DroppedAttributes <= 0 {
		return wire.AppendJSONString(dst, e.Name)
	}
	start := len(dst)
	dst = wire.AppendJSONString(dst, e.Name)
	dst = append(dst, ": "...)
	if e.DroppedAttributes > 0 {
		dst = wire.AppendJSONObject(dst, e.Attributes, attribute.Int(droppedAttributesKey, e.DroppedAttributes))
	} else {
		dst = wire.AppendJSONObject(dst, e.Attributes)
	}
	return wire.QuoteJSON(dst, start)
}

// appendTags appends the member tags, if there is any tag.
func appendTags(dst []byte, d *tracing.SpanData) []byte {
	var array [maxMadeTags]attribute.KeyValue
	made := ownTags(array[:0], d)

	const member = `,"tags":`
	start := len(dst)
	dst = append(dst, member...)
	for i, kv := range d.Attributes {
		switch {
		case kv.Key == "", isErrorFalse(kv),
			mayBeMade(kv.Key) && wire.Shadowed(kv.Key, made),
			wire.Ambiguous(kv.Key) && wire.Shadowed(kv.Key, d.Attributes[i+1:]):
		default:
			dst = appendTag(dst, kv)
		}
	}
	if d.Scope != nil {
		for i, kv := range d.Scope.Attributes {
			switch {
			case kv.Key == "", isErrorFalse(kv),
				wire.Shadowed(kv.Key, made),
				wire.Shadowed(kv.Key, d.Attributes),
				wire.Shadowed(kv.Key, d.Scope.Attributes[i+1:]):
			default:
				dst = appendTag(dst, kv)
			}
		}
	}
	for _, kv := range made {
		dst = appendTag(dst, kv)
	}
	if len(dst) == start+len(member) {
		return dst[:start]
	}
	dst[start+len(member)] = '{' // in place of the first tag's comma
	return append(dst, '}')
}

func appendTag(dst []byte, kv attribute.KeyValue) []byte {
	dst = append(dst, ',')
	dst = wire.AppendJSONString(dst, string(kv.Key))
	dst = append(dst, ':')
	return wire.AppendJSONText(dst, kv.Value)
}

// mayBeMade is a quick test for keys that ownTags may make.
func mayBeMade(key attribute.Key) bool {
	return strings.HasPrefix(string(key), reservedPrefix) || key == errorKey || key == serviceNamespaceKey
}

// isErrorFalse reports whether kv says that there is no error, which Zipkin would read as one.
func isErrorFalse(kv attribute.KeyValue) bool {
	if kv.Key != errorKey {
		return false
	}
	switch kv.Value.Type() {
	case attribute.BOOL:
		return !kv.Value.AsBool()
	case attribute.STRING:
		return kv.Value.AsString() == "false"
	default:
		return false
	}
}

// ownTags appends the tags that stand for what is no attribute of the span, at most maxMadeTags.
func ownTags(tags []attribute.KeyValue, d *tracing.SpanData) []attribute.KeyValue {
	switch d.Status.Code {
	case codes.Ok:
		tags = append(tags, attribute.String(statusCodeKey, "OK"))
	case codes.Error:
		tags = append(tags, attribute.String(statusCodeKey, "ERROR"), errorKey.String(d.Status.Description))
	}
	if s := d.Scope; s != nil {
		if s.Name != "" {
			tags = append(tags, attribute.String(scopeNameKey, s.Name), attribute.String(libraryNameKey, s.Name))
		}
		if s.Version != "" {
			tags = append(tags, attribute.String(scopeVersionKey, s.Version), attribute.String(libraryVersionKey, s.Version))
		}
	}
	if d.DroppedAttributes > 0 {
		tags = append(tags, attribute.Int(droppedAttributesKey, d.DroppedAttributes))
	}
	if d.DroppedEvents > 0 {
		tags = append(tags, attribute.Int(droppedEventsKey, d.DroppedEvents))
	}
	if d.DroppedLinks > 0 {
		tags = append(tags, attribute.Int(droppedLinksKey, d.DroppedLinks))
	}
	if d.Resource != nil {
		for _, kv := range d.Resource.Attributes() {
			if kv.Key == serviceNamespaceKey && kv.Value.Type() == attribute.STRING && kv.Value.AsString() != "" {
				tags = append(tags, kv)
			}
		}
	}
	return tags
}
