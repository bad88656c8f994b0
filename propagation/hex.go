// SPDX-License-Identifier: Apache-2.0

package propagation

import "encoding/binary"

const hexDigits = "0123456789abcdef"

// Eight digits are read and written at a time, as one number with a digit in each byte, the first of
// them in the highest. everyByte times a byte has that byte in each.
const everyByte = 0x0101_0101_0101_0101

// lowerCase is the bit that a lower-case letter has and an upper-case one has not, in each byte. The bit above
// it tells letters from digits.
const lowerCase = 0x20 * everyByte

// parseDigits reads eight lower-case hexadecimal digits. bad is not 0 if one of them is none.
func parseDigits(digits uint64) (value uint32, bad uint64) {
	n := digits&(0x0f*everyByte) + 9*(digits>>6&everyByte)
	// A digit is one if it is that of its value. A value of 16 and more would have other letters.
	bad = n&(0xf0*everyByte) | digits ^ renderDigits(n)
	n = (n | n>>4) & 0x00ff_00ff_00ff_00ff
	n = (n | n>>8) & 0x0000_ffff_0000_ffff
	return uint32(n | n>>16), bad
}

// renderDigits returns the lower-case digits of eight values, none of them above 15.
func renderDigits(values uint64) uint64 {
	letters := (values + 6*everyByte) >> 4 & everyByte // 1 for 10 and more
	return values + '0'*everyByte + ('a'-'0'-10)*letters
}

// spread returns the eight values that make up v.
func spread(v uint32) uint64 {
	n := uint64(v)
	n = (n | n<<16) & 0x0000_ffff_0000_ffff
	n = (n | n<<8) & 0x00ff_00ff_00ff_00ff
	return (n | n<<4) & (0x0f * everyByte)
}

// eightBytes returns the first eight bytes of s: one load.
func eightBytes(s string) uint64 {
	_ = s[7]
	return uint64(s[0])<<56 | uint64(s[1])<<48 | uint64(s[2])<<40 | uint64(s[3])<<32 |
		uint64(s[4])<<24 | uint64(s[5])<<16 | uint64(s[6])<<8 | uint64(s[7])
}

// decodeLower decodes 2*len(dst) lower-case digits and reports whether s is that.
func decodeLower(dst []byte, s string) bool { return decode(dst, s, 0) == 0 }

// decodeAny decodes 2*len(dst) digits of either case and reports whether s is that.
func decodeAny(dst []byte, s string) bool { return decode(dst, s, lowerCase) == 0 }

// decode returns 0 for good digits; fold is lowerCase if they may be in upper case, else 0. dst has 4, 8, 12, ...
// bytes.
func decode(dst []byte, s string, fold uint64) (bad uint64) {
	if len(s) != 2*len(dst) {
		return 1
	}
	for len(dst) >= 8 && len(s) >= 16 { // two at once do not wait for each other
		high, low := eightBytes(s), eightBytes(s[8:])
		v, b := parseDigits(high | high>>1&fold)
		w, c := parseDigits(low | low>>1&fold)
		bad |= b | c
		binary.BigEndian.PutUint64(dst, uint64(v)<<32|uint64(w))
		dst, s = dst[8:], s[16:]
	}
	if len(dst) >= 4 && len(s) >= 8 {
		digits := eightBytes(s)
		v, b := parseDigits(digits | digits>>1&fold)
		bad |= b
		binary.BigEndian.PutUint32(dst, v)
	}
	return bad
}

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

// decodePadded decodes one or more digits of either case into the end of dst, which is zero, and
// reports whether s is that. Of more than 2*len(dst) digits the first are left out.
func decodePadded(dst []byte, s string) bool {
	if len(s) == 2*len(dst) && len(dst) >= 4 {
		return decodeAny(dst, s)
	}
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
	for len(src) >= 4 {
		dst = binary.BigEndian.AppendUint64(dst, renderDigits(spread(binary.BigEndian.Uint32(src))))
		src = src[4:]
	}
	for _, b := range src {
		dst = append(dst, hexDigits[b>>4], hexDigits[b&0x0f])
	}
	return dst
}

// putHex writes two lower-case digits into dst for each byte of src, of which there are 4, 8, 12, ...
func putHex(dst, src []byte) {
	for len(src) >= 4 && len(dst) >= 8 {
		binary.BigEndian.PutUint64(dst, renderDigits(spread(binary.BigEndian.Uint32(src))))
		src, dst = src[4:], dst[8:]
	}
}

// lowerByte decodes two lower-case digits.
func lowerByte(first, second byte) (b byte, ok bool) {
	hi, lo := hexValues[first], hexValues[second]
	return hi<<4 | lo&0x0f, hi&lo&hexValid != 0 && (hi|lo)&hexUpper == 0
}
