// SPDX-License-Identifier: Apache-2.0

package tracing_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/spandrel-go/spandrel/tracing"
)

// quiet keeps what a failing exporter makes the provider say out of the test's output.
func quiet() tracing.Option { return tracing.WithLogger(slog.New(slog.DiscardHandler)) }

func TestExportErrorIsCountedAndNamed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fail := errBackend
		c := &collector{export: func(context.Context, []*tracing.SpanData) error { return fail }}
		p := newProvider(t, tracing.WithExporter(c), quiet())
		tracer := p.NewTracer("test")
		endMany(tracer, 3)
		begin := time.Now()
		err := p.ForceFlush(context.Background())
		require.ErrorIs(t, err, errBackend, "ForceFlush says what was not delivered")
		var failure *tracing.DeliveryError
		require.ErrorAs(t, err, &failure)
		assert.Equal(t, tracing.DeliveryError{Exporter: "*tracing_test.collector", Dropped: 3, Err: failure.Err}, *failure)
		assert.EqualError(t, err, "tracing: *tracing_test.collector: 0 spans sent, 0 spooled, 3 dropped: the backend is away")
		time.Sleep(time.Second)
		endMany(tracer, 2)
		require.ErrorIs(t, p.ForceFlush(context.Background()), errBackend)
		s := p.Stats().Exporters[0]
		assert.EqualValues(t, 5, s.Dropped.ExportFailed)
		assert.Zero(t, s.Exported)
		assert.Zero(t, s.Retried, "an error that is no ExportError is not tried again")
		assert.Equal(t, errBackend, s.LastError)
		assert.Equal(t, begin, s.LastErrorSince, "since the first failure in a row")
		fail = nil
		endMany(tracer, 1)
		require.NoError(t, p.ForceFlush(context.Background()))
		s = p.Stats().Exporters[0]
		require.NoError(t, s.LastError)
		assert.True(t, s.LastErrorSince.IsZero())
		assert.EqualValues(t, 1, s.Exported)
		require.NoError(t, p.Shutdown(context.Background()))
		sumsHold(t, p)
	})
}

// flaky fails its first calls.
type flaky struct {
	mu    sync.Mutex
	errs  []error // of the calls in their order; nil after the last
	times []time.Time
}

func (f *flaky) call() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.times = append(f.times, time.Now())
	if len(f.errs) == 0 {
		return nil
	}
	err := f.errs[0]
	f.errs = f.errs[1:]
	return err
}

func (f *flaky) exporters() map[string]tracing.Exporter {
	return map[string]tracing.Exporter{
		"plain":    &collector{export: func(context.Context, []*tracing.SpanData) error { return f.call() }},
		"encoding": &encoder{send: func(context.Context, []string) error { return f.call() }},
	}
}

func TestRetryableErrorIsTriedAgain(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"plain", "encoding"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				retryable := fmt.Errorf("wrapped: %w", &tracing.ExportError{Err: errBackend, Retryable: true})
				later := &tracing.ExportError{Err: errBackend, Retryable: true, RetryAfter: 17 * time.Second}
				f := &flaky{errs: []error{retryable, later, retryable}}
				p := newProvider(t, tracing.WithExporter(f.exporters()[kind]), quiet())
				endMany(p.NewTracer("test"), 3)
				require.NoError(t, p.ForceFlush(context.Background()))
				s := p.Stats().Exporters[0]
				assert.EqualValues(t, 3, s.Retried)
				assert.EqualValues(t, 3, s.Exported)
				assert.Zero(t, s.Dropped)
				require.NoError(t, s.LastError)
				require.Len(t, f.times, 4)
				assert.Positive(t, f.times[1].Sub(f.times[0]), "there is a pause")
				assert.GreaterOrEqual(t, f.times[2].Sub(f.times[1]), 17*time.Second, "RetryAfter")
				assert.Less(t, f.times[2].Sub(f.times[1]), 17*time.Second*11/10+time.Second, "RetryAfter and a tenth")
				require.NoError(t, p.Shutdown(context.Background()))
				sumsHold(t, p)
			})
		})
	}
}

