// SPDX-License-Identifier: Apache-2.0

package envoy

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"text/template"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/spandrel-go/spandrel/internal/interop/process"
)

const (
	program = "envoy-1.40.0"
	// startTimeout is how long a start may take; on two busy cores it is a second.
	startTimeout = time.Minute
)

// Tracer is one of Envoy's tracers, as its configuration has it. It reports to the cluster "collector".
type Tracer string

const zipkinTracer = `name: envoy.tracers.zipkin, typed_config: {"@type": type.googleapis.com/envoy.config.trace.v3.ZipkinConfig,
              collector_cluster: collector, collector_endpoint: /api/v2/spans, collector_endpoint_version: HTTP_JSON, trace_id_128bit: true`

const openTelemetryTracer = `name: envoy.tracers.opentelemetry, typed_config: {
              "@type": type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig, service_name: sidecar,
              http_service: {http_uri: {uri: "http://127.0.0.1/v1/traces", cluster: collector, timeout: 5s}}`

// Envoy's tracers.
const (
	// Zipkin is the tracer as the manuals have it: a server span shares the id of the client span before it.
	Zipkin Tracer = "{" + zipkinTracer + "}}"
	// ZipkinUnshared gives a server span an id of its own.
	ZipkinUnshared Tracer = "{" + zipkinTracer + ", shared_span_context: false}}"
	// ZipkinW3C writes traceparent beside B3, and reads it where there is no B3.
	ZipkinW3C Tracer = "{" + zipkinTracer + ", shared_span_context: false, trace_context_option: USE_B3_WITH_W3C_PROPAGATION}}"
	// Datadog posts to the path /v0.4/traces.
	Datadog Tracer = `{name: envoy.tracers.datadog, typed_config: {"@type": type.googleapis.com/envoy.config.trace.v3.DatadogConfig,
              collector_cluster: collector, service_name: sidecar}}`
	// OpenTelemetry posts OTLP to the path /v1/traces.
	OpenTelemetry Tracer = "{" + openTelemetryTracer + "}}"
	// OpenTelemetryParent has a sampler that is to obey the caller, and to sample all other traces.
	OpenTelemetryParent Tracer = "{" + openTelemetryTracer + `,
              sampler: {name: envoy.tracers.opentelemetry.samplers.parent_based, typed_config: {
                "@type": type.googleapis.com/envoy.extensions.tracers.opentelemetry.samplers.v3.ParentBasedSamplerConfig,
                wrapped_sampler: {name: envoy.tracers.opentelemetry.samplers.always_on, typed_config: {
                  "@type": type.googleapis.com/envoy.extensions.tracers.opentelemetry.samplers.v3.AlwaysOnSamplerConfig}}}}}}`
)

// Config says what stands around an Envoy. The URLs are of servers on 127.0.0.1; their paths do not count.
type Config struct {
	Tracer    Tracer
	Collector string // where spans go
	App       string // the service behind the inbound listeners
	Next      string // the service behind the outbound listeners
}

// Sidecar is a running Envoy.
type Sidecar struct {
	process   *process.Process
	client    *http.Client
	admin     string            // URL without a path
	listeners map[string]string // URLs by name
}

//go:embed sidecar.yaml.tmpl
var sidecarYAML string

// Start starts an Envoy and waits until it listens. It ends with the test, which shows what Envoy printed
// if it has failed.
func Start(t testing.TB, cfg Config) *Sidecar {
	t.Helper()
	path, err := process.Cached(program)
	process.Check(t, err)

	adminFile := filepath.Join(t.TempDir(), "admin")
	s := &Sidecar{client: &http.Client{Transport: &http.Transport{}}, listeners: map[string]string{}}
	// Variables of the user's, such as DD_TRACE_PROPAGATION_STYLE, would change Envoy.
	s.process = process.Start(context.Background(), []string{"PATH=" + os.Getenv("PATH")}, path,
		"--config-yaml", render(t, cfg), "--admin-address-path", adminFile,
		"--concurrency", "1", "--log-level", "warning", "--disable-hot-restart")
	t.Cleanup(func() {
		s.process.Stop()
		s.client.CloseIdleConnections()
		if t.Failed() {
			t.Logf("Envoy printed:\n%s", s.process.Output())
		}
	})

	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	require.NoError(t, s.process.WaitUntil(ctx, func() (bool, error) { return s.ready(ctx, adminFile) }))
	return s
}

// Inbound returns the URL of the listener in front of the app that samples this percentage, 0, 30 or 100, of
// the traces that begin there.
func (s *Sidecar) Inbound(percent int) string { return s.listeners[fmt.Sprintf("INBOUND-%d", percent)] }

// Outbound returns the URL of the listener in front of the next service that samples this percentage, 0, 30
// or 100, of the traces that begin there.
func (s *Sidecar) Outbound(percent int) string {
	return s.listeners[fmt.Sprintf("OUTBOUND-%d", percent)]
}

func render(t testing.TB, cfg Config) string {
	t.Helper()
	tmpl, err := template.New("sidecar").Parse(sidecarYAML)
	require.NoError(t, err)
	ports := map[string]string{}
	for name, address := range map[string]string{"collector": cfg.Collector, "app": cfg.App, "next": cfg.Next} {
		u, err := url.Parse(address)
		require.NoError(t, err)
		ports[name] = u.Port()
	}
	var text strings.Builder
	require.NoError(t, tmpl.Execute(&text, map[string]any{
		"Clusters": map[string]string{"INBOUND": "app", "OUTBOUND": "next"},
		"Percents": []int{0, 30, 100},
		"Provider": cfg.Tracer,
		"Ports":    ports,
	}))
	return text.String()
}

// ready reports whether Envoy listens, and then notes where.
func (s *Sidecar) ready(ctx context.Context, adminFile string) (bool, error) {
	address, err := os.ReadFile(adminFile)
	if err != nil || len(address) == 0 {
		return false, nil //nolint:nilerr // Envoy has not written it yet
	}
	s.admin = "http://" + strings.TrimSpace(string(address))
	status, _, err := s.get(ctx, "/ready")
	if err != nil || status != http.StatusOK {
		return false, nil //nolint:nilerr // not ready yet
	}
	_, body, err := s.get(ctx, "/listeners?format=json")
	if err != nil {
		return false, err
	}
	var list struct {
		Listeners []struct {
			Name    string `json:"name"`
			Address struct {
				Socket struct {
					Host string `json:"address"`
					Port int    `json:"port_value"`
				} `json:"socket_address"`
			} `json:"local_address"`
		} `json:"listener_statuses"`
	}
	if err := json.Unmarshal(body, &list); err != nil {
		return false, fmt.Errorf("%w: %s", err, body)
	}
	for _, l := range list.Listeners {
		s.listeners[l.Name] = fmt.Sprintf("http://%s:%d", l.Address.Socket.Host, l.Address.Socket.Port)
	}
	return true, nil
}

func (s *Sidecar) get(ctx context.Context, path string) (status int, body []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.admin+path, http.NoBody)
	if err != nil {
		return 0, nil, err
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(resp.Body)
	return resp.StatusCode, body, err
}
