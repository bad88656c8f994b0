// SPDX-License-Identifier: Apache-2.0

package tracing_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/sampling"
	"github.com/spandrel-go/spandrel/tracing"
)

// misuse calls everything that a span has, with arguments that make no sense.
func misuse(s trace.Span) {
	s.SetName("")
	s.SetAttributes()
	s.SetAttributes(attribute.KeyValue{}, attribute.String("", "no key"), attribute.KeyValue{Key: "no value"})
	s.SetStatus(codes.Code(99), "no such code")
	s.AddEvent("")
	s.AddEvent("e", trace.WithTimestamp(time.Time{}), trace.WithAttributes(attribute.KeyValue{}))
	s.AddEvent("far", trace.WithTimestamp(time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)))
	s.AddLink(trace.Link{})
	s.AddLink(trace.Link{Attributes: []attribute.KeyValue{{}}})
	s.RecordError(nil)
	s.End(trace.WithTimestamp(time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)))
	s.End()
	s.RecordError(errBackend)
	s.SetAttributes(attribute.Int("late", 1))
}

func TestSpec_Misuse_does_not_panic(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]tracing.Option{
		"recording":     nil,
		"not recording": {tracing.WithSampler(sampling.AlwaysOff())},
		"with a processor": {tracing.WithProcessor(&processor{
			onEnding: func(s *tracing.Span) { s.End(); misuse(s) },
		})},
	} {
		tracer, r, p := api(t, append(opts, quiet())...)
		assert.NotPanics(t, func() {
			ctx, s := tracer.Start(nil, "") //nolint:staticcheck // no Go context is the misuse
			misuse(s)
			_, s = tracer.Start(ctx, "child of an ended one", trace.WithSpanKind(trace.SpanKind(-5)), trace.WithTimestamp(time.Time{}),
				trace.WithLinks(trace.Link{}), trace.WithAttributes(attribute.KeyValue{}))
			misuse(s)
			_, s = tracer.Start(trace.ContextWithSpan(context.Background(), nil), "of nil")
			misuse(s)
			_, s = tracer.Start(trace.ContextWithSpan(context.Background(), (*tracing.Span)(nil)), "of a typed nil")
			misuse(s)
			var none *tracing.Span
			misuse(none)
			misuse(&tracing.Span{})
			var noTracer *tracing.Tracer
			_, s = noTracer.Start(context.Background(), "no tracer")
			misuse(s)
			_, s = p.Tracer("", nil, trace.WithInstrumentationAttributes(attribute.KeyValue{})).Start(context.Background(), "nil option")
			misuse(s)
		}, name)
		flush(t, p)
		if name != "not recording" {
			assert.Len(t, r.Spans(), 5, name)
		}
		sumsHold(t, p)
	}
}

func TestSpec_Safe_defaults(t *testing.T) {
	t.Parallel()
	tracer, r, p := api(t)
	before := time.Now()
	ctx, s := tracer.Start(nil, "", trace.WithSpanKind(trace.SpanKind(99)), trace.WithTimestamp(time.Time{})) //nolint:staticcheck // no Go context is what is tested
	require.NotNil(t, ctx)
	assert.Same(t, s, trace.SpanFromContext(ctx))
	s.AddEvent("", trace.WithTimestamp(time.Time{}))
	s.SetStatus(codes.Code(99), "")
	s.End(trace.WithTimestamp(time.Time{}))
	flush(t, p)
	require.Len(t, r.Spans(), 1)
	d := r.Spans()[0]
	assert.False(t, d.Parent.IsValid())
	assert.Equal(t, trace.SpanKindInternal, d.Kind)
	after := time.Now()
	for _, at := range []time.Time{d.StartTime, d.Events[0].Time, d.EndTime} {
		assert.WithinRange(t, at, before.Add(-time.Millisecond), after.Add(time.Millisecond), "the zero time means now")
	}
	assert.Equal(t, tracing.Status{}, d.Status)
}

