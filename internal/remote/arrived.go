// SPDX-License-Identifier: Apache-2.0

package remote

import (
	"context"
	"slices"

	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/embedded"
)

// Arrived is a [Remote] in the form in which a Go context holds it, less than half as large: one is made
// for each request. It is immutable once it stands in a Go context. The zero value says that nothing arrived.
type Arrived struct {
	// Rare is nil where nothing of it arrived.
	*Rare

	RequestID string
	// Text is the header that ids and decision came in, if there was only one and if it is byte for byte what
	// is sent where no span is made here; or "".
	Text string

	// TraceID without a SpanID: who began the trace makes no spans. A root span of ours joins it.
	TraceID      trace.TraceID
	SpanID       trace.SpanID // valid if there are ids
	ParentSpanID trace.SpanID
	Flags        trace.TraceFlags
	Decision     Decision
	Debug        bool
	Capped       bool
	Priority     int8
	Format       Format
	TraceIDBits  uint8
}

// Format is the format that was read, as package propagation numbers them; 0: none.
type Format uint8

// Rare is the part of an [Arrived] that few requests have.
type Rare struct {
	// Span is nil. It is here so that a Go context that holds an Arrived can be a trace.Span as well,
	// without a field of its own for this.
	embedded.Span

	State      trace.TraceState
	TraceState string
	Extra      Extra
	HasExtra   bool

	// What was taken back of an [Arrived] that is Capped, beside the decision.
	CappedDebug    bool
	CappedPriority int8
}

// HasIDs reports whether valid ids arrived.
func (a *Arrived) HasIDs() bool { return a.SpanID != trace.SpanID{} }

// IsTraceAlone reports whether a trace id arrived without a span id.
func (a *Arrived) IsTraceAlone() bool {
	return a.SpanID == trace.SpanID{} && a.TraceID != trace.TraceID{}
}

// TraceAlone returns a span context with the trace id only, which is not valid.
func (a *Arrived) TraceAlone() trace.SpanContext {
	return trace.NewSpanContext(trace.SpanContextConfig{TraceID: a.TraceID, Remote: true})
}

// SpanContext returns the caller's span context, remote, or an invalid one.
func (a *Arrived) SpanContext() trace.SpanContext {
	if !a.HasIDs() {
		return trace.SpanContext{}
	}
	cfg := trace.SpanContextConfig{TraceID: a.TraceID, SpanID: a.SpanID, TraceFlags: a.Flags, Remote: true}
	if a.Rare != nil {
		cfg.TraceState = a.State
	}
	return trace.NewSpanContext(cfg)
}

// Remote returns all that arrived, in the format of this name. The caller owns it.
func (a *Arrived) Remote(format string) Remote {
	r := Remote{
		SpanContext:  a.SpanContext(),
		ParentSpanID: a.ParentSpanID,
		Decision:     a.Decision,
		Debug:        a.Debug,
		Capped:       a.Capped,
		Priority:     a.Priority,
		Format:       format,
		TraceIDBits:  int(a.TraceIDBits),
		TraceState:   a.TraceStateText(),
		RequestID:    a.RequestID,
	}
	if a.IsTraceAlone() {
		r.SpanContext = a.TraceAlone()
	}
	if x := a.Extras(); x != nil {
		own := *x
		own.Links = slices.Clone(x.Links)
		r.Extra = &own
	}
	return r
}

// TraceStateText returns the tracestate that arrived; see [Remote].
func (a *Arrived) TraceStateText() string {
	if a.Rare == nil {
		return ""
	}
	return a.TraceState
}

// Extras returns what few requests have, or nil. It is not to be changed.
func (a *Arrived) Extras() *Extra {
	if a.Rare == nil || !a.HasExtra {
		return nil
	}
	return &a.Extra
}

// Links returns the spans of other traces that headers named. They are not to be changed.
func (a *Arrived) Links() []Link {
	if x := a.Extras(); x != nil {
		return x.Links
	}
	return nil
}

// AddRare returns a.Rare, made at first use. It is for the one who fills a, before others see it.
func (a *Arrived) AddRare() *Rare {
	if a.Rare == nil {
		a.Rare = &Rare{}
	}
	return a.Rare
}

// AddExtra returns what [Arrived.Extras] does, made at first use. It is for the one who fills a.
func (a *Arrived) AddExtra() *Extra {
	r := a.AddRare()
	r.HasExtra = true
	return &r.Extra
}

// OwnRare makes a.Rare one that others do not see.
func (a *Arrived) OwnRare() {
	if a.Rare != nil {
		r := *a.Rare
		a.Rare = &r
	}
}

type key struct{}

// Key is the context key of an *Arrived.
var Key any = key{}

// IsKey reports whether k is [Key]. It is quicker than a comparison.
func IsKey(k any) bool {
	_, ok := k.(key)
	return ok
}

// FromContext returns what arrived, or nil.
func FromContext(ctx context.Context) *Arrived {
	a, _ := ctx.Value(Key).(*Arrived)
	return a
}
