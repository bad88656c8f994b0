// SPDX-License-Identifier: Apache-2.0

package sampling_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/internal/testkit"
	"github.com/spandrel-go/spandrel/sampling"
)

const (
	tracedID   = "125a4afb-6f55-94ba-ad80-413f09f48a28"
	untracedID = "125a4afb-6f55-44ba-ad80-413f09f48a28"
)

func ExampleEnvoyRequestID() {
	sampler := sampling.ParentBased(sampling.EnvoyRequestID(sampling.AlwaysOff()))
	fmt.Println(sampler.Sample(sampling.Parameters{RequestID: tracedID}).Decision)
	fmt.Println(sampler.Sample(sampling.Parameters{}).Decision)
	// Output:
	// RecordAndSample
	// Drop
}

func TestEnvoyRequestID(t *testing.T) {
	t.Parallel()
	next := named{name: "next"}
	const (
		sample = "sample"
		drop   = "drop"
		asked  = "next"
	)
	tests := []struct {
		name      string
		requestID string
		want      string
	}{
		{"none", "", asked},
		{"sampled", tracedID, sample},
		{"forced by the server", "125a4afb-6f55-a4ba-ad80-413f09f48a28", sample},
		{"forced by the client", "125a4afb-6f55-b4ba-ad80-413f09f48a28", sample},
		{"no trace", untracedID, drop},
		{"another version of UUID", "125a4afb-6f55-74ba-ad80-413f09f48a28", asked},
		{"no UUID", "f29f5b1cd4a84fca8a1d4c7d1c2c2a0d", asked},
	}
	s := sampling.EnvoyRequestID(next)
	check := func(t *testing.T, s sampling.Sampler, p sampling.Parameters, want string) {
		t.Helper()
		got := s.Sample(p)
		switch {
		case len(got.Attributes) == 1:
			assert.Equal(t, want, got.Attributes[0].Value.AsString())
		case got.Decision == sampling.RecordAndSample:
			assert.Equal(t, want, sample)
		default:
			assert.Equal(t, sampling.Drop, got.Decision)
			assert.Equal(t, want, drop)
		}
		assert.Nil(t, got.TraceState)
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, parent := range []trace.SpanContext{{}, remoteParent} {
				p := sampling.Parameters{Parent: parent, RequestID: tt.requestID}
				check(t, s, p, tt.want)
				check(t, sampling.ParentBased(s), p, tt.want)

				// A decision that arrived, or that of a parent, wins.
				p.ParentDecision = sampling.ParentAccept
				check(t, s, p, asked)
				check(t, sampling.ParentBased(s), p, sample)
				p.ParentDecision = sampling.ParentDeny
				check(t, s, p, asked)
				check(t, sampling.ParentBased(s), p, drop)
				p.ParentDecision, p.Debug = sampling.ParentDefer, true
				check(t, s, p, asked)
				check(t, sampling.ParentBased(s), p, sample)
			}
			check(t, sampling.ParentBased(s),
				sampling.Parameters{Parent: localParent, ParentDecision: sampling.ParentAccept, RequestID: tt.requestID}, sample)
			check(t, sampling.ParentBased(s),
				sampling.Parameters{Parent: localParent, ParentDecision: sampling.ParentDeny, RequestID: tt.requestID}, drop)
		})
	}
	assert.Equal(t, "EnvoyRequestID{next}", s.Description())
	assert.Equal(t, "EnvoyRequestID{AlwaysOnSampler}", sampling.EnvoyRequestID(nil).Description())
	assert.Equal(t, sampling.RecordAndSample, sampling.EnvoyRequestID(nil).Sample(sampling.Parameters{}).Decision)
}

// A head holds no request id: only where there is none, or none counts, can it do.
func TestEnvoyRequestIDDecidesByHead(t *testing.T) {
	t.Parallel()
	s, ok := sampling.EnvoyRequestID(sampling.AlwaysOff()).(sampling.HeadSampler)
	require.True(t, ok)
	for _, tt := range []struct {
		name string
		head sampling.Head
		want bool
	}{
		{"nothing arrived", sampling.Head{NoParent: true}, true},
		{"something arrived", sampling.Head{}, false},
		{"accept", sampling.Head{ParentDecision: sampling.ParentAccept}, true},
		{"deny", sampling.Head{ParentDecision: sampling.ParentDeny}, true},
		{"debug", sampling.Head{Debug: true}, true},
		{"local parent", sampling.Head{ParentDecision: sampling.ParentAccept, LocalParent: true}, true},
	} {
		decision, ok := s.SampleHead(tt.head)
		assert.Equal(t, tt.want, ok, tt.name)
		assert.Equal(t, sampling.Drop, decision, tt.name)
	}
	s, ok = sampling.EnvoyRequestID(named{name: "no head"}).(sampling.HeadSampler)
	require.True(t, ok)
	_, ok = s.SampleHead(sampling.Head{NoParent: true})
	assert.False(t, ok, "next cannot decide so")
}

func TestEnvoyRequestIDDoesNotAllocate(t *testing.T) {
	s := sampling.ParentBased(sampling.EnvoyRequestID(sampling.AlwaysOff()))
	ids := []string{"", tracedID, untracedID, "no UUID"}
	sampled, i := 0, 0
	testkit.MaxMallocs(t, 1_000, 0, func() {
		if s.Sample(sampling.Parameters{RequestID: ids[i%len(ids)]}).Decision == sampling.RecordAndSample {
			sampled++
		}
		i++
	})
	assert.Positive(t, sampled)
}
