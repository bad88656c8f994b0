// SPDX-License-Identifier: Apache-2.0

package console_test

import (
	"bytes"
	"context"
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/exporters/console"
	"github.com/spandrel-go/spandrel/tracing"
)

// line is what a reader of the JSON lines may expect, by doc.go.
type line struct {
	TraceID           string         `json:"trace_id"`
	SpanID            string         `json:"span_id"`
	TraceState        string         `json:"trace_state"`
	ParentID          string         `json:"parent_id"`
	Name              string         `json:"name"`
	Kind              string         `json:"kind"`
	Service           string         `json:"service"`
	Start             time.Time      `json:"start"`
	DurationNS        *int64         `json:"duration_ns"`
	Status            string         `json:"status"`
	StatusDescription string         `json:"status_description"`
	Attributes        map[string]any `json:"attributes"`
	DroppedAttributes int            `json:"dropped_attributes"`
	Events            []struct {
		Name              string         `json:"name"`
		Time              time.Time      `json:"time"`
		Attributes        map[string]any `json:"attributes"`
		DroppedAttributes int            `json:"dropped_attributes"`
	} `json:"events"`
	DroppedEvents int `json:"dropped_events"`
	Links         []struct {
		TraceID           string         `json:"trace_id"`
		SpanID            string         `json:"span_id"`
		TraceState        string         `json:"trace_state"`
		Attributes        map[string]any `json:"attributes"`
		DroppedAttributes int            `json:"dropped_attributes"`
	} `json:"links"`
	DroppedLinks int `json:"dropped_links"`
	Scope        struct {
		Name       string         `json:"name"`
		Version    string         `json:"version"`
		Attributes map[string]any `json:"attributes"`
	} `json:"scope"`
	Resource     map[string]any `json:"resource"`
	ParentRemote bool           `json:"parent_remote"`
	Partial      bool           `json:"partial"`
	Debug        bool           `json:"debug"`
}

// decodeLines decodes JSON lines and fails for every field that doc.go does not list.
func decodeLines(t testing.TB, out []byte) []line {
	t.Helper()
	var lines []line
	for _, text := range bytes.SplitAfter(out, []byte("\n")) {
		if len(text) == 0 {
			continue
		}
		require.True(t, bytes.HasSuffix(text, []byte("}\n")), "%q", text)
		var l line
		dec := json.NewDecoder(bytes.NewReader(text))
		dec.DisallowUnknownFields()
		require.NoError(t, dec.Decode(&l), "%s", text)
		lines = append(lines, l)
	}
	return lines
}

// rich has a value in every field.
func rich(t testing.TB) *tracing.SpanData {
	t.Helper()
	state, err := trace.ParseTraceState("vendor=1,other=a:b")
	require.NoError(t, err)
	d := spec{id: 0xa1, parent: 0xee, remote: true, name: "GET \"/items\"\n", kind: server, end: 1_500, err: "boom\t\u009b31m", partial: true}.data()
	d.SpanContext = d.SpanContext.WithTraceState(state)
	d.Debug = true
	d.StartTime = time.Date(2026, time.August, 1, 14, 0, 0, 123_456_789, time.FixedZone("CEST", 2*60*60))
	d.EndTime = d.StartTime.Add(1500 * time.Microsecond)
	d.Attributes = []attribute.KeyValue{
		attribute.String("text", "a\u202eb\x7f"),
		attribute.Int64("int", math.MaxInt64),
		attribute.Float64("float", 0.5),
		attribute.Float64("nan", math.NaN()),
		attribute.Bool("bool", true),
		attribute.StringSlice("texts", []string{"a", "b"}),
		attribute.String("bytes", "\xff"),
		attribute.String("tag", "\U000e0041"),
	}
	d.DroppedAttributes, d.DroppedEvents, d.DroppedLinks = 1, 2, 3
	d.Events = []tracing.Event{
		{Name: "exception", Time: d.StartTime.Add(time.Millisecond), Attributes: []attribute.KeyValue{attribute.String("exception.type", "io.EOF")}, DroppedAttributes: 4},
		{Name: "retry", Time: d.EndTime},
	}
	d.Links = []tracing.Link{
		{SpanContext: d.SpanContext, Attributes: []attribute.KeyValue{attribute.Int("n", 1)}, DroppedAttributes: 5},
		{SpanContext: d.Parent},
	}
	d.Scope = &tracing.Scope{Name: "github.com/example/shop", Version: "1.2.3", Attributes: []attribute.KeyValue{attribute.Bool("beta", true)}}
	return d
}

