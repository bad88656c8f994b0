// SPDX-License-Identifier: Apache-2.0

package tracing

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf8"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

// OpenSpan is what an open span held when [Provider.OpenSpans] looked at it. It is a copy that the
// caller owns.
type OpenSpan struct {
	SpanContext trace.SpanContext
	// Parent is the parent's span context, the zero value for a root span. Parent.IsRemote says
	// whether the parent lives in another process.
	Parent trace.SpanContext
	Name   string
	Kind   trace.SpanKind
	// StartTime is the span's start, Age how long ago that was, never negative. Age counts from a start
	// that was given ([WithStartTime]) too.
	StartTime time.Time
	Age       time.Duration
	// Attributes are those set so far, nil if there are none.
	Attributes []attribute.KeyValue
	Scope      *Scope // shared by all spans of a tracer, never nil
	LocalRoot  bool   // the first span that this provider made of the trace in this process
}

// OpenSpans returns the spans that have started and not ended, oldest start first. Those whose decision
// is RecordOnly, and those that [Tracer.SetShouldSample] took out, are among them; not so those that the
// sampler dropped, which record nothing, those made by [Tracer.CreateSpan] and not linked yet, and those
// that a processor is being shown as they end. After [Provider.Shutdown] none is open.
//
// What a [Redactor] of this provider takes out of names and attributes is taken out of the copies. Other
// processors have not seen the spans yet.
//
// It is meant for people who look, not for every request: it walks over all that the provider holds
// ([WithOpenSpanLimit] bounds that) and copies what is open. No lock is held for longer than it takes to
// list the spans of one local trace, or to copy the attributes of one span, so the program goes on
// meanwhile, and the table is not the state of one single moment.
func (p *Provider) OpenSpans() []OpenSpan {
	list, _ := p.openSpans(unlimited)
	return list
}

// openSpans returns the oldest open spans, at most limit of them, and how many more there were.
func (p *Provider) openSpans(limit int) (list []OpenSpan, more int) {
	type found struct {
		start int64
		order uint32
		span  *Span
	}
	var all []found
	for i := range p.shards {
		for _, lt := range p.shards[i].live() {
			lt.mu.Lock()
			lt.eachOpen(func(r *record) { all = append(all, found{r.start, r.order, r.handle}) })
			lt.mu.Unlock()
		}
	}
	slices.SortStableFunc(all, func(a, b found) int {
		return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(a.order, b.order))
	})
	for i := range all {
		if len(list) == limit {
			return list, len(all) - i
		}
		if o, ok := all[i].span.asOpen(); ok { // else it has ended since
			p.redact(&o)
			list = append(list, o)
		}
	}
	return list, 0
}

// asOpen copies what the table shows of a span. It reports false if the span is not open.
func (s *Span) asOpen() (o OpenSpan, ok bool) {
	r := s.hold()
	if r == nil {
		return o, false
	}
	defer s.mu.Unlock()
	var d SpanData
	base := r.block.spanContext()
	r.view(&d, &base, false)
	return OpenSpan{
		SpanContext: d.SpanContext,
		Parent:      d.Parent,
		Name:        d.Name,
		Kind:        d.Kind,
		StartTime:   d.StartTime,
		Age:         r.age(s.provider.mono()),
		Attributes:  append([]attribute.KeyValue(nil), d.Attributes...), // slices.Clone of none keeps the record's array
		Scope:       d.Scope,
		LocalRoot:   r.root,
	}, true
}

// redact takes out what must not leave the process.
func (p *Provider) redact(o *OpenSpan) {
	for _, proc := range p.processors {
		x, ok := proc.(*Redactor)
		if !ok {
			continue
		}
		var d dialect
		if x.sql {
			d = dialectOf(o.Attributes)
		}
		o.Name = x.patterns(o.Name)
		x.attributes(o.Attributes, d)
	}
}

// age returns how long ago the span started. What it reads does not change while the span is open.
func (r *record) age(mono int64) time.Duration {
	age := mono - r.startMono
	if age < 0 && r.start < 0 { // an overflow: such a start is not in the future
		return math.MaxInt64
	}
	return time.Duration(max(age, 0))
}

// The bounds of what WriteOpenSpans writes: lines, and characters of a name, a key or a value, and of
// all attributes of a span.
const (
	dumpSpans      = 1000
	dumpText       = 60
	dumpAttributes = 400
)

// dumpTime is how WriteOpenSpans writes a time, in UTC.
const dumpTime = "2006-01-02T15:04:05.000Z"

// WriteOpenSpans writes [Provider.OpenSpans] as a table for people, one line a span, oldest start first:
// age, start, name, scope, ids, and attributes so far. It is for a signal or a debug handler of HTTP;
// docs/operations.md shows both.
//
// At most the 1000 oldest are written; the first line says how many there are. A name, a key or a value is
// cut after 60 characters and the attributes of a span after about 400. What does not print is written
// as Go escapes it, so nothing in a span can steer a terminal. The format may change.
//
// The error is that of w. Nil is an error.
func (p *Provider) WriteOpenSpans(w io.Writer) error {
	if w == nil {
		return errors.New("tracing: WriteOpenSpans: writer is nil")
	}
	list, more := p.openSpans(dumpSpans)
	out := bufio.NewWriter(w) // it keeps the first error, which Flush returns
	n := len(list) + more
	_, _ = out.WriteString(strconv.Itoa(n) + " open span")
	if n != 1 {
		_ = out.WriteByte('s')
	}
	if more > 0 {
		_, _ = out.WriteString(", of which these are the " + strconv.Itoa(len(list)) + " oldest")
	}
	_, _ = out.WriteString(" at " + time.Now().UTC().Format(dumpTime) + "\n")
	if len(list) > 0 {
		table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		_, _ = table.Write(dump(list))
		_ = table.Flush()
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("tracing: WriteOpenSpans: %w", err)
	}
	return nil
}

