// SPDX-License-Identifier: Apache-2.0

package propagation_test

import (
	"context"
	"encoding/hex"
	"fmt"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	otelprop "go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/propagation"
)

var (
	traceparentPattern = regexp.MustCompile(
		`^(?:(00)-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})|([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-(?s:.*))?)$`)
	b3SinglePattern = regexp.MustCompile(
		`^(?i:([0-9a-f]{32}|[0-9a-f]{16})-([0-9a-f]{16}))(?:-|-([01d])(?:-(?i:([0-9a-f]{16})))?|-(?i:([0-9a-f]{16})))?$`)
	b3TraceIDPattern = regexp.MustCompile(`^(?i:[0-9a-f]{32}|[0-9a-f]{16})$`)
	jaegerPattern    = regexp.MustCompile(
		`^(?i:([0-9a-f]{1,32})(?::|%3a)([0-9a-f]{1,16})(?::|%3a)([0-9a-f]+)(?::|%3a)([0-9a-f]{1,2}))$`)
	awsRootPattern   = regexp.MustCompile(`^1-((?i)[0-9a-f]{8})-((?i)[0-9a-f]{24})$`)
	awsFieldPattern  = regexp.MustCompile(`^[ \t]*([^=]*?)[ \t]*=[ \t]*((?s:.*?))[ \t]*$`)
	printablePattern = regexp.MustCompile(`^[ -~]*$`)
	gcpPattern       = regexp.MustCompile(`^([0-9a-f]{32})/([0-9]{1,20})(?:;o=([0-9]))?$`)
	digitsPattern    = regexp.MustCompile(`^(?i:[0-9a-f]{1,32})$`)
	decimalPattern   = regexp.MustCompile(`^[0-9]{1,20}$`)
	priorityPattern  = regexp.MustCompile(`^-?[0-9]{1,2}$`)
	tidPattern       = regexp.MustCompile(`^[0-9a-f]{16}$`)
	tagsPattern      = regexp.MustCompile(`^(?:[ -+\--<>-~]+=[ -+\--~]+)(?:,[ -+\--<>-~]+=[ -+\--~]+)*$`)
	b3SpanIDPattern  = regexp.MustCompile(`^(?i:[0-9a-f]{16})$`)
	truePattern      = regexp.MustCompile(`^(?:true|True|TRUE)$`)
	falsePattern     = regexp.MustCompile(`^(?:false|False|FALSE)$`)
	zerosPattern     = regexp.MustCompile(`^0*$`)
)

// simple is what the second implementation reads.
type simple struct {
	traceID, spanID, parent string // lower case, traceID padded
	bits                    int
	flags                   trace.TraceFlags
	decision                propagation.Decision
	debug                   bool
}

func simpleOf(r propagation.Remote) simple {
	s := simple{bits: r.TraceIDBits, flags: r.SpanContext.TraceFlags(), decision: r.Decision, debug: r.Debug}
	if r.SpanContext.HasTraceID() {
		s.traceID = r.SpanContext.TraceID().String()
	}
	if r.SpanContext.IsValid() {
		s.spanID = r.SpanContext.SpanID().String()
	}
	if r.ParentSpanID.IsValid() {
		s.parent = r.ParentSpanID.String()
	}
	return s
}

func simpleW3C(traceparent string) simple {
	m := traceparentPattern.FindStringSubmatch(traceparent)
	if m == nil {
		return simple{}
	}
	known := byte(0x03)
	fields := m[1:5]
	if m[1] == "" {
		fields, known = m[5:9], 0x01
	}
	if fields[0] == "ff" || m[1] == "" && fields[0] == "00" || zerosPattern.MatchString(fields[1]) || zerosPattern.MatchString(fields[2]) {
		return simple{}
	}
	flags, _ := hex.DecodeString(fields[3])
	s := simple{traceID: fields[1], spanID: fields[2], bits: 128, flags: trace.TraceFlags(flags[0] & known), decision: propagation.Deny}
	if s.flags&1 != 0 {
		s.decision = propagation.Accept
	}
	return s
}

func (s *simple) setB3IDs(traceID, spanID, parent string) bool {
	if zerosPattern.MatchString(traceID) || zerosPattern.MatchString(spanID) {
		return false
	}
	s.bits = len(traceID) * 4
	s.traceID = strings.Repeat("0", 32-len(traceID)) + strings.ToLower(traceID)
	s.spanID = strings.ToLower(spanID)
	if !zerosPattern.MatchString(parent) {
		s.parent = strings.ToLower(parent)
	}
	return true
}

