// SPDX-License-Identifier: Apache-2.0

package tracing_test

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/spandrel-go/spandrel/tracing"
	"github.com/spandrel-go/spandrel/tracing/tracetest"
)

// panickyError is an error whose Is panics.
type panickyError struct{}

func (panickyError) Error() string { return "bad" }
func (panickyError) Is(error) bool { panic("Is") }
func (panickyError) As(any) bool   { panic("As") }

// mute is an error whose text panics.
type mute struct{}

func (mute) Error() string { panic("Error") }

// agreeable is an error that says yes to everything.
type agreeable struct{}

func (agreeable) Error() string { return "yes" }
func (agreeable) Is(error) bool { return true }

// Whatever is wrong with an exporter's error, the program goes on and the spans are counted.
func TestErrorsThatAreWrongThemselves(t *testing.T) {
	t.Parallel()
	for name, wrong := range map[string]error{
		"without a cause": &tracing.ExportError{},
		"a typed nil":     (*tracing.ExportError)(nil),
		"Is panics":       panickyError{},
		"Error panics":    mute{},
		"Is says yes":     agreeable{},
		"wrapped":         &tracing.ExportError{Err: mute{}, Rejected: 100},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachKind(t, func(t *testing.T, kind string) {
				x := newTimed(kind, tracetest.Fail(wrong))
				p := newProvider(t, quiet(), tracing.WithExporter(x.Exporter))
				endMany(p.NewTracer("test"), 3)
				err := p.ForceFlush(context.Background())
				require.Error(t, err)
				assert.NotEmpty(t, err.Error())
				assert.EqualValues(t, 3, p.Stats().Exporters[0].Dropped.ExportFailed)
				shutdown(t, p)
				sumsHold(t, p)
			})
		})
	}
}

// unnamed is an exporter that cannot tell the name of its encoding.
type unnamed struct{ *encoder }

func (unnamed) EncodingName() string { panic("no name") }

func TestPanicInEncodingName(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, err := tracing.NewProvider(tracing.WithExporter(unnamed{&encoder{}}, tracing.WithSpool(dir, spoolBytes)))
	require.ErrorContains(t, err, "EncodingName")
	p := newProvider(t, tracing.WithExporter(&encoder{}, tracing.WithSpool(dir, spoolBytes)))
	shutdown(t, p) // the failed attempt holds nothing
}

// An exporter that ends its goroutine, as a test's FailNow does, has failed; a batch that is replayed too.
func TestExporterThatEndsItsGoroutine(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"plain", "encodes", "request", "replay"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				calls := 0
				end := func() {
					if calls++; calls == 1 {
						runtime.Goexit()
					}
				}
				var e tracing.Exporter
				opts := []tracing.PipelineOption{tracing.WithBatchSpans(1)}
				switch kind {
				case "plain":
					e = &collector{export: func(context.Context, []*tracing.SpanData) error { end(); return nil }}
				case "request":
					e = endsInRequest{&encoder{}, end}
				case "replay":
					dir := t.TempDir()
					tracer, p := inBubble(t, newBackend(true), tracing.WithSpool(dir, spoolBytes), tracing.WithBatchSpans(1))
					endMany(tracer, 2)
					shutdown(t, p)
					opts = append(opts, tracing.WithSpool(dir, spoolBytes))
					fallthrough
				default:
					b := &backend{}
					b.send = func(context.Context, []string) error { end(); return nil }
					e = b
				}
				tracer, p := inBubble(t, e, opts...)
				synctest.Wait()
				endMany(tracer, 5)
				ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
				defer cancel()
				_ = p.ForceFlush(ctx) // it says so, unless it was the replay
				require.NoError(t, ctx.Err())
				synctest.Wait()
				s := p.Stats().Exporters[0]
				assert.EqualValues(t, 4+s.Spool.Recovered, s.Exported)
				assert.EqualValues(t, 1, s.Dropped.ExportFailed)
				assert.Zero(t, s.Waiting+s.InFlight+s.Spool.Spans)
				shutdown(t, p)
				sumsHold(t, p)
			})
		})
	}
}

// endsInRequest calls end before it makes a request.
type endsInRequest struct {
	*encoder
	end func()
}

func (e endsInRequest) AppendRequest(dst []byte, b tracing.EncodedBatch) []byte {
	e.end()
	return e.encoder.AppendRequest(dst, b)
}

// stuck is a slog.Handler that does not return before release is closed.
type stuck struct {
	slog.Handler
	release chan struct{}
}

func (stuck) Enabled(context.Context, slog.Level) bool    { return true }
func (h stuck) Handle(context.Context, slog.Record) error { <-h.release; return nil }
func (h stuck) WithAttrs([]slog.Attr) slog.Handler        { return h }

func TestLoggerThatBlocksDoesNotHoldShutdown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := stuck{slog.DiscardHandler, make(chan struct{})}
		p := newProvider(t, tracing.WithLogger(slog.New(h)), tracing.WithExporter(newBackend(true), tracing.WithBatchSpans(1)))
		endMany(p.NewTracer("test"), 3)
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		begin := time.Now()
		require.Error(t, p.Shutdown(ctx))
		assert.LessOrEqual(t, time.Since(begin), time.Second+grace)
		sumsHold(t, p)
		close(h.release)
	})
}

