// SPDX-License-Identifier: Apache-2.0

package backend_test

import (
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/spandrel-go/spandrel/internal/testkit"
	"github.com/spandrel-go/spandrel/internal/testkit/backend"
)

// newClient returns a client whose connections nobody shares.
func newClient(t *testing.T, timeout time.Duration) *http.Client {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: timeout, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
}

// post sends two spans, and so many bytes beside them, and returns the status and the text of the answer.
func post(t *testing.T, c *http.Client, url string, ballast int) (int, string, error) {
	t.Helper()
	body := `[{"id":"0000000000000001","name":"` + strings.Repeat("n", ballast) + `"},{"id":"0000000000000002"}]`
	answer, err := c.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(text), err
}

func TestFaults(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		fault    backend.Fault
		status   int    // what the client sees
		text     string // the answer, or a part of the error's
		wants    error  // in the chain of the client's error
		timeout  bool   // the client's error is that it waited too long
		accepted bool
		answered int
	}{
		{name: "accept", fault: backend.Accept(), status: 202, accepted: true, answered: 202},
		{name: "accept and close", fault: backend.AcceptAndClose(true), status: 202, accepted: true, answered: 202},
		{name: "accept and close without a word", fault: backend.AcceptAndClose(false), status: 202, accepted: true, answered: 202},
		{name: "accept and flood", fault: backend.AcceptAndFlood(1 << 20), status: 202, text: strings.Repeat("x", 1<<20), accepted: true, answered: 202},
		{name: "accept slowly", fault: backend.AcceptSlowly(time.Millisecond), status: 202, accepted: true, answered: 202},
		{name: "accept too slowly", fault: backend.AcceptSlowly(time.Minute), timeout: true, accepted: true},
		{name: "accept byte by byte", fault: backend.AcceptByteByByte(10 * time.Microsecond), status: 202, accepted: true, answered: 202},
		{name: "accept byte by byte too slowly", fault: backend.AcceptByteByByte(time.Minute), timeout: true, accepted: true},
		{name: "accept and reset", fault: backend.AcceptAndReset(), wants: syscall.ECONNRESET, accepted: true},
		{name: "reset", fault: backend.Reset(), wants: syscall.ECONNRESET},
		{name: "reset in the body", fault: backend.ResetInBody(), wants: syscall.ECONNRESET},
		{name: "reset after", fault: backend.ResetAfter(), wants: syscall.ECONNRESET},
		{name: "never", fault: backend.Never(), timeout: true},
		{name: "status", fault: backend.Status(503, "Retry-After", "7"), status: 503, text: "no", answered: 503},
		{name: "small enough", fault: backend.TooLargeAbove(1000), status: 202, accepted: true, answered: 202},
		{name: "too large", fault: backend.TooLargeAbove(10), status: 413, text: "too large", answered: 413},
		{name: "garbage", fault: backend.Garbage(), text: "malformed HTTP"},
		{name: "hang up", fault: backend.Hangup(), wants: io.EOF},
		{name: "cut", fault: backend.Cut(), wants: io.ErrUnexpectedEOF, accepted: true, answered: 202},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := backend.New(t)
			b.Script(tt.fault)
			patience := 30 * time.Second
			if tt.timeout {
				patience = 500 * time.Millisecond
			}
			status, text, err := post(t, newClient(t, patience), b.URL(), 100)
			switch {
			case tt.timeout:
				var timeout interface{ Timeout() bool }
				require.ErrorAs(t, err, &timeout)
				assert.True(t, timeout.Timeout())
			case tt.wants != nil:
				require.ErrorIs(t, err, tt.wants)
			case tt.status == 0:
				require.ErrorContains(t, err, tt.text)
			default:
				require.NoError(t, err)
				assert.Equal(t, tt.status, status)
				assert.Equal(t, tt.text, text)
			}
			require.True(t, b.Wait(10*time.Second, func(done []backend.Request) bool { return len(done) == 1 }))
			got := b.Requests()[0]
			assert.Equal(t, tt.accepted, got.Accepted)
			assert.Equal(t, tt.answered, got.Status)
			assert.False(t, got.At.After(got.Until))

			// The script is at its end.
			status, _, err = post(t, newClient(t, 30*time.Second), b.URL(), 0)
			require.NoError(t, err)
			assert.Equal(t, 202, status)
			times := 1
			if tt.accepted {
				times = 2
			}
			assert.Equal(t, map[string]int{"0000000000000001": times, "0000000000000002": times}, b.Accepted())
		})
	}
}

