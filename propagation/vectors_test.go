// SPDX-License-Identifier: Apache-2.0

package propagation_test

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	otelprop "go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/internal/remote"
	"github.com/spandrel-go/spandrel/propagation"
)

// Why we deviate from a vector.
const (
	w3cAnyVersion   = "the W3C specification has higher versions parsed, whatever follows their flags"
	w3cMasksFlags   = "the W3C specification has unknown flags masked, not refused"
	w3cDuplicate    = "the W3C specification allows one traceparent"
	w3cGrammar      = "the W3C specification allows neither upper case nor space"
	sampledAnyCase  = "zipkin-go and otel-go read TRUE and FALSE, too"
	sampledLegacy   = "B3 allows true and false for older writers"
	sampledEmpty    = "an empty x-b3-sampled is none, as for the others"
	sampledUnknown  = "an unknown x-b3-sampled is none: no decision is taken for a deny"
	debugRead       = "x-b3-flags: 1 is B3's debug flag, and implies accept"
	decisionAlone   = "B3 allows a decision without ids"
	decisionStays   = "bad ids do not make the decision beside them bad, as for Kong"
	singlePerField  = "the b3 header wins, and the x-b3-* headers fill in what it lacks"
	parentAfterSpan = "Brave leaves out a deferred decision before the parent"
	trailingDash    = "an empty last part is a deferred decision, as for Kong and dd-trace-go"
	upperCase       = "Kong, Envoy and zipkin-go read upper case"
	idLength        = "an id of another length than 16 or 32 is no id: nobody writes one"
	badParent       = "a bad parent makes the ids bad, as for Kong, zipkin-go and otel-go"
	b3InTraceState  = "B3 shows it as a rationale, not as an encoding, and W3C forbids to read " +
		"tracestate without a traceparent"
	deferStays      = "Kong makes a deny of a deferred decision"
	ownParent       = "the parent of our own span is not known to its span context"
	b3Hijack        = "Kong's b3 reader claims requests that carry nothing of B3 but a tracestate, or bad ids"
	oneB3           = "both encodings of B3 say the same where one is written; Kong leaves an old one beside the new"
	ownBaggage      = "baggage is a header and a propagator of its own"
	debugSent       = "Kong does not know Jaeger's debug flag, and makes an ordinary accept of it"
	flagsLength     = "the flags of Jaeger are one byte"
	jaegerEncode    = "Jaeger's own libraries decode the value: some writers encode it"
	jaegerParent    = "a parent that is no number makes the header bad, as for Kong"
	decisionUnknown = "an unknown decision is none, and makes the ids no worse"
	datadogHigh     = "the first half of a trace id of 128 bits is in x-datadog-tags, which Kong neither reads nor writes"
	datadogNoSpan   = "a trace id without a span is not joined, and therefore not written"
	datadogSpace    = "Datadog's libraries refuse spaces"
	awsEmpty        = "X-Ray's SDKs write an empty or unknown Sampled for a decision that is left to the callee"
	gcpDefer        = "without options the decision is left to the callee; Kong makes a deny of that"
	gcpOverflow     = "a span id of more than 64 bits is no span id: nobody writes one"
	instanaLevel    = "Instana's tracers suppress with a level alone"
	instanaDigits   = "a trace id with other characters than digits is none: nobody writes one"
	nilIsDefault    = "a list that is not given means the default, not an empty one"
)

