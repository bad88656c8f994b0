// SPDX-License-Identifier: Apache-2.0

package zipkin_test

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/spandrel-go/spandrel/internal/testkit/backend"
	"github.com/spandrel-go/spandrel/tracing"
)

// outcome is what a fault means for a batch.
type outcome int

const (
	delivered outcome = iota // the backend is odd, but has the spans and says so
	later                    // worth another try
	final                    // another try would fail too
	split                    // worth a try with less
)

// oneFault is a fault and what it means.
type oneFault struct {
	name    string
	fault   backend.Fault // nil: the backend refuses connections
	outcome outcome
	// doubt: the backend may have spans of which the client does not know.
	doubt bool
	// timeout is that of a call of the exporter, for a backend that does not answer in time.
	timeout time.Duration
}

// soon is the timeout where the fault is that no answer comes in time.
const soon = 500 * time.Millisecond

func allFaults() []oneFault {
	return []oneFault{
		{name: "slow", fault: backend.AcceptSlowly(20 * time.Millisecond)},
		{name: "byte by byte", fault: backend.AcceptByteByByte(100 * time.Microsecond)},
		{name: "huge answer", fault: backend.AcceptAndFlood(1 << 20)},
		{name: "closes after each answer", fault: backend.AcceptAndClose(true)},
		{name: "closes after each answer, without a word", fault: backend.AcceptAndClose(false)},
		{name: "answer cut off", fault: backend.Cut(), doubt: true},

		{name: "refuses", outcome: later},
		{name: "resets", fault: backend.Reset(), outcome: later},
		{name: "resets in mid-body", fault: backend.ResetInBody(), outcome: later},
		{name: "resets after the body", fault: backend.ResetAfter(), outcome: later},
		{name: "resets in place of the answer", fault: backend.AcceptAndReset(), outcome: later, doubt: true},
		{name: "hangs up", fault: backend.Hangup(), outcome: later},
		{name: "never answers", fault: backend.Never(), outcome: later, doubt: true, timeout: soon},
		{name: "answers too late", fault: backend.AcceptSlowly(time.Hour), outcome: later, doubt: true, timeout: soon},
		{name: "byte by byte, too slowly", fault: backend.AcceptByteByByte(time.Hour), outcome: later, doubt: true, timeout: soon},
		{name: "garbage", fault: backend.Garbage(), outcome: later},
		{name: "408", fault: backend.Status(408), outcome: later},
		{name: "429", fault: backend.Status(429), outcome: later},
		{name: "429, Retry-After 1", fault: backend.Status(429, "Retry-After", "1"), outcome: later},
		{name: "502", fault: backend.Status(502), outcome: later},
		{name: "503", fault: backend.Status(503), outcome: later},
		{name: "503, Retry-After a date", fault: func(x *backend.Exchange) {
			backend.Status(503, "Retry-After", time.Now().Add(time.Second).UTC().Format(http.TimeFormat))(x)
		}, outcome: later},
		{name: "503, Retry-After negative", fault: backend.Status(503, "Retry-After", "-5"), outcome: later},
		{name: "503, Retry-After no number", fault: backend.Status(503, "Retry-After", "soon"), outcome: later},
		{name: "503, Retry-After in the past", fault: backend.Status(503, "Retry-After", "Mon, 02 Jan 2006 15:04:05 GMT"), outcome: later},
		{name: "504", fault: backend.Status(504), outcome: later},

		{name: "400", fault: backend.Status(400), outcome: final},
		{name: "401", fault: backend.Status(401), outcome: final},
		{name: "404", fault: backend.Status(404), outcome: final},
		{name: "500", fault: backend.Status(500), outcome: final},
		{name: "redirects", fault: backend.Status(307, "Location", "/elsewhere"), outcome: final},

		{name: "413", fault: backend.TooLargeAbove(3000), outcome: split},
	}
}

