// SPDX-License-Identifier: Apache-2.0

package propagation_test

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
	b3InTraceState  = "B3 says that its header was made for this place, too, and demands nothing; W3C forbids to read " +
		"tracestate without a valid traceparent"
	deferStays      = "Kong makes a deny of a deferred decision"
	ownParent       = "the parent of our own span is not known to its span context"
	b3Hijack        = "Kong's b3 reader claims requests that carry nothing of B3 but a tracestate, or bad ids"
	oneB3           = "both encodings of B3 say the same where one is written; Kong leaves an old one beside the new"
	debugSent       = "Kong does not know Jaeger's debug flag, and makes an ordinary accept of it"
	flagsLength     = "the flags of Jaeger are one byte"
	jaegerEncode    = "Jaeger's own libraries decode the value: some writers encode it"
	jaegerParent    = "a parent that is no number makes the header bad, as for Kong"
	decisionUnknown = "an unknown decision is none, and makes the ids no worse"
	datadogHigh     = "the first half of a trace id of 128 bits is in x-datadog-tags, which Kong neither reads nor writes"
	datadogNoSpan   = "a trace id without a span goes on as Datadog's synthetic tests send it, with a parent of 0; Kong leaves that out"
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
	"v0331": datadogHigh,
	"v0354": deferStays,
	"v0355": deferStays,
	"v0366": datadogHigh,
	"v0368": ownParent,
	"v0374": ownParent,
	"v0376": ownParent,
	"v0377": ownParent,
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
