// SPDX-License-Identifier: Apache-2.0

package propagationtest

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// fieldRules are about what Inject writes.
func fieldRules() []rule {
	return []rule{
		{
			name:  "fields",
			text:  "Fields lists every header that Inject sets, each once, and the caller owns the list",
			check: checkFields,
		},
		{
			name:  "invalid span context",
			text:  "Inject writes nothing where there is no valid span context",
			check: checkInvalid,
		},
		{
			name:  "headers apart",
			text:  "what is added to one header of an http.Header that was written changes no other",
			check: checkApart,
		},
		{
			name:  "other headers",
			text:  "Inject leaves headers alone that are not its own",
			check: checkOthers,
		},
	}
}

// travelRules are about a span context that goes from one service to the next.
func travelRules(c *config) []rule {
	list := []rule{
		{
			name:  "round trip",
			text:  "trace id and span id arrive as they were sent",
			check: func(k *kit) { checkTravel(k, sameIDs) },
		},
		{
			name:  "sampled flag",
			text:  "the sampled flag arrives as it was sent, set or not",
			check: func(k *kit) { checkTravel(k, sameSampled) },
		},
		{
			name:  "remote",
			text:  "a span context that arrived is remote",
			check: func(k *kit) { checkTravel(k, isRemote) },
		},
		{
			name:  "carriers",
			text:  "ids travel in every carrier, whatever form it gives to names",
			check: checkCarriers,
		},
		{
			name:  "arrival wins",
			text:  "ids that arrive take the place of the span in ctx",
			check: checkArrivalWins,
		},
		{
			name:  "written over",
			text:  "what Inject writes takes the place of what was there, as in a proxy that copies headers",
			check: checkWrittenOver,
		},
		{
			name:  "several lines",
			text:  "where headers occur twice one of the two span contexts is read, or none, and never a mixture",
			check: checkLines,
		},
		{
			name:  "concurrency",
			text:  "Extract and Inject may run beside each other, each with a carrier of its own",
			check: checkConcurrency,
		},
	}
	if c.traceState {
		list = append(list, rule{
			name:  "trace state",
			text:  "the trace state arrives as it was sent, behind what the propagator adds of its own",
			check: checkTraceState,
		})
	}
	if c.randomFlag {
		list = append(list, rule{
			name:  "random flag",
			text:  "the random flag arrives as it was sent, set or not",
			check: func(k *kit) { checkTravel(k, sameRandom) },
		})
	}
	return list
}

func checkFields(k *kit) {
	k.what = "Fields"
	first := k.p.Fields()
	want := slices.Clone(first)
	listed := map[string]bool{}
	for _, name := range first {
		lower := strings.ToLower(name)
		if name == "" || listed[lower] {
			k.broken("%q is listed twice, or is no name: %q", name, want)
		}
		listed[lower] = true
	}
	for i := range first {
		first[i] = "changed"
	}
	if got := k.p.Fields(); !slices.Equal(slices.Sorted(slices.Values(want)), slices.Sorted(slices.Values(got))) {
		k.broken("got %q, and later %q", want, got)
	}
	written := func(ctx context.Context) {
		m := propagation.MapCarrier{}
		k.inject(ctx, m)
		for name := range m {
			if !listed[strings.ToLower(name)] {
				k.ended("%s was written, and is not listed: %q", name, want)
			}
		}
	}
	random := newSource(2)
	for range rounds {
		sc := random.spanContext().WithTraceState(someState(k))
		written(trace.ContextWithSpanContext(context.Background(), sc))
		written(trace.ContextWithRemoteSpanContext(context.Background(), sc))
	}
	for _, s := range k.rule.config.samples {
		ctx := k.extract(context.Background(), propagation.HeaderCarrier(toHeader(s.Headers)))
		written(ctx)
		written(trace.ContextWithSpanContext(ctx, trace.SpanContextFromContext(ctx).WithSpanID(trace.SpanID{1})))
	}
}

func checkInvalid(k *kit) {
	valid := newSource(3).spanContext()
	for _, test := range []struct {
		name string
		ctx  context.Context
	}{
		{"an empty ctx", context.Background()},
		{"an empty span context", trace.ContextWithSpanContext(context.Background(), trace.SpanContext{})},
		{"a trace id alone", trace.ContextWithSpanContext(context.Background(), valid.WithSpanID(trace.SpanID{}))},
		{"a span id alone", trace.ContextWithSpanContext(context.Background(), valid.WithTraceID(trace.TraceID{}))},
	} {
		m := propagation.MapCarrier{}
		k.inject(test.ctx, m)
		if len(m) > 0 {
			k.broken("of %s Inject made %s", test.name, describe(m))
		}
	}
}

