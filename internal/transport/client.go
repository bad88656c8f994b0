// SPDX-License-Identifier: Apache-2.0

package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"
)

const (
	// maxErrorTextBytes bounds how much of a response body an error shows.
	maxErrorTextBytes = 256
	// maxDrainBytes bounds what is read of a response body that nobody needs, so that the connection
	// can be used again. A longer rest costs the connection instead.
	maxDrainBytes = 64 << 10
	// maxDrainTime bounds how long that may take: the answer is known already.
	maxDrainTime = 100 * time.Millisecond
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

// Client posts request bodies to one URL. It is safe for concurrent use.
type Client struct {
	cfg    Config
	target string // the URL for error texts
	http   http.Client
	owned  *http.Transport // nil with a client of the user
	closed atomic.Bool     // publishes that Close was called
}

// NewTransport returns a transport with the time limits of http.DefaultTransport, shared with nobody:
// a program that replaces or instruments http.DefaultTransport does not trace its own exporting. The
// proxy comes from the environment. Responses are not asked to be compressed.
func NewTransport() *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		ForceAttemptHTTP2:     true,
		MaxIdleConnsPerHost:   2,
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   10 * time.Second,
		ExpectContinueTimeout: time.Second,
		DisableCompression:    true,
	}
}

// New makes a client. cfg is the exporter's to validate.
func New(cfg Config) *Client {
	c := &Client{cfg: cfg, target: Redact(cfg.URL.String())}
	if cfg.HTTPClient != nil {
		c.http = *cfg.HTTPClient
	} else {
		c.owned = cfg.Transport
		if c.owned == nil {
			c.owned = NewTransport()
		}
		c.http.Transport = c.owned
	}
	c.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return c
}

// Close closes idle connections, and those in use when they fall idle. It is idempotent. A client of
// the user is left alone.
func (c *Client) Close() {
	c.closed.Store(true)
	c.closeIdle()
}

func (c *Client) closeIdle() {
	if c.owned != nil {
		c.owned.CloseIdleConnections()
	}
}

// Post sends one body and waits for the answer, until ctx is done or Config.Timeout has passed. Any
// status 2xx is success. When it returns, nothing reads r.Body any more. The error is nil on success.
func (c *Client) Post(ctx context.Context, r Request) (Response, *Error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	l := &loan{data: r.Body}
	defer l.revoke()

	resp, err := c.http.Do(c.newRequest(ctx, r, l))
	if err != nil {
		return Response{}, c.networkError(err)
	}
	defer func() {
		_ = resp.Body.Close() // the answer is known; an error here changes nothing
		if c.closed.Load() {
			c.closeIdle()
		}
	}()
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return Response{}, c.statusError(resp, cancel)
	}
	out := Response{StatusCode: resp.StatusCode, Header: resp.Header}
	if c.cfg.MaxResponseBytes > 0 {
		out.Body, _ = io.ReadAll(io.LimitReader(resp.Body, c.cfg.MaxResponseBytes))
	}
	drain(resp, cancel)
	return out, nil
}

func (c *Client) newRequest(ctx context.Context, r Request, l *loan) *http.Request {
	u := *c.cfg.URL // a RoundTripper of the user might change it
	req := (&http.Request{
		Method:     http.MethodPost,
		URL:        &u,
		Proto:      "HTTP/1.1",
		ProtoMajor: 1,
		ProtoMinor: 1,
		Header:     make(http.Header, len(c.cfg.Header)+len(r.Header)),
		Host:       u.Host,
		Body:       http.NoBody,
	}).WithContext(ctx)
	if len(r.Body) > 0 {
		req.Body, _ = l.reader()
		req.GetBody = l.reader
		req.ContentLength = int64(len(r.Body))
	}
	for _, h := range []http.Header{c.cfg.Header, r.Header} {
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
func (c *Client) networkError(err error) *Error {
	var outer *url.Error
	if errors.As(err, &outer) {
		err = outer.Err // the outer text shows the query of the URL
	}
	return &Error{Err: fmt.Errorf("post %s: %w", c.target, err), Retryable: true}
}

// statusError makes an error of a response that is no success.
func (c *Client) statusError(resp *http.Response, cancel context.CancelFunc) *Error {
	start, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorTextBytes))
	drain(resp, cancel)
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
		e.Err = fmt.Errorf("post %s: status %d: redirects are not followed, location %q", c.target, resp.StatusCode, Redact(location))
	case text != "":
		e.Err = fmt.Errorf("post %s: status %d: %s", c.target, resp.StatusCode, text)
	default:
		e.Err = fmt.Errorf("post %s: status %d", c.target, resp.StatusCode)
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
