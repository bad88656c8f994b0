// SPDX-License-Identifier: Apache-2.0

package propagationtest_test

import (
	"context"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/internal/testkit"
	"github.com/spandrel-go/spandrel/propagation/propagationtest"
)

// plain is a propagator that keeps the rules. Tests replace its parts by worse ones.
type plain struct {
	fields  func() []string
	extract func(ctx context.Context, carrier propagation.TextMapCarrier) context.Context
	inject  func(ctx context.Context, carrier propagation.TextMapCarrier)
}

const (
	plainIDs   = "x-plain"
	plainState = "x-plain-state"
)

func newPlain() *plain {
	return &plain{
		fields: func() []string { return []string{plainIDs, plainState} },
		extract: func(ctx context.Context, carrier propagation.TextMapCarrier) context.Context {
			sc, ok := parse(carrier.Get(plainIDs))
			if !ok {
				return ctx
			}
			if state := carrier.Get(plainState); len(state) <= 512 {
				ts, _ := trace.ParseTraceState(state) // a bad one is none
				sc = sc.WithTraceState(ts)
			}
			return trace.ContextWithRemoteSpanContext(ctx, sc)
		},
		inject: func(ctx context.Context, carrier propagation.TextMapCarrier) {
			sc := trace.SpanContextFromContext(ctx)
			if !sc.IsValid() {
				return
			}
			carrier.Set(plainIDs, write(sc))
			if state := sc.TraceState().String(); state != "" {
				carrier.Set(plainState, state)
			}
		},
	}
}

func (p *plain) Fields() []string { return p.fields() }

func (p *plain) Extract(ctx context.Context, carrier propagation.TextMapCarrier) context.Context {
	return p.extract(ctx, carrier)
}

func (p *plain) Inject(ctx context.Context, carrier propagation.TextMapCarrier) {
	p.inject(ctx, carrier)
}

func write(sc trace.SpanContext) string {
	return fmt.Sprintf("%s-%s-%02x", sc.TraceID(), sc.SpanID(), byte(sc.TraceFlags()))
}

func parse(s string) (trace.SpanContext, bool) {
	sc, ok := parseAny(s)
	return sc, ok && sc.IsValid()
}

// parseAny reads ids of zeros too.
func parseAny(s string) (sc trace.SpanContext, ok bool) {
	if len(s) != 52 || s[32] != '-' || s[49] != '-' {
		return sc, false
	}
	b, err := hex.DecodeString(s[:32] + s[33:49] + s[50:])
	if err != nil {
		return sc, false
	}
	return trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID(b[:16]), SpanID: trace.SpanID(b[16:24]), TraceFlags: trace.TraceFlags(b[24]),
	}), true
}

// everything is what plain carries.
func everything() []propagationtest.Option {
	return []propagationtest.Option{propagationtest.WithTraceState(), propagationtest.WithRandomFlag(), propagationtest.WithSample(
		propagationtest.Sample{
			Name:    "all flags",
			Headers: map[string]string{"X-Plain": "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-ff"},
			SpanContext: trace.SpanContextConfig{
				TraceID:    trace.TraceID{0x0a, 0xf7, 0x65, 0x19, 0x16, 0xcd, 0x43, 0xdd, 0x84, 0x48, 0xeb, 0x21, 0x1c, 0x80, 0x31, 0x9c},
				SpanID:     trace.SpanID{0xb7, 0xad, 0x6b, 0x71, 0x69, 0x20, 0x33, 0x31},
				TraceFlags: 0xff,
			},
			Forwarded: map[string]string{"x-plain": "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-ff"},
		},
		propagationtest.Sample{Name: "no ids", Headers: map[string]string{"x-plain-state": "a=b"}, Forwarded: map[string]string{}},
	)}
}

// verdict runs the kit on a propagator and returns what it says, by rule, and how many rules it checked.
func verdict(t *testing.T, newPropagator func() propagation.TextMapPropagator, opts ...propagationtest.Option) (broken map[string]string, checked int) {
	t.Helper()
	broken = map[string]string{}
	text := testkit.Fake(t, func(tb testing.TB) {
		propagationtest.CheckPropagator(tb, func(testing.TB) propagation.TextMapPropagator { return newPropagator() }, opts,
			func(name string, check func(t testing.TB)) {
				checked++
				if text := testkit.Fake(t, check); text != "" {
					broken[name] = text
				}
			})
	})
	if text != "" {
		broken["at first"] = text
	}
	return broken, checked
}

