// SPDX-License-Identifier: Apache-2.0

package zipkin_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/exporters/zipkin"
	"github.com/spandrel-go/spandrel/internal/testkit"
	"github.com/spandrel-go/spandrel/tracing"
)

var update = flag.Bool("update", false, "rewrite testdata/*.golden")

var (
	traceID  = trace.TraceID{0x46, 0x3a, 0xc3, 0x5c, 0x9f, 0x64, 0x13, 0xad, 0x48, 0x48, 0x5a, 0x39, 0x53, 0xbb, 0x61, 0x24}
	spanID   = trace.SpanID{0xa2, 0xfb, 0x4a, 0x1d, 0x1a, 0x96, 0xd3, 0x12}
	parentID = trace.SpanID{0x05, 0xe3, 0xac, 0x9a, 0x4f, 0x6e, 0x3b, 0x90}
	start    = time.Date(2026, 11, 21, 10, 11, 12, 123456789, time.UTC)
)

func spanContext(t trace.TraceID, s trace.SpanID) trace.SpanContext {
	return trace.NewSpanContext(trace.SpanContextConfig{TraceID: t, SpanID: s, TraceFlags: trace.FlagsSampled})
}

// newSpan returns a root span with nothing that may be absent but its name.
func newSpan() *tracing.SpanData {
	return &tracing.SpanData{
		SpanContext: spanContext(traceID, spanID),
		Name:        "GET /cart",
		Kind:        trace.SpanKindInternal,
		StartTime:   start,
		EndTime:     start.Add(1500 * time.Microsecond),
		Resource:    tracing.NewResource(attribute.String("service.name", "shop")),
		Scope:       &tracing.Scope{},
	}
}

func newExporter(t testing.TB, opts ...zipkin.Option) *zipkin.Exporter {
	t.Helper()
	e, err := zipkin.New("http://127.0.0.1:9411/api/v2/spans", opts...)
	require.NoError(t, err)
	return e
}

// request encodes as the pipeline does.
func request(e *zipkin.Exporter, spans ...*tracing.SpanData) []byte {
	var encoded [][]byte
	for _, d := range spans {
		encoded = append(encoded, e.AppendSpan(nil, d))
	}
	return e.AppendRequest(nil, tracing.NewEncodedBatch(e.AppendResource(nil, spans[0].Resource), encoded...))
}

