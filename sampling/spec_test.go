// SPDX-License-Identifier: Apache-2.0

package sampling_test

import (
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/sampling"
)

// The tests of this file are those that rows of docs/otel-compliance.md name.

func TestSpec_AlwaysOnAndAlwaysOff(t *testing.T) {
	t.Parallel()
	for _, d := range []sampling.ParentDecision{sampling.ParentDefer, sampling.ParentDeny, sampling.ParentAccept} {
		p := underParent(t, "", d, randomID(1))
		assert.Equal(t, sampling.RecordAndSample, sampling.AlwaysOn().Sample(p).Decision)
		assert.Equal(t, sampling.Drop, sampling.AlwaysOff().Sample(p).Decision)
	}
	assert.Equal(t, "AlwaysOnSampler", sampling.AlwaysOn().Description())
	assert.Equal(t, "AlwaysOffSampler", sampling.AlwaysOff().Description())
}

// TestSpec_RatioWithHigherRateKeepsAllThatALowerRateKeeps shows the rest of the row.
func TestSpec_TraceIDRatioBased(t *testing.T) {
	t.Parallel()
	s, again, higher := mustRatio(t, 0.25), mustRatio(t, 0.25), mustRatio(t, 0.5)
	random := rand.New(rand.NewPCG(9, 10))
	for range 1_000 {
		id := randomTraceID(random)
		want := s.Sample(sampling.Parameters{TraceID: id}).Decision
		assert.Equal(t, want, again.Sample(sampling.Parameters{TraceID: id}).Decision, "another sampler, %s", id)
		for _, d := range []sampling.ParentDecision{sampling.ParentDeny, sampling.ParentAccept} {
			assert.Equal(t, want, s.Sample(underParent(t, "", d, id)).Decision, "parent says %s, %s", d, id)
		}
		if want == sampling.RecordAndSample {
			assert.Equal(t, want, higher.Sample(sampling.Parameters{TraceID: id}).Decision, id)
		}
	}
	assert.Equal(t, "TraceIDRatioBased{0.25}", s.Description())
}

func TestSpec_ParentBased(t *testing.T) {
	t.Parallel()
	s := sampling.ParentBased(named{name: "root"},
		sampling.WithRemoteParentSampled(named{name: "remoteParentSampled"}),
		sampling.WithRemoteParentNotSampled(named{name: "remoteParentNotSampled"}),
		sampling.WithLocalParentSampled(named{name: "localParentSampled"}),
		sampling.WithLocalParentNotSampled(named{name: "localParentNotSampled"}))
	local := func(d sampling.ParentDecision) sampling.Parameters {
		return sampling.Parameters{Parent: localParent, ParentDecision: d}
	}
	for _, tt := range []struct {
		p         sampling.Parameters
		asked     string
		byDefault sampling.Decision
	}{
		{p: sampling.Parameters{}, asked: "root", byDefault: sampling.Drop},
		{p: underParent(t, "", sampling.ParentAccept, randomID(1)), asked: "remoteParentSampled", byDefault: sampling.RecordAndSample},
		{p: underParent(t, "", sampling.ParentDeny, randomID(1)), asked: "remoteParentNotSampled", byDefault: sampling.Drop},
		{p: local(sampling.ParentAccept), asked: "localParentSampled", byDefault: sampling.RecordAndSample},
		{p: local(sampling.ParentDeny), asked: "localParentNotSampled", byDefault: sampling.Drop},
	} {
		assert.Equal(t, []attribute.KeyValue{attribute.String("asked", tt.asked)}, s.Sample(tt.p).Attributes)
		assert.Equal(t, tt.byDefault, sampling.ParentBased(sampling.AlwaysOff()).Sample(tt.p).Decision, tt.asked)
	}
}

func TestSpec_AlwaysRecord(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ root, want sampling.Decision }{
		{sampling.Drop, sampling.RecordOnly},
		{sampling.RecordOnly, sampling.RecordOnly},
		{sampling.RecordAndSample, sampling.RecordAndSample},
	} {
		state := mustState(t, "a=1")
		root := fixedResult{sampling.Result{
			Decision: tt.root, Attributes: []attribute.KeyValue{attribute.Bool("k", true)}, TraceState: &state,
		}}
		s := sampling.AlwaysRecord(root)
		got := s.Sample(sampling.Parameters{})
		assert.Equal(t, tt.want, got.Decision, "root says %s", tt.root)
		assert.Equal(t, root.Attributes, got.Attributes)
		assert.Equal(t, root.TraceState, got.TraceState)
		assert.Equal(t, "AlwaysRecord{root:fixedResult}", s.Description())
	}
}