// A backend that stays away: the batch is given up in the end, and Shutdown does not wait for it.
func TestRetryingEnds(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"plain", "encoding"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := &flaky{errs: slices.Repeat([]error{&tracing.ExportError{Err: errBackend, Retryable: true}}, 10_000)}
				p := newProvider(t, tracing.WithExporter(f.exporters()[kind], tracing.WithBatchDelay(time.Second)), quiet())
				tracer := p.NewTracer("test")
				endMany(tracer, 3)
				time.Sleep(5 * time.Minute)
				s := p.Stats().Exporters[0]
				assert.EqualValues(t, 3, s.Dropped.ExportFailed)
				assert.Greater(t, s.Retried, uint64(3))
				assert.Less(t, s.Retried, uint64(200))
				endMany(tracer, 2)
				time.Sleep(10 * time.Second)
				begin := time.Now()
				ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
				defer cancel()
				require.ErrorIs(t, p.Shutdown(ctx), errBackend)
				assert.Less(t, time.Since(begin), 10*time.Second, "a process that is asked to go does not wait for a backend")
				assert.EqualValues(t, 5, p.Stats().Exporters[0].Dropped.ExportFailed)
				sumsHold(t, p)
			})
		})
	}
}

// While a backend is away and a batch is tried again, what ends meanwhile waits as bytes.
func TestEncodedSpansWaitOutAnOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		back := time.Now().Add(40 * time.Second)
		e := &encoder{send: func(context.Context, []string) error {
			if time.Now().Before(back) {
				return &tracing.ExportError{Err: errBackend, Retryable: true}
			}
			return nil
		}}
		p := newProvider(t, tracing.WithExporter(e, tracing.WithBatchDelay(time.Second)), quiet())
		tracer := p.NewTracer("test")
		const spans = 4 * tracing.DefaultQueueSpans // more than the queue of records takes
		for i := range spans {
			endOne(tracer, strconv.Itoa(i))
			time.Sleep(time.Millisecond)
		}
		require.NoError(t, p.ForceFlush(context.Background()))
		s := p.Stats().Exporters[0]
		assert.EqualValues(t, spans, s.Exported)
		assert.Zero(t, s.Dropped)
		require.NoError(t, p.Shutdown(context.Background()))
		sumsHold(t, p)
	})
}

func TestTooLargeBatchIsHalvedUntilTheOffenderStandsAlone(t *testing.T) {
	t.Parallel()
	for name, tooLarge := range map[string]func([]string) bool{
		"one offender": func(names []string) bool { return slices.Contains(names, "span 37") },
		"two offenders": func(names []string) bool {
			return slices.Contains(names, "span 0") || slices.Contains(names, "span 99")
		},
		"too many":     func(names []string) bool { return len(names) > 7 },
		"nothing fits": func([]string) bool { return true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := &encoder{}
			e.send = func(_ context.Context, names []string) error {
				if tooLarge(names) {
					return &tracing.ExportError{Err: errBackend, TooLarge: true}
				}
				return nil
			}
			p := newProvider(t, tracing.WithExporter(e, tracing.WithBatchDelay(time.Hour)), quiet())
			endMany(p.NewTracer("test"), 100)
			err := p.ForceFlush(context.Background())
			want, offenders := []string{}, 0
			for i := range 100 {
				one := fmt.Sprint("span ", i)
				if tooLarge([]string{one}) {
					offenders++
				} else {
					want = append(want, one)
				}
			}
			assert.Equal(t, want, append([]string{}, slices.Concat(e.sent()...)...), "in order, and each once")
			s := p.Stats().Exporters[0]
			assert.EqualValues(t, offenders, s.Dropped.TooLarge)
			assert.EqualValues(t, 100-offenders, s.Exported)
			assert.Equal(t, offenders > 0, errors.Is(err, errBackend))
			for i, names := range e.tried() {
				assert.Len(t, names, e.counts[i])
			}
			sumsHold(t, p)
		})
	}
}

func TestRejectedSpansAreCounted(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"plain", "encoding"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			f := &flaky{errs: []error{&tracing.ExportError{Err: errBackend, Rejected: 2}}}
			p := newProvider(t, tracing.WithExporter(f.exporters()[kind]), quiet())
			tracer := p.NewTracer("test")
			endMany(tracer, 5)
			require.ErrorIs(t, p.ForceFlush(context.Background()), errBackend)
			s := p.Stats().Exporters[0]
			assert.EqualValues(t, 3, s.Exported)
			assert.Equal(t, tracing.DroppedStats{Rejected: 2}, s.Dropped)
			sumsHold(t, p)
		})
	}
}

