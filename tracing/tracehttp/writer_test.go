// SPDX-License-Identifier: Apache-2.0

package tracehttp_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/spandrel-go/spandrel/tracing/tracehttp"
)

// fullWriter is a response writer that has all optional methods and notes which were called.
type fullWriter struct {
	http.ResponseWriter
	calls []string
	src   io.Reader // what ReadFrom was given
}

func (w *fullWriter) note(call string) { w.calls = append(w.calls, call) }

func (w *fullWriter) CloseNotify() <-chan bool {
	w.note("CloseNotify")
	return nil
}

func (w *fullWriter) Flush() { w.note("Flush") }

func (w *fullWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	w.note("Hijack")
	return nil, nil, nil
}

func (w *fullWriter) Push(target string, _ *http.PushOptions) error {
	w.note("Push " + target)
	return nil
}

func (w *fullWriter) ReadFrom(src io.Reader) (int64, error) {
	w.note("ReadFrom")
	w.src = src
	return 0, nil
}

// Names for the optional interfaces, to make structs of.
type (
	b = http.ResponseWriter
	c = interface{ CloseNotify() <-chan bool }
	f = http.Flusher
	h = http.Hijacker
	p = http.Pusher
	r = io.ReaderFrom
)

// allWriters returns a writer for each set of optional interfaces, made of parts of w.
func allWriters(w *fullWriter) []http.ResponseWriter {
	return []http.ResponseWriter{
		struct{ b }{w},
		struct {
			b
			c
		}{w, w},
		struct {
			b
			f
		}{w, w},
		struct {
			b
			c
			f
		}{w, w, w},
		struct {
			b
			h
		}{w, w},
		struct {
			b
			c
			h
		}{w, w, w},
		struct {
			b
			f
			h
		}{w, w, w},
		struct {
			b
			c
			f
			h
		}{w, w, w, w},
		struct {
			b
			p
		}{w, w},
		struct {
			b
			c
			p
		}{w, w, w},
		struct {
			b
			f
			p
		}{w, w, w},
		struct {
			b
			c
			f
			p
		}{w, w, w, w},
		struct {
			b
			h
			p
		}{w, w, w},
		struct {
			b
			c
			h
			p
		}{w, w, w, w},
		struct {
			b
			f
			h
			p
		}{w, w, w, w},
		struct {
			b
			c
			f
			h
			p
		}{w, w, w, w, w},
		struct {
			b
			r
		}{w, w},
		struct {
			b
			c
			r
		}{w, w, w},
		struct {
			b
			f
			r
		}{w, w, w},
		struct {
			b
			c
			f
			r
		}{w, w, w, w},
		struct {
			b
			h
			r
		}{w, w, w},
		struct {
			b
			c
			h
			r
		}{w, w, w, w},
		struct {
			b
			f
			h
			r
		}{w, w, w, w},
		struct {
			b
			c
			f
			h
			r
		}{w, w, w, w, w},
		struct {
			b
			p
			r
		}{w, w, w},
		struct {
			b
			c
			p
			r
		}{w, w, w, w},
		struct {
			b
			f
			p
			r
		}{w, w, w, w},
		struct {
			b
			c
			f
			p
			r
		}{w, w, w, w, w},
		struct {
			b
			h
			p
			r
		}{w, w, w, w},
		struct {
			b
			c
			h
			p
			r
		}{w, w, w, w, w},
		struct {
			b
			f
			h
			p
			r
		}{w, w, w, w, w},
		struct {
			b
			c
			f
			h
			p
			r
		}{w, w, w, w, w, w},
	}
}

// interfaces calls each optional method that w has and names them.
func interfaces(w http.ResponseWriter) []string {
	var found []string
	if w, ok := w.(c); ok {
		w.CloseNotify()
		found = append(found, "CloseNotify")
	}
	if w, ok := w.(f); ok {
		w.Flush()
		found = append(found, "Flush")
	}
	if w, ok := w.(h); ok {
		_, _, _ = w.Hijack()
		found = append(found, "Hijack")
	}
	if w, ok := w.(p); ok {
		_ = w.Push("/x", nil)
		found = append(found, "Push /x")
	}
	if w, ok := w.(r); ok {
		_, _ = w.ReadFrom(nil)
		found = append(found, "ReadFrom")
	}
	return found
}

func TestWriterHasTheInterfacesOfTheOneBelow(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for i := range allWriters(nil) {
		below := &fullWriter{ResponseWriter: httptest.NewRecorder()}
		w := allWriters(below)[i]
		want := interfaces(w)
		below.calls = nil

		var got []string
		tracehttp.NewHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			got = interfaces(w)
			u, ok := w.(interface{ Unwrap() http.ResponseWriter })
			if assert.True(t, ok, "Unwrap for %v", want) {
				assert.Equal(t, allWriters(below)[i], u.Unwrap())
			}
		}), "", tracehttp.WithTracerProvider(newRecorder(t))).
			ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", http.NoBody))
		assert.Equal(t, want, got)
		assert.Equal(t, want, below.calls, "the methods below were called")
		seen[strings.Join(want, " ")] = true
	}
	assert.Len(t, seen, 32, "each set once")
}

// errorFlusher flushes with an error, as the writers of net/http do.
type errorFlusher struct {
	*httptest.ResponseRecorder
	err error
}

func (w errorFlusher) FlushError() error { return w.err }

