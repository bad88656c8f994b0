// SPDX-License-Identifier: Apache-2.0

package tracetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spandrel-go/spandrel/internal/testkit"
	"github.com/spandrel-go/spandrel/tracing"
)

// deliveryRules hold for ExportSpans and for encoded requests alike.
func deliveryRules() []rule {
	return []rule{
		{
			name:  "order",
			text:  "spans arrive once each, in the order in which they were lent, those of one local trace side by side",
			check: checkOrder,
		},
		{
			name:  "borrowing",
			text:  "the exporter changes nothing that it borrows, and reads nothing after it has returned",
			check: checkBorrowing,
		},
		{
			name:  "every value",
			text:  "whatever a span holds is taken, or that span alone is rejected and counted",
			check: checkValues,
		},
		{
			name: "refused", answer: AnswerNo,
			text:  "a request that the backend refuses is an error, one that cannot be retried, and the next may succeed",
			check: checkRefused,
		},
		{
			name: "busy", answer: AnswerBusy,
			text:  "a backend that asks to come again makes a Retryable *tracing.ExportError with its RetryAfter, at once",
			check: checkBusy,
		},
		{
			name: "too large", answer: AnswerTooLarge,
			text:  "a request that is too large for the backend makes a TooLarge *tracing.ExportError, which is not Retryable",
			check: checkTooLarge,
		},
		{
			name: "deadline", answer: AnswerNever,
			text:  "an export ends with an error when ctx is done, whatever the backend does",
			check: checkDeadline,
		},
		{
			name:  "ctx that is done",
			text:  "an export whose ctx is done already returns at once: with an error, or delivered",
			check: checkDoneContext,
		},
		{
			name:  "shutdown",
			text:  "Shutdown returns, a second call too, and what is exported afterwards is an error and does not arrive",
			check: checkShutdown,
		},
		{
			name: "shutdown in time", answer: AnswerNever,
			text:  "Shutdown returns when ctx is done, whatever the backend does",
			check: checkShutdownInTime,
		},
		{
			name:  "goroutines",
			text:  "no goroutine of the exporter is left after Shutdown",
			check: checkGoroutines,
		},
	}
}

// encodingRules are those of exporters that encode.
func encodingRules() []rule {
	return []rule{
		{
			name:  "append",
			text:  "AppendResource, AppendSpan and AppendRequest append: what stands in dst stays, and what they add does not depend on it",
			check: checkAppend,
		},
		{
			name:  "deterministic",
			text:  "the same resource, span or batch is encoded the same each time, so that a request can be made again",
			check: checkDeterministic,
		},
		{
			name:  "parts",
			text:  "a batch sent in parts arrives as the batch does",
			check: checkParts,
		},
		{
			name:  "same as ExportSpans",
			text:  "ExportSpans and encoded requests give the backend the same",
			check: checkSame,
		},
		{
			name:  "concurrency",
			text:  "AppendSpan may run beside AppendRequest and SendRequest, for several providers at once",
			check: checkConcurrency,
		},
	}
}

// providerRules are about the exporter behind a provider.
func providerRules() []rule {
	return []rule{{
		name:  "provider",
		text:  "behind a provider, everything arrives, and Stats agrees with what the backend got",
		check: checkProvider,
	}}
}

func checkOrder(k *kit) {
	l := k.target()
	s := newSamples()
	first, second, third := s.traces(3, 1, 2), s.traces(1), s.traces(20, 1)
	for _, batch := range [][]*tracing.SpanData{first, second, third} {
		l.delivered(batch)
	}
	l.got(slices.Concat(first, second, third))
}

func checkBorrowing(k *kit) {
	clean, l := k.target(), k.target()
	s := newSamples()
	for _, spans := range [][]*tracing.SpanData{s.traces(3, 2), s.traces(1)} {
		clean.delivered(clones(spans))
		ctx, cancel := context.WithTimeout(context.Background(), returnsWithin)
		defer cancel()
		var err error
		if k.rule.form == plain {
			before := digest(spans)
			err = l.export(ctx, spans)
			k.unchanged("ExportSpans", before, digest(spans))
			overwrite(spans)
		} else {
			var before []string
			lend := func(d []*tracing.SpanData) { before = digest(d) }
			err = l.deliverEncoded(ctx, spans, lend, func(d []*tracing.SpanData) {
				k.unchanged("AppendSpan", before, digest(d))
				overwrite(d)
			})
		}
		if err != nil {
			k.ended("spans that nothing is wrong with met an error: %v", err)
		}
	}
	same := func() {
		k.same("spans that were left alone", "spans that were overwritten after the return", clean.Received(), l.Received())
	}
	if same(); k.Failed() {
		return
	}
	for _, target := range []*lender{clean, l} { // a keeper may read late
		if err := target.shutdown(context.Background()); err != nil {
			k.broken("Shutdown: %v", err)
		}
	}
	same()
}

