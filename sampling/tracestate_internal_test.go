// SPDX-License-Identifier: Apache-2.0

package sampling

import (
	"math/big"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"
)

func otState(t *testing.T, value string) trace.TraceState {
	t.Helper()
	state, err := trace.ParseTraceState("ot=" + value)
	require.NoError(t, err)
	return state
}

func TestParseEntry(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", maxEntryBytes-len("x:;th:8"))
	tests := []struct {
		name, value string
		malformed   bool
		th, rv      string // "" for none
	}{
		{name: "threshold", value: "th:c", th: "c0000000000000"},
		{name: "all digits", value: "th:fd70a400000001", th: "fd70a400000001"},
		{name: "zero", value: "th:0", th: "00000000000000"},
		{name: "zeros in front", value: "th:000a", th: "000a0000000000"},
		{name: "randomness", value: "rv:6e6d1a75832a2f", rv: "6e6d1a75832a2f"},
		{name: "both among others", value: "p:8;th:8;k1:a.B_-;rv:00000000000001", th: "80000000000000", rv: "00000000000001"},
		{name: "others only", value: "p:8;r:62"},
		{name: "empty values", value: "a:;th:;rv:"},
		{name: "threshold of 15 digits", value: "th:fd70a4000000001"},
		{name: "threshold in upper case", value: "th:C"},
		{name: "randomness of 13 digits", value: "rv:6e6d1a75832a2"},
		{name: "randomness of 15 digits", value: "rv:6e6d1a75832a2f0"},
		{name: "randomness in upper case", value: "rv:6E6D1A75832A2F"},
		{name: "as long as may be", value: "x:" + long + ";th:8", th: "80000000000000"},

		{name: "no colon", value: "th:8;x", malformed: true},
		{name: "no key", value: "th:8;:1", malformed: true},
		{name: "no member", value: "th:8;", malformed: true},
		{name: "no first member", value: ";th:8", malformed: true},
		{name: "key in upper case", value: "th:8;X:1", malformed: true},
		{name: "key with a digit in front", value: "1x:1;th:8", malformed: true},
		{name: "space", value: "th:8; x:1", malformed: true},
		{name: "two colons", value: "th:8:9", malformed: true},
		{name: "key twice", value: "th:8;th:8", malformed: true},
		{name: "other key twice", value: "a:1;th:8;a:1", malformed: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := parseEntry(otState(t, tt.value))
			assert.Equal(t, tt.malformed, e.malformed)
			hex := func(n uint64, ok bool) string {
				if !ok {
					return ""
				}
				return string(appendRandomness(nil, n))
			}
			assert.Equal(t, tt.th, hex(e.threshold, e.hasThreshold))
			assert.Equal(t, tt.rv, hex(e.randomness, e.hasRandomness))
		})
	}
}

func TestRewriteKeepsAllOthers(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", maxEntryBytes-len("x:;th:8"))
	const half = uint64(noThreshold / 2)
	tests := []struct {
		name, state, want string
		threshold         uint64
	}{
		{"none", "", "ot=th:8", half},
		{"none and none to tell", "", "", noThreshold},
		{"in front of other systems", "a=1,b=2", "ot=th:8,a=1,b=2", half},
		{"to the front", "a=1,ot=p:8,b=2", "ot=p:8;th:8,a=1,b=2", half},
		{"first replaced", "ot=th:c;p:8;r:62", "ot=p:8;r:62;th:8", half},
		{"middle replaced", "ot=p:8;th:c;r:62", "ot=p:8;r:62;th:8", half},
		{"last replaced", "ot=p:8;r:62;th:c", "ot=p:8;r:62;th:8", half},
		{"invalid replaced", "ot=p:8;th:xyz", "ot=p:8;th:8", half},
		{"middle removed", "ot=p:8;th:c;r:62,a=1", "ot=p:8;r:62,a=1", noThreshold},
		{"only one removed", "a=1,ot=th:c,b=2", "a=1,b=2", noThreshold},
		{"invalid randomness stays", "ot=rv:12;th:c", "ot=rv:12", noThreshold},
		{"malformed replaced", "ot=th:c;X:1,a=1", "ot=th:8,a=1", half},
		{"malformed removed", "ot=th:c;X:1,a=1", "a=1", noThreshold},
		{"just room", "ot=x:" + long, "ot=x:" + long + ";th:8", half},
		{"no room", "ot=x:a" + long + ",a=1", "ot=x:a" + long + ",a=1", half},
		{"no room for a longer one", "ot=x:" + long + ";th:8", "ot=x:" + long, half + half/2 + half/32},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			state, err := trace.ParseTraceState(tt.state)
			require.NoError(t, err)
			e := parseEntry(state)
			assert.Equal(t, tt.want, e.rewrite(state, tt.threshold, 0, false).String())
			assert.Equal(t, tt.state, state.String(), "the parent's stays")
		})
	}
}

