// SPDX-License-Identifier: Apache-2.0

package zipkin_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"math"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/tracing"
)

// simpleSpan is a second implementation of the mapping, made of maps and encoding/json: slow, and with
// nothing in common with the first. Tags that hold slices and maps, and the attributes of events, are
// JSON values and not text, so that only their meaning is compared.
func simpleSpan(d *tracing.SpanData) map[string]any {
	traceID := d.SpanContext.TraceID().String()
	m := map[string]any{
		"traceId":       strings.TrimPrefix(traceID, "0000000000000000"),
		"id":            d.SpanContext.SpanID().String(),
		"timestamp":     atLeastOne(d.StartTime.UnixNano() / 1000),
		"localEndpoint": map[string]any{"serviceName": strings.ToLower(valid(d.Resource.ServiceName()))},
	}
	if d.Parent.SpanID() != (trace.SpanID{}) {
		m["parentId"] = d.Parent.SpanID().String()
	}
	if d.Kind >= trace.SpanKindServer {
		m["kind"] = strings.ToUpper(d.Kind.String())
	}
	if d.Name != "" {
		m["name"] = valid(d.Name)
	}
	if !d.EndTime.IsZero() {
		m["duration"] = atLeastOne(int64(d.EndTime.Sub(d.StartTime) / time.Microsecond))
	}
	if d.Debug {
		m["debug"] = true
	}
	if e := simpleRemoteEndpoint(d); e != nil {
		m["remoteEndpoint"] = e
	}
	var annotations []any
	for _, e := range d.Events {
		attrs := map[string]any{}
		for _, kv := range e.Attributes {
			attrs[valid(string(kv.Key))] = plain(kv.Value)
		}
		if e.DroppedAttributes > 0 {
			attrs["otel.dropped_attributes_count"] = e.DroppedAttributes
		}
		var value any = valid(e.Name)
		if len(attrs) > 0 {
			value = []any{valid(e.Name), attrs}
		}
		annotations = append(annotations, map[string]any{"timestamp": atLeastOne(e.Time.UnixNano() / 1000), "value": value})
	}
	if annotations != nil {
		m["annotations"] = annotations
	}
	if tags := simpleTags(d); len(tags) > 0 {
		m["tags"] = tags
	}
	return m
}

func simpleTags(d *tracing.SpanData) map[string]any {
	tags := map[string]any{}
	for _, attrs := range [][]attribute.KeyValue{d.Scope.Attributes, d.Attributes} {
		for _, kv := range attrs {
			if kv.Key != "" {
				tags[valid(string(kv.Key))] = tagValue(kv.Value)
			}
		}
	}
	if tags["error"] == "false" {
		delete(tags, "error")
	}
	set := func(value string, keys ...string) {
		for _, k := range keys {
			if value != "" {
				tags[k] = valid(value)
			}
		}
	}
	for _, kv := range d.Resource.Attributes() {
		if kv.Key == "service.namespace" {
			set(kv.Value.String(), "service.namespace")
		}
	}
	set(d.Scope.Name, "otel.scope.name", "otel.library.name")
	set(d.Scope.Version, "otel.scope.version", "otel.library.version")
	for kind, n := range map[string]int{"attributes": d.DroppedAttributes, "events": d.DroppedEvents, "links": d.DroppedLinks} {
		if n > 0 {
			set(strconv.Itoa(n), "otel.dropped_"+kind+"_count")
		}
	}
	if d.Status.Code != codes.Unset {
		tags["otel.status_code"] = strings.ToUpper(d.Status.Code.String())
	}
	if d.Status.Code == codes.Error {
		tags["error"] = valid(d.Status.Description)
	}
	return tags
}

func simpleRemoteEndpoint(d *tracing.SpanData) map[string]any {
	if d.Kind != trace.SpanKindClient && d.Kind != trace.SpanKindProducer {
		return nil
	}
	attrs := map[string]attribute.Value{}
	for _, kv := range d.Attributes {
		attrs[string(kv.Key)] = kv.Value
	}
	for _, key := range []string{
		"peer.service", "server.address", "net.peer.name", "network.peer.address", "server.socket.domain",
		"server.socket.address", "net.sock.peer.name", "net.sock.peer.addr", "peer.hostname", "peer.address", "db.name",
	} {
		v, found := attrs[key]
		if !found || v.Type() != attribute.STRING || v.AsString() == "" {
			continue
		}
		text, port := v.AsString(), "0"
		if base, isAddress := strings.CutSuffix(key, "peer.addr"); isAddress {
			port = attrs[base+"peer.port"].String()
		} else if base, isAddress := strings.CutSuffix(key, ".address"); isAddress && key != "server.address" {
			port = attrs[base+".port"].String()
			if host, p, err := net.SplitHostPort(text); key == "peer.address" && err == nil && net.ParseIP(host) != nil {
				text, port = host, p
			}
		}
		e := map[string]any{}
		zoneless, _, _ := strings.Cut(text, "%")
		ip := net.ParseIP(zoneless)
		switch isName := !strings.Contains(key, "addr") || key == "server.address"; {
		case isName || ip == nil:
			e["serviceName"] = strings.ToLower(valid(text))
		case ip.To4() != nil:
			e["ipv4"] = ip.String()
		default:
			e["ipv6"] = netip.MustParseAddr(zoneless).String()
		}
		if n, err := strconv.ParseUint(port, 10, 16); err == nil && n > 0 {
			e["port"] = n
		}
		return e
	}
	return nil
}

