// SPDX-License-Identifier: Apache-2.0

//go:build invariants || race

// Only checked builds look for misuse.

package tracing_test

import (
	"context"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/pool"
	"github.com/spandrel-go/spandrel/tracing"
)

// borrower is an exporter and a processor that does to what it borrows what misuse says.
type borrower struct {
	processor
	misuse func(*tracing.SpanData)
	all    func([]*tracing.SpanData)
}

func (b *borrower) ExportSpans(_ context.Context, spans []*tracing.SpanData) error {
	if b.all != nil {
		b.all(spans)
		return nil
	}
	for _, d := range spans {
		b.misuse(d)
	}
	return nil
}

func (b *borrower) Shutdown(context.Context) error { return nil }

func (b *borrower) OnEnd(d *tracing.SpanData) { b.misuse(d) }

// encodingBorrower is the same for an exporter that encodes.
type encodingBorrower struct {
	borrower
	body []byte
}

func (b *encodingBorrower) AppendResource(dst []byte, _ *tracing.Resource) []byte { return dst }

func (b *encodingBorrower) AppendSpan(dst []byte, d *tracing.SpanData) []byte {
	b.misuse(d)
	return append(dst, "span"...)
}

func (b *encodingBorrower) AppendRequest(dst []byte, e tracing.EncodedBatch) []byte {
	return append(dst, e.Span(0)...)
}

func (b *encodingBorrower) SendRequest(_ context.Context, body []byte, _ int) error {
	b.body = body
	return nil
}

// The ways of lending, and how checked builds name the one who borrowed.
var lendings = map[string]struct {
	set  func(misuse func(*tracing.SpanData)) tracing.Option
	name string
}{
	"exporter": {
		func(f func(*tracing.SpanData)) tracing.Option { return tracing.WithExporter(&borrower{misuse: f}) },
		`\*tracing_test\.borrower\.ExportSpans \(.*lending_on_test\.go:\d+\)`,
	},
	"encoding exporter": {
		func(f func(*tracing.SpanData)) tracing.Option {
			return tracing.WithExporter(&encodingBorrower{borrower: borrower{misuse: f}})
		},
		`\*tracing_test\.encodingBorrower\.AppendSpan \(.*lending_on_test\.go:\d+\)`,
	},
	"processor": {
		func(f func(*tracing.SpanData)) tracing.Option { return tracing.WithProcessor(&borrower{misuse: f}) },
		`\*tracing_test\.borrower\.OnEnd \(.*lending_on_test\.go:\d+\)`,
	},
}

// lendOne has one span lent to what opt sets up, and returns what the checked build complained about.
// Not to be called in parallel.
func lendOne(t *testing.T, opt tracing.Option) (complaints []string) {
	t.Helper()
	defer tracing.Misuses(func(text string) { complaints = append(complaints, text) })()
	p := newProvider(t, opt)
	_, s := p.NewTracer("test").StartSpan(context.Background(), "one", tracing.WithAttributes(attribute.String("a", "b"), attribute.Float64("c", 1)))
	s.AddEvent("event", trace.WithAttributes(attribute.String("a", "b")))
	s.AddLink(trace.Link{SpanContext: remoteParent(true), Attributes: []attribute.KeyValue{attribute.String("a", "b")}})
	s.End()
	flush(t, p)
	return complaints
}

// Who keeps what was lent reads who that was.
//
//nolint:paralleltest // it replaces what checked builds do
func TestKeptSpanNamesItsKeeper(t *testing.T) {
	for name, tt := range lendings {
		t.Run(name, func(t *testing.T) {
			var kept *tracing.SpanData
			var attrs []attribute.KeyValue
			var events []tracing.Event
			var links []tracing.Link
			assert.Empty(t, lendOne(t, tt.set(func(d *tracing.SpanData) {
				kept, attrs, events, links = d, d.Attributes, d.Events, d.Links
			})))
			want := "^tracing: " + tt.name + " kept this span beyond the call, and must Clone it$"
			assert.Regexp(t, want, kept.Name)
			assert.False(t, kept.SpanContext.IsValid())
			require.Len(t, attrs, 2)
			assert.Regexp(t, want, attrs[0].Value.AsString())
			assert.Regexp(t, want, attrs[1].Key)
			require.Len(t, events, 1)
			assert.Regexp(t, want, events[0].Name)
			require.Len(t, links, 1)
			assert.Regexp(t, want, links[0].Attributes[0].Key)
		})
	}
}

