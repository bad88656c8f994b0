// SPDX-License-Identifier: Apache-2.0

package benchmarks

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Every scenario runs with every one of its peers, and no span is lost.
func TestMeasureAll(t *testing.T) {
	for _, sc := range Scenarios() {
		for _, name := range sc.Peers {
			t.Run(sc.Name+"/"+name, func(t *testing.T) {
				p, ok := FindPeer(name)
				require.True(t, ok)
				m, err := Measure(p, sc, 3000)
				require.NoError(t, err)
				assert.Positive(t, m.Spans)
				assert.Zero(t, m.Spans%int64(sc.Shape.Spans()), "whole traces")
				assert.GreaterOrEqual(t, m.Wall, m.Caller)
				assert.Positive(t, m.Caller)
				assert.LessOrEqual(t, m.External, 1.0)
				assert.GreaterOrEqual(t, m.External, -1.0)
			})
		}
	}
}

// lossy is a peer that forgets the last of the spans, or fails to stop.
type lossy struct {
	sink   *Sink
	lose   int64
	failed error
}

func (l *lossy) Trace(s *Shape) {
	l.sink.Uint64(1)
	l.sink.spans.Add(int64(s.Spans()))
}

func (l *lossy) Stop() error {
	l.sink.spans.Add(-l.lose)
	return l.failed
}

func TestMeasureNoticesLoss(t *testing.T) {
	t.Parallel()
	sc, ok := FindScenario("Trace10")
	require.True(t, ok)
	errStop := errors.New("no agent")
	tests := []struct {
		name string
		peer lossy
		mode Mode
		want string // "" for success
	}{
		{name: "nothing lost", peer: lossy{}},
		{name: "one lost", peer: lossy{lose: 1}, want: "100 spans were made, 99 delivered, want 100"},
		{name: "one too many", peer: lossy{lose: -1}, want: "100 spans were made, 101 delivered, want 100"},
		{name: "delivered though unsampled", peer: lossy{}, mode: Unsampled, want: "100 delivered, want 0"},
		{name: "stop fails", peer: lossy{failed: errStop}, want: "no agent"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			sc := sc
			sc.Mode = tt.mode
			peer := Peer{Name: "lossy", Delivers: true, Start: func(_ Mode, sink *Sink) (Instance, error) {
				tt.peer.sink = sink
				return &tt.peer, nil
			}}
			m, err := Measure(peer, sc, 100)
			if tt.want == "" {
				require.NoError(t, err)
				assert.EqualValues(t, 100, m.Spans)
				return
			}
			assert.ErrorContains(t, err, tt.want)
		})
	}
}

func TestMeasureReturnsStartError(t *testing.T) {
	t.Parallel()
	errStart := errors.New("not today")
	peer := Peer{Name: "none", Start: func(Mode, *Sink) (Instance, error) { return nil, errStart }}
	_, err := Measure(peer, Scenario{}, 1)
	assert.ErrorIs(t, err, errStart)
}
