// SPDX-License-Identifier: Apache-2.0

package jaegerremote

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/spandrel-go/spandrel/internal/transport"
	"github.com/spandrel-go/spandrel/sampling"
)

const (
	defaultEndpoint    = "http://localhost:5778"
	defaultPath        = "/sampling"
	defaultInterval    = time.Minute
	defaultTimeout     = 10 * time.Second
	defaultInitialRate = 0.001
)

// Option configures a [Sampler]. A nil one is an error of [New].
type Option interface{ apply(*config) }

type optionFunc func(*config)

func (f optionFunc) apply(c *config) { f(c) }

// WithEndpoint sets the URL of the backend, http or https. A URL without a path gets /sampling, where
// Jaeger 2 and the OpenTelemetry collector answer; one with a path is used as it is, such as
// http://jaeger:14268/api/sampling of Jaeger 1's collector. The query parameter service is added. User
// information becomes basic authentication. The default is http://localhost:5778.
func WithEndpoint(endpoint string) Option {
	return optionFunc(func(c *config) { c.endpoint = endpoint })
}

// WithPollingInterval sets how long to wait between questions, give or take a tenth, so that many
// processes do not ask at once. It must be positive. The default is one minute.
func WithPollingInterval(interval time.Duration) Option {
	return optionFunc(func(c *config) { c.interval = interval })
}

// WithInitialSampler sets the sampler that decides until the first answer. It must not be nil. The
// default is sampling.Ratio(0.001).
func WithInitialSampler(s sampling.Sampler) Option {
	return optionFunc(func(c *config) { c.initial = s })
}

// WithHTTPClient asks through client, for a proxy, TLS or authentication of your own. It must not be
// nil. It is used as it is, but follows no redirect, and is not closed by [Sampler.Close]. A transport
// that makes spans should not be in it. The default is a client whose connections nobody shares.
func WithHTTPClient(client *http.Client) Option {
	return optionFunc(func(c *config) { c.client, c.clientGiven = client, true })
}

// WithTimeout bounds each question, the answer included. It must be positive. The default is 10 s.
func WithTimeout(timeout time.Duration) Option {
	return optionFunc(func(c *config) { c.timeout = timeout })
}

// WithLogger sets where failures and their end are told. It must not be nil. The default is
// slog.Default() at the time of [New].
func WithLogger(logger *slog.Logger) Option {
	return optionFunc(func(c *config) { c.logger = logger })
}

type config struct {
	endpoint    string
	interval    time.Duration
	timeout     time.Duration
	initial     sampling.Sampler
	client      *http.Client
	clientGiven bool
	logger      *slog.Logger

	url *url.URL // endpoint, checked, with the service in its query
}

func newConfig(service string, opts []Option) (config, error) {
	initial, err := sampling.Ratio(defaultInitialRate)
	if err != nil {
		return config{}, fmt.Errorf("jaegerremote: %w", err)
	}
	c := config{
		endpoint: defaultEndpoint,
		interval: defaultInterval,
		timeout:  defaultTimeout,
		initial:  initial,
		logger:   slog.Default(),
	}
	for i, o := range opts {
		if o == nil {
			return config{}, fmt.Errorf("jaegerremote: New: opts[%d] is nil", i)
		}
		o.apply(&c)
	}
	switch {
	case service == "":
		return config{}, errors.New("jaegerremote: New: service is empty")
	case c.interval <= 0:
		return config{}, fmt.Errorf("jaegerremote: WithPollingInterval: %v is not positive", c.interval)
	case c.timeout <= 0:
		return config{}, fmt.Errorf("jaegerremote: WithTimeout: %v is not positive", c.timeout)
	case c.initial == nil:
		return config{}, errors.New("jaegerremote: WithInitialSampler: sampler is nil")
	case c.clientGiven && c.client == nil:
		return config{}, errors.New("jaegerremote: WithHTTPClient: client is nil")
	case c.logger == nil:
		return config{}, errors.New("jaegerremote: WithLogger: logger is nil")
	}
	u, err := transport.ParseURL(c.endpoint, defaultEndpoint)
	if err != nil {
		return config{}, fmt.Errorf("jaegerremote: WithEndpoint: %w", err)
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = defaultPath
	}
	query := u.Query()
	query.Set("service", service)
	u.RawQuery, u.Fragment = query.Encode(), ""
	c.url = u
	return c, nil
}
