// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/spandrel-go/spandrel/tracing"
	"github.com/spandrel-go/spandrel/tracing/tracehttp"
)

const (
	// callTimeout bounds one call. The suite waits five seconds for an answer.
	callTimeout = 5 * time.Second
	// maxBody bounds a list of calls, in bytes; the suite's are some hundred.
	maxBody = 1 << 20
)

// call is one call to make: a POST of arguments to url.
type call struct {
	URL       string          `json:"url"`
	Arguments json.RawMessage `json:"arguments"`
}

// service makes the calls that are posted to /test, one after the other. It answers 200 when all were
// answered, 400 to what is no list of calls, and 502 when one could not be made. It is safe for
// concurrent use.
type service struct {
	http.Handler
	client   *http.Client
	provider *tracing.Provider
}

// newService makes the service out of what any user has: a provider and the wrappers, all at defaults.
// No exporter is there; the suite looks at headers only.
func newService() (*service, error) {
	provider, err := tracing.NewProvider(tracing.WithServiceName("w3cservice"))
	if err != nil {
		return nil, err
	}
	traced := tracehttp.WithTracerProvider(provider)
	s := &service{
		client:   &http.Client{Transport: tracehttp.NewTransport(&http.Transport{}, traced), Timeout: callTimeout},
		provider: provider,
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /test", s.test)
	s.Handler = tracehttp.NewHandler(mux, "test", traced)
	return s, nil
}

// close ends idle connections and the provider.
func (s *service) close(ctx context.Context) error {
	s.client.CloseIdleConnections()
	return s.provider.Shutdown(ctx)
}

func (s *service) test(w http.ResponseWriter, r *http.Request) {
	var calls []call
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&calls); err != nil {
		http.Error(w, "want a JSON list of calls: "+err.Error(), http.StatusBadRequest)
		return
	}
	for _, c := range calls {
		if err := s.make(r.Context(), c); err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, "[]")
}

// make makes one call and reads its answer, which may have any status.
func (s *service) make(ctx context.Context, c call) error {
	arguments := []byte(c.Arguments)
	if len(arguments) == 0 {
		arguments = []byte("[]")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URL, bytes.NewReader(arguments))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := s.client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if _, err := io.Copy(io.Discard, io.LimitReader(res.Body, maxBody)); err != nil {
		return fmt.Errorf("read the answer of %s: %w", c.URL, err)
	}
	return nil
}
