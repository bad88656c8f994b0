// SPDX-License-Identifier: Apache-2.0

package interop_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	otelpropagation "go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/internal/interop/zipkinserver"
	"github.com/spandrel-go/spandrel/propagation"
	"github.com/spandrel-go/spandrel/tracing"
)

// recording is one span: how it is made, and what the server must show of it. The parts that all
// recordings share, which common adds, are left out of want.
type recording struct {
	name    string
	span    string            // its name; "op" if empty
	headers map[string]string // what the request brings
	length  time.Duration     // the end minus recordStart; the default is 1500.999 µs
	options []trace.SpanStartOption
	record  func(trace.Span)
	want    zipkinserver.Span
}

// recordStart has nanoseconds that no backend of microseconds can keep. It is recent, for the sake of
// anyone who looks at the server.
var recordStart = time.Now().Add(-time.Hour).Truncate(time.Microsecond).Add(999 * time.Nanosecond)

// us is a time of the recordings in microseconds: so long after recordStart.
func us(after time.Duration) int64 { return recordStart.Add(after).UnixMicro() }

func attributes(attrs ...attribute.KeyValue) func(trace.Span) {
	return func(s trace.Span) { s.SetAttributes(attrs...) }
}

func kind(k trace.SpanKind, attrs ...attribute.KeyValue) []trace.SpanStartOption {
	return []trace.SpanStartOption{trace.WithSpanKind(k), trace.WithAttributes(attrs...)}
}

type tags = map[string]string

