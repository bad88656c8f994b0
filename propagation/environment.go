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
//   - baggage: that of [NewBaggage], the header of W3C. ottrace has baggage too, in headers of its own,
//     as in OpenTelemetry's library; jaeger has none, as there;
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
	if len(e.baggage) == 0 && len(e.formats.Inject) == 0 {
		e = parsePropagators(defaultPropagators, c.logger)
	}
	p, err := New(e.formats, opts...)
	if err != nil || len(e.baggage) == 0 {
		return p, err
	}
	b, err := NewBaggage(e.baggage...)
	if err != nil {
		return nil, err
	}
	return otelprop.NewCompositeTextMapPropagator(p, b), nil
}

// environment is what OTEL_PROPAGATORS says.
type environment struct {
	formats Config
	baggage []string // formats, the last added comes first
	none    bool
}

func parsePropagators(list string, logger *slog.Logger) environment {
	e := environment{formats: Config{Extract: []string{}, Inject: []string{}}}
	for value := range strings.SplitSeq(list, ",") {
		switch value = strings.ToLower(strings.TrimSpace(value)); value {
		case "":
		case "none":
			e.none = true
		case "baggage":
			e.baggage = append([]string{"w3c"}, e.baggage...)
		default:
			if !e.add(value) {
				logger.Warn("spandrel: "+propagatorsVariable+" has an unknown value, which is ignored", "value", value)
			}
		}
	}
	if e.none && (len(e.baggage) > 0 || len(e.formats.Inject) > 0) {
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
			if f.value == "ottrace" {
				e.baggage = append([]string{"ot"}, e.baggage...)
			}
		}
		return true
	}
	return false
}
