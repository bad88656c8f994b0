// SPDX-License-Identifier: Apache-2.0

package propagation_test

import (
	"context"
	"net/http"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	otelprop "go.opentelemetry.io/otel/propagation"

	"github.com/spandrel-go/spandrel/propagation"
)

// valuesCarrier is a carrier that can return several values, as gRPC's metadata does.
type valuesCarrier map[string][]string

var _ otelprop.ValuesGetter = valuesCarrier{}

func (c valuesCarrier) Get(key string) string {
	if v := c[key]; len(v) > 0 {
		return v[0]
	}
	return ""
}

func (c valuesCarrier) Values(key string) []string { return c[key] }

func (c valuesCarrier) Set(key, value string) { c[key] = []string{value} }

func (c valuesCarrier) Keys() []string { return nil }

// mapCarrier makes a carrier that is no http.Header of names and values in turn.
func mapCarrier(namesAndValues []string) otelprop.MapCarrier {
	c := otelprop.MapCarrier{}
	for i := 0; i < len(namesAndValues); i += 2 {
		c[namesAndValues[i]] = namesAndValues[i+1]
	}
	return c
}

func TestAnyCarrierIsWrittenAlike(t *testing.T) {
	t.Parallel()
	p := newPropagator(t, propagation.Config{Inject: []string{"w3c", "b3", "b3-single"}})
	ctx := p.Extract(context.Background(), headers(
		"b3", shortHex+"-"+spanHex+"-d-"+parentHex, "x-request-id", "id"))
	want := inject(ctx, p)
	assert.Len(t, want, 7)

	m := otelprop.MapCarrier{}
	p.Inject(ctx, m)
	v := valuesCarrier{}
	p.Inject(ctx, v)
	for name, values := range want {
		lower := slices.IndexFunc(p.Fields(), func(f string) bool { return http.CanonicalHeaderKey(f) == name })
		assert.GreaterOrEqual(t, lower, 0, "%s is canonical and in Fields", name)
		assert.Equal(t, values[0], m[p.Fields()[lower]])
		assert.Equal(t, values, v[p.Fields()[lower]])
	}
	assert.Len(t, m, len(want))
	assert.Len(t, v, len(want))
}

func TestValuesOfOneInjectAreIndependent(t *testing.T) {
	t.Parallel()
	p := newPropagator(t, propagation.Config{})
	h := inject(startSpan(t, context.Background(), true), p)
	before := http.Header(h).Clone()
	for name := range before {
		h[name] = append(h[name], "more")
	}
	for name, values := range before {
		assert.Equal(t, append(values, "more"), h[name])
	}
}

func TestNilCarriers(t *testing.T) {
	t.Parallel()
	p := newPropagator(t, propagation.Config{Clear: []string{"b3"}})
	ctx := startSpan(t, context.Background(), true)
	for _, carrier := range []otelprop.TextMapCarrier{nil, otelprop.HeaderCarrier(nil)} {
		assert.Equal(t, ctx, p.Extract(ctx, carrier))
		assert.NotPanics(t, func() { p.Inject(ctx, carrier) })
	}
}
