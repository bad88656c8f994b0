// SPDX-License-Identifier: Apache-2.0

package tracetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/tracing"
)

// Target is an exporter with a backend of its own, for [TestExporter].
type Target struct {
	Exporter tracing.Exporter
	// Received returns the spans that the backend got so far, in the order in which it got them. It is
	// called when no call of the exporter is under way, and must wait for a backend that is behind.
	Received func() []Received
	// Answer makes the backend answer in the given way from now on, and reports false if this backend
	// cannot. At first it answers [AnswerOK]. Nil: it cannot do anything else. Rules about answers that
	// a backend cannot give are not checked.
	Answer func(Answer) bool
	// OutlivesShutdown says that the exporter takes spans after Shutdown, by design: such as one that
	// is shared by several providers and keeps spans in memory.
	OutlivesShutdown bool
}

// Received is a span as the backend got it.
type Received struct {
	Name string
	// TraceID and SpanID are zero where the backend does not get them.
	TraceID trace.TraceID
	SpanID  trace.SpanID
	// Rest is the rest of what the backend got for this span, as a text in any form, and may be empty.
	// The kit compares the texts of one span that was delivered in several ways.
	Rest string
}

// Answer is how a backend answers.
type Answer int

// The answers.
const (
	AnswerOK       Answer = iota
	AnswerNo              // it refuses the request, and would refuse it again
	AnswerBusy            // it asks to come again after [BusyFor]
	AnswerTooLarge        // it refuses the request because of its size
	AnswerNever           // it takes the request and does not answer
)

// BusyFor is the time that a busy backend asks for: 7 seconds.
const BusyFor = 7 * time.Second

// returnsWithin is how long a call of an exporter may take that has no reason to wait. It is a limit
// for broken exporters, far above what a loaded machine needs.
const returnsWithin = 5 * time.Second

// TestExporter checks that an exporter keeps the rules of [tracing.Exporter] and, if it encodes, those
// of [tracing.EncodingExporter], in a parallel subtest for each. A failure says in words which rule is
// broken. newTarget is called for each subtest, at times more than once, and once by TestExporter
// itself; it registers with t.Cleanup whatever must go when the test ends, and does not call
// Shutdown: the kit does.
//
// Run it with -race as well: some rules about concurrency only the race detector sees broken.
func TestExporter(t *testing.T, newTarget func(t testing.TB) Target) {
	t.Helper()
	for _, c := range rules(t, newTarget) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.run(t)
		})
	}
}

// rule is one rule, for one way of delivering.
type rule struct {
	name   string
	text   string // what an exporter does that keeps it
	answer Answer // what the backend must be able to answer, beside OK
	check  func(k *kit)

	form      form
	newTarget func(t testing.TB) Target
}

// form is a way to deliver spans.
type form int

const (
	plain   form = iota // by ExportSpans
	encoded             // by AppendSpan, AppendRequest and SendRequest
)

// rules returns those that can be checked.
func rules(t testing.TB, newTarget func(t testing.TB) Target) (all []rule) {
	t.Helper()
	probe := newTarget(t)
	if probe.Exporter == nil || probe.Received == nil {
		t.Fatalf("tracetest: TestExporter: a Target needs an Exporter and Received")
		return nil
	}
	able := map[Answer]bool{AnswerOK: true}
	for a := AnswerNo; a <= AnswerNever && probe.Answer != nil; a++ {
		able[a] = probe.Answer(a)
	}
	if probe.Answer != nil {
		probe.Answer(AnswerOK)
	}
	ctx, cancel := context.WithTimeout(context.Background(), returnsWithin)
	defer cancel()
	if err := probe.Exporter.Shutdown(ctx); err != nil {
		t.Errorf("tracetest: TestExporter: Shutdown of an exporter that was never used: %v", err)
	}
	add := func(prefix string, f form, list []rule) {
		for _, r := range list {
			if able[r.answer] {
				r.name, r.form, r.newTarget = prefix+r.name, f, newTarget
				all = append(all, r)
			}
		}
	}
	add("ExportSpans/", plain, deliveryRules())
	if _, ok := probe.Exporter.(tracing.EncodingExporter); ok {
		add("SendRequest/", encoded, deliveryRules())
		add("encoding/", encoded, encodingRules())
	}
	add("", plain, providerRules())
	return all
}