// unchanged compares two digests.
func (k *kit) unchanged(who string, before, after []string) {
	k.Helper()
	if !slices.Equal(before, after) {
		k.broken("%s changed what it borrowed, - before, + after:\n%s", who,
			changedLines(diff(strings.Join(before, "\n"), strings.Join(after, "\n"))))
	}
}

// changedLines leaves the lines of a diff that differ, not too many.
func changedLines(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "  ") {
			lines = append(lines, line)
		}
	}
	if n := len(lines); n > 10 {
		lines = append(lines[:10], fmt.Sprintf("and %d more\n", n-10))
	}
	return strings.Join(lines, "")
}

func checkValues(k *kit) {
	s := newSamples()
	failures := 0
	for _, odd := range oddSpans() {
		if failures == 5 {
			k.broken("further values were not tried")
			return
		}
		l := k.target()
		before, d, after := s.span("before"), s.span("odd"), s.span("after")
		odd.set(d)
		ctx, cancel := context.WithTimeout(context.Background(), returnsWithin)
		defer cancel()
		lent := []*tracing.SpanData{before, d, after}
		sum := digest(lent)
		err := l.deliver(ctx, lent)
		k.unchanged("the exporter, given "+odd.what+",", sum, digest(lent))
		rejected := 0
		if err != nil {
			var e *tracing.ExportError
			if !errors.As(err, &e) || e.Rejected != 1 {
				k.broken("%s: the batch failed: %v", odd.what, err)
				failures++
				continue
			}
			rejected = 1
		}
		got := l.Received()
		first := slices.IndexFunc(got, func(r Received) bool { return r.Name == before.Name })
		last := slices.IndexFunc(got, func(r Received) bool { return r.Name == after.Name })
		if len(got) != 3-rejected || first < 0 || last < first {
			k.broken("%s: %d of 3 spans were rejected, and the backend got %d: %s", odd.what, rejected, len(got), receivedNames(got))
			failures++
		}
	}
}

func receivedNames(list []Received) string {
	var names []string
	for _, r := range list {
		names = append(names, fmt.Sprintf("%.40q", r.Name))
	}
	return strings.Join(names, ", ")
}

// fails delivers spans to a backend that gives this answer, and returns the error.
func (l *lender) fails(ctx context.Context, a Answer, spans []*tracing.SpanData) error {
	l.kit.Helper()
	l.Answer(a)
	err := l.deliver(ctx, spans)
	if err == nil {
		l.kit.ended("the error was swallowed: it returned nil")
	}
	var e *tracing.ExportError
	if errors.As(err, &e) && e.Err == nil {
		l.kit.ended("the ExportError has no cause: Err is nil")
	}
	return err
}

func checkRefused(k *kit) {
	l := k.target()
	s := newSamples()
	err := l.fails(context.Background(), AnswerNo, s.traces(2))
	var e *tracing.ExportError
	if errors.As(err, &e) && (e.Retryable || e.Rejected != 0) {
		k.broken("the error says Retryable=%v, Rejected=%d: %v", e.Retryable, e.Rejected, err)
	}
	before := len(l.Received())
	l.Answer(AnswerOK)
	l.delivered(s.traces(1))
	if n := len(l.Received()); n != before+1 {
		k.broken("after a refusal, the next span did not arrive: the backend has %d spans, and had %d before", n, before)
	}
}

// exportError returns the ExportError in err.
func (k *kit) exportError(err error) *tracing.ExportError {
	k.Helper()
	var e *tracing.ExportError
	if !errors.As(err, &e) {
		k.ended("the error is no *tracing.ExportError: %v", err)
		return &tracing.ExportError{Err: err}
	}
	return e
}

func checkBusy(k *kit) {
	e := k.exportError(k.target().fails(context.Background(), AnswerBusy, newSamples().traces(2)))
	if !e.Retryable || e.RetryAfter != BusyFor || e.TooLarge || e.Rejected != 0 {
		k.broken("the error says Retryable=%v, RetryAfter=%v (asked for %v), TooLarge=%v, Rejected=%d", e.Retryable, e.RetryAfter, BusyFor, e.TooLarge, e.Rejected)
	}
}

func checkTooLarge(k *kit) {
	e := k.exportError(k.target().fails(context.Background(), AnswerTooLarge, newSamples().traces(2)))
	if !e.TooLarge || e.Retryable || e.Rejected != 0 {
		k.broken("the error says TooLarge=%v, Retryable=%v, Rejected=%d", e.TooLarge, e.Retryable, e.Rejected)
	}
}

// soon is a deadline that passes while an exporter waits for a backend.
const soon = 30 * time.Millisecond

