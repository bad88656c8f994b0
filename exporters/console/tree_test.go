// SPDX-License-Identifier: Apache-2.0

package console_test

import (
	"bytes"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/exporters/console"
)

// renderTree collects the batches and returns what Render prints.
func renderTree(t testing.TB, batches [][]spec, opts ...console.Option) []byte {
	t.Helper()
	c, err := console.NewCollector(opts...)
	require.NoError(t, err)
	for _, b := range batches {
		export(t, c, b...)
	}
	var out bytes.Buffer
	require.NoError(t, c.Render(&out))
	return out.Bytes()
}

// printBatches gives the batches to an exporter and returns what it writes.
func printBatches(t testing.TB, batches [][]spec, opts ...console.Option) []byte {
	t.Helper()
	var out bytes.Buffer
	e, err := console.New(&out, opts...)
	require.NoError(t, err)
	for _, b := range batches {
		export(t, e, b...)
	}
	return out.Bytes()
}

const (
	internal = trace.SpanKindInternal
	server   = trace.SpanKindServer
	client   = trace.SpanKindClient
	producer = trace.SpanKindProducer
	consumer = trace.SpanKindConsumer
)

func TestCollectorGolden(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		batches [][]spec
		opts    []console.Option
	}{
		{
			name:    "checkout",
			batches: [][]spec{checkout()},
		}, {
			name:    "checkout_color",
			batches: [][]spec{checkout()},
			opts:    []console.Option{console.WithColor(console.ColorAlways)},
		}, {
			name:    "checkout_80",
			batches: [][]spec{checkout()},
			opts:    []console.Option{console.WithWidth(80)},
		}, {
			name:    "checkout_160",
			batches: [][]spec{checkout()},
			opts:    []console.Option{console.WithWidth(160)},
		}, {
			name: "two_traces_oldest_first",
			batches: [][]spec{
				{{trace: 2, id: 0xa1, name: "second", kind: server, start: 50_000, end: 51_000}},
				{{trace: 1, id: 0xa1, name: "first, came later", kind: server, end: 3_000}},
			},
		}, {
			name: "several_roots",
			batches: [][]spec{{
				{id: 0xa2, name: "second root", kind: consumer, start: 4_000, end: 9_000},
				{id: 0xa3, parent: 0xa1, name: "second child", start: 2_000, end: 3_000},
				{id: 0xa4, parent: 0xa1, name: "first child", start: 1_000, end: 2_000},
				{id: 0xa1, name: "first root", kind: server, end: 5_000},
			}},
		}, {
			name: "parent_missing",
			batches: [][]spec{{
				{id: 0xa1, name: "root", kind: server, end: 9_000},
				{id: 0xb1, parent: 0xee, remote: true, service: "billing", name: "arrived without its caller", kind: server, start: 2_000, end: 8_000},
				{id: 0xb2, parent: 0xb1, service: "billing", name: "its child", start: 3_000, end: 7_000},
				{id: 0xa2, parent: 0xef, name: "one orphan", start: 4_000, end: 5_000},
				{id: 0xa3, parent: 0xef, name: "its sibling", start: 5_000, end: 6_000},
			}},
		}, {
			name: "shared_span_ids",
			batches: [][]spec{{
				{id: 0xa1, service: "shop", name: "GET /", kind: server, end: 30_000},
				{id: 0xb1, parent: 0xa1, remote: true, service: "kong", name: "the callee, same id", kind: server, start: 2_000, end: 27_000},
				{id: 0xb1, parent: 0xa1, service: "shop", name: "the caller", kind: client, start: 1_000, end: 29_000},
				{id: 0xc1, parent: 0xb1, remote: true, service: "stock", name: "below the callee", kind: server, start: 5_000, end: 20_000},
				{id: 0xb2, parent: 0xb1, service: "shop", name: "below the caller: its service", start: 1_000, end: 2_000},
				{id: 0xb3, parent: 0xb1, service: "kong", name: "below the callee: its service", start: 3_000, end: 4_000},
			}, {
				{id: 0xb2, parent: 0xb1, service: "shop", name: "below the caller: its service", start: 1_000, end: 2_000},
			}},
		}, {
			name: "cycles",
			batches: [][]spec{{
				{id: 0xa1, parent: 0xa3, name: "a child of its grandchild", start: 1_000, end: 9_000},
				{id: 0xa2, parent: 0xa1, name: "child", start: 2_000, end: 8_000},
				{id: 0xa3, parent: 0xa2, name: "grandchild", start: 3_000, end: 7_000},
				{id: 0xa4, parent: 0xa3, name: "not in the cycle", start: 4_000, end: 6_000},
				{id: 0xb1, parent: 0xb1, name: "its own parent", end: 9_000},
				{id: 0xc1, name: "root", kind: server, start: 500, end: 1_000},
			}},
		}, {
			name: "odd_times",
			batches: [][]spec{{
				{id: 0xa1, name: "root", kind: server, start: 1_000, end: 5_000},
				{id: 0xa2, parent: 0xa1, name: "ends before it starts", start: 4_000, end: 1_500},
				{id: 0xa3, parent: 0xa1, name: "starts before its parent", end: 2_000},
				{id: 0xa4, parent: 0xa1, name: "ends after its parent", start: 3_000, end: 10_000},
				{id: 0xa5, parent: 0xa1, name: "an instant at the end", start: 10_000, end: 10_000},
				{id: 0xa6, parent: 0xa1, name: "short, at the end", start: 9_999, end: 10_000},
			}},
		}, {
			name: "text_from_the_network",
			batches: [][]spec{{
				{id: 0xa1, service: "\x1b]0;owned\a", name: "GET /\x1b[2J\x1b[1;1H", kind: server, end: 9_000, err: "line one\r\nline two\x1b[31m"},
				{id: 0xa2, parent: 0xa1, service: "レストラン予約サービス", name: "注文を確認する 🍜 ok", start: 1_000, end: 2_000},
				{id: 0xa3, parent: 0xa1, service: "wide", name: "全角文字だけの長い名前は列の幅で切られます、必ず", start: 2_000, end: 3_000},
				{id: 0xa4, parent: 0xa1, service: "bidi", name: "user\u202egpj.exe\u2066", start: 3_000, end: 4_000},
				{id: 0xa5, parent: 0xa1, service: "bytes", name: "caf\xe9 and \xff\xfe", start: 4_000, end: 5_000},
				{id: 0xa6, parent: 0xa1, service: "c1", name: "\u009b31m \u0085 \x7f \u00a0", start: 5_000, end: 6_000},
				{id: 0xa7, parent: 0xa1, service: "marks", name: "e\u0301a\u0300 zalgo\u0301\u0301\u0301\u0301\u0301\u0301\u0301", start: 6_000, end: 7_000},
				{id: 0xa8, parent: 0xa1, service: "styles", name: "❤\ufe0f and \u0301mark first", start: 7_000, end: 8_000},
				{id: 0xa9, parent: 0xa1, service: "long", name: strings.Repeat("/a/long/path", 1000), start: 8_000, end: 9_000, err: strings.Repeat("too long ", 1000)},
			}},
		}, {
			name:    "deep",
			batches: [][]spec{chain(20)},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			assertGolden(t, tt.name+".golden", renderTree(t, tt.batches, tt.opts...))
		})
	}
}