func TestSpec_ProbabilitySampler(t *testing.T) {
	t.Parallel()
	s := mustProbability(t, 0.25)
	assert.Equal(t, "Probability{0.25}", s.Description())

	low, high := randomID(0xbfffffffffffff), randomID(0xc0000000000000)
	got := s.Sample(sampling.Parameters{TraceID: low})
	assert.Equal(t, sampling.Drop, got.Decision, "R < T")
	assert.Nil(t, got.TraceState)
	got = s.Sample(sampling.Parameters{TraceID: high})
	assert.Equal(t, sampling.RecordAndSample, got.Decision, "R = T")
	assert.Equal(t, "ot=th:c", stateOf(t, got))

	// The bits above the 56 play no part.
	high[8] = 0xff
	low[8] = 0xff
	assert.Equal(t, sampling.RecordAndSample, s.Sample(sampling.Parameters{TraceID: high}).Decision)
	assert.Equal(t, sampling.Drop, s.Sample(sampling.Parameters{TraceID: low}).Decision)

	// The parent's flag plays no part either, and an explicit randomness comes before the trace id and
	// stays as it is.
	for _, decision := range []sampling.ParentDecision{sampling.ParentAccept, sampling.ParentDeny} {
		p := underState(t, "a=1,ot=rv:c0000000000000;th:8")
		p.ParentDecision = decision
		p.TraceID = low
		got = s.Sample(p)
		assert.Equal(t, sampling.RecordAndSample, got.Decision)
		assert.Equal(t, "ot=rv:c0000000000000;th:c,a=1", stateOf(t, got))
		p = underState(t, "a=1,ot=rv:bfffffffffffff;th:8")
		p.ParentDecision = decision
		p.TraceID = high
		got = s.Sample(p)
		assert.Equal(t, sampling.Drop, got.Decision)
		assert.Equal(t, "ot=rv:bfffffffffffff,a=1", stateOf(t, got), "a span that is dropped tells no threshold")
	}
}

func TestSpec_CompositeSampler(t *testing.T) {
	t.Parallel()
	tenth, err := sampling.ComposableProbability(0.1)
	require.NoError(t, err)
	named := func(name string) func(sampling.ComposableParameters) bool {
		return func(p sampling.ComposableParameters) bool { return p.Name == name }
	}
	// The example of the specification (trace/sdk.md, "ComposableAnnotating").
	s := sampling.Composite(sampling.ComposableParentThreshold(sampling.ComposableRuleBased(
		sampling.Rule{Name: "health", When: named("health"), Use: sampling.ComposableAlwaysOff()},
		sampling.Rule{Name: "checkout", When: named("checkout"), Use: sampling.ComposableAnnotating(
			sampling.ComposableAlwaysOn(), attribute.String("rule", "checkout"))},
		sampling.Rule{Use: tenth},
	)))
	assert.Equal(t, "Composite{ComposableParentThreshold{root:ComposableRuleBased{health:ComposableAlwaysOff,"+
		"checkout:ComposableAnnotating{rule,delegate:ComposableAlwaysOn},ComposableProbability{0.1}}}}", s.Description())

	low, high := randomID(0xe6600000000000), randomID(0xe6660000000000)
	tests := []struct {
		name  string
		p     sampling.Parameters
		want  sampling.Decision
		state string // "" for the parent's
		attrs int
	}{
		{name: "root is never sampled", p: sampling.Parameters{Name: "health", TraceID: high}},
		{
			name: "root is always sampled", p: sampling.Parameters{Name: "checkout", TraceID: low},
			want: sampling.RecordAndSample, state: "ot=th:0", attrs: 1,
		},
		{
			name: "root is sampled by its id", p: sampling.Parameters{Name: "x", TraceID: high},
			want: sampling.RecordAndSample, state: "ot=th:e666",
		},
		{name: "root is dropped by its id", p: sampling.Parameters{Name: "x", TraceID: low}},
		{
			name: "child has the parent's threshold", p: underParent(t, "ot=th:e", sampling.ParentAccept, high),
			want: sampling.RecordAndSample,
		},
		{
			name: "child of a sampled parent without threshold", p: underParent(t, "a=1", sampling.ParentAccept, low),
			want: sampling.RecordAndSample,
		},
		{name: "child of a dropped parent", p: underParent(t, "a=1", sampling.ParentDeny, high)},
		{
			name: "child of a parent that contradicts its threshold",
			p:    underParent(t, "a=1,ot=th:f", sampling.ParentAccept, high),
			want: sampling.RecordAndSample, state: "a=1",
		},
		{
			name: "child of a dropped parent that contradicts its threshold",
			p:    underParent(t, "ot=th:8;k:1", sampling.ParentDeny, high), state: "ot=k:1",
		},
		{
			name: "child whose parent has not decided", p: underParent(t, "ot=th:f", sampling.ParentDefer, high),
			want: sampling.RecordAndSample, state: "ot=th:e666",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := s.Sample(tt.p)
			assert.Equal(t, tt.want, got.Decision)
			assert.Len(t, got.Attributes, tt.attrs)
			if tt.state == "" {
				assert.Nil(t, got.TraceState)
			} else {
				assert.Equal(t, tt.state, stateOf(t, got))
			}
		})
	}
}

