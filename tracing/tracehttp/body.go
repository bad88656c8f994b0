// SPDX-License-Identifier: Apache-2.0

package tracehttp

import (
	"io"
	"sync/atomic"

	"go.opentelemetry.io/otel/trace"
)

// closeWriter is what the body of a 101 response of net/http offers for a half close.
type closeWriter interface{ CloseWrite() error }

// body ends a client span when a response body comes to its end. As for any response body of
// net/http, Close may run side by side with Read.
type body struct {
	io.ReadCloser
	span  trace.Span
	ended atomic.Bool // set by whoever ends the span
}

// These add the optional methods of the body below; a plain body must not seem to be writable. They
// are one pointer wide: an interface holds them without an allocation.
type (
	writableBody  struct{ *body }
	halfCloseBody struct{ writableBody }
)

func wrapBody(rc io.ReadCloser, span trace.Span) io.ReadCloser {
	b := &body{ReadCloser: rc, span: span}
	if _, ok := rc.(io.Writer); !ok {
		return b
	}
	if _, ok := rc.(closeWriter); !ok {
		return writableBody{b}
	}
	return halfCloseBody{writableBody{b}}
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	switch err {
	case nil:
	case io.EOF:
		b.end(nil)
	default:
		b.end(err)
	}
	return n, err
}

func (b *body) Close() error {
	err := b.ReadCloser.Close()
	b.end(nil)
	return err
}

// end ends the span once; err, if not nil, is why the body ended early.
func (b *body) end(err error) {
	if !b.ended.CompareAndSwap(false, true) {
		return
	}
	if err != nil {
		fail(b.span, err)
	}
	b.span.End()
}

func (b writableBody) Write(p []byte) (int, error) {
	return b.ReadCloser.(io.Writer).Write(p)
}

func (b halfCloseBody) CloseWrite() error {
	return b.ReadCloser.(closeWriter).CloseWrite()
}
