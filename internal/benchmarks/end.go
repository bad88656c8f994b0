// SPDX-License-Identifier: Apache-2.0

package benchmarks

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"runtime/metrics"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	otelzipkin "go.opentelemetry.io/otel/exporters/zipkin" //nolint:staticcheck // it is deprecated, and the only one that the SDK has for this backend
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/exporters/zipkin"
	"github.com/spandrel-go/spandrel/internal/latency"
	"github.com/spandrel-go/spandrel/tracing"
)

// EndScenario is a state of the backend in which the latency of End is measured.
type EndScenario struct {
	// Name stands in result files, Title above its table.
	Name, Title string
	backend     endBackend
}

type endBackend int

const (
	backendUp endBackend = iota
	backendRefuses
	backendSilent
)

// EndScenarios returns all of them.
func EndScenarios() []EndScenario {
	return []EndScenario{
		{Name: "EndBackendUp", Title: "the backend answers", backend: backendUp},
		{Name: "EndBackendRefuses", Title: "the backend is gone: it refuses connections", backend: backendRefuses},
		{Name: "EndBackendSilent", Title: "the backend is gone: it takes requests and never answers", backend: backendSilent},
	}
}

// EndPeers names those whose End is measured; the last is the clock alone.
func EndPeers() []string { return []string{"spandrel", "otel", "clock"} }

// The units of an end latency row.
const (
	UnitEndMedian = "p50-ns/end"
	UnitEnd99     = "p99-ns/end"
	UnitEnd999    = "p99.9-ns/end"
	UnitEndMax    = "max-ns/end"
	UnitMutex     = "mutex-ns/span"
	UnitDelivered = "%delivered"
)

const (
	// endRate is how many spans a second are made, endCallers by how many goroutines. All peers can make
	// as many on two slow cores, and deliver them.
	endRate    = 20_000
	endCallers = 2
	endSpans   = 10 // of a trace
)

// endPeer is a library before a Zipkin server.
type endPeer struct {
	tracer trace.Tracer // nil: only the clock is read
	stop   func(context.Context) error
}