func TestSpec_Bad_options_fail_early(t *testing.T) {
	t.Parallel()
	for name, opt := range map[string]tracing.Option{
		"opts[0]":           nil,
		"WithExporter":      tracing.WithExporter(nil),
		"WithProcessor":     tracing.WithProcessor((*processor)(nil)),
		"WithSampler":       tracing.WithSampler(nil),
		"WithServiceName":   tracing.WithServiceName(""),
		"WithIDGenerator":   tracing.WithIDGenerator(nil),
		"WithLogger":        tracing.WithLogger(nil),
		"WithOpenSpanLimit": tracing.WithOpenSpanLimit(0),
		"WithQueueSpans":    tracing.WithExporter(&collector{}, tracing.WithQueueSpans(-1)),
		"WithQueueBytes":    tracing.WithExporter(&collector{}, tracing.WithQueueBytes(0)),
		"WithBatchSpans":    tracing.WithExporter(&collector{}, tracing.WithBatchSpans(0)),
		"WithBatchBytes":    tracing.WithExporter(&collector{}, tracing.WithBatchBytes(0)),
		"WithBatchDelay":    tracing.WithExporter(&collector{}, tracing.WithBatchDelay(0)),
		"WithExportTimeout": tracing.WithExporter(&collector{}, tracing.WithExportTimeout(-time.Second)),
		"WithQueueWait":     tracing.WithExporter(&collector{}, tracing.WithQueueWait(-time.Second)),
	} {
		assert.NotPanics(t, func() {
			p, err := tracing.NewProvider(opt)
			require.Error(t, err, name)
			assert.Nil(t, p, name)
			assert.Contains(t, err.Error(), name, "the error names the option")
		}, name)
	}
}

// work makes n spans, and checks that nobody notices what happens behind them.
func work(t *testing.T, p *tracing.Provider, n int) {
	t.Helper()
	tracer := p.Tracer("test")
	assert.NotPanics(t, func() {
		for i := range n {
			ctx, root := tracer.Start(context.Background(), fmt.Sprint("root ", i))
			_, child := tracer.Start(ctx, "child")
			assert.True(t, child.IsRecording())
			child.End()
			root.End()
		}
	})
}

func TestSpec_Exporter_errors_stay_inside(t *testing.T) {
	t.Parallel()
	for name, err := range map[string]error{
		"plain":     errBackend,
		"own":       &tracing.ExportError{Err: errBackend},
		"too large": &tracing.ExportError{Err: errBackend, TooLarge: true},
		"rejected":  &tracing.ExportError{Err: errBackend, Rejected: 1000},
		"without a cause, which the exporter must not do": &tracing.ExportError{},
	} {
		for kind, e := range map[string]tracing.Exporter{
			"plain":    &collector{export: func(context.Context, []*tracing.SpanData) error { return err }},
			"encoding": &encoder{send: func(context.Context, []string) error { return err }},
		} {
			p := newProvider(t, quiet(), tracing.WithExporter(e, tracing.WithBatchSpans(3)))
			work(t, p, 10)
			_ = p.ForceFlush(context.Background()) // which tells, see ForceFlush reports outcome
			s := p.Stats().Exporters[0]
			assert.EqualValues(t, 20, s.Exported+s.Dropped.Sum(), "%s, %s: %+v", name, kind, s)
			assert.Zero(t, s.Exported, "%s, %s", name, kind)
			sumsHold(t, p)
		}
	}
}

// panicky are exporters that panic wherever they can.
func panicky() map[string]tracing.Exporter {
	return map[string]tracing.Exporter{
		"ExportSpans": &collector{export: func(context.Context, []*tracing.SpanData) error { panic("ExportSpans") }},
		"AppendSpan":  &encoder{appendSpan: func([]byte, *tracing.SpanData) []byte { panic("AppendSpan") }},
		"SendRequest": &encoder{send: func(context.Context, []string) error { panic("SendRequest") }},
		"Shutdown":    &collector{shutdown: func(context.Context) error { panic("Shutdown") }},
	}
}