func simpleB3(b3, traceID, spanID, parent, sampled, flags string) (s simple) {
	decide := func(text string) {
		s.debug = text == "d"
		s.decision = map[string]propagation.Decision{"d": propagation.Accept, "1": propagation.Accept, "0": propagation.Deny}[text]
	}
	if len(b3) == 1 {
		decide(b3)
	} else if m := b3SinglePattern.FindStringSubmatch(b3); m != nil && s.setB3IDs(m[1], m[2], m[4]+m[5]) {
		decide(m[3])
	}
	if s.decision == propagation.Defer {
		switch {
		case flags == "1":
			decide("d")
		case truePattern.MatchString(sampled):
			decide("1")
		case falsePattern.MatchString(sampled):
			decide("0")
		case sampled != "d":
			decide(sampled)
		}
	}
	if s.spanID == "" && b3TraceIDPattern.MatchString(traceID) && b3SpanIDPattern.MatchString(spanID) &&
		(parent == "" || b3SpanIDPattern.MatchString(parent)) {
		s.setB3IDs(traceID, spanID, parent)
	}
	if s.spanID != "" && s.decision == propagation.Accept {
		s.flags = trace.FlagsSampled
	}
	return s
}

// simpleB3Both is simpleB3 where both encodings have ids: one of the same trace completes the other.
func simpleB3Both(b3, traceID, spanID, parent, sampled, flags string) simple {
	one := simpleB3(b3, traceID, spanID, parent, sampled, flags)
	many := simpleB3("", traceID, spanID, parent, sampled, flags)
	if len(b3) == 1 || !b3SinglePattern.MatchString(b3) || many.spanID == "" {
		return one
	}
	if one.traceID[16:] != many.traceID[16:] || one.bits+many.bits == 256 && one.traceID != many.traceID {
		return one
	}
	if many.decision == propagation.Defer {
		many.decision, many.debug, many.flags = one.decision, one.debug, one.flags
	}
	caller, other := one, many
	if many.parent == one.spanID {
		caller, other = many, one
	}
	if caller.bits == 64 && other.traceID != caller.traceID {
		caller.traceID, caller.bits = other.traceID, other.bits
	}
	if caller.decision == propagation.Accept && other.debug {
		caller.debug = true
	}
	if caller.parent == "" && caller.spanID == other.spanID {
		caller.parent = other.parent
	}
	return caller
}

func FuzzW3C(f *testing.F) {
	good := "00-" + traceHex + "-" + spanHex + "-01"
	for _, s := range []string{
		good, "", good[:54], good + "-", "cc" + good[2:] + "-x", "ff" + good[2:], strings.ToUpper(good),
		"00-" + strings.Repeat("0", 32) + good[35:], good[:53] + "ff", "\x00" + good[1:], "01" + good[2:53] + "ff",
	} {
		f.Add(s, "a=1,b=2")
	}
	f.Add(good, "a")
	f.Add(good, "a=1,,\t,a=2")
	f.Fuzz(func(t *testing.T, traceparent, tracestate string) {
		p, err := propagation.New(propagation.Config{})
		require.NoError(t, err)
		carrier := otelprop.MapCarrier{"traceparent": traceparent, "tracestate": tracestate}
		got := extract(p, carrier)
		want := simpleW3C(traceparent)
		require.Equal(t, want, simpleOf(got), "%q", traceparent)
		checkStats(t, p, want.spanID == "" && traceparent != "")
		if want.spanID != "" {
			roundTrip(t, got, "w3c")
			if ts, err := trace.ParseTraceState(tracestate); err == nil {
				require.Equal(t, ts.String(), got.SpanContext.TraceState().String())
			}
		}
	})
}

