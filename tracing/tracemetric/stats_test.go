// SPDX-License-Identifier: Apache-2.0

package tracemetric_test

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/spandrel-go/spandrel/tracing"
	"github.com/spandrel-go/spandrel/tracing/tracemetric"
)

var (
	errBackend = errors.New("status 503: overloaded")
	failedAt   = time.Date(2026, 3, 1, 12, 30, 0, 0, time.UTC)
)

// newMeterProvider makes a MeterProvider and what reads it.
func newMeterProvider(t testing.TB) (*sdkmetric.MeterProvider, *sdkmetric.ManualReader) {
	t.Helper()
	reader := sdkmetric.NewManualReader()
	mp := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	t.Cleanup(func() { _ = mp.Shutdown(context.Background()) })
	return mp, reader
}

// collect reads all metrics of a reader.
func collect(t testing.TB, reader *sdkmetric.ManualReader) []metricdata.Metrics {
	t.Helper()
	var rm metricdata.ResourceMetrics
	assert.NoError(t, reader.Collect(context.Background(), &rm))
	var all []metricdata.Metrics
	for _, sm := range rm.ScopeMetrics {
		assert.Equal(t, tracemetric.ScopeName, sm.Scope.Name)
		assert.Equal(t, tracemetric.SchemaURL, sm.Scope.SchemaURL)
		all = append(all, sm.Metrics...)
	}
	return all
}

// pointsOf returns the kind of a metric and its points.
func pointsOf(t testing.TB, m metricdata.Metrics) (kind string, points []metricdata.DataPoint[int64]) {
	t.Helper()
	switch data := m.Data.(type) {
	case metricdata.Sum[int64]:
		assert.Equal(t, metricdata.CumulativeTemporality, data.Temporality, "%s", m.Name)
		if data.IsMonotonic {
			return "counter", data.DataPoints
		}
		return "updowncounter", data.DataPoints
	case metricdata.Gauge[int64]:
		return "gauge", data.DataPoints
	default:
		assert.Failf(t, "a metric of another type", "%s is a %T", m.Name, m.Data)
		return "", nil
	}
}

// values returns all values by name and attributes, such as "otel.sdk.span.live" and
// `otel.sdk.span.started{otel.span.sampling_result=DROP}`.
func values(t testing.TB, metrics []metricdata.Metrics) map[string]int64 {
	t.Helper()
	all := map[string]int64{}
	for _, m := range metrics {
		_, points := pointsOf(t, m)
		for _, p := range points {
			name := m.Name
			if p.Attributes.Len() > 0 {
				name += "{" + p.Attributes.Encoded(attribute.DefaultEncoder()) + "}"
			}
			assert.NotContains(t, all, name, "twice")
			all[name] = p.Value
		}
	}
	return all
}

// valuesOf returns what the metrics show of statistics.
func valuesOf(t testing.TB, s tracing.Stats) map[string]int64 {
	t.Helper()
	mp, reader := newMeterProvider(t)
	_, err := tracemetric.RegisterStats(mp, func() tracing.Stats { return s })
	require.NoError(t, err)
	return values(t, collect(t, reader))
}

// leaf is a field of tracing.Stats that has a value of its own, or one of what it holds.
type leaf struct {
	path  string // such as "Exporters.Dropped.QueueFull"
	value reflect.Value
}

// leaves returns all fields of v, which can be set.
func leaves(path string, v reflect.Value) (list []leaf) {
	switch {
	case v.Type() == reflect.TypeFor[time.Time]():
		return []leaf{{path, v}}
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			name := v.Type().Field(i).Name
			list = append(list, leaves(strings.TrimPrefix(path+"."+name, "."), v.Field(i))...)
		}
		return list
	case v.Kind() == reflect.Slice: // of exporters
		for i := range v.Len() {
			list = append(list, leaves(path, v.Index(i))...)
		}
		return list
	default:
		return []leaf{{path, v}}
	}
}

// fullStats has another value in each field, and one exporter, which fails.
func fullStats(t testing.TB) *tracing.Stats {
	t.Helper()
	s := &tracing.Stats{Exporters: make([]tracing.ExporterStats, 1)}
	for i, l := range leaves("", reflect.ValueOf(s).Elem()) {
		n := 101 + i
		switch v := l.value; v.Interface().(type) {
		case uint64:
			v.SetUint(uint64(n))
		case int, int64:
			v.SetInt(int64(n))
		case bool:
			v.SetBool(true)
		case string:
			v.SetString("*zipkin.Exporter")
		case time.Time:
			v.Set(reflect.ValueOf(failedAt))
		case nil: // an interface
			v.Set(reflect.ValueOf(errBackend))
		default:
			require.Failf(t, "a field of a new kind", "%s is a %s: teach this test", l.path, v.Type())
		}
	}
	return s
}

// fieldsOf returns the fields that each value shows: those whose value, when it becomes zero, changes it. It
// fails the test where a field shows nowhere.
func fieldsOf(t testing.TB) map[string][]string {
	t.Helper()
	fields := map[string][]string{}
	full := valuesOf(t, *fullStats(t))
	for i := range leaves("", reflect.ValueOf(fullStats(t)).Elem()) {
		s := fullStats(t)
		l := leaves("", reflect.ValueOf(s).Elem())[i]
		if l.value.Kind() == reflect.String {
			continue // an attribute of all values
		}
		l.value.SetZero()
		without := valuesOf(t, *s)
		shown := false
		for name, value := range full {
			if now, ok := without[name]; !ok || now != value {
				shown = true
				fields[name] = append(fields[name], l.path)
			}
		}
		assert.True(t, shown, "tracing.Stats has a field %s that no metric shows: give it one in instrument.go", l.path)
	}
	return fields
}