// dump returns the table with a tab behind each cell but the last ones.
func dump(list []OpenSpan) []byte {
	var b bytes.Buffer
	b.WriteString("AGE\tSTART\tNAME\tSCOPE\tTRACE ID\tSPAN ID\tPARENT ID\tATTRIBUTES\n")
	for i := range list {
		o := &list[i]
		parent := "-"
		if o.Parent.IsValid() {
			parent = o.Parent.SpanID().String()
		}
		if o.Parent.IsRemote() {
			parent += " (remote)"
		}
		for _, cell := range [...]string{
			roundAge(o.Age).String(), o.StartTime.UTC().Format(dumpTime), printable(o.Name, ""), printable(o.Scope.Name, ""),
			o.SpanContext.TraceID().String(), o.SpanContext.SpanID().String(), parent,
		} {
			b.WriteString(cell)
			b.WriteByte('\t')
		}
		dumpKeyValues(&b, o.Attributes)
		b.WriteByte('\n')
	}
	return b.Bytes()
}

// dumpKeyValues appends attributes as key=value, and how many more there are.
func dumpKeyValues(b *bytes.Buffer, kvs []attribute.KeyValue) {
	if len(kvs) == 0 {
		b.WriteByte('-')
		return
	}
	written := 0
	for i := range kvs {
		if written > dumpAttributes {
			b.WriteString(" and " + strconv.Itoa(len(kvs)-i) + " more")
			return
		}
		if i > 0 {
			b.WriteByte(' ')
		}
		text := printable(string(kvs[i].Key), " =") + "=" + printable(kvs[i].Value.String(), " =")
		b.WriteString(text)
		written += utf8.RuneCountInString(text)
	}
}

// printable returns s as one word of a line: cut, and in quotes where it is empty, or holds a quote, what
// does not print, or one of the characters odd.
func printable(s, odd string) string {
	short := truncate(s, dumpText)
	quote := short == "" || !utf8.ValidString(short) || strings.ContainsFunc(short, func(r rune) bool {
		return r == '"' || !unicode.IsPrint(r) || strings.ContainsRune(odd, r)
	})
	cut := len(short) < len(s)
	if quote {
		short = strconv.Quote(short)
	}
	if cut {
		short += "..."
	}
	return short
}

// roundAge leaves as much of an age as somebody reads.
func roundAge(d time.Duration) time.Duration {
	switch {
	case d >= time.Minute:
		return d.Truncate(time.Second)
	case d >= time.Second:
		return d.Truncate(time.Millisecond)
	default:
		return d.Truncate(time.Microsecond)
	}
}

// overdueLogEvery is how long the provider is silent about leaks after it has logged one.
const overdueLogEvery = time.Minute

// checkEvery says how often a provider looks for spans that have been open for longer than limit.
func checkEvery(limit time.Duration) time.Duration {
	return min(max(limit/4, 100*time.Millisecond), time.Minute)
}

// overdueSpans is what the sweeper has found and not logged yet. Only the sweeper has it.
type overdueSpans struct {
	n      int
	name   string // of the oldest of them
	scope  *Scope
	start  int64         // of it too, by the provider's monotonic clock
	age    time.Duration // when it was found
	ids    trace.SpanContext
	logged int64 // when the provider last logged one; 0: never
}

// checkAges counts the spans that have become overdue since the last call and logs, at most once in
// overdueLogEvery, what has not been logged.
func (p *Provider) checkAges(o *overdueSpans) {
	mono := p.mono()
	for i := range p.shards {
		for _, lt := range p.shards[i].live() {
			lt.markOverdue(mono, o)
		}
	}
	if o.n == 0 || o.logged != 0 && mono-o.logged < int64(overdueLogEvery) {
		return
	}
	named := OpenSpan{Name: o.name}
	p.redact(&named)
	p.logger.Warn("spandrel: a span has been open for longer than WithOpenSpanAge says; is it ever ended?",
		"span", truncate(named.Name, dumpText), "age", roundAge(o.age), "scope", o.scope.Name,
		"trace_id", o.ids.TraceID().String(), "span_id", o.ids.SpanID().String(), "others", o.n-1)
	*o = overdueSpans{logged: mono}
}

// markOverdue marks, counts and collects the spans that have become overdue.
func (lt *localTrace) markOverdue(mono int64, o *overdueSpans) {
	p := lt.provider()
	lt.mu.Lock()
	defer lt.mu.Unlock()
	if lt.open == 0 {
		return
	}
	lt.eachOpen(func(r *record) {
		age := r.age(mono)
		if r.overdue || age <= p.openAge {
			return
		}
		s := r.handle
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.rec != r { // it is ending
			return
		}
		r.overdue = true
		p.overdue.Add(1)
		o.n++
		// Ages that were found at different times say nothing; r.startMono may have overflowed.
		if start := mono - int64(age); o.n == 1 || start < o.start {
			o.name, o.scope, o.start, o.age, o.ids = r.name, r.scope, start, age, s.SpanContext()
		}
	})
}
