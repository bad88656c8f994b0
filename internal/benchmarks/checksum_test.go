// SPDX-License-Identifier: Apache-2.0

package benchmarks

import (
	"testing"
	"time"

	"github.com/openzipkin/zipkin-go/model"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/tracing"
)

func sumOf(read func(*Checksum)) uint64 {
	var c Checksum
	read(&c)
	return c.Value()
}

func spanContext(b byte) trace.SpanContext {
	return trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{15: b}, SpanID: trace.SpanID{7: b}})
}

func TestChecksumStringReadsEveryByte(t *testing.T) {
	t.Parallel()
	for n := range 40 {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte('a' + i)
		}
		sum := sumOf(func(c *Checksum) { c.String(string(b)) })
		assert.Equal(t, sum, sumOf(func(c *Checksum) { c.Bytes(b) }), "length %d", n)
		for i := range b {
			b[i] ^= 1
			assert.NotEqual(t, sum, sumOf(func(c *Checksum) { c.Bytes(b) }), "length %d, byte %d", n, i)
			b[i] ^= 1
		}
		longer := append(b[:n:n], 0)
		assert.NotEqual(t, sum, sumOf(func(c *Checksum) { c.Bytes(longer) }), "length %d, a zero byte more", n)
	}
}

func TestChecksumAttributesReadsKeysTypesAndValues(t *testing.T) {
	t.Parallel()
	sums := map[uint64]attribute.KeyValue{}
	for _, kv := range []attribute.KeyValue{
		attribute.String("k", "1"), attribute.String("k", "2"), attribute.String("l", "1"),
		attribute.Int("k", 1), attribute.Int("k", 2),
		attribute.Bool("k", true), attribute.Bool("k", false),
		attribute.Float64("k", 1), attribute.Float64("k", 2),
		attribute.StringSlice("k", []string{"1"}), attribute.StringSlice("k", []string{"2"}),
		attribute.Int64Slice("k", []int64{1}),
	} {
		sum := sumOf(func(c *Checksum) { c.Attributes([]attribute.KeyValue{kv}) })
		other, taken := sums[sum]
		assert.False(t, taken, "%v and %v have the same checksum", kv, other)
		sums[sum] = kv
	}
}

// Changing any field of a span changes what spandrel's exporter computes.
func TestReadSpandrelReadsEveryField(t *testing.T) {
	t.Parallel()
	one := time.Unix(1, 1)
	newSpan := func() *tracing.SpanData {
		return &tracing.SpanData{
			Attributes: []attribute.KeyValue{attribute.Int("a", 1)},
			Events:     []tracing.Event{{Attributes: []attribute.KeyValue{attribute.Int("a", 1)}}},
			Links:      []tracing.Link{{Attributes: []attribute.KeyValue{attribute.Int("a", 1)}}},
			Scope:      &tracing.Scope{},
		}
	}
	changes := map[string]func(*tracing.SpanData){
		"span context":             func(d *tracing.SpanData) { d.SpanContext = spanContext(1) },
		"parent":                   func(d *tracing.SpanData) { d.Parent = spanContext(1) },
		"name":                     func(d *tracing.SpanData) { d.Name = "n" },
		"kind":                     func(d *tracing.SpanData) { d.Kind = trace.SpanKindClient },
		"start":                    func(d *tracing.SpanData) { d.StartTime = one },
		"end":                      func(d *tracing.SpanData) { d.EndTime = one },
		"attribute":                func(d *tracing.SpanData) { d.Attributes[0].Key = "b" },
		"event name":               func(d *tracing.SpanData) { d.Events[0].Name = "e" },
		"event time":               func(d *tracing.SpanData) { d.Events[0].Time = one },
		"event attribute":          func(d *tracing.SpanData) { d.Events[0].Attributes[0].Key = "b" },
		"event dropped attributes": func(d *tracing.SpanData) { d.Events[0].DroppedAttributes = 1 },
		"link span context":        func(d *tracing.SpanData) { d.Links[0].SpanContext = spanContext(1) },
		"link attribute":           func(d *tracing.SpanData) { d.Links[0].Attributes[0].Key = "b" },
		"link dropped attributes":  func(d *tracing.SpanData) { d.Links[0].DroppedAttributes = 1 },
		"status":                   func(d *tracing.SpanData) { d.Status.Code = codes.Error },
		"status description":       func(d *tracing.SpanData) { d.Status.Description = "d" },
		"resource":                 func(d *tracing.SpanData) { d.Resource = &tracing.Resource{} },
		"scope":                    func(d *tracing.SpanData) { d.Scope = &tracing.Scope{Name: "s"} },
		"dropped attributes":       func(d *tracing.SpanData) { d.DroppedAttributes = 1 },
		"dropped events":           func(d *tracing.SpanData) { d.DroppedEvents = 1 },
		"dropped links":            func(d *tracing.SpanData) { d.DroppedLinks = 1 },
	}
	seen := map[uint64]string{sumOf(func(c *Checksum) { readSpandrel(c, newSpan()) }): "nothing"}
	for name, change := range changes {
		d := newSpan()
		change(d)
		requireNew(t, seen, name, sumOf(func(c *Checksum) { readSpandrel(c, d) }))
	}
}