// rules has one case for each rule of the mapping; its bytes are in testdata.
var rules = []struct {
	name string
	edit func(*tracing.SpanData)
}{
	{"root span has no parentId", func(*tracing.SpanData) {}},
	{"child has the parentId of its parent", func(d *tracing.SpanData) { d.Parent = spanContext(traceID, parentID) }},
	{"trace id of 64 bits has 16 digits", func(d *tracing.SpanData) {
		d.SpanContext = spanContext(trace.TraceID{8: 0x0a, 15: 0x01}, trace.SpanID{7: 0x0b})
	}},
	{"kind SERVER", func(d *tracing.SpanData) { d.Kind = trace.SpanKindServer }},
	{"kind CLIENT", func(d *tracing.SpanData) { d.Kind = trace.SpanKindClient }},
	{"kind PRODUCER", func(d *tracing.SpanData) { d.Kind = trace.SpanKindProducer }},
	{"kind CONSUMER", func(d *tracing.SpanData) { d.Kind = trace.SpanKindConsumer }},
	{"kind unspecified is absent", func(d *tracing.SpanData) { d.Kind = trace.SpanKindUnspecified }},
	{"name keeps its case", func(d *tracing.SpanData) { d.Name = "GetCart \"Ä\"\n" }},
	{"empty name is absent", func(d *tracing.SpanData) { d.Name = "" }},
	{"service name is lower case", func(d *tracing.SpanData) {
		d.Resource = tracing.NewResource(attribute.String("service.name", "Shop-ÄÖ\"\\"))
	}},
	{"resource attributes are not tags", func(d *tracing.SpanData) {
		d.Resource = tracing.NewResource(attribute.String("service.name", "shop"), attribute.String("host.name", "h"))
	}},
	{"service namespace is a tag", func(d *tracing.SpanData) {
		d.Resource = tracing.NewResource(attribute.String("service.name", "shop"), attribute.String("service.namespace", "Sales"))
	}},
	{"times are cut to microseconds", func(d *tracing.SpanData) { d.EndTime = d.StartTime.Add(1999 * time.Nanosecond) }},
	{"duration below a microsecond is 1", func(d *tracing.SpanData) { d.EndTime = d.StartTime.Add(1) }},
	{"duration zero is 1", func(d *tracing.SpanData) { d.EndTime = d.StartTime }},
	{"negative duration is 1", func(d *tracing.SpanData) { d.EndTime = d.StartTime.Add(-time.Hour) }},
	{"start before 1970 is 1", func(d *tracing.SpanData) { d.StartTime = time.Date(1969, 12, 31, 23, 59, 59, 0, time.UTC) }},
	{"span without end has no duration", func(d *tracing.SpanData) { d.EndTime = time.Time{} }},
	{"debug", func(d *tracing.SpanData) { d.Debug = true }},
	{"attributes are tags of text", func(d *tracing.SpanData) {
		d.Attributes = []attribute.KeyValue{
			attribute.String("string", "a \"b\" <c>\n\xff"), attribute.String("empty", ""),
			attribute.Bool("true", true), attribute.Bool("false", false),
			attribute.Int("int", -42), attribute.Float64("float", 0.1), attribute.Float64("whole", 3),
			attribute.ByteSlice("bytes", []byte{0, 1, 0xff}),
			{Key: "nothing"},
			attribute.BoolSlice("bools", []bool{true, false}), attribute.IntSlice("ints", []int{1, 2}),
			attribute.Float64Slice("floats", []float64{0.5, 2}), attribute.StringSlice("strings", []string{"a", `"b"`}),
			{Key: "slice", Value: attribute.SliceValue(attribute.IntValue(1), attribute.StringValue("x"), attribute.Value{})},
			{Key: "map", Value: attribute.MapValue(attribute.Int("a", 1), attribute.Bool("b", true))},
		}
	}},
	{"attribute without a key is no tag", func(d *tracing.SpanData) {
		d.Attributes = []attribute.KeyValue{attribute.String("", "x"), attribute.String("k", "v")}
	}},
	{"keys equal after replacement are one tag", func(d *tracing.SpanData) {
		d.Attributes = []attribute.KeyValue{attribute.Int("k\xff", 1), attribute.Int("k\ufffd", 2), attribute.Int("k\xfe", 3)}
	}},
	{"status ok", func(d *tracing.SpanData) { d.Status.Code = codes.Ok }},
	{"status error with description", func(d *tracing.SpanData) {
		d.Status = tracing.Status{Code: codes.Error, Description: "no \"cart\""}
	}},
	{"status error without description", func(d *tracing.SpanData) { d.Status.Code = codes.Error }},
	{"attribute error false is removed", func(d *tracing.SpanData) { d.Attributes = []attribute.KeyValue{attribute.Bool("error", false)} }},
	{"attribute error false as text is removed", func(d *tracing.SpanData) {
		d.Attributes = []attribute.KeyValue{attribute.String("k", "v"), attribute.String("error", "false")}
	}},
	{"attribute error true stays", func(d *tracing.SpanData) { d.Attributes = []attribute.KeyValue{attribute.Bool("error", true)} }},
	{"status wins over attributes", func(d *tracing.SpanData) {
		d.Status = tracing.Status{Code: codes.Error, Description: "real"}
		d.Attributes = []attribute.KeyValue{
			attribute.String("error", "attribute"), attribute.String("otel.status_code", "attribute"), attribute.String("otel.other", "stays"),
		}
	}},
	{"attribute named like a tag that is not made stays", func(d *tracing.SpanData) {
		d.Attributes = []attribute.KeyValue{attribute.String("otel.status_code", "attribute"), attribute.String("service.namespace", "attribute")}
	}},
	{"scope with its deprecated names", func(d *tracing.SpanData) { d.Scope = &tracing.Scope{Name: "shop/cart", Version: "v1.2.3"} }},
	{"scope without version", func(d *tracing.SpanData) { d.Scope = &tracing.Scope{Name: "shop/cart"} }},
	{"scope attributes are tags", func(d *tracing.SpanData) {
		d.Attributes = []attribute.KeyValue{attribute.String("both", "span")}
		d.Scope = &tracing.Scope{Name: "n", Attributes: []attribute.KeyValue{
			attribute.String("both", "scope"), attribute.Int("own", 1), attribute.String("otel.scope.name", "attribute"), attribute.Bool("error", false),
		}}
	}},
	{"scope and namespace win over attributes", func(d *tracing.SpanData) {
		d.Resource = tracing.NewResource(attribute.String("service.name", "shop"), attribute.String("service.namespace", "real"))
		d.Scope = &tracing.Scope{Name: "real", Version: "real"}
		d.Attributes = []attribute.KeyValue{
			attribute.String("service.namespace", "attribute"), attribute.String("otel.scope.name", "attribute"), attribute.String("otel.library.version", "attribute"),
		}
	}},
	{"dropped counts", func(d *tracing.SpanData) {
		d.DroppedAttributes, d.DroppedEvents, d.DroppedLinks = 1, 2, 3
		d.Attributes = []attribute.KeyValue{attribute.Int("otel.dropped_links_count", 99)}
	}},
	{"events are annotations", func(d *tracing.SpanData) {
		d.Events = []tracing.Event{
			{Name: "plain \"name\"", Time: start.Add(1999)},
			{Name: "retry", Time: start.Add(time.Millisecond), Attributes: []attribute.KeyValue{
				attribute.Int("attempt", 2), attribute.String("reason", "a \"b\""), attribute.Bool("last", false), attribute.StringSlice("hosts", []string{"x", "y"}),
			}},
		}
	}},
	{"event before 1970 is at 1", func(d *tracing.SpanData) { d.Events = []tracing.Event{{Name: "e"}} }},
	{"event with a key twice", func(d *tracing.SpanData) {
		d.Events = []tracing.Event{{Name: "e", Time: start, Attributes: []attribute.KeyValue{attribute.Int("k", 1), attribute.Int("k", 2)}}}
	}},
	{"event with dropped attributes", func(d *tracing.SpanData) {
		d.Events = []tracing.Event{{Name: "e", Time: start, DroppedAttributes: 3}, {
			Name: "f", Time: start, DroppedAttributes: 4, Attributes: []attribute.KeyValue{attribute.Int("k", 1), attribute.Int("otel.dropped_attributes_count", 99)},
		}}
	}},
	{"links and trace state have no place", func(d *tracing.SpanData) {
		state, _ := trace.ParseTraceState("k=v")
		d.SpanContext = d.SpanContext.WithTraceState(state)
		d.Links = []tracing.Link{{SpanContext: spanContext(traceID, parentID)}}
	}},
}

