// SPDX-License-Identifier: Apache-2.0

package console_test

import (
	"context"
	"encoding/binary"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/tracing"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// assertGolden compares got with testdata/name.
func assertGolden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.WriteFile(path, got, 0o600))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, string(want), string(got), "run with -update if the change is meant")
}

// noon is when all traces of the tests begin.
var noon = time.Date(2026, time.August, 1, 12, 0, 0, 0, time.UTC)

func traceID(n uint64) (id trace.TraceID) {
	binary.BigEndian.PutUint64(id[:8], 0x4bf92f3577b34da6)
	binary.BigEndian.PutUint64(id[8:], n)
	return id
}

func spanID(n uint64) (id trace.SpanID) {
	binary.BigEndian.PutUint64(id[:], n)
	return id
}

// spec describes a span; times are in microseconds after noon.
type spec struct {
	trace, id, parent uint64
	remote            bool
	service, name     string
	kind              trace.SpanKind
	start, end        int64
	err               string
	failed            bool
	partial           bool
}

func (s spec) data() *tracing.SpanData {
	s.trace = max(s.trace, 1)
	if s.service == "" {
		s.service = "shop"
	}
	d := &tracing.SpanData{
		SpanContext: trace.NewSpanContext(trace.SpanContextConfig{
			TraceID: traceID(s.trace), SpanID: spanID(s.id), TraceFlags: trace.FlagsSampled,
		}),
		Name:      s.name,
		Kind:      s.kind,
		StartTime: noon.Add(time.Duration(s.start) * time.Microsecond),
		EndTime:   noon.Add(time.Duration(s.end) * time.Microsecond),
		Resource:  tracing.NewResource(attribute.String("service.name", s.service)),
		Scope:     &tracing.Scope{Name: "test"},
		Partial:   s.partial,
	}
	if s.parent != 0 {
		d.Parent = trace.NewSpanContext(trace.SpanContextConfig{
			TraceID: traceID(s.trace), SpanID: spanID(s.parent), Remote: s.remote,
		})
	}
	if s.failed || s.err != "" {
		d.Status = tracing.Status{Code: codes.Error, Description: s.err}
	}
	return d
}

func data(specs ...spec) []*tracing.SpanData {
	spans := make([]*tracing.SpanData, len(specs))
	for i, s := range specs {
		spans[i] = s.data()
	}
	return spans
}

// export gives the spans to an exporter in one batch.
func export(t testing.TB, e tracing.Exporter, specs ...spec) {
	t.Helper()
	require.NoError(t, e.ExportSpans(context.Background(), data(specs...)))
}

// checkout is a trace over four services with a failed call in it.
func checkout() []spec {
	return []spec{
		{id: 0xa1, service: "gateway", name: "POST /checkout", kind: server, end: 142_310},
		{id: 0xa2, parent: 0xa1, service: "gateway", name: "rate-limiting", kind: internal, start: 340, end: 1_150},
		{id: 0xa3, parent: 0xa1, service: "gateway", name: "POST /checkout", kind: client, start: 1_400, end: 141_900},
		{id: 0xb1, parent: 0xa3, remote: true, service: "checkout", name: "POST /checkout", kind: server, start: 2_600, end: 140_800},
		{id: 0xb2, parent: 0xb1, service: "checkout", name: "validate cart", kind: internal, start: 2_900, end: 9_300},
		{id: 0xb3, parent: 0xb1, service: "checkout", name: "POST /charges", kind: client, start: 9_800, end: 98_000, err: "payments: 502 Bad Gateway"},
		{id: 0xc1, parent: 0xb3, remote: true, service: "payments", name: "POST /charges", kind: server, start: 11_100, end: 97_200, err: "card network: context deadline exceeded"},
		{id: 0xc2, parent: 0xc1, service: "payments", name: "SELECT customers", kind: client, start: 12_000, end: 15_800},
		{id: 0xc3, parent: 0xc1, service: "payments", name: "authorize", kind: client, start: 16_200, end: 96_900, failed: true},
		{id: 0xb4, parent: 0xb1, service: "checkout", name: "INSERT orders", kind: client, start: 99_000, end: 124_500},
		{id: 0xb5, parent: 0xb1, service: "checkout", name: "orders publish", kind: producer, start: 125_000, end: 125_600},
		{id: 0xd1, parent: 0xb5, remote: true, service: "mailer", name: "orders process", kind: consumer, start: 131_000, end: 171_000},
		{id: 0xd2, parent: 0xd1, service: "mailer", name: "render template", kind: internal, start: 131_500, end: 131_500},
	}
}
