// SPDX-License-Identifier: Apache-2.0

package tracehttp

import (
	"bufio"
	"io"
	"net"
	"net/http"
)

// A type for each set of optional interfaces, so that a writer shows those of the writer below and no
// other. The letters are C for CloseNotify, F for Flush (with FlushError), H for Hijack, P for Push
// and R for ReadFrom. Each type embeds the one without its last letter and adds that letter's method.
// All of them are one pointer wide: an interface holds them without an allocation.
type (
	wC     struct{ *responseWriter }
	wF     struct{ *responseWriter }
	wCF    struct{ wC }
	wH     struct{ *responseWriter }
	wCH    struct{ wC }
	wFH    struct{ wF }
	wCFH   struct{ wCF }
	wP     struct{ *responseWriter }
	wCP    struct{ wC }
	wFP    struct{ wF }
	wCFP   struct{ wCF }
	wHP    struct{ wH }
	wCHP   struct{ wCH }
	wFHP   struct{ wFH }
	wCFHP  struct{ wCFH }
	wR     struct{ *responseWriter }
	wCR    struct{ wC }
	wFR    struct{ wF }
	wCFR   struct{ wCF }
	wHR    struct{ wH }
	wCHR   struct{ wCH }
	wFHR   struct{ wFH }
	wCFHR  struct{ wCFH }
	wPR    struct{ wP }
	wCPR   struct{ wCP }
	wFPR   struct{ wFP }
	wCFPR  struct{ wCFP }
	wHPR   struct{ wHP }
	wCHPR  struct{ wCHP }
	wFHPR  struct{ wFHP }
	wCFHPR struct{ wCFHP }
)

func (w wC) CloseNotify() <-chan bool { return w.closeNotify() }

func (w wF) Flush()             { w.flush() }
func (w wF) FlushError() error  { return w.flushError() }
func (w wCF) Flush()            { w.flush() }
func (w wCF) FlushError() error { return w.flushError() }

func (w wH) Hijack() (net.Conn, *bufio.ReadWriter, error)   { return w.hijack() }
func (w wCH) Hijack() (net.Conn, *bufio.ReadWriter, error)  { return w.hijack() }
func (w wFH) Hijack() (net.Conn, *bufio.ReadWriter, error)  { return w.hijack() }
func (w wCFH) Hijack() (net.Conn, *bufio.ReadWriter, error) { return w.hijack() }

func (w wP) Push(target string, o *http.PushOptions) error    { return w.push(target, o) }
func (w wCP) Push(target string, o *http.PushOptions) error   { return w.push(target, o) }
func (w wFP) Push(target string, o *http.PushOptions) error   { return w.push(target, o) }
func (w wCFP) Push(target string, o *http.PushOptions) error  { return w.push(target, o) }
func (w wHP) Push(target string, o *http.PushOptions) error   { return w.push(target, o) }
func (w wCHP) Push(target string, o *http.PushOptions) error  { return w.push(target, o) }
func (w wFHP) Push(target string, o *http.PushOptions) error  { return w.push(target, o) }
func (w wCFHP) Push(target string, o *http.PushOptions) error { return w.push(target, o) }

func (w wR) ReadFrom(src io.Reader) (int64, error)     { return w.readFrom(src) }
func (w wCR) ReadFrom(src io.Reader) (int64, error)    { return w.readFrom(src) }
func (w wFR) ReadFrom(src io.Reader) (int64, error)    { return w.readFrom(src) }
func (w wCFR) ReadFrom(src io.Reader) (int64, error)   { return w.readFrom(src) }
func (w wHR) ReadFrom(src io.Reader) (int64, error)    { return w.readFrom(src) }
func (w wCHR) ReadFrom(src io.Reader) (int64, error)   { return w.readFrom(src) }
func (w wFHR) ReadFrom(src io.Reader) (int64, error)   { return w.readFrom(src) }
func (w wCFHR) ReadFrom(src io.Reader) (int64, error)  { return w.readFrom(src) }
func (w wPR) ReadFrom(src io.Reader) (int64, error)    { return w.readFrom(src) }
func (w wCPR) ReadFrom(src io.Reader) (int64, error)   { return w.readFrom(src) }
func (w wFPR) ReadFrom(src io.Reader) (int64, error)   { return w.readFrom(src) }
func (w wCFPR) ReadFrom(src io.Reader) (int64, error)  { return w.readFrom(src) }
func (w wHPR) ReadFrom(src io.Reader) (int64, error)   { return w.readFrom(src) }
func (w wCHPR) ReadFrom(src io.Reader) (int64, error)  { return w.readFrom(src) }
func (w wFHPR) ReadFrom(src io.Reader) (int64, error)  { return w.readFrom(src) }
func (w wCFHPR) ReadFrom(src io.Reader) (int64, error) { return w.readFrom(src) }

