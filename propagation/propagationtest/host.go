// SPDX-License-Identifier: Apache-2.0

package propagationtest

import (
	"context"
	"fmt"
	"maps"
	"runtime"
	"strings"
	"sync"
	"time"
	"weak"

	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/internal/testkit"
)

// key is that of a value in ctx.
type key struct{}

// hostRules are about the program that a propagator works in.
func hostRules() []rule {
	return []rule{
		{
			name:  "ctx stays",
			text:  "values, deadline, cancellation and baggage of ctx stay when headers are read",
			check: checkCtx,
		},
		{
			name:  "carrier stays",
			text:  "Extract changes nothing in its carrier",
			check: checkCarrierStays,
		},
		{
			name:  "carrier is not kept",
			text:  "nothing keeps a carrier after Extract and Inject have returned, and what becomes of it later changes nothing",
			check: checkNotKept,
		},
		{
			name:  "goroutines",
			text:  "Extract and Inject leave no goroutine behind",
			check: checkGoroutines,
		},
	}
}

func checkCtx(k *kit) {
	member, err := baggage.NewMemberRaw("tenant", "blue")
	if err != nil {
		k.ended("baggage.NewMemberRaw: %v", err)
	}
	bag, err := baggage.New(member)
	if err != nil {
		k.ended("baggage.New: %v", err)
	}
	deadline := time.Now().Add(time.Hour)
	for _, good := range k.good() {
		parent, cancel := context.WithDeadlineCause(context.WithValue(context.Background(), key{}, "value"), deadline, nil)
		ctx := k.extract(baggage.ContextWithBaggage(parent, bag), good)
		if got := ctx.Value(key{}); got != "value" {
			k.broken("the value in ctx became %v", got)
		}
		if got, _ := ctx.Deadline(); !got.Equal(deadline) {
			k.broken("the deadline %v became %v", deadline, got)
		}
		if got := baggage.FromContext(ctx); got.Member("tenant").Value() != "blue" && !carriesBaggage(good) {
			k.broken("the baggage %q became %q", bag, got)
		}
		if ctx.Err() != nil {
			k.broken("ctx was done before it was cancelled: %v", ctx.Err())
		}
		cancel()
		if ctx.Err() == nil {
			k.broken("ctx was cancelled, and its err is nil")
		}
	}
}

// carriesBaggage reports whether headers may have baggage in them, which then takes the place of that
// in ctx.
func carriesBaggage(m propagation.MapCarrier) bool {
	for name := range m {
		if strings.Contains(strings.ToLower(name), "baggage") || strings.HasPrefix(strings.ToLower(name), "uberctx-") {
			return true
		}
	}
	return false
}

func checkCarrierStays(k *kit) {
	for _, good := range k.good() {
		before := maps.Clone(good)
		k.extract(context.Background(), good)
		if !maps.Equal(before, good) {
			k.broken("%s became %s", describe(before), describe(good))
		}
	}
}

func checkNotKept(k *kit) {
	for _, good := range k.good() {
		h := toHeader(good)
		ctx := k.extract(context.Background(), propagation.HeaderCarrier(h))
		want, wantOut := trace.SpanContextFromContext(ctx), propagation.MapCarrier{}
		k.inject(ctx, wantOut)
		for name := range h {
			h[name][0] = "changed"
		}
		got, out := trace.SpanContextFromContext(ctx), propagation.MapCarrier{}
		k.inject(ctx, out)
		if !want.Equal(got) || !maps.Equal(wantOut, out) {
			k.broken("the carrier of Extract was changed: %s became %s, and Inject wrote %s in place of %s",
				text(want), text(got), describe(out), describe(wantOut))
		}
		k.inject(ctx, propagation.MapCarrier{})
		if after := maps.Clone(out); !maps.Equal(after, wantOut) {
			k.broken("the next Inject changed the carrier of the last: %s became %s", describe(wantOut), describe(after))
		}

		ctx, carriers := k.passing(good)
		// What was kept for the last call only, in a pool for example, is gone after two collections.
		for range 2 {
			runtime.GC()
		}
		for name, c := range carriers {
			if c.Value() != nil {
				k.broken("the carrier of %s is still reachable", name)
			}
		}
		runtime.KeepAlive(ctx)
		runtime.KeepAlive(k.p)
	}
}

// passing extracts and injects with carriers that nobody else knows.
//
//go:noinline
func (k *kit) passing(good propagation.MapCarrier) (context.Context, map[string]weak.Pointer[folded]) {
	from := &folded{values: maps.Clone(good), fold: strings.ToLower}
	to := &folded{values: map[string]string{}, fold: strings.ToLower}
	ctx := k.p.Extract(context.Background(), from)
	k.p.Inject(ctx, to)
	return ctx, map[string]weak.Pointer[folded]{"Extract": weak.Make(from), "Inject": weak.Make(to)}
}

func checkConcurrency(k *kit) {
	const goroutines = 8
	failures := make(chan string, goroutines)
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			defer func() {
				if v := recover(); v != nil {
					failures <- fmt.Sprintf("a call panicked: %v", v)
				}
			}()
			random := newSource(uint64(100 + g))
			for range rounds {
				sc := random.spanContext()
				carrier := propagation.HeaderCarrier{}
				k.p.Inject(trace.ContextWithSpanContext(context.Background(), sc), carrier)
				got := trace.SpanContextFromContext(k.p.Extract(context.Background(), carrier))
				if !sameIDs(k.expected(sc), got) {
					failures <- fmt.Sprintf("sent %s, got %s of %s", text(sc), text(got), describe(carrier))
					return
				}
				k.p.Fields()
			}
		})
	}
	wg.Wait()
	close(failures)
	for f := range failures {
		k.broken("%s", f)
	}
}

// checkGoroutines finds the goroutines of the propagator, and of nobody else.
func checkGoroutines(k *kit) {
	left := testkit.LeftGoroutines(fmt.Sprintf("%s %p", k.Name(), k), goneWithin, func() {
		for _, good := range k.good() {
			ctx := k.extract(context.Background(), good)
			k.inject(ctx, propagation.MapCarrier{})
		}
	})
	if left != "" {
		k.broken("%s", left)
	}
}

func checkAllocations(k *kit) {
	ctx := trace.ContextWithSpanContext(context.Background(), newSource(14).spanContext())
	carrier := propagation.HeaderCarrier{}
	k.inject(ctx, carrier)
	c := k.rule.config
	k.Log("propagationtest: Extract")
	testkit.MaxMallocs(k, 1_000, c.extractMallocs, func() { k.p.Extract(context.Background(), carrier) })
	k.Log("propagationtest: Inject")
	testkit.MaxMallocs(k, 1_000, c.injectMallocs, func() { k.p.Inject(ctx, carrier) })
}
