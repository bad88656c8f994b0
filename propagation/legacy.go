// SPDX-License-Identifier: Apache-2.0

package propagation

import "slices"

// LegacyConfig returns the Config that Kong's plugins had before there was a propagation block: headerType
// is their option header_type, defaultHeaderType their default_header_type. By header_type
//
//   - "preserve", or "", reads every format and writes the one that it read;
//   - "ignore" reads none and writes the default format;
//   - a format reads every format and writes the one that it read and this one.
//
// The formats are read in Kong's order: b3 first, then w3c, jaeger, ot, datadog, aws, gcp, instana. An empty
// defaultHeaderType is w3c, as for Kong's plugin opentelemetry; its plugin zipkin has b3. It is an error
// that lists the valid names if one of the two is unknown.
func LegacyConfig(headerType, defaultHeaderType string) (Config, error) {
	if defaultHeaderType == "" {
		defaultHeaderType = formatNames[formatW3C]
	}
	if _, ok := findFormat(defaultHeaderType, injectable); !ok {
		return Config{}, unknownFormat("default_header_type", defaultHeaderType, injectable)
	}
	cfg := Config{
		Extract:       []string{"b3", "w3c", "jaeger", "ot", "datadog", "aws", "gcp", "instana"},
		Inject:        []string{preserve},
		DefaultFormat: defaultHeaderType,
	}
	switch headerType {
	case "", preserve:
	case "ignore":
		cfg.Extract, cfg.Inject = []string{}, []string{defaultHeaderType}
	default:
		if _, ok := findFormat(headerType, injectable); !ok {
			return Config{}, unknownFormat("header_type", headerType, injectable, preserve, "ignore")
		}
		cfg.Inject = append(cfg.Inject, headerType)
	}
	return cfg, nil
}

// MarshalYAML returns what YAML libraries write for c: a list that is nil is left out. They would write an
// empty one, which means something else.
func (c Config) MarshalYAML() (any, error) {
	given := func(list []string) *[]string {
		if list == nil {
			return nil
		}
		list = slices.Clone(list)
		return &list
	}
	return struct {
		Extract       *[]string `yaml:"extract,omitempty"`
		Inject        *[]string `yaml:"inject,omitempty"`
		Clear         *[]string `yaml:"clear,omitempty"`
		DefaultFormat string    `yaml:"default_format,omitempty"`
	}{given(c.Extract), given(c.Inject), given(c.Clear), c.DefaultFormat}, nil
}