func FuzzB3(f *testing.F) {
	f.Add("", traceHex, spanHex, parentHex, "1", "")
	f.Add("", shortHex, spanHex, "", "FALSE", "1")
	f.Add("", strings.ToUpper(traceHex), strings.ToUpper(spanHex), "zz", "d", "2")
	f.Add(traceHex+"-"+spanHex+"-1-"+parentHex, shortHex, spanHex, "", "0", "")
	f.Add(traceHex+"-"+spanHex+"-"+parentHex, "", "", "", "0", "0")
	f.Add(traceHex+"-"+spanHex+"-", "", "", "", "", "")
	f.Add(shortHex+"-"+spanHex+"-d", "", "", "", "", "")
	f.Add(shortHex+"-"+spanHex+"-1-", "", "", "", "", "")
	f.Add(traceHex+"-xxx", "", "", "", "", "")
	f.Add("0", "x", spanHex, "", "1", "")
	f.Add("d", "", "", "", "", "")
	f.Add("-", "", "", "", "", "")
	f.Add(traceHex+"-"+spanHex+"-1", traceHex, ownHex, spanHex, "0", "")
	f.Add(shortHex+"-"+spanHex, traceHex, spanHex, parentHex, "", "1")
	f.Fuzz(func(t *testing.T, b3, traceID, spanID, parent, sampled, flags string) {
		p, err := propagation.New(propagation.Config{})
		require.NoError(t, err)
		got := extract(p, otelprop.MapCarrier{
			"b3": b3, "x-b3-traceid": traceID, "x-b3-spanid": spanID, "x-b3-parentspanid": parent,
			"x-b3-sampled": sampled, "x-b3-flags": flags,
		})
		want := simpleB3Both(b3, traceID, spanID, parent, sampled, flags)
		require.Equal(t, want, simpleOf(got))
		got.Extra = nil
		checkStats(t, p, want == simple{} && b3+traceID+spanID+sampled != "")
		if want != (simple{}) {
			roundTrip(t, got, "b3")
			roundTrip(t, got, "b3-single")
		}
	})
}

// pad makes n digits of any number of them, as in uber-trace-id.
func pad(digits string, n int) string {
	digits = strings.Repeat("0", n) + strings.ToLower(digits)
	return digits[len(digits)-n:]
}

func simpleJaeger(value string) (s simple) {
	m := jaegerPattern.FindStringSubmatch(value)
	if m == nil || len(value) > 256 || !s.setB3IDs(pad(m[1], 32), pad(m[2], 16), pad(m[3], 16)) {
		return simple{}
	}
	if len(m[1]) <= 16 {
		s.bits = 64
	}
	s.decision = propagation.Deny
	if flags, _ := hex.DecodeString(pad(m[4], 2)); flags[0]&1 != 0 {
		s.decision, s.flags, s.debug = propagation.Accept, trace.FlagsSampled, flags[0]&2 != 0
	}
	return s
}

func FuzzJaeger(f *testing.F) {
	for _, value := range []string{
		traceHex + ":" + spanHex + ":" + parentHex + ":01",
		traceHex + "%3A" + spanHex + "%3a0%3A3",
		"abc:DEF:0:1", "1:1:" + traceHex + traceHex + ":ff", "0:1:0:1", "1:0:0:1", "1:1:0:100", "1:1::1", "1:1:1",
		":::", "::::", "", "%", "1:1:0:1:", "g:1:0:1", strings.Repeat("1", 33) + ":1:0:1", "1:" + strings.Repeat("1", 17) + ":0:1",
	} {
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, value string) {
		p, err := propagation.New(propagation.Config{Extract: everyFormat})
		require.NoError(t, err)
		got := extract(p, otelprop.MapCarrier{"uber-trace-id": value})
		want := simpleJaeger(value)
		require.Equal(t, want, simpleOf(got), "%q", value)
		checkStats(t, p, want == simple{} && value != "")
		if want != (simple{}) {
			roundTrip(t, got, "jaeger")
		}
	})
}

func FuzzOT(f *testing.F) {
	f.Add(traceHex, spanHex, "1")
	f.Add(shortHex, strings.ToUpper(spanHex), "False")
	f.Add(strings.ToUpper(traceHex), spanHex, "d")
	f.Add(traceHex, "", "true")
	f.Add("", spanHex, "0")
	f.Add("0000000000000000", spanHex, "")
	f.Add(traceHex+"0", "1", "2")
	f.Fuzz(func(t *testing.T, traceID, spanID, sampled string) {
		p, err := propagation.New(propagation.Config{Extract: everyFormat})
		require.NoError(t, err)
		got := extract(p, otelprop.MapCarrier{"ot-tracer-traceid": traceID, "ot-tracer-spanid": spanID, "ot-tracer-sampled": sampled})
		// It is B3 under other names, but for debug and the parent.
		want := simpleB3("", traceID, spanID, "", sampled, "")
		require.Equal(t, want, simpleOf(got))
		checkStats(t, p, want == simple{} && traceID+spanID+sampled != "")
		if want.spanID != "" {
			roundTrip(t, got, "ot")
		}
	})
}

