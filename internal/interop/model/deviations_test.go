// SPDX-License-Identifier: Apache-2.0

package model_test

import (
	"context"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// deviation is a difference between our provider and the SDK that is meant to be. It is described
// exactly: by the program that the SDK needs to do the same, or by what else comes out of it. Whatever
// is not the same then is a mistake.
type deviation struct {
	name, reason string
	program      func(p program) program
	outcome      func(p program, when period, theirs *outcome)
	// An example, and what it shows where the deviation is not on the list.
	example program
	shows   []string
}

var deviations = []deviation{
	{
		name: "a limit of zero is the default",
		reason: "the zero value of SpanLimits is useful; the SDK's deprecated WithSpanLimits does the same, its " +
			"WithRawSpanLimits does not",
		program: func(p program) program {
			l := &p.config.limits
			if l.environment {
				return p
			}
			for _, n := range []*int{&l.attributes, &l.events, &l.links, &l.perEvent, &l.perLink} {
				if *n == 0 {
					*n = 128
				}
			}
			if l.length == 0 {
				l.length = -1
			}
			return p
		},
		example: program{
			config: config{limits: limits{attributes: 2, events: 2, links: 2, perEvent: 2, perLink: 2}},
			ops: []op{
				{do: "start", span: 1, attrs: []kv{{"a", 9}}},
				{do: "end", span: 1},
			},
		},
		shows: []string{`span 1 exported, attributes: ours "a"=STRING("ascii text"); theirs "a"=STRING("")`},
	},
	{
		name: "half a parent is none",
		reason: "a span context without both ids is not valid, and a span whose parent is not valid is a root " +
			"(trace/api.md, Determining the Parent Span from a Context) that takes over the trace state only " +
			"(trace/sdk.md, Do not overwrite explicit randomness); the SDK takes over what else there is",
		program: func(p program) program {
			return p.rewriteAll(func(o op) []op {
				if (o.from != "far" && o.from != "near") || o.remote < firstHalf {
					return []op{o}
				}
				state := spanContexts[o.remote].TraceState().String()
				o.from = ""
				for i, sc := range spanContexts {
					if state != "" && sc.Equal(spanContext(0, 0, 0, state)) {
						o.from, o.remote = "near", i
					}
				}
				return []op{o}
			})
		},
		outcome: func(_ program, _ period, theirs *outcome) {
			theirs.each(func(s *span) {
				if !s.parent.IsValid() {
					s.parent = trace.SpanContext{}
				}
			})
		},
		example: program{ops: []op{
			{do: "start", span: 1, from: "far", remote: 8},
			{do: "end", span: 1},
		}},
		shows: []string{
			`answers: ours span 1: recording true, 000000000000000146c750a3955a4978/0000000000000002 flags 01 state "vendor=3" remote false; ` +
				`theirs span 1: recording true, 07000000000000000000000000000003/0000000000000002 flags 01 state "vendor=3" remote false`,
			`answers: ours span 1: recording false, 000000000000000146c750a3955a4978/0000000000000002 flags 01 state "vendor=3" remote false; ` +
				`theirs span 1: recording false, 07000000000000000000000000000003/0000000000000002 flags 01 state "vendor=3" remote false`,
			`span 1 exported, span context: ours 000000000000000146c750a3955a4978/0000000000000002 flags 01 state "vendor=3" remote false; ` +
				`theirs 07000000000000000000000000000003/0000000000000002 flags 01 state "vendor=3" remote false`,
			`span 1 exported, parent: ours 00000000000000000000000000000000/0000000000000000 flags 00 state "" remote false; ` +
				`theirs 07000000000000000000000000000003/0000000000000000 flags 01 state "vendor=3" remote true`,
		},
	},
	{
		name: "processors see no parent of a new root",
		reason: "OnStart gets the parent's Go context that the SDK has determined, which is an empty one where that " +
			"was asked for (trace/sdk.md, OnStart); the SDK's processors get the one given to Start, with the span that " +
			"is not the parent",
		program: func(p program) program {
			return p.rewriteAll(func(o op) []op {
				if o.newRoot && o.from != "nil" {
					o.from = ""
				}
				return []op{o}
			})
		},
		example: program{
			config: config{processors: 1},
			ops: []op{
				{do: "start", span: 1},
				{do: "start", span: 2, from: "ctx", parent: 1, newRoot: true},
			},
		},
		shows: []string{
			`span 2 at its start: ours with the Go context of 2, a parent in it false, recording true, ` +
				`00000000000000028881286055d8b2a5/0000000000000003 flags 01 state "" remote false; ; ` +
				`theirs with the Go context of 2, a parent in it true, recording true, ` +
				`00000000000000028881286055d8b2a5/0000000000000003 flags 01 state "" remote false; `,
		},
	},
	{
		name: "a status code must be one",
		reason: "Unset, Error and Ok are all there are (trace/api.md, Set Status), so another is ignored; the SDK " +
			"exports it, and lets it win over Ok",
		program: func(p program) program {
			return p.rewriteAll(func(o op) []op {
				if o.do == "status" && o.code > codes.Ok {
					o.do = "ask"
				}
				return []op{o}
			})
		},
		example: program{ops: []op{
			{do: "start", span: 1},
			{do: "status", span: 1, code: 2},
			{do: "status", span: 1, code: 3},
			{do: "end", span: 1},
		}},
		shows: []string{`span 1 exported, status: ours 2 ""; theirs 3 ""`},
	},
	{
		name: "attributes given to RecordError win",
		reason: "they take precedence over those that it makes itself (trace/api.md, Record Exception), so theirs " +
			"are left out where the keys meet; the SDK exports both, which a collection of attributes must not hold",
		program: func(p program) program {
			return p.rewriteAll(func(o op) []op {
				if o.do == "error" && len(o.attrs) > 0 {
					o.how = "as event"
				}
				return []op{o}
			})
		},
		example: program{ops: []op{
			{do: "start", span: 1},
			{do: "error", span: 1, err: 1, attrs: []kv{{"exception.message", 9}}},
			{do: "end", span: 1},
		}},
		shows: []string{
			`span 1 exported, events: ` +
				`ours "exception" at now {"exception.type"=STRING("*errors.errorString"), "exception.message"=STRING("ascii text")}; ` +
				`theirs "exception" at now {"exception.message"=STRING("ascii text"), "exception.type"=STRING("*errors.errorString"), "exception.message"=STRING("plain")}`,
		},
	},
	{
		name:   "a panic is an error",
		reason: "a span that ends in a panic has failed, which is what status Error is for; the SDK leaves it Unset",
		program: func(p program) program {
			return p.rewriteAll(func(o op) []op {
				if o.do == "end" && o.how == "panic" {
					return []op{{do: "status", span: o.span, code: codes.Error, text: panicText(panics[o.err]), quiet: true}, o}
				}
				return []op{o}
			})
		},
		example: program{ops: []op{
			{do: "start", span: 1},
			{do: "end", span: 1, how: "panic"},
		}},
		shows: []string{`span 1 exported, status: ours 1 "text"; theirs 0 ""`},
	},
	{
		name: "a sampler is asked about the kind that the span will have",
		reason: "a span without a kind is Internal (trace/api.md, Span Creation), also when the sampler looks at " +
			"it; the SDK passes on what the caller gave",
		program: func(p program) program {
			return p.rewriteAll(func(o op) []op {
				o.kind = trace.ValidateSpanKind(o.kind)
				return []op{o}
			})
		},
		example: program{
			config: config{sampler: sampler{kind: "custom", mode: 0}},
			ops:    []op{{do: "start", span: 1}},
		},
		shows: []string{
			`span 1 in the sampler: ours mode 0: "", internal, trace 000000000000000146c750a3955a4978 below ` +
				`00000000000000000000000000000000/0000000000000000 flags 00 state "" remote false (in the Go context: false), {}; ; ` +
				`theirs mode 0: "", unspecified, trace 000000000000000146c750a3955a4978 below ` +
				`00000000000000000000000000000000/0000000000000000 flags 00 state "" remote false (in the Go context: false), {}; `,
		},
	},
	{
		name: "a tracer without a name has none",
		reason: "its name should be the empty string (trace/api.md, Get a Tracer); the SDK's names a package of " +
			"its own",
		outcome: func(_ program, _ period, theirs *outcome) {
			theirs.each(func(s *span) {
				if s.scopeName == "go.opentelemetry.io/otel/sdk/tracer" {
					s.scopeName = ""
				}
			})
		},
		example: program{ops: []op{
			{do: "start", span: 1, tracer: 5},
			{do: "end", span: 1},
		}},
		shows: []string{`span 1 exported, scope: ours "" "" "" ; theirs "go.opentelemetry.io/otel/sdk/tracer" "" "" `},
	},
	{
		name: "a key is not empty in events and links either",
		reason: "a key must not be empty (common/README.md, Attribute), so the attribute is refused and counted; " +
			"the SDK does so for attributes of spans only",
		outcome: func(_ program, _ period, theirs *outcome) {
			theirs.eachEntry(func(e *entry) {
				before := len(e.attrs)
				e.attrs = slices.DeleteFunc(e.attrs, func(a attribute.KeyValue) bool { return a.Key == "" })
				e.dropped += before - len(e.attrs)
			})
		},
		example: program{ops: []op{
			{do: "start", span: 1, links: []link{{to: 1, attrs: []kv{{"", 0}}}}},
			{do: "event", span: 1, name: "e", attrs: []kv{{"a", 0}, {"", 0}}},
			{do: "end", span: 1},
		}},
		shows: []string{
			`span 1 exported, events: ours "e" at now {"a"=INT64(1)} and 1 dropped; theirs "e" at now {"a"=INT64(1), ""=INT64(1)}`,
			`span 1 exported, links: ours 01000000000000000000000000000025/0100000000000000 flags 01 state "" remote false {} and 1 dropped; ` +
				`theirs 01000000000000000000000000000025/0100000000000000 flags 01 state "" remote false {""=INT64(1)}`,
		},
	},
	{
		name: "values of events and links are limited too",
		reason: "the limit of a value's length is for each attribute collection (common/README.md, Attribute " +
			"Limits), which those of events and links are; the SDK limits the values of spans only",
		outcome: func(p program, _ period, theirs *outcome) {
			if n := p.config.limits.length; n > 0 || n == 0 && p.config.limits.environment {
				theirs.eachEntry(func(e *entry) { e.attrs = cut(e.attrs, n) })
			}
		},
		example: program{
			config: config{limits: limits{length: 3}},
			ops: []op{
				{do: "start", span: 1, attrs: []kv{{"a", 9}}, links: []link{{to: 1, attrs: []kv{{"a", 9}}}}},
				{do: "event", span: 1, name: "e", attrs: []kv{{"a", 9}}},
				{do: "end", span: 1},
			},
		},
		shows: []string{
			`span 1 exported, events: ours "e" at now {"a"=STRING("asc")}; theirs "e" at now {"a"=STRING("ascii text")}`,
			`span 1 exported, links: ours 01000000000000000000000000000025/0100000000000000 flags 01 state "" remote false {"a"=STRING("asc")}; ` +
				`theirs 01000000000000000000000000000025/0100000000000000 flags 01 state "" remote false {"a"=STRING("ascii text")}`,
		},
	},
	{
		name: "what is dropped is counted also where nothing is left",
		reason: "a span says how much it lost (trace/sdk.md, Span Limits); the SDK's forgets the events or links " +
			"that it dropped if it has no other, as with a limit of 0 in the environment",
		outcome: func(_ program, _ period, theirs *outcome) {
			theirs.each(func(s *span) {
				if live, ok := theirs.handles[numberOf(s.sc.SpanID())].(sdktrace.ReadOnlySpan); ok {
					s.droppedEvents, s.droppedLinks = live.DroppedEvents(), live.DroppedLinks()
				}
			})
		},
		example: program{
			config: config{limits: limits{attributes: -1, perEvent: -1, perLink: -1, length: -1, environment: true}},
			ops: []op{
				{do: "start", span: 1, links: []link{{to: 1}}},
				{do: "event", span: 1, name: "e"},
				{do: "end", span: 1},
			},
		},
		shows: []string{"span 1 exported, dropped: ours 0 attributes, 1 events, 1 links; theirs 0 attributes, 0 events, 0 links"},
	},
	{
		name: "start and end are in 1677 to 2262",
		reason: "they are kept as 64-bit nanoseconds since 1970, as on the wire (common/README.md, Timestamp), and " +
			"times before and after become the nearest; the SDK keeps any time, but puts the end of a span " +
			"whose start is more than 292 years away where it never was",
		outcome: func(_ program, when period, theirs *outcome) {
			theirs.each(func(s *span) {
				for _, d := range []time.Duration{math.MaxInt64, math.MinInt64} {
					if s.end.Equal(s.start.Add(d)) {
						s.end = when.to
					}
				}
				s.start, s.end = nearest(s.start), nearest(s.end)
			})
		},
		example: program{ops: []op{
			{do: "start", span: 1, at: 9},
			{do: "start", span: 2, at: 8},
			{do: "end", span: 1, at: 11},
			{do: "end", span: 2},
		}},
		shows: []string{
			"span 1 exported, start: ours 2262-04-11T23:47:16.854775807Z; theirs 9999-12-31T23:59:59.999999999Z",
			"span 1 exported, end: ours 1677-09-21T00:12:43.145224193Z; theirs 1600-01-01T00:00:00Z",
			"span 2 exported, end: ours now; theirs 1992-04-11T23:47:16.854775808Z",
		},
	},
	{
		name: "Shutdown exports open spans",
		reason: "what a service was doing when it was stopped is worth knowing: the spans are exported with the " +
			"attribute span.unfinished; the SDK loses them",
		program: func(p program) program {
			at := slices.IndexFunc(p.ops, func(o op) bool { return o.do == "shutdown" })
			if at < 0 {
				return p
			}
			var ends []op
			for n := range p.open(at) {
				ends = append(ends, op{do: "end", span: n, quiet: true})
			}
			p.ops = slices.Insert(p.ops, at, ends...)
			return p
		},
		outcome: func(p program, _ period, theirs *outcome) {
			at := slices.IndexFunc(p.ops, func(o op) bool { return o.do == "shutdown" })
			if at < 0 {
				return
			}
			for n := range p.open(at) {
				for _, s := range []*span{theirs.exported[n], theirs.ended[n]} {
					if s != nil {
						s.attrs = append(s.attrs, attribute.Bool("span.unfinished", true))
					}
				}
			}
		},
		example: program{ops: []op{
			{do: "start", span: 1},
			{do: "shutdown"},
			{do: "end", span: 1},
		}},
		shows: []string{"span 1 exported: ours true, theirs false"},
	},
	{
		name: "after Shutdown no tracer starts spans",
		reason: "all is as if there were no SDK: a span records nothing and answers with its parent's ids " +
			"(trace/api.md, Behavior of the API in the absence of an installed SDK), and where there is no parent with " +
			"ids of its own; of the SDK's tracers only those got after Shutdown are so",
		program: func(p program) program {
			at := slices.IndexFunc(p.ops, func(o op) bool { return o.do == "shutdown" })
			if at < 0 {
				return p
			}
			p.ops = append(slices.Clip(p.ops[:at]), rewrite(p.ops[at:], func(o op) []op {
				if o.do == "start" {
					o.fresh = true
					if o.newRoot || o.from == "nil" {
						o.from = ""
					}
				}
				return []op{o}
			})...)
			return p
		},
		outcome: func(p program, _ period, theirs *outcome) {
			late := p.startedLate()
			for i, n := range theirs.notes {
				sc, ok := late[n.span]
				if ok && sc.IsValid() {
					theirs.notes[i].sc = sc
				} else if ok {
					theirs.notes[i].sc = n.sc.WithRemote(false)
				}
			}
		},
		example: program{ops: []op{
			{do: "start", span: 1},
			{do: "shutdown"},
			{do: "start", span: 2, from: "ctx", parent: 1},
			{do: "start", span: 3},
		}},
		shows: []string{
			`answers: ours span 2: recording false, 000000000000000146c750a3955a4978/0000000000000002 flags 01 state "" remote false; ` +
				`theirs span 2: recording true, 000000000000000146c750a3955a4978/0000000000000003 flags 01 state "" remote false`,
			`answers: ours span 3: recording false, 0000000000000003412c8917a4ba3ebe/0000000000000004 flags 00 state "" remote false; ` +
				`theirs span 3: recording true, 0000000000000003412c8917a4ba3ebe/0000000000000004 flags 01 state "" remote false`,
		},
	},
	{
		name: "a key stands once in events and links too",
		reason: "an attribute collection holds a key once (common/README.md, Attribute Collections): the last value " +
			"wins; the SDK does so for attributes of spans only",
		program: func(p program) program {
			return p.rewriteAll(func(o op) []op {
				switch limit := p.config.limits.perEvent; {
				case o.do == "event":
					o.attrs = once(o.attrs, limit)
				case o.do == "error" && limit > 0: // behind those that RecordError makes
					made := len(exceptionAttributes(o)) - len(o.attrs)
					o.attrs = once(o.attrs, max(0, limit-made))
				case o.do == "error":
					o.attrs = once(o.attrs, limit)
				}
				o.links = slices.Clone(o.links)
				for i := range o.links {
					o.links[i].attrs = once(o.links[i].attrs, p.config.limits.perLink)
				}
				return []op{o}
			})
		},
		example: program{ops: []op{
			{do: "start", span: 1, links: []link{{to: 1, attrs: []kv{{"a", 0}, {"a", 1}}}}},
			{do: "event", span: 1, name: "e", attrs: []kv{{"a", 0}, {"b", 0}, {"a", 1}}},
			{do: "end", span: 1},
		}},
		shows: []string{
			`span 1 exported, events: ours "e" at now {"a"=INT64(2), "b"=INT64(1)}; theirs "e" at now {"a"=INT64(1), "b"=INT64(1), "a"=INT64(2)}`,
			`span 1 exported, links: ours 01000000000000000000000000000025/0100000000000000 flags 01 state "" remote false {"a"=INT64(2)}; ` +
				`theirs 01000000000000000000000000000025/0100000000000000 flags 01 state "" remote false {"a"=INT64(1), "a"=INT64(2)}`,
		},
	},
	{
		name: "what is not UTF-8 counts too when a value is cut",
		reason: "a byte that is not UTF-8 counts as a character and stays, as it does in values that are not cut; " +
			"the SDK removes such bytes, but only from values that it has to cut; the specification does not speak of it",
		outcome: func(p program, _ period, theirs *outcome) {
			n := p.config.limits.length
			if n <= 0 {
				return
			}
			for _, v := range values {
				text := []rune(v.AsString()) // each such byte is a rune here, but not in a value
				if v.Type() != attribute.STRING || !slices.Contains(text, utf8.RuneError) || len(text) <= n {
					continue
				}
				cutByThem := cut([]attribute.KeyValue{{Key: "a", Value: v}}, n)[0].Value
				theirs.eachValue(func(w *attribute.Value) {
					if valueText(*w) == valueText(cutByThem) {
						at := 0
						for range n {
							_, size := utf8.DecodeRuneInString(v.AsString()[at:])
							at += size
						}
						*w = attribute.StringValue(v.AsString()[:at])
					}
				})
			}
		},
		example: program{
			config: config{limits: limits{length: 10}},
			ops: []op{
				{do: "start", span: 1, attrs: []kv{{"a", 11}}},
				{do: "end", span: 1},
			},
		},
		shows: []string{`span 1 exported, attributes: ours "a"=STRING("broken \xff\xfe "); theirs "a"=STRING("broken  ut")`},
	},
	{
		name: "trace ids that are random are marked so",
		reason: "the random flag is set where the ids' generator says that they are (trace/sdk.md, Random flag); the " +
			"SDK does not know it",
		outcome: func(p program, _ period, theirs *outcome) {
			if !p.config.random {
				return
			}
			mark := func(sc *trace.SpanContext) {
				if id := sc.TraceID(); id.IsValid() && id[0] == 0 { // made here, not one of spanContexts
					*sc = sc.WithTraceFlags(sc.TraceFlags() | trace.FlagsRandom)
				}
			}
			theirs.each(func(s *span) {
				mark(&s.sc)
				mark(&s.parent)
			})
			for i := range theirs.notes {
				mark(&theirs.notes[i].sc)
			}
			for _, m := range []map[int]string{theirs.started, theirs.asked} {
				for n, text := range m {
					m[n] = madeHere.ReplaceAllStringFunc(text, func(s string) string {
						if strings.HasPrefix(s, trace.TraceID{}.String()) {
							return s
						}
						return s[:len(s)-1] + map[string]string{"0": "2", "1": "3", "2": "2", "3": "3"}[s[len(s)-1:]]
					})
				}
			}
		},
		example: program{
			config: config{random: true},
			ops: []op{
				{do: "start", span: 1},
				{do: "end", span: 1},
			},
		},
		shows: []string{
			`answers: ours span 1: recording true, 000000000000000146c750a3955a4978/0000000000000002 flags 03 state "" remote false; ` +
				`theirs span 1: recording true, 000000000000000146c750a3955a4978/0000000000000002 flags 01 state "" remote false`,
			`answers: ours span 1: recording false, 000000000000000146c750a3955a4978/0000000000000002 flags 03 state "" remote false; ` +
				`theirs span 1: recording false, 000000000000000146c750a3955a4978/0000000000000002 flags 01 state "" remote false`,
			`span 1 exported, span context: ours 000000000000000146c750a3955a4978/0000000000000002 flags 03 state "" remote false; ` +
				`theirs 000000000000000146c750a3955a4978/0000000000000002 flags 01 state "" remote false`,
		},
	},
}

// madeHere matches span contexts of traces that began here, up to their flags.
var madeHere = regexp.MustCompile(`0{8}[0-9a-f]{24}/[0-9a-f]{16} flags 0[0-3]`)

// once leaves the last value of a key, in the place of the first. Empty keys stay, and so does what comes
// beyond the limit, if that is not negative: it is refused and counted one by one.
func once(list []kv, limit int) []kv {
	var kept, beyond []kv
	for _, a := range list {
		i := slices.IndexFunc(kept, func(b kv) bool { return a.key != "" && a.key == b.key })
		switch {
		case i >= 0:
			kept[i] = a
		case limit < 0 || len(kept) < limit:
			kept = append(kept, a)
		default:
			beyond = append(beyond, a)
		}
	}
	return append(kept, beyond...)
}

// eachValue calls f for the values of all attributes of spans, events and links.
func (o *outcome) eachValue(f func(v *attribute.Value)) {
	all := func(attrs []attribute.KeyValue) {
		for i := range attrs {
			f(&attrs[i].Value)
		}
	}
	o.each(func(s *span) { all(s.attrs) })
	o.eachEntry(func(e *entry) { all(e.attrs) })
}

// each calls f for all spans.
func (o *outcome) each(f func(s *span)) {
	for _, m := range []map[int]*span{o.exported, o.ended} {
		for _, s := range m {
			f(s)
		}
	}
}

// eachEntry calls f for all events and links.
func (o *outcome) eachEntry(f func(e *entry)) {
	o.each(func(s *span) {
		for i := range s.events {
			f(&s.events[i])
		}
		for i := range s.links {
			f(&s.links[i])
		}
	})
}

// nearest is the time nearest to t that 64-bit nanoseconds can express.
func nearest(t time.Time) time.Time {
	const most = math.MaxInt64
	if first := time.Unix(0, -most); t.Before(first) {
		return first
	}
	if last := time.Unix(0, most); t.After(last) {
		return last
	}
	return t
}

// cut limits values as the SDK limits those of spans.
func cut(attrs []attribute.KeyValue, length int) []attribute.KeyValue {
	raw := sdktrace.NewSpanLimits()
	raw.AttributeValueLengthLimit, raw.AttributeValueDepthLimit = length, -1
	p := sdktrace.NewTracerProvider(sdktrace.WithRawSpanLimits(raw), sdktrace.WithSampler(sdktrace.AlwaysSample()))
	var out []attribute.KeyValue
	for _, a := range attrs {
		_, s := p.Tracer("").Start(context.Background(), "", trace.WithAttributes(attribute.KeyValue{Key: "a", Value: a.Value}))
		if ro, ok := s.(sdktrace.ReadOnlySpan); ok {
			a.Value = ro.Attributes()[0].Value
		}
		out = append(out, a)
	}
	return out
}

// open returns the spans that are open before the operation at an index.
func (p program) open(at int) map[int]bool {
	open := map[int]bool{}
	seen := map[int]bool{}
	program{ops: p.ops[:at]}.each(func(o *op) {
		switch {
		case o.do == "start" && !seen[o.span]:
			open[o.span], seen[o.span] = true, true
		case o.do == "end":
			delete(open, o.span)
		}
	})
	return open
}

// startedLate returns the spans that are started after Shutdown, with the span contexts that they make
// up where they have no parent: those of their first ancestor after Shutdown.
func (p program) startedLate() map[int]trace.SpanContext {
	late := map[int]trace.SpanContext{}
	known := map[int]bool{}
	down := false
	p.each(func(o *op) {
		down = down || o.do == "shutdown"
		if o.do != "start" || known[o.span] {
			return
		}
		if down {
			parentKnown := slices.Contains(parents[:8], o.from) && known[o.parent] || (o.from == "far" || o.from == "near") && o.remote < firstHalf
			switch sc, ok := late[o.parent]; {
			case o.newRoot || !parentKnown:
				late[o.span] = trace.NewSpanContext(trace.SpanContextConfig{TraceID: traceID(o.span), SpanID: spanID(o.span)})
			case ok && slices.Contains(parents[:8], o.from):
				late[o.span] = sc
			default:
				late[o.span] = trace.SpanContext{}
			}
		}
		known[o.span] = true
	})
	return late
}

// TestDeviations shows each deviation in its example: there it is, and with it on the list there is
// nothing else.
//
// It is not parallel itself because of the example that sets environment variables.
func TestDeviations(t *testing.T) {
	for _, d := range deviations {
		t.Run(d.name, func(t *testing.T) {
			if d.example.config.limits.environment {
				d.example.config.limits.set(t)
			} else {
				t.Parallel()
			}
			assert.NotEmpty(t, d.reason)
			assert.Empty(t, compare(t, d.example, ""))
			differences := compare(t, d.example, d.name)
			assert.Equal(t, d.shows, differences, strings.Join(differences, "\n"))
			assert.NotEmpty(t, d.shows)
		})
	}
}