// chain is n spans, each the parent of the next; the innermost and a sibling in the middle failed.
func chain(n int) []spec {
	specs := make([]spec, 0, n+1)
	for i := range n {
		specs = append(specs, spec{
			id: uint64(i + 1), parent: uint64(i), name: "level " + strconv.Itoa(i),
			start: int64(i) * 100, end: int64(4*n-i) * 100,
		})
	}
	specs[n-1].err = "the innermost failed"
	return append(specs, spec{
		id: 0xff, parent: uint64(n / 2), name: "sibling", start: int64(n) * 200, end: int64(n) * 300, failed: true,
	})
}

func TestSpec_ConsoleExporter(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		batches [][]spec
		opts    []console.Option
	}{
		{
			name: "batches",
			batches: [][]spec{
				{
					{trace: 1, id: 0xa2, parent: 0xa1, name: "SELECT items", kind: client, start: 1_000, end: 2_000},
					{trace: 1, id: 0xa1, parent: 0xee, remote: true, name: "GET /items", kind: server, end: 3_000},
					{trace: 2, id: 0xb1, name: "a root", kind: server, end: 500},
				}, {
					{trace: 3, id: 0xc2, parent: 0xc1, name: "handed over before its parent", start: 4_000, end: 4_500, partial: true},
					{trace: 3, id: 0xc3, parent: 0xc1, name: "and its sibling", start: 4_500, end: 5_000, partial: true},
				}, {
					{trace: 4, id: 0xd1, parent: 0xee, name: "the parent is another library's span", kind: internal, end: 3_000},
				},
			},
		}, {
			name:    "batch_json",
			batches: [][]spec{checkout()},
			opts:    []console.Option{console.WithJSON()},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			assertGolden(t, tt.name+".golden", printBatches(t, tt.batches, tt.opts...))
		})
	}
}
