// SPDX-License-Identifier: Apache-2.0

package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxErrorTextBytes bounds how much of a response body an error shows.
	maxErrorTextBytes = 256
	// maxErrorTextTime bounds how long it is waited for: the status is known already.
	maxErrorTextTime = time.Second
	// maxDrainBytes bounds what is read of a response body that nobody needs, so that the connection
	// can be used again. A longer rest costs the connection instead.
	maxDrainBytes = 64 << 10
	// maxDrainTime bounds how long that may take: the answer is known already.
	maxDrainTime = 100 * time.Millisecond
	// maxIdleConns is how many connections are kept for the next requests.
	maxIdleConns = 2
	// maxHeaderBytes bounds the header of a response, of which net/http would hold ten megabytes.
	maxHeaderBytes = 64 << 10
)

// Config says where and how a [Client] posts.
type Config struct {
	// URL is where to post. Its user information becomes basic authentication.
	URL *url.URL
	// Header is sent with each request; "Host" in it names the host. The client owns it.
	Header http.Header
	// HTTPClient is a client of the user, or nil. It is used as it is but for its CheckRedirect, and
	// never closed.
	HTTPClient *http.Client
	// Transport is owned by the client and closed by Close. Nil means NewTransport(). It must be nil
	// when HTTPClient is set.
	Transport *http.Transport
	// Timeout bounds each request, answer included; it must be positive.
	Timeout time.Duration
	// MaxResponseBytes is how much of the body of a successful response is handed out; 0 means none
	// of it. It is a bound and no demand: what is longer is cut.
	MaxResponseBytes int64
}

// Request is one POST.
type Request struct {
	// Body is borrowed until Post returns.
	Body []byte
	// Header is sent besides, and instead of, the fields of Config.Header. It may be nil.
	Header http.Header
}

// Response is the answer to a request that succeeded.
type Response struct {
	StatusCode int
	Header     http.Header
	// Body is what could be read of the body, at most Config.MaxResponseBytes. A body that breaks off
	// does not turn success into failure: the server has accepted the request.
	Body []byte
}

// Client posts request bodies to one URL at a time. It is safe for concurrent use.
type Client struct {
	target           atomic.Pointer[target] // where the next request goes
	timeout          time.Duration
	maxResponseBytes int64
	closed           atomic.Bool // publishes that Close was called
}

// target is where a request goes, what it carries, and on which connections. It is never changed, only
// replaced, and a request reads it once: so nothing of two of them meets in one request.
type target struct {
	url      *url.URL
	header   http.Header
	conns    *connections
	replaced chan struct{} // closed when another URL has taken the place of url
}

// connections are those to one server, or all of a client of the user.
type connections struct {
	http  http.Client
	owned *http.Transport // nil with a client of the user
	dial  dialFunc        // of owned, before it was watched; nil if it has none
	open  openConns       // that dial has made

	// mu is held for reading during each request, and for writing while idle connections are closed. net/http
	// counts a connection as idle a moment before it hands out the answer that came on it: closed in that
	// moment, a request that has arrived looks failed, and is sent twice.
	mu sync.RWMutex
}

// String returns the URL for error texts.
func (t *target) String() string { return Redact(t.url.String()) }

// sameServer says whether a connection to t serves u as well.
func (t *target) sameServer(u *url.URL) bool { return t.url.Scheme == u.Scheme && t.url.Host == u.Host }

// elsewhere returns connections like c for another server: c itself with a client of the user.
func (c *connections) elsewhere() *connections {
	if c.owned == nil {
		return c
	}
	owned := c.owned.Clone()
	owned.DialContext = c.dial
	return newConnections(owned)
}

func newConnections(owned *http.Transport) *connections {
	c := &connections{http: http.Client{Transport: owned, CheckRedirect: noRedirect}, owned: owned, dial: owned.DialContext}
	if c.dial != nil {
		owned.DialContext = c.open.watch(c.dial)
	}
	return c
}