func checkApart(k *kit) {
	ctx := trace.ContextWithSpanContext(context.Background(), newSource(4).spanContext().WithTraceState(someState(k)))
	names := http.Header{}
	k.inject(ctx, propagation.HeaderCarrier(names))
	for name := range names {
		h := http.Header{}
		k.inject(ctx, propagation.HeaderCarrier(h))
		want := h.Clone()
		want.Add(name, "added")
		h.Add(name, "added")
		if !maps.EqualFunc(want, h, slices.Equal[[]string]) {
			k.broken("%s got a line, and there is %s in place of %s", name,
				describe(propagation.HeaderCarrier(h)), describe(propagation.HeaderCarrier(want)))
		}
	}
}

func checkOthers(k *kit) {
	others := http.Header{"Accept": {"*/*", "text/html"}, "X-Other": {""}, "User-Agent": {"curl/8.5.0"}}
	random := newSource(15)
	ctxs := []context.Context{context.Background()}
	for range 10 {
		sc := random.spanContext().WithTraceState(someState(k))
		ctxs = append(ctxs, trace.ContextWithSpanContext(context.Background(), sc))
	}
	for _, good := range k.good() {
		ctxs = append(ctxs, k.extract(context.Background(), good))
	}
	for _, ctx := range ctxs {
		h, m := others.Clone(), propagation.MapCarrier{}
		for name := range others {
			m[name] = others.Get(name)
		}
		k.inject(ctx, propagation.HeaderCarrier(h))
		k.inject(ctx, m)
		for name, values := range others {
			value, ok := m[name]
			if !slices.Equal(h[name], values) || !ok || value != values[0] {
				k.ended("%s was there, and became %s and %s",
					describe(propagation.HeaderCarrier(others)), describe(propagation.HeaderCarrier(h)), describe(m))
			}
		}
	}
}

// checkWrittenOver compares with what is read where nothing was there: what else is wrong is for other rules to say.
func checkWrittenOver(k *kit) {
	random := newSource(16)
	for range rounds {
		old := trace.ContextWithSpanContext(context.Background(), random.spanContext().WithTraceState(someState(k)))
		ctx := trace.ContextWithSpanContext(context.Background(), random.spanContext())
		for _, kind := range carrierKinds[:2] { // the others are like the first
			over, alone := kind.make(), kind.make()
			k.inject(old, over)
			k.inject(ctx, over)
			k.inject(ctx, alone)
			if got, want := k.read(over), k.read(alone); !sameIDs(want, got) || !sameSampled(want, got) {
				k.ended("%s: got %s, and without what was there %s: %s", kind.name, text(got), text(want), describe(over))
			}
		}
	}
}

// expected returns what is to arrive of a span context, by the options.
func (k *kit) expected(sc trace.SpanContext) trace.SpanContext {
	if k.rule.config.shortIDs {
		id := sc.TraceID()
		clear(id[:8])
		sc = sc.WithTraceID(id)
	}
	return sc.WithRemote(true)
}

// The parts of a span context, as rules of their own.

func sameIDs(want, got trace.SpanContext) bool {
	return want.TraceID() == got.TraceID() && want.SpanID() == got.SpanID()
}

func sameSampled(want, got trace.SpanContext) bool { return want.IsSampled() == got.IsSampled() }

func sameRandom(want, got trace.SpanContext) bool {
	return (want.TraceFlags()^got.TraceFlags())&trace.FlagsRandom == 0
}

func isRemote(_, got trace.SpanContext) bool { return got.IsRemote() }

// checkTravel sends span contexts and compares a part of what arrives; then what is sent on, twice.
func checkTravel(k *kit, same func(want, got trace.SpanContext) bool) {
	random := newSource(5)
	for range rounds {
		sc := random.spanContext()
		want := k.expected(sc)
		headers := k.headers(sc)
		for hop := range 3 {
			ctx := k.extract(context.Background(), headers)
			if got := trace.SpanContextFromContext(ctx); !same(want, got) {
				k.ended("sent %s, and at hop %d read %s of %s", text(sc), hop+1, text(got), describe(headers))
			}
			headers = propagation.MapCarrier{}
			k.inject(ctx, headers)
		}
	}
}

