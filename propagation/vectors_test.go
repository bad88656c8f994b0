// SPDX-License-Identifier: Apache-2.0

package propagation_test

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/baggage"
	otelprop "go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/propagation"
)

type vector struct {
	ID, Impl, Kind, Format, Description string
	HeadersIn                           map[string][]string `json:"headers_in"`
	HeadersOut                          map[string][]string `json:"headers_out"`
	HeadersReinjected                   map[string][]string `json:"headers_reinjected"`
	Expected                            *traceContext
	ContextIn                           *traceContext `json:"context_in"`
	InjectedContext                     *traceContext `json:"injected_context"`
	HeaderType                          string        `json:"header_type"`
	Error                               string
	Config                              propagation.Config
	ExtractedFrom                       string `json:"extracted_from"`
}

// traceContext is what one implementation holds of a request.
type traceContext struct {
	TraceID  string `json:"trace_id"`
	SpanID   string `json:"span_id"`
	ParentID string `json:"parent_id"`
	Sampled  any    // true, false, nil for a deferred decision, or Envoy's "HCM decision"
	Debug    *bool
	Flags    string // Kong's x-b3-flags
	Size     int    `json:"trace_id_original_size"`
	Baggage  map[string]string
	// What it makes of the older options.
	propagation.Config
	// What Envoy makes of an x-request-id.
	Reason     string
	Integer    uint32
	Sampled1   bool `json:"sampled_at_1_percent"`
	Sampled50  bool `json:"sampled_at_50_percent"`
	Sampled100 bool `json:"sampled_at_100_percent"`
}

func (c *traceContext) decision() propagation.Decision {
	switch {
	case c.Debug != nil && *c.Debug, c.Sampled == true:
		return propagation.Accept
	case c.Sampled == false:
		return propagation.Deny
	default:
		return propagation.Defer
	}
}

func (c *traceContext) spanContext(t *testing.T) trace.SpanContext {
	t.Helper()
	cfg := trace.SpanContextConfig{}
	if c.TraceID != "" {
		cfg.TraceID = traceID(t, c.TraceID)
	}
	if c.SpanID != "" {
		cfg.SpanID = spanID(t, pad(c.SpanID, 16))
	}
	if c.decision() == propagation.Accept {
		cfg.TraceFlags = trace.FlagsSampled
	}
	return trace.NewSpanContext(cfg)
}

func TestVectors(t *testing.T) {
	t.Parallel()
	for _, v := range readVectors(t) {
		t.Run(v.ID+" "+v.Impl+" "+v.Kind+" "+v.Format, func(t *testing.T) {
			t.Parallel()
			var problem string
			switch v.Kind {
			case "extract":
				problem = v.checkExtract(t)
			case "inject":
				problem = v.checkInject(t)
			case "propagate":
				problem = v.checkPropagate(t)
			case "legacy_config":
				problem = v.checkLegacyConfig(t)
			case "request_id_reason", "request_id_sampling":
				problem = v.checkRequestID()
			default:
				t.Fatalf("unknown kind %q", v.Kind)
			}
			if reason := deviations[v.ID]; reason == "" {
				assert.Empty(t, problem, "%s: %v", v.Description, v.HeadersIn)
			} else {
				assert.NotEmpty(t, problem, "%s: we agree, so this is no deviation: %s", v.Description, reason)
			}
		})
	}
}

func TestDeviationsExist(t *testing.T) {
	t.Parallel()
	known := map[string]string{}
	for _, v := range readVectors(t) {
		known[v.ID] = v.Impl
	}
	for id := range deviations {
		assert.Contains(t, known, id)
		if strings.HasSuffix(known[id], "-spec") {
			assert.Equal(t, "v0725", id, "the specifications are followed but for what is not normative")
		}
	}
}

// emitted returns the requests that the implementation of a vector made, each with what it held.
func (v vector) emitted() (requests []map[string][]string, of *traceContext) {
	if v.Kind == "propagate" {
		return nil, nil
	}
	for _, headers := range []map[string][]string{v.HeadersReinjected, v.HeadersOut} {
		_, tracestate := headers["tracestate"]
		if len(headers) > 0 && !(tracestate && len(headers) == 1) {
			requests = append(requests, headers)
		}
	}
	if v.Kind == "inject" {
		return requests, v.ContextIn
	}
	return requests, v.Expected
}

