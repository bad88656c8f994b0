// SPDX-License-Identifier: Apache-2.0

package tracetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spandrel-go/spandrel/tracing"
)

// Recorder keeps a copy of each span that reaches it. It is a [tracing.Exporter], and a
// [tracing.Processor] as well: registered with [tracing.WithProcessor], as [New] does, it has a span as
// soon as that has ended, and nobody needs to flush; registered with [tracing.WithExporter] it shows what
// a pipeline delivers, and when. Register it in one of the two ways. The zero value is ready. All methods are
// safe for concurrent use; several providers may share a recorder.
type Recorder struct {
	provider *tracing.Provider // nil unless New made it

	mu         sync.Mutex // guards all below
	batches    [][]*tracing.SpanData
	unfinished []*tracing.SpanData // those with the mark, whether sampled or not
	allowed    map[string]bool     // names that may be unfinished
	allowAll   bool
	changed    chan struct{} // closed by add; nil when nobody waits
}

var (
	_ tracing.Exporter  = (*Recorder)(nil)
	_ tracing.Processor = (*Recorder)(nil)
)

// shutdownTimeout bounds the shutdown of a provider at the end of a test.
const shutdownTimeout = 10 * time.Second

// New makes a provider and a recorder that has each of its sampled spans as soon as it has ended, in the
// order of their ends. The provider has no goroutine, unless opts add an exporter. The recorder stands
// behind the processors that opts add, so it sees what they left. Environment variables do not count,
// unless opts say so.
//
// When the test ends, the provider is shut down, and spans that were never ended fail the test; see
// [Recorder.AllowUnfinished]. An error of the shutdown is none of the test's: it comes from exporters and
// processors in opts, which may be made to fail. An option that is wrong ends the test.
func New(t testing.TB, opts ...tracing.Option) *Recorder {
	t.Helper()
	r := NewRecorder()
	opts = append([]tracing.Option{noEnvironment()}, opts...)
	p, err := tracing.NewProvider(append(opts, tracing.WithProcessor(r))...)
	if err != nil {
		t.Fatalf("tracetest: New: %v", err)
	}
	r.provider = p
	t.Cleanup(func() {
		t.Helper()
		ctx, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
		defer cancel()
		_ = p.Shutdown(ctx)
		if !t.Failed() { // a test that stopped halfway leaves spans behind: that tells nothing new
			r.CheckUnfinished(t)
		}
	})
	return r
}

// noEnvironment makes a provider that does not depend on who runs the test.
func noEnvironment() tracing.Option {
	return tracing.WithEnvironment(func(string) (string, bool) { return "", false })
}

// NewRecorder makes a recorder for a provider of the caller's own.
func NewRecorder() *Recorder { return &Recorder{} }

// Provider returns the provider that [New] made, nil for a recorder of [NewRecorder].
func (r *Recorder) Provider() *tracing.Provider { return r.provider }

// Tracer returns the named tracer of the provider that [New] made. That of a recorder made by
// [NewRecorder] starts no spans.
func (r *Recorder) Tracer(name string) *tracing.Tracer {
	if r.provider == nil {
		return tracing.NewTracer(name, tracing.WithNoop())
	}
	return r.provider.NewTracer(name)
}

// ExportSpans keeps copies. It never fails.
func (r *Recorder) ExportSpans(_ context.Context, spans []*tracing.SpanData) error {
	batch := make([]*tracing.SpanData, len(spans))
	for i, d := range spans {
		batch[i] = d.Clone()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, d := range batch {
		r.noteUnfinished(d)
	}
	r.add(batch)
	return nil
}

// OnStart does nothing.
func (r *Recorder) OnStart(context.Context, *tracing.Span) {}

// OnEnding does nothing.
func (r *Recorder) OnEnding(*tracing.Span) {}

// OnEnd keeps a copy of a sampled span.
func (r *Recorder) OnEnd(d *tracing.SpanData) {
	d = d.Clone()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.noteUnfinished(d)
	if d.SpanContext.IsSampled() { // as exporters see it: RecordOnly is for processors
		r.add([]*tracing.SpanData{d})
	}
}

// ForceFlush does nothing: nothing waits.
func (r *Recorder) ForceFlush(context.Context) error { return nil }

// Shutdown does nothing: what was recorded stays, and other providers may go on.
func (r *Recorder) Shutdown(context.Context) error { return nil }

// add keeps a batch and tells those who wait. Needs r.mu.
func (r *Recorder) add(batch []*tracing.SpanData) {
	r.batches = append(r.batches, batch)
	if r.changed != nil {
		close(r.changed)
		r.changed = nil
	}
}

// Spans returns what came so far, in the order of arrival. The slice is the caller's. The spans are
// copies that nobody writes to any more: keep them, do not change them.
func (r *Recorder) Spans() []*tracing.SpanData {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Concat(r.batches...)
}

// Batches returns what came so far by call of ExportSpans. From [New] each span is a batch.
func (r *Recorder) Batches() [][]*tracing.SpanData {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.batches)
}

