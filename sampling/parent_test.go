// SPDX-License-Identifier: Apache-2.0

package sampling_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/sampling"
)

// named answers with an attribute that tells which sampler was asked. Its slice makes it a type that
// == cannot compare.
type named struct {
	name string
	_    []int
}

func (s named) Sample(sampling.Parameters) sampling.Result {
	return sampling.Result{
		Decision:   sampling.RecordOnly,
		Attributes: []attribute.KeyValue{attribute.String("asked", s.name)},
	}
}

func (s named) Description() string { return s.name }

var (
	localParent  = trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}})
	remoteParent = localParent.WithRemote(true)
)

func TestParentBasedAsksTheSamplerForItsParent(t *testing.T) {
	t.Parallel()
	s := sampling.ParentBased(named{name: "root"},
		sampling.WithRemoteParentSampled(named{name: "remote sampled"}),
		sampling.WithRemoteParentNotSampled(named{name: "remote not sampled"}),
		sampling.WithLocalParentSampled(named{name: "local sampled"}),
		sampling.WithLocalParentNotSampled(named{name: "local not sampled"}),
	)
	var none trace.SpanContext
	tests := []struct {
		name     string
		parent   trace.SpanContext
		decision sampling.ParentDecision
		debug    bool
		want     string
	}{
		{"no parent", none, sampling.ParentDefer, false, "root"},
		{"no parent, accept", none, sampling.ParentAccept, false, "remote sampled"},
		{"no parent, deny", none, sampling.ParentDeny, false, "remote not sampled"},
		{"no parent, debug", none, sampling.ParentAccept, true, "remote sampled"},
		{"no parent, debug alone", none, sampling.ParentDefer, true, "remote sampled"},
		{"remote parent, defer", remoteParent, sampling.ParentDefer, false, "root"},
		{"remote parent, accept", remoteParent, sampling.ParentAccept, false, "remote sampled"},
		{"remote parent, deny", remoteParent, sampling.ParentDeny, false, "remote not sampled"},
		{"remote parent, debug", remoteParent, sampling.ParentAccept, true, "remote sampled"},
		{"local parent, accept", localParent, sampling.ParentAccept, false, "local sampled"},
		{"local parent, deny", localParent, sampling.ParentDeny, false, "local not sampled"},
		{"local parent, debug", localParent, sampling.ParentAccept, true, "local sampled"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := s.Sample(sampling.Parameters{Parent: tt.parent, ParentDecision: tt.decision, Debug: tt.debug})
			assert.Equal(t, []attribute.KeyValue{attribute.String("asked", tt.want)}, got.Attributes)
		})
	}
}

func TestParentBasedDefaults(t *testing.T) {
	t.Parallel()
	s := sampling.ParentBased(sampling.AlwaysOff())
	for _, parent := range []trace.SpanContext{{}, localParent, remoteParent} {
		accept := sampling.Parameters{Parent: parent, ParentDecision: sampling.ParentAccept}
		assert.Equal(t, sampling.RecordAndSample, s.Sample(accept).Decision, "accept, parent %v", parent)
	}
	s = sampling.ParentBased(nil)
	for _, parent := range []trace.SpanContext{{}, localParent, remoteParent} {
		deny := sampling.Parameters{Parent: parent, ParentDecision: sampling.ParentDeny}
		assert.Equal(t, sampling.Drop, s.Sample(deny).Decision, "deny, parent %v", parent)
	}
	assert.Equal(t, sampling.RecordAndSample, s.Sample(sampling.Parameters{}).Decision, "a nil root is AlwaysOn")
}

func TestParentBasedDescription(t *testing.T) {
	t.Parallel()
	assert.Equal(t,
		"ParentBased{root:TraceIDRatioBased{0.5},remoteParentSampled:AlwaysOnSampler,"+
			"remoteParentNotSampled:AlwaysOffSampler,localParentSampled:AlwaysOnSampler,"+
			"localParentNotSampled:mine}",
		sampling.ParentBased(mustRatio(t, 0.5), sampling.WithLocalParentNotSampled(named{name: "mine"})).Description())
}

func TestParentBasedTellsWhetherItFollowsLocalParents(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		opts []sampling.ParentOption
		want bool
	}{
		{"defaults", nil, true},
		{"nil samplers are the defaults", []sampling.ParentOption{
			sampling.WithLocalParentSampled(nil), sampling.WithLocalParentNotSampled(nil),
		}, true},
		{"nil options do nothing", []sampling.ParentOption{nil}, true},
		{"the defaults by name", []sampling.ParentOption{
			sampling.WithLocalParentSampled(sampling.AlwaysOn()), sampling.WithLocalParentNotSampled(sampling.AlwaysOff()),
		}, true},
		{"remote parents do not matter", []sampling.ParentOption{
			sampling.WithRemoteParentSampled(sampling.AlwaysOff()), sampling.WithRemoteParentNotSampled(sampling.AlwaysOn()),
		}, true},
		{"sampled parents replaced", []sampling.ParentOption{sampling.WithLocalParentSampled(named{})}, false},
		{"parents not sampled replaced", []sampling.ParentOption{sampling.WithLocalParentNotSampled(named{})}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, ok := sampling.ParentBased(nil, tt.opts...).(interface{ FollowsLocalParent() bool })
			assert.True(t, ok, "the method is found by type assertion")
			assert.Equal(t, tt.want, s.FollowsLocalParent())
		})
	}
}

func TestDecisionText(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "Drop", sampling.Drop.String())
	assert.Equal(t, "RecordOnly", sampling.RecordOnly.String())
	assert.Equal(t, "RecordAndSample", sampling.RecordAndSample.String())
	assert.Equal(t, "defer", sampling.ParentDefer.String())
	assert.Equal(t, "deny", sampling.ParentDeny.String())
	assert.Equal(t, "accept", sampling.ParentAccept.String())
}
