// SPDX-License-Identifier: Apache-2.0

package transport

import (
	"errors"
	"io"
	"sync"
)

// errRevoked is what a reader gets that comes too late. net/http ends the connection then.
var errRevoked = errors.New("transport: request body read after the request was over")

// loan is a borrowed body. http.Client.Do may return while a goroutine of net/http still reads the
// body, for example when the server answers early, so the bytes are reached only under the lock and
// only until revoke.
type loan struct {
	mu      sync.Mutex // guards the fields below, and each copy out of data
	data    []byte     // borrowed until revoke
	revoked bool
}

// revoke ends the loan: when it has returned, nothing reads the bytes any more.
func (l *loan) revoke() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.data, l.revoked = nil, true
}

// reader returns a new reader of the whole body.
func (l *loan) reader() (io.ReadCloser, error) { return &loanReader{loan: l}, nil }

// loanReader reads a loan from its start. It is used by one goroutine at a time, as any reader is.
type loanReader struct {
	loan *loan
	off  int
}

// Read copies under the loan's lock.
func (r *loanReader) Read(p []byte) (int, error) {
	r.loan.mu.Lock()
	defer r.loan.mu.Unlock()
	if r.loan.revoked {
		return 0, errRevoked
	}
	if r.off == len(r.loan.data) {
		return 0, io.EOF
	}
	n := copy(p, r.loan.data[r.off:])
	r.off += n
	return n, nil
}

// Close does nothing: the loan is the borrower's to end.
func (r *loanReader) Close() error { return nil }