// The same for the OpenTelemetry SDK's.
func TestReadOTelReadsEveryField(t *testing.T) {
	t.Parallel()
	one := time.Unix(1, 1)
	newSpan := func() *tracetest.SpanStub {
		return &tracetest.SpanStub{
			Attributes: []attribute.KeyValue{attribute.Int("a", 1)},
			Events:     []sdktrace.Event{{Attributes: []attribute.KeyValue{attribute.Int("a", 1)}}},
			Links:      []sdktrace.Link{{Attributes: []attribute.KeyValue{attribute.Int("a", 1)}}},
		}
	}
	changes := map[string]func(*tracetest.SpanStub){
		"span context":             func(s *tracetest.SpanStub) { s.SpanContext = spanContext(1) },
		"parent":                   func(s *tracetest.SpanStub) { s.Parent = spanContext(1) },
		"name":                     func(s *tracetest.SpanStub) { s.Name = "n" },
		"kind":                     func(s *tracetest.SpanStub) { s.SpanKind = trace.SpanKindClient },
		"start":                    func(s *tracetest.SpanStub) { s.StartTime = one },
		"end":                      func(s *tracetest.SpanStub) { s.EndTime = one },
		"attribute":                func(s *tracetest.SpanStub) { s.Attributes[0].Key = "b" },
		"event name":               func(s *tracetest.SpanStub) { s.Events[0].Name = "e" },
		"event time":               func(s *tracetest.SpanStub) { s.Events[0].Time = one },
		"event attribute":          func(s *tracetest.SpanStub) { s.Events[0].Attributes[0].Key = "b" },
		"event dropped attributes": func(s *tracetest.SpanStub) { s.Events[0].DroppedAttributeCount = 1 },
		"link span context":        func(s *tracetest.SpanStub) { s.Links[0].SpanContext = spanContext(1) },
		"link attribute":           func(s *tracetest.SpanStub) { s.Links[0].Attributes[0].Key = "b" },
		"link dropped attributes":  func(s *tracetest.SpanStub) { s.Links[0].DroppedAttributeCount = 1 },
		"status":                   func(s *tracetest.SpanStub) { s.Status.Code = codes.Error },
		"status description":       func(s *tracetest.SpanStub) { s.Status.Description = "d" },
		"resource":                 func(s *tracetest.SpanStub) { s.Resource = resource.Empty() },
		"scope":                    func(s *tracetest.SpanStub) { s.InstrumentationScope = instrumentation.Scope{Name: "s"} },
		"dropped attributes":       func(s *tracetest.SpanStub) { s.DroppedAttributes = 1 },
		"dropped events":           func(s *tracetest.SpanStub) { s.DroppedEvents = 1 },
		"dropped links":            func(s *tracetest.SpanStub) { s.DroppedLinks = 1 },
	}
	seen := map[uint64]string{sumOf(func(c *Checksum) { readOTel(c, newSpan().Snapshot()) }): "nothing"}
	for name, change := range changes {
		s := newSpan()
		change(s)
		requireNew(t, seen, name, sumOf(func(c *Checksum) { readOTel(c, s.Snapshot()) }))
	}
}

