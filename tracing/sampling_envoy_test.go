// SPDX-License-Identifier: Apache-2.0

package tracing_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/spandrel-go/spandrel/internal/remote"
	"github.com/spandrel-go/spandrel/sampling"
	"github.com/spandrel-go/spandrel/tracing"
)

// What decides about a request of Envoy's that has an x-request-id: its tracing header, then the id.
func TestSamplerFollowsTheRequestIDOfEnvoy(t *testing.T) {
	t.Parallel()
	const traced, untraced = "125a4afb-6f55-94ba-ad80-413f09f48a28", "125a4afb-6f55-44ba-ad80-413f09f48a28"
	ids := remoteParent(false)
	for _, tt := range []struct {
		name    string
		arrived remote.Remote
		sampled [2]bool // with a next sampler that is off, on
	}{
		{"traced", remote.Remote{RequestID: traced}, [2]bool{true, true}},
		{"not traced", remote.Remote{RequestID: untraced}, [2]bool{false, false}},
		{"no id of Envoy's", remote.Remote{RequestID: "r"}, [2]bool{false, true}},
		{"traced, deferred", remote.Remote{SpanContext: ids, Format: "b3", RequestID: traced}, [2]bool{true, true}},
		{"not traced, deferred", remote.Remote{SpanContext: ids, Format: "b3", RequestID: untraced}, [2]bool{false, false}},
		{"traced, but denied", remote.Remote{SpanContext: ids, Decision: remote.Deny, Format: "b3", RequestID: traced}, [2]bool{false, false}},
		{
			"not traced, but accepted",
			remote.Remote{SpanContext: remoteParent(true), Decision: remote.Accept, Format: "b3", RequestID: untraced},
			[2]bool{true, true},
		},
		{"not traced, but accepted without ids", remote.Remote{Decision: remote.Accept, Format: "b3", RequestID: untraced}, [2]bool{true, true}},
	} {
		for i, next := range []sampling.Sampler{sampling.AlwaysOff(), sampling.AlwaysOn()} {
			tracer, _, _ := newTracer(t, tracing.WithSampler(sampling.ParentBased(sampling.EnvoyRequestID(next))))
			ctx, s := tracer.StartSpan(arrive(tt.arrived), "root")
			assert.Equal(t, tt.sampled[i], s.SpanContext().IsSampled(), "%s, next %s", tt.name, next.Description())
			_, child := tracer.StartSpan(ctx, "child")
			assert.Equal(t, tt.sampled[i], child.SpanContext().IsSampled(), "child: %s, next %s", tt.name, next.Description())
			child.End()
			s.End()

			_, s = tracer.StartSpan(context.Background(), "nothing arrived")
			assert.Equal(t, i == 1, s.SpanContext().IsSampled())
			s.End()
		}
	}
}
