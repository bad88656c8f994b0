// SPDX-License-Identifier: Apache-2.0

package console_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/exporters/console"
	"github.com/spandrel-go/spandrel/tracing/tracetest"
)

// terminal is a writer that can be made to fail.
type terminal struct {
	mu   sync.Mutex // guards all below
	fail bool
	text bytes.Buffer
}

func (w *terminal) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fail {
		return 0, errors.New("the terminal is closed")
	}
	return w.text.Write(p)
}

// Answer fails or does not: a terminal knows nothing else.
func (w *terminal) Answer(a tracetest.Answer) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fail = a == tracetest.AnswerNo
	return a == tracetest.AnswerOK || a == tracetest.AnswerNo
}

func (w *terminal) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

// readLines reads spans that were written as JSON.
func readLines(t testing.TB, text string) (list []tracetest.Received) {
	t.Helper()
	for raw := range strings.Lines(text) {
		var l line
		require.NoError(t, json.Unmarshal([]byte(raw), &l))
		r := tracetest.Received{Name: l.Name, Rest: raw}
		r.TraceID, r.SpanID = parseIDs(l.TraceID, l.SpanID)
		list = append(list, r)
	}
	return list
}

// parseIDs returns zero for what is zero.
func parseIDs(traceID, spanID string) (trace.TraceID, trace.SpanID) {
	t, _ := trace.TraceIDFromHex(traceID)
	s, _ := trace.SpanIDFromHex(spanID)
	return t, s
}

// readTrees reads spans that were drawn: the rows that name their service, which all others leave blank.
func readTrees(t testing.TB, text string) (list []tracetest.Received) {
	t.Helper()
	var traceID trace.TraceID
	var service, span, kind int // columns
	for row := range strings.Lines(text) {
		row = strings.TrimSuffix(row, "\n")
		fields := strings.Fields(row)
		switch runes := []rune(row); {
		case strings.HasPrefix(row, "trace "):
			traceID, _ = parseIDs(fields[1], "")
		case len(fields) > 2 && fields[0] == "service" && fields[1] == "span":
			service, span, kind = strings.Index(row, "service"), strings.Index(row, "span"), strings.Index(row, "kind")
		case len(runes) > kind && kind > 0 && strings.TrimSpace(string(runes[service:span])) != "":
			list = append(list, tracetest.Received{
				TraceID: traceID, Name: strings.Trim(string(runes[span:kind]), "├─└│ "), Rest: string(runes[kind:]),
			})
		}
	}
	return list
}

func TestConformance(t *testing.T) {
	t.Parallel()
	for name, form := range map[string]struct {
		opts []console.Option
		read func(t testing.TB, text string) []tracetest.Received
	}{
		"trees": {nil, readTrees},
		"JSON":  {[]console.Option{console.WithJSON()}, readLines},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tracetest.TestExporter(t, func(t testing.TB) tracetest.Target {
				w := &terminal{}
				e, err := console.New(w, form.opts...)
				require.NoError(t, err)
				return tracetest.Target{
					Exporter: e, Answer: w.Answer,
					Received: func() []tracetest.Received { return form.read(t, w.String()) },
				}
			})
		})
		t.Run("collector, "+name, func(t *testing.T) {
			t.Parallel()
			tracetest.TestExporter(t, func(t testing.TB) tracetest.Target {
				c, err := console.NewCollector(form.opts...)
				require.NoError(t, err)
				return tracetest.Target{
					Exporter: c, OutlivesShutdown: true,
					Received: func() []tracetest.Received {
						var text bytes.Buffer
						assert.NoError(t, c.Render(&text))
						return form.read(t, text.String())
					},
				}
			})
		})
	}
}
