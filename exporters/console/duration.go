// SPDX-License-Identifier: Apache-2.0

package console

import (
	"strconv"
	"time"
)

// appendDuration appends d short enough for a column: one decimal for micro- and milliseconds, two
// for seconds, whole seconds above a minute.
func appendDuration(dst []byte, d time.Duration) []byte {
	if d < 0 {
		dst = append(dst, '-')
		if d = -d; d < 0 { // the one duration that has no positive twin
			d--
		}
	}
	// A unit ends where rounding would give 1000 of it.
	switch {
	case d < time.Microsecond:
		dst = strconv.AppendInt(dst, int64(d), 10)
		return append(dst, "ns"...)
	case d < time.Millisecond-50*time.Nanosecond:
		dst = strconv.AppendFloat(dst, float64(d)/float64(time.Microsecond), 'f', 1, 64)
		return append(dst, "µs"...)
	case d < time.Second-50*time.Microsecond:
		dst = strconv.AppendFloat(dst, float64(d)/float64(time.Millisecond), 'f', 1, 64)
		return append(dst, "ms"...)
	case d < time.Minute-5*time.Millisecond:
		dst = strconv.AppendFloat(dst, d.Seconds(), 'f', 2, 64)
		return append(dst, 's')
	}
	seconds := int64(d.Round(time.Second) / time.Second)
	if hours := seconds / 3600; hours > 0 {
		dst = strconv.AppendInt(dst, hours, 10)
		dst = append(dst, 'h')
		dst = appendTwoDigits(dst, seconds/60%60)
	} else {
		dst = strconv.AppendInt(dst, seconds/60, 10)
	}
	dst = append(dst, 'm')
	dst = appendTwoDigits(dst, seconds%60)
	return append(dst, 's')
}

func appendTwoDigits(dst []byte, n int64) []byte {
	return append(dst, byte('0'+n/10), byte('0'+n%10))
}