// Who writes to what was lent is named, with the field.
//
//nolint:paralleltest // it replaces what checked builds do
func TestWriteToBorrowedSpanNamesItsWriter(t *testing.T) {
	extra := attribute.String("extra", "x")
	misuses := map[string]struct {
		field string
		do    func(*tracing.SpanData)
	}{
		"append to the attributes": {"Attributes", func(d *tracing.SpanData) { d.Attributes = append(d.Attributes, extra) }},
		"append in place":          {"Attributes", func(d *tracing.SpanData) { _ = append(d.Attributes[:0], extra) }},
		"append to the events":     {"Events", func(d *tracing.SpanData) { d.Events = append(d.Events, tracing.Event{}) }},
		"append to an event":       {"Events", func(d *tracing.SpanData) { d.Events[0].Attributes = append(d.Events[0].Attributes, extra) }},
		"append to the links":      {"Links", func(d *tracing.SpanData) { d.Links = append(d.Links, tracing.Link{}) }},
		"write to a link":          {"Links", func(d *tracing.SpanData) { d.Links[0].Attributes[0] = extra }},
		"sort the attributes":      {"Attributes", func(d *tracing.SpanData) { slices.Reverse(d.Attributes) }},
		"rename":                   {"Name", func(d *tracing.SpanData) { d.Name = "other" }},
	}
	for name, tt := range lendings {
		for how, m := range misuses {
			t.Run(name+"/"+how, func(t *testing.T) {
				got := lendOne(t, tt.set(m.do))
				require.Len(t, got, 1)
				assert.Regexp(t, "^tracing: "+tt.name+" wrote to "+m.field+` of span "one", which it had only borrowed$`, got[0])
			})
		}
	}
}

// An append to a borrowed slice that is stored elsewhere is a copy, and no misuse.
//
//nolint:paralleltest // it replaces what checked builds do
func TestAppendElsewhereIsNoMisuse(t *testing.T) {
	for name, tt := range lendings {
		t.Run(name, func(t *testing.T) {
			var mine []attribute.KeyValue
			assert.Empty(t, lendOne(t, tt.set(func(d *tracing.SpanData) { mine = append(d.Attributes, attribute.Int("n", 1)) })))
			assert.Equal(t, []attribute.KeyValue{attribute.String("a", "b"), attribute.Float64("c", 1), attribute.Int("n", 1)}, mine)
		})
	}
}

//nolint:paralleltest // it replaces what checked builds do
func TestReorderedBatchNamesTheExporter(t *testing.T) {
	e := &borrower{all: func(spans []*tracing.SpanData) { spans[0] = nil }}
	got := lendOne(t, tracing.WithExporter(e))
	require.NotEmpty(t, got)
	assert.Regexp(t, `^tracing: \*tracing_test\.borrower\.ExportSpans \(.*\) changed the slice of 1 spans that it had only borrowed$`, got[0])
}

//nolint:paralleltest // it replaces what checked builds do
func TestKeptBodyIsOverwritten(t *testing.T) {
	e := &encodingBorrower{borrower: borrower{misuse: func(*tracing.SpanData) {}}}
	assert.Empty(t, lendOne(t, tracing.WithExporter(e)))
	assert.Equal(t, []byte{0xDB, 0xDB, 0xDB, 0xDB}, e.body)
}

func firstRelease(b *pool.Buffer)  { b.Release() }
func secondRelease(b *pool.Buffer) { b.Release() }

// Who releases an exporter's buffer twice is named, with who did it first.
func TestSecondReleaseNamesBoth(t *testing.T) {
	t.Parallel()
	defer func() {
		assert.Regexp(t, `put twice: by .*tracing_test\.secondRelease \(.*lending_on_test\.go:\d+\), `+
			`and before by .*tracing_test\.firstRelease \(.*lending_on_test\.go:\d+\)$`, recover())
	}()
	b := pool.GetBuffer()
	firstRelease(b)
	secondRelease(b)
}

// A span may be released as often as one likes: its handle is safe.
func TestSecondReleaseOfASpanIsSafe(t *testing.T) {
	t.Parallel()
	tracer, _, p := newTracer(t)
	_, s := tracer.StartSpan(context.Background(), "released")
	_, other := tracer.StartSpan(context.Background(), "other")
	s.Release()
	s.Release()
	s.End()
	other.End()
	flush(t, p)
	assert.EqualValues(t, 1, p.Stats().Withheld.Released)
	sumsHold(t, p)
}