func atLeastOne(n int64) int64 { return max(n, 1) }

// valid replaces each invalid byte by U+FFFD.
func valid(s string) string { return string([]rune(s)) }

func tagValue(v attribute.Value) any {
	switch v.Type() {
	case attribute.BOOLSLICE, attribute.INT64SLICE, attribute.FLOAT64SLICE, attribute.STRINGSLICE, attribute.SLICE, attribute.MAP:
		return plain(v)
	default:
		return valid(v.String())
	}
}

// plain returns what encoding/json writes as v should be written.
func plain(v attribute.Value) any {
	switch v.Type() {
	case attribute.STRING:
		return valid(v.AsString())
	case attribute.FLOAT64:
		if f := v.AsFloat64(); math.IsNaN(f) || math.IsInf(f, 0) {
			return v.String()
		}
		return v.AsFloat64()
	case attribute.FLOAT64SLICE:
		list := []any{}
		for _, f := range v.AsFloat64Slice() {
			list = append(list, plain(attribute.Float64Value(f)))
		}
		return list
	case attribute.STRINGSLICE:
		list := []any{}
		for _, s := range v.AsStringSlice() {
			list = append(list, valid(s))
		}
		return list
	case attribute.BYTESLICE:
		return base64.StdEncoding.EncodeToString(v.AsByteSlice())
	case attribute.SLICE:
		list := []any{}
		for _, e := range v.AsSlice() {
			list = append(list, plain(e))
		}
		return list
	case attribute.MAP:
		m := map[string]any{}
		for _, kv := range v.AsMap() {
			m[valid(string(kv.Key))] = plain(kv.Value)
		}
		return m
	default:
		return v.AsInterface()
	}
}

// requireSameAsSimple compares one encoded span, local endpoint included, with the second
// implementation.
func requireSameAsSimple(t *testing.T, d *tracing.SpanData, encoded []byte) {
	t.Helper()
	requireNoNameTwice(t, encoded)
	got := decode[map[string]any](t, encoded)
	if tags, ok := got["tags"].(map[string]any); ok {
		for _, attrs := range [][]attribute.KeyValue{d.Scope.Attributes, d.Attributes} {
			for _, kv := range attrs {
				text, isText := tags[valid(string(kv.Key))].(string)
				if _, isText2 := tagValue(kv.Value).(string); isText && !isText2 && json.Valid([]byte(text)) {
					tags[valid(string(kv.Key))] = decode[any](t, []byte(text))
				}
			}
		}
	}
	if annotations, ok := got["annotations"].([]any); ok {
		for i, a := range annotations {
			e := &d.Events[i]
			if len(e.Attributes) > 0 || e.DroppedAttributes > 0 {
				a := a.(map[string]any)
				a["value"] = parseAnnotation(t, a["value"].(string))
			}
		}
	}
	text, err := json.Marshal(simpleSpan(d))
	require.NoError(t, err)
	require.Equal(t, decode[map[string]any](t, text), got, string(encoded))
}

// parseAnnotation takes `"name": {...}` apart.
func parseAnnotation(t *testing.T, value string) []any {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(value))
	var name string
	require.NoError(t, dec.Decode(&name), value)
	attrs, found := strings.CutPrefix(value[dec.InputOffset():], ": ")
	require.True(t, found, value)
	requireNoNameTwice(t, []byte(attrs))
	return []any{name, decode[map[string]any](t, []byte(attrs))}
}

// requireNoNameTwice fails where a JSON object has two members of one name.
func requireNoNameTwice(t *testing.T, text []byte) {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(text))
	var walk func()
	walk = func() {
		token, err := dec.Token()
		require.NoError(t, err, string(text))
		switch token {
		case json.Delim('{'):
			seen := map[json.Token]bool{}
			for dec.More() {
				name, err := dec.Token()
				require.NoError(t, err, string(text))
				require.False(t, seen[name], "member %q twice in %s", name, text)
				seen[name] = true
				walk()
			}
			_, _ = dec.Token()
		case json.Delim('['):
			for dec.More() {
				walk()
			}
			_, _ = dec.Token()
		}
	}
	walk()
	_, err := dec.Token()
	require.ErrorIs(t, err, io.EOF, "nothing follows: %s", text)
}

// decode reads one JSON value and nothing behind it.
func decode[T any](t *testing.T, text []byte) T {
	t.Helper()
	var v T
	require.NoError(t, json.Unmarshal(text, &v), string(text))
	return v
}
