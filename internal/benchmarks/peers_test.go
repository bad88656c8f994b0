// SPDX-License-Identifier: Apache-2.0

package benchmarks

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// capture makes one trace with a peer and returns what its exporter saw.
func capture(t *testing.T, p Peer, mode Mode, shape Shape) []seen {
	t.Helper()
	var all []seen
	sink := &Sink{}
	sink.keep = func(v any) {
		spans, err := seenIn(v)
		assert.NoError(t, err)
		all = append(all, spans...)
	}
	in, err := p.Start(mode, sink)
	require.NoError(t, err)
	in.Trace(&shape)
	require.NoError(t, in.Stop())
	assert.EqualValues(t, len(all), sink.Spans(), "spans counted and spans seen")
	return all
}

// Not parallel, as all tests of this package that start peers: dd-trace-go's tracer is global.
func TestPeersProduceTheSameSpans(t *testing.T) {
	shapes := map[string]Shape{
		"attributes": {Children: 9, Attributes: true},
		"bare":       {Children: 9},
		"events":     {Children: 9, Attributes: true, Events: 2},
		"fan out":    {Children: 20, Attributes: true, Workers: 8},
		"root only":  {Attributes: true},
	}
	for _, p := range Peers() {
		if !p.Delivers {
			continue
		}
		for name, shape := range shapes {
			t.Run(p.Name+"/"+name, func(t *testing.T) {
				before := time.Now().Truncate(time.Microsecond)
				spans := capture(t, p, Recorded, shape)
				after := time.Now()
				require.Len(t, spans, shape.Spans())

				root := spans[0]
				ids := map[string]bool{}
				for _, s := range spans {
					ids[s.spanID] = true
					if s.parentID == "" {
						root = s
					}
				}
				assert.Len(t, ids, shape.Spans(), "every span has an id of its own")
				for _, s := range spans {
					want := wantSpan(shape, s, root)
					assert.Equal(t, want, s)
					assert.False(t, s.start.Before(before), "start %v is before %v", s.start, before)
					assert.False(t, s.end.After(after), "end %v is after %v", s.end, after)
					assert.False(t, s.end.Before(s.start), "end %v is before start %v", s.end, s.start)
				}
			})
		}
	}
}

// wantSpan returns what the exporter must have seen in place of got; ids and times are got's own.
func wantSpan(shape Shape, got, root seen) seen {
	want := seen{
		name: childName, service: serviceName,
		traceID: root.traceID, spanID: got.spanID, parentID: root.spanID,
		attributes: map[string]string{},
		start:      got.start, end: got.end,
	}
	if got.spanID == root.spanID {
		want.name, want.parentID = rootName, ""
	}
	if shape.Attributes {
		want.kind = "client"
		if want.parentID == "" {
			want.kind = "server"
		}
		want.attributes = map[string]string{
			keyString: "postgresql", keyInt: "17", keyBool: "true", keyText: "orders-db-0.shop",
		}
		want.failed, want.statusText = true, "failed"
	}
	for range shape.Events {
		want.events = append(want.events, eventName)
	}
	return want
}

func TestPeersDeliverNothingUnsampledOrDisabled(t *testing.T) {
	for _, sc := range Scenarios() {
		if sc.Mode == Recorded {
			continue
		}
		for _, name := range sc.Peers {
			t.Run(sc.Name+"/"+name, func(t *testing.T) {
				p, ok := FindPeer(name)
				require.True(t, ok)
				assert.Empty(t, capture(t, p, sc.Mode, sc.Shape))
			})
		}
	}
}

func TestScenariosNameKnownPeers(t *testing.T) {
	names := map[string]bool{}
	for _, sc := range Scenarios() {
		assert.False(t, names[sc.Name], "%s is there twice", sc.Name)
		names[sc.Name] = true
		for _, name := range sc.Peers {
			_, ok := FindPeer(name)
			assert.True(t, ok, "%s: peer %s", sc.Name, name)
		}
		found, ok := FindScenario(sc.Name)
		assert.True(t, ok)
		assert.Equal(t, sc, found)
	}
	_, ok := FindScenario("NoSuch")
	assert.False(t, ok)
	_, ok = FindPeer("no-such")
	assert.False(t, ok)
}