// Names returns the names of [Recorder.Spans], never nil.
func (r *Recorder) Names() []string {
	names := []string{}
	for _, d := range r.Spans() {
		names = append(names, d.Name)
	}
	return names
}

// Named returns the spans of one name, in the order of arrival.
func (r *Recorder) Named(name string) []*tracing.SpanData {
	return slices.DeleteFunc(r.Spans(), func(d *tracing.SpanData) bool { return d.Name != name })
}

// Span returns the only span of a name. None or several end the test with a text that shows what there is.
func (r *Recorder) Span(t testing.TB, name string) *tracing.SpanData {
	t.Helper()
	found := r.Named(name)
	if len(found) != 1 {
		t.Fatalf("tracetest: there are %d spans called %q, want 1; %s", len(found), name, r.show())
		return nil // a testing.TB that goes on
	}
	return found[0]
}

// Reset forgets what came so far, and which of it was unfinished. What is allowed stays allowed.
func (r *Recorder) Reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.batches, r.unfinished = nil, nil
}

// show says what was recorded, for failures.
func (r *Recorder) show() string { return shown(r.Spans()) }

func shown(spans []*tracing.SpanData) string {
	if len(spans) == 0 {
		return "nothing was recorded"
	}
	return "recorded:\n" + indent(Outline(spans))
}

// indent puts two spaces before each line that is not empty.
func indent(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if line != "\n" {
			b.WriteString("  ")
		}
		b.WriteString(line)
	}
	return b.String()
}

// unfinishedKey marks spans that a provider ended itself.
const unfinishedKey = "span.unfinished"

func isUnfinished(d *tracing.SpanData) bool {
	for _, kv := range d.Attributes {
		if kv.Key == unfinishedKey {
			return kv.Value.AsBool()
		}
	}
	return false
}

// noteUnfinished keeps d if it was ended by its provider. Needs r.mu.
func (r *Recorder) noteUnfinished(d *tracing.SpanData) {
	if isUnfinished(d) {
		r.unfinished = append(r.unfinished, d)
	}
}

// AllowUnfinished says that spans of these names need not be ended; without a name, that no span need
// be. It may be called at any time before the test ends.
func (r *Recorder) AllowUnfinished(names ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(names) == 0 {
		r.allowAll = true
	}
	if r.allowed == nil {
		r.allowed = map[string]bool{}
	}
	for _, name := range names {
		r.allowed[name] = true
	}
}

// CheckUnfinished fails the test if spans came that their provider had to end itself: at its shutdown,
// or because too many were open ([tracing.WithOpenSpanLimit]). The text names each of them with the
// names of its ancestors, its span id and what it has recorded. [New] calls it; who uses
// [NewRecorder] calls it after the provider's shutdown.
func (r *Recorder) CheckUnfinished(t testing.TB) {
	t.Helper()
	r.mu.Lock()
	var left []*tracing.SpanData
	if !r.allowAll {
		for _, d := range r.unfinished {
			if !r.allowed[d.Name] {
				left = append(left, d)
			}
		}
	}
	r.mu.Unlock()
	if len(left) == 0 {
		return
	}
	p := newPaths(append(r.Spans(), left...))
	var b strings.Builder
	for _, d := range left {
		fmt.Fprintf(&b, "\n  %s, span id %s", p.of(d), d.SpanContext.SpanID())
		for _, kv := range sorted(d.Attributes) {
			if kv.Key != unfinishedKey {
				fmt.Fprintf(&b, ", %s=%s", kv.Key, valueText(kv.Value))
			}
		}
	}
	count := "1 span was"
	if len(left) > 1 {
		count = fmt.Sprintf("%d spans were", len(left))
	}
	t.Errorf("tracetest: %s never ended (AllowUnfinished allows it):%s", count, b.String())
}