func TestResponseControllerFlush(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken pipe")
	tests := []struct {
		name string
		w    http.ResponseWriter
		want error
	}{
		{"with error", errorFlusher{httptest.NewRecorder(), broken}, broken},
		{"without error", errorFlusher{httptest.NewRecorder(), nil}, nil},
		{"Flush only", httptest.NewRecorder(), nil},
		{"none", struct{ b }{httptest.NewRecorder()}, http.ErrNotSupported},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got error
			tracehttp.NewHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				got = http.NewResponseController(w).Flush()
			}), "", tracehttp.WithTracerProvider(newRecorder(t))).
				ServeHTTP(tt.w, httptest.NewRequest(http.MethodGet, "/", http.NoBody))
			assert.ErrorIs(t, got, tt.want)
		})
	}
}

func TestFlushMakesTheStatusFinal(t *testing.T) {
	t.Parallel()
	rec := newRecorder(t)
	w := handle(t, rec, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.(http.Flusher).Flush()
		w.WriteHeader(http.StatusInternalServerError)
	}), httptest.NewRequest(http.MethodGet, "/", http.NoBody))
	assert.True(t, w.Flushed)
	assert.Equal(t, int64(200), values(t, only(t, rec).Attributes)["http.response.status_code"])
}

func TestWriteStringReachesTheWriterBelow(t *testing.T) {
	t.Parallel()
	rec := newRecorder(t)
	w := handle(t, rec, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, err := io.WriteString(w, "hello")
		assert.NoError(t, err)
	}), httptest.NewRequest(http.MethodGet, "/", http.NoBody))
	assert.Equal(t, "hello", w.Body.String())
	assert.Equal(t, int64(200), values(t, only(t, rec).Attributes)["http.response.status_code"])
}

// sendfile needs the file itself: a reader around it would do the copying in this process.
func TestReadFromHandsTheFileDown(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "a.txt")
	require.NoError(t, os.WriteFile(name, []byte("content"), 0o600))
	file, err := os.Open(name)
	require.NoError(t, err)
	defer file.Close()

	below := &fullWriter{ResponseWriter: httptest.NewRecorder()}
	rec := newRecorder(t)
	tracehttp.NewHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, err := w.(io.ReaderFrom).ReadFrom(file)
		assert.NoError(t, err)
	}), "", tracehttp.WithTracerProvider(rec)).
		ServeHTTP(below, httptest.NewRequest(http.MethodGet, "/", http.NoBody))
	assert.Same(t, file, below.src)
	assert.Equal(t, int64(200), values(t, only(t, rec).Attributes)["http.response.status_code"])
}

func TestServeFileThroughRealServer(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "a.txt")
	content := strings.Repeat("0123456789", 100_000)
	require.NoError(t, os.WriteFile(name, []byte(content), 0o600))
	rec := newRecorder(t)
	s := newSite(t, rec, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		assert.Implements(t, (*io.ReaderFrom)(nil), w)
		http.ServeFile(w, r, name)
	}))
	code, got := get(t, s.Client(), s.URL)
	assert.Equal(t, http.StatusOK, code)
	assert.Equal(t, content, got)
}

func TestHijackedRequestHasNoStatusCode(t *testing.T) {
	t.Parallel()
	for name, hijack := range map[string]func(http.ResponseWriter) (net.Conn, *bufio.ReadWriter, error){
		"Hijacker": func(w http.ResponseWriter) (net.Conn, *bufio.ReadWriter, error) { return w.(http.Hijacker).Hijack() },
		"ResponseController": func(w http.ResponseWriter) (net.Conn, *bufio.ReadWriter, error) {
			return http.NewResponseController(w).Hijack()
		},
	} {
		rec := newRecorder(t)
		s := newSite(t, rec, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := hijack(w)
			if assert.NoError(t, err) {
				defer conn.Close()
				_, err = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi")
				assert.NoError(t, err)
			}
			_, err = w.Write([]byte("too late"))
			assert.ErrorIs(t, err, http.ErrHijacked)
		}))
		_, got := get(t, s.Client(), s.URL)
		assert.Equal(t, "hi", got, name)
		s.calls.Wait()
		assert.NotContains(t, values(t, only(t, rec).Attributes), "http.response.status_code", name)
	}
}

func TestFailedHijackKeepsTheStatusCode(t *testing.T) {
	t.Parallel()
	rec := newRecorder(t)
	s := newUnstartedSite(t, rec, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _, err := http.NewResponseController(w).Hijack()
		assert.Error(t, err)
		w.WriteHeader(http.StatusNotImplemented)
	}))
	s.EnableHTTP2 = true
	s.StartTLS()
	code, _ := get(t, s.Client(), s.URL)
	assert.Equal(t, http.StatusNotImplemented, code)
	s.calls.Wait()
	assert.Equal(t, int64(501), values(t, only(t, rec).Attributes)["http.response.status_code"])
}

func TestResponseControllerReachesTheConnection(t *testing.T) {
	t.Parallel()
	s := newSite(t, newRecorder(t), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		c := http.NewResponseController(w)
		assert.NoError(t, c.SetReadDeadline(time.Now().Add(time.Minute)))
		assert.NoError(t, c.SetWriteDeadline(time.Now().Add(time.Minute)))
		assert.NoError(t, c.EnableFullDuplex())
	}))
	code, _ := get(t, s.Client(), s.URL)
	assert.Equal(t, http.StatusOK, code)
}
