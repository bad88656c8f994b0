// SPDX-License-Identifier: Apache-2.0

package propagation

import "strings"

// Datadog's member of a tracestate, as its libraries write it:
//
//	dd=s:<priority>;o:<origin>;p:<span id>;t.<name>:<value>
//
// p is the last span that Datadog knows of, t.dm stands for the tag _dd.p.dm. In values = is ~. The sampled
// flag of traceparent decides; s gives the level where it says the same.

// datadogStateMax is the limit of Datadog's libraries for the member, in bytes with dd= in front.
const datadogStateMax = 256

// datadogMember returns the value of Datadog's member of a tracestate, or "". White space stands nowhere
// but within values.
func datadogMember(list string) string {
	for list != "" {
		var member string
		member, list, _ = strings.Cut(list, ",")
		if value, ok := strings.CutPrefix(member, "dd="); ok {
			return value
		}
	}
	return ""
}

// readDatadogState reads the value of Datadog's member into in, which has the decision of traceparent.
func readDatadogState(in *arrival, value string) {
	// 42 tags of the shortest kind, each of which grows by four.
	var buf [maxStateValue + 4*42]byte
	tags := buf[:0]
	mechanism := true
	for rest := value; rest != ""; {
		var part string
		part, rest, _ = strings.Cut(rest, ";")
		if key, level, _ := strings.Cut(part, ":"); key == "s" {
			priority, ok := parsePriority(level)
			switch {
			case !ok:
			case decisionOf(priority) == in.Decision:
				in.Priority, mechanism = priority, true
			default:
				// Another one decided between: how the level was found says nothing any more.
				in.Priority, mechanism = 0, false
			}
		}
	}
	if !mechanism && in.Decision == Accept {
		in.Priority = 1
		tags = append(tags, datadogDM+"=-0"...)
	}
	for rest := value; rest != ""; {
		var part string
		part, rest, _ = strings.Cut(rest, ";")
		key, text, colon := strings.Cut(part, ":")
		if key == "o" && colon {
			in.AddExtra().DatadogOrigin = strings.ReplaceAll(text, "~", "=")
		}
		name, ok := strings.CutPrefix(key, "t.")
		if !ok || name == "" || text == "" || name == "tid" || name == "dm" && !mechanism {
			continue
		}
		if len(tags) > 0 {
			tags = append(tags, ',')
		}
		tags = append(append(tags, datadogTagPrefix...), name...)
		tags = appendReplaced(append(tags, '='), text, "~", '=')
	}
	if len(tags) > 0 {
		in.AddExtra().DatadogTags = string(tags)
	}
}

// hasDatadogState reports whether a tracestate is written with Datadog's member: was is the value that is
// in it, or "". A forwarded one stays as it came.
func hasDatadogState(out *outgoing, set formatSet, was string) bool {
	fromDatadog := out.arrived != nil && out.arrived.Format == formatDatadog
	if out.forwarded {
		return fromDatadog && was == ""
	}
	return fromDatadog || was != "" || set.has(formatDatadog)
}

// appendDatadogState appends Datadog's member for a trace. What does not fit is left out. was is the value
// that arrived, of which it keeps what it does not know.
func appendDatadogState(dst []byte, out *outgoing, was string) []byte {
	start := len(dst)
	dst = append(append(dst, "dd=s:"...), datadogPriority(out)...)
	arrived := out.extras()
	if arrived != nil && arrived.DatadogOrigin != "" {
		before := len(dst)
		dst = appendSanitized(append(dst, ";o:"...), arrived.DatadogOrigin, '_')
		if len(dst)-start > datadogStateMax-len(";p:0123456789abcdef") {
			dst = dst[:before]
		}
	}
	dst = appendHex(append(dst, ";p:"...), out.spanID[:])
	if arrived != nil {
		for rest := arrived.DatadogTags; rest != ""; {
			var tag string
			tag, rest, _ = strings.Cut(rest, ",")
			name, value, _ := strings.Cut(tag[len(datadogTagPrefix):], "=")
			if out.otherDecision && name == "dm" {
				continue
			}
			before := len(dst)
			dst = appendReplaced(append(dst, ";t."...), name, ":;", '_')
			dst = appendSanitized(append(dst, ':'), value, ' ')
			if len(dst)-start > datadogStateMax {
				dst = dst[:before]
			}
		}
	}
	for rest := was; rest != ""; {
		var part string
		part, rest, _ = strings.Cut(rest, ";")
		key, _, _ := strings.Cut(part, ":")
		known := key == "s" || key == "o" || key == "p" || key == "" || strings.HasPrefix(key, "t.")
		if !known && len(dst)-start+1+len(part) <= datadogStateMax {
			dst = append(append(dst, ';'), part...)
		}
	}
	return dst
}

// appendTraceState appends a tracestate with Datadog's member in front, and behind it the others of list.
// If there are too many the last are left out.
func appendTraceState(dst []byte, out *outgoing, list, was string) []byte {
	dst = appendDatadogState(dst, out, was)
	for n := 1; list != "" && n < maxStateMembers; {
		var member string
		member, list, _ = strings.Cut(list, ",")
		if !strings.HasPrefix(member, "dd=") {
			dst = append(append(dst, ','), member...)
			n++
		}
	}
	return dst
}

// appendSanitized appends a value in the words of Datadog's member: what has a meaning there becomes _,
// and = becomes ~. A space becomes space.
func appendSanitized(dst []byte, s string, space byte) []byte {
	for i := range len(s) {
		switch c := s[i]; c {
		case '=':
			dst = append(dst, '~')
		case ' ':
			dst = append(dst, space)
		case ',', ';', '~':
			dst = append(dst, '_')
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// appendReplaced appends s with each of the characters old replaced.
func appendReplaced(dst []byte, s, old string, by byte) []byte {
	for i := range len(s) {
		c := s[i]
		if strings.IndexByte(old, c) >= 0 {
			c = by
		}
		dst = append(dst, c)
	}
	return dst
}
