// SPDX-License-Identifier: Apache-2.0

package zipkin

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spandrel-go/spandrel/internal/transport"
	"github.com/spandrel-go/spandrel/tracing"
)

const (
	defaultURL     = "http://localhost:9411/api/v2/spans"
	defaultTimeout = 10 * time.Second

	endpointVariable = "OTEL_EXPORTER_ZIPKIN_ENDPOINT"
	timeoutVariable  = "OTEL_EXPORTER_ZIPKIN_TIMEOUT"
)

// Option configures an [Exporter]. A nil one is an error of [New].
type Option interface{ apply(*config) }

type optionFunc func(*config)

func (f optionFunc) apply(c *config) { f(c) }

// WithHTTPClient sends through client, for a proxy, TLS or authentication of your own. It must not be
// nil. It is used as it is, but follows no redirect, and is not closed by [Exporter.Shutdown]. A
// transport that makes spans should not be in it: the exporter would trace its own requests. The
// default is a client whose connections nobody shares.
func WithHTTPClient(client *http.Client) Option {
	return optionFunc(func(c *config) { c.client, c.clientGiven = client, true })
}

// WithHeaders adds headers to each request. A name or value that HTTP does not allow is an error, and
// so is one that the exporter sets itself: b3, Content-Type, Content-Encoding, Content-Length and
// Transfer-Encoding. User-Agent may be replaced; Host names the host. Given twice, the last one
// counts. The default is none.
func WithHeaders(headers map[string]string) Option {
	return optionFunc(func(c *config) { c.headers = headers })
}

// WithTimeout bounds each request, its answer included. It must be positive. The default is 10 s, or
// the environment variable OTEL_EXPORTER_ZIPKIN_TIMEOUT in milliseconds. A deadline of the Go context
// that comes earlier counts.
func WithTimeout(timeout time.Duration) Option {
	return optionFunc(func(c *config) { c.timeout, c.timeoutGiven = timeout, true })
}

type config struct {
	url     *url.URL
	client  *http.Client
	headers map[string]string
	timeout time.Duration

	clientGiven, timeoutGiven bool
	header                    http.Header // headers, checked, with those of the exporter
}

// newConfig validates rawURL and opts. The environment counts where neither says anything.
func newConfig(rawURL string, opts []Option) (config, error) {
	c := config{timeout: defaultTimeout}
	for i, o := range opts {
		if o == nil {
			return config{}, fmt.Errorf("zipkin: New: opts[%d] is nil", i)
		}
		o.apply(&c)
	}
	if err := c.setURL(rawURL); err != nil {
		return config{}, err
	}
	if err := c.setTimeout(); err != nil {
		return config{}, err
	}
	if c.clientGiven && c.client == nil {
		return config{}, errors.New("zipkin: WithHTTPClient: client is nil")
	}
	header, err := newHeader(c.headers)
	if err != nil {
		return config{}, fmt.Errorf("zipkin: WithHeaders: %w", err)
	}
	c.header = header
	return c, nil
}

// newHeader checks the user's headers and adds those of the exporter.
func newHeader(fields map[string]string) (http.Header, error) {
	header, err := transport.Header(fields, "B3", "Content-Type", "Content-Encoding", "Content-Length", "Transfer-Encoding")
	if err != nil {
		return nil, err
	}
	header.Set("Content-Type", "application/json")
	header.Set("B3", "0")
	if header.Get("User-Agent") == "" {
		header.Set("User-Agent", "spandrel/"+tracing.Version)
	}
	return header, nil
}

func (c *config) setURL(raw string) (err error) {
	if raw != "" {
		if c.url, err = transport.ParseURL(raw, defaultURL); err != nil {
			return fmt.Errorf("zipkin: %w", err)
		}
		return nil
	}
	if raw = strings.TrimSpace(os.Getenv(endpointVariable)); raw == "" {
		raw = defaultURL
	}
	if c.url, err = transport.ParseURL(raw, defaultURL); err != nil {
		return fmt.Errorf("zipkin: %s: %w", endpointVariable, err)
	}
	return nil
}

func (c *config) setTimeout() error {
	if c.timeoutGiven {
		if c.timeout <= 0 {
			return fmt.Errorf("zipkin: WithTimeout: %v is not positive", c.timeout)
		}
		return nil
	}
	text := strings.TrimSpace(os.Getenv(timeoutVariable))
	if text == "" {
		return nil
	}
	millis, err := strconv.ParseInt(text, 10, 64)
	if err != nil || millis <= 0 || millis > math.MaxInt64/int64(time.Millisecond) {
		return fmt.Errorf("zipkin: %s: %q is not a positive number of milliseconds", timeoutVariable, text)
	}
	c.timeout = time.Duration(millis) * time.Millisecond
	return nil
}
