// SPDX-License-Identifier: Apache-2.0

package interop_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/internal/interop/zipkinserver"
	"github.com/spandrel-go/spandrel/tracing"
)

// expect returns what the server should show of a span: what the exporter should send, as the server
// keeps it. The server makes names lower case and sorts annotations. It covers what instrumentation
// records; TestZipkinKeepsWhatWasRecorded has the rest of the mapping, literally.
func expect(t testing.TB, d *tracing.SpanData) zipkinserver.Span {
	t.Helper()
	s := zipkinserver.Span{
		TraceID:       strings.TrimPrefix(d.SpanContext.TraceID().String(), strings.Repeat("0", 16)),
		ID:            d.SpanContext.SpanID().String(),
		Name:          strings.ToLower(d.Name),
		Timestamp:     d.StartTime.UnixMicro(),
		Duration:      max(d.EndTime.Sub(d.StartTime).Microseconds(), 1),
		LocalEndpoint: &zipkinserver.Endpoint{ServiceName: strings.ToLower(d.Resource.ServiceName())},
		Debug:         d.Debug,
		Tags:          map[string]string{},
	}
	if d.Parent.IsValid() {
		s.ParentID = d.Parent.SpanID().String()
	}
	if d.Kind != trace.SpanKindInternal {
		s.Kind = strings.ToUpper(d.Kind.String())
	}
	for _, kv := range d.Attributes {
		s.Tags[string(kv.Key)] = kv.Value.String()
	}
	if d.Scope.Name != "" {
		s.Tags["otel.scope.name"], s.Tags["otel.library.name"] = d.Scope.Name, d.Scope.Name
	}
	if d.Scope.Version != "" {
		s.Tags["otel.scope.version"], s.Tags["otel.library.version"] = d.Scope.Version, d.Scope.Version
	}
	switch d.Status.Code {
	case codes.Ok:
		s.Tags["otel.status_code"] = "OK"
	case codes.Error:
		s.Tags["otel.status_code"], s.Tags["error"] = "ERROR", d.Status.Description
	}
	for _, e := range d.Events {
		value := e.Name
		if len(e.Attributes) > 0 {
			attrs := make([]string, len(e.Attributes))
			for i, kv := range e.Attributes {
				attrs[i] = jsonText(t, string(kv.Key)) + ":" + jsonText(t, kv.Value.AsInterface())
			}
			value = fmt.Sprintf("%s: {%s}", jsonText(t, e.Name), strings.Join(attrs, ","))
		}
		s.Annotations = append(s.Annotations, zipkinserver.Annotation{Timestamp: e.Time.UnixMicro(), Value: value})
	}
	slices.SortFunc(s.Annotations, func(a, b zipkinserver.Annotation) int {
		return cmp.Or(cmp.Compare(a.Timestamp, b.Timestamp), cmp.Compare(a.Value, b.Value))
	})
	if len(s.Tags) == 0 {
		s.Tags = nil
	}
	if d.Kind == trace.SpanKindClient || d.Kind == trace.SpanKindProducer {
		s.RemoteEndpoint = expectRemote(d.Attributes)
	}
	return s
}

// expectRemote knows the attributes of which HTTP clients set one or the other.
func expectRemote(attrs []attribute.KeyValue) *zipkinserver.Endpoint {
	set := attribute.NewSet(attrs...)
	for _, key := range []attribute.Key{"peer.service", "server.address"} {
		if v, ok := set.Value(key); ok {
			return &zipkinserver.Endpoint{ServiceName: strings.ToLower(v.AsString())}
		}
	}
	if v, ok := set.Value("network.peer.address"); ok {
		e := &zipkinserver.Endpoint{}
		if ip := netip.MustParseAddr(v.AsString()); ip.Is4() {
			e.IPv4 = ip.String()
		} else {
			e.IPv6 = ip.String()
		}
		if port, ok := set.Value("network.peer.port"); ok {
			e.Port = int(port.AsInt64())
		}
		return e
	}
	return nil
}

func jsonText(t testing.TB, v any) string {
	t.Helper()
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	require.NoError(t, enc.Encode(v))
	return strings.TrimSuffix(b.String(), "\n")
}

// requireTrace reads a trace back and compares it with what a collector saw of it.
func requireTrace(t testing.TB, server *zipkinserver.Server, recorded []*tracing.SpanData) []zipkinserver.Span {
	t.Helper()
	require.NotEmpty(t, recorded)
	want := make([]zipkinserver.Span, len(recorded))
	for i, d := range recorded {
		want[i] = expect(t, d)
	}
	got, err := server.WaitForTrace(soon(t), want[0].TraceID, len(want))
	require.NoError(t, err)
	requireSameSpans(t, want, got)
	return got
}

// requireSameSpans compares two lists of spans whatever their order.
func requireSameSpans(t testing.TB, want, got []zipkinserver.Span) {
	t.Helper()
	byID := func(a, b zipkinserver.Span) int { return cmp.Compare(a.ID, b.ID) }
	slices.SortFunc(want, byID)
	slices.SortFunc(got, byID)
	require.Len(t, got, len(want))
	for i := range want {
		if !assert.ObjectsAreEqual(want[i], got[i]) { // a whole diff of large traces takes seconds
			require.Equal(t, want[i], got[i])
		}
	}
}

// requireOneTree checks that the spans hang together: one root, and each other's parent is there.
func requireOneTree(t testing.TB, spans []zipkinserver.Span) {
	t.Helper()
	ids := map[string]bool{}
	for _, s := range spans {
		require.False(t, ids[s.ID], "span id %s twice", s.ID)
		ids[s.ID] = true
	}
	roots := 0
	for _, s := range spans {
		if s.ParentID == "" {
			roots++
			continue
		}
		require.True(t, ids[s.ParentID], "%s %q is an orphan", s.ID, s.Name)
	}
	require.Equal(t, 1, roots, "roots")
}