func TestGoodPropagatorsPass(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		make    func() propagation.TextMapPropagator
		options []propagationtest.Option
		rules   int
	}{
		{"plain", func() propagation.TextMapPropagator { return newPlain() }, everything(), 24},
		{"plain, with no word about more", func() propagation.TextMapPropagator { return newPlain() }, nil, 20},
		{
			"OpenTelemetry's",
			func() propagation.TextMapPropagator { return propagation.TraceContext{} },
			[]propagationtest.Option{propagationtest.WithTraceState(), propagationtest.WithRandomFlag()},
			22,
		},
		{
			"nothing", func() propagation.TextMapPropagator { return propagation.NewCompositeTextMapPropagator() },
			[]propagationtest.Option{propagationtest.WithoutSpanContext()},
			13,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			broken, checked := verdict(t, tt.make, tt.options...)
			assert.Empty(t, broken)
			assert.Equal(t, tt.rules, checked)
		})
	}
}

// The kit as others call it, under the race detector in a loop.
func TestConformanceConcurrentSafe(t *testing.T) {
	t.Parallel()
	propagationtest.Test(t, func(testing.TB) propagation.TextMapPropagator { return newPlain() }, everything()...)
}

func TestBaggage(t *testing.T) {
	t.Parallel()
	propagationtest.Test(t, func(testing.TB) propagation.TextMapPropagator { return propagation.Baggage{} },
		propagationtest.WithoutSpanContext())
}

