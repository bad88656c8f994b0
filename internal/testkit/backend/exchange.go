// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Exchange is one request and its answer, in the hands of a [Fault].
type Exchange struct {
	server  *Server
	conn    net.Conn
	in      *bufio.Reader
	request *http.Request // nil before Header
	body    []byte        // what has been read of it
	closed  bool          // no further request on this connection
	result  Request
}

// Header reads the request up to its body. It is nil when the client went away or the server is stopped;
// then the connection is closed.
func (x *Exchange) Header() http.Header {
	if x.request == nil {
		r, err := http.ReadRequest(x.in)
		if err != nil {
			x.Close()
			return nil
		}
		x.request = r
	}
	return x.request.Header
}

// ReadPart reads half of the body and reports whether that succeeded.
func (x *Exchange) ReadPart() bool {
	if x.Header() == nil {
		return false
	}
	return x.read(io.LimitReader(x.request.Body, max(x.request.ContentLength/2, 1)))
}

// Read reads the request to its end and reports whether that succeeded.
func (x *Exchange) Read() bool {
	if x.result.IDs != nil { // it has been read
		return true
	}
	if x.Header() == nil || !x.read(x.request.Body) {
		return false
	}
	var spans []struct{ ID string }
	if err := json.Unmarshal(x.body, &spans); err != nil {
		x.server.tb.Errorf("backend: the body of a request is no array of spans: %v: %.200q", err, x.body)
	}
	x.result.IDs = make([]string, len(spans))
	for i, s := range spans {
		x.result.IDs[i] = s.ID
	}
	x.result.Spans = len(spans)
	return true
}

// ReadRaw reads the request to its end, appends its body to dst, and reports whether that succeeded. It
// is for tests of more spans than the server should remember: they are neither decoded nor counted, and
// Accept does nothing after it.
func (x *Exchange) ReadRaw(dst []byte) ([]byte, bool) {
	if x.Header() == nil {
		return dst, false
	}
	n := len(dst)
	for {
		if len(dst) == cap(dst) {
			dst = slices.Grow(dst, max(int(x.request.ContentLength), bytes.MinRead))
		}
		m, err := x.request.Body.Read(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+m]
		x.result.Bytes = len(dst) - n
		if err == io.EOF {
			x.result.IDs = []string{}
			return dst, true
		}
		if err != nil {
			x.Close()
			return dst, false
		}
	}
}

func (x *Exchange) read(from io.Reader) bool {
	body, err := io.ReadAll(from)
	x.body = append(x.body, body...)
	x.result.Bytes = len(x.body)
	if err != nil {
		x.Close()
	}
	return err == nil
}

// Size is the size of the request's body as its header says it, -1 if it does not.
func (x *Exchange) Size() int64 {
	if x.Header() == nil {
		return -1
	}
	return x.request.ContentLength
}

// Accept takes the spans of a request that was read: from now on the server has them.
func (x *Exchange) Accept() {
	x.result.Accepted = true
	x.server.mu.Lock()
	defer x.server.mu.Unlock()
	for _, id := range x.result.IDs {
		x.server.accepted[id]++
	}
}

// Answer answers with a status, header fields (names and values in turn) and a text. It reads the
// request first, if nobody did. The connection stays open, unless a header field says otherwise.
func (x *Exchange) Answer(status int, text string, header ...string) {
	if x.Read() {
		x.Write(answer(status, text, header...), 0)
		x.answered(status)
	}
	if strings.Contains(strings.Join(header, ":"), "Connection:close") {
		x.Close()
	}
}

// answered says that an answer was written, unless it failed.
func (x *Exchange) answered(status int) {
	if !x.closed {
		x.result.Status = status
	}
}

// answer makes the bytes of an answer.
func answer(status int, text string, header ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "HTTP/1.1 %03d %s\r\nContent-Length: %d\r\n", status, http.StatusText(status), len(text))
	for i := 0; i+1 < len(header); i += 2 {
		fmt.Fprintf(&b, "%s: %s\r\n", header[i], header[i+1])
	}
	return b.String() + "\r\n" + text
}

// Write writes raw bytes: at once, or one by one with a pause after each. It ends early when the client
// goes away.
func (x *Exchange) Write(raw string, pause time.Duration) {
	step := len(raw)
	if pause > 0 {
		step = 1
	}
	for ; raw != ""; raw = raw[step:] {
		if _, err := io.WriteString(x.conn, raw[:step]); err != nil || pause > 0 && !x.Wait(pause) {
			x.Close()
			return
		}
	}
}

// Wait waits, after the request was read, and reports whether the client is still there. It returns early
// when the client sends the next request, as it may once it has the whole answer.
func (x *Exchange) Wait(d time.Duration) bool {
	if x.closed {
		return false
	}
	err := x.conn.SetReadDeadline(time.Now().Add(d))
	if err == nil {
		_, err = x.in.Peek(1)
	}
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		err = nil
	}
	if err == nil {
		err = x.conn.SetReadDeadline(time.Time{})
	}
	if err != nil {
		x.Close()
	}
	return err == nil
}

// Hold waits until the client goes away or the server is stopped.
func (x *Exchange) Hold() {
	_, _ = io.Copy(io.Discard, x.in) // it ends with an error or without
	x.Close()
}

// Close closes the connection. What was written still reaches the client.
func (x *Exchange) Close() {
	x.closed = true
	x.conn.Close() //nolint:errcheck // it may be closed, or the client gone
}

// Reset closes the connection with a TCP reset: what the client has not read by then is lost.
func (x *Exchange) Reset() {
	if c, ok := x.conn.(*net.TCPConn); ok && !x.closed {
		_ = c.SetLinger(0) // without it the client sees an end in place of a reset, if the client is still there
	}
	x.Close()
}
