// SPDX-License-Identifier: Apache-2.0

package dropin_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/propagation"
)

// early is a tracer as packages have it: made before anyone has set a provider.
var early = otel.Tracer("early", trace.WithInstrumentationVersion("v1"))

// ownProcess names the environment variable that says that a test has a process of its own.
const ownProcess = "SPANDREL_TEST_OWN_PROCESS"

// TestGlobalProvider sets our provider as OpenTelemetry's global one, in a process of its own: tracers
// made before follow the first provider that is ever set, and other tests must not see it.
func TestGlobalProvider(t *testing.T) {
	if os.Getenv(ownProcess) == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestGlobalProvider$", "-test.v")
		cmd.Env = append(os.Environ(), ownProcess+"=1")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		require.Contains(t, string(out), "--- PASS: TestGlobalProvider")
		return
	}
	handler := otelhttp.NewHandler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, s := early.Start(r.Context(), "in the handler")
		s.End()
	}), "")
	before, unset := early.Start(context.Background(), "before")
	require.False(t, unset.IsRecording())

	lib := newOurs(t)
	otel.SetTracerProvider(lib.provider)
	otel.SetTextMapPropagator(newPropagator(t, propagation.Config{}))

	// A span that does nothing is still active in this Go context.
	ctx, first := early.Start(before, "first")
	_, late := otel.Tracer("late").Start(ctx, "late")
	late.End()
	first.End()
	unset.End()

	req := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
	req.Header.Set("traceparent", "00-463ac35c9f6413ad48485a3953bb6124-a2fb4a1d1a96d312-01")
	handler.ServeHTTP(httptest.NewRecorder(), req)

	assert.Same(t, lib.provider, otel.GetTracerProvider())
	spans := lib.spans(t)
	trees := forest(t, spans)
	require.Len(t, trees, 2)
	assert.Equal(t, "GET", trees[0].Name)
	assert.True(t, trees[0].Remote)
	assert.Equal(t, "in the handler", trees[0].Children[0].Name)
	assert.Equal(t, scope{Name: "early", Version: "v1", Attributes: values(nil)}, trees[0].Children[0].Scope)
	assert.Equal(t, "first", trees[1].Name)
	assert.Equal(t, scope{Name: "early", Version: "v1", Attributes: values(nil)}, trees[1].Scope)
	assert.Equal(t, "late", trees[1].Children[0].Name)
	for _, s := range spans {
		if s.Name == "GET" {
			assert.Equal(t, "463ac35c9f6413ad48485a3953bb6124", s.sc.TraceID().String())
			assert.Equal(t, "a2fb4a1d1a96d312", s.parent.SpanID().String())
		}
	}
}
