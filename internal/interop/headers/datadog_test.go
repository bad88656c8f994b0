// SPDX-License-Identifier: Apache-2.0

package headers_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/DataDog/dd-trace-go/v2/ddtrace/tracer"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/propagation"
)

// newDatadog returns dd-trace-go's propagator of one of its styles.
func newDatadog(style string) tracer.Propagator {
	return tracer.NewPropagator(&tracer.PropagatorConfig{InjectStyle: style, ExtractStyle: style, MaxTagsHeaderLen: 512})
}

// datadogHeaders has them forward what they read.
func datadogHeaders(t *testing.T, sc *tracer.SpanContext, p tracer.Propagator) http.Header {
	t.Helper()
	h := http.Header{}
	require.NoError(t, p.Inject(sc, tracer.HTTPHeadersCarrier(h)))
	return h
}

// datadogRequest makes a random request of a Datadog library.
func datadogRequest(r *rand.Rand) http.Header {
	h := http.Header{}
	id := func() string { return strconv.FormatUint(r.Uint64()>>r.IntN(64)|1, 10) }
	h.Set("x-datadog-trace-id", id())
	h.Set("x-datadog-parent-id", id())
	priority := r.IntN(4) - 1
	if r.IntN(5) > 0 {
		h.Set("x-datadog-sampling-priority", strconv.Itoa(priority))
	}
	if r.IntN(2) == 0 {
		h.Set("x-datadog-origin", []string{"rum", "synthetics", "a=b c"}[r.IntN(3)])
	}
	var tags []string
	if r.IntN(2) == 0 {
		tags = append(tags, fmt.Sprintf("_dd.p.tid=%016x", r.Uint64()))
	}
	if r.IntN(2) == 0 && h.Get("x-datadog-sampling-priority") != "" && priority > 0 {
		tags = append(tags, fmt.Sprintf("_dd.p.dm=-%d", r.IntN(9)))
	}
	for i := range r.IntN(4) {
		tags = append(tags, fmt.Sprintf("_dd.p.t%d=%s", i, strings.Repeat("x=:y ", r.IntN(3))+"z"))
	}
	r.Shuffle(len(tags), func(i, j int) { tags[i], tags[j] = tags[j], tags[i] })
	if len(tags) > 0 {
		h.Set("x-datadog-tags", strings.Join(tags, ","))
	}
	return h
}

// sorted brings what has no order into one.
func sorted(h http.Header) http.Header {
	for name, separator := range map[string]string{"X-Datadog-Tags": ",", "Tracestate": ";"} {
		if value := h.Get(name); value != "" {
			parts := strings.Split(value, separator)
			slices.Sort(parts)
			h.Set(name, strings.Join(parts, separator))
		}
	}
	return h
}

// TestDatadogForwards has both libraries forward the same requests.
func TestDatadogForwards(t *testing.T) {
	t.Parallel()
	ours, theirs := newPropagator(t, "datadog"), newDatadog("datadog")
	for seed := range uint64(rounds) {
		sent := datadogRequest(rand.New(rand.NewPCG(seed, 1)))
		sc, err := theirs.Extract(tracer.HTTPHeadersCarrier(sent))
		require.NoError(t, err)
		ctx := extract(sent, ours)
		read := trace.SpanContextFromContext(ctx)
		require.Equal(t, sc.TraceIDBytes(), [16]byte(read.TraceID()))
		spanID := read.SpanID()
		require.Equal(t, sc.SpanID(), binary.BigEndian.Uint64(spanID[:]))
		remote, ok := propagation.RemoteFromContext(ctx)
		require.True(t, ok)
		priority, decided := sc.SamplingPriority()
		require.Equal(t, decided, remote.Decision != propagation.Defer)
		require.Equal(t, priority, int(remote.Priority))

		want := sorted(datadogHeaders(t, sc, theirs))
		require.Equal(t, want, sorted(inject(ctx, ours)), "%v", sent)
	}
}

