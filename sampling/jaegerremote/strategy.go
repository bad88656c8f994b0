// SPDX-License-Identifier: Apache-2.0

package jaegerremote

import (
	"fmt"
	"strconv"
	"strings"
	"sync"

	"go.opentelemetry.io/otel/attribute"

	"github.com/spandrel-go/spandrel/sampling"
)

// The attributes that Jaeger's clients set and its backend reads (jaeger-idl, model/v1/keyvalue.go).
const (
	typeKey  = "sampler.type"
	paramKey = "sampler.param"
)

// maxLearned bounds how many operations that an answer does not list are counted each for itself.
// Jaeger's clients have the same bound: names without end must not fill the memory.
const maxLearned = 256

func attributes(kind string, param float64) []attribute.KeyValue {
	return []attribute.KeyValue{attribute.String(typeKey, kind), attribute.Float64(paramKey, param)}
}

func format(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }

// probabilistic samples a share of all traces.
type probabilistic struct {
	sampling.Sampler // sampling.Ratio
	head             sampling.HeadSampler
	rate             float64
	attrs            []attribute.KeyValue
}

func newProbabilistic(rate float64) (*probabilistic, error) {
	ratio, err := sampling.Ratio(rate)
	if err != nil {
		return nil, fmt.Errorf("%v is not in 0..1", rate)
	}
	s := &probabilistic{Sampler: ratio, rate: rate, attrs: attributes("probabilistic", rate)}
	s.head, _ = ratio.(sampling.HeadSampler)
	return s, nil
}

func (s *probabilistic) Sample(p sampling.Parameters) sampling.Result {
	r := s.Sampler.Sample(p)
	if r.Decision == sampling.RecordAndSample {
		r.Attributes = s.attrs
	}
	return r
}

// SampleHead leaves what is sampled to Sample, which has attributes for it.
func (s *probabilistic) SampleHead(h sampling.Head) (sampling.Decision, bool) {
	if s.head == nil {
		return sampling.Drop, false
	}
	d, ok := s.head.SampleHead(h)
	return sampling.Drop, ok && d == sampling.Drop
}

// rateLimiting samples so many traces a second.
type rateLimiting struct {
	limiter *limiter
	limit   float64
	attrs   []attribute.KeyValue
}

func newRateLimiting(limit float64, previous sampling.Sampler) *rateLimiting {
	s := &rateLimiting{limit: limit, attrs: attributes("ratelimiting", limit)}
	if old, ok := previous.(*rateLimiting); ok {
		s.limiter = old.limiter
		s.limiter.set(limit)
	} else {
		s.limiter = newLimiter(limit)
	}
	return s
}

func (s *rateLimiting) Sample(sampling.Parameters) sampling.Result {
	if s.limiter.take() {
		return sampling.Result{Decision: sampling.RecordAndSample, Attributes: s.attrs}
	}
	return sampling.Result{Decision: sampling.Drop}
}

func (s *rateLimiting) Description() string { return "RateLimiting{" + format(s.limit) + "}" }

// operation samples a share of the traces of one operation, and at least so many a second.
type operation struct {
	rate    *probabilistic
	limiter *limiter
	attrs   []attribute.KeyValue // of what only the lower bound samples
}

func newOperation(rate *probabilistic, l *limiter) *operation {
	return &operation{rate: rate, limiter: l, attrs: attributes("lowerbound", rate.rate)}
}

func (o *operation) Sample(p sampling.Parameters) sampling.Result {
	r := o.rate.Sample(p)
	atLeast := o.limiter.take() // what the rate samples counts for the bound
	if r.Decision == sampling.Drop && atLeast {
		return sampling.Result{Decision: sampling.RecordAndSample, Attributes: o.attrs}
	}
	return r
}

// perOperation has a rate for each operation.
type perOperation struct {
	listed      map[string]*operation // not written after it was made
	others      *probabilistic
	lowerBound  float64
	description string

	mu      sync.RWMutex // guards learned
	learned map[string]*operation
}

// newPerOperation keeps what a previous one has counted for each operation.
func newPerOperation(listed map[string]*probabilistic, others *probabilistic, lowerBound float64, previous sampling.Sampler) *perOperation {
	s := &perOperation{
		listed:     make(map[string]*operation, len(listed)),
		others:     others,
		lowerBound: lowerBound,
		learned:    map[string]*operation{},
		description: "PerOperation{operations:" + strconv.Itoa(len(listed)) + ",default:" + format(others.rate) +
			",lowerBound:" + format(lowerBound) + "}",
	}
	limiters := map[string]*limiter{}
	if old, ok := previous.(*perOperation); ok {
		limiters = old.limiters()
	}
	for _, l := range limiters {
		l.set(lowerBound)
	}
	for name, rate := range listed {
		l := limiters[name]
		delete(limiters, name)
		if l == nil {
			l = newLimiter(lowerBound)
		}
		s.listed[name] = newOperation(rate, l)
	}
	for name, l := range limiters {
		if len(s.learned) < maxLearned {
			s.learned[name] = newOperation(others, l)
		}
	}
	return s
}

// limiters returns those of all operations.
func (s *perOperation) limiters() map[string]*limiter {
	s.mu.RLock()
	defer s.mu.RUnlock()
	all := make(map[string]*limiter, len(s.listed)+len(s.learned))
	for name, o := range s.listed {
		all[name] = o.limiter
	}
	for name, o := range s.learned {
		all[name] = o.limiter
	}
	return all
}

func (s *perOperation) Sample(p sampling.Parameters) sampling.Result {
	if o := s.operation(p.Name); o != nil {
		return o.Sample(p)
	}
	return s.others.Sample(p)
}

// operation returns that of a name, or nil if there are too many.
func (s *perOperation) operation(name string) *operation {
	if o := s.listed[name]; o != nil {
		return o
	}
	s.mu.RLock()
	o, full := s.learned[name], len(s.learned) >= maxLearned
	s.mu.RUnlock()
	if o != nil || full {
		return o
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	o = s.learned[name]
	if o == nil && len(s.learned) < maxLearned {
		o = newOperation(s.others, newLimiter(s.lowerBound))
		s.learned[strings.Clone(name)] = o // the name may be part of something large
	}
	return o
}

func (s *perOperation) Description() string { return s.description }