func TestSpec_ExplicitRandomness(t *testing.T) {
	t.Parallel()
	const state = "ot=rv:7479cfb506891d"
	for _, s := range []sampling.Sampler{
		mustProbability(t, 0.1),
		mustProbability(t, 0.9),
		mustProbability(t, 0.9, sampling.WithExplicitRandomness()),
		sampling.Composite(sampling.ComposableAlwaysOn()),
		sampling.Composite(sampling.ComposableAlwaysOff()),
		sampling.Composite(sampling.ComposableParentThreshold(nil)),
	} {
		root := sampling.Parameters{TraceID: randomID(1)}
		root.Parent = root.Parent.WithTraceState(mustState(t, state))
		for _, p := range []sampling.Parameters{root, underParent(t, state, sampling.ParentAccept, randomID(1))} {
			got := s.Sample(p)
			if got.TraceState == nil { // the parent's
				got.TraceState = new(trace.TraceState)
				*got.TraceState = p.Parent.TraceState()
			}
			assert.Contains(t, stateOf(t, got), "rv:7479cfb506891d", s.Description())
		}
	}
}

func TestSpec_PresumedRandomness(t *testing.T) {
	t.Parallel()
	s := mustProbability(t, 0.5)
	for _, random := range []bool{false, true} {
		for _, p := range []sampling.Parameters{{}, underParent(t, "ot=k:1", sampling.ParentDeny, randomID(1))} {
			p.Random = random
			p.TraceID = randomID(1 << 55)
			assert.Equal(t, sampling.RecordAndSample, s.Sample(p).Decision)
			p.TraceID = randomID(1<<55 - 1)
			assert.Equal(t, sampling.Drop, s.Sample(p).Decision)
		}
	}
}

// Under the race detector.
func TestSpec_SamplersAreConcurrentSafe(t *testing.T) {
	t.Parallel()
	for _, s := range []sampling.Sampler{
		sampling.AlwaysOn(),
		sampling.AlwaysOff(),
		mustRatio(t, 0.5),
		mustKongRatio(t, 0.5),
		mustProbability(t, 0.5, sampling.WithExplicitRandomness()),
		sampling.ParentBased(mustProbability(t, 0.5)),
		sampling.AlwaysRecord(mustRatio(t, 0.5)),
		sampling.Composite(sampling.ComposableParentThreshold(sampling.ComposableRuleBased(sampling.Rule{
			Use: sampling.ComposableAnnotating(sampling.ComposableAnnotating(nil, attribute.Int("a", 1)), attribute.Int("b", 1)),
		}))),
	} {
		description := s.Description()
		child := underParent(t, "ot=th:8;k:1", sampling.ParentAccept, randomID(1<<55))
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for i := range uint64(100) {
					s.Sample(sampling.Parameters{TraceID: randomID(i << 49)})
					s.Sample(child)
					assert.Equal(t, description, s.Description())
				}
			})
		}
		wg.Wait()
	}
}

type fixedResult struct{ sampling.Result }

func (f fixedResult) Sample(sampling.Parameters) sampling.Result { return f.Result }

func (fixedResult) Description() string { return "fixedResult" }

func mustProbability(tb testing.TB, rate float64, opts ...sampling.CompositeOption) sampling.Sampler {
	tb.Helper()
	s, err := sampling.Probability(rate, opts...)
	require.NoError(tb, err)
	return s
}

func mustState(tb testing.TB, text string) trace.TraceState {
	tb.Helper()
	state, err := trace.ParseTraceState(text)
	require.NoError(tb, err)
	return state
}

func stateOf(t *testing.T, r sampling.Result) string {
	t.Helper()
	require.NotNil(t, r.TraceState)
	return r.TraceState.String()
}

// randomID returns a trace id with the given randomness.
func randomID(n uint64) trace.TraceID {
	id := trace.TraceID{0: 1}
	for i := range 7 {
		id[15-i] = byte(n >> (8 * i))
	}
	return id
}

func underState(tb testing.TB, state string) sampling.Parameters {
	tb.Helper()
	return sampling.Parameters{Parent: remoteParent.WithTraceState(mustState(tb, state))}
}

func underParent(tb testing.TB, state string, d sampling.ParentDecision, id trace.TraceID) sampling.Parameters {
	tb.Helper()
	p := underState(tb, state)
	p.Parent = p.Parent.WithTraceID(id).WithTraceFlags(trace.TraceFlags(0).WithSampled(d == sampling.ParentAccept))
	p.ParentDecision, p.TraceID = d, id
	return p
}