// inOurWords returns emitted headers as we write them. Everything else is to be forwarded byte for byte.
func inOurWords(h map[string][]string) otelprop.HeaderCarrier {
	ours := carrierOf(h)
	for _, name := range ours.Keys() {
		switch value := ours.Get(name); {
		case strings.HasPrefix(name, "Uberctx-"), strings.HasPrefix(name, "Ot-Baggage-"):
			delete(ours, name)
		case name == "Ot-Tracer-Sampled":
			ours.Set(name, map[string]string{"true": "1", "false": "0", "1": "1", "0": "0"}[value])
		case name == "Uber-Trace-Id" && value[len(value)-2] == ':':
			ours.Set(name, value[:len(value)-1]+"0"+value[len(value)-1:])
		}
	}
	return ours
}

// What a peer writes is read without complaint, with the ids that the peer holds, and goes on as it came.
func TestWhatPeersEmitIsRead(t *testing.T) {
	t.Parallel()
	read := 0
	for _, v := range readVectors(t) {
		requests, want := v.emitted()
		for _, headers := range requests {
			inject := []string{v.Format}
			if v.Format == "b3" && headers["b3"] != nil {
				inject = []string{"b3-single"}
				if len(headers) > 1 {
					inject = []string{"b3", "b3-single"}
				}
			}
			p := newPropagator(t, propagation.Config{Extract: everyFormat, Inject: inject})
			ctx := p.Extract(context.Background(), carrierOf(headers))
			got, ok := propagation.RemoteFromContext(ctx)
			assert.True(t, ok, "%s: %v", v.ID, headers)
			assert.Empty(t, p.Stats().Malformed, "%s: %v", v.ID, headers)
			if want != nil && want.TraceID != "" && want.SpanID != "" {
				id := want.TraceID
				if v.Format == "ot" && len(headers["ot-tracer-traceid"][0]) == 16 ||
					v.Format == "datadog" && headers["x-datadog-tags"] == nil {
					id = id[16:] // the rest did not go out
				}
				assert.Equal(t, traceID(t, id), got.SpanContext.TraceID(), "%s: %v", v.ID, headers)
				assert.Equal(t, spanID(t, want.SpanID), got.SpanContext.SpanID(), "%s: %v", v.ID, headers)
			}
			if deviations[v.ID] == datadogNoSpan {
				continue
			}
			forwarded := otelprop.HeaderCarrier{}
			p.Inject(ctx, forwarded)
			assert.Equal(t, inOurWords(headers), forwarded, "%s %s", v.ID, v.Impl)
			read++
		}
	}
	assert.Greater(t, read, 200)
}

// checkExtract compares what we read with what the implementation read, as far as it can express
// that, and returns the difference.
func (v vector) checkExtract(t *testing.T) string {
	t.Helper()
	p := newPropagator(t, propagation.Config{Extract: []string{v.Format}})
	got, _ := propagation.RemoteFromContext(p.Extract(context.Background(), carrierOf(v.HeadersIn)))
	want := v.Expected
	if want == nil {
		want = &traceContext{}
	}
	// Kong keeps ids of zeros, and a trace id alone; neither is a span to join.
	hasIDs := want.TraceID != "" && strings.Trim(want.SpanID, "0") != ""
	if hasIDs != got.SpanContext.IsValid() {
		return "ids"
	}
	if hasIDs {
		if got.SpanContext.TraceID() != traceID(t, want.TraceID) || got.SpanContext.SpanID() != spanID(t, want.SpanID) {
			return "other ids"
		}
		tellsParent := v.Impl == "kong" || v.Impl == "b3-spec" || v.Impl == "zipkin-go"
		if strings.Trim(want.ParentID, "0") == "" {
			want.ParentID = "" // Kong's for a parent of 0
		}
		if want.ParentID != "" && got.ParentSpanID != spanID(t, want.ParentID) ||
			want.ParentID == "" && tellsParent && got.ParentSpanID.IsValid() {
			return "parent"
		}
		if want.Size > 0 && got.TraceIDBits != widthOf(want.Size) {
			return "width"
		}
	}
	if want.Baggage != nil {
		bag, err := propagation.NewBaggage(v.Format)
		require.NoError(t, err)
		ctx := bag.Extract(context.Background(), carrierOf(v.HeadersIn))
		read := map[string]string{}
		for _, m := range baggage.FromContext(ctx).Members() {
			read[m.Key()] = m.Value()
		}
		if !maps.Equal(want.Baggage, read) {
			return "baggage"
		}
	}
	if v.Impl == "otel-go" {
		// A span context tells no deferred decision from a deny, and none without ids.
		if hasIDs && got.SpanContext.IsSampled() != (want.decision() == propagation.Accept) {
			return "sampled"
		}
		return ""
	}
	if got.Decision != want.decision() {
		return "decision " + got.Decision.String()
	}
	if want.Debug != nil && got.Debug != *want.Debug {
		return "debug"
	}
	return ""
}

