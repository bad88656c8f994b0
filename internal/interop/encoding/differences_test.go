// SPDX-License-Identifier: Apache-2.0

package encoding_test

import (
	"encoding/json"
	"math"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/tracing"
)

// difference is one way in which we write another thing than the official exporter, on purpose.
type difference struct {
	name, reason string
	// adapt makes of what the official exporter writes of d what we write. It changes nothing where
	// the difference does not show.
	adapt func(t testing.TB, d *tracing.SpanData, span object)
	// witness changes a plain span into one that shows the difference.
	witness func(d *tracing.SpanData)
}

// differences is the whole list, in the order in which they are adapted.
var differences = []difference{
	{
		name:    "resource attributes are no tags",
		reason:  "the specification maps service.name alone; the official exporter repeats the whole resource on each span, over the span's own attributes",
		witness: func(*tracing.SpanData) {}, // service.name
		adapt: func(t testing.TB, d *tracing.SpanData, span object) {
			for _, kv := range d.Resource.Attributes() {
				key := valid(string(kv.Key))
				own := slices.IndexFunc(d.Attributes, func(a attribute.KeyValue) bool { return valid(string(a.Key)) == key })
				switch {
				case key == "otel.status_code" && d.Status.Code != codes.Unset, key == "error",
					key == "otel.scope.name" && d.Scope.Name != "",
					key == "otel.scope.version" && d.Scope.Name != "" && d.Scope.Version != "":
				case own >= 0:
					tagsOf(span)[key] = text(t, d.Attributes[own].Value)
				default:
					delete(tagsOf(span), key)
				}
			}
		},
	},
	{
		name:   "service.namespace is a tag",
		reason: "the specification keeps it out of the service's name and asks for a tag",
		witness: func(d *tracing.SpanData) {
			d.Resource = tracing.NewResource(attribute.String("service.name", "shop"), attribute.String("service.namespace", "Sales"))
		},
		adapt: func(_ testing.TB, d *tracing.SpanData, span object) {
			if name := namespace(d); name != "" {
				tagsOf(span)["service.namespace"] = valid(name)
			}
		},
	},
	{
		name:    "attributes without a key are no tags",
		reason:  "the specification forbids empty keys",
		witness: func(d *tracing.SpanData) { d.Attributes = []attribute.KeyValue{attribute.Int("", 1)} },
		adapt:   func(_ testing.TB, _ *tracing.SpanData, span object) { delete(tagsOf(span), "") },
	},
	{
		name:   "bytes are base64",
		reason: "mapping-to-non-otlp.md asks for it; the official exporter writes a list of numbers",
		witness: func(d *tracing.SpanData) {
			d.Attributes = []attribute.KeyValue{attribute.ByteSlice("bytes", []byte("abc"))}
		},
		adapt: func(t testing.TB, d *tracing.SpanData, span object) {
			retag(t, d, span, func(v attribute.Value) bool { return v.Type() == attribute.BYTESLICE })
		},
	},
	{
		name:    "infinities have their names of the specification",
		reason:  "it asks for Infinity and -Infinity; the official exporter writes those of package fmt",
		witness: func(d *tracing.SpanData) { d.Attributes = []attribute.KeyValue{attribute.Float64("x", math.Inf(1))} },
		adapt: func(t testing.TB, d *tracing.SpanData, span object) {
			retag(t, d, span, func(v attribute.Value) bool { return v.Type() == attribute.FLOAT64 && math.IsInf(v.AsFloat64(), 0) })
		},
	},
	{
		name:   "slices of numbers may hold NaN",
		reason: "the official exporter ignores the error of encoding/json and writes an empty tag",
		witness: func(d *tracing.SpanData) {
			d.Attributes = []attribute.KeyValue{attribute.Float64Slice("x", []float64{1, math.NaN()})}
		},
		adapt: func(t testing.TB, d *tracing.SpanData, span object) {
			retag(t, d, span, func(v attribute.Value) bool { return v.Type() == attribute.FLOAT64SLICE && unencodable(v) })
		},
	},
	{
		name:   "attributes of the scope are tags",
		reason: "mapping-to-non-otlp.md asks for it",
		witness: func(d *tracing.SpanData) {
			d.Scope = &tracing.Scope{Attributes: []attribute.KeyValue{attribute.String("a", "b")}}
		},
		adapt: func(t testing.TB, d *tracing.SpanData, span object) {
			for _, kv := range d.Scope.Attributes {
				if key := valid(string(kv.Key)); key != "" && key != "error" && tagsOf(span)[key] == nil {
					tagsOf(span)[key] = text(t, kv.Value)
				}
			}
		},
	},
	{
		name:   "an attribute error stays, unless it is false",
		reason: "the specification removes the value false alone; the official exporter removes it from every span whose status is no error",
		witness: func(d *tracing.SpanData) {
			d.Attributes = []attribute.KeyValue{attribute.String("error", "timeout")}
		},
		adapt: func(t testing.TB, d *tracing.SpanData, span object) {
			for _, kv := range attributesOf(d) {
				if kv.Key == "error" && d.Status.Code != codes.Error {
					if kv.Value.String() != "false" {
						tagsOf(span)["error"] = text(t, kv.Value)
					}
					return
				}
			}
		},
	},
	{
		name:    "the scope has its older names as well",
		reason:  "mapping-to-non-otlp.md asks for otel.library.name and otel.library.version",
		witness: func(d *tracing.SpanData) { d.Scope = &tracing.Scope{Name: "n", Version: "v"} },
		adapt: func(_ testing.TB, d *tracing.SpanData, span object) {
			if d.Scope.Name != "" {
				tagsOf(span)["otel.library.name"] = valid(d.Scope.Name)
			}
			if d.Scope.Version != "" {
				tagsOf(span)["otel.library.version"] = valid(d.Scope.Version)
			}
		},
	},
	{
		name:    "the scope's version needs no name",
		reason:  "the specification has no such condition",
		witness: func(d *tracing.SpanData) { d.Scope = &tracing.Scope{Version: "v"} },
		adapt: func(_ testing.TB, d *tracing.SpanData, span object) {
			if d.Scope.Name == "" && d.Scope.Version != "" {
				tagsOf(span)["otel.scope.version"] = valid(d.Scope.Version)
			}
		},
	},
	{
		name:    "what the span limits refused is counted",
		reason:  "mapping-to-non-otlp.md asks for it",
		witness: func(d *tracing.SpanData) { d.DroppedAttributes, d.DroppedEvents, d.DroppedLinks = 1, 2, 3 },
		adapt: func(_ testing.TB, d *tracing.SpanData, span object) {
			for _, c := range []struct {
				key string
				n   int
			}{
				{"otel.dropped_attributes_count", d.DroppedAttributes},
				{"otel.dropped_events_count", d.DroppedEvents},
				{"otel.dropped_links_count", d.DroppedLinks},
			} {
				if c.n > 0 {
					tagsOf(span)[c.key] = strconv.Itoa(c.n)
				}
			}
		},
	},

	{
		name:    "names keep their case",
		reason:  "Zipkin's server makes them lower case itself, other servers show what was recorded",
		witness: func(d *tracing.SpanData) { d.Name = "GET /Cart" },
		adapt: func(_ testing.TB, d *tracing.SpanData, span object) {
			if d.Name != "" {
				span["name"] = valid(d.Name)
			}
		},
	},
	{
		name:    "times are cut, not rounded",
		reason:  "the specification cuts",
		witness: func(d *tracing.SpanData) { d.StartTime = d.StartTime.Add(999) },
		adapt: func(_ testing.TB, d *tracing.SpanData, span object) {
			span["timestamp"] = json.Number(strconv.FormatInt(d.StartTime.UnixMicro(), 10))
			if annotations, ok := span["annotations"].([]any); ok {
				for i := range annotations {
					if us := d.Events[i].Time.UnixMicro(); us > 0 {
						annotations[i].(object)["timestamp"] = json.Number(strconv.FormatInt(us, 10))
					}
				}
			}
		},
	},
	{
		name:    "an event before 1970 is at 1 µs",
		reason:  "Zipkin refuses the whole batch for a time that is not positive",
		witness: func(d *tracing.SpanData) { d.Events = []tracing.Event{{Name: "e", Time: time.Unix(-5, 0)}} },
		adapt: func(_ testing.TB, d *tracing.SpanData, span object) {
			for i, e := range d.Events {
				if e.Time.UnixMicro() < 1 {
					span["annotations"].([]any)[i].(object)["timestamp"] = json.Number("1")
				}
			}
		},
	},
	{
		name:    "lengths are cut, not rounded",
		reason:  "the specification cuts",
		witness: func(d *tracing.SpanData) { d.EndTime = d.EndTime.Add(999) },
		adapt: func(_ testing.TB, d *tracing.SpanData, span object) {
			if us := d.EndTime.Sub(d.StartTime) / time.Microsecond; us > 0 {
				span["duration"] = json.Number(strconv.FormatInt(int64(us), 10))
			}
		},
	},
	{
		name:    "no length is 1 µs",
		reason:  "Zipkin takes 0 for a span that has not ended; the official exporter leaves it out",
		witness: func(d *tracing.SpanData) { d.EndTime = d.StartTime },
		adapt: func(_ testing.TB, d *tracing.SpanData, span object) {
			if d.EndTime.Equal(d.StartTime) {
				span["duration"] = json.Number("1")
			}
		},
	},
	{
		name:    "the debug flag is kept",
		reason:  "the official exporter does not know it: OpenTelemetry's SDK has no place for it",
		witness: func(d *tracing.SpanData) { d.Debug = true },
		adapt: func(_ testing.TB, d *tracing.SpanData, span object) {
			if d.Debug {
				span["debug"] = true
			}
		},
	},
	{
		name:    "a service without a name is unknown_service",
		reason:  "a provider always gives one; the official exporter writes the name of the executable, or none if the attribute is empty or no string",
		witness: func(d *tracing.SpanData) { d.Resource = tracing.NewResource() },
		adapt: func(_ testing.TB, d *tracing.SpanData, span object) {
			set := attribute.NewSet(d.Resource.Attributes()...)
			name, ok := set.Value("service.name")
			switch {
			case !ok || name.String() == "":
				span["localEndpoint"] = object{"serviceName": "unknown_service"}
			case name.Type() != attribute.STRING:
				span["localEndpoint"] = object{"serviceName": strings.ToLower(valid(name.Emit()))} //nolint:staticcheck // what Resource.ServiceName returns
			}
		},
	},
	{
		name:   "an annotation's name is quoted",
		reason: `the specification asks for "name": {...}, which can be read back`,
		witness: func(d *tracing.SpanData) {
			d.Events = []tracing.Event{{Name: "n", Time: begin, Attributes: []attribute.KeyValue{attribute.Int("a", 1)}}}
		},
		adapt: func(t testing.TB, d *tracing.SpanData, span object) {
			eachAnnotation(d, span, func(e *tracing.Event, value string) string {
				if attrs, ok := strings.CutPrefix(value, valid(e.Name)+": "); ok && len(e.Attributes) > 0 && !unencodable(e.Attributes...) {
					return encode(t, e.Name) + ": " + attrs
				}
				return value
			})
		},
	},
	{
		name:   "an annotation's attributes have the representation of the specification",
		reason: "the official exporter gives encoding/json what it cannot encode, or encodes as a Go struct: NaN, nested values, the empty value",
		witness: func(d *tracing.SpanData) {
			d.Events = []tracing.Event{{Name: "n", Time: begin, Attributes: []attribute.KeyValue{attribute.Float64("a", math.NaN())}}}
		},
		adapt: func(t testing.TB, d *tracing.SpanData, span object) {
			eachAnnotation(d, span, func(e *tracing.Event, value string) string {
				for _, kv := range e.Attributes {
					switch kv.Value.Type() {
					case attribute.SLICE, attribute.MAP, attribute.EMPTY, attribute.BYTESLICE, attribute.FLOAT64, attribute.FLOAT64SLICE:
						return encode(t, e.Name) + ": " + encode(t, plainMap(e.Attributes))
					}
				}
				return value
			})
		},
	},
	{
		name:   "an annotation counts the attributes that were refused",
		reason: "mapping-to-non-otlp.md asks for it",
		witness: func(d *tracing.SpanData) {
			d.Events = []tracing.Event{{Name: "n", Time: begin, DroppedAttributes: 2}}
		},
		adapt: func(t testing.TB, d *tracing.SpanData, span object) {
			eachAnnotation(d, span, func(e *tracing.Event, value string) string {
				if e.DroppedAttributes > 0 {
					attrs := plainMap(e.Attributes)
					attrs["otel.dropped_attributes_count"] = e.DroppedAttributes
					return encode(t, e.Name) + ": " + encode(t, attrs)
				}
				return value
			})
		},
	},

	{
		name:   "an attribute that is no text or empty names no remote endpoint",
		reason: "the official exporter then writes none, though a later attribute of the list may name one",
		witness: func(d *tracing.SpanData) {
			d.Kind = trace.SpanKindClient
			d.Attributes = []attribute.KeyValue{attribute.String("peer.service", ""), attribute.String("db.name", "shop")}
		},
		adapt: func(_ testing.TB, d *tracing.SpanData, span object) {
			if first, second := remote(d, false), remote(d, true); first.key != second.key {
				setRemote(span, second)
			}
		},
	},
	{
		name:   "what is no IP address is the remote endpoint's name",
		reason: "the path of a socket or the name of a host says more than nothing, which the official exporter writes",
		witness: func(d *tracing.SpanData) {
			d.Kind = trace.SpanKindClient
			d.Attributes = []attribute.KeyValue{attribute.String("network.peer.address", "/run/db.sock")}
		},
		adapt: func(_ testing.TB, d *tracing.SpanData, span object) {
			if r := remote(d, true); net.ParseIP(r.value) == nil && r.isAddress() {
				setRemote(span, r)
			}
		},
	},
	{
		name:   "peer.address may be an IP address",
		reason: "the specification's list says so; the official exporter makes it a service's name",
		witness: func(d *tracing.SpanData) {
			d.Kind = trace.SpanKindClient
			d.Attributes = []attribute.KeyValue{attribute.String("peer.address", "192.0.2.1")}
		},
		adapt: func(_ testing.TB, d *tracing.SpanData, span object) {
			if r := remote(d, true); r.key == "peer.address" {
				setRemote(span, r)
			}
		},
	},
	{
		name:   "a port out of range is none",
		reason: "the official exporter writes 65535",
		witness: func(d *tracing.SpanData) {
			d.Kind = trace.SpanKindClient
			d.Attributes = []attribute.KeyValue{attribute.String("network.peer.address", "192.0.2.1"), attribute.Int("network.peer.port", 70000)}
		},
		adapt: func(_ testing.TB, d *tracing.SpanData, span object) {
			r := remote(d, true)
			if n, err := strconv.ParseInt(r.port, 10, 64); err == nil && n > math.MaxUint16 {
				setRemote(span, r)
			}
		},
	},
}