// Every fault meets a backend that recovers and one that never does, a flush and a shutdown. Whatever
// happens: the sums add up, the backend has what counts as exported, nothing comes twice without need,
// and nobody waits past the deadline. Many stories run side by side, because they wait most of the time.
func TestFaults(t *testing.T) {
	t.Parallel()
	stories := []struct {
		name string
		tell func(t *testing.T, f oneFault, r *route) (judge func(t *testing.T))
	}{
		{"recovers, flush", flushWhileRecovering},
		{"never recovers, flush", flushInVain},
		{"recovers, shutdown", shutdownAfterRecovery},
		{"never recovers, shutdown", shutdownInVain},
		{"recovers, spool", spoolWhileRecovering},
		{"never recovers, spool", spoolForTheNext},
	}
	type ending struct {
		route *route
		judge func(t *testing.T)
	}
	places := make(chan struct{}, 32)
	var endings []chan ending
	for _, f := range allFaults() {
		for _, story := range stories {
			ended := make(chan ending, 1)
			endings = append(endings, ended)
			var opts []tracing.PipelineOption
			if f.timeout > 0 {
				opts = append(opts, tracing.WithExportTimeout(f.timeout))
			}
			if strings.HasSuffix(story.name, "spool") {
				opts = append(opts, tracing.WithSpool(t.TempDir(), spoolBytes))
			}
			r := newRoute(t, opts...)
			r.opts = opts
			go func() {
				places <- struct{}{}
				ended <- ending{r, story.tell(t, f, r)}
				<-places
			}()
		}
	}
	for _, f := range allFaults() {
		for _, story := range stories {
			end := <-endings[0]
			endings = endings[1:]
			t.Run(f.name+"/"+story.name, func(t *testing.T) {
				end.judge(t)
				requireSums(t, end.route, f.doubt)
				assert.Zero(t, end.route.stats().Waiting, "nothing waits after Shutdown")
			})
		}
	}
}

// fail lets a backend fail: the next request or, with forever, all.
func fail(r *route, f oneFault, forever bool) {
	switch {
	case f.fault == nil:
		r.backend.Stop()
	case forever:
		r.backend.Rest(f.fault)
	default:
		r.backend.Script(f.fault)
	}
}

// repair makes the backend well.
func repair(r *route, f oneFault) {
	if f.fault == nil {
		r.backend.Start()
	}
	r.backend.Rest(backend.Accept())
}

// One request fails while a flush waits.
func flushWhileRecovering(t *testing.T, f oneFault, r *route) func(*testing.T) {
	fail(r, f, false)
	r.spans(t.Context(), 12, 4000)
	flushed := make(chan error, 1)
	go func() { flushed <- r.flush(patience) }()
	wasFailing := true
	if f.fault == nil {
		wasFailing = r.failing()
		repair(r, f)
	}
	flushErr := <-flushed
	waiting := r.stats().Waiting
	shutdownErr := r.shutdown(patience)
	return func(t *testing.T) {
		s := r.stats()
		assert.True(t, wasFailing)
		assert.Zero(t, waiting, "the flush waited for all")
		if f.outcome == final {
			assert.Positive(t, s.Dropped.ExportFailed)
			assert.LessOrEqual(t, s.Dropped.ExportFailed, uint64(4), "one batch")
			assert.Equal(t, 12-s.Dropped.ExportFailed, s.Exported)
			return
		}
		require.NoError(t, flushErr)
		require.NoError(t, shutdownErr)
		assert.Equal(t, uint64(12), s.Exported)
		assert.Len(t, r.backend.Accepted(), 12)
		if f.outcome == later {
			assert.Positive(t, s.Retried)
		}
		assert.NoError(t, s.LastError)
	}
}

