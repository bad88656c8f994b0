// SPDX-License-Identifier: Apache-2.0

package sampling

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"strconv"
)

// ratio is OpenTelemetry's TraceIDRatioBased.
type ratio struct {
	// bound is rate*2^63, in 0..2^63.
	bound       uint64
	description string
}

// kongRatio is the sampler of Kong's tracing PDK.
type kongRatio struct {
	// bound is rate*2^64. A rate of 1 has no bound in 64 bits; all is set instead.
	bound       uint64
	all         bool
	description string
}

var (
	_ HeadSampler = (*ratio)(nil)
	_ HeadSampler = (*kongRatio)(nil)
)

// Ratio returns a sampler that samples the given share of all traces: OpenTelemetry's
// TraceIDRatioBased, bit for bit. A trace is sampled if the last 8 bytes of its id, big-endian and
// shifted right by one, are less than rate*2^63. So services with the same rate agree about every
// trace, and one with a higher rate samples all that one with a lower rate does. The parent's
// decision plays no part; see [ParentBased].
//
// The rate must be in 0..1: 0 samples nothing, 1 everything. Any other, and NaN, is an error. The
// description is "TraceIDRatioBased{rate}".
func Ratio(rate float64) (Sampler, error) {
	if err := checkRate("Ratio", rate); err != nil {
		return nil, err
	}
	return &ratio{
		bound:       uint64(rate * (1 << 63)),
		description: describeRate("TraceIDRatioBased", rate),
	}, nil
}

// KongRatio returns a sampler that samples the given share of all traces: the sampler of Kong
// Gateway (kong.tracing, tracing_sampling_rate), bit for bit. A trace is sampled if the first
// 8 bytes of its id, read in the byte order of Kong's hosts, little-endian, are less than
// rate*2^64. A service with the gateway's rate and no other sampler keeps the traces that the
// gateway keeps.
//
// As in Kong, a 64-bit trace id begins with zeros and is therefore sampled at any rate but 0. The
// parent's decision plays no part; see [ParentBased].
//
// The rate must be in 0..1: 0 samples nothing, 1 everything. Any other, and NaN, is an error. The
// description is "KongRatio{rate}".
func KongRatio(rate float64) (Sampler, error) {
	if err := checkRate("KongRatio", rate); err != nil {
		return nil, err
	}
	s := &kongRatio{all: rate == 1, description: describeRate("KongRatio", rate)}
	if !s.all {
		// A float64 below 1 times 2^64 fits 64 bits. The fraction is cut off, as LuaJIT does when it
		// compares a number with a uint64_t.
		s.bound = uint64(rate * (1 << 64))
	}
	return s, nil
}

func (s *ratio) Sample(p Parameters) Result {
	d, _ := s.SampleHead(Head{TraceIDLow: binary.BigEndian.Uint64(p.TraceID[8:])})
	return Result{Decision: d}
}

func (s *ratio) SampleHead(h Head) (Decision, bool) {
	if h.TraceIDLow>>1 < s.bound {
		return RecordAndSample, true
	}
	return Drop, true
}

func (s *ratio) Description() string { return s.description }

func (s *kongRatio) Sample(p Parameters) Result {
	d, _ := s.SampleHead(Head{TraceIDHigh: binary.BigEndian.Uint64(p.TraceID[:8])})
	return Result{Decision: d}
}

func (s *kongRatio) SampleHead(h Head) (Decision, bool) {
	if s.all || bits.ReverseBytes64(h.TraceIDHigh) < s.bound {
		return RecordAndSample, true
	}
	return Drop, true
}

func (s *kongRatio) Description() string { return s.description }

// checkRate is written so that NaN, which compares false with everything, is refused.
func checkRate(constructor string, rate float64) error {
	if rate >= 0 && rate <= 1 {
		return nil
	}
	return fmt.Errorf("sampling: %s: rate %v is not in 0..1", constructor, rate)
}

func describeRate(name string, rate float64) string {
	return name + "{" + strconv.FormatFloat(rate, 'g', -1, 64) + "}"
}