// namespace returns the service.namespace of d, if it is a text.
func namespace(d *tracing.SpanData) string {
	set := attribute.NewSet(d.Resource.Attributes()...)
	v, _ := set.Value("service.namespace")
	return v.AsString()
}

// tagsOf returns the tags of a span, which it makes if there are none.
func tagsOf(span object) object {
	m, ok := span["tags"].(object)
	if !ok {
		m = object{}
		span["tags"] = m
	}
	return m
}

// retag writes the tags of those attributes of d again, where is reports true and nothing stronger has
// the key.
func retag(t testing.TB, d *tracing.SpanData, span object, is func(attribute.Value) bool) {
	t.Helper()
	for _, kv := range d.Attributes {
		key := valid(string(kv.Key))
		switch {
		case key == "", key == "error", key == "otel.status_code" && d.Status.Code != codes.Unset,
			key == "otel.scope.name" && d.Scope.Name != "",
			key == "otel.scope.version" && d.Scope.Version != "":
			continue
		case key == "service.namespace" && namespace(d) != "":
			continue
		case is(kv.Value):
			tagsOf(span)[key] = text(t, kv.Value)
		}
	}
}

// unencodable reports whether encoding/json fails on one of the values.
func unencodable[T attribute.Value | attribute.KeyValue](of ...T) bool {
	return slices.ContainsFunc(of, func(v T) bool {
		value, ok := any(v).(attribute.Value)
		if !ok {
			value = any(v).(attribute.KeyValue).Value
		}
		_, err := json.Marshal(value.AsInterface())
		return err != nil
	})
}