func TestRules(t *testing.T) {
	t.Parallel()
	e := newExporter(t)
	for _, tt := range rules {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := newSpan()
			tt.edit(d)
			got := request(e, d)
			golden(t, tt.name, got)
			requireSameAsSimple(t, d, got[1:len(got)-1])
		})
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", strings.ReplaceAll(name, " ", "_")+".golden")
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(path, append(got, '\n'), 0o644))
		return
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, strings.TrimSuffix(string(want), "\n"), string(got))
}

func TestServiceNameByDefault(t *testing.T) {
	t.Parallel()
	const want = `"localEndpoint":{"serviceName":"unknown_service"}`
	assert.Equal(t, want, string(newExporter(t).AppendResource(nil, tracing.NewResource())))
	assert.Equal(t, want, string(newExporter(t).AppendResource(nil, nil)))
}

func TestSpanWithoutResourceAndScope(t *testing.T) {
	t.Parallel()
	d := newSpan()
	d.Resource, d.Scope = nil, nil
	got := decode[[]map[string]any](t, request(newExporter(t), d))
	require.Len(t, got, 1)
	assert.Equal(t, "a2fb4a1d1a96d312", got[0]["id"])
	assert.NotContains(t, got[0], "tags")
}

func TestSpanWithoutValidIDsIsRejected(t *testing.T) {
	t.Parallel()
	e := newExporter(t)
	for _, sc := range []trace.SpanContext{{}, spanContext(trace.TraceID{}, spanID), spanContext(traceID, trace.SpanID{})} {
		d := newSpan()
		d.SpanContext = sc
		assert.Equal(t, "before", string(e.AppendSpan([]byte("before"), d)))
		assert.Equal(t, "[]", string(request(e, d)))
		assert.Len(t, decode[[]any](t, request(e, newSpan(), d, newSpan())), 2, "the others are framed well")
	}
}

