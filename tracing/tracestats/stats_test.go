// SPDX-License-Identifier: Apache-2.0

package tracestats_test

import (
	"errors"
	"hash/crc32"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/spandrel-go/spandrel/tracing"
	"github.com/spandrel-go/spandrel/tracing/tracestats"
)

var (
	errBackend = errors.New(`post http://zipkin:9411/api/v2/spans: status 503, "overloaded"`)
	failedAt   = time.Date(2026, 3, 1, 12, 30, 0, 250_000_000, time.UTC)
)

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

// fullStats has a value in each field, which does not depend on the other fields, and one exporter, which
// fails.
func fullStats(t testing.TB) *tracing.Stats {
	t.Helper()
	s := &tracing.Stats{Exporters: make([]tracing.ExporterStats, 1)}
	for _, l := range leaves("", reflect.ValueOf(s).Elem()) {
		n := 1 + crc32.ChecksumIEEE([]byte(l.path))%1_000_000
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

// series reads the samples of a text: what stands before the value, and the value.
func series(t testing.TB, text string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(line, "#") {
			continue
		}
		cut := strings.LastIndexByte(line, ' ')
		if !assert.Positive(t, cut, "no sample: %q", line) {
			continue
		}
		assert.NotContains(t, all, line[:cut], "twice")
		all[line[:cut]] = line[cut+1:]
	}
	return all
}

// fieldsOf returns the fields that each sample shows: those whose value, when it becomes zero, changes it.
// It fails the test where a field shows nowhere.
func fieldsOf(t testing.TB) map[string][]string {
	t.Helper()
	fields := map[string][]string{}
	full := series(t, tracestats.Text(*fullStats(t)))
	for i := range leaves("", reflect.ValueOf(fullStats(t)).Elem()) {
		s := fullStats(t)
		l := leaves("", reflect.ValueOf(s).Elem())[i]
		if l.value.Kind() == reflect.String {
			continue // a label of all samples
		}
		l.value.SetZero()
		without := series(t, tracestats.Text(*s))
		shown := false
		for name, value := range full {
			if without[name] != value {
				shown = true
				fields[name] = append(fields[name], l.path)
			}
		}
		assert.True(t, shown, "tracing.Stats has a field %s that no metric shows: give it one in family.go", l.path)
	}
	return fields
}

func TestEveryFieldHasOneMetric(t *testing.T) {
	t.Parallel()
	fields := fieldsOf(t)
	for name := range series(t, tracestats.Text(*fullStats(t))) {
		want := 1
		if strings.HasPrefix(name, "spandrel_exporter_failing_since_") {
			want = 2 // the error, without which there is none, and the time
		}
		assert.Len(t, fields[name], want, "%s", name)
	}
	count := 0
	for _, f := range tracestats.Families() {
		count += max(1, len(f.Reasons))
	}
	assert.Len(t, fields, count, "each metric shows something")
}

// What Prometheus asks of names: https://prometheus.io/docs/practices/naming/
func TestNames(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, f := range tracestats.Families() {
		assert.Regexp(t, `^spandrel_[a-z]+(_[a-z]+)+$`, f.Name)
		assert.False(t, seen[f.Name], "%s: twice", f.Name)
		seen[f.Name] = true
		assert.Equal(t, f.Kind == "counter", strings.HasSuffix(f.Name, "_total"), "%s is a %s", f.Name, f.Kind)
		assert.Contains(t, []string{"counter", "gauge"}, f.Kind, "%s", f.Name)
		assert.Equal(t, f.Exporter, strings.HasPrefix(f.Name, "spandrel_exporter_"), "%s: about an exporter", f.Name)
		assert.Regexp(t, `^[A-Z1].*\.$`, f.Help, "%s: a sentence", f.Name)
		for _, reason := range f.Reasons {
			assert.Regexp(t, `^[a-z]+(_[a-z]+)*$`, reason, "%s", f.Name)
		}
	}
}
