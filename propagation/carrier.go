// SPDX-License-Identifier: Apache-2.0

package propagation

import (
	"strings"

	otelprop "go.opentelemetry.io/otel/propagation"
)

// header is the name of a header in both forms: lower case for carriers of any kind, canonical for
// an http.Header.
type header struct{ lower, canonical string }

var (
	traceparentHeader     = header{"traceparent", "Traceparent"}
	tracestateHeader      = header{"tracestate", "Tracestate"}
	b3Header              = header{"b3", "B3"}
	b3TraceIDHeader       = header{"x-b3-traceid", "X-B3-Traceid"}
	b3SpanIDHeader        = header{"x-b3-spanid", "X-B3-Spanid"}
	b3ParentSpanIDHeader  = header{"x-b3-parentspanid", "X-B3-Parentspanid"}
	b3SampledHeader       = header{"x-b3-sampled", "X-B3-Sampled"}
	b3FlagsHeader         = header{"x-b3-flags", "X-B3-Flags"}
	jaegerHeader          = header{"uber-trace-id", "Uber-Trace-Id"}
	otTraceIDHeader       = header{"ot-tracer-traceid", "Ot-Tracer-Traceid"}
	otSpanIDHeader        = header{"ot-tracer-spanid", "Ot-Tracer-Spanid"}
	otSampledHeader       = header{"ot-tracer-sampled", "Ot-Tracer-Sampled"}
	datadogTraceIDHeader  = header{"x-datadog-trace-id", "X-Datadog-Trace-Id"}
	datadogParentIDHeader = header{"x-datadog-parent-id", "X-Datadog-Parent-Id"}
	datadogPriorityHeader = header{"x-datadog-sampling-priority", "X-Datadog-Sampling-Priority"}
	datadogOriginHeader   = header{"x-datadog-origin", "X-Datadog-Origin"}
	datadogTagsHeader     = header{"x-datadog-tags", "X-Datadog-Tags"}
	awsHeader             = header{"x-amzn-trace-id", "X-Amzn-Trace-Id"}
	gcpHeader             = header{"x-cloud-trace-context", "X-Cloud-Trace-Context"}
	instanaTraceIDHeader  = header{"x-instana-t", "X-Instana-T"}
	instanaSpanIDHeader   = header{"x-instana-s", "X-Instana-S"}
	instanaLevelHeader    = header{"x-instana-l", "X-Instana-L"}
	requestIDHeader       = header{"x-request-id", "X-Request-Id"}
	clientTraceIDHeader   = header{"x-client-trace-id", "X-Client-Trace-Id"}
	forceTraceHeader      = header{"x-envoy-force-trace", "X-Envoy-Force-Trace"}
	kongRequestIDHeader   = header{"x-kong-request-id", "X-Kong-Request-Id"}
)

// name returns the name that a map of values has for the header.
func (h *header) name(canonical bool) string {
	if canonical {
		return h.canonical
	}
	return h.lower
}

// mapOf returns the map of values that carrier is, or nil, and whether its names are canonical.
func mapOf(carrier otelprop.TextMapCarrier) (m map[string][]string, canonical bool) {
	switch c := carrier.(type) {
	case otelprop.HeaderCarrier:
		return c, true
	case MetadataCarrier:
		return c, false
	default:
		return nil, false
	}
}

// source reads a carrier.
type source struct {
	carrier   otelprop.TextMapCarrier
	header    map[string][]string // the carrier, if it is a map
	canonical bool                // the names in header are
}

func newSource(carrier otelprop.TextMapCarrier) source {
	s := source{carrier: carrier}
	s.header, s.canonical = mapOf(carrier)
	return s
}

// get returns the first value of a header, or "".
func (s *source) get(name *header) string {
	if s.header == nil {
		return s.carrier.Get(name.lower)
	}
	return s.first(name)
}

