// SPDX-License-Identifier: Apache-2.0

package model_test

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// program is what is run on both libraries.
type program struct {
	config config
	ops    []op
}

// config is how a provider is set up.
type config struct {
	limits     limits
	sampler    sampler
	random     bool // trace ids are said to be random
	encoding   bool // our exporter is one that encodes
	resource   []kv
	processors int  // how many
	onStart    []op // what each processor does to a span in OnStart
}

// limits are those of a span, in the words of our package: 0 is the default, and a negative number none.
type limits struct {
	attributes, events, links, perEvent, perLink, length, depth int
	// environment says that they stand in the environment, where 0 is as small as it looks. There is no
	// variable for the depth.
	environment bool
}

// set puts the limits into the environment, if they belong there.
func (l limits) set(t *testing.T) {
	t.Helper()
	if !l.environment {
		return
	}
	for name, n := range map[string]int{
		"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": l.attributes, "OTEL_SPAN_EVENT_COUNT_LIMIT": l.events, "OTEL_SPAN_LINK_COUNT_LIMIT": l.links,
		"OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT": l.perEvent, "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT": l.perLink,
		"OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT": l.length,
	} {
		if n >= 0 {
			t.Setenv(name, strconv.Itoa(n))
		}
	}
}

// sampler is a sampler of either library.
type sampler struct {
	kind  string // "" is parent-based over always on; on, off, ratio, custom, parent
	ratio float64
	mode  int // what a custom one does
	// Those of a parent-based one: root, remote sampled, remote not sampled, local sampled, local not
	// sampled. One without a kind is the default.
	slots []sampler
}

// op is one operation. Spans go by numbers, from 1, which the start gives them.
type op struct {
	do    string // start, name, attributes, event, error, link, status, end, flush, shutdown, parallel, ask
	span  int
	name  string // of the span or the event
	attrs []kv
	links []link
	at    int  // index in times
	stack bool // with a stack trace

	from    string // of a start: where its parent comes from; see parents
	parent  int    // the parent's number
	remote  int    // index in spanContexts
	tracer  int    // index in tracers
	fresh   bool   // the tracer is asked for anew
	kind    trace.SpanKind
	newRoot bool

	code codes.Code // of a status
	text string     // its description
	err  int        // index in failures; of an end that panics in panics
	how  string     // of an end: by a deferred call in a goroutine that is new, or exits, or panics

	branches [][]op // run by a goroutine each, of parallel
	quiet    bool   // nobody asks the span afterwards
}

// parents are the values of op.from. Those of the first line speak of a span of the program: of its Go
// context, of its handle, of its span context as if that came from elsewhere or from here, and of its Go
// context with a span of OpenTelemetry's no-op provider on top.
var parents = []string{
	"ctx", "ctx", "ctx", "ctx", "handle", "remote", "local", "noop", // of span op.parent
	"", "", "nil", "nil span", "far", "near", // far and near: a remote and a local one of spanContexts
}

type kv struct {
	key   string
	value int // index in values
}

type link struct {
	to    int // index in spanContexts
	attrs []kv
}

// String writes the program as Go that compiles in this package.
func (p program) String() string {
	var b strings.Builder
	b.WriteString("program{\n")
	if text := literal(reflect.ValueOf(p.config), true); text != "{}" {
		fmt.Fprintf(&b, "\tconfig: config%s,\n", text)
	}
	b.WriteString("\tops: []op{\n")
	for _, o := range p.ops {
		fmt.Fprintf(&b, "\t\t%s,\n", literal(reflect.ValueOf(o), true))
	}
	b.WriteString("\t},\n}")
	return b.String()
}

// literal writes a value, whose type the reader knows if it is elided.
func literal(v reflect.Value, elided bool) string {
	name := ""
	if !elided {
		name = strings.ReplaceAll(v.Type().String(), "model_test.", "")
	}
	var parts []string
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Field(i); !f.IsZero() {
				parts = append(parts, v.Type().Field(i).Name+": "+literal(f, f.Kind() == reflect.Int))
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			parts = append(parts, literal(v.Index(i), true))
		}
	case reflect.String:
		return fmt.Sprintf("%q", v.String())
	case reflect.Bool:
		return strconv.FormatBool(v.Bool())
	case reflect.Float64:
		return fmt.Sprint(v.Float())
	case reflect.Uint32:
		return strconv.FormatUint(v.Uint(), 10)
	default:
		return strconv.FormatInt(v.Int(), 10)
	}
	return name + "{" + strings.Join(parts, ", ") + "}"
}

// clone copies a program as deep as rewriting it needs.
func (p program) clone() program {
	p.config.onStart = cloneOps(p.config.onStart)
	p.ops = cloneOps(p.ops)
	return p
}

func cloneOps(ops []op) []op {
	ops = slices.Clone(ops)
	for i := range ops {
		ops[i].branches = slices.Clone(ops[i].branches)
		for j, b := range ops[i].branches {
			ops[i].branches[j] = cloneOps(b)
		}
	}
	return ops
}

// rewrite replaces each operation by those that f returns.
func rewrite(ops []op, f func(op) []op) []op {
	var out []op
	for _, o := range ops {
		for i := range o.branches {
			o.branches[i] = rewrite(o.branches[i], f)
		}
		out = append(out, f(o)...)
	}
	return out
}

// rewriteAll is rewrite for all operations of a program.
func (p program) rewriteAll(f func(op) []op) program {
	p = p.clone()
	p.config.onStart = rewrite(p.config.onStart, f)
	p.ops = rewrite(p.ops, f)
	return p
}

// each calls f for all operations, in order.
func (p program) each(f func(o *op)) {
	var walk func([]op)
	walk = func(ops []op) {
		for i := range ops {
			f(&ops[i])
			for _, b := range ops[i].branches {
				walk(b)
			}
		}
	}
	walk(p.ops)
}
