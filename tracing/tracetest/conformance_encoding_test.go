// SPDX-License-Identifier: Apache-2.0

package tracetest_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/spandrel-go/spandrel/tracing"
	"github.com/spandrel-go/spandrel/tracing/tracetest"
)

// Each exporter here encodes and breaks a rule, and the kit says which.
func TestBrokenEncodersFail(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		spoil func(e *encoder)
		want  map[string]string // what is to be said about rules that are broken, perhaps among others
	}{
		{
			name: "AppendSpan ignores dst",
			spoil: func(e *encoder) {
				good := e.appendSpan
				e.appendSpan = func(_ []byte, d *tracing.SpanData) []byte { return good(nil, d) }
			},
			want: map[string]string{"encoding/append": "AppendSpan with room for 0 bytes more did not keep what stood in dst"},
		},
		{
			name: "AppendResource writes over dst",
			spoil: func(e *encoder) {
				good := e.appendResource
				e.appendResource = func(dst []byte, r *tracing.Resource) []byte { return good(dst[:0], r) }
			},
			want: map[string]string{"encoding/append": "AppendResource with room for 65536 bytes more did not keep what stood in dst"},
		},
		{
			name: "AppendRequest looks at dst",
			spoil: func(e *encoder) {
				good := e.appendRequest
				e.appendRequest = func(dst []byte, b tracing.EncodedBatch) []byte {
					if len(dst) > 0 {
						dst = append(dst, ',')
					}
					return good(dst, b)
				}
			},
			want: map[string]string{"encoding/append": "AppendRequest with room for 0 bytes more added something else than to an empty dst"},
		},
		{
			name: "resource in the order of a map",
			spoil: func(e *encoder) {
				n := 0
				e.appendResource = func(dst []byte, _ *tracing.Resource) []byte {
					n++
					return fmt.Appendf(dst, "resource-%d", n%2)
				}
			},
			want: map[string]string{"encoding/deterministic": "AppendResource or AppendSpan made something else the second time"},
		},
		{
			name: "AppendRequest works once",
			spoil: func(e *encoder) {
				good := e.appendRequest
				n := 0
				e.appendRequest = func(dst []byte, b tracing.EncodedBatch) []byte {
					n++
					return fmt.Appendf(good(dst, b), "%q %q\n", "trailer", strconv.Itoa(n))
				}
			},
			want: map[string]string{"encoding/deterministic": "AppendRequest made two requests of one batch"},
		},
		{
			name: "AppendRequest takes the spans apart in place",
			spoil: func(e *encoder) {
				good := e.appendRequest
				e.appendRequest = func(dst []byte, b tracing.EncodedBatch) []byte {
					dst = good(dst, b)
					clear(b.Span(0)[:1])
					return dst
				}
			},
			want: map[string]string{"SendRequest/borrowing": "AppendRequest changed the encoded spans or the resource that it borrowed"},
		},
		{
			name: "request aliases the batch",
			spoil: func(e *encoder) {
				good := e.appendRequest
				e.appendRequest = func(dst []byte, b tracing.EncodedBatch) []byte {
					if len(dst) == 0 && b.Len() == 1 && len(b.Resource) == 0 {
						return b.Span(0)
					}
					return good(dst, b)
				}
				e.appendResource = func(dst []byte, _ *tracing.Resource) []byte { return dst }
			},
			want: map[string]string{"SendRequest/borrowing": "the request aliases the encoded spans"},
		},
		{
			name: "SendRequest compresses in place",
			spoil: func(e *encoder) {
				good := e.sendRequest
				e.sendRequest = func(ctx context.Context, body []byte) error {
					err := good(ctx, body)
					clear(body)
					return err
				}
			},
			want: map[string]string{"SendRequest/borrowing": "SendRequest changed the body that it borrowed"},
		},
		{
			name: "keeps the body until Shutdown",
			spoil: func(e *encoder) {
				var bodies [][]byte
				e.sendRequest = func(_ context.Context, body []byte) error {
					bodies = append(bodies, body)
					return nil
				}
				e.shutdown = func(context.Context) error {
					for _, body := range bodies {
						e.store(parse(body))
					}
					bodies = nil
					return nil
				}
			},
			want: map[string]string{"SendRequest/order": "the backend got 0 spans of 28"},
		},
		{
			name: "keeps spans until the request",
			spoil: func(e *encoder) {
				kept := map[string]*tracing.SpanData{}
				good := e.appendSpan
				e.appendSpan = func(dst []byte, d *tracing.SpanData) []byte {
					key := strconv.Itoa(len(kept))
					kept[key] = d
					return append(dst, key+"\n"...)
				}
				e.appendRequest = func(dst []byte, b tracing.EncodedBatch) []byte {
					dst = append(append(dst, b.Resource...), '\n')
					for i := range b.Len() {
						dst = good(dst, kept[strings.TrimSpace(string(b.Span(i)))])
					}
					return dst
				}
			},
			want: map[string]string{"SendRequest/borrowing": "+ tracetest: this was read after it had been given back"},
		},
		{
			name: "ExportSpans shows more",
			spoil: func(e *encoder) {
				e.export = func(ctx context.Context, spans []*tracing.SpanData) error {
					list := describe(spans)
					for i := range list {
						list[i].Rest += " and more"
					}
					return e.send(ctx, list)
				}
			},
			want: map[string]string{"encoding/same as ExportSpans": "what the backend got differs, - by ExportSpans, + by SendRequest"},
		},
		{
			name: "AppendRequest of a part gives all",
			spoil: func(e *encoder) {
				good := e.appendRequest
				var last tracing.EncodedBatch
				e.appendRequest = func(dst []byte, b tracing.EncodedBatch) []byte {
					if b.Len() >= last.Len() {
						last = b
					}
					return good(dst, last)
				}
			},
			want: map[string]string{"encoding/parts": "a batch sent in parts arrives as the batch does: the backend got"},
		},
		{
			name:  "panics in AppendSpan",
			spoil: func(e *encoder) { e.appendSpan = func([]byte, *tracing.SpanData) []byte { panic("no") } },
			want:  map[string]string{"SendRequest/order": "AppendSpan panicked: no"},
		},
		{
			name: "loses a request under way with another",
			spoil: func(e *encoder) {
				n := 0
				good := e.sendRequest
				e.sendRequest = func(ctx context.Context, body []byte) error {
					e.mu.Lock()
					n++
					lost := n == 7
					e.mu.Unlock()
					if lost {
						return nil
					}
					return good(ctx, body)
				}
			},
			want: map[string]string{"encoding/concurrency": "arrived 0 times, want once"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			skip := func(rule string) bool { _, wanted := tt.want[rule]; return !wanted }
			broken, _ := verdict(t, skip, func(<-chan struct{}) tracetest.Target {
				e := newEncoder()
				tt.spoil(e)
				return target(e, e.backend)
			})
			checkVerdict(t, tt.want, false, broken)
		})
	}
}