func TestSpec_Exporter_panics_stay_inside(t *testing.T) {
	t.Parallel()
	for name, e := range panicky() {
		good := &collector{}
		p := newProvider(t, quiet(), tracing.WithExporter(e, tracing.WithBatchSpans(3)), tracing.WithExporter(good))
		work(t, p, 10)
		err := p.ForceFlush(context.Background())
		if name != "Shutdown" && name != "AppendSpan" {
			require.ErrorContains(t, err, name)
		}
		err = p.Shutdown(context.Background())
		if name == "Shutdown" {
			require.ErrorContains(t, err, "Shutdown")
		}
		assert.Len(t, good.spans(), 20, "%s: the other exporter", name)
		s := p.Stats().Exporters[0]
		assert.EqualValues(t, 20, s.Exported+s.Dropped.Sum(), "%s: %+v", name, s)
		sumsHold(t, p)
	}
}

func TestSpec_Pipeline_survives_panics(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		broken := true
		c := &collector{export: func(context.Context, []*tracing.SpanData) error {
			if broken {
				panic("broken")
			}
			return nil
		}}
		e := &encoder{appendSpan: func(dst []byte, d *tracing.SpanData) []byte {
			if broken {
				panic("broken")
			}
			return appendName(dst, d.Name)
		}}
		second := tracing.WithBatchDelay(time.Second)
		p := newProvider(t, quiet(), tracing.WithExporter(c, second), tracing.WithExporter(e, second))
		for range 5 {
			work(t, p, 3)
			time.Sleep(2 * time.Second)
		}
		synctest.Wait()
		assert.Empty(t, c.spans())
		broken = false
		work(t, p, 3)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		assert.Len(t, c.spans(), 6)
		assert.Len(t, slicesOf(e.sent()), 6)
		shutdown(t, p)
		sumsHold(t, p)
	})
}

// noisy is a value whose methods panic: none of them may be called.
type noisy struct{ secret string }

func (noisy) String() string                  { panic("String") }
func (noisy) GoString() string                { panic("GoString") }
func (noisy) Error() string                   { panic("Error") }
func (noisy) Format(fmt.State, rune)          { panic("Format") }
func (noisy) MarshalText() ([]byte, error)    { panic("MarshalText") }
func (noisy) MarshalJSON() ([]byte, error)    { panic("MarshalJSON") }
func (noisy) LogValue() slog.Value            { panic("LogValue") }
func (*noisy) MarshalBinary() ([]byte, error) { panic("MarshalBinary") }

func TestSpec_No_string_method_is_called(t *testing.T) {
	t.Parallel()
	const typ = "tracing_test.noisy"
	d := one(t, func(s *tracing.Span) {
		s.SetAttribute("value", noisy{})
		s.SetAttribute("pointer", &noisy{"s"})
		s.SetAttribute("list", []any{noisy{}})
	})
	assert.Equal(t, []attribute.KeyValue{
		attribute.String("value", typ), attribute.String("pointer", "*"+typ), attribute.Slice("list", attribute.StringValue(typ)),
	}, d.Attributes)
	tracer, _, _ := api(t)
	ctx, s := tracer.Start(context.WithValue(context.Background(), ctxKey("k"), noisy{}), "one", trace.WithAttributes(attribute.Int("a", 1)))
	assert.NotPanics(t, func() { _ = fmt.Sprintf("%v %+v %s", ctx, ctx, s) }, "printing a Go context")
}

func TestSpec_Never_nil(t *testing.T) {
	t.Parallel()
	on, off, closed := newProvider(t), newProvider(t, tracing.WithSampler(sampling.AlwaysOff())), newProvider(t)
	shutdown(t, closed)
	var noTracer *tracing.Tracer
	for name, tracer := range map[string]trace.Tracer{
		"sampled": on.Tracer("test"), "not sampled": off.Tracer("test"), "after Shutdown": closed.Tracer("test"),
		"without a name": on.Tracer(""), "nil": noTracer, "no-op": on.NewTracer("noop", tracing.WithNoop()),
		"of the global provider, before there is one": tracing.NewTracer("spec"),
	} {
		for _, ctx := range []context.Context{nil, context.Background(), trace.ContextWithSpan(context.Background(), nil)} {
			got, s := tracer.Start(ctx, "one")
			require.NotNil(t, got, name)
			require.NotNil(t, s, name)
			assert.NotPanics(t, func() {
				require.NotNil(t, s.TracerProvider(), name)
				_, child := s.TracerProvider().Tracer("child").Start(got, "child")
				require.NotNil(t, child, name)
				child.SetAttributes(attribute.Int("a", 1))
				child.End()
				s.End()
				require.NotNil(t, trace.SpanFromContext(got), name)
			}, name)
		}
	}
	var none *tracing.Span
	assert.NotNil(t, none.TracerProvider())
}

