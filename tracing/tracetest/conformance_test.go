// SPDX-License-Identifier: Apache-2.0

package tracetest_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"go.opentelemetry.io/otel/attribute"

	"github.com/spandrel-go/spandrel/internal/testkit"
	"github.com/spandrel-go/spandrel/tracing"
	"github.com/spandrel-go/spandrel/tracing/tracetest"
)

// backend is what the exporters of these tests send to: a list of lines, one for each span.
type backend struct {
	mu       sync.Mutex // guards all below
	answer   tracetest.Answer
	received []tracetest.Received
}

func (b *backend) Answer(a tracetest.Answer) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.answer = a
	return true
}

func (b *backend) Received() []tracetest.Received {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.received)
}

func (b *backend) store(list []tracetest.Received) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.received = append(b.received, list...)
}

func (b *backend) send(ctx context.Context, list []tracetest.Received) error {
	b.mu.Lock()
	answer := b.answer
	b.mu.Unlock()
	cause := fmt.Errorf("answer %d", answer)
	switch answer {
	case tracetest.AnswerNo:
		return &tracing.ExportError{Err: cause}
	case tracetest.AnswerBusy:
		return &tracing.ExportError{Err: cause, Retryable: true, RetryAfter: tracetest.BusyFor}
	case tracetest.AnswerTooLarge:
		return &tracing.ExportError{Err: cause, TooLarge: true}
	case tracetest.AnswerNever:
		<-ctx.Done()
		return ctx.Err()
	}
	b.store(list)
	return nil
}

// memory is an exporter that keeps the rules. Tests replace its parts by worse ones.
type memory struct {
	*backend
	export   func(ctx context.Context, spans []*tracing.SpanData) error
	shutdown func(ctx context.Context) error

	mu     sync.Mutex // guards closed
	closed bool
}

func newMemory() *memory {
	m := &memory{backend: &backend{}}
	m.export = func(ctx context.Context, spans []*tracing.SpanData) error {
		return m.send(ctx, describe(spans))
	}
	m.shutdown = func(context.Context) error { return nil }
	return m
}

// describe makes of each span what the backend gets.
func describe(spans []*tracing.SpanData) []tracetest.Received {
	var list []tracetest.Received
	for _, d := range spans {
		list = append(list, tracetest.Received{
			Name: d.Name, TraceID: d.SpanContext.TraceID(), SpanID: d.SpanContext.SpanID(), Rest: fmt.Sprint(d.Attributes),
		})
	}
	return list
}

var errClosed = errors.New("closed")

func (m *memory) isClosed() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.closed
}

func (m *memory) ExportSpans(ctx context.Context, spans []*tracing.SpanData) error {
	if m.isClosed() {
		return errClosed
	}
	return m.export(ctx, spans)
}

func (m *memory) Shutdown(ctx context.Context) error {
	m.mu.Lock()
	m.closed = true
	m.mu.Unlock()
	return m.shutdown(ctx)
}

// encoder is the same for an exporter that encodes: a span is a line, a request the resource and lines.
type encoder struct {
	*memory
	appendResource func(dst []byte, r *tracing.Resource) []byte
	appendSpan     func(dst []byte, d *tracing.SpanData) []byte
	appendRequest  func(dst []byte, b tracing.EncodedBatch) []byte
	sendRequest    func(ctx context.Context, body []byte) error
}

func newEncoder() *encoder {
	e := &encoder{memory: newMemory()}
	e.appendResource = func(dst []byte, r *tracing.Resource) []byte { return append(dst, r.ServiceName()...) }
	e.appendSpan = func(dst []byte, d *tracing.SpanData) []byte {
		return fmt.Appendf(dst, "%q %q\n", d.Name, fmt.Sprint(d.Attributes))
	}
	e.appendRequest = func(dst []byte, b tracing.EncodedBatch) []byte {
		dst = append(append(dst, b.Resource...), '\n')
		for i := range b.Len() {
			dst = append(dst, b.Span(i)...)
		}
		return dst
	}
	e.sendRequest = func(ctx context.Context, body []byte) error { return e.send(ctx, parse(body)) }
	e.export = func(ctx context.Context, spans []*tracing.SpanData) error {
		var parts [][]byte
		for _, d := range spans {
			parts = append(parts, e.appendSpan(nil, d))
		}
		resource := e.appendResource(nil, spans[0].Resource)
		return e.sendRequest(ctx, e.appendRequest(nil, tracing.NewEncodedBatch(resource, parts...)))
	}
	return e
}

