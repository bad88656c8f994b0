// SPDX-License-Identifier: Apache-2.0

package benchmarks

// Scenario is one piece of work that several peers do.
type Scenario struct {
	// Name stands in benchmark names and result files, Title above its table.
	Name, Title string
	Shape       Shape
	Mode        Mode
	// Parallel: as many goroutines as there are cores make traces at once.
	Parallel bool
	// Peers names the peers, in the order of the table.
	Peers []string
}

// The peers of recorded, unsampled and disabled scenarios.
var (
	recordedPeers = []string{
		"spandrel", "spandrel-otel", "spandrel-plain", "otel", "datadog", "datadog-stats", "zipkin",
		"noop", "floor",
	}
	unsampledPeers = []string{"spandrel", "spandrel-otel", "otel", "datadog", "zipkin", "noop"}
	disabledPeers  = []string{"spandrel", "otel-global", "datadog", "zipkin", "noop"}
)

// Scenarios returns all scenarios; the first one is the headline.
func Scenarios() []Scenario {
	return []Scenario{
		{
			Name: "Trace10", Title: "Headline: a root span and nine children",
			Shape: Shape{Children: 9, Attributes: true}, Peers: recordedPeers,
		},
		{
			Name: "Trace1", Title: "A root span alone",
			Shape: Shape{Attributes: true}, Peers: recordedPeers,
		},
		{
			Name: "Trace200", Title: "A root span and 199 children",
			Shape: Shape{Children: 199, Attributes: true}, Peers: recordedPeers,
		},
		{
			Name: "NoAttributes", Title: "Ten bare spans: no kind, attributes and status",
			Shape: Shape{Children: 9}, Peers: recordedPeers,
		},
		{
			Name: "Events", Title: "Ten spans with two events each",
			Shape: Shape{Children: 9, Attributes: true, Events: 2}, Peers: recordedPeers,
		},
		{
			Name: "FanOut", Title: "64 goroutines make ten children each under one root span",
			Shape: Shape{Children: 640, Attributes: true, Workers: 64}, Peers: recordedPeers,
		},
		{
			Name: "Parallel", Title: "Headline, on all cores at once",
			Shape: Shape{Children: 9, Attributes: true}, Parallel: true, Peers: recordedPeers,
		},
		{
			Name: "UnsampledTrace10", Title: "Unsampled: a root span and nine children",
			Shape: Shape{Children: 9, Attributes: true}, Mode: Unsampled, Peers: unsampledPeers,
		},
		{
			Name: "UnsampledRoot", Title: "Unsampled: a bare root span",
			Shape: Shape{}, Mode: Unsampled, Peers: unsampledPeers,
		},
		{
			// A thousand children make the root's share vanish.
			Name: "UnsampledChild", Title: "Unsampled: a bare child span",
			Shape: Shape{Children: 1000}, Mode: Unsampled, Peers: unsampledPeers,
		},
		{
			Name: "Disabled", Title: "No-op: headline with tracing not set up, or switched off",
			Shape: Shape{Children: 9, Attributes: true}, Mode: Disabled, Peers: disabledPeers,
		},
	}
}

// FindScenario returns the scenario of the given name.
func FindScenario(name string) (Scenario, bool) {
	for _, s := range Scenarios() {
		if s.Name == name {
			return s, true
		}
	}
	return Scenario{}, false
}

// FindPeer returns the peer of the given name.
func FindPeer(name string) (Peer, bool) {
	for _, p := range Peers() {
		if p.Name == name {
			return p, true
		}
	}
	return Peer{}, false
}
