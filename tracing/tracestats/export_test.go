// SPDX-License-Identifier: Apache-2.0

package tracestats

import (
	"net/http"

	"github.com/spandrel-go/spandrel/tracing"
)

// HandlerOf is Handler for statistics that a test makes up.
func HandlerOf(s tracing.Stats) http.Handler {
	return handler{func() tracing.Stats { return s }}
}

// VarOf is Var for statistics that a test makes up.
func VarOf(s tracing.Stats) Variable { return Variable{func() tracing.Stats { return s }} }

// Text is what a Handler writes.
func Text(s tracing.Stats) string { return string(appendText(nil, &s)) }

// Family is what the document says of a metric.
type Family struct {
	Name, Kind, Help string
	Exporter         bool     // it has the labels of an exporter
	Reasons          []string // none for a metric without reasons
}

// Families returns all of them, in their order.
func Families() []Family {
	return append(describe(providerFamilies, false), describe(exporterFamilies, true)...)
}

func describe[T any](families []family[T], exporter bool) (list []Family) {
	for _, f := range families {
		d := Family{Name: f.name, Kind: string(f.kind), Help: f.help, Exporter: exporter}
		for _, s := range f.samples {
			if s.reason != "" {
				d.Reasons = append(d.Reasons, s.reason)
			}
		}
		list = append(list, d)
	}
	return list
}
