// SPDX-License-Identifier: Apache-2.0

package sampling_test

import (
	"bytes"
	"log/slog"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/sampling"
)

// part is a Composable of a user.
type part func(p sampling.ComposableParameters) sampling.Intent

func (f part) Intent(p sampling.ComposableParameters) sampling.Intent { return f(p) }

func (part) Description() string { return "part" }

func wants(in sampling.Intent) part {
	return func(sampling.ComposableParameters) sampling.Intent { return in }
}

func TestProbabilityRefusesOtherRates(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		rate float64
		want string
	}{
		{math.NaN(), "rate NaN is not in 0..1"},
		{-0.1, "rate -0.1 is not in 0..1"},
		{1.1, "rate 1.1 is not in 0..1"},
		{0x1p-57, "rate 6.938893903907228e-18 is neither 0 nor in 2^-56..1"},
	} {
		s, err := sampling.Probability(tt.rate)
		assert.Nil(t, s)
		require.EqualError(t, err, "sampling: Probability: "+tt.want)
		c, err := sampling.ComposableProbability(tt.rate)
		assert.Nil(t, c)
		require.EqualError(t, err, "sampling: ComposableProbability: "+tt.want)
	}
	never, err := sampling.ComposableProbability(0)
	require.NoError(t, err)
	assert.Equal(t, sampling.ComposableAlwaysOff().Description(), never.Description())
	assert.Equal(t, sampling.Drop, mustProbability(t, 0).Sample(sampling.Parameters{TraceID: randomID(1<<56 - 1)}).Decision)
}

func TestTraceIDsAreTakenForRandom(t *testing.T) {
	t.Parallel()
	s := mustProbability(t, 0.5)
	for _, state := range []string{"", "ot=rv:12", "ot=X:1;rv:ffffffffffffff"} {
		p := underParent(t, state, sampling.ParentDeny, randomID(1<<55))
		assert.Equal(t, sampling.RecordAndSample, s.Sample(p).Decision, state)
		p.TraceID = randomID(1<<55 - 1)
		assert.Equal(t, sampling.Drop, s.Sample(p).Decision, state)
	}
}

func TestProbabilityKeepsItsShareAndAllThatALowerRateKeeps(t *testing.T) {
	t.Parallel()
	const n = 20_000
	random := rand.New(rand.NewPCG(7, 8))
	rates := []float64{0, 0.01, 0.25, 0.5, 0.9, 1}
	kept := make([]int, len(rates))
	samplers := make([]sampling.Sampler, len(rates))
	for i, rate := range rates {
		samplers[i] = mustProbability(t, rate)
	}
	for range n {
		p := sampling.Parameters{TraceID: randomTraceID(random)}
		before := false
		for i, s := range samplers {
			sampled := s.Sample(p).Decision == sampling.RecordAndSample
			assert.True(t, sampled || !before, "%s keeps less than a lower rate", s.Description())
			before = sampled
			if sampled {
				kept[i]++
			}
		}
	}
	for i, rate := range rates {
		assert.InDelta(t, rate, float64(kept[i])/n, 4*math.Sqrt(rate*(1-rate)/n)+1e-4, "rate %v", rate)
	}
}

func TestHeadDropsWhatSampleDrops(t *testing.T) {
	t.Parallel()
	s, ok := mustProbability(t, 0.5).(sampling.HeadSampler)
	require.True(t, ok)
	d, ok := s.SampleHead(sampling.Head{TraceIDLow: 1<<55 - 1, NoParent: true})
	assert.True(t, ok)
	assert.Equal(t, sampling.Drop, d)
	for _, h := range []sampling.Head{
		{TraceIDLow: 1 << 55, NoParent: true}, // changes the trace state
		{TraceIDLow: 1<<55 - 1},               // the trace state may tell another randomness
	} {
		_, ok = s.SampleHead(h)
		assert.False(t, ok)
	}
	s, ok = mustProbability(t, 0.5, sampling.WithExplicitRandomness()).(sampling.HeadSampler)
	require.True(t, ok)
	_, ok = s.SampleHead(sampling.Head{NoParent: true})
	assert.False(t, ok)

	record, ok := sampling.AlwaysRecord(sampling.AlwaysOff()).(sampling.HeadSampler)
	require.True(t, ok)
	d, ok = record.SampleHead(sampling.Head{})
	assert.True(t, ok)
	assert.Equal(t, sampling.RecordOnly, d)
	record, ok = sampling.AlwaysRecord(named{name: "x"}).(sampling.HeadSampler)
	require.True(t, ok)
	_, ok = record.SampleHead(sampling.Head{})
	assert.False(t, ok, "the sampler that it asks cannot")
}

