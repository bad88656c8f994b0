// SPDX-License-Identifier: Apache-2.0

package tracing

import (
	"context"
	"time"
)

// Exporter sends ended spans to a backend.
//
// A provider calls ExportSpans of one exporter from one goroutine at a time, or from as many as
// [WithWorkers] says, never after Shutdown. Shutdown is called once, unless a call that ignores its ctx had
// to be left behind. Both honour ctx. A panic in either becomes a counted error.
// Neither calls ForceFlush or Shutdown of its provider: these would wait for it, until their ctx is done.
type Exporter interface {
	// ExportSpans sends spans, of which there is at least one. They are borrowed until it returns
	// (see [SpanData]); those of one local trace stand side by side. An error counts all of them as
	// not delivered, unless it is an [*ExportError] that says otherwise.
	ExportSpans(ctx context.Context, spans []*SpanData) error
	// Shutdown releases what the exporter holds.
	Shutdown(ctx context.Context) error
}

// EncodingExporter is an [Exporter] whose sending works on bytes. The pipeline finds it by type
// assertion and then never calls ExportSpans: it encodes each span as soon as it gets it, gives the
// span's memory back, and holds nothing but bytes while a backend is slow or away. Retrying and
// splitting a batch that is too large need no span any more.
//
// AppendResource is called first, once for each provider. Then AppendSpan is called from one
// goroutine at a time, and side by side with it AppendRequest and SendRequest from one other, or from as
// many as [WithWorkers] says. An exporter that is given to several providers is called by all of them.
// With a spool ([WithSpool]) AppendRequest is also given what an earlier process has appended: see
// [EncodingNamer].
type EncodingExporter interface {
	Exporter
	// AppendResource appends what the exporter needs of the resource in every request. The pipeline
	// keeps it and shows the result to each AppendRequest as [EncodedBatch.Resource].
	AppendResource(dst []byte, r *Resource) []byte
	// AppendSpan appends one span and returns the extended slice. What it appends is opaque to the
	// pipeline and need not be a part of the request as it stands: AppendRequest may take it apart.
	// An exporter that cannot express a span returns dst as it was; the span is counted as rejected.
	AppendSpan(dst []byte, d *SpanData) []byte
	// AppendRequest appends a whole request body made of the encoded spans of b, in their order.
	// It may be called again, for b or for parts of it.
	AppendRequest(dst []byte, b EncodedBatch) []byte
	// SendRequest sends one request body that holds the given number of spans. body is borrowed until
	// it returns. Failure is best reported as an [*ExportError].
	SendRequest(ctx context.Context, body []byte, spans int) error
}

// TargetNotifier is an [Exporter] that can be pointed at another backend while it runs. The pipeline finds it
// by type assertion, and then a pause that the old backend has caused, or asked for, ends when it is
// replaced.
type TargetNotifier interface {
	// TargetReplaced returns a channel that is closed when the present target is replaced. It does not
	// block and may be called by several goroutines at a time.
	TargetReplaced() <-chan struct{}
}

// EncodedBatch is a number of spans encoded by [EncodingExporter.AppendSpan]. It is read-only,
// borrowed, and its parts alias it.
type EncodedBatch struct {
	// Resource is what AppendResource appended.
	Resource []byte

	data  []byte
	ends  []int // ends[i] is where span i ends in data
	start int   // where the first span begins in data
}

// NewEncodedBatch makes a batch of encoded spans; exporters use it in tests and to implement
// ExportSpans by their own encoder.
func NewEncodedBatch(resource []byte, spans ...[]byte) EncodedBatch {
	b := EncodedBatch{Resource: resource}
	for _, s := range spans {
		b.data = append(b.data, s...)
		b.ends = append(b.ends, len(b.data))
	}
	return b
}

// Len returns the number of spans.
func (b EncodedBatch) Len() int { return len(b.ends) }

// Size returns the number of bytes of all spans together, without Resource.
func (b EncodedBatch) Size() int {
	if len(b.ends) == 0 {
		return 0
	}
	return b.ends[len(b.ends)-1] - b.start
}

// Span returns the bytes of span i, for 0 <= i < Len().
func (b EncodedBatch) Span(i int) []byte {
	start := b.start
	if i > 0 {
		start = b.ends[i-1]
	}
	return b.data[start:b.ends[i]:b.ends[i]]
}

// Part returns the spans i to j-1, for 0 <= i <= j <= Len(). It copies nothing.
func (b EncodedBatch) Part(i, j int) EncodedBatch {
	p := b
	if i > 0 {
		p.start = b.ends[i-1]
	}
	p.ends = b.ends[i:j:j]
	return p
}

// with returns b with the spans of c behind its own, which owns its bytes but for Resource.
func (b EncodedBatch) with(c EncodedBatch) EncodedBatch {
	for i := range c.ends {
		b.data = append(b.data, c.Span(i)...)
		b.ends = append(b.ends, len(b.data))
	}
	return b
}

// ExportError is how an exporter says why a batch was not delivered, and what may help.
type ExportError struct {
	// Err is the cause; never nil.
	Err error
	// Retryable: the same batch may succeed later.
	Retryable bool
	// TooLarge: a smaller batch may succeed.
	TooLarge bool
	// RetryAfter is how long the backend asks to wait before the next try, by a Retry-After header or the
	// pushback of gRPC; 0 when it did not say. Nothing else is sent meanwhile; see [WithRetryLimit].
	RetryAfter time.Duration
	// Rejected is how many spans of an otherwise accepted batch the backend refused (partial
	// success). It is 0 when the whole batch failed.
	Rejected int
}

// Error returns the cause's text.
func (e *ExportError) Error() string {
	if e == nil || e.Err == nil {
		return "tracing: the export failed"
	}
	return e.Err.Error()
}

// Unwrap returns the cause.
func (e *ExportError) Unwrap() error {
	if e == nil {
		return nil
	}
	return e.Err
}