// A partial success is one, though spans are dropped.
func TestPartialSuccessIsASuccess(t *testing.T) {
	t.Parallel()
	eachKind(t, func(t *testing.T, kind string) {
		log := newEntries()
		x := newTimed(kind, tracetest.Reject(1))
		p := newProvider(t, tracing.WithLogger(slog.New(log)), tracing.WithExporter(x.Exporter))
		endMany(p.NewTracer("test"), 10)
		require.ErrorIs(t, p.ForceFlush(context.Background()), tracetest.ErrFault, "the flush says why one is not delivered")
		s := p.Stats().Exporters[0]
		assert.EqualValues(t, 9, s.Exported)
		assert.Equal(t, tracing.DroppedStats{Rejected: 1}, s.Dropped)
		assert.Equal(t, kind == "encodes", s.SentBytes > 0)
		require.NoError(t, s.LastError)
		assert.Empty(t, log.logged(), "the backend answers")
		shutdown(t, p)
		sumsHold(t, p)
	})
}

// A call that Shutdown cuts off says nothing about the backend.
func TestShutdownIsNoFailureOfTheBackend(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := newEntries()
		b := &backend{}
		b.send = func(ctx context.Context, _ []string) error { <-ctx.Done(); return ctx.Err() }
		p := newProvider(t, tracing.WithLogger(slog.New(log)),
			tracing.WithExporter(b, tracing.WithBatchSpans(1), tracing.WithSpool(t.TempDir(), spoolBytes)))
		endMany(p.NewTracer("test"), 5)
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		require.NoError(t, p.Shutdown(ctx))
		s := p.Stats().Exporters[0]
		require.NoError(t, s.LastError)
		assert.Equal(t, 5, s.Spool.Spans)
		assert.Empty(t, log.logged())
		sumsHold(t, p)
	})
}

// A backend that fails every second time has no more lines in the log than one that is away. All in a bubble.
func TestLogOfABackendThatFlaps(t *testing.T) {
	t.Parallel()
	eachKind(t, func(t *testing.T, kind string) {
		log := newEntries()
		x := newTimed(kind, tracetest.Pass())
		p := newProvider(t, tracing.WithLogger(slog.New(log)), tracing.WithExporter(x.Exporter, tracing.WithBatchSpans(1)))
		tracer := p.NewTracer("test")
		for i := range 600 {
			x.then([]tracetest.Fault{tracetest.Pass(), tracetest.Fail(errBackend)}[i%2])
			endOne(tracer, "one")
			time.Sleep(time.Second)
		}
		levels := map[slog.Level]int{}
		for _, line := range log.logged() {
			levels[line.Level]++
		}
		assert.InDelta(t, 10, levels[slog.LevelWarn], 1)
		assert.InDelta(t, 10, levels[slog.LevelInfo], 1)
		x.then(tracetest.Pass())
		shutdown(t, p)
		sumsHold(t, p)
	})
}

// A DeliveryError does not blame the backend of today for what it said yesterday.
func TestDeliveryErrorHasNoOldCause(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fail := errors.New("an old story")
		e := &encoder{send: func(context.Context, []string) error { return fail }}
		e.appendSpan = func(dst []byte, d *tracing.SpanData) []byte {
			if d.Name == "inexpressible" {
				return dst
			}
			return appendName(dst, d.Name)
		}
		p := newProvider(t, quiet(), tracing.WithExporter(e))
		tracer := p.NewTracer("test")
		endOne(tracer, "first")
		require.ErrorIs(t, p.ForceFlush(context.Background()), fail)
		old := fail
		fail = nil
		time.Sleep(24 * time.Hour)
		endOne(tracer, "second")
		flush(t, p)
		endOne(tracer, "inexpressible")
		var delivery *tracing.DeliveryError
		require.ErrorAs(t, p.ForceFlush(context.Background()), &delivery)
		assert.EqualValues(t, 1, delivery.Dropped)
		require.NotErrorIs(t, delivery, old)
		assert.True(t, strings.HasSuffix(delivery.Error(), "1 dropped"), delivery.Error())
		shutdown(t, p)
	})
}

// FailNow in AppendSpan ends the worker's goroutine: what it had in hand has failed, and another goes on.
func TestAppendSpanEndsItsGoroutine(t *testing.T) {
	t.Parallel()
	for _, at := range []int{1, 3, 10} {
		synctest.Test(t, func(t *testing.T) {
			n := 0
			e := &encoder{appendSpan: func(dst []byte, d *tracing.SpanData) []byte {
				if n++; n == at {
					runtime.Goexit()
				}
				return appendName(dst, d.Name)
			}}
			tracer, p := inBubble(t, e)
			endMany(tracer, 10)
			begin := time.Now()
			_ = p.ForceFlush(context.Background())
			assert.Equal(t, begin, time.Now())
			s := p.Stats().Exporters[0]
			assert.Zero(t, s.Waiting)
			assert.Positive(t, s.Dropped.ExportFailed)
			endMany(tracer, 10)
			shutdown(t, p)
			assert.GreaterOrEqual(t, p.Stats().Exporters[0].Exported, s.Exported+10)
			sumsHold(t, p)
		})
	}
}