func TestWithExplicitRandomness(t *testing.T) {
	t.Parallel()
	s := mustProbability(t, 0.5, sampling.WithExplicitRandomness())
	decisions := map[sampling.Decision]int{}
	for range 200 {
		got := s.Sample(sampling.Parameters{TraceID: randomID(0)})
		decisions[got.Decision]++
		state := stateOf(t, got)
		rv := strings.TrimPrefix(strings.TrimSuffix(state, ";th:8"), "ot=rv:")
		require.Len(t, rv, 14, state)
		assert.Equal(t, rv >= "80000000000000", got.Decision == sampling.RecordAndSample, state)
		assert.Equal(t, got.Decision == sampling.RecordAndSample, strings.HasSuffix(state, ";th:8"), state)

		// What it told a child's sampler goes by.
		p := underParent(t, state, sampling.ParentDeny, randomID(0))
		assert.Equal(t, got.Decision, s.Sample(p).Decision)
	}
	assert.Len(t, decisions, 2, "of 200 numbers half are sampled")

	got := s.Sample(sampling.Parameters{TraceID: randomID(0), Random: true})
	assert.Equal(t, sampling.Drop, got.Decision, "a random id needs no other number")
	assert.Nil(t, got.TraceState)
	got = s.Sample(underParent(t, "", sampling.ParentAccept, randomID(0)))
	assert.Equal(t, sampling.Drop, got.Decision, "only a root may add one")
	assert.Nil(t, got.TraceState)
	p := sampling.Parameters{TraceID: randomID(0)}
	p.Parent = p.Parent.WithTraceState(mustState(t, "ot=rv:ffffffffffffff"))
	assert.Equal(t, "ot=rv:ffffffffffffff;th:8", stateOf(t, s.Sample(p)), "one that is there stays")
	full := "ot=x:" + strings.Repeat("a", 250)
	p.Parent = p.Parent.WithTraceState(mustState(t, full))
	got = s.Sample(p)
	assert.Equal(t, sampling.Drop, got.Decision, "no room to tell one: the trace id decides")
	assert.Nil(t, got.TraceState)
}

func TestWithLoggerWarnsOnceAboutOtherTraceIDs(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	s := mustProbability(t, 0.5, sampling.WithLogger(slog.New(slog.NewTextHandler(&b, nil))))
	s.Sample(sampling.Parameters{TraceID: randomID(0)})
	p := underParent(t, "", sampling.ParentAccept, randomID(0))
	p.Random = true
	s.Sample(p)
	s.Sample(underParent(t, "ot=rv:12345678901234", sampling.ParentAccept, randomID(0)))
	assert.Empty(t, b.String(), "roots, random ids and explicit randomness are as they should be")
	p.Random = false
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { s.Sample(p) })
	}
	wg.Wait()
	assert.Equal(t, 1, strings.Count(b.String(), "level=WARN"), b.String())
	assert.Contains(t, b.String(), "random trace flag")
	assert.Contains(t, b.String(), "Probability{0.5}")
}

func TestCompositeGivesItsPartsWhatTheyMayKnow(t *testing.T) {
	t.Parallel()
	var got []sampling.ComposableParameters
	s := sampling.Composite(part(func(p sampling.ComposableParameters) sampling.Intent {
		got = append(got, p)
		return sampling.Intent{}
	}))
	p := underParent(t, "ot=th:8", sampling.ParentAccept, randomID(1<<55))
	p.Name, p.RequestID = "n", "r"
	assert.Equal(t, sampling.Drop, s.Sample(p).Decision)
	s.Sample(underParent(t, "ot=th:8", sampling.ParentAccept, randomID(1)))
	require.Len(t, got, 2)
	assert.True(t, got[0].HasParentThreshold)
	assert.Equal(t, uint64(1<<55), got[0].ParentThreshold)
	assert.False(t, got[0].TraceID.IsValid(), "the threshold must not depend on the trace id")
	assert.Equal(t, "n", got[0].Name)
	assert.Equal(t, "r", got[0].RequestID)
	assert.False(t, got[1].HasParentThreshold, "it contradicts the parent's decision")
}

func TestCompositeWithUnreliableThreshold(t *testing.T) {
	t.Parallel()
	s := sampling.Composite(wants(sampling.Intent{Sample: true, Threshold: 1 << 55}))
	decisions := map[sampling.Decision]int{}
	for range 200 {
		got := s.Sample(underParent(t, "ot=th:8;rv:ffffffffffffff", sampling.ParentAccept, randomID(0)))
		decisions[got.Decision]++
		assert.Equal(t, "ot=rv:ffffffffffffff", stateOf(t, got), "none is told")
	}
	assert.Len(t, decisions, 2, "another random number decides")
	got := sampling.Composite(wants(sampling.Intent{Sample: true, Threshold: 1 << 56})).Sample(sampling.Parameters{})
	assert.Equal(t, sampling.Drop, got.Decision, "nothing reaches it")
}