func TestJSONGolden(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	e, err := console.New(&out, console.WithJSON(), console.WithColor(console.ColorAlways))
	require.NoError(t, err)
	plain := spec{id: 0xa2, name: "root", end: -5}.data()
	plain.Status.Code = codes.Ok
	require.NoError(t, e.ExportSpans(context.Background(), []*tracing.SpanData{rich(t), plain}))
	assertGolden(t, "json.golden", out.Bytes())
}

func TestJSONDecodes(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	e, err := console.New(&out, console.WithJSON())
	require.NoError(t, err)
	d := rich(t)
	require.NoError(t, e.ExportSpans(context.Background(), []*tracing.SpanData{d}))
	assertPrintable(t, out.Bytes())
	lines := decodeLines(t, out.Bytes())
	require.Len(t, lines, 1)
	l := lines[0]

	assert.Equal(t, d.SpanContext.TraceID().String(), l.TraceID)
	assert.Equal(t, d.SpanContext.SpanID().String(), l.SpanID)
	assert.Equal(t, "vendor=1,other=a:b", l.TraceState)
	assert.Equal(t, "00000000000000ee", l.ParentID)
	assert.Equal(t, d.Name, l.Name)
	assert.Equal(t, "server", l.Kind)
	assert.Equal(t, "shop", l.Service)
	assert.True(t, d.StartTime.Equal(l.Start))
	require.NotNil(t, l.DurationNS)
	assert.EqualValues(t, 1_500_000, *l.DurationNS)
	assert.Equal(t, "error", l.Status)
	assert.Equal(t, d.Status.Description, l.StatusDescription)
	assert.Equal(t, map[string]any{
		"text": "a\u202eb\x7f", "int": float64(math.MaxInt64), "float": 0.5, "nan": "NaN", "bool": true,
		"texts": []any{"a", "b"}, "bytes": "\ufffd", "tag": "\U000e0041",
	}, l.Attributes)
	assert.Equal(t, [3]int{1, 2, 3}, [3]int{l.DroppedAttributes, l.DroppedEvents, l.DroppedLinks})

	require.Len(t, l.Events, 2)
	assert.Equal(t, "exception", l.Events[0].Name)
	assert.True(t, d.Events[0].Time.Equal(l.Events[0].Time))
	assert.Equal(t, map[string]any{"exception.type": "io.EOF"}, l.Events[0].Attributes)
	assert.Equal(t, 4, l.Events[0].DroppedAttributes)
	require.Len(t, l.Links, 2)
	assert.Equal(t, l.TraceID, l.Links[0].TraceID)
	assert.Equal(t, l.SpanID, l.Links[0].SpanID)
	assert.Equal(t, l.TraceState, l.Links[0].TraceState)
	assert.Equal(t, map[string]any{"n": 1.0}, l.Links[0].Attributes)
	assert.Equal(t, 5, l.Links[0].DroppedAttributes)

	assert.Equal(t, "github.com/example/shop", l.Scope.Name)
	assert.Equal(t, "1.2.3", l.Scope.Version)
	assert.Equal(t, map[string]any{"beta": true}, l.Scope.Attributes)
	assert.Equal(t, map[string]any{"service.name": "shop"}, l.Resource)
	assert.True(t, l.ParentRemote && l.Partial && l.Debug)
}

// assertPrintable fails for whatever could steer a terminal.
func assertPrintable(t testing.TB, out []byte) {
	t.Helper()
	for _, r := range string(out) {
		if r != '\n' && !unicode.IsPrint(r) {
			t.Errorf("%q reached the terminal in %q", r, out)
			return
		}
	}
}

func FuzzJSON(f *testing.F) {
	f.Add("GET /", "shop", "key", "value", "refused")
	f.Add("\x1b[2J", "\u009b", "\u202e", "\xff\xfe", "a\nb\u2028\U000e0041\"\\")
	f.Fuzz(func(t *testing.T, name, service, key, value, description string) {
		d := spec{id: 1, service: service, name: name, err: description}.data()
		d.Attributes = []attribute.KeyValue{attribute.String(key, value)}
		var out bytes.Buffer
		e, err := console.New(&out, console.WithJSON())
		require.NoError(t, err)
		require.NoError(t, e.ExportSpans(context.Background(), []*tracing.SpanData{d}))
		assertPrintable(t, out.Bytes())
		require.Equal(t, 1, strings.Count(out.String(), "\n"))
		lines := decodeLines(t, out.Bytes())
		require.Len(t, lines, 1)
		assert.Equal(t, valid(name), lines[0].Name)
		assert.Equal(t, valid(d.Resource.ServiceName()), lines[0].Service)
		assert.Equal(t, valid(description), lines[0].StatusDescription)
		assert.Equal(t, map[string]any{valid(key): valid(value)}, lines[0].Attributes)
	})
}

// valid replaces each invalid byte of UTF-8, as JSON requires.
func valid(s string) string { return string([]rune(s)) }