// widthOf returns in bits the width that a trace id of so many bytes has for us: there are two.
func widthOf(size int) int {
	if size <= 8 {
		return 64
	}
	return 128
}

// checkInject forwards what Kong injects.
func (v vector) checkInject(t *testing.T) string {
	t.Helper()
	p := newPropagator(t, propagation.Config{Inject: []string{v.Format}})
	ctx := propagation.ContextWithRemote(context.Background(), v.ContextIn.remote(t, v.Format))
	carrier := otelprop.HeaderCarrier{}
	p.Inject(ctx, carrier)
	if len(v.ContextIn.Baggage) > 0 && (v.Format == "jaeger" || v.Format == "ot") {
		b, err := propagation.NewBaggage(v.Format)
		require.NoError(t, err)
		for key, value := range v.ContextIn.Baggage {
			ctx = withBaggageMember(t, ctx, key, bytesOf(value))
		}
		b.Inject(ctx, carrier)
	}
	if assert.ObjectsAreEqual(carrierOf(v.HeadersOut), carrier) {
		return ""
	}
	return "headers differ"
}

// bytesOf returns the bytes that a text of the vectors has as characters.
func bytesOf(s string) string {
	var b []byte
	for _, r := range s {
		b = append(b, byte(r))
	}
	return string(b)
}

// withBaggageMember adds a member to the baggage in ctx.
func withBaggageMember(t *testing.T, ctx context.Context, key, value string) context.Context {
	t.Helper()
	member, err := baggage.NewMemberRaw(key, value)
	require.NoError(t, err)
	bag, err := baggage.FromContext(ctx).SetMember(member)
	require.NoError(t, err)
	return baggage.ContextWithBaggage(ctx, bag)
}

// checkPropagate reads and writes the headers of one request in place, as a gateway does.
func (v vector) checkPropagate(t *testing.T) string {
	t.Helper()
	p := newPropagator(t, v.Config)
	carrier := carrierOf(v.HeadersIn)
	ctx := p.Extract(context.Background(), carrier)
	if v.InjectedContext != nil {
		ctx = trace.ContextWithSpanContext(ctx, v.InjectedContext.spanContext(t))
	}
	p.Inject(ctx, carrier)
	// Kong does not touch x-request-id.
	http.Header(carrier).Del("x-request-id")
	if assert.ObjectsAreEqual(carrierOf(v.HeadersOut), carrier) {
		return ""
	}
	return "headers differ"
}

// checkLegacyConfig reads the options that Kong's plugins had before.
func (v vector) checkLegacyConfig(t *testing.T) string {
	t.Helper()
	got, err := propagation.LegacyConfig(v.HeaderType, "")
	require.NoError(t, err)
	if assert.ObjectsAreEqual(v.Expected.Config, got) {
		return ""
	}
	return "config differs"
}

// checkRequestID compares what an x-request-id says to Envoy and to us. Its tables call two things
// NotTraceable that we tell apart.
func (v vector) checkRequestID() string {
	id := propagation.ParseRequestID(v.HeadersIn["x-request-id"][0])
	if v.Kind == "request_id_reason" {
		want := v.Expected.Reason == "NotTraceable"
		if want == id.Reason().Traced() || v.Expected.Reason == "ServiceForced" && id.Reason() != propagation.RequestIDServerForced {
			return "reason"
		}
		return ""
	}
	number, _ := id.Number()
	if number != v.Expected.Integer || id.Sampled(100) != v.Expected.Sampled1 ||
		id.Sampled(5_000) != v.Expected.Sampled50 || id.Sampled(10_000) != v.Expected.Sampled100 {
		return "sampling"
	}
	return ""
}

func (c *traceContext) remote(t *testing.T, format string) propagation.Remote {
	t.Helper()
	r := propagation.Remote{
		SpanContext: c.spanContext(t),
		Decision:    c.decision(),
		Debug:       c.Flags == "1",
		Format:      format,
		TraceIDBits: c.Size * 8,
	}
	if c.ParentID != "" {
		r.ParentSpanID = spanID(t, c.ParentID)
	}
	return r
}

func readVectors(t *testing.T) []vector {
	t.Helper()
	data, err := os.ReadFile("testdata/vectors.json")
	require.NoError(t, err)
	var file struct{ Vectors []vector }
	require.NoError(t, json.Unmarshal(data, &file))
	require.NotEmpty(t, file.Vectors)
	return file.Vectors
}