// Each propagator here breaks a rule, and the kit says which.
func TestBrokenPropagatorsFail(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		spoil func(release <-chan struct{}, p *plain)
		want  map[string]string // what is to be said about the rules that are broken
		more  bool              // the same breaks other rules too
	}{
		{
			name: "lists too few",
			spoil: func(_ <-chan struct{}, p *plain) {
				p.fields = func() []string { return []string{plainIDs} }
			},
			want: map[string]string{
				"fields": `Fields lists every header that Inject sets, each once, and the caller owns the list: x-plain-state was written, and is not listed: ["x-plain"]`,
			},
			more: true,
		},
		{
			name: "lists twice",
			spoil: func(_ <-chan struct{}, p *plain) {
				p.fields = func() []string { return []string{plainIDs, plainState, "X-Plain"} }
			},
			want: map[string]string{"fields": `"X-Plain" is listed twice`},
		},
		{
			name: "lends its list",
			spoil: func(_ <-chan struct{}, p *plain) {
				list := p.fields()
				p.fields = func() []string { return list }
			},
			want: map[string]string{"fields": `got ["x-plain" "x-plain-state"], and later ["changed" "changed"]`},
		},
		{
			name: "writes zeros",
			spoil: func(_ <-chan struct{}, p *plain) {
				p.inject = func(ctx context.Context, carrier propagation.TextMapCarrier) {
					sc := trace.SpanContextFromContext(ctx)
					carrier.Set(plainIDs, write(sc))
					if state := sc.TraceState().String(); state != "" {
						carrier.Set(plainState, state)
					}
				}
			},
			want: map[string]string{
				"invalid span context": `Inject writes nothing where there is no valid span context: of an empty ctx Inject made {x-plain: "00000000000000000000000000000000-`,
				"sample/no ids":        "forwarded {x-plain: ",
			},
		},
		{
			name: "shares an array",
			spoil: func(_ <-chan struct{}, p *plain) {
				p.writeHeader(func(h http.Header, m propagation.MapCarrier) {
					all := make([]string, 0, len(m))
					for _, name := range slices.Sorted(maps.Keys(m)) {
						all = append(all, m[name])
						h[http.CanonicalHeaderKey(name)] = all[len(all)-1:]
					}
				})
			},
			want: map[string]string{"headers apart": `what is added to one header of an http.Header that was written changes no other: X-Plain got a line, and there is {X-Plain: "`},
		},
		{
			name: "begins with an empty carrier",
			spoil: func(_ <-chan struct{}, p *plain) {
				good := p.inject
				p.inject = func(ctx context.Context, carrier propagation.TextMapCarrier) {
					if h, ok := carrier.(propagation.HeaderCarrier); ok {
						clear(h)
					}
					good(ctx, carrier)
				}
			},
			want: map[string]string{"other headers": `Inject leaves headers alone that are not its own: {Accept: "*/*", Accept: "text/html", User-Agent: "curl/8.5.0", X-Other: ""} was there, and became {}`},
		},
		{
			name: "adds lines",
			spoil: func(_ <-chan struct{}, p *plain) {
				p.writeHeader(func(h http.Header, m propagation.MapCarrier) {
					for name, value := range m {
						h.Add(name, value)
					}
				})
			},
			want: map[string]string{"written over": "what Inject writes takes the place of what was there, as in a proxy that copies headers: an http.Header: got "},
		},
		{
			name: "writes only what is not there",
			spoil: func(_ <-chan struct{}, p *plain) {
				good := p.inject
				p.inject = func(ctx context.Context, carrier propagation.TextMapCarrier) {
					if carrier.Get(plainIDs) == "" {
						good(ctx, carrier)
					}
				}
			},
			want: map[string]string{"written over": "a map: got "},
		},
		{
			name: "forgets half of the trace id",
			spoil: func(_ <-chan struct{}, p *plain) {
				p.change(func(sc trace.SpanContext) trace.SpanContext {
					id := sc.TraceID()
					clear(id[:8])
					return sc.WithTraceID(id)
				})
			},
			want: map[string]string{
				"round trip": "trace id and span id arrive as they were sent: sent ",
				"carriers":   "ids travel in every carrier, whatever form it gives to names: a map: sent ",
			},
			more: true,
		},
		{
			name: "samples everything",
			spoil: func(_ <-chan struct{}, p *plain) {
				p.change(func(sc trace.SpanContext) trace.SpanContext {
					return sc.WithTraceFlags(sc.TraceFlags() | trace.FlagsSampled)
				})
			},
			want: map[string]string{"sampled flag": "the sampled flag arrives as it was sent, set or not: sent "},
		},
		{
			name: "knows one flag",
			spoil: func(_ <-chan struct{}, p *plain) {
				p.change(func(sc trace.SpanContext) trace.SpanContext {
					return sc.WithTraceFlags(sc.TraceFlags() & trace.FlagsSampled)
				})
			},
			want: map[string]string{
				"random flag":      "the random flag arrives as it was sent, set or not: sent ",
				"sample/all flags": `what the author promised of headers is read and forwarded: read 0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01 remote of {X-Plain: "`,
			},
		},
		{
			name: "sorts the trace state away",
			spoil: func(_ <-chan struct{}, p *plain) {
				p.change(func(sc trace.SpanContext) trace.SpanContext { return sc.WithTraceState(trace.TraceState{}) })
			},
			want: map[string]string{"trace state": `the trace state arrives as it was sent, behind what the propagator adds of its own: sent "a=b", got ""`},
		},
		{
			name: "takes what arrived for its own",
			spoil: func(_ <-chan struct{}, p *plain) {
				p.change(func(sc trace.SpanContext) trace.SpanContext { return sc.WithRemote(false) })
			},
			want: map[string]string{
				"remote":    "a span context that arrived is remote: sent ",
				"malformed": "a valid remote span context takes its place",
			},
			more: true,
		},
		{
			name: "knows http.Header alone",
			spoil: func(_ <-chan struct{}, p *plain) {
				good := p.extract
				p.extract = func(ctx context.Context, carrier propagation.TextMapCarrier) context.Context {
					if _, ok := carrier.(propagation.HeaderCarrier); ok {
						return good(ctx, carrier)
					}
					if _, ok := carrier.(propagation.MapCarrier); ok {
						return good(ctx, carrier)
					}
					return ctx
				}
			},
			want: map[string]string{"carriers": "names in lower case: sent "},
		},
		{
			name: "looks names up itself",
			spoil: func(_ <-chan struct{}, p *plain) {
				good := p.extract
				p.extract = func(ctx context.Context, carrier propagation.TextMapCarrier) context.Context {
					if !slices.Contains(carrier.Keys(), plainIDs) && !slices.Contains(carrier.Keys(), "X-Plain") {
						return ctx
					}
					return good(ctx, carrier)
				}
			},
			want: map[string]string{"carriers": "names in upper case: sent "},
		},
		{
			name: "prefers the span in ctx",
			spoil: func(_ <-chan struct{}, p *plain) {
				good := p.extract
				p.extract = func(ctx context.Context, carrier propagation.TextMapCarrier) context.Context {
					if trace.SpanContextFromContext(ctx).IsValid() {
						return ctx
					}
					return good(ctx, carrier)
				}
			},
			want: map[string]string{"arrival wins": "ids that arrive take the place of the span in ctx: "},
		},
		{
			name: "mixes lines",
			spoil: func(_ <-chan struct{}, p *plain) {
				good := p.extract
				p.extract = func(ctx context.Context, carrier propagation.TextMapCarrier) context.Context {
					ctx = good(ctx, carrier)
					h, _ := carrier.(propagation.HeaderCarrier)
					if lines := h.Values(plainIDs); len(lines) > 1 {
						second, _ := parse(lines[1])
						return trace.ContextWithRemoteSpanContext(ctx, trace.SpanContextFromContext(ctx).WithSpanID(second.SpanID()))
					}
					return ctx
				}
			},
			want: map[string]string{"several lines": "is read, or none, and never a mixture: got "},
		},
		{
			name: "has one buffer",
			spoil: func(_ <-chan struct{}, p *plain) {
				good := p.inject
				var mu sync.Mutex
				var last trace.SpanContext
				p.inject = func(ctx context.Context, carrier propagation.TextMapCarrier) {
					mu.Lock()
					sc := last
					last = trace.SpanContextFromContext(ctx)
					if !sc.IsValid() {
						sc = last
					}
					mu.Unlock()
					good(trace.ContextWithSpanContext(ctx, sc), carrier)
				}
			},
			want: map[string]string{"concurrency": "Extract and Inject may run beside each other, each with a carrier of its own: sent "},
			more: true,
		},
		{
			name: "marks every ctx",
			spoil: func(_ <-chan struct{}, p *plain) {
				good := p.extract
				type seen struct{}
				p.extract = func(ctx context.Context, carrier propagation.TextMapCarrier) context.Context {
					return context.WithValue(good(ctx, carrier), seen{}, true)
				}
			},
			want: map[string]string{"nothing arrives": "Extract returns ctx as it was where there is nothing to read: an empty map: got another ctx"},
		},
		{
			name: "clears the span in ctx",
			spoil: func(_ <-chan struct{}, p *plain) {
				p.extract = func(ctx context.Context, carrier propagation.TextMapCarrier) context.Context {
					sc, _ := parse(carrier.Get(plainIDs))
					return trace.ContextWithRemoteSpanContext(ctx, sc)
				}
			},
			want: map[string]string{
				"nothing arrives": "an empty map: got another ctx",
				"malformed":       "got 00000000000000000000000000000000-0000000000000000-00 remote of {",
			},
			more: true,
		},
		{
			name: "reads zeros",
			spoil: func(_ <-chan struct{}, p *plain) {
				p.extract = func(ctx context.Context, carrier propagation.TextMapCarrier) context.Context {
					if sc, ok := parseAny(carrier.Get(plainIDs)); ok {
						return trace.ContextWithRemoteSpanContext(ctx, sc)
					}
					return ctx
				}
			},
			want: map[string]string{"malformed": "none stood in ctx, got 00000000000000000000000000000000-"},
			more: true,
		},
		{
			name: "indexes without looking",
			spoil: func(_ <-chan struct{}, p *plain) {
				good := p.extract
				p.extract = func(ctx context.Context, carrier propagation.TextMapCarrier) context.Context {
					if v := carrier.Get(plainIDs); v != "" {
						_ = v[32]
					}
					return good(ctx, carrier)
				}
			},
			want: map[string]string{
				"malformed": "panicked: runtime error: index out of range [32] with length",
				"huge":      `and 9997 more} panicked: runtime error`,
			},
			more: true,
		},
		{
			name: "forwards what it does not know",
			spoil: func(_ <-chan struct{}, p *plain) {
				type raw struct{}
				good, write := p.extract, p.inject
				p.extract = func(ctx context.Context, carrier propagation.TextMapCarrier) context.Context {
					if v := carrier.Get(plainState); v != "" {
						ctx = context.WithValue(ctx, raw{}, v)
					}
					return good(ctx, carrier)
				}
				p.inject = func(ctx context.Context, carrier propagation.TextMapCarrier) {
					write(ctx, carrier)
					if v, _ := ctx.Value(raw{}).(string); v != "" {
						carrier.Set(plainState, v)
					}
				}
			},
			want: map[string]string{
				"nothing injected": "and no control character: {",
				"huge":             "a header of any size is read in no time, and not sent on: 10",
				"sample/no ids":    `forwarded {x-plain-state: "a=b"}, want {}`,
			},
		},
		{
			name: "starts anew",
			spoil: func(_ <-chan struct{}, p *plain) {
				good := p.extract
				p.extract = func(ctx context.Context, carrier propagation.TextMapCarrier) context.Context {
					sc := trace.SpanContextFromContext(good(context.Background(), carrier))
					if !sc.IsValid() {
						return ctx
					}
					return trace.ContextWithRemoteSpanContext(context.Background(), sc)
				}
			},
			want: map[string]string{"ctx stays": "the value in ctx became <nil>"},
		},
		{
			name: "drops baggage",
			spoil: func(_ <-chan struct{}, p *plain) {
				good := p.extract
				p.extract = func(ctx context.Context, carrier propagation.TextMapCarrier) context.Context {
					if next := good(ctx, carrier); next != ctx {
						return baggage.ContextWithoutBaggage(next)
					}
					return ctx
				}
			},
			want: map[string]string{"ctx stays": `the baggage "tenant=blue" became ""`},
		},
		{
			name: "removes what it has read",
			spoil: func(_ <-chan struct{}, p *plain) {
				good := p.extract
				p.extract = func(ctx context.Context, carrier propagation.TextMapCarrier) context.Context {
					defer carrier.Set(plainIDs, "")
					return good(ctx, carrier)
				}
			},
			want: map[string]string{"carrier stays": "Extract changes nothing in its carrier: {"},
			more: true,
		},
		{
			name: "reads when asked",
			spoil: func(_ <-chan struct{}, p *plain) {
				type later struct{}
				good, write := p.extract, p.inject
				p.extract = func(ctx context.Context, carrier propagation.TextMapCarrier) context.Context {
					next := good(ctx, carrier)
					if next == ctx {
						return ctx
					}
					return context.WithValue(next, later{}, carrier)
				}
				p.inject = func(ctx context.Context, carrier propagation.TextMapCarrier) {
					if from, ok := ctx.Value(later{}).(propagation.TextMapCarrier); ok {
						ctx = good(ctx, from)
						if _, ok := parse(from.Get(plainIDs)); !ok {
							return
						}
					}
					write(ctx, carrier)
				}
			},
			want: map[string]string{"carrier is not kept": "the carrier of Extract was changed: "},
		},
		{
			name: "remembers the last carrier",
			spoil: func(_ <-chan struct{}, p *plain) {
				good := p.inject
				var mu sync.Mutex
				var last propagation.TextMapCarrier
				p.inject = func(ctx context.Context, carrier propagation.TextMapCarrier) {
					mu.Lock()
					last = carrier
					good(ctx, last)
					mu.Unlock()
				}
			},
			want: map[string]string{"carrier is not kept": "the carrier of Inject is still reachable"},
		},
		{
			name: "leaves a goroutine behind",
			spoil: func(release <-chan struct{}, p *plain) {
				good := p.inject
				var once sync.Once
				p.inject = func(ctx context.Context, carrier propagation.TextMapCarrier) {
					once.Do(func() { go func() { <-release }() })
					good(ctx, carrier)
				}
			},
			want: map[string]string{"goroutines": "Extract and Inject leave no goroutine behind: 1 @ "},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			release := make(chan struct{})
			defer close(release)
			broken, _ := verdict(t, func() propagation.TextMapPropagator {
				p := newPlain()
				tt.spoil(release, p)
				return p
			}, everything()...)
			checkVerdict(t, tt.want, tt.more, broken)
		})
	}
}

