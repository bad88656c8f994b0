// SPDX-License-Identifier: Apache-2.0

package benchmarks

import "sync/atomic"

// Mode says what happens to the spans.
type Mode int

// The three modes of a [Peer].
const (
	// Recorded: every span is recorded, sampled and delivered.
	Recorded Mode = iota
	// Unsampled: the sampler refuses every trace; nothing is delivered.
	Unsampled
	// Disabled: tracing is not set up, or switched off; nothing is delivered.
	Disabled
)

// Peer is one way to make spans: a library, the interface it is called through, and how it is set up.
type Peer struct {
	// Name has no spaces; it stands in benchmark names.
	Name string
	// About says in one line what it is and how it is set up.
	About string
	// Delivers is false for a peer that keeps nothing in any mode; it is a bound, not a competitor.
	Delivers bool
	// Start sets the peer up. What its exporter reads goes to sink.
	Start func(mode Mode, sink *Sink) (Instance, error)
}

// Instance is a peer that has been set up.
type Instance interface {
	// Trace makes one trace of the given shape. Any number of goroutines may call it at once.
	Trace(s *Shape)
	// Stop delivers what is pending and shuts the peer down. Nothing is called after it.
	Stop() error
}

// Sink takes what a peer's exporter reads. One goroutine at a time writes to it; the number of
// spans may be read by any goroutine at any time.
type Sink struct {
	Checksum

	spans atomic.Int64
	// keep, if not nil, is shown what the exporter reads, as it is: a span of the peer's own type, or
	// the body of a trace request. It must not keep it. Only tests set it.
	keep func(any)
}

// Spans returns how many spans have been read.
func (s *Sink) Spans() int64 { return s.spans.Load() }

// Peers returns all peers, spandrel first.
func Peers() []Peer {
	return []Peer{
		spandrelOwn(), spandrelOTel(), spandrelPlain(),
		otelSDK(), datadogPeer(), datadogStats(), zipkinPeer(),
		otelNoop(), otelGlobal(), floorPeer(),
	}
}
