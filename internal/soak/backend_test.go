// SPDX-License-Identifier: Apache-2.0

package soak_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"math/bits"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/internal/testkit/backend"
	"github.com/spandrel-go/spandrel/pool"
)

// sequence gives the spans the ids 1, 2, 3, ..., so that a set of them is a bitmap.
type sequence struct{ last atomic.Uint64 }

func (s *sequence) NewIDs(ctx context.Context) (t trace.TraceID, _ trace.SpanID) {
	id := s.NewSpanID(ctx, t)
	copy(t[8:], id[:])
	t[0] = 1
	return t, id
}

func (s *sequence) NewSpanID(context.Context, trace.TraceID) (id trace.SpanID) {
	binary.BigEndian.PutUint64(id[:], s.last.Add(1))
	return id
}

// callHeader carries the number of a call of the exporter to the backend.
const callHeader = "X-Call"

// call is one request as both sides see it.
type call struct {
	spans int  // that the backend has of it
	told  bool // the client knows that
}

// ledger is the backend's count of spans, and the client's of answers. It is an http.RoundTripper.
type ledger struct {
	tb   testing.TB
	next *http.Transport

	mu       sync.Mutex // guards all below
	calls    []call
	seen     []uint64 // a bit for each span
	distinct uint64
	accepted uint64 // with those that came again
}

func newLedger(tb testing.TB) *ledger {
	l := &ledger{tb: tb, next: &http.Transport{}}
	tb.Cleanup(l.next.CloseIdleConnections)
	return l
}

// RoundTrip sends a request with a number and notes whether the answer came.
func (l *ledger) RoundTrip(r *http.Request) (*http.Response, error) {
	l.mu.Lock()
	number := len(l.calls)
	l.calls = append(l.calls, call{})
	l.mu.Unlock()
	r = r.Clone(r.Context())
	r.Header.Set(callHeader, strconv.Itoa(number))
	answer, err := l.next.RoundTrip(r)
	if err == nil && answer.StatusCode == http.StatusAccepted {
		l.mu.Lock()
		l.calls[number].told = true
		l.mu.Unlock()
	}
	return answer, err
}

// accept reads the spans of a request and takes them.
func (l *ledger) accept(x *backend.Exchange) bool {
	body := pool.GetBuffer()
	defer body.Release()
	var ok bool
	body.B, ok = x.ReadRaw(body.B)
	if !ok {
		return false
	}
	number, err := strconv.Atoi(x.Header().Get(callHeader))
	if err != nil {
		l.tb.Errorf("soak: a request has no number: %v", err)
		return false
	}
	if number%64 == 0 && !json.Valid(body.B) {
		l.tb.Errorf("soak: request %d is no JSON: %.200q", number, body.B)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	const key = `"id":"`
	for rest := body.B; ; {
		i := bytes.Index(rest, []byte(key))
		if i < 0 {
			break
		}
		rest = rest[i+len(key):]
		id, err := strconv.ParseUint(string(rest[:16]), 16, 64)
		if err != nil || id == 0 {
			l.tb.Errorf("soak: request %d has the id %q", number, rest[:16])
			return false
		}
		l.take(id)
		l.calls[number].spans++
	}
	return true
}

// take notes one span. Needs l.mu.
func (l *ledger) take(id uint64) {
	word, bit := int(id/64), uint64(1)<<(id%64)
	for word >= len(l.seen) {
		l.seen = append(l.seen, 0)
	}
	if l.seen[word]&bit == 0 {
		l.seen[word] |= bit
		l.distinct++
	}
	l.accepted++
}

// account is what a ledger says in the end.
type account struct {
	distinct uint64 // spans that the backend has
	again    uint64 // came again after that
	told     uint64 // spans of requests of which the client knows that the backend has them
	untold   uint64 // of those where it does not: the answer was cut off
}

func (l *ledger) account() account {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := account{distinct: l.distinct, again: l.accepted - l.distinct}
	var ones int
	for _, word := range l.seen {
		ones += bits.OnesCount64(word)
	}
	if uint64(ones) != l.distinct {
		l.tb.Errorf("soak: the bitmap has %d spans, the counter %d", ones, l.distinct)
	}
	for _, c := range l.calls {
		if c.told {
			a.told += uint64(c.spans)
		} else {
			a.untold += uint64(c.spans)
		}
	}
	return a
}

// well is a backend that takes everything.
func (l *ledger) well(x *backend.Exchange) {
	if l.accept(x) {
		x.Answer(http.StatusAccepted, "")
	}
}

// acceptThen has the backend take the spans and cut the answer off.
func (l *ledger) acceptThen(cut func(x *backend.Exchange)) backend.Fault {
	return func(x *backend.Exchange) {
		if l.accept(x) {
			cut(x)
		}
	}
}

// torn is one of several faults for each request, by chance.
func torn(faults ...backend.Fault) backend.Fault {
	return func(x *backend.Exchange) { faults[rand.IntN(len(faults))](x) }
}

// outages has the backend be well and gone in turn, each as long as phase, until ctx is done; then it is
// well. Each time it is gone in another way: refused, reset, silent, busy.
func (l *ledger) outages(ctx context.Context, b *backend.Server, phase time.Duration) (gone time.Duration) {
	tick := time.NewTicker(phase)
	defer tick.Stop()
	wait := func() time.Duration {
		start := time.Now()
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
		return time.Since(start)
	}
	for i := 0; ; i++ {
		wait()
		if ctx.Err() != nil {
			return gone
		}
		switch i % 4 {
		case 0:
			b.Stop()
			gone += wait()
			b.Start()
		case 1:
			b.Rest(torn(backend.Reset(), backend.ResetInBody(), l.acceptThen((*backend.Exchange).Reset)))
			gone += wait()
		case 2:
			b.Rest(torn(backend.Never(), l.acceptThen((*backend.Exchange).Hold)))
			gone += wait()
		default:
			b.Rest(backend.Status(http.StatusServiceUnavailable))
			gone += wait()
		}
		b.Rest(l.well)
	}
}
