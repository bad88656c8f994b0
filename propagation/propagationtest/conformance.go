// SPDX-License-Identifier: Apache-2.0

package propagationtest

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// Test checks that a propagator keeps the rules of OpenTelemetry's specification and those of a good
// guest in its host program, in a parallel subtest for each. newPropagator is called for each subtest,
// and may return the same one each time if it keeps nothing between calls; it registers with t.Cleanup
// whatever must go when the test ends. A bad option ends the test.
//
// Run it with -race as well: some rules about concurrency only the race detector sees broken.
func Test(t *testing.T, newPropagator func(t testing.TB) propagation.TextMapPropagator, opts ...Option) {
	t.Helper()
	list := rules(t, newPropagator, opts)
	for _, r := range list {
		t.Run(r.name, func(t *testing.T) {
			if !r.serial {
				t.Parallel()
			}
			r.run(t)
		})
	}
}

// Limits for broken propagators, far above what a loaded machine needs, also with the race detector.
const (
	// returnsWithin is how long reading values of any size may take, all of them together.
	returnsWithin = time.Minute
	// goneWithin is how long a goroutine may live that a propagator has started.
	goneWithin = 5 * time.Second
)

// rule is one rule.
type rule struct {
	name   string
	text   string // what a propagator does that keeps it
	serial bool   // must not run beside other tests
	check  func(k *kit)

	config        *config
	newPropagator func(t testing.TB) propagation.TextMapPropagator
}

// rules returns those that are to be checked.
func rules(t testing.TB, newPropagator func(t testing.TB) propagation.TextMapPropagator, opts []Option) []rule {
	t.Helper()
	c, err := newConfig(opts)
	if err != nil {
		t.Fatal(err)
		return nil
	}
	list := slices.Concat(fieldRules(), arrivalRules(), hostRules())
	if c.nothing {
		list = append(list, rule{
			name:  "no span context",
			text:  "no header of a propagator that carries no span context changes the one in ctx",
			check: checkNoSpanContext,
		})
	} else {
		list = append(list, travelRules(c)...)
	}
	for _, s := range c.samples {
		list = append(list, sampleRule(s))
	}
	if c.bounded {
		list = append(list, rule{
			name:   "allocations",
			text:   "Extract and Inject allocate no more than was promised",
			serial: true,
			check:  checkAllocations,
		})
	}
	for i := range list {
		list[i].config, list[i].newPropagator = c, newPropagator
	}
	for name := range c.deviations {
		if !slices.ContainsFunc(list, func(r rule) bool { return r.name == name }) {
			t.Fatalf("propagationtest: WithDeviation: there is no rule %q", name)
		}
	}
	return list
}

// run checks the rule. Of one that is known to be broken it asks that it still is.
func (r rule) run(t testing.TB) {
	t.Helper()
	reason, known := r.config.deviations[r.name]
	if !known {
		r.checkOn(t)
		return
	}
	rec := &recorder{TB: t}
	done := make(chan struct{})
	go func() { // FailNow ends a goroutine
		defer close(done)
		r.checkOn(rec)
	}()
	<-done
	if t.Skipped() {
		return
	}
	if text := rec.reported(); text == "" {
		t.Errorf("propagationtest: the rule is kept: %s: the deviation %q is none any more", r.text, reason)
	} else {
		t.Logf("known: %s\n%s", reason, text)
	}
}

func (r rule) checkOn(t testing.TB) {
	t.Helper()
	k := &kit{TB: t, rule: r}
	k.p = r.newPropagator(t)
	if k.p == nil {
		t.Fatalf("propagationtest: Test: newPropagator returned nil")
	}
	defer k.recovered("")
	r.check(k)
}

// kit is what a check of a rule works with.
type kit struct {
	testing.TB
	rule rule
	p    propagation.TextMapPropagator
	// what is being done, for a panic.
	what     string
	failures int
}

// failuresMax is how often one rule is reported as broken.
const failuresMax = 5

// broken fails the test. It goes on, unless that was said often enough.
func (k *kit) broken(format string, args ...any) {
	k.Helper()
	if k.failures++; k.failures > failuresMax {
		k.FailNow()
	}
	k.Errorf("propagationtest: broken rule: %s: %s", k.rule.text, fmt.Sprintf(format, args...))
}

// ended fails the test and ends it.
func (k *kit) ended(format string, args ...any) {
	k.Helper()
	k.Fatalf("propagationtest: broken rule: %s: %s", k.rule.text, fmt.Sprintf(format, args...))
}

// recovered is deferred: a panic of the propagator breaks the rule at hand.
func (k *kit) recovered(what string) {
	if v := recover(); v != nil {
		if what == "" {
			what = k.what
		}
		k.broken("%s panicked: %v", what, v)
	}
}

// extract calls Extract, and notes for a panic what it reads.
func (k *kit) extract(ctx context.Context, carrier propagation.TextMapCarrier) context.Context {
	k.what = "Extract of " + describe(carrier)
	return k.p.Extract(ctx, carrier)
}

// inject calls Inject, and notes for a panic what it writes.
func (k *kit) inject(ctx context.Context, carrier propagation.TextMapCarrier) {
	k.what = "Inject of " + text(trace.SpanContextFromContext(ctx))
	k.p.Inject(ctx, carrier)
}

// headers returns what Inject writes of a span context.
func (k *kit) headers(sc trace.SpanContext) propagation.MapCarrier {
	m := propagation.MapCarrier{}
	k.inject(trace.ContextWithSpanContext(context.Background(), sc), m)
	return m
}

// read returns the span context that Extract finds.
func (k *kit) read(carrier propagation.TextMapCarrier) trace.SpanContext {
	return trace.SpanContextFromContext(k.extract(context.Background(), carrier))
}

// fields returns the names that Fields lists, in lower case.
func (k *kit) fields() map[string]bool {
	k.what = "Fields"
	set := map[string]bool{}
	for _, name := range k.p.Fields() {
		set[strings.ToLower(name)] = true
	}
	return set
}

// shown is how much of a value a message shows.
const shown = 200

// describe shows a carrier's headers, by name.
func describe(carrier propagation.TextMapCarrier) string {
	var names []string
	switch c := carrier.(type) {
	case nil:
		return "nothing"
	case propagation.MapCarrier:
		names = c.Keys()
	case propagation.HeaderCarrier:
		names = c.Keys()
	default:
		return fmt.Sprintf("a %T", carrier)
	}
	slices.Sort(names)
	var b strings.Builder
	b.WriteByte('{')
	for i, name := range names {
		if i > 0 {
			b.WriteString(", ")
		}
		values := []string{carrier.Get(name)}
		if h, ok := carrier.(propagation.HeaderCarrier); ok {
			values = http.Header(h)[name]
		}
		for j, v := range values {
			if j == 3 {
				fmt.Fprintf(&b, ", and %d more", len(values)-j)
				break
			}
			if j > 0 {
				b.WriteString(", ")
			}
			if len(v) > shown {
				fmt.Fprintf(&b, "%s: %q and %d bytes more", name, v[:shown], len(v)-shown)
			} else {
				fmt.Fprintf(&b, "%s: %q", name, v)
			}
		}
	}
	b.WriteByte('}')
	return b.String()
}

// text shows a span context.
func text(sc trace.SpanContext) string {
	if sc.Equal(trace.SpanContext{}) {
		return "none"
	}
	s := fmt.Sprintf("%s-%s-%02x", sc.TraceID(), sc.SpanID(), byte(sc.TraceFlags()))
	if state := sc.TraceState().String(); state != "" {
		s += " " + state
	}
	if sc.IsRemote() {
		s += " remote"
	}
	return s
}