var recordings = []recording{
	{name: "nothing but a name"},
	{name: "name in mixed case", span: "GET /Users/{ID}", want: zipkinserver.Span{Name: "get /users/{id}"}},
	{name: "name in unicode", span: "Ünïcode 😀 \"q\" \\ \t<&>", want: zipkinserver.Span{Name: "ünïcode 😀 \"q\" \\ \t<&>"}},
	{name: "name that is not UTF-8", span: "a\xff\xfeb", want: zipkinserver.Span{Name: "a\ufffd\ufffdb"}},

	{name: "kind unspecified", options: kind(trace.SpanKindUnspecified)},
	{name: "kind internal", options: kind(trace.SpanKindInternal)},
	{name: "kind server", options: kind(trace.SpanKindServer), want: zipkinserver.Span{Kind: "SERVER"}},
	{name: "kind client", options: kind(trace.SpanKindClient), want: zipkinserver.Span{Kind: "CLIENT"}},
	{name: "kind producer", options: kind(trace.SpanKindProducer), want: zipkinserver.Span{Kind: "PRODUCER"}},
	{name: "kind consumer", options: kind(trace.SpanKindConsumer), want: zipkinserver.Span{Kind: "CONSUMER"}},

	{name: "status unset", record: func(s trace.Span) { s.SetStatus(codes.Unset, "ignored") }},
	{
		name: "status ok", record: func(s trace.Span) { s.SetStatus(codes.Ok, "ignored") },
		want: zipkinserver.Span{Tags: tags{"otel.status_code": "OK"}},
	},
	{
		name: "status error", record: func(s trace.Span) { s.SetStatus(codes.Error, "no stock: Ä") },
		want: zipkinserver.Span{Tags: tags{"otel.status_code": "ERROR", "error": "no stock: Ä"}},
	},
	{
		name: "status error without description", record: func(s trace.Span) { s.SetStatus(codes.Error, "") },
		want: zipkinserver.Span{Tags: tags{"otel.status_code": "ERROR", "error": ""}},
	},
	{
		name:   "status ok is final",
		record: func(s trace.Span) { s.SetStatus(codes.Ok, ""); s.SetStatus(codes.Error, "late") },
		want:   zipkinserver.Span{Tags: tags{"otel.status_code": "OK"}},
	},
	{name: "attribute error false", record: attributes(attribute.Bool("error", false))},
	{name: "attribute error true", record: attributes(attribute.Bool("error", true)), want: zipkinserver.Span{Tags: tags{"error": "true"}}},

	{
		name: "attributes of every scalar type",
		record: attributes(
			attribute.Bool("yes", true), attribute.Bool("no", false),
			attribute.Int64("min", math.MinInt64), attribute.Int64("max", math.MaxInt64), attribute.Int("zero", 0),
			attribute.Float64("half", -0.5), attribute.Float64("huge", 1e300), attribute.Float64("nan", math.NaN()),
			attribute.Float64("inf", math.Inf(1)), attribute.Float64("neginf", math.Inf(-1)),
			attribute.String("text", "ein Straßenname\n\"x\" \x00 </script>"), attribute.String("empty", ""),
			attribute.String("", "no key, so it is refused"),
			attribute.String("Schlüssel 😀", "日本語"),
			attribute.KeyValue{Key: "none"},
		),
		want: zipkinserver.Span{Tags: tags{
			"yes": "true", "no": "false", "min": "-9223372036854775808", "max": "9223372036854775807", "zero": "0",
			"half": "-0.5", "huge": "1e+300", "nan": "NaN", "inf": "Infinity", "neginf": "-Infinity",
			"text": "ein Straßenname\n\"x\" \x00 </script>", "empty": "", "Schlüssel 😀": "日本語",
			"none": "", "otel.dropped_attributes_count": "1",
		}},
	},
	{
		name: "attributes of every other type",
		record: attributes(
			attribute.BoolSlice("bools", []bool{true, false}), attribute.Int64Slice("ints", []int64{-1, 1 << 60}),
			attribute.Float64Slice("floats", []float64{0.25, math.Inf(1)}),
			attribute.StringSlice("texts", []string{"a\"b", "ä", ""}), attribute.StringSlice("none", nil),
			attribute.ByteSlice("bytes", []byte{0, 0xff, 1}),
			attribute.Slice("mixed", attribute.IntValue(1), attribute.StringValue("x"), attribute.BoolSliceValue([]bool{true})),
			attribute.Map("map", attribute.String("a", "b"), attribute.Map("m", attribute.Int("n", 1))),
		),
		want: zipkinserver.Span{Tags: tags{
			"bools": "[true,false]", "ints": "[-1,1152921504606846976]", "floats": `[0.25,"Infinity"]`,
			"texts": `["a\"b","ä",""]`, "none": "[]", "bytes": "AP8B", "mixed": `[1,"x",[true]]`,
			"map": `{"a":"b","m":{"n":1}}`,
		}},
	},
	{
		name:    "the last value of a key",
		options: kind(trace.SpanKindInternal, attribute.Int("n", 1)),
		record:  attributes(attribute.Int("n", 2), attribute.String("n", "three")),
		want:    zipkinserver.Span{Tags: tags{"n": "three"}},
	},
	{
		name: "more attributes than a span may have",
		record: func(s trace.Span) {
			for i := range 300 {
				s.SetAttributes(attribute.Int("n"+string(rune(0x100+i)), i))
			}
		},
		want: zipkinserver.Span{Tags: func() tags {
			m := tags{"otel.dropped_attributes_count": "172"}
			for i := range 128 {
				m["n"+string(rune(0x100+i))] = attribute.IntValue(i).String()
			}
			return m
		}()},
	},

	{
		name: "events",
		record: func(s trace.Span) {
			s.AddEvent("second", trace.WithTimestamp(recordStart.Add(20*time.Microsecond)))
			s.AddEvent("first", trace.WithTimestamp(recordStart.Add(10*time.Microsecond)), trace.WithAttributes(
				attribute.Int("n", 7), attribute.String("q", "\"ä\""), attribute.BoolSlice("b", []bool{true})))
		},
		want: zipkinserver.Span{Annotations: []zipkinserver.Annotation{
			{Timestamp: us(10 * time.Microsecond), Value: `"first": {"n":7,"q":"\"ä\"","b":[true]}`},
			{Timestamp: us(20 * time.Microsecond), Value: "second"},
		}},
	},
	{
		name: "an error that was recorded",
		record: func(s trace.Span) {
			s.RecordError(errors.New("pq: deadlock"), trace.WithTimestamp(recordStart.Add(time.Millisecond)))
		},
		want: zipkinserver.Span{Annotations: []zipkinserver.Annotation{{
			Timestamp: us(time.Millisecond),
			Value:     `"exception": {"exception.type":"*errors.errorString","exception.message":"pq: deadlock"}`,
		}}},
	},

	{name: "no length", length: -time.Hour, want: zipkinserver.Span{Duration: 1}},
	{name: "a length below a microsecond", length: time.Nanosecond, want: zipkinserver.Span{Duration: 1}},
	{name: "a length of days", length: 50 * time.Hour, want: zipkinserver.Span{Duration: 180_000_000_000}},

	{
		name:    "remote endpoint by name",
		options: kind(trace.SpanKindClient, attribute.String("server.address", "other"), attribute.String("peer.service", "Payments")),
		want: zipkinserver.Span{
			Kind: "CLIENT", RemoteEndpoint: &zipkinserver.Endpoint{ServiceName: "payments"},
			Tags: tags{"peer.service": "Payments", "server.address": "other"},
		},
	},
	{
		name: "remote endpoint by IPv4 address and port",
		options: kind(trace.SpanKindProducer,
			attribute.String("network.peer.address", "192.0.2.7"), attribute.Int("network.peer.port", 9092)),
		want: zipkinserver.Span{
			Kind: "PRODUCER", RemoteEndpoint: &zipkinserver.Endpoint{IPv4: "192.0.2.7", Port: 9092},
			Tags: tags{"network.peer.address": "192.0.2.7", "network.peer.port": "9092"},
		},
	},
	{
		name: "remote endpoint by IPv6 address",
		options: kind(trace.SpanKindClient, attribute.String("db.name", "shop"),
			attribute.String("network.peer.address", "2001:DB8:0:0::1")),
		want: zipkinserver.Span{
			Kind: "CLIENT", RemoteEndpoint: &zipkinserver.Endpoint{IPv6: "2001:db8::1"},
			Tags: tags{"network.peer.address": "2001:DB8:0:0::1", "db.name": "shop"},
		},
	},
	{
		name: "remote endpoint by an IPv4 address that came as IPv6",
		options: kind(trace.SpanKindClient,
			attribute.String("net.sock.peer.addr", "::ffff:192.0.2.9"), attribute.Int("net.sock.peer.port", 80)),
		want: zipkinserver.Span{
			Kind: "CLIENT", RemoteEndpoint: &zipkinserver.Endpoint{IPv4: "192.0.2.9", Port: 80},
			Tags: tags{"net.sock.peer.addr": "::ffff:192.0.2.9", "net.sock.peer.port": "80"},
		},
	},
	{
		name:    "remote endpoint of a database",
		options: kind(trace.SpanKindClient, attribute.String("db.name", "Shop")),
		want: zipkinserver.Span{
			Kind: "CLIENT", RemoteEndpoint: &zipkinserver.Endpoint{ServiceName: "shop"}, Tags: tags{"db.name": "Shop"},
		},
	},
	{
		name:    "no remote endpoint for a server",
		options: kind(trace.SpanKindServer, attribute.String("peer.service", "caller")),
		want:    zipkinserver.Span{Kind: "SERVER", Tags: tags{"peer.service": "caller"}},
	},

	{
		name:    "trace id of 128 bits from a caller",
		headers: map[string]string{"b3": "463ac35c9f6413ad48485a3953bb6124-a2fb4a1d1a96d312-1"},
		want:    zipkinserver.Span{TraceID: "463ac35c9f6413ad48485a3953bb6124", ParentID: "a2fb4a1d1a96d312"},
	},
	{
		name:    "trace id of 64 bits from a caller",
		headers: map[string]string{"x-b3-traceid": "48485a3953bb6125", "x-b3-spanid": "0000000000000001", "x-b3-sampled": "1"},
		want:    zipkinserver.Span{TraceID: "48485a3953bb6125", ParentID: "0000000000000001"},
	},
	{
		name:    "trace id of 64 bits with leading zeros",
		headers: map[string]string{"x-b3-traceid": "0000000000000abc", "x-b3-spanid": "00000000000000ff", "x-b3-sampled": "1"},
		want:    zipkinserver.Span{TraceID: "0000000000000abc", ParentID: "00000000000000ff"},
	},
	{
		name:    "trace id with a short high half",
		headers: map[string]string{"traceparent": "00-00000000000000010000000000000abc-00000000000000ff-01"},
		want:    zipkinserver.Span{TraceID: "00000000000000010000000000000abc", ParentID: "00000000000000ff"},
	},
	{
		name:    "debug flag from a caller",
		headers: map[string]string{"x-b3-traceid": "48485a3953bb6126", "x-b3-spanid": "0000000000000002", "x-b3-flags": "1"},
		want:    zipkinserver.Span{TraceID: "48485a3953bb6126", ParentID: "0000000000000002", Debug: true},
	},
	{
		name:    "debug flag without a trace",
		headers: map[string]string{"b3": "d"},
		want:    zipkinserver.Span{Debug: true},
	},
}