// parse reads a request.
func parse(body []byte) []tracetest.Received {
	var list []tracetest.Received
	_, lines, _ := strings.Cut(string(body), "\n")
	for line := range strings.Lines(lines) {
		name, err := strconv.QuotedPrefix(line)
		r := tracetest.Received{Name: "not a span: " + line, Rest: line[len(name):]}
		if err == nil {
			r.Name, _ = strconv.Unquote(name) // QuotedPrefix has looked
		}
		list = append(list, r)
	}
	return list
}

func (e *encoder) AppendResource(dst []byte, r *tracing.Resource) []byte {
	return e.appendResource(dst, r)
}
func (e *encoder) AppendSpan(dst []byte, d *tracing.SpanData) []byte { return e.appendSpan(dst, d) }
func (e *encoder) AppendRequest(dst []byte, b tracing.EncodedBatch) []byte {
	return e.appendRequest(dst, b)
}

func (e *encoder) SendRequest(ctx context.Context, body []byte, _ int) error {
	if e.isClosed() {
		return errClosed
	}
	return e.sendRequest(ctx, body)
}

// verdict runs the kit on an exporter and returns what it says, by rule, and how many rules it checked.
// It makes a bubble, in which calls that never return take no time; release is closed at its end. Rules
// for which skip returns true are left out.
func verdict(t *testing.T, skip func(rule string) bool, newTarget func(release <-chan struct{}) tracetest.Target) (broken map[string]string, checked int) {
	t.Helper()
	broken = map[string]string{}
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		defer close(release)
		makeTarget := func(testing.TB) tracetest.Target { return newTarget(release) }
		text := testkit.Fake(t, func(tb testing.TB) {
			tracetest.CheckExporter(tb, makeTarget, func(name string, check func(t testing.TB)) {
				if skip(name) {
					return
				}
				checked++
				if text := testkit.Fake(t, check); text != "" {
					broken[name] = text
				}
			})
		})
		if text != "" {
			broken["at first"] = text
		}
	})
	return broken, checked
}

// none skips no rule.
func none(string) bool { return false }

func target(e tracing.Exporter, b *backend) tracetest.Target {
	return tracetest.Target{Exporter: e, Received: b.Received, Answer: b.Answer}
}

func TestExporterOfThisPackage(t *testing.T) {
	t.Parallel()
	tracetest.TestExporter(t, func(testing.TB) tracetest.Target {
		r := tracetest.NewRecorder()
		return tracetest.Target{
			Exporter: r, OutlivesShutdown: true,
			Received: func() []tracetest.Received { return describe(r.Spans()) },
		}
	})
}

func TestSpec_ExporterInterface(t *testing.T) {
	t.Parallel()
	broken, checked := verdict(t, none, func(<-chan struct{}) tracetest.Target {
		m := newMemory()
		return target(m, m.backend)
	})
	assert.Empty(t, broken)
	assert.Equal(t, 12, checked)
	broken, checked = verdict(t, none, func(<-chan struct{}) tracetest.Target {
		e := newEncoder()
		return target(e, e.backend)
	})
	assert.Empty(t, broken)
	assert.Equal(t, 28, checked)
	broken, checked = verdict(t, none, func(<-chan struct{}) tracetest.Target {
		m := newMemory()
		return tracetest.Target{Exporter: m, Received: m.Received}
	})
	assert.Empty(t, broken)
	assert.Equal(t, 7, checked, "without the answers of a backend")
}

func TestTargetMustBeWhole(t *testing.T) {
	t.Parallel()
	broken, _ := verdict(t, none, func(<-chan struct{}) tracetest.Target { return tracetest.Target{} })
	assert.Equal(t, map[string]string{"at first": "tracetest: TestExporter: a Target needs an Exporter and Received\n"}, broken)
}