func (r rule) run(t testing.TB) {
	t.Helper()
	r.check(&kit{TB: t, rule: r})
}

// kit is what a check of a rule works with.
type kit struct {
	testing.TB
	rule rule
}

// broken fails the test. It goes on.
func (k *kit) broken(format string, args ...any) {
	k.Helper()
	k.Errorf("tracetest: broken rule: %s: %s", k.rule.text, fmt.Sprintf(format, args...))
}

// ended fails the test and ends it.
func (k *kit) ended(format string, args ...any) {
	k.Helper()
	k.Fatalf("tracetest: broken rule: %s: %s", k.rule.text, fmt.Sprintf(format, args...))
}

// target makes an exporter that is shut down at the end.
func (k *kit) target() *lender {
	k.Helper()
	l := &lender{kit: k, Target: k.rule.newTarget(k.TB)}
	k.Cleanup(func() {
		k.Helper()
		if l.Answer != nil {
			l.Answer(AnswerOK)
		}
		if !l.closed {
			_ = l.shutdown(context.Background()) // the rule about it looks at the error
		}
	})
	return l
}

// lender delivers spans to a target.
type lender struct {
	Target
	kit      *kit
	resource []byte // encoded, once it was needed
	have     bool
	closed   bool // Shutdown was called
}

// within calls f, which is a call of the exporter, and ends the test if it panics or does not return.
func (l *lender) within(what string, f func()) {
	l.kit.Helper()
	done := make(chan any, 1)
	go func() {
		defer func() { done <- recover() }()
		f()
	}()
	timer := time.NewTimer(returnsWithin)
	defer timer.Stop()
	select {
	case v := <-done:
		if v != nil {
			l.kit.ended("%s panicked: %v", what, v)
		}
	case <-timer.C:
		l.kit.ended("%s did not return within %v", what, returnsWithin)
	}
}

// deliver lends spans in the rule's form, in a slice of its own, and returns the error.
func (l *lender) deliver(ctx context.Context, spans []*tracing.SpanData) error {
	l.kit.Helper()
	if l.kit.rule.form == encoded {
		return l.deliverEncoded(ctx, spans, nil, nil)
	}
	return l.export(ctx, slices.Clone(spans))
}

// export lends spans and the slice that they stand in.
func (l *lender) export(ctx context.Context, spans []*tracing.SpanData) (err error) {
	l.kit.Helper()
	l.within("ExportSpans", func() { err = l.Exporter.ExportSpans(ctx, spans[:len(spans):len(spans)]) })
	return err
}

func (l *lender) encoder() tracing.EncodingExporter {
	e, _ := l.Exporter.(tracing.EncodingExporter)
	return e
}

// The encoder's methods, called as all of the exporter's are.

func (l *lender) appendResource(dst []byte, r *tracing.Resource) (out []byte) {
	l.kit.Helper()
	l.within("AppendResource", func() { out = l.encoder().AppendResource(dst, r) })
	return out
}

func (l *lender) appendSpan(dst []byte, d *tracing.SpanData) (out []byte) {
	l.kit.Helper()
	l.within("AppendSpan", func() { out = l.encoder().AppendSpan(dst, d) })
	return out
}

func (l *lender) appendRequest(dst []byte, b tracing.EncodedBatch) (out []byte) {
	l.kit.Helper()
	l.within("AppendRequest", func() { out = l.encoder().AppendRequest(dst, b) })
	return out
}

// batch encodes spans.
func (l *lender) batch(spans []*tracing.SpanData) tracing.EncodedBatch {
	l.kit.Helper()
	var parts [][]byte
	for _, d := range spans {
		parts = append(parts, l.appendSpan(nil, d))
	}
	return tracing.NewEncodedBatch(l.appendResource(nil, spans[0].Resource), parts...)
}

