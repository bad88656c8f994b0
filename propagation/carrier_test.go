// SPDX-License-Identifier: Apache-2.0

package propagation_test

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	otelprop "go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/propagation"
)

// valuesCarrier is a carrier that can return several values, as gRPC's metadata does.
type valuesCarrier map[string][]string

var _ otelprop.ValuesGetter = valuesCarrier{}

func (c valuesCarrier) Get(key string) string {
	if v := c[key]; len(v) > 0 {
		return v[0]
	}
	return ""
}

func (c valuesCarrier) Values(key string) []string { return c[key] }

func (c valuesCarrier) Set(key, value string) { c[key] = []string{value} }

func (c valuesCarrier) Keys() []string { return nil }

// mapCarrier makes a carrier that is no http.Header of names and values in turn.
func mapCarrier(namesAndValues []string) otelprop.MapCarrier {
	c := otelprop.MapCarrier{}
	for i := 0; i < len(namesAndValues); i += 2 {
		c[namesAndValues[i]] = namesAndValues[i+1]
	}
	return c
}

func TestAnyCarrierIsWrittenAlike(t *testing.T) {
	t.Parallel()
	p := newPropagator(t, propagation.Config{Inject: []string{"w3c", "b3", "b3-single"}})
	ctx := p.Extract(context.Background(), headers(
		"b3", shortHex+"-"+spanHex+"-d-"+parentHex, "x-request-id", "id"))
	want := inject(ctx, p)
	assert.Len(t, want, 7)

	m := otelprop.MapCarrier{}
	p.Inject(ctx, m)
	v := valuesCarrier{}
	p.Inject(ctx, v)
	for name, values := range want {
		lower := slices.IndexFunc(p.Fields(), func(f string) bool { return http.CanonicalHeaderKey(f) == name })
		assert.GreaterOrEqual(t, lower, 0, "%s is canonical and in Fields", name)
		assert.Equal(t, values[0], m[p.Fields()[lower]])
		assert.Equal(t, values, v[p.Fields()[lower]])
	}
	assert.Len(t, m, len(want))
	assert.Len(t, v, len(want))
}

// What Inject has set belongs to the caller: to append to one header, or to change it in place, as proxies do,
// changes no other, nor what is sent next.
func TestValuesOfOneInjectAreIndependent(t *testing.T) {
	t.Parallel()
	configs := []propagation.Config{{}, {Inject: writtenFormats}}
	for _, format := range writtenFormats {
		configs = append(configs, propagation.Config{Extract: everyFormat, Inject: []string{format}})
	}
	for _, cfg := range configs {
		p := newPropagator(t, cfg)
		arrived := headers("traceparent", "00-"+traceHex+"-"+spanHex+"-01", "tracestate", "a=1", "x-request-id", traceUUID, "x-client-trace-id", "c")
		forwarded := p.Extract(context.Background(), arrived)
		for name := range arrived {
			arrived[name][0] = "changed"
		}
		clear(arrived)
		for _, ctx := range []context.Context{startSpan(t, context.Background(), true), forwarded, startSpan(t, forwarded, false)} {
			h := inject(ctx, p)
			before := http.Header(h).Clone()
			for name := range before {
				h[name] = append(h[name], "more")
				h[name][0] += "."
			}
			for name, values := range before {
				assert.Equal(t, []string{values[0] + ".", "more"}, h[name], cfg.Inject)
			}
			assert.Equal(t, before, http.Header(inject(ctx, p)), cfg.Inject)
		}
	}
}