func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// closeIdle closes all connections, unless a request is under way: that one does it at its end.
func (c *connections) closeIdle() {
	if c.owned != nil && c.mu.TryLock() {
		c.owned.CloseIdleConnections()
		// HTTP/2 counts a connection as used for a moment after the answer has been handed out, and has
		// just passed it over.
		c.open.close()
		c.mu.Unlock()
	}
}

// NewTransport returns a transport with the time limits of http.DefaultTransport, shared with nobody:
// a program that replaces or instruments http.DefaultTransport does not trace its own exporting. The
// proxy comes from the environment. Responses are not asked to be compressed, and a header of more than
// 64 KiB is no answer.
func NewTransport() *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		ForceAttemptHTTP2:     true,
		MaxIdleConnsPerHost:   maxIdleConns,
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   10 * time.Second,
		ExpectContinueTimeout: time.Second,
		DisableCompression:    true,

		MaxResponseHeaderBytes: maxHeaderBytes,
	}
}

// New makes a client. cfg is the exporter's to validate.
func New(cfg Config) *Client {
	c := &Client{timeout: cfg.Timeout, maxResponseBytes: cfg.MaxResponseBytes}
	var conns *connections
	switch {
	case cfg.HTTPClient != nil:
		conns = &connections{http: *cfg.HTTPClient}
		conns.http.CheckRedirect = noRedirect
	case cfg.Transport != nil:
		conns = newConnections(cfg.Transport)
	default:
		conns = newConnections(NewTransport())
	}
	c.target.Store(&target{cfg.URL, cfg.Header, conns, make(chan struct{})})
	return c
}

// SetTarget replaces the URL, the header, or both in one step; nil keeps what is. Requests that begin after
// it has returned go to the new place, and those under way end as they began. The client owns what it is
// given, which is the exporter's to validate. Connections to a server that is no longer the target are
// closed: idle ones at once, those in use when they fall idle; those of a client of the user are left alone.
func (c *Client) SetTarget(u *url.URL, header http.Header) {
	for {
		old := c.target.Load()
		t := *old
		elsewhere := u != nil && u.String() != old.url.String()
		if elsewhere {
			t.url, t.replaced = u, make(chan struct{})
			if !old.sameServer(u) {
				t.conns = old.conns.elsewhere()
			}
		}
		if header != nil {
			t.header = header
		}
		if c.target.CompareAndSwap(old, &t) {
			if elsewhere {
				close(old.replaced)
			}
			c.leave(old.conns)
			return
		}
	}
}

// TargetReplaced returns a channel that is closed by the next SetTarget with another URL.
func (c *Client) TargetReplaced() <-chan struct{} { return c.target.Load().replaced }

// URL returns the URL of the requests that begin now, as error texts show it: without user information and
// query.
func (c *Client) URL() string { return c.target.Load().String() }

// leave closes idle connections that no request needs any more.
func (c *Client) leave(conns *connections) {
	if c.closed.Load() || conns != c.target.Load().conns {
		conns.closeIdle()
	}
}

// Close closes idle connections, and those in use when they fall idle. It is idempotent. A client of
// the user is left alone.
func (c *Client) Close() {
	c.closed.Store(true)
	c.target.Load().conns.closeIdle()
}

// Post sends one body and waits for the answer, until ctx is done or Config.Timeout has passed. Any
// status 2xx is success. When it returns, nothing reads r.Body any more. The error is nil on success.
func (c *Client) Post(ctx context.Context, r Request) (Response, *Error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	l := &loan{data: r.Body}
	defer l.revoke()

	t := c.target.Load()
	t.conns.mu.RLock()
	defer func() {
		t.conns.mu.RUnlock()
		c.leave(t.conns)
	}()
	resp, err := t.send(ctx, r, l)
	if err != nil {
		return Response{}, t.networkError(err)
	}
	defer func() { _ = resp.Body.Close() }() // the answer is known; an error here changes nothing
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return Response{}, t.statusError(resp, cancel)
	}
	out := Response{StatusCode: resp.StatusCode, Header: resp.Header}
	if c.maxResponseBytes > 0 {
		out.Body, _ = io.ReadAll(io.LimitReader(resp.Body, c.maxResponseBytes))
	}
	drain(resp, cancel)
	return out, nil
}