// deviations lists the vectors that we do not agree with, and why. Each one that is missing here,
// and each one here that we agree with, fails the test.
var deviations = map[string]string{
	"v0019": w3cAnyVersion,
	"v0071": ownBaggage,
	"v0079": ownBaggage,
	"v0094": ownBaggage,
	"v0100": ownBaggage,
	"v0103": ownBaggage,
	"v0114": datadogNoSpan,
	"v0122": datadogHigh,
	"v0149": awsEmpty,
	"v0156": gcpDefer,
	"v0176": instanaDigits,
	"v0192": sampledAnyCase,
	"v0208": parentAfterSpan,
	"v0218": jaegerEncode,
	"v0230": datadogHigh,
	"v0232": datadogSpace,
	"v0241": gcpDefer,
	"v0246": gcpOverflow,
	"v0249": decisionUnknown,
	"v0250": instanaLevel,
	"v0268": datadogHigh,
	"v0272": deferStays,
	"v0275": deferStays,
	"v0277": datadogHigh,
	"v0278": deferStays,
	"v0279": deferStays,
	"v0295": datadogHigh,
	"v0311": debugSent,
	"v0329": ownBaggage,
	"v0330": ownBaggage,
	"v0331": datadogHigh,
	"v0354": deferStays,
	"v0355": deferStays,
	"v0368": ownParent,
	"v0374": ownParent,
	"v0378": b3Hijack,
	"v0382": b3Hijack,
	"v0385": oneB3,
	"v0386": nilIsDefault,
	"v0404": w3cMasksFlags,
	"v0405": w3cMasksFlags,
	"v0406": w3cMasksFlags,
	"v0458": jaegerParent,
	"v0466": flagsLength,
	"v0497": w3cMasksFlags,
	"v0499": w3cDuplicate,
	"v0501": upperCase,
	"v0519": parentAfterSpan,
	"v0520": parentAfterSpan,
	"v0521": trailingDash,
	"v0530": jaegerEncode,
	"v0549": decisionStays,
	"v0581": decisionStays,
	"v0584": decisionStays,
	"v0587": singlePerField,
	"v0589": singlePerField,
	"v0593": trailingDash,
	"v0601": decisionStays,
	"v0606": decisionStays,
	"v0607": decisionStays,
	"v0608": decisionStays,
	"v0623": decisionUnknown,
	"v0649": w3cGrammar,
	"v0653": w3cGrammar,
	"v0654": w3cMasksFlags,
	"v0666": decisionStays,
	"v0668": decisionAlone,
	"v0669": decisionAlone,
	"v0679": idLength,
	"v0680": idLength,
	"v0685": idLength,
	"v0687": badParent,
	"v0688": badParent,
	"v0689": badParent,
	"v0691": sampledLegacy,
	"v0692": sampledLegacy,
	"v0693": sampledAnyCase,
	"v0695": debugRead,
	"v0698": decisionStays,
	"v0699": decisionStays,
	"v0701": badParent,
	"v0702": sampledEmpty,
	"v0703": singlePerField,
	"v0704": singlePerField,
	"v0708": parentAfterSpan,
	"v0709": parentAfterSpan,
	"v0725": b3InTraceState,
	"v0731": sampledUnknown,
	"v0732": debugRead,
	"v0761": w3cAnyVersion,
}

type vector struct {
	ID, Impl, Kind, Format, Description string
	HeadersIn                           map[string][]string `json:"headers_in"`
	HeadersOut                          map[string][]string `json:"headers_out"`
	HeadersReinjected                   map[string][]string `json:"headers_reinjected"`
	Expected                            *traceContext
	ContextIn                           *traceContext `json:"context_in"`
	InjectedContext                     *traceContext `json:"injected_context"`
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
		cfg.SpanID = spanID(t, c.SpanID)
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

// What a peer writes is read without complaint, with the ids that the peer holds.
func TestWhatPeersEmitIsRead(t *testing.T) {
	t.Parallel()
	read := 0
	for _, v := range readVectors(t) {
		for kind, headers := range map[string]map[string][]string{
			"re-injected": v.HeadersReinjected, "injected": v.HeadersOut,
		} {
			if len(headers) == 0 || v.Kind == "propagate" {
				continue
			}
			want := v.Expected
			if v.Kind == "inject" {
				want = v.ContextIn
			}
			p := newPropagator(t, propagation.Config{Extract: everyFormat})
			got, ok := propagation.RemoteFromContext(p.Extract(context.Background(), carrierOf(headers)))
			assert.Empty(t, p.Stats().Malformed, "%s: %s %v", v.ID, kind, headers)
			if _, tracestate := headers["tracestate"]; tracestate && len(headers) == 1 {
				continue
			}
			assert.True(t, ok, "%s: %s %v", v.ID, kind, headers)
			if want != nil && want.TraceID != "" && want.SpanID != "" {
				id := want.TraceID
				if v.Format == "ot" && len(headers["ot-tracer-traceid"][0]) == 16 ||
					v.Format == "datadog" && headers["x-datadog-tags"] == nil {
					id = id[16:] // the rest did not go out
				}
				assert.Equal(t, traceID(t, id), got.SpanContext.TraceID(), "%s: %s %v", v.ID, kind, headers)
				assert.Equal(t, spanID(t, want.SpanID), got.SpanContext.SpanID(), "%s: %s %v", v.ID, kind, headers)
			}
			read++
		}
	}
	assert.Greater(t, read, 100)
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

// checkInject forwards what Kong injects.
func (v vector) checkInject(t *testing.T) string {
	t.Helper()
	p := newPropagator(t, propagation.Config{Inject: []string{v.Format}})
	ctx := context.WithValue(context.Background(), remote.Key, v.ContextIn.remote(t, v.Format))
	carrier := otelprop.HeaderCarrier{}
	p.Inject(ctx, carrier)
	if assert.ObjectsAreEqual(carrierOf(v.HeadersOut), carrier) {
		return ""
	}
	return "headers differ"
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

func (c *traceContext) remote(t *testing.T, format string) *remote.Remote {
	t.Helper()
	r := &remote.Remote{
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
