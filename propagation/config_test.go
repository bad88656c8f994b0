// SPDX-License-Identifier: Apache-2.0

package propagation_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/spandrel-go/spandrel/propagation"
)

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		cfg  propagation.Config
		want string
	}{
		{
			"unknown format to extract",
			propagation.Config{Extract: []string{"w3c", "W3C"}},
			`propagation: extract: unknown format "W3C": it is one of w3c, b3, jaeger, ot, datadog, aws, gcp, instana`,
		},
		{
			"b3-single to extract, which b3 does",
			propagation.Config{Extract: []string{"b3-single"}},
			`propagation: extract: unknown format "b3-single": it is one of w3c, b3, jaeger, ot, datadog, aws, gcp, instana`,
		},
		{
			"preserve to extract",
			propagation.Config{Extract: []string{"preserve"}},
			`propagation: extract: unknown format "preserve": it is one of w3c, b3, jaeger, ot, datadog, aws, gcp, instana`,
		},
		{
			"unknown format to inject",
			propagation.Config{Inject: []string{"preserve", "zipkin"}},
			`propagation: inject: unknown format "zipkin": it is one of preserve, w3c, b3, b3-single, jaeger, ot, datadog, aws, gcp, instana`,
		},
		{
			"x-request-id to inject",
			propagation.Config{Inject: []string{"x-request-id"}},
			`propagation: inject: unknown format "x-request-id": it is one of preserve, w3c, b3, b3-single, jaeger, ot, datadog, aws, gcp, instana`,
		},
		{
			"unknown default format",
			propagation.Config{DefaultFormat: "preserve"},
			`propagation: default_format: unknown format "preserve": it is one of w3c, b3, b3-single, jaeger, ot, datadog, aws, gcp, instana`,
		},
		{
			"empty name to clear",
			propagation.Config{Clear: []string{""}},
			`propagation: clear: "" is not the name of a header`,
		},
		{
			"name with a space to clear",
			propagation.Config{Clear: []string{"x-b3-flags", "x b3"}},
			`propagation: clear: "x b3" is not the name of a header`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p, err := propagation.New(tt.cfg)
			assert.Nil(t, p)
			assert.EqualError(t, err, tt.want)
		})
	}
}

func TestConfigHasKongsWords(t *testing.T) {
	t.Parallel()
	var cfg propagation.Config
	require.NoError(t, json.Unmarshal([]byte(`{
		"extract": ["b3"], "inject": ["preserve", "b3-single"], "clear": ["x-b3-flags"], "default_format": "b3"
	}`), &cfg))
	assert.Equal(t, propagation.Config{
		Extract:       []string{"b3"},
		Inject:        []string{"preserve", "b3-single"},
		Clear:         []string{"x-b3-flags"},
		DefaultFormat: "b3",
	}, cfg)
	typ := reflect.TypeFor[propagation.Config]()
	for i := range typ.NumField() {
		tag := typ.Field(i).Tag
		assert.Equal(t, tag.Get("json"), tag.Get("yaml")+",omitzero", typ.Field(i).Name)
	}
}

func TestFields(t *testing.T) {
	t.Parallel()
	w3c := []string{"traceparent", "tracestate"}
	b3 := []string{"x-b3-traceid", "x-b3-spanid", "x-b3-parentspanid", "x-b3-sampled", "x-b3-flags"}
	tests := []struct {
		name string
		cfg  propagation.Config
		want [][]string
	}{
		{"defaults", propagation.Config{}, [][]string{w3c, b3, {
			"b3", "uber-trace-id", "x-datadog-trace-id", "x-datadog-parent-id", "x-datadog-sampling-priority", "x-datadog-origin", "x-datadog-tags",
			"x-request-id", "x-client-trace-id", "x-envoy-force-trace", "x-kong-request-id",
		}}},
		{"one format", propagation.Config{Inject: []string{"w3c"}}, [][]string{w3c, {"x-request-id", "x-client-trace-id", "x-envoy-force-trace", "x-kong-request-id"}}},
		{"nothing", propagation.Config{Inject: []string{}}, [][]string{{"x-request-id", "x-client-trace-id", "x-envoy-force-trace", "x-kong-request-id"}}},
		{
			"jaeger and ot",
			propagation.Config{Inject: []string{"ot", "jaeger"}},
			[][]string{{"uber-trace-id"}, {"ot-tracer-traceid", "ot-tracer-spanid", "ot-tracer-sampled"}, {"x-request-id", "x-client-trace-id", "x-envoy-force-trace", "x-kong-request-id"}},
		},
		{
			"preserve what may be read",
			propagation.Config{Extract: []string{"jaeger"}, Inject: []string{"preserve"}},
			[][]string{w3c, {"uber-trace-id", "x-request-id", "x-client-trace-id", "x-envoy-force-trace", "x-kong-request-id"}},
		},
		{
			"preserve",
			propagation.Config{Extract: []string{"w3c"}, Inject: []string{"preserve"}, DefaultFormat: "b3-single"},
			[][]string{w3c, {"b3", "x-request-id", "x-client-trace-id", "x-envoy-force-trace", "x-kong-request-id"}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var want []string
			for _, w := range tt.want {
				want = append(want, w...)
			}
			p := newPropagator(t, tt.cfg)
			got := p.Fields()
			assert.Equal(t, want, got)
			got[0] = "changed"
			assert.Equal(t, want, p.Fields(), "the caller owns the slice")
		})
	}
}