// All requests fail; a flush and a shutdown have little time.
func flushInVain(t *testing.T, f oneFault, r *route) func(*testing.T) {
	const deadline = 700 * time.Millisecond
	fail(r, f, true)
	r.spans(t.Context(), 12, 4000)
	within := deadline
	if f.outcome != later {
		within = patience // both end by themselves
	}
	begin := time.Now()
	flushErr := r.flush(within)
	flushTook := time.Since(begin)
	begin = time.Now()
	shutdownErr := r.shutdown(within)
	shutdownTook := time.Since(begin)
	return func(t *testing.T) {
		s := r.stats()
		assert.Less(t, shutdownTook, within+grace)
		switch f.outcome {
		case delivered:
			require.NoError(t, flushErr)
			require.NoError(t, shutdownErr)
			assert.Equal(t, uint64(12), s.Exported)
		case split:
			assert.Equal(t, uint64(11), s.Exported)
			assert.Equal(t, tracing.DroppedStats{TooLarge: 1}, s.Dropped)
		case final: // no error if all were lost before the flush began
			assert.NotErrorIs(t, flushErr, context.DeadlineExceeded)
			assert.Equal(t, tracing.DroppedStats{ExportFailed: 12}, s.Dropped)
			assert.Zero(t, s.Retried)
			require.Error(t, s.LastError)
		case later:
			require.ErrorIs(t, flushErr, context.DeadlineExceeded)
			assert.Less(t, flushTook, deadline+grace)
			assert.GreaterOrEqual(t, flushTook, deadline)
			requireAllDropped(t, r, shutdownErr)
		}
	}
}

// requireAllDropped is for a shutdown in the middle of an outage: nothing was delivered, and it says so.
func requireAllDropped(t *testing.T, r *route, shutdownErr error) {
	t.Helper()
	s := r.stats()
	require.Error(t, shutdownErr, "%+v", s)
	requireDelivery(t, shutdownErr, 0, 0, uint64(r.made))
	assert.Zero(t, s.Exported)
	assert.Equal(t, uint64(r.made), s.Dropped.Sum())
	// A busy machine may not get the last call back in time.
	assert.Equal(t, uint64(r.made), s.Dropped.ExportFailed+s.Dropped.Shutdown+s.Dropped.Abandoned, "%+v", s.Dropped)
}

// requireDelivery compares the error of a flush or a shutdown with what became of the spans meanwhile.
func requireDelivery(t *testing.T, err error, sent, spooled, dropped uint64) {
	t.Helper()
	if dropped == 0 {
		require.NoError(t, err)
		return
	}
	var delivery *tracing.DeliveryError
	require.ErrorAs(t, err, &delivery)
	assert.Equal(t, "*zipkin.Exporter", delivery.Exporter)
	assert.Equal(t, []uint64{sent, spooled, dropped}, []uint64{delivery.Sent, delivery.Spooled, delivery.Dropped}, "%v", err)
	for _, count := range []uint64{sent, spooled, dropped} {
		if count > 0 {
			assert.Contains(t, err.Error(), strconv.FormatUint(count, 10))
		}
	}
}

// The backend is well again when the shutdown begins, but the pipeline does not know.
func shutdownAfterRecovery(t *testing.T, f oneFault, r *route) func(*testing.T) {
	fail(r, f, true)
	r.spans(t.Context(), 12, 4000)
	wasFailing := f.outcome != later || eventually(func() bool { return r.stats().CircuitOpen })
	repair(r, f)
	shutdownErr := r.shutdown(patience)
	return func(t *testing.T) {
		s := r.stats()
		assert.True(t, wasFailing)
		switch f.outcome {
		case delivered:
			require.NoError(t, shutdownErr)
			assert.Equal(t, uint64(12), s.Exported)
		case later:
			if f.timeout == 0 { // else a busy machine may fail too
				require.NoError(t, shutdownErr)
				assert.Equal(t, uint64(12), s.Exported)
			}
			requireDelivery(t, shutdownErr, s.Exported, 0, 12-s.Exported)
		case split:
			assert.GreaterOrEqual(t, s.Exported, uint64(11))
			assert.Equal(t, 12-s.Exported, s.Dropped.TooLarge)
		case final:
			assert.Equal(t, 12-s.Exported, s.Dropped.ExportFailed)
		}
	}
}

