// SPDX-License-Identifier: Apache-2.0

package jaegerremote_test

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/internal/testkit"
	"github.com/spandrel-go/spandrel/sampling"
	"github.com/spandrel-go/spandrel/sampling/jaegerremote"
)

// dropID and keepID are trace ids that a rate of 0.5 drops and keeps.
var dropID, keepID = trace.TraceID{8: 0xff}, trace.TraceID{8: 0x01}

// operations makes an answer with a rate for each of the listed operations.
func operations(rate, lowerBound float64, listed ...any) string {
	var b strings.Builder
	fmt.Fprintf(&b, `{"operationSampling":{"defaultSamplingProbability":%v,"defaultLowerBoundTracesPerSecond":%v,"perOperationStrategies":[`, rate, lowerBound)
	for i := 0; i < len(listed); i += 2 {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"operation":%q,"probabilisticSampling":{"samplingRate":%v}}`, listed[i], listed[i+1])
	}
	return b.String() + "]}}"
}

// sampledBy returns type and parameter of what sampled the span, "" if nothing did.
func sampledBy(t *testing.T, s sampling.Sampler, name string, id trace.TraceID) string {
	t.Helper()
	r := s.Sample(sampling.Parameters{Name: name, TraceID: id})
	if r.Decision == sampling.Drop {
		assert.Empty(t, r.Attributes)
		return ""
	}
	require.Equal(t, sampling.RecordAndSample, r.Decision)
	require.Len(t, r.Attributes, 2)
	assert.Equal(t, attribute.Key("sampler.type"), r.Attributes[0].Key)
	assert.Equal(t, attribute.Key("sampler.param"), r.Attributes[1].Key)
	return r.Attributes[0].Value.AsString() + " " + strconv.FormatFloat(r.Attributes[1].Value.AsFloat64(), 'g', -1, 64)
}

func TestRateIsThatOfRatio(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, _ := start(t, &backend{answer: half})
		assert.Equal(t, "probabilistic 0.5", sampledBy(t, s, "a", keepID))
		assert.Empty(t, sampledBy(t, s, "a", dropID))
		d, ok := s.SampleHead(sampling.Head{TraceIDLow: 0xff << 56})
		assert.True(t, ok, "what is dropped needs no look at the span")
		assert.Equal(t, sampling.Drop, d)
		_, ok = s.SampleHead(sampling.Head{TraceIDLow: 1})
		assert.False(t, ok, "what is sampled has attributes")
	})
}

func TestRateLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &backend{answer: `{"strategyType":1,"rateLimitingSampling":{"maxTracesPerSecond":4}}`}
		s, _ := start(t, b)
		_, ok := s.SampleHead(sampling.Head{})
		assert.False(t, ok, "a head that is asked twice must not count twice")
		passed := func(n int) (sampled int) {
			for range n {
				if sampledBy(t, s, "a", dropID) == "ratelimiting 4" {
					sampled++
				}
			}
			return sampled
		}
		assert.Equal(t, 4, passed(10))
		time.Sleep(500 * time.Millisecond)
		assert.Equal(t, 2, passed(10))
		time.Sleep(30 * time.Second)
		assert.Equal(t, 4, passed(10), "no more than a second's worth")

		time.Sleep(time.Second)
		assert.Equal(t, 2, passed(2))
		b.say(200, `{"rateLimitingSampling":{"maxTracesPerSecond":0}}`)
		nextPoll()
		assert.Equal(t, "JaegerRemoteSampler{RateLimiting{0}}", s.Description())
		time.Sleep(time.Hour)
		assert.Zero(t, passed(10))
	})
}

func TestRateLimitBelowOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, _ := start(t, &backend{answer: `{"rateLimitingSampling":{"maxTracesPerSecond":0.1}}`})
		sampled := 0
		for range 1_000 { // 100 s
			if sampledBy(t, s, "a", dropID) != "" {
				sampled++
			}
			time.Sleep(100 * time.Millisecond)
		}
		assert.InDelta(t, 10, sampled, 1)
	})
}

func TestNewStrategyLetsNoBurstPass(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &backend{answer: operations(0, 0.001, "a", 0)}
		s, _ := start(t, b)
		for _, name := range []string{"a", "b"} {
			assert.Equal(t, "lowerbound 0", sampledBy(t, s, name, dropID), "the first of %s", name)
			assert.Empty(t, sampledBy(t, s, name, dropID), "the second of %s", name)
		}
		b.say(200, operations(0, 0.002, "b", 0.5))
		nextPoll()
		for _, name := range []string{"a", "b"} {
			assert.Empty(t, sampledBy(t, s, name, dropID), "%s has no more to give", name)
		}
		assert.Equal(t, "lowerbound 0", sampledBy(t, s, "c", dropID), "a new one has")
		time.Sleep(500 * time.Second)
		assert.Equal(t, "lowerbound 0", sampledBy(t, s, "a", dropID))
		assert.Equal(t, "lowerbound 0.5", sampledBy(t, s, "b", dropID))
	})
}

func TestOperations(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, _ := start(t, &backend{answer: operations(0.25, 1, "all", 1, "half", 0.5)})
		assert.Equal(t, "probabilistic 1", sampledBy(t, s, "all", dropID))
		assert.Equal(t, "probabilistic 0.5", sampledBy(t, s, "half", keepID))
		assert.Empty(t, sampledBy(t, s, "half", dropID), "what the rate samples counts for the bound")
		time.Sleep(time.Second)
		assert.Equal(t, "lowerbound 0.5", sampledBy(t, s, "half", dropID))
		assert.Empty(t, sampledBy(t, s, "half", dropID))
		assert.Equal(t, "probabilistic 0.25", sampledBy(t, s, "other", keepID))
		_, ok := s.SampleHead(sampling.Head{TraceIDLow: 0xff << 56})
		assert.False(t, ok, "the name decides")
	})
}

func TestOperationsWithoutEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &backend{answer: operations(0.5, 0.001)}
		s, _ := start(t, b)
		for i := range 256 {
			assert.Equal(t, "lowerbound 0.5", sampledBy(t, s, "op"+strconv.Itoa(i), dropID))
		}
		assert.Empty(t, sampledBy(t, s, "one more", dropID), "has no bound")
		assert.Equal(t, "probabilistic 0.5", sampledBy(t, s, "one more", keepID), "but the rate")
		b.say(200, operations(0.5, 0.001, "one more", 0.5))
		nextPoll()
		assert.Equal(t, "lowerbound 0.5", sampledBy(t, s, "one more", dropID), "listed, it has")
		assert.Empty(t, sampledBy(t, s, "yet one more", dropID))
	})
}

func TestSamplerConcurrentSafe(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &backend{answer: always}
		s, _ := start(t, b, jaegerremote.WithPollingInterval(time.Second))
		var wg sync.WaitGroup
		for g := range 4 {
			wg.Go(func() {
				for i := range 200 {
					s.Sample(sampling.Parameters{Name: "op" + strconv.Itoa(g*i%300), TraceID: dropID})
					s.SampleHead(sampling.Head{})
					assert.NotEmpty(t, s.Description())
					time.Sleep(100 * time.Millisecond)
				}
			})
		}
		for i := range 20 {
			b.say(200, []string{half, operations(0.5, float64(i), "op1", 1), `{"rateLimitingSampling":{"maxTracesPerSecond":9}}`}[i%3])
			time.Sleep(1500 * time.Millisecond)
		}
		wg.Wait()
	})
}

// Guards the promise of the package comment. Not parallel, as testkit asks.
func TestSampleDoesNotAllocate(t *testing.T) {
	for _, answer := range []string{half, `{"rateLimitingSampling":{"maxTracesPerSecond":9}}`, operations(0.5, 1, "a", 0.5)} {
		synctest.Test(t, func(t *testing.T) {
			s, _ := start(t, &backend{answer: answer})
			names := []string{"a", "b"}
			s.Sample(sampling.Parameters{Name: "b"}) // learned
			sampled, i := 0, 0
			testkit.MaxMallocs(t, 1_000, 0, func() {
				if s.Sample(sampling.Parameters{Name: names[i%2], TraceID: trace.TraceID{8: byte(i)}}).Decision == sampling.RecordAndSample {
					sampled++
				}
				i++
			})
			assert.Positive(t, sampled)
		})
	}
}
