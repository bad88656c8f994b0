// SPDX-License-Identifier: Apache-2.0

package propagation_test

import (
	"slices"
	"strings"
	"testing"

	otelprop "go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/propagation"
	"github.com/spandrel-go/spandrel/propagation/propagationtest"
)

type headerMap = map[string]string

// sampleOf makes a sample of what arrives with the ids of these tests and goes on as it is, or as
// forwarded.
func sampleOf(t testing.TB, name string, traceHexDigits string, flags trace.TraceFlags, headers, forwarded headerMap) propagationtest.Sample {
	s := propagationtest.Sample{Name: name, Headers: headers, Forwarded: forwarded}
	if traceHexDigits != "" {
		s.SpanContext = trace.SpanContextConfig{TraceID: traceID(t, traceHexDigits), SpanID: spanID(t, spanHex), TraceFlags: flags}
	}
	return s
}

// carried is what each format carries beside ids and the sampled flag.
func carried(t testing.TB, format string) []propagationtest.Option {
	const sampled = trace.FlagsSampled
	var samples []propagationtest.Sample
	add := func(name, id string, flags trace.TraceFlags, headers, forwarded headerMap) {
		samples = append(samples, sampleOf(t, format+": "+name, id, flags, headers, forwarded))
	}
	opts := []propagationtest.Option{}
	switch format {
	case "w3c":
		opts = append(opts, propagationtest.WithTraceState(), propagationtest.WithRandomFlag())
		add("flags of the future", traceHex, sampled,
			headerMap{"traceparent": "00-" + traceHex + "-" + spanHex + "-fd"},
			headerMap{"traceparent": "00-" + traceHex + "-" + spanHex + "-01"})
	case "b3":
		ids := headerMap{"x-b3-traceid": traceHex, "x-b3-spanid": spanHex}
		add("deferred", traceHex, 0, ids, nil)
		add("debug", traceHex, sampled, with(ids, "x-b3-flags", "1"), nil)
		add("parent", traceHex, sampled, with(ids, "x-b3-sampled", "1", "x-b3-parentspanid", parentHex), nil)
		add("64 bits", shortHex, 0, headerMap{"x-b3-traceid": shortHex, "x-b3-spanid": spanHex, "x-b3-sampled": "0"}, nil)
		add("a decision alone", "", 0, headerMap{"x-b3-sampled": "0"}, nil)
	case "b3-single":
		add("deferred", traceHex, 0, headerMap{"b3": traceHex + "-" + spanHex}, nil)
		add("debug", traceHex, sampled, headerMap{"b3": traceHex + "-" + spanHex + "-d"}, nil)
		add("parent", traceHex, sampled, headerMap{"b3": traceHex + "-" + spanHex + "-1-" + parentHex}, nil)
		add("64 bits", shortHex, 0, headerMap{"b3": shortHex + "-" + spanHex + "-0"}, nil)
		add("a decision alone", "", 0, headerMap{"b3": "0"}, nil)
	case "jaeger":
		add("debug", traceHex, sampled, headerMap{"uber-trace-id": traceHex + ":" + spanHex + ":0:03"}, nil)
		add("parent", traceHex, sampled, headerMap{"uber-trace-id": traceHex + ":" + spanHex + ":" + parentHex + ":01"}, nil)
		add("64 bits", shortHex, 0, headerMap{"uber-trace-id": shortHex + ":" + spanHex + ":0:00"}, nil)
	case "ot":
		opts = append(opts, propagationtest.With64BitTraceIDs())
		add("deferred", shortHex, 0, headerMap{"ot-tracer-traceid": shortHex, "ot-tracer-spanid": spanHex}, nil)
		add("128 bits", traceHex, sampled,
			headerMap{"ot-tracer-traceid": traceHex, "ot-tracer-spanid": spanHex, "ot-tracer-sampled": "1"}, nil)
	case "datadog":
		ids := headerMap{"x-datadog-trace-id": "9532127138774266268", "x-datadog-parent-id": "13235353014750950193"}
		add("deferred", shortHex, 0, ids, nil)
		add("forced by a user", shortHex, sampled, with(ids, "x-datadog-sampling-priority", "2"), nil)
		add("refused by a user", shortHex, 0, with(ids, "x-datadog-sampling-priority", "-1"), nil)
		add("128 bits, origin and tags", traceHex, sampled, with(ids, "x-datadog-sampling-priority", "1",
			"x-datadog-origin", "rum", "x-datadog-tags", "_dd.p.tid=0af7651916cd43dd,_dd.p.dm=-4"), nil)
	case "aws":
		const root = "Root=1-0af76519-16cd43dd8448eb211c80319c;Parent=" + spanHex
		add("deferred", traceHex, 0, headerMap{"x-amzn-trace-id": root + ";Sampled=?"}, headerMap{"x-amzn-trace-id": root})
		add("lineage", traceHex, sampled, headerMap{"x-amzn-trace-id": root + ";Sampled=1;Lineage=a87bd80c:1|68fd508a:5|c512fbe3:2"}, nil)
	case "gcp":
		add("deferred", traceHex, 0, headerMap{"x-cloud-trace-context": traceHex + "/13235353014750950193"}, nil)
	case "instana":
		add("suppressed", "", 0, headerMap{"x-instana-l": "0"}, nil)
		add("64 bits", shortHex, sampled, headerMap{"x-instana-t": shortHex, "x-instana-s": spanHex, "x-instana-l": "1"}, nil)
	}
	return append(opts, propagationtest.WithSample(samples...))
}

