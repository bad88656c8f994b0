// SPDX-License-Identifier: Apache-2.0

package sampling_test

import (
	"encoding/hex"
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/sampling"
)

func TestRatiosRefuseOtherRates(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		rate float64
		want string
	}{
		{"not a number", math.NaN(), "NaN"},
		{"negative", -0.1, "-0.1"},
		{"above one", 1.5, "1.5"},
		{"infinite", math.Inf(1), "+Inf"},
		{"negative infinite", math.Inf(-1), "-Inf"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, err := sampling.Ratio(tt.rate)
			assert.Nil(t, s)
			require.EqualError(t, err, "sampling: Ratio: rate "+tt.want+" is not in 0..1")
			s, err = sampling.KongRatio(tt.rate)
			assert.Nil(t, s)
			require.EqualError(t, err, "sampling: KongRatio: rate "+tt.want+" is not in 0..1")
		})
	}
}

func TestDescriptions(t *testing.T) {
	t.Parallel()
	tests := []struct {
		sampler sampling.Sampler
		want    string
	}{
		{sampling.AlwaysOn(), "AlwaysOnSampler"},
		{sampling.AlwaysOff(), "AlwaysOffSampler"},
		{mustRatio(t, 0), "TraceIDRatioBased{0}"},
		{mustRatio(t, 0.25), "TraceIDRatioBased{0.25}"},
		{mustRatio(t, 1e-9), "TraceIDRatioBased{1e-09}"},
		{mustRatio(t, 1), "TraceIDRatioBased{1}"},
		{mustKongRatio(t, 0.01), "KongRatio{0.01}"},
	}
	for _, tt := range tests {
		assert.Equal(t, tt.want, tt.sampler.Description())
	}
}

// The decisions in otel_ratio.json were made by go.opentelemetry.io/otel/sdk v1.46.0: ids just
// below, at and just above the bound of each rate, and random ones.
func TestRatioDecidesAsOpenTelemetryDoes(t *testing.T) {
	t.Parallel()
	for _, v := range readVectors(t, "testdata/otel_ratio.json") {
		got := mustRatio(t, v.Rate).Sample(sampling.Parameters{TraceID: traceIDOf(t, v.TraceID)})
		assert.Equal(t, decisionOf(v.Sampled), got.Decision, "trace id %s, rate %v", v.TraceID, v.Rate)
	}
}

// The decisions in kong_sampler.json were made by Kong's own sampler. Where Kong was given an id of
// 8 bytes they stand first here, since only the first 8 bytes are read.
func TestKongRatioDecidesAsKongDoes(t *testing.T) {
	t.Parallel()
	vectors := readVectors(t, "testdata/kong_sampler.json")
	require.Len(t, vectors, 47)
	for _, v := range vectors {
		got := mustKongRatio(t, v.Rate).Sample(sampling.Parameters{TraceID: traceIDOf(t, v.TraceID)})
		assert.Equal(t, decisionOf(v.Sampled), got.Decision, "%s: trace id %s, rate %v", v.ID, v.TraceID, v.Rate)
	}
}

func TestRatiosKeepTheirShare(t *testing.T) {
	t.Parallel()
	const n = 20_000
	random := rand.New(rand.NewPCG(1, 2))
	for _, rate := range []float64{0, 0.01, 0.25, 0.5, 0.9, 1} {
		for _, s := range []sampling.Sampler{mustRatio(t, rate), mustKongRatio(t, rate)} {
			kept := 0
			for range n {
				if s.Sample(sampling.Parameters{TraceID: randomTraceID(random)}).Decision == sampling.RecordAndSample {
					kept++
				}
			}
			// Four standard deviations of the share.
			assert.InDelta(t, rate, float64(kept)/n, 4*math.Sqrt(rate*(1-rate)/n), s.Description())
		}
	}
}

func TestSpec_RatioWithHigherRateKeepsAllThatALowerRateKeeps(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	for range 2_000 {
		low, high := random.Float64(), random.Float64()
		if low > high {
			low, high = high, low
		}
		p := sampling.Parameters{TraceID: randomTraceID(random)}
		if mustRatio(t, low).Sample(p).Decision == sampling.RecordAndSample {
			assert.Equal(t, sampling.RecordAndSample, mustRatio(t, high).Sample(p).Decision, "%s, %v, %v", p.TraceID, low, high)
		}
		if mustKongRatio(t, low).Sample(p).Decision == sampling.RecordAndSample {
			assert.Equal(t, sampling.RecordAndSample, mustKongRatio(t, high).Sample(p).Decision, "%s, %v, %v", p.TraceID, low, high)
		}
	}
}

type vector struct {
	ID      string  `json:"id"`
	TraceID string  `json:"trace_id"`
	Rate    float64 `json:"rate"`
	Sampled bool    `json:"sampled"`
}

func readVectors(t *testing.T, file string) []vector {
	t.Helper()
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	var vectors []vector
	require.NoError(t, json.Unmarshal(data, &vectors))
	require.NotEmpty(t, vectors)
	return vectors
}

func decisionOf(sampled bool) sampling.Decision {
	if sampled {
		return sampling.RecordAndSample
	}
	return sampling.Drop
}

func traceIDOf(t *testing.T, text string) (id trace.TraceID) {
	t.Helper()
	b, err := hex.DecodeString(text)
	require.NoError(t, err)
	copy(id[:], b)
	return id
}

func randomTraceID(random *rand.Rand) (id trace.TraceID) {
	for i := range id {
		id[i] = byte(random.Uint32())
	}
	return id
}

func mustRatio(tb testing.TB, rate float64) sampling.Sampler {
	tb.Helper()
	s, err := sampling.Ratio(rate)
	require.NoError(tb, err)
	return s
}

func mustKongRatio(tb testing.TB, rate float64) sampling.Sampler {
	tb.Helper()
	s, err := sampling.KongRatio(rate)
	require.NoError(tb, err)
	return s
}
