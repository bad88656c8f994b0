// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/exporters/console"
	"github.com/spandrel-go/spandrel/tracing"
)

// tracer is made before there is a provider: kong.tracing.new("custom-plugin"). Until SetGlobal it is a
// no-op, as Kong's is until tracing is configured.
var tracer = tracing.NewTracer("custom-plugin")

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "kongstyle:", err)
		os.Exit(1)
	}
}

// run is the whole program. The global provider is one for all: do not run it twice at a time.
func run(ctx context.Context, out io.Writer) error {
	traces, err := console.NewCollector()
	if err != nil {
		return err
	}
	provider, err := tracing.NewProvider(tracing.WithServiceName("kongstyle"), tracing.WithExporter(traces))
	if err != nil {
		return err
	}
	tracing.SetGlobal(provider)
	defer tracing.SetGlobal(nil)

	var log strings.Builder
	request(ctx, &log, "/health")
	request(ctx, &log, "/orders")
	if err := provider.Shutdown(ctx); err != nil {
		return err
	}

	if _, err := io.WriteString(out, log.String()); err != nil {
		return err
	}
	if err := traces.Render(out); err != nil {
		return err
	}
	st := provider.Stats()
	_, err = fmt.Fprintf(out, "%d spans: %d exported, %d not worth keeping\n",
		st.Ended, st.Exporters[0].Exported, st.Withheld.NotSampled)
	return err
}

// request goes through Kong's phases.
func request(ctx context.Context, log *strings.Builder, path string) {
	ctx, root := tracer.StartSpan(ctx, "request",
		tracing.WithKind(trace.SpanKindServer),
		tracing.WithAttributes(attribute.String("url.path", path)))
	defer root.Finish()

	access(ctx)
	err := balancer(ctx, path)
	logPhase(ctx, log, err)
}

// access is a span around a piece of work, and what it has found.
func access(ctx context.Context) {
	_, span := tracer.StartSpan(ctx, "check quota")
	defer span.Finish()
	span.SetAttribute("quota.left", 7)
	span.SetAttribute("quota.key", "consumer-secret")
	span.SetAttribute("quota.key", nil) // removes it again
	span.AddEvent("quota found", trace.WithAttributes(attribute.String("quota.window", "minute")))
}

// balancer calls the service. Each try is the active span while it lasts, so that whoever is called with
// this Go context can add to it.
func balancer(ctx context.Context, path string) error {
	var err error
	for n := 1; n <= 2; n++ {
		begin := time.Now()
		_, try := tracer.StartSpan(ctx, fmt.Sprintf("balancer try %d", n),
			tracing.WithKind(trace.SpanKindClient), tracing.WithStartTime(begin))
		err = connect(tracer.SetActiveSpan(ctx, try), path)
		if err != nil {
			try.RecordError(err)
			try.SetStatus(codes.Error, err.Error()) // Kong's 2, by name
		}
		try.FinishAt(begin.Add(time.Since(begin)))
		if err == nil {
			break
		}
	}
	return err
}

// connect knows nothing of tries, only of the active span.
func connect(ctx context.Context, path string) error {
	tracing.ActiveSpan(ctx).SetAttribute("server.address", "orders.internal")
	if path == "/health" {
		return nil
	}
	return errors.New("connection refused")
}

// logPhase looks at all spans of the request, and decides late: a request without an error is not kept.
func logPhase(ctx context.Context, log *strings.Builder, failure error) {
	if failure != nil {
		tracer.RootSpan(ctx).SetStatus(codes.Error, failure.Error())
	} else {
		tracer.SetShouldSample(ctx, false)
	}
	tracer.ProcessSpans(ctx, func(d *tracing.SpanData) {
		fmt.Fprintf(log, "%s:", d.Name)
		for _, kv := range d.Attributes {
			fmt.Fprintf(log, " %s=%s", kv.Key, kv.Value.String())
		}
		for _, e := range d.Events {
			fmt.Fprintf(log, " [%s]", e.Name)
		}
		fmt.Fprintln(log)
	})
	fmt.Fprintln(log)
}