// TestDatadogReadsOurSpans has them read what we write for spans of ours.
func TestDatadogReadsOurSpans(t *testing.T) {
	t.Parallel()
	for _, format := range []struct{ ours, theirs string }{{"datadog", "datadog"}, {"w3c", "tracecontext"}} {
		t.Run(format.ours, func(t *testing.T) {
			t.Parallel()
			p, err := propagation.New(propagation.Config{Extract: []string{"datadog"}, Inject: []string{format.ours}})
			require.NoError(t, err)
			theirs, back := newDatadog(format.theirs), newDatadog("datadog")
			for seed := range uint64(rounds) {
				r := rand.New(rand.NewPCG(seed, 2))
				sent := datadogRequest(r)
				ctx := extract(sent, p)
				remote, _ := propagation.RemoteFromContext(ctx)
				parent := trace.SpanContextFromContext(ctx)
				var own trace.SpanID
				binary.BigEndian.PutUint64(own[:], r.Uint64()|1)
				ctx = trace.ContextWithSpanContext(ctx, parent.WithSpanID(own).WithRemote(false))

				sc, err := theirs.Extract(tracer.HTTPHeadersCarrier(inject(ctx, p)))
				require.NoError(t, err)
				require.Equal(t, sc.TraceIDBytes(), [16]byte(parent.TraceID()))
				require.Equal(t, sc.SpanID(), binary.BigEndian.Uint64(own[:]))
				priority, ok := sc.SamplingPriority()
				require.True(t, ok)
				require.Equal(t, int(remote.Priority), priority, "%v", sent)
				// They say the rest in their own headers.
				forwarded := datadogHeaders(t, sc, back)
				origin := remote.Extras().DatadogOrigin
				if format.ours == "w3c" {
					origin = strings.ReplaceAll(origin, " ", "_")
				}
				require.Equal(t, origin, forwarded.Get("x-datadog-origin"))
				tags := extract(forwarded, newPropagator(t, "datadog"))
				again, _ := propagation.RemoteFromContext(tags)
				require.ElementsMatch(t, strings.Split(remote.Extras().DatadogTags, ","), strings.Split(again.Extras().DatadogTags, ","), "%v", sent)
			}
		})
	}
}

// TestDatadogStateIsRead has us read the tracestate that they write.
func TestDatadogStateIsRead(t *testing.T) {
	t.Parallel()
	from, theirs := newDatadog("datadog"), newDatadog("tracecontext")
	w3c, ours := newPropagator(t, "w3c"), newPropagator(t, "datadog")
	for seed := range uint64(rounds) {
		sent := datadogRequest(rand.New(rand.NewPCG(seed, 3)))
		if sent.Get("x-datadog-sampling-priority") == "" {
			sent.Set("x-datadog-sampling-priority", "1") // they panic where neither this nor tags arrived
		}
		sc, err := from.Extract(tracer.HTTPHeadersCarrier(sent))
		require.NoError(t, err)
		headers := datadogHeaders(t, sc, theirs)
		got, _ := propagation.RemoteFromContext(extract(headers, w3c))
		want, _ := propagation.RemoteFromContext(extract(sent, ours))
		require.Equal(t, want.SpanContext.TraceID(), got.SpanContext.TraceID())
		require.Equal(t, want.SpanContext.SpanID(), got.SpanContext.SpanID())
		require.Equal(t, want.Decision == propagation.Accept, got.Decision == propagation.Accept)
		require.Equal(t, want.Priority, got.Priority, "%v", headers)
		require.Equal(t, strings.ReplaceAll(want.Extras().DatadogOrigin, " ", "_"), got.Extras().DatadogOrigin)
		require.ElementsMatch(t, strings.Split(want.Extras().DatadogTags, ","), strings.Split(got.Extras().DatadogTags, ","), "%v", headers)
		require.Equal(t, headers, inject(extract(headers, w3c), w3c), "forwarded as it came")
	}
}

