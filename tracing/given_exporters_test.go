// SPDX-License-Identifier: Apache-2.0

package tracing_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/spandrel-go/spandrel/tracing"
)

// stateless is an exporter without size: all pointers to such ones may be equal.
type stateless struct{}

func (stateless) ExportSpans(context.Context, []*tracing.SpanData) error { return nil }
func (stateless) Shutdown(context.Context) error                         { return nil }

// holding is an exporter that may or may not be comparable.
type holding struct {
	stateless
	value any
}

func TestTheSameExporterTwice(t *testing.T) {
	t.Parallel()
	pointer := &holding{value: 1}
	for _, tt := range []struct {
		name string
		a, b tracing.Exporter
		same bool
	}{
		{"one pointer", pointer, pointer, true},
		{"two pointers", pointer, &holding{value: 1}, false},
		{"equal values", holding{value: pointer}, holding{value: pointer}, true},
		{"other values", holding{value: pointer}, holding{value: 2}, false},
		{"pointer and value", pointer, *pointer, false},
		{"pointers to nothing", &stateless{}, &stateless{}, false},
		{"values without state", stateless{}, stateless{}, false},
		{"not comparable", holding{value: []int{1}}, holding{value: []int{1}}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p, err := tracing.NewProvider(tracing.WithExporter(tt.a), tracing.WithExporter(tt.b))
			if tt.same {
				require.EqualError(t, err, "tracing: WithExporter: the same exporter is given twice")
				return
			}
			require.NoError(t, err)
			endOne(p.NewTracer("test"), "one")
			shutdown(t, p)
			for _, s := range p.Stats().Exporters {
				assert.EqualValues(t, 1, s.Exported)
			}
		})
	}
}

// A provider does not follow the variable: the program chooses. It says so to whoever has set it, unless it
// happens to do what the variable asks for.
func TestTracesExporterVariable(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		value string
		log   string
		none  bool // the program gives no exporter
	}{
		{name: "not set"},
		{name: "none", value: " None "},
		{name: "the exporter's package", value: "tracing_test"},
		{name: "twice", value: "Tracing_Test, tracing_test"},
		{name: "another", value: "otlp", log: "value=otlp exporters=[tracing_test.stateless]"},
		{name: "part of its name", value: "tracing", log: "value=tracing exporters=[tracing_test.stateless]"},
		{name: "one more", value: "tracing_test,zipkin", log: "value=tracing_test,zipkin exporters=[tracing_test.stateless]"},
		{name: "no exporter at all", value: "otlp", none: true, log: "value=otlp exporters=[]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var log syncBuffer
			opts := []tracing.Option{withEnv(env{"OTEL_TRACES_EXPORTER": tt.value}), tracing.WithLogger(logTo(&log))}
			if !tt.none {
				opts = append(opts, tracing.WithExporter(stateless{}))
			}
			newProvider(t, opts...)
			if tt.log == "" {
				assert.Empty(t, log.String())
				return
			}
			assert.Contains(t, log.String(), `level=INFO msg="spandrel: OTEL_TRACES_EXPORTER is ignored: the program chooses its exporters" `+tt.log+"\n")
		})
	}
}

func TestTracesExporterOfADisabledProvider(t *testing.T) {
	t.Parallel()
	var log syncBuffer
	newProvider(t, withEnv(env{"OTEL_TRACES_EXPORTER": "otlp", "OTEL_SDK_DISABLED": "true"}), tracing.WithLogger(logTo(&log)))
	assert.NotContains(t, log.String(), "OTEL_TRACES_EXPORTER")
}
