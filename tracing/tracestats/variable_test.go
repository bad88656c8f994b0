// SPDX-License-Identifier: Apache-2.0

package tracestats_test

import (
	"encoding/json"
	"errors"
	"expvar"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/spandrel-go/spandrel/tracing"
	"github.com/spandrel-go/spandrel/tracing/tracestats"
)

var _ expvar.Var = tracestats.Variable{}

// fromJSON reads statistics back, the errors as texts.
func fromJSON(t testing.TB, text string) tracing.Stats {
	t.Helper()
	var all struct {
		tracing.Stats
		Exporters []struct {
			tracing.ExporterStats
			LastError *string
		}
	}
	assert.NoError(t, json.Unmarshal([]byte(text), &all), "%s", text)
	for _, e := range all.Exporters {
		if e.LastError != nil {
			e.ExporterStats.LastError = errors.New(*e.LastError)
		}
		all.Stats.Exporters = append(all.Stats.Exporters, e.ExporterStats)
	}
	return all.Stats
}

// sameStats compares statistics, errors by their text.
func sameStats(t testing.TB, want, got tracing.Stats) {
	t.Helper()
	wants, gots := leaves("", reflect.ValueOf(&want).Elem()), leaves("", reflect.ValueOf(&got).Elem())
	require.Len(t, gots, len(wants))
	for i := range wants {
		a, b := wants[i].value.Interface(), gots[i].value.Interface()
		if err, ok := a.(error); ok {
			assert.EqualError(t, b.(error), err.Error())
			continue
		}
		if at, ok := a.(time.Time); ok {
			assert.True(t, at.Equal(b.(time.Time)), "%s: want %v, got %v", wants[i].path, a, b)
			continue
		}
		assert.Equal(t, a, b, "%s", wants[i].path)
	}
}

func TestVarIsStatsAsJSON(t *testing.T) {
	t.Parallel()
	full := *fullStats(t)
	sameStats(t, full, fromJSON(t, tracestats.VarOf(full).String()))

	// Without a failure it can be read as what it is.
	full.Exporters[0].LastError, full.Exporters[0].LastErrorSince = nil, time.Time{}
	var healthy tracing.Stats
	require.NoError(t, json.Unmarshal([]byte(tracestats.VarOf(full).String()), &healthy))
	assert.Equal(t, full, healthy)

	p := useProvider(t)
	sameStats(t, p.Stats(), fromJSON(t, tracestats.Var(p).String()))
}

// Each name stands once in each object: encoding/json would let the last one win in silence.
func TestVarNamesEveryFieldOnce(t *testing.T) {
	t.Parallel()
	var all map[string]json.RawMessage
	require.NoError(t, json.Unmarshal([]byte(tracestats.VarOf(*fullStats(t)).String()), &all))
	assert.ElementsMatch(t, fieldNames[tracing.Stats](), keys(all))
	var exporters []map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(all["Exporters"], &exporters))
	require.Len(t, exporters, 1)
	assert.ElementsMatch(t, fieldNames[tracing.ExporterStats](), keys(exporters[0]))
}

func fieldNames[T any]() (names []string) {
	for i := range reflect.TypeFor[T]().NumField() {
		names = append(names, reflect.TypeFor[T]().Field(i).Name)
	}
	return names
}

func keys(m map[string]json.RawMessage) (names []string) {
	for name := range m {
		names = append(names, name)
	}
	return names
}

func TestVarIsJSONWhateverTheErrorSays(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, text, want string
	}{
		{"quotes", `a "b" \c`, `a "b" \c`},
		{"lines", "a\nb\x00", "a\nb\x00"},
		{"not UTF-8", "a\xffb", "a\uFFFDb"},
		{"a page", "<html>&", "<html>&"},
		{"empty", "", ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			text := tracestats.VarOf(tracing.Stats{Exporters: []tracing.ExporterStats{{LastError: errors.New(c.text)}}}).String()
			got := fromJSON(t, text)
			require.Len(t, got.Exporters, 1)
			assert.EqualError(t, got.Exporters[0].LastError, c.want)
		})
	}
	far := tracing.Stats{Exporters: []tracing.ExporterStats{{LastErrorSince: time.Date(12000, 1, 1, 0, 0, 0, 0, time.UTC)}}}
	assert.JSONEq(t, "{}", tracestats.VarOf(far).String(), "JSON knows no such time")
}