// The same for zipkin-go's.
func TestReadZipkinReadsEveryField(t *testing.T) {
	t.Parallel()
	id, sampled := model.ID(1), true
	newSpan := func() *model.SpanModel {
		return &model.SpanModel{Annotations: []model.Annotation{{}}, Tags: map[string]string{"a": "1"}}
	}
	changes := map[string]func(*model.SpanModel){
		"trace id high":    func(m *model.SpanModel) { m.TraceID.High = 1 },
		"trace id low":     func(m *model.SpanModel) { m.TraceID.Low = 1 },
		"id":               func(m *model.SpanModel) { m.ID = 1 },
		"parent":           func(m *model.SpanModel) { m.ParentID = &id },
		"debug":            func(m *model.SpanModel) { m.Debug = true },
		"sampled":          func(m *model.SpanModel) { m.Sampled = &sampled },
		"name":             func(m *model.SpanModel) { m.Name = "n" },
		"kind":             func(m *model.SpanModel) { m.Kind = model.Client },
		"start":            func(m *model.SpanModel) { m.Timestamp = time.Unix(1, 1) },
		"duration":         func(m *model.SpanModel) { m.Duration = 1 },
		"shared":           func(m *model.SpanModel) { m.Shared = true },
		"local endpoint":   func(m *model.SpanModel) { m.LocalEndpoint = &model.Endpoint{} },
		"remote endpoint":  func(m *model.SpanModel) { m.RemoteEndpoint = &model.Endpoint{} },
		"annotation":       func(m *model.SpanModel) { m.Annotations[0].Value = "v" },
		"annotation time":  func(m *model.SpanModel) { m.Annotations[0].Timestamp = time.Unix(1, 1) },
		"tag key":          func(m *model.SpanModel) { m.Tags = map[string]string{"b": "1"} },
		"tag value":        func(m *model.SpanModel) { m.Tags["a"] = "2" },
		"one tag more":     func(m *model.SpanModel) { m.Tags["b"] = "2" },
		"annotations gone": func(m *model.SpanModel) { m.Annotations = nil },
	}
	seen := map[uint64]string{sumOf(func(c *Checksum) { readZipkin(c, newSpan()) }): "nothing"}
	for name, change := range changes {
		m := newSpan()
		change(m)
		requireNew(t, seen, name, sumOf(func(c *Checksum) { readZipkin(c, m) }))
	}
}

func requireNew(t *testing.T, seen map[uint64]string, name string, sum uint64) {
	t.Helper()
	other, taken := seen[sum]
	assert.False(t, taken, "changing %s gives the same checksum as changing %s", name, other)
	seen[sum] = name
}

// No byte of a Datadog payload can change without changing what is read, or making it invalid.
// Not parallel: dd-trace-go's tracer is global.
func TestPayloadReaderReadsEveryByte(t *testing.T) {
	p, ok := FindPeer("datadog")
	require.True(t, ok)
	var payload []byte
	sink := &Sink{keep: func(v any) { payload = append(payload, v.([]byte)...) }}
	in, err := p.Start(Recorded, sink)
	require.NoError(t, err)
	in.Trace(&Shape{Children: 2, Attributes: true, Events: 1})
	require.NoError(t, in.Stop())
	require.NotEmpty(t, payload)

	var r payloadReader
	var sum Checksum
	traces, spans, err := r.read(&sum, payload)
	require.NoError(t, err)
	assert.EqualValues(t, 1, traces)
	assert.EqualValues(t, 3, spans)
	for i := range payload {
		payload[i] ^= 1
		var c Checksum
		if _, _, err := r.read(&c, payload); err == nil {
			assert.NotEqual(t, sum, c, "byte %d of %d", i, len(payload))
		}
		payload[i] ^= 1
	}
	for n := range payload {
		_, _, err := r.read(&Checksum{}, payload[:n])
		assert.ErrorIs(t, err, errAgent, "the first %d bytes of %d", n, len(payload))
	}
}

func FuzzPayloadReader(f *testing.F) {
	f.Add([]byte("\x80"))
	f.Add([]byte("\x81\x0b\x91\x82\x01\x01\x04\x91\x81\x01\xa1s"))
	f.Add([]byte("\x82\x02\xa1a\x03\x01"))
	f.Add([]byte("\x81\x0a\xdd\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var r payloadReader
		traces, spans, err := r.read(&Checksum{}, b)
		if err != nil {
			assert.ErrorIs(t, err, errAgent)
			return
		}
		// A trace or a span takes one byte at least.
		assert.LessOrEqual(t, traces+spans, int64(len(b)))
	})
}
