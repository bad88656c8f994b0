// SPDX-License-Identifier: Apache-2.0

package tracehttp

import (
	"bufio"
	"io"
	"net"
	"net/http"
)

// closeNotifier is http.CloseNotifier, which is deprecated; frameworks still assert it.
type closeNotifier interface{ CloseNotify() <-chan bool }

// responseWriter notes the status code of a response. It is not pooled: a handler may keep it. Like
// the writer below it, it is for one goroutine at a time.
type responseWriter struct {
	http.ResponseWriter
	status   int // the final status code; 0 while there is none
	hijacked bool
}

// Unwrap returns the writer below, for [http.ResponseController].
func (w *responseWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader notes the final status code. Informational ones come before it, but for 101, which has
// no other after it. A code that net/http refuses by a panic is not noted.
func (w *responseWriter) WriteHeader(code int) {
	w.ResponseWriter.WriteHeader(code)
	if code >= 200 || code == http.StatusSwitchingProtocols {
		w.note(code)
	}
}

func (w *responseWriter) Write(p []byte) (int, error) {
	w.note(http.StatusOK)
	return w.ResponseWriter.Write(p)
}

// WriteString is Write without the copy that io.WriteString would make. All writers have it: where
// the one below lacks it, io.WriteString does as it would have done without us.
func (w *responseWriter) WriteString(s string) (int, error) {
	w.note(http.StatusOK)
	return io.WriteString(w.ResponseWriter, s)
}

// note keeps the first final status code: net/http ignores the others.
func (w *responseWriter) note(code int) {
	if w.status == 0 && !w.hijacked {
		w.status = code
	}
}

// assumeOK notes what the server sends when the handler has returned without writing.
func (w *responseWriter) assumeOK() { w.note(http.StatusOK) }

// The optional methods. Each runs only behind a type that was chosen because the writer below has it.

func (w *responseWriter) closeNotify() <-chan bool {
	return w.ResponseWriter.(closeNotifier).CloseNotify()
}

func (w *responseWriter) flush() {
	w.note(http.StatusOK)
	w.ResponseWriter.(http.Flusher).Flush()
}

// flushError is Flush with the error, as [http.ResponseController] asks for it. Where the writer
// below has Flush only, the result is nil, as it is without us.
func (w *responseWriter) flushError() error {
	if f, ok := w.ResponseWriter.(interface{ FlushError() error }); ok {
		w.note(http.StatusOK)
		return f.FlushError()
	}
	w.flush()
	return nil
}

func (w *responseWriter) hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := w.ResponseWriter.(http.Hijacker).Hijack()
	if err == nil {
		w.hijacked = true
	}
	return conn, rw, err
}

func (w *responseWriter) push(target string, opts *http.PushOptions) error {
	return w.ResponseWriter.(http.Pusher).Push(target, opts)
}

func (w *responseWriter) readFrom(src io.Reader) (int64, error) {
	w.note(http.StatusOK)
	return w.ResponseWriter.(io.ReaderFrom).ReadFrom(src)
}