// All requests fail, and nobody knows before the shutdown, which has little time.
func shutdownInVain(t *testing.T, f oneFault, r *route) func(*testing.T) {
	deadline := 700 * time.Millisecond
	if f.outcome != later {
		deadline = patience // it ends by itself
	}
	fail(r, f, true)
	r.spans(t.Context(), 12, 4000)
	begin := time.Now()
	shutdownErr := r.shutdown(deadline)
	took := time.Since(begin)
	return func(t *testing.T) {
		s := r.stats()
		assert.Less(t, took, deadline+grace)
		switch f.outcome {
		case delivered:
			require.NoError(t, shutdownErr)
			assert.Equal(t, uint64(12), s.Exported)
		case split:
			assert.Equal(t, tracing.DroppedStats{TooLarge: 1}, s.Dropped)
		case final:
			assert.NotErrorIs(t, shutdownErr, context.DeadlineExceeded)
			assert.Equal(t, tracing.DroppedStats{ExportFailed: 12}, s.Dropped)
		case later:
			requireAllDropped(t, r, shutdownErr)
		}
	}
}

// One request fails; what it brought, and what ends meanwhile, goes by way of the spool.
func spoolWhileRecovering(t *testing.T, f oneFault, r *route) func(*testing.T) {
	fail(r, f, false)
	r.spans(t.Context(), 12, 4000)
	flushErr := r.flush(patience)
	safe := r.stats()
	if f.fault == nil {
		repair(r, f)
	}
	empty := eventually(func() bool { return r.stats().Spool.Spans == 0 })
	shutdownErr := r.shutdown(patience)
	return func(t *testing.T) {
		s := r.stats()
		assert.Zero(t, safe.Waiting)
		assert.True(t, empty)
		require.NoError(t, shutdownErr)
		if f.outcome != final {
			require.NoError(t, flushErr)
			assert.Equal(t, uint64(12), s.Exported)
			assert.Zero(t, s.Dropped)
			assert.Equal(t, s.Spool.Written, s.Spool.Replayed)
		}
		assert.Equal(t, f.outcome == later, s.Spool.Written > 0)
	}
}

// All requests fail until the provider is gone. The next one with the same spool finds the backend well.
func spoolForTheNext(t *testing.T, f oneFault, r *route) func(*testing.T) {
	fail(r, f, true)
	r.spans(t.Context(), 12, 4000)
	flushErr := r.flush(patience)
	shutdownErr := r.shutdown(patience)
	first := r.stats()
	repair(r, f)
	next := newRouteTo(t, r.backend, r.opts...)
	recovered := next.stats().Spool.Recovered
	empty := eventually(func() bool { return next.stats().Spool.Spans == 0 })
	nextErr := next.shutdown(patience)
	return func(t *testing.T) {
		require.NoError(t, nextErr)
		assert.True(t, empty)
		s := next.stats()
		assert.Equal(t, recovered, s.Exported)
		assert.Equal(t, recovered, s.Spool.Replayed)
		assert.Zero(t, s.Dropped)
		assert.Zero(t, s.Spool.Damaged)
		assert.Equal(t, int(recovered), first.Spool.Spans)
		if f.outcome == later {
			require.NoError(t, flushErr, "what is spooled is safe")
			require.NoError(t, shutdownErr)
			assert.Equal(t, uint64(12), recovered)
			assert.Zero(t, first.Dropped)
			require.Error(t, first.LastError)
			assert.False(t, first.LastErrorSince.IsZero())
			assert.Len(t, r.backend.Accepted(), 12)
		} else {
			assert.Zero(t, recovered)
		}
		// For the comparison with what the backend has, both were one.
		r.others = append(r.others, s)
	}
}
