// SPDX-License-Identifier: Apache-2.0

package zipkin_test

import (
	"encoding/binary"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/tracing"
)

// keys are those that the exporter treats in its own way; the fuzzer picks from them by number.
var keys = []string{
	"error", "otel.status_code", "otel.scope.name", "otel.library.version", "otel.dropped_events_count", "service.namespace",
	"peer.service", "server.address", "network.peer.address", "network.peer.port", "net.sock.peer.addr", "net.sock.peer.port",
	"peer.address", "db.name", "k\xff", "k\xfe", "k\ufffd",
}

// FuzzAppendSpan compares both implementations of the mapping.
func FuzzAppendSpan(f *testing.F) {
	f.Add("GET /cart", "key", "value", "event", int64(1795255872123456789), int64(1500), 0.5, uint64(0x0102030405060708))
	f.Add("", "", "10.0.0.1:80", "", int64(-1), int64(-1), 1e300, uint64(0x0808080808080808))
	f.Add("\xff", "k\xff", "2001:db8::1", "\"", int64(1), int64(0), -0.5, uint64(0xffffffffffffffff))
	f.Fuzz(func(t *testing.T, name, key, text, event string, start, duration int64, x float64, choice uint64) {
		c := binary.LittleEndian.AppendUint64(nil, choice)
		attrs := unique(
			attribute.String(keys[int(c[0])%len(keys)], text),
			attribute.Bool(keys[int(c[1])%len(keys)], c[1] > 0x7f),
			attribute.Int(keys[int(c[2])%len(keys)], int(c[2])*257),
			attribute.String(key, text),
			attribute.Float64(key+"x", x),
			attribute.StringSlice(key+"s", []string{text, name, key, text}),
			attribute.KeyValue{Key: attribute.Key(text), Value: attribute.MapValue(
				attribute.String(key, text), attribute.Float64(text, x), attribute.ByteSlice(name, []byte(text)))},
		)
		first := time.Unix(0, start).UTC()
		d := &tracing.SpanData{
			SpanContext: spanContext(trace.TraceID{0: c[3] & 1, 15: 1}, trace.SpanID{7: 1 + c[3]>>1}),
			Name:        name,
			Kind:        trace.SpanKind(c[4] % 6),
			StartTime:   first,
			EndTime:     first.Add(time.Duration(duration)),
			Attributes:  attrs,
			Status:      tracing.Status{Code: codes.Code(c[5] % 3)},
			Resource:    tracing.NewResource(attribute.String("service.name", "s"+text), attribute.String("service.namespace", event)),
			Scope:       &tracing.Scope{Name: event, Version: key},
			Debug:       c[5]&0x10 != 0,
		}
		if d.Status.Code == codes.Error {
			d.Status.Description = text
		}
		if c[6]&1 != 0 {
			d.Parent = spanContext(trace.TraceID{15: 1}, trace.SpanID{0: c[6]})
		}
		if c[6]&2 != 0 {
			d.Scope.Attributes = unique(attribute.String(key, event), attribute.String(keys[int(c[7])%len(keys)], text))
		}
		if c[6]&4 != 0 {
			d.Events = []tracing.Event{{Name: event, Time: first, Attributes: attrs, DroppedAttributes: int(c[7])}, {Name: name, Time: first}}
		}
		if c[6]&8 != 0 {
			d.DroppedAttributes, d.DroppedEvents, d.DroppedLinks = int(c[0]), int(c[1]), int(c[2])
		}
		got := request(newExporter(t), d)
		requireSameAsSimple(t, d, got[1:len(got)-1])
	})
}

// unique keeps the last of several attributes of one key, as a span does.
func unique(attrs ...attribute.KeyValue) []attribute.KeyValue {
	var kept []attribute.KeyValue
	for i, kv := range attrs {
		last := true
		for _, later := range attrs[i+1:] {
			last = last && later.Key != kv.Key
		}
		if last {
			kept = append(kept, kv)
		}
	}
	return kept
}