func checkDeadline(k *kit) {
	l := k.target()
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	defer cancel()
	_ = l.fails(ctx, AnswerNever, newSamples().traces(2)) // that there is an error is what is checked
	l = k.target()
	ctx, cancel = context.WithCancel(context.Background())
	defer cancel()
	timer := time.AfterFunc(soon, cancel)
	defer timer.Stop()
	_ = l.fails(ctx, AnswerNever, newSamples().traces(2))
}

func checkDoneContext(k *kit) {
	l := k.target()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	spans := newSamples().traces(2)
	if err := l.deliver(ctx, spans); err == nil {
		l.got(spans)
	}
}

// shutdown calls Shutdown, which must return.
func (l *lender) shutdown(ctx context.Context) (err error) {
	l.kit.Helper()
	l.closed = true
	l.within("Shutdown", func() { err = l.Exporter.Shutdown(ctx) })
	return err
}

func checkShutdown(k *kit) {
	l := k.target()
	s := newSamples()
	spans := s.traces(2)
	l.delivered(spans)
	if err := l.shutdown(context.Background()); err != nil {
		k.broken("Shutdown returned an error although nothing was wrong: %v", err)
	}
	_ = l.shutdown(context.Background()) // that it returns is what is checked
	l.got(spans)
	if l.OutlivesShutdown {
		return
	}
	late := s.traces(1)
	if err := l.deliver(context.Background(), late); err == nil {
		k.broken("an export after Shutdown returned nil")
	}
	l.got(spans)
}

func checkShutdownInTime(k *kit) {
	l := k.target()
	l.delivered(newSamples().traces(2))
	l.Answer(AnswerNever)
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	defer cancel()
	_ = l.shutdown(ctx) // that it returns is what is checked
}

// scope is a test whose cleanups run earlier.
type scope struct {
	testing.TB
	mu       sync.Mutex // guards cleanups
	cleanups []func()
}

func (s *scope) Cleanup(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cleanups = append(s.cleanups, f)
}

// close runs the cleanups, the last one first.
func (s *scope) close() {
	for {
		s.mu.Lock()
		n := len(s.cleanups)
		if n == 0 {
			s.mu.Unlock()
			return
		}
		f := s.cleanups[n-1]
		s.cleanups = s.cleanups[:n-1]
		s.mu.Unlock()
		f()
	}
}

// checkGoroutines finds the goroutines of the exporter, and of nobody else.
func checkGoroutines(k *kit) {
	outer := k.TB
	sc := &scope{TB: outer}
	left := testkit.LeftGoroutines(fmt.Sprintf("%s %p", outer.Name(), sc), returnsWithin, func() {
		defer sc.close()
		k.TB = sc
		defer func() { k.TB = outer }()
		l := &lender{kit: k, Target: k.rule.newTarget(sc)}
		l.delivered(newSamples().traces(2))
		if err := l.shutdown(context.Background()); err != nil {
			k.broken("Shutdown: %v", err)
		}
	})
	if left != "" {
		k.broken("%s", left)
	}
}

func checkAppend(k *kit) {
	l := k.target()
	spans := newSamples().traces(3)
	batch := l.batch(spans)
	for _, c := range []struct {
		name   string
		append func(dst []byte) []byte
	}{
		{"AppendResource", func(dst []byte) []byte { return l.appendResource(dst, spans[0].Resource) }},
		{"AppendSpan", func(dst []byte) []byte { return l.appendSpan(dst, spans[1]) }},
		{"AppendRequest", func(dst []byte) []byte { return l.appendRequest(dst, batch) }},
	} {
		alone := c.append(nil)
		const prefix = "what stood there"
		for _, room := range []int{0, 1 << 16} {
			dst := append(make([]byte, 0, len(prefix)+room), prefix...)
			got := c.append(dst)
			if string(dst) != prefix || !bytes.HasPrefix(got, []byte(prefix)) {
				k.broken("%s with room for %d bytes more did not keep what stood in dst: %.100q", c.name, room, got)
			} else if rest := got[len(prefix):]; !bytes.Equal(rest, alone) {
				k.broken("%s with room for %d bytes more added something else than to an empty dst, - empty, + not:\n%s",
					c.name, room, diff(fmt.Sprintf("%q", alone), fmt.Sprintf("%q", rest)))
			}
		}
	}
}

func checkDeterministic(k *kit) {
	l := k.target()
	spans := newSamples().traces(3)
	first := l.batch(spans)
	request := l.appendRequest(nil, first)
	for range 10 { // the order of a map differs now and then
		again := l.batch(spans)
		if a, b := batchText(first), batchText(again); a != b {
			k.broken("AppendResource or AppendSpan made something else the second time, - first, + again:\n%s", diff(a, b))
			return
		}
		if b := l.appendRequest(nil, first); !bytes.Equal(request, b) {
			k.broken("AppendRequest made two requests of one batch, - first, + again:\n%s", diff(fmt.Sprintf("%q", request), fmt.Sprintf("%q", b)))
			return
		}
	}
}