// The bits of a set of optional interfaces.
const (
	closes = 1 << iota
	flushes
	hijacks
	pushes
	readsFrom
)

// wrap returns w as the type that has the optional interfaces of the writer below.
func (w *responseWriter) wrap() http.ResponseWriter {
	set := 0
	if _, ok := w.ResponseWriter.(closeNotifier); ok {
		set |= closes
	}
	if _, ok := w.ResponseWriter.(http.Flusher); ok {
		set |= flushes
	}
	if _, ok := w.ResponseWriter.(http.Hijacker); ok {
		set |= hijacks
	}
	if _, ok := w.ResponseWriter.(http.Pusher); ok {
		set |= pushes
	}
	if _, ok := w.ResponseWriter.(io.ReaderFrom); ok {
		set |= readsFrom
	}
	switch set {
	case closes:
		return wC{w}
	case flushes:
		return wF{w}
	case closes | flushes:
		return wCF{wC{w}}
	case hijacks:
		return wH{w}
	case closes | hijacks:
		return wCH{wC{w}}
	case flushes | hijacks:
		return wFH{wF{w}}
	case closes | flushes | hijacks:
		return wCFH{wCF{wC{w}}}
	case pushes:
		return wP{w}
	case closes | pushes:
		return wCP{wC{w}}
	case flushes | pushes:
		return wFP{wF{w}}
	case closes | flushes | pushes:
		return wCFP{wCF{wC{w}}}
	case hijacks | pushes:
		return wHP{wH{w}}
	case closes | hijacks | pushes:
		return wCHP{wCH{wC{w}}}
	case flushes | hijacks | pushes:
		return wFHP{wFH{wF{w}}}
	case closes | flushes | hijacks | pushes:
		return wCFHP{wCFH{wCF{wC{w}}}}
	case readsFrom:
		return wR{w}
	case closes | readsFrom:
		return wCR{wC{w}}
	case flushes | readsFrom:
		return wFR{wF{w}}
	case closes | flushes | readsFrom:
		return wCFR{wCF{wC{w}}}
	case hijacks | readsFrom:
		return wHR{wH{w}}
	case closes | hijacks | readsFrom:
		return wCHR{wCH{wC{w}}}
	case flushes | hijacks | readsFrom:
		return wFHR{wFH{wF{w}}}
	case closes | flushes | hijacks | readsFrom:
		return wCFHR{wCFH{wCF{wC{w}}}}
	case pushes | readsFrom:
		return wPR{wP{w}}
	case closes | pushes | readsFrom:
		return wCPR{wCP{wC{w}}}
	case flushes | pushes | readsFrom:
		return wFPR{wFP{wF{w}}}
	case closes | flushes | pushes | readsFrom:
		return wCFPR{wCFP{wCF{wC{w}}}}
	case hijacks | pushes | readsFrom:
		return wHPR{wHP{wH{w}}}
	case closes | hijacks | pushes | readsFrom:
		return wCHPR{wCHP{wCH{wC{w}}}}
	case flushes | hijacks | pushes | readsFrom:
		return wFHPR{wFHP{wFH{wF{w}}}}
	case closes | flushes | hijacks | pushes | readsFrom:
		return wCFHPR{wCFHP{wCFH{wCF{wC{w}}}}}
	}
	return w
}
