// SPDX-License-Identifier: Apache-2.0

//go:build invariants || race

// The checks copy each span that is lent: they are for builds that look for mistakes.

package tracing

import (
	"fmt"
	"reflect"
	"runtime"
	"slices"

	"go.opentelemetry.io/otel/attribute"
)

// acquireView returns a blank view.
func acquireView() *SpanData { return new(SpanData) }

// releaseView takes a view back.
func releaseView(*SpanData) {}

// loan is a copy of a view in the hands of foreign code.
type loan struct {
	view   *SpanData
	before *SpanData // what view held
	to     string
}

// lend prepares a copy of d for a call of the named method of an exporter or a processor. The call gets
// loan.view, and reclaim follows it.
func lend(d *SpanData, borrower any, method string) loan {
	return loan{view: d.Clone(), before: d.Clone(), to: methodName(borrower, method)}
}

// reclaim ends a loan: it panics if the borrower has written to the view, and overwrites all of it, so
// that who has kept it reads whose mistake that is.
func (l loan) reclaim() {
	if field := changed(l.before, l.view); field != "" {
		misused(fmt.Sprintf("tracing: %s wrote to %s of span %q, which it had only borrowed", l.to, field, l.before.Name))
	}
	text := fmt.Sprintf("tracing: %s kept this span beyond the call, and must Clone it", l.to)
	mark := attribute.String(text, text)
	overwrite := func(attrs []attribute.KeyValue) {
		for i := range attrs {
			attrs[i] = mark
		}
	}
	overwrite(l.view.Attributes)
	for i := range l.view.Events {
		overwrite(l.view.Events[i].Attributes)
		l.view.Events[i] = Event{Name: text}
	}
	for i := range l.view.Links {
		overwrite(l.view.Links[i].Attributes)
		l.view.Links[i] = Link{Attributes: []attribute.KeyValue{mark}}
	}
	*l.view = SpanData{Name: text, Attributes: []attribute.KeyValue{mark}}
}

// loans is loan for a number of views.
type loans struct {
	views []*SpanData
	each  []loan
	to    string
}

// lendAll is lend for a number of views.
func lendAll(views []*SpanData, borrower any, method string) loans {
	l := loans{to: methodName(borrower, method)}
	for _, d := range views {
		one := lend(d, borrower, method)
		l.each = append(l.each, one)
		l.views = append(l.views, one.view)
	}
	return l
}

func (l loans) reclaim() {
	for i := range l.each {
		if l.views[i] != l.each[i].view {
			misused(fmt.Sprintf("tracing: %s changed the slice of %d spans that it had only borrowed", l.to, len(l.each)))
		}
	}
	for i := range l.each {
		l.each[i].reclaim()
	}
	clear(l.views)
}

// reclaimBody ends the loan of a request's body.
func reclaimBody(body []byte) {
	body = body[:cap(body)]
	for i := range body {
		body[i] = 0xDB
	}
}

// misused reports what a checked build has found. Tests of the checks replace it.
var misused = func(text string) { panic(text) }

// changed returns the name of the first field of d that is not as it was, or "".
func changed(before, d *SpanData) string {
	switch {
	case before.Name != d.Name:
		return "Name"
	case !before.SpanContext.Equal(d.SpanContext) || !before.Parent.Equal(d.Parent):
		return "SpanContext or Parent"
	case before.Kind != d.Kind || before.Status != d.Status:
		return "Kind or Status"
	case !before.StartTime.Equal(d.StartTime) || !before.EndTime.Equal(d.EndTime):
		return "StartTime or EndTime"
	case !sameAttributes(before.Attributes, d.Attributes):
		return "Attributes"
	case !slices.EqualFunc(before.Events, d.Events, func(a, b Event) bool {
		return a.Name == b.Name && a.Time.Equal(b.Time) && a.DroppedAttributes == b.DroppedAttributes &&
			sameAttributes(a.Attributes, b.Attributes)
	}):
		return "Events"
	case !slices.EqualFunc(before.Links, d.Links, func(a, b Link) bool {
		return a.SpanContext.Equal(b.SpanContext) && a.DroppedAttributes == b.DroppedAttributes &&
			sameAttributes(a.Attributes, b.Attributes)
	}):
		return "Links"
	case before.Resource != d.Resource || before.Scope != d.Scope:
		return "Resource or Scope"
	case before.DroppedAttributes != d.DroppedAttributes || before.DroppedEvents != d.DroppedEvents ||
		before.DroppedLinks != d.DroppedLinks || before.Partial != d.Partial || before.Debug != d.Debug:
		return "the counts and marks"
	}
	return ""
}

func sameAttributes(a, b []attribute.KeyValue) bool {
	return slices.EqualFunc(a, b, func(a, b attribute.KeyValue) bool {
		return a.Key == b.Key && a.Value.Type() == b.Value.Type() && a.Value.String() == b.Value.String()
	})
}

// methodName names a method and where it stands.
func methodName(v any, method string) string {
	name := fmt.Sprintf("%T.%s", v, method)
	if m, ok := reflect.TypeOf(v).MethodByName(method); ok {
		if f := runtime.FuncForPC(m.Func.Pointer()); f != nil {
			file, line := f.FileLine(f.Entry())
			return fmt.Sprintf("%s (%s:%d)", name, file, line)
		}
	}
	return name
}
