// SPDX-License-Identifier: Apache-2.0

package propagationtest

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// arrivalRules are about headers that nobody should have sent.
func arrivalRules() []rule {
	return []rule{
		{
			name:  "nothing arrives",
			text:  "Extract returns ctx as it was where there is nothing to read",
			check: checkNothing,
		},
		{
			name:  "malformed",
			text:  "malformed headers make no panic and no invalid span context: what stood in ctx stays, or a valid remote span context takes its place",
			check: checkMalformed,
		},
		{
			name:  "nothing injected",
			text:  "of malformed headers Inject writes none that Fields does not list, and no control character",
			check: checkClean,
		},
		{
			name:  "huge",
			text:  "a header of any size is read in no time, and not sent on",
			check: checkHuge,
		},
	}
}

// good returns headers that mean something: those that Inject writes, and the samples.
func (k *kit) good() (list []propagation.MapCarrier) {
	random := newSource(11)
	for _, flags := range []trace.TraceFlags{trace.FlagsSampled, 0} {
		m := propagation.MapCarrier{}
		sc := random.spanContext().WithTraceFlags(flags).WithTraceState(someState(k))
		k.inject(trace.ContextWithSpanContext(context.Background(), sc), m)
		if len(m) > 0 {
			list = append(list, m)
		}
	}
	for _, s := range k.rule.config.samples {
		list = append(list, maps.Clone(s.Headers))
	}
	// What is listed and was not written is read as well.
	k.what = "Fields"
	rest := propagation.MapCarrier{}
	for _, name := range k.p.Fields() {
		rest[name] = "0"
	}
	if len(rest) > 0 {
		list = append(list, rest)
	}
	return list
}

func checkNothing(k *kit) {
	here := newSource(12).spanContext()
	for _, test := range []struct {
		name    string
		carrier propagation.TextMapCarrier
	}{
		{"an empty map", propagation.MapCarrier{}},
		{"a nil map", propagation.MapCarrier(nil)},
		{"an empty http.Header", propagation.HeaderCarrier{}},
		{"a nil http.Header", propagation.HeaderCarrier(nil)},
		{"a header without lines", propagation.HeaderCarrier{"Traceparent": nil, "B3": {}}},
		{"other headers", propagation.HeaderCarrier{"Accept": {"*/*"}, "User-Agent": {"a", "b"}, "X-Trace": {"1"}}},
	} {
		for _, ctx := range []context.Context{
			context.WithValue(context.Background(), key{}, "value"),
			trace.ContextWithSpanContext(context.Background(), here),
			trace.ContextWithRemoteSpanContext(context.Background(), here),
		} {
			if k.extract(ctx, test.carrier) != ctx {
				k.broken("%s: got another ctx", test.name)
				break
			}
		}
	}
}

func checkMalformed(k *kit) {
	empty := context.Background()
	here := trace.ContextWithSpanContext(empty, newSource(13).spanContext())
	for _, good := range k.good() {
		malformed(good, func(bad propagation.MapCarrier) {
			for _, carrier := range []propagation.TextMapCarrier{bad, propagation.HeaderCarrier(toHeader(bad))} {
				for _, ctx := range []context.Context{empty, here} {
					k.survives(ctx, carrier)
				}
			}
		})
	}
}

// survives checks that Extract makes of a carrier no more than it may make of any.
func (k *kit) survives(ctx context.Context, carrier propagation.TextMapCarrier) {
	defer k.recoveredReading(carrier)
	before := trace.SpanContextFromContext(ctx)
	got := trace.SpanContextFromContext(k.p.Extract(ctx, carrier))
	if !got.Equal(before) && !(got.IsValid() && got.IsRemote()) {
		k.broken("%s stood in ctx, got %s of %s", text(before), text(got), describe(carrier))
	}
}

// recoveredReading is recovered for Extract, without the cost of naming what is read beforehand.
func (k *kit) recoveredReading(carrier propagation.TextMapCarrier) {
	if v := recover(); v != nil {
		k.broken("Extract of %s panicked: %v", describe(carrier), v)
	}
}

func checkClean(k *kit) {
	listed := k.fields()
	for _, good := range k.good() {
		malformed(good, func(bad propagation.MapCarrier) {
			defer k.recoveredReading(bad)
			ctx := k.p.Extract(context.Background(), propagation.HeaderCarrier(toHeader(bad)))
			out := propagation.MapCarrier{}
			k.p.Inject(ctx, out)
			for name, value := range out {
				if !listed[strings.ToLower(name)] || strings.ContainsFunc(value, control) {
					k.ended("%s became %s", describe(bad), describe(out))
				}
			}
		})
	}
}

// control reports whether a header must not contain r (RFC 9110, section 5.5).
func control(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }

// forwardedMax is how much may be written of a request that has huge headers. Servers take some 8 KiB
// for all headers, at times some 64.
const forwardedMax = 16 << 10

func checkHuge(k *kit) {
	list := k.good()
	done := make(chan []string, 1)
	go func() {
		var failures []string
		try := func(carrier propagation.TextMapCarrier) {
			if f := forwards(k.p, carrier); f != "" && len(failures) < failuresMax {
				failures = append(failures, f)
			}
		}
		names := map[string]bool{}
		for _, good := range list {
			huge(good, names, func(bad propagation.MapCarrier) { try(bad) })
			h := toHeader(good)
			for name, values := range h {
				h[name] = slices.Repeat(values, 10_000)
			}
			try(propagation.HeaderCarrier(h))
		}
		done <- failures
	}()
	timer := time.NewTimer(returnsWithin)
	defer timer.Stop()
	select {
	case failures := <-done:
		for _, f := range failures {
			k.broken("%s", f)
		}
	case <-timer.C:
		k.ended("to read and to forward them took more than %v", returnsWithin)
	}
}

// forwards reads headers and says how much of them is written, if that is too much.
func forwards(p propagation.TextMapPropagator, carrier propagation.TextMapCarrier) (failure string) {
	defer func() {
		if v := recover(); v != nil {
			failure = fmt.Sprintf("Extract of %s panicked: %v", describe(carrier), v)
		}
	}()
	out := http.Header{}
	p.Inject(p.Extract(context.Background(), carrier), propagation.HeaderCarrier(out))
	n := 0
	for name, values := range out {
		for _, v := range values {
			n += len(name) + len(v)
		}
	}
	if n > forwardedMax {
		return fmt.Sprintf("%d bytes were written of %s", n, describe(carrier))
	}
	return ""
}
