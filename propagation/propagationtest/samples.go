// SPDX-License-Identifier: Apache-2.0

package propagationtest

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// rounds is how many span contexts travel.
const rounds = 200

// source makes random span contexts. The same seed makes the same ones.
type source struct{ *rand.Rand }

func newSource(seed uint64) source { return source{rand.New(rand.NewPCG(seed, 0x7370616e6472656c))} }

func (s source) fill(dst []byte) {
	for i := range dst {
		dst[i] = byte(s.IntN(256))
	}
	dst[len(dst)-1] |= 1
}

// spanContext returns one with a trace id of full length, of 64 bits, or with zeros in front, with each
// of the flags set or not.
func (s source) spanContext() trace.SpanContext {
	var cfg trace.SpanContextConfig
	s.fill(cfg.TraceID[:])
	s.fill(cfg.SpanID[:])
	switch s.IntN(5) {
	case 0:
		clear(cfg.TraceID[:8])
	case 1:
		clear(cfg.TraceID[:3])
	case 2:
		clear(cfg.TraceID[8:15])
		clear(cfg.SpanID[:7])
	}
	cfg.TraceFlags = trace.TraceFlags(s.IntN(4))
	return trace.NewSpanContext(cfg)
}

// malformed calls f with headers made of good ones, one header changed in each, in ways in which
// headers go wrong.
func malformed(good map[string]string, f func(bad propagation.MapCarrier)) {
	random := newSource(1)
	for _, name := range slices.Sorted(maps.Keys(good)) {
		bad := maps.Clone(propagation.MapCarrier(good))
		try := func(value string) {
			bad[name] = value
			f(bad)
		}
		value := good[name]
		delete(bad, name)
		f(bad)
		for _, v := range nonsense {
			try(v)
			try(v + value)
			try(value + v)
		}
		try(strings.ToUpper(value))
		try(strings.Map(zero, value))
		try(strings.Repeat("f", len(value)))
		for i := range len(value) {
			try(value[:i])
			try(value[i:])
			for _, c := range []byte("\x00\n 0-:gZ\xff") {
				try(value[:i] + string([]byte{c}) + value[i+1:])
			}
		}
		for range rounds / 2 {
			b := make([]byte, 1+random.IntN(2*len(value)+1))
			random.fill(b)
			try(string(b))
		}
	}
}

// zero makes ids of zeros.
func zero(r rune) rune {
	if '1' <= r && r <= '9' || 'a' <= r && r <= 'f' || 'A' <= r && r <= 'F' {
		return '0'
	}
	return r
}

// nonsense are values that no format knows, and some that others know.
var nonsense = []string{
	"", " ", "\t", "-", "--", "---", ":", ":::", "=", ";", ",", ",,", "/", "/;o=", "%", "%3", "%3A", "%ff",
	"0", "1", "d", "true", "null", "nil", "undefined", "-1", "18446744073709551615", "18446744073709551616",
	"0x1", "+1", "1e9", "NaN", "ff", "00", "00-", "00-0-0-00",
	"00000000000000000000000000000000", "0000000000000000",
	"00-00000000000000000000000000000000-0000000000000000-00",
	"ffffffffffffffffffffffffffffffff", "1-00000000-000000000000000000000000",
	"Root=1-00000000-000000000000000000000000;Parent=0000000000000000;Sampled=?", "Root=", "Root=1-;Parent=;Sampled=",
	"\x00", "\r\n", "\r\nx-injected: 1", "\n", "\x7f", "\u00e9", "\u0663\u0664", "\U0001f600", "\ufeff", "\xc3\x28", "\xff\xfe",
	"a=b", "a=", "=b", "a=b,a=b", "dd=s:", "{}", "[]", "\"", "'", "<", "${jndi:x}",
}

// hugeBytes is the size of a huge value: more than any server takes.
const hugeBytes = 1 << 20

// huge calls f with good headers of which one is huge, each in its turn but for those that were done.
func huge(good map[string]string, done map[string]bool, f func(bad propagation.MapCarrier)) {
	for _, name := range slices.Sorted(maps.Keys(good)) {
		if done[name] {
			continue
		}
		done[name] = true
		bad := maps.Clone(propagation.MapCarrier(good))
		for _, unit := range []string{"a", "0", " ", ",", "-", ":", ";", "a=b,", "k=v;", "%3A", "\x00", good[name], good[name] + ","} {
			if unit == "" {
				continue
			}
			bad[name] = strings.Repeat(unit, hugeBytes/len(unit))
			f(bad)
		}
	}
}