func TestAppendRequestFramesAnyNumber(t *testing.T) {
	t.Parallel()
	e := newExporter(t)
	span := e.AppendSpan(nil, newSpan())
	resource := e.AppendResource(nil, newSpan().Resource)
	for n := range 4 {
		var spans [][]byte
		for range n {
			spans = append(spans, span)
		}
		b := tracing.NewEncodedBatch(resource, spans...)
		got := decode[[]map[string]any](t, e.AppendRequest(nil, b))
		require.Len(t, got, n)
		for _, s := range got {
			assert.Equal(t, map[string]any{"serviceName": "shop"}, s["localEndpoint"])
		}
		bare := e.AppendRequest([]byte("before"), tracing.NewEncodedBatch(nil, spans...))
		assert.Equal(t, "before["+strings.Repeat(string(span)+",", max(n-1, 0))+strings.Repeat(string(span), min(n, 1))+"]", string(bare))
		if n > 1 {
			assert.Len(t, decode[[]any](t, e.AppendRequest(nil, b.Part(1, n))), n-1, "a part of a batch")
		}
	}
}

// bigSpan has something in each place that a span can have, but no slices or maps.
func bigSpan() *tracing.SpanData {
	d := newSpan()
	d.Kind = trace.SpanKindClient
	d.Parent = spanContext(traceID, parentID)
	d.Status = tracing.Status{Code: codes.Error, Description: "status 503"}
	d.Resource = tracing.NewResource(attribute.String("service.name", "Shop"), attribute.String("service.namespace", "sales"))
	d.Scope = &tracing.Scope{Name: "shop/cart", Version: "v1.2.3", Attributes: []attribute.KeyValue{attribute.String("scope", "x")}}
	d.Attributes = []attribute.KeyValue{
		attribute.String("http.request.method", "GET"), attribute.Int("http.response.status_code", 503),
		attribute.Bool("cached", false), attribute.Float64("load", 0.75),
		attribute.String("network.peer.address", "10.0.0.7"), attribute.Int("network.peer.port", 8080),
		attribute.String("error", "x"), attribute.String("text", "a \"b\"\n\xff é"), attribute.String("k\xff", "x"),
	}
	d.Events = []tracing.Event{
		{Name: "sent", Time: start},
		{Name: "retry", Time: start, Attributes: []attribute.KeyValue{attribute.Int("attempt", 2)}, DroppedAttributes: 1},
	}
	d.DroppedAttributes, d.DroppedEvents, d.DroppedLinks = 1, 2, 3
	d.Debug = true
	return d
}

func TestAppendDoesNotAllocate(t *testing.T) {
	e := newExporter(t)
	d := bigSpan()
	dst := make([]byte, 0, 64<<10)
	b := tracing.NewEncodedBatch(e.AppendResource(nil, d.Resource), e.AppendSpan(nil, d), e.AppendSpan(nil, d))
	testkit.MaxMallocs(t, 1000, 0, func() {
		dst = e.AppendSpan(dst[:0], d)
		dst = e.AppendRequest(dst[:0], b)
	})
}

func TestBigSpanIsSameAsSimple(t *testing.T) {
	t.Parallel()
	d := bigSpan()
	got := request(newExporter(t), d)
	golden(t, "a span with everything", got)
	requireSameAsSimple(t, d, got[1:len(got)-1])
}
