// SPDX-License-Identifier: Apache-2.0

package encoding_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/openzipkin/zipkin-go/model"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	official "go.opentelemetry.io/otel/exporters/zipkin" //nolint:staticcheck // deprecated, and an oracle all the same
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/exporters/zipkin"
	"github.com/spandrel-go/spandrel/tracing"
)

// randomSpans is how many random spans a test looks at.
const randomSpans = 3000

func newExporter(t testing.TB, url string) *zipkin.Exporter {
	t.Helper()
	e, err := zipkin.New(url)
	require.NoError(t, err)
	return e
}

// ours encodes one span as the pipeline does.
func ours(t testing.TB, d *tracing.SpanData) []byte {
	t.Helper()
	e := newExporter(t, "http://127.0.0.1:9411/api/v2/spans")
	body := e.AppendRequest(nil, tracing.NewEncodedBatch(e.AppendResource(nil, d.Resource), e.AppendSpan(nil, d)))
	spans := decode[[]json.RawMessage](t, body)
	require.Len(t, spans, 1)
	return spans[0]
}

// theirs encodes one span as the official exporter does.
func theirs(d *tracing.SpanData) ([]byte, error) {
	return json.Marshal(official.SpanModels([]sdktrace.ReadOnlySpan{stub(d).Snapshot()})[0])
}

// adapted returns what the official exporter writes of d, adapted to all differences but one; -1 for
// all.
func adapted(t testing.TB, d *tracing.SpanData, but int) object {
	t.Helper()
	encoded, err := theirs(d)
	require.NoError(t, err)
	span := decode[object](t, encoded)
	for i := range differences {
		if i != but {
			differences[i].adapt(t, d, span)
		}
	}
	if tags, ok := span["tags"].(object); ok && len(tags) == 0 {
		delete(span, "tags")
	}
	understand(t, d, span)
	return span
}

func understood(t testing.TB, d *tracing.SpanData, encoded []byte) object {
	t.Helper()
	span := decode[object](t, encoded)
	understand(t, d, span)
	return span
}

// TestZipkinDiffersKnowingly shows for each difference from the official exporter that it is there,
// and that nothing else is.
func TestZipkinDiffersKnowingly(t *testing.T) {
	t.Parallel()
	for i, diff := range differences {
		t.Run(diff.name, func(t *testing.T) {
			t.Parallel()
			require.NotEmpty(t, diff.reason)
			d := plainSpan()
			diff.witness(d)
			encoded := ours(t, d)
			assert.NotEqual(t, adapted(t, d, i), understood(t, d, encoded), "the difference does not show")
			assert.Equal(t, adapted(t, d, -1), understood(t, d, encoded), "there is another difference")
		})
	}
}

// requireSameAsOfficial compares what both exporters write of the span that a seed makes.
func requireSameAsOfficial(t testing.TB, seed uint64) {
	t.Helper()
	d := newSource(seed).span()
	encoded := ours(t, d)
	if want, got := adapted(t, d, -1), understood(t, d, encoded); !assert.ObjectsAreEqual(want, got) {
		require.Equal(t, want, got, "seed %d: %s", seed, encoded)
	}
}

// TestZipkinSameAsOfficial compares random spans.
func TestZipkinSameAsOfficial(t *testing.T) {
	t.Parallel()
	for seed := range uint64(randomSpans) {
		requireSameAsOfficial(t, seed)
	}
}

// FuzzZipkinSameAsOfficial does so for as long as one likes.
func FuzzZipkinSameAsOfficial(f *testing.F) {
	f.Add(uint64(1 << 40))
	f.Fuzz(func(t *testing.T, seed uint64) { requireSameAsOfficial(t, seed) })
}

// TestOfficialRefusesBatch has spans that make the official exporter fail, and with it the batch that
// they are in. Ours writes what Zipkin accepts.
func TestOfficialRefusesBatch(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		witness func(*tracing.SpanData)
		member  string
		want    any
	}{
		{"an end before the start", func(d *tracing.SpanData) { d.EndTime = d.StartTime.Add(-time.Second) }, "duration", json.Number("1")},
		{"no end", func(d *tracing.SpanData) { d.EndTime = time.Time{} }, "duration", nil},
		{"a start before 1970", func(d *tracing.SpanData) { d.StartTime = time.Unix(-5, 0) }, "timestamp", json.Number("1")},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			d := plainSpan()
			test.witness(d)
			_, err := theirs(d)
			require.Error(t, err)
			assert.Equal(t, test.want, understood(t, d, ours(t, d))[test.member])
		})
	}
}

// TestZipkinGoReadsOurs decodes random spans with the model of zipkin-go and compares each field with
// what was recorded.
func TestZipkinGoReadsOurs(t *testing.T) {
	t.Parallel()
	for seed := range uint64(randomSpans) {
		d := newSource(seed).span()
		encoded := ours(t, d)
		var got model.SpanModel
		require.NoError(t, json.Unmarshal(encoded, &got), "seed %d: %s", seed, encoded)
		requireModel(t, d, decode[object](t, encoded), &got)
	}
}

