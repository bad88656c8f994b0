// SPDX-License-Identifier: Apache-2.0

package tracemetric

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/spandrel-go/spandrel/tracing"
)

// ScopeName is the name of the instrumentation scope of all metrics.
const ScopeName = "github.com/spandrel-go/spandrel/tracing/tracemetric"

// Register makes observable instruments of mp show the statistics of p; the package says which. They
// are read once in each collection, until Unregister of the returned registration is called, which may
// be at any time and more than once: from then on mp shows nothing of p and does not hold it. The
// provider may be shut down before or after: its statistics stay readable.
//
// Register each provider once. OpenTelemetry's SDK adds up what two registrations say of one component;
// to tell providers apart, give each a MeterProvider. nil for mp or p is an error, and so is what mp
// says of the instruments; then nothing is registered.
func Register(mp metric.MeterProvider, p *tracing.Provider) (metric.Registration, error) {
	switch {
	case mp == nil:
		return nil, errors.New("tracemetric: Register: the MeterProvider is nil")
	case p == nil:
		return nil, errors.New("tracemetric: Register: the Provider is nil")
	}
	return register(mp, p.Stats)
}

// observed is an instrument of a meter and what it shows.
type observed[T any] struct {
	*instrument[T]
	observable metric.Int64Observable
}

func register(mp metric.MeterProvider, stats func() tracing.Stats) (metric.Registration, error) {
	meter := mp.Meter(ScopeName, metric.WithSchemaURL(schemaURL))
	provider, err := makeAll(meter, providerInstruments)
	if err != nil {
		return nil, err
	}
	exporters, err := makeAll(meter, exporterInstruments)
	if err != nil {
		return nil, err
	}
	var observables []metric.Observable
	for _, in := range provider {
		observables = append(observables, in.observable)
	}
	for _, in := range exporters {
		observables = append(observables, in.observable)
	}
	registration, err := meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		s := stats()
		for _, in := range provider {
			in.observe(o, &s, nil)
		}
		for i := range s.Exporters {
			e := &s.Exporters[i]
			for _, in := range exporters {
				in.observe(o, e, in.of.attributes(i, e.Exporter))
			}
		}
		return nil
	}, observables...)
	if err != nil {
		return nil, fmt.Errorf("tracemetric: Register: %w", err)
	}
	return registration, nil
}

// makeAll makes the instruments of a meter.
func makeAll[T any](meter metric.Meter, list []instrument[T]) ([]observed[T], error) {
	made := make([]observed[T], len(list))
	for i := range list {
		observable, err := list[i].make(meter)
		if err != nil {
			return nil, fmt.Errorf("tracemetric: Register: instrument %s: %w", list[i].Name(), err)
		}
		made[i] = observed[T]{&list[i], observable}
	}
	return made, nil
}

func (in *instrument[T]) make(meter metric.Meter) (metric.Int64Observable, error) {
	unit, description := metric.WithUnit(in.Unit()), metric.WithDescription(in.Description())
	switch in.kind {
	case counter:
		return meter.Int64ObservableCounter(in.Name(), unit, description)
	case upDownCounter:
		return meter.Int64ObservableUpDownCounter(in.Name(), unit, description)
	default:
		return meter.Int64ObservableGauge(in.Name(), unit, description)
	}
}

// observe shows what s says, with the attributes of its component.
func (in observed[T]) observe(o metric.Observer, s *T, attrs []attribute.KeyValue) {
	for _, p := range in.points {
		value := p.value(s)
		if value == nothing {
			continue
		}
		all := slices.Clip(attrs)
		if p.attribute.Valid() {
			all = append(all, p.attribute)
		}
		o.ObserveInt64(in.observable, value, metric.WithAttributes(all...))
	}
}