// A map knows a header under one name. Another case is another header, which is left alone.
func TestNamesInAnotherCaseAreOtherHeaders(t *testing.T) {
	t.Parallel()
	p := newPropagator(t, propagation.Config{Extract: everyFormat, Inject: []string{"w3c", "b3"}, Clear: []string{"x-old"}})
	theirs, ours := "00-"+traceHex+"-"+parentHex+"-00", "00-"+traceHex+"-"+spanHex+"-01"
	for _, tt := range []struct {
		name    string
		carrier func(map[string][]string) otelprop.TextMapCarrier
		others  map[string][]string
	}{
		{
			"Traceparent", func(m map[string][]string) otelprop.TextMapCarrier { return otelprop.HeaderCarrier(m) },
			map[string][]string{"traceparent": {theirs}, "TRACEPARENT": {theirs}, "x-b3-flags": {"1"}, "x-old": {"kept"}},
		},
		{
			"traceparent", func(m map[string][]string) otelprop.TextMapCarrier { return propagation.MetadataCarrier(m) },
			map[string][]string{"Traceparent": {theirs}, "TRACEPARENT": {theirs}, "X-B3-Flags": {"1"}, "X-Old": {"kept"}},
		},
	} {
		assert.Zero(t, extract(p, tt.carrier(tt.others)), "alone they are nothing")

		m := maps.Clone(tt.others)
		m[tt.name] = []string{ours}
		r := extract(p, tt.carrier(m))
		assert.Equal(t, spanHex, r.SpanContext.SpanID().String(), tt.name)
		assert.False(t, r.Debug, tt.name)

		p.Inject(p.Extract(context.Background(), tt.carrier(m)), tt.carrier(m))
		assert.Equal(t, []string{ours}, m[tt.name])
		assert.Len(t, m, len(tt.others)+4, "traceparent and x-b3-*")
		for name, values := range tt.others {
			assert.Equal(t, values, m[name], name)
		}
	}
	assert.Empty(t, p.Stats().Malformed)
}

// Of a carrier that cannot remove, as of most message queues, old headers may stay; none that has what is written
// read as another trace.
func TestCarrierThatCannotRemoveLeavesNoOtherTrace(t *testing.T) {
	t.Parallel()
	old := map[string]string{
		"b3": kongTrace + "-" + kongSpan + "-1", "tracestate": "old=1", "x-datadog-tags": "_dd.p.tid=" + kongTrace[:16], "x-datadog-origin": "rum",
		"x-other": "1",
	}
	for _, test := range []struct{ format, removed string }{
		{"w3c", "tracestate"}, {"b3", "b3"}, {"datadog", "x-datadog-tags"}, {"datadog", "x-datadog-origin"},
	} {
		p := newPropagator(t, propagation.Config{Extract: []string{test.format}, Inject: []string{test.format}})
		for _, sc := range []trace.SpanContext{
			spanContext(t, strings.Repeat("0", 16)+shortHex, ownHex), spanContext(t, strings.Repeat("0", 16)+shortHex, ownHex).WithRemote(true),
		} {
			m := otelprop.MapCarrier(maps.Clone(old))
			p.Inject(trace.ContextWithSpanContext(context.Background(), sc), m)
			assert.Empty(t, m[test.removed], test.format)
			assert.Contains(t, m, test.removed, "it was not removed")
			assert.Equal(t, "1", m["x-other"])
			r := extract(p, m)
			assert.Equal(t, sc.TraceID(), r.SpanContext.TraceID(), test.format)
			assert.Equal(t, sc.SpanID(), r.SpanContext.SpanID(), test.format)
			assert.Zero(t, r.TraceState)
			assert.Nil(t, r.Extra)
		}
		untouched := otelprop.MapCarrier{}
		p.Inject(trace.ContextWithSpanContext(context.Background(), spanContext(t, traceHex, ownHex)), untouched)
		for name, value := range untouched {
			assert.NotEmpty(t, value, "%s: nothing is emptied that is not there", name)
		}
	}
}

func spanContext(t *testing.T, traceHex, spanHex string) trace.SpanContext {
	t.Helper()
	return trace.NewSpanContext(trace.SpanContextConfig{TraceID: traceID(t, traceHex), SpanID: spanID(t, spanHex)})
}

func TestNilCarriers(t *testing.T) {
	t.Parallel()
	p := newPropagator(t, propagation.Config{Clear: []string{"b3"}})
	ctx := startSpan(t, context.Background(), true)
	for _, carrier := range []otelprop.TextMapCarrier{nil, otelprop.HeaderCarrier(nil)} {
		assert.Equal(t, ctx, p.Extract(ctx, carrier))
		assert.NotPanics(t, func() { p.Inject(ctx, carrier) })
	}
}