// first is get for a map.
func (s *source) first(name *header) string {
	if v := s.header[name.name(s.canonical)]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// text returns a value if it may be kept as it is. Some carriers of others hand out strings that change when
// their request ends; a map does not.
func (s *source) text(value string) string {
	if s.header == nil {
		return ""
	}
	return value
}

// keep returns a value that may be kept.
func (s *source) keep(value string) string {
	if s.header == nil {
		return strings.Clone(value)
	}
	return value
}

// only returns the value of a header that must not occur twice, and whether it did.
func (s *source) only(name *header) (value string, twice bool) {
	if v := s.values(name); len(v) > 0 {
		return v[0], len(v) > 1
	}
	if s.header != nil {
		return "", false
	}
	return s.carrier.Get(name.lower), false
}

// lines returns all values of a header; one is room for a carrier that knows one only.
func (s *source) lines(name *header, one *[1]string) []string {
	if v := s.values(name); len(v) > 0 || s.header != nil {
		return v
	}
	if one[0] = s.carrier.Get(name.lower); one[0] == "" {
		return nil
	}
	return one[:]
}

// values returns all values of a header from a carrier that can tell, else nothing.
func (s *source) values(name *header) []string {
	if s.header != nil {
		return s.header[name.name(s.canonical)]
	}
	if c, ok := s.carrier.(otelprop.ValuesGetter); ok {
		return c.Values(name.lower)
	}
	return nil
}

// deleter is a carrier that can remove a header, by its name in lower case. A HeaderCarrier has no such
// method; target knows how to do it.
type deleter interface{ Delete(key string) }

// target writes a carrier. Each header is set once.
type target struct {
	carrier   otelprop.TextMapCarrier
	header    map[string][]string // the carrier, if it is a map
	canonical bool                // the names in header are
	// values holds the values of all headers that one Inject sets: one allocation for all of them. Each is the
	// value of a header that is in the map.
	values []string
}

// newTarget reports false if there is nothing to write to.
func newTarget(carrier otelprop.TextMapCarrier) (t target, ok bool) {
	t.carrier = carrier
	t.header, t.canonical = mapOf(carrier)
	if t.header != nil {
		return t, true
	}
	_, isMetadata := carrier.(MetadataCarrier)
	return t, carrier != nil && !t.canonical && !isMetadata // a nil map cannot be written
}

// reserve makes room for n values.
func (t *target) reserve(n int) {
	switch {
	case t.header == nil || n == 0:
	case n == 1: // an array costs less than a slice
		t.values = new([1]string)[:0]
	case n <= 3:
		t.values = new([3]string)[:0]
	default:
		t.values = make([]string, 0, n)
	}
}

func (t *target) set(name *header, value string) {
	switch {
	case t.header == nil:
		t.carrier.Set(name.lower, value)
		return
	case !t.canonical && !isMetadata(value):
		t.remove(name)
		return
	}
	t.values = append(t.values, value)
	n := len(t.values)
	// cap == len, so that an append to one header does not reach the next one's value.
	t.header[name.name(t.canonical)] = t.values[n-1 : n : n]
}

// put sets a header, or removes it where the carrier can if value is empty.
func (t *target) put(name *header, value string) {
	if value != "" {
		t.set(name, value)
	} else {
		t.remove(name)
	}
}

// replace is put for a header whose old value would make another trace of what is written. Where the carrier cannot
// remove it is left empty, which all readers take for none. They do not of every header: put is for those.
func (t *target) replace(name *header, value string) {
	t.put(name, value)
	if value != "" || t.header != nil {
		return
	}
	if _, ok := t.carrier.(deleter); !ok && t.carrier.Get(name.lower) != "" {
		t.carrier.Set(name.lower, "")
	}
}

// putAll puts each of the headers.
func (t *target) putAll(names []*header, values ...string) {
	for i, name := range names {
		if values[i] != "" {
			t.set(name, values[i])
		}
	}
	for i, name := range names {
		if values[i] == "" { // after what is set: there may be nothing else
			t.remove(name)
		}
	}
}

// remove removes a header that was not set, where the carrier can.
func (t *target) remove(name *header) {
	if t.header != nil {
		if len(t.header) > len(t.values) {
			delete(t.header, name.name(t.canonical))
		}
	} else if d, ok := t.carrier.(deleter); ok {
		d.Delete(name.lower)
	}
}
