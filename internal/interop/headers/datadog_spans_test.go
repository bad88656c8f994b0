// SPDX-License-Identifier: Apache-2.0

package headers_test

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/DataDog/dd-trace-go/v2/ddtrace/tracer"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/propagation"
)

// datadogSpan is what dd-trace-go makes a span context of that did not arrive, as for a span of its own. A
// tracer, which is global and starts goroutines, is not needed for it.
type datadogSpan struct {
	traceID  trace.TraceID
	spanID   uint64
	priority float64
	origin   string
	tags     map[string]string // those that travel
	baggage  map[string]string
}

func (s *datadogSpan) SpanID() uint64                     { return s.spanID }
func (s *datadogSpan) TraceID() string                    { return hex.EncodeToString(s.traceID[:]) }
func (s *datadogSpan) TraceIDBytes() [16]byte             { return s.traceID }
func (s *datadogSpan) TraceIDLower() uint64               { return binary.BigEndian.Uint64(s.traceID[8:]) }
func (s *datadogSpan) SamplingDecision() uint32           { return 2 } // keep; the priority says the rest
func (s *datadogSpan) Priority() *float64                 { return &s.priority }
func (s *datadogSpan) Origin() string                     { return s.origin }
func (s *datadogSpan) Tags() map[string]string            { return nil }
func (s *datadogSpan) PropagatingTags() map[string]string { return maps.Clone(s.tags) }

func (s *datadogSpan) ForeachBaggageItem(handler func(k, v string) bool) {
	for k, v := range s.baggage {
		if !handler(k, v) {
			return
		}
	}
}

// datadogSpan makes a random span of a Datadog library, with tags that both formats of theirs can hold.
func (r source) datadogSpan() *datadogSpan {
	s := &datadogSpan{
		traceID: r.traceID(), spanID: r.Uint64()>>r.IntN(64) | 1, priority: float64(r.IntN(4) - 1),
		origin: []string{"", "rum", "lambda", "a=b"}[r.IntN(4)], tags: map[string]string{},
	}
	if s.priority > 0 {
		s.tags["_dd.p.dm"] = "-4"
	}
	for _, name := range []string{"_dd.p.usr.id", "_dd.p.ts"}[:r.IntN(3)] {
		s.tags[name] = strings.Repeat("x=:y ", r.IntN(3)) + "z"
	}
	return s
}

// requireSame compares what we read with the span that sent it.
func (s *datadogSpan) requireSame(t *testing.T, remote propagation.Remote, headers http.Header) {
	t.Helper()
	require.Equal(t, s.traceID, remote.SpanContext.TraceID(), "%v", headers)
	spanID := remote.SpanContext.SpanID()
	require.Equal(t, s.spanID, binary.BigEndian.Uint64(spanID[:]), "%v", headers)
	require.Equal(t, s.priority > 0, remote.Decision == propagation.Accept, "%v", headers)
	require.NotEqual(t, propagation.Defer, remote.Decision, "%v", headers)
}

// TestDatadogSpansAreRead has us read what they write for spans of their own, in each of their styles.
func TestDatadogSpansAreRead(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		style, format string
		whole         bool // with priority, origin and tags
	}{
		{"datadog", "datadog", true},
		{"tracecontext", "w3c", true},
		{"b3multi", "b3", false},
		{"b3 single header", "b3", false},
		{"datadog,tracecontext,b3multi,b3 single header,baggage", "", true},
	} {
		t.Run(test.style, func(t *testing.T) {
			t.Parallel()
			var cfg propagation.Config // reads them all
			if test.format != "" {
				cfg.Extract = []string{test.format}
			}
			ours, err := propagation.New(cfg)
			require.NoError(t, err)
			theirs := newDatadog(test.style)
			for seed := range uint64(rounds) {
				sent := newSource(seed).datadogSpan()
				headers := datadogHeaders(t, tracer.FromGenericCtx(sent), theirs)
				remote, ok := propagation.RemoteFromContext(extract(headers, ours))
				require.True(t, ok)
				sent.requireSame(t, remote, headers)
				require.Empty(t, remote.Extras().Links, "all formats name one trace")
				if test.whole {
					require.Equal(t, int(sent.priority), int(remote.Priority), "%v", headers)
					require.Equal(t, sent.origin, remote.Extras().DatadogOrigin, "%v", headers)
					require.Equal(t, sent.tags, tagsOf(remote.Extras().DatadogTags), "%v", headers)
				}
				if bits := remote.TraceIDBits; test.format == "datadog" || test.format == "b3" {
					require.Equal(t, binary.BigEndian.Uint64(sent.traceID[:8]) == 0, bits == 64, "%v", headers)
				}
			}
			assert.Empty(t, ours.Stats().Malformed)
			assert.Empty(t, ours.Stats().Conflicts)
		})
	}
}

func tagsOf(list string) map[string]string {
	tags := map[string]string{}
	for list != "" {
		var tag string
		tag, list, _ = strings.Cut(list, ",")
		name, value, _ := strings.Cut(tag, "=")
		tags[name] = value
	}
	return tags
}

