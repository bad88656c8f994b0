// SPDX-License-Identifier: Apache-2.0

package jaegerremote

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"github.com/spandrel-go/spandrel/sampling"
)

// response is Jaeger's SamplingStrategyResponse (jaeger-idl, proto/api_v2/sampling.proto) in JSON.
// A number that is 0 may be missing, as in all JSON of protocol buffers.
type response struct {
	StrategyType          strategyType   `json:"strategyType"`
	ProbabilisticSampling *probability   `json:"probabilisticSampling"`
	RateLimitingSampling  *rateLimit     `json:"rateLimitingSampling"`
	OperationSampling     *operationList `json:"operationSampling"`
}

type probability struct {
	SamplingRate float64 `json:"samplingRate"`
}

type rateLimit struct {
	MaxTracesPerSecond float64 `json:"maxTracesPerSecond"`
}

type operationList struct {
	DefaultSamplingProbability       float64 `json:"defaultSamplingProbability"`
	DefaultLowerBoundTracesPerSecond float64 `json:"defaultLowerBoundTracesPerSecond"`
	PerOperationStrategies           []struct {
		Operation             string       `json:"operation"`
		ProbabilisticSampling *probability `json:"probabilisticSampling"`
	} `json:"perOperationStrategies"`
}

// strategyType is an enum, by name or by number. It says little: it has no value for operations. It
// counts where an answer holds both of the others.
type strategyType bool // whether it is RATE_LIMITING

func (t *strategyType) UnmarshalJSON(text []byte) error {
	switch string(bytes.TrimSpace(text)) {
	case `"PROBABILISTIC"`, "0", "null":
		*t = false
	case `"RATE_LIMITING"`, "1":
		*t = true
	default:
		return fmt.Errorf("strategyType is neither PROBABILISTIC (0) nor RATE_LIMITING (1): %.40s", text)
	}
	return nil
}

// parse makes a sampler of an answer. It takes over what the previous one has counted.
func parse(answer []byte, previous sampling.Sampler) (sampling.Sampler, error) {
	var r response
	if err := json.Unmarshal(answer, &r); err != nil {
		return nil, err
	}
	switch {
	case r.OperationSampling != nil:
		return r.OperationSampling.sampler(previous)
	case r.RateLimitingSampling != nil && (bool(r.StrategyType) || r.ProbabilisticSampling == nil):
		limit := r.RateLimitingSampling.MaxTracesPerSecond
		if err := checkLimit("rateLimitingSampling.maxTracesPerSecond", limit); err != nil {
			return nil, err
		}
		return newRateLimiting(limit, previous), nil
	case r.ProbabilisticSampling != nil:
		rate, err := newProbabilistic(r.ProbabilisticSampling.SamplingRate)
		if err != nil {
			return nil, fmt.Errorf("probabilisticSampling.samplingRate: %w", err)
		}
		return rate, nil
	default:
		return nil, errors.New("the answer holds no strategy")
	}
}

func (l *operationList) sampler(previous sampling.Sampler) (sampling.Sampler, error) {
	others, err := newProbabilistic(l.DefaultSamplingProbability)
	if err != nil {
		return nil, fmt.Errorf("operationSampling.defaultSamplingProbability: %w", err)
	}
	if err := checkLimit("operationSampling.defaultLowerBoundTracesPerSecond", l.DefaultLowerBoundTracesPerSecond); err != nil {
		return nil, err
	}
	listed := make(map[string]*probabilistic, len(l.PerOperationStrategies))
	for _, op := range l.PerOperationStrategies {
		if op.ProbabilisticSampling == nil {
			return nil, fmt.Errorf("operationSampling: operation %.100q has no probabilisticSampling", op.Operation)
		}
		rate, err := newProbabilistic(op.ProbabilisticSampling.SamplingRate)
		if err != nil {
			return nil, fmt.Errorf("operationSampling: samplingRate of operation %.100q: %w", op.Operation, err)
		}
		listed[op.Operation] = rate
	}
	return newPerOperation(listed, others, l.DefaultLowerBoundTracesPerSecond, previous), nil
}

// checkLimit checks a number of traces a second. Jaeger has int32 for it in one place.
func checkLimit(name string, limit float64) error {
	if limit >= 0 && limit <= math.MaxInt32 {
		return nil
	}
	return fmt.Errorf("%s: %v is not in 0..%d", name, limit, math.MaxInt32)
}