// common completes what the server must show of a recording.
func (r *recording) common(sc trace.SpanContext) zipkinserver.Span {
	want := r.want
	want.ID = sc.SpanID().String()
	if want.TraceID == "" {
		want.TraceID = sc.TraceID().String()
	}
	if want.Name == "" {
		want.Name = "op"
	}
	want.Timestamp = us(0)
	if want.Duration == 0 {
		want.Duration = 1500
	}
	want.LocalEndpoint = &zipkinserver.Endpoint{ServiceName: "shöp"}
	made := tags{
		"otel.scope.name": "orders", "otel.library.name": "orders",
		"otel.scope.version": "v1.2.3", "otel.library.version": "v1.2.3",
		"scope.attr": "s", "service.namespace": "Sales",
	}
	maps.Copy(made, want.Tags)
	want.Tags = made
	return want
}

// TestZipkinKeepsWhatWasRecorded records spans of all sorts through the whole library and compares
// what a real server shows of them with literals.
func TestZipkinKeepsWhatWasRecorded(t *testing.T) {
	t.Parallel()
	server := zipkinServer(t)
	seen := &collector{}
	p := newProvider(t, server, tracing.WithExporter(seen), tracing.WithServiceName("Shöp"),
		tracing.WithResource(attribute.String("service.namespace", "Sales"), attribute.String("host.name", "h")))
	tracer := p.Tracer("orders", trace.WithInstrumentationVersion("v1.2.3"),
		trace.WithInstrumentationAttributes(attribute.String("scope.attr", "s")))
	headers, err := propagation.New(propagation.Config{})
	require.NoError(t, err)

	made := make([]trace.SpanContext, len(recordings))
	for i, r := range recordings {
		made[i] = r.make(tracer, headers)
	}
	require.NoError(t, p.ForceFlush(soon(t)))

	for i, r := range recordings {
		t.Run(r.name, func(t *testing.T) {
			want := r.common(made[i])
			got, err := server.WaitForSpan(soon(t), want.TraceID, want.ID)
			require.NoError(t, err)
			assert.Equal(t, want, got)
		})
	}
	assert.Len(t, seen.traces(), len(recordings))
}