// writeHeader has write put into an http.Header what p writes to other carriers.
func (p *plain) writeHeader(write func(h http.Header, m propagation.MapCarrier)) {
	good := p.inject
	p.inject = func(ctx context.Context, carrier propagation.TextMapCarrier) {
		h, ok := carrier.(propagation.HeaderCarrier)
		if !ok {
			good(ctx, carrier)
			return
		}
		m := propagation.MapCarrier{}
		good(ctx, m)
		write(http.Header(h), m)
	}
}

// change makes Extract return other span contexts.
func (p *plain) change(f func(trace.SpanContext) trace.SpanContext) {
	good := p.extract
	p.extract = func(ctx context.Context, carrier propagation.TextMapCarrier) context.Context {
		next := good(ctx, carrier)
		if next == ctx {
			return ctx
		}
		return trace.ContextWithSpanContext(next, f(trace.SpanContextFromContext(next)))
	}
}

// checkVerdict compares the rules that are broken, and what the kit says about them.
func checkVerdict(t *testing.T, want map[string]string, more bool, broken map[string]string) {
	t.Helper()
	for rule, words := range want {
		assert.Contains(t, broken[rule], words, rule)
	}
	for rule, text := range broken {
		if !more {
			assert.Contains(t, want, rule, text)
		}
	}
	assert.Equal(t, more, len(broken) > len(want), "%v", slices.Collect(maps.Keys(broken)))
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	sample := propagationtest.Sample{Name: "a", Headers: map[string]string{plainIDs: "1"}}
	tests := []struct {
		name    string
		options []propagationtest.Option
		want    string
	}{
		{"nil", []propagationtest.Option{propagationtest.WithTraceState(), nil}, "propagationtest: Test: opts[1] is nil"},
		{
			"nothing, and a part of it",
			[]propagationtest.Option{propagationtest.WithoutSpanContext(), propagationtest.WithTraceState()},
			"propagationtest: WithoutSpanContext: another option says that a part of one travels",
		},
		{
			"negative bound",
			[]propagationtest.Option{propagationtest.WithMaxAllocations(1, -1)},
			"propagationtest: WithMaxAllocations: 1 and -1: a bound is at least 0",
		},
		{
			"sample without headers",
			[]propagationtest.Option{propagationtest.WithSample(propagationtest.Sample{Name: "a"})},
			`propagationtest: WithSample: "a": a sample needs a name of its own and headers`,
		},
		{
			"sample twice",
			[]propagationtest.Option{propagationtest.WithSample(sample), propagationtest.WithSample(sample)},
			`propagationtest: WithSample: "a": a sample needs a name of its own and headers`,
		},
		{
			"no reason",
			[]propagationtest.Option{propagationtest.WithDeviation("fields", "")},
			`propagationtest: WithDeviation: "fields": no reason is given`,
		},
		{
			"unknown rule",
			[]propagationtest.Option{propagationtest.WithDeviation("fold", "it cannot")},
			`propagationtest: WithDeviation: there is no rule "fold"`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			broken, checked := verdict(t, func() propagation.TextMapPropagator { return newPlain() }, tt.options...)
			assert.Equal(t, tt.want, strings.TrimSpace(broken["at first"]))
			assert.Zero(t, checked)
		})
	}
}