// TestDatadogAgrees compares what both libraries read of headers that neither writes.
func TestDatadogAgrees(t *testing.T) {
	t.Parallel()
	ids := []string{"x-datadog-trace-id", "1", "x-datadog-parent-id", "2"}
	traceparent := "00-463ac35c9f6413ad48485a3953bb6124-a2fb4a1d1a96d312-"
	state := func(flags, dd string) []string {
		return []string{"traceparent", traceparent + flags, "tracestate", "dd=" + dd}
	}
	tests := []struct {
		name    string
		format  string
		headers []string
		// differs says why we read another thing.
		differs string
	}{
		{"first half", "datadog", append(ids, "x-datadog-tags", "_dd.p.tid=0af7651916cd43dd"), ""},
		{"second half of zeros", "datadog", []string{"x-datadog-trace-id", "0", "x-datadog-parent-id", "2", "x-datadog-tags", "_dd.p.tid=0af7651916cd43dd"}, ""},
		{"malformed first half", "datadog", append(ids, "x-datadog-tags", "_dd.p.tid=0AF7651916CD43DD,_dd.p.a=b"), ""},
		{"malformed tags", "datadog", append(ids, "x-datadog-tags", "_dd.p.a=b,_dd.p.tid=0af7651916cd43dd,"), ""},
		{"long tags", "datadog", append(ids, "x-datadog-tags", "_dd.p.tid=0af7651916cd43dd,_dd.p.a="+strings.Repeat("b", 500)), ""},
		{"a priority without a name", "datadog", append(ids, "x-datadog-sampling-priority", "7"), ""},
		{"trace id of zero", "datadog", []string{"x-datadog-trace-id", "0", "x-datadog-parent-id", "2"}, ""},
		{"65 bits", "datadog", []string{"x-datadog-trace-id", "18446744073709551616", "x-datadog-parent-id", "2"}, ""},
		{"spaces", "datadog", []string{"x-datadog-trace-id", " 1", "x-datadog-parent-id", "2"}, ""},
		{"no parent", "datadog", []string{"x-datadog-trace-id", "1"}, ""},
		{"a synthetic test", "datadog", []string{"x-datadog-trace-id", "1", "x-datadog-parent-id", "0", "x-datadog-origin", "synthetics"}, "there is no span to join"},
		{"an unknown priority", "datadog", append(ids, "x-datadog-sampling-priority", "yes"), "it makes the ids no worse"},
		{"a negative trace id", "datadog", []string{"x-datadog-trace-id", "-1", "x-datadog-parent-id", "2"}, "it is no decimal number of 64 bits"},
		{"level of an accept", "w3c", state("01", "s:2;t.dm:-4"), ""},
		{"level of a deny", "w3c", state("00", "s:-1"), ""},
		{"traceparent accepts", "w3c", state("01", "s:0;t.dm:-4"), ""},
		{"traceparent denies", "w3c", state("00", "s:2;t.dm:-4;t.a:b"), ""},
		{"a level that is no number", "w3c", state("01", "s:x;t.dm:-4"), ""},
	}
	for _, test := range tests {
		t.Run(test.format+" "+test.name, func(t *testing.T) {
			t.Parallel()
			h := http.Header{}
			for i := 0; i < len(test.headers); i += 2 {
				h.Set(test.headers[i], test.headers[i+1])
			}
			style := map[string]string{"datadog": "datadog", "w3c": "tracecontext"}[test.format]
			var want []any
			if sc, err := newDatadog(style).Extract(tracer.HTTPHeadersCarrier(h)); err == nil {
				priority, _ := sc.SamplingPriority()
				want = []any{sc.TraceIDBytes(), sc.SpanID(), priority}
				if back, err := propagation.New(propagation.Config{Extract: []string{"datadog"}}); err == nil && sc.SpanID() != 0 {
					read, _ := propagation.RemoteFromContext(extract(datadogHeaders(t, sc, newDatadog("datadog")), back))
					want = append(want, read.Extras().DatadogTags)
				}
			}
			var got []any
			if r, ok := propagation.RemoteFromContext(extract(h, newPropagator(t, test.format))); ok && r.SpanContext.IsValid() {
				spanID, priority := r.SpanContext.SpanID(), int(r.Priority)
				if priority == 0 && r.Decision == propagation.Accept {
					priority = 1 // it did not arrive, and is what we write
				}
				got = []any{[16]byte(r.SpanContext.TraceID()), binary.BigEndian.Uint64(spanID[:]), priority, r.Extras().DatadogTags}
			}
			if test.differs == "" {
				assert.Equal(t, want, got)
			} else {
				assert.NotEqual(t, want, got, "no longer: %s", test.differs)
			}
		})
	}
}
