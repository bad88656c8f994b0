// SPDX-License-Identifier: Apache-2.0

package sampling

import (
	"slices"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

// Composable is a part of a sampler that [Composite] makes: it says what it wants, and Composite
// decides (OpenTelemetry specification, trace/sdk.md, "ComposableSampler", in development). So parts
// can ask each other, and the decision stays consistent over a trace and its sampling rate known.
//
// Both methods are called by many goroutines at once. Intent must not keep or change what its argument
// holds; it must not block, and it should not allocate.
type Composable interface {
	// Intent says how one span should be sampled. It is the specification's GetSamplingIntent.
	Intent(p ComposableParameters) Intent
	// Description names the part and its arguments.
	Description() string
}

// ComposableParameters is what a [Composable] may base its intent on.
type ComposableParameters struct {
	// Parameters are those of the sampler, but TraceID is zero: a threshold that depends on the trace
	// id would make the sampling rate that it tells untrue.
	Parameters
	// ParentThreshold is the threshold at which the parent was sampled, if HasParentThreshold. A
	// threshold that contradicts the parent's decision is none.
	ParentThreshold    uint64
	HasParentThreshold bool
}

// Intent is a [Composable]'s wish for one span. The zero value drops it.
type Intent struct {
	// Sample says that there is a threshold. Without one, the specification's null, the span is dropped.
	Sample bool
	// Threshold is the share of all spans that are dropped, in 2^-56: the span is sampled if its
	// randomness, a number in 0..2^56-1, is not less. 0 samples every span, 2^56 and above none.
	Threshold uint64
	// Reliable says that the threshold tells the probability with which the span was sampled, so that
	// spans can be counted by it. If it does not, the trace state holds no threshold, and the decision
	// is made with a new random number.
	Reliable bool
	// Attributes returns attributes for the span; it is called if the span is sampled. It may be nil.
	Attributes func() []attribute.KeyValue
	// TraceState returns the span's trace state, given the parent's and the decision. Changes of
	// OpenTelemetry's own entry, ot, have no effect. It may be nil: the parent's.
	TraceState func(parent trace.TraceState, d Decision) trace.TraceState

	// origin, if not nil, is the part that wants this, unless another has changed Threshold since.
	origin *fixed
}

// fixed always has the same threshold.
type fixed struct {
	intent Intent
	// state holds the threshold and nothing else, for spans that have no other trace state.
	state       trace.TraceState
	description string
}

func newFixed(threshold uint64, description string) *fixed {
	f := &fixed{
		intent:      Intent{Sample: true, Threshold: threshold, Reliable: true},
		state:       (&entry{}).rewrite(trace.TraceState{}, threshold, 0, false),
		description: description,
	}
	f.intent.origin = f
	return f
}

// ComposableAlwaysOn returns the part that samples every span: its threshold is 0. Its description is
// "ComposableAlwaysOn".
func ComposableAlwaysOn() Composable { return newFixed(0, "ComposableAlwaysOn") }

// ComposableAlwaysOff returns the part that drops every span. Its description is
// "ComposableAlwaysOff".
func ComposableAlwaysOff() Composable { return &fixed{description: "ComposableAlwaysOff"} }

func (f *fixed) Intent(ComposableParameters) Intent { return f.intent }

func (f *fixed) Description() string { return f.description }

// parentThreshold follows the parent.
type parentThreshold struct {
	root        Composable
	description string
}

// ComposableParentThreshold returns the part that follows the parent: a sampled parent's threshold, or
// none but sampled all the same if it had none; dropped if the parent was. Where there is nothing to
// follow, as [ParentBased] has it, root is asked: for traces that begin here, and for those whose
// caller left the decision to us. A nil root is [ComposableAlwaysOn]. The description is
// "ComposableParentThreshold{root:...}".
func ComposableParentThreshold(root Composable) Composable {
	if root == nil {
		root = ComposableAlwaysOn()
	}
	return &parentThreshold{root: root, description: "ComposableParentThreshold{root:" + root.Description() + "}"}
}

func (pt *parentThreshold) Intent(p ComposableParameters) Intent {
	switch {
	case p.HasParentThreshold:
		return Intent{Sample: true, Threshold: p.ParentThreshold, Reliable: true}
	case p.Debug || p.ParentDecision == ParentAccept:
		return Intent{Sample: true}
	case p.ParentDecision == ParentDeny:
		return Intent{}
	default:
		return pt.root.Intent(p)
	}
}

func (pt *parentThreshold) Description() string { return pt.description }

// Rule is a rule of [ComposableRuleBased].
type Rule struct {
	// Name is shown in the description. It may be "".
	Name string
	// When says whether the rule is for a span. It keeps the rules of [Composable]'s Intent. Nil is for
	// every span.
	When func(p ComposableParameters) bool
	// Use is asked about the spans that the rule is for. Nil is [ComposableAlwaysOff].
	Use Composable
}

// ruleBased asks the first that fits.
type ruleBased struct {
	rules       []Rule
	description string
}

// ComposableRuleBased returns the part that asks the first rule which is for a span. A span for which
// there is no rule is dropped. The description is "ComposableRuleBased{name:...,...}".
func ComposableRuleBased(rules ...Rule) Composable {
	rb := &ruleBased{rules: slices.Clone(rules)}
	parts := make([]string, len(rules))
	for i := range rb.rules {
		r := &rb.rules[i]
		if r.Use == nil {
			r.Use = ComposableAlwaysOff()
		}
		parts[i] = r.Use.Description()
		if r.Name != "" {
			parts[i] = r.Name + ":" + parts[i]
		}
	}
	rb.description = "ComposableRuleBased{" + strings.Join(parts, ",") + "}"
	return rb
}

func (rb *ruleBased) Intent(p ComposableParameters) Intent {
	for i := range rb.rules {
		if r := &rb.rules[i]; r.When == nil || r.When(p) {
			return r.Use.Intent(p)
		}
	}
	return Intent{}
}

func (rb *ruleBased) Description() string { return rb.description }

// annotating adds attributes.
type annotating struct {
	attrs       []attribute.KeyValue
	delegate    Composable
	description string
}

// ComposableAnnotating returns the part that asks delegate and adds attributes to the spans that are
// sampled. Of two values for one key that of the outer part counts. A nil delegate is
// [ComposableAlwaysOn]. The description is "ComposableAnnotating{key,...,delegate:...}".
func ComposableAnnotating(delegate Composable, attrs ...attribute.KeyValue) Composable {
	if delegate == nil {
		delegate = ComposableAlwaysOn()
	}
	var b strings.Builder
	for _, kv := range attrs {
		b.WriteString(string(kv.Key))
		b.WriteByte(',')
	}
	return &annotating{
		attrs:       slices.Clip(slices.Clone(attrs)),
		delegate:    delegate,
		description: "ComposableAnnotating{" + b.String() + "delegate:" + delegate.Description() + "}",
	}
}

func (a *annotating) Intent(p ComposableParameters) Intent {
	in := a.delegate.Intent(p)
	if inner := in.Attributes; inner != nil {
		in.Attributes = func() []attribute.KeyValue { return append(slices.Clip(inner()), a.attrs...) }
	} else {
		in.Attributes = a.own
	}
	return in
}

func (a *annotating) own() []attribute.KeyValue { return a.attrs }

func (a *annotating) Description() string { return a.description }