// TestDatadogReadsOurB3 has them read B3 of ours: they know no debug flag, and no decision without ids.
func TestDatadogReadsOurB3(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ format, style string }{{"b3", "b3multi"}, {"b3-single", "b3 single header"}} {
		t.Run(test.format, func(t *testing.T) {
			t.Parallel()
			ours, theirs := newPropagator(t, test.format), newDatadog(test.style)
			for seed := range uint64(rounds) {
				sc := newSource(seed).spanContext(t, false)
				headers := inject(active(sc), ours)
				read, err := theirs.Extract(tracer.HTTPHeadersCarrier(headers))
				require.NoError(t, err)
				require.Equal(t, [16]byte(sc.TraceID()), read.TraceIDBytes(), "%v", headers)
				spanID := sc.SpanID()
				require.Equal(t, binary.BigEndian.Uint64(spanID[:]), read.SpanID(), "%v", headers)
				priority, ok := read.SamplingPriority()
				require.True(t, ok)
				require.Equal(t, sc.IsSampled(), priority > 0, "%v", headers)
			}
		})
	}
}

// TestDatadogBaggageBothWays sends random baggage from them to us and back: in the header of W3C, and in
// headers ot-baggage-*, which they write beside x-datadog-*.
func TestDatadogBaggageBothWays(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ format, style, runes string }{
		{"w3c", "baggage", "aZ09-/=:,;\"\\é\U0001f4bc"},
		{"ot", "datadog", "aZ09-/=:,;\"\\é\U0001f4bc"},
	} {
		t.Run(test.format, func(t *testing.T) {
			t.Parallel()
			ours, theirs := newBaggage(t, test.format), newDatadog(test.style)
			for seed := range uint64(rounds) {
				r := newSource(seed)
				sent := r.datadogSpan()
				ctx := baggage.ContextWithBaggage(context.Background(), r.baggage(t, test.runes, false))
				sent.baggage = map[string]string{}
				for _, m := range baggage.FromContext(ctx).Members() {
					sent.baggage[m.Key()] = m.Value() + "." // without a value they drop all
				}
				headers := datadogHeaders(t, tracer.FromGenericCtx(sent), theirs)
				require.Equal(t, sent.baggage, values(extract(headers, ours)), "theirs to ours: %v", headers)

				members := make([]baggage.Member, 0, len(sent.baggage))
				for key, value := range sent.baggage {
					m, err := baggage.NewMemberRaw(key, value+" %+") // which they write otherwise
					require.NoError(t, err)
					members = append(members, m)
				}
				bag, err := baggage.New(members...)
				require.NoError(t, err)
				headers = inject(baggage.ContextWithBaggage(ctx, bag), ours)
				maps.Copy(headers, datadogHeaders(t, tracer.FromGenericCtx(&datadogSpan{traceID: sent.traceID, spanID: 1}), theirs))
				read, err := theirs.Extract(tracer.HTTPHeadersCarrier(headers))
				require.NoError(t, err)
				got, want := map[string]string{}, map[string]string{}
				read.ForeachBaggageItem(func(k, v string) bool { got[k] = v; return true })
				for key, value := range sent.baggage {
					want[key] = value + " %+"
					if test.format == "w3c" {
						want[key] = value + " % " // + stands as it is there, and they take it for a space
					}
				}
				require.Equal(t, want, got, "ours to theirs: %v", headers)
			}
			assert.Zero(t, ours.Stats())
		})
	}
}

// values returns the baggage in ctx without properties, which Datadog's libraries do not know.
func values(ctx context.Context) map[string]string {
	m := map[string]string{}
	for _, member := range baggage.FromContext(ctx).Members() {
		m[member.Key()] = member.Value()
	}
	return m
}

// TestDatadogBaggageDiffers lists where they do not write, or not read, what W3C Baggage asks for.
func TestDatadogBaggageDiffers(t *testing.T) {
	t.Parallel()
	theirs, ours := newDatadog("baggage"), newBaggage(t)
	for _, test := range []struct {
		name, list   string
		theirs, ours map[string]string
	}{
		{"+ is a plus", "a=1+2", h{"a": "1 2"}, h{"a": "1+2"}},
		{"a value may be empty", "a=,b=2", nil, h{"a": "", "b": "2"}},
		{"one malformed member is left out", "a,b=2", nil, h{"b": "2"}},
		{"properties are none of the value", "a=1;p=2", h{"a": "1;p=2"}, h{"a": "1"}},
		{"keys are not encoded", "a%20=1", h{"a ": "1"}, h{"a%20": "1"}},
		{"the same", "a = 1 , b=%20", h{"a": "1", "b": " "}, h{"a": "1", "b": " "}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			headers := header(h{"baggage": test.list})
			var got map[string]string
			if sc, err := theirs.Extract(tracer.HTTPHeadersCarrier(headers)); err == nil && sc != nil {
				got = map[string]string{}
				sc.ForeachBaggageItem(func(k, v string) bool { got[k] = v; return true })
			}
			assert.Equal(t, test.theirs, got, "theirs")
			assert.Equal(t, test.ours, values(extract(headers, ours)), "ours")
		})
	}
	t.Run("a space is written as +", func(t *testing.T) {
		t.Parallel()
		sc := tracer.FromGenericCtx(&datadogSpan{traceID: trace.TraceID{15: 1}, spanID: 1, baggage: h{"a": "1 2"}})
		assert.Equal(t, "a=1+2", datadogHeaders(t, sc, theirs).Get("baggage"))
	})
}