// MeasureEnd makes spans at a pace for as long as d, and reads the clock before and after each End. Both
// libraries have the defaults of their queues and their own Zipkin exporter, and are called through
// OpenTelemetry's API.
func MeasureEnd(sc EndScenario, peer string, d time.Duration) (Row, error) {
	row := Row{Scenario: sc.Name, Peer: peer, Procs: runtime.GOMAXPROCS(0)}
	backend := newZipkinServer(sc.backend)
	defer backend.close()
	p, err := startEndPeer(peer, backend)
	if err != nil {
		return row, fmt.Errorf("benchmarks: %s: %w", peer, err)
	}
	runtime.GC()
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	busyBefore, known := machineBusy()
	cpu, start, waited := processCPU(), time.Now(), mutexWait()

	var ends latency.Histogram
	var mu sync.Mutex // guards ends
	var wg sync.WaitGroup
	for range endCallers {
		wg.Go(func() {
			var own latency.Histogram
			p.call(d, &own)
			mu.Lock()
			ends.Add(&own)
			mu.Unlock()
		})
	}
	wg.Wait()

	wall, used := time.Since(start), processCPU()-cpu
	busyAfter, _ := machineBusy()
	waited = mutexWait() - waited
	runtime.ReadMemStats(&after)
	external := -1.0
	if known {
		others := busyAfter - busyBefore - used
		external = min(1, max(0, others.Seconds()/(wall.Seconds()*float64(runtime.NumCPU()))))
	}
	if sc.backend != backendUp {
		backend.close() // so that nothing waits for it
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := p.stop(ctx); err != nil && sc.backend == backendUp {
		return row, fmt.Errorf("benchmarks: %s: %w", peer, err)
	}

	row.Spans = int64(ends.Count())
	spans := float64(row.Spans)
	row.Metrics = []Metric{
		{float64(ends.Quantile(0.5)), UnitEndMedian},
		{float64(ends.Quantile(0.99)), UnitEnd99},
		{float64(ends.Quantile(0.999)), UnitEnd999},
		{float64(ends.Max()), UnitEndMax},
		{float64(waited) / spans, UnitMutex},
		{float64(after.TotalAlloc-before.TotalAlloc) / spans, UnitBytes},
		{float64(after.Mallocs-before.Mallocs) / spans, UnitAllocs},
		{100 * float64(backend.spans.Load()) / spans, UnitDelivered},
		{100 * external, UnitExternal},
	}
	return row, nil
}

// call makes traces at its share of the pace for as long as d.
func (p *endPeer) call(d time.Duration, ends *latency.Histogram) {
	every := time.Second * endSpans * endCallers / endRate
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	start := time.Now()
	for due := start; due.Before(start.Add(d)); <-tick.C {
		for ; !due.After(time.Now()); due = due.Add(every) {
			p.trace(ends)
		}
	}
}

// trace makes a trace of a root span and nine children.
func (p *endPeer) trace(ends *latency.Histogram) {
	if p.tracer == nil {
		for range endSpans {
			start := time.Now()
			ends.Record(time.Since(start))
		}
		return
	}
	end := func(s trace.Span) {
		start := time.Now()
		s.End()
		ends.Record(time.Since(start))
	}
	fill := func(s trace.Span) {
		s.SetAttributes(attribute.String(keyString, valueString), attribute.Int(keyInt, valueInt), attribute.Bool(keyBool, valueBool), attribute.String(keyText, valueText))
		s.SetStatus(codes.Error, statusText)
	}
	ctx, root := p.tracer.Start(context.Background(), rootName, trace.WithSpanKind(trace.SpanKindServer))
	for range endSpans - 1 {
		_, child := p.tracer.Start(ctx, childName, trace.WithSpanKind(trace.SpanKindClient))
		fill(child)
		end(child)
	}
	fill(root)
	end(root)
}

func startEndPeer(name string, backend *zipkinServer) (*endPeer, error) {
	client := &http.Client{Transport: &http.Transport{}}
	switch name {
	case "spandrel":
		e, err := zipkin.New(backend.url, zipkin.WithHTTPClient(client))
		if err != nil {
			return nil, err
		}
		p, err := tracing.NewProvider(tracing.WithExporter(e), tracing.WithServiceName(serviceName), tracing.WithLogger(slog.New(slog.DiscardHandler)))
		if err != nil {
			return nil, err
		}
		return &endPeer{p.Tracer(scopeName), closing(client, p.Shutdown)}, nil
	case "otel":
		e, err := otelzipkin.New(backend.url, otelzipkin.WithClient(client))
		if err != nil {
			return nil, err
		}
		otel.SetErrorHandler(otel.ErrorHandlerFunc(func(error) {})) // it would write each failure to standard error
		p := sdktrace.NewTracerProvider(sdktrace.WithBatcher(e),
			sdktrace.WithResource(resource.NewSchemaless(attribute.String("service.name", serviceName))))
		return &endPeer{p.Tracer(scopeName), closing(client, p.Shutdown)}, nil
	case "clock":
		return &endPeer{stop: func(context.Context) error { return nil }}, nil
	default:
		return nil, fmt.Errorf("no peer %q among %v", name, EndPeers())
	}
}

// closing closes the client's connections after f.
func closing(client *http.Client, f func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		defer client.CloseIdleConnections()
		return f(ctx)
	}
}

// mutexWait returns the time that goroutines of this process have waited for locks, all together.
func mutexWait() time.Duration {
	sample := []metrics.Sample{{Name: "/sync/mutex/wait/total:seconds"}}
	metrics.Read(sample)
	return time.Duration(sample[0].Value.Float64() * float64(time.Second))
}

// zipkinServer counts spans.
type zipkinServer struct {
	url    string
	server *httptest.Server // nil: the port is closed
	gone   chan struct{}    // closed by close
	once   sync.Once
	spans  atomic.Int64
}

func newZipkinServer(as endBackend) *zipkinServer {
	z := &zipkinServer{gone: make(chan struct{})}
	if as == backendRefuses {
		z.url = "http://" + closedPort() + "/api/v2/spans"
		return z
	}
	z.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if as == backendSilent || err != nil {
			<-z.gone
			return
		}
		z.spans.Add(int64(bytes.Count(body, []byte(`"id":"`))))
		w.WriteHeader(http.StatusAccepted)
	}))
	z.url = z.server.URL + "/api/v2/spans"
	return z
}

// closedPort returns an address where nobody listens.
func closedPort() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "127.0.0.1:1" // nobody listens there either
	}
	defer l.Close() //nolint:errcheck // nothing was promised
	return l.Addr().String()
}

func (z *zipkinServer) close() {
	z.once.Do(func() {
		close(z.gone)
		if z.server != nil {
			z.server.CloseClientConnections()
			z.server.Close()
		}
	})
}

// FindEndScenario returns the scenario of the given name.
func FindEndScenario(name string) (EndScenario, bool) {
	all := EndScenarios()
	i := slices.IndexFunc(all, func(sc EndScenario) bool { return sc.Name == name })
	if i < 0 {
		return EndScenario{}, false
	}
	return all[i], true
}