func simpleAWS(value string) (s simple, others string, refused bool) {
	var root, parent string
	var kept []string
	if len(value) > 1024 {
		return simple{}, "", true
	}
	for _, part := range strings.Split(value, ";") {
		m := awsFieldPattern.FindStringSubmatch(part)
		if m == nil {
			continue
		}
		switch m[1] {
		case "Root":
			if !awsRootPattern.MatchString(m[2]) {
				return simple{}, "", true
			}
			root = strings.ReplaceAll(m[2][1:], "-", "")
		case "Parent":
			if !b3SpanIDPattern.MatchString(m[2]) {
				return simple{}, "", true
			}
			parent = m[2]
		case "Sampled":
			s.decision = map[string]propagation.Decision{"1": propagation.Accept, "0": propagation.Deny}[m[2]]
		case "Self", "":
		default:
			part = strings.Trim(part, " \t")
			if len(strings.Join(kept, ";"))+len(part) < 512 && printablePattern.MatchString(part) {
				kept = append(kept, part)
			}
		}
		if root != "" && zerosPattern.MatchString(root) || parent != "" && zerosPattern.MatchString(parent) {
			return simple{}, "", true
		}
	}
	switch {
	case root == "" && parent == "":
		return s, "", false
	case parent == "":
		s.traceID, s.bits = strings.ToLower(root), 128
		return s, strings.Join(kept, ";"), false
	case root == "":
		return simple{}, "", true
	}
	s.setB3IDs(root, parent, "")
	if s.decision == propagation.Accept {
		s.flags = trace.FlagsSampled
	}
	return s, strings.Join(kept, ";"), false
}

func FuzzAWS(f *testing.F) {
	good := awsRoot + ";Parent=" + spanHex
	for _, value := range []string{
		good + ";Sampled=1", "Sampled=0;Self=1-2-3; Parent = " + spanHex + ";Lineage=a:0;X=;" + awsRoot, good + ";Sampled=?;;=;a", "Sampled=0",
		awsRoot + ";Sampled=1;A=b", "Root=1-00000000-000000000000000000000000;" + good, good + ";Sampled=2;a=\x7f", strings.ToUpper(good), "", ";", "Root", "Parent=",
		good + ";a=" + strings.Repeat("b", 509), good + ";a=" + strings.Repeat("b", 510),
	} {
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, value string) {
		p, err := propagation.New(propagation.Config{Extract: everyFormat})
		require.NoError(t, err)
		got := extract(p, otelprop.MapCarrier{"x-amzn-trace-id": value})
		want, others, refused := simpleAWS(value)
		require.Equal(t, want, simpleOf(got), "%q", value)
		require.Equal(t, others, got.Extras().AWSFields, "%q", value)
		checkStats(t, p, refused)
		if want.traceID != "" {
			roundTrip(t, got, "aws")
		}
	})
}

func simpleGCP(value string) (s simple) {
	m := gcpPattern.FindStringSubmatch(value)
	if m == nil {
		return simple{}
	}
	id, err := strconv.ParseUint(m[2], 10, 64)
	if err != nil {
		return simple{}
	}
	if m[3] != "" {
		s.decision = propagation.Deny
		if (m[3][0]-'0')%2 == 1 {
			s.decision = propagation.Accept
		}
	}
	if s.setB3IDs(m[1], fmt.Sprintf("%016x", id), "") && s.decision == propagation.Accept {
		s.flags = trace.FlagsSampled
	}
	return s
}