func checkTraceState(k *kit) {
	random := newSource(6)
	for _, list := range []string{
		"a=b", "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7", "1a-_*/@b-_*/=!~ x", "tenant@vendor=1", "k=v,a=v,z=v,b=v",
	} {
		state, err := trace.ParseTraceState(list)
		if err != nil {
			k.ended("trace.ParseTraceState: %v", err)
		}
		sc := random.spanContext().WithTraceState(state)
		headers := k.headers(sc)
		if got := k.read(headers).TraceState().String(); got != list && !strings.HasSuffix(got, ","+list) {
			k.broken("sent %q, got %q of %s", list, got, describe(headers))
		}
	}
}

func checkCarriers(k *kit) {
	random := newSource(7)
	for _, kind := range carrierKinds {
		for range rounds / 10 {
			sc := random.spanContext()
			carrier := kind.make()
			k.inject(trace.ContextWithSpanContext(context.Background(), sc), carrier)
			if kind.arrive != nil {
				var err error
				if carrier, err = kind.arrive(carrier); err != nil {
					k.ended("%s: %v", kind.name, err)
				}
			}
			if got := k.read(carrier); !sameIDs(k.expected(sc), got) {
				k.broken("%s: sent %s, got %s", kind.name, text(sc), text(got))
				break
			}
		}
	}
}

func checkArrivalWins(k *kit) {
	random := newSource(8)
	here, arrives := random.spanContext(), random.spanContext()
	for _, ctx := range []context.Context{
		trace.ContextWithSpanContext(context.Background(), here),
		trace.ContextWithRemoteSpanContext(context.Background(), here),
	} {
		got := trace.SpanContextFromContext(k.extract(ctx, k.headers(arrives)))
		if !sameIDs(k.expected(arrives), got) {
			k.broken("%s stood in ctx, %s arrived, got %s", text(here), text(arrives), text(got))
		}
	}
}

func checkLines(k *kit) {
	random := newSource(9)
	for range rounds {
		first, second := random.spanContext(), random.spanContext()
		h := toHeader(k.headers(first))
		others := toHeader(k.headers(second))
		if !maps.EqualFunc(h, others, func(_, _ []string) bool { return true }) {
			continue // what only one of them has is no line of the other's
		}
		for name, values := range others {
			h[name] = append(h[name], values...)
		}
		got := k.read(propagation.HeaderCarrier(h))
		if got.IsValid() && !sameIDs(k.expected(first), got) && !sameIDs(k.expected(second), got) {
			k.ended("got %s of %s", text(got), describe(propagation.HeaderCarrier(h)))
		}
	}
}

func checkNoSpanContext(k *kit) {
	here := newSource(10).spanContext()
	for _, good := range k.good() {
		for _, ctx := range []context.Context{context.Background(), trace.ContextWithSpanContext(context.Background(), here)} {
			want := trace.SpanContextFromContext(ctx)
			got := trace.SpanContextFromContext(k.extract(ctx, good))
			if !got.Equal(want) {
				k.broken("%s stood in ctx, got %s of %s", text(want), text(got), describe(good))
			}
		}
	}
}

// someState returns a trace state.
func someState(k *kit) trace.TraceState {
	state, err := trace.ParseTraceState("congo=t61,rojo=00f")
	if err != nil {
		k.ended("trace.ParseTraceState: %v", err)
	}
	return state
}

// sampleRule checks a sample that the propagator's author gave.
func sampleRule(s Sample) rule {
	return rule{
		name:  "sample/" + s.Name,
		text:  "what the author promised of headers is read and forwarded",
		check: func(k *kit) { checkSample(k, s) },
	}
}

func checkSample(k *kit, s Sample) {
	headers := propagation.HeaderCarrier(toHeader(s.Headers))
	ctx := k.extract(context.Background(), headers)
	want := trace.NewSpanContext(s.SpanContext)
	want = want.WithRemote(want.IsValid())
	if got := trace.SpanContextFromContext(ctx); !got.Equal(want) {
		k.broken("read %s of %s, want %s", text(got), describe(headers), text(want))
	}
	forwarded := propagation.MapCarrier(s.Forwarded)
	if s.Forwarded == nil {
		forwarded = s.Headers
	}
	got := propagation.MapCarrier{}
	k.inject(ctx, got)
	if !maps.Equal(lower(forwarded), lower(got)) {
		k.broken("forwarded %s, want %s", describe(got), describe(forwarded))
	}
}

// lower returns headers with their names in lower case.
func lower(m propagation.MapCarrier) map[string]string {
	out := map[string]string{}
	for name, value := range m {
		out[strings.ToLower(name)] = value
	}
	return out
}
