// SPDX-License-Identifier: Apache-2.0

package requestid_test

import (
	"encoding/json"
	"math"
	"os"
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/spandrel-go/spandrel/internal/requestid"
	"github.com/spandrel-go/spandrel/internal/testkit"
)

// uuid returns a UUID with a character of the test's where Envoy keeps its reason.
func uuid(reason string) string { return "125a4afb-6f55-" + reason + "4ba-ad80-413f09f48a28" }

func TestReason(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, id string
		want     requestid.Reason
		traced   bool
	}{
		{"random UUID", uuid("4"), requestid.NoTrace, false},
		{"sampled", uuid("9"), requestid.Sampled, true},
		{"forced by the server", uuid("a"), requestid.ServerForced, true},
		{"forced by the client", uuid("b"), requestid.ClientForced, true},
		{"upper case", uuid("A"), requestid.NotTraceable, false},
		{"another version", uuid("7"), requestid.NotTraceable, false},
		{"empty", "", requestid.NotTraceable, false},
		{"too short", uuid("9")[:35], requestid.NotTraceable, false},
		{"too long", uuid("9") + "0", requestid.NotTraceable, false},
		{"no UUID, but as long", "xxxxxxxxxxxxxx9xxxxxxxxxxxxxxxxxxxxx", requestid.Sampled, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := requestid.Parse(tt.id).Reason()
			assert.Equal(t, tt.want, got, tt.id)
			assert.Equal(t, tt.traced, got.Traced(), tt.id)
		})
	}
}

func TestNumber(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		id   string
		want uint32
		ok   bool
	}{
		{"125a4afb-6f55-44ba-ad80-413f09f48a28", 307907323, true},
		{"125A4AFB", 307907323, true},
		{"ffffffff and more", math.MaxUint32, true},
		{"00000000", 0, true},
		{"125a4af", 0, false},
		{"0x125a4a", 0, false},
		{"-125a4af", 0, false},
		{" 125a4afb", 0, false},
		{"125a4afg", 0, false},
		{"125a4af\x00", 0, false},
		{"", 0, false},
	} {
		n, ok := requestid.Parse(tt.id).Number()
		assert.Equal(t, tt.want, n, "%q", tt.id)
		assert.Equal(t, tt.ok, ok, "%q", tt.id)
	}
}

func TestSampled(t *testing.T) {
	t.Parallel()
	first, last := requestid.Parse("00002710"), requestid.Parse("0000270f") // 10,000 and 9,999
	for _, tt := range []struct {
		rate        int
		first, last bool
	}{
		{math.MinInt, false, false},
		{0, false, false},
		{1, true, false},
		{9_999, true, false},
		{10_000, true, true},
		{math.MaxInt, true, true},
	} {
		assert.Equal(t, tt.first, first.Sampled(tt.rate), tt.rate)
		assert.Equal(t, tt.last, last.Sampled(tt.rate), tt.rate)
	}
	assert.False(t, requestid.Parse("no digits").Sampled(10_000))
}

func TestString(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]string{
		"": "not traceable: the id has no reason of Envoy's in it" +
			"; no stable number: it does not begin with 8 hexadecimal digits",
		"00002710-0000-4000-8000-000000000000": "no trace: Envoy does not trace the request, or somebody else made the id" +
			"; stable number 10000, sampled at rates from 0.01 %",
		uuid("9"): "sampled: Envoy's random sampling chose the request; stable number 307907323, sampled at rates from 73.24 %",
		uuid("a"): "forced by the server: x-envoy-force-trace asked for a trace" +
			"; stable number 307907323, sampled at rates from 73.24 %",
		"0000270f-0000-b000-8000-000000000000": "forced by the client: x-client-trace-id asked for a trace" +
			"; stable number 9999, sampled at rates from 100.00 %",
	} {
		assert.Equal(t, want, requestid.Parse(id).String(), id)
	}
}

func TestVectors(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/vectors.json")
	require.NoError(t, err)
	var file struct {
		Vectors []struct {
			ID, Kind  string
			HeadersIn map[string]string `json:"headers_in"`
			Expected  struct {
				Reason string
				Number uint32 `json:"integer"`
				At1    bool   `json:"sampled_at_1_percent"`
				At50   bool   `json:"sampled_at_50_percent"`
				At100  bool   `json:"sampled_at_100_percent"`
			}
		}
	}
	require.NoError(t, json.Unmarshal(text, &file))
	// Envoy has one name for both.
	names := map[requestid.Reason]string{
		requestid.NotTraceable: "NotTraceable", requestid.NoTrace: "NotTraceable",
		requestid.Sampled: "Sampling", requestid.ServerForced: "ServiceForced", requestid.ClientForced: "ClientForced",
	}
	kinds := map[string]int{}
	for _, v := range file.Vectors {
		id := requestid.Parse(v.HeadersIn["x-request-id"])
		kinds[v.Kind]++
		switch v.Kind {
		case "request_id_reason":
			assert.Equal(t, v.Expected.Reason, names[id.Reason()], v.ID)
		case "request_id_sampling":
			n, ok := id.Number()
			assert.True(t, ok, v.ID)
			assert.Equal(t, v.Expected.Number, n, v.ID)
			assert.Equal(t, v.Expected.At1, id.Sampled(100), v.ID)
			assert.Equal(t, v.Expected.At50, id.Sampled(5_000), v.ID)
			assert.Equal(t, v.Expected.At100, id.Sampled(10_000), v.ID)
		}
	}
	assert.Equal(t, map[string]int{"request_id_reason": 3, "request_id_sampling": 3}, kinds)
}

// Guards the promise of propagation.ParseRequestID. Not parallel, as testkit asks.
func TestParseDoesNotAllocate(t *testing.T) {
	ids := []string{uuid("9"), "no digits at all", ""}
	traced, i := 0, 0
	testkit.MaxMallocs(t, 1_000, 0, func() {
		id := requestid.Parse(ids[i%len(ids)])
		if id.Reason().Traced() && id.Sampled(10_000) {
			traced++
		}
		i++
	})
	assert.Positive(t, traced)
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"", uuid("4"), uuid("9"), uuid("a"), uuid("b"), uuid("A"), "0x125a4a", "FFFFFFFF", "f29f5b1cd4a84fca8a1d4c7d1c2c2a0d"} {
		f.Add(s, 5_000)
	}
	reason := regexp.MustCompile(`(?s)^.{14}([49ab]).{21}$`)
	digits := regexp.MustCompile(`^[0-9a-fA-F]{8}`)
	f.Fuzz(func(t *testing.T, s string, rate int) {
		id := requestid.Parse(s)
		// As Latin-1, in which each byte is a character.
		latin := make([]rune, len(s))
		for i := range len(s) {
			latin[i] = rune(s[i])
		}
		want := requestid.NotTraceable
		if m := reason.FindStringSubmatch(string(latin)); m != nil {
			want = map[string]requestid.Reason{
				"4": requestid.NoTrace, "9": requestid.Sampled, "a": requestid.ServerForced, "b": requestid.ClientForced,
			}[m[1]]
		}
		require.Equal(t, want, id.Reason(), "%q", s)
		n, ok := id.Number()
		require.Equal(t, digits.MatchString(s), ok, "%q", s)
		if ok {
			wantNumber, err := strconv.ParseUint(s[:8], 16, 32)
			require.NoError(t, err)
			require.Equal(t, wantNumber, uint64(n))
			require.Equal(t, int64(wantNumber%10_000) < int64(rate), id.Sampled(rate))
		} else {
			require.False(t, id.Sampled(rate))
		}
		require.NotEmpty(t, id.String())
	})
}