// deliverEncoded does what a pipeline does. lend and giveBack, unless nil, are called with each span
// before and after it is encoded.
func (l *lender) deliverEncoded(ctx context.Context, spans []*tracing.SpanData, lend, giveBack func([]*tracing.SpanData)) error {
	l.kit.Helper()
	var parts [][]byte
	rejected := 0
	for i, d := range spans {
		if !l.have {
			l.have = true
			l.resource = l.appendResource(nil, d.Resource)
		}
		if lend != nil {
			lend(spans[i : i+1])
		}
		part := l.appendSpan(nil, d)
		if giveBack != nil {
			giveBack(spans[i : i+1])
		}
		if len(part) == 0 {
			rejected++
			continue
		}
		parts = append(parts, part)
	}
	if len(parts) > 0 {
		if err := l.sendBatch(ctx, tracing.NewEncodedBatch(l.resource, parts...)); err != nil {
			return err
		}
	}
	if rejected > 0 {
		return &tracing.ExportError{Err: errors.New("AppendSpan returned dst as it was"), Rejected: rejected}
	}
	return nil
}

// sendBatch sends encoded spans, and gives the bytes back overwritten.
func (l *lender) sendBatch(ctx context.Context, b tracing.EncodedBatch) (err error) {
	l.kit.Helper()
	before := batchText(b)
	body := l.appendRequest(nil, b)
	if batchText(b) != before {
		l.kit.broken("AppendRequest changed the encoded spans or the resource that it borrowed")
	}
	text := string(body)
	for i := range b.Len() {
		clear(b.Span(i))
	}
	if string(body) != text {
		l.kit.broken("the request aliases the encoded spans")
	}
	l.within("SendRequest", func() { err = l.encoder().SendRequest(ctx, body, b.Len()) })
	if string(body) != text {
		l.kit.broken("SendRequest changed the body that it borrowed")
	}
	clear(body)
	return err
}

func batchText(b tracing.EncodedBatch) string {
	var text strings.Builder
	fmt.Fprintf(&text, "%q", b.Resource)
	for i := range b.Len() {
		fmt.Fprintf(&text, " %q", b.Span(i))
	}
	return text.String()
}

// delivered delivers spans that nothing is wrong with.
func (l *lender) delivered(spans []*tracing.SpanData) {
	l.kit.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), returnsWithin)
	defer cancel()
	if err := l.deliver(ctx, spans); err != nil {
		l.kit.ended("spans that nothing is wrong with met an error: %v", err)
	}
}

// got compares what the backend got with spans.
func (l *lender) got(want []*tracing.SpanData) {
	l.kit.Helper()
	got := l.Received()
	names := make([]string, len(want))
	for i, d := range want {
		names[i] = d.Name
	}
	gotNames := make([]string, len(got))
	for i, r := range got {
		gotNames[i] = r.Name
	}
	if a, b := strings.Join(names, "\n"), strings.Join(gotNames, "\n"); a != b {
		l.kit.broken("the backend got %d spans of %d, - lent, + got:\n%s", len(got), len(want), diff(a, b))
		return
	}
	for i, d := range want {
		r := got[i]
		if r.TraceID.IsValid() && r.TraceID != d.SpanContext.TraceID() || r.SpanID.IsValid() && r.SpanID != d.SpanContext.SpanID() {
			l.kit.broken("%s has the ids %s and %s, and arrived with %s and %s",
				d.Name, d.SpanContext.TraceID(), d.SpanContext.SpanID(), r.TraceID, r.SpanID)
		}
	}
}

// same compares what two backends got.
func (k *kit) same(wantWhat, gotWhat string, want, got []Received) {
	k.Helper()
	text := func(list []Received) string {
		var b strings.Builder
		for _, r := range list {
			fmt.Fprintf(&b, "%s %s %s\n", r.Name, r.TraceID, r.SpanID)
			for line := range strings.Lines(r.Rest) {
				b.WriteString("    " + strings.TrimSuffix(line, "\n") + "\n")
			}
		}
		return b.String()
	}
	if a, b := text(want), text(got); a != b {
		k.broken("what the backend got differs, - %s, + %s:\n%s", wantWhat, gotWhat, diff(a, b))
	}
}