func TestCompositeTraceStateOfAPart(t *testing.T) {
	t.Parallel()
	var decision sampling.Decision
	in := sampling.Intent{Sample: true, Reliable: true, TraceState: func(parent trace.TraceState, d sampling.Decision) trace.TraceState {
		decision = d
		parent, err := parent.Insert("mine", "1")
		assert.NoError(t, err)
		parent, err = parent.Insert("ot", "rv:00000000000000;th:f")
		assert.NoError(t, err)
		return parent
	}}
	got := sampling.Composite(wants(in)).Sample(underParent(t, "ot=rv:ffffffffffffff;k:1,a=1", sampling.ParentAccept, randomID(0)))
	assert.Equal(t, "ot=rv:ffffffffffffff;k:1;th:0,mine=1,a=1", stateOf(t, got), "a part cannot change ot")
	assert.Equal(t, sampling.RecordAndSample, decision)
	in.Threshold = 1 << 55
	got = sampling.Composite(wants(in)).Sample(sampling.Parameters{TraceID: randomID(0)})
	assert.Equal(t, "mine=1", stateOf(t, got))
	assert.Equal(t, sampling.Drop, decision)
}

func TestCompositeTellsTheThresholdThatAPartChanged(t *testing.T) {
	t.Parallel()
	half, err := sampling.ComposableProbability(0.5)
	require.NoError(t, err)
	s := sampling.Composite(part(func(p sampling.ComposableParameters) sampling.Intent {
		in := half.Intent(p)
		in.Threshold /= 2
		return in
	}))
	assert.Equal(t, "ot=th:4", stateOf(t, s.Sample(sampling.Parameters{TraceID: randomID(1 << 54)})))
}

func TestComposableAnnotating(t *testing.T) {
	t.Parallel()
	inner := sampling.ComposableAnnotating(nil, attribute.Int("a", 1), attribute.Int("b", 1))
	outer := sampling.ComposableAnnotating(inner, attribute.Int("b", 2))
	assert.Equal(t, "ComposableAnnotating{b,delegate:ComposableAnnotating{a,b,delegate:ComposableAlwaysOn}}", outer.Description())
	got := sampling.Composite(outer).Sample(sampling.Parameters{})
	assert.Equal(t, []attribute.KeyValue{attribute.Int("a", 1), attribute.Int("b", 1), attribute.Int("b", 2)}, got.Attributes)
	again := sampling.Composite(inner).Sample(sampling.Parameters{})
	assert.Equal(t, []attribute.KeyValue{attribute.Int("a", 1), attribute.Int("b", 1)}, again.Attributes)

	never := sampling.ComposableAnnotating(sampling.ComposableAlwaysOff(), attribute.Int("a", 1))
	assert.Empty(t, sampling.Composite(never).Sample(sampling.Parameters{}).Attributes, "only what is sampled")
}

func TestNilParts(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		sampler sampling.Sampler
		want    string
		sampled bool
	}{
		{sampling.Composite(nil), "Composite{ComposableAlwaysOn}", true},
		{sampling.Composite(sampling.ComposableParentThreshold(nil)), "Composite{ComposableParentThreshold{root:ComposableAlwaysOn}}", true},
		{sampling.Composite(sampling.ComposableRuleBased(sampling.Rule{})), "Composite{ComposableRuleBased{ComposableAlwaysOff}}", false},
		{sampling.Composite(sampling.ComposableRuleBased()), "Composite{ComposableRuleBased{}}", false},
		{sampling.Composite(nil, nil), "Composite{ComposableAlwaysOn}", true},
		{sampling.AlwaysRecord(nil), "AlwaysRecord{root:AlwaysOnSampler}", true},
	} {
		assert.Equal(t, tt.want, tt.sampler.Description())
		assert.Equal(t, decisionOf(tt.sampled), tt.sampler.Sample(sampling.Parameters{}).Decision, tt.want)
	}
}

func TestCompositeFollowsLocalParent(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		part sampling.Composable
		want bool
	}{
		{sampling.ComposableParentThreshold(nil), true},
		{sampling.ComposableAlwaysOn(), false},
		{sampling.ComposableAnnotating(sampling.ComposableParentThreshold(nil)), false},
	} {
		f, ok := sampling.Composite(tt.part).(interface{ FollowsLocalParent() bool })
		require.True(t, ok)
		assert.Equal(t, tt.want, f.FollowsLocalParent(), tt.part.Description())
	}
	_, ok := sampling.AlwaysRecord(sampling.ParentBased(nil)).(interface{ FollowsLocalParent() bool })
	assert.False(t, ok, "children of a span that is dropped are recorded")
}
