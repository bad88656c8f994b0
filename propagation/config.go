// SPDX-License-Identifier: Apache-2.0

package propagation

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/spandrel-go/spandrel/internal/remote"
)

// Config says which formats are read and written. It is Kong's propagation block: same words, same
// rules, except that a list that is not given means the default and not an empty one.
//
// The zero value reads what gateways and meshes write by default, and writes W3C, B3 and what arrived,
// because a service seldom knows what stands behind it: Envoy's Zipkin tracer reads only B3, its
// OpenTelemetry tracer only W3C.
type Config struct {
	// Extract lists the formats to read, in order: "w3c", "b3", "jaeger", "ot", "datadog", "aws", "gcp",
	// "instana". The first that yields a valid trace id and span id wins, and the others are linked
	// where they name other traces; if none does, the first that yields a decision. One that is listed
	// twice is read once. Nil means
	// [w3c, b3, datadog, jaeger], an empty list that nothing is read but x-request-id.
	Extract []string `yaml:"extract" json:"extract,omitzero"`
	// Inject lists the formats to write, in any order: "preserve", "w3c", "b3", "b3-single", "jaeger",
	// "ot", "datadog", "aws", "gcp", "instana". preserve stands for the format that was read, or
	// DefaultFormat when none was. Nil means [preserve, w3c, b3]: traceparent and x-b3-* always, and
	// the format that arrived. An empty list means that nothing is written but x-request-id.
	Inject []string `yaml:"inject" json:"inject,omitzero"`
	// Clear lists names of headers, in any case, that Inject removes before it writes; one that is
	// also written is there afterwards. Only a HeaderCarrier and a carrier with a method Delete(string)
	// can remove. Nil means none.
	Clear []string `yaml:"clear" json:"clear,omitzero"`
	// DefaultFormat is what preserve writes if nothing was read: any of those that Inject lists but
	// preserve itself. Empty means w3c.
	DefaultFormat string `yaml:"default_format" json:"default_format,omitzero"`
}

// Option changes what Kong's propagation block has no word for. A nil one is an error.
type Option interface{ apply(*config) }

type optionFunc func(*config)

func (f optionFunc) apply(c *config) { f(c) }

// WithLogger sets where [FromEnvironment] warns of what it ignores, and a [Propagator] of the first
// x-request-id that switches Envoy's tracing off. Other headers that it refuses are only counted. The default
// is slog.Default() at the time of the call. Nil is an error.
func WithLogger(l *slog.Logger) Option {
	return optionFunc(func(c *config) { c.logger = l })
}

// config is a Config that has been checked.
type config struct {
	extract       []format
	inject        formatSet
	preserve      bool
	clear         []header
	defaultFormat format
	defaultOrder  bool // Extract was not given
	forcedLimit   *int // nil: none
	logger        *slog.Logger
}

// format is a wire format, in the order in which statistics list them.
type format = remote.Format

const (
	formatNone format = iota // no format: only a request id arrived, or nothing
	formatW3C
	formatB3
	formatB3Single
	formatJaeger
	formatOT
	formatDatadog
	formatAWS
	formatGCP
	formatInstana
	// formatRequestID is no format that a Config can name; its refusals are counted like those of one.
	formatRequestID
	numFormats
)

const preserve = "preserve"

var formatNames = [numFormats]string{"", "w3c", "b3", "b3-single", "jaeger", "ot", "datadog", "aws", "gcp", "instana", "x-request-id"}

var (
	extractable = []format{
		formatW3C, formatB3, formatJaeger, formatOT, formatDatadog, formatAWS, formatGCP, formatInstana,
	}
	injectable = []format{
		formatW3C, formatB3, formatB3Single, formatJaeger, formatOT, formatDatadog, formatAWS, formatGCP, formatInstana,
	}
)

// formatSet is a set of formats, one bit each.
type formatSet uint16

func (s formatSet) with(f format) formatSet { return s | 1<<f }

func (s formatSet) has(f format) bool { return s&(1<<f) != 0 }

// isOne reports whether there is one format in a set, or none.
func (s formatSet) isOne() bool { return s&(s-1) == 0 }

func newConfig(cfg Config, opts []Option) (config, error) {
	c := config{
		extract:       []format{formatW3C, formatB3, formatDatadog, formatJaeger},
		inject:        formatSet(0).with(formatW3C).with(formatB3),
		preserve:      true,
		defaultFormat: formatW3C,
		logger:        slog.Default(),
	}
	for i, o := range opts {
		if o == nil {
			return config{}, fmt.Errorf("propagation: opts[%d] is nil", i)
		}
		o.apply(&c)
	}
	if c.logger == nil {
		return config{}, errors.New("propagation: WithLogger: logger is nil")
	}
	if c.forcedLimit != nil && *c.forcedLimit < 0 {
		return config{}, fmt.Errorf("propagation: WithForcedSamplingLimit: %d is negative", *c.forcedLimit)
	}
	c.defaultOrder = cfg.Extract == nil
	if cfg.Extract != nil {
		c.extract = make([]format, 0, len(cfg.Extract))
		for _, name := range cfg.Extract {
			f, ok := findFormat(name, extractable)
			if !ok {
				return config{}, unknownFormat("extract", name, extractable)
			}
			if !slices.Contains(c.extract, f) {
				c.extract = append(c.extract, f)
			}
		}
	}
	if cfg.Inject != nil {
		c.inject, c.preserve = 0, false
		for _, name := range cfg.Inject {
			if name == preserve {
				c.preserve = true
				continue
			}
			f, ok := findFormat(name, injectable)
			if !ok {
				return config{}, unknownFormat("inject", name, injectable, preserve)
			}
			c.inject = c.inject.with(f)
		}
	}
	for _, name := range cfg.Clear {
		if !isToken(name) {
			return config{}, errors.New("propagation: clear: " + strconv.Quote(name) + " is not the name of a header")
		}
		c.clear = append(c.clear, header{lower: strings.ToLower(name), canonical: http.CanonicalHeaderKey(name)})
	}
	if cfg.DefaultFormat != "" {
		f, ok := findFormat(cfg.DefaultFormat, injectable)
		if !ok {
			return config{}, unknownFormat("default_format", cfg.DefaultFormat, injectable)
		}
		c.defaultFormat = f
	}
	return c, nil
}

func findFormat(name string, among []format) (format, bool) {
	for _, f := range among {
		if formatNames[f] == name {
			return f, true
		}
	}
	return 0, false
}

func unknownFormat(field, name string, valid []format, also ...string) error {
	names := also
	for _, f := range valid {
		names = append(names, formatNames[f])
	}
	return errors.New("propagation: " + field + ": unknown format " + strconv.Quote(name) +
		": it is one of " + strings.Join(names, ", "))
}

// isToken reports whether name can be the name of a header (RFC 9110, section 5.6.2).
func isToken(name string) bool {
	for i := range len(name) {
		c := name[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		digit := '0' <= c && c <= '9'
		if !letter && !digit && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return name != ""
}
