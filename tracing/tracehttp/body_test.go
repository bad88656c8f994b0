// SPDX-License-Identifier: Apache-2.0

package tracehttp_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// openBody sends a request whose response has the given body.
func openBody(t *testing.T, rec *recorder, body io.ReadCloser) *http.Response {
	t.Helper()
	resp, err := newTransport(respondWith(200, body), rec).RoundTrip(newRequest(t, t.Context(), "http://a.example"))
	require.NoError(t, err)
	return resp
}

func TestClientSpanEndsWithBody(t *testing.T) {
	t.Parallel()
	t.Run("read to the end", func(t *testing.T) {
		t.Parallel()
		rec := newRecorder(t)
		resp := openBody(t, rec, io.NopCloser(strings.NewReader("text")))
		assert.Empty(t, rec.ended(), "the span is open while the body is")
		got, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		assert.Equal(t, "text", string(got))
		assert.Equal(t, codes.Unset, only(t, rec).Status.Code)
		require.NoError(t, resp.Body.Close())
		assert.Len(t, rec.ended(), 1, "the span ends once")
	})
	t.Run("closed early", func(t *testing.T) {
		t.Parallel()
		rec := newRecorder(t)
		resp := openBody(t, rec, io.NopCloser(strings.NewReader("text")))
		require.NoError(t, resp.Body.Close())
		assert.Equal(t, codes.Unset, only(t, rec).Status.Code)
	})
	t.Run("failed", func(t *testing.T) {
		t.Parallel()
		rec := newRecorder(t)
		resp := openBody(t, rec, io.NopCloser(iotest.ErrReader(customError{})))
		_, err := io.ReadAll(resp.Body)
		require.ErrorIs(t, err, customError{})
		assertFailed(t, only(t, rec), "github.com/spandrel-go/spandrel/tracing/tracehttp_test.customError")
		require.NoError(t, resp.Body.Close())
	})
	t.Run("no body", func(t *testing.T) {
		t.Parallel()
		for _, body := range []io.ReadCloser{nil, http.NoBody} {
			rec := newRecorder(t)
			resp := openBody(t, rec, body)
			assert.Equal(t, body, resp.Body, "no body stays no body")
			assert.Len(t, rec.ended(), 1)
		}
	})
	t.Run("never closed", func(t *testing.T) {
		t.Parallel()
		rec := newRecorder(t)
		rec.seen.AllowUnfinished("GET")
		resp := openBody(t, rec, io.NopCloser(strings.NewReader("text")))
		_, err := resp.Body.Read(make([]byte, 2))
		require.NoError(t, err)
		assert.Empty(t, rec.ended())
	})
	t.Run("not recording", func(t *testing.T) {
		t.Parallel()
		body := io.NopCloser(strings.NewReader("text"))
		resp := openBody(t, newDropper(t), body)
		assert.Equal(t, body, resp.Body, "the body is not wrapped")
		require.NoError(t, resp.Body.Close())
	})
}

// The bodies that a 101 response may have, and the two that it may not.
type (
	readCloser  struct{ io.ReadCloser }
	writeCloser struct {
		io.ReadCloser
		io.Writer
	}
	halfCloser struct {
		writeCloser
		err error
	}
	oddHalfCloser struct{ io.ReadCloser }
)

func (c halfCloser) CloseWrite() error  { return c.err }
func (oddHalfCloser) CloseWrite() error { return nil }

func TestBodyHasTheInterfacesOfTheOneBelow(t *testing.T) {
	t.Parallel()
	var written strings.Builder
	half := errors.New("half closed")
	rc := io.NopCloser(strings.NewReader(""))
	for name, tt := range map[string]struct {
		body              io.ReadCloser
		writes, halfClose bool
	}{
		"plain":                     {readCloser{rc}, false, false},
		"writer":                    {writeCloser{rc, &written}, true, false},
		"writer with half close":    {halfCloser{writeCloser{rc, &written}, half}, true, true},
		"half close, but no writer": {oddHalfCloser{rc}, false, false},
	} {
		resp := openBody(t, newRecorder(t), tt.body)
		w, ok := resp.Body.(io.Writer)
		assert.Equal(t, tt.writes, ok, name)
		if ok {
			written.Reset()
			n, err := w.Write([]byte("out"))
			assert.NoError(t, err)
			assert.Equal(t, 3, n)
			assert.Equal(t, "out", written.String(), name)
		}
		c, ok := resp.Body.(interface{ CloseWrite() error })
		assert.Equal(t, tt.halfClose, ok, name)
		if ok {
			assert.Equal(t, half, c.CloseWrite())
		}
		require.NoError(t, resp.Body.Close())
	}
}

func TestClientCancelsInMidBody(t *testing.T) {
	t.Parallel()
	rec := newRecorder(t)
	s := newSite(t, rec, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "first")
		assert.NoError(t, http.NewResponseController(w).Flush())
		<-r.Context().Done()
	}))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	resp, err := s.tracedClient(rec).Do(newRequest(t, ctx, s.URL))
	require.NoError(t, err)
	defer resp.Body.Close()
	first := make([]byte, 5)
	_, err = io.ReadFull(resp.Body, first)
	require.NoError(t, err)
	cancel()
	_, err = io.ReadAll(resp.Body)
	require.ErrorIs(t, err, context.Canceled)
	s.calls.Wait()

	spans := ofKind(rec.ended(), trace.SpanKindClient)
	require.Len(t, spans, 1)
	assertFailed(t, spans[0], "context.Canceled")
	assert.Equal(t, int64(200), values(t, spans[0].Attributes)["http.response.status_code"])
}

func TestBodyCloseBesideReadConcurrentSafe(t *testing.T) {
	t.Parallel()
	rec := newRecorder(t)
	for range 50 {
		pr, pw := io.Pipe()
		resp := openBody(t, rec, pr)
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = io.ReadAll(resp.Body) })
		wg.Go(func() { _ = resp.Body.Close() })
		wg.Go(func() { _ = pw.Close() })
		wg.Wait()
	}
	assert.Len(t, rec.ended(), 50, "each span ends once")
}
