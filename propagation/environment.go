// SPDX-License-Identifier: Apache-2.0

package propagation

import (
	"log/slog"
	"os"
	"slices"
	"strings"

	otelprop "go.opentelemetry.io/otel/propagation"
)

const propagatorsVariable = "OTEL_PROPAGATORS"

// defaultPropagators is what OpenTelemetry's specification sets where the variable says nothing.
const defaultPropagators = "tracecontext,baggage"

// environmentFormats lists the values of OTEL_PROPAGATORS that stand for a format of this package.
var environmentFormats = []struct{ value, extract, inject string }{
	{"tracecontext", "w3c", "w3c"},
	{"b3", "b3", "b3-single"},
	{"b3multi", "b3", "b3"},
	{"jaeger", "jaeger", "jaeger"},
	{"ottrace", "ot", "ot"},
	{"xray", "aws", "aws"},
}

// FromEnvironment makes the propagator that the environment variable OTEL_PROPAGATORS asks for, as
// OpenTelemetry's SDKs do. It is read once, now. It is a comma-separated list of
//
//   - tracecontext: the format w3c of this package;
//   - b3 and b3multi: both read b3, the one writes b3-single and the other b3;
//   - jaeger, ottrace and xray: the formats jaeger, ot and aws;
//   - baggage: OpenTelemetry's own propagator of the baggage header;
//   - none: nothing at all is read or written, whatever else is on the list.
//
// Upper case is read as lower case, a value that is there twice counts once. Where requests carry ids
// in several of the formats the last on the list wins, as in OpenTelemetry's composite propagator.
// x-request-id is carried as by any [Propagator], except with none.
//
// The default, for an empty variable as well, is tracecontext,baggage. A value that is not known is
// left out with a warning; if none is left that is, the default applies.
//
// It returns an error only if an option is bad. [New] with a [Config] does the same from code.
func FromEnvironment(opts ...Option) (otelprop.TextMapPropagator, error) {
	return fromEnvironment(os.Getenv, opts)
}

func fromEnvironment(getenv func(string) string, opts []Option) (otelprop.TextMapPropagator, error) {
	c, err := newConfig(Config{}, opts)
	if err != nil {
		return nil, err
	}
	e := parsePropagators(getenv(propagatorsVariable), c.logger)
	if e.none {
		return otelprop.NewCompositeTextMapPropagator(), nil
	}
	if !e.baggage && len(e.formats.Inject) == 0 {
		e = parsePropagators(defaultPropagators, c.logger)
	}
	p, err := New(e.formats, opts...)
	if err != nil || !e.baggage {
		return p, err
	}
	return otelprop.NewCompositeTextMapPropagator(p, otelprop.Baggage{}), nil
}

// environment is what OTEL_PROPAGATORS says.
type environment struct {
	formats       Config
	baggage, none bool
}

func parsePropagators(list string, logger *slog.Logger) environment {
	e := environment{formats: Config{Extract: []string{}, Inject: []string{}}}
	for value := range strings.SplitSeq(list, ",") {
		switch value = strings.ToLower(strings.TrimSpace(value)); value {
		case "":
		case "none":
			e.none = true
		case "baggage":
			e.baggage = true
		default:
			if !e.add(value) {
				logger.Warn("spandrel: "+propagatorsVariable+" has an unknown value, which is ignored", "value", value)
			}
		}
	}
	if e.none && (e.baggage || len(e.formats.Inject) > 0) {
		logger.Warn("spandrel: " + propagatorsVariable + " has values beside none, which are ignored")
	}
	return e
}

// add adds the format that value stands for and reports whether there is one. The last reader added
// comes first.
func (e *environment) add(value string) bool {
	for _, f := range environmentFormats {
		if f.value != value {
			continue
		}
		if !slices.Contains(e.formats.Inject, f.inject) {
			e.formats.Inject = append(e.formats.Inject, f.inject)
			others := slices.DeleteFunc(e.formats.Extract, func(name string) bool { return name == f.extract })
			e.formats.Extract = append([]string{f.extract}, others...)
		}
		return true
	}
	return false
}