func FuzzGCP(f *testing.F) {
	for _, value := range []string{
		traceHex + "/" + spanDecimal + ";o=1", traceHex + "/1", traceHex + "/0;o=3", traceHex + "/18446744073709551616;o=0",
		traceHex + "/18446744073709551615;o=0", traceHex + "/99999999999999999999", traceHex + "/100000000000000000000", "/;", "", traceHex + ";o=1",
		strings.Repeat("0", 32) + "/1;o=1", traceHex + "/1;o=", traceHex + "/1;", strings.ToUpper(traceHex) + "/1", traceHex + "/-1",
	} {
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, value string) {
		p, err := propagation.New(propagation.Config{Extract: everyFormat})
		require.NoError(t, err)
		got := extract(p, otelprop.MapCarrier{"x-cloud-trace-context": value})
		want := simpleGCP(value)
		require.Equal(t, want, simpleOf(got), "%q", value)
		checkStats(t, p, want.spanID == "" && value != "")
		if want.spanID != "" {
			roundTrip(t, got, "gcp")
		}
	})
}

func simpleInstana(traceID, spanID, level string) (s simple) {
	if strings.HasPrefix(level, "1") {
		s.decision = propagation.Accept
	} else if strings.HasPrefix(level, "0") {
		s.decision = propagation.Deny
	}
	ids := digitsPattern.MatchString(traceID) && digitsPattern.MatchString(spanID) && len(spanID) <= 16
	if !ids || !s.setB3IDs(pad(traceID, 32), pad(spanID, 16), "") {
		if s.decision == propagation.Accept {
			s.decision = propagation.Defer
		}
		return s
	}
	if len(traceID) <= 16 {
		s.bits = 64
	}
	if s.decision == propagation.Accept {
		s.flags = trace.FlagsSampled
	}
	return s
}

func FuzzInstana(f *testing.F) {
	f.Add(traceHex, spanHex, "1")
	f.Add(shortHex, strings.ToUpper(spanHex), "0")
	f.Add("abc", "1", "1,correlationType=web;correlationId=1234567890abcdef")
	f.Add(traceHex, "", "5")
	f.Add("", "", "0")
	f.Add("", "", "1")
	f.Add("0", spanHex, "1")
	f.Add(traceHex+"0", spanHex, "\x00")
	f.Fuzz(func(t *testing.T, traceID, spanID, level string) {
		p, err := propagation.New(propagation.Config{Extract: everyFormat})
		require.NoError(t, err)
		got := extract(p, otelprop.MapCarrier{"x-instana-t": traceID, "x-instana-s": spanID, "x-instana-l": level})
		want := simpleInstana(traceID, spanID, level)
		require.Equal(t, want, simpleOf(got))
		checkStats(t, p, want.spanID == "" && traceID+spanID != "")
		if want != (simple{}) {
			roundTrip(t, got, "instana")
		}
	})
}

// simpleDatadog reads tags into a map, and the ids through math/big.
func simpleDatadog(traceID, parentID, priority, tags, origin string) (s simple, level int, kept map[string]string) {
	if n, err := strconv.Atoi(priority); err == nil && -100 < n && n < 100 && priorityPattern.MatchString(priority) {
		s.decision, level = propagation.Deny, n
		if n > 0 {
			s.decision = propagation.Accept
		}
	}
	alone := origin == "synthetics" && strings.Trim(parentID, "0") == "" // of which there is the trace id only
	if alone && parentID == "" {
		parentID = "0"
	}
	if !decimalPattern.MatchString(traceID) || !decimalPattern.MatchString(parentID) {
		return s, level, nil
	}
	low, ok := new(big.Int).SetString(traceID, 10)
	span, ok2 := new(big.Int).SetString(parentID, 10)
	if !ok || !ok2 || !low.IsUint64() || !span.IsUint64() || span.Sign() == 0 && !alone {
		return s, level, nil
	}
	kept = map[string]string{}
	var high string
	if tagsPattern.MatchString(tags) && len(tags) <= 512 {
		for _, tag := range strings.Split(tags, ",") {
			name, value, _ := strings.Cut(tag, "=")
			switch {
			case name == "_dd.p.tid":
				if high = ""; tidPattern.MatchString(value) {
					high = value
				}
			case strings.HasPrefix(name, "_dd.p."):
				kept[tag] = value
			}
		}
	}
	if alone {
		span.SetUint64(1)
	}
	if !s.setB3IDs(pad(high, 16)+fmt.Sprintf("%016x", low), fmt.Sprintf("%016x", span), "") {
		return s, level, nil
	}
	if alone {
		s.spanID = ""
	}
	if zerosPattern.MatchString(high) {
		s.bits = 64
	}
	if s.decision == propagation.Accept && !alone {
		s.flags = trace.FlagsSampled
	}
	return s, level, kept
}