func eachAnnotation(d *tracing.SpanData, span object, change func(e *tracing.Event, value string) string) {
	annotations, ok := span["annotations"].([]any)
	if !ok {
		return
	}
	for i := range annotations {
		a := annotations[i].(object)
		a["value"] = change(&d.Events[i], a["value"].(string))
	}
}

// remoteKeys lists the attributes that name the other side, as the specification does.
var remoteKeys = []string{
	"peer.service", "server.address", "net.peer.name", "network.peer.address", "server.socket.domain",
	"server.socket.address", "net.sock.peer.name", "net.sock.peer.addr", "peer.hostname", "peer.address", "db.name",
}

// other is the attribute that names the other side.
type other struct{ key, value, port string }

func (o other) isAddress() bool {
	return o.key != "server.address" && (strings.HasSuffix(o.key, ".address") || strings.HasSuffix(o.key, ".addr"))
}

// remote returns the first attribute of the list, or with named the first that is a name or address.
func remote(d *tracing.SpanData, named bool) (o other) {
	if d.Kind != trace.SpanKindClient && d.Kind != trace.SpanKindProducer {
		return o
	}
	find := func(key string) (attribute.Value, bool) {
		for _, kv := range d.Attributes {
			if string(kv.Key) == key {
				return kv.Value, true
			}
		}
		return attribute.Value{}, false
	}
	for _, key := range remoteKeys {
		v, ok := find(key)
		if !ok || named && (v.Type() != attribute.STRING || v.AsString() == "") {
			continue
		}
		o = other{key: key, value: v.AsString()}
		if o.isAddress() && key != "peer.address" {
			port, _ := find(key[:strings.LastIndexByte(key, '.')] + ".port")
			if port.Type() == attribute.INT64 || port.Type() == attribute.STRING {
				o.port = port.String()
			}
		}
		return o
	}
	return o
}

// setRemote writes the remote endpoint that o makes.
func setRemote(span object, o other) {
	if o.key == "" {
		delete(span, "remoteEndpoint")
		return
	}
	host, port := o.value, o.port
	if both, err := netip.ParseAddrPort(host); err == nil && o.isAddress() {
		host = both.Addr().String()
		if o.key == "peer.address" {
			port = strconv.Itoa(int(both.Port()))
		}
	}
	host, _, _ = strings.Cut(host, "%")
	e := object{}
	switch ip := net.ParseIP(host); {
	case ip == nil || !o.isAddress():
		e["serviceName"] = strings.ToLower(valid(o.value))
	case ip.To4() != nil:
		e["ipv4"] = ip.String()
	default:
		e["ipv6"] = ip.String()
	}
	if n, err := strconv.ParseUint(port, 10, 16); err == nil && n > 0 {
		e["port"] = json.Number(strconv.FormatUint(n, 10))
	}
	span["remoteEndpoint"] = e
}
