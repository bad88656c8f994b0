// SPDX-License-Identifier: Apache-2.0

package tracehttp

import (
	"net/http"

	"go.opentelemetry.io/otel"
	otelpropagation "go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/propagation"
)

// scopeName names the tracer of this package.
const scopeName = "github.com/spandrel-go/spandrel/tracing/tracehttp"

// Option configures [NewHandler] and [NewTransport]. Each option says where it applies. A nil one
// does nothing: there is no error to return.
type Option interface{ apply(*config) }

type optionFunc func(*config)

func (f optionFunc) apply(c *config) { f(c) }

// config is what both wrappers are made of; immutable after newConfig.
type config struct {
	provider   trace.TracerProvider
	tracer     trace.Tracer
	propagator otelpropagation.TextMapPropagator
	filters    []func(*http.Request) bool
	trust      propagation.TrustPolicy

	traceHosts, baggageHosts *hostList
	traceFields              map[string]bool // the trace headers that some hosts or handlers do not get; nil if all do

	serverKind, clientKind trace.SpanStartOption // made once: each making allocates
}

func newConfig(opts []Option) config {
	c := config{
		serverKind: trace.WithSpanKind(trace.SpanKindServer),
		clientKind: trace.WithSpanKind(trace.SpanKindClient),
	}
	for _, o := range opts {
		if o != nil {
			o.apply(&c)
		}
	}
	if c.provider == nil {
		c.provider = otel.GetTracerProvider()
	}
	if c.propagator == nil {
		c.propagator = defaultPropagator()
	}
	if c.traceHosts != nil || c.trust != propagation.Trust {
		c.traceFields = traceFields(c.propagator)
	}
	c.tracer = c.provider.Tracer(scopeName, trace.WithSchemaURL(schemaURL))
	return c
}

func defaultPropagator() otelpropagation.TextMapPropagator {
	p, err := propagation.New(propagation.Config{})
	if err != nil {
		// Not reached: the zero Config is valid. Should it ever not be, W3C keeps chains whole.
		return otelpropagation.TraceContext{}
	}
	return p
}

// traced reports whether all filters want r traced.
func (c *config) traced(r *http.Request) bool {
	for _, f := range c.filters {
		if !f(r) {
			return false
		}
	}
	return true
}

// WithTracerProvider sets the provider whose tracer makes the spans, in [NewHandler] and
// [NewTransport]. The default, also for nil, is OpenTelemetry's global provider; a handler or
// transport made before that one is set uses it once it is set.
func WithTracerProvider(tp trace.TracerProvider) Option {
	return optionFunc(func(c *config) { c.provider = tp })
}

// WithPropagator sets what reads and writes the headers, in [NewHandler] and [NewTransport]. The
// default, also for nil, is package propagation with its zero Config. It is not OpenTelemetry's
// global propagator, which does nothing until it is set; pass otel.GetTextMapPropagator() for that
// one. A composite propagator of no members neither reads nor writes anything.
func WithPropagator(p otelpropagation.TextMapPropagator) Option {
	return optionFunc(func(c *config) { c.propagator = p })
}

// WithFilter leaves requests untraced for which f returns false, in [NewHandler] and [NewTransport]:
// health checks, or calls to third parties that must not see our ids. Such a request passes as if
// the wrapper were not there: no span, and no header read or written. Of several filters each must
// return true. f is called by many goroutines at once and must not change the request. The default,
// also for nil, is to trace all requests.
func WithFilter(f func(*http.Request) bool) Option {
	return optionFunc(func(c *config) {
		if f != nil {
			c.filters = append(c.filters, f)
		}
	})
}

// WithTrust says what the headers of a [NewHandler]'s callers are worth. The default is
// [propagation.Trust]. A handler that strangers can reach without a gateway in front wants
// [propagation.Link] or [propagation.Ignore]: their headers then choose neither the trace id nor the
// sampling decision, and nothing else of theirs, such as x-request-id, reaches outgoing requests. The request
// that the handler is called with has none of their trace headers, of any format of package propagation or of
// the propagator, and no baggage: a proxy that copies headers does not pass them on, and a second
// NewHandler inside does not join them. In [NewTransport] it does nothing.
func WithTrust(t propagation.TrustPolicy) Option {
	return optionFunc(func(c *config) { c.trust = t })
}