func FuzzDatadog(f *testing.F) {
	f.Add(shortDecimal, spanDecimal, "1", "_dd.p.dm=-4,_dd.p.tid=0af7651916cd43dd", "rum")
	f.Add("18446744073709551615", "1", "-1", "_dd.p.tid=0af7651916cd43dd,_dd.p.dm=-4,_dd.p.a==,_dd.x=y", "synthetics")
	f.Add("0", "1", "2", "_dd.p.tid=0af7651916cd43dd", "a\nb")
	f.Add("18446744073709551616", "1", "0", "", "")
	f.Add("1", "0", "+1", "_dd.p.a=b,_dd.p.tid=1,_dd.p.c=d,", "")
	f.Add("1", "1", "3", "_dd.p.a=b,_dd.p.tid=0AF7651916CD43DD,_dd.p.c=d", "")
	f.Add("1", "1", "100", "_dd.p.a="+strings.Repeat("x", 504), strings.Repeat("x", 513))
	f.Add("", "1", "x", "=,=", "")
	f.Add("1", "0", "1", "_dd.p.tid=0af7651916cd43dd,_dd.p.a=b", "synthetics")
	f.Add("1", "", "x", "", "synthetics")
	f.Fuzz(func(t *testing.T, traceID, parentID, priority, tags, origin string) {
		p, err := propagation.New(propagation.Config{Extract: everyFormat})
		require.NoError(t, err)
		got := extract(p, otelprop.MapCarrier{
			"x-datadog-trace-id": traceID, "x-datadog-parent-id": parentID, "x-datadog-sampling-priority": priority,
			"x-datadog-tags": tags, "x-datadog-origin": origin,
		})
		want, level, kept := simpleDatadog(traceID, parentID, priority, tags, origin)
		require.Equal(t, want, simpleOf(got))
		require.Equal(t, level, int(got.Priority))
		gotTags := map[string]string{}
		if got.Extras().DatadogTags != "" {
			for _, tag := range strings.Split(got.Extras().DatadogTags, ",") {
				_, gotTags[tag], _ = strings.Cut(tag, "=")
			}
		}
		if want.traceID != "" {
			require.Equal(t, kept, gotTags, "%q", tags)
			roundTrip(t, got, "datadog")
		}
	})
}

func FuzzRequestID(f *testing.F) {
	for _, id := range []string{"", "125a4afb-6f55-44ba-ad80-413f09f48a28", "\t", "a\nb", "\u00e9", "\x7f", "\xff", strings.Repeat("0", 256), strings.Repeat("0", 257)} {
		f.Add(id)
	}
	pattern := regexp.MustCompile(`^[^\x00-\x08\x0a-\x1f\x7f]*$`)
	f.Fuzz(func(t *testing.T, id string) {
		p, err := propagation.New(propagation.Config{})
		require.NoError(t, err)
		ctx := p.Extract(context.Background(), otelprop.MapCarrier{"x-request-id": id})
		want := ""
		if len(id) <= 256 && pattern.MatchString(id) {
			want = id
		}
		require.Equal(t, want, propagation.RequestIDFromContext(ctx))
		require.Equal(t, want, inject(ctx, p).Get("x-request-id"))
		checkStats(t, p, want != id)
	})
}

// checkStats wants a refusal counted where something arrived of which nothing was usable.
func checkStats(t *testing.T, p *propagation.Propagator, refused bool) {
	t.Helper()
	if refused {
		require.NotEmpty(t, p.Stats().Malformed)
	}
	for _, m := range p.Stats().Malformed {
		require.NotEmpty(t, m.Reason)
	}
}

// roundTrip forwards what was read in one format and reads it again.
func roundTrip(t *testing.T, want propagation.Remote, format string) {
	t.Helper()
	p, err := propagation.New(propagation.Config{Extract: everyFormat, Inject: []string{format}})
	require.NoError(t, err)
	carrier := inject(contextWith(want), p)
	got := extract(p, carrier)
	require.Empty(t, p.Stats().Malformed)
	want.Format = format
	if format == "b3-single" && want.Decision == propagation.Defer {
		want.ParentSpanID = trace.SpanID{} // not written without a decision
	}
	assert.Equal(t, want, got, "%v", carrier)
}