// make makes the span.
func (r *recording) make(tracer trace.Tracer, headers otelpropagation.TextMapPropagator) trace.SpanContext {
	name, length := r.span, r.length
	if name == "" {
		name = "op"
	}
	if length == 0 {
		length = 1500*time.Microsecond + 999*time.Nanosecond
	}
	ctx := headers.Extract(context.Background(), otelpropagation.MapCarrier(r.headers))
	_, span := tracer.Start(ctx, name, append(r.options, trace.WithTimestamp(recordStart))...)
	if r.record != nil {
		r.record(span)
	}
	span.End(trace.WithTimestamp(recordStart.Add(length)))
	return span.SpanContext()
}

// TestZipkinFindsSpans searches for a trace as its user would: by service, name and attribute.
func TestZipkinFindsSpans(t *testing.T) {
	t.Parallel()
	server := zipkinServer(t)
	service := fmt.Sprint("Finder ", time.Now().UnixNano()) // the server may know an earlier run's
	p := newProvider(t, server, tracing.WithServiceName(service))
	tracer := p.Tracer("")
	ctx, root := tracer.Start(context.Background(), "Root")
	for i := range 3 {
		_, child := tracer.Start(ctx, "Child", trace.WithAttributes(attribute.Int("child.number", i)))
		child.End()
	}
	root.End()
	_, other := tracer.Start(context.Background(), "Other")
	other.End()
	require.NoError(t, p.ForceFlush(soon(t)))

	for _, search := range []struct {
		name, value string
		want        trace.SpanContext
		spans       int
	}{
		{"spanName", "child", root.SpanContext(), 4},
		{"annotationQuery", "child.number=2", root.SpanContext(), 4},
		{"spanName", "other", other.SpanContext(), 1},
	} {
		t.Run(search.name+" "+search.value, func(t *testing.T) {
			_, err := server.WaitForTrace(soon(t), search.want.TraceID().String(), search.spans)
			require.NoError(t, err)
			found, err := server.Traces(soon(t), map[string][]string{"serviceName": {strings.ToLower(service)}, search.name: {search.value}})
			require.NoError(t, err)
			require.Len(t, found, 1)
			require.Len(t, found[0], search.spans)
			assert.Equal(t, search.want.TraceID().String(), found[0][0].TraceID)
			requireOneTree(t, found[0])
		})
	}
}