func checkParts(k *kit) {
	whole, parts := k.target(), k.target()
	spans := newSamples().traces(3, 2, 1)
	ctx, cancel := context.WithTimeout(context.Background(), returnsWithin)
	defer cancel()
	whole.delivered(spans)
	b := parts.batch(spans)
	parts.appendRequest(nil, b) // the whole, which was too large
	for _, at := range [][2]int{{0, 1}, {1, 3}, {3, len(spans)}} {
		if err := parts.sendBatch(ctx, b.Part(at[0], at[1])); err != nil {
			k.ended("a part met an error: %v", err)
		}
	}
	parts.got(spans)
	k.same("the whole", "the parts", whole.Received(), parts.Received())
}

func checkSame(k *kit) {
	exported, sent := k.target(), k.target()
	spans := newSamples().traces(3, 1, 2)
	ctx, cancel := context.WithTimeout(context.Background(), returnsWithin)
	defer cancel()
	if err := exported.export(ctx, spans); err != nil {
		k.ended("ExportSpans met an error: %v", err)
	}
	sent.delivered(spans)
	exported.got(spans)
	k.same("by ExportSpans", "by SendRequest", exported.Received(), sent.Received())
}

func checkConcurrency(k *kit) {
	const providers, requests, size = 2, 10, 5
	l := k.target()
	e := l.encoder()
	ctx, cancel := context.WithTimeout(context.Background(), returnsWithin)
	defer cancel()
	s := newSamples()
	want := map[string]int{}
	errs := make(chan error, providers*(requests+2))
	caught := func() {
		if v := recover(); v != nil {
			errs <- fmt.Errorf("panic: %v", v)
		}
	}
	var wg sync.WaitGroup
	for range providers {
		var batches [][]*tracing.SpanData
		for range requests {
			spans := s.traces(size)
			for _, d := range spans {
				want[d.Name]++
			}
			batches = append(batches, spans)
		}
		resource := l.appendResource(nil, s.resource)
		outbox := make(chan tracing.EncodedBatch, requests)
		wg.Go(func() {
			defer close(outbox)
			defer caught()
			for _, spans := range batches {
				var parts [][]byte
				for _, d := range spans {
					parts = append(parts, e.AppendSpan(nil, d))
				}
				outbox <- tracing.NewEncodedBatch(resource, parts...)
			}
		})
		wg.Go(func() {
			defer caught()
			var body []byte
			for b := range outbox {
				body = e.AppendRequest(body[:0], b)
				errs <- e.SendRequest(ctx, body, b.Len())
			}
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			k.broken("%v", err)
		}
	}
	for _, r := range l.Received() {
		want[r.Name]--
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if n := want[name]; n != 0 {
			k.broken("%s arrived %d times, want once", name, 1-n)
		}
	}
}

func checkProvider(k *kit) {
	l := k.target()
	p, err := tracing.NewProvider(
		noEnvironment(),
		tracing.WithExporter(l.Exporter, tracing.WithBatchSpans(3)),
		tracing.WithIDGenerator(&IDs{}), tracing.WithServiceName("tracetest"),
		tracing.WithLogger(slog.New(slog.DiscardHandler)), // a failure is in Stats
	)
	if err != nil {
		k.ended("NewProvider: %v", err)
		return
	}
	tracer := p.NewTracer("tracetest")
	var want []*tracing.SpanData
	for _, trace := range []string{"first", "second"} {
		ctx, root := tracer.StartSpan(context.Background(), trace)
		want = append(want, &tracing.SpanData{Name: trace, SpanContext: root.SpanContext()})
		for i := range 3 {
			_, child := tracer.StartSpan(ctx, fmt.Sprintf("%s-%d", trace, i))
			want = append(want, &tracing.SpanData{Name: fmt.Sprintf("%s-%d", trace, i), SpanContext: child.SpanContext()})
			child.SetAttribute("number", i)
			child.End()
		}
		root.End()
	}
	ctx, cancel := context.WithTimeout(context.Background(), returnsWithin)
	defer cancel()
	l.closed = true
	if err := p.Shutdown(ctx); err != nil {
		k.broken("Shutdown of the provider: %v", err)
	}
	l.got(want)
	if s := p.Stats().Exporters[0]; s.Exported != uint64(len(want)) || s.Dropped.Sum() != 0 {
		k.broken("Stats says %d of %d spans were exported and %d dropped", s.Exported, len(want), s.Dropped.Sum())
	}
}
