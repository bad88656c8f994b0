// SPDX-License-Identifier: Apache-2.0

package benchmarks

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/openzipkin/zipkin-go/model"
	"github.com/tinylib/msgp/msgp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/tracing"
)

// seen is a span as an exporter saw it, in words that all peers have. Attribute values are text,
// because zipkin-go's are.
type seen struct {
	name, kind, service       string
	traceID, spanID, parentID string // parentID is "" for a root span
	attributes                map[string]string
	events                    []string
	failed                    bool
	statusText                string
	start, end                time.Time
}

// seenIn returns the spans that a sink was shown at once.
func seenIn(v any) ([]seen, error) {
	switch v := v.(type) {
	case *tracing.SpanData:
		return []seen{seenSpandrel(v)}, nil
	case sdktrace.ReadOnlySpan:
		return []seen{seenOTel(v)}, nil
	case model.SpanModel:
		return []seen{seenZipkin(v)}, nil
	case []byte:
		return seenDatadog(v)
	default:
		return nil, fmt.Errorf("no span: %T", v)
	}
}

func seenSpandrel(d *tracing.SpanData) seen {
	s := seen{
		name:       strings.Clone(d.Name),
		kind:       kindText(d.Kind),
		service:    d.Resource.ServiceName(),
		traceID:    d.SpanContext.TraceID().String(),
		spanID:     d.SpanContext.SpanID().String(),
		parentID:   parentID(d.Parent),
		attributes: attributeTexts(d.Attributes),
		failed:     d.Status.Code == codes.Error,
		statusText: strings.Clone(d.Status.Description),
		start:      d.StartTime,
		end:        d.EndTime,
	}
	for i := range d.Events {
		s.events = append(s.events, strings.Clone(d.Events[i].Name))
	}
	return s
}

func seenOTel(span sdktrace.ReadOnlySpan) seen {
	service, _ := span.Resource().Set().Value("service.name")
	s := seen{
		name:       span.Name(),
		kind:       kindText(span.SpanKind()),
		service:    service.AsString(),
		traceID:    span.SpanContext().TraceID().String(),
		spanID:     span.SpanContext().SpanID().String(),
		parentID:   parentID(span.Parent()),
		attributes: attributeTexts(span.Attributes()),
		failed:     span.Status().Code == codes.Error,
		statusText: span.Status().Description,
		start:      span.StartTime(),
		end:        span.EndTime(),
	}
	for _, e := range span.Events() {
		s.events = append(s.events, e.Name)
	}
	return s
}

// kindText returns "" for the kind that the OpenTelemetry API gives to spans without one.
func kindText(k trace.SpanKind) string {
	if k == trace.SpanKindInternal {
		return ""
	}
	return k.String()
}

func parentID(sc trace.SpanContext) string {
	if !sc.IsValid() {
		return ""
	}
	return sc.SpanID().String()
}

func attributeTexts(attrs []attribute.KeyValue) map[string]string {
	m := map[string]string{}
	for _, kv := range attrs {
		m[strings.Clone(string(kv.Key))] = strings.Clone(kv.Value.String())
	}
	return m
}

func seenZipkin(m model.SpanModel) seen {
	s := seen{
		name:       m.Name,
		kind:       strings.ToLower(string(m.Kind)),
		service:    m.LocalEndpoint.ServiceName,
		traceID:    m.TraceID.String(),
		spanID:     m.ID.String(),
		attributes: map[string]string{},
		start:      m.Timestamp,
		end:        m.Timestamp.Add(m.Duration),
	}
	if m.ParentID != nil {
		s.parentID = m.ParentID.String()
	}
	for k, v := range m.Tags {
		s.attributes[k] = v
	}
	s.statusText, s.failed = s.attributes["error"]
	delete(s.attributes, "error")
	for _, a := range m.Annotations {
		s.events = append(s.events, a.Value)
	}
	return s
}

// payloadDecoder decodes Datadog payloads by another msgpack library than the one that is measured,
// into maps by field number.
type payloadDecoder struct {
	b     []byte
	texts []string
	err   error
}

