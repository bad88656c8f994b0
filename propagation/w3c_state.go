// SPDX-License-Identifier: Apache-2.0

package propagation

import (
	"slices"
	"strings"

	"go.opentelemetry.io/otel/trace"
)

// The limits of a tracestate, from section 3.3.1 of the W3C Trace Context specification, level 2. What
// is within them travels on whole, which is more than the 512 characters that the specification asks for.
const (
	maxStateMembers = 32
	maxStateKey     = 256
	maxStateValue   = 256
	maxStateLen     = maxStateMembers*(maxStateKey+len("=")+maxStateValue) + (maxStateMembers - 1)
)

// parseTraceState reads all lines of a tracestate as one list. It returns the list in its shortest
// form, without white space between members and without empty members, and as much of it as a
// trace.TraceState can hold: that one knows level 1 only and refuses some keys of level 2 (0a, a@, a@@b)
// and duplicates. It reports false for a list that is not legal, which is to be dropped whole.
func parseTraceState(lines []string) (list string, state trace.TraceState, ok bool) {
	if list, ok = joinTraceState(lines); !ok {
		return "", state, false
	}
	state, err := trace.ParseTraceState(list)
	if err != nil {
		state = heldState(list)
	}
	return list, state, true
}

// joinTraceState checks all members of all lines and joins them to one list.
func joinTraceState(lines []string) (list string, ok bool) {
	arrivedLen := 0
	for _, line := range lines {
		arrivedLen += len(line) + len(",")
	}
	if arrivedLen > maxStateLen+len(",") {
		return "", false
	}
	var members [maxStateMembers]string
	n, listLen := 0, 0
	for _, line := range lines {
		for more := true; more; {
			var member string
			member, line, more = strings.Cut(line, ",")
			if member = strings.Trim(member, " \t"); member == "" {
				continue
			}
			if n == maxStateMembers || !isStateMember(member) {
				return "", false
			}
			members[n] = member
			n++
			listLen += len(member) + len(",")
		}
	}
	if len(lines) == 1 && listLen == arrivedLen {
		return lines[0], true // it is in its shortest form
	}
	return strings.Join(members[:n], ","), true
}

// isStateMember reports whether s, which has no white space around it, is key=value.
func isStateMember(s string) bool {
	key, value, _ := strings.Cut(s, "=")
	if key == "" || len(key) > maxStateKey || value == "" || len(value) > maxStateValue {
		return false
	}
	for i := range len(key) {
		switch c := key[i]; {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
		case i > 0 && (c == '_' || c == '-' || c == '*' || c == '/' || c == '@'):
		default:
			return false
		}
	}
	for i := range len(value) {
		if c := value[i]; c < ' ' || c > '~' || c == '=' {
			return false
		}
	}
	return true
}

// heldState returns what a trace.TraceState can hold of a list: of a key that is there twice the first.
func heldState(list string) trace.TraceState {
	var keys, held []string
	for member := range strings.SplitSeq(list, ",") {
		key, _, _ := strings.Cut(member, "=")
		if slices.Contains(keys, key) {
			continue
		}
		if _, err := trace.ParseTraceState(member); err == nil {
			keys, held = append(keys, key), append(held, member)
		}
	}
	// Each of them was taken and no key is there twice: there is nothing left to refuse.
	state, _ := trace.ParseTraceState(strings.Join(held, ","))
	return state
}

// stateToSend returns the tracestate for a trace: arrived is what arrived of it, or nil. Where state is
// the one that arrived the list goes on as it came. Where it was changed on the way the change wins, and
// what a trace.TraceState could not hold stays in its place; where it was emptied nothing is sent.
func stateToSend(state trace.TraceState, arrived *arrival) string {
	switch {
	case arrived == nil || arrived.TraceStateText() == "":
		return state.String()
	case isList(state, arrived.TraceState):
		return arrived.TraceState
	}
	text, was := state.String(), arrived.State
	switch {
	case text == was.String():
		return arrived.TraceState
	case text == "" || isList(was, arrived.TraceState):
		return text
	default:
		return mergeState(text, was, arrived.TraceState)
	}
}

// isList reports whether list holds the members of state and nothing else, in order.
func isList(state trace.TraceState, list string) bool {
	same := true
	state.Walk(func(key, value string) bool {
		var member string
		member, list, _ = strings.Cut(list, ",")
		same = len(member) == len(key)+len("=")+len(value) &&
			member[:len(key)] == key && member[len(key)+1:] == value
		return same
	})
	return same && list == ""
}

// mergeState puts the members of list that a trace.TraceState could not hold, was being what it held,
// into the changed state. Members that a change did not touch keep their order and those that it did
// stand in front of them (section 3.5), so the two are matched from their ends. Of keys that were there
// twice one is left.
func mergeState(changed string, was trace.TraceState, list string) string {
	front := strings.Split(changed, ",")
	var back []string // in reverse
	for list != "" {
		i := strings.LastIndexByte(list, ',')
		member := list[i+1:]
		list = list[:max(i, 0)]
		key, value, _ := strings.Cut(member, "=")
		last := len(front) - 1
		switch held := was.Get(key); {
		case held == "":
			back = append(back, member)
		case held == value && last >= 0 && front[last] == member:
			back = append(back, member)
			front = front[:last]
		}
	}
	for i := len(back) - 1; i >= 0; i-- {
		front = append(front, back[i])
	}
	return strings.Join(front[:min(len(front), maxStateMembers)], ",")
}
