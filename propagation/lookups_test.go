// SPDX-License-Identifier: Apache-2.0

package propagation_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/spandrel-go/spandrel/propagation"
)

// lookups is an empty carrier that counts what it is asked for.
type lookups map[string]int

func (l lookups) Get(name string) string { l[name]++; return "" }
func (l lookups) Set(string, string)     {}
func (l lookups) Keys() []string         { return nil }

// A request without any header of a trace costs one look-up a header.
func TestNothingArrivesCostsOneLookUpEach(t *testing.T) {
	t.Parallel()
	for _, cfg := range []propagation.Config{{}, {Extract: everyFormat}, {Extract: []string{}}} {
		l := lookups{}
		newPropagator(t, cfg).Extract(context.Background(), l)
		assert.NotEmpty(t, l)
		for name, n := range l {
			assert.Equal(t, 1, n, "%v: %s", cfg.Extract, name)
		}
	}
}
