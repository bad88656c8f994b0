// SPDX-License-Identifier: Apache-2.0

package jaegerremote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/spandrel-go/spandrel/internal/transport"
	"github.com/spandrel-go/spandrel/sampling"
)

// maxAnswerBytes bounds an answer: rates for about ten thousand operations.
const maxAnswerBytes = 1 << 20

// Sampler asks a Jaeger backend from time to time how to sample, and samples so. All its methods are
// safe for concurrent use.
type Sampler struct {
	cfg     config
	http    http.Client
	owned   *http.Transport // nil with a client of the user
	current atomic.Pointer[choice]
	cancel  context.CancelFunc
	done    chan struct{} // closed by the goroutine when it ends

	// Of the goroutine alone.
	answer       []byte    // the last good one, nil before it
	failingSince time.Time // zero while answers come
}

// choice is the sampler in use.
type choice struct {
	sampling.Sampler
	head        sampling.HeadSampler // the same if it is one, else nil
	description string
}

var _ sampling.HeadSampler = (*Sampler)(nil)

// New makes a sampler for the given service, which must not be empty, and starts to ask for its
// strategy. It does not wait for an answer: a backend that is down is no error. The caller must
// [Sampler.Close] it.
func New(service string, opts ...Option) (*Sampler, error) {
	cfg, err := newConfig(service, opts)
	if err != nil {
		return nil, err
	}
	s := &Sampler{cfg: cfg, done: make(chan struct{})}
	if cfg.client != nil {
		s.http = *cfg.client
	} else {
		s.owned = transport.NewTransport()
		s.http.Transport = s.owned
	}
	s.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	s.use(cfg.initial)
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	go s.poll(ctx)
	return s, nil
}

// Close ends the asking and waits until it has ended; an open request is broken off. The sampler
// decides on as it was last told. Close is idempotent.
func (s *Sampler) Close() {
	s.cancel()
	<-s.done
}

// Sample decides by the strategy in use.
func (s *Sampler) Sample(p sampling.Parameters) sampling.Result { return s.current.Load().Sample(p) }

// SampleHead implements [sampling.HeadSampler]. It decides only what the strategy drops by the trace id.
func (s *Sampler) SampleHead(h sampling.Head) (sampling.Decision, bool) {
	if c := s.current.Load(); c.head != nil {
		return c.head.SampleHead(h)
	}
	return sampling.Drop, false
}

// Description names the strategy in use, so it changes: "JaegerRemoteSampler{TraceIDRatioBased{0.001}}".
func (s *Sampler) Description() string { return s.current.Load().description }

func (s *Sampler) use(next sampling.Sampler) {
	c := &choice{Sampler: next, description: "JaegerRemoteSampler{" + next.Description() + "}"}
	c.head, _ = next.(sampling.HeadSampler)
	s.current.Store(c)
}

// poll asks until ctx is done.
func (s *Sampler) poll(ctx context.Context) {
	defer close(s.done)
	if s.owned != nil {
		defer s.owned.CloseIdleConnections()
	}
	for {
		err := s.update(ctx)
		if ctx.Err() != nil {
			return
		}
		s.tell(err)
		timer := time.NewTimer(jitter(s.cfg.interval))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

// jitter returns d, give or take a tenth.
func jitter(d time.Duration) time.Duration { return d - d/10 + rand.N(d/5+1) }

// update asks once and takes up the answer. A panic in a client of the user becomes an error.
func (s *Sampler) update(ctx context.Context) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("jaegerremote: panic: %v", p)
		}
	}()
	answer, err := s.fetch(ctx)
	if err != nil {
		return fmt.Errorf("jaegerremote: get %s: %w", transport.Redact(s.cfg.url.String()), err)
	}
	if s.answer != nil && bytes.Equal(answer, s.answer) {
		return nil
	}
	next, err := parse(answer, s.current.Load().Sampler)
	if err != nil {
		return fmt.Errorf("jaegerremote: get %s: %w", transport.Redact(s.cfg.url.String()), err)
	}
	s.answer = answer
	s.use(next)
	return nil
}

// tell logs the first of several failures, and their end.
func (s *Sampler) tell(err error) {
	switch {
	case err != nil && s.failingSince.IsZero():
		s.failingSince = time.Now()
		s.cfg.logger.Warn("spandrel: no sampling strategy from Jaeger, the last one stays", "error", err)
	case err == nil && !s.failingSince.IsZero():
		s.cfg.logger.Info("spandrel: sampling strategies from Jaeger again", "failed_for", time.Since(s.failingSince))
		s.failingSince = time.Time{}
	}
}

// fetch asks once. Its errors do not show the query of the URL.
func (s *Sampler) fetch(ctx context.Context) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.cfg.url.String(), http.NoBody)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	resp, err := s.http.Do(req)
	if err != nil {
		var outer *url.Error
		if errors.As(err, &outer) {
			err = outer.Err
		}
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }() // the answer is read; an error here changes nothing
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswerBytes+1))
	switch {
	case err != nil:
		return nil, err
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("status %d", resp.StatusCode)
	case len(body) > maxAnswerBytes:
		return nil, fmt.Errorf("the answer is longer than %d bytes", maxAnswerBytes)
	}
	return body, nil
}
