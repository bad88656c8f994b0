// SPDX-License-Identifier: Apache-2.0

package tracestats

import (
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/spandrel-go/spandrel/tracing"
)

// contentType is that of Prometheus' text format 0.0.4, which every Prometheus reads.
// Source: https://prometheus.io/docs/instrumenting/exposition_formats/
const contentType = "text/plain; version=0.0.4; charset=utf-8"

// Handler returns a handler that writes the statistics of p as Prometheus text, format 0.0.4, whatever
// the request's Accept says. It answers GET and HEAD, and others with status 405. The order of the
// metrics is always the same; package tracestats says what they are.
//
// A handler shows one provider: give each of several a path of its own, or its scrapes a label. A nil
// provider has counted nothing. The handler is safe for concurrent use, also during and after
// [tracing.Provider.Shutdown].
func Handler(p *tracing.Provider) http.Handler { return handler{reader(p)} }

// reader returns what reads the statistics of p.
func reader(p *tracing.Provider) func() tracing.Stats {
	if p == nil {
		return func() tracing.Stats { return tracing.Stats{} }
	}
	return p.Stats
}

type handler struct{ stats func() tracing.Stats }

func (h handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "tracestats: only GET and HEAD", http.StatusMethodNotAllowed)
		return
	}
	stats := h.stats()
	body := appendText(nil, &stats)
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body) // of a HEAD request net/http sends nothing; a scraper that has gone asks again
}

// appendText appends all families in their order. One that has no sample is left out.
func appendText(dst []byte, s *tracing.Stats) []byte {
	for i := range providerFamilies {
		f := &providerFamilies[i]
		dst = f.appendSamples(f.appendHead(dst), "", s)
	}
	labels := make([]string, len(s.Exporters))
	for i := range s.Exporters {
		labels[i] = `exporter="` + escape(s.Exporters[i].Exporter, true) + `",index="` + strconv.Itoa(i) + `"`
	}
	for i := range exporterFamilies {
		f := &exporterFamilies[i]
		before := len(dst)
		dst = f.appendHead(dst)
		head := len(dst)
		for j := range s.Exporters {
			dst = f.appendSamples(dst, labels[j], &s.Exporters[j])
		}
		if len(dst) == head {
			dst = dst[:before]
		}
	}
	return dst
}

// appendHead appends the two lines that stand before the samples.
func (f *family[T]) appendHead(dst []byte) []byte {
	dst = append(dst, "# HELP "...)
	dst = append(dst, f.name...)
	dst = append(dst, ' ')
	dst = append(dst, escape(f.help, false)...)
	dst = append(dst, "\n# TYPE "...)
	dst = append(dst, f.name...)
	dst = append(dst, ' ')
	dst = append(dst, f.kind...)
	return append(dst, '\n')
}

// appendSamples appends the samples of s with the given labels, which are escaped.
func (f *family[T]) appendSamples(dst []byte, labels string, s *T) []byte {
	for i := range f.samples {
		reason, value := f.samples[i].reason, f.samples[i].value(s)
		if math.IsNaN(value) {
			continue
		}
		all := labels
		if reason != "" {
			all = strings.TrimPrefix(labels+`,reason="`+reason+`"`, ",")
		}
		dst = append(dst, f.name...)
		if all != "" {
			dst = append(dst, '{')
			dst = append(dst, all...)
			dst = append(dst, '}')
		}
		dst = append(dst, ' ')
		dst = strconv.AppendFloat(dst, value, 'f', -1, 64)
		dst = append(dst, '\n')
	}
	return dst
}

var (
	helpEscapes  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
	labelEscapes = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
)

// escape makes text fit for a HELP line or for a label's value: valid UTF-8, on one line. Only in a
// label's value a quotation mark is escaped.
func escape(text string, label bool) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if label {
		return labelEscapes.Replace(text)
	}
	return helpEscapes.Replace(text)
}