// logged returns a logger and what it has written.
func logged() (*slog.Logger, *syncBuffer) {
	b := &syncBuffer{}
	return slog.New(slog.NewTextHandler(b, &slog.HandlerOptions{Level: slog.LevelDebug})), b
}

func TestSpec_Suppressed_errors_are_logged(t *testing.T) {
	t.Parallel()
	failed := errors.New("no route to host")
	for name, e := range map[string]tracing.Exporter{
		"an error": &collector{export: func(context.Context, []*tracing.SpanData) error { return failed }},
		"a panic":  &encoder{send: func(context.Context, []string) error { panic(failed.Error()) }},
	} {
		logger, log := logged()
		p := newProvider(t, tracing.WithLogger(logger), tracing.WithExporter(e))
		for range 10 {
			work(t, p, 1)
			_ = p.ForceFlush(context.Background())
		}
		assert.Contains(t, log.String(), "no route to host", name)
		lines := strings.Count(log.String(), "\n")
		assert.Less(t, lines, 5, "%s: once, not for each batch:\n%s", name, log.String())
	}
}

// The error handler of a Go program is its logger: it may be another one for each provider, and may be
// told to be silent.
func TestSpec_Error_handler(t *testing.T) {
	t.Parallel()
	fail := func(context.Context, []*tracing.SpanData) error { return errBackend }
	first, firstLog := logged()
	second, secondLog := logged()
	one := newProvider(t, tracing.WithLogger(first), tracing.WithExporter(&collector{export: fail}))
	two := newProvider(t, tracing.WithLogger(second), tracing.WithExporter(&collector{}))
	silent := newProvider(t, quiet(), tracing.WithExporter(&collector{export: fail}))
	for _, p := range []*tracing.Provider{one, two, silent} {
		work(t, p, 1)
		_ = p.ForceFlush(context.Background())
	}
	assert.Contains(t, firstLog.String(), errBackend.Error())
	assert.Empty(t, secondLog.String())
	assert.ErrorIs(t, silent.Stats().Exporters[0].LastError, errBackend, "and without any log it can be read")
}

// nilError's method reads a field: it panics for a nil pointer.
type nilError struct{ text string }

func (e *nilError) Error() string { return e.text }

func TestSpec_Nil_options_do_not_panic(t *testing.T) {
	t.Parallel()
	for name, sampler := range map[string]sampling.Sampler{"recording": sampling.AlwaysOn(), "not recording": sampling.AlwaysOff()} {
		tracer, r, p := api(t, tracing.WithSampler(sampler))
		assert.NotPanics(t, func() {
			_, s := tracer.Start(context.Background(), "one", nil, trace.WithAttributes(attribute.Int("a", 1)), nil)
			s.AddEvent("e", nil, trace.WithAttributes(attribute.Int("b", 2)))
			s.RecordError(errBackend, nil)
			s.RecordError((*nilError)(nil))
			s.End(nil)
		}, name)
		flush(t, p)
		if name == "recording" {
			d := r.Span(t, "one")
			assert.Equal(t, []attribute.KeyValue{attribute.Int("a", 1)}, d.Attributes)
			require.Len(t, d.Events, 3)
			assert.Equal(t, []attribute.KeyValue{attribute.Int("b", 2)}, d.Events[0].Attributes)
			text, _ := value(d.Events[2].Attributes, "exception.message")
			assert.Equal(t, "the Error method of this error panics", text.AsString())
		}
	}
}
