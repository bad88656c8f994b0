// SPDX-License-Identifier: Apache-2.0

package propagation

const hexDigits = "0123456789abcdef"

// The bits of hexValues above the four of the digit's value.
const (
	hexValid uint8 = 0x10
	hexUpper uint8 = 0x20
)

// hexValues holds value|hexValid for each hexadecimal digit, hexUpper with it for A to F, and 0 for
// all other bytes.
var hexValues = [256]uint8{
	'0': 0x10, '1': 0x11, '2': 0x12, '3': 0x13, '4': 0x14, '5': 0x15, '6': 0x16, '7': 0x17,
	'8': 0x18, '9': 0x19, 'a': 0x1a, 'b': 0x1b, 'c': 0x1c, 'd': 0x1d, 'e': 0x1e, 'f': 0x1f,
	'A': 0x3a, 'B': 0x3b, 'C': 0x3c, 'D': 0x3d, 'E': 0x3e, 'F': 0x3f,
}

// decodeLower decodes 2*len(dst) lower-case digits and reports whether s is that.
func decodeLower(dst []byte, s string) bool {
	ok, upper := decode(dst, s)
	return ok && !upper
}

// decodeAny decodes 2*len(dst) digits of either case and reports whether s is that.
func decodeAny(dst []byte, s string) bool {
	ok, _ := decode(dst, s)
	return ok
}

func decode(dst []byte, s string) (ok, upper bool) {
	if len(s) != 2*len(dst) {
		return false, false
	}
	all, any := hexValid, uint8(0)
	for i := range dst {
		hi, lo := hexValues[s[2*i]], hexValues[s[2*i+1]]
		all &= hi & lo
		any |= hi | lo
		dst[i] = hi<<4 | lo&0x0f
	}
	return all != 0, any&hexUpper != 0
}

// decodePadded decodes one or more digits of either case into the end of dst, which is zero, and
// reports whether s is that. Of more than 2*len(dst) digits the first are left out.
func decodePadded(dst []byte, s string) bool {
	all := hexValid
	for i := range len(s) {
		v := hexValues[s[len(s)-1-i]]
		all &= v
		if i < 2*len(dst) {
			dst[len(dst)-1-i/2] |= v & 0x0f << (i % 2 * 4)
		}
	}
	return all != 0 && s != ""
}

// appendHex appends two lower-case digits for each byte of src.
func appendHex(dst, src []byte) []byte {
	for _, b := range src {
		dst = append(dst, hexDigits[b>>4], hexDigits[b&0x0f])
	}
	return dst
}