// An exporter that cannot express a span returns dst as it was; a panic counts as the same.
func TestSpanThatCannotBeEncodedIsRejected(t *testing.T) {
	t.Parallel()
	e := &encoder{}
	e.appendSpan = func(dst []byte, d *tracing.SpanData) []byte {
		switch {
		case strings.HasSuffix(d.Name, "3"):
			return dst
		case strings.HasSuffix(d.Name, "7"):
			panic("cannot encode " + d.Name)
		case strings.HasSuffix(d.Name, "9"):
			_ = append(dst, "half a span"...)
			panic(errBackend)
		default:
			return appendName(dst, d.Name)
		}
	}
	p := newProvider(t, tracing.WithExporter(e), quiet())
	tracer := p.NewTracer("test")
	endMany(tracer, 100)
	require.Error(t, p.ForceFlush(context.Background()))
	s := p.Stats().Exporters[0]
	assert.EqualValues(t, 70, s.Exported)
	assert.Equal(t, tracing.DroppedStats{Rejected: 30}, s.Dropped)
	names := slices.Concat(e.sent()...)
	assert.Len(t, names, 70)
	for _, n := range names {
		assert.NotContains(t, "379", n[len(n)-1:])
	}
	endOne(tracer, "only 3")
	require.Error(t, p.ForceFlush(context.Background()), "a batch that came out empty")
	sumsHold(t, p)
}

// A panic of an exporter, on our goroutine, becomes a counted error; the next batch is sent.
func TestExporterPanicIsACountedError(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"plain", "encoding"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			first := true
			crash := func() error {
				if first {
					first = false
					panic("a bug in the exporter")
				}
				return nil
			}
			exporters := map[string]tracing.Exporter{
				"plain":    &collector{export: func(context.Context, []*tracing.SpanData) error { return crash() }},
				"encoding": &encoder{send: func(context.Context, []string) error { return crash() }},
			}
			p := newProvider(t, tracing.WithExporter(exporters[kind]), quiet())
			tracer := p.NewTracer("test")
			endMany(tracer, 3)
			err := p.ForceFlush(context.Background())
			require.ErrorContains(t, err, "a bug in the exporter")
			endMany(tracer, 2)
			flush(t, p)
			s := p.Stats().Exporters[0]
			assert.EqualValues(t, 3, s.Dropped.ExportFailed)
			assert.EqualValues(t, 2, s.Exported)
			shutdown(t, p)
			sumsHold(t, p)
		})
	}
}

func TestPanicInShutdownIsAnError(t *testing.T) {
	t.Parallel()
	other := &collector{}
	p := newProvider(t, quiet(), tracing.WithExporter(&collector{shutdown: func(context.Context) error { panic("a bug in Shutdown") }}),
		tracing.WithExporter(other))
	endMany(p.NewTracer("test"), 3)
	require.ErrorContains(t, p.Shutdown(context.Background()), "a bug in Shutdown")
	assert.Equal(t, 1, other.shutdowns)
	assert.Len(t, other.spans(), 3)
	sumsHold(t, p)
}

// A plain exporter gets the halves as well.
func TestTooLargeBatchOfViewsIsHalved(t *testing.T) {
	t.Parallel()
	c := &collector{export: func(_ context.Context, spans []*tracing.SpanData) error {
		if slices.ContainsFunc(spans, func(d *tracing.SpanData) bool { return d.Name == "span 37" }) {
			return &tracing.ExportError{Err: errBackend, TooLarge: true}
		}
		return nil
	}}
	p := newProvider(t, tracing.WithExporter(c, tracing.WithBatchDelay(time.Hour)), quiet())
	endMany(p.NewTracer("test"), 100)
	require.ErrorIs(t, p.ForceFlush(context.Background()), errBackend)
	assert.Len(t, c.names(), 99)
	assert.NotContains(t, c.names(), "span 37")
	assert.Equal(t, tracing.DroppedStats{TooLarge: 1}, p.Stats().Exporters[0].Dropped)
	sumsHold(t, p)
}