func requireModel(t testing.TB, d *tracing.SpanData, raw object, got *model.SpanModel) {
	t.Helper()
	want := &model.SpanModel{
		SpanContext: model.SpanContext{
			TraceID: modelTraceID(t, d.SpanContext.TraceID()),
			ID:      modelID(t, d.SpanContext.SpanID()),
			Debug:   d.Debug,
		},
		Name:      valid(d.Name),
		Timestamp: time.UnixMicro(d.StartTime.UnixMicro()),
		Duration:  max(d.EndTime.Sub(d.StartTime).Truncate(time.Microsecond), time.Microsecond),
	}
	if d.Parent.IsValid() {
		id := modelID(t, d.Parent.SpanID())
		want.ParentID = &id
	}
	switch d.Kind {
	case trace.SpanKindServer:
		want.Kind = model.Server
	case trace.SpanKindClient:
		want.Kind = model.Client
	case trace.SpanKindProducer:
		want.Kind = model.Producer
	case trace.SpanKindConsumer:
		want.Kind = model.Consumer
	}
	// What is text is compared with the generic decoding, which other tests compare with what was
	// recorded.
	if raw["tags"] != nil {
		want.Tags = map[string]string{}
		for key, value := range raw["tags"].(object) {
			want.Tags[key] = value.(string)
		}
	}
	for i, e := range d.Events {
		value := raw["annotations"].([]any)[i].(object)["value"].(string)
		want.Annotations = append(want.Annotations, model.Annotation{Timestamp: time.UnixMicro(e.Time.UnixMicro()), Value: value})
	}
	local := raw["localEndpoint"].(object)
	want.LocalEndpoint = &model.Endpoint{ServiceName: local["serviceName"].(string)}
	if raw["remoteEndpoint"] != nil {
		require.NotNil(t, got.RemoteEndpoint)
		requireEndpoint(t, raw["remoteEndpoint"].(object), got.RemoteEndpoint)
		got.RemoteEndpoint = nil
	}
	if !assert.ObjectsAreEqual(want, got) {
		require.Equal(t, want, got)
	}
}

func requireEndpoint(t testing.TB, want object, got *model.Endpoint) {
	t.Helper()
	has := object{}
	if got.ServiceName != "" {
		has["serviceName"] = got.ServiceName
	}
	if got.IPv4 != nil {
		has["ipv4"] = got.IPv4.String()
	}
	if got.IPv6 != nil {
		has["ipv6"] = got.IPv6.String()
	}
	if got.Port != 0 {
		has["port"] = json.Number(strconv.Itoa(int(got.Port)))
	}
	require.Equal(t, want, has)
}

func modelTraceID(t testing.TB, id trace.TraceID) model.TraceID {
	t.Helper()
	m, err := model.TraceIDFromHex(id.String())
	require.NoError(t, err)
	return m
}

func modelID(t testing.TB, id trace.SpanID) model.ID {
	t.Helper()
	n, err := strconv.ParseUint(id.String(), 16, 64)
	require.NoError(t, err)
	return model.ID(n)
}

// request is what a server got.
type request struct {
	method, path, contentType string
	spans                     []model.SpanModel
}

// TestZipkinRequestSameAsOfficial sends one batch by both exporters to the same server.
func TestZipkinRequestSameAsOfficial(t *testing.T) {
	t.Parallel()
	got := make(chan request, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		q := request{method: r.Method, path: r.URL.Path, contentType: r.Header.Get("Content-Type")}
		assert.NoError(t, json.Unmarshal(body, &q.spans))
		w.WriteHeader(http.StatusAccepted)
		got <- q
	}))
	t.Cleanup(server.Close)

	spans := make([]*tracing.SpanData, 5)
	stubs := make([]sdktrace.ReadOnlySpan, len(spans))
	for i := range spans {
		spans[i] = plainSpan()
		spans[i].SpanContext = spans[i].SpanContext.WithSpanID(trace.SpanID{1, byte(i)})
		spans[i].Attributes = []attribute.KeyValue{attribute.Int("number", i)}
		stubs[i] = stub(spans[i]).Snapshot()
	}
	ctx := context.Background()

	e := newExporter(t, server.URL+"/api/v2/spans")
	require.NoError(t, e.ExportSpans(ctx, spans))
	ours := <-got
	require.NoError(t, e.Shutdown(ctx))

	connections := &http.Transport{}
	defer connections.CloseIdleConnections()
	o, err := official.New(server.URL+"/api/v2/spans", official.WithClient(&http.Client{Transport: connections}))
	require.NoError(t, err)
	require.NoError(t, o.ExportSpans(ctx, stubs))
	theirs := <-got
	require.NoError(t, o.Shutdown(ctx))

	for i := range theirs.spans {
		delete(theirs.spans[i].Tags, "service.name") // the first of the known differences
	}
	assert.Equal(t, theirs, ours)
	assert.Len(t, ours.spans, len(spans))
}
