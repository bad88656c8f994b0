// SPDX-License-Identifier: Apache-2.0

package tracing

import (
	"slices"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// SpanData is a read-only view of one span. A [Processor] or an [Exporter] borrows it until it
// returns: afterwards the view and everything its slices and strings reach belong to the pipeline
// again, which reuses them. Who wants to keep a span calls [SpanData.Clone]. Builds with
// -tags invariants or -race overwrite a view when the call returns, by a text that names the method
// which borrowed it, and panic with that name where the view was written to.
//
// Any number of goroutines may read a view while it is borrowed; nobody may write to it. The slices
// have cap == len, so an append copies. Views are passed by pointer; go vet reports a copy.
type SpanData struct {
	_ noCopy

	SpanContext trace.SpanContext
	// Parent is the parent's span context, the zero value for a root span. Parent.IsRemote says
	// whether the parent lives in another process.
	Parent             trace.SpanContext
	Name               string
	Kind               trace.SpanKind
	StartTime, EndTime time.Time
	// Attributes holds no key twice. The order is that of the first setting.
	Attributes []attribute.KeyValue
	Events     []Event // in the order of recording
	Links      []Link  // in the order of recording
	Status     Status
	Resource   *Resource // shared by all spans of a provider, never nil; may be kept
	Scope      *Scope    // shared by all spans of a tracer, never nil; may be kept
	// The counts of what the span limits refused.
	DroppedAttributes, DroppedEvents, DroppedLinks int
	// Partial says that the span was handed over before its local trace was complete: others of the
	// same local trace come in another batch.
	Partial bool
	// Debug says that the caller's headers forced this trace through all samplers (B3's debug flag).
	Debug bool
}

// Event is a timed note on a span.
type Event struct {
	Name              string
	Time              time.Time
	Attributes        []attribute.KeyValue
	DroppedAttributes int
}

// Link is a reference from a span to another span context.
type Link struct {
	SpanContext       trace.SpanContext
	Attributes        []attribute.KeyValue
	DroppedAttributes int
}

// Status is a span's status. Description is only set for [codes.Error].
type Status struct {
	Code        codes.Code
	Description string
}

// Clone returns a deep copy that the caller owns. Resource and Scope are immutable and stay shared.
func (d *SpanData) Clone() *SpanData {
	c := &SpanData{
		SpanContext:       d.SpanContext,
		Parent:            d.Parent,
		Name:              d.Name,
		Kind:              d.Kind,
		StartTime:         d.StartTime,
		EndTime:           d.EndTime,
		Attributes:        slices.Clip(slices.Clone(d.Attributes)),
		Events:            slices.Clip(slices.Clone(d.Events)),
		Links:             slices.Clip(slices.Clone(d.Links)),
		Status:            d.Status,
		Resource:          d.Resource,
		Scope:             d.Scope,
		DroppedAttributes: d.DroppedAttributes,
		DroppedEvents:     d.DroppedEvents,
		DroppedLinks:      d.DroppedLinks,
		Partial:           d.Partial,
		Debug:             d.Debug,
	}
	for i := range c.Events {
		c.Events[i].Attributes = slices.Clip(slices.Clone(c.Events[i].Attributes))
	}
	for i := range c.Links {
		c.Links[i].Attributes = slices.Clip(slices.Clone(c.Links[i].Attributes))
	}
	return c
}

// noCopy makes go vet's copylocks check report copies of the struct that holds it.
type noCopy struct{}

func (*noCopy) Lock()   {}
func (*noCopy) Unlock() {}