// with adds headers, names and values in turn.
func with(m headerMap, namesAndValues ...string) headerMap {
	out := headerMap{}
	for name, value := range m {
		out[name] = value
	}
	for i := 0; i < len(namesAndValues); i += 2 {
		out[namesAndValues[i]] = namesAndValues[i+1]
	}
	return out
}

// readerOf returns the name under which a format is read.
func readerOf(format string) string {
	if format == "b3-single" {
		return "b3"
	}
	return format
}

// TestConformance runs the kit on each format alone, written by its name and as what is
// preserved, and on configurations of several.
func TestConformance(t *testing.T) {
	t.Parallel()
	w3c := []propagationtest.Option{propagationtest.WithTraceState(), propagationtest.WithRandomFlag()}
	run := func(name string, cfg propagation.Config, opts []propagationtest.Option) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			propagationtest.Test(t, func(t testing.TB) otelprop.TextMapPropagator { return newPropagator(t, cfg) }, opts...)
		})
	}
	formats := []string{"w3c", "b3", "b3-single", "jaeger", "ot", "datadog", "aws", "gcp", "instana"}
	for _, f := range formats {
		run(f, propagation.Config{Extract: []string{readerOf(f)}, Inject: []string{f}}, carried(t, f))
		run("preserve "+f, propagation.Config{
			Extract: []string{readerOf(f)}, Inject: []string{"preserve"}, DefaultFormat: f,
		}, carried(t, f))
	}
	run("default", propagation.Config{}, w3c)
	run("everything", propagation.Config{Extract: everyFormat, Inject: formats}, w3c)
	backwards := slices.Clone(everyFormat)
	slices.Reverse(backwards)
	run("everything, backwards", propagation.Config{Extract: backwards, Inject: formats}, nil)
	run("cleared", propagation.Config{Clear: []string{"x-b3-traceid", "b3", "tracestate"}}, w3c)
	run("nothing", propagation.Config{Extract: []string{}, Inject: []string{}},
		[]propagationtest.Option{propagationtest.WithoutSpanContext()})
}

// TestFromEnvironmentConformance runs it on what OTEL_PROPAGATORS makes.
func TestFromEnvironmentConformance(t *testing.T) {
	t.Parallel()
	for _, value := range []string{
		"", "tracecontext", "baggage", "none", "b3", "b3multi", "jaeger", "ottrace", "xray",
		"tracecontext,baggage,b3", "b3,b3multi,jaeger,ottrace,tracecontext,xray",
	} {
		t.Run(strings.ReplaceAll(value, ",", " "), func(t *testing.T) {
			t.Parallel()
			opts := map[string][]propagationtest.Option{
				"":             {propagationtest.WithTraceState(), propagationtest.WithRandomFlag()},
				"tracecontext": carried(t, "w3c"),
				"baggage":      {propagationtest.WithoutSpanContext()},
				"none":         {propagationtest.WithoutSpanContext()},
				"b3":           carried(t, "b3-single"),
				"b3multi":      carried(t, "b3"),
				"jaeger":       carried(t, "jaeger"),
				"ottrace":      carried(t, "ot"),
				"xray":         carried(t, "aws"),
			}[value]
			propagationtest.Test(t, func(t testing.TB) otelprop.TextMapPropagator {
				p, warnings := fromVariable(t, value)
				if len(warnings) > 0 {
					t.Errorf("got %q", warnings)
				}
				return p
			}, opts...)
		})
	}
}