func TestRewriteKeepsTheLimitOfTheList(t *testing.T) {
	t.Parallel()
	members := make([]string, 32) // the most that W3C Trace Context allows
	for i := range members {
		members[i] = "k" + strconv.Itoa(i) + "=v"
	}
	state, err := trace.ParseTraceState(strings.Join(members, ","))
	require.NoError(t, err)
	out := (&entry{}).rewrite(state, 0, 0, false)
	assert.Equal(t, "ot=th:0,"+strings.Join(members[:31], ","), out.String(), "the oldest gives way")
}

// The table of the specification (trace/tracestate-probability-sampling.md), its middle column: four
// digits.
func TestThresholdsAreThoseOfTheSpecification(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		oneIn float64
		want  string
	}{
		{1, "0"},
		{2, "8"},
		{3, "aaab"},
		{4, "c"},
		{5, "cccd"},
		{8, "e"},
		{10, "e666"},
		{16, "f"},
		{100, "fd70a"},
		{1_000, "ffbe77"},
		{10_000, "fff9724"},
		{100_000, "ffff583a"},
		{1_000_000, "ffffef39"},
	} {
		assert.Equal(t, tt.want, string(appendThreshold(nil, thresholdOf(1/tt.oneIn))), "1 in %v", tt.oneIn)
	}
	assert.Equal(t, "ffffffffffffff", string(appendThreshold(nil, thresholdOf(minRate))), "the lowest rate")
	assert.Equal(t, "0", string(appendThreshold(nil, thresholdOf(0.999999))), "the rejected share has four digits too")
}

// Compares with the same in numbers of any size.
func TestThresholdsAreExact(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(5, 6))
	for range 5_000 {
		rate := random.Float64() / float64(uint64(1)<<random.IntN(56))
		if rate < minRate {
			continue
		}
		digits := precision
		for low := new(big.Rat).SetInt64(1); digits < hexDigits; digits++ { // one more for each f in front
			low.Quo(low, big.NewRat(16, 1))
			if new(big.Rat).SetFloat64(rate).Cmp(low) >= 0 {
				break
			}
		}
		scale := new(big.Int).Lsh(big.NewInt(1), uint(4*digits))
		want := new(big.Rat).Sub(big.NewRat(1, 1), new(big.Rat).SetFloat64(rate))
		want.Mul(want, new(big.Rat).SetInt(scale))
		got := new(big.Rat).SetFrac(new(big.Int).SetUint64(thresholdOf(rate)), big.NewInt(noThreshold))
		got.Mul(got, new(big.Rat).SetInt(scale))
		require.True(t, got.IsInt(), "rate %v: %s has more than %d digits", rate, got, digits)
		assert.True(t, new(big.Rat).Abs(want.Sub(want, got)).Cmp(big.NewRat(1, 1)) <= 0, "rate %v: off by %s", rate, want)
		assert.Less(t, thresholdOf(rate), uint64(noThreshold))
	}
}

var wellFormed = regexp.MustCompile(`^[a-z][a-z0-9]*:[a-zA-Z0-9._-]*(;[a-z][a-z0-9]*:[a-zA-Z0-9._-]*)*$`)

// The oracle is the grammar as a regular expression, and a map.
func FuzzEntry(f *testing.F) {
	for _, seed := range []string{"th:8", "rv:6e6d1a75832a2f;th:c", "p:8;r:62", "th:8;th:8", "a:;", ";", "x", "th:fd70a4;k1:A._-"} {
		f.Add(seed, uint64(1)<<55)
	}
	f.Fuzz(func(t *testing.T, value string, threshold uint64) {
		threshold %= noThreshold + 1
		state, err := trace.TraceState{}.Insert("ot", value)
		if err != nil {
			return
		}
		members := map[string]string{}
		ok := len(value) <= 256 && wellFormed.MatchString(value)
		if ok {
			for _, member := range strings.Split(value, ";") {
				key, text, _ := strings.Cut(member, ":")
				if _, twice := members[key]; twice {
					ok = false
				}
				members[key] = text
			}
		}
		e := parseEntry(state)
		if e.malformed == ok {
			t.Fatalf("%q: malformed %v", value, e.malformed)
		}
		if ok {
			isThreshold := regexp.MustCompile(`^[0-9a-f]{1,14}$`).MatchString(members["th"])
			isRandomness := regexp.MustCompile(`^[0-9a-f]{14}$`).MatchString(members["rv"])
			if e.hasThreshold != isThreshold || e.hasRandomness != isRandomness {
				t.Fatalf("%q: threshold %v, randomness %v", value, e.hasThreshold, e.hasRandomness)
			}
		}
		written := e.rewrite(state, threshold, 0, false)
		again := parseEntry(written)
		if again.malformed || again.hasThreshold && again.threshold != threshold {
			t.Fatalf("%q became %q", value, written)
		}
		if len(value) <= 200 && again.hasThreshold != (threshold < noThreshold) {
			t.Fatalf("%q became %q", value, written)
		}
		if ok && (again.hasRandomness != e.hasRandomness || again.randomness != e.randomness) {
			t.Fatalf("%q became %q", value, written)
		}
	})
}
