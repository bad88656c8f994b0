// SPDX-License-Identifier: Apache-2.0

package propagation

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Every byte at every place of an id is read as package encoding/hex reads it, upper case apart.
func TestDecodeEveryByte(t *testing.T) {
	t.Parallel()
	const digits = "0123456789abcdef00f0a9c3d4e5b687"
	for _, size := range []int{4, 8, 12, 16} {
		for place := range 2 * size {
			for c := range 256 {
				s := digits[:place] + string([]byte{byte(c)}) + digits[place+1:2*size]
				want, err := hex.DecodeString(s)
				got := make([]byte, size)
				require.Equal(t, err == nil, decodeAny(got, s), "%q", s)
				lower := make([]byte, size)
				require.Equal(t, err == nil && s == strings.ToLower(s), decodeLower(lower, s), "%q", s)
				padded := make([]byte, size)
				require.Equal(t, err == nil, decodePadded(padded, s), "%q", s)
				if err == nil {
					require.Equal(t, want, got, "%q", s)
					require.Equal(t, want, padded, "%q", s)
				}
			}
		}
	}
	assert.False(t, decodeAny(make([]byte, 4), digits[:7]))
	assert.False(t, decodeAny(make([]byte, 4), digits[:9]))
	assert.False(t, decodeLower(make([]byte, 4), ""))
}

// Every byte at every place is written as package encoding/hex writes it.
func TestAppendEveryByte(t *testing.T) {
	t.Parallel()
	for size := range 17 {
		for place := range size {
			for b := range 256 {
				src := []byte("spandrel of 1234")[:size]
				src[place] = byte(b)
				require.Equal(t, "x"+hex.EncodeToString(src), string(appendHex([]byte("x"), src)))
				if size%4 == 0 {
					dst := make([]byte, 2*size)
					putHex(dst, src)
					require.Equal(t, hex.EncodeToString(src), string(dst))
				}
			}
		}
	}
}

func TestLowerByte(t *testing.T) {
	t.Parallel()
	for a := range 256 {
		for b := range 256 {
			s := string([]byte{byte(a), byte(b)})
			want, err := hex.DecodeString(s)
			got, ok := lowerByte(byte(a), byte(b))
			require.Equal(t, err == nil && s == strings.ToLower(s), ok, "%q", s)
			if ok {
				require.Equal(t, want[0], got, "%q", s)
			}
		}
	}
}

func TestIsPrintableEveryByte(t *testing.T) {
	t.Parallel()
	const text = "a text of 23 characters"
	assert.True(t, isPrintable(""))
	for size := range len(text) {
		for place := range size {
			for c := range 256 {
				s := []byte(text[:size])
				s[place] = byte(c)
				require.Equal(t, ' ' <= c && c <= '~', isPrintable(string(s)), "%q", s)
				s[size-1-place] = '\n'
				require.False(t, isPrintable(string(s)), "%q", s)
			}
		}
	}
}
