// SPDX-License-Identifier: Apache-2.0

package sampling_test

import (
	"fmt"

	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/sampling"
)

func ExampleAlwaysOn() {
	fmt.Println(sampling.AlwaysOn().Sample(sampling.Parameters{}).Decision)
	// Output: RecordAndSample
}

func ExampleAlwaysOff() {
	fmt.Println(sampling.AlwaysOff().Sample(sampling.Parameters{}).Decision)
	// Output: Drop
}

func ExampleRatio() {
	s, err := sampling.Ratio(0.25)
	if err != nil {
		fmt.Println(err)
		return
	}
	low, _ := trace.TraceIDFromHex("0af7651916cd43dd0448eb211c80319c")
	high, _ := trace.TraceIDFromHex("0af7651916cd43ddf448eb211c80319c")
	fmt.Println(s.Description())
	fmt.Println(s.Sample(sampling.Parameters{TraceID: low}).Decision)
	fmt.Println(s.Sample(sampling.Parameters{TraceID: high}).Decision)

	_, err = sampling.Ratio(25)
	fmt.Println(err)
	// Output:
	// TraceIDRatioBased{0.25}
	// RecordAndSample
	// Drop
	// sampling: Ratio: rate 25 is not in 0..1
}

func ExampleKongRatio() {
	// The rate of the gateway in front, kong.conf's tracing_sampling_rate.
	s, err := sampling.KongRatio(0.75)
	if err != nil {
		fmt.Println(err)
		return
	}
	id, _ := trace.TraceIDFromHex("463ac35c9f6413ad48485a3953bb6124")
	fmt.Println(s.Description(), s.Sample(sampling.Parameters{TraceID: id}).Decision)
	// Output: KongRatio{0.75} RecordAndSample
}

func ExampleParentBased() {
	s := sampling.ParentBased(sampling.AlwaysOff())
	for _, d := range []sampling.ParentDecision{
		sampling.ParentAccept, sampling.ParentDeny, sampling.ParentDefer,
	} {
		fmt.Println(d, s.Sample(sampling.Parameters{ParentDecision: d}).Decision)
	}
	// Output:
	// accept RecordAndSample
	// deny Drop
	// defer Drop
}

// A service that does not trust what arrives from outside samples anew, as Kong's OpenTelemetry
// plugin does.
func ExampleWithRemoteParentSampled() {
	own, err := sampling.KongRatio(0)
	if err != nil {
		fmt.Println(err)
		return
	}
	s := sampling.ParentBased(own, sampling.WithRemoteParentSampled(own))
	fmt.Println(s.Sample(sampling.Parameters{ParentDecision: sampling.ParentAccept}).Decision)
	// Output: Drop
}

// Callers that sample little need not decide for this service: it keeps a share of what they deny.
func ExampleWithRemoteParentNotSampled() {
	own, err := sampling.Ratio(1)
	if err != nil {
		fmt.Println(err)
		return
	}
	s := sampling.ParentBased(own, sampling.WithRemoteParentNotSampled(own))
	fmt.Println(s.Sample(sampling.Parameters{ParentDecision: sampling.ParentDeny}).Decision)
	// Output: RecordAndSample
}

// Only the first span of each trace in this process is kept.
func ExampleWithLocalParentSampled() {
	s := sampling.ParentBased(nil, sampling.WithLocalParentSampled(sampling.AlwaysOff()))
	parent := trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{1}, SpanID: trace.SpanID{1}, TraceFlags: trace.FlagsSampled,
	})
	fmt.Println(s.Sample(sampling.Parameters{}).Decision)
	fmt.Println(s.Sample(sampling.Parameters{Parent: parent, ParentDecision: sampling.ParentAccept}).Decision)
	// Output:
	// RecordAndSample
	// Drop
}

// Children of a span that was dropped are decided about anew.
func ExampleWithLocalParentNotSampled() {
	s := sampling.ParentBased(sampling.AlwaysOff(), sampling.WithLocalParentNotSampled(sampling.AlwaysOn()))
	parent := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{1}})
	fmt.Println(s.Sample(sampling.Parameters{Parent: parent, ParentDecision: sampling.ParentDeny}).Decision)
	// Output: RecordAndSample
}

func ExampleProbability() {
	s, err := sampling.Probability(0.25)
	if err != nil {
		fmt.Println(err)
		return
	}
	id, _ := trace.TraceIDFromHex("0af7651916cd43dd04f8eb211c80319c")
	r := s.Sample(sampling.Parameters{TraceID: id})
	fmt.Println(s.Description(), r.Decision, r.TraceState)
	// Output: Probability{0.25} RecordAndSample ot=th:c
}

// Health checks are never sampled, of the rest a tenth; spans of traces that arrive follow their
// parents.
func ExampleComposite() {
	tenth, err := sampling.ComposableProbability(0.1)
	if err != nil {
		fmt.Println(err)
		return
	}
	s := sampling.Composite(sampling.ComposableParentThreshold(sampling.ComposableRuleBased(
		sampling.Rule{
			Name: "health",
			When: func(p sampling.ComposableParameters) bool { return p.Name == "GET /health" },
			Use:  sampling.ComposableAlwaysOff(),
		},
		sampling.Rule{Use: tenth},
	)))
	id, _ := trace.TraceIDFromHex("0af7651916cd43dd04f8eb211c80319c")
	fmt.Println(s.Sample(sampling.Parameters{TraceID: id, Name: "GET /health"}).Decision)
	r := s.Sample(sampling.Parameters{TraceID: id, Name: "GET /"})
	fmt.Println(r.Decision, r.TraceState)
	// Output:
	// Drop
	// RecordAndSample ot=th:e666
}

func ExampleAlwaysRecord() {
	s := sampling.AlwaysRecord(sampling.AlwaysOff())
	fmt.Println(s.Sample(sampling.Parameters{}).Decision)
	// Output: RecordOnly
}
