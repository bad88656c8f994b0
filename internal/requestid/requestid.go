// SPDX-License-Identifier: Apache-2.0

package requestid

import (
	"fmt"
	"strconv"
)

// Where Envoy keeps what it knows in the text of a UUID: source/extensions/request_id/uuid/config.cc.
const (
	uuidLen      = 36
	reasonIndex  = 14 // the version of the UUID
	numberDigits = 8
	// scale is what a rate is a part of.
	scale = 10_000
)

// Reason is why Envoy traces a request, or does not.
type Reason uint8

// The reasons. Only the last three say that the request is traced.
const (
	// NotTraceable: the id has no place for a reason, or none there that Envoy writes. Envoy takes it
	// for NoTrace.
	NotTraceable Reason = iota
	// NoTrace, a 4: Envoy does not trace the request. It is also what every random UUID has there,
	// whoever made it.
	NoTrace
	// Sampled, a 9: random sampling chose the request.
	Sampled
	// ServerForced, an a: x-envoy-force-trace asked for it.
	ServerForced
	// ClientForced, a b: x-client-trace-id asked for it.
	ClientForced
)

// Traced reports whether Envoy traces the request.
func (r Reason) Traced() bool { return r >= Sampled }

// String explains the reason in words.
func (r Reason) String() string {
	switch r {
	case NoTrace:
		return "no trace: Envoy does not trace the request, or somebody else made the id"
	case Sampled:
		return "sampled: Envoy's random sampling chose the request"
	case ServerForced:
		return "forced by the server: x-envoy-force-trace asked for a trace"
	case ClientForced:
		return "forced by the client: x-client-trace-id asked for a trace"
	default:
		return "not traceable: the id has no reason of Envoy's in it"
	}
}

// ID is what an x-request-id says. The zero value is that of an empty one.
type ID struct {
	reason    Reason
	number    uint32
	hasNumber bool
}

// Parse reads an x-request-id. Every text is one; most say nothing.
func Parse(s string) (id ID) {
	if len(s) == uuidLen {
		switch s[reasonIndex] {
		case '4':
			id.reason = NoTrace
		case '9':
			id.reason = Sampled
		case 'a':
			id.reason = ServerForced
		case 'b':
			id.reason = ClientForced
		}
	}
	if len(s) >= numberDigits {
		id.number, id.hasNumber = parseNumber(s[:numberDigits])
	}
	return id
}

// parseNumber reads hexadecimal digits of either case, 8 at most. strconv is no slower, but allocates
// its error.
func parseNumber(s string) (n uint32, ok bool) {
	for i := range len(s) {
		c := s[i]
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		n = n<<4 | uint32(c)
	}
	return n, true
}

// Reason returns why Envoy traces the request, or does not.
func (id ID) Reason() Reason { return id.reason }

// Number returns the stable number, the first 8 hexadecimal digits. It reports false if the id does not
// begin with those: Envoy then samples nothing by it.
func (id ID) Number() (n uint32, ok bool) { return id.number, id.hasNumber }

// Sampled reports whether Envoy's random sampling chooses the request at a rate in steps of 0.01 %: 0
// and less is never, 10,000 and more is always. Every Envoy answers alike for the same id, and one that is
// chosen at a rate is chosen at all higher ones. It reports false without a number.
func (id ID) Sampled(rate int) bool { return id.hasNumber && int(id.number%scale) < rate }

// String explains the id in words.
func (id ID) String() string {
	if !id.hasNumber {
		return id.reason.String() + "; no stable number: it does not begin with 8 hexadecimal digits"
	}
	step := id.number%scale + 1
	return id.reason.String() + "; stable number " + strconv.FormatUint(uint64(id.number), 10) +
		fmt.Sprintf(", sampled at rates from %d.%02d %%", step/100, step%100)
}
