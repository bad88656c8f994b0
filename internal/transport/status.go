// SPDX-License-Identifier: Apache-2.0

package transport

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Error says why a request failed and what may help. Exporters turn it into a
// *tracing.ExportError, which this package may not import.
type Error struct {
	// Err is the cause, never nil. Its text names the URL without user information and query.
	Err error
	// StatusCode is the status of the answer, 0 when there was none.
	StatusCode int
	// Retryable: the same body may succeed later.
	Retryable bool
	// TooLarge: a smaller body may succeed.
	TooLarge bool
	// RetryAfter is how long the server asks to wait before the next try; 0 when it did not say.
	RetryAfter time.Duration
}

// Error returns the cause's text.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Retryable reports whether a request that was answered by this status may succeed later: 408, 429,
// 502, 503 and 504.
func Retryable(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooManyRequests,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	default:
		return false
	}
}

// ParseRetryAfter reads the value of a Retry-After header (RFC 9110, section 10.2.3): seconds, or a
// date that is compared with now. It returns 0 for a date that has passed and for anything else.
func ParseRetryAfter(value string, now time.Time) time.Duration {
	value = strings.TrimSpace(value)
	if seconds, err := strconv.ParseUint(value, 10, 63); err == nil {
		if seconds > uint64(math.MaxInt64/time.Second) {
			return math.MaxInt64
		}
		return time.Duration(seconds) * time.Second
	}
	date, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	return max(date.Sub(now), 0)
}

// oneLine makes the start of a response body fit for an error text: one line, without what a
// terminal might interpret, no longer than body.
func oneLine(body []byte) string {
	text := strings.Map(func(r rune) rune {
		switch {
		case r == unicode.ReplacementChar:
			return '?'
		case !unicode.IsPrint(r):
			return ' '
		default:
			return r
		}
	}, string(body))
	return strings.Join(strings.Fields(text), " ")
}
