// SPDX-License-Identifier: Apache-2.0

package benchmarks

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/DataDog/datadog-go/v5/statsd"
	"github.com/DataDog/dd-trace-go/v2/ddtrace/ext"
	"github.com/DataDog/dd-trace-go/v2/ddtrace/tracer"
)

const datadogPace = " it has no mode that loses nothing, so each time a share of its queue of 1,000 traces " +
	"is filled the generator calls tracer.Flush and waits for the rest to arrive"

func datadogPeer() Peer {
	return Peer{
		Name: "datadog",
		About: "dd-trace-go, agent in the same process, no AppSec, telemetry, remote configuration or client-side stats;" +
			datadogPace + "; unsampled: WithSamplerRate(0); disabled: not started",
		Delivers: true,
		Start: func(mode Mode, sink *Sink) (Instance, error) {
			return startDatadog(mode, sink, tracer.WithStatsComputation(false))
		},
	}
}

func datadogStats() Peer {
	return Peer{
		Name:     "datadog-stats",
		About:    "the same with client-side stats, which are on by default",
		Delivers: true,
		Start: func(mode Mode, sink *Sink) (Instance, error) {
			return startDatadog(mode, sink, tracer.WithStatsComputation(true))
		},
	}
}

// datadogEnv switches off what has no option. The library reads it at its first start.
var datadogEnv = map[string]string{
	"DD_INSTRUMENTATION_TELEMETRY_ENABLED": "false",
	"DD_REMOTE_CONFIGURATION_ENABLED":      "false",
	"DD_CRASHTRACKING_ENABLED":             "false",
}

func startDatadog(mode Mode, sink *Sink, opts ...tracer.StartOption) (Instance, error) {
	d := &datadogCaller{
		mode:   mode,
		agent:  &datadogAgent{sink: sink, arrived: make(chan struct{}, 1)},
		window: int64(datadogQueue / (runtime.GOMAXPROCS(0) + 2)),
	}
	if mode == Disabled {
		return d, nil
	}
	for k, v := range datadogEnv {
		if err := os.Setenv(k, v); err != nil {
			return nil, err
		}
	}
	opts = append(opts,
		tracer.WithHTTPClient(&http.Client{Transport: d.agent}),
		tracer.WithAgentURL("http://127.0.0.1:8126"), // never dialled
		tracer.WithStatsdClient(&statsd.NoOpClientDirect{}),
		tracer.WithService(serviceName),
		tracer.WithAppSecEnabled(false),
		tracer.WithLogStartup(false),
		tracer.WithLogger(quietLogger{}),
	)
	if mode == Unsampled {
		opts = append(opts, tracer.WithSamplerRate(0))
	}
	if err := tracer.Start(opts...); err != nil {
		return nil, fmt.Errorf("benchmarks: start dd-trace-go: %w", err)
	}
	return d, nil
}

type quietLogger struct{}

func (quietLogger) Log(string) {}

// datadogQueue is how many traces the library's queue holds; it drops what comes when it is full.
const datadogQueue = 1000

// datadogPatience is far longer than a generator ever waits.
const datadogPatience = 10 * time.Second

type datadogCaller struct {
	mode  Mode
	agent *datadogAgent
	// window is how many traces may be under way when a generator goes on, and how often it looks. While
	// each core has a generator that waits, as many windows and one more can be in the queue.
	window int64
	made   atomic.Int64 // traces
}

func (d *datadogCaller) Trace(s *Shape) {
	root, ctx := d.start(context.Background(), rootName, ext.SpanKindServer, s)
	if s.Workers == 0 {
		for range s.Children {
			d.child(ctx, s)
		}
	} else {
		fanOut(s, func() { d.child(ctx, s) })
	}
	d.fill(root, s)
	root.Finish()
	if made := d.made.Add(1); d.mode == Recorded && made%d.window == 0 {
		d.pace()
	}
}

// pace waits until the traces under way fit the window. It gives up when that takes too long, so that
// a lost trace becomes the error of Stop.
func (d *datadogCaller) pace() {
	deadline := time.Now().Add(datadogPatience)
	for d.underWay() > d.window && d.agent.err.Load() == nil && time.Now().Before(deadline) {
		// Flush sends what the worker has encoded, which need not be all that is queued, and does not
		// wait for it to arrive. Asking again before it has would make many small requests.
		tracer.Flush()
		select {
		case <-d.agent.arrived:
		case <-time.After(time.Millisecond):
		}
	}
}

func (d *datadogCaller) underWay() int64 { return d.made.Load() - d.agent.traces.Load() }

func (d *datadogCaller) child(ctx context.Context, s *Shape) {
	span, _ := d.start(ctx, childName, ext.SpanKindClient, s)
	d.fill(span, s)
	span.Finish()
}

// start takes the kind as an interface value, so that the constants of its callers are not boxed anew.
func (d *datadogCaller) start(ctx context.Context, name string, kind any, s *Shape) (*tracer.Span, context.Context) {
	if s.Attributes {
		return tracer.StartSpanFromContext(ctx, name, tracer.Tag(ext.SpanKind, kind))
	}
	return tracer.StartSpanFromContext(ctx, name)
}

// fill sets tags one by one: the library has no call for several on a started span.
func (d *datadogCaller) fill(span *tracer.Span, s *Shape) {
	if s.Attributes {
		span.SetTag(keyString, valueString)
		span.SetTag(keyInt, valueInt)
		span.SetTag(keyBool, valueBool)
		span.SetTag(keyText, valueText)
		span.SetTag(ext.Error, true)
		span.SetTag(ext.ErrorMsg, statusText)
	}
	for range s.Events {
		span.AddEvent(eventName)
	}
}

func (d *datadogCaller) Stop() error {
	if d.mode == Disabled {
		return nil
	}
	tracer.Stop()
	// Stop waits for the sending of all payloads but gives no error.
	if err := d.agent.err.Load(); err != nil {
		return *err
	}
	if lost := d.underWay(); d.mode == Recorded && lost != 0 {
		return fmt.Errorf("benchmarks: dd-trace-go lost %d of %d traces", lost, d.made.Load())
	}
	return nil
}
