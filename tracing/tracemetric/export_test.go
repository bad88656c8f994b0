// SPDX-License-Identifier: Apache-2.0

package tracemetric

import (
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/spandrel-go/spandrel/tracing"
)

// SchemaURL is that of the scope.
const SchemaURL = schemaURL

// RegisterStats is Register for statistics that a test makes up.
func RegisterStats(mp metric.MeterProvider, stats func() tracing.Stats) (metric.Registration, error) {
	return register(mp, stats)
}

// Instrument is what the document says of an instrument.
type Instrument struct {
	Name, Unit, Description, Kind, Component string
	Convention                               bool // the conventions have it
	Attributes                               []attribute.KeyValue
}

// Instruments returns all of them, in their order.
func Instruments() []Instrument {
	return append(describe(providerInstruments), describe(exporterInstruments)...)
}

func describe[T any](instruments []instrument[T]) (list []Instrument) {
	for i := range instruments {
		in := &instruments[i]
		_, ours := in.definition.(own)
		d := Instrument{
			Name: in.Name(), Unit: in.Unit(), Description: in.Description(),
			Kind: string(in.kind), Component: string(in.of), Convention: !ours,
		}
		for _, p := range in.points {
			if p.attribute.Valid() {
				d.Attributes = append(d.Attributes, p.attribute)
			}
		}
		list = append(list, d)
	}
	return list
}
