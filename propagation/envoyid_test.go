// SPDX-License-Identifier: Apache-2.0

package propagation_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/spandrel-go/spandrel/propagation"
)

func ExampleParseRequestID() {
	id := propagation.ParseRequestID("125a4afb-6f55-94ba-ad80-413f09f48a28")
	fmt.Println(id.Reason() == propagation.RequestIDSampled, id.Reason().Traced())
	fmt.Println(id.Sampled(5_000)) // at 50 %
	fmt.Println(id)
	// Output:
	// true true
	// false
	// sampled: Envoy's random sampling chose the request; stable number 307907323, sampled at rates from 73.24 %
}

func TestParseRequestIDNamesEveryReason(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]propagation.RequestIDReason{
		"125a4afb-6f55-04ba-ad80-413f09f48a28": propagation.RequestIDNotTraceable,
		"125a4afb-6f55-44ba-ad80-413f09f48a28": propagation.RequestIDNoTrace,
		"125a4afb-6f55-94ba-ad80-413f09f48a28": propagation.RequestIDSampled,
		"125a4afb-6f55-a4ba-ad80-413f09f48a28": propagation.RequestIDServerForced,
		"125a4afb-6f55-b4ba-ad80-413f09f48a28": propagation.RequestIDClientForced,
	} {
		assert.Equal(t, want, propagation.ParseRequestID(id).Reason(), id)
	}
	// The one that this package makes is a random UUID: no Envoy takes it for a sampled one.
	assert.Equal(t, propagation.RequestIDNoTrace, propagation.ParseRequestID(traceUUID).Reason())
	assert.Equal(t, propagation.RequestIDSampled, propagation.ParseRequestID(sampledUUID).Reason())
}
