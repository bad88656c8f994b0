// SPDX-License-Identifier: Apache-2.0

package headers_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/spandrel-go/spandrel/propagation"
)

// TestConfigThroughYAML has Kong's propagation block: what is not given stays not given, what is empty
// stays empty.
func TestConfigThroughYAML(t *testing.T) {
	t.Parallel()
	for text, cfg := range map[string]propagation.Config{
		"{}\n":                                 {},
		"extract: []\ninject: []\nclear: []\n": {Extract: []string{}, Inject: []string{}, Clear: []string{}},
		"inject:\n    - preserve\n    - b3-single\n": {Inject: []string{"preserve", "b3-single"}},
		"extract:\n    - b3\n    - datadog\nclear:\n    - x-b3-flags\ndefault_format: w3c\n": {
			Extract: []string{"b3", "datadog"}, Clear: []string{"x-b3-flags"}, DefaultFormat: "w3c",
		},
	} {
		got, err := yaml.Marshal(cfg)
		require.NoError(t, err)
		assert.Equal(t, text, string(got))
		var back propagation.Config
		require.NoError(t, yaml.Unmarshal(got, &back))
		assert.Equal(t, cfg, back)
		_, err = propagation.New(back)
		require.NoError(t, err)
	}
}

// TestConfigInAPlugin reads the block where Kong has it, among things that are not ours.
func TestConfigInAPlugin(t *testing.T) {
	t.Parallel()
	var plugin struct {
		Config struct {
			Propagation propagation.Config
		}
	}
	require.NoError(t, yaml.Unmarshal([]byte(`
name: opentelemetry
config:
  traces_endpoint: http://collector:4318/v1/traces
  propagation:
    extract: [w3c, b3, zipkin]
    inject: [preserve]
    default_format: w3c
`), &plugin))
	_, err := propagation.New(plugin.Config.Propagation)
	require.EqualError(t, err, `propagation: extract: unknown format "zipkin": it is one of w3c, b3, jaeger, ot, datadog, aws, gcp, instana`)
}
