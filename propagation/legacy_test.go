// SPDX-License-Identifier: Apache-2.0

package propagation_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/spandrel-go/spandrel/propagation"
)

func TestLegacyConfig(t *testing.T) {
	t.Parallel()
	all := []string{"b3", "w3c", "jaeger", "ot", "datadog", "aws", "gcp", "instana"}
	tests := []struct {
		headerType, defaultType string
		want                    propagation.Config
	}{
		{"", "", propagation.Config{Extract: all, Inject: []string{"preserve"}, DefaultFormat: "w3c"}},
		{"preserve", "b3", propagation.Config{Extract: all, Inject: []string{"preserve"}, DefaultFormat: "b3"}},
		{"ignore", "", propagation.Config{Extract: []string{}, Inject: []string{"w3c"}, DefaultFormat: "w3c"}},
		{"ignore", "datadog", propagation.Config{Extract: []string{}, Inject: []string{"datadog"}, DefaultFormat: "datadog"}},
		{"b3-single", "gcp", propagation.Config{Extract: all, Inject: []string{"preserve", "b3-single"}, DefaultFormat: "gcp"}},
	}
	for _, tt := range tests {
		t.Run(tt.headerType+" "+tt.defaultType, func(t *testing.T) {
			t.Parallel()
			got, err := propagation.LegacyConfig(tt.headerType, tt.defaultType)
			require.NoError(t, err)
			assert.Equal(t, tt.want, got)
			_, err = propagation.New(got)
			require.NoError(t, err)
		})
	}
}

func TestLegacyConfigRefuses(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][2]string{
		`propagation: header_type: unknown format "W3C": it is one of preserve, ignore, w3c, b3, b3-single, jaeger, ot, datadog, aws, gcp, instana`: {"W3C", ""},
		`propagation: default_header_type: unknown format "preserve": it is one of w3c, b3, b3-single, jaeger, ot, datadog, aws, gcp, instana`:      {"", "preserve"},
	} {
		cfg, err := propagation.LegacyConfig(args[0], args[1])
		assert.Zero(t, cfg)
		assert.EqualError(t, err, want)
	}
}

// What is not given stays not given, what is empty stays empty.
func TestConfigThroughJSON(t *testing.T) {
	t.Parallel()
	for text, cfg := range map[string]propagation.Config{
		`{}`:                                    {},
		`{"extract":[],"inject":[],"clear":[]}`: {Extract: []string{}, Inject: []string{}, Clear: []string{}},
		`{"extract":["b3","w3c"],"inject":["preserve","datadog"],"clear":["x-b3-flags"],"default_format":"b3-single"}`: {
			Extract: []string{"b3", "w3c"}, Inject: []string{"preserve", "datadog"},
			Clear: []string{"x-b3-flags"}, DefaultFormat: "b3-single",
		},
	} {
		got, err := json.Marshal(cfg)
		require.NoError(t, err)
		assert.Equal(t, text, string(got))
		var back propagation.Config
		require.NoError(t, json.Unmarshal(got, &back))
		assert.Equal(t, cfg, back)
	}
	var null propagation.Config
	require.NoError(t, json.Unmarshal([]byte(`{"extract":null,"other":1}`), &null))
	assert.Equal(t, propagation.Config{}, null)
}

func ExampleLegacyConfig() {
	cfg, err := propagation.LegacyConfig("b3-single", "")
	if err != nil {
		fmt.Println(err)
		return
	}
	p, err := propagation.New(cfg)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(cfg.Inject, cfg.DefaultFormat, p.Stats().Malformed)
	// Output: [preserve b3-single] w3c []
}
