// SPDX-License-Identifier: Apache-2.0

package tracestats

import (
	"encoding/json"
	"time"

	"github.com/spandrel-go/spandrel/tracing"
)

// Variable shows the statistics of a provider as JSON. It is a Var of package expvar. The zero value
// shows a provider that has counted nothing.
type Variable struct{ stats func() tracing.Stats }

// Var returns a variable that shows the statistics of p, to publish it by
//
//	expvar.Publish("spandrel", tracestats.Var(provider))
//
// This package does not import expvar itself: to do so registers a handler on
// [net/http.DefaultServeMux], and what a program shows there is the program's to decide. expvar refuses a
// name that was published before with a panic: publish once in a program.
//
// A nil provider has counted nothing.
func Var(p *tracing.Provider) Variable { return Variable{reader(p)} }

// exporterJSON is an exporter's statistics as JSON. Where a name stands here and in what is embedded,
// encoding/json takes the one here.
type exporterJSON struct {
	tracing.ExporterStats
	LastError      *string    // an error has no JSON of its own
	LastErrorSince *time.Time // the zero time is a date like any other there
}

// String returns the statistics as one JSON object. Its names are those of the fields of
// [tracing.Stats], and every field is there. LastError is the error's text and LastErrorSince a time as
// in RFC 3339; both are null while the exporter does not fail. The text says what [tracing.Stats] says,
// which may be the address of a backend: whoever can read the variable can read it. It is safe for
// concurrent use, also during and after [tracing.Provider.Shutdown].
func (v Variable) String() string {
	var s struct {
		tracing.Stats
		Exporters []exporterJSON
	}
	if v.stats != nil {
		s.Stats = v.stats()
	}
	s.Exporters = make([]exporterJSON, len(s.Stats.Exporters))
	for i := range s.Stats.Exporters {
		e := exporterJSON{ExporterStats: s.Stats.Exporters[i]}
		if err := e.ExporterStats.LastError; err != nil {
			text := err.Error()
			e.LastError = &text
		}
		if since := e.ExporterStats.LastErrorSince; !since.IsZero() {
			e.LastErrorSince = &since
		}
		s.Exporters[i] = e
	}
	text, err := json.Marshal(s)
	if err != nil { // a time beyond the year 9999
		return "{}"
	}
	return string(text)
}
