// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"strings"
	"time"
)

// Fault is what becomes of one request. It is called on the connection's goroutine when the first byte
// of the request has come. It may be any function of the methods of [Exchange]; when it returns without
// an answer the connection should have been closed.
type Fault func(x *Exchange)

// Accept is no fault: the spans are accepted, and the answer is 202.
func Accept() Fault {
	return func(x *Exchange) {
		if x.Read() {
			x.Accept()
			x.Answer(202, "")
		}
	}
}

// AcceptAndClose accepts and then closes the connection, which the answer says if it is polite.
func AcceptAndClose(polite bool) Fault {
	return func(x *Exchange) {
		if !x.Read() {
			return
		}
		x.Accept()
		if polite {
			x.Answer(202, "", "Connection", "close")
		} else {
			x.Answer(202, "")
			x.Close()
		}
	}
}

// AcceptAndFlood accepts and answers 202 with a body of so many bytes.
func AcceptAndFlood(bytes int) Fault {
	return func(x *Exchange) {
		if x.Read() {
			x.Accept()
			x.Answer(202, strings.Repeat("x", bytes))
		}
	}
}

// AcceptSlowly accepts, waits and answers 202. A client with less patience does not learn that the
// server has the spans.
func AcceptSlowly(d time.Duration) Fault {
	return func(x *Exchange) {
		if x.Read() {
			x.Accept()
			if x.Wait(d) {
				x.Answer(202, "")
			}
		}
	}
}

// AcceptByteByByte accepts and answers 202 in bytes, of which there are about 40, with a pause after
// each.
func AcceptByteByByte(pause time.Duration) Fault {
	return func(x *Exchange) {
		if x.Read() {
			x.Accept()
			x.Write(answer(202, ""), pause)
			x.answered(202)
		}
	}
}

// AcceptAndReset accepts and resets the connection in place of an answer: the client cannot know that
// the server has the spans.
func AcceptAndReset() Fault {
	return func(x *Exchange) {
		if x.Read() {
			x.Accept()
			x.Reset()
		}
	}
}

// Reset resets the connection before the request is read.
func Reset() Fault { return func(x *Exchange) { x.Reset() } }

// ResetInBody resets the connection when half of the body has been read.
func ResetInBody() Fault {
	return func(x *Exchange) {
		if x.ReadPart() {
			x.Reset()
		}
	}
}

// ResetAfter reads the request and resets the connection without having accepted it.
func ResetAfter() Fault {
	return func(x *Exchange) {
		if x.Read() {
			x.Reset()
		}
	}
}

// Never reads the request and does not answer, until the client goes away or the server is stopped.
func Never() Fault {
	return func(x *Exchange) {
		if x.Read() {
			x.Hold()
		}
	}
}

// Status reads the request and answers with a status and header fields (names and values in turn);
// nothing is accepted.
func Status(status int, header ...string) Fault {
	return func(x *Exchange) { x.Answer(status, "no", header...) }
}

// TooLargeAbove answers 413 to bodies of more than so many bytes, without reading them, and accepts all
// others. It closes the connection after a 413, as servers do that have not read a body.
func TooLargeAbove(bytes int64) Fault {
	return func(x *Exchange) {
		if x.Size() <= bytes {
			Accept()(x)
			return
		}
		x.Write(answer(413, "too large", "Connection", "close"), 0)
		x.answered(413)
		// The rest of the body is read first: closing with unread bytes is a reset, which would take the
		// answer away from the client.
		x.Read()
		x.Close()
	}
}

// Garbage reads the request and answers with something that is not HTTP, then closes the connection.
func Garbage() Fault {
	return func(x *Exchange) {
		if x.Read() {
			x.Write("220 mail.example ESMTP\r\n\x00\xff\r\n\r\n", 0)
			x.Close()
		}
	}
}

// Hangup reads the request and closes the connection in order, without an answer.
func Hangup() Fault {
	return func(x *Exchange) {
		if x.Read() {
			x.Close()
		}
	}
}

// Cut reads the request, promises a longer answer than it sends, and closes the connection: the client
// has the status 202, and the server has the spans, but the answer is not whole.
func Cut() Fault {
	return func(x *Exchange) {
		if x.Read() {
			x.Accept()
			x.Write("HTTP/1.1 202 Accepted\r\nContent-Length: 100\r\n\r\nok", 0)
			x.answered(202)
			x.Close()
		}
	}
}