func seenDatadog(body []byte) ([]seen, error) {
	d := &payloadDecoder{b: body, texts: []string{""}}
	payload := d.fields(map[int]string{10: "attributes", 11: "chunk"}, "text")
	if d.err != nil || len(d.b) != 0 {
		return nil, fmt.Errorf("payload: %d bytes left: %w", len(d.b), d.err)
	}
	var all []seen
	for _, chunk := range payload[11].([]map[int]any) {
		traceID := fmt.Sprintf("%x", chunk[6])
		for _, span := range chunk[4].([]map[int]any) {
			all = append(all, seenDatadogSpan(traceID, span))
		}
	}
	return all, nil
}

func seenDatadogSpan(traceID string, span map[int]any) seen {
	s := seen{
		name:       span[2].(string),
		kind:       map[any]string{int64(2): "server", int64(3): "client"}[span[16]],
		service:    span[1].(string),
		traceID:    traceID,
		spanID:     fmt.Sprint(span[4]),
		attributes: map[string]string{},
		failed:     span[8].(bool),
		start:      time.Unix(0, span[6].(int64)),
	}
	s.end = s.start.Add(time.Duration(span[7].(int64)))
	if parent := fmt.Sprint(span[5]); parent != "0" {
		s.parentID = parent
	}
	for k, v := range span[9].(map[string]string) {
		switch {
		case k == "error.message":
			s.statusText = v
		case k[0] != '_' && k != "language" && k != "process_id" && k != "runtime-id": // the library's own
			s.attributes[k] = v
		}
	}
	for _, e := range span[12].([]map[int]any) {
		s.events = append(s.events, e[2].(string))
	}
	return s
}

// The forms of the fields of each kind of map; what is not here is a number, a truth value or bytes.
var decoderForms = map[string]map[int]string{
	"chunk": {2: "text", 3: "attributes", 4: "span"},
	"span": {
		1: "text", 2: "text", 3: "text", 9: "attributes", 10: "text", 11: "link", 12: "event",
		13: "text", 14: "text", 15: "text",
	},
	"link":  {3: "attributes", 4: "text"},
	"event": {2: "text", 3: "attributes"},
}

func (d *payloadDecoder) fields(forms map[int]string, other string) map[int]any {
	m := map[int]any{}
	n, b, err := msgp.ReadMapHeaderBytes(d.b)
	d.b, d.err = b, err
	for ; n > 0 && d.err == nil; n-- {
		var id int
		id, d.b, d.err = msgp.ReadIntBytes(d.b)
		form, ok := forms[id]
		if !ok {
			form = other
		}
		switch form {
		case "":
			m[id] = d.scalar()
		case "text":
			m[id] = d.text()
		case "attributes":
			m[id] = d.attributes()
		default:
			m[id] = d.list(form)
		}
	}
	return m
}

func (d *payloadDecoder) list(kind string) []map[int]any {
	var maps []map[int]any
	n, b, err := msgp.ReadArrayHeaderBytes(d.b)
	d.b, d.err = b, err
	for ; n > 0 && d.err == nil; n-- {
		maps = append(maps, d.fields(decoderForms[kind], ""))
	}
	return maps
}

func (d *payloadDecoder) attributes() map[string]string {
	m := map[string]string{}
	n, b, err := msgp.ReadArrayHeaderBytes(d.b)
	d.b, d.err = b, err
	for ; n > 0 && d.err == nil; n -= 3 {
		key := d.text()
		if typ := d.scalar(); typ == int64(1) {
			m[key] = d.text()
		} else if v, ok := d.scalar().(float64); ok {
			m[key] = strconv.FormatFloat(v, 'g', -1, 64)
		}
	}
	return m
}

func (d *payloadDecoder) text() string {
	if d.err != nil {
		return ""
	}
	if msgp.NextType(d.b) == msgp.StrType {
		var s string
		s, d.b, d.err = msgp.ReadStringBytes(d.b)
		d.texts = append(d.texts, s)
		return s
	}
	var i int
	if i, d.b, d.err = msgp.ReadIntBytes(d.b); d.err != nil {
		return ""
	}
	return d.texts[i]
}

// scalar returns all small integers as int64.
func (d *payloadDecoder) scalar() any {
	if d.err != nil {
		return nil
	}
	var v any
	v, d.b, d.err = msgp.ReadIntfBytes(d.b)
	if u, ok := v.(uint64); ok && u < 1<<32 {
		return int64(u)
	}
	return v
}
