// SPDX-License-Identifier: Apache-2.0

package encoding_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/tracing"
)

var begin = time.Date(2026, 11, 21, 10, 11, 12, 123456000, time.UTC)

// plainSpan returns a span of which the official exporter and ours write the same, but for what
// every span shows: the official one makes tags of the resource's attributes.
func plainSpan() *tracing.SpanData {
	return &tracing.SpanData{
		SpanContext: trace.NewSpanContext(trace.SpanContextConfig{
			TraceID: trace.TraceID{0: 1, 15: 2}, SpanID: trace.SpanID{7: 3}, TraceFlags: trace.FlagsSampled,
		}),
		Name:      "get /cart",
		Kind:      trace.SpanKindServer,
		StartTime: begin,
		EndTime:   begin.Add(1500 * time.Microsecond),
		Resource:  tracing.NewResource(attribute.String("service.name", "shop")),
		Scope:     &tracing.Scope{},
	}
}

// stub returns d in the form that the official exporters take.
func stub(d *tracing.SpanData) tracetest.SpanStub {
	s := tracetest.SpanStub{
		Name: d.Name, SpanContext: d.SpanContext, Parent: d.Parent, SpanKind: d.Kind,
		StartTime: d.StartTime, EndTime: d.EndTime, Attributes: d.Attributes,
		Status:            sdktrace.Status{Code: d.Status.Code, Description: d.Status.Description},
		DroppedAttributes: d.DroppedAttributes, DroppedEvents: d.DroppedEvents, DroppedLinks: d.DroppedLinks,
		Resource: resource.NewSchemaless(d.Resource.Attributes()...),
		InstrumentationScope: instrumentation.Scope{
			Name: d.Scope.Name, Version: d.Scope.Version, Attributes: attribute.NewSet(d.Scope.Attributes...),
		},
	}
	for _, e := range d.Events {
		s.Events = append(s.Events, sdktrace.Event{
			Name: e.Name, Attributes: e.Attributes, DroppedAttributeCount: e.DroppedAttributes, Time: e.Time,
		})
	}
	for _, l := range d.Links {
		s.Links = append(s.Links, sdktrace.Link{SpanContext: l.SpanContext, Attributes: l.Attributes})
	}
	return s
}

// source makes random spans. The same seed makes the same span.
type source struct{ *rand.Rand }

func newSource(seed uint64) source { return source{rand.New(rand.NewPCG(seed, 0))} }

// rarely is true once in n times.
func (r source) rarely(n int) bool { return r.IntN(n) == 0 }

func pick[T any](r source, of ...T) T { return of[r.IntN(len(of))] }

func (r source) span() *tracing.SpanData {
	d := &tracing.SpanData{
		SpanContext: r.spanContext(),
		Name:        r.text(),
		Kind:        trace.SpanKind(r.IntN(6)),
		StartTime:   begin.Add(time.Duration(r.Int64N(int64(time.Hour)))),
		Attributes:  r.attributes(8, true),
		Resource:    r.resource(),
		Scope:       &tracing.Scope{},
		Debug:       r.rarely(4),
	}
	d.EndTime = d.StartTime.Add(pick(r, 0, 1, 999, time.Duration(r.IntN(5000)), time.Duration(r.Int64N(int64(time.Hour)))))
	if r.rarely(2) {
		d.Parent = r.spanContext()
	}
	if !r.rarely(3) {
		d.Scope = &tracing.Scope{Name: pick(r, "", r.text()), Version: pick(r, "", r.text()), Attributes: r.attributes(2, true)}
	}
	for range r.IntN(3) {
		d.Events = append(d.Events, tracing.Event{
			Name: r.text(), Time: d.StartTime.Add(time.Duration(r.IntN(1_000_000))),
			Attributes: r.attributes(4, false), DroppedAttributes: pick(r, 0, 0, 0, 5),
		})
	}
	for range r.IntN(2) {
		d.Links = append(d.Links, tracing.Link{SpanContext: r.spanContext()})
	}
	d.Status.Code = codes.Code(r.IntN(3))
	if d.Status.Code == codes.Error {
		d.Status.Description = r.text()
	}
	if r.rarely(4) {
		d.DroppedAttributes, d.DroppedEvents, d.DroppedLinks = r.IntN(3), r.IntN(3), r.IntN(3)
	}
	return d
}

func (r source) spanContext() trace.SpanContext {
	var cfg trace.SpanContextConfig
	for i := range cfg.TraceID {
		cfg.TraceID[i] = byte(r.IntN(256))
	}
	if r.rarely(3) {
		clear(cfg.TraceID[:8])
	}
	for i := range cfg.SpanID {
		cfg.SpanID[i] = byte(r.IntN(256))
	}
	cfg.SpanID[7] |= 1
	cfg.TraceID[15] |= 1
	cfg.TraceFlags = trace.FlagsSampled
	return trace.NewSpanContext(cfg)
}