// send sends a request. A server may close a connection at the moment when it is used again: a request that is
// lost so is sent again at once, as net/http does with a GET. Without that the backend would look as if it had
// failed, and the last request before the end would be the last try. No more idle connections are kept than
// can fail so, and a new one that fails is a failure.
func (t *target) send(ctx context.Context, r Request, l *loan) (*http.Response, error) {
	for tries := 0; ; tries++ {
		var usedBefore, answered atomic.Bool
		resp, err := t.conns.http.Do(t.newRequest(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
			GotConn:              func(c httptrace.GotConnInfo) { usedBefore.Store(c.Reused) },
			GotFirstResponseByte: func() { answered.Store(true) },
		}), r, l))
		if err == nil || tries == maxIdleConns || !usedBefore.Load() || answered.Load() || ctx.Err() != nil {
			return resp, err
		}
	}
}

func (t *target) newRequest(ctx context.Context, r Request, l *loan) *http.Request {
	u := *t.url // a RoundTripper of the user might change it
	req := (&http.Request{
		Method:     http.MethodPost,
		URL:        &u,
		Proto:      "HTTP/1.1",
		ProtoMajor: 1,
		ProtoMinor: 1,
		Header:     make(http.Header, len(t.header)+len(r.Header)),
		Host:       u.Host,
		Body:       http.NoBody,
	}).WithContext(ctx)
	if len(r.Body) > 0 {
		req.Body, _ = l.reader()
		req.GetBody = l.reader
		req.ContentLength = int64(len(r.Body))
	}
	for _, h := range []http.Header{t.header, r.Header} {
		for name, values := range h {
			req.Header[name] = values // net/http only reads them
		}
	}
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host
	}
	return req
}

// networkError makes an error of what http.Client.Do returned. No answer came, so another try may
// succeed.
func (t *target) networkError(err error) *Error {
	var outer *url.Error
	if errors.As(err, &outer) {
		err = outer.Err // the outer text shows the query of the URL
	}
	return &Error{Err: fmt.Errorf("post %s: %w", t, err), Retryable: true}
}

// statusError makes an error of a response that is no success.
func (t *target) statusError(resp *http.Response, cancel context.CancelFunc) *Error {
	var start []byte
	if resp.StatusCode != http.StatusSwitchingProtocols { // its body is the connection, and no context ends a read of it
		timer := time.AfterFunc(maxErrorTextTime, cancel)
		start, _ = io.ReadAll(io.LimitReader(resp.Body, maxErrorTextBytes))
		timer.Stop()
		drain(resp, cancel)
	}
	e := &Error{
		StatusCode: resp.StatusCode,
		Retryable:  Retryable(resp.StatusCode),
		TooLarge:   resp.StatusCode == http.StatusRequestEntityTooLarge,
	}
	if e.Retryable {
		e.RetryAfter = ParseRetryAfter(resp.Header.Get("Retry-After"), time.Now())
	}
	text := oneLine(start)
	switch location := resp.Header.Get("Location"); {
	case resp.StatusCode >= 300 && resp.StatusCode <= 399 && location != "":
		e.Err = fmt.Errorf("post %s: status %d: redirects are not followed, location %q", t, resp.StatusCode, Redact(location))
	case text != "":
		e.Err = fmt.Errorf("post %s: status %d: %s", t, resp.StatusCode, text)
	default:
		e.Err = fmt.Errorf("post %s: status %d", t, resp.StatusCode)
	}
	return e
}

// drain reads the rest of a response body, if it is short and comes soon, so that the connection can be
// used again. cancel is that of the request's context.
func drain(resp *http.Response, cancel context.CancelFunc) {
	timer := time.AfterFunc(maxDrainTime, cancel)
	_, _ = io.CopyN(io.Discard, resp.Body, maxDrainBytes)
	timer.Stop()
}