func TestNilPropagatorFails(t *testing.T) {
	t.Parallel()
	broken, checked := verdict(t, func() propagation.TextMapPropagator { return nil })
	assert.Len(t, broken, checked)
	assert.Equal(t, "propagationtest: Test: newPropagator returned nil", strings.TrimSpace(broken["fields"]))
}

// What is known to be broken passes as long as it is.
func TestDeviations(t *testing.T) {
	t.Parallel()
	lists := func(names ...string) func() propagation.TextMapPropagator {
		return func() propagation.TextMapPropagator {
			p := newPlain()
			p.fields = func() []string { return slices.Clone(names) }
			return p
		}
	}
	twice := propagationtest.WithDeviation("fields", "it lists one header twice")
	broken, _ := verdict(t, lists(plainIDs, plainState, plainIDs), twice)
	assert.Empty(t, broken)
	broken, _ = verdict(t, lists(plainIDs, plainState), twice)
	assert.Equal(t, map[string]string{
		"fields": "propagationtest: the rule is kept: Fields lists every header that Inject sets, each once, and the caller owns the list: " +
			"the deviation \"it lists one header twice\" is none any more\n",
	}, broken)
	// One that ends the test is known as well.
	broken, _ = verdict(t, lists(plainState),
		propagationtest.WithDeviation("fields", "it lists no ids"), propagationtest.WithDeviation("nothing injected", "the same"))
	assert.Empty(t, broken)
}

// Not parallel, as testkit asks.
func TestAllocationsAreBounded(t *testing.T) {
	for _, test := range []struct {
		extract, inject float64
		want            string
	}{
		{extract: 20, inject: 20},
		{extract: 0, inject: 20, want: "want at most 0 a run"},
		{extract: 20, inject: 1, want: "want at most 1 a run"},
	} {
		text := testkit.Fake(t, func(tb testing.TB) {
			propagationtest.CheckPropagator(tb, func(testing.TB) propagation.TextMapPropagator { return newPlain() },
				[]propagationtest.Option{propagationtest.WithMaxAllocations(test.extract, test.inject)},
				func(name string, check func(t testing.TB)) {
					if name == "allocations" {
						check(tb)
					}
				})
		})
		switch {
		case t.Skipped(): // by the kit, in a checked build
			return
		case test.want == "":
			assert.Empty(t, text)
		default:
			assert.Contains(t, text, test.want)
		}
	}
}