// Each exporter here breaks a rule, and the kit says which.
func TestBrokenExportersFail(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		spoil func(release <-chan struct{}, m *memory)
		want  map[string]string // what is to be said about the rules that are broken
		more  bool              // the same breaks other rules too
		// mutates says that the exporter writes to what it borrows. In a checked build it must not meet a
		// pipeline, which ends the program.
		mutates bool
	}{
		{
			name: "keeper that sends with the next batch",
			spoil: func(_ <-chan struct{}, m *memory) {
				var kept []*tracing.SpanData
				m.export = func(ctx context.Context, spans []*tracing.SpanData) error {
					defer func() { kept = spans }()
					return m.send(ctx, describe(kept))
				}
			},
			want: map[string]string{
				"ExportSpans/borrowing": "reads nothing after it has returned: what the backend got differs",
			},
			more: true,
		},
		{
			name: "keeper that sends at shutdown",
			spoil: func(_ <-chan struct{}, m *memory) {
				var kept []*tracing.SpanData
				m.export = func(_ context.Context, spans []*tracing.SpanData) error {
					kept = append(kept, spans...)
					return nil
				}
				m.shutdown = func(context.Context) error {
					m.store(describe(kept))
					return nil
				}
			},
			want: map[string]string{
				"ExportSpans/borrowing": "+ tracetest: this was read after it had been given back",
			},
			more: true,
		},
		{
			name: "mutator that redacts", mutates: true,
			spoil: func(_ <-chan struct{}, m *memory) {
				good := m.export
				m.export = func(ctx context.Context, spans []*tracing.SpanData) error {
					spans[0].Attributes[0] = attribute.String("password", "***")
					return good(ctx, spans)
				}
			},
			want: map[string]string{
				"ExportSpans/borrowing": `+ span 0: the span: attribute "password": "***"`,
			},
			more: true,
		},
		{
			name: "mutator that sorts", mutates: true,
			spoil: func(_ <-chan struct{}, m *memory) {
				good := m.export
				m.export = func(ctx context.Context, spans []*tracing.SpanData) error {
					for _, d := range spans {
						slices.SortFunc(d.Attributes, func(a, b attribute.KeyValue) int { return strings.Compare(string(a.Key), string(b.Key)) })
					}
					return good(ctx, spans)
				}
			},
			want: map[string]string{
				"ExportSpans/borrowing": "the exporter changes nothing that it borrows, and reads nothing after it has returned: ExportSpans changed what it borrowed",
			},
			more: true,
		},
		{
			name: "appender", mutates: true,
			spoil: func(_ <-chan struct{}, m *memory) {
				good := m.export
				m.export = func(ctx context.Context, spans []*tracing.SpanData) error {
					list := describe(spans)
					for _, d := range spans {
						d.Attributes = append(d.Attributes, attribute.Bool("exported", true))
					}
					if err := good(ctx, nil); err != nil {
						return err
					}
					m.store(list)
					return nil
				}
			},
			want: map[string]string{
				"ExportSpans/borrowing": "+ span 0: the span: 3 attributes with room for",
			},
			more: true,
		},
		{
			name: "sorter of the batch", mutates: true,
			spoil: func(_ <-chan struct{}, m *memory) {
				good := m.export
				m.export = func(ctx context.Context, spans []*tracing.SpanData) error {
					slices.Reverse(spans)
					return good(ctx, spans)
				}
			},
			want: map[string]string{
				"ExportSpans/borrowing": "ExportSpans changed what it borrowed",
				"ExportSpans/order":     "in the order in which they were lent",
			},
			more: true,
		},
		{
			name: "breaks the order",
			spoil: func(_ <-chan struct{}, m *memory) {
				m.export = func(ctx context.Context, spans []*tracing.SpanData) error {
					list := describe(spans)
					slices.Reverse(list)
					return m.send(ctx, list)
				}
			},
			want: map[string]string{
				"ExportSpans/order": "in the order in which they were lent, those of one local trace side by side: the backend got 28 spans of 28",
			},
			more: true,
		},
		{
			name: "loses one",
			spoil: func(_ <-chan struct{}, m *memory) {
				m.export = func(ctx context.Context, spans []*tracing.SpanData) error {
					return m.send(ctx, describe(spans[:max(1, len(spans)-1)]))
				}
			},
			want: map[string]string{
				"ExportSpans/order": "spans arrive once each",
				"provider":          "Stats agrees with what the backend got: the backend got 5 spans of 8",
			},
			more: true,
		},
		{
			name: "sends all twice",
			spoil: func(_ <-chan struct{}, m *memory) {
				m.export = func(ctx context.Context, spans []*tracing.SpanData) error {
					return m.send(ctx, slices.Concat(describe(spans), describe(spans)))
				}
			},
			want: map[string]string{
				"ExportSpans/order": "spans arrive once each",
			},
			more: true,
		},
		{
			name: "mixes ids up",
			spoil: func(_ <-chan struct{}, m *memory) {
				m.export = func(ctx context.Context, spans []*tracing.SpanData) error {
					list := describe(spans)
					for i := range list {
						list[i].SpanID[0] = 0xff
					}
					return m.send(ctx, list)
				}
			},
			want: map[string]string{
				"ExportSpans/order": "kit-001 has the ids 7370616e6472656c0000000000000001 and 0000000000000001, and arrived with",
			},
			more: true,
		},
		{
			name: "panics at an empty name",
			spoil: func(_ <-chan struct{}, m *memory) {
				good := m.export
				m.export = func(ctx context.Context, spans []*tracing.SpanData) error {
					for _, d := range spans {
						_ = d.Name[0]
					}
					return good(ctx, spans)
				}
			},
			want: map[string]string{
				"ExportSpans/every value": "whatever a span holds is taken, or that span alone is rejected and counted: ExportSpans panicked: runtime error: index out of range",
			},
		},
		{
			name: "refuses bytes",
			spoil: func(_ <-chan struct{}, m *memory) {
				good := m.export
				m.export = func(ctx context.Context, spans []*tracing.SpanData) error {
					for _, d := range spans {
						if slices.ContainsFunc(d.Attributes, func(kv attribute.KeyValue) bool { return kv.Value.Type() == attribute.BYTESLICE }) {
							return errors.New("bytes")
						}
					}
					return good(ctx, spans)
				}
			},
			want: map[string]string{
				"ExportSpans/every value": "an attribute that is bytes: the batch failed: bytes",
			},
		},
		{
			name: "leaves odd spans out without a word",
			spoil: func(_ <-chan struct{}, m *memory) {
				m.export = func(ctx context.Context, spans []*tracing.SpanData) error {
					list := slices.DeleteFunc(describe(spans), func(r tracetest.Received) bool { return r.Name == "" })
					return m.send(ctx, list)
				}
			},
			want: map[string]string{
				"ExportSpans/every value": `a span with an empty name: 0 of 3 spans were rejected, and the backend got 2: "before", "after"`,
			},
		},
		{
			name: "swallows errors",
			spoil: func(_ <-chan struct{}, m *memory) {
				good := m.export
				m.export = func(ctx context.Context, spans []*tracing.SpanData) error {
					_ = good(ctx, spans)
					return nil
				}
			},
			want: map[string]string{
				"ExportSpans/refused":   "the error was swallowed",
				"ExportSpans/busy":      "the error was swallowed",
				"ExportSpans/too large": "the error was swallowed",
				"ExportSpans/deadline":  "the error was swallowed",
			},
		},
		{
			name: "says nothing about its errors",
			spoil: func(_ <-chan struct{}, m *memory) {
				good := m.export
				m.export = func(ctx context.Context, spans []*tracing.SpanData) error {
					if err := good(ctx, spans); err != nil {
						return errors.New("failed")
					}
					return nil
				}
			},
			want: map[string]string{
				"ExportSpans/busy":      "the error is no *tracing.ExportError: failed",
				"ExportSpans/too large": "the error is no *tracing.ExportError: failed",
			},
		},
		{
			name: "retries what is final, and forgets when",
			spoil: func(_ <-chan struct{}, m *memory) {
				good := m.export
				m.export = func(ctx context.Context, spans []*tracing.SpanData) error {
					if err := good(ctx, spans); err != nil {
						return &tracing.ExportError{Err: err, Retryable: true}
					}
					return nil
				}
			},
			want: map[string]string{
				"ExportSpans/refused":   "the error says Retryable=true",
				"ExportSpans/busy":      "RetryAfter=0s (asked for 7s)",
				"ExportSpans/too large": "the error says TooLarge=false, Retryable=true",
			},
		},
		{
			name: "error without a cause",
			spoil: func(_ <-chan struct{}, m *memory) {
				good := m.export
				m.export = func(ctx context.Context, spans []*tracing.SpanData) error {
					if good(ctx, spans) != nil {
						return &tracing.ExportError{}
					}
					return nil
				}
			},
			want: map[string]string{
				"ExportSpans/refused": "the ExportError has no cause: Err is nil",
			},
			more: true,
		},
		{
			name: "fails for ever after one failure",
			spoil: func(_ <-chan struct{}, m *memory) {
				good := m.export
				var failed error
				m.export = func(ctx context.Context, spans []*tracing.SpanData) error {
					if failed == nil {
						failed = good(ctx, spans)
					}
					return failed
				}
			},
			want: map[string]string{
				"ExportSpans/refused": "and the next may succeed: spans that nothing is wrong with met an error: answer 1",
			},
		},
		{
			name: "ignores ctx",
			spoil: func(release <-chan struct{}, m *memory) {
				good := m.export
				m.export = func(_ context.Context, spans []*tracing.SpanData) error {
					ctx, cancel := context.WithCancel(context.Background())
					defer cancel()
					go func() {
						select {
						case <-release:
						case <-ctx.Done():
						}
						cancel()
					}()
					return good(ctx, spans)
				}
			},
			want: map[string]string{
				"ExportSpans/deadline": "an export ends with an error when ctx is done, whatever the backend does: ExportSpans did not return within 5s",
			},
		},
		{
			name: "drops what is sent with a ctx that is done",
			spoil: func(_ <-chan struct{}, m *memory) {
				good := m.export
				m.export = func(ctx context.Context, spans []*tracing.SpanData) error {
					if ctx.Err() != nil {
						return nil
					}
					return good(ctx, spans)
				}
			},
			want: map[string]string{
				"ExportSpans/ctx that is done": "with an error, or delivered: the backend got 0 spans of 2",
			},
		},
		{
			name: "goes on after Shutdown",
			spoil: func(_ <-chan struct{}, m *memory) {
				m.shutdown = func(context.Context) error {
					m.mu.Lock()
					defer m.mu.Unlock()
					m.closed = false
					return nil
				}
			},
			want: map[string]string{
				"ExportSpans/shutdown": "an export after Shutdown returned nil",
			},
		},
		{
			name: "panics at the second Shutdown",
			spoil: func(_ <-chan struct{}, m *memory) {
				done := make(chan struct{})
				m.shutdown = func(context.Context) error {
					close(done)
					return nil
				}
			},
			want: map[string]string{
				"ExportSpans/shutdown": "Shutdown returns, a second call too, and what is exported afterwards is an error and does not arrive: Shutdown panicked",
			},
		},
		{
			name: "fails to shut down",
			spoil: func(_ <-chan struct{}, m *memory) {
				m.shutdown = func(context.Context) error { return errors.New("no") }
			},
			want: map[string]string{
				"at first":             "Shutdown of an exporter that was never used: no",
				"ExportSpans/shutdown": "Shutdown returned an error although nothing was wrong: no",
			},
			more: true,
		},
		{
			name: "Shutdown waits for the backend",
			spoil: func(release <-chan struct{}, m *memory) {
				m.shutdown = func(context.Context) error {
					m.backend.mu.Lock()
					never := m.answer == tracetest.AnswerNever
					m.backend.mu.Unlock()
					if never {
						<-release
					}
					return nil
				}
			},
			want: map[string]string{
				"ExportSpans/shutdown in time": "Shutdown returns when ctx is done, whatever the backend does: Shutdown did not return within 5s",
			},
		},
		{
			name: "leaves a goroutine behind",
			spoil: func(release <-chan struct{}, m *memory) {
				good := m.export
				m.export = func(ctx context.Context, spans []*tracing.SpanData) error {
					go func() { <-release }()
					return good(ctx, spans)
				}
			},
			want: map[string]string{
				"ExportSpans/goroutines": "no goroutine of the exporter is left after Shutdown: 1 @ ",
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			skip := func(rule string) bool { return tt.mutates && rule == "provider" }
			broken, _ := verdict(t, skip, func(release <-chan struct{}) tracetest.Target {
				m := newMemory()
				tt.spoil(release, m)
				return target(m, m.backend)
			})
			checkVerdict(t, tt.want, tt.more, broken)
		})
	}
}

// checkVerdict compares the rules that are broken, and what the kit says about them.
func checkVerdict(t *testing.T, want map[string]string, more bool, broken map[string]string) {
	t.Helper()
	for rule, words := range want {
		assert.Contains(t, broken[rule], words, rule)
	}
	for rule, text := range broken {
		if !more {
			assert.Contains(t, want, rule, text)
		}
	}
	assert.Equal(t, more, len(broken) > len(want), "%v", slices.Collect(maps.Keys(broken)))
}