// An exporter whose client is traced, by the same provider, does not feed itself.
func TestExporterDoesNotFeedItself(t *testing.T) {
	t.Parallel()
	var tracer *tracing.Tracer
	spans := 0
	e := &encoder{send: func(ctx context.Context, _ []string) error {
		ctx, s := tracer.StartSpan(ctx, "of the exporter")
		_, child := tracer.StartSpan(ctx, "of the exporter's client")
		child.End()
		s.End()
		spans++
		return nil
	}}
	p := newProvider(t, tracing.WithExporter(e))
	tracer = p.NewTracer("test")
	for range 5 {
		endOne(tracer, "one")
		flush(t, p)
	}
	assert.Equal(t, 5, spans)
	assert.EqualValues(t, 5, p.Stats().Exporters[0].Exported)
	assert.EqualValues(t, 5, p.Stats().Started)
}

// crashingResource panics in AppendResource.
type crashingResource struct{ encoder }

func (*crashingResource) AppendResource([]byte, *tracing.Resource) []byte {
	panic("a bug in AppendResource")
}

func TestPanicInAppendResourceIsAnErrorOfNewProvider(t *testing.T) {
	t.Parallel()
	_, err := tracing.NewProvider(tracing.WithExporter(&crashingResource{}))
	require.ErrorContains(t, err, "a bug in AppendResource")
}

// crashingRequest panics in AppendRequest.
type crashingRequest struct{ encoder }

func (*crashingRequest) AppendRequest([]byte, tracing.EncodedBatch) []byte {
	panic("a bug in AppendRequest")
}

func TestPanicInAppendRequestIsACountedError(t *testing.T) {
	t.Parallel()
	p := newProvider(t, quiet(), tracing.WithExporter(&crashingRequest{}))
	endMany(p.NewTracer("test"), 3)
	require.ErrorContains(t, p.ForceFlush(context.Background()), "a bug in AppendRequest")
	assert.EqualValues(t, 3, p.Stats().Exporters[0].Dropped.ExportFailed)
	sumsHold(t, p)
}

// One line for a state that changes, however many batches fail.
func TestFailingExporterIsReportedOnce(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var text strings.Builder
	logger := slog.New(slog.NewTextHandler(writerFunc(func(b []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return text.Write(b)
	}), nil))
	f := &flaky{errs: slices.Repeat([]error{errBackend}, 20)}
	p := newProvider(t, tracing.WithLogger(logger), tracing.WithExporter(f.exporters()["plain"]))
	tracer := p.NewTracer("test")
	for range 22 {
		endOne(tracer, "one")
		_ = p.ForceFlush(context.Background())
	}
	shutdown(t, p)
	lines := strings.Split(strings.TrimSpace(text.String()), "\n")
	require.Len(t, lines, 3, "%v", lines)
	assert.Contains(t, lines[0], errBackend.Error())
	assert.Contains(t, lines[0], "level=WARN")
	assert.Contains(t, lines[1], "level=INFO")
	assert.Contains(t, lines[2], "dropped.export_failed=20", "the sum, at Shutdown")
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

func TestExportErrorUnwraps(t *testing.T) {
	t.Parallel()
	err := &tracing.ExportError{Err: errBackend}
	require.ErrorIs(t, err, errBackend)
	assert.Equal(t, errBackend.Error(), err.Error())
}

func TestEncodedBatch(t *testing.T) {
	t.Parallel()
	b := tracing.NewEncodedBatch([]byte("resource"), []byte("a"), []byte(""), []byte("ccc"), []byte("dd"))
	spans := func(b tracing.EncodedBatch) (all []string) {
		for i := range b.Len() {
			s := b.Span(i)
			assert.Len(t, s, cap(s), "an append must copy")
			all = append(all, string(s))
		}
		return all
	}
	assert.Equal(t, []string{"a", "", "ccc", "dd"}, spans(b))
	assert.Equal(t, 6, b.Size())
	assert.Equal(t, []string{"", "ccc"}, spans(b.Part(1, 3)))
	assert.Equal(t, 3, b.Part(1, 3).Size())
	assert.Equal(t, []string{"ccc"}, spans(b.Part(1, 4).Part(1, 2)))
	assert.Equal(t, 2, b.Part(1, 4).Part(2, 3).Size())
	assert.Empty(t, spans(b.Part(2, 2)))
	assert.Zero(t, b.Part(2, 2).Size())
	assert.Zero(t, tracing.NewEncodedBatch(nil).Len())
	assert.Equal(t, "resource", string(b.Part(0, 1).Resource))
}