// A body that does not fit the buffers of a connection is not read before the reset.
func TestResetInALargeBody(t *testing.T) {
	t.Parallel()
	b := backend.New(t)
	b.Rest(backend.ResetInBody())
	_, _, err := post(t, newClient(t, 30*time.Second), b.URL(), 16<<20)
	require.Error(t, err)
	b.Stop()
	require.Len(t, b.Requests(), 1)
	assert.Less(t, b.Requests()[0].Bytes, 9<<20)
	assert.Empty(t, b.Accepted())
}

func TestStopAndStart(t *testing.T) {
	t.Parallel()
	b := backend.New(t)
	client := newClient(t, 30*time.Second)
	_, _, err := post(t, client, b.URL(), 0)
	require.NoError(t, err)
	url := b.URL()
	for range 3 {
		b.Stop()
		b.Stop()
		_, _, err = post(t, newClient(t, 30*time.Second), b.URL(), 0)
		require.ErrorIs(t, err, syscall.ECONNREFUSED)
		_, _, err = post(t, client, b.URL(), 0)
		require.Error(t, err, "its connection is closed as well")
		b.Start()
		assert.Equal(t, url, b.URL())
		_, _, err = post(t, client, b.URL(), 0)
		require.NoError(t, err)
	}
	assert.Len(t, b.Requests(), 4)
	assert.Equal(t, 4, b.Connections())
	assert.Equal(t, 4, b.Accepted()["0000000000000001"])
}

// What is read raw, the server hands over and forgets.
func TestReadRaw(t *testing.T) {
	t.Parallel()
	b := backend.New(t)
	read := make(chan string, 2)
	b.Rest(func(x *backend.Exchange) {
		if body, ok := x.ReadRaw([]byte("before:")); ok {
			x.Accept()
			x.Answer(202, "")
			read <- string(body)
		}
	})
	for _, ballast := range []int{1, 1 << 20} {
		status, _, err := post(t, newClient(t, 30*time.Second), b.URL(), ballast)
		require.NoError(t, err)
		assert.Equal(t, 202, status)
		assert.Equal(t, `before:[{"id":"0000000000000001","name":"`+strings.Repeat("n", ballast)+`"},{"id":"0000000000000002"}]`, <-read)
	}
	b.Stop()
	assert.Empty(t, b.Accepted())
	require.Len(t, b.Requests(), 2)
	assert.Greater(t, b.Requests()[1].Bytes, 1<<20)
	assert.Zero(t, b.Requests()[1].Spans)
}

// Stop does not wait for a client.
func TestStopWhileAnsweringConcurrentSafe(t *testing.T) {
	t.Parallel()
	b := backend.New(t)
	b.Script(backend.Never(), backend.AcceptSlowly(time.Hour), backend.AcceptByteByByte(time.Hour), backend.Never())
	reached := make(chan struct{}, 1)
	b.Rest(func(x *backend.Exchange) {
		reached <- struct{}{}
		x.Hold()
	})
	failed := make(chan error, 5)
	for range 5 {
		go func() {
			_, _, err := post(t, newClient(t, time.Minute), b.URL(), 0)
			failed <- err
		}()
	}
	<-reached // all others of the script have been given out
	b.Stop()
	for range 5 {
		require.Error(t, <-failed)
	}
	assert.Len(t, b.Requests(), 5)
}

func TestWait(t *testing.T) {
	t.Parallel()
	b := backend.New(t)
	assert.False(t, b.Wait(time.Millisecond, func(done []backend.Request) bool { return len(done) > 0 }))
	posted := make(chan error, 1)
	go func() {
		_, _, err := post(t, newClient(t, time.Minute), b.URL(), 0)
		posted <- err
	}()
	assert.True(t, b.Wait(time.Minute, func(done []backend.Request) bool { return len(done) > 0 && done[0].Spans == 2 }))
	require.NoError(t, <-posted)
}

// A body that is no array of spans is a failure of the test that sent it.
func TestMalformedBody(t *testing.T) {
	t.Parallel()
	report := testkit.Fake(t, func(fake testing.TB) {
		b := backend.New(fake)
		answer, err := newClient(t, time.Minute).Post(b.URL(), "application/json", strings.NewReader("{}"))
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
	})
	assert.Contains(t, report, "no array of spans")
}