func (r source) resource() *tracing.Resource {
	var attrs []attribute.KeyValue
	if !r.rarely(4) {
		attrs = append(attrs, attribute.String("service.name", r.text()))
	}
	if r.rarely(3) {
		attrs = append(attrs, attribute.String("service.namespace", r.text()))
	}
	return tracing.NewResource(append(attrs, r.attributes(3, false)...)...)
}

// attributes returns up to n attributes of different keys, also of those that mean something.
func (r source) attributes(n int, special bool) []attribute.KeyValue {
	var attrs []attribute.KeyValue
	seen := map[string]bool{}
	for range r.IntN(n + 1) {
		kv := attribute.KeyValue{Key: attribute.Key(r.key()), Value: r.value(2)}
		if special && r.rarely(3) {
			kv = r.special()
		}
		if key := valid(string(kv.Key)); !seen[key] {
			seen[key] = true
			attrs = append(attrs, kv)
		}
	}
	return attrs
}

// special returns an attribute that has a meaning for Zipkin.
func (r source) special() attribute.KeyValue {
	switch r.IntN(4) {
	case 0:
		key := pick(r, "error", "otel.status_code", "otel.scope.name", "otel.library.version", "service.name",
			"service.namespace", "otel.dropped_events_count")
		return attribute.KeyValue{Key: attribute.Key(key), Value: pick(r,
			attribute.BoolValue(false), attribute.BoolValue(true), attribute.StringValue("false"), r.value(1))}
	case 1:
		key := pick(r, "network.peer.port", "server.socket.port", "net.sock.peer.port")
		return attribute.KeyValue{Key: attribute.Key(key), Value: pick(r,
			attribute.IntValue(r.IntN(70_000)), attribute.IntValue(-1), attribute.StringValue("8080"), attribute.StringValue("http"))}
	default:
		key := pick(r, remoteKeys...)
		return attribute.KeyValue{Key: attribute.Key(key), Value: pick(r,
			attribute.StringValue("192.0.2.1"), attribute.StringValue("2001:db8::1"), attribute.StringValue("::ffff:192.0.2.1"),
			attribute.StringValue("Payments"), attribute.StringValue("fe80::1%eth0"), attribute.StringValue("192.0.2.1:53"),
			attribute.StringValue(""), attribute.IntValue(7), r.value(0))}
	}
}

func (r source) key() string {
	return pick(r, fmt.Sprint("k", r.IntN(20)), "http.method", "Großes Ä", "<&>", "\"", "a\xffb", "", r.text())
}

func (r source) text() string {
	var b strings.Builder
	for range r.IntN(12) {
		b.WriteString(pick(r, "a", "B", "Ä", "日", "😀", " ", "\"", "\\", "/", "<", "&", "\n", "\x00", "\x1f", "\x7f", "\u2028", "\xff", "\xc3"))
	}
	return b.String()
}

func (r source) float() float64 {
	return pick(r, 0, math.Copysign(0, -1), 1, -0.1, 1e6, 123456789, 1e20, 1e21, 1e-6, 1e-7, math.MaxFloat64,
		math.SmallestNonzeroFloat64, math.NaN(), math.Inf(1), math.Inf(-1), r.NormFloat64())
}

// value returns a value of any type, nested at most so deep.
func (r source) value(depth int) attribute.Value {
	list := make([]int64, r.IntN(3))
	for i := range list {
		list[i] = r.Int64() - math.MaxInt64/2
	}
	if depth == 0 {
		return pick(r, attribute.StringValue(r.text()), attribute.Int64Value(r.Int64()-math.MaxInt64/2))
	}
	switch r.IntN(14) {
	case 0:
		return attribute.BoolValue(r.rarely(2))
	case 1:
		return attribute.Int64Value(pick(r, 0, math.MinInt64, math.MaxInt64, r.Int64()))
	case 2, 3:
		return attribute.Float64Value(r.float())
	case 4:
		return attribute.BoolSliceValue(make([]bool, r.IntN(3)))
	case 5:
		return attribute.Int64SliceValue(list)
	case 6:
		return attribute.Float64SliceValue([]float64{r.float(), r.float()}[:r.IntN(3)])
	case 7:
		return attribute.StringSliceValue([]string{r.text(), r.text()}[:r.IntN(3)])
	case 8:
		return attribute.ByteSliceValue([]byte(r.text()))
	case 9:
		return attribute.SliceValue(r.value(depth-1), r.value(depth-1))
	case 10:
		return attribute.MapValue(r.attributes(2, false)...)
	case 11:
		return attribute.Value{}
	default:
		return attribute.StringValue(r.text())
	}
}
