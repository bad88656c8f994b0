// SPDX-License-Identifier: Apache-2.0

package console

import (
	"encoding/hex"
	"strconv"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/internal/wire"
	"github.com/spandrel-go/spandrel/tracing"
)

// appendLine appends one span as a JSON object and a line break. The fields and their order are those
// that doc.go lists.
func appendLine(dst []byte, d *tracing.SpanData) []byte {
	start := len(dst)
	dst = appendContext(append(dst, '{'), d.SpanContext)
	dst = append(dst, `,"parent_id":"`...)
	if d.Parent.HasSpanID() {
		dst = appendSpanID(dst, d.Parent.SpanID())
	}
	dst = append(dst, `","name":`...)
	dst = wire.AppendJSONString(dst, d.Name)
	dst = append(dst, `,"kind":"`...)
	dst = append(dst, d.Kind.String()...)
	dst = append(dst, `","service":`...)
	dst = wire.AppendJSONString(dst, serviceOf(d))
	dst = append(dst, `,"start":`...)
	dst = appendTime(dst, d.StartTime)
	dst = append(dst, `,"duration_ns":`...)
	if hasDuration(d) {
		dst = strconv.AppendInt(dst, int64(d.EndTime.Sub(d.StartTime)), 10)
	} else {
		dst = append(dst, "null"...)
	}
	dst = append(dst, `,"status":`...)
	dst = append(dst, statusName(d.Status.Code)...)
	if d.Status.Description != "" {
		dst = append(dst, `,"status_description":`...)
		dst = wire.AppendJSONString(dst, d.Status.Description)
	}
	dst = appendAttributes(dst, d.Attributes, d.DroppedAttributes)
	dst = appendEvents(dst, d)
	dst = appendLinks(dst, d)
	dst = appendScope(dst, d.Scope)
	dst = append(dst, `,"resource":`...)
	dst = wire.AppendJSONObject(dst, resourceOf(d))
	dst = appendFlag(dst, `,"parent_remote":true`, d.Parent.IsRemote())
	dst = appendFlag(dst, `,"partial":true`, d.Partial)
	dst = appendFlag(dst, `,"debug":true`, d.Debug)
	return append(escapeUnprintable(append(dst, '}'), start), '\n')
}

func appendContext(dst []byte, sc trace.SpanContext) []byte {
	traceID := sc.TraceID()
	dst = append(dst, `"trace_id":"`...)
	dst = hex.AppendEncode(dst, traceID[:])
	dst = append(dst, `","span_id":"`...)
	dst = append(appendSpanID(dst, sc.SpanID()), '"')
	if state := sc.TraceState().String(); state != "" {
		dst = append(dst, `,"trace_state":`...)
		dst = wire.AppendJSONString(dst, state)
	}
	return dst
}

func appendSpanID(dst []byte, id trace.SpanID) []byte { return hex.AppendEncode(dst, id[:]) }

func appendTime(dst []byte, t time.Time) []byte {
	dst = append(dst, '"')
	dst = t.UTC().AppendFormat(dst, time.RFC3339Nano)
	return append(dst, '"')
}

func statusName(c codes.Code) string {
	switch c {
	case codes.Ok:
		return `"ok"`
	case codes.Error:
		return `"error"`
	default:
		return `"unset"`
	}
}

func appendEvents(dst []byte, d *tracing.SpanData) []byte {
	dst = append(dst, `,"events":[`...)
	for i := range d.Events {
		e := &d.Events[i]
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"name":`...)
		dst = wire.AppendJSONString(dst, e.Name)
		dst = append(dst, `,"time":`...)
		dst = appendTime(dst, e.Time)
		dst = appendAttributes(dst, e.Attributes, e.DroppedAttributes)
		dst = append(dst, '}')
	}
	return appendDropped(append(dst, ']'), "events", d.DroppedEvents)
}

func appendLinks(dst []byte, d *tracing.SpanData) []byte {
	dst = append(dst, `,"links":[`...)
	for i := range d.Links {
		l := &d.Links[i]
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendContext(append(dst, '{'), l.SpanContext)
		dst = appendAttributes(dst, l.Attributes, l.DroppedAttributes)
		dst = append(dst, '}')
	}
	return appendDropped(append(dst, ']'), "links", d.DroppedLinks)
}

func appendScope(dst []byte, s *tracing.Scope) []byte {
	if s == nil { // only in data made by hand
		s = &tracing.Scope{}
	}
	dst = append(dst, `,"scope":{"name":`...)
	dst = wire.AppendJSONString(dst, s.Name)
	dst = append(dst, `,"version":`...)
	dst = wire.AppendJSONString(dst, s.Version)
	dst = appendAttributes(dst, s.Attributes, 0)
	return append(dst, '}')
}

func appendAttributes(dst []byte, attrs []attribute.KeyValue, dropped int) []byte {
	dst = append(dst, `,"attributes":`...)
	dst = wire.AppendJSONObject(dst, attrs)
	return appendDropped(dst, "attributes", dropped)
}

func appendDropped(dst []byte, of string, n int) []byte {
	if n == 0 {
		return dst
	}
	dst = append(dst, `,"dropped_`...)
	dst = append(dst, of...)
	dst = append(dst, `":`...)
	return strconv.AppendInt(dst, int64(n), 10)
}

func appendFlag(dst []byte, field string, set bool) []byte {
	if set {
		dst = append(dst, field...)
	}
	return dst
}

// escapeUnprintable replaces what JSON allows in strings but a terminal must not get (see appendText)
// by escape sequences, which mean the same to every reader of JSON. What it looks for can only stand
// in strings: dst[start:] is valid JSON without blanks between its tokens.
func escapeUnprintable(dst []byte, start int) []byte {
	clean := start // nothing before it needs an escape
	for clean < len(dst) && ' ' <= dst[clean] && dst[clean] <= '~' {
		clean++
	}
	if clean == len(dst) {
		return dst
	}
	rest := string(dst[clean:])
	dst = dst[:clean]
	for _, r := range rest {
		switch {
		case unicode.IsPrint(r):
			dst = utf8.AppendRune(dst, r)
		case r <= 0xffff:
			dst = appendUnit(dst, r)
		default:
			high, low := utf16.EncodeRune(r)
			dst = appendUnit(appendUnit(dst, high), low)
		}
	}
	return dst
}

// appendUnit appends one UTF-16 code unit as a JSON escape sequence.
func appendUnit(dst []byte, u rune) []byte {
	return append(dst, '\\', 'u',
		hexDigits[u>>12&0xf], hexDigits[u>>8&0xf], hexDigits[u>>4&0xf], hexDigits[u&0xf])
}
